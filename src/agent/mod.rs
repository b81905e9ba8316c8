//! The agent: what runs inside the network-booted system of a machine and puts the OS image on its disk.
//!
//! ```text
//!  kernel command line ─► boot_args       /sys ─► survey: who the machine is, which disks it has
//!                            └──────► hello ◄──────┘
//!                                      │ job
//!            disk rule ─► write: download ─► decompress ─► disk      (a connection that breaks is resumed)
//!                         verify: disk ─► digest                    (what the medium holds, not what memory does)
//!                                 the first bytes last: until then nothing starts from the disk
//!                      configure: files, archives, layout, seal, boot entry ─► read back   (where the station asks for it)
//!                         restart, once the station has every report
//!
//!  everything ─► journal ─► outbox ─► sender ─► station            (repeated until acknowledged)
//! ```
//!
//! Synchronous, a thread each for the work, the disk, the sender and the watchdog, which ends a run whose disk never
//! answers. [`run`] never gives up on a station that is
//! away, except in the middle of a download ([`station::backoff::RetryPolicy::stalled`]). It takes its surroundings as a
//! [`machine::Machine`]: [`linux::Linux`] in the initramfs, simulated ones in `sim` and in tests.

pub mod boot_args;
pub mod cli;
pub mod failure;
pub mod linux;
pub mod machine;
mod shutdown;

pub mod console;
pub mod image;
pub mod outcome;
mod session;
pub mod station;
mod watchdog;

use std::thread;

use self::boot_args::BootArgs;
use self::console::journal::Journal;
use self::image::pump::Blocks;
use self::machine::Machine;
use self::session::Session;
use self::shutdown::Shutdown;
use self::station::StationClient;
use self::station::backoff::RetryPolicy;
use self::station::outbox::Outbox;
use self::station::sender::ReportSender;
use self::watchdog::{Activity, WatchdogAlarm};
use crate::agent::outcome::AgentOutcome;
use crate::domain::machine::claims::Claims;
use crate::protocol::{HelloMessage, VERSION};

/// The agent's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentConfig {
    pub boot_args: BootArgs,
    pub retry_policy: RetryPolicy,
    pub blocks: Blocks,
}

impl AgentConfig {
    /// Defaults for real machines.
    pub fn new(boot_args: BootArgs) -> Self {
        Self { boot_args, retry_policy: RetryPolicy::default(), blocks: Blocks::default() }
    }
}

/// Installs `machine` as the station orders, then restarts it.
pub fn run(config: &AgentConfig, machine: &dyn Machine) -> AgentOutcome {
    let AgentConfig { boot_args, retry_policy, blocks } = config;
    let outbox = Outbox::default();
    let journal = Journal::new(machine, &outbox);
    let station = StationClient::new(boot_args, machine.dialer(), retry_policy);
    let survey = machine.survey(boot_args.boot_nic);
    survey.remarks.iter().for_each(|remark| journal.warning("hello", remark));
    let hello = HelloMessage {
        version: VERSION,
        agent: env!("CARGO_PKG_VERSION").to_owned(),
        claims: survey.claims,
        disks: survey.disks,
        inventory: survey.inventory,
    };
    let name = name(&hello.claims);
    journal.show(|panel| (panel.machine, panel.station) = (name.clone(), boot_args.station.to_string()));
    let watch = Activity::new(*retry_policy);
    let shutdown = Shutdown {
        machine,
        station: &station,
        outbox: &outbox,
        journal: &journal,
        hello: &hello,
        name: &name,
        watch: &watch,
        retry_policy: *retry_policy,
        hung: false,
    };
    let sender = ReportSender {
        machine,
        station: &station,
        outbox: &outbox,
        journal: &journal,
        hello: &hello,
        retry_policy: *retry_policy,
    };
    let session = Session {
        machine,
        station: &station,
        outbox: &outbox,
        journal: &journal,
        hello: &hello,
        watch: &watch,
        shutdown,
        retry_policy: *retry_policy,
        blocks: *blocks,
    };
    let on_alarm = |alarm| match alarm {
        WatchdogAlarm::Warning(step, text) => journal.warning(console::journal::step_label(step), &text),
        WatchdogAlarm::Tripped(failure) => drop(Shutdown { hung: true, ..shutdown }.in_failure(failure)),
    };
    thread::scope(|scope| {
        scope.spawn(|| sender.serve());
        let watchdog = scope.spawn(|| watch.serve(on_alarm));
        let outcome = session.run();
        watch.end();
        // After a tripped alarm it still waits for the station's order.
        watchdog.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        outbox.close();
        outcome
    })
}

/// A readable name for a machine.
fn name(claims: &Claims) -> String {
    let serial = claims.serial.as_ref().map(|serial| format!("serial {serial}"));
    let nic = claims.macs.first().map(ToString::to_string);
    let known: Vec<String> = [serial, nic, claims.product.clone()].into_iter().flatten().collect();
    if known.is_empty() { "without serial and network card".to_owned() } else { known.join(", ") }
}
