//! What leaves the station to be kept elsewhere: the report of a batch, the list of the bench, an archive for whoever helps.
//!
//! The command line and the screen make the same papers by the same code: each asks the station, over a conversation as on
//! its control socket, and neither is needed by the other.

pub mod client;
mod durable;
pub mod label;
pub mod list;
pub mod report;
pub mod support;
pub mod worker;

use std::io::{self, ErrorKind};

use crate::config::ConfigProblem;
use crate::domain::batch::export::ExportProgress;
use crate::protocol::control::ControlReply;

/// Why a paper was not made.
#[derive(Debug)]
pub enum Unmade {
    /// What the station said instead: its last word.
    Said(Box<ControlReply>),
    Problems(Vec<ConfigProblem>),
    /// Who waited for it has had enough.
    Dropped,
}

impl From<ConfigProblem> for Unmade {
    fn from(problem: ConfigProblem) -> Self {
        Self::Problems(vec![problem])
    }
}

impl From<Vec<ConfigProblem>> for Unmade {
    fn from(problems: Vec<ConfigProblem>) -> Self {
        Self::Problems(problems)
    }
}

/// Who waits for a paper: hears how far it is, and says `false` once nobody waits any more.
pub type ProgressWatch<'w> = dyn Fn(ExportProgress) -> bool + 'w;

/// Waits for the end, however long it takes.
pub fn patient(_: ExportProgress) -> bool {
    true
}

/// Tells `watch`, and ends the work if it has had enough.
fn told(watch: &ProgressWatch<'_>, what: &'static str, done: usize, of: Option<usize>) -> Result<(), Unmade> {
    if watch(ExportProgress { what, done, of }) { Ok(()) } else { Err(Unmade::Dropped) }
}

/// What to do about a place that cannot be written to; `elsewhere` says how another one is named.
fn advice(err: &io::Error, elsewhere: &str) -> String {
    match err.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => format!("make room there, or {elsewhere}"),
        ErrorKind::PermissionDenied => format!("use the account that the station runs under, or {elsewhere}"),
        _ => elsewhere.to_owned(),
    }
}
