//! The replies to DHCP requests: here of the network's only server (RFC 2131 section 4.3), in [`proxy`] beside the
//! site's own server, in [`boot_server`] on port 4011. [`server`] adds order and time.
//!
//! ```text
//!                DISCOVER   REQUEST               INFORM    DECLINE, RELEASE
//! authoritative  OFFER      ACK | NAK | silence   ACK       silence
//! proxy          OFFER      overheard             silence   silence
//! port 4011      silence    ACK                   ACK       silence
//! ```
//! When there is no reply, there is a reason: a [`Silence`] that the screen can print.
//!
//! A relay agent's `giaddr` says which of the networks a machine is in.

pub mod arp;
pub mod boot_server;
pub mod client;
pub mod conflict;
pub mod delayed;
pub mod discover_cache;
pub mod leases;
pub mod mode_probe;
mod proxy;
pub mod reply;
pub mod request;
pub mod rogue;
pub mod segment;
pub mod server;

use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use dhcproto::v4::MessageType;

use crate::boot::architecture::ArchCode;
use crate::boot::dhcp::client::BootClient;
use crate::boot::dhcp::leases::Leases;
use crate::boot::dhcp::reply::{ReplyFields, Role};
use crate::boot::dhcp::request::{Request, RequestType, Unreadable};
use crate::boot::dhcp::segment::{Mode, Segment};
use crate::boot::program::Program;
use crate::domain::event::{DhcpAnswer, Event};
use crate::domain::ids::MacAddr;
use crate::domain::machine::claims::Claims;
use crate::domain::machine::quirk::Effects;
use crate::domain::station::lease::Lease;
use crate::domain::time::Timestamp;

/// What to do about a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Reply(Box<DhcpReply>),
    /// Nothing is sent: the request was for another server, but it says something about the machine.
    Overheard(Box<Event>),
    Silence(Silence),
}

/// A packet to send, and what the rest of the station should know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DhcpReply {
    /// The UDP payload.
    pub message: Vec<u8>,
    /// The station's address that it is sent from.
    pub from: Ipv4Addr,
    pub to: Destination,
    /// What to report. None for a NAK: the machine asks again at once.
    pub event: Option<Event>,
    /// What this reply lacks.
    pub lacks: Option<Silence>,
    /// The machine's new lease.
    pub lease: Option<Lease>,
    /// An offered address that somebody else may use: it has to be checked.
    pub doubtful: Option<Ipv4Addr>,
    /// How long to wait before sending: for some firmware a reply can come too soon.
    pub delay: Duration,
}

/// Where a reply goes (RFC 2131 section 4.1). A machine without an address is never sent a unicast: broadcast reaches
/// every firmware, and needs no forged ARP entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    Broadcast,
    Machine(Ipv4Addr),
    Relay(Ipv4Addr),
    /// Where the request came from, including the port.
    Asker(SocketAddrV4),
}

impl Destination {
    pub fn socket_address(self) -> SocketAddrV4 {
        match self {
            Self::Broadcast => SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT),
            Self::Machine(address) => SocketAddrV4::new(address, CLIENT),
            Self::Relay(address) => SocketAddrV4::new(address, SERVER),
            Self::Asker(address) => address,
        }
    }
}

/// Why a request is not answered, or not in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Silence {
    #[error("{0}")]
    Unreadable(Unreadable),
    #[error("the hardware address is not that of one Ethernet card")]
    NoMac,
    #[error("it is BOOTP: there is no DHCP message type")]
    Bootp,
    #[error("DHCP message type {0} is not for a server")]
    NotForServers(u8),
    #[error("the relay agent {0} serves a network that has no pool here: --relay-pool gives it one")]
    OtherNetwork(Ipv4Addr),
    #[error("every address of the pool is in use")]
    PoolExhausted,
    #[error("the machine chose another DHCP server, {0}")]
    AnotherServer(Ipv4Addr),
    #[error("it names no address")]
    NoAddress,
    #[error("the machine gave {0} back")]
    Released(Ipv4Addr),
    #[error("the machine found that another one uses {0}: nobody gets it for ten minutes")]
    Declined(Ipv4Addr),
    #[error("{1} uses {0} already: nobody gets it for ten minutes")]
    InUse(Ipv4Addr, MacAddr),
    #[error("{0} was not given to this machine")]
    NotItsAddress(Ipv4Addr),
    #[error("there is no boot program for architecture {0}")]
    Unsupported(ArchCode),
    #[error("it is the station's own question for other DHCP servers")]
    OwnProbe,
    #[error("it does not boot from the network: it is for the site's DHCP server")]
    NotBooting,
    #[error("it is for the site's DHCP server")]
    ForTheSitesServer,
    #[error("only a REQUEST or an INFORM is for port 4011")]
    NotForBootServers,
}

