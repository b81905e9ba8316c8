//! A station without sockets: packets go to the decisions that answer them, and to the doctor.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use dhcproto::v4::{
    Decodable, Decoder, DhcpOption, Encodable, Message, MessageType, Opcode, OptionCode, UnknownOption,
};
use oxbow::boot::dhcp::boot_server::{self, Way};
use oxbow::boot::dhcp::{self, Verdict};
use oxbow::boot::leases::Leases;
use oxbow::boot::segment::{Mode, Segment};
use oxbow::boot::sighting;
use oxbow::boot::tftp::names::{self, Found};
use oxbow::boot::tftp::packet::Opening;
use oxbow::boot::tftp::transfer::{Transfer, Turn};
use oxbow::domain::doctor::Doctor;
use oxbow::domain::doctor::sighting::{Door, Http, Sighting, Who};
use oxbow::domain::doctor::verdict::{self, Severity, Stop};
use oxbow::domain::event::Event;
use oxbow::domain::identity::Claims;
use oxbow::domain::ids::{MacAddr, NodeId, RunId};
use oxbow::domain::node::Node;
use oxbow::domain::phase::Phase;
use oxbow::domain::time::Timestamp;

use super::pcap;

pub(crate) const STATION: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
pub(crate) const OTHER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

pub(crate) struct Bench {
    segment: Segment,
    leases: Leases,
    pub(crate) doctor: Doctor,
    now: Timestamp,
    /// The machine that spoke last.
    pub(crate) mac: MacAddr,
    address: Ipv4Addr,
    /// What it was offered last.
    offered: Ipv4Addr,
    /// Of the node it belongs to, if any.
    pub(crate) phase: Option<Phase>,
    /// What was said at any second so far.
    alarms: Vec<String>,
    replied: bool,
}

/// A DHCP request, and the port it goes to.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    bytes: Vec<u8>,
    port: u16,
    from: SocketAddrV4,
}

/// What the other end of a transfer does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Client {
    Whole,
    Silent,
    /// Only wants to know the size.
    Probes,
    /// Takes so many blocks.
    Until(u16),
    GivesUp(&'static str),
}

impl Bench {
    pub(crate) fn new(mode: Mode) -> Self {
        let mut segment = Segment::new(STATION, 24, "http://10.77.0.1:8080").expect("a segment");
        segment.mode = mode;
        Self {
            segment,
            leases: Leases::default(),
            doctor: Doctor::default(),
            now: Timestamp::from_millis(1_000_000_000),
            mac: mac(1),
            address: Ipv4Addr::UNSPECIFIED,
            offered: Ipv4Addr::UNSPECIFIED,
            phase: None,
            alarms: Vec::new(),
            replied: false,
        }
    }

    pub(crate) fn pool(&mut self, first: u8, last: u8) {
        let [first, last] = [first, last].map(|last| Ipv4Addr::new(10, 77, 0, last));
        self.segment = self.segment.clone().with_pool(first, last).expect("a pool");
    }

