//! What the doctor says.

use std::fmt;

use super::finding::Finding;

/// Why a machine got no further, and what to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    pub finding: Finding,
    pub stage: StoppedAt,
    pub severity: Severity,
    /// What is the matter, as `it was offered an address 4 times and took none`.
    pub what: String,
    /// What to try.
    pub hint: String,
}

/// Where a machine stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StoppedAt {
    /// It asked for an address.
    Dhcp,
    /// It was to ask port 4011 what to load.
    BootServer,
    /// The boot program was being fetched.
    Loader,
    /// The boot program was fetched and is to run.
    Program,
    Script,
    Kernel,
}

impl StoppedAt {
    pub fn word(self) -> &'static str {
        match self {
            Self::Dhcp => "dhcp",
            Self::BootServer => "boot server",
            Self::Loader => "loader",
            Self::Program => "boot program",
            Self::Script => "script",
            Self::Kernel => "kernel",
        }
    }
}

/// How sure it is that somebody must do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It boots, and could do so better.
    Notice,
    /// It has probably stopped.
    Warning,
    /// It does not boot like this.
    Failure,
}

impl Severity {
    pub fn word(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

impl Diagnosis {
    /// Without what to try: `stopped at loader: …`.
    pub fn headline(&self) -> String {
        let stopped = if self.severity == Severity::Notice { "at" } else { "stopped at" };
        format!("{stopped} {}: {}", self.stage.word(), self.what)
    }
}

impl fmt::Display for Diagnosis {
    /// `stopped at loader: …; try: …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; try: {}", self.headline(), self.hint)
    }
}
