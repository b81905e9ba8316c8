//! Reading a DHCP request off the wire, whatever is in it.
//!
//! `dhcproto`'s owned decoder drops everything behind the first malformed option and panics on a long hardware address,
//! so the raw options are walked here, behind checks of our own. An option that makes no sense counts as not sent; it
//! never hides the others. The address 0.0.0.0 counts as
//! not sent either.

use std::net::Ipv4Addr;

use dhcproto::v4::MAGIC;
use dhcproto::v4::borrowed::{DhcpOptionIterator, Message};

use crate::boot::architecture::ArchCode;
use crate::domain::ids::{MacAddr, SystemUuid};

/// What a client sent (RFC 2131 section 2, options by RFC 2132, RFC 3004, RFC 3046 and RFC 4578).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    pub xid: u32,
    /// Seconds since the client began, as it says. iPXE keeps state in here: nothing is decided by it.
    pub secs: u16,
    pub flags: u16,
    /// The hardware address field as sent, for the reply. EDK2 puts its GUID in here towards port 4011.
    pub chaddr: Chaddr,
    /// The machine's Ethernet address, if `chaddr` holds one.
    pub mac: Option<MacAddr>,
    /// The address the machine has and uses. None when zero on the wire.
    pub ciaddr: Option<Ipv4Addr>,
    /// The relay agent that sent it on. None when zero on the wire.
    pub giaddr: Option<Ipv4Addr>,
    /// Option 53. Absent in BOOTP.
    pub kind: Option<RequestType>,
    /// Option 50.
    pub wanted: Option<Ipv4Addr>,
    /// Option 43, its part 71: the boot server type and layer that PXE asks port 4011 for (PXE 2.1, table 2-1).
    pub boot_item: Vec<u8>,
    /// Option 54: the server the client means.
    pub server: Option<Ipv4Addr>,
    /// Option 55, in the client's order.
    pub parameters: Vec<u8>,
    /// Option 57: the longest message in bytes that the client takes, headers of IP and UDP included.
    pub longest: Option<u16>,
    /// Option 60.
    pub vendor_class: Vec<u8>,
    /// Option 61, unused for identity: ROM, iPXE and Linux send different ones for the same machine.
    pub client_id: Vec<u8>,
    /// Option 77, both RFC 3004's length-prefixed list and iPXE's bare word.
    pub user_classes: Vec<Vec<u8>>,
    /// Option 82 as the relay agent wrote it, to be sent back unchanged.
    pub relay_info: Vec<u8>,
    /// Option 93, the client's favourite first.
    pub archs: Vec<ArchCode>,
    /// Option 97 as sent, to be sent back unchanged; only if it has the form of a UUID.
    pub machine_id: Vec<u8>,
    /// The UUID in option 97 as it is printed: the wire has its first three fields little-endian.
    pub uuid: Option<SystemUuid>,
    /// Option 175, iPXE's own. None when not sent.
    pub ipxe: Option<IpxeFeatures>,
}

/// A hardware address field: type, and up to 16 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chaddr {
    pub htype: u8,
    bytes: [u8; 16],
    len: u8,
}

impl Chaddr {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// A client's message type (RFC 2132 section 9.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestType {
    Discover,
    Request,
    Decline,
    Release,
    Inform,
    /// A server's message, a lease query, or a number nobody has given a meaning.
    Other(u8),
}

/// What iPXE says of itself in option 175 (iPXE `src/include/ipxe/dhcp.h`, "iPXE feature options").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IpxeFeatures {
    pub http: bool,
    pub https: bool,
}

/// Why a packet is no DHCP request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Unreadable {
    #[error("{0} bytes are too short for DHCP")]
    TooShort(usize),
    #[error("the packet is a reply, not a request")]
    NotARequest,
    #[error("the hardware address says it is {0} bytes long")]
    HardwareLength(u8),
    #[error("the packet has no DHCP magic number")]
    NoMagic,
}

/// Who sent a packet, at a glance, whatever else is in it.
pub fn sender(packet: &[u8]) -> Option<MacAddr> {
    match packet {
        [_, ETHERNET, 6, ..] => MacAddr::new(packet.get(28..34)?.try_into().ok()?).ok(),
        _ => None,
    }
}

