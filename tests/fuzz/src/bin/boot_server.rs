//! Packets to port 4011.
#![no_main]

use std::net::{Ipv4Addr, SocketAddrV4};

use libfuzzer_sys::fuzz_target;
use oxbow_fuzz::{packets, segment};

use oxbow::boot::dhcp::Verdict;
use oxbow::boot::dhcp::boot_server::{Addressing, handle};
use oxbow::boot::dhcp::leases::Leases;
use oxbow::boot::dhcp::segment::Mode;

fuzz_target!(|data: &[u8]| {
    let way =
        Addressing { from: SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 100), 4011), to: Ipv4Addr::new(10, 77, 0, 1) };
    for mode in [Mode::Authoritative, Mode::Proxy] {
        let segment = segment(mode);
        for (_, packet) in packets(data) {
            if let (_, Verdict::Reply(answer)) = handle(packet, way, &segment, &Leases::default()) {
                assert!((300..=1472).contains(&answer.message.len()), "{} bytes", answer.message.len());
            }
        }
    }
});
