//! Small things that several panes draw.

use std::ops::Range;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Widget};

use crate::domain::text::clean;
use crate::tui::style::glyphs::Glyphs;
use crate::tui::style::text::{count, wrap};
use crate::tui::style::theme::{Meaning, Theme};

/// A box with a title, and on the right of its upper edge a remark if there is room. What is inside is given back.
///
/// ```text
/// ┌ Nodes 12 ─────────────── problems first ┐
/// │                                         │
/// └─────────────────────────────────────────┘
/// ```
pub fn boxed(theme: &Theme, title: Line<'_>, remark: Line<'_>, area: Rect, frame: &mut Frame<'_>) -> Rect {
    let room = usize::from(area.width).saturating_sub(4);
    let fits = title.width() + remark.width() < room && remark.width() > 0;
    let mut block = Block::bordered()
        .border_set(theme.glyphs.border)
        .border_style(theme.style(Meaning::Muted))
        .title_top(Line::from_iter([Line::from(" "), title, Line::from(" ")].into_iter().flatten()));
    if fits {
        let spaced = [Line::from(" "), remark, Line::from(" ")].into_iter().flatten();
        block = block.title_top(Line::from_iter(spaced).right_aligned());
    }
    let inner = block.inner(area);
    frame.render_widget(block, area);
    inner
}

/// As [`boxed`], over what was drawn before.
pub fn popup(theme: &Theme, title: Line<'_>, remark: Line<'_>, area: Rect, frame: &mut Frame<'_>) -> Rect {
    frame.render_widget(Clear, area);
    boxed(theme, title, remark, area, frame)
}

/// Which of `lines` a window of `height` shows, if it cannot show all: `lines 1 to 20 of 48`.
pub fn part(lines: usize, scrolled: usize, height: usize) -> Line<'static> {
    let Some(hidden) = lines.checked_sub(height).filter(|hidden| *hidden > 0) else { return Line::default() };
    let first = scrolled.min(hidden);
    Line::raw(format!("lines {} to {} of {lines}", first + 1, first + height))
}

/// Lines from the `scrolled`th on, as many as `area` has room for.
pub fn text(lines: &[Line<'_>], scrolled: usize, area: Rect, frame: &mut Frame<'_>) {
    let hidden = lines.len().saturating_sub(usize::from(area.height)).min(scrolled);
    for (line, row) in lines.iter().skip(hidden).zip(area.rows()) {
        line.render(row, frame.buffer_mut());
    }
}

/// `lines`, or as many as `height` has room for and a word about the others.
pub fn whole(lines: Vec<Line<'static>>, height: usize) -> Vec<Line<'static>> {
    whole_or(lines, height, ", on a taller terminal")
}

/// The same, with a word of where the others are.
pub fn whole_or(mut lines: Vec<Line<'static>>, height: usize, elsewhere: &str) -> Vec<Line<'static>> {
    if lines.len() > height {
        let kept = height.saturating_sub(1);
        let missing = count(lines.len() - kept, "line");
        lines.truncate(kept);
        lines.push(Line::raw(format!(" … {missing} more{elsewhere}")));
    }
    lines
}

/// Which of `rows` are in view: the chosen one is in the middle as far as the ends of the list allow.
pub fn window(rows: usize, chosen: usize, height: usize) -> Range<usize> {
    let start = chosen.saturating_sub(height / 2).min(rows.saturating_sub(height));
    start..rows.min(start + height)
}

/// `percent` of `width` columns, in eighths of a column where the glyphs have them: `███▍░░░`.
pub fn bar(glyphs: &Glyphs, percent: u8, width: usize) -> String {
    let steps = glyphs.bar_parts.len() + 1;
    let filled = width * steps * usize::from(percent.min(100)) / 100;
    let (full, part) = (filled / steps, filled % steps);
    let mut bar = glyphs.bar_full.repeat(full);
    bar.extend(part.checked_sub(1).and_then(|part| glyphs.bar_parts.get(part)).copied());
    let empty = width - full - usize::from(part > 0);
    bar + &glyphs.bar_empty.repeat(empty)
}

/// What is wrong and what to try, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProblemText {
    pub meaning: Meaning,
    pub glyph: &'static str,
    pub what: String,
    pub hint: Option<String>,
}

/// `✗ http is down: port 80 is in use by another program`, and below it `  hint: stop it`.
pub fn problem(theme: &Theme, problem: &ProblemText, width: usize) -> Vec<Line<'static>> {
    let plain = theme.style(Meaning::Plain);
    let mark = Span::styled(format!(" {} ", problem.glyph), theme.style(problem.meaning));
    let mut lines = paragraph(mark, &clean(&problem.what, WORDS), plain, width);
    if let Some(hint) = &problem.hint {
        lines.extend(paragraph(
            Span::styled("   hint: ", theme.style(Meaning::Key)),
            &clean(hint, WORDS),
            plain,
            width,
        ));
    }
    lines
}

/// `text` in lines of `width`, the first of them after `head`, the others as far in.
pub fn paragraph(head: Span<'static>, text: &str, style: Style, width: usize) -> Vec<Line<'static>> {
    let indent = head.width();
    let mut head = Some(head);
    let lines = wrap(text, width.saturating_sub(indent));
    let with_head = |line| {
        let start = head.take().unwrap_or_else(|| Span::raw(" ".repeat(indent)));
        Line::from(vec![start, Span::styled(line, style)])
    };
    lines.into_iter().map(with_head).collect()
}

/// Letters of a problem.
const WORDS: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::style::glyphs::{ASCII, UNICODE};

    #[test]
    fn a_bar_is_as_wide_as_it_should_be_whatever_the_figure() {
        for glyphs in [&ASCII, &UNICODE] {
            for percent in 0..=255 {
                assert_eq!(Span::raw(bar(glyphs, percent, 13)).width(), 13, "{percent}");
            }
        }
    }

    #[test]
    fn a_bar_is_full_only_at_the_end() {
        assert_eq!(bar(&UNICODE, 50, 5), "██▌░░");
        assert_eq!((bar(&ASCII, 99, 4).as_str(), bar(&ASCII, 100, 4).as_str()), ("###.", "####"));
        assert_eq!(bar(&UNICODE, 50, 0), "");
    }

    #[test]
    fn of_ten_thousand_rows_only_those_in_view_are_made() {
        assert_eq!(window(10_000, 5_000, 20), 4_990..5_010);
        assert_eq!((window(10_000, 3, 20), window(10_000, 9_999, 20)), (0..20, 9_980..10_000));
        assert_eq!((window(5, 4, 20), window(0, 0, 20), window(5, 4, 0)), (0..5, 0..0, 4..4));
    }
}
