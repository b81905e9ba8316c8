//! Where a node is on its way from power-on to its own operating system.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::machine::report::{FailureKind, Step};

/// The stages of a boot in order: each is reached once in an attempt, a later one implies the earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The firmware asked by DHCP.
    Seen,
    /// The network boot program was fetched.
    Loader,
    /// iPXE asked for its script.
    Script,
    /// Kernel or initramfs fetched.
    Kernel,
    /// The agent said hello.
    Agent,
    Writing,
    Verifying,
    Configuring,
    Rebooting,
    /// Somebody else's installer works. It says nothing until it is done.
    Installing,
    /// The disk is proven, and the machine's own system is to call.
    FirstBoot,
    Provisioned,
}

impl Stage {
    /// Those of a machine whose disk the agent writes, in order, as the stage line shows them.
    pub const ALL: [Stage; 10] = [
        Self::Seen,
        Self::Loader,
        Self::Script,
        Self::Kernel,
        Self::Agent,
        Self::Writing,
        Self::Verifying,
        Self::Configuring,
        Self::Rebooting,
        Self::Provisioned,
    ];

    /// The same of a machine whose own system is to call.
    pub const WITH_FIRST_BOOT: [Stage; 11] = [
        Self::Seen,
        Self::Loader,
        Self::Script,
        Self::Kernel,
        Self::Agent,
        Self::Writing,
        Self::Verifying,
        Self::Configuring,
        Self::Rebooting,
        Self::FirstBoot,
        Self::Provisioned,
    ];

    /// Those of a machine that boots an installer.
    pub const OF_INSTALLER: [Stage; 5] = [Self::Seen, Self::Loader, Self::Script, Self::Kernel, Self::Installing];

    pub fn word(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Loader => "loader",
            Self::Script => "script",
            Self::Kernel => "kernel",
            Self::Agent => "agent",
            Self::Writing => "writing",
            Self::Verifying => "verifying",
            Self::Configuring => "configuring",
            Self::Rebooting => "rebooting",
            Self::Installing => "installing",
            Self::FirstBoot => "first boot",
            Self::Provisioned => "provisioned",
        }
    }

    /// The stage an agent's step belongs to.
    pub fn of(step: Step) -> Self {
        match step {
            Step::Prepare | Step::Unknown => Self::Agent,
            Step::Write => Self::Writing,
            Step::Verify => Self::Verifying,
            Step::Configure => Self::Configuring,
            Step::Reboot => Self::Rebooting,
        }
    }
}

/// A run that ended without success: where, what, and what to try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub stage: Stage,
    pub kind: FailureKind,
    pub reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.stage.word(), self.reason)
    }
}

/// The state of a node. *Stalled* is not here: it is a matter of time, see [`crate::domain::node::Node::stalled`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Known, and not seen since it was armed.
    Registered,
    /// On its way: the latest stage reached.
    Booting {
        stage: Stage,
    },
    /// The disk holds what the profile says, proven by reading it back.
    Provisioned,
    /// Its installer says that it is done; nobody has read the disk.
    Installed,
    Failed(Failure),
    /// Waiting for somebody's word.
    Held {
        reason: String,
    },
    /// Two registrations claim this machine.
    Conflict {
        reason: String,
    },
}

impl Phase {
    /// One word for tables, filters and exports: a stage's, or `registered`, `installed`, `failed`, `held`, `conflict`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Booting { stage } => stage.word(),
            Self::Provisioned => "provisioned",
            Self::Installed => "installed",
            Self::Failed(_) => "failed",
            Self::Held { .. } => "held",
            Self::Conflict { .. } => "conflict",
        }
    }

    /// Whether nothing more is awaited of it.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Provisioned | Self::Installed)
    }

    /// Whether its disk holds its system, whatever was heard of that: it goes to its own disk until somebody arms it again.
    pub fn has_own_system(&self) -> bool {
        match self {
            Self::Provisioned | Self::Installed | Self::Booting { stage: Stage::FirstBoot } => true,
            Self::Failed(failure) => failure.kind == FailureKind::FirstBoot,
            Self::Registered | Self::Booting { .. } | Self::Held { .. } | Self::Conflict { .. } => false,
        }
    }

    /// Whether the machine is at work, so that silence means trouble.
    pub fn is_active(&self) -> bool {
        matches!(self, Self::Booting { .. })
    }
}

/// The word of every phase, in the order in which a machine meets them.
pub fn words() -> impl Iterator<Item = &'static str> {
    let stages = Stage::WITH_FIRST_BOOT.into_iter().chain([Stage::Installing]).map(Stage::word);
    std::iter::once("registered").chain(stages).chain(["installed", "failed", "held", "conflict"])
}

/// What is to be said of [`Phase::Installed`].
pub const SAID_DONE: &str = "its installer says it is done; nobody has read the disk";
