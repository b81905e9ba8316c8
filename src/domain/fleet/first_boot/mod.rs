//! The machine's own system calls once it runs: then it is provisioned, and not before. There is a time within which it is
//! to call; one that calls later is provisioned all the same, and its log says that it was late.

use std::time::Duration;

use super::Fleet;
use super::change_set::{ChangeSet, enter, reach};
use super::failing::{ReportError, fail};
use crate::domain::effect::Effect;
use crate::domain::ids::{NodeId, RunId};
use crate::domain::logline::{Level, LogLine, LogSource};
use crate::domain::machine::report::FailureKind;
use crate::domain::node::Node;
use crate::domain::node::phase::{Failure, Phase, Stage};
use crate::domain::node::run::{Run, RunOutcome, Sign};
use crate::domain::time::{Timestamp, in_words};

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It made the machine provisioned.
    Provisioned,
    /// It was so already: systems may call at each boot.
    Again,
    /// The disk of this run is not proven, or the machine was armed again since.
    NotHeeded,
}

impl Fleet {
    /// The machine of `run` says that its own system runs; `said` is what it says of that.
    pub fn called_home(
        &mut self,
        now: Timestamp,
        run: RunId,
        said: &[String],
    ) -> Result<(Heard, Vec<Effect>), ReportError> {
        let id = *self.runs.get(&run).ok_or(ReportError::UnknownRun(run))?;
        let mut change = ChangeSet::default();
        let node = self.node_mut(id).ok_or(ReportError::UnknownRun(run))?;
        let last = node.run().filter(|last| last.id == run);
        let awaited = last.and_then(|last| last.first_boot).and_then(|awaited| awaited.since);
        let heard = match (&node.phase, last.and_then(|last| last.outcome.as_ref()), awaited) {
            (Phase::Booting { stage: Stage::FirstBoot }, None, Some(_)) => {
                provisioned(now, node, "its own system has called", &mut change);
                Heard::Provisioned
            }
            (Phase::Failed(failure), Some(RunOutcome::Failed(_)), Some(since))
                if failure.kind == FailureKind::FirstBoot =>
            {
                let late = format!("its own system has called late, after {}", in_words(now.since(since)));
                provisioned(now, node, &late, &mut change);
                Heard::Provisioned
            }
            (_, Some(RunOutcome::Proven), _) => Heard::Again,
            (_, _, _) => {
                let what = "somebody says that its own system runs, and its disk is not proven: not heeded";
                change.log(now, node, Level::Warning, what);
                Heard::NotHeeded
            }
        };
        if heard == Heard::Provisioned {
            node.last_seen = Some(now);
            for what in said {
                change.log(now, node, Level::Info, &format!("its own system: {what}"));
            }
        }
        if heard != Heard::Again {
            change.save(id);
        }
        Ok((heard, self.settle(change)))
    }

    /// cloud-init wrote these lines in the first boot of the machine of `run`, the first of them numbered `first`. Gives
    /// the number of the line that is wanted next: the same again says that it is enough. None: it is not heeded, as no
    /// system of this run is to have started.
    pub fn first_boot_wrote(
        &mut self,
        now: Timestamp,
        run: RunId,
        first: u32,
        lines: Vec<(Level, String)>,
    ) -> Result<(Option<u32>, Vec<Effect>), ReportError> {
        let id = *self.runs.get(&run).ok_or(ReportError::UnknownRun(run))?;
        let node = self.node_mut(id).ok_or(ReportError::UnknownRun(run))?;
        let asked = |last: &&mut Run| last.id == run && last.first_boot.is_some_and(|awaited| awaited.since.is_some());
        let Some(last) = node.runs.last_mut().filter(asked) else { return Ok((None, Vec::new())) };
        let known = last.next_output;
        let seen = usize::try_from(known.saturating_sub(first)).unwrap_or(usize::MAX);
        let room = usize::try_from(OUTPUT.saturating_sub(known)).unwrap_or_default();
        // What lies between was lost with a station's memory, or never sent.
        let begin = known.max(first).min(OUTPUT);
        let lines: Vec<_> = lines.into_iter().skip(seen).take(room).collect();
        let more = u32::try_from(lines.len()).unwrap_or(OUTPUT);
        if lines.is_empty() {
            return Ok((Some(if known == OUTPUT { first } else { known }), Vec::new()));
        }
        last.next_output = begin.saturating_add(more).min(OUTPUT);
        let next = last.next_output;
        node.last_seen = Some(now);
        let mut change = ChangeSet::default();
        for (level, text) in lines {
            change.log_line(node, LogLine::new(now, LogSource::CloudInit, level, &text));
        }
        if next == OUTPUT {
            let what = format!("its first boot has written {OUTPUT} lines: the rest is left out");
            change.log(now, node, Level::Warning, &what);
        }
        change.save(id);
        Ok((Some(next), self.settle(change)))
    }

