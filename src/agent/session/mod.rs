//! The run from hello to restart, in the order it happens.

mod configuring;

use std::time::Duration;

use super::console::journal::{Journal, step_label};
use super::console::meter::{StepMeter, per_second};
use super::console::panel::Now;
use super::failure::StopReason;
use super::image::arrival::Arrival;
use super::image::boot_sector::BootSectorGuard;
use super::image::download::DownloadSource;
use super::image::prefix_digests::PrefixDigests;
use super::image::pump::Blocks;
use super::image::verify::read_back;
use super::image::write::{WriteResult, disk_error_text, disk_io, write};
use super::machine::{Machine, Medium};
use super::outcome::AgentOutcome;
use super::shutdown::Shutdown;
use super::station::backoff::{Backoff, RepeatFilter, RetryPolicy, pause};
use super::station::outbox::Outbox;
use super::station::{StationClient, StationError};
use super::watchdog::Activity;
use crate::domain::machine::disk::Disk;
use crate::domain::machine::report::{FailureKind, Report, Step};
use crate::domain::profile::configuration::Configuration;
use crate::protocol::{AgentJob, HelloMessage, HelloReply};

/// One run of one machine.
pub(super) struct Session<'a> {
    pub machine: &'a dyn Machine,
    pub station: &'a StationClient,
    pub outbox: &'a Outbox,
    pub journal: &'a Journal<'a>,
    pub hello: &'a HelloMessage,
    pub watch: &'a Activity,
    pub shutdown: Shutdown<'a>,
    pub retry_policy: RetryPolicy,
    pub blocks: Blocks,
}

/// The station's final answer to hello.
enum Given {
    Job(Box<AgentJob>),
    Ended(String),
}

