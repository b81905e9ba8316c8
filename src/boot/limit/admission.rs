//! Which packets are accepted, and how much of a flood reaches the hub.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::boot::dhcp::leases::Leases;
use crate::boot::dhcp::{Verdict, request};
use crate::boot::limit::{Caller, Excess, Limits};
use crate::domain::event::{DhcpAnswer, Event};
use crate::domain::ids::MacAddr;
use crate::domain::snapshot::Snapshot;
use crate::domain::time::Timestamp;

/// The limits of both ports.
#[derive(Debug, Default)]
pub struct AdmissionControl {
    machines: Limits<MacAddr>,
    /// On port 4011, where machines have an address already, and UEFI does not send its Ethernet address.
    addresses: Limits<Ipv4Addr>,
    /// Machines that were seen to take an address of the site's server.
    settled: BTreeMap<MacAddr, Timestamp>,
}

impl AdmissionControl {
    /// Whether a packet to port 67 is accepted; if so, how well its sender is known.
    pub fn admit(
        &mut self,
        now: Timestamp,
        packet: &[u8],
        bench: &Snapshot,
        leases: &Leases,
    ) -> Result<Caller, Excess> {
        let sender = request::sender(packet);
        let caller = sender.map_or(Caller::Stranger, |mac| self.caller(mac, bench, leases));
        self.machines.admit(now, sender, caller).map(|()| caller)
    }

    /// The same for a packet to port 4011.
    pub fn admit_to_boot_server(
        &mut self,
        now: Timestamp,
        from: Ipv4Addr,
        bench: &Snapshot,
        leases: &Leases,
    ) -> Result<(), Excess> {
        let caller = leases.holder(from).map_or(Caller::Stranger, |mac| self.caller(mac, bench, leases));
        self.addresses.admit(now, Some(from), caller)
    }

    /// Whether the doctor and the capture get this packet. Of unknown machines only a limited number is.
    pub fn is_observed(&mut self, now: Timestamp, caller: Caller) -> bool {
        self.machines.is_observed(now, caller)
    }

    /// Applies the limits to a verdict: a known machine's offer is kept for it, and only a limited number of strangers
    /// is reported before they take their offer.
    pub fn settle(&mut self, now: Timestamp, caller: Caller, verdict: Verdict, leases: &mut Leases) -> Verdict {
        match verdict {
            Verdict::Reply(mut answer) => {
                if let Some(machine) = answer.event.as_ref().and_then(offered_to) {
                    if caller == Caller::Known {
                        leases.keep(machine);
                    }
                    if !self.machines.shows_offer(now, caller) {
                        answer.event = None;
                    }
                }
                if answer.lease.is_some() {
                    self.machines.redeem(caller);
                }
                Verdict::Reply(answer)
            }
            Verdict::Overheard(event) => {
                self.remember(now, &event);
                Verdict::Overheard(event)
            }
            Verdict::Silence(silence) => Verdict::Silence(silence),
        }
    }

    fn remember(&mut self, now: Timestamp, event: &Event) {
        let Event::DhcpAnswered { claims, .. } = event else { return };
        if self.settled.len() >= REMEMBERED {
            let oldest = self.settled.iter().min_by_key(|(_, heard)| **heard).map(|(mac, _)| *mac);
            oldest.and_then(|mac| self.settled.remove(&mac));
        }
        self.settled.extend(claims.macs.iter().map(|mac| (*mac, now)));
    }

    fn caller(&self, mac: MacAddr, bench: &Snapshot, leases: &Leases) -> Caller {
        let node = || bench.index.owner_of(mac).and_then(|id| bench.nodes.get(&id));
        match leases.has_taken(mac) {
            Some(true) => Caller::Known,
            _ if node().is_some_and(|node| !node.is_provisional()) => Caller::Known,
            Some(false) => Caller::Awaited,
            None if self.settled.contains_key(&mac) => Caller::Awaited,
            None => Caller::Stranger,
        }
    }
}

