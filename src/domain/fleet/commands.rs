//! What people ask of the fleet.

use std::sync::Arc;

use super::Fleet;
use super::change_set::{ChangeSet, enter};
use crate::domain::command::{Command, Registration};
use crate::domain::effect::Effect;
use crate::domain::ids::{NodeId, ProfileId};
use crate::domain::logline::Level;
use crate::domain::node::Node;
use crate::domain::node::change::FieldChange;
use crate::domain::node::edit::{Edit, Set};
use crate::domain::node::identity::Identity;
use crate::domain::node::phase::Phase;
use crate::domain::node::registration::Judgement;
use crate::domain::node::run::RunOutcome;
use crate::domain::refusal::Refusal;
use crate::domain::snapshot::Catalogue;
use crate::domain::time::Timestamp;
use crate::domain::undo::{Touched, UndoAction};

impl Fleet {
    /// Does what a person asked for, or says why not; a refused command has changed nothing.
    pub fn apply(&mut self, now: Timestamp, command: Command, catalogue: &Catalogue) -> Result<Vec<Effect>, Refusal> {
        let mut change = ChangeSet::default();
        match command {
            Command::Register(registration) => self.register(now, &registration, catalogue, &mut change)?,
            Command::Import(import) => self.import(now, import, catalogue, &mut change)?,
            Command::Undo { deed, scope } => self.undo(now, deed, scope, &mut change)?,
            Command::Edit { node, edit } => self.correct(now, node, &edit, catalogue, &mut change)?,
            Command::SetPolicy(policy) => self.set_policy(policy, &mut change),
            Command::SetDhcp(choice) => {
                self.dhcp.choice = Some(choice);
                change.effects.push(Effect::SaveDhcp(self.dhcp));
            }
            Command::Approve { nodes, profile } => {
                known(profile.as_ref(), catalogue)?;
                self.approve(now, nodes, profile.as_ref(), &mut change)?;
            }
            Command::Consent { node, to, by } => self.consent(now, node, to, &by, &mut change)?,
            Command::Resolve { node, how } => self.resolve(now, node, how, &mut change)?,
            Command::Assign { node, profile } => {
                known(profile.as_ref(), catalogue)?;
                let node = self.idle(now, node)?;
                let word = profile.as_ref().map_or("the default profile".into(), |id| format!("profile {id}"));
                (node.profile, node.silent_installers) = (profile, 0);
                change.log(now, node, Level::Info, &format!("is to get {word}"));
                change.save(node.id);
            }
            Command::ChooseLoader { node, loader } => {
                let node = self.node_mut(node).ok_or(Refusal::NoSuchNode(node))?;
                let word = loader.as_ref().map_or("the usual boot program".into(), ToString::to_string);
                node.loader.choice = loader;
                change.log(now, node, Level::Info, &format!("is to load {word} at its next network boot"));
                change.save(node.id);
            }
            Command::Rearm { node } => {
                let node = self.idle(now, node)?;
                if let Some(open) = node.runs.last_mut() {
                    open.end(now, RunOutcome::Interrupted);
                }
                (node.stages, node.progress, node.silent_installers) = (Vec::new(), None, 0);
                enter(node, now, Phase::Registered);
                change.log(now, node, Level::Info, "re-armed: it will be installed when it boots from the network");
                change.save(node.id);
            }
            Command::OpenBatch(order) => self.open_batch(now, order, &mut change)?,
            Command::CloseBatch => self.close_batch(now, &mut change)?,
            Command::Forget { nodes } => self.put_aside(now, nodes, &mut change)?,
        }
        Ok(self.settle(change))
    }

    fn register(
        &mut self,
        now: Timestamp,
        wish: &Registration,
        catalogue: &Catalogue,
        change: &mut ChangeSet,
    ) -> Result<(), Refusal> {
        self.check(wish, catalogue)?;
        let clash = match wish.judge(now, &self.nodes, &self.index)? {
            Judgement::New { .. } => None,
            Judgement::Same(id) | Judgement::Changes(id, _) => self.nodes.get(&id),
        };
        if let Some(node) = clash {
            return Err(Refusal::AlreadyRegistered(node.label()));
        }
        let (id, _) = self.admit(now, wish, change);
        if let Some(node) = self.node_mut(id) {
            change.log(now, node, Level::Info, "registered");
        }
        Ok(())
    }

