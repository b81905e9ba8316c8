//! From power-on to the agent: what DHCP, TFTP and HTTP saw of a machine.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::Fleet;
use super::change_set::{ChangeSet, enter, reach};
use super::first_boot::gave_sign;
use crate::domain::effect::Effect;
use crate::domain::event::{DhcpAnswer, LoaderTransfer, SyslogLine};
use crate::domain::ids::{MacAddr, NodeId, ProfileId, RunId};
use crate::domain::logline::{Level, LogLine, LogSource};
use crate::domain::machine::claims::Claims;
use crate::domain::machine::firmware::Firmware;
use crate::domain::machine::quirk::BootProgram;
use crate::domain::node::Node;
use crate::domain::node::identity::Identity;
use crate::domain::node::phase::{Phase, Stage};
use crate::domain::node::run::{Run, RunOutcome, Sign};
use crate::domain::station::policy::NOT_LISTED;
use crate::domain::time::Timestamp;

/// What a machine was told to load.
#[derive(Clone, Copy, Debug)]
pub(super) struct GivenLoader<'a> {
    pub(super) file: &'a str,
    /// It is an iPXE that was built without HTTPS.
    pub(super) lacks_https: bool,
}

impl Fleet {
    pub(super) fn dhcp_answered(
        &mut self,
        now: Timestamp,
        claims: &Claims,
        firmware: Firmware,
        address: Option<Ipv4Addr>,
        answer: DhcpAnswer,
        told: Option<GivenLoader<'_>>,
    ) -> Vec<Effect> {
        // An ordinary DHCP client is somebody's laptop, or a node's own system: it makes no node. Nor does an offer that
        // nobody has taken yet: anything can ask for one, thousands of times a second and each time by another name.
        let makes_node = firmware != Firmware::Plain && answer != DhcpAnswer::Offer;
        if !makes_node && !matches!(self.index.settle(&self.nodes, claims), Identity::Known(_)) {
            return Vec::new();
        }
        let mut change = ChangeSet::default();
        let Some(id) = self.node_heard_of(now, claims, &mut change) else { return self.settle(change) };
        // An offer need not be taken.
        let address = address.filter(|_| answer != DhcpAnswer::Offer);
        if let Some(address) = address {
            self.give_address(id, address, &mut change);
        }
        let Some(node) = self.node_mut(id) else { return Vec::new() };
        if firmware != Firmware::Plain {
            if starts_over(node, firmware) {
                if let Some(program) = program_that_led_nowhere(node, now) {
                    let what = format!("dhcp: it starts over: {program} was loaded, and nothing came of it");
                    change.log(now, node, Level::Warning, &what);
                }
                node.loader.again();
                begin_attempt(node, now);
            }
            if firmware != Firmware::Ipxe || node.firmware.is_none() {
                node.firmware = Some(firmware);
            }
        }
        if firmware == Firmware::Plain && answer != DhcpAnswer::Offer {
            gave_sign(now, node, Sign::AskedAddress);
        }
        let who = format!("dhcp: {} client", firmware.word());
        let load = told.map(|told| told_to_load(firmware, told.file)).unwrap_or_default();
        match (answer, address) {
            (DhcpAnswer::Ack, Some(address)) => {
                change.log(now, node, Level::Info, &format!("{who} leased {address}{load}"));
            }
            (DhcpAnswer::Overheard, Some(address)) => {
                change.log(now, node, Level::Info, &format!("{who} asks the site's server for {address}{load}"));
            }
            (DhcpAnswer::Told, _) => change.log(now, node, Level::Info, &format!("{who}{load}")),
            (DhcpAnswer::Offer, _) | (DhcpAnswer::Ack | DhcpAnswer::Overheard, None) => {}
        }
        let plainly = told.is_some_and(|told| told.lacks_https && told.file.starts_with("http://"));
        if plainly && answer != DhcpAnswer::Offer && !node.log.lines().any(|line| line.text.as_ref() == NO_HTTPS) {
            change.log(now, node, Level::Info, NO_HTTPS);
        }
        change.save(id);
        self.settle(change)
    }

    pub(super) fn dhcp_silence(&mut self, now: Timestamp, mac: Option<MacAddr>, reason: &str) -> Vec<Effect> {
        let claims = Claims { macs: mac.into_iter().collect(), ..Claims::default() };
        let Identity::Known(id) = self.index.identify(&claims) else { return Vec::new() };
        let mut change = ChangeSet::default();
        if let Some(node) = self.node_mut(id) {
            change.log(now, node, Level::Warning, &format!("dhcp: not answered: {reason}"));
        }
        self.settle(change)
    }