impl Silence {
    /// The same without the details of one machine, for counting.
    pub fn sort(self) -> &'static str {
        match self {
            Self::Unreadable(_) => "it cannot be read as DHCP",
            Self::NoMac => "its hardware address is not that of one Ethernet card",
            Self::Bootp => "it is BOOTP",
            Self::NotForServers(_) => "its message type is not for a server",
            Self::OtherNetwork(_) => "its relay agent serves another network",
            Self::PoolExhausted => "every address of the pool is in use",
            Self::AnotherServer(_) => "the machine chose another DHCP server",
            Self::NoAddress => "it names no address",
            Self::Released(_) => "the machine gave its address back",
            Self::Declined(_) => "the machine found that another one uses its address",
            Self::InUse(..) => "somebody uses the address that was to be offered",
            Self::NotItsAddress(_) => "the address was not given to this machine",
            Self::Unsupported(_) => "there is no boot program for its architecture",
            Self::OwnProbe => "it is the station's own question for other DHCP servers",
            Self::NotBooting => "it does not boot from the network",
            Self::ForTheSitesServer => "it is for the site's DHCP server",
            Self::NotForBootServers => "it is not for port 4011",
        }
    }

    /// Whether people should see it. A request for the site's server, or for no server, is no problem of a machine.
    pub fn is_news(self) -> bool {
        !matches!(self, Self::NotBooting | Self::ForTheSitesServer | Self::OwnProbe)
    }
}

/// Parses a UDP payload and decides. Also returns the sender, if it can be read.
pub fn handle(now: Timestamp, packet: &[u8], segment: &Segment, leases: &mut Leases) -> (Option<MacAddr>, Verdict) {
    match Request::parse(packet) {
        Ok(request) => (request.mac, decide(now, &request, segment, leases)),
        Err(unreadable) => (None, Verdict::Silence(Silence::Unreadable(unreadable))),
    }
}

/// Decides about `request`. Changes `leases` accordingly.
pub fn decide(now: Timestamp, request: &Request, segment: &Segment, leases: &mut Leases) -> Verdict {
    let Some(mac) = request.mac else { return Verdict::Silence(Silence::NoMac) };
    let Some(kind) = request.kind else { return Verdict::Silence(Silence::Bootp) };
    if segment.card == Some(mac) {
        return Verdict::Silence(Silence::OwnProbe);
    }
    let request = &*leases.recall.completed(now, mac, kind, request);
    let segment = &*match network_of(request, segment) {
        Ok(segment) => segment,
        Err(silence) => return Verdict::Silence(silence),
    };
    let claims = claims(request, Some(mac));
    let (client, effects) = client_of(request, &claims, segment);
    let case = Answerable { now, request, mac, claims, client, effects, segment };
    match segment.mode {
        Mode::Authoritative => case.as_server(kind, leases),
        Mode::Proxy => case.as_proxy(kind),
    }
}

/// The network that a machine is in: that of the relay agent, or of the address it has. A proxy gives no addresses, and
/// serves all that reach it.
fn network_of<'a>(request: &Request, segment: &'a Segment) -> Result<Cow<'a, Segment>, Silence> {
    let here = Cow::Borrowed(segment);
    match (segment.mode, request.giaddr, request.ciaddr) {
        (Mode::Proxy, ..) => Ok(here),
        (Mode::Authoritative, Some(relay), _) if segment.contains(relay) => Ok(here),
        (Mode::Authoritative, Some(relay), _) => {
            let mut network = segment.behind(relay).ok_or(Silence::OtherNetwork(relay))?;
            network.router.get_or_insert(relay);
            Ok(Cow::Owned(network))
        }
        // It renews past the relay agent.
        (Mode::Authoritative, None, Some(machine)) => Ok(segment.behind(machine).map_or(here, Cow::Owned)),
        (Mode::Authoritative, None, None) => Ok(here),
    }
}

