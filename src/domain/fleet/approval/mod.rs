//! Machines that wait for somebody's word: approval, and who a machine in conflict is.

use std::sync::Arc;

use super::Fleet;
use super::change_set::{ChangeSet, enter};
use crate::domain::command::{Approval, Resolution};
use crate::domain::effect::Effect;
use crate::domain::ids::placeholder::Placeholders;
use crate::domain::ids::{NodeId, ProfileId};
use crate::domain::logline::Level;
use crate::domain::machine::claims::{Claims, Contest};
use crate::domain::node::Node;
use crate::domain::node::phase::Phase;
use crate::domain::refusal::Refusal;
use crate::domain::station::policy::Policy;
use crate::domain::time::Timestamp;

impl Fleet {
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// What identifies nobody at this site from now on; what conflicts have shown stays.
    pub fn heed(&mut self, site: &Placeholders) {
        let mut all = site.clone();
        all.extend(&self.shared);
        if *self.index.placeholders() != all {
            Arc::make_mut(&mut self.index).distrust_only(all);
        }
    }

    pub(super) fn set_policy(&mut self, policy: Policy, change: &mut ChangeSet) {
        self.policy = policy;
        change.effects.push(Effect::SavePolicy(policy));
    }

    pub(super) fn approve(
        &mut self,
        now: Timestamp,
        which: Approval,
        profile: Option<&ProfileId>,
        change: &mut ChangeSet,
    ) -> Result<(), Refusal> {
        let waits = |node: &Node| !node.is_vouched_for() && matches!(node.phase, Phase::Held { .. });
        let nodes: Vec<NodeId> = match which {
            Approval::One(id) => {
                let node = self.nodes.get(&id).ok_or(Refusal::NoSuchNode(id))?;
                if node.is_vouched_for() {
                    return Err(Refusal::NotWaiting(node.label()));
                }
                vec![id]
            }
            Approval::All => self.nodes.values().filter(|node| waits(node)).map(|node| node.id).collect(),
        };
        if nodes.is_empty() {
            return Err(Refusal::NobodyWaits);
        }
        for id in nodes {
            let Some(node) = self.node_mut(id) else { continue };
            node.registered = true;
            node.profile = profile.cloned().or(node.profile.take());
            // It asks again by itself, and goes on from there.
            if matches!(node.phase, Phase::Held { .. }) {
                enter(node, now, Phase::Registered);
            }
            change.log(now, node, Level::Info, "approved");
            change.save(id);
        }
        Ok(())
    }

    /// Marks the nodes that a machine with these claims contradicts. What is at work or proven stays so.
    pub(super) fn mark_conflict(&mut self, now: Timestamp, claims: &Claims, ids: &[NodeId], change: &mut ChangeSet) {
        let names: Vec<String> = ids.iter().filter_map(|id| self.nodes.get(id)).map(|node| node.label()).collect();
        let reason = match names.as_slice() {
            [one] => format!("another machine ({claims}) has identifiers of {one}: say which one it is"),
            _ => format!("one machine ({claims}) has identifiers of {}: say which one it is", names.join(" and ")),
        };
        for id in ids {
            let Some(node) = self.node_mut(*id) else { continue };
            let others = ids.iter().copied().filter(|other| other != id).collect();
            let contest = Some(Contest { claims: claims.clone(), others });
            let before_agent = match node.phase {
                Phase::Registered | Phase::Held { .. } => true,
                Phase::Booting { .. } => !node.is_at_work(now) && !node.phase.has_own_system(),
                Phase::Provisioned | Phase::Installed | Phase::Failed(_) | Phase::Conflict { .. } => false,
            };
            if node.contested == contest && !before_agent {
                continue;
            }
            node.contested = contest;
            if before_agent || matches!(node.phase, Phase::Conflict { .. }) {
                enter(node, now, Phase::Conflict { reason: reason.clone() });
            }
            change.log(now, node, Level::Warning, &reason);
            change.save(*id);
        }
    }

