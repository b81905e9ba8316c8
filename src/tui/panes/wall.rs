//! Four numbers, as large as the terminal allows, each with its sign and its word: for a screen on the wall.
//!
//! ```text
//! ┌ ✗ need a person ─────────┐┌ ▸ at work ───────────────┐
//! │  █ █   ██                ││  ...                     │
//! │   █     █                ││                          │
//! │  █ █   ███               ││                          │
//! └──────────────────────────┘└──────────────────────────┘
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::node::phase::Phase;
use crate::domain::snapshot::Snapshot;
use crate::domain::text::clean;
use crate::tui::state::Screen;
use crate::tui::style::layout::{split_left, split_top};
use crate::tui::style::status::NodeStatus;
use crate::tui::style::text::{clock, cut};
use crate::tui::style::theme::Meaning;
use crate::tui::style::widgets::boxed;

pub fn view(screen: &Screen, bench: &Snapshot, area: Rect, frame: &mut Frame<'_>) {
    let (tiles, below) = split_top(area, area.height.saturating_sub(1));
    let (counts, glyphs) = (screen.rows().counts, screen.theme.glyphs);
    let person = counts.failed + counts.stalled + counts.held;
    let (said, meaning) = match (counts.failed, counts.stalled + counts.held) {
        (0, 0) => (String::new(), Meaning::Muted),
        (0, stuck) => (format!("{stuck} stuck"), Meaning::Warning),
        (failed, 0) => (format!("{failed} failed"), Meaning::Failure),
        (failed, stuck) => (format!("{failed} failed, {stuck} stuck"), Meaning::Failure),
    };
    let sign = if counts.failed > 0 { glyphs.failed } else { glyphs.stalled };
    let all = counts.all();
    let four = [
        (format!("{sign} need a person"), said, CROSS, person, meaning),
        (format!("{} at work", glyphs.active), String::new(), ARROW, counts.active, Meaning::Active),
        (format!("{} waiting", glyphs.registered), String::new(), DOT, counts.waiting, Meaning::Plain),
        (format!("{} done", glyphs.provisioned), format!("of {all}"), TICK, counts.done, Meaning::Success),
    ];
    for ((title, remark, sign, number, meaning), tile) in four.into_iter().zip(places(tiles)) {
        let meaning = if number == 0 { Meaning::Muted } else { meaning };
        let style = screen.theme.style(meaning);
        let inner = boxed(&screen.theme, Line::styled(title, style), Line::raw(remark), tile, frame);
        for (line, row) in lines(sign, number, glyphs.bar_full, inner).into_iter().zip(inner.rows()) {
            // As bold as it gets, and without what underlines or turns round: the figure itself is large enough.
            frame.render_widget(Line::styled(line, screen.theme.figure(meaning)), row);
        }
    }
    frame.render_widget(newest(screen, bench, usize::from(below.width)), below);
}

/// Two beside two.
fn places(area: Rect) -> [Rect; 4] {
    let (upper, lower) = split_top(area, area.height / 2);
    let ((a, b), (c, d)) = (split_left(upper, area.width / 2), split_left(lower, area.width / 2));
    [a, b, c, d]
}

/// The first that needs a person, in words, and the time.
fn newest(screen: &Screen, bench: &Snapshot, room: usize) -> Line<'static> {
    let time = clock(&screen.zone, screen.now);
    let first = screen.rows().first_problem.and_then(|id| bench.nodes.get(&id));
    let words = first.map(|node| {
        let status = NodeStatus::judged(bench, node, screen.moment()).0;
        let why = match &node.phase {
            Phase::Failed(failure) => format!(": {failure}"),
            _ => String::new(),
        };
        let words = format!("{} {}{why}", clean(&node.label(), NAME), status.word());
        let words = cut(&clean(&words, LINE), room.saturating_sub(time.len() + 3));
        (format!(" {words}"), status.meaning())
    });
    let (words, meaning) = words.unwrap_or_else(|| (" nothing needs a person".into(), Meaning::Muted));
    let gap = room.saturating_sub(Span::raw(words.as_str()).width() + time.len() + 1);
    Line::from(vec![Span::styled(words, screen.theme.style(meaning)), Span::raw(" ".repeat(gap)), Span::raw(time)])
}

