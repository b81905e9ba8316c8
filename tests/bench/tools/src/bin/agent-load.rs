//! `agent-load STATION DISK`, as `agent-load http://10.77.0.1 /dev/loop0`: the agent's whole work on a disk of choice.
//! Prints how many kilobytes of memory it had at most; what the machine's screen shows goes to standard error.

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant, UNIX_EPOCH};

use oxbow::agent::linux::DiskFile;
use oxbow::agent::machine::{Machine, Medium, Survey};
use oxbow::agent::outcome::AgentOutcome;
use oxbow::agent::{AgentConfig, run};
use oxbow::domain::ids::MacAddr;
use oxbow::domain::machine::claims::Claims;
use oxbow::domain::machine::disk::{Disk, Transport};

struct Workbench {
    disk: Disk,
    began: Instant,
}

impl Machine for Workbench {
    fn survey(&self, boot_nic: Option<MacAddr>) -> Survey {
        let claims = Claims { macs: boot_nic.into_iter().collect(), ..Claims::default() };
        Survey { claims, disks: vec![self.disk.clone()], ..Survey::default() }
    }

    fn open(&self, disk: &Disk) -> io::Result<Box<dyn Medium>> {
        Ok(Box::new(DiskFile::open(Path::new(&disk.path))?))
    }

    fn uptime(&self) -> Duration {
        self.began.elapsed()
    }

    fn print(&self, line: &str) {
        eprintln!("{line}");
    }

    fn restart(&self) -> io::Result<()> {
        Ok(())
    }

    fn power_off(&self) -> io::Result<()> {
        Ok(())
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [station, disk] = &arguments[..] else {
        eprintln!("usage: agent-load STATION DISK");
        return ExitCode::FAILURE;
    };
    let bytes = std::fs::File::open(disk).and_then(|mut file| io::Seek::seek(&mut file, io::SeekFrom::End(0)));
    let disk = Disk {
        path: disk.clone(),
        transport: Transport::File,
        bytes: bytes.expect("the disk is there"),
        ..Disk::default()
    };
    let token = UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos());
    // Another machine each time: one that is provisioned is not written again.
    let [.., a, b, c] = (token >> 20).to_be_bytes();
    let mac = format!("52-54-00-{a:02x}-{b:02x}-{c:02x}");
    let words = format!("oxbow.station={station} oxbow.run={token:032x} BOOTIF=01-{mac}");
    let bench = Workbench { disk, began: Instant::now() };
    let outcome = run(&AgentConfig::new(words.parse().expect("boot arguments")), &bench);
    println!("{}", status("VmHWM:"));
    if outcome == AgentOutcome::Installed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Kilobytes, of `/proc/self/status`.
fn status(what: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").to_owned()
}
