//! The image's file as one stream of bytes, however often the connection breaks on the way.

use std::io::{self, BufRead, Read};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use ureq::BodyReader;

use super::arrival::Arrival;
use crate::agent::console::journal::Journal;
use crate::agent::machine::Machine;
use crate::agent::station::backoff::{Backoff, RepeatFilter, RetryPolicy, pause};
use crate::agent::station::error::why;
use crate::agent::station::{NO_SUCH_RANGE, StationClient, StationError};
use crate::domain::digest::Digest;

/// Reads `length` bytes of `path`. A connection that breaks is followed by another one that asks for the rest.
pub(crate) struct Download<'a> {
    source: DownloadSource<'a>,
    path: &'a str,
    length: u64,
    /// How many bytes have arrived.
    at: u64,
    /// What the station calls the content that it sends (RFC 9110 section 8.8.3).
    tag: Option<String>,
    /// None if not needed.
    digest: Option<Sha256>,
    body: Option<BodyReader<'static>>,
    buffer: Vec<u8>,
    /// The bytes of `buffer` that are not consumed.
    ready: std::ops::Range<usize>,
    /// How long the station has been waited for since byte `hopeful`.
    slow: Duration,
    hopeful: u64,
    backoff: Backoff,
    repeats: RepeatFilter,
    waited: Duration,
}

/// Where a download comes from, and who hears about it.
#[derive(Clone, Copy)]
pub(crate) struct DownloadSource<'a> {
    pub station: &'a StationClient,
    pub machine: &'a dyn Machine,
    pub journal: &'a Journal<'a>,
    pub retry_policy: RetryPolicy,
    /// Where what arrives is counted, and how often it was begun again.
    pub arrival: &'a Arrival,
}

/// Why there are no more bytes. It travels inside an [`io::Error`], through whatever reads the stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DownloadError {
    #[error("no new byte for {seconds} s at byte {at} of {length}: {reason}")]
    Stalled { at: u64, length: u64, seconds: u64, reason: String },
    #[error("the station is too slow: {bytes} bytes in {seconds} s, at byte {at} of {length}")]
    TooSlow { at: u64, length: u64, seconds: u64, bytes: u64 },
    #[error("the station's file has {found} bytes, {} than the job says ({length})", beside(*.found, *.length))]
    WrongLength { found: u64, length: u64 },
    #[error("the station's file ends before byte {at}, but the job gives {length} bytes")]
    EndsEarly { at: u64, length: u64 },
    #[error(
        "the image was replaced on the station during the download, at byte {at} of {length}: restart the installation"
    )]
    Replaced { at: u64, length: u64 },
    #[error("the machine was switched off")]
    SwitchedOff,
}

impl<'a> Download<'a> {
    /// With the digest of what arrives if `digested`.
    pub(crate) fn new(source: DownloadSource<'a>, path: &'a str, length: u64, digested: bool) -> Self {
        Self {
            source,
            path,
            length,
            at: 0,
            tag: None,
            digest: digested.then(Sha256::new),
            body: None,
            buffer: vec![0; BUFFER],
            ready: 0..0,
            slow: Duration::ZERO,
            hopeful: 0,
            backoff: Backoff::up_to(source.retry_policy.retry),
            repeats: RepeatFilter::default(),
            waited: Duration::ZERO,
        }
    }

    /// How many bytes have been taken out so far.
    pub(crate) fn consumed(&self) -> u64 {
        self.at - self.ready.len() as u64
    }

    /// Time spent waiting for the station.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }

    /// The digest of what has arrived, if it was to be computed.
    pub(crate) fn digest(&self) -> Option<Digest> {
        self.digest.clone().map(|digest| Digest::new(digest.finalize().into()))
    }

    fn arrive(&mut self) -> Result<(), DownloadError> {
        let began = Instant::now();
        loop {
            if !self.source.machine.is_on() {
                return Err(DownloadError::SwitchedOff);
            }
            match self.some_bytes() {
                Ok(some) => {
                    if let Some(digest) = &mut self.digest {
                        digest.update(&self.buffer[..some]);
                    }
                    self.at += some as u64;
                    self.source.arrival.add(some as u64);
                    self.ready = 0..some;
                    self.backoff.reset();
                    return self.judge(began.elapsed());
                }
                Err(DownloadBreak::ForGood(error)) => return Err(error),
                Err(DownloadBreak::ForNow(reason)) => self.recover(reason, began.elapsed())?,
            }
        }
    }

