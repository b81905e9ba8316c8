//! What a node is doing, as a person wants to know it: its phase, or *stalled* when it has fallen silent.

use std::time::Duration;

use crate::domain::doctor::verdict::{Diagnosis, Severity};
use crate::domain::node::Node;
use crate::domain::node::phase::{Phase, Stage};
use crate::domain::snapshot::Snapshot;
use crate::domain::time::Timestamp;
use crate::tui::style::glyphs::Glyphs;
use crate::tui::style::theme::Meaning;

/// In the order of urgency: what needs a person first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeStatus {
    Failed,
    Conflict,
    /// Silent for this long.
    Stalled(Duration),
    Held,
    Active(Stage),
    Registered,
    /// Its installer says so.
    Installed,
    Provisioned,
}

impl NodeStatus {
    pub fn of(node: &Node, now: Timestamp) -> Self {
        match node.phase {
            Phase::Failed(_) => Self::Failed,
            Phase::Conflict { .. } => Self::Conflict,
            Phase::Held { .. } => Self::Held,
            Phase::Booting { stage } => node.stalled(now).map_or(Self::Active(stage), Self::Stalled),
            Phase::Registered => Self::Registered,
            Phase::Installed => Self::Installed,
            Phase::Provisioned => Self::Provisioned,
        }
    }

    /// The same, with what the doctor says of a machine that does not get as far as its agent. Whoever has stopped is
    /// stalled, however short a time ago.
    pub fn judged(bench: &Snapshot, node: &Node, now: Timestamp) -> (Self, Option<Diagnosis>) {
        let own = Self::of(node, now);
        let verdict = match own {
            Self::Active(_) | Self::Stalled(_) | Self::Registered => bench.verdict(node, now),
            Self::Failed | Self::Conflict | Self::Held | Self::Installed | Self::Provisioned => None,
        };
        let stopped = verdict.as_ref().is_some_and(|verdict| verdict.severity >= Severity::Warning);
        let last = || bench.doctor.trail(bench.doctor.latest(node)?)?.last();
        match last().filter(|_| stopped) {
            Some(last) => (Self::Stalled(now.since(last)), verdict),
            None => (own, verdict),
        }
    }

    /// 0 for what needs a person first.
    pub fn rank(self) -> u8 {
        match self {
            Self::Failed => 0,
            Self::Conflict => 1,
            Self::Stalled(_) => 2,
            Self::Held => 3,
            Self::Active(_) => 4,
            Self::Registered => 5,
            Self::Installed => 6,
            Self::Provisioned => 7,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Conflict => "conflict",
            Self::Stalled(_) => "stalled",
            Self::Held => "held",
            Self::Active(stage) => stage.word(),
            Self::Registered => "registered",
            Self::Installed => "installed",
            Self::Provisioned => "provisioned",
        }
    }

    pub fn glyph(self, glyphs: &Glyphs) -> &'static str {
        match self {
            Self::Failed => glyphs.failed,
            Self::Conflict => glyphs.conflict,
            Self::Stalled(_) => glyphs.stalled,
            Self::Held => glyphs.held,
            Self::Active(_) => glyphs.active,
            Self::Registered => glyphs.registered,
            Self::Installed => glyphs.installed,
            Self::Provisioned => glyphs.provisioned,
        }
    }

    pub fn meaning(self) -> Meaning {
        match self {
            Self::Failed | Self::Conflict => Meaning::Failure,
            Self::Stalled(_) => Meaning::Warning,
            Self::Held | Self::Installed => Meaning::Notice,
            Self::Active(_) => Meaning::Active,
            Self::Registered => Meaning::Muted,
            Self::Provisioned => Meaning::Success,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::tui::style::glyphs::{ASCII, UNICODE};

    const KINDS: [NodeStatus; 8] = [
        NodeStatus::Failed,
        NodeStatus::Conflict,
        NodeStatus::Stalled(Duration::ZERO),
        NodeStatus::Held,
        NodeStatus::Active(Stage::Writing),
        NodeStatus::Registered,
        NodeStatus::Installed,
        NodeStatus::Provisioned,
    ];

    #[test]
    fn glyphs_are_pairwise_different_in_both_sets() {
        for glyphs in [&UNICODE, &ASCII] {
            let distinct: BTreeSet<_> = KINDS.iter().map(|status| status.glyph(glyphs)).collect();
            assert_eq!(distinct.len(), KINDS.len(), "{distinct:?}");
        }
    }

    #[test]
    fn words_are_pairwise_different() {
        let stages = Stage::WITH_FIRST_BOOT
            .into_iter()
            .chain([Stage::Installing])
            .filter(|stage| *stage != Stage::Provisioned)
            .map(NodeStatus::Active);
        let others = KINDS.into_iter().filter(|status| !matches!(status, NodeStatus::Active(_)));
        let all: Vec<_> = stages.chain(others).collect();
        let distinct: BTreeSet<_> = all.iter().map(|status| status.word()).collect();
        assert_eq!(distinct.len(), all.len(), "{distinct:?}");
    }

    #[test]
    fn problems_come_first() {
        assert!(KINDS.is_sorted_by_key(|status| status.rank()));
    }

    #[test]
    fn a_silent_node_has_stalled_whatever_its_stage() {
        let mut node = Node::new(crate::domain::ids::NodeId(1), Timestamp::default());
        (node.phase, node.last_seen) = (Phase::Booting { stage: Stage::Writing }, Some(Timestamp::default()));
        let minute = Timestamp::from_millis(60_000);
        assert_eq!(NodeStatus::of(&node, minute), NodeStatus::Stalled(Duration::from_secs(60)));
    }
}
