//! Simulated machines: they boot from a station over real sockets, with the real protocols and the real agent.
//!
//! ```text
//!  life ─► boot: dhcp over segment ─► tftp ─► ipxe, web ─► kernel ─► agent::run on hardware ─► disk
//!    ▲                                          └► own disk: the end              │ restart
//!    └────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Every machine has a MAC, a UUID and a serial that stay the same from one simulation to the next. They share one real
//! interface: leased addresses are added to it and removed again, one socket on the DHCP client port serves all, and
//! everything after DHCP is sent from a machine's own address. What is not simulated: time in firmware, and a kernel.
//! A thread a machine, one more for each part of a working agent; 200 machines are light.

mod addresses;
mod boot;
mod dhcp;
mod disk;
mod hardware;
mod identity;
mod installer;
mod ipxe;
mod life;
mod power;
mod segment;
mod summary;
pub mod tftp;
mod web;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, thread};

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use self::addresses::Addresses;
use self::identity::SimIdentity;
use self::life::Life;
use self::segment::Cable;
use self::summary::{EndState, MachineResult};
use crate::domain::text::file_name;

pub use self::identity::IdentityOverride;
pub use self::power::{Off, Power};
pub use self::summary::Summary;

/// Which machines, where, how fast, for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimOptions {
    /// The interface that leads to the station.
    pub interface: String,
    pub machines: u16,
    /// Marks of the first machines; the others have their own.
    pub marks: Vec<IdentityOverride>,
    /// Where the disks are files; they stay there. Without it they are temporary, and emptied once they are proven.
    pub disk_dir: Option<PathBuf>,
    /// Bytes a second that each disk reads or writes at most.
    pub pace: Option<u64>,
    /// Between switching on one machine and the next, as a person goes along the bench.
    pub apart: Duration,
    /// The machine, counted from 1, whose disk does not keep what is written.
    pub worn_disk: Option<u16>,
    /// The machine, counted from 1, that says of the files on its disk what is not so.
    pub liar: Option<u16>,
    /// The simulation ends after this many seconds, finished or not.
    pub seconds: u64,
}

/// Why there is no simulation.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    #[error("the interface {interface} cannot be used: {reason}")]
    Interface { interface: String, reason: String },
    #[error(
        "UDP port 68 on {interface} cannot be opened (root is needed, and no other DHCP client on that interface): {source}"
    )]
    Port { interface: String, source: io::Error },
    #[error("the disks cannot be made in {}: {source}", directory.display())]
    Disks { directory: PathBuf, source: io::Error },
    #[error("the simulation cannot be started: {0}")]
    Start(#[source] io::Error),
}

/// Brings up the machines of `options` and comes back when all of them run their own systems, when the time is over, or
/// at a signal to end. Addresses and temporary disks are gone then.
pub fn run(options: SimOptions) -> Result<Summary, SimError> {
    let began = Instant::now();
    let disks = Disks::make(options.disk_dir.as_deref())?;
    let bench = SimBench::open(&options)?;
    let mut told: Vec<MachineResult> = (1..=options.machines)
        .map(|number| MachineResult {
            who: SimIdentity::numbered(number)
                .with(options.marks.get(usize::from(number) - 1).unwrap_or(&IdentityOverride::default())),
            end: EndState::Unfinished("still at work".to_owned()),
            after: began.elapsed(),
        })
        .collect();
    // One for each machine: nobody ever waits to tell.
    let (tell, mut stories) = mpsc::channel(told.len().max(1));
    for (at, MachineResult { who, .. }) in told.iter().enumerate() {
        let is = |number: Option<u16>| number.is_some_and(|number| usize::from(number) == at + 1);
        let life = Life {
            worn: is(options.worn_disk),
            lies: is(options.liar),
            ..bench.life(who.clone(), &disks, options.pace)
        };
        let (tell, delay) = (tell.clone(), options.apart * u32::try_from(at).unwrap_or(u32::MAX));
        let name = format!("sim {}", who.mac);
        let thread = thread::Builder::new().name(name).spawn(move || {
            let _nobody_listens_any_more = tell.try_send((at, life.live(delay)));
        });
        thread.map_err(SimError::Start)?;
    }
    drop(tell);
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(SimError::Start)?;
    runtime.block_on(async {
        let mut collect = async || {
            while let Some((at, story)) = stories.recv().await {
                told[at] = story;
            }
        };
        let early = tokio::select! {
            () = collect() => false,
            () = signalled() => true,
            () = tokio::time::sleep(Duration::from_secs(options.seconds)) => true,
        };
        if early {
            bench.power.switch_off();
            let _stragglers_are_left_behind = tokio::time::timeout(FAREWELL, collect()).await;
        }
    });
    Ok(Summary { machines: told, took: began.elapsed() })
}

/// Returns when somebody asks this program to end.
async fn signalled() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Then the time ends it.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// What all machines hang on. Dropped, it takes the power, the addresses and the thread that listens with it.
struct SimBench {
    power: Arc<Power>,
    segment: Arc<Cable>,
    addresses: Arc<Addresses>,
}

impl SimBench {
    fn open(options: &SimOptions) -> Result<Self, SimError> {
        let interface = options.interface.clone();
        let addresses = Addresses::on(&interface)
            .map_err(|error| SimError::Interface { interface: interface.clone(), reason: error.to_string() })?;
        let mut first_xid = [0; 4];
        getrandom::fill(&mut first_xid).map_err(|error| SimError::Start(io::Error::other(error.to_string())))?;
        let segment = Cable::open(&interface, u32::from_ne_bytes(first_xid))
            .map_err(|source| SimError::Port { interface, source })?;
        let bench = Self { power: Arc::default(), segment: Arc::new(segment), addresses: Arc::new(addresses) };
        let (segment, power) = (bench.segment.clone(), bench.power.clone());
        let listener = thread::Builder::new().name("sim-dhcp".to_owned()).spawn(move || segment.listen(&power));
        listener.map_err(SimError::Start)?;
        Ok(bench)
    }

    fn life(&self, who: SimIdentity, disks: &Disks, pace: Option<u64>) -> Life {
        Life {
            disk: disks.directory.join(format!("{}.disk", file_name(&format!("{}-{}", who.serial, who.mac)))),
            forgetful: disks.temporary,
            worn: false,
            lies: false,
            home: Arc::default(),
            who,
            segment: self.segment.clone(),
            addresses: self.addresses.clone(),
            pace,
            power: self.power.clone(),
        }
    }
}

impl Drop for SimBench {
    fn drop(&mut self) {
        self.power.switch_off();
        self.addresses.remove();
    }
}

/// The directory of the disk files, removed in the end if nobody asked for one.
struct Disks {
    directory: PathBuf,
    temporary: bool,
}

impl Disks {
    fn make(wanted: Option<&Path>) -> Result<Self, SimError> {
        let temporary = || std::env::temp_dir().join(format!("oxbow-sim-{}", std::process::id()));
        let disks = Self { directory: wanted.map_or_else(temporary, Path::to_owned), temporary: wanted.is_none() };
        match std::fs::create_dir_all(&disks.directory) {
            Ok(()) => Ok(disks),
            Err(source) => Err(SimError::Disks { directory: disks.directory.clone(), source }),
        }
    }
}

impl Drop for Disks {
    fn drop(&mut self) {
        if self.temporary {
            let _it_is_in_the_directory_for_such = std::fs::remove_dir_all(&self.directory);
        }
    }
}

/// How long machines that are switched off may take to notice.
const FAREWELL: Duration = Duration::from_secs(2);
