//! What a person corrects of a node that is known: what is not said stays, and what is cleared is known no more.

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

/// What becomes of a field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Set<T> {
    #[default]
    Keep,
    Clear,
    To(T),
}

/// What becomes of a node.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Edit {
    pub serial: Set<Serial>,
    pub uuid: Set<SystemUuid>,
    /// All of its addresses from then on.
    pub macs: Set<Vec<MacAddr>>,
    /// Cleared it is the default.
    pub profile: Set<ProfileId>,
    pub name: Set<String>,
    pub hostname: Set<Hostname>,
    pub metadata: BTreeMap<String, Set<String>>,
}

impl fmt::Debug for Edit {
    /// The names of what it changes: values may be secrets, and this is what a log is told of a command.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { serial, uuid, macs, profile, name, hostname, metadata } = self;
        let fields = [
            ("serial", *serial != Set::Keep),
            ("uuid", *uuid != Set::Keep),
            ("macs", *macs != Set::Keep),
            ("profile", *profile != Set::Keep),
            ("name", *name != Set::Keep),
            ("hostname", *hostname != Set::Keep),
        ];
        let changed = fields.iter().filter(|(_, changes)| *changes).map(|(field, _)| (*field).to_owned());
        let values = metadata.iter().filter(|(_, set)| **set != Set::Keep).map(|(key, _)| format!("metadata {key:?}"));
        write!(f, "Edit({})", changed.chain(values).collect::<Vec<_>>().join(", "))
    }
}

impl<T> Set<T> {
    /// The new value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::To(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }
}

impl Edit {
    /// What it would change of `node`, which is one of `nodes`, or why it cannot be done.
    pub fn judge(
        &self,
        now: Timestamp,
        node: &Node,
        nodes: &BTreeMap<NodeId, Arc<Node>>,
        index: &IdentityIndex,
    ) -> Result<Vec<FieldChange>, Refusal> {
        let changes = self.changes(node);
        if node.is_at_work(now) && !changes.is_empty() {
            return Err(Refusal::Busy { label: node.label(), phase: node.phase.word() });
        }
        let mut edited = node.clone();
        changes.iter().for_each(|change| change.make(&mut edited));
        if edited.claims().is_empty() {
            return Err(Refusal::WouldBeNobody(node.label()));
        }
        for (what, claims) in new_identifiers(node, &edited) {
            if claims.without(index.placeholders()).is_empty() {
                return Err(Refusal::Placeholder(what));
            }
            // A node that exists only because it was seen becomes part of this one.
            let of_another = match index.settle(nodes, &claims) {
                Identity::Known(id) if id != node.id => nodes.get(&id).filter(|other| !other.is_provisional()),
                Identity::Known(_) | Identity::New | Identity::Conflict(_) => None,
            };
            if let Some(other) = of_another {
                return Err(Refusal::OfAnother { what, label: other.label() });
            }
        }
        Ok(changes)
    }

    fn changes(&self, node: &Node) -> Vec<FieldChange> {
        let mut changes = Vec::new();
        let mut change = |field: NodeField, to: Set<String>| {
            let from = field.of(node);
            let to = match to {
                Set::Keep => return,
                Set::Clear => None,
                Set::To(to) => Some(to),
            };
            if from != to {
                changes.push(FieldChange { field, from, to });
            }
        };
        change(NodeField::Serial, words(&self.serial));
        // The other byte order is the same UUID.
        let uuid = match self.uuid {
            Set::To(uuid) if node.has_uuid(uuid) => Set::Keep,
            _ => words(&self.uuid),
        };
        change(NodeField::Uuid, uuid);
        change(NodeField::Profile, words(&self.profile));
        change(NodeField::Name, words(&self.name));
        change(NodeField::Hostname, words(&self.hostname));
        for (key, value) in &self.metadata {
            change(NodeField::Metadata(key.clone()), value.clone());
        }
        let wanted: &[MacAddr] = match &self.macs {
            Set::Keep => &node.macs,
            Set::Clear => &[],
            Set::To(macs) => macs,
        };
        let gone: Vec<MacAddr> = node.macs.iter().filter(|mac| !wanted.contains(mac)).copied().collect();
        let new: Vec<MacAddr> = wanted.iter().filter(|mac| !node.macs.contains(mac)).copied().collect();
        let said = |mac: Option<MacAddr>| mac.map(|mac| mac.to_string());
        let pairs = paired(&gone, &new).into_iter();
        changes.extend(pairs.map(|(from, to)| FieldChange { field: NodeField::Mac, from: said(from), to: said(to) }));
        changes
    }
}

fn words<T: ToString>(set: &Set<T>) -> Set<String> {
    match set {
        Set::Keep => Set::Keep,
        Set::Clear => Set::Clear,
        Set::To(value) => Set::To(value.to_string()),
    }
}

/// Where a machine will stand: what lists call it.
pub const SITE: &str = "Site";

/// Each identifier that `edited` has and `node` has not, in words and as a claim.
fn new_identifiers(node: &Node, edited: &Node) -> Vec<(String, Claims)> {
    let mut new = Vec::new();
    if let Some(serial) = edited.serial.clone().filter(|serial| node.serial.as_ref() != Some(serial)) {
        new.push((format!("serial {serial}"), Claims { serial: Some(serial), ..Claims::default() }));
    }
    if let Some(uuid) = edited.uuid.filter(|uuid| !node.has_uuid(*uuid)) {
        new.push((format!("UUID {uuid}"), Claims { uuid: Some(uuid), ..Claims::default() }));
    }
    for mac in edited.macs.iter().filter(|mac| !node.macs.contains(mac)) {
        new.push((format!("MAC {mac}"), Claims { macs: vec![*mac], ..Claims::default() }));
    }
    new
}
