//! The whole batch as a board: a tile for every machine, problems first; how far it is and when it will be done; what went
//! wrong last, with what to try.
//!
//! ```text
//! ┌ Batch 50 ────────────────────────────────────────────────── problems first ┐
//! │ ✗▸▸▸▸▸▸············································✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓✓ │
//! │ 23 of 50 done, 46%; 31 an hour; the last about 14:52, in 47:10              │
//! │ expected 50: 38 seen, 12 not; 2 unexpected                                  │
//! │ link 1 Gbit/s: 34.0 MB/s of 117.7 MB/s, it allows 53 an hour                │
//! │▌✗ SN-4003     failed     ▸ SN-4004     62%        · press-11    registered   │
//! │                                                                             │
//! │ ✗ SN-4003, 3:12 ago: failed at verifying: …                                 │
//! │   hint: the disk does not keep what is written: replace it                  │
//! └─────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Where there is room the board lies beside the figures and the problems.

mod mosaic;
mod panel;
mod trouble;

use std::time::Duration;

use mosaic::{Mosaic, Tile};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Block;

use crate::domain::batch::BatchOrder;
use crate::domain::forecast::Link;
use crate::domain::machine::disk::in_bytes;
use crate::domain::node::Node;
use crate::domain::snapshot::Snapshot;
use crate::domain::text::clean;
use crate::domain::time::in_words;
use crate::tui::panes::{profiles, services};
use crate::tui::state::Screen;
use crate::tui::style::layout::{split_left, split_top};
use crate::tui::style::status::NodeStatus;
use crate::tui::style::text::{age, clock, count, cut};
use crate::tui::style::theme::Meaning;
use crate::tui::style::widgets::{boxed, paragraph, problem, text, whole};

pub fn view(screen: &Screen, bench: &Snapshot, area: Rect, frame: &mut Frame<'_>) {
    let mut title = vec![Span::styled("Batch", screen.theme.style(Meaning::Title))];
    if let Some(open) = bench.batches.last().filter(|batch| batch.is_open()) {
        title.push(Span::styled(format!(" {}", clean(&open.order.name, NAME)), screen.theme.style(Meaning::Key)));
        title.push(Span::raw(format!(": {}", count(screen.board.nodes.len(), "machine"))));
    } else {
        title.push(Span::raw(format!(" {}", screen.board.nodes.len())));
    }
    let Parts { board, figures, troubles } = parts(screen, bench, area);
    let (mosaic, window) = tiles_in_view(screen, board);
    let all = screen.board.nodes.len();
    let inner = boxed(&screen.theme, title.into(), remark(screen, bench, mosaic.tile, window.len()), area, frame);
    if all == 0 {
        // Who is no node has its word all the same.
        let heard = trouble::lines(screen, bench, inner.width.into(), (inner.height / 2).into());
        let (above, below) = split_top(inner, inner.height - u16::try_from(heard.len()).unwrap_or(inner.height));
        text(&heard, 0, below, frame);
        let lines = nothing_expected(screen, bench, inner.width.into());
        return text(&whole(lines, above.height.into()), 0, above, frame);
    }
    let lines = figures_of(screen, bench, figures.width.into());
    text(&whole(lines, figures.height.into()), 0, figures, frame);
    for (nth, id) in screen.board.nodes[window].iter().enumerate() {
        if let Some(node) = bench.nodes.get(id) {
            tile(screen, bench, node, mosaic.tile, mosaic.place(nth, board), frame);
        }
    }
    let lines = trouble::lines(screen, bench, troubles.width.into(), troubles.height.into());
    text(&lines, 0, troubles, frame);
}

/// The chosen one in words where its tile has no room for them; else how many there are beside those in view.
fn remark(screen: &Screen, bench: &Snapshot, tile: Tile, shown: usize) -> Line<'static> {
    let chosen = screen.chosen.and_then(|id| bench.nodes.get(&id));
    match (tile, chosen) {
        (Tile::Name | Tile::Short | Tile::Sign, Some(node)) => {
            let (status, _) = NodeStatus::judged(bench, node, screen.moment());
            let (word, rest) = state(screen, node, status);
            let name = cut(&clean(&node.label(), NAME), SHORT_NAME);
            let words = format!("{} {name} {word} {rest}", status.glyph(screen.theme.glyphs));
            Line::styled(words, screen.theme.style(status.meaning()))
        }
        (Tile::Panel | Tile::Card | Tile::Line, _) | (_, None) => match screen.board.nodes.len() {
            all if shown < all => Line::raw(format!("{shown} of {all} in view")),
            _ => Line::raw("problems first"),
        },
    }
}