/// The sign and the number, as large as `area` allows, in its middle.
fn lines(sign: Picture, number: usize, dot: &str, area: Rect) -> Vec<String> {
    let digits = number.to_string();
    let pictures: Vec<Picture> =
        digits.chars().filter_map(|digit| DIGITS.get(digit.to_digit(10)? as usize)).copied().collect();
    let row = |at: usize| {
        let figures: Vec<&str> = pictures.iter().map(|picture| picture[at]).collect();
        format!("{}  {}", sign[at], figures.join(" "))
    };
    // Cells are twice as high as wide.
    let scale = (usize::from(area.height) / ROWS).min(usize::from(area.width) / (row(0).len() * 2));
    if scale == 0 {
        return vec![format!(" {digits}")];
    }
    let row = |at: usize| {
        row(at).chars().map(|cell| if cell == '#' { dot } else { " " }.repeat(scale * 2)).collect::<String>()
    };
    let rows: Vec<String> = (0..ROWS).map(row).collect();
    let width = rows.first().map_or(0, |row| row.chars().count());
    let indent = " ".repeat(usize::from(area.width).saturating_sub(width) / 2);
    let above = usize::from(area.height).saturating_sub(ROWS * scale) / 2;
    let drawn = rows.iter().flat_map(|row| std::iter::repeat_n(format!("{indent}{row}"), scale));
    std::iter::repeat_n(String::new(), above).chain(drawn).collect()
}

/// Three dots in five rows.
type Picture = [&'static str; ROWS];

const ROWS: usize = 5;
const CROSS: Picture = ["   ", "# #", " # ", "# #", "   "];
const ARROW: Picture = ["#  ", "## ", "###", "## ", "#  "];
const DOT: Picture = ["   ", "   ", " # ", "   ", "   "];
const TICK: Picture = ["   ", "  #", "# #", " # ", "   "];
const DIGITS: [Picture; 10] = [
    ["###", "# #", "# #", "# #", "###"],
    [" # ", "## ", " # ", " # ", "###"],
    ["###", "  #", "###", "#  ", "###"],
    ["###", "  #", "###", "  #", "###"],
    ["# #", "# #", "###", "  #", "  #"],
    ["###", "#  ", "###", "  #", "###"],
    ["###", "#  ", "###", "# #", "###"],
    ["###", "  #", "  #", "  #", "  #"],
    ["###", "# #", "###", "# #", "###"],
    ["###", "# #", "###", "  #", "###"],
];
const NAME: usize = 60;
const LINE: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    /// Letters of 25 mm are read from five metres. A screen of 24 inches is 300 mm high: a row of 50 is 6 mm.
    #[test]
    fn figures_are_as_large_as_the_terminal_allows() {
        let height = |width, height, number| lines(CROSS, number, "#", Rect::new(0, 0, width, height)).len();
        let (small, large) = (places(Rect::new(0, 0, 80, 22)), places(Rect::new(0, 0, 200, 48)));
        assert!(small.iter().all(|tile| height(tile.width - 2, tile.height - 2, 999) >= 5), "{small:?}");
        assert!(large.iter().all(|tile| height(tile.width - 2, tile.height - 2, 99) >= 20), "{large:?}");
    }

    #[test]
    fn a_figure_fits_its_tile_or_is_a_plain_number() {
        for (width, height) in [(0, 0), (3, 1), (10, 5), (38, 9), (98, 22), (300, 80)] {
            for number in [0, 7, 42, 340, 10_000] {
                let area = Rect::new(0, 0, width, height);
                let lines = lines(TICK, number, "█", area);
                if lines.len() > 1 {
                    assert!(lines.len() <= usize::from(height), "{number} in {width}x{height}");
                    assert!(
                        lines.iter().all(|line| line.chars().count() <= usize::from(width)),
                        "{number} in {width}x{height}"
                    );
                }
            }
        }
        assert_eq!(lines(TICK, 42, "#", Rect::new(0, 0, 5, 5)), [" 42"]);
    }
}
