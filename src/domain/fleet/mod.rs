//! Every node and what happens to it: observations and commands go in, effects come out.
//!
//! One writer holds the fleet (the hub); everybody else reads what [`Fleet::nodes`] looked like in a snapshot.

mod agent;
mod approval;
mod batches;
mod booting;
mod change_set;
mod commands;
mod configuring;
mod first_boot;
mod imports;
mod installer;
mod questions;
mod undo;
mod unregistered;

use std::collections::BTreeMap;
use std::sync::Arc;

use booting::GivenLoader;
use change_set::ChangeSet;

use crate::domain::batch::Batch;
use crate::domain::effect::Effect;
use crate::domain::event::Event;
use crate::domain::ids::placeholder::Placeholders;
use crate::domain::ids::{NodeId, RunId};
use crate::domain::machine::claims::Claims;
use crate::domain::machine::progress::StepProgress;
use crate::domain::node::Node;
use crate::domain::node::identity::{Identity, IdentityIndex};
use crate::domain::node::phase::Phase;
use crate::domain::station::dhcp::{Chosen, DhcpChoice};
use crate::domain::station::policy::Policy;
use crate::domain::time::Timestamp;
use crate::domain::undo::UndoEntry;

pub use crate::domain::machine::hello::Hello;
pub use agent::{Grant, Task};
pub use batches::BATCHES;
pub use failing::ReportError;
pub use first_boot::Heard;
pub use imports::{ImportProgress, Importing};

/// All nodes.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    nodes: BTreeMap<NodeId, Arc<Node>>,
    index: Arc<IdentityIndex>,
    runs: BTreeMap<RunId, NodeId>,
    /// The highest number ever given: one that was forgotten is not given to another machine.
    last_id: u32,
    /// What can be taken back, the newest last.
    deeds: Vec<Arc<UndoEntry>>,
    /// Nodes that were forgotten, for as long as they may come back.
    set_aside: BTreeMap<NodeId, Arc<Node>>,
    policy: Policy,
    dhcp: Chosen,
    /// The latest batches, the newest last.
    batches: Vec<Arc<Batch>>,
    /// What conflicts have shown to identify nobody at this bench; it is in the index too.
    shared: Placeholders,
}

impl Fleet {
    /// The fleet as it was stored.
    pub fn restore(nodes: impl IntoIterator<Item = Node>) -> Self {
        let mut fleet = Self::default();
        for node in nodes {
            fleet.last_id = fleet.last_id.max(node.id.0);
            fleet.runs.extend(node.runs.iter().map(|run| (run.id, node.id)));
            Arc::make_mut(&mut fleet.index).insert(&node);
            fleet.nodes.insert(node.id, Arc::new(node));
        }
        fleet
    }

    /// With this policy, and with what identifies nobody here: the site's own list, and what was stored of conflicts.
    pub fn with(mut self, policy: Policy, site: &Placeholders, shared: Placeholders) -> Self {
        let index = Arc::make_mut(&mut self.index);
        index.distrust(site);
        index.distrust(&shared);
        Self { policy, shared, ..self }
    }

    /// With what can be taken back, and the nodes that were set aside for it.
    pub fn with_deeds(mut self, deeds: Vec<UndoEntry>, set_aside: Vec<Node>) -> Self {
        self.deeds = deeds.into_iter().map(Arc::new).collect();
        self.set_aside = set_aside.into_iter().map(|node| (node.id, Arc::new(node))).collect();
        let highest = self.set_aside.keys().next_back().map_or(0, |id| id.0);
        Self { last_id: self.last_id.max(highest), ..self }
    }

    /// With what was chosen for DHCP.
    pub fn with_dhcp(self, dhcp: Chosen) -> Self {
        Self { dhcp, ..self }
    }

    /// What DHCP is to be, if somebody chose; else what the settings say.
    pub fn dhcp(&self) -> Option<DhcpChoice> {
        self.dhcp.choice
    }

    pub fn nodes(&self) -> &BTreeMap<NodeId, Arc<Node>> {
        &self.nodes
    }

    pub fn index(&self) -> &Arc<IdentityIndex> {
        &self.index
    }

    /// Takes in what a service saw. An observation is never refused.
    pub fn observe(&mut self, now: Timestamp, event: Event) -> Vec<Effect> {
        match event {
            Event::DhcpAnswered { claims, firmware, address, answer, bootfile, lacks_https } => {
                let told = bootfile.as_deref().map(|file| GivenLoader { file, lacks_https });
                self.dhcp_answered(now, &claims, firmware, address, answer, told)
            }
            Event::DhcpSilence { mac, reason } => self.dhcp_silence(now, mac, &reason),
            Event::Syslog { address, lines } => self.syslog(now, address, lines),
            Event::Loader { address, file, transfer } => self.loader(now, address, &file, &transfer),
            Event::ScriptServed { claims, address, run, profile } => {
                self.script_served(now, &claims, address, run, profile)
            }
            Event::SentToDisk { claims, address } => self.sent_to_disk(now, &claims, address),
            Event::Held { claims, address, reason } => self.held(now, &claims, address, reason),
            Event::KernelServed { address, file } => self.kernel_served(now, address, &file),
            Event::InstallerTook { run, address, file, installing } => {
                self.installer_took(now, run, address, &file, installing)
            }
            Event::HttpRefused { address, reason } => self.http_refused(now, address, &reason),
            Event::Progress { run, step, done, total, arrived } => {
                self.progress(now, run, StepProgress::begin(step, now, done, total).with(arrived))
            }
            Event::AgentLog { run, first, lines } => self.agent_log(now, run, first, lines),
            // What the doctor makes of these changes no node.
            Event::Sighted { .. } | Event::OtherServer { .. } | Event::Neighbour { .. } => Vec::new(),
        }
    }

