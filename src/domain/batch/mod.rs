//! A batch: the machines that a work order expects, beside those that came. It is open or closed; when it is closed, what
//! became of each machine is kept with it, whatever happens to the bench afterwards.

#[cfg(feature = "station")]
pub mod certificate;
pub mod counts;
pub mod export;
pub mod label;
pub mod unit;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use unit::Unit;

use crate::domain::ids::NodeId;
use crate::domain::node::Node;
use crate::domain::text;
use crate::domain::time::Timestamp;

/// Stands where a batch's number would: every machine of the bench, in a batch or not.
pub const WHOLE_BENCH: u32 = 0;

/// A batch. The last one may be open; all others are closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Counted from 1.
    pub number: u32,
    #[serde(flatten)]
    pub order: BatchOrder,
    pub opened: Timestamp,
    #[serde(default)]
    pub closed: Option<BatchEnd>,
}

/// What people say of a batch when they open it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BatchOrder {
    pub name: String,
    pub work_order: Option<String>,
    pub operator: Option<String>,
    /// Only the machines of this list are expected, as its file is called. None: all that are registered and not done.
    pub list: Option<String>,
}

impl BatchOrder {
    /// With words that fit on a label; none if it has no name.
    pub fn cleaned(self) -> Option<Self> {
        let words = |words: String| Some(text::clean(&words, WORDS)).filter(|words| !words.is_empty());
        Some(Self {
            name: words(self.name)?,
            work_order: self.work_order.and_then(words),
            operator: self.operator.and_then(words),
            list: self.list.and_then(words),
        })
    }
}

/// The end of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchEnd {
    pub at: Timestamp,
    /// Every machine as it was then.
    pub units: Vec<Unit>,
}

impl Batch {
    pub fn open(number: u32, order: BatchOrder, now: Timestamp) -> Self {
        Self { number, order, opened: now, closed: None }
    }

    pub fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    /// Until when it counts: its end, or `now`.
    pub fn until(&self, now: Timestamp) -> Timestamp {
        self.closed.as_ref().map_or(now, |closed| closed.at)
    }

    /// Its machines: as they are on the bench, or as they were when it was closed.
    pub fn units(&self, nodes: &BTreeMap<NodeId, Arc<Node>>) -> Vec<Unit> {
        match &self.closed {
            Some(closed) => closed.units.clone(),
            None => nodes.values().filter_map(|node| self.unit(node)).collect(),
        }
    }

    /// Whether `node` is one of the machines of this batch as long as it is open.
    pub fn has(&self, node: &Node) -> bool {
        self.expects_and_saw(node).is_some()
    }

    fn unit(&self, node: &Node) -> Option<Unit> {
        self.expects_and_saw(node).map(|(expected, seen)| Unit::of(node, expected, seen))
    }

    /// Whether `node` was expected, and whether it was seen since the batch was opened, if it is one of this batch: either of
    /// these. What was done before is of an earlier one.
    fn expects_and_saw(&self, node: &Node) -> Option<(bool, bool)> {
        let done = node.run().and_then(|run| run.ended).filter(|_| node.phase.is_done());
        if done.is_some_and(|done| done < self.opened) {
            return None;
        }
        let of_list = |list: &String| node.listed.as_ref().is_some_and(|listed| listed.file == *list);
        let expected = node.registered && self.order.list.as_ref().is_none_or(of_list);
        let seen = node.last_seen.is_some_and(|seen| seen >= self.opened);
        (expected || seen).then_some((expected, seen))
    }
}

impl fmt::Display for Batch {
    /// `batch 3, line 2 Tuesday`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "batch {}, {}", self.number, self.order.name)
    }
}

/// Letters of a name, an order or an operator.
const WORDS: usize = 80;