/// The tiles of a row, and the rows in view: how far a movement goes.
pub fn steps(screen: &Screen, bench: &Snapshot) -> (usize, usize) {
    let Some(plan) = screen.plan() else { return (1, 1) };
    let mosaic = tiles_in_view(screen, parts(screen, bench, plan.table).board).0;
    (mosaic.columns, mosaic.rows)
}

struct Parts {
    board: Rect,
    figures: Rect,
    troubles: Rect,
}

/// Where what is. Problems get the room they need, up to a third.
fn parts(screen: &Screen, bench: &Snapshot, area: Rect) -> Parts {
    let inner = Block::bordered().inner(area);
    if inner.width >= BESIDE && inner.height >= 20 {
        let (board, right) = split_left(inner, inner.width - (inner.width / 3).clamp(44, 66));
        // A column of air between them.
        let board = Rect { width: board.width.saturating_sub(1), ..board };
        let lines = figures_of(screen, bench, right.width.into()).len();
        let (figures, troubles) = split_top(right, u16::try_from(lines + 1).unwrap_or(u16::MAX));
        return Parts { board, figures, troubles };
    }
    let few = inner.height < 12;
    let lines = figures_of(screen, bench, inner.width.into()).len();
    let (figures, rest) = split_top(inner, u16::try_from(if few { lines.min(2) } else { lines }).unwrap_or(u16::MAX));
    // Problems get what the tiles leave, and where those need all, half of it.
    let tiles = screen.board.nodes.len();
    let at_least = if few { rest.height / 3 } else { rest.height / 2 };
    let taken = Mosaic::fit(tiles, rest.width, rest.height - at_least).taken(tiles);
    let air = u16::from(!few);
    let room = rest.height.saturating_sub(taken.saturating_add(air)).max(at_least);
    let wanted = trouble::lines(screen, bench, rest.width.into(), room.into()).len();
    let (board, troubles) = split_top(rest, rest.height - u16::try_from(wanted).unwrap_or(room).min(rest.height));
    Parts { board, figures, troubles }
}

fn tiles_in_view(screen: &Screen, board: Rect) -> (Mosaic, std::ops::Range<usize>) {
    let all = screen.board.nodes.len();
    let mosaic = Mosaic::fit(all, board.width, board.height);
    let chosen = screen.chosen.and_then(|id| screen.board.position(id)).unwrap_or(0);
    (mosaic, mosaic.window(all, chosen))
}

/// How it gets on, in words, below a bar of what all are doing.
fn figures_of(screen: &Screen, bench: &Snapshot, width: usize) -> Vec<Line<'static>> {
    let (pace, plain) = (&screen.pace, screen.theme.style(Meaning::Plain));
    let mut lines = vec![shares(screen, width)];
    let all = screen.board.nodes.len();
    let mut done = format!("{} of {all} done, {}%", pace.done, pace.done * 100 / all.max(1));
    if let Some(per_hour) = pace.per_hour {
        done += &format!("; {per_hour} an hour");
    }
    if let Some(eta) = pace.eta {
        let at = clock(&screen.zone, screen.moment().after(eta));
        done += &format!("; the last about {}, in {}", &at[..5.min(at.len())], in_words(eta));
        if pace.waiting > 0 {
            done += ", if all come";
        }
    }
    let expected = match (pace.expected, pace.unexpected) {
        (0, unexpected) => format!("none was expected; {unexpected} came"),
        (expected, 0) => format!("expected {expected}: {} seen, {} not", pace.seen, expected - pace.seen),
        (expected, unexpected) => {
            format!("expected {expected}: {} seen, {} not; {unexpected} unexpected", pace.seen, expected - pace.seen)
        }
    };
    let link = match &pace.link {
        Some(link) => link_in_words(link),
        None => format!("link {}: its card does not say how fast it is", clean(&bench.station.interface, 20)),
    };
    for words in [done, expected, link].into_iter().chain(order(screen, bench)) {
        lines.extend(paragraph(Span::raw(" "), &words, plain, width));
    }
    lines
}

