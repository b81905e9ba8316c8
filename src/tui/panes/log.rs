//! What the station and the agent said of one node: its newest lines, followed or read where one has gone back to.
//!
//! ```text
//! ┌ Log of press-07 ───────────────────────────────── 42 lines, following ┐
//! │ 14:01:50   station  http: boot script for profile emt-s sent           │
//! │ 14:02:03   agent    writing: /dev/nvme0n1 (nvme, 512.1 GB)             │
//! │ 14:02:09 ! agent    /dev/nvme0n1 is slow: 12.0 MB/s                    │
//! └────────────────────────────────────────────────────────────────────────┘
//! ```

use std::sync::Arc;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::logline::{Level, LogLine};
use crate::domain::node::Node;
use crate::domain::text::clean;
use crate::tui::state::{LogPosition, Screen};
use crate::tui::style::text::{clock, count, cut, wrap};
use crate::tui::style::theme::Meaning;
use crate::tui::style::widgets::{boxed, text};

pub fn view(screen: &Screen, node: Option<&Node>, reading: &LogPosition, area: Rect, frame: &mut Frame<'_>) {
    let strong = screen.theme.style(Meaning::Title);
    let Some(node) = node else {
        boxed(&screen.theme, Line::styled("Log", strong), Line::default(), area, frame);
        return;
    };
    let (end, remark) = match reading {
        LogPosition::Following => (node.log.len(), format!("{}, following", count(node.log.len(), "line"))),
        LogPosition::Beginning => (0, format!("beginning of {}, End follows", count(node.log.len(), "line"))),
        LogPosition::At(text) => {
            let last = node.log.lines().rposition(|line| Arc::ptr_eq(&line.text, text)).unwrap_or(0);
            (last + 1, format!("line {} of {}, End follows", last + 1, node.log.len()))
        }
    };
    let title = Line::styled(format!("Log of {}", cut(&clean(&node.label(), NAME), NAME)), strong);
    let inner = boxed(&screen.theme, title, Line::raw(remark), area, frame);
    let (width, height) = (usize::from(inner.width), usize::from(inner.height));
    text(&rows(screen, node, end, width, height), 0, inner, frame);
}

/// The rows of the lines before the one numbered `end`, and of those after where that leaves room.
fn rows(screen: &Screen, node: &Node, end: usize, width: usize, height: usize) -> Vec<Line<'static>> {
    let mut above = Vec::new();
    for line in node.log.lines().take(end).rev() {
        if above.len() >= height {
            break;
        }
        above.extend(row(screen, line, width).into_iter().rev());
    }
    above.truncate(height);
    above.reverse();
    let below = node.log.lines().skip(end).flat_map(|line| row(screen, line, width));
    let room = height - above.len();
    above.into_iter().chain(below.take(room)).collect()
}

fn row(screen: &Screen, line: &LogLine, width: usize) -> Vec<Line<'static>> {
    let theme = &screen.theme;
    let (glyph, meaning) = match line.level {
        Level::Info => (" ", Meaning::Plain),
        Level::Warning => (theme.glyphs.stalled, Meaning::Warning),
        Level::Error => (theme.glyphs.failed, Meaning::Failure),
        Level::Unknown => (theme.glyphs.held, Meaning::Notice),
    };
    let muted = theme.style(Meaning::Muted);
    let mut head = vec![Span::styled(format!(" {} ", clock(&screen.zone, line.at)), muted)];
    head.push(Span::styled(format!("{glyph} "), theme.style(meaning)));
    if width >= 60 {
        head.push(Span::styled(format!("{:<8} ", line.source.word()), muted));
    }
    let indent = Line::from(head.clone()).width();
    let said = wrap(&line.text, width.saturating_sub(indent + 1));
    let mut rows = Vec::with_capacity(said.len());
    for part in said {
        let start = std::mem::replace(&mut head, vec![Span::raw(" ".repeat(indent))]);
        let words = Span::styled(
            part,
            if line.level == Level::Error { theme.style(meaning) } else { theme.style(Meaning::Plain) },
        );
        rows.push(Line::from_iter(start.into_iter().chain([words])));
    }
    rows
}

const NAME: usize = 30;