    pub(super) fn loader(
        &mut self,
        now: Timestamp,
        address: Ipv4Addr,
        file: &str,
        transfer: &LoaderTransfer,
    ) -> Vec<Effect> {
        let mut change = ChangeSet::default();
        let Some(node) = self.at_address(address) else { return Vec::new() };
        node.last_seen = Some(now);
        match transfer {
            LoaderTransfer::Started => {
                if matches!(node.phase, Phase::Booting { .. }) {
                    reach(node, now, Stage::Loader);
                }
            }
            LoaderTransfer::Done { bytes } => {
                node.loader.fetched(file);
                change.log(now, node, Level::Info, &format!("tftp: sent {file} ({bytes} bytes)"))
            }
            LoaderTransfer::Failed { reason } => {
                change.log(now, node, Level::Warning, &format!("tftp: {file}: {reason}"))
            }
        }
        change.save(node.id);
        self.settle(change)
    }

    pub(super) fn script_served(
        &mut self,
        now: Timestamp,
        claims: &Claims,
        address: Ipv4Addr,
        run: RunId,
        profile: ProfileId,
    ) -> Vec<Effect> {
        let mut change = ChangeSet::default();
        let Some(id) = self.node_of(now, claims, &mut change) else { return self.settle(change) };
        // A machine that starts anew is seen by DHCP first. Somebody else who asks in its name does not end its run; if it is
        // the machine all the same, its agent's hello takes the run up.
        if let Some(node) = self.node_mut(id).filter(|node| node.is_at_work(now)) {
            change.log(now, node, Level::Warning, "http: its boot script was asked for while its agent is at work");
            change.save(id);
            return self.settle(change);
        }
        self.open_run(now, id, address, Run::begin(run, profile, now), &mut change);
        self.settle(change)
    }

    /// Begins `run` on the node; the one before it ends where it was, and leaves no trace if its agent never spoke.
    pub(super) fn open_run(&mut self, now: Timestamp, id: NodeId, address: Ipv4Addr, run: Run, change: &mut ChangeSet) {
        self.give_address(id, address, change);
        let Some(node) = self.nodes.get_mut(&id).map(std::sync::Arc::make_mut) else { return };
        let silent = node.runs.pop_if(|last| last.is_open() && last.expected.is_none() && !last.installer);
        let ancient = (node.runs.len() >= RUNS).then(|| node.runs.remove(0));
        for gone in silent.into_iter().chain(ancient) {
            self.runs.remove(&gone.id);
            change.effects.push(Effect::ForgetRun(gone.id));
        }
        let past_script = !matches!(node.phase, Phase::Booting { stage } if stage <= Stage::Script);
        if past_script {
            begin_attempt(node, now);
        }
        reach(node, now, Stage::Script);
        change.log(now, node, Level::Info, &format!("http: boot script for profile {} sent", run.profile));
        self.runs.insert(run.id, id);
        node.runs.push(run);
        change.save(id);
    }

    pub(super) fn sent_to_disk(&mut self, now: Timestamp, claims: &Claims, address: Ipv4Addr) -> Vec<Effect> {
        let mut change = ChangeSet::default();
        let Some(id) = self.node_of(now, claims, &mut change) else { return self.settle(change) };
        self.give_address(id, address, &mut change);
        if let Some(node) = self.node_mut(id) {
            if node.phase.has_own_system() {
                let word = if node.phase.is_done() { node.phase.word() } else { "its disk is proven" };
                change.log(now, node, Level::Info, &format!("http: {word} already, sent to its own disk"));
                gave_sign(now, node, Sign::SentToDisk);
            } else {
                hold(node, now, NOT_LISTED.into(), &mut change);
            }
            change.save(id);
        }
        self.settle(change)
    }

    pub(super) fn held(&mut self, now: Timestamp, claims: &Claims, address: Ipv4Addr, reason: String) -> Vec<Effect> {
        let mut change = ChangeSet::default();
        let Some(id) = self.node_of(now, claims, &mut change) else { return self.settle(change) };
        self.give_address(id, address, &mut change);
        if let Some(node) = self.node_mut(id) {
            hold(node, now, reason, &mut change);
            change.save(id);
        }
        self.settle(change)
    }

    pub(super) fn kernel_served(&mut self, now: Timestamp, address: Ipv4Addr, file: &str) -> Vec<Effect> {
        let mut change = ChangeSet::default();
        let Some(node) = self.at_address(address) else { return Vec::new() };
        node.last_seen = Some(now);
        // UEFI HTTP Boot fetches its program here.
        let stage = if node.loader.fetched(file) { Stage::Loader } else { Stage::Kernel };
        if matches!(node.phase, Phase::Booting { .. }) {
            reach(node, now, stage);
        }
        change.log(now, node, Level::Info, &format!("http: sent {file}"));
        change.save(node.id);
        self.settle(change)
    }

