//! What all nodes and services say, as it comes: a line each, followed or read back, and the line that is looked at in
//! full. Only the lines in view are made.
//!
//! ```text
//! ┌ Log of all 312 of 20480  /slow ───────────────────────────────── following ┐
//! │ 14:01:50   tftp          ipxe.efi sent to 10.77.0.104                       │
//! │ 14:02:03   SN-4004       writing: /dev/nvme0n1 (nvme, 512.1 GB)             │
//! │ 14:02:09 ! SN-4004       /dev/nvme0n1 is slow: 12.0 MB/s                    │
//! └─────────────────────────────────────────────────────────────────────────────┘
//! ```

use std::ops::Range;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::domain::logline::Level;
use crate::domain::snapshot::Snapshot;
use crate::domain::station::stream::StreamLine;
use crate::domain::text::clean;
use crate::tui::pane::Pane;
use crate::tui::state::Screen;
use crate::tui::state::reader::{Reader, find};
use crate::tui::style::text::{clock, cut, wrap};
use crate::tui::style::theme::Meaning;
use crate::tui::style::widgets::{boxed, paragraph, text, window};

pub fn view(screen: &Screen, bench: &Snapshot, area: Rect, frame: &mut Frame<'_>) {
    let inner = boxed(&screen.theme, title(screen, bench), remark(screen, bench), area, frame);
    let (width, height) = (usize::from(inner.width), usize::from(inner.height));
    let reader = &screen.reader;
    if reader.numbers().is_empty() {
        let lines = nothing(screen, bench, width);
        return text(&lines, 0, inner, frame);
    }
    let last = reader.numbers().len() - 1;
    let (mut y, cursor) = (inner.y, Line::raw(screen.theme.glyphs.cursor));
    for place in in_view(screen, bench, height, width) {
        let Some(said) = reader.numbers().get(place).and_then(|number| bench.stream.get(*number)) else { continue };
        let is_chosen = reader.place() == Some(place);
        let lines = row(screen, reader, said, is_chosen, width);
        for line in lines.into_iter().take(if is_chosen { height } else { 1 }) {
            if y >= inner.bottom() {
                return;
            }
            let row = Rect { y, height: 1, ..inner };
            frame.render_widget(line, row);
            if is_chosen {
                frame.render_widget(&cursor, Rect { width: row.width.min(1), ..row });
                frame.buffer_mut().set_style(row, screen.theme.style(Meaning::Selected));
            }
            y += 1;
        }
        if place == last {
            break;
        }
    }
}

/// Which of the lines are shown: the newest, or those around the one that is looked at, which takes what it needs.
fn in_view(screen: &Screen, bench: &Snapshot, height: usize, width: usize) -> Range<usize> {
    let (reader, all) = (&screen.reader, screen.reader.numbers().len());
    let Some(place) = reader.place() else { return all.saturating_sub(height)..all };
    let said = reader.numbers().get(place).and_then(|number| bench.stream.get(*number));
    let more = said.map_or(0, |said| row(screen, reader, said, true, width).len().saturating_sub(1));
    window(all, place, height.saturating_sub(more).max(1))
}

fn title(screen: &Screen, bench: &Snapshot) -> Line<'static> {
    let (reader, theme) = (&screen.reader, &screen.theme);
    let (shown, all) = (reader.numbers().len(), bench.stream.len());
    let mut spans = vec![Span::styled("Log of all", theme.style(Meaning::Title))];
    let typing = screen.typing && screen.pane == Pane::Logs;
    if !reader.is_narrowed() && !typing {
        spans.push(Span::raw(format!(" {all}")));
        return spans.into();
    }
    spans.push(Span::raw(format!(" {shown} of {all}  ")));
    if !reader.filter.is_empty() || typing {
        let caret = if typing { theme.glyphs.caret } else { "" };
        spans.push(Span::styled(format!("/{}{caret}", reader.filter), theme.style(Meaning::Key)));
        spans.push(Span::raw("  "));
    }
    spans.push(Span::styled(reader.least.words(), theme.style(Meaning::Notice)));
    while spans.last().is_some_and(|span| span.content.trim().is_empty()) {
        spans.pop();
    }
    spans.into()
}

