//! What the real agent finds when it runs on a simulated machine.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use socket2::{Domain, Protocol, Socket, Type};

use super::disk::{SparseDisk, WornDisk};
use super::identity::SimIdentity;
use super::power::Power;
use crate::agent::machine::{Aid, Configured, Dialer, Machine, Medium, Survey, Unconfigured};
use crate::domain::digest::Digest;
use crate::domain::ids::MacAddr;
use crate::domain::machine::disk::{Disk, Transport};
use crate::domain::machine::report::FailureKind;
use crate::domain::profile::configuration::Configuration;

/// A machine between power-on and restart.
#[derive(Debug)]
pub(super) struct Hardware {
    pub(super) who: SimIdentity,
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
    /// Where the documents on its disk tell its own system to call.
    pub(super) home: Arc<Mutex<Option<String>>>,
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
        let documents = what.seed.iter().flat_map(|seed| seed.documents.iter().map(|(_, content)| content));
        let home = what.files.iter().map(|file| &file.content).chain(documents).find_map(|text| home(text));
        if let Ok(mut known) = self.home.lock() {
            *known = home.map(str::to_owned);
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

/// The place in `text` that is to be called once the system runs.
fn home(text: &str) -> Option<&str> {
    let is_url = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '/' | '.' | '-' | '[' | ']');
    let urls = text.match_indices("http://").filter_map(|(at, _)| text[at..].split(|c| !is_url(c)).next());
    urls.filter(|url| url.contains("/r/")).find(|url| url.ends_with("/home"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_calls_where_its_documents_say_however_they_are_written() {
        let url = "http://10.77.0.1:8080/r/5a/home";
        for text in [format!("curl -d \\\"x\\\" {url} || wget {url}\\n"), format!("phone_home:\n  url: '{url}'\n")] {
            assert_eq!(home(&text), Some(url), "{text}");
        }
        assert_eq!(home("http://10.77.0.1/r/5a/done /home"), None);
    }
}
