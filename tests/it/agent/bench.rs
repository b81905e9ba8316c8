//! A machine for tests: its disks are files, with a fault on demand, and what it shows and does is kept.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::station::Station;
use oxbow::agent::boot_args::BootArgs;
use oxbow::agent::failure::RunFailure;
use oxbow::agent::image::pump::Blocks;
use oxbow::agent::linux::DiskFile;
use oxbow::agent::machine::{Machine, Medium, Survey};
use oxbow::agent::outcome::AgentOutcome;
use oxbow::agent::station::backoff::RetryPolicy;
use oxbow::agent::{AgentConfig, run};
use oxbow::domain::digest::Digest;
use oxbow::domain::ids::MacAddr;
use oxbow::domain::machine::claims::Claims;
use oxbow::domain::machine::disk::{Disk, DiskRule, Transport};
use oxbow::domain::machine::inventory::Inventory;
use oxbow::domain::machine::report::{FailureKind, Report, Step};
use oxbow::domain::profile::After;
use oxbow::domain::profile::image::ImageFormat;
use oxbow::protocol::AgentJob;

/// A machine whose disks are files, and what happened to it.
pub(crate) struct Bench {
    pub(crate) directory: TempDir,
    pub(crate) disks: Vec<Disk>,
    pub(crate) fault: Option<Fault>,
    pub(crate) retry_policy: RetryPolicy,
    /// What its kernel complains of.
    pub(crate) kernel: Vec<String>,
    screen: Mutex<Vec<String>>,
    pub(crate) restarts: Mutex<u32>,
    pub(crate) offs: Mutex<u32>,
    /// How often it was looked at what it is made of: it has one thread more each time.
    pub(crate) looks: Mutex<u32>,
    /// How often it was restarted past a disk that hangs. That ends the hanging, as a restart does.
    pub(crate) cuts: Arc<Cuts>,
}

#[derive(Default)]
pub(crate) struct Cuts {
    count: Mutex<u32>,
    happened: Condvar,
}

impl Cuts {
    pub(crate) fn count(&self) -> u32 {
        *self.count.lock().expect("cuts")
    }

    fn cut(&self) {
        *self.count.lock().expect("cuts") += 1;
        self.happened.notify_all();
    }

    /// As a disk that never answers; a test that forgot it ends all the same.
    fn hang(&self) {
        let count = self.count.lock().expect("cuts");
        let waited = self.happened.wait_timeout_while(count, Duration::from_secs(60), |count| *count == 0);
        assert!(!waited.expect("cuts").1.timed_out(), "nobody restarts a machine whose disk hangs");
    }
}

impl Bench {
    /// A machine with one disk of this size.
    pub(crate) fn with(bytes: usize) -> Self {
        let mut bench = Self {
            directory: tempfile::tempdir().expect("a directory"),
            disks: Vec::new(),
            fault: None,
            kernel: Vec::new(),
            retry_policy: RetryPolicy {
                retry: Duration::from_millis(200),
                stalled: Duration::from_secs(1),
                report: Duration::from_millis(200),
                order: Duration::from_millis(10),
                ..RetryPolicy::default()
            },
            cuts: Arc::default(),
            screen: Mutex::default(),
            restarts: Mutex::default(),
            looks: Mutex::default(),
            offs: Mutex::default(),
        };
        bench.add_disk(bytes);
        bench
    }

    /// The same with something wrong.
    pub(crate) fn faulty(fault: Fault, bytes: usize) -> Self {
        Self { fault: Some(fault), ..Self::with(bytes) }
    }

    pub(crate) fn add_disk(&mut self, bytes: usize) {
        let path = self.directory.path().join(format!("disk-{}", self.disks.len()));
        std::fs::write(&path, vec![0; bytes]).expect("a disk");
        self.disks.push(Disk {
            path: path.to_str().expect("a name").to_owned(),
            transport: Transport::File,
            bytes: bytes as u64,
            ..Disk::default()
        });
    }

    pub(crate) fn run(&self, station: &Station) -> AgentOutcome {
        let blocks = Blocks { bytes: 64 * 1024, count: 2 };
        run(&AgentConfig { boot_args: boot_args(station), retry_policy: self.retry_policy, blocks }, self)
    }

