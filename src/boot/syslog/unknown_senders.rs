//! What machines say by syslog that are no node (yet): kept apart, in the station's own log, and little of it. A line becomes
//! a node's only once a lease or a token has said who has its address.

use std::net::Ipv4Addr;

use crate::boot::limit::rate::{Due, RateLimit};
use crate::domain::event::SyslogLine;
use crate::domain::logline::Level;
use crate::domain::text::clean;
use crate::domain::time::Timestamp;

/// How much of it has been kept, and how much was not.
#[derive(Debug, Default)]
pub struct UnknownSenders {
    due: Due,
    /// Lines dropped since the last report.
    left_out: u64,
}

impl UnknownSenders {
    /// Of what one of them has said since the last time, the sentences to keep.
    pub fn heard(&mut self, now: Timestamp, address: Ipv4Addr, lines: &[SyslogLine]) -> Vec<SyslogLine> {
        let mut kept = Vec::new();
        for (number, line) in lines.iter().enumerate() {
            match self.due.next(now, ALL).filter(|_| number < EACH) {
                Some(due) => {
                    self.due = due;
                    let text = format!("{address}, not a known node: {}", clean(&line.text, LINE));
                    kept.push(SyslogLine { level: line.level, text, by_its_clock: None });
                }
                None => self.left_out += 1,
            }
        }
        kept
    }

    /// Lines from senders without a slot.
    pub fn unheard(&mut self, lines: u64) {
        self.left_out += lines;
    }

    /// How much was left out, once there is time to say so.
    pub fn missing(&mut self, now: Timestamp) -> Option<SyslogLine> {
        if self.left_out == 0 || !self.due.is_past(now) {
            return None;
        }
        let lines = std::mem::take(&mut self.left_out);
        let text = format!("{lines} lines from unknown machines were dropped: too many at once");
        Some(SyslogLine { level: Level::Warning, text, by_its_clock: None })
    }
}

/// Lines of one unknown machine each time.
const EACH: usize = 10;
/// Lines of all unknown machines: there may be as many of them as somebody makes up.
const ALL: RateLimit = RateLimit { rate: 20, burst: 100 };
const LINE: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_777_802_400_000 + millis)
    }

    fn line(text: &str) -> SyslogLine {
        SyslogLine { level: Level::Error, text: text.into(), by_its_clock: None }
    }

    #[test]
    fn what_a_stranger_says_is_kept_with_where_it_came_from_on_one_line() {
        let address = Ipv4Addr::new(10, 77, 0, 99);
        let kept =
            UnknownSenders::default().heard(at(0), address, &[line("a\n10.77.0.100, not a known node: b\u{1b}[2J")]);
        let text = "10.77.0.99, not a known node: a 10.77.0.100, not a known node: b·[2J";
        assert_eq!(kept, [line(text)]);
    }

    #[test]
    fn however_many_strangers_are_made_up_little_is_kept_and_the_rest_is_counted() {
        let mut strangers = UnknownSenders::default();
        let lines = vec![line("x"); 50];
        let kept: usize = (0..1000).map(|of| strangers.heard(at(0), Ipv4Addr::from(of), &lines).len()).sum();
        assert_eq!(kept, 100);
        assert_eq!(strangers.missing(at(0)), None, "not while they go on");
        let missing = strangers.missing(at(10_000)).expect("it is said");
        assert!(missing.text.starts_with("49900 lines from unknown machines were dropped"), "{}", missing.text);
        assert_eq!(strangers.missing(at(10_000)), None, "said once");
    }
}
