//! A machine as the bench knows it.

pub mod change;
pub mod edit;
pub mod eim;
pub mod identity;
pub mod loader;
pub mod lookup;
pub mod phase;
pub mod question;
#[cfg(feature = "station")]
pub mod quirk_file;
pub mod registration;
pub mod run;

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::ids::{Hostname, MacAddr, NodeId, ProfileId, Serial, SystemUuid, if_usable};
use crate::domain::logline::LogTail;
use crate::domain::machine::claims::{Claims, Contest};
use crate::domain::machine::disk::Disk;
use crate::domain::machine::firmware::Firmware;
use crate::domain::machine::inventory::Inventory;
use crate::domain::machine::progress::StepProgress;
use crate::domain::node::loader::LoaderHistory;
use crate::domain::node::phase::{Phase, Stage};
use crate::domain::node::question::Question;
use crate::domain::node::run::Run;
use crate::domain::time::Timestamp;

/// A machine: who it is, what it is to get, where it is, and every attempt so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    pub id: NodeId,
    /// Made known by people, rather than by being seen.
    pub registered: bool,
    /// Given by people.
    pub name: Option<String>,
    /// What its own operating system is to be called; given by people.
    #[serde(default)]
    pub hostname: Option<Hostname>,
    pub macs: Vec<MacAddr>,
    /// Of its addresses those that people gave and the machine has not shown yet: a later list may correct them.
    #[serde(default)]
    pub given_macs: Vec<MacAddr>,
    #[serde(default, deserialize_with = "if_usable")]
    pub uuid: Option<SystemUuid>,
    /// The UUID is known from DHCP alone (option 97), where some boot ROMs make one up.
    #[serde(default)]
    pub uuid_hearsay: bool,
    #[serde(default, deserialize_with = "if_usable")]
    pub serial: Option<Serial>,
    pub manufacturer: Option<String>,
    pub product: Option<String>,
    /// The profile it was given; without one it gets the default.
    pub profile: Option<ProfileId>,
    /// What else people keep about it: the columns of a list that mean nothing to oxbow, by title.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// The row of a list that made it known, or changed it last.
    #[serde(default)]
    pub listed: Option<ListedIn>,
    /// The address it was last seen at.
    pub address: Option<Ipv4Addr>,
    pub firmware: Option<Firmware>,
    #[serde(default)]
    pub loader: LoaderHistory,
    pub disks: Vec<Disk>,
    /// What else it is made of, as its agent said last.
    #[serde(default)]
    pub inventory: Option<Inventory>,
    pub phase: Phase,
    pub phase_since: Timestamp,
    pub last_seen: Option<Timestamp>,
    /// When each stage of the present attempt was first reached.
    pub stages: Vec<(Stage, Timestamp)>,
    pub progress: Option<StepProgress>,
    /// A machine that cannot be told from this one by what it says; a person decides.
    #[serde(default)]
    pub contested: Option<Contest>,
    /// Installers that were started one after the other, since somebody armed it, and never said that they are done.
    #[serde(default)]
    pub silent_installers: u8,
    /// Every attempt, the newest last.
    pub runs: Vec<Run>,
    #[serde(skip)]
    pub log: LogTail,
}

/// Where in which list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedIn {
    pub file: String,
    /// As a spreadsheet numbers it.
    pub row: usize,
}

impl fmt::Display for ListedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, row {}", self.file, self.row)
    }
}

impl Node {
    /// A node that nobody has seen yet.
    pub fn new(id: NodeId, now: Timestamp) -> Self {
        Self {
            id,
            registered: false,
            name: None,
            hostname: None,
            macs: Vec::new(),
            given_macs: Vec::new(),
            uuid: None,
            uuid_hearsay: false,
            serial: None,
            manufacturer: None,
            product: None,
            profile: None,
            metadata: BTreeMap::new(),
            listed: None,
            address: None,
            firmware: None,
            loader: LoaderHistory::default(),
            disks: Vec::new(),
            inventory: None,
            phase: Phase::Registered,
            phase_since: now,
            last_seen: None,
            stages: Vec::new(),
            progress: None,
            contested: None,
            silent_installers: 0,
            runs: Vec::new(),
            log: LogTail::default(),
        }
    }

    /// What to call it: its name, else its serial, else its first MAC.
    pub fn label(&self) -> String {
        let named = self.name.clone().or_else(|| self.serial.as_ref().map(ToString::to_string));
        named.or_else(|| self.macs.first().map(ToString::to_string)).unwrap_or_else(|| format!("node {}", self.id))
    }

    /// Whether it is known only because its MAC was seen: nobody registered it, no agent was ever given a job in its name
    /// and no installer was booted. A script may have been: a machine whose iPXE cannot read the serial says it when its agent speaks.
    pub fn is_provisional(&self) -> bool {
        !self.registered && self.runs.iter().all(|run| run.expected.is_none() && !run.installer)
    }

    /// Whether people know it: it was registered, or given a profile. The others are subject to the bench's policy.
    pub fn is_vouched_for(&self) -> bool {
        self.registered || self.profile.is_some()
    }

