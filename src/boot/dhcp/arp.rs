//! ARP probes and claims as Ethernet frames, to find out whether an address is in use (RFC 5227 section 2.1, RFC 826).

use std::net::Ipv4Addr;

use crate::domain::ids::MacAddr;

/// A network card that claims an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    pub address: Ipv4Addr,
    pub by: MacAddr,
}

/// The ARP probe for an address. Its sender address is zero, so that nobody caches a wrong one.
pub fn question(card: MacAddr, address: Ipv4Addr) -> Vec<u8> {
    let mut frame = Vec::with_capacity(SHORTEST);
    frame.extend([0xff; 6]);
    frame.extend(card.octets());
    frame.extend(ARP_OVER_ETHERNET);
    frame.extend([0, 1]);
    frame.extend(card.octets());
    frame.extend([0; 4]);
    frame.extend([0; 6]);
    frame.extend(address.octets());
    frame.resize(SHORTEST, 0);
    frame
}

/// The claim that a frame makes. Every ARP message claims its sender's address, except a probe like the one above.
pub fn claim(frame: &[u8]) -> Option<Claim> {
    let arp = frame.get(12..)?.strip_prefix(&ARP_OVER_ETHERNET)?.get(2..)?;
    let (mac, rest) = arp.split_first_chunk::<6>()?;
    let address = Ipv4Addr::from(*rest.first_chunk::<4>()?);
    let by = MacAddr::new(*mac).ok()?;
    (!address.is_unspecified()).then_some(Claim { address, by })
}

/// EtherType, hardware type Ethernet, protocol IPv4, and their lengths.
const ARP_OVER_ETHERNET: [u8; 8] = [8, 6, 0, 1, 8, 0, 6, 4];

/// Of an Ethernet frame without its checksum.
const SHORTEST: usize = 60;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);

    fn card() -> MacAddr {
        MacAddr::new([0x52, 0x54, 0, 0, 0, 1]).expect("a MAC")
    }

    /// An answer to [`question`].
    fn reply() -> Vec<u8> {
        let mut frame = question(card(), ADDRESS);
        frame[21] = 2;
        frame[28..32].copy_from_slice(&ADDRESS.octets());
        frame
    }

    #[test]
    fn a_question_claims_nothing_and_an_answer_does() {
        assert_eq!(claim(&question(card(), ADDRESS)), None);
        assert_eq!(claim(&reply()), Some(Claim { address: ADDRESS, by: card() }));
        assert_eq!((question(card(), ADDRESS).len(), &question(card(), ADDRESS)[38..42]), (60, &[10, 77, 0, 100][..]));
    }

    #[test]
    fn what_is_cut_off_or_no_arp_claims_nothing() {
        for len in 0..32 {
            assert_eq!(claim(&reply()[..len]), None, "{len}");
        }
        let mut ip = reply();
        ip[13] = 0;
        assert_eq!(claim(&ip), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _any_answer = claim(&bytes);
        }
    }
}
