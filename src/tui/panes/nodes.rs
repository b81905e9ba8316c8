//! The nodes, a row each, in the order of the [`Listing`]. Only the rows in view are made.
//!
//! ```text
//! ┌ Nodes 3 of 12 ─ /press ──────────────────────────────────────── problems first ┐
//! │   Name        MAC                Profile  Phase        Progress             Time │
//! │ ✗ press-03    52:54:00:12:34:03  (emt-s)  failed       verifying: 4 GB r…   3:12 │
//! │▌▸ press-07    52:54:00:12:34:07  (emt-s)  writing      ██████▍░░░  62%  0:41 left │
//! │ · press-11    52:54:00:12:34:0b  emt-s    registered   not seen yet         9:05 │
//! └──────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Machines that ask and are no nodes, because they got no further, stand below the table with what to try:
//!
//! ```text
//! │ Not booting, and no node yet: 1                                                    │
//! │ ! 3c:ec:ef:12:34:01: there is no boot program for its architecture 6 (UEFI IA32)   │
//! │   hint: set its firmware to 64-bit UEFI or BIOS boot, or put a program for it into │
//! ```
//!
//! Where there is little room, columns go in a fixed order: rate, profile, MAC, time. Name and phase stay.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Alignment, Rect};
use ratatui::text::{Line, Span};

use crate::domain::doctor::verdict::Diagnosis;
use crate::domain::machine::disk::in_bytes;
use crate::domain::node::Node;
use crate::domain::node::phase::Phase;
use crate::domain::snapshot::Snapshot;
use crate::domain::text::clean;
use crate::domain::time::in_words;
use crate::tui::panes::node::look;
use crate::tui::panes::welcome;
use crate::tui::state::Screen;
use crate::tui::state::listing::{Listing, SortBy, profile_of};
use crate::tui::style::layout::{split_left, split_top};
use crate::tui::style::status::NodeStatus;
use crate::tui::style::text::{age, count, cut};
use crate::tui::style::theme::Meaning;
use crate::tui::style::widgets::{ProblemText, bar, boxed, problem, text, window};

pub fn view(screen: &Screen, bench: &Snapshot, area: Rect, frame: &mut Frame<'_>) {
    let inner = boxed(&screen.theme, title(screen), remark(screen), area, frame);
    let inner = strangers(screen, bench, inner, frame);
    if bench.nodes.is_empty() {
        return welcome::view(screen, bench, inner, frame);
    }
    // The marks have a column of their own, as long as there are any.
    let (marks, table) = split_left(inner, u16::from(!screen.marked.is_empty()));
    let columns = fit(usize::from(table.width).saturating_sub(1), &screen.listing);
    let mut rows = table.rows();
    if let Some(row) = rows.next() {
        headings(screen, &columns, row, frame);
    }
    if screen.listing.nodes.is_empty()
        && let Some(row) = rows.next()
    {
        frame.render_widget(Line::raw("   no node fits the filter: Esc shows all"), row);
    }
    let height = usize::from(inner.height.saturating_sub(1));
    let window = window(screen.listing.nodes.len(), screen.row().unwrap_or(0), height);
    for (id, row) in screen.listing.nodes[window].iter().zip(rows) {
        if let Some(node) = bench.nodes.get(id) {
            draw(screen, bench, node, &columns, row, frame);
        }
        if screen.marked.contains(id) {
            let mark = Line::styled(screen.theme.glyphs.marked, screen.theme.style(Meaning::Notice));
            frame.render_widget(mark, Rect { x: marks.x, width: marks.width, ..row });
        }
    }
}

