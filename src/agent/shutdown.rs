//! How the agent leaves: it says what became of the machine, and restarts it, switches it off, or waits for the station's
//! word.

use std::io;
use std::time::Duration;

use super::console::journal::{Journal, word};
use super::console::panel::Now;
use super::failure::{RunFailure, StopReason, boxed};
use super::machine::Machine;
use super::outcome::AgentOutcome;
use super::station::backoff::{RetryPolicy, pause};
use super::station::outbox::{DeliveryState, Outbox};
use super::station::{StationClient, StationError};
use super::watchdog::Activity;
use crate::domain::machine::report::{FailureKind, Report, Step};
use crate::domain::profile::After;
use crate::protocol::{AgentOrder, HelloMessage, HelloReply};

/// Whoever leaves, and the means.
#[derive(Clone, Copy)]
pub(super) struct Farewell<'a> {
    pub machine: &'a dyn Machine,
    pub station: &'a StationClient,
    pub mailbox: &'a Outbox,
    pub journal: &'a Journal<'a>,
    pub hello: &'a HelloMessage,
    /// What a person calls this machine.
    pub name: &'a str,
    pub watch: &'a Activity,
    pub patience: RetryPolicy,
    /// Whether a thread waits for a disk and always will: nobody may wait for it.
    pub hung: bool,
}

impl Farewell<'_> {
    /// Waits until the station has every report, however long it is away.
    pub(super) fn deliver(&self) -> Result<(), StopReason> {
        while self.machine.is_on() {
            match self.mailbox.delivery(GLANCE) {
                DeliveryState::Underway => {}
                DeliveryState::Acknowledged => return Ok(()),
                DeliveryState::Ended(reason) => {
                    let detail = format!("the station accepts no more reports of this run: {reason}");
                    return Err(StopReason::failed(Step::Reboot, FailureKind::Protocol, detail));
                }
            }
        }
        Err(StopReason::SwitchedOff)
    }

    /// Says why the run has failed, to the station and to whoever stands before the machine, and waits for the word.
    pub(super) fn in_failure(&self, failure: RunFailure) -> AgentOutcome {
        let failure = self.with_the_kernels_words(failure);
        let RunFailure { step, kind, detail } = failure.clone();
        self.journal.show(|panel| panel.now = Now::Failed(failure.clone()));
        self.journal.error(word(step), &detail);
        self.mailbox.report(Report::Failed { step, failure: kind, detail });
        for line in boxed(&failure, self.name, self.station.url()) {
            self.journal.console("failed", &line);
        }
        self.at_a_word(AgentOutcome::Failed(failure))
    }

    /// Of a disk that failed, the kernel knows more than the agent: its last lines go to the log, the last one of them into
    /// the reason.
    fn with_the_kernels_words(&self, failure: RunFailure) -> RunFailure {
        let is_of_disk = matches!(failure.kind, FailureKind::Hung | FailureKind::DiskIo);
        let said = self.watch.disk().filter(|_| is_of_disk).map(|disk| self.machine.kernel_says(&disk));
        let said = said.unwrap_or_default();
        said.iter().for_each(|line| self.journal.warning(word(failure.step), &format!("kernel: {line}")));
        match said.last() {
            Some(last) => RunFailure { detail: format!("{}; last kernel message: {last}", failure.detail), ..failure },
            None => failure,
        }
    }

    /// Restarts when the station says so.
    pub(super) fn at_a_word(&self, outcome: AgentOutcome) -> AgentOutcome {
        let _the_station_may_have_ended_the_run = self.deliver();
        while pause(self.machine, self.patience.word) {
            match self.station.word() {
                Ok(AgentOrder::Restart) => {
                    self.restart();
                    break;
                }
                // Forgotten, or another station: it hears again what became of this machine.
                Err(StationError::UnknownRun) => match self.station.hello(self.hello) {
                    Ok(HelloReply::Job(job)) => self.mailbox.reports_acknowledged(job.next_report),
                    Ok(HelloReply::Ended { .. }) => {
                        self.restart();
                        break;
                    }
                    Ok(HelloReply::Later { .. } | HelloReply::Unknown) | Err(_) => {}
                },
                Ok(AgentOrder::Wait | AgentOrder::Unknown) | Err(_) => {}
            }
        }
        outcome
    }

    /// Does what the profile says follows a proven disk.
    pub(super) fn in_success(&self, after: After) -> AgentOutcome {
        self.journal.show(|panel| panel.now = Now::Done(format!("disk verified; {}", after.words())));
        match after {
            After::Reboot => self.restart(),
            After::PowerOff => {
                let off = self.end("powering off now", || self.machine.power_off());
                off.unwrap_or_else(|error| {
                    self.journal.error(
                        "restart",
                        &format!("the machine cannot power itself off ({error}): switch it off by hand"),
                    );
                    self.mailbox.settle_log(FAREWELL);
                });
            }
            After::Wait => {
                self.journal.console("done", "this machine is installed and its disk is verified: switch it off");
                return self.at_a_word(AgentOutcome::Installed);
            }
        }
        AgentOutcome::Installed
    }

    fn restart(&self) {
        let how = || if self.hung { self.machine.restart_at_once() } else { self.machine.restart() };
        if let Err(error) = self.end("restarting now", how) {
            self.journal.error("restart", &format!("the machine cannot restart ({error}): switch it off and on"));
            self.mailbox.settle_log(FAREWELL);
        }
    }

    fn end(&self, words: &str, how: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        self.journal.info("restart", words);
        self.mailbox.settle_log(FAREWELL);
        how()
    }
}

const GLANCE: Duration = Duration::from_millis(500);
/// The last log lines are not worth more than this.
const FAREWELL: Duration = Duration::from_secs(2);
