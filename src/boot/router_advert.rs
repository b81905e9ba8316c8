//! The answer to an IPv6 router solicitation: that there is a router, and that it does nothing.
//!
//! iPXE waits for a router advertisement after its IPv4 lease, 13 s in builds of 2019, 4 s in those of 2025. This one ends
//! the wait and teaches nothing: a router lifetime of 0 says "not a default router", without prefixes nobody makes an
//! address, and with both flags clear nobody looks for DHCPv6 (RFC 4861 section 4.2).

use crate::domain::ids::MacAddr;

/// What an ICMPv6 message is answered, from the interface with this address: an advertisement, if it is a solicitation.
pub fn answer(message: &[u8], interface: MacAddr) -> Option<[u8; 24]> {
    is_solicitation(message).then(|| advertisement(interface))
}

/// The ICMPv6 message. Its checksum is left to the kernel, which does it for every ICMPv6 socket (RFC 3542 section 3.1).
///
/// ```text
///  134 │ code 0 │ checksum │ hop limit 0 │ M=0 O=0 │ lifetime 0 s │ reachable 0 ms │ retransmit 0 ms
///  option 1 (source link-layer address), 1 × 8 bytes, MAC
/// ```
pub fn advertisement(interface: MacAddr) -> [u8; 24] {
    let mut message = [0; 24];
    message[0] = ADVERTISEMENT;
    message[16..18].copy_from_slice(&[SOURCE_LINK_LAYER, 1]);
    message[18..].copy_from_slice(&interface.octets());
    message
}

/// RFC 4861 section 6.1.1, as far as the message itself shows it.
fn is_solicitation(message: &[u8]) -> bool {
    let [SOLICITATION, 0, _, _, _, _, _, _, options @ ..] = message else { return false };
    let mut options = options;
    while let [_, len, ..] = options {
        match options.get(usize::from(*len) * 8..) {
            Some(rest) if *len > 0 => options = rest,
            Some(_) | None => return false,
        }
    }
    options.is_empty()
}

const SOLICITATION: u8 = 133;
const ADVERTISEMENT: u8 = 134;
const SOURCE_LINK_LAYER: u8 = 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mac() -> MacAddr {
        MacAddr::new([0x52, 0x54, 0, 0, 0, 1]).expect("a MAC")
    }

    #[test]
    fn a_solicitation_is_answered_with_a_router_that_does_nothing() {
        let advertised = [134, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0x52, 0x54, 0, 0, 0, 1];
        assert_eq!(answer(&[133, 0, 9, 9, 0, 0, 0, 0], mac()), Some(advertised));
        let with_option = [133, 0, 9, 9, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7];
        assert_eq!(answer(&with_option, mac()), Some(advertised));
    }

    #[test]
    fn nothing_else_is_answered() {
        for message in [
            &[][..],
            &[133, 0, 9, 9, 0, 0, 0],
            &[134, 0, 9, 9, 0, 0, 0, 0],
            &[133, 1, 9, 9, 0, 0, 0, 0],
            &[133, 0, 9, 9, 0, 0, 0, 0, 1, 0, 2, 3, 4, 5, 6, 7],
            &[133, 0, 9, 9, 0, 0, 0, 0, 1, 2, 2, 3, 4, 5, 6, 7],
            &[133, 0, 9, 9, 0, 0, 0, 0, 1],
        ] {
            assert_eq!(answer(message, mac()), None, "{message:?}");
        }
    }

    proptest! {
        #[test]
        fn no_message_panics(message in prop::collection::vec(any::<u8>(), 0..64)) {
            let _any = answer(&[&[133, 0, 0, 0, 0, 0, 0, 0], &message[..]].concat(), mac());
        }
    }
}
