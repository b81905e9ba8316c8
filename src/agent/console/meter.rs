//! Reports the progress of a step: to the station and the panel twice a second, in log lines only now and then, since
//! serial consoles keep those.

use std::time::{Duration, Instant};

use super::journal::Journal;
use super::panel::Now;
use crate::agent::image::arrival::Arrival;
use crate::agent::station::outbox::Outbox;
use crate::domain::machine::disk::in_bytes;
use crate::domain::machine::report::Step;
use crate::domain::time::in_words;
use crate::protocol::Moved;

/// Counts the bytes of one step.
pub(crate) struct StepMeter<'a> {
    journal: &'a Journal<'a>,
    outbox: &'a Outbox,
    /// The step's short word on the screen.
    word: &'static str,
    step: Step,
    total: u64,
    /// What comes over the network for it, if anything.
    arrival: Option<&'a Arrival>,
    began: Instant,
    reported: Instant,
    shown: LastShown,
}

/// What the machine's own screen said last.
struct LastShown {
    at: Instant,
    done: u64,
    arrived: u64,
}

impl<'a> StepMeter<'a> {
    pub(crate) fn start(
        journal: &'a Journal<'a>,
        outbox: &'a Outbox,
        word: &'static str,
        step: Step,
        total: u64,
        arrival: Option<&'a Arrival>,
    ) -> Self {
        let now = Instant::now();
        let shown = LastShown { at: now, done: 0, arrived: 0 };
        let meter = Self { journal, outbox, word, step, total, arrival, began: now, reported: now, shown };
        meter.report(0);
        meter
    }

    /// `done` bytes of the step are behind us.
    pub(crate) fn moved(&mut self, done: u64) {
        if self.reported.elapsed() >= REPORT_INTERVAL || done == self.total {
            self.reported = Instant::now();
            self.report(done);
            let (percent, figures) = (self.percent(done), self.figures(done));
            self.journal.show(|panel| {
                if let Now::Working { step, moved, .. } = &mut panel.now
                    && *step == self.step
                {
                    *moved = Some((percent, figures));
                }
            });
        }
        // A line for each tenth, or to show that it still moves.
        let (passed, tenth) = (self.shown.at.elapsed(), self.percent(done) / 10 > self.percent(self.shown.done) / 10);
        if passed >= LINE_INTERVAL || (tenth && passed >= SHORTEST_INTERVAL) {
            self.journal.console(self.word, &self.figures(done));
            self.shown = LastShown { at: Instant::now(), done, arrived: self.arrival.map_or(0, Arrival::bytes) };
        }
    }

    fn report(&self, done: u64) {
        let (arrived, retries) = self.arrival.map_or((0, 0), |arrival| (arrival.bytes(), arrival.retries()));
        self.outbox.moved(Moved { step: self.step, done, total: self.total, arrived, retries });
    }

    fn percent(&self, done: u64) -> u8 {
        u8::try_from(u128::from(done) * 100 / u128::from(self.total.max(1))).unwrap_or(100)
    }

    /// `62 %, 6.2 GB of 10.0 GB, disk 118.2 MB/s, network 41.0 MB/s, 32s left`, the rates since the last such line.
    fn figures(&self, done: u64) -> String {
        let passed = self.shown.at.elapsed();
        let moved = done.saturating_sub(self.shown.done);
        let mut line = format!("{:>3} %, {} of {}", self.percent(done), in_bytes(done), in_bytes(self.total));
        line += &format!(", disk {}", per_second(moved, passed));
        if let Some(arrival) = self.arrival {
            line += &format!(", network {}", per_second(arrival.bytes().saturating_sub(self.shown.arrived), passed));
            if arrival.retries() > 0 {
                line += &format!(", retries {}", arrival.retries());
            }
        }
        let left = u128::from(self.total.saturating_sub(done)) * passed.as_millis() / u128::from(moved.max(1));
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(u64::MAX));
        if moved > 0 {
            line += &format!(", {} left", in_words(left));
        }
        line
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

/// A rate, such as `118.2 MB/s`.
pub(crate) fn per_second(bytes: u64, time: Duration) -> String {
    let millis = time.as_millis().max(1);
    let rate = u128::from(bytes) * 1000 / millis;
    format!("{}/s", in_bytes(u64::try_from(rate).unwrap_or(u64::MAX)))
}

const REPORT_INTERVAL: Duration = Duration::from_millis(500);
/// A line at least this often, while anything moves.
const LINE_INTERVAL: Duration = Duration::from_secs(30);
/// And no two of them closer together.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(5);
