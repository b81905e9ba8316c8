//! What a booting machine says by DHCP, byte for byte as firmware says it, and what it reads from the answers.

use std::net::Ipv4Addr;

use super::identity::{BootFirmware, SimIdentity};
use crate::domain::digest::Digest;

/// Which program of the machine speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DhcpClient {
    /// The network card's ROM or the UEFI firmware.
    Rom,
    /// iPXE, after it was loaded.
    Ipxe,
}

/// The two things a client says on its way to a lease (RFC 2131 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DhcpRequest {
    Discover,
    Request { server: Ipv4Addr, address: Ipv4Addr },
}

/// The bytes of a message. The broadcast flag is always set: many machines share one real interface, which has none of
/// their addresses yet.
pub(super) fn message(who: &SimIdentity, speaker: DhcpClient, ask: DhcpRequest, xid: u32, secs: u16) -> Vec<u8> {
    let mut bytes = vec![0; OPTIONS];
    bytes[..4].copy_from_slice(&[REQUEST, ETHERNET, 6, 0]);
    bytes[4..8].copy_from_slice(&xid.to_be_bytes());
    bytes[8..10].copy_from_slice(&secs.to_be_bytes());
    bytes[10] = BROADCAST;
    bytes[28..34].copy_from_slice(&who.mac.octets());
    bytes[236..240].copy_from_slice(&MAGIC);
    match speaker {
        DhcpClient::Rom => rom_options(&mut bytes, who, ask),
        DhcpClient::Ipxe => ipxe_options(&mut bytes, who, ask),
    }
    bytes.push(END);
    bytes
}

/// In the order of EDK2's NetworkPkg.
fn rom_options(bytes: &mut Vec<u8>, who: &SimIdentity, ask: DhcpRequest) {
    kind(bytes, ask);
    chosen(bytes, ask);
    option(bytes, 57, if ask == DhcpRequest::Discover { &[0x05, 0xc0] } else { &[0xff, 0x00] });
    option(bytes, 55, ROM_WANTS);
    option(bytes, 97, &client_uuid(who));
    let (undi, class) = match who.firmware {
        BootFirmware::Bios => ([1, 2, 1], "PXEClient:Arch:00000:UNDI:002001"),
        BootFirmware::Uefi => ([1, 3, 0], "PXEClient:Arch:00007:UNDI:003000"),
    };
    option(bytes, 94, &undi);
    option(bytes, 93, &who.firmware.architecture());
    option(bytes, 60, class.as_bytes());
}

/// In the order of iPXE.
fn ipxe_options(bytes: &mut Vec<u8>, who: &SimIdentity, ask: DhcpRequest) {
    kind(bytes, ask);
    option(bytes, 57, &[0x05, 0xc0]);
    option(bytes, 93, &who.firmware.architecture());
    let (undi, class, features) = match who.firmware {
        BootFirmware::Bios => ([1, 2, 1], "PXEClient:Arch:00000:UNDI:002001", IPXE_BIOS),
        BootFirmware::Uefi => ([1, 3, 10], "PXEClient:Arch:00007:UNDI:003010", IPXE_UEFI),
    };
    option(bytes, 94, &undi);
    option(bytes, 60, class.as_bytes());
    option(bytes, 77, b"iPXE");
    option(bytes, 55, IPXE_WANTS);
    option(bytes, 175, features);
    let mut client = vec![ETHERNET];
    client.extend(who.mac.octets());
    option(bytes, 61, &client);
    option(bytes, 97, &client_uuid(who));
    chosen(bytes, ask);
}

fn kind(bytes: &mut Vec<u8>, ask: DhcpRequest) {
    option(bytes, 53, &[if ask == DhcpRequest::Discover { 1 } else { 3 }]);
}

fn chosen(bytes: &mut Vec<u8>, ask: DhcpRequest) {
    if let DhcpRequest::Request { server, address } = ask {
        option(bytes, 54, &server.octets());
        option(bytes, 50, &address.octets());
    }
}

/// Type 0 and the UUID as it lies in the SMBIOS table: its first three fields little-endian.
fn client_uuid(who: &SimIdentity) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(who.uuid.swapped().octets());
    bytes
}

fn option(bytes: &mut Vec<u8>, code: u8, value: &[u8]) {
    bytes.extend([code, u8::try_from(value.len()).unwrap_or(u8::MAX)]);
    bytes.extend(value);
}

