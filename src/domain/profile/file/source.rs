//! A profile's file while it is read: where things stand in it, and what is wrong.

use toml::de::{DeArray, DeTable};

use crate::domain::diagnostic::Diagnostic;
use crate::domain::profile::template::Template;

/// Reads a file of the profiles directory, or says why not.
pub type ReadBeside<'a> = dyn Fn(&str) -> Result<String, String> + 'a;

pub(super) struct ProfileSource<'a> {
    pub(super) file: &'a str,
    text: &'a str,
    /// With the place of every key; none where it is no TOML.
    pub(super) root: Option<DeTable<'a>>,
    beside: &'a ReadBeside<'a>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl<'a> ProfileSource<'a> {
    pub(super) fn new(file: &'a str, text: &'a str, beside: &'a ReadBeside<'a>) -> Self {
        let root = DeTable::parse(text).ok().map(toml::Spanned::into_inner);
        Self { file, text, root, beside, diagnostics: Vec::new() }
    }

    pub(super) fn wrong(&mut self, line: Option<usize>, what: impl Into<String>, hint: impl Into<String>) {
        let file = self.file.into();
        self.diagnostics.push(Diagnostic { file, line, column: None, what: what.into(), hint: hint.into() });
    }

    /// Something is wrong with what stands under this key. Elements of an array are numbered from 0.
    pub(super) fn wrong_at(&mut self, key: &[&str], what: impl Into<String>, hint: impl Into<String>) {
        let line = self.line_of(key);
        self.wrong(line, what, hint);
    }

    /// Whether it has this key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.root.as_ref().is_some_and(|root| root.keys().any(|known| known.get_ref() == key))
    }

    /// The line of this byte.
    pub(super) fn line(&self, at: usize) -> usize {
        self.text.get(..at).map_or(1, |before| before.matches('\n').count() + 1)
    }

    /// The line of a key, or of the nearest thing above it that is there.
    fn line_of(&self, key: &[&str]) -> Option<usize> {
        let (mut found, mut table, mut array) = (None, self.root.as_ref(), None);
        for step in key {
            let below = match (table, array) {
                (Some(table), _) => {
                    let Some((key, below)) = table.iter().find(|(key, _)| key.get_ref() == step) else { break };
                    found = Some(key.span().start);
                    below
                }
                (None, Some(elements)) => {
                    let elements: &DeArray<'_> = elements;
                    let Some(below) = step.parse::<usize>().ok().and_then(|at| elements.get(at)) else { break };
                    found = Some(below.span().start);
                    below
                }
                (None, None) => break,
            };
            (table, array) = (below.get_ref().as_table(), below.get_ref().as_array());
        }
        found.map(|at| self.line(at))
    }

    /// What is written in the profile itself under this key.
    pub(super) fn inline(&self, key: &[&str], text: String) -> Template {
        let line = self.line_of(key);
        // A text of several lines begins on the line below its quotes.
        let line = line.unwrap_or(1) + usize::from(begins_below(self.text, line));
        Template { text: text.into(), file: self.file.into(), line }
    }

    /// The template that is the file of this name beside the profile. It is wrong if it cannot be had.
    pub(super) fn template(&mut self, key: &[&str], name: &str) -> Option<Template> {
        let inside =
            !name.is_empty() && !name.starts_with('/') && name.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !inside {
            let what = format!("{name:?} is no file beside the profile");
            self.wrong_at(key, what, "name a file of the profiles directory, as \"debian-installer/preseed.cfg\"");
            return None;
        }
        match (self.beside)(name) {
            Ok(text) => Some(Template { text: text.into(), file: name.into(), line: 1 }),
            Err(why) => {
                self.wrong_at(key, format!("the template {name} cannot be read: {why}"), "put it beside the profile");
                None
            }
        }
    }
}

/// Whether the value on this line is a text of several lines.
fn begins_below(text: &str, line: Option<usize>) -> bool {
    let line = line.and_then(|line| text.lines().nth(line - 1)).unwrap_or_default().trim_end();
    line.ends_with("\"\"\"") || line.ends_with("'''")
}
