//! The agent as a process of its own that is killed, as a power cut ends it, at every step and at random bytes; the station
//! is a real one. The machine then starts again with what its disk holds.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::agent::bench::{IMAGE_BYTES, digest, image};
use crate::lab::rerun;
use oxbow::agent::image::pump::Blocks;
use oxbow::agent::linux::DiskFile;
use oxbow::agent::machine::{Aid, Configured, Machine, Medium, Survey, Unconfigured};
use oxbow::agent::station::backoff::RetryPolicy;
use oxbow::agent::{AgentConfig, run};
use oxbow::domain::effect::Effect;
use oxbow::domain::fleet::Fleet;
use oxbow::domain::ids::{MacAddr, Serial};
use oxbow::domain::machine::claims::Claims;
use oxbow::domain::machine::disk::{Disk, Transport};
use oxbow::domain::node::phase::Phase;
use oxbow::domain::profile::configuration::Configuration;
use oxbow::domain::profile::image::ImageState;
use oxbow::domain::snapshot::Snapshot;
use oxbow::domain::station::Station;
use oxbow::hub::{Hub, NodeLog};
use oxbow::inbox::inbox;
use oxbow::service::{ServiceContext, http, images};
use oxbow::store;

#[test]
fn wherever_the_power_is_cut_the_next_boot_starts_over_and_ends_proven() {
    let station = Real::start();
    let cuts = [
        "survey",
        "open",
        "behead",
        "beheaded",
        "write:0",
        "flush",
        "flushed",
        "rewind",
        "read:0",
        "read:1500000",
        "head",
        "headed",
        "closed",
        "configure",
        "configure:7",
        "configured",
    ];
    let [beheaded, headed] =
        ["beheaded", "headed"].map(|cut| cuts.iter().position(|is| *is == cut).expect("it is among them"));
    for (number, cut) in cuts.into_iter().enumerate() {
        let machine = Unit::new(&station, number);
        assert!(machine.boot(cut).is_killed(), "{cut}");
        assert_eq!(machine.starts_from_its_disk(), !(beheaded..headed).contains(&number), "{cut}");
        station.never_called_done(&machine, cut);
        let end = machine.boot("never");
        assert!(end.said.contains("Installed"), "{cut}: {}", end.said);
        assert!(machine.disk_holds_the_image() && machine.disk_holds_its_file(), "{cut}");
        station.calls_done(&machine, cut);
    }
}

#[test]
fn whatever_byte_the_power_is_cut_at_nothing_is_called_done_before_the_disk_is_proven() {
    let station = Real::start();
    let machine = Unit::new(&station, 0);
    let mut state = 20_261_123_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % IMAGE_BYTES
    };
    for round in 0..36 {
        let act = if round % 3 == 2 { "read" } else { "write" };
        let cut = format!("{act}:{}", random());
        assert!(machine.boot(&cut).is_killed(), "{cut}");
        assert!(!machine.starts_from_its_disk(), "{cut}: half a system");
        station.never_called_done(&machine, &cut);
    }
    assert!(machine.boot("never").said.contains("Installed"));
    assert!(machine.disk_holds_the_image());
    station.calls_done(&machine, "in the end");
}

#[test]
fn a_cut_before_the_station_hears_of_the_end_begins_anew_and_one_after_it_is_not_written_again() {
    let station = Real::start();
    // The last report does not leave the machine.
    let machine = Unit::new(&station, 0);
    let unheard = Cutter::before(station.address, false);
    assert!(machine.boot_by(unheard.address, "never", Some(&unheard)).is_killed());
    station.never_called_done(&machine, "the end is not heard");
    assert!(machine.disk_holds_the_image());
    assert!(machine.boot("never").said.contains("Installed"));
    station.calls_done(&machine, "the end is heard");

    // It does, and the acknowledgement does not come back: the disk is proven, and stays as it is.
    let machine = Unit::new(&station, 1);
    let unanswered = Cutter::before(station.address, true);
    assert!(machine.boot_by(unanswered.address, "never", Some(&unanswered)).is_killed());
    station.calls_done(&machine, "the end is heard");
    let written = fs::metadata(&machine.disk).and_then(|of| of.modified()).expect("a disk");
    let end = machine.boot("never");
    assert!(end.said.contains("Ended(\"this machine is provisioned already\")"), "{}", end.said);
    assert_eq!(fs::metadata(&machine.disk).and_then(|of| of.modified()).expect("a disk"), written);
}

