//! The bytes of a DHCP reply, as firmware wants them.
//!
//! ```text
//! header  op=2 xid chaddr giaddr from the request · yiaddr the machine's · siaddr ours · sname ours · file the program
//! options 53 54 · 51 58 59 · 1 28 3 · 60 43 · 66 67 · 97 · 175 · 7 if asked for · 82 · 255, padded to 300 bytes
//!         (a proxy and a boot server leave out 51 58 59, 1 28 3, and of 175 that nobody need wait for a proxy)
//! ```
//! Order and padding matter to old ROMs (RFC 1542 section 2.1 asks for 300 bytes). `dhcproto` writes each option; the
//! order is ours, since its own message sorts them by number.

use std::net::Ipv4Addr;
use std::time::Duration;

use dhcproto::Encodable;
use dhcproto::v4::{DhcpOption, Encoder, Flags, HType, Message, MessageType, Opcode, OptionCode, UnknownOption};

use crate::boot::architecture::ArchCode;
use crate::boot::dhcp::client::BootClient;
use crate::boot::dhcp::request::Request;
use crate::boot::dhcp::segment::Segment;
use crate::boot::program::Program;
use crate::domain::machine::firmware::Firmware;

/// What a reply is made of.
#[derive(Clone, Debug)]
pub struct ReplyFields<'a> {
    pub request: &'a Request,
    pub segment: &'a Segment,
    pub kind: MessageType,
    pub role: Role,
    /// The reply is broadcast, and says so in its flags.
    pub broadcast: bool,
    /// The address given, and for how long. None in a NAK and in the answer to an INFORM.
    pub grant: Option<(Ipv4Addr, Duration)>,
    /// Who asks and what it is told to load. None in a NAK.
    pub boot: Option<(BootClient, Option<Program>)>,
}

/// As what the station replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The network's DHCP server: it also says what the network is like.
    Server,
    /// A proxy beside the site's DHCP server: what to load, nothing else.
    Proxy,
    /// The boot server that was asked at this address of the station, on port 4011.
    BootServer(Ipv4Addr),
}

impl ReplyFields<'_> {
    /// The UDP payload.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.header();
        let mut options = self.options();
        shorten(&mut options, room(self.request));
        bytes.extend(options.iter().flat_map(encoded));
        bytes.push(END);
        bytes.resize(bytes.len().max(SHORTEST), 0);
        bytes
    }

    /// Everything up to and including the magic number.
    fn header(&self) -> Vec<u8> {
        let request = self.request;
        let flags = if self.broadcast { request.flags | BROADCAST } else { request.flags };
        let kept = request.ciaddr.filter(|_| self.boot.is_some());
        let or_zero = |address: Option<Ipv4Addr>| address.unwrap_or(Ipv4Addr::UNSPECIFIED);
        let mut message = Message::new_with_id(
            request.xid,
            or_zero(kept),
            or_zero(self.grant.map(|(address, _)| address)),
            Ipv4Addr::UNSPECIFIED,
            or_zero(request.giaddr),
            request.chaddr.bytes(),
        );
        message.set_opcode(Opcode::BootReply).set_htype(HType::from(request.chaddr.htype)).set_flags(Flags::new(flags));
        if let Some(program) = self.program() {
            let server = self.server();
            message.set_siaddr(server).set_sname(server.to_string().as_bytes());
            if program.name().len() < FILE_FIELD {
                message.set_fname(program.name().as_bytes());
            }
        }
        let mut bytes = message.to_vec().unwrap_or_default();
        bytes.truncate(HEADER);
        bytes
    }

    /// In the order they are sent.
    fn options(&self) -> Vec<DhcpOption> {
        let segment = self.segment;
        let mut options = vec![DhcpOption::MessageType(self.kind), DhcpOption::ServerIdentifier(self.server())];
        if let Some((_, time)) = self.grant {
            let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
            options.push(DhcpOption::AddressLeaseTime(seconds));
            options.push(DhcpOption::Renewal(seconds / 2));
            options.push(DhcpOption::Rebinding(seconds - seconds / 8));
        }
        if let Some((client, _)) = &self.boot {
            if self.role == Role::Server {
                options.push(DhcpOption::SubnetMask(segment.mask()));
                options.push(DhcpOption::BroadcastAddr(segment.broadcast()));
                options.extend(segment.router.map(|router| DhcpOption::Router(vec![router])));
            }
            self.boot_options(*client, &mut options);
            if self.request.parameters.contains(&LOG_SERVER) {
                options.push(DhcpOption::LogServer(vec![self.server()]));
            }
        }
        options.extend(echo(OptionCode::RelayAgentInformation, &self.request.relay_info));
        options
    }

    fn boot_options(&self, client: BootClient, options: &mut Vec<DhcpOption>) {
        let class = match (client, self.role) {
            (BootClient::Pxe(_), _) | (BootClient::Ipxe { .. }, Role::Proxy | Role::BootServer(_)) => Some("PXEClient"),
            (BootClient::HttpClient(_), _) => Some("HTTPClient"),
            (BootClient::Ipxe { .. }, Role::Server) | (BootClient::OtherArch(_) | BootClient::Plain, _) => None,
        };
        options.extend(class.map(|class| DhcpOption::ClassIdentifier(class.into())));
        options.extend(echo(OptionCode::VendorExtensions, &self.pxe_options(client)));
        if let Some(program) = self.program() {
            options.push(DhcpOption::TFTPServerName(terminated(&self.server().to_string())));
            options.push(DhcpOption::BootfileName(terminated(program.name())));
        }
        options.extend(echo(OptionCode::ClientMachineIdentifier, &self.request.machine_id));
        options.extend(echo(OptionCode::Unknown(175), &self.ipxe_options(client)));
    }

    /// Option 175 (iPXE `src/include/ipxe/dhcp.h`). Whom to trust is said to every firmware, and unasked: iPXE looks for
    /// it once, when it starts, in what the firmware was answered that loaded it.
    fn ipxe_options(&self, client: BootClient) -> Vec<u8> {
        let mut options = Vec::new();
        if matches!((client, self.role), (BootClient::Ipxe { .. }, Role::Server)) {
            options.extend(NO_PROXY_WAIT);
        }
        if let Some(https) = self.segment.https.as_ref().filter(|_| client.arch().is_some()) {
            options.extend(TRUST);
            options.extend(https.ca.octets());
        }
        options
    }

    /// Option 43 (PXE 2.1, table 2-1).
    ///
    /// From the network's server: without it EDK2 would look for a boot server on port 4011 (edk2#8149). From a proxy:
    /// EDK2 before 2017 throws away every offer that has it (edk2#6944), and the later ones find port 4011 without it.
    fn pxe_options(&self, client: BootClient) -> Vec<u8> {
        let BootClient::Pxe(arch) = client else { return Vec::new() };
        match self.role {
            _ if arch == ArchCode::RASPBERRY_PI => RASPBERRY_PI_BOOT.to_vec(),
            Role::Server => USE_THE_BOOTFILE.to_vec(),
            Role::Proxy if client.firmware() == Firmware::Bios => USE_THE_BOOTFILE.to_vec(),
            Role::Proxy => Vec::new(),
            Role::BootServer(_) => match u8::try_from(self.request.boot_item.len()) {
                Ok(len @ 1..) => [&[BOOT_ITEM, len], &self.request.boot_item[..], &[END]].concat(),
                Ok(0) | Err(_) => Vec::new(),
            },
        }
    }

    /// The address that machines are to turn to.
    fn server(&self) -> Ipv4Addr {
        match self.role {
            Role::Server | Role::Proxy => self.segment.address(),
            Role::BootServer(asked) => asked,
        }
    }

    fn program(&self) -> Option<&Program> {
        self.boot.as_ref().and_then(|(_, program)| program.as_ref())
    }
}

