//! One thing known of a node that becomes another: shown before it is done, done, and taken back.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::ids::MacAddr;
use crate::domain::node::Node;

/// A change in words, which a preview shows and an undo remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    pub field: NodeField,
    /// None when nothing was known of it.
    pub from: Option<String>,
    /// None when nothing is known of it from then on.
    pub to: Option<String>,
}

impl fmt::Display for FieldChange {
    /// `Profile demo → emt-s`, `MAC + 52:54:00:12:34:56`, `Name - press-07`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(f, "{} {from} → {to}", self.field),
            (None, Some(to)) => write!(f, "{} + {to}", self.field),
            (Some(from), None) => write!(f, "{} - {from}", self.field),
            (None, None) => write!(f, "{}", self.field),
        }
    }
}

/// What can be said of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeField {
    Serial,
    Uuid,
    Mac,
    Profile,
    Name,
    Hostname,
    Metadata(String),
}

impl fmt::Display for NodeField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Serial => "Serial",
            Self::Uuid => "UUID",
            Self::Mac => "MAC",
            Self::Profile => "Profile",
            Self::Name => "Name",
            Self::Hostname => "Hostname",
            Self::Metadata(key) => key,
        })
    }
}

impl NodeField {
    /// What is known of it. A node has many MAC addresses: of them nothing is said here.
    pub(crate) fn of(&self, node: &Node) -> Option<String> {
        match self {
            Self::Serial => node.serial.as_ref().map(ToString::to_string),
            Self::Uuid => node.uuid.map(|uuid| uuid.to_string()),
            Self::Mac => None,
            Self::Profile => node.profile.as_ref().map(ToString::to_string),
            Self::Name => node.name.clone(),
            Self::Hostname => node.hostname.as_ref().map(ToString::to_string),
            Self::Metadata(key) => node.metadata.get(key).cloned(),
        }
    }

    fn set(&self, node: &mut Node, to: Option<&str>) {
        match self {
            Self::Serial => node.serial = read(to),
            Self::Uuid => (node.uuid, node.uuid_hearsay) = (read(to), false),
            Self::Mac => {}
            Self::Profile => node.profile = read(to),
            Self::Name => node.name = to.map(str::to_owned),
            Self::Hostname => node.hostname = read(to),
            Self::Metadata(key) => match to {
                Some(value) => drop(node.metadata.insert(key.clone(), value.to_owned())),
                None => drop(node.metadata.remove(key)),
            },
        }
    }
}

impl FieldChange {
    /// Makes it so.
    pub(crate) fn make(&self, node: &mut Node) {
        match self.field {
            NodeField::Mac => exchange(node, read(self.from.as_deref()), read(self.to.as_deref())),
            _ => self.field.set(node, self.to.as_deref()),
        }
    }

    /// Makes it what it was, unless it has become something else since, or the machine itself has said so.
    pub(crate) fn take_back(&self, node: &mut Node) {
        let (from, to) = (self.from.as_deref(), self.to.as_deref());
        match self.field {
            NodeField::Mac => {
                let to: Option<MacAddr> = read(to);
                if to.is_none_or(|mac| node.given_macs.contains(&mac)) {
                    exchange(node, to, read(from));
                }
            }
            _ if self.field.of(node).as_deref() == to => self.field.set(node, from),
            _ => {}
        }
    }

    /// Whether a machine at work depends on what was: who it is, and what it is being given.
    pub(crate) fn touches_work(&self) -> bool {
        match self.field {
            NodeField::Profile | NodeField::Hostname => true,
            NodeField::Serial | NodeField::Uuid => self.from.is_some(),
            NodeField::Mac | NodeField::Name | NodeField::Metadata(_) => false,
        }
    }
}

/// One address in the place of another; at the end where there was none.
fn exchange(node: &mut Node, from: Option<MacAddr>, to: Option<MacAddr>) {
    let place = from.and_then(|from| node.macs.iter().position(|mac| *mac == from)).unwrap_or(node.macs.len());
    node.macs.retain(|mac| Some(*mac) != from && Some(*mac) != to);
    node.given_macs.retain(|mac| Some(*mac) != from);
    if let Some(to) = to {
        node.macs.insert(place.min(node.macs.len()), to);
        node.given_macs.push(to);
    }
}

