//! The agent and what follows the image, against a station over real sockets: asked for first, done last, proven.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::station::Station;
use oxbow::agent::image::pump::Blocks;
use oxbow::agent::linux::DiskFile;
use oxbow::agent::machine::{Aid, Configured, Machine, Medium, Survey, Unconfigured};
use oxbow::agent::outcome::AgentOutcome;
use oxbow::agent::station::backoff::RetryPolicy;
use oxbow::agent::{AgentConfig, run};
use oxbow::domain::digest::Digest;
use oxbow::domain::ids::MacAddr;
use oxbow::domain::machine::disk::{Disk, DiskRule, Transport};
use oxbow::domain::machine::report::{FailureKind, Report, Step};
use oxbow::domain::profile::After;
use oxbow::domain::profile::configuration::{Configuration, FileFact, PlacedArchive, PlacedFile, VolumeName, manifest};
use oxbow::domain::profile::image::ImageFormat;
use oxbow::protocol::{AgentJob, Follows, VERSION};

#[test]
fn a_station_that_does_not_know_the_question_has_the_image_installed_and_nothing_more() {
    let bench = Bench::new(Does::Everything);
    let station = Station::open(job(), image());
    assert_eq!(bench.run(&station), AgentOutcome::Installed);
    assert!(!steps(&station).contains(&Step::Configure), "{:?}", station.desk().reports);
    assert_eq!(*bench.configured.lock().expect("what was asked"), []);
}

#[test]
fn what_follows_the_image_is_done_once_the_disk_is_proven_and_reported_with_the_digest_of_what_was_read_back() {
    let bench = Bench::new(Does::Everything);
    let station = Station::open(job(), image());
    station.desk().configuration = [("200 OK", follows(&asked()))].into();
    assert_eq!(bench.run(&station), AgentOutcome::Installed);
    assert_eq!(steps(&station), [Step::Prepare, Step::Write, Step::Verify, Step::Configure, Step::Reboot]);
    assert_eq!(*bench.configured.lock().expect("what was asked"), [asked()]);
    let desk = station.desk();
    let sha256 = Digest::new(Sha256::digest(manifest(&[fact()])).into());
    let proof = Report::Configured { files: 1, sha256, root_hash: Some("c0ffee".into()) };
    assert!(desk.reports.contains(&proof), "{:?}", desk.reports);
    assert!(desk.lines.iter().all(|(_, line)| !line.contains("secret")), "{:?}", desk.lines);
    assert!(desk.lines.iter().any(|(_, line)| line.contains("after the image: 1 file")), "{:?}", desk.lines);
}

#[test]
fn a_station_that_cannot_say_yet_what_follows_is_asked_again_before_a_byte_is_written() {
    let bench = Bench::new(Does::Everything);
    let station = Station::open(job(), image());
    let later = ("503 Service Unavailable", "the disk is full".to_owned());
    station.desk().configuration = [later.clone(), later, ("200 OK", follows(&asked()))].into();
    assert_eq!(bench.run(&station), AgentOutcome::Installed);
    assert!(bench.screen().contains("503: the disk is full"), "{}", bench.screen());
    assert_eq!(bench.configured.lock().expect("what was asked").len(), 1);
}

#[test]
fn what_this_agent_does_not_know_how_to_do_is_said_before_a_byte_is_written() {
    for answer in [r#"{"version":1,"configuration":{"layout":{"kind":"encrypted"}}}"#, "a page"] {
        let bench = Bench::new(Does::Everything);
        let station = Station::open(job(), image());
        station.desk().configuration = [("200 OK", answer.to_owned())].into();
        let AgentOutcome::Failed(failure) = bench.run(&station) else { panic!("{answer} is taken") };
        assert_eq!((failure.step, failure.kind), (Step::Prepare, FailureKind::Protocol));
        assert_eq!(station.desk().offsets, [0_u64; 0], "the image was asked for");
    }
}

#[test]
fn a_disk_that_cannot_be_configured_fails_the_run_in_the_machines_words() {
    let bench = Bench::new(Does::Refuse);
    let station = Station::open(job(), image());
    station.desk().configuration = [("200 OK", follows(&asked()))].into();
    let AgentOutcome::Failed(failure) = bench.run(&station) else { panic!("it did not fail") };
    assert_eq!((failure.step, failure.kind), (Step::Configure, FailureKind::Configuration));
    assert_eq!(failure.detail, "no volume is called rootfs");
    assert!(!station.desk().reports.contains(&Report::Complete));
}

#[test]
fn an_archive_arrives_in_spite_of_a_broken_connection_and_one_that_was_changed_is_refused() {
    for (digest, arrives) in [(Digest::new(Sha256::digest(image()).into()), true), (Digest::new([7; 32]), false)] {
        let bench = Bench::new(Does::Fetch);
        let station = Station::open(job(), image());
        let archive = PlacedArchive {
            volume: VolumeName("rootfs".into()),
            path: "/opt".into(),
            name: "apps.tar".into(),
            source: format!("/images/{digest}/apps.tar"),
            bytes: image().len() as u64,
            sha256: digest,
        };
        let what = Configuration { archives: vec![archive], ..Configuration::default() };
        station.desk().configuration = [("200 OK", follows(&what))].into();
        station.desk().break_after = [usize::MAX, 70_000].into();
        let outcome = bench.run(&station);
        assert_eq!(station.desk().offsets, [0, 0, 70_000], "the image, the archive, and its rest");
        if arrives {
            assert_eq!(outcome, AgentOutcome::Installed);
        } else {
            let AgentOutcome::Failed(failure) = outcome else { panic!("a changed archive is taken") };
            assert!(failure.detail.starts_with("apps.tar as downloaded (200000 bytes) has digest"), "{failure}");
        }
    }
}

