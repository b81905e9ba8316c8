//! Counts by reason what was dropped or left unanswered, for the screen and for a log line now and then.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::domain::time::Timestamp;

/// How often each thing happened. There are as many entries as there are reasons, never as many as packets.
#[derive(Clone, Debug)]
pub struct Counters<T> {
    counts: BTreeMap<T, u64>,
    /// Those not yet logged, and when something was logged last.
    unsaid: BTreeMap<T, u64>,
    said: Timestamp,
}

impl<T> Default for Counters<T> {
    fn default() -> Self {
        Self { counts: BTreeMap::new(), unsaid: BTreeMap::new(), said: Timestamp::default() }
    }
}

impl<T: Ord + Copy + fmt::Display> Counters<T> {
    pub fn count(&mut self, thing: T) {
        for counts in [&mut self.counts, &mut self.unsaid] {
            let count = counts.entry(thing).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Each with its number, the most frequent first.
    pub fn lines(&self) -> Vec<(String, u64)> {
        let mut lines: Vec<(String, u64)> =
            self.counts.iter().map(|(thing, count)| (thing.to_string(), *count)).collect();
        lines.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        lines
    }

    /// What has happened since the last call, at most once per [`PAUSE`]: `812 times: the pool is empty`.
    pub fn news(&mut self, now: Timestamp) -> Vec<String> {
        let is_early = self.said <= now && now.since(self.said) < PAUSE;
        if self.unsaid.is_empty() || is_early {
            return Vec::new();
        }
        self.said = now;
        std::mem::take(&mut self.unsaid).into_iter().map(|(thing, count)| format!("{count} times: {thing}")).collect()
    }
}

const PAUSE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + seconds * 1000)
    }

    #[test]
    fn what_happens_often_is_said_once_in_ten_seconds_and_counted_for_ever() {
        let mut tally = Counters::default();
        tally.count("early");
        assert_eq!(tally.news(at(0)), ["1 times: early"]);
        for _ in 0..700 {
            tally.count("late");
        }
        tally.count("early");
        assert_eq!(tally.news(at(9)), [""; 0]);
        assert_eq!(tally.news(at(10)), ["1 times: early", "700 times: late"]);
        assert_eq!(tally.news(at(99)), [""; 0], "nothing is new");
        assert_eq!(tally.lines(), [("late".to_owned(), 700), ("early".to_owned(), 2)]);
    }
}
