//! One machine from power-on until it runs its own system: boots, is installed, boots again.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::addresses::Addresses;
use super::boot::{BootAttempt, BootError, Booted};
use super::hardware::Hardware;
use super::identity::SimIdentity;
use super::installer::SimInstaller;
use super::power::{Off, Power};
use super::segment::Cable;
use super::summary::{EndState, MachineResult};
use super::web::{Web, WebError};
use crate::agent::image::pump::Blocks;
use crate::agent::outcome::AgentOutcome;
use crate::agent::station::backoff::RetryPolicy;
use crate::agent::{AgentConfig, run};

/// A machine and what it hangs on.
pub(super) struct Life {
    pub(super) who: SimIdentity,
    pub(super) segment: Arc<Cable>,
    pub(super) addresses: Arc<Addresses>,
    pub(super) disk: PathBuf,
    pub(super) pace: Option<u64>,
    pub(super) forgetful: bool,
    pub(super) worn: bool,
    pub(super) lies: bool,
    /// Where its own system is to call.
    pub(super) home: Arc<Mutex<Option<String>>>,
    pub(super) power: Arc<Power>,
}

impl Life {
    /// Lives until the machine runs its own system, or the power is off.
    pub(super) fn live(&self, delay: Duration) -> MachineResult {
        let mut end = EndState::Unfinished("not switched on yet".to_owned());
        let _switched_off_before = self.power.pause(delay);
        let began = Instant::now();
        while self.power.is_on() && !matches!(end, EndState::Provisioned | EndState::OwnDisk | EndState::SwitchedOff) {
            end = self.boot(end);
        }
        MachineResult { who: self.who.clone(), end, after: began.elapsed() }
    }

    /// One boot, and where it leaves the machine that was at `before`.
    fn boot(&self, before: EndState) -> EndState {
        let boot =
            BootAttempt { who: &self.who, segment: &self.segment, addresses: &self.addresses, power: &self.power };
        match boot.run() {
            Ok(Booted::Kernel { cmdline, address }) => match SimInstaller::of(&cmdline) {
                Some(installer) => self.installer(&installer, address),
                None => self.agent(&cmdline, address),
            },
            Ok(Booted::OwnDisk { address }) if before == EndState::Installed => {
                self.call_home(address);
                EndState::Provisioned
            }
            Ok(Booted::OwnDisk { .. }) => EndState::OwnDisk,
            Err(BootError::Off(Off)) => before,
            Err(trouble) => {
                let _going_off_is_seen_above = self.power.pause(FIRMWARE_RETRY);
                // A trouble on the way back does not undo what was installed.
                if before == EndState::Installed { before } else { EndState::Unfinished(trouble.to_string()) }
            }
        }
    }

    /// Its own system starts, and tells the station if a document on its disk says so, until it is heard.
    fn call_home(&self, address: std::net::Ipv4Addr) {
        let Some(home) = self.home.lock().ok().and_then(|mut home| home.take()) else { return };
        let web = Web { from: address, trust: None, power: &self.power };
        while self.power.pause(SELF_TEST).is_ok() {
            match web.text(&home) {
                Ok(_) | Err(WebError::Status { status: 404 | 409, .. }) => break,
                Err(_) => {}
            }
        }
    }

    fn installer(&self, installer: &SimInstaller, address: std::net::Ipv4Addr) -> EndState {
        let web = Web { from: address, trust: None, power: &self.power };
        match installer.run(web, &self.power) {
            Ok(true) => EndState::Installed,
            Ok(false) => EndState::Unfinished("its installer was not told where to call".to_owned()),
            Err(error) => {
                let _going_off_is_seen_above = self.power.pause(FIRMWARE_RETRY);
                EndState::Unfinished(error.to_string())
            }
        }
    }

    fn agent(&self, cmdline: &str, address: std::net::Ipv4Addr) -> EndState {
        let boot_args = match cmdline.parse() {
            Ok(boot_args) => boot_args,
            Err(error) => {
                let _going_off_is_seen_above = self.power.pause(FIRMWARE_RETRY);
                return EndState::Unfinished(format!("{error}"));
            }
        };
        let hardware = Hardware {
            who: self.who.clone(),
            address,
            disk: self.disk.clone(),
            pace: self.pace,
            forgetful: self.forgetful,
            worn: self.worn,
            lies: self.lies,
            started: Instant::now(),
            power: self.power.clone(),
            is_off: AtomicBool::new(false),
            home: self.home.clone(),
        };
        match run(&AgentConfig { boot_args, retry_policy: RetryPolicy::default(), blocks: BLOCKS }, &hardware) {
            // Its profile wanted it so; nobody switches it on again.
            AgentOutcome::Installed if hardware.is_off.load(Ordering::Relaxed) => EndState::SwitchedOff,
            AgentOutcome::Installed => {
                let _going_off_is_seen_above = self.power.pause(SELF_TEST);
                EndState::Installed
            }
            AgentOutcome::Failed(failure) => EndState::Failed(failure.to_string()),
            AgentOutcome::Ended(reason) => EndState::Unfinished(reason),
            AgentOutcome::SwitchedOff => EndState::Unfinished("the agent was at work".to_owned()),
        }
    }
}

/// Hundreds of machines share one memory.
const BLOCKS: Blocks = Blocks { bytes: 64 * 1024, count: 2 };
/// What the quickest firmware takes from a restart to its first word on the network.
const SELF_TEST: Duration = Duration::from_secs(1);
/// How soon firmware starts over after a boot that led nowhere.
const FIRMWARE_RETRY: Duration = Duration::from_secs(5);
