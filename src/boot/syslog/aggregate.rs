//! Lines that came in by syslog and are told together a few times a second, as many of each machine as is fit.

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
    /// Lines of those for whom there was no room, since that was last asked.
    unheard: u64,
}

#[derive(Debug, Default)]
struct Sender {
    due: Due,
    lines: Vec<SyslogLine>,
    /// Lines that were left out since that was last said.
    left_out: u64,
    /// Connections that were not taken since that was last said.
    turned_away: u64,
    /// When that may be said again: a crowd of connections is no crowd of lines.
    said: Due,
}

impl Aggregate {
    /// Takes in a message, unless its sender has sent too many.
    pub fn take(&mut self, now: Timestamp, from: Ipv4Addr, message: &[u8]) {
        let Some(said) = read(message, now) else { return };
        let Some(sender) = self.sender(now, from) else {
            self.unheard += 1;
            return;
        };
        match sender.due.next(now, EACH) {
            Some(due) => {
                sender.due = due;
                sender.lines.push(said);
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

    /// How many lines came of machines that could not be told apart any more, since that was last asked.
    pub fn unheard(&mut self) -> u64 {
        std::mem::take(&mut self.unheard)
    }

    fn sender(&mut self, now: Timestamp, from: Ipv4Addr) -> Option<&mut Sender> {
        let has_room = self.senders.contains_key(&from) || self.has_room(now);
        has_room.then(|| self.senders.entry(from).or_default())
    }

    /// Whether one more sender can be told apart. Not looked into more than once a second: senders can be made up.
    fn has_room(&mut self, now: Timestamp) -> bool {
        if self.senders.len() >= MOST && now.since(self.swept) >= SWEPT_EVERY {
            self.swept = now;
            self.senders.retain(|_, sender| !sender.is_idle(now));
        }
        self.senders.len() < MOST
    }

    /// What is to be told of each machine now, with how much was left out once it is over.
    pub fn told(&mut self, now: Timestamp) -> Vec<(Ipv4Addr, Vec<SyslogLine>)> {
        let mut told = Vec::new();
        for (address, sender) in &mut self.senders {
            let mut lines = std::mem::take(&mut sender.lines);
            lines.extend(sender.shortfall(now));
            if !lines.is_empty() {
                told.push((*address, lines));
            }
        }
        told
    }
}

impl Sender {
    fn is_idle(&self, now: Timestamp) -> bool {
        self.lines.is_empty() && self.left_out == 0 && self.turned_away == 0 && self.due.is_past(now)
    }

    /// What was not heard of it, in words.
    fn shortfall(&mut self, now: Timestamp) -> Vec<SyslogLine> {
        let mut said = Vec::new();
        if self.left_out > 0 && self.due.next(now, EACH).is_some() {
            let lines = std::mem::take(&mut self.left_out);
            said.push(format!("{lines} syslog lines were dropped: it sent more than {} a second", EACH.rate));
        }
        if self.turned_away > 0
            && let Some(again) = self.said.next(now, SAID)
        {
            self.said = again;
            let connections = std::mem::take(&mut self.turned_away);
            said.push(format!("{connections} syslog connections were refused: too many were open"));
        }
        let warning = |text| SyslogLine { level: Level::Warning, text, by_its_clock: None };
        said.into_iter().map(warning).collect()
    }
}

/// What one machine may send: a kernel that starts says a thousand lines at once.
const EACH: RateLimit = RateLimit { rate: 500, burst: 2000 };
/// How often it is said that connections were not taken.
const SAID: RateLimit = RateLimit { rate: 1, burst: 1 };
/// Machines that are told apart.
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
        let told = gathered.told(at(0));
        assert_eq!((told[0].0, told[0].1.len()), (LOUD, 2000));
        assert_eq!((told[1].0, told[1].1[0].text.as_str()), (QUIET, "hello"), "nobody else suffers");
        let told = gathered.told(at(1000));
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].1[0].text, "8000 syslog lines were dropped: it sent more than 500 a second");
        assert!(gathered.told(at(2000)).is_empty(), "said once");
    }

    #[test]
    fn connections_that_were_not_taken_are_counted_in_the_log_of_whose_they_were() {
        let mut gathered = Aggregate::default();
        (0..5).for_each(|_| gathered.turned_away(at(0), LOUD));
        let told = gathered.told(at(0));
        assert_eq!((told.len(), told[0].0, told[0].1.len()), (1, LOUD, 1));
        let text = "5 syslog connections were refused: too many were open";
        assert_eq!((told[0].1[0].level, told[0].1[0].text.as_str()), (Level::Warning, text));
        gathered.turned_away(at(500), LOUD);
        assert!(gathered.told(at(500)).is_empty(), "not all the time");
        assert_eq!(gathered.told(at(1000))[0].1[0].text, text.replace('5', "1"));
        assert!(gathered.told(at(2000)).is_empty(), "said once");
    }

    #[test]
    fn memory_is_bounded_however_many_senders_are_made_up() {
        let mut gathered = Aggregate::default();
        for number in 0..3 * MOST as u32 {
            gathered.take(at(0), Ipv4Addr::from(number), b"<13>hello");
        }
        assert_eq!(gathered.told(at(0)).len(), MOST);
        assert_eq!((gathered.unheard(), gathered.unheard()), (2 * MOST as u64, 0), "what is not heard is counted");
        gathered.take(at(60_000), LOUD, b"<13>hello");
        assert_eq!(gathered.told(at(60_000)).len(), 1, "those that are quiet make room");
    }
}
