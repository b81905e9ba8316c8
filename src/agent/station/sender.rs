//! Sends the outbox to the station on its own thread, and retries until the station acknowledges it.

use std::time::Duration;

use super::backoff::{Backoff, RepeatFilter, RetryPolicy, pause};
use super::outbox::{Outbox, OutboxClosed, Outgoing};
use super::{StationClient, StationError};
use crate::agent::console::journal::Journal;
use crate::agent::machine::Machine;
use crate::protocol::{HelloMessage, HelloReply, LogAck};

/// Sends the outbox. It never waits for the work, and the work waits for it only at the end of the run.
pub(crate) struct ReportSender<'a> {
    pub machine: &'a dyn Machine,
    pub station: &'a StationClient,
    pub outbox: &'a Outbox,
    pub journal: &'a Journal<'a>,
    /// Sent again to a station that does not know the run.
    pub hello: &'a HelloMessage,
    pub retry_policy: RetryPolicy,
}

impl ReportSender<'_> {
    /// Works until the outbox is closed or the machine switched off.
    pub(crate) fn serve(&self) {
        let mut backoff = Backoff::up_to(self.retry_policy.report);
        let mut repeats = RepeatFilter::default();
        while self.machine.is_on() {
            let outgoing = match self.outbox.next(GLANCE) {
                Ok(Some(outgoing)) => outgoing,
                Ok(None) => continue,
                Err(OutboxClosed) => return,
            };
            let answer = self.carry(&outgoing).or_else(|trouble| self.settle(&outgoing, trouble));
            match answer {
                Ok(()) => {
                    backoff.reset();
                    if repeats.clear() {
                        self.journal.console("report", "the station accepts reports again");
                    }
                }
                Err(trouble) => {
                    if repeats.is_due(&trouble.to_string()) {
                        self.journal.console("report", &format!("{trouble}; retrying"));
                    }
                    pause(self.machine, backoff.pause());
                }
            }
        }
    }

    fn carry(&self, outgoing: &Outgoing) -> Result<(), StationError> {
        match outgoing {
            Outgoing::Reports(reports) => self.outbox.reports_acknowledged(self.station.reports(reports)?.next),
            Outgoing::Lines(lines) => {
                let LogAck { next, left_out } = self.station.log(lines)?;
                self.outbox.lines_acknowledged(next);
                if self.outbox.lines_left_out(left_out) {
                    self.journal.console("report", "the station has no room for this log: it drops lines");
                }
            }
            Outgoing::Moved(moved) => self.station.progress(*moved)?,
        }
        Ok(())
    }

    /// Handles `trouble`, where there is more to do than retry.
    fn settle(&self, outgoing: &Outgoing, trouble: StationError) -> Result<(), StationError> {
        match (outgoing, &trouble) {
            // The next figure comes soon.
            (Outgoing::Moved(_), _) => Ok(()),
            (Outgoing::Reports(_) | Outgoing::Lines(_), StationError::UnknownRun) => self.introduce_again(),
            // Rejected lines must not block the rest.
            (Outgoing::Lines(_), StationError::Refused { status: 400..=499, .. } | StationError::Unreadable(_)) => {
                let lost = self.outbox.drop_lines();
                self.journal.console("report", &format!("{trouble}; {lost} log lines lost"));
                Ok(())
            }
            (Outgoing::Reports(_), StationError::Refused { .. } | StationError::Unreadable(_))
            | (Outgoing::Lines(_), StationError::Refused { .. })
            | (Outgoing::Reports(_) | Outgoing::Lines(_), StationError::Away(_) | StationError::Doubtful(_)) => {
                Err(trouble)
            }
        }
    }

    /// The station has lost the run: say hello again, then send everything again.
    fn introduce_again(&self) -> Result<(), StationError> {
        match self.station.hello(self.hello)? {
            HelloReply::Job(job) => {
                self.journal.console("report", "the station had lost this run; sending all reports again");
                self.outbox.reports_acknowledged(job.next_report);
                Ok(())
            }
            HelloReply::Ended { reason } => {
                self.journal.console("report", &format!("the station accepts no more reports: {reason}"));
                self.outbox.run_ended(reason);
                let _nobody_takes_them = self.outbox.drop_lines();
                Ok(())
            }
            HelloReply::Later { .. } | HelloReply::Unknown => Err(StationError::UnknownRun),
        }
    }
}

/// How often an idle sender checks that the machine is still on.
const GLANCE: Duration = Duration::from_millis(500);
