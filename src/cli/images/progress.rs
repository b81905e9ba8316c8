//! A progress line that is overwritten; nothing if standard error is no terminal.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use crate::cli::print;
use crate::domain::machine::disk::in_bytes;
use crate::domain::time::in_words;

pub(super) struct ProgressLine {
    doing: String,
    is_watched: bool,
    began: Instant,
    first: Option<u64>,
    shown: Option<Instant>,
}

impl ProgressLine {
    pub(super) fn new(doing: &str) -> Self {
        let doing = print::clean(doing);
        Self { doing, is_watched: stderr().is_terminal(), began: Instant::now(), first: None, shown: None }
    }

    /// Says always that it is to go on.
    pub(super) fn show(&mut self, done: u64, total: u64) -> bool {
        // What was there before does not count for the rate.
        let first = *self.first.get_or_insert(done);
        if self.is_watched && self.shown.is_none_or(|shown| shown.elapsed() >= EVERY) {
            self.shown = Some(Instant::now());
            let millis = self.began.elapsed().as_millis().max(1);
            let rate = u64::try_from(u128::from(done - first.min(done)) * 1000 / millis).unwrap_or(u64::MAX);
            let left = total.saturating_sub(done).checked_div(rate).map(Duration::from_secs);
            let left = left.map(|left| format!(", {} left", in_words(left))).unwrap_or_default();
            let of = if total > 0 { format!(" of {}", in_bytes(total)) } else { String::new() };
            print::note(&format!("\r\x1b[K{}: {}{of}, {}/s{left}", self.doing, in_bytes(done), in_bytes(rate)));
        }
        true
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.shown.is_some() {
            print::note("\r\x1b[K");
        }
    }
}

const EVERY: Duration = Duration::from_millis(500);
