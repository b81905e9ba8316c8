//! Which nodes are shown: `press phase:failed !lab` is every failed node with `press` and without `lab` in it.
//!
//! | term | keeps nodes |
//! |---|---|
//! | `text` | with it in name, serial, MAC, UUID, address, product, profile or phase |
//! | `phase:text` | whose phase begins with it |
//! | `profile:text` | whose profile has it in its name |
//! | `!term` | that the term does not keep |

use crate::domain::node::Node;
use crate::tui::style::status::NodeStatus;

/// All terms must hold; none keeps everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter(Vec<FilterTerm>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum FilterTerm {
    Text(String),
    Phase(String),
    Profile(String),
    Not(Box<FilterTerm>),
}

impl Filter {
    pub fn parse(text: &str) -> Self {
        Self(text.to_lowercase().split_whitespace().filter_map(FilterTerm::parse).collect())
    }

    /// Whether `node`, which is in `status` and gets `profile`, is shown.
    pub fn keeps(&self, node: &Node, status: NodeStatus, profile: &str) -> bool {
        self.0.iter().all(|term| term.keeps(node, status, profile))
    }
}

impl FilterTerm {
    /// A term that is still being typed, as `phase:`, keeps everything.
    fn parse(word: &str) -> Option<Self> {
        if let Some(rest) = word.strip_prefix('!') {
            return Self::parse(rest).map(|term| Self::Not(Box::new(term)));
        }
        let (term, text): (fn(String) -> Self, _) = match word.split_once(':') {
            Some(("phase", text)) => (Self::Phase, text),
            Some(("profile", text)) => (Self::Profile, text),
            _ => (Self::Text, word),
        };
        (!text.is_empty()).then(|| term(text.to_owned()))
    }

    fn keeps(&self, node: &Node, status: NodeStatus, profile: &str) -> bool {
        match self {
            Self::Phase(start) => status.word().starts_with(start) || node.phase.word().starts_with(start),
            Self::Profile(part) => profile.to_lowercase().contains(part),
            Self::Not(term) => !term.keeps(node, status, profile),
            Self::Text(part) => {
                let has = |text: &str| text.to_lowercase().contains(part);
                has(&node.label())
                    || node.serial.as_ref().is_some_and(|serial| has(serial.as_str()))
                    || node.macs.iter().any(|mac| has(&mac.to_string()))
                    || node.uuid.is_some_and(|uuid| has(&uuid.to_string()))
                    || node.address.is_some_and(|address| has(&address.to_string()))
                    || node.product.as_deref().is_some_and(has)
                    || has(profile)
                    || has(status.word())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::NodeId;
    use crate::domain::node::phase::{Phase, Stage};
    use crate::domain::time::Timestamp;

    fn keeps(filter: &str) -> bool {
        let mut node = Node::new(NodeId(7), Timestamp::default());
        node.name = Some("Press-07".into());
        node.macs = vec!["52:54:00:00:00:07".parse().expect("a MAC")];
        node.phase = Phase::Booting { stage: Stage::Writing };
        Filter::parse(filter).keeps(&node, NodeStatus::of(&node, Timestamp::default()), "emt-s")
    }

    #[test]
    fn terms_narrow_and_an_exclamation_mark_turns_one_round() {
        let cases = [
            ("", true),
            ("press", true),
            ("PRESS 00:07", true),
            ("lathe", false),
            ("!lathe", true),
            ("!press", false),
            ("phase:writ", true),
            ("phase:failed", false),
            ("!phase:failed press", true),
            ("profile:emt", true),
            ("profile:ubuntu", false),
            ("phase:", true),
            ("!", true),
        ];
        for (filter, expected) in cases {
            assert_eq!(keeps(filter), expected, "{filter:?}");
        }
    }

    #[test]
    fn a_mac_address_is_text_although_it_has_colons() {
        assert!(keeps("52:54:00"));
    }
}
