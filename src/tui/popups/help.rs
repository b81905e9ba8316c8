//! Every key, from the one table. Those of the pane below come first; what makes no sense now is dimmed, with the reason.
//!
//! ```text
//! ┌ Keys ───────────────────────────────────────────────────┐
//! │ Nodes                                                    │
//! │   Enter          open the node: stages, identity, …      │
//! │   Esc            show all nodes again                    │
//! │                  not now: no filter is set               │
//! └──────────────────────────────────────────────────────────┘
//! ```
//!
//! `/` and words show only the keys of which they are said.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::snapshot::Snapshot;
use crate::tui::confirm::allowed::allowed;
use crate::tui::input::keymap::{BINDINGS, Danger, KeyBinding, Scope, names};
use crate::tui::state::Screen;
use crate::tui::style::layout::middle;
use crate::tui::style::theme::Meaning;
use crate::tui::style::widgets::{paragraph, part, popup, text};

pub fn view(
    screen: &Screen,
    live: &Snapshot,
    scrolled: usize,
    (find, finding): (&str, bool),
    area: Rect,
    frame: &mut Frame<'_>,
) {
    let place = place(area);
    let mut title = Line::styled("Keys", screen.theme.style(Meaning::Title));
    if finding || !find.is_empty() {
        title.push_span(Span::styled(format!(" /{find}"), screen.theme.style(Meaning::Key)));
    }
    if finding {
        title.push_span(Span::styled(screen.theme.glyphs.caret, screen.theme.style(Meaning::Key)));
    }
    let lines = lines(screen, live, find, place.width.saturating_sub(2).into());
    let remark = part(lines.len(), scrolled, place.height.saturating_sub(2).into());
    let inner = popup(&screen.theme, title, remark, place, frame);
    text(&lines, scrolled, inner, frame);
}

/// Lines in all, and those in view at once.
pub fn extent(screen: &Screen, live: &Snapshot, find: &str) -> (usize, usize) {
    let place = place(Rect::new(0, 0, screen.size.width, screen.size.height.saturating_sub(1)));
    (lines(screen, live, find, place.width.saturating_sub(2).into()).len(), place.height.saturating_sub(2).into())
}

fn place(area: Rect) -> Rect {
    middle(area, WIDTH, area.height)
}

fn lines(screen: &Screen, live: &Snapshot, find: &str, width: usize) -> Vec<Line<'static>> {
    let here = screen.place_below().scopes();
    let elsewhere = Scope::ALL.into_iter().filter(|scope| !here.contains(scope));
    let mut lines = Vec::new();
    for scope in here.iter().copied().chain(elsewhere) {
        let rows: Vec<&KeyBinding> =
            BINDINGS.iter().filter(|binding| binding.scope == scope && has(binding, find)).collect();
        if rows.is_empty() {
            continue;
        }
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        let title = Span::styled(format!(" {}", scope.title()), screen.theme.style(Meaning::Title));
        let note = if here.contains(&scope) { "" } else { "  (not here)" };
        lines.push(Line::from(vec![title, Span::styled(note, screen.theme.style(Meaning::Muted))]));
        lines.extend(rows.into_iter().flat_map(|binding| row(screen, live, binding, here.contains(&scope), width)));
    }
    if lines.is_empty() {
        lines.push(Line::raw(" no key has all of these words"));
    }
    lines
}

/// Whether every word of `find` is in what is said of a key.
fn has(binding: &KeyBinding, find: &str) -> bool {
    let said = format!("{} {} {}", names(binding.keys), binding.words, binding.scope.title()).to_lowercase();
    find.to_lowercase().split_whitespace().all(|word| said.contains(word))
}

fn row(screen: &Screen, live: &Snapshot, binding: &KeyBinding, here: bool, width: usize) -> Vec<Line<'static>> {
    let theme = &screen.theme;
    let why = allowed(binding.action, screen, live).err().filter(|_| here);
    let (key, words) =
        if why.is_some() || !here { (Meaning::Muted, Meaning::Muted) } else { (Meaning::Key, Meaning::Plain) };
    let asks = if binding.danger == Danger::AsksFirst { "; asks first" } else { "" };
    let head = Span::styled(format!("   {:<KEYS$}", names(binding.keys)), theme.style(key));
    let mut lines = paragraph(head, &format!("{}{asks}", binding.words), theme.style(words), width);
    if let Some(why) = why {
        let indent = Span::raw(" ".repeat(KEYS + 3));
        lines.extend(paragraph(indent, &format!("not now: {why}"), theme.style(Meaning::Muted), width));
    }
    lines
}

const WIDTH: u16 = 84;
/// Columns of the keys.
const KEYS: usize = 15;