impl Request {
    /// Reads a UDP payload. Fails only if it is no DHCP request at all.
    pub fn parse(bytes: &[u8]) -> Result<Self, Unreadable> {
        let Ok(message) = Message::new(bytes) else { return Err(Unreadable::TooShort(bytes.len())) };
        if bytes[0] != BOOTREQUEST {
            return Err(Unreadable::NotARequest);
        }
        if usize::from(message.hlen()) > 16 {
            return Err(Unreadable::HardwareLength(message.hlen()));
        }
        if bytes[236..240] != MAGIC {
            return Err(Unreadable::NoMagic);
        }
        let chaddr = chaddr(bytes[1], message.chaddr());
        let mut request = Self {
            xid: message.xid(),
            secs: message.secs(),
            flags: u16::from(message.flags()),
            chaddr,
            mac: mac(chaddr),
            ciaddr: given(message.ciaddr()),
            giaddr: given(message.giaddr()),
            ..Self::default()
        };
        let overload = request.take_all(message.opts());
        if overload & OVERLOAD_FILE != 0 {
            request.take_all(DhcpOptionIterator::new(&bytes[108..236]));
        }
        if overload & OVERLOAD_SNAME != 0 {
            request.take_all(DhcpOptionIterator::new(&bytes[44..108]));
        }
        Ok(request)
    }

    /// Takes in options; gives back option 52, which says where there are more (RFC 2132 section 9.3).
    fn take_all(&mut self, options: DhcpOptionIterator<'_>) -> u8 {
        let mut overload = 0;
        for option in options {
            match (u8::from(option.code()), option.data()) {
                (52, [places]) => overload = *places,
                (code, data) => self.take(code, data),
            }
        }
        overload
    }

    fn take(&mut self, code: u8, data: &[u8]) {
        match code {
            43 => self.boot_item = boot_item(data),
            50 => self.wanted = address(data).or(self.wanted),
            53 => self.kind = data.first().map(|number| RequestType::from(*number)),
            54 => self.server = address(data).or(self.server),
            55 => self.parameters = data.to_vec(),
            57 => self.longest = data.try_into().ok().map(u16::from_be_bytes).or(self.longest),
            60 => self.vendor_class = data.to_vec(),
            61 => self.client_id = data.to_vec(),
            77 => self.user_classes = user_classes(data),
            82 => self.relay_info = data.to_vec(),
            93 => {
                self.archs = data.chunks_exact(2).map(|pair| ArchCode(u16::from_be_bytes([pair[0], pair[1]]))).collect()
            }
            97 => self.take_machine_id(data),
            175 => self.ipxe = Some(ipxe_features(data)),
            _ => {}
        }
    }

    /// RFC 4578 section 2.3: type 0, then a UUID of 16 bytes. Anything else counts as not sent.
    fn take_machine_id(&mut self, data: &[u8]) {
        if let [0, uuid @ ..] = data
            && let Ok(uuid) = <[u8; 16]>::try_from(uuid)
        {
            self.machine_id = data.to_vec();
            self.uuid = SystemUuid::new(uuid).ok().map(SystemUuid::swapped);
        }
    }
}

impl From<u8> for RequestType {
    fn from(number: u8) -> Self {
        match number {
            1 => Self::Discover,
            3 => Self::Request,
            4 => Self::Decline,
            7 => Self::Release,
            8 => Self::Inform,
            other => Self::Other(other),
        }
    }
}

fn chaddr(htype: u8, sent: &[u8]) -> Chaddr {
    let mut bytes = [0; 16];
    bytes[..sent.len()].copy_from_slice(sent);
    Chaddr { htype, bytes, len: u8::try_from(sent.len()).unwrap_or_default() }
}

fn mac(chaddr: Chaddr) -> Option<MacAddr> {
    (chaddr.htype == ETHERNET).then(|| chaddr.bytes().try_into().ok())?.and_then(|octets| MacAddr::new(octets).ok())
}

fn address(data: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(data).ok().map(Ipv4Addr::from).and_then(given)
}