    /// Whether this station can have such a registration at all.
    pub(super) fn check(&self, wish: &Registration, catalogue: &Catalogue) -> Result<(), Refusal> {
        let placeholders = self.index.placeholders();
        if let Some(serial) = wish.serial.as_ref().filter(|serial| placeholders.has_serial(serial.as_str())) {
            return Err(Refusal::Placeholder(serial.to_string()));
        }
        if let Some(uuid) = wish.uuid.filter(|uuid| placeholders.has_uuid(uuid.octets())) {
            return Err(Refusal::Placeholder(uuid.to_string()));
        }
        known(wish.profile.as_ref(), catalogue)
    }

    /// Makes the node what a registration that was judged possible says.
    /// What that has changed comes back.
    pub(super) fn admit(
        &mut self,
        now: Timestamp,
        wish: &Registration,
        change: &mut ChangeSet,
    ) -> (NodeId, Vec<FieldChange>) {
        let claims = wish.claims();
        let id = match self.index.settle(&self.nodes, &claims) {
            Identity::Known(id) => id,
            Identity::New | Identity::Conflict(_) => self.fresh(now),
        };
        self.absorb_provisional(&claims, id, change);
        let mut changes = Vec::new();
        self.edit(id, |node| changes = wish.write_to(node));
        change.save(id);
        (id, changes)
    }

    /// Makes a node what somebody corrects it to. One that nobody had registered is registered by it.
    fn correct(
        &mut self,
        now: Timestamp,
        id: NodeId,
        edit: &Edit,
        catalogue: &Catalogue,
        change: &mut ChangeSet,
    ) -> Result<(), Refusal> {
        if let Set::To(profile) = &edit.profile {
            known(Some(profile), catalogue)?;
        }
        let node = self.nodes.get(&id).cloned().ok_or(Refusal::NoSuchNode(id))?;
        let changes = edit.judge(now, &node, &self.nodes, &self.index)?;
        if changes.is_empty() && node.registered {
            return Ok(());
        }
        let mut edited = Node::clone(&node);
        changes.iter().for_each(|change| change.make(&mut edited));
        self.absorb_provisional(&edited.claims(), id, change);
        self.edit(id, |node| {
            changes.iter().for_each(|change| change.make(node));
            node.registered = true;
        });
        if let Some(node) = self.node_mut(id) {
            let words: Vec<String> = changes.iter().map(ToString::to_string).collect();
            change.log(now, node, Level::Info, &format!("edited: {}", words.join(", ")));
        }
        // It asks again by itself, and is in conflict again if it still is.
        if node.contested.is_some() {
            self.settle_conflict(now, id, change);
        }
        change.save(id);
        let what = UndoAction::Edit { label: node.label(), touched: Touched::of(&node, changes) };
        self.remember(now, what, change);
        Ok(())
    }

    /// The node, if it is not in the middle of something. A machine that has fallen silent is not.
    pub(super) fn idle(&mut self, now: Timestamp, id: NodeId) -> Result<&mut Node, Refusal> {
        let node = self.node_mut(id).ok_or(Refusal::NoSuchNode(id))?;
        if node.is_at_work(now) {
            return Err(Refusal::Busy { label: node.label(), phase: node.phase.word() });
        }
        Ok(node)
    }

    /// Drops the node for good. Who was in conflict with it is so no more.
    pub(super) fn forget(&mut self, now: Timestamp, id: NodeId, change: &mut ChangeSet) {
        if self.take_out(now, id, change).is_some() {
            change.effects.push(Effect::Forget(id));
        }
    }

    pub(super) fn take_out(&mut self, now: Timestamp, id: NodeId, change: &mut ChangeSet) -> Option<Arc<Node>> {
        let gone = self.nodes.remove(&id)?;
        for run in &gone.runs {
            self.runs.remove(&run.id);
        }
        Arc::make_mut(&mut self.index).remove(id, &gone.claims());
        if gone.contested.is_some() {
            self.release_contested_by(now, id, change);
        }
        Some(gone)
    }
}

fn known(profile: Option<&ProfileId>, catalogue: &Catalogue) -> Result<(), Refusal> {
    match profile.filter(|id| !catalogue.profiles.contains_key(id)) {
        Some(unknown) => Err(Refusal::UnknownProfile(unknown.clone())),
        None => Ok(()),
    }
}
