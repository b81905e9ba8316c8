//! Exports: the report of a batch, the list of the bench, an archive for remote support.
//!
//! The command line and the screen use the same code: both ask the station over its control protocol, and neither needs
//! the other.

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

/// Why an export was not made.
#[derive(Debug)]
pub enum Unmade {
    /// The station's final reply, which is not success.
    Said(Box<ControlReply>),
    Problems(Vec<ConfigProblem>),
    /// Nobody waits for it any more.
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

/// Is given the progress of an export, and returns `false` once nobody waits for it any more.
pub type ProgressWatch<'w> = dyn Fn(ExportProgress) -> bool + 'w;

/// Waits for the end, however long it takes.
pub fn patient(_: ExportProgress) -> bool {
    true
}

/// Reports to `watch`, and ends the work if nobody waits any more.
fn told(watch: &ProgressWatch<'_>, what: &'static str, done: usize, of: Option<usize>) -> Result<(), Unmade> {
    if watch(ExportProgress { what, done, of }) { Ok(()) } else { Err(Unmade::Dropped) }
}

/// What to do if a file cannot be written; `elsewhere` says how to choose another place.
fn advice(err: &io::Error, elsewhere: &str) -> String {
    match err.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => format!("make room there, or {elsewhere}"),
        ErrorKind::PermissionDenied => format!("use the account that the station runs under, or {elsewhere}"),
        _ => elsewhere.to_owned(),
    }
}
