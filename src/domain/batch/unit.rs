//! What became of one machine: the row of a report, and what its certificate attests.

use serde::{Deserialize, Serialize};

use crate::domain::digest::Digest;
use crate::domain::ids::{Hostname, MacAddr, NodeId, ProfileId, RunId, Serial, SystemUuid};
use crate::domain::machine::disk::Disk;
use crate::domain::machine::inventory::Inventory;
use crate::domain::node::Node;
use crate::domain::node::phase::{Phase, SAID_DONE, Stage};
use crate::domain::node::run::{Following, Run};
use crate::domain::time::Timestamp;

/// A machine of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    pub node: NodeId,
    /// What to call it.
    pub name: String,
    pub serial: Option<Serial>,
    pub uuid: Option<SystemUuid>,
    pub macs: Vec<MacAddr>,
    pub hostname: Option<Hostname>,
    pub manufacturer: Option<String>,
    pub product: Option<String>,
    pub disks: Vec<DiskFact>,
    pub inventory: Inventory,
    /// People had registered it for this batch.
    pub expected: bool,
    /// Another machine claims to be it.
    pub contested: bool,
    pub standing: UnitState,
    /// Why it failed, or waits.
    pub reason: Option<String>,
    /// Runs so far.
    pub runs: u32,
    /// The last of them.
    pub run: Option<RunFact>,
}

/// A disk, as the agent found it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskFact {
    pub path: String,
    pub model: String,
    pub serial: String,
    pub bytes: u64,
}

/// A run, and what was proven in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFact {
    pub id: RunId,
    pub profile: ProfileId,
    pub started: Timestamp,
    pub ended: Option<Timestamp>,
    pub image: Option<ImageFact>,
    /// The digest of the manifest of what followed the image; none where nothing did.
    pub configuration_sha256: Option<Digest>,
    /// dm-verity's, of a system that was sealed.
    #[serde(default)]
    pub root_hash: Option<Digest>,
    /// When each stage was first reached.
    pub steps: Vec<StageReached>,
}

/// An image as it travelled, as it was to be on the disk, and as it was read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFact {
    pub name: String,
    pub travelled_sha256: Option<Digest>,
    pub disk_bytes: u64,
    pub written_sha256: Digest,
    pub read_back_sha256: Option<Digest>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageReached {
    pub stage: Stage,
    pub at: Timestamp,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnitState {
    /// Its disk was read back and is what it is to be.
    Provisioned,
    /// Its installer says that it is done.
    Installed,
    Failed,
    /// It is on its way, or was when it fell silent.
    AtWork,
    /// It was seen, and waits for somebody's word.
    Waiting,
    /// Nobody has seen it.
    Missing,
}

impl UnitState {
    pub const ALL: [Self; 6] =
        [Self::Provisioned, Self::Installed, Self::Failed, Self::AtWork, Self::Waiting, Self::Missing];

    pub fn word(self) -> &'static str {
        match self {
            Self::Provisioned => "provisioned",
            Self::Installed => "installed",
            Self::Failed => "failed",
            Self::AtWork => "at work",
            Self::Waiting => "waiting",
            Self::Missing => "missing",
        }
    }

    /// Whether it has its system.
    pub fn is_done(self) -> bool {
        matches!(self, Self::Provisioned | Self::Installed)
    }
}

impl Unit {
    pub(super) fn of(node: &Node, expected: bool, seen: bool) -> Self {
        let (standing, reason) = match &node.phase {
            Phase::Provisioned => (UnitState::Provisioned, None),
            Phase::Installed => (UnitState::Installed, Some(SAID_DONE.to_owned())),
            _ if !seen => (UnitState::Missing, None),
            Phase::Failed(failure) => (UnitState::Failed, Some(failure.to_string())),
            Phase::Booting { .. } => (UnitState::AtWork, None),
            Phase::Held { reason } | Phase::Conflict { reason } => (UnitState::Waiting, Some(reason.clone())),
            Phase::Registered => (UnitState::Waiting, node.run().map(|_| ARMED.to_owned())),
        };
        let disk = |disk: &Disk| DiskFact {
            path: disk.path.clone(),
            model: disk.model.clone(),
            serial: disk.serial.clone(),
            bytes: disk.bytes,
        };
        Self {
            node: node.id,
            name: node.label(),
            serial: node.serial.clone(),
            uuid: node.uuid,
            macs: node.macs.clone(),
            hostname: node.hostname.clone(),
            manufacturer: node.manufacturer.clone(),
            product: node.product.clone(),
            disks: node.disks.iter().map(disk).collect(),
            inventory: node.inventory.clone().unwrap_or_default(),
            expected,
            contested: node.contested.is_some(),
            standing,
            reason,
            runs: u32::try_from(node.runs.len()).unwrap_or(u32::MAX),
            run: node.run().map(|run| RunFact::of(run, &node.stages)),
        }
    }

    /// From power-on, as far as it was seen, to the end of its last run, in milliseconds.
    pub fn took(&self) -> Option<u64> {
        let run = self.run.as_ref()?;
        let begun = run.steps.first().map_or(run.started, |first| first.at.min(run.started));
        Some(run.ended?.as_millis().saturating_sub(begun.as_millis()))
    }
}

/// Why a machine waits that had a run, and is to have another.
const ARMED: &str = "armed to be installed again, and not started since";

impl RunFact {
    /// How long the step at this place of [`RunFact::steps`] took, in milliseconds: to the next, or to the end of the run.
    pub fn took(&self, place: usize) -> Option<u64> {
        let began = self.steps.get(place)?.at;
        let ended = self.steps.get(place + 1).map(|next| next.at).or(self.ended)?;
        Some(ended.as_millis().saturating_sub(began.as_millis()))
    }

    fn of(run: &Run, stages: &[(Stage, Timestamp)]) -> Self {
        let image = run.expected.as_ref().map(|expected| ImageFact {
            name: expected.image.clone(),
            travelled_sha256: expected.sha256,
            disk_bytes: expected.disk_bytes,
            written_sha256: expected.disk_sha256,
            read_back_sha256: run.read_back,
        });
        let configuration_sha256 = match run.following {
            Following::Manifest(digest) if run.configured => Some(digest),
            Following::Manifest(_) | Following::Something | Following::Nothing => None,
        };
        // Stages after its end are of another boot.
        let of_run = |at: &Timestamp| run.ended.is_none_or(|ended| *at <= ended);
        let steps =
            stages.iter().filter(|(_, at)| of_run(at)).map(|(stage, at)| StageReached { stage: *stage, at: *at });
        let (id, profile) = (run.id, run.profile.clone());
        Self {
            id,
            profile,
            started: run.started,
            ended: run.ended,
            image,
            configuration_sha256,
            root_hash: run.root_hash.filter(|_| run.configured),
            steps: steps.collect(),
        }
    }
}
