//! Address conflict detection (RFC 2131 section 4.4.1): an offer waits until it is clear that nobody uses its address,
//! such as a printer with a static address, or a machine that another station served.
//!
//! Only an address that its machine has never had is checked, for [`WAIT`]. The claim must come from another card. A
//! router that answers for every address (proxy ARP) is believed for [`BELIEVED`] addresses and no more.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::boot::dhcp::arp::Claim;
use crate::boot::dhcp::leases::Leases;
use crate::boot::dhcp::{DhcpReply, Silence, Verdict};
use crate::domain::ids::MacAddr;
use crate::domain::time::Timestamp;

/// Offers that are being checked, by machine.
#[derive(Debug, Default)]
pub struct ConflictProbe {
    waiting: BTreeMap<MacAddr, PendingOffer>,
    /// How many addresses each card has claimed.
    claims: BTreeMap<MacAddr, u32>,
}

#[derive(Debug)]
struct PendingOffer {
    address: Ipv4Addr,
    until: Timestamp,
    /// The request, to be answered again.
    packet: Vec<u8>,
    reply: Box<DhcpReply>,
}

/// Somebody uses the address that was going to be offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    pub mac: MacAddr,
    pub silence: Silence,
    /// The request, to be answered again.
    pub packet: Vec<u8>,
}

impl ConflictProbe {
    /// Takes the reply to `packet` if somebody may use its address, and returns the address to ask about. Otherwise, or
    /// if too many are waiting, returns the verdict to be carried out at once.
    pub fn check(
        &mut self,
        now: Timestamp,
        mac: Option<MacAddr>,
        packet: &[u8],
        verdict: Verdict,
    ) -> Result<Ipv4Addr, Verdict> {
        let (reply, mac, address) = match (verdict, mac) {
            (Verdict::Reply(reply), Some(mac)) => match reply.doubtful {
                Some(address) => (reply, mac, address),
                None => return Err(Verdict::Reply(reply)),
            },
            (verdict, _) => return Err(verdict),
        };
        let before = self.waiting.get(&mac).filter(|offer| offer.address == address).map(|offer| offer.until);
        if before.is_none() && self.waiting.len() >= MOST {
            return Err(Verdict::Reply(reply));
        }
        let until = now.after(WAIT).min(before.unwrap_or(now.after(WAIT)));
        self.waiting.insert(mac, PendingOffer { address, until, packet: packet.to_vec(), reply });
        Ok(address)
    }

    /// Takes in a claim by ARP. An address that another card uses is not offered for a while.
    pub fn hear(&mut self, now: Timestamp, claim: Claim, leases: &mut Leases) -> Option<InUse> {
        let Claim { address, by } = claim;
        let mac = *self.waiting.iter().find(|(_, offer)| offer.address == address)?.0;
        if by == mac || self.claims.get(&by).is_some_and(|times| *times >= BELIEVED) {
            return None;
        }
        if self.claims.len() < MOST || self.claims.contains_key(&by) {
            *self.claims.entry(by).or_default() += 1;
        }
        let offer = self.waiting.remove(&mac)?;
        leases.decline(now, mac, address).ok()?;
        Some(InUse { mac, silence: Silence::InUse(address, by), packet: offer.packet })
    }

    /// The replies whose check is over: nobody claimed the address.
    pub fn settled(&mut self, now: Timestamp, leases: &mut Leases) -> Vec<(MacAddr, Box<DhcpReply>)> {
        let due: Vec<MacAddr> =
            self.waiting.iter().filter(|(_, offer)| offer.until <= now).map(|(mac, _)| *mac).collect();
        let due = due.into_iter().filter_map(|mac| self.waiting.remove_entry(&mac));
        due.map(|(mac, offer)| {
            leases.confirm_unused(mac, offer.address);
            (mac, offer.reply)
        })
        .collect()
    }

    /// How long until a check is over. None when none is running.
    pub fn next_timeout(&self, now: Timestamp) -> Option<Duration> {
        self.waiting.values().map(|offer| offer.until.since(now)).min()
    }
}

/// An ARP reply takes a millisecond. No firmware waits less than a second for an offer.
const WAIT: Duration = Duration::from_millis(150);

/// More machines than are switched on in the same moment.
const MOST: usize = 64;