/// The machine that got the offer, if the event is one.
fn offered_to(event: &Event) -> Option<MacAddr> {
    match event {
        Event::DhcpAnswered { claims, answer: DhcpAnswer::Offer, .. } => claims.macs.first().copied(),
        _ => None,
    }
}

/// Machines with an address of the site's server that are remembered.
const REMEMBERED: usize = 4096;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::boot::dhcp;
    use crate::boot::dhcp::rogue::Probe;
    use crate::boot::dhcp::segment::{Mode, Segment};
    use crate::domain::fleet::Fleet;
    use crate::domain::ids::NodeId;
    use crate::domain::node::Node;

    /// A station on 10.77.0.1/24, and what it knows.
    struct Room {
        gate: AdmissionControl,
        segment: Segment,
        leases: Leases,
        bench: Snapshot,
    }

    impl Room {
        /// One machine is registered.
        fn new(registered: u32) -> Self {
            let segment = Segment::new([10, 77, 0, 1].into(), 24, "http://10.77.0.1").expect("a segment");
            let mut node = Node::new(NodeId(1), Timestamp::default());
            node.registered = true;
            node.macs = vec![mac(registered)];
            let fleet = Fleet::restore([node]);
            let (nodes, index) = (fleet.nodes().clone(), Arc::clone(fleet.index()));
            let bench = Snapshot { nodes, index, ..Snapshot::default() };
            Self { gate: AdmissionControl::default(), segment, leases: Leases::default(), bench }
        }

        /// What becomes of a packet; none if it is dropped.
        fn hears(&mut self, millis: u64, packet: &[u8]) -> Option<Verdict> {
            let now = Timestamp::from_millis(1_000_000 + millis);
            let caller = self.gate.admit(now, packet, &self.bench, &self.leases).ok()?;
            let (_, verdict) = dhcp::handle(now, packet, &self.segment, &mut self.leases);
            Some(self.gate.settle(now, caller, verdict, &mut self.leases))
        }

        /// The address that a machine is offered, and that it is given when it takes it.
        fn boots(&mut self, millis: u64, machine: u32) -> Option<(Ipv4Addr, Ipv4Addr)> {
            let discover = discover(machine);
            let offered = address(&self.hears(millis, &discover)?)?;
            let leased = address(&self.hears(millis + 4000, &request(&discover, offered))?)?;
            Some((offered, leased))
        }
    }

    fn mac(number: u32) -> MacAddr {
        let [a, b, c, d] = number.to_be_bytes();
        MacAddr::new([0x52, 0x54, a, b, c, d]).expect("a MAC")
    }

    fn discover(machine: u32) -> Vec<u8> {
        Probe::new(mac(machine), Ipv4Addr::UNSPECIFIED).discover(machine)
    }

    /// The REQUEST that follows: the message type comes first, and there is room for option 50 at the end.
    fn request(discover: &[u8], wanted: Ipv4Addr) -> Vec<u8> {
        let mut packet = discover.to_vec();
        let kind = packet.windows(3).position(|part| part == [53, 1, 1]).expect("a message type");
        packet[kind + 2] = 3;
        let end = packet.iter().rposition(|byte| *byte == 255).expect("an end");
        packet[end..end + 2].copy_from_slice(&[50, 4]);
        packet[end + 2..end + 6].copy_from_slice(&wanted.octets());
        packet[end + 6] = 255;
        packet
    }

    fn address(verdict: &Verdict) -> Option<Ipv4Addr> {
        let Verdict::Reply(answer) = verdict else { return None };
        Some(<[u8; 4]>::try_from(&answer.message[16..20]).expect("a reply").into())
            .filter(|it: &Ipv4Addr| !it.is_unspecified())
    }

    #[test]
    fn in_a_flood_of_discovers_known_machines_boot_and_new_ones_may() {
        let (registered, leased, newcomer) = (1, 2, 3);
        let mut room = Room::new(registered);
        let (_, its) = room.boots(0, leased).expect("nothing is the matter yet");
        let (mut seen, mut offered, mut dropped) = (0, 0, 0);
        let mut newcomers_address = None;
        for packet in 0..30_000_u32 {
            let at = 10_000 + u64::from(packet / 10);
            match room.hears(at, &discover(1000 + packet)) {
                Some(Verdict::Reply(answer)) => {
                    offered += 1;
                    seen += usize::from(answer.event.is_some());
                }
                Some(other) => panic!("{other:?}"),
                None => dropped += 1,
            }
            if packet % 10_000 == 9000 {
                let (offered, leased) = room.boots(at, registered).expect("the registered one boots");
                assert_eq!(offered, leased);
                assert_eq!(room.boots(at, 2), Some((its, its)), "who has an address keeps it");
            }
            // It asks again after a while, and takes what it was offered, as firmware does.
            if packet % 1009 == 500 && newcomers_address.is_none() {
                newcomers_address = room.boots(at, newcomer);
            }
        }
        println!("{offered} offered, {seen} shown, {dropped} dropped");
        assert!((19_000..=20_010).contains(&offered), "{offered}");
        assert!(seen <= 1000 + 3 * 100 + 10, "{seen}");
        assert!(newcomers_address.is_some_and(|(offered, leased)| offered == leased), "{newcomers_address:?}");
    }

    #[test]
    fn a_bench_of_any_size_may_be_switched_on_at_once_if_it_takes_what_it_is_offered() {
        let mut room = Room::new(1);
        let segment = Segment::new([10, 77, 0, 1].into(), 16, "http://10.77.0.1");
        let pool = ([10, 77, 1, 0].into(), [10, 77, 255, 254].into());
        room.segment = segment.and_then(|segment| segment.with_pool(pool.0, pool.1)).expect("a segment");
        // 20,000 a second, each with the REQUEST that follows.
        for machine in 0..40_000 {
            let (at, discover) = (u64::from(machine / 20), discover(1000 + machine));
            let offered = room.hears(at, &discover).as_ref().and_then(address).expect("an offer");
            let leased = room.hears(at, &request(&discover, offered)).as_ref().and_then(address);
            assert_eq!(leased, Some(offered), "machine {machine}");
        }
        let strangers = (0..10_000).filter(|it| room.hears(2000, &discover(100_000 + it)).is_some()).count();
        assert!((4900..=5100).contains(&strangers), "{strangers}: who takes nothing is limited all the same");
    }

    #[test]
    fn what_one_machine_repeats_without_end_is_dropped() {
        let mut room = Room::new(1);
        for machine in [1, 2] {
            let heard = (0..1000).filter(|at| room.hears(*at, &discover(machine)).is_some()).count();
            assert!((45..55).contains(&heard), "{heard}");
        }
        assert!(room.boots(1000, 3).is_some());
    }

    #[test]
    fn beside_the_sites_server_who_took_its_address_is_not_lost_among_strangers() {
        let mut room = Room::new(1);
        room.segment.mode = Mode::Proxy;
        let captured = |kind: u8| {
            let mut packet = discover(7);
            let end = packet.iter().rposition(|byte| *byte == 255).expect("an end");
            packet[end..end + 12].copy_from_slice(b"\x3c\x09PXEClient\xff");
            let at = packet.windows(3).position(|part| part == [53, 1, 1]).expect("a message type");
            packet[at + 2] = kind;
            packet
        };
        let mut taken = captured(3);
        let end = taken.iter().rposition(|byte| *byte == 255).expect("an end");
        taken[end..end + 13].copy_from_slice(&[50, 4, 10, 77, 0, 50, 54, 4, 10, 77, 0, 2, 255]);
        assert!(matches!(room.hears(0, &taken), Some(Verdict::Overheard(_))));
        for stranger in 0..10_000 {
            room.hears(0, &discover(1000 + stranger));
        }
        assert_eq!(room.hears(0, &discover(999)), None, "no stranger is heard any more");
        assert!(matches!(room.hears(0, &captured(1)), Some(Verdict::Reply(_))));
    }
}
