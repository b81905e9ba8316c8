//! Batches syslog lines a few times a second and limits them per machine.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::read;
use crate::boot::limit::rate::{Due, RateLimit};
use crate::domain::event::SyslogLine;
use crate::domain::logline::Level;
use crate::domain::time::Timestamp;

/// What each machine has sent since the last time.
#[derive(Debug, Default)]
pub struct Aggregate {
    senders: BTreeMap<Ipv4Addr, Sender>,
    /// When those that are quiet were forgotten.
    swept: Timestamp,
    /// Lines from senders without a slot, since the last call.
    unheard: u64,
}

#[derive(Debug, Default)]
struct Sender {
    due: Due,
    lines: Vec<SyslogLine>,
    /// Lines dropped since the last report.
    left_out: u64,
    /// Connections refused since the last report.
    turned_away: u64,
    /// When refused connections may be reported again.
    reported: Due,
}

impl Aggregate {
    /// Takes in a message, unless its sender has sent too many.
    pub fn take(&mut self, now: Timestamp, from: Ipv4Addr, message: &[u8]) {
        let Some(line) = read(message, now) else { return };
        let Some(sender) = self.sender(now, from) else {
            self.unheard += 1;
            return;
        };
        match sender.due.next(now, EACH) {
            Some(due) => {
                sender.due = due;
                sender.lines.push(line);
            }
            None => sender.left_out += 1,
        }
    }

    /// A connection that was not taken: whatever would have come by it is not heard.
    pub fn turned_away(&mut self, now: Timestamp, from: Ipv4Addr) {
        if let Some(sender) = self.sender(now, from) {
            sender.turned_away += 1;
        }
    }

    /// How many lines came from senders without a slot, since the last call.
    pub fn unheard(&mut self) -> u64 {
        std::mem::take(&mut self.unheard)
    }

    fn sender(&mut self, now: Timestamp, from: Ipv4Addr) -> Option<&mut Sender> {
        let has_room = self.senders.contains_key(&from) || self.has_room(now);
        has_room.then(|| self.senders.entry(from).or_default())
    }

    /// Whether there is a slot for one more sender. Checked at most once a second: source addresses can be forged.
    fn has_room(&mut self, now: Timestamp) -> bool {
        if self.senders.len() >= MOST && now.since(self.swept) >= SWEPT_EVERY {
            self.swept = now;
            self.senders.retain(|_, sender| !sender.is_idle(now));
        }
        self.senders.len() < MOST
    }

    /// The lines of each machine to report now, with the number dropped once the flood is over.
    pub fn drain(&mut self, now: Timestamp) -> Vec<(Ipv4Addr, Vec<SyslogLine>)> {
        let mut batches = Vec::new();
        for (address, sender) in &mut self.senders {
            let mut lines = std::mem::take(&mut sender.lines);
            lines.extend(sender.shortfall(now));
            if !lines.is_empty() {
                batches.push((*address, lines));
            }
        }
        batches
    }
}

impl Sender {
    fn is_idle(&self, now: Timestamp) -> bool {
        self.lines.is_empty() && self.left_out == 0 && self.turned_away == 0 && self.due.is_past(now)
    }

    /// What was not heard of it, in words.
    fn shortfall(&mut self, now: Timestamp) -> Vec<SyslogLine> {
        let mut notes = Vec::new();
        if self.left_out > 0 && self.due.next(now, EACH).is_some() {
            let lines = std::mem::take(&mut self.left_out);
            notes.push(format!("{lines} syslog lines were dropped: it sent more than {} a second", EACH.rate));
        }
        if self.turned_away > 0
            && let Some(again) = self.reported.next(now, REPORT_INTERVAL)
        {
            self.reported = again;
            let connections = std::mem::take(&mut self.turned_away);
            notes.push(format!("{connections} syslog connections were refused: too many were open"));
        }
        let warning = |text| SyslogLine { level: Level::Warning, text, by_its_clock: None };
        notes.into_iter().map(warning).collect()
    }
}

/// What one machine may send: a kernel that starts says a thousand lines at once.
const EACH: RateLimit = RateLimit { rate: 500, burst: 2000 };
/// The interval between reports of refused connections.
const REPORT_INTERVAL: RateLimit = RateLimit { rate: 1, burst: 1 };
/// Senders with a slot of their own.
const MOST: usize = 4096;
const SWEPT_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const LOUD: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);
    const QUIET: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 101);

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_777_802_400_000 + millis)
    }

    #[test]
    fn a_machine_that_says_too_much_is_cut_short_and_that_is_said() {
        let mut gathered = Aggregate::default();
        for line in 0..10_000 {
            gathered.take(at(0), LOUD, format!("<13>{line}").as_bytes());
        }
        gathered.take(at(0), QUIET, b"<13>hello");
        let batches = gathered.drain(at(0));
        assert_eq!((batches[0].0, batches[0].1.len()), (LOUD, 2000));
        assert_eq!((batches[1].0, batches[1].1[0].text.as_str()), (QUIET, "hello"), "nobody else suffers");
        let batches = gathered.drain(at(1000));
        assert_eq!(batches.len(), 1);
        assert_eq!(batches[0].1[0].text, "8000 syslog lines were dropped: it sent more than 500 a second");
        assert!(gathered.drain(at(2000)).is_empty(), "said once");
    }

    #[test]
    fn connections_that_were_not_taken_are_counted_in_the_log_of_whose_they_were() {
        let mut gathered = Aggregate::default();
        (0..5).for_each(|_| gathered.turned_away(at(0), LOUD));
        let batches = gathered.drain(at(0));
        assert_eq!((batches.len(), batches[0].0, batches[0].1.len()), (1, LOUD, 1));
        let text = "5 syslog connections were refused: too many were open";
        assert_eq!((batches[0].1[0].level, batches[0].1[0].text.as_str()), (Level::Warning, text));
        gathered.turned_away(at(500), LOUD);
        assert!(gathered.drain(at(500)).is_empty(), "not all the time");
        assert_eq!(gathered.drain(at(1000))[0].1[0].text, text.replace('5', "1"));
        assert!(gathered.drain(at(2000)).is_empty(), "said once");
    }

    #[test]
    fn memory_is_bounded_however_many_senders_are_made_up() {
        let mut gathered = Aggregate::default();
        for number in 0..3 * MOST as u32 {
            gathered.take(at(0), Ipv4Addr::from(number), b"<13>hello");
        }
        assert_eq!(gathered.drain(at(0)).len(), MOST);
        assert_eq!((gathered.unheard(), gathered.unheard()), (2 * MOST as u64, 0), "what is not heard is counted");
        gathered.take(at(60_000), LOUD, b"<13>hello");
        assert_eq!(gathered.drain(at(60_000)).len(), 1, "those that are quiet make room");
    }
}