    pub(super) fn http_refused(&mut self, now: Timestamp, address: Ipv4Addr, reason: &str) -> Vec<Effect> {
        let mut change = ChangeSet::default();
        let Some(node) = self.at_address(address) else { return Vec::new() };
        node.last_seen = Some(now);
        change.log(now, node, Level::Warning, &format!("https: {reason}"));
        change.save(node.id);
        self.settle(change)
    }

    pub(super) fn syslog(&mut self, now: Timestamp, address: Ipv4Addr, lines: Vec<SyslogLine>) -> Vec<Effect> {
        let mut change = ChangeSet::default();
        let Some(node) = self.at_address(address) else { return Vec::new() };
        for SyslogLine { level, text, by_its_clock } in lines {
            change.log_line(node, LogLine::new(now, LogSource::Syslog, level, &text).by_its_clock(by_its_clock));
        }
        self.settle(change)
    }

    fn at_address(&mut self, address: Ipv4Addr) -> Option<&mut Node> {
        let id = self.nodes.values().find(|node| node.address == Some(address))?.id;
        self.node_mut(id)
    }

    /// An address is one node's: who had it before has it no more.
    pub(super) fn give_address(&mut self, id: NodeId, address: Ipv4Addr, change: &mut ChangeSet) {
        if self.nodes.get(&id).is_some_and(|node| node.address == Some(address)) {
            return;
        }
        if let Some(before) = self.at_address(address) {
            before.address = None;
            change.save(before.id);
        }
        if let Some(node) = self.node_mut(id) {
            node.address = Some(address);
        }
    }
}

/// Whether this DHCP request means that the machine has been started anew.
///
/// Firmware asks first of all. iPXE asks again in the middle of a boot (after it was loaded), so it only counts where
/// a machine has gone further than that. A proven machine stays proven however often it boots.
fn starts_over(node: &Node, firmware: Firmware) -> bool {
    if node.phase.has_own_system() {
        return false;
    }
    match &node.phase {
        Phase::Provisioned | Phase::Installed => false,
        Phase::Booting { stage } => firmware != Firmware::Ipxe || *stage > Stage::Loader,
        Phase::Registered | Phase::Failed(_) | Phase::Held { .. } | Phase::Conflict { .. } => true,
    }
}

/// An EDK2 without any authority enrolled does not even try a connection: nothing else would tell of that.
fn told_to_load(firmware: Firmware, file: &str) -> String {
    let condition = match (firmware, file.starts_with("https://")) {
        (Firmware::Ipxe, _) | (_, false) => "",
        (_, true) => " (its firmware must trust the station's certificate authority, `oxbow ca export`)",
    };
    format!(", told to load {file}{condition}")
}

/// Makes the node wait, and says so once.
pub(super) fn hold(node: &mut Node, now: Timestamp, reason: String, change: &mut ChangeSet) {
    if !matches!(&node.phase, Phase::Held { reason: known } if *known == reason) {
        change.log(now, node, Level::Warning, &format!("asked to wait: {reason}"));
        enter(node, now, Phase::Held { reason });
    }
}

/// The program that the machine was given and that was silent until now. Who switches it off while it loads proves
/// nothing.
fn program_that_led_nowhere(node: &mut Node, now: Timestamp) -> Option<BootProgram> {
    let hung = matches!(node.phase, Phase::Booting { stage: Stage::Loader }) && now.since(node.phase_since) >= HUNG;
    if hung { node.loader.led_nowhere() } else { None }
}

pub(super) fn begin_attempt(node: &mut Node, now: Timestamp) {
    if let Some(open) = node.runs.last_mut().filter(|last| last.is_open()) {
        open.end(now, RunOutcome::Interrupted);
        node.silent_installers = node.silent_installers.saturating_add(u8::from(open.installer));
    }
    node.stages = vec![(Stage::Seen, now)];
    node.progress = None;
    enter(node, now, Phase::Booting { stage: Stage::Seen });
}

/// A program that works asks for the script within seconds.
const HUNG: Duration = Duration::from_secs(20);
/// Attempts of a node that are kept. A machine that restarts in a circle for days begins thousands.
const RUNS: usize = 50;
const NO_HTTPS: &str = "dhcp: it is served by plain HTTP: this iPXE has no HTTPS";
