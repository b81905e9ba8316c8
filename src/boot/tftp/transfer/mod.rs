//! One file on its way to one machine, as a machine of states without sockets or clocks.
//!
//! ```text
//!          options asked: OACK ─► ACK 0 ─┐
//! request ─┤                             ├─► window of DATA ─► ACK n ─► next window … ─► ACK of the last block: done
//!          no options ───────────────────┘
//! ```
//! Blocks are counted from 1 without end; the wire has the low 16 bits, so a file may have any size.
//!
//! When to send again: after the time-out, the whole window. On an acknowledgement from inside the window (a block was
//! lost, RFC 7440 section 4), at once from the lost block on. On a repeated acknowledgement never in lock-step
//! (the Sorcerer's Apprentice bug, RFC 1123 section 4.2.3.1); in a window it may mean that its first block was lost, so
//! once, but not for two windows in a row: then it was the network that doubled it.

use std::time::Duration;

use bytes::Bytes;

use super::packet::{self, Fault, Reaction, ReadRequest, TftpOptions, TftpPacket};
use crate::domain::event;
use crate::domain::machine::sighting::Terms;

/// A transfer that has begun.
#[derive(Debug)]
pub struct Transfer {
    content: Bytes,
    blksize: usize,
    window: u64,
    /// Sent until the first acknowledgement. None: no options were agreed, data is sent at once.
    opening: Option<Vec<u8>>,
    /// Every block up to here has arrived.
    acked: u64,
    /// Every block up to here has been sent.
    sent: u64,
    /// The window behind this acknowledgement was sent again because it was repeated.
    doubled: Option<u64>,
    /// How often in a row nothing was heard.
    silences: u32,
    /// A client that asked for a time-out gets it; otherwise it grows from [`FIRST_TIMEOUT`].
    timeout: Option<Duration>,
}

/// What to do now: send these packets, then wait for `wait` unless it is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// All but the last are of one length.
    pub send: Vec<TftpPacket>,
    /// Restart the timeout. None: leave it unchanged.
    pub wait: Option<Duration>,
    pub end: Option<TransferEnd>,
}

/// How a transfer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransferEnd {
    /// The last block was acknowledged.
    Done { bytes: u64 },
    /// The machine only wanted to know the file's size, and said so by an error (EDK2, and PXE ROMs). Not a failure.
    Probed,
    /// The machine gave up.
    Aborted(Fault),
    /// The machine stopped answering.
    Lost { sent: u64 },
}

impl TransferEnd {
    /// The event for the rest of the station. None for a probe: the real transfer follows.
    pub fn outcome(&self) -> Option<event::LoaderTransfer> {
        match self {
            Self::Done { bytes } => Some(event::LoaderTransfer::Done { bytes: *bytes }),
            Self::Probed => None,
            Self::Aborted(fault) => Some(failed(format!("the machine gave up: {fault}"))),
            Self::Lost { sent } => Some(failed(format!("the machine stopped answering after {sent} bytes"))),
        }
    }
}

fn failed(reason: String) -> event::LoaderTransfer {
    event::LoaderTransfer::Failed { reason }
}

impl Transfer {
    /// Begins to send `content` as `ask` would like it, within what fits an Ethernet frame.
    pub fn start(ask: &ReadRequest, content: Bytes) -> (Self, Turn) {
        let options = ask.options;
        let blksize = options.blksize.map_or(PLAIN_BLOCK, |size| size.min(LARGEST_BLOCK));
        let window = options.windowsize.map_or(1, |blocks| blocks.min(LARGEST_WINDOW));
        let agreed = agreed(options, blksize, window, content.len());
        let mut transfer = Self {
            content,
            blksize: usize::from(blksize),
            window: u64::from(window),
            opening: (!agreed.is_empty()).then(|| packet::oack(&agreed)),
            acked: 0,
            sent: 0,
            doubled: None,
            silences: 0,
            timeout: options.timeout.map(|seconds| Duration::from_secs(seconds.into())),
        };
        let turn = transfer.go_on();
        (transfer, turn)
    }

    /// On what terms it is sent.
    pub fn terms(&self) -> Terms {
        let number = |of: u64| u16::try_from(of).unwrap_or(u16::MAX);
        Terms { bytes: self.content.len() as u64, blksize: number(self.blksize as u64), window: number(self.window) }
    }

    /// What to do about a packet from the machine.
    pub fn on_packet(&mut self, packet: &[u8]) -> Turn {
        match Reaction::parse(packet) {
            Reaction::Ack(block) => self.on_ack(block),
            Reaction::Error(fault) => Turn::over(self.aborted(fault)),
            Reaction::Stray => Turn::default(),
        }
    }

