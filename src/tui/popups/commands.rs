//! Every command by its name, with its key beside it. What cannot be done now stays, with the reason.
//!
//! ```text
//! ┌ Commands ──────────────────────────────────── 3 of 61 ┐
//! │ :forg▏                                                │
//! │▌ forget the node, its runs and its log              D │
//! │                                                       │
//! │  asks first                                           │
//! └───────────────────────────────────────────────────────┘
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::snapshot::Snapshot;
use crate::tui::confirm::allowed::allowed;
use crate::tui::input::fuzzy::distance;
use crate::tui::input::keymap::{Action, BINDINGS, Danger, KeyBinding, Scope};
use crate::tui::state::Screen;
use crate::tui::style::layout::middle;
use crate::tui::style::text::{cut, width};
use crate::tui::style::theme::Meaning;
use crate::tui::style::widgets::{paragraph, popup, text, window};

/// A command, and why it cannot be done now, if so.
#[derive(Clone, Debug)]
pub struct PaletteEntry {
    pub binding: &'static KeyBinding,
    pub why_not: Option<String>,
}

/// The commands that `typed` finds: the nearest first, and before the others those that can be done.
pub fn entries(screen: &Screen, live: &Snapshot, typed: &str) -> Vec<PaletteEntry> {
    let here = screen.place_below().scopes();
    let mut found: Vec<(usize, PaletteEntry)> = BINDINGS
        .iter()
        .filter(|binding| is_command(binding))
        .filter_map(|binding| {
            let names = format!("{} {}", binding.brief.unwrap_or_default(), binding.words);
            let far = distance(typed, &names).or_else(|| Some(BY_PLACE + distance(typed, binding.scope.title())?))?;
            let why_not = if here.contains(&binding.scope) {
                allowed(binding.action, screen, live).err().map(|why| format!("not now: {why}"))
            } else {
                Some(format!("not here: it belongs to {:?}", binding.scope.title()))
            };
            Some((far, PaletteEntry { binding, why_not }))
        })
        .collect();
    found.sort_by_key(|(far, entry)| (*far >= BY_PLACE, entry.why_not.is_some(), *far));
    found.into_iter().map(|(_, entry)| entry).collect()
}

/// Answers to popups, and letters, are no commands.
fn is_command(binding: &KeyBinding) -> bool {
    let is_said = match binding.scope {
        Scope::Path
        | Scope::Filter
        | Scope::Text
        | Scope::Question
        | Scope::Typed
        | Scope::Choice
        | Scope::Notice
        | Scope::Order
        | Scope::Help
        | Scope::Search
        | Scope::Commands
        | Scope::Wall => false,
        Scope::Batch
        | Scope::Nodes
        | Scope::Node
        | Scope::Chosen
        | Scope::Moving
        | Scope::Everywhere
        | Scope::Top
        | Scope::Orders
        | Scope::Papers
        | Scope::Form
        | Scope::Lists
        | Scope::Preview
        | Scope::Edit
        | Scope::Services
        | Scope::Logs
        | Scope::Always => true,
    };
    is_said && binding.action != Action::Commands
}

