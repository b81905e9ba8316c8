//! When each of many clients began and ended, by its own clock, and what that makes for all of them together.
//!
//! A clock in another thread than the clients' proves nothing: on a busy machine that thread may not run until the
//! clients are nearly done.

use std::time::{Duration, Instant};

/// From a client's first request to the last byte it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub first: Instant,
    pub last: Instant,
}

impl Span {
    /// From the first start to the last end of all. None without a client.
    pub fn of_all(spans: impl IntoIterator<Item = Self>) -> Option<Self> {
        spans.into_iter().reduce(|all, one| Self { first: all.first.min(one.first), last: all.last.max(one.last) })
    }

    pub fn duration(self) -> Duration {
        self.last.duration_since(self.first)
    }

    /// Millions of bytes a second.
    pub fn megabytes_per_second(self, bytes: usize) -> f64 {
        bytes as f64 / 1e6 / self.duration().as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(millis: &[(u64, u64)]) -> Vec<Span> {
        let zero = Instant::now();
        let at = |millis| zero + Duration::from_millis(millis);
        millis.iter().map(|&(first, last)| Span { first: at(first), last: at(last) }).collect()
    }

    #[test]
    fn all_clients_take_from_the_first_start_to_the_last_end() {
        let all = Span::of_all(spans(&[(20, 60), (0, 50), (30, 100), (40, 45)])).expect("four clients");
        assert_eq!(all.duration(), Duration::from_millis(100));
        assert!((all.megabytes_per_second(4_000_000) - 40.0).abs() < 1e-9);
        assert_eq!(Span::of_all(spans(&[])), None);
    }

    #[test]
    fn clients_that_take_turns_are_not_counted_as_if_they_were_at_work_together() {
        let one_after_the_other = Span::of_all(spans(&[(0, 10), (10, 20), (20, 30)])).expect("three clients");
        let together = Span::of_all(spans(&[(0, 10), (0, 10), (0, 10)])).expect("three clients");
        assert!((one_after_the_other.megabytes_per_second(3_000_000) - 100.0).abs() < 1e-9);
        assert!((together.megabytes_per_second(3_000_000) - 300.0).abs() < 1e-9);
    }

    #[test]
    fn one_clients_span_is_all_there_is_of_it() {
        let one = spans(&[(5, 8)]);
        assert_eq!(Span::of_all(one.clone()), Some(one[0]));
    }
}
