//! An import, an edit and a forgetting can be taken back for a minute, the newest first or one that is named.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::change_set::{ChangeSet, enter};
use super::{Fleet, absorb};
use crate::domain::command::Undo;
use crate::domain::effect::Effect;
use crate::domain::ids::{NodeId, RunId};
use crate::domain::logline::Level;
use crate::domain::machine::claims::Claims;
use crate::domain::node::Node;
use crate::domain::node::identity::Identity;
use crate::domain::node::phase::Phase;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::domain::undo::{Touched, UndoAction, UndoEntry};

impl Fleet {
    /// What was done last, the newest last, whether or not it can still be taken back; see [`UndoEntry::undo_left`].
    pub fn deeds(&self) -> &[Arc<UndoEntry>] {
        &self.deeds
    }

    /// From now on `what` can be taken back.
    pub(super) fn remember(&mut self, now: Timestamp, what: UndoAction, change: &mut ChangeSet) {
        let at = self.free_moment(now);
        self.deeds.retain(|deed| deed.undo_left(now).is_some());
        self.deeds.drain(..self.deeds.len().saturating_sub(DEEDS - 1));
        let deed = Arc::new(UndoEntry { at, what });
        self.deeds.push(deed.clone());
        let needed = |id: &NodeId| {
            self.deeds.iter().any(|deed| matches!(&deed.what, UndoAction::Forget { nodes, .. } if nodes.contains(id)))
        };
        self.set_aside.retain(|id, _| needed(id));
        change.effects.push(Effect::SaveDeed(deed));
    }

    /// Now, or the first moment after it of which nothing is remembered.
    fn free_moment(&self, now: Timestamp) -> Timestamp {
        self.deeds.last().map_or(now, |last| now.max(last.at.after(Duration::from_millis(1))))
    }

    /// Drops nodes so that they can come back.
    pub(super) fn put_aside(
        &mut self,
        now: Timestamp,
        nodes: Vec<NodeId>,
        change: &mut ChangeSet,
    ) -> Result<(), Refusal> {
        for id in &nodes {
            self.idle(now, *id)?;
        }
        let at = self.free_moment(now);
        let mut gone = Vec::new();
        for id in nodes {
            let Some(node) = self.take_out(now, id, change) else { continue };
            change.effects.push(Effect::SetAside { node: id, at });
            gone.push(node);
        }
        let label = match gone.as_slice() {
            [] => return Ok(()),
            [one] => one.label(),
            several => format!("{} nodes", several.len()),
        };
        let nodes = gone.iter().map(|node| node.id).collect();
        self.set_aside.extend(gone.into_iter().map(|node| (node.id, node)));
        self.remember(now, UndoAction::Forget { label, nodes }, change);
        Ok(())
    }

    pub(super) fn undo(
        &mut self,
        now: Timestamp,
        at: Timestamp,
        scope: Undo,
        change: &mut ChangeSet,
    ) -> Result<(), Refusal> {
        let deed = self.deeds.iter().find(|deed| deed.at == at).cloned().ok_or(Refusal::NothingToUndo)?;
        if deed.undo_left(now).is_none() {
            return Err(Refusal::UndoTooLate { what: deed.to_string() });
        }
        self.reverse(now, &deed, scope, change)
    }

    /// Takes a deed back that could not be stored, however long that took. Machines that have begun to work go on.
    pub fn give_up(&mut self, now: Timestamp, at: Timestamp) -> Vec<Effect> {
        let mut change = ChangeSet::default();
        if let Some(deed) = self.deeds.iter().find(|deed| deed.at == at).cloned() {
            let _the_idle_ones_can_always_be = self.reverse(now, &deed, Undo::Idle, &mut change);
        }
        self.settle(change)
    }

    fn reverse(
        &mut self,
        now: Timestamp,
        deed: &UndoEntry,
        scope: Undo,
        change: &mut ChangeSet,
    ) -> Result<(), Refusal> {
        match &deed.what {
            UndoAction::Import { made, touched, .. } => self.undo_import(now, made, touched, scope, change)?,
            UndoAction::Edit { touched, .. } => {
                self.undo_import(now, &[], std::slice::from_ref(touched), scope, change)?
            }
            UndoAction::Forget { nodes, .. } => self.bring_back(now, nodes, change)?,
            UndoAction::Unknown => return Err(Refusal::NothingToUndo),
        }
        if let UndoAction::Edit { touched, .. } = &deed.what
            && let Some(node) = self.node_mut(touched.node)
        {
            change.log(now, node, Level::Info, "its edit was undone");
        }
        self.deeds.retain(|known| known.at != deed.at);
        change.effects.push(Effect::DropDeed(deed.at));
        Ok(())
    }