// The bench ----------------------------------------------------------------------------------------------------------

/// A machine with one disk, which configures it as it is told to.
struct Bench {
    directory: TempDir,
    does: Does,
    configured: Mutex<Vec<Configuration>>,
    screen: Mutex<Vec<String>>,
}

#[derive(Clone, Copy)]
enum Does {
    Everything,
    Refuse,
    Fetch,
}

impl Bench {
    fn new(does: Does) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("disk"), vec![0; 1 << 20]).expect("a disk");
        Self { directory, does, configured: Mutex::default(), screen: Mutex::default() }
    }

    fn run(&self, station: &Station) -> AgentOutcome {
        let words = format!("{} oxbow.run=0123456789abcdef0123456789abcdef BOOTIF=01-52-54-00-12-34-56", station.words);
        let retry_policy = RetryPolicy {
            retry: Duration::from_millis(100),
            report: Duration::from_millis(100),
            order: Duration::from_millis(10),
            ..RetryPolicy::default()
        };
        let boot_args = words.parse().expect("boot arguments");
        run(&AgentConfig { boot_args, retry_policy, blocks: Blocks { bytes: 64 * 1024, count: 2 } }, self)
    }

    fn screen(&self) -> String {
        self.screen.lock().expect("a screen").join("\n")
    }
}

impl Machine for Bench {
    fn survey(&self, _: Option<MacAddr>) -> Survey {
        let path = self.directory.path().join("disk").display().to_string();
        let disk = Disk { path, transport: Transport::File, bytes: 1 << 20, ..Disk::default() };
        Survey { disks: vec![disk], ..Survey::default() }
    }

    fn open(&self, disk: &Disk) -> io::Result<Box<dyn Medium>> {
        Ok(Box::new(DiskFile::open(Path::new(&disk.path))?))
    }

    fn configure(&self, disk: &Disk, what: &Configuration, aid: &dyn Aid) -> Result<Configured, Unconfigured> {
        assert!(std::fs::read(&disk.path).expect("the disk").starts_with(&image()), "the image comes first");
        self.configured.lock().expect("what was asked").push(what.clone());
        match self.does {
            Does::Everything => Ok(Configured { files: vec![fact()], root_hash: Some("c0ffee".into()) }),
            Does::Refuse => {
                let detail = "no volume is called rootfs".into();
                Err(Unconfigured { kind: FailureKind::Configuration, detail })
            }
            Does::Fetch => {
                let mut bytes = Vec::new();
                let arrived = aid.fetch(&what.archives[0]).and_then(|mut file| file.read_to_end(&mut bytes));
                arrived.map_err(|error| Unconfigured { kind: FailureKind::Download, detail: error.to_string() })?;
                assert_eq!(bytes, image());
                Ok(Configured::default())
            }
        }
    }

    fn uptime(&self) -> Duration {
        Duration::ZERO
    }

    fn print(&self, line: &str) {
        self.screen.lock().expect("a screen").push(line.to_owned());
    }

    fn restart(&self) -> io::Result<()> {
        Ok(())
    }

    fn power_off(&self) -> io::Result<()> {
        Ok(())
    }
}

fn image() -> Vec<u8> {
    (0..200_000_u32).map(|at| u8::try_from(at % 251).expect("a byte")).collect()
}

fn job() -> AgentJob {
    let sha256 = Digest::new(Sha256::digest(image()).into());
    let bytes = image().len() as u64;
    AgentJob {
        warnings: Vec::new(),
        version: VERSION,
        profile: "press".into(),
        image: format!("/images/{sha256}/press.raw"),
        format: ImageFormat::Raw,
        bytes,
        sha256,
        disk_bytes: bytes,
        disk_sha256: sha256,
        disk: DiskRule { transport: vec![Transport::File], ..DiskRule::default() },
        after: After::Reboot,
        next_report: 0,
    }
}

fn asked() -> Configuration {
    let file = PlacedFile {
        volume: VolumeName("rootfs".into()),
        path: "/etc/shadow".into(),
        mode: 0o600,
        owner: "root".into(),
        content: "secret".into(),
    };
    Configuration { files: vec![file], ..Configuration::default() }
}

fn fact() -> FileFact {
    let sha256 = Digest::new(Sha256::digest("secret").into());
    FileFact {
        volume: VolumeName("rootfs".into()),
        path: "/etc/shadow".into(),
        mode: 0o600,
        owner: "root".into(),
        sha256,
    }
}

fn follows(what: &Configuration) -> String {
    serde_json::to_string(&Follows { version: VERSION, configuration: what.clone() }).expect("JSON")
}

fn steps(station: &Station) -> Vec<Step> {
    let started = |report: &Report| match report {
        Report::Started { step, .. } => Some(*step),
        _ => None,
    };
    station.desk().reports.iter().filter_map(started).collect()
}