/// Which batch it is, if one was ever opened.
fn order(screen: &Screen, bench: &Snapshot) -> Option<String> {
    let batch = bench.batches.last()?;
    let BatchOrder { work_order, operator, list, .. } = &batch.order;
    let parts = [("work order", work_order), ("operator", operator), ("expected by", list)];
    let parts = parts.iter().filter_map(|(what, words)| Some(format!(", {what} {}", clean(words.as_ref()?, NAME))));
    let name = clean(&batch.to_string(), NAME);
    Some(match &batch.closed {
        None => {
            let lasted = in_words(Duration::from_millis(batch.lasted_ms(screen.moment())));
            // What was done before it was opened is on the board, and not of it.
            let of_it = match screen.pace.batch {
                Some((all, done)) if all != screen.board.nodes.len() => {
                    format!("; {all} of these are of it, {done} done")
                }
                Some(_) | None => String::new(),
            };
            format!("{name}{}: open for {lasted}{of_it}", parts.collect::<String>())
        }
        Some(closed) => {
            format!("{name}: closed at {}; R writes its report, B opens another", clock(&screen.zone, closed.at))
        }
    })
}

fn link_in_words(link: &Link) -> String {
    let speed = match link.mbit {
        mbit if mbit >= 1000 && mbit % 100 == 0 => format!("{} Gbit/s", f64::from(mbit) / 1000.0),
        mbit => format!("{mbit} Mbit/s"),
    };
    let allows = link.allows.map(|allows| format!(", it allows {allows} an hour")).unwrap_or_default();
    let limit = if link.is_limit { "; it is the limit" } else { "" };
    format!("link {speed}: {}/s of {}/s{allows}{limit}", in_bytes(link.used), in_bytes(link.best))
}

/// What all are doing, as parts of a bar made of their signs. Whoever is there is seen.
fn shares(screen: &Screen, width: usize) -> Line<'static> {
    let (theme, counts) = (&screen.theme, &screen.board.counts);
    let glyphs = theme.glyphs;
    let kinds = [
        (glyphs.failed, counts.failed, Meaning::Failure),
        (glyphs.stalled, counts.stalled, Meaning::Warning),
        (glyphs.held, counts.held, Meaning::Notice),
        (glyphs.active, counts.active, Meaning::Active),
        (glyphs.registered, counts.waiting, Meaning::Muted),
        (glyphs.provisioned, counts.done, Meaning::Success),
    ];
    let (room, all) = (width.saturating_sub(2), counts.all().max(1));
    let mut parts: Vec<usize> = kinds.iter().map(|(_, count, _)| (count * room / all).max((*count).min(1))).collect();
    // What rounding took or gave is the largest part's.
    while let (Some(largest), total) = ((0..parts.len()).max_by_key(|at| parts[*at]), parts.iter().sum::<usize>())
        && total != room
        && parts[largest] > 0
    {
        parts[largest] = if total < room { parts[largest] + room - total } else { parts[largest] - 1 };
    }
    let spans = kinds
        .iter()
        .zip(parts)
        .map(|((glyph, _, meaning), part)| Span::styled(glyph.repeat(part), theme.style(*meaning)));
    Line::from_iter([Span::raw(" ")].into_iter().chain(spans))
}

