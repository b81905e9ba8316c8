//! What is worth a bell: a node that has failed, and the last of them done. Told once each, by comparing one look with the next.

use std::collections::BTreeSet;

use crate::domain::ids::NodeId;
use crate::domain::node::phase::Phase;
use crate::domain::snapshot::Snapshot;
use crate::domain::text::clean;
use crate::tui::style::text::count;
use crate::tui::style::theme::Meaning;

/// Of what a person wants to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Calls {
    /// Failures, and the end of the batch.
    #[default]
    All,
    Failures,
    Never,
}

/// How the bench was when it was last looked at.
#[derive(Clone, Debug, Default)]
pub struct AlarmState {
    seen: Option<Seen>,
}

#[derive(Clone, Debug)]
struct Seen {
    version: u64,
    failed: BTreeSet<NodeId>,
    complete: bool,
}

/// What has happened since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BenchNews {
    /// These have failed, or are in conflict.
    Failed(Vec<NodeId>),
    /// Every node has come to its end, so many of them to a good one.
    Complete { done: usize, failed: usize },
}

impl AlarmState {
    /// Looks at the bench. The first look is no news, whatever it shows.
    pub fn look(&mut self, bench: &Snapshot) -> Option<BenchNews> {
        if self.seen.as_ref().is_some_and(|seen| seen.version == bench.version) {
            return None;
        }
        let (mut failed, mut done) = (BTreeSet::new(), 0);
        for node in bench.nodes.values() {
            match node.phase {
                Phase::Failed(_) | Phase::Conflict { .. } => drop(failed.insert(node.id)),
                Phase::Provisioned | Phase::Installed => done += 1,
                Phase::Registered | Phase::Booting { .. } | Phase::Held { .. } => {}
            }
        }
        let complete = done > 0 && done + failed.len() == bench.nodes.len();
        let now = Seen { version: bench.version, failed, complete };
        let news = self.seen.as_ref().and_then(|before| {
            if complete && !before.complete {
                return Some(BenchNews::Complete { done, failed: now.failed.len() });
            }
            let fresh: Vec<NodeId> = now.failed.difference(&before.failed).copied().collect();
            (!fresh.is_empty()).then_some(BenchNews::Failed(fresh))
        });
        self.seen = Some(now);
        news
    }
}

impl BenchNews {
    pub fn calls(&self, wanted: Calls) -> bool {
        match (wanted, self) {
            (Calls::All, _) | (Calls::Failures, Self::Failed(_)) => true,
            (Calls::Failures, Self::Complete { failed, .. }) => *failed > 0,
            (Calls::Never, _) => false,
        }
    }

    pub fn meaning(&self) -> Meaning {
        match self {
            Self::Failed(_) => Meaning::Failure,
            Self::Complete { failed: 0, .. } => Meaning::Success,
            Self::Complete { .. } => Meaning::Warning,
        }
    }

    /// In a line.
    pub fn words(&self, bench: &Snapshot) -> String {
        match self {
            Self::Failed(nodes) => match nodes.as_slice() {
                [one] => bench.nodes.get(one).map_or("a node has failed".into(), |node| {
                    let what = match &node.phase {
                        Phase::Failed(failure) => format!("failed: {failure}"),
                        other => format!("is in {}", other.word()),
                    };
                    clean(&format!("{} {what}", node.label()), WORDS)
                }),
                several => format!("{} have failed", count(several.len(), "node")),
            },
            Self::Complete { done, failed } => {
                let failed = if *failed == 0 { String::new() } else { format!(", {failed} failed") };
                let is_open = bench.batches.last().is_some_and(|batch| batch.is_open());
                let next = if is_open { "C closes the batch, R writes the proof" } else { "R writes the proof" };
                format!("complete: {} done{failed}; {next}", count(*done, "node"))
            }
        }
    }
}

/// Letters of a line.
const WORDS: usize = 200;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::node::Node;
    use crate::domain::node::phase::Stage;
    use crate::domain::time::Timestamp;

    fn bench(version: u64, phases: &[Phase]) -> Snapshot {
        let node = |(at, phase): (usize, &Phase)| {
            let id = NodeId(u32::try_from(at).expect("few"));
            (id, Arc::new(Node { phase: phase.clone(), ..Node::new(id, Timestamp::default()) }))
        };
        Snapshot { version, nodes: phases.iter().enumerate().map(node).collect(), ..Snapshot::default() }
    }

    #[test]
    fn a_failure_and_the_end_are_told_once_each() {
        let conflict = || Phase::Conflict { reason: "two claim it".into() };
        let writing = || Phase::Booting { stage: Stage::Writing };
        let mut alarm = AlarmState::default();
        let mut look = |version, phases: &[Phase]| alarm.look(&bench(version, phases));
        assert_eq!(look(1, &[writing(), conflict()]), None, "the first look is no news");
        assert_eq!(look(2, &[conflict(), writing()]), Some(BenchNews::Failed(vec![NodeId(0)])));
        assert_eq!(look(3, &[conflict(), writing()]), None);
        assert_eq!(look(4, &[conflict(), Phase::Provisioned]), Some(BenchNews::Complete { done: 1, failed: 1 }));
        assert_eq!(look(5, &[conflict(), Phase::Provisioned]), None);
        assert_eq!(look(6, &[writing(), Phase::Provisioned]), None, "armed again");
        assert_eq!(look(7, &[Phase::Installed, Phase::Provisioned]), Some(BenchNews::Complete { done: 2, failed: 0 }));
    }

    #[test]
    fn who_wants_failures_alone_hears_no_good_news() {
        let (good, bad) = (BenchNews::Complete { done: 2, failed: 0 }, BenchNews::Failed(vec![NodeId(1)]));
        assert!(good.calls(Calls::All) && bad.calls(Calls::All));
        assert!(!good.calls(Calls::Failures) && bad.calls(Calls::Failures));
        assert!(!good.calls(Calls::Never) && !bad.calls(Calls::Never));
    }
}
