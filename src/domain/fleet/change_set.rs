//! What one event or command changes, and the two ways a node changes its phase.

use std::collections::BTreeSet;

use crate::domain::effect::Effect;
use crate::domain::ids::NodeId;
use crate::domain::logline::{Level, LogLine, LogSource};
use crate::domain::node::Node;
use crate::domain::node::phase::{Phase, Stage};
use crate::domain::time::Timestamp;

/// What one event or command has changed so far.
#[derive(Default)]
pub(super) struct ChangeSet {
    pub(super) effects: Vec<Effect>,
    pub(super) saves: BTreeSet<NodeId>,
}

impl ChangeSet {
    pub(super) fn save(&mut self, id: NodeId) {
        self.saves.insert(id);
    }

    /// Adds a line by the station to the node's log.
    pub(super) fn log(&mut self, now: Timestamp, node: &mut Node, level: Level, text: &str) {
        self.log_line(node, LogLine::new(now, LogSource::Station, level, text));
    }

    /// Like `log`, but skips a line that is among the latest ones, so that a repeated event does not fill the log.
    pub(super) fn log_once(&mut self, now: Timestamp, node: &mut Node, level: Level, text: &str) {
        let line = LogLine::new(now, LogSource::Station, level, text);
        if !node.log.lines().rev().take(LATELY).any(|known| known.text == line.text) {
            self.log_line(node, line);
        }
    }

    pub(super) fn log_line(&mut self, node: &mut Node, line: LogLine) {
        node.log.push(line.clone());
        self.effects.push(Effect::Log { node: node.id, label: node.label(), line });
    }
}

/// Sets the phase of `node`, and since when it lasts.
pub(super) fn enter(node: &mut Node, now: Timestamp, phase: Phase) {
    if node.phase != phase {
        (node.phase, node.phase_since) = (phase, now);
    }
}

/// Moves `node` on to `stage` of its current attempt; it never moves back.
pub(super) fn reach(node: &mut Node, now: Timestamp, stage: Stage) {
    if matches!(node.phase, Phase::Booting { stage: reached } if reached >= stage) {
        return;
    }
    if node.stages.iter().all(|(reached, _)| *reached != stage) {
        node.stages.push((stage, now));
    }
    let phase = if stage == Stage::Provisioned { Phase::Provisioned } else { Phase::Booting { stage } };
    enter(node, now, phase);
}

/// How many of the latest log lines are compared.
const LATELY: usize = 50;
