//! What must be done in the world because the fleet changed. The hub sends these to the store and the logs.

use std::sync::Arc;

use crate::domain::batch::Batch;
use crate::domain::ids::placeholder::Placeholders;
use crate::domain::ids::{NodeId, RunId};
use crate::domain::logline::LogLine;
use crate::domain::machine::report::Report;
use crate::domain::node::Node;
use crate::domain::station::dhcp::Chosen;
use crate::domain::station::lease::Lease;
use crate::domain::station::policy::Policy;
use crate::domain::time::Timestamp;
use crate::domain::undo::UndoEntry;

/// One thing to carry out, complete in itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Store the node with its runs, as it is now.
    SaveNode(Arc<Node>),
    /// Store a report of a run, once: a second one with this (run, index) is ignored.
    SaveReport { run: RunId, index: u32, at: Timestamp, report: Report },
    /// Store that this address is this machine's until then.
    SaveLease(Lease),
    /// Store what becomes of machines nobody registered.
    SavePolicy(Policy),
    /// Store what DHCP is to be.
    SaveDhcp(Chosen),
    /// Store what this bench has found to identify nobody, all of it.
    SaveShared(Placeholders),
    /// Remove a run and its reports: its agent never spoke, or it was long ago.
    ForgetRun(RunId),
    /// Remove the node and its runs and reports.
    Forget(NodeId),
    /// The same, but it may come back with all of them for a minute from this moment: [`Effect::SaveNode`] brings it.
    SetAside { node: NodeId, at: Timestamp },
    /// Store what can be taken back; older deeds that no longer can are dropped, and what was set aside for them.
    SaveDeed(Arc<UndoEntry>),
    /// Store the batch as it is now.
    SaveBatch(Arc<Batch>),
    /// It was taken back.
    DropDeed(Timestamp),
    /// Add a line to the node's log file and to the stored events.
    Log { node: NodeId, label: String, line: LogLine },
    /// Add lines of its agent to the node's log file, the first of them numbered `first`.
    LogAgent { node: NodeId, label: String, run: RunId, first: u32, lines: Vec<LogLine> },
}
