//! TFTP on UDP port 69 (RFC 1350): a counter where requests are taken, and a socket and a task for each transfer.
//!
//! What to answer is decided by [`Server`], [`crate::boot::tftp::names`] and [`Transfer`]; here it is carried out. A transfer's socket has the
//! station's address and a port of its own (RFC 1350 section 4), and hears its peer alone.

mod files;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use self::files::BootFileCache;
use super::link::{self, BoundInterface};
use super::observer::TftpObserver;
use super::udp::{self, ConnectedUdp};
use super::{ServiceContext, ServiceError};
use crate::boot::tftp::packet::ReadRequest;
use crate::boot::tftp::server::{Admission, Server};
use crate::boot::tftp::transfer::{Transfer, TransferEnd, Turn};
use crate::domain::event::{self, Event};
use crate::domain::station::service::ServiceName;
use crate::inbox::Inbox;

/// What to serve, and where.
#[derive(Clone, Debug)]
pub struct TftpConfig {
    pub interface: String,
    /// The station's address on it, where machines are told to load from.
    pub address: Ipv4Addr,
    /// [`PORT`], except in tests.
    pub port: u16,
    /// The boot programs. Changed files are read again.
    pub directory: PathBuf,
    /// What is given as `autoexec.ipxe`, in any folder.
    pub autoexec: String,
    /// What is given as `grub.cfg`, in any folder.
    pub grub_config: String,
}

/// Where firmware asks.
pub const PORT: u16 = 69;

/// Serves until stopped, on whatever card is behind the interface. Fails if the port cannot be had.
pub async fn serve(context: ServiceContext, config: TftpConfig) -> Result<(), ServiceError> {
    let place = BoundInterface { interface: config.interface.clone(), address: config.address };
    link::while_there(&context, ServiceName::Tftp, &place, || session(context.clone(), config.clone())).await
}

/// Fails if the socket breaks.
async fn session(context: ServiceContext, config: TftpConfig) -> Result<(), ServiceError> {
    let at = SocketAddrV4::new(config.address, config.port);
    let socket = udp::bound(&config.interface, at)
        .map_err(|error| ServiceError::bind(&format!("UDP {at} on {}", config.interface), error))?;
    context.up(ServiceName::Tftp, format!("{} on {}", config.address, config.interface)).await;
    let mut counter = Counter::new(context.inbox, config);
    let mut packet = vec![0; LARGEST];
    loop {
        let received = tokio::select! {
            () = context.stop.cancelled() => break,
            Some(closed) = counter.transfers.join_next() => {
                closed.into_iter().for_each(|closed| counter.close(closed));
                continue;
            }
            received = socket.recv_from(&mut packet) => received,
        };
        let (len, from) = received.map_err(|error| lost(at, error))?;
        if let std::net::SocketAddr::V4(peer) = from {
            counter.take(&socket, peer, &packet[..len]).await;
        }
    }
    counter.transfers.shutdown().await;
    Ok(())
}

/// Where requests are taken.
struct Counter {
    inbox: Inbox,
    interface: Arc<str>,
    address: Ipv4Addr,
    port: u16,
    files: Arc<BootFileCache>,
    desk: Server,
    transfers: JoinSet<EndedTransfer>,
    /// The way to each transfer that is going. Dropping it ends the transfer.
    doors: BTreeMap<SocketAddrV4, TftpSocket>,
    begun: u64,
}

struct TftpSocket {
    number: u64,
    /// Requests that were repeated. One is as good as many.
    again: mpsc::Sender<ReadRequest>,
}

/// A transfer that has ended, with a repeated request it had not seen yet.
struct EndedTransfer {
    peer: SocketAddrV4,
    number: u64,
    again: mpsc::Receiver<ReadRequest>,
}

impl Counter {
    fn new(inbox: Inbox, config: TftpConfig) -> Self {
        Self {
            inbox,
            interface: config.interface.into(),
            address: config.address,
            port: config.port,
            files: Arc::new(BootFileCache::new(config.directory, config.autoexec, config.grub_config)),
            desk: Server::default(),
            transfers: JoinSet::new(),
            doors: BTreeMap::new(),
            begun: 0,
        }
    }

    async fn take(&mut self, socket: &UdpSocket, peer: SocketAddrV4, packet: &[u8]) {
        let from = SocketAddrV4::new(self.address, self.port);
        let observer = TftpObserver { inbox: self.inbox.clone(), peer, from };
        observer.packet(true, packet);
        match self.desk.admit(peer, packet) {
            Admission::Start(ask) => self.start(peer, ask),
            Admission::Again(ask) => match self.doors.get(&peer).map(|door| door.again.try_send(ask.clone())) {
                Some(Ok(()) | Err(TrySendError::Full(_))) => {}
                Some(Err(TrySendError::Closed(_))) | None => self.start(peer, ask),
            },
            Admission::Refuse(error) => {
                observer.packet(false, &error);
                if let Err(error) = socket.send_to(&error, peer).await {
                    debug!(%peer, "tftp refusal not sent: {error}");
                }
            }
            Admission::Silence(silence) => debug!(%peer, "tftp silent: {silence}"),
        }
    }

