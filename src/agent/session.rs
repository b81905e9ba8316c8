//! The run from hello to restart, in the order it happens.

use std::io;
use std::time::Duration;

use super::Outcome;
use super::arrival::Arrival;
use super::download::Source;
use super::failure::{Failure, Stop, boxed};
use super::journal::Journal;
use super::machine::{Machine, Medium};
use super::mailbox::{Delivery, Mailbox};
use super::marks::Marks;
use super::meter::{Meter, per_second};
use super::patience::{Backoff, Nag, Patience, pause};
use super::pump::Blocks;
use super::station::{Station, Trouble};
use super::verify::read_back;
use super::write::{Written, disk_io, write};
use crate::domain::disk::Disk;
use crate::domain::profile::After;
use crate::domain::report::{FailureKind, Report, Step};
use crate::protocol::{Answer, Hello, Job, Word};

/// One run of one machine, and its means.
pub(super) struct Session<'a> {
    pub machine: &'a dyn Machine,
    pub station: &'a Station,
    pub mailbox: &'a Mailbox,
    pub journal: &'a Journal<'a>,
    pub hello: &'a Hello,
    pub patience: Patience,
    pub blocks: Blocks,
}

/// What the station gave after all hellos.
enum Given {
    Job(Box<Job>),
    Ended(String),
}