fn given(address: Ipv4Addr) -> Option<Ipv4Addr> {
    (!address.is_unspecified()).then_some(address)
}

/// Part 71 of PXE's option 43: code, length, value, with padding and an end as outside. Stops at what does not fit.
fn boot_item(data: &[u8]) -> Vec<u8> {
    let mut rest = data;
    loop {
        match rest {
            [0, tail @ ..] => rest = tail,
            [code, len, tail @ ..] if *code != 255 => {
                let Some((value, left)) = tail.split_at_checked(usize::from(*len)) else { return Vec::new() };
                if *code == BOOT_ITEM {
                    return value.to_vec();
                }
                rest = left;
            }
            _ => return Vec::new(),
        }
    }
}

/// RFC 3004 section 4 has a list, each class behind its length. iPXE sends the bare word: what does not divide into a
/// list is one class.
fn user_classes(data: &[u8]) -> Vec<Vec<u8>> {
    let mut classes = Vec::new();
    let mut rest = data;
    while let [len, tail @ ..] = rest {
        let Some((class, left)) = tail.split_at_checked(usize::from(*len)).filter(|(class, _)| !class.is_empty())
        else {
            return vec![data.to_vec()];
        };
        classes.push(class.to_vec());
        rest = left;
    }
    classes
}

/// Type, length, value, without padding. Stops at what does not fit.
fn ipxe_features(data: &[u8]) -> IpxeFeatures {
    let mut features = IpxeFeatures::default();
    let mut rest = data;
    while let [code, len, tail @ ..] = rest {
        let Some((value, left)) = tail.split_at_checked(usize::from(*len)) else { break };
        let on = value.iter().any(|byte| *byte != 0);
        match *code {
            IPXE_HTTP => features.http = on,
            IPXE_HTTPS => features.https = on,
            _ => {}
        }
        rest = left;
    }
    features
}

