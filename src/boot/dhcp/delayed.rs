//! Replies that must not be sent yet: some firmware locks up when DHCP answers at once (firmware#934).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::boot::dhcp::DhcpReply;
use crate::domain::ids::MacAddr;
use crate::domain::machine::sighting::DhcpPort;
use crate::domain::time::Timestamp;

/// Waiting replies, by port and machine. A machine that repeats its request gets the answer to the latest one, and no
/// later than the first would have come.
#[derive(Debug, Default)]
pub struct DelayedReplies {
    waiting: BTreeMap<(bool, Option<MacAddr>), DelayedReply>,
}

#[derive(Debug)]
struct DelayedReply {
    due: Timestamp,
    port: DhcpPort,
    reply: Box<DhcpReply>,
}

impl DelayedReplies {
    /// Takes a reply that has a delay. Returns it if it has none, or if too many are waiting.
    pub fn delay(
        &mut self,
        now: Timestamp,
        port: DhcpPort,
        mac: Option<MacAddr>,
        mut reply: Box<DhcpReply>,
    ) -> Option<Box<DhcpReply>> {
        if reply.delay.is_zero() {
            return Some(reply);
        }
        let key = (port == DhcpPort::BootServer, mac);
        let before = self.waiting.get(&key).map(|earlier| earlier.due);
        if before.is_none() && self.waiting.len() >= MOST {
            return Some(reply);
        }
        let due = now.after(std::mem::take(&mut reply.delay));
        let due = before.map_or(due, |before| before.min(due));
        self.waiting.insert(key, DelayedReply { due, port, reply });
        None
    }

    /// The replies that have waited long enough.
    pub fn due(&mut self, now: Timestamp) -> Vec<(DhcpPort, Option<MacAddr>, Box<DhcpReply>)> {
        let due: Vec<_> = self.waiting.iter().filter(|(_, reply)| reply.due <= now).map(|(key, _)| *key).collect();
        let due = due.into_iter().filter_map(|key| self.waiting.remove_entry(&key));
        due.map(|((_, mac), DelayedReply { port, reply, .. })| (port, mac, reply)).collect()
    }

    /// How long until a reply is due. None when none is waiting.
    pub fn next_timeout(&self, now: Timestamp) -> Option<Duration> {
        self.waiting.values().map(|reply| reply.due.since(now)).min()
    }
}

/// More slow machines than are switched on in the same seconds.
const MOST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::dhcp::Destination;

    const START: Timestamp = Timestamp::from_millis(1_000_000);

    fn reply(text: &str, delay: u64) -> Box<DhcpReply> {
        Box::new(DhcpReply {
            message: text.into(),
            from: [10, 77, 0, 1].into(),
            to: Destination::Broadcast,
            event: None,
            lacks: None,
            lease: None,
            doubtful: None,
            delay: Duration::from_millis(delay),
        })
    }

    fn ms(millis: u64) -> Timestamp {
        START.after(Duration::from_millis(millis))
    }

    fn mac(last: u16) -> Option<MacAddr> {
        let [high, low] = last.to_be_bytes();
        MacAddr::new([0x52, 0x54, 0, 0, high, low]).ok()
    }

    #[test]
    fn a_reply_waits_for_its_delay() {
        let mut delayed = DelayedReplies::default();
        assert_eq!(delayed.delay(ms(0), DhcpPort::Dhcp, mac(1), reply("now", 0)), Some(reply("now", 0)));
        assert_eq!(delayed.delay(ms(0), DhcpPort::Dhcp, mac(1), reply("later", 2000)), None);
        assert_eq!((delayed.next_timeout(ms(500)), delayed.due(ms(1999))), (Some(Duration::from_millis(1500)), vec![]));
        assert_eq!(
            delayed.due(ms(2000)),
            [(DhcpPort::Dhcp, mac(1), reply("later", 0))],
            "which is sent at once when it is due"
        );
        assert_eq!(delayed.next_timeout(ms(2000)), None);
    }

    #[test]
    fn a_repeated_request_gets_the_latest_reply_and_no_later() {
        let mut delayed = DelayedReplies::default();
        delayed.delay(ms(0), DhcpPort::Dhcp, mac(1), reply("first", 2000));
        delayed.delay(ms(1500), DhcpPort::Dhcp, mac(1), reply("second", 2000));
        delayed.delay(ms(1500), DhcpPort::BootServer, mac(1), reply("elsewhere", 2000));
        assert_eq!(delayed.due(ms(2000)), [(DhcpPort::Dhcp, mac(1), reply("second", 0))]);
        assert_eq!(delayed.due(ms(3500)), [(DhcpPort::BootServer, mac(1), reply("elsewhere", 0))]);
    }

    #[test]
    fn with_too_many_waiting_the_next_is_answered_at_once() {
        let mut delayed = DelayedReplies::default();
        let is_delayed = |number: &u16| delayed.delay(ms(0), DhcpPort::Dhcp, mac(*number), reply("", 9)).is_none();
        let count = (0..1000).filter(is_delayed).count();
        assert_eq!((count, delayed.due(ms(9)).len()), (MOST, MOST));
    }
}
