//! A batch in figures: expected against seen, how long machines took, how many an hour.

use serde::{Deserialize, Serialize};

use super::Batch;
use super::unit::{Unit, UnitState};
use crate::domain::time::Timestamp;

/// The figures of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BatchCounts {
    pub expected: usize,
    pub seen: usize,
    /// They have their system.
    pub done: usize,
    pub failed: usize,
    /// They were seen, and have neither their system nor failed.
    pub unfinished: usize,
    /// Expected, and never seen.
    pub missing: usize,
    /// Seen, and nobody had registered them.
    pub unexpected: usize,
    /// Registrations that more than one machine claims.
    pub duplicates: usize,
    /// How long those that are done took from power-on, in milliseconds: the quickest, the middle one, the slowest.
    pub quickest_ms: Option<u64>,
    pub median_ms: Option<u64>,
    pub slowest_ms: Option<u64>,
    /// Machines an hour, in thousandths, from the first that was switched on to the last that was done.
    pub per_hour_milli: Option<u64>,
}

impl BatchCounts {
    pub fn of(units: &[Unit]) -> Self {
        let count = |wanted: fn(&Unit) -> bool| units.iter().filter(|unit| wanted(unit)).count();
        let done: Vec<&Unit> = units.iter().filter(|unit| unit.standing.is_done()).collect();
        let mut took: Vec<u64> = done.iter().filter_map(|unit| unit.took()).collect();
        took.sort_unstable();
        Self {
            expected: count(|unit| unit.expected),
            seen: count(|unit| unit.standing != UnitState::Missing),
            done: done.len(),
            failed: count(|unit| unit.standing == UnitState::Failed),
            unfinished: count(|unit| matches!(unit.standing, UnitState::AtWork | UnitState::Waiting)),
            missing: count(|unit| unit.standing == UnitState::Missing),
            unexpected: count(|unit| !unit.expected),
            duplicates: count(|unit| unit.contested),
            quickest_ms: took.first().copied(),
            median_ms: took.get(took.len().saturating_sub(1) / 2).copied(),
            slowest_ms: took.last().copied(),
            per_hour_milli: per_hour(&done),
        }
    }

    /// Whether everything that was expected came and has its system, and nothing else came.
    pub fn is_whole(&self) -> bool {
        self.done == self.expected && self.seen == self.expected && self.unexpected + self.duplicates == 0
    }

    /// `12 expected, 11 seen, 9 done, 1 failed, 1 unfinished, 1 missing, 0 unexpected, 0 duplicates`.
    pub fn in_words(&self) -> String {
        let Self { expected, seen, done, failed, unfinished, missing, unexpected, duplicates, .. } = self;
        format!(
            "{expected} expected, {seen} seen, {done} done, {failed} failed, {unfinished} unfinished, {missing} missing, {unexpected} unexpected, {duplicates} duplicates"
        )
    }
}

impl Batch {
    /// How long it has been open, in milliseconds.
    pub fn lasted_ms(&self, now: Timestamp) -> u64 {
        self.until(now).as_millis().saturating_sub(self.opened.as_millis())
    }
}

fn per_hour(done: &[&Unit]) -> Option<u64> {
    let runs = || done.iter().filter_map(|unit| Some((unit.run.as_ref()?, unit.took()?)));
    let first = runs().filter_map(|(run, took)| Some(run.ended?.as_millis().saturating_sub(took))).min()?;
    let last = runs().filter_map(|(run, _)| run.ended).max()?;
    let lasted = last.as_millis().saturating_sub(first);
    (done.len() as u64).saturating_mul(3_600_000 * 1000).checked_div(lasted)
}
