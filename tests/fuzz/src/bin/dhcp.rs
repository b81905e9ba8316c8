//! Packets to port 67, one after the other, to a station that gives addresses, and to one beside a site's server.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use oxbow_fuzz::{packets, segment};

use oxbow::boot::dhcp::leases::Leases;
use oxbow::boot::dhcp::segment::{Mode, Segment};
use oxbow::boot::dhcp::{Silence, Verdict, handle};
use oxbow::boot::limit::admission::AdmissionControl;
use oxbow::domain::snapshot::Snapshot;
use oxbow::domain::time::Timestamp;

fuzz_target!(|data: &[u8]| {
    for mode in [Mode::Authoritative, Mode::Proxy] {
        converse(data, &segment(mode));
    }
});

fn converse(data: &[u8], segment: &Segment) {
    let (mut leases, mut gate, bench) = (Leases::default(), AdmissionControl::default(), Snapshot::default());
    let mut holders = BTreeMap::new();
    for (millis, packet) in packets(data) {
        let now = Timestamp::from_millis(1_000_000 + millis);
        let Ok(caller) = gate.admit(now, packet, &bench, &leases) else { continue };
        let (mac, verdict) = handle(now, packet, segment, &mut leases);
        let answer = match gate.settle(now, caller, verdict, &mut leases) {
            Verdict::Reply(answer) => answer,
            Verdict::Silence(Silence::Released(address) | Silence::Declined(address)) => {
                holders.remove(&address);
                continue;
            }
            Verdict::Silence(_) | Verdict::Overheard(_) => continue,
        };
        assert!((300..=1472).contains(&answer.message.len()), "{} bytes", answer.message.len());
        let Some(lease) = answer.lease else { continue };
        assert!(segment.mode == Mode::Authoritative && segment.gives(lease.address) && mac == Some(lease.mac));
        // An address is another machine's only when the time of the one before is up.
        if let Some((holder, until)) = holders.insert(lease.address, (lease.mac, lease.until)) {
            assert!(holder == lease.mac || until <= now, "{} was taken from {holder}", lease.address);
        }
    }
}
