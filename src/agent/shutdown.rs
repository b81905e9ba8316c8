//! How the agent ends: it reports the result, then restarts the machine, powers it off, or waits for the station's
//! order.

use std::io;
use std::time::Duration;

use super::console::journal::{Journal, step_label};
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

/// What is needed to end a run.
#[derive(Clone, Copy)]
pub(super) struct Shutdown<'a> {
    pub machine: &'a dyn Machine,
    pub station: &'a StationClient,
    pub outbox: &'a Outbox,
    pub journal: &'a Journal<'a>,
    pub hello: &'a HelloMessage,
    /// A readable name for this machine.
    pub name: &'a str,
    pub watch: &'a Activity,
    pub retry_policy: RetryPolicy,
    /// Whether a thread hangs in a disk request: never wait for it.
    pub hung: bool,
}

impl Shutdown<'_> {
    /// Waits until the station has every report, however long it is away.
    pub(super) fn deliver(&self) -> Result<(), StopReason> {
        while self.machine.is_on() {
            match self.outbox.delivery(GLANCE) {
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

    /// Reports the failure to the station and on the machine's screen, then waits for an order.
    pub(super) fn in_failure(&self, failure: RunFailure) -> AgentOutcome {
        let failure = self.with_kernel_messages(failure);
        let RunFailure { step, kind, detail } = failure.clone();
        self.journal.show(|panel| panel.now = Now::Failed(failure.clone()));
        self.journal.error(step_label(step), &detail);
        self.outbox.report(Report::Failed { step, failure: kind, detail });
        for line in boxed(&failure, self.name, self.station.url()) {
            self.journal.console("failed", &line);
        }
        self.await_order(AgentOutcome::Failed(failure))
    }

    /// Adds the kernel's last messages about a failed disk: all of them to the log, the last one to the reason.
    fn with_kernel_messages(&self, failure: RunFailure) -> RunFailure {
        let is_of_disk = matches!(failure.kind, FailureKind::Hung | FailureKind::DiskIo);
        let messages = self.watch.disk().filter(|_| is_of_disk).map(|disk| self.machine.kernel_messages(&disk));
        let messages = messages.unwrap_or_default();
        messages.iter().for_each(|line| self.journal.warning(step_label(failure.step), &format!("kernel: {line}")));
        match messages.last() {
            Some(last) => RunFailure { detail: format!("{}; last kernel message: {last}", failure.detail), ..failure },
            None => failure,
        }
    }

    /// Waits for the station's order to restart.
    pub(super) fn await_order(&self, outcome: AgentOutcome) -> AgentOutcome {
        let _the_station_may_have_ended_the_run = self.deliver();
        while pause(self.machine, self.retry_policy.order) {
            match self.station.order() {
                Ok(AgentOrder::Restart) => {
                    self.restart();
                    break;
                }
                // The station forgot the run, or is another one: report everything again.
                Err(StationError::UnknownRun) => match self.station.hello(self.hello) {
                    Ok(HelloReply::Job(job)) => self.outbox.reports_acknowledged(job.next_report),
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

    /// Does what the profile's `after` says once the disk is verified.
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
                    self.outbox.settle_log(LOG_FLUSH);
                });
            }
            After::Wait => {
                self.journal.console("done", "this machine is installed and its disk is verified: switch it off");
                return self.await_order(AgentOutcome::Installed);
            }
        }
        AgentOutcome::Installed
    }

    fn restart(&self) {
        let how = || if self.hung { self.machine.restart_at_once() } else { self.machine.restart() };
        if let Err(error) = self.end("restarting now", how) {
            self.journal.error("restart", &format!("the machine cannot restart ({error}): switch it off and on"));
            self.outbox.settle_log(LOG_FLUSH);
        }
    }

    fn end(&self, words: &str, how: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        self.journal.info("restart", words);
        self.outbox.settle_log(LOG_FLUSH);
        how()
    }
}

const GLANCE: Duration = Duration::from_millis(500);
/// The longest wait for the last log lines.
const LOG_FLUSH: Duration = Duration::from_secs(2);
