//! How the agent's work ended.

use crate::agent::failure::RunFailure;

/// How the agent's work ended. The machine was told to restart then, unless it was switched off before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentOutcome {
    /// The disk holds the image and the station has the proof.
    Installed,
    /// The run failed; the station knows why, unless the machine was switched off meanwhile.
    Failed(RunFailure),
    /// The station had ended the run, for this reason, before there was anything to do.
    Ended(String),
    /// In the middle of the work.
    SwitchedOff,
}