#[test]
fn a_person_at_the_machines_shell_is_told_what_would_be_written_and_nothing_follows_from_it() {
    let station = Real::start();
    let machine = Unit::new(&station, 0);
    assert!(machine.boot("write:1000000").is_killed());
    let disk = fs::read(&machine.disk).expect("a disk");
    let run = station.bench.borrow().nodes.values().flat_map(|node| node.runs.clone()).next().expect("a run").id;
    let seen = station.seen.lock().expect("all that was seen").len();
    let ask = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_oxbow-agent")).args(arguments).output().expect("it starts");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let words = format!("oxbow.station=http://{} oxbow.run={run}", station.address);
    let (well, said) = ask(&["write", "--dry-run", "--cmdline", &words]);
    // Its disks are files, and this machine's are not.
    assert!(!well && (said.contains("fits the profile's rule") || said.contains("no disk at all")), "{said}");
    assert!(said.contains("hint: "), "{said}");
    let (well, said) = ask(&["write", "--dry-run", "--cmdline", &words.replace(&run.to_string(), &"7".repeat(32))]);
    assert!(!well && said.contains("the station does not know this run"), "{said}");
    assert_eq!(station.seen.lock().expect("all that was seen").len(), seen, "no node has changed");
    assert_eq!(fs::read(&machine.disk).expect("a disk"), disk);

    let (well, said) = ask(&["--help"]);
    assert!(well && said.contains("oxbow-agent discover") && said.contains("write --dry-run"), "{said}");
    let (well, said) = ask(&["discover", "--rule", "transport=file"]);
    assert!(well && said.contains("this machine is ") && said.contains("the rule chooses none: "), "{said}");
    let (well, said) = ask(&["discover", "--rules"]);
    assert!(!well && said.contains("--rules") && said.contains("hint: oxbow-agent --help"), "{said}");
}

// The machine --------------------------------------------------------------------------------------------------------

/// A machine that keeps its disk and its name from one boot to the next.
struct Unit {
    station: SocketAddr,
    serial: String,
    disk: PathBuf,
}

/// How a boot ended.
struct End {
    output: Output,
    said: String,
}

impl End {
    fn is_killed(&self) -> bool {
        let killed = self.output.status.signal() == Some(Signal::SIGKILL as i32);
        if !killed {
            eprintln!("{}", self.said);
        }
        killed
    }
}

impl Unit {
    fn new(station: &Real, number: usize) -> Self {
        let serial = format!("CUT{number:05}");
        let disk = station.place.path().join(&serial);
        fs::write(&disk, vec![0x5a; IMAGE_BYTES + 4096]).expect("a used disk");
        Self { station: station.address, serial, disk }
    }

    /// Boots it, and cuts its power at `cut`.
    fn boot(&self, cut: &str) -> End {
        self.boot_by(self.station, cut, None)
    }

    fn boot_by(&self, station: SocketAddr, cut: &str, cutter: Option<&Cutter>) -> End {
        let mut agent = Command::new(std::env::current_exe().expect("this program"));
        agent.args(rerun::arguments(the_agent_that_is_killed));
        agent.env("AGENT_STATION", station.to_string()).env("AGENT_SERIAL", &self.serial).env("AGENT_CUT", cut);
        agent.env("AGENT_DISK", &self.disk).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
        let child = agent.spawn().expect("it starts");
        if let Some(cutter) = cutter {
            *cutter.victim.lock().expect("a victim") = i32::try_from(child.id()).ok();
        }
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        End { output, said }
    }

    /// Whether firmware finds anything in the disk's first blocks, be it the old system or the new one.
    fn starts_from_its_disk(&self) -> bool {
        let mut head = [0; 8192];
        File::open(&self.disk).and_then(|file| file.read_exact_at(&mut head, 0)).expect("a disk");
        head != [0; 8192]
    }

