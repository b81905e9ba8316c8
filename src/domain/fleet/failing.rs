//! Runs that end without success.

use super::change_set::{ChangeSet, enter};
use crate::domain::ids::RunId;
use crate::domain::logline::Level;
use crate::domain::machine::report::FailureKind;
use crate::domain::node::Node;
use crate::domain::node::phase::{Failure, Phase, Stage};
use crate::domain::node::run::RunOutcome;
use crate::domain::time::Timestamp;

/// Why a report was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    #[error("this station knows no run {}", .0.short())]
    UnknownRun(RunId),
    /// Nobody may have begun anything in it: its machine waits, or was never asked who it is.
    #[error("in run {} nobody has been given a job", .0.short())]
    NoJob(RunId),
}

pub(super) fn unproven(reason: &str) -> Failure {
    Failure { stage: Stage::Verifying, kind: FailureKind::Protocol, reason: reason.into() }
}

pub(super) fn fail(now: Timestamp, node: &mut Node, failure: Failure, change: &mut ChangeSet) {
    node.runs.last_mut().into_iter().for_each(|run| run.end(now, RunOutcome::Failed(failure.clone())));
    change.log(now, node, Level::Error, &format!("failed {failure}; {}", failure.kind.hint()));
    enter(node, now, Phase::Failed(failure));
}