/// Which new address is meant in place of which old one: the pairs that differ in the fewest digits. What is left of
/// either stands alone.
pub(crate) fn paired(old: &[MacAddr], new: &[MacAddr]) -> Vec<(Option<MacAddr>, Option<MacAddr>)> {
    let (mut old, mut new) = (old.to_vec(), new.to_vec());
    let mut pairs = Vec::new();
    while !old.is_empty() && !new.is_empty() {
        let all = (0..old.len()).flat_map(|from| (0..new.len()).map(move |to| (from, to)));
        let Some((from, to)) = all.min_by_key(|(from, to)| digits_apart(old[*from], new[*to])) else { break };
        pairs.push((Some(old.remove(from)), Some(new.remove(to))));
    }
    pairs.extend(old.into_iter().map(|mac| (Some(mac), None)));
    pairs.extend(new.into_iter().map(|mac| (None, Some(mac))));
    pairs
}

fn digits_apart(one: MacAddr, other: MacAddr) -> usize {
    let (one, other) = (one.to_string(), other.to_string());
    one.chars().zip(other.chars()).filter(|(a, b)| a != b).count()
}

fn read<T: FromStr>(text: Option<&str>) -> Option<T> {
    text?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::NodeId;
    use crate::domain::machine::claims::Claims;

    fn mac(last: &str) -> MacAddr {
        format!("52:54:00:00:00:{last}").parse().expect("a MAC")
    }

    #[test]
    fn what_was_changed_is_taken_back_and_what_has_changed_since_stays() {
        let change = |field, from: Option<&str>, to: Option<&str>| FieldChange {
            field,
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
        };
        let site = NodeField::Metadata("Site".into());
        let changes = [
            change(NodeField::Serial, Some("SN-1"), Some("SN-2")),
            change(NodeField::Name, Some("press-01"), None),
            change(site.clone(), None, Some("Ulm")),
            change(NodeField::Profile, None, Some("demo")),
        ];
        let before = Node {
            serial: "SN-1".parse().ok(),
            name: Some("press-01".into()),
            ..Node::new(NodeId(1), Default::default())
        };
        let mut node = before.clone();
        changes.iter().for_each(|change| change.make(&mut node));
        assert_eq!((NodeField::Serial.of(&node).as_deref(), &node.name), (Some("SN-2"), &None));
        node.profile = "emt-s".parse().ok();
        changes.iter().for_each(|change| change.take_back(&mut node));
        assert_eq!(node, Node { profile: "emt-s".parse().ok(), ..before });
    }

    #[test]
    fn an_address_keeps_its_place_and_one_that_the_machine_has_shown_is_not_taken_back() {
        let mut node = Node { macs: vec![mac("01"), mac("02")], ..Node::new(NodeId(1), Default::default()) };
        let change =
            FieldChange { field: NodeField::Mac, from: Some(mac("01").to_string()), to: Some(mac("0a").to_string()) };
        change.make(&mut node);
        assert_eq!((node.macs.clone(), node.given_macs.clone()), (vec![mac("0a"), mac("02")], vec![mac("0a")]));
        let mut shown = node.clone();
        change.take_back(&mut node);
        assert_eq!(node.macs, [mac("01"), mac("02")]);
        shown.learn(&Claims { macs: vec![mac("0a")], ..Claims::default() });
        change.take_back(&mut shown);
        assert_eq!(shown.macs, [mac("0a"), mac("02")]);
    }

    #[test]
    fn an_address_is_taken_for_the_correction_of_the_one_it_resembles() {
        let pairs = paired(&[mac("11"), mac("27")], &[mac("21")]);
        assert_eq!(pairs, [(Some(mac("11")), Some(mac("21"))), (Some(mac("27")), None)]);
        assert_eq!(paired(&[mac("11"), mac("27")], &[mac("28")])[0], (Some(mac("27")), Some(mac("28"))));
        assert_eq!(paired(&[], &[mac("28")]), [(None, Some(mac("28")))]);
    }
}
