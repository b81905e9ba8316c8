//! Machines that are not what their profile expects, and disks that wait for a person's yes: simulated machines on the
//! real station. Nothing is written before it may be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::lab::{self, Bench, Simulated, Station};

#[test]
fn a_machine_that_is_not_as_expected_waits_untouched_until_its_profile_is_corrected_or_it_is_let_pass() {
    let bench = Bench::new("a_machine_that_is_not_as_expected_waits_untouched");
    let site = Site::start(&bench, "[expect]\nmin_memory = \"16 GiB\"\nmin_threads = 2\n");
    let mut machines = Simulated::with_marks(&bench, &["serial=SN-1", "serial=SN-2"], &site.disks(), LIMIT);
    site.until("both wait", |nodes| nodes.iter().filter(|node| node.phase == "held").count() == 2);
    let reasons: Vec<_> = site.station.nodes().into_iter().filter_map(|node| node.reason).collect();
    let differs = "it is not what profile test expects: it has 8 GiB of memory, expected at least 16 GiB";
    assert_eq!(reasons, [differs, differs]);
    let shown = site.does(&["nodes", "show", "SN-2"]);
    for words in
        ["asks       it is not what", "processor  Simulated processor, 4 threads", "memory     8 GiB", "BIOS", "card"]
    {
        assert!(shown.contains(words), "{words:?} in {shown}");
    }
    assert!(!site.is_written("SN-1") && !site.is_written("SN-2"));

    let (well, said) = site.oxbow(&["nodes", "approve", "SN-1"]);
    let seen = site.mark("SN-1");
    assert!(!well && said.contains(differs) && said.contains(&format!("--asked {seen}")), "{said}");
    site.demand("[expect]\nmin_memory = \"32 GiB\"\n");
    site.until("it differs in something else", |nodes| reason(nodes, "SN-1").contains("at least 32 GiB"));
    let (well, said) = site.oxbow(&["nodes", "approve", "SN-1", "--asked", &seen]);
    assert!(!well && said.contains("SN-1 asks for something else by now: it is not what"), "{said}");
    assert_eq!(phase(&site.station.nodes(), "SN-1"), "held");
    let said = site.says_yes("SN-1");
    assert!(said.contains("SN-1: yes to: it is not what profile test expects"), "{said}");
    site.until("who was let pass goes on", |nodes| phase(nodes, "SN-1") == "provisioned");
    assert!(!site.is_written("SN-2") && phase(&site.station.nodes(), "SN-2") == "held");
    site.demand("[expect]\nmin_memory = \"8 GiB\"\n");
    machines.wait(LIMIT).unwrap_or_else(|seen| panic!("{seen}"));
    let shown = site.does(&["nodes", "show", "SN-1"]);
    assert!(shown.contains("let pass by anna at the command line for this run"), "{shown}");
}

#[test]
fn a_disk_is_written_after_a_persons_yes_even_over_a_restart_and_one_that_may_not_start_is_warned_of() {
    let bench = Bench::new("a_disk_is_written_after_a_persons_yes");
    let mut site = Site::start(&bench, "approve = true\n[disk]\nboots_from = [\"nvme\"]\n");
    let mut machines = Simulated::with_marks(&bench, &["serial=SN-1", "serial=SN-2"], &site.disks(), LIMIT);
    site.until("both wait", |nodes| nodes.iter().filter(|node| node.phase == "held").count() == 2);
    let reason = site.station.nodes().into_iter().find_map(|node| node.reason).unwrap_or_default();
    assert!(reason.starts_with("would write usual.raw to ") && reason.ends_with(": approve?"), "{reason}");
    assert!(reason.contains("(file, 64.0 GB, simulated disk, serial SN-"), "{reason}");
    let mark = site.mark("SN-1");
    let (well, said) = site.oxbow(&["nodes", "approve", "SN-1", "--profile", "test", "--asked", &mark]);
    assert!(!well && said.contains("hint: give it the other profile first"), "{said}");

    site.says_yes("SN-1");
    site.until("who was approved goes on", |nodes| phase(nodes, "SN-1") == "provisioned");
    assert!(site.is_written("SN-1") && !site.is_written("SN-2"));
    site.station.restart();
    assert_eq!(phase(&site.station.nodes(), "SN-2"), "held");
    site.says_yes("SN-2");
    machines.wait(LIMIT).unwrap_or_else(|seen| panic!("{seen}"));

    let shown = site.does(&["nodes", "show", "SN-2"]);
    assert!(
        shown.contains("approved by anna at the command line for this run: usual.raw may be written to"),
        "{shown}"
    );
    let warning = "is attached by file, and the system starts from nvme disks only";
    assert!(shown.matches(warning).count() >= 2, "beside the facts and in the log: {shown}");
}

