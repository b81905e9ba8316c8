//! From the agent's hello to the verdict. *Provisioned* is only reached through a digest that was read back.

use std::net::Ipv4Addr;

use super::Fleet;
use super::booting::hold;
use super::change_set::{ChangeSet, reach};
use super::configuring::configured;
use super::first_boot::await_call;
use super::installer::said_done;
use crate::domain::effect::Effect;
use crate::domain::fleet::failing::{ReportError, fail, unproven};
use crate::domain::ids::{NodeId, ProfileId, RunId};
use crate::domain::logline::{Level, LogLine, LogSource};
use crate::domain::machine::disk::{Disk, DiskRule, in_bytes};
use crate::domain::machine::hello::Hello;
use crate::domain::machine::progress::StepProgress;
use crate::domain::machine::report::{FailureKind, Report, Step};
use crate::domain::node::Node;
use crate::domain::node::phase::{Failure, Stage};
use crate::domain::node::run::{Awaited, Expected, Following, Run, RunOutcome};
use crate::domain::profile::image::{ImageInfo, ImageState};
use crate::domain::profile::{After, FirstBoot, Image, Install};
use crate::domain::snapshot::Catalogue;
use crate::domain::station::plan::BootPlan;
use crate::domain::time::Timestamp;

/// What an agent may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Do this.
    Job(Box<Task>),
    /// Nothing yet; say hello again.
    Later { reason: String },
    /// Nothing more in this run: wait for the station's word.
    Ended { reason: String },
}

/// What an agent is to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    pub profile: ProfileId,
    pub image: ImageInfo,
    pub disk: DiskRule,
    pub after: After,
    /// What the machine's own screen is to say of it, too.
    pub warnings: Vec<String>,
    /// Whether something follows the image that is to be proven.
    pub follows: bool,
    /// Whether the machine's own system is to call.
    pub first_boot: Option<FirstBoot>,
    /// The index its first report is to have: more than 0 when the agent is in its second life in this run.
    pub next_report: u32,
}

impl Fleet {
    /// Answers an agent. A run this station has no record of (it was killed before it could keep one) is taken up.
    pub fn hello(&mut self, now: Timestamp, hello: &Hello, catalogue: &Catalogue) -> (Grant, Vec<Effect>) {
        let mut change = ChangeSet::default();
        let Some(id) = self.node_of(now, &hello.claims, &mut change) else {
            let reason = "it is not clear which machine this is: the station shows who it may be".into();
            return (Grant::Later { reason }, self.settle(change));
        };
        if let Some(reason) = self.run_of_another(now, hello, id, &mut change) {
            return (Grant::Later { reason }, self.settle(change));
        }
        let Some(node) = self.nodes.get(&id) else { return (Grant::Later { reason: "try again".into() }, Vec::new()) };
        let recorded = node.runs.iter().find(|run| run.id == hello.run).cloned();
        let is_last = |run: &&Run| node.run().is_some_and(|last| last.id == run.id);
        if let Some(run) = recorded.as_ref().filter(|run| !run.is_open() || !is_last(run)) {
            let reason = format!("run {} has ended", run.id.short());
            return (Grant::Ended { reason }, self.settle(change));
        }
        if node.phase.has_own_system() {
            let word = if node.phase.is_done() { node.phase.word() } else { "to start its own system" };
            let reason = format!("this machine is {word} already");
            return (Grant::Ended { reason }, self.settle(change));
        }
        if let Some(node) = self.node_mut(id) {
            node.disks.clone_from(&hello.disks);
            node.inventory.clone_from(&hello.inventory);
        }
        let Some(node) = self.nodes.get(&id) else { return (Grant::Later { reason: "try again".into() }, Vec::new()) };
        // A run that has its job keeps it, whatever the policy has become since.
        let promised = recorded.as_ref().filter(|run| run.expected.is_some());
        let barred = self.policy.reason().filter(|_| promised.is_none() && !node.is_vouched_for());
        // Until then it is what people have assigned by now, not when the machine asked for its script.
        let assigned = promised.map(|run| &run.profile).or(node.profile.as_ref());
        let next_report = recorded.as_ref().map_or(0, |run| run.next_report);
        let grant = match (barred, catalogue.install(assigned)) {
            (Some(reason), _) => Grant::Later { reason },
            (None, BootPlan::Install(profile)) => catalogue.job(&profile, &hello.disks, next_report),
            (None, BootPlan::Wait(wait)) => Grant::Later { reason: wait.to_string() },
            (None, BootPlan::Refuse(refuse)) => Grant::Later { reason: refuse.to_string() },
            (None, BootPlan::LocalDisk) => Grant::Ended { reason: "this machine boots from its own disk".into() },
        };
        let question = match &grant {
            Grant::Job(task) => task.question(hello, recorded.as_ref(), catalogue),
            Grant::Later { .. } | Grant::Ended { .. } => None,
        };
        if let (Grant::Job(task), Some(question)) = (&grant, question) {
            if recorded.is_none() {
                let run = Run::begin(hello.run, task.profile.clone(), now);
                self.open_run(now, id, hello.address, run, &mut change);
            }
            let reason = question.at_the_machine();
            self.ask(now, id, question, &mut change);
            return (Grant::Later { reason }, self.settle(change));
        }
        match &grant {
            Grant::Job(task) => {
                if recorded.is_none() {
                    let run = Run::begin(hello.run, task.profile.clone(), now);
                    self.open_run(now, id, hello.address, run, &mut change);
                }
                self.begin_work(now, hello, task, &mut change);
            }
            Grant::Later { reason } => {
                if let Some(node) = self.node_mut(id) {
                    hold(node, now, reason.clone(), &mut change);
                    change.save(id);
                }
            }
            Grant::Ended { .. } => {}
        }
        (grant, self.settle(change))
    }

