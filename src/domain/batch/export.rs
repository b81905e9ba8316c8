//! What leaves the station to be kept elsewhere: as it is asked for, while it is made, and once it is written.

use std::path::PathBuf;

use crate::domain::ids::NodeId;

/// Something to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Export {
    /// What became of a batch: of this one, of the latest, or of the whole bench where none was ever opened.
    Report { number: Option<u32>, formats: Vec<ReportFormat> },
    /// The bench as a list that can be imported again.
    List,
    /// What somebody far away needs to help, with all that is known of these nodes and of those in trouble.
    Support { nodes: Vec<NodeId> },
}

/// What of a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportFormat {
    /// A row for each machine.
    Csv,
    Json,
    /// A page to print.
    Html,
    /// A signed one for each machine that is done.
    Certificates,
}

impl ReportFormat {
    pub const ALL: [Self; 4] = [Self::Csv, Self::Json, Self::Html, Self::Certificates];

    /// As the command line has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Html => "html",
            Self::Certificates => "certificates",
        }
    }
}

/// How far a paper is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportProgress {
    /// As `machines signed`.
    pub what: &'static str,
    pub done: usize,
    /// All of them; none while nobody knows.
    pub of: Option<usize>,
}

/// A paper that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenExport {
    /// The file, or the directory of several.
    pub place: PathBuf,
    /// What is in it, and what is not, a sentence each.
    pub about: Vec<String>,
}

/// Why nothing was written. Nothing is left of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    #[error("it was dropped, and nothing is left of it")]
    Dropped,
    #[error("{what}")]
    Problem { what: String, hint: String },
}