    /// The identifiers it is known by.
    pub fn claims(&self) -> Claims {
        Claims { macs: self.macs.clone(), uuid: self.uuid, serial: self.serial.clone(), ..Claims::default() }
    }

    /// Whether this is its UUID, in either byte order.
    pub fn has_uuid(&self, uuid: SystemUuid) -> bool {
        self.uuid.is_some_and(|own| own.canonical() == uuid.canonical())
    }

    /// Whether the machine that claims this cannot be it: another serial; or another UUID, unless serial and MAC address
    /// agree (a mainboard that was given a new UUID).
    pub fn is_contradicted(&self, claims: &Claims) -> bool {
        let serial = self.serial.as_ref().zip(claims.serial.as_ref()).map(|(own, claimed)| own == claimed);
        let shares_mac = claims.macs.iter().any(|mac| self.macs.contains(mac));
        let known_uuid = self.uuid.filter(|_| !self.uuid_hearsay).zip(claims.uuid);
        let other_uuid = known_uuid.is_some_and(|(_, claimed)| !self.has_uuid(claimed));
        serial == Some(false) || (other_uuid && !(serial == Some(true) && shares_mac))
    }

    /// Whether it is in conflict over a machine that `other` was in conflict over too.
    pub fn is_contested_by(&self, other: NodeId) -> bool {
        self.contested.as_ref().is_some_and(|contest| contest.others.contains(&other))
    }

    /// The latest attempt.
    pub fn run(&self) -> Option<&Run> {
        self.runs.last()
    }

    /// What its agent waits for a person's word on.
    pub fn question(&self) -> Option<&Question> {
        let run = self.run().filter(|run| run.is_open() && matches!(self.phase, Phase::Held { .. }));
        run.and_then(|run| run.question.as_ref())
    }

    /// The stages of its present attempt, those that are yet to come as well.
    pub fn path(&self) -> &'static [Stage] {
        match self.run() {
            Some(run) if run.installer => &Stage::OF_INSTALLER,
            Some(run) if run.first_boot.is_some() => &Stage::WITH_FIRST_BOOT,
            Some(_) | None => &Stage::ALL,
        }
    }

    /// As [`Node::learn`], from DHCP, whose UUID counts until the machine itself says one.
    pub fn hear(&mut self, claims: &Claims) {
        let uuid = claims.uuid.filter(|_| self.uuid.is_none());
        self.learn(&Claims { uuid, ..claims.clone() });
        self.uuid_hearsay |= uuid.is_some();
    }

    /// Takes in what it did not know of itself.
    pub fn learn(&mut self, claims: &Claims) {
        self.given_macs.retain(|mac| !claims.macs.contains(mac));
        for mac in &claims.macs {
            if !self.macs.contains(mac) {
                self.macs.push(*mac);
            }
        }
        if claims.uuid.is_some() && (self.uuid.is_none() || self.uuid_hearsay) {
            (self.uuid, self.uuid_hearsay) = (claims.uuid, false);
        }
        self.serial = self.serial.take().or(claims.serial.clone());
        self.manufacturer = claims.manufacturer.clone().or(self.manufacturer.take());
        self.product = claims.product.clone().or(self.product.take());
    }

    /// Whether its agent is in the middle of something, so that nobody may change it. A machine that has fallen silent
    /// is not.
    pub fn is_at_work(&self, now: Timestamp) -> bool {
        let has_agent = |stage: Stage| stage >= Stage::Agent && stage != Stage::FirstBoot;
        matches!(self.phase, Phase::Booting { stage } if has_agent(stage)) && self.stalled(now).is_none()
    }

    /// How long an active node has said nothing, when that is longer than its stage ever takes.
    pub fn stalled(&self, now: Timestamp) -> Option<Duration> {
        let Phase::Booting { stage } = self.phase else { return None };
        // There is a time within which it is to call.
        if stage == Stage::FirstBoot {
            return None;
        }
        let silent = now.since(self.last_seen?);
        (silent > patience(stage)).then_some(silent)
    }
}

/// How long a healthy machine may be silent after reaching `stage`, generous to slow firmware and emulation.
fn patience(stage: Stage) -> Duration {
    Duration::from_secs(match stage {
        Stage::Seen | Stage::Loader => 60,
        Stage::Script => 45,
        Stage::Kernel => 120,
        Stage::Agent | Stage::Writing | Stage::Verifying | Stage::Configuring => 20,
        Stage::Rebooting | Stage::FirstBoot | Stage::Provisioned => 30,
        // It copies packages, and has nothing to say to the station.
        Stage::Installing => 1800,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_an_older_station_stored_is_read() {
        let stored = r#"{"id":7,"registered":true,"name":"press-07","macs":["52:54:00:00:00:01"],"uuid":null,
            "serial":"Serial#","manufacturer":null,"product":null,"profile":"demo","address":null,"firmware":null,
            "disks":[],"phase":{"phase":"registered"},"phase_since":5,"last_seen":null,"stages":[],"progress":null,
            "runs":[]}"#;
        let node: Node = serde_json::from_str(stored).expect("readable");
        assert_eq!((node.label().as_str(), &node.hostname, node.metadata.len()), ("press-07", &None, 0));
        assert_eq!(node.serial, None, "a placeholder since the list has grown");
    }
}
