//! Tells how far a step is: the station twice a second, the machine's own screen every five seconds.

use std::time::{Duration, Instant};

use super::journal::Journal;
use super::mailbox::Mailbox;
use crate::domain::disk::in_bytes;
use crate::domain::report::Step;
use crate::protocol::Moved;

/// Counts the bytes of one step.
pub(super) struct Meter<'a> {
    journal: &'a Journal<'a>,
    mailbox: &'a Mailbox,
    /// The step's short word on the screen.
    word: &'static str,
    step: Step,
    total: u64,
    began: Instant,
    told: Instant,
    shown: Instant,
}

impl<'a> Meter<'a> {
    pub(super) fn start(
        journal: &'a Journal<'a>,
        mailbox: &'a Mailbox,
        word: &'static str,
        step: Step,
        total: u64,
    ) -> Self {
        mailbox.moved(Moved { step, done: 0, total });
        let now = Instant::now();
        Self { journal, mailbox, word, step, total, began: now, told: now, shown: now }
    }

    /// `done` bytes of the step are behind us.
    pub(super) fn moved(&mut self, done: u64) {
        let Self { step, total, .. } = *self;
        if self.told.elapsed() >= TELL || done == total {
            self.told = Instant::now();
            self.mailbox.moved(Moved { step, done, total });
        }
        if self.shown.elapsed() >= SHOW {
            self.shown = Instant::now();
            let percent = u128::from(done) * 100 / u128::from(total.max(1));
            let rate = per_second(done, self.elapsed());
            let line = format!("{percent:>3} %, {} of {}, {rate}", in_bytes(done), in_bytes(total));
            self.journal.console(self.word, &line);
        }
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
