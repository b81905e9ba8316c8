//! Reporting a thing once. A machine that gets no answer asks again every few seconds, and would fill the log.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::time::Timestamp;

/// What was reported recently.
#[derive(Clone, Debug)]
pub struct Once<T> {
    lately: BTreeMap<T, Timestamp>,
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self { lately: BTreeMap::new() }
    }
}

impl<T: Ord> Once<T> {
    /// Whether to report `thing`: not within [`PAUSE`] of the last time.
    ///
    /// In a flood of different things, such as from random addresses, those beyond [`MOST`] are not reported.
    pub fn is_news(&mut self, now: Timestamp, thing: T) -> bool {
        self.lately.retain(|_, said| *said <= now && now.since(*said) < PAUSE);
        if self.lately.len() >= MOST || self.lately.contains_key(&thing) {
            return false;
        }
        self.lately.insert(thing, now);
        true
    }
}

const PAUSE: Duration = Duration::from_secs(10);
const MOST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn the_same_is_said_again_after_ten_seconds() {
        let mut told = Once::default();
        assert_eq!([0, 1, 9, 10, 11].map(|second| told.is_news(at(second), "pool")), [true, false, false, true, false]);
        assert!(told.is_news(at(11), "relay"));
    }

    #[test]
    fn a_flood_of_different_things_is_cut_short() {
        let mut told = Once::default();
        assert_eq!((0..10_000).filter(|thing| told.is_news(at(0), *thing)).count(), MOST);
        assert!(told.is_news(at(10), 0));
    }

    #[test]
    fn a_clock_set_back_silences_nothing() {
        let mut told = Once::default();
        assert!(told.is_news(at(1000), "pool"));
        assert!(told.is_news(at(1), "pool"));
    }
}
