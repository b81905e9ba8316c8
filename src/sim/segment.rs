//! The wire all machines hang on: one socket on the DHCP client port of the real interface, shared by transaction.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::dhcp::{DhcpClient, DhcpRequest, LeaseReply, ReplyKind, message};
use super::identity::SimIdentity;
use super::power::{Off, Power};

/// Sends for every machine and hands each answer to the one that waits for it.
#[derive(Debug)]
pub(super) struct Cable {
    socket: UdpSocket,
    waiting: Mutex<HashMap<u32, SyncSender<LeaseReply>>>,
    xids: AtomicU32,
}

/// Why a machine got no address.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoLease {
    #[error("nobody offers an address by DHCP")]
    NoOffer,
    #[error("DHCP server {0} offers an address but does not acknowledge it")]
    NoAck(Ipv4Addr),
    #[error("DHCP server {0} refuses the address it offered")]
    Refused(Ipv4Addr),
    #[error("sending a DHCP message")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Off(#[from] Off),
}

impl Cable {
    /// Opens UDP port 68 on `interface`. `first_xid` sets this simulation apart from others on the same wire.
    pub(super) fn open(interface: &str, first_xid: u32) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_reuse_address(true)?;
        socket.set_broadcast(true)?;
        socket.bind_device(Some(interface.as_bytes()))?;
        socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT).into())?;
        // A whole bench is switched on at once; the kernel may cut this to its limit.
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        socket.set_read_timeout(Some(GLANCE))?;
        Ok(Self { socket: socket.into(), waiting: Mutex::default(), xids: AtomicU32::new(first_xid) })
    }

    /// Hands out what arrives, until the power is off.
    pub(super) fn listen(&self, power: &Power) {
        let mut packet = [0; 1500];
        while power.is_on() {
            // An error that stays, such as an interface that is gone, shows as no offers; it must not spin here.
            let Ok(length) = self.socket.recv(&mut packet) else {
                let _going_off_is_seen_above = power.pause(Duration::from_millis(1));
                continue;
            };
            let Some(reply) = LeaseReply::parse(&packet[..length]) else { continue };
            if let Some(waiting) = self.waiting().get(&reply.xid) {
                let _more_answers_than_anyone_needs = waiting.try_send(reply);
            }
        }
    }

    /// An address and a boot file for the machine, asked for as `speaker` does.
    pub(super) fn lease(&self, who: &SimIdentity, speaker: DhcpClient, power: &Power) -> Result<LeaseReply, NoLease> {
        let transaction = self.transaction();
        let mut secs = 0;
        for wait in OFFER_WAITS {
            self.say(&message(who, speaker, DhcpRequest::Discover, transaction.xid, secs))?;
            if let Some(offer) = transaction.answer(ReplyKind::Offer, wait, power)? {
                return self.request(&transaction, who, speaker, &offer, power);
            }
            secs += u16::try_from(wait.as_secs()).unwrap_or(u16::MAX);
        }
        Err(NoLease::NoOffer)
    }

    fn request(
        &self,
        transaction: &Transaction<'_>,
        who: &SimIdentity,
        speaker: DhcpClient,
        offer: &LeaseReply,
        power: &Power,
    ) -> Result<LeaseReply, NoLease> {
        let ask = DhcpRequest::Request { server: offer.server, address: offer.address };
        for wait in ACK_WAITS {
            self.say(&message(who, speaker, ask, transaction.xid, 0))?;
            match transaction.answer(ReplyKind::Ack, wait, power)? {
                Some(reply) if reply.kind == ReplyKind::Nak => return Err(NoLease::Refused(reply.server)),
                Some(ack) => return Ok(ack),
                None => {}
            }
        }
        Err(NoLease::NoAck(offer.server))
    }

    fn say(&self, message: &[u8]) -> io::Result<()> {
        self.socket.send_to(message, SocketAddrV4::new(Ipv4Addr::BROADCAST, SERVER)).map(drop)
    }

    fn transaction(&self) -> Transaction<'_> {
        let xid = self.xids.fetch_add(1, Ordering::Relaxed);
        let (sender, replies) = sync_channel(REPLIES);
        self.waiting().insert(xid, sender);
        Transaction { xid, replies, segment: self }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashMap<u32, SyncSender<LeaseReply>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answers to one machine's present questions.
struct Transaction<'s> {
    xid: u32,
    replies: Receiver<LeaseReply>,
    segment: &'s Cable,
}

impl Transaction<'_> {
    /// The next answer of this kind (or a refusal, where an acknowledgement is awaited) within `wait`.
    fn answer(&self, kind: ReplyKind, wait: Duration, power: &Power) -> Result<Option<LeaseReply>, Off> {
        let until = Instant::now() + wait;
        loop {
            power.check()?;
            let left = until.saturating_duration_since(Instant::now());
            match self.replies.recv_timeout(left.min(GLANCE)) {
                Ok(reply) if reply.kind == kind => return Ok(Some(reply)),
                Ok(reply) if kind == ReplyKind::Ack && reply.kind == ReplyKind::Nak => return Ok(Some(reply)),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) if left.is_zero() => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        self.segment.waiting().remove(&self.xid);
    }
}

const CLIENT: u16 = 68;
const SERVER: u16 = 67;
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;
/// How often a wait looks whether the power is still on.
const GLANCE: Duration = Duration::from_millis(250);
/// Offers and acknowledgements of a few servers.
const REPLIES: usize = 8;
/// As iPXE waits (RFC 2131 section 4.1: doubling).
const OFFER_WAITS: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];
const ACK_WAITS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