pub fn view(screen: &Screen, live: &Snapshot, typed: &str, at: usize, area: Rect, frame: &mut Frame<'_>) {
    let theme = &screen.theme;
    let entries = entries(screen, live, typed);
    let place = middle(area, WIDTH, area.height.min(HEIGHT));
    let remark = Line::raw(format!("{} of {}", entries.len(), BINDINGS.iter().filter(|row| is_command(row)).count()));
    let inner = popup(theme, Line::styled("Commands", theme.style(Meaning::Title)), remark, place, frame);
    let room = usize::from(inner.width);

    let about = entries.get(at).map(|entry| about(screen, entry, room)).unwrap_or_default();
    let rows = usize::from(inner.height).saturating_sub(2 + about.len());
    let mut lines = vec![Line::from(vec![
        Span::styled(" :", theme.style(Meaning::Key)),
        Span::raw(cut(typed, room.saturating_sub(3))),
        Span::styled(theme.glyphs.caret, theme.style(Meaning::Key)),
    ])];
    let in_shell = if typed.trim().is_empty() { Vec::new() } else { of_the_shell(typed) };
    if entries.is_empty() && in_shell.is_empty() {
        lines.push(Line::raw(" no command has such words"));
    }
    let shown = window(entries.len(), at, rows);
    let first = shown.start;
    lines.extend(entries[shown].iter().enumerate().map(|(row, entry)| line(screen, entry, first + row == at, room)));
    let (muted, height) = (theme.style(Meaning::Muted), usize::from(inner.height).saturating_sub(about.len()));
    for (command, what) in in_shell {
        let said = paragraph(Span::styled("  in a shell: ", muted), &format!("{command}: {what}"), muted, room);
        if lines.len() + said.len() <= height {
            lines.extend(said);
        }
    }
    lines.resize(height, Line::default());
    lines.extend(about);
    text(&lines, 0, inner, frame);
}

/// What has no key, and is done by a command of the shell beside the station.
fn of_the_shell(typed: &str) -> Vec<(&'static str, &'static str)> {
    let fits = |(command, what): &(&str, &str)| distance(typed, &format!("{command} {what}")).is_some();
    SHELL.iter().copied().filter(fits).collect()
}

/// `▌ forget the node, its runs and its log      D `
fn line(screen: &Screen, entry: &PaletteEntry, chosen: bool, room: usize) -> Line<'static> {
    let theme = &screen.theme;
    let (key, words) = (key(entry.binding), words(entry.binding, room));
    let gap = " ".repeat(room.saturating_sub(width(&words) + width(&key) + 3));
    let (of_words, of_key) = match (chosen, entry.why_not.is_some()) {
        (true, _) => (Meaning::Selected, Meaning::Selected),
        (false, true) => (Meaning::Muted, Meaning::Muted),
        (false, false) => (Meaning::Plain, Meaning::Key),
    };
    let cursor = if chosen { theme.glyphs.cursor } else { " " };
    Line::from(vec![
        Span::raw(format!("{cursor} ")),
        Span::styled(format!("{words}{gap}"), theme.style(of_words)),
        Span::styled(key, theme.style(of_key)),
    ])
}

/// What is to be said of the chosen one: first the whole of its words, where its line has no room for them.
fn about(screen: &Screen, entry: &PaletteEntry, room: usize) -> Vec<Line<'static>> {
    let is_cut = words(entry.binding, room) != entry.binding.words;
    let remark = match &entry.why_not {
        Some(why) => Some(why.as_str()),
        None if entry.binding.danger == Danger::AsksFirst => Some("asks first"),
        None => None,
    };
    let muted = screen.theme.style(Meaning::Muted);
    let said = is_cut.then_some(entry.binding.words).into_iter().chain(remark);
    said.flat_map(|words| paragraph(Span::raw("  "), words, muted, room)).collect()
}

/// What there is room for beside the key.
fn words(binding: &KeyBinding, room: usize) -> String {
    cut(binding.words, room.saturating_sub(width(&key(binding)) + 4))
}

fn key(binding: &KeyBinding) -> String {
    binding.keys.first().map(ToString::to_string).unwrap_or_default()
}

/// Commands of the shell, and what they do in the words in which somebody looks for them.
pub const SHELL: &[(&str, &str)] = &[
    ("oxbow verify FILE", "whether a certificate is genuine: as the station signed it"),
    ("oxbow images add FILE", "take an OS image in, and check it"),
    ("oxbow check", "what would disappoint a machine: boot files, profiles, images"),
    ("oxbow ca", "the certificate authority that machines are to trust"),
];

const WIDTH: u16 = 84;
const HEIGHT: u16 = 22;
/// Found by the place it belongs to alone.
const BY_PLACE: usize = 1000;
