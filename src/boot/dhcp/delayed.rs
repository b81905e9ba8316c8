//! Answers that are not to be sent yet: there is firmware that locks up when DHCP answers at once (firmware#934).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::boot::dhcp::DhcpReply;
use crate::domain::ids::MacAddr;
use crate::domain::time::Timestamp;

/// What waits, by the port it goes out of and the machine it is for. A machine that asks again is answered its latest
/// question, and not later than its first would have been.
#[derive(Debug, Default)]
pub struct DelayedReplies {
    waiting: BTreeMap<(u16, Option<MacAddr>), (Timestamp, DhcpReply)>,
}

impl DelayedReplies {
    /// Takes in an answer of `port` that is to wait. Gives it back if it need not, or with too much waiting already.
    pub fn hold(&mut self, now: Timestamp, port: u16, mac: Option<MacAddr>, answer: DhcpReply) -> Option<DhcpReply> {
        let before = self.waiting.get(&(port, mac)).map(|(due, _)| *due);
        if answer.delay.is_zero() || (before.is_none() && self.waiting.len() >= MOST) {
            return Some(answer);
        }
        let due = now.after(answer.delay);
        let due = before.map_or(due, |before| before.min(due));
        self.waiting.insert((port, mac), (due, DhcpReply { delay: Duration::ZERO, ..answer }));
        None
    }

    /// The answers that have waited long enough, with their ports.
    pub fn due(&mut self, now: Timestamp) -> Vec<(u16, Option<MacAddr>, DhcpReply)> {
        let due: Vec<_> = self.waiting.iter().filter(|(_, (due, _))| *due <= now).map(|(key, _)| *key).collect();
        let due = due.into_iter().filter_map(|key| self.waiting.remove_entry(&key));
        due.map(|((port, mac), (_, answer))| (port, mac, answer)).collect()
    }

    /// For how long nothing is due. None when nothing waits.
    pub fn rest(&self, now: Timestamp) -> Option<Duration> {
        self.waiting.values().map(|(due, _)| due.since(now)).min()
    }
}

/// More slow machines than are switched on in the same seconds.
const MOST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::dhcp::Destination;

    const START: Timestamp = Timestamp::from_millis(1_000_000);

    fn answer(text: &str, delay: u64) -> DhcpReply {
        DhcpReply {
            message: text.into(),
            from: [10, 77, 0, 1].into(),
            to: Destination::Broadcast,
            event: None,
            lacks: None,
            lease: None,
            doubtful: None,
            delay: Duration::from_millis(delay),
        }
    }

    fn ms(millis: u64) -> Timestamp {
        START.after(Duration::from_millis(millis))
    }

    fn mac(last: u16) -> Option<MacAddr> {
        let [high, low] = last.to_be_bytes();
        MacAddr::new([0x52, 0x54, 0, 0, high, low]).ok()
    }

    #[test]
    fn an_answer_waits_for_as_long_as_it_says() {
        let mut later = DelayedReplies::default();
        assert_eq!(later.hold(ms(0), 67, mac(1), answer("now", 0)), Some(answer("now", 0)));
        assert_eq!(later.hold(ms(0), 67, mac(1), answer("later", 2000)), None);
        assert_eq!((later.rest(ms(500)), later.due(ms(1999))), (Some(Duration::from_millis(1500)), Vec::new()));
        assert_eq!(later.due(ms(2000)), [(67, mac(1), answer("later", 0))], "which is sent at once when it is due");
        assert_eq!(later.rest(ms(2000)), None);
    }

    #[test]
    fn who_asks_again_is_answered_the_latest_and_no_later() {
        let mut later = DelayedReplies::default();
        later.hold(ms(0), 67, mac(1), answer("first", 2000));
        later.hold(ms(1500), 67, mac(1), answer("second", 2000));
        later.hold(ms(1500), 4011, mac(1), answer("elsewhere", 2000));
        assert_eq!(later.due(ms(2000)), [(67, mac(1), answer("second", 0))]);
        assert_eq!(later.due(ms(3500)).len(), 1);
    }

    #[test]
    fn with_too_many_waiting_the_next_is_answered_at_once() {
        let mut later = DelayedReplies::default();
        let held = (0..1000).filter(|number| later.hold(ms(0), 67, mac(*number), answer("", 9)).is_none()).count();
        assert_eq!((held, later.due(ms(9)).len()), (MOST, MOST));
    }
}