fn phase(nodes: &[lab::Node], serial: &str) -> String {
    let node = nodes.iter().find(|node| node.serial.as_deref() == Some(serial));
    node.map(|node| node.phase.clone()).unwrap_or_default()
}

fn reason(nodes: &[lab::Node], serial: &str) -> String {
    let node = nodes.iter().find(|node| node.serial.as_deref() == Some(serial));
    node.and_then(|node| node.reason.clone()).unwrap_or_default()
}

/// A station and what stands around it.
struct Site<'b> {
    bench: &'b Bench,
    station: Station<'b>,
}

impl<'b> Site<'b> {
    /// Its only profile says this, too.
    fn start(bench: &'b Bench, profile: &str) -> Self {
        let image = bench.scratch().join("usual.raw");
        fs::write(&image, vec![b'u'; 64 * 1024]).expect("an image");
        Self { bench, station: Station::start_by(bench, &image, boot_files(bench), profile, &[]) }
    }

    /// Somebody corrects the profile.
    fn demand(&self, profile: &str) {
        let place = self.bench.scratch().join("station/profiles/test.toml");
        fs::write(place, format!("schema = 1\nimage = \"usual.raw\"\n{profile}")).expect("a profile");
    }

    fn disks(&self) -> PathBuf {
        self.bench.scratch().join("disks")
    }

    /// Whether its disk was ever opened to be written.
    fn is_written(&self, serial: &str) -> bool {
        let disks = fs::read_dir(self.disks()).into_iter().flatten().flatten();
        disks.map(|disk| disk.file_name()).any(|name| name.to_string_lossy().starts_with(serial))
    }

    fn oxbow(&self, arguments: &[&str]) -> (bool, String) {
        let mut oxbow = Command::new(env!("CARGO_BIN_EXE_oxbow"));
        oxbow.args(arguments).env("OXBOW_DATA", self.bench.scratch().join("station/data"));
        oxbow.env("OXBOW_CONFIG", Path::new("/dev/null")).env("SUDO_USER", "anna");
        let output = oxbow.stdin(Stdio::null()).output().expect("oxbow starts");
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    #[track_caller]
    fn does(&self, arguments: &[&str]) -> String {
        let (well, said) = self.oxbow(arguments);
        assert!(well, "{arguments:?}: {said}");
        said
    }

    /// The mark of what this node asks, as it is printed for people.
    fn mark(&self, node: &str) -> String {
        let shown = self.does(&["nodes", "show", node]);
        let at = shown.find("--asked ").unwrap_or_else(|| panic!("it asks nothing: {shown}")) + 8;
        shown[at..].chars().take_while(char::is_ascii_hexdigit).collect()
    }

    fn says_yes(&self, node: &str) -> String {
        self.does(&["nodes", "approve", node, "--asked", &self.mark(node)])
    }

    #[track_caller]
    fn until(&self, what: &str, there: impl Fn(&[lab::Node]) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !there(&self.station.nodes()) {
            assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}; {:?}", self.station.nodes());
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Simulated machines load their boot files and do not look into them.
fn boot_files(bench: &Bench) -> PathBuf {
    let path = bench.scratch().join("boot-files");
    fs::create_dir(&path).expect("a directory");
    for name in ["undionly.kpxe", "snponly.efi", "vmlinuz", "initramfs.img"] {
        fs::write(path.join(name), vec![7; 100_000]).expect("a file");
    }
    path
}

/// For everything, on two cores that tests share.
const LIMIT: Duration = Duration::from_secs(120);
