//! What machines say by DHCP and TFTP, byte by byte: from captures, or made up as firmware would.

use std::net::{Ipv4Addr, SocketAddrV4};

use dhcproto::v4::{
    Decodable, Decoder, DhcpOption, Encodable, Message, MessageType, Opcode, OptionCode, UnknownOption,
};

use super::bench::{OTHER, STATION};
use crate::lab::pcap;
use oxbow::domain::ids::MacAddr;

/// A DHCP request, and the port it goes to.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) bytes: Vec<u8>,
    pub(crate) port: u16,
    pub(crate) from: SocketAddrV4,
}

/// The DHCP request with this number, among those that machines sent in a capture.
pub(crate) fn captured(capture: &str, number: usize) -> Packet {
    let datagrams = pcap::read(capture);
    let asked = datagrams.into_iter().filter(|datagram| {
        matches!(datagram.to.port(), 67 | 4011) && *datagram.from.ip() != STATION && *datagram.from.ip() != OTHER
    });
    asked.map(Packet::from).nth(number).expect("it is in the capture")
}

/// What EDK2 asks first: only the size.
pub(crate) fn probe(file: &str) -> Vec<u8> {
    [b"\0\x01", file.as_bytes(), b"\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0"].concat()
}

/// And then: the file.
pub(crate) fn read(file: &str) -> Vec<u8> {
    [b"\0\x01", file.as_bytes(), b"\0octet\0blksize\x001468\0windowsize\x004\0"].concat()
}

impl From<pcap::Datagram> for Packet {
    fn from(datagram: pcap::Datagram) -> Self {
        Self { bytes: datagram.payload, port: datagram.to.port(), from: datagram.from }
    }
}

impl Packet {
    /// A DISCOVER of a PXE client of this architecture.
    pub(crate) fn pxe(arch: u16) -> Self {
        let mut packet = Self::plain();
        packet.edit(|message| {
            let class = format!("PXEClient:Arch:{arch:05}:UNDI:003016");
            let options = message.opts_mut();
            options.insert(DhcpOption::ClassIdentifier(class.into_bytes()));
            options.insert(DhcpOption::Unknown(UnknownOption::new(
                OptionCode::ClientSystemArchitecture,
                arch.to_be_bytes().to_vec(),
            )));
        });
        packet
    }

    /// A DISCOVER of a laptop.
    pub(crate) fn plain() -> Self {
        let zero = Ipv4Addr::UNSPECIFIED;
        let mut message = Message::new_with_id(7, zero, zero, zero, zero, &mac(1).octets());
        message.set_opcode(Opcode::BootRequest);
        message.opts_mut().insert(DhcpOption::MessageType(MessageType::Discover));
        Self { bytes: message.to_vec().expect("encodes"), port: 67, from: SocketAddrV4::new(zero, 68) }
    }

    fn edit(&mut self, change: impl FnOnce(&mut Message)) {
        let mut message = Message::decode(&mut Decoder::new(&self.bytes)).expect("a message");
        change(&mut message);
        self.bytes = message.to_vec().expect("encodes");
    }

    fn edited(mut self, change: impl FnOnce(&mut Message)) -> Self {
        self.edit(change);
        self
    }

    pub(crate) fn of(mut self, mac: MacAddr) -> Self {
        self.bytes[28..34].copy_from_slice(&mac.octets());
        self
    }

    pub(crate) fn of_no_card(mut self) -> Self {
        self.bytes[28..34].fill(0xff);
        self
    }

    /// So many seconds after it began.
    pub(crate) fn at(mut self, seconds: u16) -> Self {
        self.bytes[8..10].copy_from_slice(&seconds.to_be_bytes());
        self
    }

    pub(crate) fn through(mut self, relay: [u8; 4]) -> Self {
        self.bytes[24..28].copy_from_slice(&relay);
        self
    }

    pub(crate) fn at_boot_server(mut self) -> Self {
        (self.port, self.from) = (4011, SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 50), 68));
        self
    }

    /// For whatever was offered, of this station.
    pub(crate) fn request(self) -> Self {
        self.edited(|message| {
            let options = message.opts_mut();
            options.insert(DhcpOption::MessageType(MessageType::Request));
            options.insert(DhcpOption::RequestedIpAddress(Ipv4Addr::UNSPECIFIED));
            options.insert(DhcpOption::ServerIdentifier(STATION));
        })
    }

    /// For an address of its own mind.
    pub(crate) fn wanting(self, address: [u8; 4]) -> Self {
        self.edited(|message| {
            let options = message.opts_mut();
            options.remove(OptionCode::ServerIdentifier);
            options.insert(DhcpOption::RequestedIpAddress(address.into()));
        })
    }

    pub(crate) fn decline(self) -> Self {
        self.request().edited(|message| {
            message.opts_mut().insert(DhcpOption::MessageType(MessageType::Decline));
        })
    }

    pub(crate) fn bootp(self) -> Self {
        self.edited(|message| {
            message.opts_mut().remove(OptionCode::MessageType);
        })
    }

    pub(crate) fn with_uuid(self, last: u8) -> Self {
        let mut id = vec![0, 0x4c, 0x4c, 0x45, 0x44, 0, 0x42, 0x4a, 0x10, 0x80, 0x52, 0xb7, 0xc0, 0x4f, 0x4d, 0x34];
        id.push(last);
        self.edited(|message| {
            let option = UnknownOption::new(OptionCode::ClientMachineIdentifier, id);
            message.opts_mut().insert(DhcpOption::Unknown(option));
        })
    }

    /// Whether it asks this station for an address it was offered.
    pub(crate) fn is_for_us(&self) -> bool {
        let Ok(message) = Message::decode(&mut Decoder::new(&self.bytes)) else { return false };
        let server = message.opts().get(OptionCode::ServerIdentifier);
        matches!(server, Some(DhcpOption::ServerIdentifier(server)) if *server == STATION)
    }
}

/// Puts other bytes into an option, of the same length.
pub(crate) fn replace(packet: &mut [u8], code: u8, value: &[u8]) {
    let mut at = 240;
    while at + 1 < packet.len() && packet[at] != 255 {
        if packet[at] == 0 {
            at += 1;
            continue;
        }
        let length = usize::from(packet[at + 1]);
        if packet[at] == code {
            packet[at + 2..at + 2 + length].copy_from_slice(value);
        }
        at += 2 + length;
    }
}

pub(crate) fn mac(number: u32) -> MacAddr {
    let [a, b, c, d] = number.to_be_bytes();
    MacAddr::new([2, 0, a, b, c, d]).expect("a MAC")
}