/// An offer or an acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeaseReply {
    pub(super) xid: u32,
    pub(super) kind: ReplyKind,
    pub(super) address: Ipv4Addr,
    pub(super) server: Ipv4Addr,
    /// Where the boot file is.
    pub(super) next_server: Ipv4Addr,
    pub(super) boot_file: Option<String>,
    /// Bits of the address that name the network.
    pub(super) prefix: u32,
    /// Whom iPXE is to trust: the SHA-256 of an authority's certificate.
    pub(super) trust: Option<Digest>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplyKind {
    Offer,
    Ack,
    Nak,
}

impl LeaseReply {
    /// The reply in a packet; none if it is something else, or of no use.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.first() != Some(&REPLY) || bytes.get(236..240)? != MAGIC {
            return None;
        }
        let options = OptionReader(bytes.get(OPTIONS..)?);
        let address = |at: usize| bytes.get(at..at + 4).and_then(ip);
        let server = options.find(54).and_then(ip)?;
        let header_file = text(bytes.get(108..236)?);
        Some(Self {
            xid: u32::from_be_bytes(bytes.get(4..8)?.try_into().ok()?),
            kind: match options.find(53)? {
                [2] => ReplyKind::Offer,
                [5] => ReplyKind::Ack,
                [6] => ReplyKind::Nak,
                _ => return None,
            },
            address: address(16)?,
            server,
            next_server: address(20).filter(|next| !next.is_unspecified()).unwrap_or(server),
            boot_file: options.find(67).and_then(text).or(header_file),
            prefix: options.find(1).and_then(ip).map_or(24, |mask| mask.to_bits().leading_ones()),
            trust: options
                .find(175)
                .and_then(|inner| OptionReader(inner).find(TRUST))
                .and_then(|digest| digest.try_into().ok())
                .map(Digest::new),
        })
    }
}

/// Codes, lengths and values (RFC 2132 section 2).
struct OptionReader<'p>(&'p [u8]);

impl<'p> OptionReader<'p> {
    fn find(&self, wanted: u8) -> Option<&'p [u8]> {
        let mut rest = self.0;
        loop {
            match rest {
                [] | [END, ..] => return None,
                [0, tail @ ..] => rest = tail,
                [code, length, tail @ ..] => {
                    let value = tail.get(..usize::from(*length))?;
                    if *code == wanted {
                        return Some(value);
                    }
                    rest = &tail[value.len()..];
                }
                [_] => return None,
            }
        }
    }
}

fn ip(octets: &[u8]) -> Option<Ipv4Addr> {
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?))
}

/// Up to the first zero; none if that leaves nothing.
fn text(bytes: &[u8]) -> Option<String> {
    let text = bytes.split(|byte| *byte == 0).next()?;
    (!text.is_empty()).then(|| String::from_utf8_lossy(text).into_owned())
}

const REQUEST: u8 = 1;
const REPLY: u8 = 2;
const ETHERNET: u8 = 1;
const BROADCAST: u8 = 0x80;
const MAGIC: [u8; 4] = [99, 130, 83, 99];
const OPTIONS: usize = 240;
const END: u8 = 255;

/// Inside option 175 (iPXE `src/include/ipxe/dhcp.h`).
const TRUST: u8 = 90;

const ROM_WANTS: &[u8] = &[
    1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60, 66, 67, 97, 128, 129,
    130, 131, 132, 133, 134, 135,
];
const IPXE_WANTS: &[u8] =
    &[1, 3, 6, 7, 12, 15, 17, 26, 42, 43, 60, 66, 67, 119, 121, 128, 129, 130, 131, 132, 133, 134, 135, 175, 203];
