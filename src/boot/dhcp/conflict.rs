//! Offers that wait until it is sure that nobody uses their address already: a printer with a fixed one, a machine that
//! a station with other leases served.
//!
//! Only an address that its machine has never had waits, and for [`WAIT`]. What objects must be another card; a router
//! that answers for everybody (proxy ARP) is believed for [`BELIEVED`] addresses and no more.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::boot::dhcp::arp::Claim;
use crate::boot::dhcp::leases::Leases;
use crate::boot::dhcp::{DhcpReply, Silence, Verdict};
use crate::domain::ids::MacAddr;
use crate::domain::time::Timestamp;

/// What waits, by the machine it is for.
#[derive(Debug, Default)]
pub struct ConflictProbe {
    waiting: BTreeMap<MacAddr, PendingOffer>,
    objected: BTreeMap<MacAddr, u32>,
}

#[derive(Debug)]
struct PendingOffer {
    address: Ipv4Addr,
    until: Timestamp,
    /// What the machine said, to be answered anew.
    packet: Vec<u8>,
    answer: Box<DhcpReply>,
}

/// Somebody uses the address that was about to be offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    pub mac: MacAddr,
    pub silence: Silence,
    /// What the machine said: it is to be answered anew.
    pub packet: Vec<u8>,
}

impl ConflictProbe {
    /// Takes in an answer to `packet` if its address is doubtful, and gives back the address to ask about. Otherwise,
    /// or with too much waiting already, the answer is to be carried out at once.
    pub fn hold(
        &mut self,
        now: Timestamp,
        mac: Option<MacAddr>,
        packet: &[u8],
        verdict: Verdict,
    ) -> Result<Ipv4Addr, Verdict> {
        let (answer, mac, address) = match (verdict, mac) {
            (Verdict::Reply(answer), Some(mac)) => match answer.doubtful {
                Some(address) => (answer, mac, address),
                None => return Err(Verdict::Reply(answer)),
            },
            (verdict, _) => return Err(verdict),
        };
        let before = self.waiting.get(&mac).filter(|doubt| doubt.address == address).map(|doubt| doubt.until);
        if before.is_none() && self.waiting.len() >= MOST {
            return Err(Verdict::Reply(answer));
        }
        let until = now.after(WAIT).min(before.unwrap_or(now.after(WAIT)));
        self.waiting.insert(mac, PendingOffer { address, until, packet: packet.to_vec(), answer });
        Ok(address)
    }

    /// Takes in what a card says; the address it uses will not be given away for a while.
    pub fn hear(&mut self, now: Timestamp, claim: Claim, leases: &mut Leases) -> Option<InUse> {
        let Claim { address, by } = claim;
        let mac = *self.waiting.iter().find(|(_, doubt)| doubt.address == address)?.0;
        if by == mac || self.objected.get(&by).is_some_and(|times| *times >= BELIEVED) {
            return None;
        }
        if self.objected.len() < MOST || self.objected.contains_key(&by) {
            *self.objected.entry(by).or_default() += 1;
        }
        let doubt = self.waiting.remove(&mac)?;
        leases.decline(now, mac, address).ok()?;
        Some(InUse { mac, silence: Silence::InUse(address, by), packet: doubt.packet })
    }

    /// The answers that have waited long enough: nobody objected.
    pub fn settled(&mut self, now: Timestamp, leases: &mut Leases) -> Vec<(MacAddr, Box<DhcpReply>)> {
        let due: Vec<MacAddr> =
            self.waiting.iter().filter(|(_, doubt)| doubt.until <= now).map(|(mac, _)| *mac).collect();
        let due = due.into_iter().filter_map(|mac| self.waiting.remove_entry(&mac));
        due.map(|(mac, doubt)| {
            leases.vouch(mac, doubt.address);
            (mac, doubt.answer)
        })
        .collect()
    }

    /// For how long nothing is due. None when nothing waits.
    pub fn rest(&self, now: Timestamp) -> Option<Duration> {
        self.waiting.values().map(|doubt| doubt.until.since(now)).min()
    }
}

/// On a cable an answer takes a millisecond. No firmware waits for less than a second.
const WAIT: Duration = Duration::from_millis(150);

/// More machines than are switched on in the same moment.
const MOST: usize = 64;