/// Who asks, and what is done differently for it.
fn client_of(request: &Request, claims: &Claims, segment: &Segment) -> (BootClient, Effects) {
    let client = BootClient::of(request);
    let effects = segment.site.effects(client.arch(), claims);
    let client = if effects.program.is_some() { client.with_program(request) } else { client };
    (client, effects)
}

/// What a machine says of itself by DHCP.
fn claims(request: &Request, mac: Option<MacAddr>) -> Claims {
    Claims { macs: mac.into_iter().collect(), uuid: request.uuid, ..Claims::default() }
}

/// A request that can be answered.
struct Answerable<'a> {
    now: Timestamp,
    request: &'a Request,
    mac: MacAddr,
    claims: Claims,
    client: BootClient,
    effects: Effects,
    segment: &'a Segment,
}

impl Answerable<'_> {
    fn as_server(&self, kind: RequestType, leases: &mut Leases) -> Verdict {
        match kind {
            RequestType::Discover => self.discover(leases),
            RequestType::Request => self.request(leases),
            RequestType::Inform => self.inform(),
            RequestType::Release => self.release(leases),
            RequestType::Decline => self.decline(leases),
            RequestType::Other(number) => Verdict::Silence(Silence::NotForServers(number)),
        }
    }

    fn discover(&self, leases: &mut Leases) -> Verdict {
        match leases.offer(self.now, self.mac, self.request.wanted, self.segment) {
            Some(address) => {
                // ARP does not cross a relay agent.
                let doubtful = (!self.segment.is_relayed() && leases.is_doubtful(self.mac)).then_some(address);
                match self.grant(MessageType::Offer, address, None) {
                    Verdict::Reply(reply) => Verdict::Reply(Box::new(DhcpReply { doubtful, ..*reply })),
                    nothing @ (Verdict::Overheard(_) | Verdict::Silence(_)) => nothing,
                }
            }
            None => Verdict::Silence(Silence::PoolExhausted),
        }
    }

    /// SELECTING, INIT-REBOOT, RENEWING or REBINDING (RFC 2131 section 4.3.2, table 4). All come down to whether the
    /// machine may have the address it names; a server that owns its network says no where others keep silent.
    fn request(&self, leases: &mut Leases) -> Verdict {
        if let Some(other) = self.request.server.filter(|server| *server != self.segment.address()) {
            leases.take_back_offer(self.now, self.mac);
            return Verdict::Silence(Silence::AnotherServer(other));
        }
        let Some(address) = self.address() else { return Verdict::Silence(Silence::NoAddress) };
        match leases.take(self.now, self.mac, address, self.time(), self.segment) {
            Ok(lease) => self.grant(MessageType::Ack, address, Some(lease)),
            Err(_) => self.refuse(),
        }
    }

    /// The machine has an address and wants to know the rest (RFC 2131 section 4.3.5).
    fn inform(&self) -> Verdict {
        let Some(address) = self.request.ciaddr else { return Verdict::Silence(Silence::NoAddress) };
        let to = Destination::Machine(address);
        let boot = Some((self.client, self.program()));
        self.reply(MessageType::Ack, to, None, boot)
    }

    fn release(&self, leases: &mut Leases) -> Verdict {
        let Some(address) = self.address() else { return Verdict::Silence(Silence::NoAddress) };
        Verdict::Silence(match leases.release(self.now, self.mac, address) {
            Ok(()) => Silence::Released(address),
            Err(_) => Silence::NotItsAddress(address),
        })
    }

    fn decline(&self, leases: &mut Leases) -> Verdict {
        let Some(address) = self.address() else { return Verdict::Silence(Silence::NoAddress) };
        Verdict::Silence(match leases.decline(self.now, self.mac, address) {
            Ok(()) => Silence::Declined(address),
            Err(_) => Silence::NotItsAddress(address),
        })
    }

    fn grant(&self, kind: MessageType, address: Ipv4Addr, lease: Option<Lease>) -> Verdict {
        let answer = if kind == MessageType::Offer { DhcpAnswer::Offer } else { DhcpAnswer::Ack };
        let program = self.program();
        let event = self.answered(answer, Some(address), program.as_ref());
        let lacks = lacks(self.client, program.as_ref());
        let verdict = self.reply(kind, self.back(), Some((address, self.time())), Some((self.client, program)));
        match verdict {
            Verdict::Reply(reply) => Verdict::Reply(Box::new(DhcpReply { event: Some(event), lacks, lease, ..*reply })),
            nothing @ (Verdict::Overheard(_) | Verdict::Silence(_)) => nothing,
        }
    }

    fn refuse(&self) -> Verdict {
        let to = match self.back() {
            relay @ Destination::Relay(_) => relay,
            Destination::Broadcast | Destination::Machine(_) | Destination::Asker(_) => Destination::Broadcast,
        };
        self.reply(MessageType::Nak, to, None, None)
    }

    fn reply(
        &self,
        kind: MessageType,
        to: Destination,
        grant: Option<(Ipv4Addr, Duration)>,
        boot: Option<(BootClient, Option<Program>)>,
    ) -> Verdict {
        let broadcast = to == Destination::Broadcast || kind == MessageType::Nak;
        let Self { request, segment, .. } = self;
        let role = match segment.mode {
            Mode::Authoritative => Role::Server,
            Mode::Proxy => Role::Proxy,
        };
        let message = ReplyFields { request, segment, kind, role, broadcast, grant, boot }.bytes();
        let (from, delay) = (segment.address(), delay(&self.effects));
        Verdict::Reply(Box::new(DhcpReply {
            message,
            from,
            to,
            event: None,
            lacks: None,
            lease: None,
            doubtful: None,
            delay,
        }))
    }

    /// The relay it came through, the machine if it has an address, everybody otherwise.
    fn back(&self) -> Destination {
        match (self.request.giaddr, self.request.ciaddr) {
            (Some(relay), _) => Destination::Relay(relay),
            (None, Some(machine)) => Destination::Machine(machine),
            (None, None) => Destination::Broadcast,
        }
    }

    /// The address the request is about: option 50, or the one the machine has.
    fn address(&self) -> Option<Ipv4Addr> {
        self.request.wanted.or(self.request.ciaddr)
    }

    /// Who is not booting will go away: a laptop plugged into the bench does not keep an address for long.
    fn time(&self) -> Duration {
        match self.client {
            BootClient::Plain => self.segment.lease.min(PLAIN_LEASE),
            BootClient::Pxe(_) | BootClient::Ipxe { .. } | BootClient::HttpClient(_) | BootClient::OtherArch(_) => {
                self.segment.lease
            }
        }
    }

    fn program(&self) -> Option<Program> {
        Program::of(self.client, &self.claims, self.segment)
    }

    fn answered(&self, answer: DhcpAnswer, address: Option<Ipv4Addr>, program: Option<&Program>) -> Event {
        Event::DhcpAnswered {
            claims: self.claims.clone(),
            firmware: self.client.firmware(),
            address,
            answer,
            bootfile: program.map(|program| program.name().to_owned()),
            lacks_https: self.client.lacks_https(),
        }
    }
}

fn delay(effects: &Effects) -> Duration {
    Duration::from_millis(effects.reply_delay_ms.unwrap_or_default().into())
}

/// A machine that wants a boot program and gets none is told of: silence about that would be a riddle.
fn lacks(client: BootClient, program: Option<&Program>) -> Option<Silence> {
    match (client, program) {
        (_, Some(_)) | (BootClient::Plain, None) => None,
        (BootClient::Pxe(arch) | BootClient::HttpClient(arch) | BootClient::OtherArch(arch), None)
        | (BootClient::Ipxe { arch, .. }, None) => Some(Silence::Unsupported(arch)),
    }
}

const SERVER: u16 = 67;
const CLIENT: u16 = 68;
const PLAIN_LEASE: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests;
