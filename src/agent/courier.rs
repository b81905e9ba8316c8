//! Carries the mailbox to the station, on a thread of its own, repeating until the station has it.

use std::time::Duration;

use super::journal::Journal;
use super::machine::Machine;
use super::mailbox::{Closed, Errand, Mailbox};
use super::patience::{Backoff, Nag, Patience, pause};
use super::station::{Station, Trouble};
use crate::protocol::{Answer, Hello, LogAck};

/// The courier's means. Nothing here waits for the work, and the work waits for nothing here but the last word.
pub(super) struct Courier<'a> {
    pub machine: &'a dyn Machine,
    pub station: &'a Station,
    pub mailbox: &'a Mailbox,
    pub journal: &'a Journal<'a>,
    /// What is said again to a station that does not know the run.
    pub hello: &'a Hello,
    pub patience: Patience,
}

impl Courier<'_> {
    /// Works until the mailbox is closed or the machine switched off.
    pub(super) fn serve(&self) {
        let mut backoff = Backoff::up_to(self.patience.report);
        let mut nag = Nag::default();
        while self.machine.is_on() {
            let errand = match self.mailbox.next(GLANCE) {
                Ok(Some(errand)) => errand,
                Ok(None) => continue,
                Err(Closed) => return,
            };
            let answer = self.carry(&errand).or_else(|trouble| self.settle(&errand, trouble));
            match answer {
                Ok(()) => {
                    backoff.reset();
                    if nag.calm() {
                        self.journal.console("report", "the station takes reports again");
                    }
                }
                Err(trouble) => {
                    if nag.is_due(&trouble.to_string()) {
                        self.journal.console("report", &format!("{trouble}; trying on"));
                    }
                    pause(self.machine, backoff.pause());
                }
            }
        }
    }

    fn carry(&self, errand: &Errand) -> Result<(), Trouble> {
        match errand {
            Errand::Reports(reports) => self.mailbox.reports_acknowledged(self.station.reports(reports)?.next),
            Errand::Lines(lines) => {
                let LogAck { next, left_out } = self.station.log(lines)?;
                self.mailbox.lines_acknowledged(next);
                if self.mailbox.lines_left_out(left_out) {
                    self.journal.console("report", "the station has no room for this log: it leaves lines out");
                }
            }
            Errand::Moved(moved) => self.station.progress(*moved)?,
        }
        Ok(())
    }

    /// What can be done about `trouble` besides trying again.
    fn settle(&self, errand: &Errand, trouble: Trouble) -> Result<(), Trouble> {
        match (errand, &trouble) {
            // Another figure comes soon.
            (Errand::Moved(_), _) => Ok(()),
            (Errand::Reports(_) | Errand::Lines(_), Trouble::UnknownRun) => self.greet_again(),
            // Lines it will not have must not dam up the rest.
            (Errand::Lines(_), Trouble::Refused { status: 400..=499, .. } | Trouble::Unreadable(_)) => {
                let lost = self.mailbox.drop_lines();
                self.journal.console("report", &format!("{trouble}; {lost} log lines are lost"));
                Ok(())
            }
            (Errand::Reports(_), Trouble::Refused { .. } | Trouble::Unreadable(_))
            | (Errand::Lines(_), Trouble::Refused { .. })
            | (Errand::Reports(_) | Errand::Lines(_), Trouble::Away(_) | Trouble::Doubtful(_)) => Err(trouble),
        }
    }

    /// The station has lost the run: it is told who we are, and then everything again.
    fn greet_again(&self) -> Result<(), Trouble> {
        match self.station.hello(self.hello)? {
            Answer::Job(job) => {
                self.journal.console("report", "the station had lost this run; it hears everything again");
                self.mailbox.reports_acknowledged(job.next_report);
                Ok(())
            }
            Answer::Ended { reason } => {
                self.journal.console("report", &format!("the station takes no more reports: {reason}"));
                self.mailbox.run_ended(reason);
                let _nobody_takes_them = self.mailbox.drop_lines();
                Ok(())
            }
            Answer::Later { .. } | Answer::Unknown => Err(Trouble::UnknownRun),
        }
    }
}

/// How often an idle courier looks whether the machine is still on.
const GLANCE: Duration = Duration::from_millis(500);
