//! Machines without an emulator: `oxbow sim` on a port of the bench's switch. The real protocols and the real agent, over
//! real sockets; only firmware and kernel are not there.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use super::Bench;
use super::bench::command_in;

/// Simulated machines at work. Drop switches them off.
pub(crate) struct Simulated {
    process: Child,
    said: PathBuf,
}

impl Simulated {
    /// Switches on `machines` machines whose disks move `pace` bytes a second; they give up after `limit`.
    pub(crate) fn power_on(bench: &Bench, machines: usize, pace: u64, limit: Duration) -> Self {
        Self::power_on_at(bench, bench.port(), machines, pace, limit)
    }

    /// The same at this port in the switch's namespace.
    pub(crate) fn power_on_at(bench: &Bench, port: &str, machines: usize, pace: u64, limit: Duration) -> Self {
        Self::power_on_as(bench, port, machines, pace, limit, &[])
    }

    /// The same with further words on their command line.
    pub(crate) fn power_on_as(
        bench: &Bench,
        port: &str,
        machines: usize,
        pace: u64,
        limit: Duration,
        more: &[&str],
    ) -> Self {
        let said = bench.evidence().join("sim.log");
        let log = File::create(&said).unwrap_or_else(|err| panic!("{}: {err}", said.display()));
        let mut sim = command_in(&bench.switch(), env!("CARGO_BIN_EXE_oxbow"));
        sim.args(["sim", "--interface", port, "--machines", &machines.to_string(), "--pace", &pace.to_string()])
            .args(["--apart", "50", "--seconds", &limit.as_secs().to_string()])
            .args(more)
            .stdout(log.try_clone().expect("the log"))
            .stderr(log);
        Self { process: sim.spawn().expect("`ip` starts"), said }
    }

    /// Switches on machines with these marks, of which this one, counted from 1, has a disk that keeps nothing.
    pub(crate) fn with_a_worn_disk(bench: &Bench, marks: &[&str], worn: usize, limit: Duration) -> Self {
        let said = bench.evidence().join("sim.log");
        let log = File::create(&said).unwrap_or_else(|err| panic!("{}: {err}", said.display()));
        let mut sim = command_in(&bench.switch(), env!("CARGO_BIN_EXE_oxbow"));
        sim.args(["sim", "--interface", bench.port(), "--machines", &marks.len().to_string()]);
        sim.args(["--apart", "50", "--seconds", &limit.as_secs().to_string(), "--worn-disk", &worn.to_string()]);
        sim.args(marks.iter().flat_map(|marks| ["--machine", *marks]));
        sim.stdout(log.try_clone().expect("the log")).stderr(log);
        Self { process: sim.spawn().expect("`ip` starts"), said }
    }

    /// Switches on machines with these marks, whose disks are files of this folder.
    pub(crate) fn with_marks(bench: &Bench, marks: &[&str], disks: &Path, limit: Duration) -> Self {
        let said = bench.evidence().join("sim.log");
        let log = File::create(&said).unwrap_or_else(|err| panic!("{}: {err}", said.display()));
        let mut sim = command_in(&bench.switch(), env!("CARGO_BIN_EXE_oxbow"));
        sim.args(["sim", "--interface", bench.port(), "--machines", &marks.len().to_string()]);
        sim.args(["--apart", "50", "--seconds", &limit.as_secs().to_string()]).arg("--disk-dir").arg(disks);
        sim.args(marks.iter().flat_map(|marks| ["--machine", *marks]));
        sim.stdout(log.try_clone().expect("the log")).stderr(log);
        Self { process: sim.spawn().expect("`ip` starts"), said }
    }

    /// Waits until every machine runs its own system; the error is what was said instead.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<(), String> {
        let deadline = Instant::now() + limit;
        loop {
            match self.process.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(50)),
                ended => {
                    let said = fs::read_to_string(&self.said).unwrap_or_default();
                    return Err(format!("{ended:?} after at most {limit:?}:\n{said}"));
                }
            }
        }
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
