//! What a large tile says of its machine: how it is, how fast it gets on or what is wrong, what it gets and what it is.
//!
//! ```text
//! ┌ ▸ SN-4004 ───────────────────────┐  ┌ ✗ SN-4003 ───────────────────────┐
//! │ writing 62%                      │  │ failed 3:12                      │
//! │ ███████████████████▍░░░░░░░░░░░░ │  │ failed at verifying: the disk    │
//! │ 118.0 MB/s, 0:41 left            │  │ does not read back as the image: │
//! │                                  │  │ 8.0 GB of it have digest 77ac…   │
//! │ emt-s, the default               │  │ emt-s, the default               │
//! │ Dell Inc. PowerEdge T20          │  │ Dell Inc. PowerEdge T20          │
//! └──────────────────────────────────┘  └──────────────────────────────────┘
//! ```

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{state, trouble};
use crate::domain::doctor::verdict::Diagnosis;
use crate::domain::machine::disk::in_bytes;
use crate::domain::node::Node;
use crate::domain::snapshot::Snapshot;
use crate::domain::text::clean;
use crate::domain::time::in_words;
use crate::tui::state::Screen;
use crate::tui::style::status::NodeStatus;
use crate::tui::style::text::cut;
use crate::tui::style::theme::Meaning;
use crate::tui::style::widgets::{bar, paragraph};

/// In at most the lines of `inner`. What is wrong has the room before what it is.
pub(super) fn lines(
    screen: &Screen,
    bench: &Snapshot,
    node: &Node,
    (status, verdict): (NodeStatus, Option<&Diagnosis>),
    inner: Rect,
) -> Vec<Line<'static>> {
    let (width, height) = (usize::from(inner.width), usize::from(inner.height));
    let plain = screen.theme.style(Meaning::Plain);
    let (word, rest) = state(screen, node, status);
    let mut lines = vec![Line::from(vec![
        Span::styled(format!(" {word}"), screen.theme.style(status.meaning())),
        Span::raw(cut(&format!(" {rest}"), width.saturating_sub(word.len() + 2))),
    ])];
    let facts = facts(bench, node);
    let between = match status {
        NodeStatus::Failed | NodeStatus::Conflict | NodeStatus::Held | NodeStatus::Stalled(_) => {
            let (why, _) = trouble::why(node, status, verdict);
            paragraph(Span::raw(" "), &clean(&why, WORDS), plain, width.saturating_sub(1))
        }
        NodeStatus::Active(_) => moving(screen, node, status, width),
        NodeStatus::Registered => Vec::new(),
        NodeStatus::Installed | NodeStatus::Provisioned => took(node),
    };
    let room = height.saturating_sub(lines.len() + facts.len());
    lines.extend(between.into_iter().take(room));
    lines.resize_with(height.saturating_sub(facts.len()).max(lines.len()), Line::default);
    lines.extend(
        facts.into_iter().map(|fact| Line::styled(cut(&format!(" {fact}"), width), screen.theme.style(Meaning::Muted))),
    );
    lines
}

/// The bytes of the present step.
fn moving(screen: &Screen, node: &Node, status: NodeStatus, width: usize) -> Vec<Line<'static>> {
    let Some(progress) = &node.progress else { return Vec::new() };
    let now = screen.moment();
    let bar = bar(screen.theme.glyphs, progress.percent(), width.saturating_sub(2));
    let left = progress.left(now).map(|left| format!(", {} left", in_words(left))).unwrap_or_default();
    let pace = match progress.rate(now) {
        0 => " nothing moves".to_owned(),
        rate => format!(" {}/s{left}", in_bytes(rate)),
    };
    vec![Line::styled(format!(" {bar}"), screen.theme.style(status.meaning())), Line::raw(cut(&pace, width))]
}

/// How long its last attempt took.
fn took(node: &Node) -> Vec<Line<'static>> {
    let took = node.run().and_then(|run| Some(run.ended?.since(run.started)));
    took.map(|took| Line::raw(format!(" it took {}", in_words(took)))).into_iter().collect()
}

/// What it gets, and what it is.
fn facts(bench: &Snapshot, node: &Node) -> Vec<String> {
    let profile = match (&node.profile, &bench.catalogue.default_profile) {
        (Some(own), _) => own.to_string(),
        (None, Some(default)) => format!("{default}, the default"),
        (None, None) => "no profile".into(),
    };
    let product = [&node.manufacturer, &node.product].into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
    let product = Some(clean(&product, WORDS)).filter(|product| !product.is_empty());
    [Some(profile), product].into_iter().flatten().collect()
}

const WORDS: usize = 400;
