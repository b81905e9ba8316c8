//! The station under test: the built program, in its namespace, without a screen.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;

use super::bench::command_in;
use super::{Bench, built};

/// A station that is running, or was killed and may be started again on the same data.
pub(crate) struct Station<'a> {
    bench: &'a Bench,
    home: PathBuf,
    boot_files: PathBuf,
    /// The size of a disk of its own for its data, in the words of mount(8).
    disk: Option<&'static str>,
    /// More options of `oxbow run`.
    options: &'static [&'static str],
    process: Option<Child>,
}

/// A node as `GET /api/v1/nodes` shows it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Node {
    pub(crate) id: serde_json::Value,
    #[serde(default)]
    pub(crate) mac: Option<String>,
    #[serde(default)]
    pub(crate) serial: Option<String>,
    #[serde(default)]
    pub(crate) profile: Option<String>,
    pub(crate) phase: String,
    #[serde(default)]
    pub(crate) percent: Option<f64>,
    #[serde(default)]
    pub(crate) retries: Option<u32>,
    #[serde(default)]
    pub(crate) stage: Option<String>,
    #[serde(default)]
    pub(crate) reason: Option<String>,
    #[serde(default)]
    pub(crate) runs: usize,
    #[serde(default)]
    pub(crate) address: Option<String>,
}

impl<'a> Station<'a> {
    /// Starts a station that installs this image on every machine.
    pub(crate) fn start(bench: &'a Bench, image: &Path) -> Self {
        Self::start_with(bench, image, built("boot-files"))
    }

    /// The same, with more options of `oxbow run`.
    pub(crate) fn start_as(bench: &'a Bench, image: &Path, options: &'static [&'static str]) -> Self {
        Self::start_by(bench, image, built("boot-files"), "", options)
    }

    /// The same with these boot files.
    pub(crate) fn start_with(bench: &'a Bench, image: &Path, boot_files: PathBuf) -> Self {
        Self::start_on(bench, image, boot_files, None)
    }

    /// The same with its data on a disk of this size, which goes with its process.
    pub(crate) fn start_on(bench: &'a Bench, image: &Path, boot_files: PathBuf, disk: Option<&'static str>) -> Self {
        Self::start_so(bench, image, boot_files, disk, "", &[])
    }

    /// The same with more lines in the profile and more options of `oxbow run`.
    pub(crate) fn start_by(
        bench: &'a Bench,
        image: &Path,
        boot_files: PathBuf,
        profile: &str,
        options: &'static [&'static str],
    ) -> Self {
        Self::start_so(bench, image, boot_files, None, profile, options)
    }