impl Session<'_> {
    pub(super) fn run(&self) -> Outcome {
        match self.work() {
            Ok(Given::Job(job)) => self.leave(job.after),
            Ok(Given::Ended(reason)) => {
                self.journal.warning("hello", &format!("nothing to do: {reason}; waiting for the station's word"));
                self.restart_at_a_word(Outcome::Ended(reason))
            }
            Err(Stop::Failed(failure)) => {
                self.tell(&failure);
                self.restart_at_a_word(Outcome::Failed(failure))
            }
            Err(Stop::SwitchedOff) => Outcome::SwitchedOff,
        }
    }

    fn work(&self) -> Result<Given, Stop> {
        self.journal.info("hello", &format!("this machine is {}", self.name()));
        self.hello.disks.iter().for_each(|disk| self.journal.info("hello", &format!("disk {disk}")));
        let given = self.introduce()?;
        if let Given::Job(job) = &given {
            self.mailbox.reports_acknowledged(job.next_report);
            self.install(job)?;
        }
        Ok(given)
    }

    /// Says hello until the station has something to say to it.
    fn introduce(&self) -> Result<Given, Stop> {
        let mut backoff = Backoff::up_to(self.patience.retry);
        let mut nag = Nag::default();
        loop {
            let (reason, wait) = match self.station.hello(self.hello) {
                Ok(Answer::Job(job)) => return Ok(Given::Job(job)),
                Ok(Answer::Ended { reason }) => return Ok(Given::Ended(reason)),
                Ok(Answer::Later { seconds, reason }) => {
                    let wait = Duration::from_secs(seconds.into()).clamp(SHORTEST_LATER, LONGEST_LATER);
                    (format!("the station says to wait: {reason}"), wait)
                }
                Ok(Answer::Unknown) => {
                    ("the station's answer is unknown to this agent, which is older".to_owned(), self.patience.retry)
                }
                Err(Trouble::Unreadable(what)) => {
                    let detail = format!("the station's answer to hello cannot be read: {what}");
                    return Err(Stop::failed(Step::Prepare, FailureKind::Protocol, detail));
                }
                Err(trouble) => (trouble.to_string(), backoff.pause()),
            };
            if nag.is_due(&reason) {
                self.journal.console("hello", &format!("{reason} ({})", self.station.url()));
            }
            if !pause(self.machine, wait) {
                return Err(Stop::SwitchedOff);
            }
        }
    }

    fn install(&self, job: &Job) -> Result<(), Stop> {
        let disk = self.prepare(job)?;
        let mut medium = self.machine.open(disk).map_err(|error| disk_io(disk, "opening", &error))?;
        let written = self.write(job, disk, &mut *medium)?;
        self.verify(job, disk, &mut *medium, &written)?;
        drop(medium);
        self.begin(Step::Reboot, job.after.words());
        self.mailbox.report(Report::Complete);
        self.deliver()
    }

    fn prepare(&self, job: &Job) -> Result<&Disk, Stop> {
        self.begin(Step::Prepare, &format!("profile {}", job.profile));
        let chosen = job.disk.choose(&self.hello.disks, job.disk_bytes);
        let disk = chosen.map_err(|no| Stop::failed(Step::Prepare, FailureKind::NoDisk, no.to_string()))?;
        self.finish(Step::Prepare, &disk.to_string());
        Ok(disk)
    }

    fn write(&self, job: &Job, disk: &Disk, medium: &mut dyn Medium) -> Result<Marks, Stop> {
        let image = job.image.rsplit('/').next().unwrap_or(&job.image);
        self.begin(Step::Write, &format!("{image} to {}", disk.path));
        let (machine, journal, patience) = (self.machine, self.journal, self.patience);
        let arrival = Arrival::default();
        let source = Source { station: self.station, machine, journal, patience, arrival: &arrival };
        let mut meter = Meter::start(journal, self.mailbox, "write", Step::Write, job.disk_bytes, Some(&arrival));
        let Written { how, marks } = write(job, disk, medium, source, self.blocks, &mut meter)?;
        self.finish(Step::Write, &how);
        Ok(marks)
    }

    fn verify(&self, job: &Job, disk: &Disk, medium: &mut dyn Medium, written: &Marks) -> Result<(), Stop> {
        self.begin(Step::Verify, &format!("reading {} bytes back from {}", job.disk_bytes, disk.path));
        let bytes = job.disk_bytes;
        let mut meter = Meter::start(self.journal, self.mailbox, "verify", Step::Verify, bytes, None);
        let read = read_back(bytes, disk, medium, self.machine, self.blocks, &mut meter)?;
        let sha256 = read.digest();
        self.mailbox.report(Report::ReadBack { bytes, sha256 });
        if sha256 != job.disk_sha256 {
            let (found, expected) = (sha256.short(), job.disk_sha256.short());
            let place = written.first_difference(&read);
            let detail = format!(
                "{} gives back digest {found}…, the image's is {expected}…: what differs first is between byte {} and byte {}",
                disk.path, place.start, place.end
            );
            return Err(Stop::failed(Step::Verify, FailureKind::ReadBackDiffers, detail));
        }
        let rate = per_second(bytes, meter.elapsed());
        self.finish(Step::Verify, &format!("the disk holds the image, digest {}…, read at {rate}", sha256.short()));
        Ok(())
    }

    fn begin(&self, step: Step, detail: &str) {
        self.journal.info(word(step), detail);
        self.mailbox.report(Report::Started { step, detail: detail.to_owned() });
    }

    fn finish(&self, step: Step, detail: &str) {
        self.journal.info(word(step), detail);
        self.mailbox.report(Report::Finished { step, detail: detail.to_owned() });
    }

    /// Waits until the station has every report, however long it is away.
    fn deliver(&self) -> Result<(), Stop> {
        while self.machine.is_on() {
            match self.mailbox.delivery(GLANCE) {
                Delivery::Underway => {}
                Delivery::Acknowledged => return Ok(()),
                Delivery::Ended(reason) => {
                    let detail = format!("the station took no more reports of this run: {reason}");
                    return Err(Stop::failed(Step::Reboot, FailureKind::Protocol, detail));
                }
            }
        }
        Err(Stop::SwitchedOff)
    }

    fn tell(&self, failure: &Failure) {
        let Failure { step, kind, detail } = failure.clone();
        self.journal.error(word(step), &detail);
        self.mailbox.report(Report::Failed { step, failure: kind, detail });
        for line in boxed(failure, &self.name(), self.station.url()) {
            self.journal.console("failed", &line);
        }
    }

    fn restart_at_a_word(&self, outcome: Outcome) -> Outcome {
        let _the_station_may_have_ended_the_run = self.deliver();
        while pause(self.machine, self.patience.word) {
            match self.station.word() {
                Ok(Word::Restart) => {
                    self.restart();
                    break;
                }
                // Forgotten, or another station: it hears again what became of this machine.
                Err(Trouble::UnknownRun) => match self.station.hello(self.hello) {
                    Ok(Answer::Job(job)) => self.mailbox.reports_acknowledged(job.next_report),
                    Ok(Answer::Ended { .. }) => {
                        self.restart();
                        break;
                    }
                    Ok(Answer::Later { .. } | Answer::Unknown) | Err(_) => {}
                },
                Ok(Word::Wait | Word::Unknown) | Err(_) => {}
            }
        }
        outcome
    }

    /// What the profile says follows a proven disk.
    fn leave(&self, after: After) -> Outcome {
        match after {
            After::Reboot => self.restart(),
            After::PowerOff => {
                let off = self.end("switching off now", || self.machine.power_off());
                off.unwrap_or_else(|error| {
                    self.journal
                        .error("restart", &format!("the machine does not switch itself off ({error}): do it by hand"));
                    self.mailbox.settle_log(FAREWELL);
                });
            }
            After::Wait => {
                self.journal.console("done", "this machine is installed and its disk is proven: switch it off");
                return self.restart_at_a_word(Outcome::Installed);
            }
        }
        Outcome::Installed
    }

    fn restart(&self) {
        if let Err(error) = self.end("restarting now", || self.machine.restart()) {
            self.journal.error("restart", &format!("the machine does not restart ({error}): switch it off and on"));
            self.mailbox.settle_log(FAREWELL);
        }
    }

    fn end(&self, words: &str, how: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        self.journal.info("restart", words);
        self.mailbox.settle_log(FAREWELL);
        how()
    }

    /// What a person calls this machine.
    fn name(&self) -> String {
        let claims = &self.hello.claims;
        let serial = claims.serial.as_ref().map(|serial| format!("serial {serial}"));
        let nic = claims.macs.first().map(ToString::to_string);
        let product = claims.product.clone();
        let known: Vec<String> = [serial, nic, product].into_iter().flatten().collect();
        if known.is_empty() { "without serial and network card".to_owned() } else { known.join(", ") }
    }
}

/// A step in one short word, for the beginning of a line.
fn word(step: Step) -> &'static str {
    match step {
        Step::Prepare => "prepare",
        Step::Write => "write",
        Step::Verify => "verify",
        Step::Configure => "config",
        Step::Reboot => "restart",
        Step::Unknown => "agent",
    }
}

const SHORTEST_LATER: Duration = Duration::from_millis(100);
const LONGEST_LATER: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(500);
/// The last log lines are not worth more than this.
const FAREWELL: Duration = Duration::from_secs(2);