impl Session<'_> {
    pub(super) fn run(&self) -> AgentOutcome {
        match self.work() {
            Ok(Given::Job(job)) => self.shutdown.in_success(job.after),
            Ok(Given::Ended(reason)) => {
                self.journal.show(|panel| panel.now = Now::Waiting(format!("nothing to do: {reason}")));
                self.journal.warning("hello", &format!("nothing to do: {reason}; waiting for the station"));
                self.shutdown.await_order(AgentOutcome::Ended(reason))
            }
            // From here on the agent waits for a person, without a time limit.
            Err(StopReason::Failed(failure)) => match self.watch.rest() {
                Ok(()) => self.shutdown.in_failure(failure),
                // The watchdog has reported it and restarts the machine.
                Err(StopReason::Failed(first)) => AgentOutcome::Failed(first),
                Err(StopReason::SwitchedOff) => AgentOutcome::SwitchedOff,
            },
            Err(StopReason::SwitchedOff) => AgentOutcome::SwitchedOff,
        }
    }

    fn work(&self) -> Result<Given, StopReason> {
        self.journal.info("hello", &format!("this machine is {}", self.shutdown.name));
        self.hello.disks.iter().for_each(|disk| self.journal.info("hello", &format!("disk {disk}")));
        let given = self.introduce()?;
        if let Given::Job(job) = &given {
            self.outbox.reports_acknowledged(job.next_report);
            job.warnings.iter().for_each(|warning| self.journal.console("warning", warning));
            self.install(job)?;
        }
        Ok(given)
    }

    /// Says hello until the station gives a job or ends the run.
    fn introduce(&self) -> Result<Given, StopReason> {
        let mut backoff = Backoff::up_to(self.retry_policy.retry);
        let mut repeats = RepeatFilter::default();
        let mut hello = self.hello.clone();
        loop {
            let (reason, wait) = match self.station.hello(&hello) {
                Ok(HelloReply::Job(job)) => return Ok(Given::Job(job)),
                Ok(HelloReply::Ended { reason }) => return Ok(Given::Ended(reason)),
                Ok(HelloReply::Later { seconds, reason }) => {
                    let wait = Duration::from_secs(seconds.into()).clamp(SHORTEST_LATER, LONGEST_LATER);
                    (format!("the station asks this machine to wait: {reason}"), wait)
                }
                Ok(HelloReply::Unknown) => (
                    "the station's answer is newer than this agent and cannot be understood".to_owned(),
                    self.retry_policy.retry,
                ),
                Err(StationError::Unreadable(what)) => {
                    let detail = format!("the station's answer to hello cannot be read: {what}");
                    return Err(StopReason::failed(Step::Prepare, FailureKind::Protocol, detail));
                }
                Err(trouble) => (trouble.to_string(), backoff.pause()),
            };
            if repeats.is_due(&reason) {
                self.journal.show(|panel| panel.now = Now::Waiting(reason.clone()));
                self.journal.console("hello", &format!("{reason} ({})", self.station.url()));
            }
            if !pause(self.machine, wait) {
                return Err(StopReason::SwitchedOff);
            }
            // The hardware may have been corrected meanwhile. The disks stay as surveyed.
            hello.inventory = self.machine.inventory().or(hello.inventory);
        }
    }

    fn install(&self, job: &AgentJob) -> Result<(), StopReason> {
        let (disk, follows) = self.prepare(job)?;
        let opened = self.watch.open(&disk.path, || self.machine.open(disk));
        let medium = opened.map_err(|error| disk_io(disk, "opening", &error))?;
        let guarded = BootSectorGuard::clear_first_bytes(medium);
        let mut medium = guarded.map_err(|error| disk_io(disk, "clearing its first bytes", &error))?;
        let written = self.write(job, disk, &mut medium)?;
        self.verify(job, disk, &mut medium, &written)?;
        drop(medium);
        if !follows.is_empty() {
            self.configure(disk, &follows)?;
        }
        self.watch.rest()?;
        self.begin(Step::Reboot, job.after.words());
        self.outbox.report(Report::Complete);
        self.shutdown.deliver()
    }

    fn prepare(&self, job: &AgentJob) -> Result<(&Disk, Configuration), StopReason> {
        self.journal.show(|panel| panel.profile.clone_from(&job.profile));
        self.begin(Step::Prepare, &format!("profile {}", job.profile));
        let chosen = job.disk.choose(&self.hello.disks, job.disk_bytes);
        let disk = chosen.map_err(|no| StopReason::failed(Step::Prepare, FailureKind::NoDisk, no.to_string()))?;
        let follows = self.follows()?;
        if !follows.is_empty() {
            self.journal.info("prepare", &format!("after the image: {}", configuring::summary(&follows)));
        }
        self.finish(Step::Prepare, &disk.to_string());
        Ok((disk, follows))
    }

    fn write(&self, job: &AgentJob, disk: &Disk, medium: &mut dyn Medium) -> Result<PrefixDigests, StopReason> {
        let image = job.image.rsplit('/').next().unwrap_or(&job.image);
        self.begin(Step::Write, &format!("{image} to {}", disk.path));
        let (machine, journal, retry_policy) = (self.machine, self.journal, self.retry_policy);
        let arrival = Arrival::default();
        let source = DownloadSource { station: self.station, machine, journal, retry_policy, arrival: &arrival };
        let mut meter = StepMeter::start(journal, self.outbox, "write", Step::Write, job.disk_bytes, Some(&arrival));
        let WriteResult { how, digests } = write(job, disk, medium, source, self.blocks, &mut meter)?;
        self.finish(Step::Write, &how);
        Ok(digests)
    }

    fn verify(
        &self,
        job: &AgentJob,
        disk: &Disk,
        medium: &mut BootSectorGuard<impl Medium>,
        written: &PrefixDigests,
    ) -> Result<(), StopReason> {
        self.begin(Step::Verify, &format!("reading {} bytes back from {}", job.disk_bytes, disk.path));
        let bytes = job.disk_bytes;
        let mut meter = StepMeter::start(self.journal, self.outbox, "verify", Step::Verify, bytes, None);
        let read = read_back(bytes, disk, medium, self.machine, self.blocks, &mut meter)?;
        let sha256 = read.digest();
        if sha256 == job.disk_sha256 {
            self.complete(disk, medium)?;
        }
        self.outbox.report(Report::ReadBack { bytes, sha256 });
        if sha256 != job.disk_sha256 {
            let (found, expected) = (sha256.short(), job.disk_sha256.short());
            let place = written.first_difference(&read);
            let detail = format!(
                "{} reads back with digest {found}…, the image has {expected}…: the first difference is between byte {} and byte {}",
                disk.path, place.start, place.end
            );
            return Err(StopReason::failed(Step::Verify, FailureKind::ReadBackDiffers, detail));
        }
        let rate = per_second(bytes, meter.elapsed());
        self.finish(Step::Verify, &format!("the disk holds the image, digest {}…, read at {rate}", sha256.short()));
        Ok(())
    }

    /// Writes the first bytes: from here on the machine can boot from its disk.
    fn complete(&self, disk: &Disk, medium: &mut BootSectorGuard<impl Medium>) -> Result<(), StopReason> {
        let fault = |kind, what: String| {
            let detail = format!("{}: writing its first bytes, which are written last: {what}", disk.path);
            StopReason::failed(Step::Verify, kind, detail)
        };
        match medium.complete() {
            Ok(true) => Ok(()),
            Ok(false) => Err(fault(FailureKind::ReadBackDiffers, "they read back differently".into())),
            Err(error) => Err(fault(FailureKind::DiskIo, disk_error_text(&error))),
        }
    }

    fn begin(&self, step: Step, detail: &str) {
        // In its last step the agent waits for the station without a time limit.
        if step != Step::Reboot {
            self.watch.begin(step);
        }
        let now = Now::Working { step, detail: detail.to_owned(), moved: None };
        self.journal.show(|panel| panel.now = now);
        self.journal.info(step_label(step), detail);
        self.outbox.report(Report::Started { step, detail: detail.to_owned() });
    }

    fn finish(&self, step: Step, detail: &str) {
        self.watch.moved();
        self.journal.info(step_label(step), detail);
        self.outbox.report(Report::Finished { step, detail: detail.to_owned() });
    }
}

const SHORTEST_LATER: Duration = Duration::from_millis(100);
const LONGEST_LATER: Duration = Duration::from_secs(60);
