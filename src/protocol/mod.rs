//! What agent and station say to each other: JSON over HTTP, every message with a version.
//!
//! ```text
//! agent                                        station
//!   POST /agent/v1/runs/RUN/hello    Hello  ->  Answer: a job, come again later, or wait for a word
//!   GET  /agent/v1/runs/RUN/job             ->  Answer: the same for a person who wants to know, of no consequence
//!   GET  /agent/v1/runs/RUN/configuration   ->  Follows: what follows the image, asked for before anything is written
//!   GET  /images/DIGEST/NAME                ->  the image, with Range
//!   POST /agent/v1/runs/RUN/reports  Reports -> Ack once stored: repeated until acknowledged
//!   POST /agent/v1/runs/RUN/log      LogLines-> LogAck once they are in the node's log file, or counted as left out
//!   POST /agent/v1/runs/RUN/progress Moved   -> 204: only the newest figure matters, never repeated
//!   GET  /agent/v1/runs/RUN/word            ->  Word: wait, or restart
//! ```
//!
//! An unknown run is answered 404 with an [`Ack`] of 0, and so are reports of one in which nobody was given a job: the
//! agent says hello; a message that cannot be read 400; a station that cannot store 503: the agent tries again. Bodies of
//! refusals are one plain sentence.

#[cfg(feature = "station")]
pub mod batch;
#[cfg(feature = "station")]
pub mod control;
#[cfg(feature = "station")]
pub mod nodes;
pub mod paths;
#[cfg(feature = "station")]
pub mod station;
#[cfg(feature = "station")]
pub mod webhook;

use serde::{Deserialize, Serialize};

use crate::domain::digest::Digest;
use crate::domain::logline::Level;
use crate::domain::machine::claims::Claims;
use crate::domain::machine::disk::{Disk, DiskRule};
use crate::domain::machine::inventory::Inventory;
use crate::domain::machine::report::{Report, Step};
use crate::domain::profile::After;
use crate::domain::profile::configuration::Configuration;
use crate::domain::profile::image::ImageFormat;

/// The version that this crate speaks. A reader takes any version and treats what it does not know as `Unknown`.
pub const VERSION: u16 = 1;

/// The agent introduces itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloMessage {
    pub version: u16,
    /// The agent's own version, for the log.
    pub agent: String,
    pub claims: Claims,
    pub disks: Vec<Disk>,
    /// None from an older agent.
    #[serde(default)]
    pub inventory: Option<Inventory>,
}

/// The station's answer to a hello.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum HelloReply {
    Job(Box<AgentJob>),
    /// Say hello again after this many seconds.
    Later {
        seconds: u32,
        reason: String,
    },
    /// Nothing more in this run: ask for a [`AgentOrder`].
    Ended {
        reason: String,
    },
    #[serde(other)]
    Unknown,
}

/// What to put on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentJob {
    pub version: u16,
    pub profile: String,
    /// Path of the image on the station, beginning with `/`.
    pub image: String,
    pub format: ImageFormat,
    /// The file as it travels: length in bytes and digest.
    pub bytes: u64,
    pub sha256: Digest,
    /// The disk afterwards: how many bytes, and their digest.
    pub disk_bytes: u64,
    pub disk_sha256: Digest,
    pub disk: DiskRule,
    /// What follows once the disk is proven.
    #[serde(default)]
    pub after: After,
    /// What a person in front of the machine should know.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The index of the next report the station wants: more than 0 for an agent that was started again in this run.
    #[serde(default)]
    pub next_report: u32,
}

/// What follows the image on this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follows {
    pub version: u16,
    pub configuration: Configuration,
}

/// Reports in order, the first of them with index `first`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reports {
    pub version: u16,
    pub first: u32,
    pub reports: Vec<Report>,
}

/// What the station has stored: the next index it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    pub next: u32,
}

/// What has become of lines of a log. Those before `next` are in the node's log file (a station that is killed has them, one
/// whose power is cut may lose the last seconds), but for `left_out`: for them there was no room, the agent has sent too many
/// at once, or its run has said as much as is kept of one. They are counted and shown at the station; to send them again
/// is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogAck {
    pub next: u32,
    #[serde(default, skip_serializing_if = "is_none_at_all")]
    pub left_out: u32,
}

fn is_none_at_all(lines: &u32) -> bool {
    *lines == 0
}

/// Bytes done of a step. Sent at most twice a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    pub step: Step,
    pub done: u64,
    pub total: u64,
    /// Bytes of the file that came over the network for it.
    #[serde(default)]
    pub arrived: u64,
    /// How often the download was begun again.
    #[serde(default)]
    pub retries: u32,
}

/// Lines of the agent's log in order, the first of them numbered `first`. Without lines it asks for the number that the
/// next one gets: an agent that was started again in its run does not know what it said before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLines {
    pub version: u16,
    pub first: u32,
    pub lines: Vec<(Level, String)>,
}

/// What an agent whose work has ended is to do. It asks every few seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "word", rename_all = "snake_case")]
pub enum AgentOrder {
    Wait,
    Restart,
    #[serde(other)]
    Unknown,
}
