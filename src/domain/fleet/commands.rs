//! What people ask of the fleet.

use super::{Change, Fleet, enter};
use crate::domain::command::{Command, Refusal, Registration};
use crate::domain::effect::Effect;
use crate::domain::identity::{Claims, Identity};
use crate::domain::ids::NodeId;
use crate::domain::logline::Level;
use crate::domain::node::Node;
use crate::domain::phase::Phase;
use crate::domain::run::Outcome;
use crate::domain::snapshot::Catalogue;
use crate::domain::time::Timestamp;

impl Fleet {
    /// Does what a person asked for, or says why not; a refused command has changed nothing.
    pub fn apply(&mut self, now: Timestamp, command: Command, catalogue: &Catalogue) -> Result<Vec<Effect>, Refusal> {
        let profile = match &command {
            Command::Register(registration) => registration.profile.as_ref(),
            Command::Assign { profile, .. } => profile.as_ref(),
            Command::Rearm { .. } | Command::Forget { .. } => None,
        };
        if let Some(unknown) = profile.filter(|id| !catalogue.profiles.contains_key(id)) {
            return Err(Refusal::UnknownProfile(unknown.clone()));
        }
        let mut change = Change::default();
        match command {
            Command::Register(registration) => self.register(now, registration, &mut change)?,
            Command::Assign { node, profile } => {
                let node = self.idle(now, node)?;
                let word = profile.as_ref().map_or("the default profile".into(), |id| format!("profile {id}"));
                node.profile = profile;
                change.log(now, node, Level::Info, &format!("is to get {word}"));
                change.save(node.id);
            }
            Command::Rearm { node } => {
                let node = self.idle(now, node)?;
                if let Some(open) = node.runs.last_mut() {
                    open.end(now, Outcome::Interrupted);
                }
                (node.stages, node.progress) = (Vec::new(), None);
                enter(node, now, Phase::Registered);
                change.log(now, node, Level::Info, "re-armed: it will be installed when it boots from the network");
                change.save(node.id);
            }
            Command::Forget { node } => {
                self.idle(now, node)?;
                self.forget(node);
                change.effects.push(Effect::Forget(node));
            }
        }
        Ok(self.settle(change))
    }

    fn register(&mut self, now: Timestamp, wish: Registration, change: &mut Change) -> Result<(), Refusal> {
        let claims = Claims { macs: wish.macs, uuid: wish.uuid, serial: wish.serial, ..Claims::default() };
        if claims.macs.is_empty() && claims.uuid.is_none() && claims.serial.is_none() {
            return Err(Refusal::NoIdentifier);
        }
        let clash = match self.index.settle(&self.nodes, &claims) {
            Identity::New => None,
            Identity::Known(id) => self.nodes.get(&id).filter(|node| node.registered),
            Identity::Conflict(ids) => ids.first().and_then(|id| self.nodes.get(id)),
        };
        if let Some(node) = clash {
            return Err(Refusal::AlreadyRegistered(node.label()));
        }
        let seen = self.index.settle(&self.nodes, &claims) != Identity::New;
        let Some(id) = self.node_of(now, &claims, change) else { return Err(Refusal::NoIdentifier) };
        let Some(node) = self.node_mut(id) else { return Err(Refusal::NoSuchNode(id)) };
        if !seen {
            node.last_seen = None;
        }
        (node.registered, node.name) = (true, wish.name.or(node.name.take()));
        node.profile = wish.profile.or(node.profile.take());
        change.log(now, node, Level::Info, "registered");
        change.save(id);
        Ok(())
    }

    /// The node, if it is not in the middle of something.
    fn idle(&mut self, now: Timestamp, id: NodeId) -> Result<&mut Node, Refusal> {
        let node = self.node_mut(id).ok_or(Refusal::NoSuchNode(id))?;
        if node.is_at_work(now) {
            return Err(Refusal::Busy { label: node.label(), phase: node.phase.word() });
        }
        Ok(node)
    }

    fn forget(&mut self, id: NodeId) {
        self.nodes.remove(&id);
        self.runs.retain(|_, of| *of != id);
        std::sync::Arc::make_mut(&mut self.index).remove(id);
    }
}
