//! What the targets share: how made-up bytes become packets, and the station that gets them.

use std::net::Ipv4Addr;

use oxbow::boot::dhcp::segment::{Mode, Segment};

/// 10.77.0.1/24 with three addresses to give away: machines soon get into each other's way.
pub fn segment(mode: Mode) -> Segment {
    let at = |last| Ipv4Addr::new(10, 77, 0, last);
    let segment = Segment::new(at(1), 24, "http://10.77.0.1").and_then(|segment| segment.with_pool(at(10), at(12)));
    let mut segment = segment.expect("a segment");
    segment.mode = mode;
    segment
}

/// Packets with the milliseconds at which they come: three bytes say how much later than the one before, in seconds, and
/// how long it is.
pub fn packets(mut data: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let mut now = 0;
    std::iter::from_fn(move || {
        let (&[seconds, high, low], rest) = data.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes([high, low])).min(rest.len());
        let (packet, rest) = rest.split_at(length);
        data = rest;
        now += u64::from(seconds) * 1000;
        Some((now, packet))
    })
}