/// How many addresses a single card may claim.
const BELIEVED: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::dhcp;
    use crate::boot::dhcp::rogue::Probe;
    use crate::boot::dhcp::segment::Segment;

    /// A station with a pool of 10.77.0.10 to .12.
    struct Room {
        segment: Segment,
        leases: Leases,
        conflicts: ConflictProbe,
    }

    impl Room {
        fn new() -> Self {
            let segment = Segment::new(at(1), 24, "http://10.77.0.1").and_then(|it| it.with_pool(at(10), at(12)));
            Self {
                segment: segment.expect("a segment"),
                leases: Leases::default(),
                conflicts: ConflictProbe::default(),
            }
        }

        /// A machine sends a DISCOVER at this millisecond: the address that is checked, or the immediate verdict.
        fn discovers(&mut self, millis: u64, machine: u8) -> Result<Ipv4Addr, Verdict> {
            let packet = Probe::new(mac(machine), at(1)).discover(1);
            self.sends(millis, &packet)
        }

        fn sends(&mut self, millis: u64, packet: &[u8]) -> Result<Ipv4Addr, Verdict> {
            let (mac, verdict) = dhcp::handle(ms(millis), packet, &self.segment, &mut self.leases);
            self.conflicts.check(ms(millis), mac, packet, verdict)
        }

        fn settled(&mut self, millis: u64) -> usize {
            self.conflicts.settled(ms(millis), &mut self.leases).len()
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
    fn an_offer_of_a_new_address_waits_and_of_a_known_one_does_not() {
        let mut room = Room::new();
        assert_eq!(room.discovers(0, 1), Ok(at(10)));
        assert_eq!(room.discovers(100, 1), Ok(at(10)), "it asks again");
        assert_eq!(room.conflicts.next_timeout(ms(100)), Some(Duration::from_millis(50)), "which makes nothing later");
        assert_eq!((room.settled(149), room.settled(150), room.conflicts.next_timeout(ms(150))), (0, 1, None));
        assert!(matches!(room.discovers(1000, 1), Err(Verdict::Reply(_))), "it was checked already");
    }

    #[test]
    fn an_address_in_use_is_not_offered() {
        let mut room = Room::new();
        assert_eq!(room.discovers(0, 1), Ok(at(10)));
        let claim = Claim { address: at(10), by: mac(99) };
        let conflict = room.conflicts.hear(ms(1), claim, &mut room.leases).expect("an conflict");
        assert_eq!((conflict.mac, conflict.silence), (mac(1), Silence::InUse(at(10), mac(99))));
        assert_eq!(room.sends(1, &conflict.packet), Ok(at(11)), "the next one");
        assert_eq!(room.conflicts.hear(ms(2), claim, &mut room.leases), None, "no offer of it is waiting");
        assert_eq!(room.settled(151), 1);
        assert_eq!(room.discovers(2000, 2), Ok(at(12)), ".10 is left alone");
    }

    #[test]
    fn a_machines_own_claim_is_no_conflict() {
        let mut room = Room::new();
        assert_eq!(room.discovers(0, 1), Ok(at(10)));
        assert_eq!(room.conflicts.hear(ms(1), Claim { address: at(10), by: mac(1) }, &mut room.leases), None);
        assert_eq!(room.settled(150), 1);
    }

    #[test]
    fn a_router_with_proxy_arp_does_not_use_up_the_pool() {
        let mut room = Room::new();
        let segment = Segment::new(at(1), 24, "http://10.77.0.1").and_then(|it| it.with_pool(at(10), at(20)));
        room.segment = segment.expect("a segment");
        let mut count = 0;
        let mut asked = room.discovers(0, 1);
        while let Ok(address) = asked {
            let Some(conflict) = room.conflicts.hear(ms(1), Claim { address, by: mac(99) }, &mut room.leases) else {
                break;
            };
            count += 1;
            asked = room.sends(1, &conflict.packet);
        }
        assert_eq!((count, room.settled(151)), (3, 1));
    }

    #[test]
    fn with_too_many_waiting_the_next_is_not_checked() {
        let mut room = Room::new();
        room.segment = Segment::new(at(1), 24, "http://10.77.0.1").expect("a segment");
        let waiting = (0..100).filter(|machine| room.discovers(0, *machine).is_ok()).count();
        assert_eq!(waiting, MOST);
    }
}