    /// A station that sends a byte now and then counts as silent. Time without a pending read does not count.
    fn judge(&mut self, took: Duration) -> Result<(), DownloadError> {
        let Self { at, length, .. } = *self;
        self.slow += took;
        let bytes = at - self.hopeful;
        if bytes >= LEAST || at == length {
            (self.slow, self.hopeful) = (Duration::ZERO, at);
        } else if self.slow >= self.source.retry_policy.stalled {
            return Err(DownloadError::TooSlow { at, length, seconds: self.slow.as_secs(), bytes });
        }
        Ok(())
    }

    /// At least one byte, into the beginning of the buffer.
    fn some_bytes(&mut self) -> Result<usize, DownloadBreak> {
        let body = match &mut self.body {
            Some(body) => body,
            None => {
                let body = self.connect()?;
                self.body.insert(body)
            }
        };
        let room = self.buffer.len().min(usize::try_from(self.length - self.at).unwrap_or(usize::MAX));
        match body.read(&mut self.buffer[..room]) {
            Ok(0) => Err(DownloadBreak::ForNow("the connection was closed".to_owned())),
            Ok(some) => Ok(some),
            Err(error) => Err(DownloadBreak::ForNow(why(&error))),
        }
    }

    fn connect(&mut self) -> Result<BodyReader<'static>, DownloadBreak> {
        let (at, length) = (self.at, self.length);
        let part = self.source.station.image(self.path, at).map_err(|trouble| match trouble {
            StationError::Refused { status: NO_SUCH_RANGE, .. } => {
                DownloadBreak::ForGood(DownloadError::EndsEarly { at: at + 1, length })
            }
            trouble => DownloadBreak::ForNow(trouble.to_string()),
        })?;
        if let Some(found) = part.whole.filter(|whole| *whole != length) {
            return Err(DownloadBreak::ForGood(DownloadError::WrongLength { found, length }));
        }
        if let (Some(first), Some(now)) = (&self.tag, &part.tag)
            && first != now
        {
            return Err(DownloadBreak::ForGood(DownloadError::Replaced { at, length }));
        }
        self.tag = part.tag.or(self.tag.take());
        let mut body = part.body;
        let known = at
            .checked_sub(part.offset)
            .ok_or_else(|| DownloadBreak::ForNow("the station sent the wrong range".to_owned()))?;
        io::copy(&mut body.by_ref().take(known), &mut io::sink())
            .map_err(|error| DownloadBreak::ForNow(why(&error)))?;
        Ok(body)
    }

    /// Drops the broken connection and lets some time pass, or gives up.
    fn recover(&mut self, reason: String, silent: Duration) -> Result<(), DownloadError> {
        let Self { at, length, .. } = *self;
        self.body = None;
        self.source.arrival.retry();
        if silent >= self.source.retry_policy.stalled {
            let seconds = self.source.retry_policy.stalled.as_secs();
            return Err(DownloadError::Stalled { at, length, seconds, reason });
        }
        if self.repeats.is_due(&reason) {
            let count = self.source.arrival.retries();
            let line =
                format!("the download stopped at byte {at} of {length}: {reason}; resuming there (retry {count})");
            self.source.journal.warning("write", &line);
        }
        if pause(self.source.machine, self.backoff.pause()) { Ok(()) } else { Err(DownloadError::SwitchedOff) }
    }
}

fn beside(found: u64, length: u64) -> &'static str {
    if found < length { "fewer" } else { "more" }
}

/// A download that cannot continue at once.
enum DownloadBreak {
    ForNow(String),
    ForGood(DownloadError),
}

impl BufRead for Download<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.ready.is_empty() && self.at < self.length {
            let began = Instant::now();
            let arrived = self.arrive();
            self.waited += began.elapsed();
            arrived.map_err(io::Error::other)?;
        }
        Ok(&self.buffer[self.ready.clone()])
    }

    fn consume(&mut self, amount: usize) {
        self.ready.start = (self.ready.start + amount).min(self.ready.end);
    }
}

impl Read for Download<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let some = self.fill_buf()?.read(room)?;
        self.consume(some);
        Ok(some)
    }
}

const BUFFER: usize = 128 * 1024;
/// So many bytes must come within [`RetryPolicy::stalled`]: the slowest network that anybody installs by.
const LEAST: u64 = 1024 * 1024;
