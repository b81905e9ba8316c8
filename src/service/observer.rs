//! Reports TFTP requests and transfers to the doctor, and their packets to the capture files. Nothing here waits, and
//! nothing takes the room that a boot needs (see [`Inbox::mention`]).

use std::net::SocketAddrV4;

use crate::boot::sighting;
use crate::boot::tftp::transfer::{Transfer, TransferEnd, Turn};
use crate::clock;
use crate::domain::doctor::packet::{Frame, SeenPacket};
use crate::domain::machine::sighting::Who;
use crate::inbox::{Inbox, Input};

/// One TFTP request or transfer: who, and from where it is answered.
#[derive(Clone, Debug)]
pub(super) struct TftpObserver {
    pub(super) inbox: Inbox,
    pub(super) peer: SocketAddrV4,
    pub(super) from: SocketAddrV4,
}

impl TftpObserver {
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