    pub(crate) fn disk(&self) -> PathBuf {
        self.directory.path().join("disk-0")
    }

    pub(crate) fn disk_holds(&self, content: &[u8]) -> bool {
        std::fs::read(self.disk()).expect("a disk").starts_with(content)
    }

    pub(crate) fn was_restarted(&self) -> bool {
        *self.restarts.lock().expect("restarts") == 1
    }

    pub(crate) fn screen(&self) -> String {
        self.screen.lock().expect("a screen").join("\n")
    }
}

impl Machine for Bench {
    fn survey(&self, boot_nic: Option<MacAddr>) -> Survey {
        let serial = "FB-0042".parse().ok();
        let claims = Claims { macs: boot_nic.into_iter().collect(), serial, ..Claims::default() };
        Survey {
            claims,
            disks: self.disks.clone(),
            remarks: vec!["the UUID is a placeholder".into()],
            ..Survey::default()
        }
    }

    fn inventory(&self) -> Option<Inventory> {
        let mut looks = self.looks.lock().expect("looks");
        *looks += 1;
        Some(Inventory { cpu_threads: *looks, ..Inventory::default() })
    }

    fn open(&self, disk: &Disk) -> io::Result<Box<dyn Medium>> {
        if let Some(Fault::HangsOpening) = self.fault {
            self.cuts.hang();
        }
        let disk = DiskFile::open(Path::new(&disk.path))?;
        Ok(Box::new(Faulty { disk, at: 0, fault: self.fault, cuts: self.cuts.clone() }))
    }

    fn kernel_messages(&self, disk: &str) -> Vec<String> {
        if disk == self.disks[0].path { self.kernel.clone() } else { Vec::new() }
    }

    fn uptime(&self) -> Duration {
        Duration::from_millis(12_500)
    }

    fn print(&self, line: &str) {
        self.screen.lock().expect("a screen").push(line.to_owned());
    }

    fn restart(&self) -> io::Result<()> {
        *self.restarts.lock().expect("restarts") += 1;
        Ok(())
    }

    fn restart_at_once(&self) -> io::Result<()> {
        self.cuts.cut();
        Ok(())
    }

    fn power_off(&self) -> io::Result<()> {
        *self.offs.lock().expect("offs") += 1;
        Ok(())
    }
}

/// What is wrong with a disk.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// This byte reads back differently from how it was written.
    LosesByte(usize),
    /// From this byte on every write fails so.
    Writing(usize, Errno),
    Flushing(Errno),
    /// From this byte on every read fails so.
    Reading(usize, Errno),
    /// It gives back no more than this.
    EndsAt(usize),
    /// It never comes back from this.
    HangsOpening,
    HangsWriting(usize),
    HangsFlushing,
    HangsReading(usize),
}

pub(crate) struct Faulty {
    disk: DiskFile,
    at: usize,
    fault: Option<Fault>,
    cuts: Arc<Cuts>,
}

impl Medium for Faulty {
    fn write(&mut self, block: &[u8]) -> io::Result<()> {
        self.at += block.len();
        match self.fault {
            Some(Fault::Writing(from, error)) if self.at > from => Err(error.into()),
            Some(Fault::HangsWriting(from)) if self.at > from => {
                self.cuts.hang();
                self.disk.write(block)
            }
            _ => self.disk.write(block),
        }
    }

    fn put_head(&mut self, head: &[u8]) -> io::Result<()> {
        self.disk.put_head(head)
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.fault {
            Some(Fault::Flushing(error)) => Err(error.into()),
            Some(Fault::HangsFlushing) => {
                self.cuts.hang();
                self.disk.flush()
            }
            _ => self.disk.flush(),
        }
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.at = 0;
        self.disk.rewind()
    }

    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let mut some = self.disk.read(block)?;
        match self.fault {
            Some(Fault::Reading(from, error)) if self.at + some > from => return Err(error.into()),
            Some(Fault::HangsReading(from)) if self.at + some > from => self.cuts.hang(),
            Some(Fault::EndsAt(end)) => some = some.min(end.saturating_sub(self.at)),
            Some(Fault::LosesByte(byte)) if (self.at..self.at + some).contains(&byte) => block[byte - self.at] ^= 1,
            _ => {}
        }
        self.at += some;
        Ok(some)
    }

    fn zeros_made(&self) -> u64 {
        self.disk.zeros_made()
    }
}