    fn start_so(
        bench: &'a Bench,
        image: &Path,
        boot_files: PathBuf,
        disk: Option<&'static str>,
        profile: &str,
        options: &'static [&'static str],
    ) -> Self {
        let home = bench.scratch().join("station");
        for part in ["data", "profiles", "images"] {
            fs::create_dir_all(home.join(part)).unwrap_or_else(|err| panic!("{}: {err}", home.display()));
        }
        let name = image.file_name().and_then(|name| name.to_str()).expect("the image has a name");
        let common = "schema = 1\ntitle = \"test OS\"";
        let args = if profile.contains("kernel_args") { "" } else { KERNEL_ARGS };
        let profile = format!("{common}\n{args}\nimage = \"{name}\"\n{profile}");
        let placed = fs::write(home.join("profiles/test.toml"), profile)
            .and_then(|()| fs::copy(image, home.join("images").join(name)));
        placed.unwrap_or_else(|err| panic!("{}: {err}", image.display()));
        let mut station = Self { bench, home, boot_files, disk, options, process: None };
        station.restart();
        station
    }

    /// Starts it (again) and waits until it answers.
    pub(crate) fn restart(&mut self) {
        self.kill9();
        let path = self.bench.evidence().join("station.log");
        let log = OpenOptions::new().create(true).append(true).open(&path);
        let log = log.unwrap_or_else(|err| panic!("{}: {err}", path.display()));
        let mut oxbow = match self.disk {
            None => command_in(&self.bench.station(), env!("CARGO_BIN_EXE_oxbow")),
            Some(size) => {
                let mut mounted = command_in(&self.bench.station(), "sh");
                mounted.args(["-c", "mount -t tmpfs -o size=$0 oxbow \"$1\" && shift && exec \"$@\"", size]);
                mounted.arg(self.home.join("data")).arg(env!("CARGO_BIN_EXE_oxbow"));
                mounted
            }
        };
        oxbow
            .args(["run", "--headless", "--interface", Bench::INTERFACE, "--default-profile", "test"])
            .arg("--data")
            .arg(self.home.join("data"))
            .arg("--profiles")
            .arg(self.home.join("profiles"))
            .arg("--images")
            .arg(self.home.join("images"))
            .arg("--boot-files")
            .arg(&self.boot_files)
            .args(self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.process = Some(oxbow.spawn().expect("`ip` starts"));

        let deadline = Instant::now() + STARTS_WITHIN;
        while let Err(err) = self.ask_nodes() {
            let ended = self.process.as_mut().and_then(|process| process.try_wait().ok().flatten());
            let late = Instant::now() > deadline;
            assert!(ended.is_none() && !late, "the station does not answer ({err}, {ended:?}): see {}", path.display());
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// The station's data as its own process sees them.
    pub(crate) fn data(&self) -> PathBuf {
        let pid = self.process.as_ref().expect("a station that runs").id();
        let within = self.home.join("data");
        Path::new("/proc").join(pid.to_string()).join("root").join(within.strip_prefix("/").unwrap_or(&within))
    }

    /// The same by their own path, for SQLite: it resolves the way through `/proc`, which in a chroot leads nowhere.
    pub(crate) fn data_by_path(&self) -> PathBuf {
        self.home.join("data")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().expect("a station that runs").id()
    }

    /// As a power cut would end it.
    pub(crate) fn kill9(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().ok();
            process.wait().ok();
        }
    }

    /// Loses what it remembered, as a new station has nothing to remember; it keeps its copies of images.
    pub(crate) fn forget_everything(&self) {
        for file in ["oxbow.db", "oxbow.db-wal", "oxbow.db-shm"] {
            fs::remove_file(self.home.join("data").join(file)).ok();
        }
    }

    /// Asks it to end and waits until it has.
    pub(crate) fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let pid = Pid::from_raw(i32::try_from(process.id()).expect("a process number"));
        kill(pid, Signal::SIGTERM).expect("it can be told");
        let deadline = Instant::now() + ENDS_WITHIN;
        while let Ok(None) = process.try_wait() {
            if Instant::now() > deadline {
                process.kill().ok();
                process.wait().ok();
                panic!("the station did not end within {ENDS_WITHIN:?} of SIGTERM");
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn nodes(&self) -> Vec<Node> {
        self.ask_nodes().unwrap_or_else(|err| panic!("GET /api/v1/nodes: {err}"))
    }

    /// The node with this MAC address, if it has been seen.
    pub(crate) fn node(&self, mac: &str) -> Option<Node> {
        self.nodes().into_iter().find(|node| node.mac.as_deref().is_some_and(|its| its.eq_ignore_ascii_case(mac)))
    }

    /// Waits until the node is as wanted; the error says how it was last.
    pub(crate) fn wait_node(&self, mac: &str, limit: Duration, wanted: impl Fn(&Node) -> bool) -> Result<Node, String> {
        let deadline = Instant::now() + limit;
        loop {
            match self.node(mac) {
                Some(node) if wanted(&node) => return Ok(node),
                last if Instant::now() > deadline => return Err(format!("after {limit:?} the node is {last:?}")),
                _ => thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    /// What is at `path`.
    pub(crate) fn get(&self, path: &str) -> String {
        self.ask(path).unwrap_or_else(|err| panic!("GET {path}: {err}"))
    }

    fn ask_nodes(&self) -> Result<Vec<Node>, String> {
        let text = self.ask("/api/v1/nodes")?;
        serde_json::from_str(&text).map_err(|err| format!("{err}: {text}"))
    }

    fn ask(&self, path: &str) -> Result<String, String> {
        let named = self.options.iter().position(|option| *option == "--http-port");
        let port = named.and_then(|at| self.options.get(at + 1)).unwrap_or(&"80");
        let url = format!("http://{}:{port}{path}", Bench::STATION);
        self.bench.beside_station(|| {
            let config = ureq::Agent::config_builder().timeout_global(Some(ANSWERS_WITHIN)).build();
            let mut answer = ureq::Agent::from(config).get(&url).call().map_err(|err| err.to_string())?;
            answer.body_mut().read_to_string().map_err(|err| err.to_string())
        })
    }
}

impl Drop for Station<'_> {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// An emulator that gets little time is found to have no timer, and the kernel gives up. And its NVMe disks now and then
/// lose what they were told: the kernel finds out when its patience ends, for which 30 s each time are too long here, and
/// says so as a warning.
const KERNEL_ARGS: &str = r#"kernel_args = ["no_timer_check", "nvme_core.io_timeout=8", "loglevel=5"]"#;
const STARTS_WITHIN: Duration = Duration::from_secs(30);
const ENDS_WITHIN: Duration = Duration::from_secs(10);
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
