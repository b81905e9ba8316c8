//! Carries the mailbox to the station, on a thread of its own, repeating until the station has it.

use std::time::Duration;

use super::backoff::{Backoff, Nag, RetryPolicy, pause};
use super::outbox::{Outbox, OutboxClosed, Outgoing};
use super::{StationClient, StationError};
use crate::agent::console::journal::Journal;
use crate::agent::machine::Machine;
use crate::protocol::{HelloMessage, HelloReply, LogAck};

/// The courier's means. Nothing here waits for the work, and the work waits for nothing here but the last word.
pub(crate) struct ReportSender<'a> {
    pub machine: &'a dyn Machine,
    pub station: &'a StationClient,
    pub mailbox: &'a Outbox,
    pub journal: &'a Journal<'a>,
    /// What is said again to a station that does not know the run.
    pub hello: &'a HelloMessage,
    pub patience: RetryPolicy,
}

impl ReportSender<'_> {
    /// Works until the mailbox is closed or the machine switched off.
    pub(crate) fn serve(&self) {
        let mut backoff = Backoff::up_to(self.patience.report);
        let mut nag = Nag::default();
        while self.machine.is_on() {
            let errand = match self.mailbox.next(GLANCE) {
                Ok(Some(errand)) => errand,
                Ok(None) => continue,
                Err(OutboxClosed) => return,
            };
            let answer = self.carry(&errand).or_else(|trouble| self.settle(&errand, trouble));
            match answer {
                Ok(()) => {
                    backoff.reset();
                    if nag.calm() {
                        self.journal.console("report", "the station accepts reports again");
                    }
                }
                Err(trouble) => {
                    if nag.is_due(&trouble.to_string()) {
                        self.journal.console("report", &format!("{trouble}; retrying"));
                    }
                    pause(self.machine, backoff.pause());
                }
            }
        }
    }

    fn carry(&self, errand: &Outgoing) -> Result<(), StationError> {
        match errand {
            Outgoing::Reports(reports) => self.mailbox.reports_acknowledged(self.station.reports(reports)?.next),
            Outgoing::Lines(lines) => {
                let LogAck { next, left_out } = self.station.log(lines)?;
                self.mailbox.lines_acknowledged(next);
                if self.mailbox.lines_left_out(left_out) {
                    self.journal.console("report", "the station has no room for this log: it drops lines");
                }
            }
            Outgoing::Moved(moved) => self.station.progress(*moved)?,
        }
        Ok(())
    }

    /// What can be done about `trouble` besides trying again.
    fn settle(&self, errand: &Outgoing, trouble: StationError) -> Result<(), StationError> {
        match (errand, &trouble) {
            // Another figure comes soon.
            (Outgoing::Moved(_), _) => Ok(()),
            (Outgoing::Reports(_) | Outgoing::Lines(_), StationError::UnknownRun) => self.greet_again(),
            // Lines it will not have must not dam up the rest.
            (Outgoing::Lines(_), StationError::Refused { status: 400..=499, .. } | StationError::Unreadable(_)) => {
                let lost = self.mailbox.drop_lines();
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

    /// The station has lost the run: it is told who we are, and then everything again.
    fn greet_again(&self) -> Result<(), StationError> {
        match self.station.hello(self.hello)? {
            HelloReply::Job(job) => {
                self.journal.console("report", "the station had lost this run; sending all reports again");
                self.mailbox.reports_acknowledged(job.next_report);
                Ok(())
            }
            HelloReply::Ended { reason } => {
                self.journal.console("report", &format!("the station accepts no more reports: {reason}"));
                self.mailbox.run_ended(reason);
                let _nobody_takes_them = self.mailbox.drop_lines();
                Ok(())
            }
            HelloReply::Later { .. } | HelloReply::Unknown => Err(StationError::UnknownRun),
        }
    }
}

/// How often an idle courier looks whether the machine is still on.
const GLANCE: Duration = Duration::from_millis(500);