    /// Nothing was heard for as long as the last [`Turn::wait`].
    pub fn on_timeout(&mut self) -> Turn {
        self.silences += 1;
        if self.silences >= TRIES {
            return Turn::over(TransferEnd::Lost { sent: self.bytes_acked() });
        }
        self.again()
    }

    /// The machine repeated its request: it has not seen the first answer.
    pub fn on_asked_again(&mut self) -> Turn {
        if self.acked == 0 { self.again() } else { Turn::default() }
    }

    /// The machine's port is closed: it has gone.
    pub fn on_refused(&mut self) -> Turn {
        let closed = Fault { code: packet::NOT_DEFINED, message: "the machine closed its port".into() };
        Turn::over(self.aborted(closed))
    }

    fn on_ack(&mut self, block: u16) -> Turn {
        let ahead = u64::from(block.wrapping_sub(low_bits(self.acked)));
        if ahead == 0 && self.opening.take().is_some() {
            return self.go_on();
        }
        if self.opening.is_some() || ahead > self.sent - self.acked {
            return Turn::default();
        }
        if ahead == 0 {
            return self.on_repeated_ack();
        }
        self.acked += ahead;
        if self.acked == self.blocks() {
            return Turn::over(TransferEnd::Done { bytes: self.bytes_acked() });
        }
        self.go_on()
    }

    fn on_repeated_ack(&mut self) -> Turn {
        let lately = self.doubled.is_some_and(|at| self.acked - at <= self.window);
        if self.window == 1 || lately {
            return Turn::default();
        }
        self.doubled = Some(self.acked);
        self.again()
    }

    /// Heard of: sends what comes next.
    fn go_on(&mut self) -> Turn {
        self.silences = 0;
        self.again()
    }

    /// Sends what has not been acknowledged.
    fn again(&mut self) -> Turn {
        let send = match &self.opening {
            Some(oack) => vec![TftpPacket::Other(oack.clone())],
            None => {
                self.sent = (self.acked + self.window).min(self.blocks());
                (self.acked + 1..=self.sent).map(|block| self.data(block)).collect()
            }
        };
        Turn { send, wait: Some(self.wait()), end: None }
    }

    fn wait(&self) -> Duration {
        self.timeout.unwrap_or_else(|| (FIRST_TIMEOUT * 2_u32.pow(self.silences.min(8))).min(LONGEST_TIMEOUT))
    }

    fn data(&self, block: u64) -> TftpPacket {
        let start =
            usize::try_from(block - 1).unwrap_or(usize::MAX).saturating_mul(self.blksize).min(self.content.len());
        let end = start.saturating_add(self.blksize).min(self.content.len());
        packet::data(low_bits(block), self.content.slice(start..end))
    }

    /// The last block is the first that is not full: empty, if need be (RFC 1350 section 6).
    fn blocks(&self) -> u64 {
        (self.content.len() / self.blksize) as u64 + 1
    }

    fn bytes_acked(&self) -> u64 {
        (self.acked * self.blksize as u64).min(self.content.len() as u64)
    }

    /// Before any data was taken, giving up is how firmware asks for a file's size.
    fn aborted(&self, fault: Fault) -> TransferEnd {
        match &self.opening {
            Some(_) => TransferEnd::Probed,
            None => TransferEnd::Aborted(fault),
        }
    }
}

impl Turn {
    fn over(end: TransferEnd) -> Self {
        Self { end: Some(end), ..Self::default() }
    }
}

/// The options that hold, with their values. Those that were not asked for are not in it (RFC 2347).
fn agreed(options: TftpOptions, blksize: u16, window: u16, size: usize) -> Vec<(&'static str, u64)> {
    let blksize = options.blksize.map(|_| ("blksize", u64::from(blksize)));
    let tsize = options.tsize.then_some(("tsize", size as u64));
    let timeout = options.timeout.map(|seconds| ("timeout", u64::from(seconds)));
    let window = options.windowsize.map(|_| ("windowsize", u64::from(window)));
    [blksize, tsize, timeout, window].into_iter().flatten().collect()
}

/// A block's number on the wire.
fn low_bits(block: u64) -> u16 {
    (block & 0xffff) as u16
}

const PLAIN_BLOCK: u16 = 512;
/// What fits a frame of 1500 bytes behind the headers of IP, UDP and TFTP: never fragmented.
const LARGEST_BLOCK: u16 = 1468;
/// Beyond this nothing gets faster, and some clients fail.
const LARGEST_WINDOW: u16 = 64;
const FIRST_TIMEOUT: Duration = Duration::from_millis(300);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(2);
/// With the time-outs above: given up after 6.5 s.
const TRIES: u32 = 6;

#[cfg(test)]
mod tests;
