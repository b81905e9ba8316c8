//! What could not be written when it should have been: kept, and written with whatever comes next.
//!
//! The hub has gone on from it already. Were it dropped, a report that is repeated would find nothing left to write, and
//! be acknowledged.

use std::collections::{BTreeMap, VecDeque};

use crate::domain::effect::Effect;
use crate::domain::ids::NodeId;

/// Effects in the order in which they can be written. Of nodes, leases and settings only the latest; of lines the newest
/// [`LINES`].
#[derive(Debug, Default)]
pub(super) struct Owed {
    nodes: BTreeMap<NodeId, Effect>,
    rest: Vec<Effect>,
    lines: VecDeque<Effect>,
}

impl Owed {
    pub(super) fn add(&mut self, effects: impl IntoIterator<Item = Effect>) {
        for effect in effects {
            match &effect {
                Effect::SaveNode(node) => drop(self.nodes.insert(node.id, effect)),
                Effect::Log { .. } => {
                    self.lines.push_back(effect);
                    self.lines.drain(..self.lines.len().saturating_sub(LINES));
                }
                Effect::LogAgent { .. } => {}
                Effect::Forget(id) | Effect::SetAside { node: id, .. } => {
                    self.nodes.remove(id);
                    self.rest.push(effect);
                }
                Effect::SaveReport { .. }
                | Effect::SaveLease(_)
                | Effect::SavePolicy(_)
                | Effect::SaveDhcp(_)
                | Effect::SaveShared(_)
                | Effect::SaveDeed(_)
                | Effect::SaveBatch(_)
                | Effect::DropDeed(_)
                | Effect::ForgetRun(_) => {
                    self.rest.retain(|known| !is_outdated(known, &effect));
                    self.rest.push(effect);
                }
            }
        }
    }

    pub(super) fn effects(&self) -> impl Iterator<Item = &Effect> {
        self.nodes.values().chain(&self.rest).chain(&self.lines)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.effects().next().is_none()
    }
}

/// Whether `newer` says all that `known` says.
fn is_outdated(known: &Effect, newer: &Effect) -> bool {
    match (known, newer) {
        (Effect::SaveLease(known), Effect::SaveLease(newer)) => {
            known.mac == newer.mac || known.address == newer.address
        }
        (Effect::SaveBatch(known), Effect::SaveBatch(newer)) => known.number == newer.number,
        (Effect::SavePolicy(_), Effect::SavePolicy(_))
        | (Effect::SaveDhcp(_), Effect::SaveDhcp(_))
        | (Effect::SaveShared(_), Effect::SaveShared(_)) => true,
        (known, newer) => known == newer,
    }
}

const LINES: usize = 1000;
