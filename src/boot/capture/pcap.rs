//! Packets as a capture file that Wireshark and tcpdump read: classic pcap 2.4 (libpcap, `pcap-savefile(5)`), Ethernet.
//!
//! The services hear UDP without what was around it: Ethernet, IP (RFC 791) and UDP headers (RFC 768) are made anew, with
//! right checksums. The station's own card stands in them as [`STATION`].

use std::net::SocketAddrV4;

use crate::domain::doctor::packet::{Frame, SeenPacket};
use crate::domain::ids::MacAddr;

/// The whole file: each packet with the card of its machine.
pub fn file<'a>(packets: impl Iterator<Item = (MacAddr, &'a SeenPacket)>) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(MAGIC.to_le_bytes());
    file.extend([2_u16, 4].into_iter().flat_map(u16::to_le_bytes));
    // No time zone, no accuracy, then the longest packet and the kind of link.
    file.extend([0, 0, LONGEST, ETHERNET].into_iter().flat_map(u32::to_le_bytes));
    for (machine, packet) in packets {
        let frame = match &packet.frame {
            Frame::Ethernet(bytes) => bytes.clone(),
            Frame::Udp { inward, from, to, payload } => udp(machine, *inward, *from, *to, payload),
        };
        let (millis, length) = (packet.at.as_millis(), u32::try_from(frame.len()).unwrap_or(u32::MAX));
        // Until 2106, as the format has it.
        let seconds = u32::try_from(millis / 1000).unwrap_or(u32::MAX);
        let micros = u32::try_from(millis % 1000 * 1000).unwrap_or_default();
        file.extend([seconds, micros, length, length].into_iter().flat_map(u32::to_le_bytes));
        file.extend(frame);
    }
    file
}

fn udp(machine: MacAddr, inward: bool, from: SocketAddrV4, to: SocketAddrV4, payload: &[u8]) -> Vec<u8> {
    let ends = if inward { (STATION, machine.octets()) } else { (machine.octets(), STATION) };
    let target = if to.ip().is_broadcast() { [0xff; 6] } else { ends.0 };
    let length = u16::try_from(UDP_HEADER + payload.len()).unwrap_or(u16::MAX);
    let mut frame = Vec::with_capacity(14 + 20 + UDP_HEADER + payload.len());
    frame.extend(target);
    frame.extend(ends.1);
    frame.extend([8, 0]);
    let total = (20 + length).to_be_bytes();
    // Version and length, service, total length, number, do not fragment, hops, UDP, checksum.
    let mut ip = vec![0x45, 0, total[0], total[1], 0, 0, 0x40, 0, 64, 17, 0, 0];
    ip.extend(from.ip().octets());
    ip.extend(to.ip().octets());
    let sum = checksum(&ip).to_be_bytes();
    ip[10..12].copy_from_slice(&sum);
    frame.extend(&ip);
    let mut datagram = [from.port(), to.port(), length, 0].into_iter().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    datagram.extend(payload);
    // The checksum is over a pseudo header too; 0 would say that there is none.
    let pseudo = [&ip[12..20], &[0, 17], &length.to_be_bytes(), &datagram].concat();
    let sum = match checksum(&pseudo) {
        0 => 0xffff,
        sum => sum,
    };
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    frame.extend(datagram);
    frame
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let words =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or_default()));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

/// What the station's card is called in captures: an address that no card has (IEEE 802, locally administered).
pub const STATION: [u8; 6] = [2, 0, 0, 0, 0, 1];

const MAGIC: u32 = 0xa1b2_c3d4;
const LONGEST: u32 = 262_144;
/// LINKTYPE_ETHERNET.
const ETHERNET: u32 = 1;
const UDP_HEADER: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_examples() {
        // RFC 1071, section 3: the sum is ddf2.
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(checksum(&[]), 0xffff);
    }
}