    /// Takes note of the time: who has not called by now is not waited for any more.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Effect> {
        let is_late = |node: &Node| {
            let awaited = node.run().filter(|run| run.is_open()).and_then(|run| run.first_boot);
            let of =
                |it: crate::domain::node::run::Awaited| Some((it.since?, Duration::from_secs(60) * it.within_minutes));
            let is_awaited = matches!(node.phase, Phase::Booting { stage: Stage::FirstBoot });
            is_awaited && awaited.and_then(of).is_some_and(|(since, within)| now.since(since) >= within)
        };
        let late: Vec<NodeId> = self.nodes.values().filter(|node| is_late(node)).map(|node| node.id).collect();
        let mut change = ChangeSet::default();
        for id in late {
            let Some(node) = self.node_mut(id) else { continue };
            let failure = Failure { stage: Stage::FirstBoot, kind: FailureKind::FirstBoot, reason: reason(now, node) };
            fail(now, node, failure, &mut change);
            change.save(id);
        }
        self.settle(change)
    }
}

/// Whether the machine, whose disk is proven, is to call before it is provisioned. It is awaited from now on.
pub(super) fn await_call(now: Timestamp, node: &mut Node, change: &mut ChangeSet) -> bool {
    let Some(awaited) = node.runs.last_mut().and_then(|run| run.first_boot.as_mut()) else { return false };
    awaited.since = Some(now);
    let minutes = awaited.within_minutes;
    reach(node, now, Stage::FirstBoot);
    let what = format!("the disk holds what the profile says; its own system is to call within {minutes} minutes");
    change.log(now, node, Level::Info, &what);
    true
}

/// Something was seen of a machine; it counts where its system has not called yet.
pub(super) fn gave_sign(now: Timestamp, node: &mut Node, sign: Sign) {
    let awaited = node.runs.last_mut().and_then(|run| run.first_boot.as_mut());
    if let Some(awaited) = awaited.filter(|awaited| awaited.since.is_some()) {
        awaited.sign = Some((sign, now));
    }
}

fn provisioned(now: Timestamp, node: &mut Node, why: &str, change: &mut ChangeSet) {
    if let Some(run) = node.runs.last_mut() {
        (run.ended, run.outcome) = (Some(now), Some(RunOutcome::Proven));
    }
    reach(node, now, Stage::Provisioned);
    enter(node, now, Phase::Provisioned);
    change.log(now, node, Level::Info, &format!("provisioned: the disk holds what the profile says, and {why}"));
}

/// Why it has failed, with what was seen last.
fn reason(now: Timestamp, node: &Node) -> String {
    let awaited = node.run().and_then(|run| run.first_boot);
    let minutes = awaited.map_or(0, |awaited| awaited.within_minutes);
    let seen = match awaited.and_then(|awaited| awaited.sign) {
        None => "nothing was seen of it since its disk was proven".to_owned(),
        Some((sign, at)) => {
            let what = match sign {
                Sign::SentToDisk => "it was sent to its own disk",
                Sign::AskedAddress => "its own system asked for an address",
                Sign::Unknown => "it was seen",
            };
            format!("the last of it was that {what}, {} ago", in_words(now.since(at)))
        }
    };
    format!("its own system did not call within {minutes} minutes: {seen}")
}

/// Lines of one first boot that are kept: a Debian writes a hundred.
const OUTPUT: u32 = 4000;

#[cfg(all(test, feature = "station"))]
mod tests;