fn tile(screen: &Screen, bench: &Snapshot, node: &Node, kind: Tile, area: Rect, frame: &mut Frame<'_>) {
    let theme = &screen.theme;
    let (status, verdict) = NodeStatus::judged(bench, node, screen.moment());
    let style = theme.style(status.meaning());
    let sign = Span::styled(status.glyph(theme.glyphs), style);
    let name = clean(&node.label(), NAME);
    let width = usize::from(area.width);
    match kind {
        Tile::Panel | Tile::Card => {
            let name = Span::raw(cut(&name, width.saturating_sub(6)));
            let block = Block::bordered()
                .border_set(theme.glyphs.border)
                .border_style(theme.style(Meaning::Muted))
                .title_top(Line::from(vec![Span::raw(" "), sign, Span::raw(" "), name, Span::raw(" ")]));
            let inner = block.inner(area);
            frame.render_widget(block, area);
            let lines = match kind {
                Tile::Panel => panel::lines(screen, bench, node, (status, verdict.as_ref()), inner),
                Tile::Card | Tile::Line | Tile::Name | Tile::Short | Tile::Sign => {
                    let (word, rest) = state(screen, node, status);
                    let rest = cut(&format!(" {rest}"), inner.width.into());
                    vec![Line::styled(format!(" {word}"), style), Line::raw(rest)]
                }
            };
            text(&lines, 0, inner, frame);
        }
        Tile::Line => {
            let (word, rest) = state(screen, node, status);
            let state = if rest.ends_with('%') { rest } else { word.to_owned() };
            let room = width.saturating_sub(3 + STATE);
            let name = cut(&name, room);
            let fill = " ".repeat(room - Span::raw(name.as_str()).width());
            let state = Span::styled(format!(" {:<11}", cut(&state, STATE - 1)), style);
            frame.render_widget(
                Line::from(vec![Span::raw(" "), sign, Span::raw(" "), Span::raw(name + &fill), state]),
                area,
            );
        }
        Tile::Name => {
            let name = Span::raw(cut(&name, width.saturating_sub(4)));
            frame.render_widget(Line::from(vec![Span::raw(" "), sign, Span::raw(" "), name]), area);
        }
        Tile::Short => {
            let letters: Vec<char> = name.chars().collect();
            let end: String = letters[letters.len().saturating_sub(width.saturating_sub(3))..].iter().collect();
            frame.render_widget(Line::from(vec![Span::raw(" "), sign, Span::raw(end)]), area);
        }
        Tile::Sign => frame.render_widget(sign, area),
    }
    if screen.chosen == Some(node.id) {
        // Known without colours, too: a bar at the side, after the sign where a tile is all sign.
        let bar = if kind == Tile::Sign { Rect { x: area.x + 1, ..area } } else { area };
        for row in bar.intersection(area).rows() {
            frame.render_widget(theme.glyphs.cursor, row);
        }
        frame.buffer_mut().set_style(area, theme.style(Meaning::Selected));
    }
}

/// The word of a status, and how far it is or how long it has been so.
fn state(screen: &Screen, node: &Node, status: NodeStatus) -> (&'static str, String) {
    let now = screen.moment();
    let rest = match (status, &node.progress) {
        (NodeStatus::Active(_), Some(progress)) => format!("{}%", progress.percent()),
        (NodeStatus::Stalled(silent), _) => format!("silent for {}", age(silent)),
        // It was here before, and is to be done again.
        (NodeStatus::Registered, _) if node.last_seen.is_some() => {
            format!("armed for {}", age(now.since(node.phase_since)))
        }
        _ => age(now.since(node.phase_since)),
    };
    (status.word(), rest)
}

/// What to do where nothing is registered and nothing was seen, and what would disappoint the first machine.
fn nothing_expected(screen: &Screen, bench: &Snapshot, width: usize) -> Vec<Line<'static>> {
    let theme = &screen.theme;
    let (plain, key) = (theme.style(Meaning::Plain), theme.style(Meaning::Key));
    let mut lines = vec![Line::default()];
    let seen = if screen.board.strangers.is_empty() { "has been seen" } else { "got as far as to be a node" };
    let head = format!("No machine is expected, and none {seen}.");
    lines.extend(paragraph(Span::raw("  "), &head, theme.style(Meaning::Title), width));
    lines.push(Line::default());
    let steps = [
        ("B", "open a batch, so that its report has a name, a work order and an operator"),
        ("3", "import the list of the batch's machines: serials, UUIDs or MAC addresses"),
        ("2", "or scan their labels, or type them"),
        (" ", "or register nothing: whoever boots from the network is treated as the policy says"),
    ];
    for (digit, step) in steps {
        lines.extend(paragraph(Span::styled(format!("  {digit}  "), key), step, plain, width));
    }
    lines.push(Line::default());
    let then = format!(
        "Then connect the machines to {}, network boot first in their firmware, and switch them on: a tile for each is \
         here, and says where it is and what is wrong.",
        clean(&bench.station.interface, 20)
    );
    lines.extend(paragraph(Span::raw("  "), &then, plain, width));
    lines.push(Line::default());
    let policy = format!("Policy {}: {}.", bench.policy, bench.policy.meaning());
    lines.extend(paragraph(Span::raw("  "), &policy, plain, width));
    lines.push(Line::default());
    let problems = services::problems(screen, bench).into_iter().chain(profiles::problems(screen, bench));
    lines.extend(problems.flat_map(|found| problem(theme, &found, width)));
    lines
}

const NAME: usize = 60;
/// Letters of a name beside the title.
const SHORT_NAME: usize = 24;
/// Columns of a status beside a name.
const STATE: usize = 12;
/// Narrower, and figures and problems are above and below the board.
const BESIDE: u16 = 118;
