//! A question or a notice.
//!
//! ```text
//! ┌ Forget press-03? ────────────────────────────┐
//! │                                              │
//! │  The node, its registration and its 2 runs   │
//! │  are dropped from this station.              │
//! │                                              │
//! │  as a command: oxbow nodes forget press-03   │
//! │                                              │
//! │            [ No ]      Yes                   │
//! └──────────────────────────────────────────────┘
//! ```

use ratatui::Frame;
use ratatui::layout::{Margin, Rect};
use ratatui::text::{Line, Span};

use crate::tui::state::Screen;
use crate::tui::style::layout::middle;
use crate::tui::style::text::{cut, width, wrap};
use crate::tui::style::theme::Meaning;
use crate::tui::style::widgets::{paragraph, popup, text};

/// What can be answered.
#[derive(Clone, Copy, Debug)]
pub enum Buttons<'p> {
    /// `yes` when *yes* has the focus.
    YesNo {
        yes: bool,
    },
    /// What is to be typed, and what has been.
    Typed {
        wanted: &'p str,
        typed: &'p str,
    },
    Close,
}

pub fn view(
    screen: &Screen,
    title: &str,
    said: &[String],
    command: Option<String>,
    below: Buttons<'_>,
    area: Rect,
    frame: &mut Frame<'_>,
) {
    // A path is read, and copied, on one line where there is room for it.
    let longest = said.iter().flat_map(|sentence| sentence.split(' ')).map(width).max().unwrap_or(0);
    let wanted = u16::try_from(longest + 4).unwrap_or(u16::MAX).max(WIDTH);
    let breadth = area.width.saturating_sub(4).min(wanted);
    let room = usize::from(breadth.saturating_sub(4));
    let mut lines: Vec<Line<'_>> = vec![Line::default()];
    for sentence in said {
        lines.extend(wrap(sentence, room).into_iter().map(Line::raw));
    }
    let command = command.map(|command| {
        let muted = screen.theme.style(Meaning::Muted);
        paragraph(Span::styled("as a command: ", muted), &command, muted, room)
    });
    // Where there is little room, what follows is more important than how it is written.
    if let Some(command) = command.filter(|command| lines.len() + command.len() + 5 <= area.height.into()) {
        lines.push(Line::default());
        lines.extend(command);
    }
    lines.push(Line::default());
    lines.extend(buttons(screen, below, room));
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX);
    let place = middle(area, breadth, height);
    let theme = &screen.theme;
    let meaning = if matches!(below, Buttons::Close) { Meaning::Title } else { Meaning::Warning };
    let title = Line::styled(cut(title, room), theme.style(meaning));
    let inner = popup(theme, title, Line::default(), place, frame).inner(Margin::new(1, 0));
    // Where the text does not fit, the buttons do.
    let hidden = lines.len().saturating_sub(inner.height.into());
    text(&lines, hidden, inner, frame);
}

fn buttons(screen: &Screen, below: Buttons<'_>, room: usize) -> Vec<Line<'static>> {
    let theme = &screen.theme;
    let button = |words: &str, focus: bool| {
        let meaning = if focus { Meaning::Selected } else { Meaning::Plain };
        Span::styled(if focus { format!("[ {words} ]") } else { format!("  {words}  ") }, theme.style(meaning))
    };
    let lines = match below {
        Buttons::YesNo { yes } => vec![Line::from(vec![button("No", !yes), Span::raw("    "), button("Yes", yes)])],
        Buttons::Typed { wanted, typed } => {
            let meaning = if typed.trim().eq_ignore_ascii_case(wanted) { Meaning::Selected } else { Meaning::Key };
            let field = Span::styled(format!(" {typed}{} ", theme.glyphs.caret), theme.style(meaning));
            let ask = format!("Type {wanted} and press Enter: ");
            // A name that is long has its field below it.
            if width(&ask) + width(wanted) + 3 <= room {
                vec![Line::from(vec![Span::raw(ask), field])]
            } else {
                wrap(&ask, room).into_iter().map(Line::raw).chain([Line::from(field)]).collect()
            }
        }
        Buttons::Close => vec![Line::from(button("Close", true))],
    };
    lines.into_iter().map(Line::centered).collect()
}

const WIDTH: u16 = 64;
