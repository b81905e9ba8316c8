//! The latest packets of each machine, as a capture file for Wireshark.
//!
//! Three limits: packets and bytes per machine, and bytes in total. When there is too much, the machine that has been
//! idle longest is dropped; machines that sent only a few packets go first.

pub mod pcap;

use std::collections::VecDeque;

use crate::domain::doctor::packet::{Frame, SeenPacket};
use crate::domain::doctor::per_machine::PerMachine;
use crate::domain::ids::MacAddr;

/// Packets both ways, by machine.
#[derive(Debug)]
pub struct CaptureRing {
    reels: PerMachine<Reel>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Reel {
    packets: VecDeque<SeenPacket>,
    bytes: usize,
}

impl Default for CaptureRing {
    fn default() -> Self {
        Self { reels: PerMachine::new(MACHINES), bytes: 0 }
    }
}

impl CaptureRing {
    /// Keeps `packet`, which came from `mac` or went to it, and drops what there is no room for.
    pub fn keep(&mut self, mac: MacAddr, packet: SeenPacket) {
        let mut change = 0;
        let gone = self.reels.hear(packet.at, mac, |reel| {
            let before = reel.bytes;
            reel.push(packet);
            change = before;
            reel.packets.len() > KNOCKING
        });
        let now = self.reels.get(mac).map_or(0, |reel| reel.bytes);
        self.bytes = (self.bytes + now).saturating_sub(change);
        self.forget(gone);
        while self.bytes > BYTES && self.reels.len() > 1 {
            let gone = self.reels.drop_first();
            self.forget(gone);
        }
    }

    /// The packets of these cards in order of time, as a capture file. None when there are none.
    pub fn pcap(&self, macs: &[MacAddr]) -> Option<Vec<u8>> {
        let of = |mac: &MacAddr| self.reels.get(*mac).map(|reel| (*mac, reel));
        let reels = macs.iter().filter_map(of);
        let mut packets: Vec<_> =
            reels.flat_map(|(mac, reel)| reel.packets.iter().map(move |packet| (mac, packet))).collect();
        // Those of the same millisecond stay in the order in which they were kept.
        packets.sort_by_key(|(_, packet)| packet.at);
        (!packets.is_empty()).then(|| pcap::file(packets.into_iter()))
    }

    /// Machines whose packets were dropped to make room for another's.
    pub fn dropped(&self) -> u64 {
        self.reels.dropped()
    }

    /// Bytes kept in total.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn forget(&mut self, gone: Option<(MacAddr, Reel)>) {
        self.bytes = self.bytes.saturating_sub(gone.map_or(0, |(_, reel)| reel.bytes));
    }
}

impl Reel {
    fn push(&mut self, packet: SeenPacket) {
        self.bytes += size(&packet);
        self.packets.push_back(packet);
        while self.packets.len() > PACKETS || self.bytes > BYTES_OF_ONE {
            let Some(gone) = self.packets.pop_front() else { return };
            self.bytes -= size(&gone);
        }
    }
}

fn size(packet: &SeenPacket) -> usize {
    let bytes = match &packet.frame {
        Frame::Udp { payload, .. } => payload.len(),
        Frame::Ethernet(bytes) => bytes.len(),
    };
    bytes + size_of::<SeenPacket>()
}

/// As many machines as the doctor follows.
const MACHINES: usize = 1024;
/// A request or two with their replies. A machine that really boots sends more.
const KNOCKING: usize = 4;
const PACKETS: usize = 200;
const BYTES_OF_ONE: usize = 256 * 1024;
const BYTES: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddrV4};

    use super::*;
    use crate::domain::machine::sighting::Who;
    use crate::domain::time::Timestamp;

    fn mac(number: u32) -> MacAddr {
        let [a, b, c, d] = number.to_be_bytes();
        MacAddr::new([2, 0, a, b, c, d]).expect("a MAC")
    }

    fn packet(millis: u64, bytes: usize) -> SeenPacket {
        let frame = Frame::Udp {
            inward: true,
            from: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68),
            to: SocketAddrV4::new(Ipv4Addr::BROADCAST, 67),
            payload: vec![7; bytes],
        };
        SeenPacket { at: Timestamp::from_millis(millis), who: Who::default(), frame }
    }

    fn packets(tape: &CaptureRing, of: u32) -> usize {
        tape.reels.get(mac(of)).map_or(0, |reel| reel.packets.len())
    }

    #[test]
    fn of_a_machine_that_never_stops_the_newest_are_kept() {
        let mut tape = CaptureRing::default();
        (0..10_000).for_each(|millis| tape.keep(mac(1), packet(millis, 300)));
        assert_eq!(packets(&tape, 1), PACKETS);
        assert_eq!(tape.reels.get(mac(1)).map(|reel| reel.packets[0].at), Some(Timestamp::from_millis(9_800)));
        (0..10_000).for_each(|millis| tape.keep(mac(1), packet(millis, 60_000)));
        assert!(tape.bytes() <= BYTES_OF_ONE, "{}", tape.bytes());
    }

    #[test]
    fn a_flood_of_strangers_takes_no_more_room_and_leaves_the_bench_its_packets() {
        let mut tape = CaptureRing::default();
        (0..20).for_each(|millis| tape.keep(mac(1), packet(millis, 300)));
        for number in 2..50_000 {
            tape.keep(mac(number), packet(100, 1400));
        }
        assert!(tape.reels.len() <= MACHINES && tape.bytes() <= BYTES, "{} bytes", tape.bytes());
        assert_eq!(packets(&tape, 1), 20);
        assert_eq!(tape.dropped(), 49_999 - MACHINES as u64, "told on the Services screen");
        let kept: usize = tape.reels.iter().map(|(_, reel)| reel.bytes).sum();
        assert_eq!(tape.bytes(), kept);
    }

    #[test]
    fn when_many_have_much_whole_machines_go() {
        let mut tape = CaptureRing::default();
        for number in 0..200 {
            (0..100).for_each(|millis| tape.keep(mac(number), packet(u64::from(number) * 1000 + millis, 1400)));
        }
        assert!(tape.bytes() <= BYTES, "{}", tape.bytes());
        assert_eq!((packets(&tape, 0), packets(&tape, 199)), (0, 100));
    }
}
