//! Frames of other kinds that anybody on the network may send: ARP, router solicitations, other DHCP servers' offers.
#![no_main]

use libfuzzer_sys::fuzz_target;

use oxbow::boot::dhcp::arp;
use oxbow::boot::dhcp::rogue::Probe;
use oxbow::boot::router_advert;
use oxbow::domain::ids::MacAddr;

fuzz_target!(|data: &[u8]| {
    let card = MacAddr::new([0x52, 0x54, 0, 0, 0, 1]).expect("a MAC");
    let probe = Probe::new(card, [10, 77, 0, 1].into());
    let _heard = (arp::claim(data), router_advert::answer(data, card), probe.rival(data));
});
