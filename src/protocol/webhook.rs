//! What a webhook is told of a machine that came to another phase: the body of a POST, in JSON. Keys are only ever added.
//!
//! ```text
//! webhook-id: msg_6f0c…            the same each time that it is tried
//! webhook-timestamp: 1795442531    when it was sent, in seconds since 1970
//! webhook-signature: v1,K5oZ…      HMAC-SHA256 of ID.TIMESTAMP.BODY by the secret, in base64
//!
//! {"type":"node.phase","version":1,"timestamp":"2026-11-23T14:02:11.000Z","data":{…}}
//! ```
//!
//! Headers and envelope are those of Standard Webhooks 1.0.0: its libraries verify them.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::domain::ids::{Hostname, MacAddr, NodeId, ProfileId, RunId, Serial, SystemUuid, if_usable};
use crate::domain::node::Node;
use crate::domain::node::eim::Eim;
use crate::domain::node::phase::Phase;
use crate::domain::station::Station;
use crate::domain::time::Timestamp;

/// The body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookBody {
    #[serde(rename = "type")]
    pub kind: String,
    /// [`VERSION`].
    pub version: u32,
    /// When it happened, as `2026-11-23T14:02:11.000Z`.
    pub timestamp: String,
    pub data: PhaseChange,
}

/// A machine came to another phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseChange {
    pub station: StationName,
    /// Counts what this station has to tell since it was started, from 1: a number that is left out was not delivered.
    pub sequence: u64,
    /// When it happened, in milliseconds since 1970.
    pub at: u64,
    pub node: NodeId,
    pub name: String,
    #[serde(default, deserialize_with = "if_usable")]
    pub serial: Option<Serial>,
    #[serde(default, deserialize_with = "if_usable")]
    pub uuid: Option<SystemUuid>,
    pub macs: Vec<MacAddr>,
    pub hostname: Option<Hostname>,
    pub address: Option<Ipv4Addr>,
    /// Of its latest attempt.
    pub profile: Option<ProfileId>,
    pub run: Option<RunId>,
    /// The phase it was in; null for a node that is new.
    pub before: Option<String>,
    pub phase: String,
    /// Where it failed.
    pub stage: Option<String>,
    /// Why it failed, or why it waits.
    pub reason: Option<String>,
    /// The same in the words of the Edge Infrastructure Manager.
    #[serde(default)]
    pub eim: Eim,
}

/// Who says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationName {
    /// `oxbow 0.1.0`.
    pub software: String,
    /// As machines reach it.
    pub url: String,
    /// Milliseconds since 1970.
    pub started: u64,
}

impl StationName {
    pub fn of(station: &Station) -> Self {
        Self {
            software: format!("oxbow {}", station.version),
            url: station.base_url.clone(),
            started: station.started.as_millis(),
        }
    }
}

impl PhaseChange {
    /// `node` has just come to the phase it is in.
    pub fn of(station: StationName, sequence: u64, before: Option<&str>, node: &Node, now: Timestamp) -> Self {
        let (stage, reason) = match &node.phase {
            Phase::Failed(failure) => (Some(failure.stage.word().to_owned()), Some(failure.reason.clone())),
            Phase::Held { reason } | Phase::Conflict { reason } => (None, Some(reason.clone())),
            Phase::Registered | Phase::Booting { .. } | Phase::Provisioned | Phase::Installed => (None, None),
        };
        let run = node.run();
        Self {
            station,
            sequence,
            at: now.as_millis(),
            node: node.id,
            name: node.label(),
            serial: node.serial.clone(),
            uuid: node.uuid,
            macs: node.macs.clone(),
            hostname: node.hostname.clone(),
            address: node.address,
            profile: run.map(|run| run.profile.clone()).or_else(|| node.profile.clone()),
            // While the run is open its number opens what belongs to the machine.
            run: run.filter(|run| run.ended.is_some()).map(|run| run.id),
            before: before.map(str::to_owned),
            phase: node.phase.word().to_owned(),
            stage,
            reason,
            eim: Eim::of(node, now),
        }
    }

    /// As it is sent; `timestamp` is the same as `at`.
    pub fn body(&self, timestamp: String) -> WebhookBody {
        WebhookBody { kind: KIND.into(), version: VERSION, timestamp, data: self.clone() }
    }
}

pub const KIND: &str = "node.phase";
pub const VERSION: u32 = 1;
