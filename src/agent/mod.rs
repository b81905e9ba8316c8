//! The agent: what runs inside the network-booted system of a machine and puts the OS image on its disk.
//!
//! ```text
//!  kernel command line ─► orders          /sys ─► survey: who the machine is, which disks it has
//!                            └──────► hello ◄──────┘
//!                                      │ job
//!            disk rule ─► write: download ─► decompress ─► disk      (a connection that breaks is resumed)
//!                         verify: disk ─► digest                    (what the medium holds, not what memory does)
//!                         restart, once the station has every report
//!
//!  everybody ─► journal ─► mailbox ─► courier ─► station            (repeated until acknowledged)
//! ```
//!
//! Synchronous, a thread each for the work, the disk and the courier. [`run`] never gives up on a station that is
//! away, except in the middle of a download ([`patience::Patience::stalled`]). It takes its surroundings as a
//! [`machine::Machine`]: [`linux::Linux`] in the initramfs, simulated ones in `sim` and in tests.

pub mod connection;
pub mod failure;
pub mod linux;
pub mod machine;
pub mod orders;
pub mod patience;
pub mod pump;

mod arrival;
mod courier;
mod download;
mod journal;
mod mailbox;
mod marks;
mod meter;
mod session;
mod station;
mod tls;
mod verify;
mod write;

use std::thread;

use self::courier::Courier;
use self::failure::Failure;
use self::journal::Journal;
use self::machine::Machine;
use self::mailbox::Mailbox;
use self::orders::Orders;
use self::patience::Patience;
use self::pump::Blocks;
use self::session::Session;
use self::station::Station;
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
        patience: *patience,
        blocks: *blocks,
    };
    thread::scope(|scope| {
        scope.spawn(|| courier.serve());
        let outcome = session.run();
        mailbox.close();
        outcome
    })
}
