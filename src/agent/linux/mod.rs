//! The real machine: identity and disks from `/sys`, block devices, `reboot(2)`.

mod configure;
mod contents;
mod disks;
mod identity;
mod inventory;
mod kernel_log;
mod medium;

use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use std::{fs, thread};

use nix::sys::reboot::{RebootMode, reboot};

use super::boot_args::{BadBootArgs, BootArgs};
use super::console::terminal::{Terminal, TerminalSize};
use super::machine::{Aid, Configured, Machine, Medium, Survey, Unconfigured};
use crate::domain::ids::MacAddr;
use crate::domain::machine::disk::Disk;
use crate::domain::machine::inventory::Inventory;
use crate::domain::profile::configuration::Configuration;

pub use medium::DiskFile;

/// The machine this program runs on. `/proc` and `/sys` are mounted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Linux;

/// Why there are no boot arguments.
#[derive(Debug, thiserror::Error)]
pub enum BootArgsError {
    #[error("the kernel command line cannot be read from {CMDLINE}")]
    Unreadable(#[source] io::Error),
    #[error(transparent)]
    NoOrders(#[from] BadBootArgs),
}

impl Linux {
    /// What the boot script put on the kernel's command line.
    pub fn boot_args(self) -> Result<BootArgs, BootArgsError> {
        let cmdline = fs::read_to_string(CMDLINE).map_err(BootArgsError::Unreadable)?;
        Ok(cmdline.parse()?)
    }
}

impl Machine for Linux {
    fn survey(&self, boot_nic: Option<MacAddr>) -> Survey {
        let (claims, mut remarks) = identity::claims(Path::new(SYS), boot_nic);
        let disks = disks::list(Path::new(SYS), Path::new(DEV), &mut remarks);
        Survey { claims, disks, inventory: self.inventory(), remarks }
    }

    fn inventory(&self) -> Option<Inventory> {
        Some(inventory::read(Path::new(SYS), Path::new(PROC)))
    }

    fn open(&self, disk: &Disk) -> io::Result<Box<dyn Medium>> {
        Ok(Box::new(DiskFile::open(Path::new(&disk.path))?))
    }

    fn configure(&self, disk: &Disk, what: &Configuration, aid: &dyn Aid) -> Result<Configured, Unconfigured> {
        configure::configure(disk, what, aid)
    }

    fn kernel_messages(&self, disk: &str) -> Vec<String> {
        kernel_log::about(Path::new(disk), Path::new(SYS), Path::new(KERNEL_LOG))
    }

    fn uptime(&self) -> Duration {
        let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
        let seconds = text.split(' ').next().and_then(|seconds| seconds.parse().ok());
        seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or_default()
    }

    fn print(&self, line: &str) {
        // A console that is gone is no reason to stop.
        let _unheard = writeln!(io::stdout(), "{line}");
    }

    fn terminal(&self) -> Option<Terminal> {
        let screen = fs::OpenOptions::new().write(true).open(SCREEN).ok()?;
        Some(Terminal::new(screen, size_of_screen))
    }

    fn restart(&self) -> io::Result<()> {
        end(RebootMode::RB_AUTOBOOT)
    }

    fn restart_at_once(&self) -> io::Result<()> {
        restart_at_once()
    }

    fn power_off(&self) -> io::Result<()> {
        end(RebootMode::RB_POWER_OFF)
    }
}

/// The first two bytes of the screen's memory are its lines and columns (vcs(4)).
fn size_of_screen() -> Option<TerminalSize> {
    let mut head = [0; 2];
    fs::File::open(SCREEN_MEMORY).and_then(|mut memory| memory.read_exact(&mut head)).ok()?;
    let [rows, columns] = head.map(usize::from);
    Some(TerminalSize { rows, columns })
}

/// Once every disk has what it was sent; a disk that does not answer is left to itself.
fn end(how: RebootMode) -> io::Result<()> {
    let (synced, done) = sync_channel(1);
    thread::spawn(move || {
        nix::unistd::sync();
        synced.send(())
    });
    match done.recv_timeout(SYNC) {
        Ok(()) => rebooted(how),
        Err(_) if how == RebootMode::RB_AUTOBOOT => restart_at_once(),
        Err(_) => rebooted(how),
    }
}

/// By the kernel's emergency key, which shuts down no device (a disk that hangs would hang that too); where a kernel has
/// none, by `reboot(2)`.
fn restart_at_once() -> io::Result<()> {
    let _it_does_not_come_back = fs::write(SYSRQ, "b");
    rebooted(RebootMode::RB_AUTOBOOT)
}

fn rebooted(how: RebootMode) -> io::Result<()> {
    match reboot(how) {
        Ok(never) => match never {},
        Err(error) => Err(error.into()),
    }
}

/// The text of a file below `/sys` in one line; none when there is no such file, or nothing in it.
fn attribute(path: &Path) -> Option<String> {
    let text = String::from_utf8_lossy(&fs::read(path).ok()?).into_owned();
    let text = crate::domain::text::clean(text.trim_matches('\0'), 200);
    (!text.is_empty()).then_some(text)
}

/// Names of what is in a directory, sorted; none when there is no such directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

const CMDLINE: &str = "/proc/cmdline";
const SYS: &str = "/sys";
const PROC: &str = "/proc";
const DEV: &str = "/dev";
const KERNEL_LOG: &str = "/dev/kmsg";
/// What is on a monitor now. Serial consoles get what is printed, and nothing that moves.
const SCREEN: &str = "/dev/tty0";
const SCREEN_MEMORY: &str = "/dev/vcsa";
const SYSRQ: &str = "/proc/sysrq-trigger";
/// For what a healthy disk still has in its own memory.
const SYNC: Duration = Duration::from_secs(60);
