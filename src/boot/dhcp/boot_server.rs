//! The replies of the PXE boot server on port 4011 (PXE 2.1 section 2.2.4): the boot program, by unicast.
//!
//! UEFI comes here after a proxy's offer, and after any offer that names the class `PXEClient` without option 43. It may
//! put its GUID where the Ethernet address belongs, and uses another transaction number than on port 67: it is known by
//! its option 97, or by the address it has.

use std::net::{Ipv4Addr, SocketAddrV4};

use dhcproto::v4::MessageType;

use super::{Destination, DhcpReply, Silence, Verdict, claims, client_of, delay, lacks};
use crate::boot::dhcp::leases::Leases;
use crate::boot::dhcp::reply::{ReplyFields, Role};
use crate::boot::dhcp::request::{Request, RequestType};
use crate::boot::dhcp::segment::Segment;
use crate::boot::program::Program;
use crate::domain::event::{DhcpAnswer, Event};
use crate::domain::ids::MacAddr;

/// How a request reached port 4011.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addressing {
    pub from: SocketAddrV4,
    /// The address it was sent to, which may be a broadcast address.
    pub to: Ipv4Addr,
}

/// Parses a UDP payload and decides. Also returns the sender, if it can be known.
pub fn handle(packet: &[u8], way: Addressing, segment: &Segment, leases: &Leases) -> (Option<MacAddr>, Verdict) {
    match Request::parse(packet) {
        Ok(request) => {
            let has = request.ciaddr.unwrap_or(*way.from.ip());
            let mac = request.mac.or_else(|| leases.holder(has));
            (mac, decide(&request, mac, way, segment))
        }
        Err(unreadable) => (None, Verdict::Silence(Silence::Unreadable(unreadable))),
    }
}

fn decide(request: &Request, mac: Option<MacAddr>, way: Addressing, segment: &Segment) -> Verdict {
    match request.kind {
        Some(RequestType::Request | RequestType::Inform) => {}
        Some(RequestType::Discover | RequestType::Release | RequestType::Decline | RequestType::Other(_)) => {
            return Verdict::Silence(Silence::NotForBootServers);
        }
        None => return Verdict::Silence(Silence::Bootp),
    }
    if way.from.ip().is_unspecified() {
        return Verdict::Silence(Silence::NoAddress);
    }
    let claims = claims(request, mac);
    let (client, effects) = client_of(request, &claims, segment);
    let Some(program) = Program::of(client, &claims, segment) else {
        return Verdict::Silence(lacks(client, None).unwrap_or(Silence::NotBooting));
    };
    let event = Event::DhcpAnswered {
        claims,
        firmware: client.firmware(),
        address: Some(request.ciaddr.unwrap_or(*way.from.ip())),
        answer: DhcpAnswer::Told,
        bootfile: Some(program.name().to_owned()),
        lacks_https: client.lacks_https(),
    };
    let from = asked_at(way.to, segment);
    let identified = mac.is_some() || request.uuid.is_some();
    let message = ReplyFields {
        request,
        segment,
        kind: MessageType::Ack,
        role: Role::BootServer(from),
        broadcast: false,
        grant: None,
        boot: Some((client, Some(program))),
    };
    Verdict::Reply(Box::new(DhcpReply {
        message: message.bytes(),
        from,
        to: Destination::Asker(way.from),
        event: identified.then_some(event),
        lacks: None,
        lease: None,
        doubtful: None,
        delay: delay(&effects),
    }))
}

/// EDK2 and iPXE accept a reply only from the address they asked.
fn asked_at(to: Ipv4Addr, segment: &Segment) -> Ipv4Addr {
    let is_everybodys = to.is_broadcast() || to.is_multicast() || to == segment.broadcast() || to.is_unspecified();
    if is_everybodys { segment.address() } else { to }
}
