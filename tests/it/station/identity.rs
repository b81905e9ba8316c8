//! Who is who, with simulated machines on the real station: matched by what they were registered with, each gets its own
//! image; who cannot be told apart waits for a person.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::lab::{self, Bench, Simulated, Station};

const UUID: &str = "4c4c4544-0042-4a10-8052-b7c04f4d34";
/// What a UUID that ends in 03 is in the other byte order.
const SWAPPED: &str = "44454c4c-4200-104a-8052-b7c04f4d3403";

#[test]
fn each_machine_gets_the_image_that_its_serial_uuid_or_mac_address_was_given() {
    let bench = Bench::new("each_machine_gets_the_image_that_its_serial_uuid_or_mac_address_was_given");
    let site = Site::start(&bench, &[]);
    site.does(&["nodes", "register", "--serial", "SN-1", "--profile", "other"]);
    site.does(&["nodes", "register", "--uuid", &format!("{UUID}02"), "--profile", "other"]);
    site.does(&["nodes", "register", "--uuid", SWAPPED, "--profile", "other"]);
    site.does(&["nodes", "register", "--mac", "52:54:00:5b:aa:04", "--profile", "other"]);
    let uuids = ["02", "03"].map(|end| format!("uuid={UUID}{end}"));
    let marks = ["serial=SN-1", &uuids[0], &uuids[1], "mac=52:54:00:5b:aa:04", "serial=SN-5"];
    let junk = ["serial=Default string", "serial=Default string"];
    let marks = [&marks[..], &junk].concat();
    let mut machines = Simulated::with_marks(&bench, &marks, &site.disks(), LIMIT);
    machines.wait(LIMIT).unwrap_or_else(|seen| panic!("{seen}"));
    site.until("all are provisioned", |nodes| nodes.iter().filter(|node| node.phase == "provisioned").count() == 7);

    let nodes = site.station.nodes();
    assert_eq!(nodes.len(), 7, "one machine, one node: {nodes:?}");
    let given = |profile: Option<&str>| nodes.iter().filter(|node| node.profile.as_deref() == profile).count();
    assert_eq!((given(Some("other")), given(None)), (4, 3), "{nodes:?}");
    assert_eq!(nodes.iter().filter(|node| node.serial.is_none()).count(), 2, "what nobody filled in is no serial");
    let other = (1..).zip(&marks).filter(|(number, _)| *number <= 4);
    for (number, marks) in other {
        assert_eq!(site.disk(number, marks), OTHER, "{marks}");
    }
    assert_eq!(site.disk(5, "serial=SN-5"), USUAL, "nobody registered it");
}

#[test]
fn a_machine_waits_for_approval_and_goes_on_by_itself() {
    let bench = Bench::new("a_machine_waits_for_approval_and_goes_on_by_itself");
    let site = Site::start(&bench, &["--policy", "hold"]);
    site.does(&["nodes", "register", "--serial", "SN-3"]);
    let marks = ["serial=SN-1", "serial=SN-2", "serial=SN-3", "serial=SN-4"];
    let mut machines = Simulated::with_marks(&bench, &marks, &site.disks(), LIMIT);
    site.until("three wait", |nodes| nodes.iter().filter(|node| node.phase == "held").count() == 3);
    let said = site.does(&["nodes", "approve", "SN-1", "--profile", "other"]);
    assert!(said.contains("SN-1 is approved"), "{said}");
    site.until("who is registered or approved goes on", |nodes| {
        let done = |serial: &str| {
            nodes.iter().any(|node| node.serial.as_deref() == Some(serial) && node.phase == "provisioned")
        };
        done("SN-1") && done("SN-3")
    });
    let said = site.does(&["nodes", "approve", "--all"]);
    assert!(said.contains("approved 2 machines"), "{said}");
    machines.wait(LIMIT).unwrap_or_else(|seen| panic!("{seen}"));
    assert_eq!((site.disk(1, marks[0]), site.disk(2, marks[1])), (OTHER, USUAL));
}