    /// Time goes by, second by second.
    pub(crate) fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.listen();
            self.now = self.now.after(Duration::from_secs(1));
        }
        self.listen();
    }

    fn listen(&mut self) {
        if let Some(verdict) = self.verdict() {
            let said = verdict.to_string();
            if self.alarms.last() != Some(&said) {
                self.alarms.push(said);
            }
        }
    }

    pub(crate) fn alarms(&mut self) -> Vec<String> {
        self.listen();
        self.alarms.clone()
    }

    pub(crate) fn verdict(&self) -> Option<verdict::Verdict> {
        let node = self.phase.as_ref().map(|phase| {
            let mut node = Node::new(NodeId(1), self.now);
            (node.macs, node.phase) = (vec![self.mac], phase.clone());
            node
        });
        self.doctor.verdict(self.mac, node.as_ref(), self.now)
    }

    #[track_caller]
    pub(crate) fn says(&self, stage: Stop, severity: Severity, what: &str, hint: &str) {
        let Some(verdict) = self.verdict() else { panic!("nothing is said:\n{}", self.timeline()) };
        let fits = verdict.what.contains(what) && verdict.hint.contains(hint);
        assert!(fits, "{verdict}\n{}", self.timeline());
        assert_eq!((verdict.stage, verdict.severity), (stage, severity), "{verdict}");
        // It has to fit a pane, and to be read at a glance.
        assert!(verdict.what.len() <= 160 && verdict.hint.len() <= 200, "{verdict}");
    }

    fn timeline(&self) -> String {
        let entries = self.doctor.trail(self.mac).into_iter().flat_map(|trail| trail.entries());
        entries.map(|entry| format!("{} x{} {}\n", entry.first, entry.times, entry.what)).collect()
    }

    pub(crate) fn other_server(&mut self) {
        self.doctor.observe(self.now, &Event::OtherServer { address: OTHER });
    }

    /// A packet arrives. A REQUEST is for what was offered here instead of what was offered when it was captured.
    pub(crate) fn dhcp(&mut self, packet: &Packet) {
        let mut bytes = packet.bytes.clone();
        if self.segment.mode == Mode::Authoritative && packet.is_for_us() {
            replace(&mut bytes, 50, &self.offered.octets());
        }
        let (door, (mac, verdict)) = match packet.port {
            4011 => {
                let way = Way { from: packet.from, to: STATION };
                (Door::BootServer, boot_server::handle(&bytes, way, &self.segment, &self.leases))
            }
            _ => (Door::Dhcp, dhcp::handle(self.now, &bytes, &self.segment, &mut self.leases)),
        };
        self.mac = mac.unwrap_or(self.mac);
        let told = sighting::dhcp(door, &bytes, mac, &verdict);
        told.into_iter().for_each(|event| self.doctor.observe(self.now, &event));
        self.replied = matches!(verdict, Verdict::Reply(_));
        match verdict {
            Verdict::Reply(answer) => {
                let given =
                    Ipv4Addr::new(answer.message[16], answer.message[17], answer.message[18], answer.message[19]);
                if !given.is_unspecified() {
                    (self.offered, self.address) = (given, given);
                }
            }
            // As the service does it.
            Verdict::Silence(silence) if mac.is_none() => {
                self.doctor.observe(self.now, &Event::DhcpSilence { mac, reason: silence.to_string() });
            }
            Verdict::Silence(_) => {}
            Verdict::Overheard(event) => {
                if let Event::DhcpAnswered { address, .. } = *event {
                    self.address = address.unwrap_or(self.address);
                }
            }
        }
    }

    /// Whether the last packet was left unanswered: a station may have learned to answer BOOTP.
    pub(crate) fn bootp_is_silent(&self) -> bool {
        !self.replied
    }

    /// The same packet at each of these seconds from now.
    pub(crate) fn discovers(&mut self, packet: &Packet, seconds: &[u64]) {
        let mut gone = 0;
        for second in seconds {
            self.wait(second - gone);
            gone = *second;
            self.dhcp(packet);
        }
    }

    pub(crate) fn leases(&mut self, discover: &Packet, request: &Packet) {
        self.dhcp(discover);
        self.wait(3);
        self.dhcp(request);
    }

    /// All DHCP and TFTP requests of a capture, a second apart. Every file it wants is here.
    pub(crate) fn replay(&mut self, capture: &str) {
        let from_machine = |datagram: &pcap::Datagram| *datagram.from.ip() != STATION && *datagram.from.ip() != OTHER;
        for datagram in pcap::read(capture).into_iter().filter(from_machine) {
            match datagram.to.port() {
                67 | 4011 => self.dhcp(&Packet::from(datagram)),
                69 => {
                    let probes = datagram.payload.windows(6).any(|part| part == b"tsize\0");
                    // iPXE asks for the size too, and goes on.
                    let client = if probes && !datagram.payload.windows(4).any(|part| part == b"1432") {
                        Client::Probes
                    } else {
                        Client::Whole
                    };
                    self.tftp(&datagram.payload, client);
                }
                _ => continue,
            }
            self.wait(1);
        }
    }

    /// A TFTP request, and the transfer that follows.
    pub(crate) fn tftp(&mut self, request: &[u8], client: Client) {
        let Opening::Read(ask) = Opening::parse(request) else { panic!("no request") };
        let wanted = ask.file.trim_start_matches('/').to_owned();
        let names: Vec<String> = if wanted.contains('<') { Vec::new() } else { vec![wanted] };
        let (file, size) = match names::find(&ask.file, &names) {
            Ok(Found::File(name)) => (name, 300_000),
            Ok(_made) => (ask.file.clone(), 500),
            Err(missing) => {
                let told = sighting::missing(self.address, &ask.file, &missing.to_string());
                return self.doctor.observe(self.now, &told);
            }
        };
        let (mut transfer, mut turn) = Transfer::start(&ask, vec![0; size].into());
        self.doctor.observe(self.now, &sighting::begun(self.address, &file, transfer.terms()));
        let end = loop {
            if let Some(end) = turn.end.take() {
                break end;
            }
            turn = self.react(client, &mut transfer, &turn);
        };
        self.doctor.observe(self.now, &sighting::ended(self.address, &file, &end));
    }

    /// What the client makes of the packets of `turn`.
    fn react(&mut self, client: Client, transfer: &mut Transfer, turn: &Turn) -> Turn {
        let acknowledged = match turn.send.last().map(|packet| packet.parts().concat()).as_deref() {
            Some([0, 6, ..]) => Some(0),
            Some([0, 3, high, low, ..]) => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        };
        let error = |code: u8, words: &str| [&[0, 5, 0, code], words.as_bytes(), &[0]].concat();
        match (client, acknowledged) {
            (Client::Probes, _) => transfer.on_packet(&error(8, "User aborted the transfer")),
            (Client::GivesUp(words), Some(1..)) => transfer.on_packet(&error(3, words)),
            (Client::Until(block), Some(now)) if now > block => self.silence(transfer, turn),
            (Client::Silent, _) | (_, None) => self.silence(transfer, turn),
            (Client::Whole | Client::Until(_) | Client::GivesUp(_), Some(block)) => {
                transfer.on_packet(&[&[0, 4][..], &block.to_be_bytes()].concat())
            }
        }
    }

    fn silence(&mut self, transfer: &mut Transfer, turn: &Turn) -> Turn {
        self.now = self.now.after(turn.wait.unwrap_or(Duration::from_millis(300)));
        transfer.on_timeout()
    }

    fn observe(&mut self, event: &Event) {
        self.doctor.observe(self.now, event);
    }

    fn claims(&self) -> Claims {
        Claims { macs: vec![self.mac], ..Claims::default() }
    }

    pub(crate) fn script_installs(&mut self) {
        let (run, profile) = (RunId::new([7; 16]), "demo".parse().expect("a profile"));
        let event = Event::ScriptServed { claims: self.claims(), address: self.address, run, profile };
        self.observe(&event);
    }

    pub(crate) fn script_waits(&mut self) {
        let reason = "this machine waits for approval".into();
        self.observe(&Event::Held { claims: self.claims(), address: self.address, reason });
    }

    pub(crate) fn script_disk(&mut self) {
        self.observe(&Event::SentToDisk { claims: self.claims(), address: self.address });
    }

    pub(crate) fn gets(&mut self, file: &str) {
        self.observe(&Event::KernelServed { address: self.address, file: file.into() });
    }

    pub(crate) fn heads(&mut self, file: &str) {
        self.observe(&sighting::http(self.address, Http::Head { file: file.into() }));
    }

    pub(crate) fn lacks(&mut self, file: &str) {
        self.observe(&sighting::http(self.address, Http::Missing { file: file.into() }));
    }

    pub(crate) fn tls_refused(&mut self, why: &str) {
        self.observe(&sighting::http(self.address, Http::TlsRefused { why: why.into() }));
    }

    pub(crate) fn agent(&mut self) {
        let who = Who { mac: Some(self.mac), address: Some(self.address) };
        self.doctor.sight(self.now, who, Sighting::Agent);
    }
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
    fn is_for_us(&self) -> bool {
        let Ok(message) = Message::decode(&mut Decoder::new(&self.bytes)) else { return false };
        let server = message.opts().get(OptionCode::ServerIdentifier);
        matches!(server, Some(DhcpOption::ServerIdentifier(server)) if *server == STATION)
    }
}

/// Puts other bytes into an option, of the same length.
fn replace(packet: &mut [u8], code: u8, value: &[u8]) {
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