/// An option sent back, or on, as raw bytes. Nothing for no bytes.
fn echo(code: OptionCode, data: &[u8]) -> Option<DhcpOption> {
    (!data.is_empty()).then(|| DhcpOption::Unknown(UnknownOption::new(code, data.to_vec())))
}

/// Firmware that takes options for C strings would read on into the next one (netboot.xyz#1198).
fn terminated(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

fn encoded(option: &DhcpOption) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing into memory does not fail.
    let _written = option.encode(&mut Encoder::new(&mut bytes));
    bytes
}

/// How many bytes of options this client takes: 312 as RFC 2131 section 2 says, or what its option 57 leaves.
fn room(request: &Request) -> usize {
    let longest = usize::from(request.longest.unwrap_or_default()).min(LONGEST);
    longest.saturating_sub(HEADER + IP_AND_UDP + 1).max(OPTIONS - 1)
}

/// Leaves out what a client can do without, until the rest fits.
fn shorten(options: &mut Vec<DhcpOption>, room: usize) {
    for code in [
        OptionCode::TFTPServerName,
        OptionCode::BroadcastAddr,
        OptionCode::Renewal,
        OptionCode::Rebinding,
        OptionCode::BootfileName,
    ] {
        if options.iter().map(|option| encoded(option).len()).sum::<usize>() <= room {
            return;
        }
        options.retain(|option| OptionCode::from(option) != code);
    }
}

/// PXE_DISCOVERY_CONTROL, bit 3: do not look for boot servers, load the file named here (PXE 2.1, table 2-1).
const USE_THE_BOOTFILE: [u8; 4] = [6, 1, 8, 255];

/// RFC 2132 section 3.9; iPXE sends its log there (`syslog`).
const LOG_SERVER: u8 = 7;

/// What a Raspberry Pi looks for before it loads anything: the file named, a boot server (PXE_BOOT_SERVERS, 9) of type 0
/// and of this name, and a menu's prompt (10).
const RASPBERRY_PI_BOOT: &[u8] = b"\x06\x01\x08\x09\x14\x00\x00\x11Raspberry Pi Boot\x0a\x04\x00PXE\xff";

/// PXE_BOOT_ITEM: which of a boot server's programs is meant.
const BOOT_ITEM: u8 = 71;

/// iPXE's `no-pxedhcp`: do not wait for a proxy's offer.
const NO_PROXY_WAIT: [u8; 3] = [176, 1, 1];

/// iPXE's `trust`: the SHA-256 of the one authority that is believed, 32 bytes.
const TRUST: [u8; 2] = [90, 32];

const BROADCAST: u16 = 0x8000;
const END: u8 = 255;
/// The fixed fields and the magic number.
const HEADER: usize = 240;
const FILE_FIELD: usize = 128;
const IP_AND_UDP: usize = 28;
const OPTIONS: usize = 312 - 4;
const SHORTEST: usize = 300;
/// EDK2 says that it takes 65280 bytes, and has a buffer for 1472.
const LONGEST: usize = 1472;