/// Of how many addresses a single card may say that they are its own.
const BELIEVED: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::dhcp;
    use crate::boot::dhcp::rogue::Probe;
    use crate::boot::dhcp::segment::Segment;

    /// A station that gives away 10.77.0.10 to .12, and its doubts.
    struct Room {
        segment: Segment,
        leases: Leases,
        doubts: ConflictProbe,
    }

    impl Room {
        fn new() -> Self {
            let segment = Segment::new(at(1), 24, "http://10.77.0.1").and_then(|it| it.with_pool(at(10), at(12)));
            Self { segment: segment.expect("a segment"), leases: Leases::default(), doubts: ConflictProbe::default() }
        }

        /// A machine asks at this millisecond: what is asked about, or said at once.
        fn discovers(&mut self, millis: u64, machine: u8) -> Result<Ipv4Addr, Verdict> {
            let packet = Probe::new(mac(machine), at(1)).discover(1);
            self.says(millis, &packet)
        }

        fn says(&mut self, millis: u64, packet: &[u8]) -> Result<Ipv4Addr, Verdict> {
            let (mac, verdict) = dhcp::handle(ms(millis), packet, &self.segment, &mut self.leases);
            self.doubts.hold(ms(millis), mac, packet, verdict)
        }

        fn settled(&mut self, millis: u64) -> usize {
            self.doubts.settled(ms(millis), &mut self.leases).len()
        }
    }

    fn ms(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    fn at(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 0, last)
    }

    fn mac(last: u8) -> MacAddr {
        MacAddr::new([0x52, 0x54, 0, 0, 0, last]).expect("a MAC")
    }

    #[test]
    fn a_new_address_waits_and_a_known_one_does_not() {
        let mut room = Room::new();
        assert_eq!(room.discovers(0, 1), Ok(at(10)));
        assert_eq!(room.discovers(100, 1), Ok(at(10)), "it asks again");
        assert_eq!(room.doubts.rest(ms(100)), Some(Duration::from_millis(50)), "which makes nothing later");
        assert_eq!((room.settled(149), room.settled(150), room.doubts.rest(ms(150))), (0, 1, None));
        assert!(matches!(room.discovers(1000, 1), Err(Verdict::Reply(_))), "it was looked at already");
    }

    #[test]
    fn an_address_that_somebody_uses_is_not_offered() {
        let mut room = Room::new();
        assert_eq!(room.discovers(0, 1), Ok(at(10)));
        let claim = Claim { address: at(10), by: mac(99) };
        let objection = room.doubts.hear(ms(1), claim, &mut room.leases).expect("an objection");
        assert_eq!((objection.mac, objection.silence), (mac(1), Silence::InUse(at(10), mac(99))));
        assert_eq!(room.says(1, &objection.packet), Ok(at(11)), "the next one");
        assert_eq!(room.doubts.hear(ms(2), claim, &mut room.leases), None, "nobody waits for it any more");
        assert_eq!(room.settled(151), 1);
        assert_eq!(room.discovers(2000, 2), Ok(at(12)), ".10 rests");
    }

    #[test]
    fn a_machine_does_not_object_to_itself() {
        let mut room = Room::new();
        assert_eq!(room.discovers(0, 1), Ok(at(10)));
        assert_eq!(room.doubts.hear(ms(1), Claim { address: at(10), by: mac(1) }, &mut room.leases), None);
        assert_eq!(room.settled(150), 1);
    }

    #[test]
    fn a_router_that_answers_for_everybody_does_not_eat_up_the_pool() {
        let mut room = Room::new();
        let segment = Segment::new(at(1), 24, "http://10.77.0.1").and_then(|it| it.with_pool(at(10), at(20)));
        room.segment = segment.expect("a segment");
        let mut objections = 0;
        let mut asked = room.discovers(0, 1);
        while let Ok(address) = asked {
            let Some(objection) = room.doubts.hear(ms(1), Claim { address, by: mac(99) }, &mut room.leases) else {
                break;
            };
            objections += 1;
            asked = room.says(1, &objection.packet);
        }
        assert_eq!((objections, room.settled(151)), (3, 1));
    }

    #[test]
    fn with_too_many_waiting_the_next_is_not_looked_at() {
        let mut room = Room::new();
        room.segment = Segment::new(at(1), 24, "http://10.77.0.1").expect("a segment");
        let waiting = (0..100).filter(|machine| room.discovers(0, *machine).is_ok()).count();
        assert_eq!(waiting, MOST);
    }
}
