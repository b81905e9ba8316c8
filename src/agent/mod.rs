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
//! away, except in the middle of a download ([`patience::Patience::stalled`]). It takes its surroundings as a
//! [`machine::Machine`]: [`linux::Linux`] in the initramfs, simulated ones in `sim` and in tests.

pub mod cli;
pub mod connection;
pub mod failure;
pub mod linux;
pub mod machine;
pub mod orders;
pub mod patience;
pub mod pump;
pub mod terminal;

mod arrival;
mod courier;
mod download;
mod farewell;
mod head;
mod journal;
mod letters;
mod mailbox;
mod marks;
mod meter;
mod panel;
mod session;
mod station;
mod tls;
mod verify;
mod watchdog;
mod write;

use std::thread;

use self::courier::Courier;
use self::failure::Failure;
use self::farewell::Farewell;
use self::journal::Journal;
use self::machine::Machine;
use self::mailbox::Mailbox;
use self::orders::Orders;
use self::patience::Patience;
use self::pump::Blocks;
use self::session::Session;
use self::station::Station;
use self::watchdog::{Alarm, Watch};
use crate::domain::identity::Claims;
use crate::protocol::{Hello, VERSION};

/// What the agent is told from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub orders: Orders,
    pub patience: Patience,
    pub blocks: Blocks,
}

impl Config {
    /// The orders with everything else as it is on real machines.
    pub fn new(orders: Orders) -> Self {
        Self { orders, patience: Patience::default(), blocks: Blocks::default() }
    }
}

/// How the agent's work ended. The machine was told to restart then, unless it was switched off before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The disk holds the image and the station has the proof.
    Installed,
    /// The run failed; the station knows why, unless the machine was switched off meanwhile.
    Failed(Failure),
    /// The station had ended the run, for this reason, before there was anything to do.
    Ended(String),
    /// In the middle of the work.
    SwitchedOff,
}

/// Installs `machine` as the station of `config` says, and restarts it.
pub fn run(config: &Config, machine: &dyn Machine) -> Outcome {
    let Config { orders, patience, blocks } = config;
    let mailbox = Mailbox::default();
    let journal = Journal::new(machine, &mailbox);
    let station = Station::new(orders, machine.dialer(), patience);
    let survey = machine.survey(orders.boot_nic);
    survey.remarks.iter().for_each(|remark| journal.warning("hello", remark));
    let hello = Hello {
        version: VERSION,
        agent: env!("CARGO_PKG_VERSION").to_owned(),
        claims: survey.claims,
        disks: survey.disks,
        inventory: survey.inventory,
    };
    let name = name(&hello.claims);
    journal.show(|panel| (panel.machine, panel.station) = (name.clone(), orders.station.to_string()));
    let watch = Watch::new(*patience);
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
    let courier = Courier {
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
        Alarm::Warning(step, text) => journal.warning(journal::word(step), &text),
        Alarm::Tripped(failure) => drop(Farewell { hung: true, ..farewell }.in_failure(failure)),
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
