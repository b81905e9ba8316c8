//! Rate limits by the generic cell rate algorithm (ITU-T I.371, annex A), which stores one timestamp per sender.

use crate::domain::time::Timestamp;

/// How many per second, and how many at once after a pause.
#[derive(Clone, Copy, Debug)]
pub struct RateLimit {
    pub rate: u64,
    pub burst: u64,
}

/// When the next one is due if they arrive evenly, in microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Due(u64);

impl Due {
    /// When the one after this is due. None if this one is too early.
    pub fn next(self, now: Timestamp, pace: RateLimit) -> Option<Self> {
        let now = micros(now);
        let every = 1_000_000 / pace.rate;
        let early = every * pace.burst;
        // Further ahead than any burst leads: the clock was set back.
        let due = if self.0 > now.saturating_add(early) { now } else { self.0.max(now) };
        let next = due.saturating_add(every);
        (next <= now.saturating_add(early)).then_some(Self(next))
    }

    /// Takes one back, as if it had not come.
    pub fn give_back(&mut self, pace: RateLimit) {
        self.0 = self.0.saturating_sub(1_000_000 / pace.rate);
    }

    /// Nothing has come for so long that a whole burst is allowed.
    pub fn is_past(self, now: Timestamp) -> bool {
        self.0 <= micros(now)
    }
}

fn micros(now: Timestamp) -> u64 {
    now.as_millis().saturating_mul(1000)
}