/// A file as a block device, by losetup(8), as root.
pub(crate) struct Loop(pub(crate) String);

impl Loop {
    pub(crate) fn over(file: &Path) -> Self {
        let made = Command::new("losetup").args(["--find", "--show"]).arg(file).output().expect("losetup starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self(String::from_utf8_lossy(&made.stdout).trim().to_owned())
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        Command::new("losetup").args(["--detach", &self.0]).status().ok();
    }
}

pub(crate) fn boot_args(station: &Station) -> BootArgs {
    let cmdline = format!("{} oxbow.run=0123456789abcdef0123456789abcdef", station.words);
    cmdline.parse().expect("boot arguments")
}

// Images -------------------------------------------------------------------------------------------------------------

/// Three megabytes and a bit, so that the last block is not full.
pub(crate) const IMAGE_BYTES: usize = 3 * 1024 * 1024 + 17;

/// Compresses, but not to nothing.
pub(crate) fn image() -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8 & 0x3f
    };
    (0..IMAGE_BYTES).map(|_| next()).collect()
}

pub(crate) fn raw(image: Vec<u8>) -> Station {
    Station::open(job(ImageFormat::Raw, &image, &image), image)
}

pub(crate) fn gzipped(image: Vec<u8>) -> Station {
    let file = gzip(&image);
    Station::open(job(ImageFormat::Gzip, &file, &image), file)
}

pub(crate) fn job(format: ImageFormat, file: &[u8], image: &[u8]) -> AgentJob {
    AgentJob {
        warnings: Vec::new(),
        version: 1,
        profile: "test".into(),
        image: "/images/test.img".into(),
        format,
        bytes: file.len() as u64,
        sha256: digest(file),
        disk_bytes: image.len() as u64,
        disk_sha256: digest(image),
        disk: DiskRule::default(),
        after: After::default(),
        next_report: 0,
    }
}

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest::new(Sha256::digest(bytes).into())
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    packed(ImageFormat::Gzip, bytes)
}

pub(crate) fn packed(format: ImageFormat, content: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let done = match format {
        ImageFormat::Raw => (&*content).read_to_end(&mut file),
        ImageFormat::Gzip => {
            flate2::bufread::GzEncoder::new(content, flate2::Compression::fast()).read_to_end(&mut file)
        }
        ImageFormat::Xz => liblzma::bufread::XzEncoder::new(content, 1).read_to_end(&mut file),
        ImageFormat::Zstd => {
            zstd::stream::read::Encoder::with_buffer(content, 1).and_then(|mut it| it.read_to_end(&mut file))
        }
        ImageFormat::Bzip2 => {
            bzip2::bufread::BzEncoder::new(content, bzip2::Compression::fast()).read_to_end(&mut file)
        }
    };
    done.expect("packed");
    file
}

// What is expected ---------------------------------------------------------------------------------------------------

pub(crate) fn failed(outcome: AgentOutcome) -> RunFailure {
    match outcome {
        AgentOutcome::Failed(failure) => failure,
        other => panic!("a failure expected, not {other:?}"),
    }
}

pub(crate) fn corrupt(detail: &str) -> RunFailure {
    RunFailure { step: Step::Verify, kind: FailureKind::CorruptImage, detail: detail.into() }
}

pub(crate) fn kind(report: &Report) -> String {
    match report {
        Report::Configured { files, .. } => format!("configured {files} files"),
        Report::Started { step, .. } => format!("started {}", step.word()),
        Report::Finished { step, .. } => format!("finished {}", step.word()),
        Report::Failed { step, .. } => format!("failed {}", step.word()),
        Report::ReadBack { .. } => "read back".into(),
        Report::Complete => "complete".into(),
        Report::SaidDone => "said done".into(),
        Report::Unknown => "unknown".into(),
    }
}

pub(crate) fn later() -> String {
    r#"{"answer":"later","seconds":0,"reason":"the image is being checked"}"#.into()
}

pub(crate) fn until(condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(20), "waited for too long");
        thread::sleep(Duration::from_millis(5));
    }
}
