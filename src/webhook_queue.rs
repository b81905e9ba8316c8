//! Changes of phase on their way to a program elsewhere: the hub notes them here, the webhook takes them from here, and
//! neither waits for the other. When nobody takes them the oldest make room for the newest, and are counted.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::domain::effect::Effect;
use crate::domain::ids::NodeId;
use crate::domain::node::Node;
use crate::domain::station::Station;
use crate::domain::time::Timestamp;
use crate::protocol::webhook::{PhaseChange, StationName};

/// The hub's side: sees from what is stored which nodes have come to another phase.
#[derive(Debug)]
pub struct WebhookQueue {
    /// The phases that somebody wants to hear of, by their words.
    wanted: BTreeSet<&'static str>,
    known: HashMap<NodeId, &'static str>,
    station: StationName,
    sequence: u64,
    changes: Arc<Changes>,
}

impl WebhookQueue {
    /// Of `nodes` nothing is told until they come to another phase.
    pub fn new(wanted: BTreeSet<&'static str>, station: &Station, nodes: &BTreeMap<NodeId, Arc<Node>>) -> Self {
        let known = nodes.values().map(|node| (node.id, node.phase.word())).collect();
        Self { wanted, known, station: StationName::of(station), sequence: 0, changes: Arc::default() }
    }

    /// The other side.
    pub fn changes(&self) -> Arc<Changes> {
        self.changes.clone()
    }

    /// Takes note of what these change.
    pub fn see(&mut self, now: Timestamp, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::SaveNode(node) => self.look_at(now, node),
                Effect::Forget(node) | Effect::SetAside { node, .. } => drop(self.known.remove(node)),
                Effect::SaveReport { .. }
                | Effect::SaveLease(_)
                | Effect::SavePolicy(_)
                | Effect::SaveDhcp(_)
                | Effect::SaveShared(_)
                | Effect::ForgetRun(_)
                | Effect::SaveDeed(_)
                | Effect::SaveBatch(_)
                | Effect::DropDeed(_)
                | Effect::Log { .. }
                | Effect::LogAgent { .. } => {}
            }
        }
    }

    fn look_at(&mut self, now: Timestamp, node: &Node) {
        let word = node.phase.word();
        let before = self.known.insert(node.id, word);
        if before == Some(word) || !self.wanted.contains(word) {
            return;
        }
        self.sequence += 1;
        self.changes.add(PhaseChange::of(self.station.clone(), self.sequence, before, node, now));
    }
}

/// What is to be told, the oldest first.
#[derive(Debug, Default)]
pub struct Changes {
    waiting: Mutex<VecDeque<PhaseChange>>,
    dropped: AtomicU64,
    came: Notify,
}

impl Changes {
    /// The oldest, as soon as there is one; it waits here no longer.
    pub async fn next(&self) -> PhaseChange {
        loop {
            if let Some(change) = self.queue().pop_front() {
                return change;
            }
            self.came.notified().await;
        }
    }

    pub fn waiting(&self) -> usize {
        self.queue().len()
    }

    /// Those that nobody took while there was room for them.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn add(&self, change: PhaseChange) {
        let mut queue = self.queue();
        if queue.len() == BOUND {
            queue.pop_front();
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        queue.push_back(change);
        drop(queue);
        self.came.notify_one();
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<PhaseChange>> {
        // Whoever panicked with it in hand has left a whole queue.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Changes that wait while nobody takes them: those of a hundred machines, and about 2 MB.
pub const BOUND: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::node::phase::{Phase, Stage};

    fn saved(node: u32, phase: Phase) -> Effect {
        let mut node = Node::new(NodeId(node), Timestamp::default());
        node.phase = phase;
        Effect::SaveNode(node.into())
    }

    fn herald(wanted: &[&'static str]) -> WebhookQueue {
        WebhookQueue::new(wanted.iter().copied().collect(), &Station::default(), &BTreeMap::new())
    }

    fn told(changes: &Changes) -> Vec<(u32, Option<String>, String, u64)> {
        let told = |change: PhaseChange| (change.node.0, change.before, change.phase, change.sequence);
        changes.queue().drain(..).map(told).collect()
    }

    #[test]
    fn each_change_to_a_wanted_phase_is_told_once_with_the_phase_before_it() {
        let mut herald = herald(&["verifying", "provisioned"]);
        let writing = || Phase::Booting { stage: Stage::Writing };
        let verifying = || Phase::Booting { stage: Stage::Verifying };
        let all = [saved(1, writing()), saved(1, verifying()), saved(1, verifying()), saved(2, Phase::Provisioned)];
        herald.see(Timestamp::default(), &all);
        herald.see(Timestamp::default(), &[saved(1, Phase::Provisioned)]);
        let word = |word: &str| Some(word.to_owned());
        assert_eq!(
            told(&herald.changes()),
            [
                (1, word("writing"), "verifying".into(), 1),
                (2, None, "provisioned".into(), 2),
                (1, word("verifying"), "provisioned".into(), 3)
            ]
        );
    }

    #[test]
    fn what_was_so_when_the_station_started_is_not_told_again() {
        let mut node = Node::new(NodeId(1), Timestamp::default());
        node.phase = Phase::Provisioned;
        let nodes = [(node.id, Arc::new(node))].into();
        let mut herald = WebhookQueue::new(["provisioned"].into(), &Station::default(), &nodes);
        herald.see(Timestamp::default(), &[saved(1, Phase::Provisioned)]);
        assert_eq!(told(&herald.changes()), []);
    }

    #[test]
    fn when_nobody_takes_them_the_oldest_make_room_and_are_counted() {
        let mut herald = herald(&["provisioned"]);
        let many: Vec<Effect> = (0..1003).map(|node| saved(node, Phase::Provisioned)).collect();
        herald.see(Timestamp::default(), &many);
        let changes = herald.changes();
        assert_eq!((changes.waiting(), changes.dropped()), (BOUND, 3));
        assert_eq!(told(&changes).first().map(|(node, _, _, sequence)| (*node, *sequence)), Some((3, 4)));
    }
}
