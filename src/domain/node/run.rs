//! One attempt of one machine, from the script it was given to its end.

use serde::{Deserialize, Serialize};

use crate::domain::digest::Digest;
use crate::domain::ids::{ProfileId, RunId};
use crate::domain::node::phase::Failure;
use crate::domain::node::question::{Consent, Question};
use crate::domain::time::Timestamp;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum RunOutcome {
    /// The disk was read back and holds the image.
    Proven,
    /// Its installer said that it is done; nobody has read the disk.
    SaidDone,
    Failed(Failure),
    /// The machine started again before the run had ended.
    Interrupted,
    #[serde(other)]
    Unknown,
}

/// An attempt and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub id: RunId,
    pub profile: ProfileId,
    pub started: Timestamp,
    /// The image's digest on the disk as it must be, taken when the run got its job.
    #[serde(default)]
    pub expected: Option<Expected>,
    /// The digest of the disk as it was read back.
    #[serde(default)]
    pub read_back: Option<Digest>,
    /// What is to be shown of what follows the image.
    #[serde(default)]
    pub following: Following,
    /// The station's copies that its agent fetches after the image.
    #[serde(default)]
    pub copies: Vec<Digest>,
    /// It was read back from the disk, and is what was asked for.
    #[serde(default)]
    pub configured: bool,
    /// The dm-verity root hash (SHA-256) of its sealed system, by which what follows the image was read back.
    #[serde(default)]
    pub root_hash: Option<Digest>,
    /// The machine's own system is to call the station.
    #[serde(default)]
    pub first_boot: Option<Awaited>,
    /// The index the next report will have: lower ones have been seen.
    #[serde(default)]
    pub next_report: u32,
    /// The sequence number the next log line will have.
    #[serde(default)]
    pub next_log: u32,
    /// The line that is wanted next of what cloud-init writes in the first boot.
    #[serde(default)]
    pub next_output: u32,
    /// It boots somebody else's installer, and the machine has taken a file of it.
    #[serde(default)]
    pub installer: bool,
    /// What its agent waits for a person's word on, before anything is written.
    #[serde(default)]
    pub question: Option<Question>,
    #[serde(default)]
    pub consents: Vec<Consent>,
    /// What a person should know of it, and what stops nothing.
    #[serde(default)]
    pub warnings: Vec<String>,
    #[serde(default)]
    pub ended: Option<Timestamp>,
    #[serde(default)]
    pub outcome: Option<RunOutcome>,
}

/// What the disk must hold at the end of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    pub image: String,
    /// The digest of the image as it travels: the name of the station's copy. None in runs of an older station.
    #[serde(default)]
    pub sha256: Option<Digest>,
    pub disk_bytes: u64,
    pub disk_sha256: Digest,
}

/// A call that is awaited from a machine's own system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaited {
    pub within_minutes: u32,
    /// When the disk was proven; none before.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// What was seen last of the machine since.
    #[serde(default)]
    pub sign: Option<(Sign, Timestamp)>,
}

/// A sign of life of a machine that has not called yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// It booted from the network, and was sent to its own disk.
    SentToDisk,
    /// A system on it asked for an address by DHCP.
    AskedAddress,
    #[serde(other)]
    Unknown,
}

/// What is to be proven beside the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Following {
    #[default]
    Nothing,
    /// The profile has something, and the agent has not asked yet what it is.
    Something,
    /// The agent was given it, and the [`crate::domain::profile::configuration::manifest`] of it has this digest.
    Manifest(Digest),
}

impl Run {
    pub fn begin(id: RunId, profile: ProfileId, now: Timestamp) -> Self {
        Self {
            id,
            profile,
            started: now,
            expected: None,
            read_back: None,
            following: Following::Nothing,
            copies: Vec::new(),
            configured: false,
            root_hash: None,
            first_boot: None,
            next_report: 0,
            next_log: 0,
            next_output: 0,
            installer: false,
            question: None,
            consents: Vec::new(),
            warnings: Vec::new(),
            ended: None,
            outcome: None,
        }
    }

    pub fn is_open(&self) -> bool {
        self.outcome.is_none()
    }

    /// Whether its agent may write: it was told what, and waits for nobody's word.
    pub fn has_job(&self) -> bool {
        self.expected.is_some() && self.question.is_none()
    }

    /// Whether everything that the profile asks for was read back from the disk.
    pub fn is_proven(&self) -> bool {
        self.read_back.is_some() && (self.configured || self.following == Following::Nothing)
    }

    /// Ends the run; the first outcome stands.
    pub fn end(&mut self, now: Timestamp, outcome: RunOutcome) {
        if self.is_open() {
            (self.ended, self.outcome) = (Some(now), Some(outcome));
        }
    }
}

/// Where what belongs to one run is served: its installer's kernel, its answers, the files of its node.
pub fn files_path(run: RunId) -> String {
    format!("/r/{run}")
}

/// Words on the install kernel's command line: where the station is, and which run this is.
pub const STATION_ARG: &str = "oxbow.station=";
pub const RUN_ARG: &str = "oxbow.run=";
/// Further words where [`STATION_ARG`] names an `https` URL: the SHA-256 (64 hex digits) of the DER of the certificate of
/// the station's authority, and where that certificate can be had by plain HTTP, as `http://10.77.0.1:8080/ca.der`.
pub const CA_ARG: &str = "oxbow.ca=";
pub const CA_URL_ARG: &str = "oxbow.ca_url=";
