//! Why a command is refused.

use std::net::Ipv4Addr;

use crate::domain::ids::{NodeId, ProfileId};

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

pub(crate) fn has_or_have(labels: &[String]) -> String {
    if labels.len() == 1 { "one has".into() } else { format!("{} have", labels.len()) }
}

/// The first of many names.
pub(crate) fn few(labels: &[String]) -> String {
    match labels.get(..NAMED) {
        Some(first) if labels.len() > NAMED => format!("{} and {} more", first.join(", "), labels.len() - NAMED),
        _ => labels.join(", "),
    }
}

pub(crate) const NAMED: usize = 5;
