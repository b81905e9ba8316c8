//! Which node a person means by what was typed or scanned.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::ids::{MacAddr, NodeId, Serial, SystemUuid};
use crate::domain::node::Node;

/// Nobody is meant, or it is not clear who.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    #[error("no node has the number, name, serial, UUID or MAC address {0:?}")]
    Nobody(String),
    #[error("{text:?} can be {}", .nodes.join(" or "))]
    Several { text: String, nodes: Vec<String> },
}

impl Unclear {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Nobody(_) => "`oxbow nodes` lists them all",
            Self::Several { .. } => "say its number, as #7",
        }
    }
}

/// The node with this number, name, host name, serial, UUID or MAC address, in any case and spelling. `#7` is the number
/// and nothing else.
pub fn named(nodes: &BTreeMap<NodeId, Arc<Node>>, text: &str) -> Result<NodeId, Unclear> {
    let text = text.trim();
    let number = |text: &str| text.parse().ok().map(NodeId).filter(|id| nodes.contains_key(id));
    if let Some(digits) = text.strip_prefix('#') {
        return number(digits).ok_or_else(|| Unclear::Nobody(text.into()));
    }
    let (id, mac): (_, Option<MacAddr>) = (number(text), text.parse().ok());
    let (serial, uuid): (Option<Serial>, Option<SystemUuid>) = (text.parse().ok(), text.parse().ok());
    let is_meant = |node: &&Arc<Node>| {
        Some(node.id) == id
            || node.name.as_ref().is_some_and(|name| name.to_lowercase() == text.to_lowercase())
            || node.hostname.as_ref().is_some_and(|name| name.as_str().eq_ignore_ascii_case(text))
            || (serial.is_some() && node.serial == serial)
            || mac.is_some_and(|mac| node.macs.contains(&mac))
            || uuid.is_some_and(|uuid| node.has_uuid(uuid))
    };
    let meant: Vec<&Arc<Node>> = nodes.values().filter(is_meant).collect();
    match meant.as_slice() {
        [] => Err(Unclear::Nobody(text.into())),
        [one] => Ok(one.id),
        several => {
            let nodes = several.iter().map(|node| format!("#{} ({})", node.id, node.label())).collect();
            Err(Unclear::Several { text: text.into(), nodes })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;

    fn bench() -> BTreeMap<NodeId, Arc<Node>> {
        let node = |id, name: &str, serial: &str, mac: &str| Node {
            name: Some(name.into()),
            serial: serial.parse().ok(),
            macs: mac.parse().into_iter().collect(),
            ..Node::new(NodeId(id), Timestamp::default())
        };
        let nodes = [
            node(1, "press-01", "PF-100", "52:54:00:00:00:01"),
            node(2, "press-02", "PF-200", "52:54:00:00:00:02"),
            node(3, "press-02", "PF-300", "52:54:00:00:00:03"),
            node(4, "1", "PF-400", "52:54:00:00:00:04"),
        ];
        nodes.into_iter().map(|node| (node.id, Arc::new(node))).collect()
    }

    #[test]
    fn a_node_is_found_by_all_that_it_is_known_by() {
        for text in ["#1", "press-01", "PRESS-01", "pf-100", "5254.0000.0001", " 52-54-00-00-00-01 "] {
            assert_eq!(named(&bench(), text), Ok(NodeId(1)), "{text}");
        }
    }

    #[test]
    fn a_word_for_two_nodes_is_refused_with_both() {
        let nodes = vec!["#2 (press-02)".to_owned(), "#3 (press-02)".to_owned()];
        assert_eq!(named(&bench(), "press-02"), Err(Unclear::Several { text: "press-02".into(), nodes }));
        let said = named(&bench(), "1").map_err(|unclear| unclear.to_string());
        assert_eq!(said, Err("\"1\" can be #1 (press-01) or #4 (1)".into()), "a number and another's name");
    }

    #[test]
    fn nobody_is_guessed() {
        assert_eq!(named(&bench(), "press"), Err(Unclear::Nobody("press".into())));
        assert_eq!(named(&bench(), "#9"), Err(Unclear::Nobody("#9".into())));
    }
}
