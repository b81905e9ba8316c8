//! Tells the doctor what machines ask and are answered, and gives the tape the packets. Nothing here waits, and nothing
//! takes the room of what moves a machine (see [`Inbox::mention`]).

use std::net::{Ipv4Addr, SocketAddrV4};

use tokio::net::UdpSocket;

use super::ServiceContext;
use crate::boot::dhcp::boot_server::Addressing;
use crate::boot::dhcp::{DhcpReply, Verdict, arp};
use crate::boot::limit::once::Once;
use crate::boot::sighting;
use crate::boot::tftp::transfer::{Transfer, TransferEnd, Turn};
use crate::clock;
use crate::domain::doctor::packet::{Frame, SeenPacket};
use crate::domain::event::Event;
use crate::domain::ids::MacAddr;
use crate::domain::machine::sighting::{DhcpPort, Who};
use crate::inbox::{Inbox, Input};

/// A DHCP message, and what was decided about it. `way` is how it came, unless it was told of before.
pub(super) fn asked(
    context: &ServiceContext,
    door: DhcpPort,
    packet: &[u8],
    way: Option<Addressing>,
    mac: Option<MacAddr>,
    verdict: &Verdict,
) {
    if let Some(event) = sighting::dhcp(door, packet, mac, verdict) {
        context.inbox.mention(Input::Event(event));
    }
    if let Some(Addressing { from, to }) = way {
        let port = if door == DhcpPort::BootServer { 4011 } else { 67 };
        let frame = Frame::Udp { inward: true, from, to: SocketAddrV4::new(to, port), payload: packet.to_vec() };
        keep(&context.inbox, Who { mac: mac.or(sighting::card(packet)), address: Some(*from.ip()) }, frame);
    }
}

/// A DHCP answer as it goes out through `door`.
pub(super) fn answered(context: &ServiceContext, door: &UdpSocket, mac: Option<MacAddr>, answer: &DhcpReply) {
    let to = answer.to.socket_address();
    let from = SocketAddrV4::new(answer.from, door.local_addr().map_or(0, |at| at.port()));
    let who = Who { mac, address: Some(*to.ip()) };
    keep(&context.inbox, who, Frame::Udp { inward: false, from, to, payload: answer.message.clone() });
}

/// An ARP frame: whoever says that an address is its own.
pub(super) fn neighbour(context: &ServiceContext, told: &mut Once<(MacAddr, Ipv4Addr)>, frame: &[u8]) {
    let Some(arp::Claim { address, by }) = arp::claim(frame) else { return };
    if told.is_news(clock::now(), (by, address)) {
        context.inbox.mention(Input::Event(Event::Neighbour { mac: by, address }));
        keep(&context.inbox, Who::card(by), Frame::Ethernet(frame.to_vec()));
    }
}

/// One TFTP request or transfer: who, and from where it is answered.
#[derive(Clone, Debug)]
pub(super) struct TftpWitness {
    pub(super) inbox: Inbox,
    pub(super) peer: SocketAddrV4,
    pub(super) from: SocketAddrV4,
}

impl TftpWitness {
    /// A packet that is worth keeping for itself: a request, or an error.
    pub(super) fn packet(&self, inward: bool, packet: &[u8]) {
        let (from, to) = if inward { (self.peer, self.from) } else { (self.from, self.peer) };
        keep(&self.inbox, Who::at(*self.peer.ip()), Frame::Udp { inward, from, to, payload: packet.to_vec() });
    }

    /// A transfer has begun: on what terms, and what it begins with.
    pub(super) fn begun(&self, file: &str, transfer: &Transfer, turn: &Turn) {
        self.inbox.mention(Input::Event(sighting::begun(*self.peer.ip(), file, transfer.terms())));
        turn.send.first().into_iter().for_each(|first| self.packet(false, &first.parts().concat()));
    }

    /// Something came from the machine in the middle of a transfer. Of acknowledgements there are too many to keep.
    pub(super) fn heard(&self, packet: &[u8]) {
        if packet.starts_with(&TFTP_ERROR) {
            self.packet(true, packet);
        }
    }

    pub(super) fn ended(&self, file: &str, end: &TransferEnd) {
        self.inbox.mention(Input::Event(sighting::ended(*self.peer.ip(), file, end)));
    }

    /// There is nothing to send.
    pub(super) fn missing(&self, file: &str, reason: &str, answer: &[u8]) {
        self.inbox.mention(Input::Event(sighting::missing(*self.peer.ip(), file, reason)));
        self.packet(false, answer);
    }
}

fn keep(inbox: &Inbox, who: Who, frame: Frame) {
    inbox.mention(Input::Packet(Box::new(SeenPacket { at: clock::now(), who, frame })));
}

/// RFC 1350 section 5.
const TFTP_ERROR: [u8; 2] = [0, 5];
