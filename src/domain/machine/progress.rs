//! Bytes done of a step: rate, time left. Whether a node has stalled is [`crate::domain::node::Node::stalled`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::machine::report::Step;
use crate::domain::time::Timestamp;

/// How far a step that moves bytes is. Rates are smoothed over about five seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepProgress {
    pub step: Step,
    pub done: u64,
    /// Bytes in all, at least `done`; 0 when not known.
    pub total: u64,
    updated: Timestamp,
    bytes_per_second: f64,
    /// What comes over the network for it.
    #[serde(default)]
    pub arrived: Arrived,
    #[serde(default)]
    network_per_second: f64,
}

/// What an agent has fetched of an image: bytes of the file as it travels, and how often it began again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrived {
    pub bytes: u64,
    pub retries: u32,
}

impl StepProgress {
    pub fn begin(step: Step, now: Timestamp, done: u64, total: u64) -> Self {
        Self {
            step,
            done,
            total: total.max(done),
            updated: now,
            bytes_per_second: 0.0,
            arrived: Arrived::default(),
            network_per_second: 0.0,
        }
    }

    pub fn with(self, arrived: Arrived) -> Self {
        Self { arrived, ..self }
    }

    /// Takes a newer figure in. A figure below the last one (a restarted write) starts the rate anew.
    pub fn advance(&mut self, now: Timestamp, done: u64, total: u64, arrived: Arrived) {
        let elapsed = now.since(self.updated).as_secs_f64();
        if done < self.done {
            *self = Self { arrived, ..Self::begin(self.step, now, done, total) };
            return;
        }
        if elapsed > 0.0 {
            smooth(&mut self.bytes_per_second, done - self.done, elapsed);
            smooth(&mut self.network_per_second, arrived.bytes.saturating_sub(self.arrived.bytes), elapsed);
            self.updated = now;
        }
        (self.done, self.total, self.arrived) = (done, total.max(done), arrived);
    }

    /// 0 to 100, rounded down: 100 only when every byte is done.
    pub fn percent(&self) -> u8 {
        let percent = u128::from(self.done) * 100 / u128::from(self.total.max(1));
        u8::try_from(percent.min(100)).unwrap_or(100)
    }

    /// Bytes a second; 0 when nothing has been heard for [`STALE`].
    pub fn rate(&self, now: Timestamp) -> u64 {
        self.while_fresh(now, self.bytes_per_second)
    }

    /// The same of what comes over the network.
    pub fn network_rate(&self, now: Timestamp) -> u64 {
        self.while_fresh(now, self.network_per_second)
    }

    fn while_fresh(&self, now: Timestamp, bytes_per_second: f64) -> u64 {
        if now.since(self.updated) > STALE {
            return 0;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "never negative; fractions of a byte do not count"
        )]
        let rate = bytes_per_second.max(0.0) as u64;
        rate
    }

    /// Time left at the present rate; none when nothing moves.
    pub fn left(&self, now: Timestamp) -> Option<Duration> {
        let rate = self.rate(now);
        (rate > 0).then(|| Duration::from_secs((self.total - self.done).div_ceil(rate)))
    }
}

/// Takes `bytes` in `seconds` into a rate.
fn smooth(bytes_per_second: &mut f64, bytes: u64, seconds: f64) {
    #[expect(clippy::cast_precision_loss, reason = "a rate for people: nine digits are plenty")]
    let current = bytes as f64 / seconds;
    let weight = if *bytes_per_second == 0.0 { 1.0 } else { 1.0 - (-seconds / SMOOTHING_SECONDS).exp() };
    *bytes_per_second += weight * (current - *bytes_per_second);
}

const SMOOTHING_SECONDS: f64 = 5.0;
const STALE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn a_steady_write_shows_its_rate_and_the_time_left() {
        let mut progress = StepProgress::begin(Step::Write, at(0), 0, 100 * MB);
        for second in 1..=5 {
            progress.advance(at(second), second * 10 * MB, 100 * MB, Arrived { bytes: second * 4 * MB, retries: 1 });
        }
        assert_eq!(
            (progress.percent(), progress.rate(at(5)), progress.left(at(5))),
            (50, 10 * MB, Some(Duration::from_secs(5)))
        );
        assert_eq!((progress.network_rate(at(5)), progress.arrived.retries), (4 * MB, 1));
    }

    #[test]
    fn silence_has_no_rate_and_no_end() {
        let mut progress = StepProgress::begin(Step::Write, at(0), 0, 100 * MB);
        progress.advance(at(1), 10 * MB, 100 * MB, Arrived::default());
        assert_eq!((progress.rate(at(20)), progress.left(at(20))), (0, None));
    }

    #[test]
    fn nearly_done_is_not_a_hundred_percent() {
        assert_eq!(StepProgress::begin(Step::Verify, at(0), 999_999, 1_000_000).percent(), 99);
    }

    #[test]
    fn figures_from_the_network_cannot_divide_by_zero_or_overflow() {
        let mut progress = StepProgress::begin(Step::Write, at(0), 0, 0);
        progress.advance(at(1), u64::MAX, 5, Arrived { bytes: u64::MAX, retries: u32::MAX });
        assert_eq!((progress.percent(), progress.total), (100, u64::MAX));
    }
}