    /// Why this machine may not go on in the run that it names: another has its job in it. A run without one, of a node that
    /// the machine has turned out not to be, is given up there.
    fn run_of_another(&mut self, now: Timestamp, hello: &Hello, id: NodeId, change: &mut ChangeSet) -> Option<String> {
        let owner = self.runs.get(&hello.run).copied().filter(|owner| *owner != id)?;
        let other = self.node_mut(owner)?;
        let label = other.label();
        if other.runs.iter().any(|known| known.id == hello.run && known.expected.is_some()) {
            let reason = format!("run {} is that of {label}: start this machine again", hello.run.short());
            let what = format!(
                "agent at {}: says hello in run {}, which is another machine's",
                hello.address,
                hello.run.short()
            );
            change.log_once(now, other, Level::Warning, &what);
            if let Some(node) = self.node_mut(id).filter(|node| !node.is_at_work(now)) {
                hold(node, now, reason.clone(), change);
                change.save(id);
            }
            return Some(reason);
        }
        other.runs.retain(|known| known.id != hello.run);
        self.runs.remove(&hello.run);
        change.save(owner);
        None
    }

    fn begin_work(&mut self, now: Timestamp, hello: &Hello, task: &Task, change: &mut ChangeSet) {
        let Task { profile, image, follows, first_boot, .. } = task;
        let Some(id) = self.runs.get(&hello.run).copied() else { return };
        self.give_address(id, hello.address, change);
        let Some(node) = self.node_mut(id) else { return };
        node.silent_installers = 0;
        reach(node, now, Stage::Agent);
        if let Some(run) = node.runs.last_mut() {
            let expected = Expected {
                image: image.name.clone(),
                sha256: Some(image.sha256),
                disk_bytes: image.disk_bytes,
                disk_sha256: image.disk_sha256,
            };
            // What was read back before this hello is not what the agent is about to write.
            (run.profile, run.expected, run.read_back) = (profile.clone(), Some(expected), None);
            run.configured = false;
            run.root_hash = None;
            (run.question, run.warnings) = (None, task.warnings.clone());
            run.following = match (follows, run.following) {
                (_, Following::Manifest(given)) => Following::Manifest(given),
                (true, Following::Nothing | Following::Something) => Following::Something,
                (false, Following::Nothing | Following::Something) => Following::Nothing,
            };
            let awaited = |it: &FirstBoot| Awaited { within_minutes: it.within_minutes, since: None, sign: None };
            run.first_boot = first_boot.as_ref().map(awaited);
        }
        for warning in &task.warnings {
            change.log(now, node, Level::Warning, warning);
        }
        if let Some((worse, better)) = node.loader.worked() {
            let what =
                format!("{better} led to the agent where {worse} did not: `oxbow quirks export` has it as a row");
            change.log(now, node, Level::Info, &what);
        }
        change.log(now, node, Level::Info, &format!("agent: hello, given {} ({} bytes)", image.name, image.bytes));
        change.save(id);
    }

    /// Takes in a report and gives the index of the next one the station wants. A report it has seen changes nothing;
    /// one that skips ahead is not taken, and none is where nobody was given a job.
    pub fn report(
        &mut self,
        now: Timestamp,
        run: RunId,
        index: u32,
        report: Report,
    ) -> Result<(u32, Vec<Effect>), ReportError> {
        let id = *self.runs.get(&run).ok_or(ReportError::UnknownRun(run))?;
        let mut change = ChangeSet::default();
        let node = self.node_mut(id).ok_or(ReportError::UnknownRun(run))?;
        let of_run = node.runs.iter_mut().find(|known| known.id == run).ok_or(ReportError::UnknownRun(run))?;
        if index != of_run.next_report {
            return Ok((of_run.next_report, Vec::new()));
        }
        if !of_run.has_job() && report != Report::SaidDone {
            return Err(ReportError::NoJob(run));
        }
        of_run.next_report += 1;
        let next = of_run.next_report;
        let current = of_run.is_open() && node.run().is_some_and(|last| last.id == run);
        node.last_seen = Some(now);
        change.effects.push(Effect::SaveReport { run, index, at: now, report: report.clone() });
        if current {
            take_report(now, node, &report, &mut change);
        } else if matches!(report, Report::Started { .. }) {
            let what = format!("agent: {}, and run {} has ended: not heeded", said(&report), run.short());
            change.log(now, node, Level::Warning, &what);
        }
        change.save(id);
        Ok((next, self.settle(change)))
    }

