//! What a service tells the doctor: a packet and what was decided about it, in the doctor's words.

use std::net::Ipv4Addr;

use crate::boot::client::Client;
use crate::boot::dhcp::{Answer, Silence, Verdict};
use crate::boot::request::{Kind, Request};
use crate::boot::tftp::transfer::End;
use crate::domain::doctor::sighting::{self as seen, Asked, Cause, Door, Reply, Sighting, Speaker, Terms, Tftp, Who};
use crate::domain::event::{Event, Firmware};
use crate::domain::ids::MacAddr;

/// A DHCP message as it was decided about. None for what is no machine's request.
pub fn dhcp(door: Door, packet: &[u8], mac: Option<MacAddr>, verdict: &Verdict) -> Option<Event> {
    if matches!(verdict, Verdict::Silence(Silence::OwnProbe)) {
        return None;
    }
    let request = Request::parse(packet).ok()?;
    // On port 4011 a machine may put its GUID where its card's address belongs: then it is known by the address it has.
    let address = request.ciaddr.filter(|_| door == Door::BootServer);
    let who = Who { mac, address };
    let sighting = Sighting::Dhcp { asked: asked(door, &request), reply: reply(verdict) };
    (mac.is_some() || address.is_some()).then(|| Event::Sighted { who, sighting: Box::new(sighting) })
}

/// The card that a DHCP packet says it comes from, or is for.
pub fn card(packet: &[u8]) -> Option<MacAddr> {
    let &[_, ETHERNET, 6, ..] = packet else { return None };
    MacAddr::new(packet.get(28..34)?.try_into().ok()?).ok()
}

/// A file that somebody began to fetch by TFTP.
pub fn begun(peer: Ipv4Addr, file: &str, terms: Terms) -> Event {
    tftp(peer, file, Tftp::Begun(terms))
}

/// How that ended.
pub fn ended(peer: Ipv4Addr, file: &str, end: &End) -> Event {
    // The terms are those it began with.
    let terms = Terms::default();
    let how = match end {
        End::Done { bytes } => Tftp::Done { bytes: *bytes },
        End::Probed => Tftp::Probed,
        End::Aborted(fault) => Tftp::Aborted { reason: fault.to_string(), terms },
        End::Lost { sent } => Tftp::Lost { sent: *sent, terms },
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

fn asked(door: Door, request: &Request) -> Asked {
    let client = Client::of(request);
    Asked {
        door,
        kind: request.kind.map_or(seen::Kind::Bootp, kind),
        speaker: match client {
            Client::Ipxe { .. } => Speaker::Ipxe,
            Client::HttpClient(_) => Speaker::HttpBoot,
            Client::OtherArch(_) if request.vendor_class.starts_with(b"HTTPClient") => Speaker::HttpBoot,
            Client::Pxe(_) | Client::OtherArch(_) => Speaker::Pxe,
            Client::Plain => Speaker::Plain,
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

fn kind(kind: Kind) -> seen::Kind {
    match kind {
        Kind::Discover => seen::Kind::Discover,
        Kind::Request => seen::Kind::Request,
        Kind::Inform => seen::Kind::Inform,
        Kind::Decline => seen::Kind::Decline,
        Kind::Release => seen::Kind::Release,
        Kind::Other(number) => seen::Kind::Other(number),
    }
}

fn reply(verdict: &Verdict) -> Reply {
    match verdict {
        Verdict::Reply(answer) => read(answer),
        Verdict::Overheard(_) => Reply::Overheard,
        Verdict::Silence(silence) => Reply::Silent(cause(*silence)),
    }
}

/// What the machine reads in the answer, whatever it was meant to say.
fn read(answer: &Answer) -> Reply {
    if let Some(lacks) = answer.lacks.filter(|lacks| matches!(lacks, Silence::Unsupported(_))) {
        return Reply::Silent(cause(lacks));
    }
    let message = &answer.message;
    let address = message.get(16..20).and_then(|field| <[u8; 4]>::try_from(field).ok()).map(Ipv4Addr::from);
    let address = address.filter(|address| !address.is_unspecified());
    let file = message.get(108..236).unwrap_or_default().split(|byte| *byte == 0).next().unwrap_or_default();
    let file = (!file.is_empty()).then(|| String::from_utf8_lossy(file).into_owned());
    // Every answer of the station begins its options with the message type.
    match message.get(240..243) {
        Some([53, 1, OFFER]) => Reply::Offered { address, file },
        Some([53, 1, NAK]) => Reply::Refused,
        _ => Reply::Acked { address, file },
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
