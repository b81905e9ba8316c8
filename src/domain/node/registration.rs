//! A machine as people know it before it is seen, and what making it known would do to the bench.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::ids::{Hostname, MacAddr, NodeId, ProfileId, Serial, SystemUuid};
use crate::domain::machine::claims::Claims;
use crate::domain::node::Node;
use crate::domain::node::change::{FieldChange, NodeField, paired};
use crate::domain::node::identity::{Identity, IdentityIndex};
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;

/// What people say of a machine: at least one identifier, and what it is to get. What is not said changes nothing.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    pub name: Option<String>,
    pub hostname: Option<Hostname>,
    pub macs: Vec<MacAddr>,
    pub uuid: Option<SystemUuid>,
    pub serial: Option<Serial>,
    pub profile: Option<ProfileId>,
    pub metadata: BTreeMap<String, String>,
}

impl fmt::Debug for Registration {
    /// Of metadata the names alone: values may be secrets, and this is what a log is told of a command.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, hostname, macs, uuid, serial, profile, metadata } = self;
        f.debug_struct("Registration")
            .field("name", name)
            .field("hostname", hostname)
            .field("macs", macs)
            .field("uuid", uuid)
            .field("serial", serial)
            .field("profile", profile)
            .field("metadata", &metadata.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// What a registration would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// A machine nobody has registered; `seen` when it has shown itself already.
    New {
        seen: Option<NodeId>,
    },
    /// The bench knows all of it.
    Same(NodeId),
    Changes(NodeId, Vec<FieldChange>),
}

impl Judgement {
    /// The node it is about, if there is one already.
    pub fn node(&self) -> Option<NodeId> {
        match self {
            Self::New { seen } => *seen,
            Self::Same(node) | Self::Changes(node, _) => Some(*node),
        }
    }
}

impl Registration {
    /// The identifiers in it.
    pub fn claims(&self) -> Claims {
        Claims { macs: self.macs.clone(), uuid: self.uuid, serial: self.serial.clone(), ..Claims::default() }
    }

    /// What to call it before it is a node: its name, else an identifier.
    pub fn label(&self) -> String {
        let named = self.name.clone().or_else(|| self.serial.as_ref().map(ToString::to_string));
        let named = named.or_else(|| self.macs.first().map(ToString::to_string));
        named.or_else(|| self.uuid.map(|uuid| uuid.to_string())).unwrap_or_default()
    }

    /// What it would do to these nodes, or why it cannot be done. A machine at work keeps what its work depends on.
    pub fn judge(
        &self,
        now: Timestamp,
        nodes: &BTreeMap<NodeId, Arc<Node>>,
        index: &IdentityIndex,
    ) -> Result<Judgement, Refusal> {
        let claims = self.claims();
        if claims.is_empty() {
            return Err(Refusal::NoIdentifier);
        }
        let id = match index.settle(nodes, &claims) {
            Identity::New => return Ok(Judgement::New { seen: None }),
            Identity::Known(id) => id,
            Identity::Conflict(ids) => {
                let labels = ids.iter().filter_map(|id| nodes.get(id)).map(|node| node.label()).collect();
                return Err(Refusal::SeveralNodes { labels });
            }
        };
        let node = nodes.get(&id).ok_or(Refusal::NoSuchNode(id))?;
        let changes = self.changes(node);
        if node.is_at_work(now) && changes.iter().any(FieldChange::touches_work) {
            return Err(Refusal::Busy { label: node.label(), phase: node.phase.word() });
        }
        Ok(match changes.as_slice() {
            _ if !node.registered => Judgement::New { seen: Some(id) },
            [] => Judgement::Same(id),
            _ => Judgement::Changes(id, changes),
        })
    }

    /// What differs from what is known of `node`. Two spellings of one serial or UUID are the same. A MAC address is added
    /// to those it has, or takes the place of one that was given before and that the machine never showed: a list that
    /// corrects a mistyped address. One that is not said stays.
    pub fn changes(&self, node: &Node) -> Vec<FieldChange> {
        let mut changes = Vec::new();
        let mut change = |field, from, to: String| changes.push(FieldChange { field, from, to: Some(to) });
        if let Some(serial) = self.serial.as_ref().filter(|serial| node.serial.as_ref() != Some(serial)) {
            change(NodeField::Serial, NodeField::Serial.of(node), serial.to_string());
        }
        if let Some(uuid) = self.uuid.filter(|uuid| !node.has_uuid(*uuid)) {
            change(NodeField::Uuid, NodeField::Uuid.of(node), uuid.to_string());
        }
        let new: Vec<MacAddr> = self.macs.iter().filter(|mac| !node.macs.contains(mac)).copied().collect();
        let given: Vec<MacAddr> = node.given_macs.iter().filter(|mac| !self.macs.contains(mac)).copied().collect();
        for (from, to) in paired(&given, &new).into_iter().filter_map(|(from, to)| Some((from, to?))) {
            change(NodeField::Mac, from.map(|mac| mac.to_string()), to.to_string());
        }
        if let Some(profile) = self.profile.as_ref().filter(|profile| node.profile.as_ref() != Some(profile)) {
            change(NodeField::Profile, NodeField::Profile.of(node), profile.to_string());
        }
        if let Some(name) = self.name.as_ref().filter(|name| node.name.as_ref() != Some(name)) {
            change(NodeField::Name, NodeField::Name.of(node), name.clone());
        }
        if let Some(hostname) = self.hostname.as_ref().filter(|hostname| node.hostname.as_ref() != Some(hostname)) {
            change(NodeField::Hostname, NodeField::Hostname.of(node), hostname.to_string());
        }
        for (key, value) in self.metadata.iter().filter(|(key, value)| node.metadata.get(*key) != Some(value)) {
            change(NodeField::Metadata(key.clone()), node.metadata.get(key).cloned(), value.clone());
        }
        changes
    }