#[test]
fn two_machines_with_one_uuid_are_told_apart_by_a_word_and_go_on_by_themselves() {
    let bench = Bench::new("two_machines_with_one_uuid_are_told_apart_by_a_word");
    let site = Site::start(&bench, &[]);
    let marks = ["SN-1", "SN-2"].map(|serial| format!("serial={serial},uuid={UUID}01"));
    let marks = marks.each_ref().map(String::as_str);
    let mut machines = Simulated::with_marks(&bench, &marks, &site.disks(), LIMIT);
    // Which of the two comes first is nobody's business: it is installed, and the other waits.
    let deadline = Instant::now() + LIMIT;
    let mut said = String::new();
    while !["SN-1", "SN-2"].iter().any(|serial| {
        let (well, words) = site.oxbow(&["nodes", "resolve", serial, "tell-apart"]);
        said = words;
        well
    }) {
        assert!(Instant::now() < deadline, "nobody was in conflict: {said} {:?}", site.station.nodes());
        thread::sleep(Duration::from_millis(200));
    }
    assert!(said.contains("is resolved"), "{said}");
    machines.wait(LIMIT).unwrap_or_else(|seen| panic!("{seen}"));
    site.until("both are nodes of their own", |nodes| {
        nodes.iter().filter(|node| node.phase == "provisioned").count() == 2 && nodes.len() == 2
    });
}

/// A station with two profiles, each with an image of its own.
struct Site<'b> {
    bench: &'b Bench,
    station: Station<'b>,
}

impl<'b> Site<'b> {
    fn start(bench: &'b Bench, options: &'static [&'static str]) -> Self {
        let image = bench.scratch().join("usual.raw");
        fs::write(&image, USUAL).expect("an image");
        let station = Station::start_by(bench, &image, boot_files(bench), "", options);
        let home = bench.scratch().join("station");
        fs::write(home.join("images/other.raw"), OTHER).expect("an image");
        fs::write(home.join("profiles/other.toml"), "schema = 1\nimage = \"other.raw\"\n").expect("a profile");
        let site = Self { bench, station };
        let deadline = Instant::now() + LIMIT;
        while !site.oxbow(&["nodes", "register", "--serial", "PROBE", "--profile", "other"]).0 {
            assert!(Instant::now() < deadline, "the second profile was not read");
            thread::sleep(Duration::from_millis(100));
        }
        site.does(&["nodes", "forget", "PROBE"]);
        site
    }

    fn disks(&self) -> PathBuf {
        self.bench.scratch().join("disks")
    }

    /// What a machine's disk begins with.
    fn disk(&self, number: usize, marks: &str) -> &'static [u8] {
        let mark = |key: &str| marks.split(',').find_map(|mark| mark.strip_prefix(key)).map(str::to_owned);
        let serial = mark("serial=").unwrap_or(format!("SIM-{number:04}"));
        let file = fs::read_dir(self.disks()).expect("the disks").flatten().map(|entry| entry.path());
        let is_its = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&serial));
        let mut disk = Vec::new();
        let file = fs::File::open(file.into_iter().find(is_its).expect("its disk")).expect("readable");
        file.take(OTHER.len() as u64).read_to_end(&mut disk).expect("readable");
        [USUAL, OTHER].into_iter().find(|image| disk.starts_with(image)).expect("one of the images")
    }

    fn oxbow(&self, arguments: &[&str]) -> (bool, String) {
        let mut oxbow = Command::new(env!("CARGO_BIN_EXE_oxbow"));
        oxbow.args(arguments).env("OXBOW_DATA", self.bench.scratch().join("station/data"));
        oxbow.env("OXBOW_CONFIG", Path::new("/dev/null"));
        let output = oxbow.stdin(Stdio::null()).output().expect("oxbow starts");
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    #[track_caller]
    fn does(&self, arguments: &[&str]) -> String {
        let (well, said) = self.oxbow(arguments);
        assert!(well, "{arguments:?}: {said}");
        said
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

const USUAL: &[u8] = &[b'u'; 64 * 1024];
const OTHER: &[u8] = &[b'o'; 96 * 1024];
/// For everything, on two cores that tests share.
const LIMIT: Duration = Duration::from_secs(120);
