//! What a service tells the doctor: a packet and what was decided about it, in the doctor's words.

use std::net::Ipv4Addr;

use crate::boot::dhcp::client::BootClient;
use crate::boot::dhcp::request::{Request, RequestType};
use crate::boot::dhcp::{DhcpReply, Silence, Verdict};
use crate::boot::tftp::transfer::TransferEnd;
use crate::domain::event::Event;
use crate::domain::ids::MacAddr;
use crate::domain::machine::firmware::Firmware;
use crate::domain::machine::sighting as seen;
use crate::domain::machine::sighting::{
    Cause, DhcpAsked, DhcpPort, DhcpReplied, DhcpSpeaker, Sighting, Terms, Tftp, Who,
};

/// A DHCP message as it was decided about. None for what is no machine's request.
pub fn dhcp(door: DhcpPort, packet: &[u8], mac: Option<MacAddr>, verdict: &Verdict) -> Option<Event> {
    if matches!(verdict, Verdict::Silence(Silence::OwnProbe)) {
        return None;
    }
    let request = Request::parse(packet).ok()?;
    // On port 4011 a machine may put its GUID where its card's address belongs: then it is known by the address it has.
    let address = request.ciaddr.filter(|_| door == DhcpPort::BootServer);
    let who = Who { mac, address };
    let sighting = Sighting::Dhcp { asked: asked(door, &request), reply: reply(verdict) };
    (mac.is_some() || address.is_some()).then(|| Event::Sighted { who, sighting: Box::new(sighting) })
}

/// The card that a DHCP packet says it comes from, or is for.
pub fn card(packet: &[u8]) -> Option<MacAddr> {
    let &[_, ETHERNET, 6, ..] = packet else { return None };
    MacAddr::new(packet.get(28..34)?.try_into().ok()?).ok()
}

/// The start of a TFTP transfer.
pub fn begun(peer: Ipv4Addr, file: &str, terms: Terms) -> Event {
    tftp(peer, file, Tftp::Begun(terms))
}

/// How that ended.
pub fn ended(peer: Ipv4Addr, file: &str, end: &TransferEnd) -> Event {
    // The terms are those it began with.
    let terms = Terms::default();
    let how = match end {
        TransferEnd::Done { bytes } => Tftp::Done { bytes: *bytes },
        TransferEnd::Probed => Tftp::Probed,
        TransferEnd::Aborted(fault) => Tftp::Aborted { reason: fault.to_string(), terms },
        TransferEnd::Lost { sent } => Tftp::Lost { sent: *sent, terms },
    };
    tftp(peer, file, how)
}

/// A file that could not be sent.
pub fn missing(peer: Ipv4Addr, file: &str, reason: &str) -> Event {
    // What a machine sends as a name may be long; the doctor quotes it.
    let file = crate::domain::text::clean(file, NAME);
    tftp(peer, &file, Tftp::Missing { reason: reason.to_owned() })
}

/// Something by HTTP.
pub fn http(peer: Ipv4Addr, what: seen::Http) -> Event {
    Event::Sighted { who: Who::at(peer), sighting: Box::new(Sighting::Http(what)) }
}

fn tftp(peer: Ipv4Addr, file: &str, how: Tftp) -> Event {
    Event::Sighted { who: Who::at(peer), sighting: Box::new(Sighting::Tftp { file: file.to_owned(), how }) }
}

fn asked(door: DhcpPort, request: &Request) -> DhcpAsked {
    let client = BootClient::of(request);
    DhcpAsked {
        door,
        kind: request.kind.map_or(seen::DhcpMessageType::Bootp, kind),
        speaker: match client {
            BootClient::Ipxe { .. } => DhcpSpeaker::Ipxe,
            BootClient::HttpClient(_) => DhcpSpeaker::HttpBoot,
            BootClient::OtherArch(_) if request.vendor_class.starts_with(b"HTTPClient") => DhcpSpeaker::HttpBoot,
            BootClient::Pxe(_) | BootClient::OtherArch(_) => DhcpSpeaker::Pxe,
            BootClient::Plain => DhcpSpeaker::Plain,
        },
        firmware: client.arch().and_then(|arch| arch.row()).map_or(Firmware::Other, |row| row.firmware),
        arch: client.arch().map_or(0, |arch| arch.0),
        secs: request.secs,
        relay: request.giaddr,
        server: request.server,
        address: request.wanted.or(request.ciaddr),
        uuid: request.uuid,
    }
}

fn kind(kind: RequestType) -> seen::DhcpMessageType {
    match kind {
        RequestType::Discover => seen::DhcpMessageType::Discover,
        RequestType::Request => seen::DhcpMessageType::Request,
        RequestType::Inform => seen::DhcpMessageType::Inform,
        RequestType::Decline => seen::DhcpMessageType::Decline,
        RequestType::Release => seen::DhcpMessageType::Release,
        RequestType::Other(number) => seen::DhcpMessageType::Other(number),
    }
}

fn reply(verdict: &Verdict) -> DhcpReplied {
    match verdict {
        Verdict::Reply(answer) => read(answer),
        Verdict::Overheard(_) => DhcpReplied::Overheard,
        Verdict::Silence(silence) => DhcpReplied::Silent(cause(*silence)),
    }
}

/// What the machine reads in the answer, whatever it was meant to say.
fn read(answer: &DhcpReply) -> DhcpReplied {
    if let Some(lacks) = answer.lacks.filter(|lacks| matches!(lacks, Silence::Unsupported(_))) {
        return DhcpReplied::Silent(cause(lacks));
    }
    let message = &answer.message;
    let address = message.get(16..20).and_then(|field| <[u8; 4]>::try_from(field).ok()).map(Ipv4Addr::from);
    let address = address.filter(|address| !address.is_unspecified());
    let file = message.get(108..236).unwrap_or_default().split(|byte| *byte == 0).next().unwrap_or_default();
    let file = (!file.is_empty()).then(|| String::from_utf8_lossy(file).into_owned());
    // Every answer of the station begins its options with the message type.
    match message.get(240..243) {
        Some([53, 1, OFFER]) => DhcpReplied::Offered { address, file },
        Some([53, 1, NAK]) => DhcpReplied::Refused,
        _ => DhcpReplied::Acked { address, file },
    }
}

fn cause(silence: Silence) -> Cause {
    match silence {
        Silence::OtherNetwork(relay) => Cause::OtherNetwork(relay),
        Silence::PoolExhausted => Cause::PoolEmpty,
        Silence::AnotherServer(server) => Cause::AnotherServer(server),
        Silence::Bootp => Cause::Bootp,
        Silence::Unsupported(arch) => Cause::NoProgram(arch.to_string()),
        Silence::NotBooting | Silence::ForTheSitesServer => Cause::NotOurs,
        Silence::Declined(address) => Cause::Declined(address),
        Silence::InUse(address, by) => Cause::InUse { address, by },
        Silence::Released(address) => Cause::Released(address),
        // They say themselves what is the matter.
        other => Cause::Other(other.to_string()),
    }
}

/// The hardware type.
const ETHERNET: u8 = 1;
const OFFER: u8 = 2;
const NAK: u8 = 6;
const NAME: usize = 80;
