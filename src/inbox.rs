//! The one way into the hub: what services saw, what people and agents ask. Bounded, with a policy for each kind.
//!
//! | kind | when the queue is full |
//! |---|---|
//! | observation by DHCP, TFTP and HTTP | dropped and counted: a boot never waits for the hub |
//! | what DHCP counts | dropped: it is said again |
//! | leases | stay where they are, the latest of each address, and are offered again |
//! | what only the doctor, the tape and the log screen want to know | dropped and counted, when the queue is half full already |
//! | service state, catalogue | waits: they are few |
//! | command, hello, reports, log lines | waits: the sender wants an answer, and repeats itself if none comes |

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot};

use crate::domain::command::Command;
use crate::domain::digest::Digest;
use crate::domain::doctor::packet::SeenPacket;
use crate::domain::event::Event;
use crate::domain::fleet::{Grant, Heard, Hello, ReportError};
use crate::domain::ids::{MacAddr, RunId};
use crate::domain::logline::Level;
use crate::domain::machine::report::Report;
use crate::domain::refusal::Refusal;
use crate::domain::snapshot::Catalogue;
use crate::domain::station::dhcp::{Dhcp, DhcpChoice};
use crate::domain::station::lease::Lease;
use crate::domain::station::service::ServiceStatus;
use crate::domain::station::stream::StreamLine;

/// One thing for the hub.
#[derive(Debug)]
pub enum Input {
    Event(Event),
    /// A packet for the tape.
    Packet(Box<SeenPacket>),
    /// The packets that are kept of these cards, as a capture file. None when there are none.
    Capture(Vec<MacAddr>, oneshot::Sender<Option<Vec<u8>>>),
    Service(ServiceStatus),
    /// How many megabits a second the card that leads to the machines can do, if it says so.
    Link(Option<u32>),
    /// Bytes that are left on the disk of the station's data, if that can be known.
    Room(Option<u64>),
    /// A line of a service's own, for the screen; it is in the station's log file already.
    Said(Box<StreamLine>),
    Catalogue(Arc<Catalogue>),
    Leases(Vec<Lease>),
    Dhcp(Arc<Dhcp>),
    /// DHCP has looked whether it can be this, and may have met another server.
    DhcpTried(DhcpChoice, Option<Ipv4Addr>),
    Command(Command, oneshot::Sender<Result<(), Refusal>>),
    Hello(Box<Hello>, oneshot::Sender<Result<Grant, NotKept>>),
    Reports {
        run: RunId,
        /// Who says so.
        from: Ipv4Addr,
        first: u32,
        reports: Vec<Report>,
        done: oneshot::Sender<Result<u32, NotKept>>,
    },
    /// The machine of `run` says that its own system runs.
    Home {
        run: RunId,
        said: Vec<String>,
        done: oneshot::Sender<Result<Heard, NotKept>>,
    },
    /// Lines that cloud-init wrote in the first boot of the machine of `run`, the first of them numbered `first`. Answered
    /// with the line that is wanted next; none: it is not heeded.
    Output {
        run: RunId,
        first: u32,
        lines: Vec<(Level, String)>,
        done: oneshot::Sender<Result<Option<u32>, NotKept>>,
    },
    /// The agent of `run` is about to be given what follows the image, with this digest of its manifest, and is to fetch
    /// these copies for it.
    Configuration {
        run: RunId,
        manifest: Option<Digest>,
        copies: Vec<Digest>,
        done: oneshot::Sender<Result<(), NotKept>>,
    },
    AgentLog {
        run: RunId,
        first: u32,
        lines: Vec<(Level, String)>,
        done: oneshot::Sender<Result<Heeded, NotKept>>,
    },
}

/// What became of an agent's lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heeded {
    /// The number of the next line that is wanted.
    pub next: u32,
    /// Lines before it that are in no file, and never will be.
    pub left_out: u32,
}

/// Why the hub did not take what an agent sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotKept {
    #[error("this station knows no run {}", .0.short())]
    UnknownRun(RunId),
    #[error("in run {} nobody has been given a job", .0.short())]
    NoJob(RunId),
    #[error("the station cannot store it: {0}")]
    Store(String),
    #[error("the station is stopping")]
    Stopping,
}

impl From<ReportError> for NotKept {
    fn from(why: ReportError) -> Self {
        match why {
            ReportError::UnknownRun(run) => Self::UnknownRun(run),
            ReportError::NoJob(run) => Self::NoJob(run),
        }
    }
}

/// The sending side; cheap to clone.
#[derive(Clone, Debug)]
pub struct Inbox {
    notes: mpsc::Sender<Input>,
    dropped: Arc<AtomicU64>,
}

/// The hub's side.
#[derive(Debug)]
pub struct Outlet {
    pub notes: mpsc::Receiver<Input>,
    dropped: Arc<AtomicU64>,
}

/// A new, empty inbox.
pub fn inbox() -> (Inbox, Outlet) {
    let (sender, notes) = mpsc::channel(NOTES);
    let dropped = Arc::new(AtomicU64::new(0));
    (Inbox { notes: sender, dropped: dropped.clone() }, Outlet { notes, dropped })
}

impl Inbox {
    /// Tells what was seen, without ever waiting. Dropped, and counted, when the hub cannot keep up.
    pub fn saw(&self, event: Event) {
        if self.notes.try_send(Input::Event(event)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Hands over what `note` makes, if there is room. Otherwise nothing is made, and it is to be offered again.
    pub fn offer(&self, note: impl FnOnce() -> Input) -> bool {
        self.notes.try_reserve().map(|room| room.send(note())).is_ok()
    }

    /// Tells what is good to know but moves no machine. It never takes the room of what does.
    pub fn mention(&self, note: Input) {
        if self.notes.capacity() < NOTES / 2 || self.notes.try_send(note).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Hands `note` over, waiting for room. Lost only when the hub has stopped.
    pub async fn send(&self, note: Input) {
        let _hub_has_stopped = self.notes.send(note).await;
    }

    /// Asks for something that is answered: `note` wraps the answer's way back.
    pub async fn ask<T>(&self, note: impl FnOnce(oneshot::Sender<T>) -> Input) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.notes.send(note(answer)).await.ok()?;
        answered.await.ok()
    }
}

impl Outlet {
    /// How many observations have been dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Several seconds of a bench of hundreds. Full means that the hub is stuck.
const NOTES: usize = 4096;
