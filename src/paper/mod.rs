//! What leaves the station to be kept elsewhere: the report of a batch, the list of the bench, an archive for whoever helps.
//!
//! The command line and the screen make the same papers by the same code: each asks the station, over a conversation as on
//! its control socket, and neither is needed by the other.

pub mod label;
pub mod list;
pub mod report;
pub mod support;
pub mod talk;

use crate::config::Problem;
use crate::protocol::control::Answer;

/// Why a paper was not made.
#[derive(Debug)]
pub enum Unmade {
    /// What the station said instead: its last word.
    Said(Box<Answer>),
    Problems(Vec<Problem>),
    /// Who waited for it has had enough.
    Dropped,
}

impl From<Problem> for Unmade {
    fn from(problem: Problem) -> Self {
        Self::Problems(vec![problem])
    }
}

impl From<Vec<Problem>> for Unmade {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Problems(problems)
    }
}

/// How far a paper is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// As `machines signed`.
    pub what: &'static str,
    pub done: usize,
    /// All of them; none while nobody knows.
    pub of: Option<usize>,
}

/// Who waits for a paper.
pub trait Watch {
    /// Hears how far it is; `false` once nobody waits any more.
    fn step(&self, step: Step) -> bool;
}

/// Somebody who waits for the end alone.
#[derive(Clone, Copy, Debug)]
pub struct Patient;

impl Watch for Patient {
    fn step(&self, _: Step) -> bool {
        true
    }
}

/// Tells `watch`, and ends the work if it has had enough.
fn told(watch: &dyn Watch, what: &'static str, done: usize, of: Option<usize>) -> Result<(), Unmade> {
    if watch.step(Step { what, done, of }) { Ok(()) } else { Err(Unmade::Dropped) }
}
