//! Tells how far a step is: the station twice a second, the machine's own screen every five seconds.

use std::time::{Duration, Instant};

use super::arrival::Arrival;
use super::journal::Journal;
use super::mailbox::Mailbox;
use crate::domain::disk::in_bytes;
use crate::domain::report::Step;
use crate::domain::time::in_words;
use crate::protocol::Moved;

/// Counts the bytes of one step.
pub(super) struct Meter<'a> {
    journal: &'a Journal<'a>,
    mailbox: &'a Mailbox,
    /// The step's short word on the screen.
    word: &'static str,
    step: Step,
    total: u64,
    /// What comes over the network for it, if anything.
    arrival: Option<&'a Arrival>,
    began: Instant,
    told: Instant,
    shown: Shown,
}

/// What the machine's own screen said last.
struct Shown {
    at: Instant,
    done: u64,
    arrived: u64,
}

impl<'a> Meter<'a> {
    pub(super) fn start(
        journal: &'a Journal<'a>,
        mailbox: &'a Mailbox,
        word: &'static str,
        step: Step,
        total: u64,
        arrival: Option<&'a Arrival>,
    ) -> Self {
        let now = Instant::now();
        let shown = Shown { at: now, done: 0, arrived: 0 };
        let meter = Self { journal, mailbox, word, step, total, arrival, began: now, told: now, shown };
        meter.tell(0);
        meter
    }

    /// `done` bytes of the step are behind us.
    pub(super) fn moved(&mut self, done: u64) {
        if self.told.elapsed() >= TELL || done == self.total {
            self.told = Instant::now();
            self.tell(done);
        }
        if self.shown.at.elapsed() >= SHOW {
            self.show(done);
        }
    }

    fn tell(&self, done: u64) {
        let (arrived, retries) = self.arrival.map_or((0, 0), |arrival| (arrival.bytes(), arrival.retries()));
        self.mailbox.moved(Moved { step: self.step, done, total: self.total, arrived, retries });
    }

    /// `62 %, 6.2 GB of 10.0 GB, disk 118.2 MB/s, network 41.0 MB/s, 32s left`, the rates since the last such line.
    fn show(&mut self, done: u64) {
        let arrived = self.arrival.map_or(0, Arrival::bytes);
        let passed = self.shown.at.elapsed();
        let percent = u128::from(done) * 100 / u128::from(self.total.max(1));
        let moved = done.saturating_sub(self.shown.done);
        let mut line = format!("{percent:>3} %, {} of {}", in_bytes(done), in_bytes(self.total));
        line += &format!(", disk {}", per_second(moved, passed));
        if let Some(arrival) = self.arrival {
            line += &format!(", network {}", per_second(arrived.saturating_sub(self.shown.arrived), passed));
            if arrival.retries() > 0 {
                line += &format!(", retries {}", arrival.retries());
            }
        }
        let left = u128::from(self.total.saturating_sub(done)) * passed.as_millis() / u128::from(moved.max(1));
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(u64::MAX));
        if moved > 0 {
            line += &format!(", {} left", in_words(left));
        }
        self.journal.console(self.word, &line);
        self.shown = Shown { at: Instant::now(), done, arrived };
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

/// A rate in words, as `118.2 MB/s`.
pub(super) fn per_second(bytes: u64, time: Duration) -> String {
    let millis = time.as_millis().max(1);
    let rate = u128::from(bytes) * 1000 / millis;
    format!("{}/s", in_bytes(u64::try_from(rate).unwrap_or(u64::MAX)))
}

const TELL: Duration = Duration::from_millis(500);
const SHOW: Duration = Duration::from_secs(5);