    /// Ends a conflict as a person says. The machine asks again by itself, and goes on as who it is.
    pub(super) fn resolve(
        &mut self,
        now: Timestamp,
        id: NodeId,
        how: Resolution,
        change: &mut ChangeSet,
    ) -> Result<(), Refusal> {
        let node = self.nodes.get(&id).ok_or(Refusal::NoSuchNode(id))?;
        let Some(Contest { claims, others }) = node.contested.clone() else {
            return Err(Refusal::NoConflict(node.label()));
        };
        let others: Vec<NodeId> = others.into_iter().filter(|other| self.nodes.contains_key(other)).collect();
        for party in others.iter().chain([&id]) {
            self.idle(now, *party)?;
        }
        match how {
            Resolution::ForgetOthers => {
                others.iter().for_each(|other| self.forget(now, *other, change));
                self.become_claimed(now, id, &claims, change);
            }
            Resolution::MoveIdentifiers => {
                self.strip(now, &others, &claims, change)?;
                self.become_claimed(now, id, &claims, change);
            }
            Resolution::TellApart => self.tell_apart(now, &[others.as_slice(), &[id]].concat(), &claims, change)?,
        }
        for party in others.iter().chain([&id]) {
            self.settle_conflict(now, *party, change);
        }
        Ok(())
    }

    /// The machine that claims this is the node: what the node had instead is no longer its.
    fn become_claimed(&mut self, now: Timestamp, id: NodeId, claims: &Claims, change: &mut ChangeSet) {
        self.edit(id, |node| {
            node.uuid = claims.uuid.or(node.uuid);
            node.uuid_hearsay &= claims.uuid.is_none();
            node.serial = claims.serial.clone().or(node.serial.take());
            node.learn(claims);
            change.log(now, node, Level::Info, &format!("conflict resolved: this is the machine with {claims}"));
        });
    }

    /// Takes what is claimed from these nodes, unless one would be left with nothing to know it by.
    fn strip(
        &mut self,
        now: Timestamp,
        ids: &[NodeId],
        claims: &Claims,
        change: &mut ChangeSet,
    ) -> Result<(), Refusal> {
        let nobody =
            ids.iter().filter_map(|id| self.nodes.get(id)).find(|node| stripped(node, claims).claims().is_empty());
        if let Some(node) = nobody {
            return Err(Refusal::WouldBeNobody(node.label()));
        }
        for id in ids {
            self.edit(*id, |node| {
                *node = stripped(node, claims);
                change.log(now, node, Level::Info, &format!("conflict resolved: the machine with {claims} is another"));
            });
        }
        Ok(())
    }

    /// The machine is none of these nodes: what it shares with them identifies nobody from now on.
    fn tell_apart(
        &mut self,
        now: Timestamp,
        ids: &[NodeId],
        claims: &Claims,
        change: &mut ChangeSet,
    ) -> Result<(), Refusal> {
        let mut shared = Claims::default();
        for node in ids.iter().filter_map(|id| self.nodes.get(id)) {
            shared.macs.extend(claims.macs.iter().filter(|mac| node.macs.contains(mac)));
            shared.uuid = shared.uuid.or(claims.uuid.filter(|uuid| node.has_uuid(*uuid)));
            shared.serial =
                shared.serial.or(claims.serial.clone().filter(|serial| node.serial.as_ref() == Some(serial)));
        }
        let mut nobody = Placeholders::default();
        shared.add_to(&mut nobody);
        if claims.without(&nobody).is_empty() {
            return Err(Refusal::WouldBeNobody(format!("the machine with {claims}")));
        }
        self.strip(now, ids, &shared, change)?;
        Arc::make_mut(&mut self.index).distrust(&nobody);
        self.shared.extend(&nobody);
        change.effects.push(Effect::SaveShared(self.shared.clone()));
        Ok(())
    }

    /// The node is in no conflict any more, nor is another over the same machine: that one asks again if it still is.
    pub(super) fn settle_conflict(&mut self, now: Timestamp, id: NodeId, change: &mut ChangeSet) {
        let Some(node) = self.node_mut(id) else { return };
        node.contested = None;
        if matches!(node.phase, Phase::Conflict { .. }) {
            enter(node, now, Phase::Registered);
        }
        change.save(id);
        self.release_contested_by(now, id, change);
    }

    pub(super) fn release_contested_by(&mut self, now: Timestamp, id: NodeId, change: &mut ChangeSet) {
        let parties = self.nodes.values().filter(|node| node.is_contested_by(id)).map(|node| node.id);
        for party in parties.collect::<Vec<_>>() {
            self.settle_conflict(now, party, change);
        }
    }
}

/// The node without what is claimed.
fn stripped(node: &Node, claims: &Claims) -> Node {
    let mut left = node.clone();
    left.macs.retain(|mac| !claims.macs.contains(mac));
    left.uuid = left.uuid.filter(|_| !claims.uuid.is_some_and(|uuid| node.has_uuid(uuid)));
    left.serial = left.serial.filter(|serial| claims.serial.as_ref() != Some(serial));
    left
}

#[cfg(all(test, feature = "station"))]
mod tests;
