//! What to do about a packet to port 69, knowing who is being served already.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;

use super::packet::{self, Opening, ReadRequest};

/// Who is being served, and with what.
#[derive(Clone, Debug, Default)]
pub struct Server {
    serving: BTreeMap<SocketAddrV4, ReadRequest>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Begin a transfer. A transfer to the same peer that is still going ends: its client has turned to another file.
    Start(ReadRequest),
    /// The request is being answered already: tell that transfer, its first answer may have been lost. If it has just
    /// ended, this is a new one.
    Again(ReadRequest),
    /// Answer with this ERROR packet.
    Refuse(Vec<u8>),
    Silence(TftpSilence),
}

/// Why a packet to port 69 is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TftpSilence {
    #[error("not a request")]
    Stray,
    #[error("{MOST} transfers are running: the machine will ask again")]
    Full,
}

impl Server {
    /// What to do about `packet` from `peer`, which counts as served until [`Server::is_free`] says otherwise.
    pub fn admit(&mut self, peer: SocketAddrV4, packet: &[u8]) -> Admission {
        let ask = match Opening::parse(packet) {
            Opening::Read(ask) => ask,
            Opening::Write => return refuse(packet::ACCESS_VIOLATION, "oxbow only serves files, it accepts none"),
            Opening::Malformed => return refuse(packet::ILLEGAL_OPERATION, "the request has no file name or no mode"),
            Opening::Stray => return Admission::Silence(TftpSilence::Stray),
        };
        match self.serving.get(&peer) {
            Some(going) if *going == ask => return Admission::Again(ask),
            None if self.serving.len() >= MOST => return Admission::Silence(TftpSilence::Full),
            Some(_) | None => {}
        }
        self.serving.insert(peer, ask.clone());
        Admission::Start(ask)
    }

    /// The transfer to `peer` has ended.
    pub fn is_free(&mut self, peer: SocketAddrV4) {
        self.serving.remove(&peer);
    }
}

fn refuse(code: u16, message: &str) -> Admission {
    Admission::Refuse(packet::error(code, message))
}

/// Each has a socket and a file in memory.
const MOST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(port: u16) -> SocketAddrV4 {
        SocketAddrV4::new([10, 77, 0, 100].into(), port)
    }

    const READ: &[u8] = b"\0\x01a.efi\0octet\0";
    const PROBE: &[u8] = b"\0\x01a.efi\0octet\0tsize\x000\0";

    fn started(server: &mut Server, port: u16, packet: &[u8]) -> bool {
        matches!(server.admit(peer(port), packet), Admission::Start(_))
    }

    fn repeated(server: &mut Server, port: u16) -> bool {
        matches!(server.admit(peer(port), READ), Admission::Again(_))
    }

    #[test]
    fn a_repeated_request_is_the_same_transfer() {
        let mut server = Server::default();
        assert!(started(&mut server, 1024, READ));
        assert!(repeated(&mut server, 1024));
        assert!(started(&mut server, 1025, READ), "another port is another transfer");
        server.is_free(peer(1024));
        assert!(started(&mut server, 1024, READ));
    }

    #[test]
    fn another_request_from_the_same_port_takes_over() {
        let mut server = Server::default();
        assert!(started(&mut server, 1024, PROBE));
        assert!(started(&mut server, 1024, READ));
        assert!(repeated(&mut server, 1024));
    }

    #[test]
    fn more_than_the_desk_can_bear_must_ask_again() {
        let mut server = Server::default();
        assert!((0..256).all(|port| started(&mut server, port, READ)));
        assert_eq!(server.admit(peer(999), READ), Admission::Silence(TftpSilence::Full));
        assert!(repeated(&mut server, 7));
        server.is_free(peer(7));
        assert!(started(&mut server, 999, READ));
    }

    #[test]
    fn who_wants_to_write_or_says_nothing_is_told() {
        let mut server = Server::default();
        let error = |code, message: &str| Admission::Refuse(packet::error(code, message));
        assert_eq!(server.admit(peer(1), b"\0\x02a\0octet\0"), error(2, "oxbow only serves files, it accepts none"));
        assert_eq!(server.admit(peer(1), b"\0\x01"), error(4, "the request has no file name or no mode"));
        assert_eq!(server.admit(peer(1), b"\0\x05\0\x01\0"), Admission::Silence(TftpSilence::Stray));
    }
}