    fn disk_holds_the_image(&self) -> bool {
        let mut disk = vec![0; IMAGE_BYTES];
        File::open(&self.disk).and_then(|file| file.read_exact_at(&mut disk, 0)).expect("a disk");
        disk == image()
    }

    /// The one that is its own, as the profile has it.
    fn disk_holds_its_file(&self) -> bool {
        let disk = fs::read(&self.disk).expect("a disk");
        disk[IMAGE_BYTES..].starts_with(format!("I am {}", self.serial).as_bytes())
    }
}

#[test]
#[ignore = "it is the process that others start and kill"]
fn the_agent_that_is_killed() {
    let told = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let cut = Cut(told("AGENT_CUT"));
    let mut run_id = [0; 16];
    getrandom::fill(&mut run_id).expect("random bytes");
    let run_id = u128::from_be_bytes(run_id);
    let words = format!("oxbow.station=http://{} oxbow.run={run_id:032x}", told("AGENT_STATION"));
    let retry_policy = RetryPolicy {
        retry: Duration::from_millis(100),
        report: Duration::from_millis(100),
        order: Duration::from_millis(50),
        ..RetryPolicy::default()
    };
    let blocks = Blocks { bytes: 64 * 1024, count: 2 };
    let config = AgentConfig { boot_args: words.parse().expect("boot arguments"), retry_policy, blocks };
    let child = Child { disk: told("AGENT_DISK"), serial: told("AGENT_SERIAL"), cut, began: Instant::now() };
    println!("{:?}", run(&config, &child));
}

/// Where the power is cut: `survey`, `write:1000000`.
#[derive(Clone)]
struct Cut(String);

impl Cut {
    fn at(&self, here: &str) {
        if self.0 == here {
            kill(Pid::this(), Signal::SIGKILL).expect("it can be killed");
        }
    }

    /// How many of the bytes from `at` on are still done.
    fn within(&self, act: &str, at: u64, length: usize) -> Option<usize> {
        let byte: u64 = self.0.strip_prefix(act)?.strip_prefix(':')?.parse().ok()?;
        (at..at + length as u64).contains(&byte).then(|| usize::try_from(byte - at).expect("within"))
    }
}

struct Child {
    disk: String,
    serial: String,
    cut: Cut,
    began: Instant,
}

impl Machine for Child {
    fn survey(&self, _: Option<MacAddr>) -> Survey {
        self.cut.at("survey");
        let serial: Option<Serial> = self.serial.parse().ok();
        let bytes = fs::metadata(&self.disk).expect("a disk").len();
        let disk = Disk { path: self.disk.clone(), transport: Transport::File, bytes, ..Disk::default() };
        Survey { claims: Claims { serial, ..Claims::default() }, disks: vec![disk], ..Survey::default() }
    }

    fn open(&self, disk: &Disk) -> io::Result<Box<dyn Medium>> {
        self.cut.at("open");
        let disk = DiskFile::open(Path::new(&disk.path))?;
        Ok(Box::new(CutDisk { disk, cut: self.cut.clone(), at: 0 }))
    }

    /// The files go behind the image, one after the other, and are read from there.
    fn configure(&self, disk: &Disk, what: &Configuration, _: &dyn Aid) -> Result<Configured, Unconfigured> {
        self.cut.at("configure");
        let written = what.files.iter().map(|file| file.content.as_str()).collect::<String>();
        let file = OpenOptions::new().read(true).write(true).open(&disk.path).expect("a disk");
        let some = self.cut.within("configure", 0, written.len()).unwrap_or(written.len());
        file.write_all_at(&written.as_bytes()[..some], IMAGE_BYTES as u64)
            .and_then(|()| file.sync_all())
            .expect("written");
        if some < written.len() {
            self.cut.at(&self.cut.0);
        }
        let mut read = vec![0; written.len()];
        file.read_exact_at(&mut read, IMAGE_BYTES as u64).expect("read");
        self.cut.at("configured");
        let mut on_disk = what.clone();
        let mut rest = String::from_utf8_lossy(&read).into_owned();
        for file in &mut on_disk.files {
            let behind = rest.split_off(file.content.len());
            file.content = std::mem::replace(&mut rest, behind);
        }
        Ok(Configured { files: on_disk.facts(digest), root_hash: None })
    }