    /// The node of a machine that says who it is, made if nobody knows it. None when that is in conflict with what is
    /// known: the nodes are marked.
    fn node_of(&mut self, now: Timestamp, claims: &Claims, change: &mut ChangeSet) -> Option<NodeId> {
        let claims = claims.without(self.index.placeholders());
        let identity = self.index.recognise(&self.nodes, &claims);
        let id = self.node_for(now, &claims, identity, change)?;
        self.edit(id, |node| node.learn(&claims));
        if self.node_mut(id)?.contested.is_some() {
            self.settle_conflict(now, id, change);
        }
        Some(id)
    }

    /// The node of a machine that DHCP heard of. As [`Fleet::node_of`], but what DHCP says contradicts nobody.
    fn node_heard_of(&mut self, now: Timestamp, claims: &Claims, change: &mut ChangeSet) -> Option<NodeId> {
        let claims = claims.without(self.index.placeholders());
        let identity = self.index.settle(&self.nodes, &claims);
        let id = self.node_for(now, &claims, identity, change)?;
        self.edit(id, |node| node.hear(&claims));
        Some(id)
    }

    fn node_for(
        &mut self,
        now: Timestamp,
        claims: &Claims,
        identity: Identity,
        change: &mut ChangeSet,
    ) -> Option<NodeId> {
        let id = match identity {
            Identity::Known(id) => id,
            Identity::New if claims.is_empty() => return None,
            Identity::New => {
                self.make_room(now, change);
                self.fresh(now)
            }
            Identity::Conflict(ids) => {
                self.mark_conflict(now, claims, &ids, change);
                return None;
            }
        };
        self.absorb_provisional(claims, id, change);
        self.node_mut(id)?.last_seen = Some(now);
        Some(id)
    }

    /// A new node with a number that no node ever had.
    fn fresh(&mut self, now: Timestamp) -> NodeId {
        self.last_id += 1;
        let id = NodeId(self.last_id);
        self.nodes.insert(id, Arc::new(Node::new(id, now)));
        id
    }

    /// Nodes that were made for a MAC alone and turn out to be `keep` become part of it.
    fn absorb_provisional(&mut self, claims: &Claims, keep: NodeId, change: &mut ChangeSet) {
        let Identity::Conflict(found) = self.index.identify(claims) else { return };
        for id in found.into_iter().filter(|id| *id != keep) {
            let Some(gone) = self.nodes.remove(&id) else { continue };
            Arc::make_mut(&mut self.index).remove(id, &gone.claims());
            for run in &gone.runs {
                self.runs.remove(&run.id);
            }
            self.edit(keep, |node| absorb(node, &gone));
            change.effects.push(Effect::Forget(id));
        }
    }

    fn node_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.nodes.get_mut(&id).map(Arc::make_mut)
    }

    /// Changes a node, and where identifiers lead if its own have changed.
    fn edit(&mut self, id: NodeId, how: impl FnOnce(&mut Node)) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let before = node.claims();
        how(Arc::make_mut(node));
        if node.claims() != before {
            let index = Arc::make_mut(&mut self.index);
            index.remove(id, &before);
            index.insert(node);
        }
    }

    /// The effects of `change`, with every changed node as it is now.
    fn settle(&self, change: ChangeSet) -> Vec<Effect> {
        let saved = change.saves.into_iter().filter_map(|id| self.nodes.get(&id)).cloned().map(Effect::SaveNode);
        change.effects.into_iter().chain(saved).collect()
    }
}

/// `gone`, which was made for a MAC alone, has turned out to be `node`.
fn absorb(node: &mut Node, gone: &Node) {
    let had = Claims { macs: gone.macs.clone(), uuid: gone.uuid, ..Claims::default() };
    if gone.uuid_hearsay {
        node.hear(&had)
    } else {
        node.learn(&had)
    };
    (node.address, node.firmware) = (node.address.or(gone.address), node.firmware.or(gone.firmware));
    node.profile = node.profile.take().or(gone.profile.clone());
    gone.log.lines().for_each(|line| node.log.push(line.clone()));
    if node.phase == Phase::Registered {
        (node.phase, node.phase_since) = (gone.phase.clone(), gone.phase_since);
        node.stages.clone_from(&gone.stages);
    }
}

pub mod failing;
#[cfg(all(test, feature = "station"))]
mod tests;