    fn start(&mut self, peer: SocketAddrV4, ask: ReadRequest) {
        self.begun += 1;
        let (sender, mut again) = mpsc::channel(1);
        let number = self.begun;
        self.doors.insert(peer, TftpSocket { number, again: sender });
        let (inbox, interface, files) = (self.inbox.clone(), self.interface.clone(), self.files.clone());
        let delivery = FileTransfer { inbox, interface, address: self.address, files, peer, ask };
        self.transfers.spawn(async move {
            if let Err(error) = delivery.run(&mut again).await {
                warn!(%peer, "tftp transfer not begun: {error}");
            }
            EndedTransfer { peer, number, again }
        });
    }

    fn close(&mut self, mut closed: EndedTransfer) {
        if self.doors.get(&closed.peer).is_none_or(|door| door.number != closed.number) {
            return;
        }
        match closed.again.try_recv() {
            Ok(ask) => self.start(closed.peer, ask),
            Err(_) => {
                self.doors.remove(&closed.peer);
                self.desk.is_free(closed.peer);
            }
        }
    }
}

/// One file to one machine.
struct FileTransfer {
    inbox: Inbox,
    interface: Arc<str>,
    address: Ipv4Addr,
    files: Arc<BootFileCache>,
    peer: SocketAddrV4,
    ask: ReadRequest,
}

impl FileTransfer {
    /// Fails if the machine cannot even be answered.
    async fn run(self, again: &mut mpsc::Receiver<ReadRequest>) -> io::Result<()> {
        let at = SocketAddrV4::new(self.address, 0);
        let socket = udp::bound(&self.interface, at)?;
        socket.connect(self.peer).await?;
        let observer = TftpObserver { inbox: self.inbox.clone(), peer: self.peer, from: udp::local(&socket)? };
        let mut line = ConnectedUdp::new(socket);
        match self.files.clone().open(self.ask.file.clone(), *self.peer.ip()).await {
            Ok((file, content)) => {
                self.tell(&file, event::LoaderTransfer::Started);
                let end = deliver(&mut line, &self.ask, (&file, content), again, &observer).await;
                end.iter().for_each(|end| observer.ended(&file, end));
                debug!(peer = %self.peer, file, ?end, "tftp transfer ended");
                let outcome = end.and_then(|end| end.outcome());
                if let Some(event::LoaderTransfer::Done { .. }) = outcome {
                    self.files.sent(*self.peer.ip(), &file);
                }
                outcome.into_iter().for_each(|outcome| self.tell(&file, outcome));
            }
            Err(unopened) => {
                line.socket().send(&unopened.packet()).await?;
                if unopened.is_news(&self.ask.file) {
                    observer.missing(&self.ask.file, &unopened.to_string(), &unopened.packet());
                    self.tell(&self.ask.file, event::LoaderTransfer::Failed { reason: unopened.to_string() });
                }
            }
        }
        Ok(())
    }

    fn tell(&self, file: &str, transfer: event::LoaderTransfer) {
        self.inbox.saw(Event::Loader { address: *self.peer.ip(), file: file.to_owned(), transfer });
    }
}

/// Moves packets until the transfer is over. None: the machine has turned to another file.
async fn deliver(
    line: &mut ConnectedUdp,
    ask: &ReadRequest,
    (file, content): (&str, Bytes),
    again: &mut mpsc::Receiver<ReadRequest>,
    observer: &TftpObserver,
) -> Option<TransferEnd> {
    let (mut transfer, mut turn) = Transfer::start(ask, content);
    observer.begun(file, &transfer, &turn);
    let mut deadline = Instant::now();
    let mut alarm = pin!(sleep_until(deadline + LONG));
    let mut packet = vec![0; LARGEST];
    loop {
        if let Some(wait) = turn.wait {
            deadline = Instant::now() + wait;
            // An alarm that rings too early is set again when it rings: to set it for every packet costs more than the packet.
            if deadline < alarm.deadline() {
                alarm.as_mut().reset(deadline);
            }
        }
        if let Err(refused) = line.send(&turn.send).await {
            debug!("tftp packet not sent: {refused}");
            turn = transfer.on_refused();
        }
        if turn.end.is_some() {
            return turn.end;
        }
        // What the machine sent comes first: it may have ended this transfer before it asked again.
        turn = tokio::select! {
            biased;
            received = line.socket().recv(&mut packet) => match received {
                Ok(len) => {
                    observer.heard(&packet[..len]);
                    transfer.on_packet(&packet[..len])
                }
                Err(_) => transfer.on_refused(),
            },
            asked = again.recv() => match asked {
                Some(_) => transfer.on_asked_again(),
                None => return None,
            },
            () = &mut alarm => {
                let is_due = deadline <= Instant::now();
                alarm.as_mut().reset(if is_due { deadline + LONG } else { deadline });
                if is_due { transfer.on_timeout() } else { Turn::default() }
            }
        };
    }
}

fn lost(at: SocketAddrV4, error: io::Error) -> ServiceError {
    ServiceError {
        what: format!("cannot receive TFTP at {at}"),
        hint: "check that the interface still exists (`ip link`); oxbow retries automatically".into(),
        source: Some(error),
    }
}

/// A request is at most 512 bytes (RFC 2347), an acknowledgement 4.
const LARGEST: usize = 1024;
/// Longer than any silence is waited for.
const LONG: Duration = Duration::from_secs(3600);
