//! A profile's templates, filled in for one node.
//!
//! A template speaks of `node`, `profile`, `station` and `run`; [`values`] is the list. A name that does not exist is a
//! mistake wherever it stands, and is found when the profile is read. What is not known of *this* node is `none`: it can
//! be asked for by `{% if node.hostname %}`, replaced by `{{ node.hostname or node.name }}`, and not written as it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, context};

use super::{CloudInit, Profile};
use crate::domain::ids::RunId;
use crate::domain::node::Node;
use crate::domain::profile::template::Template;
use crate::domain::station::Station;

/// For whom a profile is filled in, and where from it is served.
#[derive(Clone, Copy, Debug)]
pub struct TemplateScope<'a> {
    pub profile: &'a Profile,
    pub node: &'a Node,
    pub station: &'a Station,
    /// Where the machine reaches the station.
    pub base_url: &'a str,
    pub run: RunId,
}

/// A template that cannot be filled in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {what}")]
pub struct Unfilled {
    pub file: String,
    pub line: usize,
    pub what: String,
}

/// Every template of `profile` with what it is for, in the order of the file.
pub fn templates(profile: &Profile) -> Vec<&Template> {
    let CloudInit { user_data, meta_data, network_config } = &profile.cloud_init;
    let installer = profile.installer();
    let arguments = installer.into_iter().flat_map(|installer| installer.arguments.iter().chain(&installer.answers));
    let files = profile.files.iter().map(|file| &file.content);
    let documents = [user_data, meta_data, network_config].into_iter().flatten();
    arguments.chain(files).chain(documents).chain(profile.system.templates()).collect()
}

/// Everything in `profile` that cannot be filled in for this node.
pub fn unfilled(occasion: TemplateScope<'_>) -> Vec<Unfilled> {
    let values = values(occasion);
    templates(occasion.profile).into_iter().filter_map(|template| fill(template, &values).err()).collect()
}

/// The text of `template` with these values.
pub fn fill(template: &Template, values: &Value) -> Result<String, Unfilled> {
    let jinja = jinja();
    let text = &*template.text;
    jinja.render_str(text, values).map_err(|err| Unfilled {
        file: template.file.clone(),
        line: template.line + err.line().map_or(0, |line| line - 1),
        what: said(&err, text),
    })
}

/// Names in `template` that mean nothing, with the line of each; also where no sample ever gets to.
pub fn unknown_names(template: &Template, values: &Value) -> Vec<(usize, String)> {
    let jinja = jinja();
    let Ok(parsed) = jinja.template_from_str(&template.text) else { return Vec::new() };
    let mut names: Vec<String> = parsed.undeclared_variables(true).into_iter().collect();
    names.sort();
    let line = |name: &str| template.text.lines().position(|line| line.contains(name)).unwrap_or(0) + template.line;
    let is_known = |name: &str| {
        let mut parts = name.splitn(3, '.');
        let (first, second) = (parts.next().unwrap_or_default(), parts.next());
        has(values, first) && second.is_none_or(|second| values.get_attr(first).is_ok_and(|of| has(&of, second)))
    };
    names.into_iter().filter(|name| !is_known(name)).map(|name| (line(&name), name)).collect()
}

/// What exists below `name`, or at the top: for whoever looks for the name that was meant.
pub fn known_names(values: &Value, name: &str) -> Vec<String> {
    let below = name.rsplit_once('.').map(|(above, _)| above).filter(|above| has(values, above));
    let keys = |of: &Value| of.try_iter().map(|keys| keys.map(|key| key.to_string()).collect()).unwrap_or_default();
    match below {
        Some(above) => {
            let keys: Vec<String> = values.get_attr(above).map(|of| keys(&of)).unwrap_or_default();
            keys.into_iter().map(|key| format!("{above}.{key}")).collect()
        }
        None => keys(values),
    }
}

