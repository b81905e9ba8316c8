//! What an agent reports of a run: steps begun, ended and failed. Each report has an index; what was seen is ignored.

use serde::{Deserialize, Serialize};

use crate::domain::digest::Digest;

/// Part of a run that the agent carries out, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Finding the machine's identity and the disk to write.
    Prepare,
    /// The image goes to the disk.
    Write,
    /// The disk is read back and its digest compared.
    Verify,
    /// Per-node files and the boot entry.
    Configure,
    /// Everything is on the disk; the machine restarts.
    Reboot,
    /// A step of a newer agent.
    #[serde(other)]
    Unknown,
}

impl Step {
    pub fn word(self) -> &'static str {
        match self {
            Self::Prepare => "preparing",
            Self::Write => "writing",
            Self::Verify => "verifying",
            Self::Configure => "configuring",
            Self::Reboot => "rebooting",
            Self::Unknown => "unknown step",
        }
    }
}

/// One report of a run. The agent repeats it until the station has stored it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Report {
    Started {
        step: Step,
        /// What exactly, as `/dev/sda (sata, 256.1 GB)`.
        #[serde(default)]
        detail: String,
    },
    Finished {
        step: Step,
        #[serde(default)]
        detail: String,
    },
    /// The first `bytes` of the disk were read back and have this digest. The station judges it.
    ReadBack { bytes: u64, sha256: Digest },
    /// What was written after the image was read back from the disk, and the [`crate::domain::profile::configuration::manifest`] of
    /// it has this digest. The station judges it.
    Configured {
        files: u32,
        sha256: Digest,
        /// dm-verity's root hash in hex digits, where the layout is a sealed one.
        #[serde(default)]
        root_hash: Option<String>,
    },
    /// The run is over without success.
    Failed { step: Step, failure: FailureKind, detail: String },
    /// The run is over: all steps done, the machine restarts now.
    Complete,
    /// Somebody else's installer says that it is done. Nothing was read back.
    SaidDone,
    /// A report of a newer agent: stored, shown as such, acts on nothing.
    #[serde(other)]
    Unknown,
}

/// What went wrong, as far as the advice differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    NoDisk,
    /// The image could not be had from the station, after retries.
    Download,
    /// What arrived is not the image: its digest or its compression does not hold.
    CorruptImage,
    /// The disk refused a write, a flush or a read.
    DiskIo,
    /// What was read back from the disk is not what was written.
    ReadBackDiffers,
    /// The profile's configuration does not fit what is on the disk: no such volume, no room, a broken file system.
    Configuration,
    /// A disk or a step did not come to an end in any reasonable time.
    Hung,
    /// The machine's own system did not say in time that it runs.
    FirstBoot,
    /// The station and the agent do not understand each other.
    Protocol,
    #[serde(other)]
    Unknown,
}

impl FailureKind {
    /// What a technician should try.
    pub fn hint(self) -> &'static str {
        match self {
            Self::NoDisk => {
                "check that the disk is fitted and enabled in the firmware set-up, or change the profile's [disk] rule"
            }
            Self::Download => "check the cable and the switch port, then re-arm the node",
            Self::CorruptImage => {
                "try another cable or port; if other nodes fail too, add the image to the station again"
            }
            Self::DiskIo => "replace the disk, or reseat it and re-arm the node",
            Self::ReadBackDiffers => "the disk does not keep what is written: replace it",
            Self::Configuration => {
                "compare the profile's configuration with the image: the node's log says which volume or file it is"
            }
            Self::Hung => "reseat or replace the disk, then re-arm the node",
            Self::FirstBoot => {
                "look at the machine's own screen: does it start its system, and does its network reach the station?"
            }
            Self::Protocol => "rebuild the boot files so that agent and station are of one version",
            Self::Unknown => "read the node's log",
        }
    }
}
