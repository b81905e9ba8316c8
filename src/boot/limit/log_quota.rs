//! How many log lines an agent may send. Lines beyond that are left out, and its log says so afterwards.

use std::collections::HashMap;

use super::rate::{Due, RateLimit};
use crate::domain::ids::RunId;
use crate::domain::time::Timestamp;

/// What the agent of each run has sent recently.
#[derive(Debug, Default)]
pub struct LogQuota(HashMap<RunId, RunQuota>);

#[derive(Debug, Default)]
struct RunQuota {
    due: Due,
    left_out: u64,
}

/// Lines that are not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOut {
    pub now: u32,
    /// How many were left out before, if that has ended.
    pub before: Option<u64>,
}

impl LogQuota {
    /// How many of the new lines of `run`, a known run, are taken.
    pub fn allow(&mut self, now: Timestamp, run: RunId, lines: usize) -> (usize, LeftOut) {
        if self.0.len() >= SPEAKERS {
            self.0.retain(|_, speaker| speaker.left_out > 0 || !speaker.due.is_past(now));
        }
        let speaker = self.0.entry(run).or_default();
        let mut taken = 0;
        while taken < lines
            && let Some(due) = speaker.due.next(now, EACH)
        {
            speaker.due = due;
            taken += 1;
        }
        let over = lines - taken;
        let before = (over == 0 && lines > 0 && speaker.left_out > 0).then(|| std::mem::take(&mut speaker.left_out));
        speaker.left_out += over as u64;
        (taken, LeftOut { now: u32::try_from(over).unwrap_or(u32::MAX), before })
    }
}

/// The same limit as for syslog.
pub const EACH: RateLimit = RateLimit { rate: 500, burst: 2000 };
/// Runs that are remembered before the quiet ones are forgotten.
const SPEAKERS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_that_says_too_much_is_cut_short_and_what_is_missing_is_known_when_it_is_over() {
        let (mut talk, at) = (LogQuota::default(), Timestamp::from_millis(1_777_802_400_000));
        let (loud, quiet) = (RunId::new([1; 16]), RunId::new([2; 16]));
        assert_eq!(talk.allow(at, loud, 1500), (1500, LeftOut { now: 0, before: None }));
        assert_eq!(talk.allow(at, loud, 1500), (500, LeftOut { now: 1000, before: None }));
        assert_eq!(talk.allow(at, loud, 1500), (0, LeftOut { now: 1500, before: None }));
        assert_eq!(talk.allow(at, quiet, 100), (100, LeftOut { now: 0, before: None }), "nobody else suffers");
        let later = Timestamp::from_millis(at.as_millis() + 1000);
        assert_eq!(talk.allow(later, loud, 100), (100, LeftOut { now: 0, before: Some(2500) }));
        assert_eq!(talk.allow(later, loud, 100), (100, LeftOut { now: 0, before: None }), "said once");
    }

    #[test]
    fn memory_is_bounded_however_many_runs_there_were() {
        let mut talk = LogQuota::default();
        for number in 0..5 * SPEAKERS as u64 {
            let run = RunId::new((u128::from(number) << 64).to_be_bytes());
            talk.allow(Timestamp::from_millis(1_777_802_400_000 + number * 10), run, 1);
        }
        assert!(talk.0.len() <= SPEAKERS, "{}", talk.0.len());
    }
}
