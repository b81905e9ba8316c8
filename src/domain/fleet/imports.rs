//! A list of machines is taken in wholly or not at all, and can be taken back for a minute.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Change, Fleet};
use crate::domain::command::{Import, Refusal, Undo};
use crate::domain::ids::NodeId;
use crate::domain::logline::Level;
use crate::domain::node::Node;
use crate::domain::registration::Judgement;
use crate::domain::snapshot::Catalogue;
use crate::domain::time::Timestamp;

/// The import that can be taken back: what it made of which nodes.
#[derive(Clone, Debug)]
pub(super) struct LastImport {
    done: ImportDone,
    /// Each node it touched, as it was (none: it made the node) and as it left it.
    nodes: Vec<(Option<Arc<Node>>, Arc<Node>)>,
}

/// What the screen says of an import that can be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportDone {
    pub file: String,
    pub at: Timestamp,
    /// Nodes it registered.
    pub new: usize,
    /// Nodes it changed.
    pub changed: usize,
}

impl ImportDone {
    /// How long it can still be taken back; none when it no longer can.
    pub fn undo_left(&self, now: Timestamp) -> Option<Duration> {
        UNDO_FOR.checked_sub(now.since(self.at)).filter(|left| !left.is_zero())
    }
}

impl Fleet {
    /// The latest import, whether or not it can still be taken back; see [`ImportDone::undo_left`].
    pub fn last_import(&self) -> Option<&ImportDone> {
        self.last_import.as_ref().map(|last| &last.done)
    }

    pub(super) fn import(
        &mut self,
        now: Timestamp,
        import: &Import,
        catalogue: &Catalogue,
        change: &mut Change,
    ) -> Result<(), Refusal> {
        // Rows are taken in one after the other, each against what the ones before have made; the first that cannot be
        // ends it, and then none has happened.
        let mut trial = self.clone();
        let taken = trial.take_rows(now, import, catalogue, change)?;
        if !taken.nodes.is_empty() {
            trial.last_import = Some(Arc::new(taken));
        }
        *self = trial;
        Ok(())
    }

    fn take_rows(
        &mut self,
        now: Timestamp,
        import: &Import,
        catalogue: &Catalogue,
        change: &mut Change,
    ) -> Result<LastImport, Refusal> {
        let mut about: BTreeMap<NodeId, usize> = BTreeMap::new();
        let mut nodes = Vec::new();
        for (row, wish) in &import.rows {
            let refused = |why| Refusal::Row { row: *row, why: Box::new(why) };
            self.check(wish, catalogue).map_err(refused)?;
            let judgement = wish.judge(now, &self.nodes, &self.index).map_err(refused)?;
            let before = judgement.node().and_then(|id| self.nodes.get(&id)).cloned();
            let id = match judgement {
                Judgement::Same(id) => id,
                Judgement::New { .. } | Judgement::Changes(..) => {
                    let id = self.admit(now, wish, change);
                    let what =
                        if before.as_ref().is_some_and(|node| node.registered) { "changed" } else { "registered" };
                    if let Some(node) = self.node_mut(id) {
                        change.log(now, node, Level::Info, &format!("{what} by {}, row {row}", import.file));
                    }
                    nodes.extend(self.nodes.get(&id).map(|after| (before, after.clone())));
                    id
                }
            };
            if let Some(other) = about.insert(id, *row) {
                return Err(refused(Refusal::SameNode { other }));
            }
        }
        let was_registered = |before: &Option<Arc<Node>>| before.as_ref().is_some_and(|node| node.registered);
        let changed = nodes.iter().filter(|(before, _)| was_registered(before)).count();
        let done = ImportDone { file: import.file.clone(), at: now, new: nodes.len() - changed, changed };
        Ok(LastImport { done, nodes })
    }

    pub(super) fn undo_import(&mut self, now: Timestamp, scope: Undo, change: &mut Change) -> Result<(), Refusal> {
        let last = self.last_import.clone().ok_or(Refusal::NothingToUndo)?;
        let file = last.done.file.clone();
        if last.done.undo_left(now).is_none() {
            return Err(Refusal::UndoTooLate { file });
        }
        let (working, idle): (Vec<_>, Vec<_>) = last.nodes.iter().partition(|(_, after)| self.has_begun(now, after));
        if scope == Undo::All && !working.is_empty() {
            let labels = working.iter().map(|(_, after)| after.label()).collect();
            return Err(Refusal::BegunToWork { labels });
        }
        for (before, after) in idle {
            match before {
                Some(before) => self.take_back(now, before, after, &file, change),
                None => self.forget(now, after.id, change),
            }
        }
        self.last_import = None;
        Ok(())
    }

    /// Whether the node has been given something to do since it was as `after`.
    fn has_begun(&self, now: Timestamp, after: &Node) -> bool {
        let of = |node: &Node| node.run().map(|run| run.id);
        self.nodes.get(&after.id).is_some_and(|node| node.is_at_work(now) || of(node) != of(after))
    }

    /// Makes what an import changed what it was `before`; what has been changed or learnt since stays.
    fn take_back(&mut self, now: Timestamp, before: &Node, after: &Node, file: &str, change: &mut Change) {
        self.edit(before.id, |node| {
            restore(&mut node.registered, &before.registered, &after.registered);
            restore(&mut node.name, &before.name, &after.name);
            restore(&mut node.hostname, &before.hostname, &after.hostname);
            restore(&mut node.uuid, &before.uuid, &after.uuid);
            restore(&mut node.uuid_hearsay, &before.uuid_hearsay, &after.uuid_hearsay);
            restore(&mut node.serial, &before.serial, &after.serial);
            restore(&mut node.profile, &before.profile, &after.profile);
            restore(&mut node.metadata, &before.metadata, &after.metadata);
            node.macs.retain(|mac| before.macs.contains(mac) || !after.macs.contains(mac));
            change.log(now, node, Level::Info, &format!("the import of {file} was undone"));
            change.save(node.id);
        });
    }
}

fn restore<T: Clone + PartialEq>(field: &mut T, before: &T, after: &T) {
    if field == after {
        field.clone_from(before);
    }
}

/// How long an import can be taken back.
const UNDO_FOR: Duration = Duration::from_secs(60);

#[cfg(all(test, feature = "station"))]
mod tests;