    fn uptime(&self) -> Duration {
        self.began.elapsed()
    }

    fn print(&self, line: &str) {
        println!("{line}");
    }

    fn restart(&self) -> io::Result<()> {
        Ok(())
    }

    fn power_off(&self) -> io::Result<()> {
        Ok(())
    }
}

struct CutDisk {
    disk: DiskFile,
    cut: Cut,
    at: u64,
}

impl Medium for CutDisk {
    fn write(&mut self, block: &[u8]) -> io::Result<()> {
        if let Some(some) = self.cut.within("write", self.at, block.len()) {
            self.disk.write(&block[..some])?;
            self.cut.at(&self.cut.0);
        }
        self.at += block.len() as u64;
        self.disk.write(block)
    }

    fn put_head(&mut self, head: &[u8]) -> io::Result<()> {
        let last = head.iter().any(|byte| *byte != 0);
        self.cut.at(if last { "head" } else { "behead" });
        self.disk.put_head(head)?;
        self.cut.at(if last { "headed" } else { "beheaded" });
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.cut.at("flush");
        self.disk.flush()?;
        self.cut.at("flushed");
        Ok(())
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.cut.at("rewind");
        self.at = 0;
        self.disk.rewind()
    }

    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let some = self.disk.read(block)?;
        if self.cut.within("read", self.at, some).is_some() {
            self.cut.at(&self.cut.0);
        }
        self.at += some as u64;
        Ok(some)
    }
}

impl Drop for CutDisk {
    fn drop(&mut self) {
        self.cut.at("closed");
    }
}

// The way to the station ---------------------------------------------------------------------------------------------

/// Stands between machine and station, and kills the machine when it says that all is done.
struct Cutter {
    address: SocketAddr,
    victim: Arc<Mutex<Option<i32>>>,
}

impl Cutter {
    /// `heard`: whether the station hears it, and its answer is lost.
    fn before(station: SocketAddr, heard: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let victim: Arc<Mutex<Option<i32>>> = Arc::default();
        let shared = victim.clone();
        thread::spawn(move || {
            for machine in listener.incoming().flatten() {
                let victim = shared.clone();
                thread::spawn(move || carry(machine, station, heard, &victim));
            }
        });
        Self { address, victim }
    }
}

fn carry(machine: TcpStream, station: SocketAddr, heard: bool, victim: &Arc<Mutex<Option<i32>>>) -> io::Result<()> {
    let mut to_station = TcpStream::connect(station)?;
    let mut from_station = to_station.try_clone()?;
    let (mut from_machine, mut to_machine) = (machine.try_clone()?, machine);
    let is_end = Arc::new(Mutex::new(false));
    let (ended, victim_of_answer) = (is_end.clone(), victim.clone());
    thread::spawn(move || -> io::Result<()> {
        let mut room = [0; 64 * 1024];
        loop {
            let some = from_station.read(&mut room)?;
            if *ended.lock().expect("ended") {
                return cut(&victim_of_answer);
            }
            if some == 0 {
                return to_machine.shutdown(Shutdown::Both);
            }
            to_machine.write_all(&room[..some])?;
        }
    });
    let (mut room, mut said) = ([0; 64 * 1024], Vec::new());
    loop {
        let some = from_machine.read(&mut room)?;
        if some == 0 {
            return to_station.shutdown(Shutdown::Write);
        }
        said.extend_from_slice(&room[..some]);
        if String::from_utf8_lossy(&said).contains(r#""kind":"complete""#) {
            if !heard {
                return cut(victim);
            }
            *is_end.lock().expect("ended") = true;
        }
        to_station.write_all(&room[..some])?;
    }
}

fn cut(victim: &Mutex<Option<i32>>) -> io::Result<()> {
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until {
        if let Some(pid) = *victim.lock().expect("a victim") {
            return kill(Pid::from_raw(pid), Signal::SIGKILL).map_err(io::Error::from);
        }
        thread::sleep(Duration::from_millis(5));
    }
    Err(io::ErrorKind::TimedOut.into())
}

// The station --------------------------------------------------------------------------------------------------------

