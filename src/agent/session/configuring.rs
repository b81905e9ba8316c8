//! What follows the image: asked for before a byte is written, carried out once the disk is proven, read back.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use super::Session;
use crate::agent::failure::StopReason;
use crate::agent::image::arrival::Arrival;
use crate::agent::image::download::{Download, DownloadSource};
use crate::agent::machine::{Aid, Configured, Unconfigured};
use crate::agent::station::StationError;
use crate::agent::station::backoff::{Backoff, RepeatFilter, pause};
use crate::domain::digest::Digest;
use crate::domain::machine::disk::Disk;
use crate::domain::machine::report::{FailureKind, Report, Step};
use crate::domain::profile::configuration::{Configuration, DiskLayout, PlacedArchive, manifest};
use crate::protocol::HelloReply;

impl Session<'_> {
    /// Asks for the configuration until the station answers. An older station that does not know the request has none.
    pub(super) fn follows(&self) -> Result<Configuration, StopReason> {
        let mut backoff = Backoff::up_to(self.retry_policy.retry);
        let mut repeats = RepeatFilter::default();
        loop {
            let trouble = match self.station.configuration() {
                Ok(follows) => return understood(follows.map(|follows| follows.configuration).unwrap_or_default()),
                Err(StationError::Unreadable(what)) => {
                    return Err(protocol(format!(
                        "the station's configuration for this machine cannot be read: {what}"
                    )));
                }
                Err(StationError::UnknownRun) => self.introduce_again()?,
                Err(trouble) => trouble.to_string(),
            };
            if repeats.is_due(&trouble) {
                self.journal.console("prepare", &format!("{trouble} ({})", self.station.url()));
            }
            self.watch.moved();
            if !pause(self.machine, backoff.pause()) {
                return Err(StopReason::SwitchedOff);
            }
        }
    }

    /// The station has lost the run: say hello again, so that all reports are sent again.
    fn introduce_again(&self) -> Result<String, StopReason> {
        match self.station.hello(self.hello) {
            Ok(HelloReply::Job(job)) => {
                self.outbox.reports_acknowledged(job.next_report);
                Ok("the station had lost this run".to_owned())
            }
            Ok(HelloReply::Ended { reason }) => Err(protocol(format!("the station has ended this run: {reason}"))),
            Ok(HelloReply::Later { reason, .. }) => Ok(format!("the station asks this machine to wait: {reason}")),
            Ok(HelloReply::Unknown) => {
                Ok("the station's answer is newer than this agent and cannot be understood".to_owned())
            }
            Err(trouble) => Ok(trouble.to_string()),
        }
    }

    /// Configures the disk and reports what was read back.
    pub(super) fn configure(&self, disk: &Disk, what: &Configuration) -> Result<(), StopReason> {
        self.begin(Step::Configure, &summary(what));
        let arrival = Arrival::default();
        let Configured { files, root_hash } = self
            .machine
            .configure(disk, what, &Assistant { session: self, arrival: &arrival })
            .map_err(|Unconfigured { kind, detail }| {
                if self.machine.is_on() {
                    StopReason::failed(Step::Configure, kind, detail)
                } else {
                    StopReason::SwitchedOff
                }
            })?;
        let count = u32::try_from(files.len()).unwrap_or(u32::MAX);
        let sha256 = Digest::new(Sha256::digest(manifest(&files)).into());
        let sealed = root_hash.as_ref().map(|hash| format!(", sealed with root hash {hash}")).unwrap_or_default();
        self.outbox.report(Report::Configured { files: count, sha256, root_hash });
        let read = match count {
            0 => "nothing to read back".to_owned(),
            1 => "1 file read back correctly".to_owned(),
            count => format!("{count} files read back correctly"),
        };
        self.finish(Step::Configure, &format!("{read}{sealed}"));
        Ok(())
    }
}

/// A summary for the log, without contents, which may be secret.
pub(super) fn summary(what: &Configuration) -> String {
    let Configuration { files, archives, seed, layout, boot } = what;
    let some = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {many}")),
    };
    let layout = layout.as_ref().map(|layout| match layout {
        DiskLayout::AbVerity(_) => "A/B layout with a sealed rootfs".to_owned(),
        DiskLayout::Unknown => "an unknown layout".to_owned(),
    });
    let parts: Vec<String> = [
        some(files.len(), "file", "files"),
        some(archives.len(), "archive", "archives"),
        seed.as_ref().map(|_| "the cloud-init volume".to_owned()),
        layout,
        boot.as_ref().map(|boot| format!("boot entry {:?}", boot.label)),
    ]
    .into_iter()
    .flatten()
    .collect();
    parts.join(", ")
}

/// Rejects what this agent cannot do before a byte is written.
fn understood(what: Configuration) -> Result<Configuration, StopReason> {
    match what.layout {
        Some(DiskLayout::Unknown) => {
            Err(protocol("the station asks for a disk layout that this older agent does not know".into()))
        }
        Some(DiskLayout::AbVerity(_)) | None => Ok(what),
    }
}

fn protocol(detail: String) -> StopReason {
    StopReason::failed(Step::Prepare, FailureKind::Protocol, detail)
}

/// Fetches archives for the machine and logs its progress.
struct Assistant<'a> {
    session: &'a Session<'a>,
    arrival: &'a Arrival,
}

impl Aid for Assistant<'_> {
    fn fetch<'a>(&'a self, archive: &'a PlacedArchive) -> io::Result<Box<dyn Read + 'a>> {
        let Session { station, machine, journal, retry_policy, .. } = *self.session;
        let source = DownloadSource { station, machine, journal, retry_policy, arrival: self.arrival };
        let download = Download::new(source, &archive.source, archive.bytes, true);
        Ok(Box::new(CheckedDownload { session: self.session, download, archive }))
    }

    fn say(&self, detail: &str) {
        self.session.watch.moved();
        self.session.journal.info("config", detail);
    }

    fn warn(&self, detail: &str) {
        self.session.watch.moved();
        self.session.journal.warning("config", detail);
    }
}

/// A download that fails at its end if the digest is wrong.
struct CheckedDownload<'a> {
    session: &'a Session<'a>,
    download: Download<'a>,
    archive: &'a PlacedArchive,
}

impl Read for CheckedDownload<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let some = self.download.read(room)?;
        self.session.watch.moved();
        let PlacedArchive { name, bytes, sha256, .. } = self.archive;
        match self.download.digest() {
            Some(found) if some == 0 && !room.is_empty() && found != *sha256 => {
                let (found, expected) = (found.short(), sha256.short());
                let detail = format!("{name} as downloaded ({bytes} bytes) has digest {found}…, expected {expected}…");
                Err(io::Error::new(io::ErrorKind::InvalidData, detail))
            }
            Some(_) | None => Ok(some),
        }
    }
}
