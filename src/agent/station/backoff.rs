//! Time limits, and pauses between retries.

use std::thread;
use std::time::{Duration, Instant};

use crate::agent::machine::Machine;

/// Time limits and retry pauses. Tests and simulations shorten them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// For a connection to the station.
    pub connect: Duration,
    /// For the next bytes on a connection.
    pub read: Duration,
    /// For a whole small request and its response.
    pub question: Duration,
    /// The longest pause between two attempts to say hello or to resume a download.
    pub retry: Duration,
    /// A download that has brought no new byte, or next to nothing, for this long has failed.
    pub stalled: Duration,
    /// For the answer of a disk. The kernel itself tries for up to three minutes before it gives a disk up.
    pub disk: Duration,
    /// For a step in which nothing moves.
    pub step: Duration,
    /// The longest pause between two attempts to hand over reports.
    pub report: Duration,
    /// Between two requests for the station's order.
    pub order: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(10),
            question: Duration::from_secs(10),
            retry: Duration::from_secs(5),
            stalled: Duration::from_secs(120),
            disk: Duration::from_secs(240),
            step: Duration::from_secs(600),
            report: Duration::from_secs(2),
            order: Duration::from_secs(3),
        }
    }
}

/// Pauses that double from [`FIRST_PAUSE`] up to a longest one.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    pub fn up_to(longest: Duration) -> Self {
        Self { next: FIRST_PAUSE.min(longest), longest }
    }

    /// How long to pause this time.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        pause
    }

    /// The other side has answered: the next pause is a short one.
    pub fn reset(&mut self) {
        *self = Self::up_to(self.longest);
    }
}

/// Limits repeated log lines: logs a lasting problem when it changes, and every [`REPEAT`].
#[derive(Clone, Debug, Default)]
pub struct RepeatFilter {
    last: Option<(String, Instant)>,
}

impl RepeatFilter {
    pub fn is_due(&mut self, reason: &str) -> bool {
        let fresh = self.last.as_ref().is_none_or(|(last, at)| last != reason || at.elapsed() >= REPEAT);
        if fresh {
            self.last = Some((reason.to_owned(), Instant::now()));
        }
        fresh
    }

    /// Clears the last reason; returns whether there was one.
    pub fn clear(&mut self) -> bool {
        self.last.take().is_some()
    }
}

/// Sleeps for `time`, or less if the machine is switched off. Returns whether it is still on.
pub fn pause(machine: &dyn Machine, time: Duration) -> bool {
    let until = Instant::now() + time;
    while machine.is_on() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        thread::sleep(left.min(GLANCE));
    }
    false
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const REPEAT: Duration = Duration::from_secs(30);
/// How often a pause checks that the machine is still on.
const GLANCE: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut backoff = Backoff::up_to(Duration::from_millis(500));
        let pauses: Vec<_> = (0..5).map(|_| backoff.pause().as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 500, 500]);
        backoff.reset();
        assert_eq!(backoff.pause().as_millis(), 100);
    }

    #[test]
    fn a_trouble_is_said_once_until_it_changes() {
        let mut repeats = RepeatFilter::default();
        assert_eq!(["a", "a", "b", "b", "a"].map(|reason| repeats.is_due(reason)), [true, false, true, false, true]);
    }
}