    /// Makes `node` what this says, and registered. What that has changed comes back.
    pub fn write_to(&self, node: &mut Node) -> Vec<FieldChange> {
        let changes = self.changes(node);
        changes.iter().for_each(|change| change.make(node));
        node.registered = true;
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::node::phase::{Phase, Stage};

    const NOW: Timestamp = Timestamp::from_millis(1000);

    fn bench(node: Node) -> (BTreeMap<NodeId, Arc<Node>>, IdentityIndex) {
        let mut index = IdentityIndex::default();
        index.insert(&node);
        ([(node.id, Arc::new(node))].into(), index)
    }

    fn registered() -> Node {
        let serial = "SN-1".parse().ok();
        Node { registered: true, serial, profile: "demo".parse().ok(), ..Node::new(NodeId(1), NOW) }
    }

    fn judged(wish: &Registration, node: Node) -> Result<Judgement, Refusal> {
        let (nodes, index) = bench(node);
        wish.judge(NOW, &nodes, &index)
    }

    #[test]
    fn what_is_not_said_changes_nothing() {
        let wish = Registration { serial: "sn-1".parse().ok(), ..Registration::default() };
        assert_eq!(judged(&wish, registered()), Ok(Judgement::Same(NodeId(1))));
    }

    #[test]
    fn a_change_says_what_was_and_what_will_be() {
        let wish = Registration {
            serial: "SN-1".parse().ok(),
            macs: vec!["52:54:00:00:00:01".parse().expect("a MAC")],
            profile: "emt-s".parse().ok(),
            metadata: [("Site".to_owned(), "Ulm".to_owned())].into(),
            ..Registration::default()
        };
        let Ok(Judgement::Changes(_, changes)) = judged(&wish, registered()) else { panic!("it changes something") };
        let words: Vec<String> = changes.iter().map(ToString::to_string).collect();
        assert_eq!(words, ["MAC + 52:54:00:00:00:01", "Profile demo → emt-s", "Site + Ulm"]);
        let mut node = registered();
        wish.write_to(&mut node);
        assert_eq!(judged(&wish, node), Ok(Judgement::Same(NodeId(1))));
    }

    #[test]
    fn a_machine_at_work_learns_and_is_not_changed() {
        let at_work = || Node { phase: Phase::Booting { stage: Stage::Writing }, last_seen: Some(NOW), ..registered() };
        let serial = || "SN-1".parse().ok();
        let learnt = Registration { serial: serial(), name: Some("press-07".into()), ..Registration::default() };
        assert!(matches!(judged(&learnt, at_work()), Ok(Judgement::Changes(..))));
        let other = Registration { serial: serial(), profile: "emt-s".parse().ok(), ..Registration::default() };
        assert_eq!(judged(&other, at_work()), Err(Refusal::Busy { label: "SN-1".into(), phase: "writing" }));
    }

    #[test]
    fn a_log_is_told_of_a_command_which_metadata_it_has_and_no_values_of_it() {
        use crate::domain::command::{Command, ImportList};
        use crate::domain::node::edit::{Edit, Set};
        let registration = || Registration {
            serial: "SN-1".parse().ok(),
            metadata: [("admin-password".to_owned(), "s3cret".to_owned())].into(),
            ..Registration::default()
        };
        let metadata = [("admin-password".to_owned(), Set::To("s3cret".to_owned()))].into();
        let edit = Edit { hostname: Set::Clear, metadata, ..Edit::default() };
        for (command, says) in [
            (Command::Register(registration()), "metadata: [\"admin-password\"]"),
            (Command::Edit { node: NodeId(1), edit }, "Edit(hostname, metadata \"admin-password\")"),
            (Command::Import(ImportList { file: "a.csv".into(), rows: vec![(2, registration())] }), "1 rows"),
        ] {
            let told = format!("{command:?}");
            assert!(told.contains(says) && !told.contains("s3cret"), "{told}");
        }
    }
}