/// Says of machines that are no nodes why they got no further, at the lower end of `area`. What is left is given back.
fn strangers(screen: &Screen, bench: &Snapshot, area: Rect, frame: &mut Frame<'_>) -> Rect {
    let (theme, known) = (&screen.theme, &screen.listing.strangers);
    if known.is_empty() {
        return area;
    }
    let width = usize::from(area.width);
    let heading = format!(" Not booting, and no node yet: {}", known.len());
    let mut lines = vec![Line::styled(cut(&heading, width), theme.style(Meaning::Title))];
    for stranger in known.iter().take(STRANGERS) {
        let what = format!("{}: {}", stranger.mac, stranger.verdict.what);
        let (meaning, glyph) = look(stranger.verdict.severity, theme.glyphs);
        let hint = Some(stranger.verdict.hint.clone());
        lines.extend(problem(theme, &ProblemText { meaning, glyph, what, hint }, width));
    }
    // An empty table needs no room, and the welcome is for who has nothing else to read.
    let share = if bench.nodes.is_empty() { area.height / 2 } else { area.height / 3 };
    let height = share.max(4).min(u16::try_from(lines.len()).unwrap_or(u16::MAX)).min(area.height);
    if lines.len() > usize::from(height) || known.len() > STRANGERS {
        lines.truncate(usize::from(height.saturating_sub(1)));
        lines.push(Line::raw(cut(" … oxbow nodes shows all", width)));
    }
    let (above, below) = split_top(area, area.height - height);
    text(&lines, 0, below, frame);
    above
}

fn title(screen: &Screen) -> Line<'static> {
    let (all, shown) = (screen.listing.counts.all(), screen.listing.nodes.len());
    let mut spans = vec![Span::styled("Nodes", screen.theme.style(Meaning::Title))];
    if screen.filter.is_empty() && !screen.typing {
        spans.push(Span::raw(format!(" {all}")));
    } else {
        spans.push(Span::raw(format!(" {shown} of {all}  ")));
        spans.push(Span::styled(format!("/{}", screen.filter), screen.theme.style(Meaning::Key)));
        if screen.typing {
            spans.push(Span::styled(screen.theme.glyphs.caret, screen.theme.style(Meaning::Key)));
        }
    }
    if !screen.marked.is_empty() {
        let hidden = screen.marked.len() - screen.listing.nodes.iter().filter(|id| screen.marked.contains(id)).count();
        let hidden = if hidden > 0 { format!(", {hidden} not shown") } else { String::new() };
        let said = format!("  {} {} marked{hidden}", screen.theme.glyphs.marked, screen.marked.len());
        spans.push(Span::styled(said, screen.theme.style(Meaning::Notice)));
    }
    spans.into()
}

