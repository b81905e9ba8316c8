//! What went wrong last, with what to try: as many as there is room for, and a word about the others.

use std::cmp::Reverse;

use ratatui::text::Line;

use crate::domain::doctor::verdict::Diagnosis;
use crate::domain::node::Node;
use crate::domain::node::phase::Phase;
use crate::domain::snapshot::Snapshot;
use crate::domain::text::clean;
use crate::domain::time::Timestamp;
use crate::tui::panes::node::look;
use crate::tui::state::Screen;
use crate::tui::style::status::NodeStatus;
use crate::tui::style::text::{age, count, cut};
use crate::tui::style::theme::Meaning;
use crate::tui::style::widgets::{ProblemText, problem};

/// The newest first, in at most `height` lines.
pub(super) fn lines(screen: &Screen, bench: &Snapshot, width: usize, height: usize) -> Vec<Line<'static>> {
    let counts = &screen.board.counts;
    // They are the first of the board.
    let wrong = counts.failed + counts.stalled + counts.held;
    let mut nodes: Vec<&Node> =
        screen.board.nodes.iter().take(wrong).filter_map(|id| bench.nodes.get(id)).map(|node| &**node).collect();
    let strangers = &screen.board.strangers;
    let all = nodes.len() + strangers.len();
    if all == 0 || height < 2 {
        return Vec::new();
    }
    if nodes.len() > SAID {
        nodes.select_nth_unstable_by_key(SAID, |node| Reverse(node.phase_since));
        nodes.truncate(SAID);
    }
    nodes.sort_by_key(|node| Reverse(node.phase_since));
    let theme = &screen.theme;
    let heading = format!(" {}, the newest first", count(all, "problem"));
    let mut lines = vec![Line::styled(cut(&heading, width), theme.style(Meaning::Title))];
    let mut said = 0;
    let of_nodes = nodes.into_iter().map(|node| of(screen, bench, node));
    let of_strangers = strangers.iter().take(SAID).map(|stranger| {
        let (meaning, glyph) = look(stranger.verdict.severity, theme.glyphs);
        let what = format!("{}, no node yet: {}", stranger.mac, stranger.verdict.what);
        ProblemText { meaning, glyph, what, hint: Some(stranger.verdict.hint.clone()) }
    });
    for found in of_nodes.chain(of_strangers) {
        let more = problem(theme, &found, width);
        // The first is said as far as there is room for it.
        let room = height - lines.len();
        if more.len() + usize::from(said + 1 < all) > room && said > 0 {
            break;
        }
        lines.extend(more.into_iter().take(room));
        said += 1;
    }
    if said < all && lines.len() < height {
        lines.push(Line::raw(cut(&format!(" … and {} more: 1 lists them first", all - said), width)));
    }
    lines
}

/// What is wrong with `node`, since when, and what to try.
fn of(screen: &Screen, bench: &Snapshot, node: &Node) -> ProblemText {
    let (status, verdict) = NodeStatus::judged(bench, node, screen.moment());
    let (what, hint) = why(node, status, verdict.as_ref());
    let since = match status {
        NodeStatus::Stalled(silent) => age(silent),
        _ => ago(screen.moment(), node.phase_since),
    };
    let what = format!("{}, {since} ago: {what}", clean(&node.label(), NAME));
    ProblemText { meaning: status.meaning(), glyph: status.glyph(screen.theme.glyphs), what, hint }
}

/// What keeps `node` from going on, and what to try.
pub(super) fn why(node: &Node, status: NodeStatus, verdict: Option<&Diagnosis>) -> (String, Option<String>) {
    match (verdict, &node.phase) {
        (Some(verdict), _) => {
            (format!("stopped at {}: {}", verdict.stage.word(), verdict.what), Some(verdict.hint.clone()))
        }
        (None, Phase::Failed(failure)) => {
            (format!("failed at {}: {}", failure.stage.word(), failure.reason), Some(failure.kind.hint().into()))
        }
        (None, Phase::Conflict { reason }) => (reason.clone(), Some("c shows both sides and the ways out".into())),
        (None, Phase::Held { reason }) => {
            (format!("held: {reason}"), Some("a lets it go on; A on the nodes' page all of them".into()))
        }
        (None, Phase::Booting { stage }) => (
            format!("nothing heard since {}", stage.word()),
            Some("look at the machine's own console; check its cable and power, then start it again".into()),
        ),
        (None, Phase::Registered | Phase::Provisioned | Phase::Installed) => (status.word().to_owned(), None),
    }
}

fn ago(now: Timestamp, then: Timestamp) -> String {
    age(now.since(then))
}

/// Problems that are looked at: more than fit on any screen.
const SAID: usize = 40;
const NAME: usize = 40;
