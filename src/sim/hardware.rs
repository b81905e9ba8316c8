//! What the real agent finds when it runs on a simulated machine.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use socket2::{Domain, Protocol, Socket, Type};

use super::disk::{SparseDisk, WornDisk};
use super::identity::Identity;
use super::power::Power;
use crate::agent::machine::{Aid, Configured, Dialer, Machine, Medium, Survey, Unconfigured};
use crate::domain::configuration::Configuration;
use crate::domain::digest::Digest;
use crate::domain::disk::{Disk, Transport};
use crate::domain::ids::MacAddr;
use crate::domain::report::FailureKind;

/// A machine between power-on and restart.
#[derive(Debug)]
pub(super) struct Hardware {
    pub(super) who: Identity,
    pub(super) address: Ipv4Addr,
    pub(super) disk: PathBuf,
    pub(super) pace: Option<u64>,
    pub(super) forgetful: bool,
    pub(super) worn: bool,
    /// It says of its files what is not so.
    pub(super) lies: bool,
    pub(super) started: Instant,
    pub(super) power: Arc<Power>,
    /// It has switched itself off.
    pub(super) is_off: AtomicBool,
}

impl Machine for Hardware {
    fn survey(&self, _: Option<MacAddr>) -> Survey {
        let disk = Disk {
            path: self.disk.display().to_string(),
            transport: Transport::File,
            bytes: DISK_BYTES,
            model: "simulated disk".to_owned(),
            serial: format!("{}-0", self.who.serial),
            ..Disk::default()
        };
        let inventory = Some(self.who.inventory());
        Survey { claims: self.who.claims(), disks: vec![disk], inventory, ..Survey::default() }
    }

    fn open(&self, _: &Disk) -> io::Result<Box<dyn Medium>> {
        let sound = SparseDisk::open(&self.disk, DISK_BYTES, self.pace, self.forgetful)?;
        Ok(if self.worn { Box::new(WornDisk { sound, read: false }) } else { Box::new(sound) })
    }

    /// There is no file system on the disk: what was asked for is what is read back.
    fn configure(&self, _: &Disk, what: &Configuration, aid: &dyn Aid) -> Result<Configured, Unconfigured> {
        for archive in &what.archives {
            aid.say(&format!("{} into {}:{}", archive.name, archive.volume, archive.path));
            let read = aid.fetch(archive).and_then(|mut file| io::copy(&mut file, &mut io::sink()));
            read.map_err(|error| Unconfigured {
                kind: FailureKind::Download,
                detail: format!("{}: {error}", archive.name),
            })?;
        }
        let mut files = what.facts(|content| Digest::new(Sha256::digest(content).into()));
        if let (true, Some(first)) = (self.lies, files.first_mut()) {
            first.sha256 = Digest::new([0; 32]);
        }
        Ok(Configured { files, root_hash: None })
    }

    fn dialer(&self) -> Dialer {
        dialer(self.address)
    }

    fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Nobody stands in front of it; the station has the log.
    fn print(&self, _: &str) {}

    /// The machine's own loop boots it again.
    fn restart(&self) -> io::Result<()> {
        Ok(())
    }

    fn power_off(&self) -> io::Result<()> {
        self.is_off.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn is_on(&self) -> bool {
        self.power.is_on()
    }
}

/// Opens connections from a machine's own address.
pub(super) fn dialer(from: Ipv4Addr) -> Dialer {
    Dialer::new(move |to: SocketAddr, patience: Duration| -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.bind(&SocketAddr::from((from, 0)).into())?;
        socket.connect_timeout(&to.into(), patience)?;
        Ok(socket.into())
    })
}

/// Sparse: what an image does not fill takes no room.
const DISK_BYTES: u64 = 64_000_000_000;
