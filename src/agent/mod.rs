//! The agent: what runs inside the network-booted system of a machine and puts the OS image on its disk.
//!
//! ```text
//!  kernel command line ─► orders          /sys ─► survey: who the machine is, which disks it has
//!                            └──────► hello ◄──────┘
//!                                      │ job
//!            disk rule ─► write: download ─► decompress ─► disk      (a connection that breaks is resumed)
//!                         verify: disk ─► digest                    (what the medium holds, not what memory does)
//!                                 the first bytes last: until then nothing starts from the disk
//!                      configure: files, archives, layout, seal, boot entry ─► read back   (where the station asks for it)
//!                         restart, once the station has every report
//!
//!  everybody ─► journal ─► mailbox ─► courier ─► station            (repeated until acknowledged)
//! ```
//!
//! Synchronous, a thread each for the work, the disk, the courier and the watchdog, which ends a run whose disk never
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
use self::shutdown::Farewell;
use self::station::StationClient;
use self::station::backoff::RetryPolicy;
use self::station::outbox::Outbox;
use self::station::sender::ReportSender;
use self::watchdog::{Activity, WatchdogAlarm};
use crate::agent::outcome::AgentOutcome;
use crate::domain::machine::claims::Claims;
use crate::protocol::{HelloMessage, VERSION};

/// What the agent is told from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentConfig {
    pub orders: BootArgs,
    pub patience: RetryPolicy,
    pub blocks: Blocks,
}

impl AgentConfig {
    /// The orders with everything else as it is on real machines.
    pub fn new(orders: BootArgs) -> Self {
        Self { orders, patience: RetryPolicy::default(), blocks: Blocks::default() }
    }
}

/// Installs `machine` as the station of `config` says, and restarts it.
pub fn run(config: &AgentConfig, machine: &dyn Machine) -> AgentOutcome {
    let AgentConfig { orders, patience, blocks } = config;
    let mailbox = Outbox::default();
    let journal = Journal::new(machine, &mailbox);
    let station = StationClient::new(orders, machine.dialer(), patience);
    let survey = machine.survey(orders.boot_nic);
    survey.remarks.iter().for_each(|remark| journal.warning("hello", remark));
    let hello = HelloMessage {
        version: VERSION,
        agent: env!("CARGO_PKG_VERSION").to_owned(),
        claims: survey.claims,
        disks: survey.disks,
        inventory: survey.inventory,
    };
    let name = name(&hello.claims);
    journal.show(|panel| (panel.machine, panel.station) = (name.clone(), orders.station.to_string()));
    let watch = Activity::new(*patience);
    let farewell = Farewell {
        machine,
        station: &station,
        mailbox: &mailbox,
        journal: &journal,
        hello: &hello,
        name: &name,
        watch: &watch,
        patience: *patience,
        hung: false,
    };
    let courier = ReportSender {
        machine,
        station: &station,
        mailbox: &mailbox,
        journal: &journal,
        hello: &hello,
        patience: *patience,
    };
    let session = Session {
        machine,
        station: &station,
        mailbox: &mailbox,
        journal: &journal,
        hello: &hello,
        watch: &watch,
        farewell,
        patience: *patience,
        blocks: *blocks,
    };
    let hear = |alarm| match alarm {
        WatchdogAlarm::Warning(step, text) => journal.warning(console::journal::word(step), &text),
        WatchdogAlarm::Tripped(failure) => drop(Farewell { hung: true, ..farewell }.in_failure(failure)),
    };
    thread::scope(|scope| {
        scope.spawn(|| courier.serve());
        let watchdog = scope.spawn(|| watch.serve(hear));
        let outcome = session.run();
        watch.end();
        // One that has given the run up still waits for the station's word.
        watchdog.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        mailbox.close();
        outcome
    })
}

/// What a person calls a machine.
fn name(claims: &Claims) -> String {
    let serial = claims.serial.as_ref().map(|serial| format!("serial {serial}"));
    let nic = claims.macs.first().map(ToString::to_string);
    let known: Vec<String> = [serial, nic, claims.product.clone()].into_iter().flatten().collect();
    if known.is_empty() { "without serial and network card".to_owned() } else { known.join(", ") }
}