    /// Somebody at `from` has reported what was not taken: the log of whoever it is about says so, once.
    pub fn not_taken(&mut self, now: Timestamp, run: RunId, from: Ipv4Addr, report: &Report) -> Vec<Effect> {
        let mut change = ChangeSet::default();
        let Some(node) = self.runs.get(&run).copied().and_then(|id| self.node_mut(id)) else { return Vec::new() };
        let what =
            format!("agent at {from}: {}, and was given no job in run {}: not heeded", said(report), run.short());
        change.log_once(now, node, Level::Warning, &what);
        self.settle(change)
    }

    pub(super) fn progress(&mut self, now: Timestamp, run: RunId, figure: StepProgress) -> Vec<Effect> {
        let Some(node) = self.runs.get(&run).copied().and_then(|id| self.node_mut(id)) else { return Vec::new() };
        if node.run().is_none_or(|last| last.id != run || !last.is_open() || !last.has_job()) {
            return Vec::new();
        }
        node.last_seen = Some(now);
        match &mut node.progress {
            Some(progress) if progress.step == figure.step => {
                progress.advance(now, figure.done, figure.total, figure.arrived);
            }
            other => *other = Some(figure),
        }
        // The bytes move twice a second: nothing is stored, the next report says where the run is.
        Vec::new()
    }

    /// The number of the next log line the station wants of `run`; none when it does not know the run.
    pub fn next_log(&self, run: RunId) -> Option<u32> {
        let node = self.nodes.get(self.runs.get(&run)?)?;
        node.runs.iter().find(|known| known.id == run).map(|known| known.next_log)
    }

    pub(super) fn agent_log(
        &mut self,
        now: Timestamp,
        run: RunId,
        first: u32,
        lines: Vec<(Level, String)>,
    ) -> Vec<Effect> {
        let Some(node) = self.runs.get(&run).copied().and_then(|id| self.node_mut(id)) else { return Vec::new() };
        node.last_seen = Some(now);
        let Some(of_run) = node.runs.iter_mut().find(|known| known.id == run) else { return Vec::new() };
        let seen = usize::try_from(of_run.next_log.saturating_sub(first)).unwrap_or(usize::MAX);
        let fresh = lines.into_iter().skip(seen);
        let lines: Vec<_> = fresh.map(|(level, text)| LogLine::new(now, LogSource::Agent, level, &text)).collect();
        if lines.is_empty() {
            return Vec::new();
        }
        let first = of_run.next_log.max(first);
        of_run.next_log = first.saturating_add(u32::try_from(lines.len()).unwrap_or(u32::MAX));
        lines.iter().for_each(|line| node.log.push(line.clone()));
        // How far it is stands in the log file: nothing is stored.
        vec![Effect::LogAgent { node: node.id, label: node.label(), run, first, lines }]
    }

    /// So many of the next lines of an agent are not taken: it has sent too many.
    pub fn log_left_out(&mut self, run: RunId, lines: u32) {
        let Some(node) = self.runs.get(&run).copied().and_then(|id| self.node_mut(id)) else { return };
        let of_run = node.runs.iter_mut().filter(|known| known.id == run);
        of_run.for_each(|of_run| of_run.next_log = of_run.next_log.saturating_add(lines));
    }

    /// Its agent sends no more than is fit any longer: the log says what is missing.
    pub fn log_goes_on(&mut self, now: Timestamp, run: RunId, left_out: u64, rate: u64) -> Vec<Effect> {
        let mut change = ChangeSet::default();
        let Some(node) = self.runs.get(&run).copied().and_then(|id| self.node_mut(id)) else { return Vec::new() };
        let what = format!("{left_out} lines of its agent were left out: it sent more than {rate} a second");
        change.log(now, node, Level::Warning, &what);
        self.settle(change)
    }
}