/// A station's store, hub, images and HTTP on a free port of the loopback interface.
struct Real {
    place: TempDir,
    address: SocketAddr,
    bench: watch::Receiver<Arc<Snapshot>>,
    /// The phases of all nodes, by serial, as they were ever stored.
    seen: Arc<Mutex<Vec<(String, Phase)>>>,
    _runtime: Runtime,
}

struct Witness(Arc<Mutex<Vec<(String, Phase)>>>);

impl NodeLog for Witness {
    fn write(&mut self, effects: &[Effect]) {
        for effect in effects {
            if let Effect::SaveNode(node) = effect {
                let serial = node.serial.as_ref().map(ToString::to_string).unwrap_or_default();
                self.0.lock().expect("all that was seen").push((serial, node.phase.clone()));
            }
        }
    }
}

impl Real {
    fn start() -> Self {
        let place = TempDir::new().expect("a directory");
        let path = |name: &str| place.path().join(name);
        for directory in ["profiles", "images", "boot"] {
            fs::create_dir(path(directory)).expect("a directory");
        }
        fs::write(path("images/os.img"), image()).expect("an image");
        let profile = "schema = 1\nimage = \"os.img\"\n[disk]\ntransport = [\"file\"]\n\
                       [[file]]\npath = \"/etc/motd\"\ncontent = \"I am {{ node.serial }}\"\n";
        fs::write(path("profiles/os.toml"), profile).expect("a profile");
        let address = TcpListener::bind("127.0.0.1:0").and_then(|any| any.local_addr()).expect("a free port");
        let (store, memory, _thread) = store::open(&path("oxbow.db")).expect("a store");
        let runtime = Runtime::new().expect("a runtime");
        let (inbox, outlet) = inbox();
        let seen = Arc::default();
        let told = Station { base_url: format!("http://{address}"), ..Station::default() };
        let (hub, bench) = Hub::new(Fleet::restore(memory.nodes), told, store, Box::new(Witness(Arc::clone(&seen))));
        let stop = CancellationToken::new();
        let context = ServiceContext { inbox, bench: bench.clone(), stop: stop.clone() };
        runtime.spawn(hub.run(outlet, stop));
        let config = http::HttpConfig {
            listen: address,
            boot_files: path("boot"),
            images: path("blobs"),
            tls: None,
            token: None,
        };
        runtime.spawn(http::serve(context.clone(), config));
        let config = images::ImagesConfig {
            profiles: path("profiles"),
            images: path("images"),
            store: path("blobs"),
            boot_files: path("boot"),
            quirks: path("quirks.toml"),
            placeholders: path("placeholders.toml"),
            default_profile: "os".parse().ok(),
        };
        runtime.spawn(images::serve(context, config));
        let station = Self { place, address, bench, seen, _runtime: runtime };
        station.until("the image is ready", |bench| {
            bench.catalogue.images.values().any(|state| matches!(state, ImageState::Ready(_)))
        });
        station
    }

    fn until(&self, what: &str, there: impl Fn(&Snapshot) -> bool) {
        let began = Instant::now();
        while !there(&self.bench.borrow()) {
            assert!(began.elapsed() < Duration::from_secs(30), "{what}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Of all that was ever stored of this machine nothing says that it is done.
    fn never_called_done(&self, machine: &Unit, cut: &str) {
        let seen = self.seen.lock().expect("all that was seen");
        let wrong = seen.iter().find(|(serial, phase)| *serial == machine.serial && phase.is_done());
        assert_eq!(wrong, None, "{cut}");
        let bench = self.bench.borrow();
        let shown =
            bench.nodes.values().find(|node| node.serial.as_ref().is_some_and(|it| it.as_str() == machine.serial));
        assert!(shown.is_none_or(|node| !node.phase.is_done()), "{cut}");
    }

    fn calls_done(&self, machine: &Unit, cut: &str) {
        self.until(&format!("{cut}: it is provisioned"), |bench| {
            let of_machine = |serial: &Serial| serial.as_str() == machine.serial;
            bench
                .nodes
                .values()
                .any(|node| node.serial.as_ref().is_some_and(of_machine) && node.phase == Phase::Provisioned)
        });
    }
}
