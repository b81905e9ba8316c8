//! What the agent runs on, as a trait: the real machine is [`super::linux::Linux`], simulated machines bring their own.

use std::fmt;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use super::console::terminal::Terminal;
use crate::domain::ids::MacAddr;
use crate::domain::machine::claims::Claims;
use crate::domain::machine::disk::Disk;
use crate::domain::machine::inventory::Inventory;
use crate::domain::machine::report::FailureKind;
use crate::domain::profile::configuration::{Configuration, FileFact, PlacedArchive};

/// The agent's surroundings: identity, disks, network, console, power.
pub trait Machine: Sync {
    /// The machine's identity and disks. `boot_nic`, the card it booted from, comes first among its claims.
    fn survey(&self, boot_nic: Option<MacAddr>) -> Survey;

    /// The current hardware inventory: a cable may have changed while the machine waits. None: unchanged.
    fn inventory(&self) -> Option<Inventory> {
        None
    }

    /// Opens a disk of the survey exclusively, to be written from its first byte.
    fn open(&self, disk: &Disk) -> io::Result<Box<dyn Medium>>;

    /// Configures `disk`, which is verified and closed by now, and reads the result back from the medium.
    fn configure(&self, _disk: &Disk, _what: &Configuration, _aid: &dyn Aid) -> Result<Configured, Unconfigured> {
        Err(Unconfigured { kind: FailureKind::Configuration, detail: "this machine does not support it".into() })
    }

    /// The last things that its kernel has complained of about the disk at this path, the latest last. Never waits for the
    /// disk.
    fn kernel_messages(&self, _disk: &str) -> Vec<String> {
        Vec::new()
    }

    /// How this machine reaches an address.
    fn dialer(&self) -> Dialer {
        Dialer::new(|to, timeout| TcpStream::connect_timeout(&to, timeout))
    }

    /// Time since the machine was started.
    fn uptime(&self) -> Duration;

    /// Shows a line on the machine's own screen.
    fn print(&self, line: &str);

    /// A screen on which a cursor moves, beside what is printed; asked for once.
    fn terminal(&self) -> Option<Terminal> {
        None
    }

    /// Restarts the machine. On a real one this comes back only with an error.
    fn restart(&self) -> io::Result<()>;

    /// The same without waiting for any disk, of which one does not answer.
    fn restart_at_once(&self) -> io::Result<()> {
        self.restart()
    }

    /// Switches the machine off. On a real one this comes back only with an error.
    fn power_off(&self) -> io::Result<()>;

    /// Whether the machine is still powered. A real agent never sees it otherwise; a simulation ends this way.
    fn is_on(&self) -> bool {
        true
    }
}

/// What the machine found out about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    pub claims: Claims,
    pub disks: Vec<Disk>,
    /// None where nothing is known.
    pub inventory: Option<Inventory>,
    /// What was left out and why, for the log.
    pub remarks: Vec<String>,
}

/// An open disk: written once from first to last byte, then read the same way.
pub trait Medium: Send {
    /// Writes the next bytes.
    fn write(&mut self, block: &[u8]) -> io::Result<()>;

    /// Writes the disk's first bytes, wherever the next [`Self::write`] goes, and returns when they have left every cache.
    fn put_head(&mut self, head: &[u8]) -> io::Result<()>;

    /// Returns when everything written has left every cache for the medium itself.
    fn flush(&mut self) -> io::Result<()>;

    /// Goes back to the first byte. What is read from now on comes from the medium, not from memory.
    fn rewind(&mut self) -> io::Result<()>;

    /// Reads the next bytes into `block`, which begins at a page; 0 at the end of the disk.
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize>;

    /// How many bytes of zeros the disk has made itself instead of being sent them.
    fn zeros_made(&self) -> u64 {
        0
    }
}

/// What a machine needs from the agent while it configures its disk.
pub trait Aid {
    /// The file of an archive, from its first byte; resumed when the connection breaks, and an error when its digest is
    /// not what it should be.
    fn fetch<'a>(&'a self, archive: &'a PlacedArchive) -> io::Result<Box<dyn Read + 'a>>;

    /// What is being done, for the log and the screen.
    fn say(&self, detail: &str);

    /// What was not done as it was asked for.
    fn warn(&self, detail: &str) {
        self.say(&format!("warning: {detail}"));
    }
}

/// What is on the disk beside the image, as it was read back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configured {
    pub files: Vec<FileFact>,
    /// dm-verity's, in hex digits.
    pub root_hash: Option<String>,
}

/// Why a disk could not be configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unconfigured {
    pub kind: FailureKind,
    pub detail: String,
}

/// Opens a TCP connection to an address within a time.
#[derive(Clone)]
pub struct Dialer(Arc<Dial>);

type Dial = dyn Fn(SocketAddr, Duration) -> io::Result<TcpStream> + Send + Sync;

impl Dialer {
    pub fn new(dial: impl Fn(SocketAddr, Duration) -> io::Result<TcpStream> + Send + Sync + 'static) -> Self {
        Self(Arc::new(dial))
    }

    pub fn dial(&self, to: SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
        (self.0)(to, timeout)
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dialer")
    }
}
