//! The station's disk is full: machines get their systems all the same, what is not kept is said, and once there is room
//! again everything is as it should be.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::lab::{Bench, Simulated, Station};

#[test]
fn a_full_disk_holds_no_machine_up_and_none_restarts_without_its_proof_being_stored() {
    let bench = Bench::new("a_full_disk_holds_no_machine_up_and_none_restarts_without_its_proof_being_stored");
    let station = Station::start_on(&bench, &image(&bench), bench.simulated_boot_files(), Some("4m"));
    until(&station, "the image is copied", |station| station.data().join("blobs/os.raw.gz.json").is_file());
    assert_eq!(down(&station), [""; 0], "before anything is wrong");
    let filler = station.data().join("filler");
    fill(&filler);

    let mut machines = Simulated::power_on(&bench, 4, 4_000_000, LIMIT);
    until(&station, "all have done their work", |station| in_phase(station, "provisioned") == 4);
    let early = machines.wait(Duration::from_secs(3));
    assert!(early.is_err(), "a machine has restarted");
    let said = || fs::read_to_string(bench.evidence().join("station.log")).unwrap_or_default();
    until(&station, "it says that logs are left out", |_| said().contains("what=\"nodes' logs cannot be written"));
    until(&station, "both are down among the services", |station| down(station) == ["logs", "store"]);
    let store = said().lines().find(|line| line.contains("down service=\"store\"")).map(str::to_owned);
    let store = store.unwrap_or_else(|| panic!("nothing is said of the store: {}", said()));
    assert!(store.contains("what=\"cannot be written: database or disk is full\""), "{store}");
    assert!(store.contains("hint=\"make room on the station's disk"), "{store}");

    // What a person asks for is refused rather than forgotten.
    let (code, refused) = oxbow(&station.data(), &["nodes", "register", "--serial", "NOTKEPT1"]);
    assert!(code == Some(1) && refused.contains("could not be stored: database or disk is full"), "{code:?} {refused}");
    assert_eq!(station.nodes().len(), 4, "it is on the bench although it is refused");

    fs::remove_file(&filler).expect("it was there");
    machines.wait(LIMIT).unwrap_or_else(|seen| panic!("{seen}"));
    assert_eq!((in_phase(&station, "provisioned"), station.nodes().len()), (4, 4), "{:?}", station.nodes());
    let missing = |station: &Station| {
        let logs = fs::read_dir(station.data().join("log/nodes")).expect("the nodes' logs");
        let texts = logs.filter_map(|log| fs::read_to_string(log.ok()?.path()).ok());
        texts.filter(|text| text.contains("missing here: they could not be written")).count()
    };
    until(&station, "each log says what is missing in it, and there is none of what was refused", |station| {
        missing(station) == 4
    });
    let said_of_it = || said().lines().any(|line| line.contains("oxbow::hub: ") && line.contains("node=\"NOTKEPT1\""));
    assert!(!said_of_it(), "what was refused is in the log as if it had happened: {}", said());
    until(&station, "it says how many", |_| said().contains("lines left out for want of room"));
    let of_station = |station: &Station| {
        let logs = fs::read_dir(station.data().join("log")).expect("logs").flatten();
        logs.filter_map(|log| fs::read_to_string(log.path()).ok()).collect::<String>()
    };
    let missing = "lines are missing here: they could not be written";
    until(&station, "the station's own log says so too", |station| of_station(station).contains(missing));
    until(&station, "both are up again", |station| down(station).is_empty());
    let (code, kept) = oxbow(&station.data(), &["nodes", "register", "--serial", "KEPT1"]);
    assert!(code == Some(0), "{code:?} {kept}");
}

#[test]
fn a_station_that_starts_on_a_full_disk_says_so_and_starts_once_there_is_room() {
    let bench = Bench::new("a_station_that_starts_on_a_full_disk_says_so_and_starts_once_there_is_room");
    let (data, boot_files) = (bench.scratch().join("data"), bench.simulated_boot_files());
    fs::create_dir(&data).expect("a directory");
    let script = "mount -t tmpfs -o size=2m oxbow \"$1\" && head -c 4m /dev/zero >\"$1/filler\" 2>/dev/null
        run() { exec timeout --preserve-status 60 \"$2\" run --headless --interface bench0 --data \"$1\" --boot-files \"$3\"; }
        (run \"$1\" \"$2\" \"$3\"); echo \"ended with $?\"; rm \"$1/filler\"
        run \"$1\" \"$2\" \"$3\" & until [ -S \"$1/control.sock\" ] && [ -s \"$1/api-token\" ] || ! kill -0 $!; do sleep 0.1; done
        kill $!; wait $!; echo \"ended with $?\"; wc -c <\"$1/api-token\"";
    let mut station = Command::new("ip");
    station.args(["netns", "exec", &bench.station(), "sh", "-c", script, "sh"]);
    let output = station.arg(&data).arg(env!("CARGO_BIN_EXE_oxbow")).arg(boot_files).output().expect("`ip` starts");
    let said = String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).into_owned();
    assert!(said.contains("oxbow.db: database or disk is full\nhint: check that the data directory"), "{said}");
    assert!(said.contains("ended with 1\n"), "{said}");
    assert!(said.ends_with("ended with 0\n65\n"), "it starts, is told to stop, and has a token: {said}");
}

/// The services that `/metrics` says are down, for whoever watches the station from elsewhere.
fn down(station: &Station) -> Vec<String> {
    let page = station.get("/metrics");
    let down = page.lines().filter_map(|line| line.strip_prefix("oxbow_service_up{service=\"")?.strip_suffix("\"} 0"));
    let mut down: Vec<String> = down.map(str::to_owned).collect();
    down.sort();
    down
}

fn fill(filler: &Path) {
    let mut fill = File::create(filler).expect("a file");
    while fill.write(&[7; 4096]).is_ok() {}
}

fn oxbow(data: &Path, words: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_oxbow")).args(words).env("OXBOW_DATA", data).output();
    let output = output.expect("oxbow starts");
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

fn in_phase(station: &Station, phase: &str) -> usize {
    station.nodes().iter().filter(|node| node.phase == phase).count()
}

#[track_caller]
fn until(station: &Station, what: &str, there: impl Fn(&Station) -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !there(station) {
        assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}; {:?}", station.nodes());
        thread::sleep(Duration::from_millis(100));
    }
}

/// Half of it does not compress.
fn image(bench: &Bench) -> PathBuf {
    let path = bench.scratch().join("os.raw.gz");
    let mut content = vec![0; 4 << 20];
    getrandom::fill(&mut content[..2 << 20]).expect("random numbers");
    let file = File::create(&path).expect("a file");
    let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    packed.write_all(&content).and_then(|()| packed.finish()).expect("an image");
    path
}

/// For everything, on two cores that tests share.
const LIMIT: Duration = Duration::from_secs(120);