    pub(super) fn undo_import(
        &mut self,
        now: Timestamp,
        made: &[NodeId],
        touched: &[Touched],
        scope: Undo,
        change: &mut ChangeSet,
    ) -> Result<(), Refusal> {
        let made_working = made.iter().copied().filter(|id| self.has_begun(now, *id, None));
        let working: Vec<NodeId> = made_working
            .chain(
                touched.iter().filter(|before| self.has_begun(now, before.node, before.run)).map(|before| before.node),
            )
            .collect();
        if scope == Undo::All && !working.is_empty() {
            let labels = working.iter().filter_map(|id| self.nodes.get(id)).map(|node| node.label()).collect();
            return Err(Refusal::BegunToWork { labels });
        }
        let working: BTreeSet<NodeId> = working.into_iter().collect();
        for id in made.iter().filter(|id| !working.contains(id)) {
            self.forget(now, *id, change);
        }
        for before in touched.iter().filter(|before| !working.contains(&before.node)) {
            self.take_back(before, change);
        }
        Ok(())
    }

    /// Whether the node has been given something to do since its latest attempt was `run`.
    fn has_begun(&self, now: Timestamp, id: NodeId, run: Option<RunId>) -> bool {
        self.nodes.get(&id).is_some_and(|node| node.is_at_work(now) || node.run().map(|last| last.id) != run)
    }

    /// Makes a node what it was; what has been changed or learnt since stays.
    fn take_back(&mut self, before: &Touched, change: &mut ChangeSet) {
        self.edit(before.node, |node| {
            let uuid = node.uuid;
            before.changes.iter().rev().for_each(|change| change.take_back(node));
            if node.uuid != uuid {
                node.uuid_hearsay = before.uuid_hearsay;
            }
            node.registered &= before.registered;
            node.listed.clone_from(&before.listed);
        });
        change.save(before.node);
    }

    /// Nodes that were forgotten are what they were, unless somebody else has become one of them meanwhile.
    fn bring_back(&mut self, now: Timestamp, nodes: &[NodeId], change: &mut ChangeSet) -> Result<(), Refusal> {
        let gone: Vec<Arc<Node>> = nodes.iter().filter_map(|id| self.set_aside.get(id)).cloned().collect();
        if gone.is_empty() {
            return Err(Refusal::NothingToUndo);
        }
        for node in &gone {
            if let Some((what, other)) = self.taken(now, node) {
                return Err(Refusal::TakenSince { label: node.label(), what, by: other.label() });
            }
        }
        for node in gone {
            let id = node.id;
            self.set_aside.remove(&id);
            self.runs.extend(node.runs.iter().map(|run| (run.id, id)));
            let seen_since = self.index.identify(&node.claims());
            Arc::make_mut(&mut self.index).insert(&node);
            self.nodes.insert(id, node);
            // A machine that was switched on meanwhile is this node, and is not asked twice who it is.
            let since = match seen_since {
                Identity::New => Vec::new(),
                Identity::Known(other) => vec![other],
                Identity::Conflict(others) => others,
            };
            for other in since {
                self.become_part_of(now, other, id, change);
            }
            if let Some(node) = self.node_mut(id) {
                node.contested = None;
                if matches!(node.phase, Phase::Conflict { .. }) {
                    enter(node, now, Phase::Registered);
                }
                change.log(now, node, Level::Info, "came back: it was not to be forgotten");
            }
            change.save(id);
        }
        Ok(())
    }

    /// An identifier of `node` that another node has which cannot simply be part of it.
    fn taken(&self, now: Timestamp, node: &Node) -> Option<(String, &Arc<Node>)> {
        let alone = |claims: Claims| {
            let Identity::Known(id) = self.index.identify(&claims) else { return None };
            let other = self.nodes.get(&id).filter(|other| !other.is_provisional() || other.is_at_work(now))?;
            Some((claims.to_string(), other))
        };
        let claims = node.claims();
        let serial = claims.serial.map(|serial| Claims { serial: Some(serial), ..Claims::default() });
        let uuid = claims.uuid.map(|uuid| Claims { uuid: Some(uuid), ..Claims::default() });
        let macs = claims.macs.into_iter().map(|mac| Claims { macs: vec![mac], ..Claims::default() });
        serial.into_iter().chain(uuid).chain(macs).find_map(alone)
    }

    /// `part`, which was made because a machine was seen, is `whole`.
    fn become_part_of(&mut self, now: Timestamp, part: NodeId, whole: NodeId, change: &mut ChangeSet) {
        let Some(gone) = self.take_out(now, part, change) else { return };
        self.edit(whole, |node| absorb(node, &gone));
        change.effects.push(Effect::Forget(part));
    }
}

/// Deeds that are remembered.
const DEEDS: usize = 16;

#[cfg(all(test, feature = "station"))]
mod tests;
