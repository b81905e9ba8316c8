//! A question or a notice.
//!
//! ```text
//! ┌ Forget press-03? ────────────────────────────┐
//! │                                              │
//! │  The node, its registration and its 2 runs   │
//! │  are dropped from this station.              │
//! │                                              │
//! │            [ No ]      Yes                   │
//! └──────────────────────────────────────────────┘
//! ```

use ratatui::Frame;
use ratatui::layout::{Margin, Rect};
use ratatui::text::{Line, Span};

use crate::tui::layout::middle;
use crate::tui::screen::Screen;
use crate::tui::theme::Meaning;
use crate::tui::widgets::{popup, text};
use crate::tui::words::{cut, wrap};

/// `yes` is the button of a question that has the focus; a notice has none.
pub fn view(screen: &Screen, title: &str, said: &[String], yes: Option<bool>, area: Rect, frame: &mut Frame<'_>) {
    let width = area.width.saturating_sub(4).min(WIDTH);
    let room = usize::from(width.saturating_sub(4));
    let mut lines: Vec<Line<'_>> = vec![Line::default()];
    for sentence in said {
        lines.extend(wrap(sentence, room).into_iter().map(Line::raw));
    }
    lines.push(Line::default());
    lines.push(buttons(screen, yes));
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX);
    let place = middle(area, width, height);
    let theme = &screen.theme;
    let title =
        Line::styled(cut(title, room), theme.style(if yes.is_some() { Meaning::Warning } else { Meaning::Title }));
    let inner = popup(theme, title, Line::default(), place, frame).inner(Margin::new(1, 0));
    // Where the text does not fit, the buttons do.
    let hidden = lines.len().saturating_sub(inner.height.into());
    text(&lines, hidden, inner, frame);
}

fn buttons(screen: &Screen, yes: Option<bool>) -> Line<'static> {
    let theme = &screen.theme;
    let button = |words: &str, focus: bool| {
        let meaning = if focus { Meaning::Selected } else { Meaning::Plain };
        Span::styled(if focus { format!("[ {words} ]") } else { format!("  {words}  ") }, theme.style(meaning))
    };
    match yes {
        Some(yes) => Line::from(vec![button("No", !yes), Span::raw("    "), button("Yes", yes)]),
        None => Line::from(button("Close", true)),
    }
    .centered()
}

const WIDTH: u16 = 64;