fn remark(screen: &Screen) -> Line<'static> {
    let turned = if screen.flipped { ", turned round" } else { "" };
    Line::raw(format!("{}{turned}", screen.sort.words()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NodeColumn {
    Name,
    Mac,
    Profile,
    Phase,
    Progress,
    Rate,
    Time,
}

impl NodeColumn {
    const ALL: [NodeColumn; 7] =
        [Self::Name, Self::Mac, Self::Profile, Self::Phase, Self::Progress, Self::Rate, Self::Time];
    /// What goes first where there is little room.
    const DISPENSABLE: [NodeColumn; 5] = [Self::Rate, Self::Profile, Self::Mac, Self::Time, Self::Progress];

    fn heading(self) -> &'static str {
        match self {
            Self::Name => "Name",
            Self::Mac => "MAC",
            Self::Profile => "Profile",
            Self::Phase => "Phase",
            Self::Progress => "Progress",
            Self::Rate => "Rate",
            Self::Time => "Time",
        }
    }

    fn sorted_by(self) -> Option<SortBy> {
        match self {
            Self::Name => Some(SortBy::Name),
            Self::Profile => Some(SortBy::Profile),
            Self::Progress => Some(SortBy::Progress),
            Self::Time => Some(SortBy::Time),
            Self::Phase => Some(SortBy::Problems),
            Self::Mac | Self::Rate => None,
        }
    }

    /// The columns it needs, and those it can use.
    fn widths(self, listing: &Listing) -> (usize, usize) {
        match self {
            Self::Name => (12, listing.name_width.clamp(12, 28)),
            Self::Mac => (17, 17),
            Self::Profile => (8, listing.profile_width.clamp(8, 18)),
            Self::Phase => (11, 11),
            Self::Progress => (9, 40),
            Self::Rate => (11, 11),
            Self::Time => (9, 9),
        }
    }

    fn alignment(self) -> Alignment {
        if matches!(self, Self::Rate | Self::Time) { Alignment::Right } else { Alignment::Left }
    }
}

/// The columns for a table of `width`, each with its own width.
fn fit(width: usize, listing: &Listing) -> Vec<(NodeColumn, usize)> {
    let mut columns: Vec<NodeColumn> = NodeColumn::ALL.into();
    let least = |columns: &[NodeColumn]| {
        MARK + columns.iter().map(|column| column.widths(listing).0).sum::<usize>() + GAP * (columns.len() - 1)
    };
    for dispensable in NodeColumn::DISPENSABLE {
        if least(&columns) > width {
            columns.retain(|column| *column != dispensable);
        }
    }
    let mut spare = width.saturating_sub(least(&columns));
    let mut fitted: Vec<_> = columns.iter().map(|column| (*column, column.widths(listing).0)).collect();
    for (column, given) in &mut fitted {
        let more = (column.widths(listing).1 - *given).min(spare);
        (*given, spare) = (*given + more, spare - more);
    }
    fitted
}

fn headings(screen: &Screen, columns: &[(NodeColumn, usize)], row: Rect, frame: &mut Frame<'_>) {
    let glyphs = screen.theme.glyphs;
    let arrow = if screen.flipped { glyphs.descending } else { glyphs.ascending };
    for (column, cell) in cells(columns, row) {
        let sorted = column.sorted_by() == Some(screen.sort);
        let words = if sorted { format!("{} {arrow}", column.heading()) } else { column.heading().to_owned() };
        let meaning = if sorted { Meaning::Title } else { Meaning::Muted };
        frame.render_widget(Line::styled(words, screen.theme.style(meaning)).alignment(column.alignment()), cell);
    }
}

fn draw(
    screen: &Screen,
    bench: &Snapshot,
    node: &Node,
    columns: &[(NodeColumn, usize)],
    row: Rect,
    frame: &mut Frame<'_>,
) {
    let (theme, chosen) = (&screen.theme, screen.chosen == Some(node.id));
    let (status, verdict) = NodeStatus::judged(bench, node, screen.moment());
    let cursor = if chosen { theme.glyphs.cursor } else { " " };
    let mark =
        Line::from(vec![Span::raw(cursor), Span::styled(status.glyph(theme.glyphs), theme.style(status.meaning()))]);
    frame.render_widget(mark, Rect { width: row.width.min(2), ..row });
    for (column, cell) in cells(columns, row) {
        let (words, meaning) = say(screen, bench, node, (status, verdict.as_ref()), column, cell.width.into());
        let line = Line::styled(cut(&words, cell.width.into()), theme.style(meaning)).alignment(column.alignment());
        frame.render_widget(line, cell);
    }
    if chosen {
        frame.buffer_mut().set_style(row, theme.style(Meaning::Selected));
    }
}

/// Each column with its part of `row`.
fn cells(columns: &[(NodeColumn, usize)], row: Rect) -> impl Iterator<Item = (NodeColumn, Rect)> {
    let mut x = MARK;
    columns.iter().map(move |(column, width)| {
        let at = u16::try_from(x).unwrap_or(u16::MAX).min(row.width);
        x += width + GAP;
        let width = u16::try_from(*width).unwrap_or(u16::MAX).min(row.width - at);
        (*column, Rect { x: row.x + at, width, ..row })
    })
}

fn say(
    screen: &Screen,
    bench: &Snapshot,
    node: &Node,
    (status, verdict): (NodeStatus, Option<&Diagnosis>),
    column: NodeColumn,
    width: usize,
) -> (String, Meaning) {
    let now = screen.moment();
    match column {
        NodeColumn::Name => (clean(&node.label(), NAME), Meaning::Plain),
        NodeColumn::Mac => (node.macs.first().map(ToString::to_string).unwrap_or_default(), Meaning::Muted),
        NodeColumn::Profile => (profile_of(node, &bench.catalogue), Meaning::Plain),
        NodeColumn::Phase => (status.word().to_owned(), status.meaning()),
        NodeColumn::Progress => match (status, verdict) {
            (NodeStatus::Stalled(_), Some(verdict)) => (verdict.what.clone(), Meaning::Plain),
            _ => progress(screen, node, status, width),
        },
        NodeColumn::Rate => {
            let rate = node.progress.as_ref().filter(|_| moves(status)).map(|progress| progress.rate(now));
            (rate.filter(|rate| *rate > 0).map(|rate| in_bytes(rate) + "/s").unwrap_or_default(), Meaning::Plain)
        }
        NodeColumn::Time => {
            let left = node.progress.as_ref().filter(|_| moves(status)).and_then(|progress| progress.left(now));
            match (status, left) {
                (NodeStatus::Stalled(silent), _) => (age(silent), Meaning::Warning),
                (_, Some(left)) => (format!("{} left", brief(left)), Meaning::Plain),
                (_, None) => (age(now.since(node.phase_since)), Meaning::Muted),
            }
        }
    }
}

/// How far it is, or what is in its way.
fn progress(screen: &Screen, node: &Node, status: NodeStatus, width: usize) -> (String, Meaning) {
    let glyphs = screen.theme.glyphs;
    match (&node.phase, status) {
        (Phase::Failed(failure), _) => (clean(&failure.to_string(), REASON), Meaning::Plain),
        (Phase::Held { reason } | Phase::Conflict { reason }, _) => (clean(reason, REASON), Meaning::Plain),
        (Phase::Booting { stage }, NodeStatus::Stalled(_)) => (format!("at {}", stage.word()), Meaning::Plain),
        (Phase::Booting { stage }, _) => match &node.progress {
            Some(progress) => {
                let percent = progress.percent();
                (format!("{} {percent:>3}%", bar(glyphs, percent, width.saturating_sub(5).min(BAR))), Meaning::Active)
            }
            None => {
                let path = node.path();
                let behind = path.iter().position(|known| known == stage).map_or(0, |at| at + 1);
                let ahead = path.len().saturating_sub(behind + 1);
                (glyphs.pip.repeat(behind) + &glyphs.no_pip.repeat(ahead), Meaning::Active)
            }
        },
        (Phase::Registered, _) if node.last_seen.is_none() => ("not seen yet".into(), Meaning::Muted),
        (Phase::Registered, _) => ("armed".into(), Meaning::Muted),
        (Phase::Installed, _) => ("unproven".into(), Meaning::Notice),
        (Phase::Provisioned, _) => match (node.stages.first(), node.stages.last()) {
            (Some((_, first)), Some((_, last))) => (format!("in {}", in_words(last.since(*first))), Meaning::Muted),
            _ => (count(node.runs.len(), "run"), Meaning::Muted),
        },
    }
}

fn moves(status: NodeStatus) -> bool {
    matches!(status, NodeStatus::Active(_))
}

/// Time left, as `0:41` or `1:02` (hours and minutes are rare and longer).
fn brief(left: Duration) -> String {
    let seconds = left.as_secs();
    if seconds < 3600 { format!("{}:{:02}", seconds / 60, seconds % 60) } else { format!("{}h", seconds / 3600) }
}

/// Columns before the name: the cursor, the mark and a space.
const MARK: usize = 3;
const GAP: usize = 1;
/// A bar wider than this says no more.
const BAR: usize = 24;
/// Machines that are no nodes of which all is said.
const STRANGERS: usize = 20;
const NAME: usize = 60;
const REASON: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(width: usize) -> Vec<NodeColumn> {
        fit(width, &Listing::default()).into_iter().map(|(column, _)| column).collect()
    }

    #[test]
    fn columns_go_in_a_fixed_order() {
        let gone =
            |width| NodeColumn::ALL.into_iter().filter(|column| !shown(width).contains(column)).collect::<Vec<_>>();
        assert_eq!(gone(120), []);
        assert_eq!(gone(77), [NodeColumn::Rate]);
        assert_eq!(gone(70), [NodeColumn::Profile, NodeColumn::Rate]);
        assert_eq!(gone(57), [NodeColumn::Mac, NodeColumn::Profile, NodeColumn::Rate]);
        assert_eq!(gone(37), [NodeColumn::Mac, NodeColumn::Profile, NodeColumn::Rate, NodeColumn::Time]);
        assert_eq!(shown(0), [NodeColumn::Name, NodeColumn::Phase]);
    }

    #[test]
    fn columns_never_need_more_than_there_is() {
        let mut listing = Listing::default();
        (listing.name_width, listing.profile_width) = (90, 90);
        for width in 27..300 {
            let columns = fit(width, &listing);
            let taken = MARK + columns.iter().map(|(_, width)| width + GAP).sum::<usize>() - GAP;
            assert!(taken <= width, "{taken} of {width}");
        }
    }
}