const BOOTREQUEST: u8 = 1;
const ETHERNET: u8 = 1;
const OVERLOAD_FILE: u8 = 1;
const OVERLOAD_SNAME: u8 = 2;
const BOOT_ITEM: u8 = 71;
const IPXE_HTTP: u8 = 19;
const IPXE_HTTPS: u8 = 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A request of 52:54:00:00:00:01 with these options.
    fn packet(options: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 240];
        bytes[..3].copy_from_slice(&[BOOTREQUEST, ETHERNET, 6]);
        bytes[28..34].copy_from_slice(&[0x52, 0x54, 0, 0, 0, 1]);
        bytes[236..].copy_from_slice(&MAGIC);
        bytes.extend_from_slice(options);
        bytes
    }

    fn parsed(options: &[u8]) -> Request {
        Request::parse(&packet(options)).expect("a request")
    }

    #[test]
    fn what_is_no_request_is_refused_with_the_reason() {
        assert_eq!(Request::parse(&[1; 239]), Err(Unreadable::TooShort(239)));
        let broken = |at: usize, value: u8| {
            let mut bytes = packet(&[53, 1, 1]);
            bytes[at] = value;
            Request::parse(&bytes)
        };
        assert_eq!(broken(0, 2), Err(Unreadable::NotARequest));
        assert_eq!(broken(2, 17), Err(Unreadable::HardwareLength(17)));
        assert_eq!(broken(236, 0), Err(Unreadable::NoMagic));
    }

    #[test]
    fn a_malformed_option_does_not_hide_the_others() {
        let request = parsed(&[
            12, 2, 0xff, 0xfe, 54, 0, 50, 3, 1, 2, 3, 53, 1, 3, 60, 9, b'P', b'X', b'E', b'C', b'l', b'i', b'e', b'n',
            b't', 255,
        ]);
        assert_eq!((request.kind, request.server, request.wanted), (Some(RequestType::Request), None, None));
        assert_eq!(request.vendor_class, b"PXEClient");
    }

    #[test]
    fn options_are_also_found_in_the_file_and_sname_fields() {
        let mut bytes = packet(&[53, 1, 1, 52, 1, 3, 255]);
        bytes[108..113].copy_from_slice(&[93, 2, 0, 7, 255]);
        bytes[44..51].copy_from_slice(&[50, 4, 10, 77, 0, 9, 255]);
        let request = Request::parse(&bytes).expect("a request");
        assert_eq!(request.archs, [ArchCode(7)]);
        assert_eq!(request.wanted, Some(Ipv4Addr::new(10, 77, 0, 9)));
    }

    #[test]
    fn user_classes_are_read_in_both_encodings() {
        assert_eq!(parsed(&[77, 4, b'i', b'P', b'X', b'E', 255]).user_classes, [b"iPXE"]);
        assert_eq!(parsed(&[77, 5, 4, b'i', b'P', b'X', b'E', 255]).user_classes, [b"iPXE"]);
        let two = parsed(&[77, 8, 4, b'i', b'P', b'X', b'E', 2, b'm', b'e', 255]).user_classes;
        assert_eq!(two, [b"iPXE".to_vec(), b"me".to_vec()]);
        assert_eq!(parsed(&[77, 2, 0, 0, 255]).user_classes, [[0, 0]], "never without end");
    }

    #[test]
    fn the_uuid_is_read_in_its_printed_order_and_kept_as_sent() {
        let sent = [0, 0x44, 0x45, 0x4c, 0x4c, 0x42, 0, 0x10, 0x4a, 0x80, 0x52, 0xb7, 0xc0, 0x4f, 0x4d, 0x34, 0x32];
        let request = parsed(&[&[97, 17], &sent[..], &[255]].concat());
        assert_eq!(request.uuid, "4c4c4544-0042-4a10-8052-b7c04f4d3432".parse().ok());
        assert_eq!(request.machine_id, sent);
    }

    #[test]
    fn a_machine_id_of_another_form_counts_as_not_sent() {
        assert_eq!(parsed(&[97, 2, 0, 9, 255]).machine_id, [0_u8; 0]);
        let typed = [&[97, 17, 1], &[7; 16][..], &[255]].concat();
        assert_eq!(parsed(&typed).machine_id, [0_u8; 0]);
        let placeholder = parsed(&[&[97, 17, 0], &[0xff; 16][..], &[255]].concat());
        assert_eq!((placeholder.uuid, placeholder.machine_id.len()), (None, 17), "echoed, but it identifies nobody");
    }

    #[test]
    fn the_boot_item_is_found_among_the_vendors_options() {
        let item = |data: &[u8]| parsed(&[&[43, data.len() as u8], data, &[255]].concat()).boot_item;
        assert_eq!(item(&[0, 6, 1, 8, 71, 4, 0, 0, 0, 0, 255]), [0; 4]);
        assert_eq!(item(&[71, 4, 0, 9]), [0; 0], "cut short");
        assert_eq!(item(&[255, 71, 1, 9]), [0; 0], "behind the end");
        assert_eq!(item(&[71]), [0; 0]);
    }

    #[test]
    fn ipxe_features_are_read_until_they_make_no_sense() {
        let features = |data: &[u8]| parsed(&[&[175, data.len() as u8], data, &[255]].concat()).ipxe;
        assert_eq!(features(&[235, 3, 1, 0, 0, 19, 1, 1]), Some(IpxeFeatures { http: true, https: false }));
        assert_eq!(features(&[20, 1, 1, 19, 1, 0]), Some(IpxeFeatures { http: false, https: true }));
        assert_eq!(features(&[19, 200, 1]), Some(IpxeFeatures::default()));
        assert_eq!(parsed(&[53, 1, 1, 255]).ipxe, None);
    }

    #[test]
    fn a_hardware_address_that_is_no_ethernet_address_is_kept_but_is_no_mac() {
        let mut bytes = packet(&[53, 1, 3]);
        bytes[2] = 16;
        let request = Request::parse(&bytes).expect("a request");
        assert_eq!((request.mac, request.chaddr.bytes().len()), (None, 16));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
            let _any_answer = Request::parse(&bytes);
        }

        #[test]
        fn no_options_panic(options in proptest::collection::vec(any::<u8>(), 0..400), hlen in 0_u8..=16) {
            let mut bytes = packet(&options);
            bytes[2] = hlen;
            prop_assert!(Request::parse(&bytes).is_ok());
        }
    }
}