/// What iPXE 2.0 says of itself: its version, its features, the card it drives.
const IPXE_BIOS: &[u8] = &[
    0xb1, 5, 1, 0x1a, 0xf4, 0x10, 0, 0xeb, 3, 2, 0, 0, 0x17, 1, 1, 0x27, 1, 1, 0x22, 1, 1, 0x13, 1, 1, 0x14, 1, 1,
    0x11, 1, 1, 0x19, 1, 1, 0x29, 1, 1, 0x10, 1, 2, 0x21, 1, 1, 0x15, 1, 1, 0x26, 1, 1, 0x18, 1, 1, 0x12, 1, 1,
];
const IPXE_UEFI: &[u8] = &[
    0xb1, 5, 1, 0x1a, 0xf4, 0x10, 0, 0xeb, 3, 2, 0, 0, 0x17, 1, 1, 0x27, 1, 1, 0x24, 1, 1, 0x13, 1, 1, 0x14, 1, 1,
    0x11, 1, 1, 0x29, 1, 1, 0x15, 1, 1, 0x1b, 1, 1, 0x12, 1, 1,
];

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! captured {
        ($name:literal) => {
            include_bytes!(concat!("../../tests/fixtures/sim/", $name, ".bin")).to_vec()
        };
    }

    /// The machine that was captured.
    fn qemu(firmware: BootFirmware, tail: [u8; 3]) -> SimIdentity {
        let [a, b, c] = tail;
        let mut uuid = [0; 16];
        uuid[6..].copy_from_slice(&[0x40, 0, 0x80, 0, 0x52, 0x54, 0, a, b, c]);
        let mac = [0x52, 0x54, 0, a, b, c];
        SimIdentity { firmware, ..SimIdentity::of(mac, uuid, "captured") }
    }

    /// Captured packets have their own transaction, time and, from iPXE, no broadcast flag.
    fn as_said(mut captured: Vec<u8>) -> (Vec<u8>, u32, u16) {
        captured[10] = BROADCAST;
        let xid = u32::from_be_bytes(captured[4..8].try_into().expect("four"));
        let secs = u16::from_be_bytes(captured[8..10].try_into().expect("two"));
        (captured, xid, secs)
    }

    #[test]
    fn uefi_firmware_is_imitated_byte_for_byte() {
        let who = qemu(BootFirmware::Uefi, [0x77, 0x01, 0x10]);
        let (said, xid, secs) = as_said(captured!("ovmf-discover"));
        assert_eq!(message(&who, DhcpClient::Rom, DhcpRequest::Discover, xid, secs), said);
        let (said, xid, secs) = as_said(captured!("ovmf-request"));
        let ask = DhcpRequest::Request { server: [10, 77, 0, 1].into(), address: [10, 77, 0, 144].into() };
        assert_eq!(message(&who, DhcpClient::Rom, ask, xid, secs), said);
    }

    #[test]
    fn ipxe_is_imitated_byte_for_byte() {
        let who = qemu(BootFirmware::Bios, [0xea, 0xd0, 0xb1]);
        let (said, xid, secs) = as_said(captured!("ipxe-bios-discover"));
        assert_eq!(message(&who, DhcpClient::Ipxe, DhcpRequest::Discover, xid, secs), said);
        let (said, xid, secs) = as_said(captured!("ipxe-bios-request"));
        let ask = DhcpRequest::Request { server: [10, 77, 0, 1].into(), address: [10, 77, 0, 173].into() };
        assert_eq!(message(&who, DhcpClient::Ipxe, ask, xid, secs), said);
    }

    #[test]
    fn an_offer_says_address_server_and_boot_file() {
        let offer = LeaseReply::parse(&captured!("offer-to-ovmf")).expect("an offer");
        let server = Ipv4Addr::new(10, 77, 0, 1);
        assert_eq!((offer.kind, offer.address), (ReplyKind::Offer, [10, 77, 0, 144].into()));
        assert_eq!((offer.server, offer.next_server, offer.prefix), (server, server, 24));
        assert_eq!(offer.boot_file.as_deref(), Some("ipxe.efi"));
    }

    #[test]
    fn an_ack_to_ipxe_names_a_script() {
        let ack = LeaseReply::parse(&captured!("ack-to-ipxe")).expect("an ack");
        assert_eq!((ack.kind, ack.boot_file.as_deref()), (ReplyKind::Ack, Some("http://10.77.0.1/boot.ipxe")));
    }

    #[test]
    fn an_ack_may_say_whom_to_trust() {
        let mut ack = captured!("ack-to-ipxe");
        assert_eq!(LeaseReply::parse(&ack).expect("an ack").trust, None);
        let end = ack.iter().rposition(|byte| *byte == END).expect("an end");
        ack.splice(end..end, [[175, 37, 176, 1, 1, TRUST, 32].as_slice(), &[0xca; 32]].concat());
        assert_eq!(LeaseReply::parse(&ack).expect("an ack").trust, Some(Digest::new([0xca; 32])));
    }

    #[test]
    fn what_is_cut_off_or_no_reply_is_nothing() {
        let offer = captured!("offer-to-ovmf");
        assert!((0..offer.len().min(249)).all(|length| LeaseReply::parse(&offer[..length]).is_none()));
        assert_eq!(LeaseReply::parse(&captured!("ovmf-discover")), None);
    }
}
