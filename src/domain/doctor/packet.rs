//! A packet as a service saw it, on its way to the tape.

use std::net::SocketAddrV4;

use crate::domain::machine::sighting::Who;
use crate::domain::time::Timestamp;

/// Who it came from or went to, when, and what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenPacket {
    pub at: Timestamp,
    pub who: Who,
    pub frame: Frame,
}

/// As much of it as the service had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// What was in a UDP datagram, from the machine if it went `inward`.
    Udp { inward: bool, from: SocketAddrV4, to: SocketAddrV4, payload: Vec<u8> },
    /// All of it, as ARP frames are seen.
    Ethernet(Vec<u8>),
}
