//! What was done last and can be taken back for a minute. It is stored: a station that is started again within the minute
//! still takes it back.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::ids::{NodeId, RunId};
use crate::domain::node::change::FieldChange;
use crate::domain::node::{ListedIn, Node};
use crate::domain::time::Timestamp;

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoEntry {
    /// A deed is known by it: no two have the same.
    pub at: Timestamp,
    pub what: UndoAction,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "deed", rename_all = "snake_case")]
pub enum UndoAction {
    Import {
        file: String,
        /// Nodes it registered, and nodes it changed.
        new: usize,
        changed: usize,
        /// Nodes that it made.
        made: Vec<NodeId>,
        /// Nodes that were there, as they were.
        touched: Vec<Touched>,
    },
    Edit {
        label: String,
        touched: Touched,
    },
    /// The nodes are set aside until it can be taken back no more.
    Forget {
        label: String,
        nodes: Vec<NodeId>,
    },
    #[serde(other)]
    Unknown,
}

/// A node as it was before something was done to it, as far as that has changed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    pub node: NodeId,
    pub registered: bool,
    pub listed: Option<ListedIn>,
    pub uuid_hearsay: bool,
    /// Its latest attempt then: with another one it has begun to work.
    pub run: Option<RunId>,
    pub changes: Vec<FieldChange>,
}

impl Touched {
    pub(crate) fn of(before: &Node, changes: Vec<FieldChange>) -> Self {
        Self {
            node: before.id,
            registered: before.registered,
            listed: before.listed.clone(),
            uuid_hearsay: before.uuid_hearsay,
            run: before.run().map(|run| run.id),
            changes,
        }
    }
}

impl UndoEntry {
    /// How long it can still be taken back; none when it no longer can.
    pub fn undo_left(&self, now: Timestamp) -> Option<Duration> {
        UNDO_FOR.checked_sub(now.since(self.at)).filter(|left| !left.is_zero())
    }
}

impl fmt::Display for UndoEntry {
    /// `the import of order.csv`, `the edit of press-07`, `the forgetting of 12 nodes`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            UndoAction::Import { file, .. } => write!(f, "the import of {file}"),
            UndoAction::Edit { label, .. } => write!(f, "the edit of {label}"),
            UndoAction::Forget { label, .. } => write!(f, "the forgetting of {label}"),
            UndoAction::Unknown => f.write_str("what another oxbow did"),
        }
    }
}

/// How long something can be taken back.
pub const UNDO_FOR: Duration = Duration::from_secs(60);
