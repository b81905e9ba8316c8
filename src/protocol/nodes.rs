//! A node for machines to read: `GET /api/v1/nodes` and `oxbow nodes --json`. Keys are only ever added.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::domain::doctor::verdict::Diagnosis;
use crate::domain::ids::{Hostname, MacAddr, NodeId, ProfileId, Serial, SystemUuid, if_usable};
use crate::domain::logline::LogLine;
use crate::domain::machine::disk::Disk;
use crate::domain::machine::inventory::Inventory;
use crate::domain::machine::progress::StepProgress;
use crate::domain::node::Node;
use crate::domain::node::eim::Eim;
use crate::domain::node::phase::{Phase, SAID_DONE};
use crate::domain::node::question::Question;
use crate::domain::snapshot::{Snapshot, Stranger};
use crate::domain::time::Timestamp;

/// A node as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRow {
    pub id: NodeId,
    /// What to call it.
    pub name: String,
    /// The first of its addresses.
    pub mac: Option<MacAddr>,
    #[serde(default, deserialize_with = "if_usable")]
    pub serial: Option<Serial>,
    #[serde(default, deserialize_with = "if_usable")]
    pub uuid: Option<SystemUuid>,
    /// As assigned; null means the default profile.
    pub profile: Option<ProfileId>,
    pub phase: String,
    /// Of the present step.
    pub percent: Option<u8>,
    /// How often its download was begun again in the present step.
    #[serde(default)]
    pub retries: Option<u32>,
    /// Where it failed.
    pub stage: Option<String>,
    /// Why it failed, or why it waits.
    pub reason: Option<String>,
    /// Attempts so far.
    pub runs: usize,
    /// Milliseconds since the Unix epoch.
    pub last_seen: Option<u64>,
    #[serde(default)]
    pub registered: bool,
    #[serde(default)]
    pub macs: Vec<MacAddr>,
    #[serde(default)]
    pub hostname: Option<Hostname>,
    #[serde(default)]
    pub address: Option<Ipv4Addr>,
    #[serde(default)]
    pub manufacturer: Option<String>,
    #[serde(default)]
    pub product: Option<String>,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// The row of a list that made it known, or changed it last.
    #[serde(default)]
    pub listed: Option<String>,
    /// What it waits for a person's yes on: `oxbow nodes approve` says it.
    #[serde(default)]
    pub question: Option<String>,
    /// What a yes to that names: `oxbow nodes approve NODE --asked MARK`.
    #[serde(default)]
    pub asked: Option<String>,
    /// Of its latest attempt.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Its disks as its agent found them, before anything was written.
    #[serde(default)]
    pub disks: Vec<Disk>,
    /// What else it is made of.
    #[serde(default)]
    pub inventory: Option<Inventory>,
    /// Why it got no further, if anything is wrong.
    #[serde(default)]
    pub verdict: Option<VerdictRow>,
    /// The same in the words of the Edge Infrastructure Manager.
    #[serde(default)]
    pub eim: Eim,
}

/// Why a machine got no further, and what to try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictRow {
    pub stage: String,
    /// `notice`, `warning` or `failure`.
    pub severity: String,
    pub what: String,
    pub hint: String,
}

/// A machine that asks, does not boot, and is no node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrangerRow {
    pub mac: MacAddr,
    /// Milliseconds since the Unix epoch.
    pub last_seen: u64,
    pub verdict: VerdictRow,
}

/// Something that happened to a node: `GET /api/v1/events`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRow {
    /// Milliseconds since the Unix epoch, by the station's clock.
    pub at: u64,
    /// The same by the clock of whoever said it, where that came with it. It may be wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_its_clock: Option<u64>,
    pub node: NodeId,
    pub name: String,
    pub source: String,
    pub level: String,
    pub text: String,
}

impl EventRow {
    /// This line of that node's log.
    pub fn of(node: NodeId, name: &str, line: &LogLine) -> Self {
        Self {
            at: line.at.as_millis(),
            by_its_clock: line.by_its_clock.map(Timestamp::as_millis),
            node,
            name: name.to_owned(),
            source: line.source.word().to_owned(),
            level: line.level.word().to_owned(),
            text: line.text.to_string(),
        }
    }
}

impl NodeRow {
    /// The node as it is in `bench`, with what the doctor says of it.
    pub fn of(bench: &Snapshot, node: &Node, now: Timestamp) -> Self {
        Self { verdict: bench.verdict(node, now).map(Into::into), eim: Eim::of(node, now), ..Self::from(node) }
    }
}

impl From<Diagnosis> for VerdictRow {
    fn from(verdict: Diagnosis) -> Self {
        let Diagnosis { stage, severity, what, hint, .. } = verdict;
        Self { stage: stage.word().into(), severity: severity.word().into(), what, hint }
    }
}

impl From<Stranger> for StrangerRow {
    fn from(stranger: Stranger) -> Self {
        let Stranger { mac, last, verdict } = stranger;
        Self { mac, last_seen: last.as_millis(), verdict: verdict.into() }
    }
}

/// With what would be lost.
fn in_full(question: &Question) -> String {
    match question {
        Question::Write { disk, .. } => format!("{question} It holds {}", disk.holds()),
        Question::Differs { .. } | Question::Unknown => question.to_string(),
    }
}

impl From<&Node> for NodeRow {
    fn from(node: &Node) -> Self {
        let (stage, reason) = match &node.phase {
            Phase::Failed(failure) => (Some(failure.stage.word().to_owned()), Some(failure.reason.clone())),
            Phase::Held { reason } | Phase::Conflict { reason } => (None, Some(reason.clone())),
            Phase::Installed => (None, Some(SAID_DONE.to_owned())),
            Phase::Registered | Phase::Booting { .. } | Phase::Provisioned => (None, None),
        };
        Self {
            id: node.id,
            name: node.label(),
            mac: node.macs.first().copied(),
            serial: node.serial.clone(),
            uuid: node.uuid,
            profile: node.profile.clone(),
            phase: node.phase.word().to_owned(),
            percent: node.progress.as_ref().map(StepProgress::percent),
            retries: node.progress.as_ref().map(|progress| progress.arrived.retries),
            stage,
            reason,
            runs: node.runs.len(),
            last_seen: node.last_seen.map(Timestamp::as_millis),
            registered: node.registered,
            macs: node.macs.clone(),
            hostname: node.hostname.clone(),
            address: node.address,
            manufacturer: node.manufacturer.clone(),
            product: node.product.clone(),
            metadata: node.metadata.clone(),
            listed: node.listed.as_ref().map(ToString::to_string),
            question: node.question().map(in_full),
            asked: node.question().map(Question::mark),
            warnings: node.run().map(|run| run.warnings.clone()).unwrap_or_default(),
            disks: node.disks.clone(),
            inventory: node.inventory.clone(),
            verdict: None,
            eim: Eim::default(),
        }
    }
}
