//! Batches are opened and closed; at most one is open.

use std::sync::Arc;

use super::Fleet;
use super::change_set::ChangeSet;
use crate::domain::batch::{Batch, BatchEnd, BatchOrder};
use crate::domain::effect::Effect;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;

impl Fleet {
    /// With the batches as they were stored, the newest last.
    pub fn with_batches(self, batches: Vec<Batch>) -> Self {
        Self { batches: batches.into_iter().map(Arc::new).collect(), ..self }
    }

    /// The latest batches, the newest last.
    pub fn batches(&self) -> &[Arc<Batch>] {
        &self.batches
    }

    pub(super) fn open_batch(
        &mut self,
        now: Timestamp,
        order: BatchOrder,
        change: &mut ChangeSet,
    ) -> Result<(), Refusal> {
        if let Some(open) = self.batches.last().filter(|last| last.is_open()) {
            return Err(Refusal::BatchIsOpen(open.to_string()));
        }
        let order = order.cleaned().ok_or(Refusal::BatchWithoutName)?;
        if let Some(list) = &order.list {
            let is_known = self.nodes.values().any(|node| node.listed.as_ref().is_some_and(|it| it.file == *list));
            if !is_known {
                return Err(Refusal::NoSuchList(list.clone()));
            }
        }
        let number = self.batches.last().map_or(0, |last| last.number) + 1;
        let batch = Arc::new(Batch::open(number, order, now));
        change.effects.push(Effect::SaveBatch(batch.clone()));
        self.batches.push(batch);
        self.batches.drain(..self.batches.len().saturating_sub(BATCHES));
        Ok(())
    }

    pub(super) fn close_batch(&mut self, now: Timestamp, change: &mut ChangeSet) -> Result<(), Refusal> {
        let Some(open) = self.batches.last().filter(|last| last.is_open()).cloned() else {
            return Err(Refusal::NoBatchIsOpen);
        };
        let closed = BatchEnd { at: now, units: open.units(&self.nodes) };
        let batch = Arc::new(Batch { closed: Some(closed), ..(*open).clone() });
        change.effects.push(Effect::SaveBatch(batch.clone()));
        self.batches.pop();
        self.batches.push(batch);
        Ok(())
    }
}

/// Batches that are kept at hand; the store has all.
pub const BATCHES: usize = 20;

#[cfg(all(test, feature = "station"))]
mod tests;