/// What a template may speak of.
pub fn values(occasion: TemplateScope<'_>) -> Value {
    let TemplateScope { profile, node, station, base_url, run } = occasion;
    let metadata = Metadata::of(&node.metadata);
    let text = |words: Option<String>| words.map_or(Value::from(()), Value::from);
    let run_url = format!("{base_url}{}", crate::domain::node::run::files_path(run));
    context! {
        node => context! {
            id => node.id.0,
            name => node.label(),
            serial => text(node.serial.as_ref().map(ToString::to_string)),
            uuid => text(node.uuid.map(|uuid| uuid.to_string())),
            mac => text(node.macs.first().map(ToString::to_string)),
            macs => node.macs.iter().map(ToString::to_string).collect::<Vec<_>>(),
            hostname => text(node.hostname.as_ref().map(ToString::to_string)),
            address => text(node.address.map(|address| address.to_string())),
            manufacturer => text(node.manufacturer.clone()),
            product => text(node.product.clone()),
            site => text(metadata.find("site").map(ToOwned::to_owned)),
            metadata => Value::from_object(metadata),
        },
        profile => context! { id => profile.id.as_str(), title => profile.title },
        station => context! { address => station.address.to_string(), url => base_url },
        run => context! {
            id => run.to_string(),
            url => run_url,
            answers => format!("{run_url}/answers"),
            seed => format!("{run_url}/seed/"),
            files => format!("{run_url}/files"),
            done => format!("{run_url}/done"),
            home => format!("{run_url}/home"),
        },
    }
}

fn jinja() -> Environment<'static> {
    let mut jinja = Environment::new();
    jinja.set_undefined_behavior(UndefinedBehavior::Strict);
    jinja.set_trim_blocks(true);
    jinja.set_lstrip_blocks(true);
    jinja.set_keep_trailing_newline(true);
    jinja.set_formatter(|out, state, value| {
        if value.is_none() {
            return Err(Error::new(ErrorKind::InvalidOperation, NOT_KNOWN));
        }
        minijinja::escape_formatter(out, state, value)
    });
    jinja
}

/// The mistake in words; `text` is the template.
fn said(err: &Error, text: &str) -> String {
    let expression = err.range().and_then(|range| whole(text, range)).filter(|word| !word.is_empty());
    match (err.kind(), expression) {
        (ErrorKind::UndefinedError, Some(name)) => format!("nothing is called {name:?}"),
        (ErrorKind::InvalidOperation, Some(name)) if err.detail() == Some(NOT_KNOWN) => format!("{name} {NOT_KNOWN}"),
        (kind, _) => err.detail().map_or_else(|| kind.to_string(), ToOwned::to_owned),
    }
}

/// The expression at `range`, with the name that it begins with.
fn whole(text: &str, range: std::ops::Range<usize>) -> Option<&str> {
    let before = text.get(..range.start)?;
    let name = before.trim_end_matches(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.'));
    text.get(name.len()..range.end).map(str::trim)
}

fn has(values: &Value, key: &str) -> bool {
    values.get_attr(key).is_ok_and(|value| !value.is_undefined())
}

/// What people keep about a node. Titles are compared without regard to case; one that this node has not is `none`.
#[derive(Debug)]
struct Metadata {
    known: BTreeMap<String, String>,
}

impl Metadata {
    fn of(known: &BTreeMap<String, String>) -> Self {
        Self { known: known.iter().map(|(title, value)| (title.to_lowercase(), value.clone())).collect() }
    }

    fn find(&self, title: &str) -> Option<&str> {
        let any = self.known.get(super::sample::ANY_TITLE);
        self.known.get(&title.to_lowercase()).or(any).map(String::as_str)
    }
}

impl Object for Metadata {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(self.find(key.as_str()?).map_or(Value::from(()), Value::from))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.known.keys().map(|title| Value::from(title.clone())).collect())
    }
}

const NOT_KNOWN: &str = "is not known of this node";
