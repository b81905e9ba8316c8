//! Who a booting machine says it is, and which node that makes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::ids::placeholder::Placeholders;
use crate::domain::ids::{MacAddr, NodeId, Serial, SystemUuid};
use crate::domain::machine::claims::Claims;
use crate::domain::node::Node;

/// Which node a machine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    Known(NodeId),
    /// No registration fits: a machine nobody knows.
    New,
    /// Its identifiers belong to different nodes, named here, or to one that is another machine: never guessed.
    Conflict(Vec<NodeId>),
}

/// Where identifiers lead. The fleet keeps one up to date.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentityIndex {
    macs: BTreeMap<MacAddr, NodeId>,
    uuids: BTreeMap<SystemUuid, NodeId>,
    serials: BTreeMap<Serial, NodeId>,
    /// What identifies nobody at this site, beside what no identifier can be.
    placeholders: Placeholders,
}

impl IdentityIndex {
    /// The node that a machine is which says so itself, by iPXE or its agent. As [`IdentityIndex::settle`], and a machine that
    /// contradicts the one node it has identifiers of (a clone's serial, an adapter that was moved) is a conflict too.
    pub fn recognise(&self, nodes: &BTreeMap<NodeId, Arc<Node>>, claims: &Claims) -> Identity {
        match self.settle(nodes, claims) {
            Identity::Known(id) if nodes.get(&id).is_some_and(|node| node.is_contradicted(claims)) => {
                Identity::Conflict(vec![id])
            }
            identity => identity,
        }
    }

    /// The node that `claims` is among `nodes`. A node that exists only because its MAC was seen gives way to the
    /// registration that the machine's serial turns out to belong to.
    pub fn settle(&self, nodes: &BTreeMap<NodeId, Arc<Node>>, claims: &Claims) -> Identity {
        let found = match self.identify(claims) {
            Identity::Conflict(found) => found,
            identity => return identity,
        };
        let firm = |id: &&NodeId| nodes.get(id).is_some_and(|node| !node.is_provisional());
        match found.iter().filter(firm).collect::<Vec<_>>().as_slice() {
            [] => Identity::Known(found[0]),
            [one] => Identity::Known(**one),
            _ => Identity::Conflict(found),
        }
    }

    /// The nodes that identifiers of `claims` belong to, taken at their word.
    pub fn identify(&self, claims: &Claims) -> Identity {
        let believed = claims.without(&self.placeholders);
        let by_mac = believed.macs.iter().filter_map(|mac| self.macs.get(mac));
        let by_uuid = believed.uuid.iter().filter_map(|uuid| self.uuids.get(&uuid.canonical()));
        let by_serial = believed.serial.iter().filter_map(|serial| self.serials.get(serial));
        let mut found: Vec<NodeId> = by_mac.chain(by_uuid).chain(by_serial).copied().collect();
        found.sort_unstable();
        found.dedup();
        match found.as_slice() {
            [] => Identity::New,
            [node] => Identity::Known(*node),
            _ => Identity::Conflict(found),
        }
    }

    /// The node that this network card is said to be of.
    pub fn owner_of(&self, mac: MacAddr) -> Option<NodeId> {
        self.macs.get(&mac).copied()
    }

    /// What identifies nobody at this site, beside what is shipped.
    pub fn placeholders(&self) -> &Placeholders {
        &self.placeholders
    }

    /// This list, and no other, is what identifies nobody from now on.
    pub(crate) fn distrust_only(&mut self, placeholders: Placeholders) {
        self.placeholders = placeholders;
    }

    /// What is on this list identifies nobody from now on.
    pub(crate) fn distrust(&mut self, placeholders: &Placeholders) {
        self.placeholders.extend(placeholders);
    }

    /// From now on the identifiers of `node` lead to it.
    pub(crate) fn insert(&mut self, node: &Node) {
        self.macs.extend(node.macs.iter().map(|mac| (*mac, node.id)));
        self.uuids.extend(node.uuid.map(|uuid| (uuid.canonical(), node.id)));
        self.serials.extend(node.serial.clone().map(|serial| (serial, node.id)));
    }

    /// What the node was known by leads to it no more.
    pub(crate) fn remove(&mut self, node: NodeId, known_by: &Claims) {
        for mac in &known_by.macs {
            forget(&mut self.macs, mac, node);
        }
        if let Some(uuid) = known_by.uuid {
            forget(&mut self.uuids, &uuid.canonical(), node);
        }
        if let Some(serial) = &known_by.serial {
            forget(&mut self.serials, serial, node);
        }
    }
}

/// Removes `key` if it leads to `node`.
fn forget<K: Ord>(from: &mut BTreeMap<K, NodeId>, key: &K, node: NodeId) {
    if from.get(key) == Some(&node) {
        from.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    fn claims(mac: &str, uuid: Option<&str>, serial: Option<&str>) -> Claims {
        Claims {
            macs: vec![mac.parse().expect("a MAC")],
            uuid: uuid.map(|text| text.parse().expect("a UUID")),
            serial: serial.map(|text| text.parse().expect("a serial")),
            ..Claims::default()
        }
    }

    fn index() -> IdentityIndex {
        let mut index = IdentityIndex::default();
        let node = |id| Node::new(NodeId(id), Timestamp::default());
        index.insert(&Node { macs: vec!["52:54:00:00:00:01".parse().expect("a MAC")], ..node(1) });
        index.insert(&Node { serial: "SN-2".parse().ok(), ..node(2) });
        index.insert(&Node { uuid: "4c4c4544-0042-4a10-8052-b7c04f4d3432".parse().ok(), ..node(3) });
        index
    }

    #[test]
    fn any_one_identifier_is_enough() {
        let unknown = "52:54:00:00:00:99";
        assert_eq!(index().identify(&claims("52:54:00:00:00:01", None, None)), Identity::Known(NodeId(1)));
        assert_eq!(index().identify(&claims(unknown, None, Some("sn-2"))), Identity::Known(NodeId(2)));
        assert_eq!(
            index().identify(&claims(unknown, Some("44454c4c-4200-104a-8052-b7c04f4d3432"), None)),
            Identity::Known(NodeId(3))
        );
        assert_eq!(index().identify(&claims(unknown, None, None)), Identity::New);
    }

    #[test]
    fn identifiers_of_two_registrations_are_a_conflict() {
        let torn = claims("52:54:00:00:00:01", None, Some("SN-2"));
        assert_eq!(index().identify(&torn), Identity::Conflict(vec![NodeId(1), NodeId(2)]));
    }
}
