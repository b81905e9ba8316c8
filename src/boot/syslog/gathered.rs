//! Lines that came in by syslog and are told together a few times a second, as many of each machine as is fit.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::{Said, read};
use crate::boot::pace::{Due, Pace};
use crate::domain::logline::Level;
use crate::domain::time::Timestamp;

/// What each machine has sent since the last time.
#[derive(Debug, Default)]
pub struct Gathered {
    senders: BTreeMap<Ipv4Addr, Sender>,
    /// When those that are quiet were forgotten.
    swept: Timestamp,
}

#[derive(Debug, Default)]
struct Sender {
    due: Due,
    lines: Vec<Said>,
    /// Lines that were left out since that was last said.
    left_out: u64,
}

impl Gathered {
    /// Takes in a message, unless its sender has sent too many.
    pub fn take(&mut self, now: Timestamp, from: Ipv4Addr, message: &[u8]) {
        let Some(said) = read(message, now) else { return };
        if !self.senders.contains_key(&from) && !self.has_room(now) {
            return;
        }
        let sender = self.senders.entry(from).or_default();
        match sender.due.next(now, EACH) {
            Some(due) => {
                sender.due = due;
                sender.lines.push(said);
            }
            None => sender.left_out += 1,
        }
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
    pub fn told(&mut self, now: Timestamp) -> Vec<(Ipv4Addr, Vec<Said>)> {
        let mut told = Vec::new();
        for (address, sender) in &mut self.senders {
            let mut lines = std::mem::take(&mut sender.lines);
            if sender.left_out > 0 && sender.due.next(now, EACH).is_some() {
                let text = format!(
                    "{} lines of syslog were left out: it sent more than {} a second",
                    std::mem::take(&mut sender.left_out),
                    EACH.rate
                );
                lines.push(Said { level: Level::Warning, text });
            }
            if !lines.is_empty() {
                told.push((*address, lines));
            }
        }
        told
    }
}

impl Sender {
    fn is_idle(&self, now: Timestamp) -> bool {
        self.lines.is_empty() && self.left_out == 0 && self.due.is_past(now)
    }
}

/// What one machine may send: a kernel that starts says a thousand lines at once.
const EACH: Pace = Pace { rate: 500, burst: 2000 };
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
        let mut gathered = Gathered::default();
        for line in 0..10_000 {
            gathered.take(at(0), LOUD, format!("<13>{line}").as_bytes());
        }
        gathered.take(at(0), QUIET, b"<13>hello");
        let told = gathered.told(at(0));
        assert_eq!((told[0].0, told[0].1.len()), (LOUD, 2000));
        assert_eq!((told[1].0, told[1].1[0].text.as_str()), (QUIET, "hello"), "nobody else suffers");
        let told = gathered.told(at(1000));
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].1[0].text, "8000 lines of syslog were left out: it sent more than 500 a second");
        assert!(gathered.told(at(2000)).is_empty(), "said once");
    }

    #[test]
    fn memory_is_bounded_however_many_senders_are_made_up() {
        let mut gathered = Gathered::default();
        for number in 0..3 * MOST as u32 {
            gathered.take(at(0), Ipv4Addr::from(number), b"<13>hello");
        }
        assert_eq!(gathered.told(at(0)).len(), MOST);
        gathered.take(at(60_000), LOUD, b"<13>hello");
        assert_eq!(gathered.told(at(60_000)).len(), 1, "those that are quiet make room");
    }
}