/// Where one reads, and how many lines are not here any more.
fn remark(screen: &Screen, bench: &Snapshot) -> Line<'static> {
    let (gone, reader) = (bench.stream.first(), &screen.reader);
    let older = if gone > 0 { format!("{gone} older in the files, ") } else { String::new() };
    Line::raw(match reader.place() {
        None => format!("{older}following"),
        Some(place) => format!("{older}line {} of {}, End follows", place + 1, reader.numbers().len()),
    })
}

fn nothing(screen: &Screen, bench: &Snapshot, width: usize) -> Vec<Line<'static>> {
    let words = if bench.stream.is_empty() {
        "nothing was said yet: what machines and services say stands here as it comes, and in the log files of DATA/log"
    } else if screen.reader.filter.is_empty() {
        "no line matters as much: l shows all of them"
    } else {
        "no line fits the filter: Esc shows all of them"
    };
    paragraph(Span::raw("   "), words, screen.theme.style(Meaning::Plain), width)
}

/// A line, cut to its row; the one that is looked at in full.
fn row(screen: &Screen, reader: &Reader, said: &StreamLine, is_whole: bool, width: usize) -> Vec<Line<'static>> {
    let theme = &screen.theme;
    let (glyph, meaning) = match said.line.level {
        Level::Info => (" ", Meaning::Plain),
        Level::Warning => (theme.glyphs.stalled, Meaning::Warning),
        Level::Error => (theme.glyphs.failed, Meaning::Failure),
        Level::Unknown => (theme.glyphs.held, Meaning::Notice),
    };
    let muted = theme.style(Meaning::Muted);
    let name = cut(&clean(said.by.name(), NAME), name_width(width));
    let by = if said.by.node().is_some() { Style::new() } else { muted };
    let mut head = Vec::with_capacity(4);
    if width >= WITH_TIME {
        head.push(Span::styled(format!(" {}", clock(&screen.zone, said.line.at)), muted));
    }
    head.push(Span::styled(format!(" {glyph} "), theme.style(meaning)));
    let fill = name_width(width) - Span::raw(name.as_str()).width();
    head.push(Span::styled(name + &" ".repeat(fill + 1), by));
    if width >= WITH_SOURCE {
        head.push(Span::styled(format!("{:<8} ", said.line.source.word()), muted));
    }
    let indent = head.iter().map(Span::width).sum::<usize>();
    let room = width.saturating_sub(indent);
    let style = if said.line.level == Level::Error { theme.style(meaning) } else { theme.style(Meaning::Plain) };
    // Cleaned when it came; whatever is put here that was not is cleaned again.
    let words = clean(&said.line.text, WORDS);
    if !is_whole {
        head.extend(marked(reader, &cut(&words, room), style, theme.style(Meaning::Key)));
        return vec![head.into()];
    }
    let rows = wrap(&words, room).into_iter().map(|part| {
        let mut line = Line::from(std::mem::take(&mut head));
        if line.spans.is_empty() {
            line.push_span(" ".repeat(indent));
        }
        line.extend(marked(reader, &part, style, theme.style(Meaning::Key)));
        line
    });
    rows.collect()
}

/// `words` with what the filter looks for standing out.
fn marked(reader: &Reader, words: &str, style: Style, mark: Style) -> Vec<Span<'static>> {
    let found = reader.sought().filter_map(|sought| find(words, sought)).find(|range| !range.is_empty());
    let Some(Range { start, end }) = found else { return vec![Span::styled(words.to_owned(), style)] };
    vec![
        Span::styled(words[..start].to_owned(), style),
        Span::styled(words[start..end].to_owned(), mark),
        Span::styled(words[end..].to_owned(), style),
    ]
}

fn name_width(width: usize) -> usize {
    match width {
        0..60 => 10,
        60..140 => 14,
        _ => 24,
    }
}

/// Narrower, and there are no times of day, or no sources.
const WITH_TIME: usize = 50;
const WITH_SOURCE: usize = 100;
const NAME: usize = 60;
const WORDS: usize = 500;
