//! What people ask for, and the ways of being refused.

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::domain::batch::Order;
use crate::domain::dhcp::Choice;
use crate::domain::edit::Edit;
use crate::domain::ids::{NodeId, ProfileId};
use crate::domain::policy::Policy;
use crate::domain::question::Question;
use crate::domain::quirk::Loader;
use crate::domain::time::Timestamp;

pub use crate::domain::registration::Registration;

/// A wish of a person. It is durable before it is acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Make a machine known before it is seen.
    Register(Registration),
    /// Give a node a profile, or none for the default.
    Assign { node: NodeId, profile: Option<ProfileId> },
    /// Have a node load this boot program, or none for what is usual.
    ChooseLoader { node: NodeId, loader: Option<Loader> },
    /// Install at the next network boot; a machine whose agent waits after a failure restarts now.
    Rearm { node: NodeId },
    /// Correct what is known of a node.
    Edit { node: NodeId, edit: Edit },
    /// Drop nodes and all that is known of them: all of these or none.
    Forget { nodes: Vec<NodeId> },
    /// Make the machines of a list known, all or none. Again it changes nothing.
    Import(Import),
    /// Take back what was done at that moment, within a minute.
    Undo { deed: Timestamp, scope: Undo },
    /// From now on machines nobody registered are treated so.
    SetPolicy(Policy),
    /// From now on the network's addresses are this one's.
    SetDhcp(Choice),
    /// Let machines that wait for approval go on, with this profile if one is given.
    Approve { nodes: Approval, profile: Option<ProfileId> },
    /// Say yes to what the agent of this node has asked, and to nothing else.
    Consent { node: NodeId, to: Question, by: String },
    /// Say who the machine is that is in conflict with this node, and perhaps with others.
    Resolve { node: NodeId, how: Resolution },
    /// From now on what comes is of this batch.
    OpenBatch(Order),
    /// The batch is over: what became of each machine is kept.
    CloseBatch,
}

/// A list of machines, each with the number of its row. Done wholly or not at all.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// The file, as the person knows it.
    pub file: String,
    pub rows: Vec<(usize, Registration)>,
}

impl fmt::Debug for Import {
    /// How many rows: a log is no place for all of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Import({:?}, {} rows)", self.file, self.rows.len())
    }
}

/// Which nodes something is taken back for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Undo {
    /// All of them, or none when one has begun to work.
    All,
    /// Those that have not begun to work; the others stay as they are.
    Idle,
}

/// Which machines are approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Approval {
    /// This one, whether or not it waits already.
    One(NodeId),
    /// All that wait now.
    All,
}

/// Who a machine in conflict is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resolution {
    /// It is the node, and the others it was in conflict with are wrong: they are forgotten.
    ForgetOthers,
    /// It is the node, which gets the identifiers it showed; the others keep what else they have.
    MoveIdentifiers,
    /// It is none of them: what it shares with them (an adapter, a cloned serial) identifies nobody from now on.
    TellApart,
}

/// Understood, and no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no node {0} any more")]
    NoSuchNode(NodeId),
    #[error("{label} is at work ({phase}): wait until it has ended, or switch it off first")]
    Busy { label: String, phase: &'static str },
    #[error("a registration needs a serial, a UUID or a MAC address")]
    NoIdentifier,
    #[error("{0} is already registered with one of these identifiers")]
    AlreadyRegistered(String),
    #[error("its identifiers belong to different nodes: {}", .labels.join(" and "))]
    SeveralNodes { labels: Vec<String> },
    #[error("there is no profile named {0}")]
    UnknownProfile(ProfileId),
    #[error("row {row}: {why}")]
    Row { row: usize, why: Box<Refusal> },
    #[error("row {other} is about the same node")]
    SameNode { other: usize },
    #[error("{0} is a placeholder that identifies nobody")]
    Placeholder(String),
    #[error("{what} is {label}'s")]
    OfAnother { what: String, label: String },
    #[error("nothing that was done in the last minute can be undone")]
    NothingToUndo,
    #[error("{what} is more than a minute old: correct the nodes, or forget them")]
    UndoTooLate { what: String },
    #[error("of the nodes {} begun to work: {}", has_or_have(.labels), few(.labels))]
    BegunToWork { labels: Vec<String> },
    #[error("{label} cannot come back: {what} is {by}'s by now")]
    TakenSince { label: String, what: String, by: String },
    #[error("{0} does not wait for approval")]
    NotWaiting(String),
    #[error("no machine waits for approval")]
    NobodyWaits,
    #[error("{0} asks for nothing")]
    NothingAsked(String),
    #[error("{label} asks for something else by now: {now}")]
    AskedAnew { label: String, now: String },
    #[error("{0} is in no conflict")]
    NoConflict(String),
    #[error("{0} would have nothing left to know it by: forget it instead, or give it a serial or UUID first")]
    WouldBeNobody(String),
    #[error("another DHCP server, {0}, answers: two would give out the same addresses")]
    OtherServer(Ipv4Addr),
    #[error("a change of DHCP's mode is under way already: wait a few seconds")]
    DhcpIsChanging,
    #[error("the DHCP service does not answer: its line on the Services screen says why")]
    DhcpSilent,
    #[error("{0} is open: close it first")]
    BatchIsOpen(String),
    #[error("no batch is open")]
    NoBatchIsOpen,
    #[error("a batch needs a name")]
    BatchWithoutName,
    #[error("no machine on the bench is of a list {0:?}: import it first, or leave the list out")]
    NoSuchList(String),
    /// The store could not keep it, so it did not happen.
    #[error("the change could not be stored: {0}")]
    NotStored(String),
}

fn has_or_have(labels: &[String]) -> String {
    if labels.len() == 1 { "one has".into() } else { format!("{} have", labels.len()) }
}

/// The first of many names.
fn few(labels: &[String]) -> String {
    match labels.get(..NAMED) {
        Some(first) if labels.len() > NAMED => format!("{} and {} more", first.join(", "), labels.len() - NAMED),
        _ => labels.join(", "),
    }
}

const NAMED: usize = 5;
