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

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::snapshot::Snapshot;
use crate::tui::allowed::allowed;
use crate::tui::keymap::{BINDINGS, Binding, Danger, Scope, names};
use crate::tui::layout::middle;
use crate::tui::screen::Screen;
use crate::tui::theme::Meaning;
use crate::tui::widgets::{paragraph, part, popup, text};

pub fn view(screen: &Screen, live: &Snapshot, scrolled: usize, area: Rect, frame: &mut Frame<'_>) {
    let (title, place) = (Line::styled("Keys", screen.theme.style(Meaning::Title)), place(area));
    let lines = lines(screen, live, place.width.saturating_sub(2).into());
    let remark = part(lines.len(), scrolled, place.height.saturating_sub(2).into());
    let inner = popup(&screen.theme, title, remark, place, frame);
    text(&lines, scrolled, inner, frame);
}

/// Lines in all, and those in view at once.
pub fn extent(screen: &Screen, live: &Snapshot) -> (usize, usize) {
    let place = place(Rect::new(0, 0, screen.size.width, screen.size.height.saturating_sub(1)));
    (lines(screen, live, place.width.saturating_sub(2).into()).len(), place.height.saturating_sub(2).into())
}

fn place(area: Rect) -> Rect {
    middle(area, WIDTH, area.height)
}

fn lines(screen: &Screen, live: &Snapshot, width: usize) -> Vec<Line<'static>> {
    let here = screen.place_below().scopes();
    let elsewhere = Scope::ALL.into_iter().filter(|scope| !here.contains(scope));
    let mut lines = Vec::new();
    for scope in here.iter().copied().chain(elsewhere) {
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        let title = Span::styled(format!(" {}", scope.title()), screen.theme.style(Meaning::Title));
        let note = if here.contains(&scope) { "" } else { "  (not here)" };
        lines.push(Line::from(vec![title, Span::styled(note, screen.theme.style(Meaning::Muted))]));
        let rows = BINDINGS.iter().filter(|binding| binding.scope == scope);
        lines.extend(rows.flat_map(|binding| row(screen, live, binding, here.contains(&scope), width)));
    }
    lines
}

fn row(screen: &Screen, live: &Snapshot, binding: &Binding, here: bool, width: usize) -> Vec<Line<'static>> {
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