fn take_report(now: Timestamp, node: &mut Node, report: &Report, change: &mut ChangeSet) {
    match report {
        Report::Started { step, detail } => {
            reach(node, now, Stage::of(*step));
            node.progress = None;
            if *step == Step::Write {
                node.runs.last_mut().into_iter().for_each(|run| run.read_back = None);
            }
            change.log(now, node, Level::Info, &format!("{}: {detail}", step.word()));
        }
        Report::Finished { step, detail } => {
            change.log(now, node, Level::Info, &format!("{} done: {detail}", step.word()))
        }
        Report::ReadBack { bytes, sha256 } => {
            let expected = node.run().and_then(|run| run.expected.clone());
            match expected {
                Some(expected) if expected.disk_sha256 == *sha256 && expected.disk_bytes == *bytes => {
                    node.runs.last_mut().into_iter().for_each(|run| run.read_back = Some(*sha256));
                    change.log(
                        now,
                        node,
                        Level::Info,
                        &format!("read back {bytes} bytes from the disk: the digest is the image's"),
                    );
                }
                Some(expected) => {
                    let (found, wanted) = (in_bytes(*bytes), in_bytes(expected.disk_bytes));
                    let reason = format!(
                        "the disk does not read back as the image: {found} of it have digest {}…, the image's {wanted} {}…",
                        sha256.short(),
                        expected.disk_sha256.short()
                    );
                    fail(
                        now,
                        node,
                        Failure { stage: Stage::Verifying, kind: FailureKind::ReadBackDiffers, reason },
                        change,
                    );
                }
                None => fail(now, node, unproven("a disk was read back before the agent had a job"), change),
            }
        }
        Report::Configured { files, sha256, root_hash } => {
            configured(now, node, *files, *sha256, root_hash.as_deref(), change);
        }
        Report::Failed { step, failure, detail } => {
            let failure =
                Failure { stage: Stage::of(*step), kind: *failure, reason: crate::domain::text::clean(detail, 400) };
            fail(now, node, failure, change);
        }
        Report::Complete if node.run().is_some_and(Run::is_proven) => {
            node.progress = None;
            if await_call(now, node, change) {
                return;
            }
            node.runs.last_mut().into_iter().for_each(|run| run.end(now, RunOutcome::Proven));
            reach(node, now, Stage::Provisioned);
            change.log(now, node, Level::Info, "provisioned: the disk holds what the profile says");
        }
        Report::Complete if node.run().is_some_and(|run| run.read_back.is_some()) => {
            let reason = "the agent says it is done, but never showed that the disk is configured as its profile says";
            fail(now, node, Failure { stage: Stage::Configuring, ..unproven(reason) }, change);
        }
        Report::Complete => {
            fail(now, node, unproven("the agent says it is done but never showed the disk's digest"), change)
        }
        Report::SaidDone => said_done(now, node, change),
        Report::Unknown => {
            change.log(now, node, Level::Warning, "a report that this station does not know: the agent is newer")
        }
    }
}

/// A report in words, as far as a person wants to know.
fn said(report: &Report) -> String {
    match report {
        Report::Started { step, .. } => format!("says it is {}", step.word()),
        Report::Finished { step, .. } => format!("says it is done with {}", step.word()),
        Report::ReadBack { .. } => "says what it reads back from the disk".into(),
        Report::Configured { .. } => "says that the disk is configured".into(),
        Report::Failed { step, .. } => format!("says it failed while {}", step.word()),
        Report::Complete | Report::SaidDone => "says it is done".into(),
        Report::Unknown => "says what only a newer station knows".into(),
    }
}

impl Catalogue {
    /// What a machine of profile `id` is given.
    pub fn job(&self, id: &ProfileId, disks: &[Disk], next_report: u32) -> Grant {
        let Some(profile) = self.profiles.get(id) else {
            return Grant::Later { reason: format!("the station has no profile named {id}") };
        };
        match (&profile.install, self.image(profile)) {
            (Install::Image(Image { disk, .. }), Some(ImageState::Ready(image))) => {
                let chosen = disk.choose(disks, image.disk_bytes).ok();
                let warnings = chosen.and_then(|chosen| disk.warning(chosen)).into_iter().collect();
                let mut disk = disk.clone();
                // What a person said yes to is that disk and no other.
                if let Some(chosen) = chosen.filter(|chosen| profile.approve && !chosen.serial.is_empty()) {
                    disk.serial = vec![chosen.serial.clone()];
                }
                let (follows, first_boot) = (profile.follows(), profile.first_boot);
                let (profile, after) = (id.clone(), profile.after);
                let task = Task { profile, image, disk, after, warnings, follows, first_boot, next_report };
                Grant::Job(Box::new(task))
            }
            (Install::Image(image), _) => Grant::Later { reason: format!("image {} is not ready", image.file) },
            // It was given an image when it asked for its script.
            (Install::Installer(_), _) => {
                Grant::Ended { reason: format!("profile {id} boots an installer: the machine starts again to get it") }
            }
        }
    }
}

#[cfg(all(test, feature = "station"))]
mod tests;
