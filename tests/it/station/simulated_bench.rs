//! A bench of simulated machines and the built station, from power-on to `provisioned`, whatever happens to the station.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::lab::{self, Bench, Simulated, Station, Traffic};

#[test]
fn a_bench_of_simulated_machines_provisions_itself() {
    let bench = Bench::new("a_bench_of_simulated_machines_provisions_itself");
    let station = Station::start_with(&bench, &image(&bench), bench.simulated_boot_files());
    let mut machines = Simulated::power_on(&bench, 16, 8_000_000, LIMIT);
    machines.wait(LIMIT).unwrap_or_else(|seen| panic!("{seen}"));
    all_provisioned(&station, 16);
}

#[test]
fn a_bench_that_requires_https_provisions_itself_by_nothing_else() {
    let bench = Bench::new("a_bench_that_requires_https_provisions_itself_by_nothing_else");
    let image = image(&bench);
    let station = Station::start_by(&bench, &image, bench.simulated_boot_files(), "", &["--require-https"]);
    let traffic = Traffic::count(&bench);
    let mut machines = Simulated::power_on(&bench, 4, 8_000_000, LIMIT);
    machines.wait(LIMIT).unwrap_or_else(|seen| panic!("{seen}"));
    all_provisioned(&station, 4);
    let (clear, secret) = (traffic.sent_from(80), traffic.sent_from(443));
    let image = fs::metadata(image).expect("an image").len();
    assert!(secret > 4 * image, "{secret} bytes by HTTPS, four images of {image} were needed");
    assert!(clear < 64 * 1024, "{clear} bytes went in the clear: more than certificates");
}

#[test]
fn whether_it_is_killed_or_told_to_stop_a_station_that_comes_back_finishes_its_machines() {
    let bench = Bench::new("whether_it_is_killed_or_told_to_stop_a_station_that_comes_back_finishes_its_machines");
    let mut station = Station::start_with(&bench, &image(&bench), bench.simulated_boot_files());
    let mut machines = Simulated::power_on(&bench, 8, 1_000_000, LIMIT);
    until(&station, "four write", |station| in_phase(station, "writing") >= 4);
    let wrote = serials_in(&station, "writing");
    station.kill9();
    thread::sleep(Duration::from_secs(1));
    station.restart();
    until(&station, "one verifies", |station| in_phase(station, "verifying") >= 1);

    let told = Instant::now();
    station.stop();
    assert!(told.elapsed() < Duration::from_secs(5), "it took {:?} to stop", told.elapsed());
    station.restart();
    machines.wait(LIMIT).unwrap_or_else(|seen| panic!("{seen}"));
    all_provisioned(&station, 8);
    // Who was still loading may have restarted meanwhile, as firmware does.
    let mut nodes = station.nodes().into_iter().filter(|node| wrote.contains(&node.serial));
    assert!(nodes.all(|node| node.runs == 1), "no machine that wrote began again: {:?}", station.nodes());
}

#[test]
fn a_station_that_has_lost_its_memory_hears_everything_again() {
    let bench = Bench::new("a_station_that_has_lost_its_memory_hears_everything_again");
    let mut station = Station::start_with(&bench, &image(&bench), bench.simulated_boot_files());
    let mut machines = Simulated::power_on(&bench, 4, 500_000, LIMIT);
    until(&station, "all write", |station| in_phase(station, "writing") == 4);
    station.kill9();
    station.forget_everything();
    station.restart();
    machines.wait(LIMIT).unwrap_or_else(|seen| panic!("{seen}"));
    all_provisioned(&station, 4);
    assert!(station.nodes().iter().all(|node| node.runs == 1), "no machine began again: {:?}", station.nodes());
}

#[test]
fn machines_behind_a_relay_agent_provision_themselves() {
    let bench = Bench::new("machines_behind_a_relay_agent_provision_themselves");
    let pool = &["--relay-pool", "10.80.0.1/24=10.80.0.100-10.80.0.120"];
    let station = Station::start_by(&bench, &image(&bench), bench.simulated_boot_files(), "", pool);
    let (port, _relay) = bench.network_behind_a_relay();
    let mut behind = Simulated::power_on_at(&bench, port, 3, 8_000_000, LIMIT);
    behind.wait(LIMIT).unwrap_or_else(|seen| panic!("{seen}"));
    all_provisioned(&station, 3);
    let addresses: Vec<_> = station.nodes().into_iter().filter_map(|node| node.address).collect();
    assert!(addresses.iter().all(|address| address.starts_with("10.80.0.1")), "{addresses:?}");
}

#[test]
fn machines_that_boot_the_shipped_debian_installer_end_as_installed_and_go_to_their_own_disks() {
    let bench = Bench::new("machines_that_boot_the_shipped_debian_installer_end_as_installed");
    let mut station = Station::start_with(&bench, &image(&bench), bench.simulated_boot_files());
    station.stop();
    let (home, shipped) = (bench.scratch().join("station"), Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles"));
    let place = |from: &str, to: &str| {
        fs::copy(shipped.join(from), home.join("profiles").join(to)).unwrap_or_else(|err| panic!("{from}: {err}"));
    };
    fs::create_dir_all(home.join("profiles/debian-installer")).expect("a directory");
    place("debian-installer.toml", "test.toml");
    place("debian-installer/preseed.cfg", "debian-installer/preseed.cfg");
    for name in ["debian-linux", "debian-initrd.gz"] {
        fs::write(home.join("images").join(name), vec![7; 200_000]).expect("a file");
    }
    station.restart();
    let mut machines = Simulated::power_on(&bench, 4, 8_000_000, LIMIT);
    until(&station, "all install", |station| in_phase(station, "installing") + in_phase(station, "installed") == 4);
    machines.wait(LIMIT).unwrap_or_else(|seen| panic!("{seen}"));
    until(&station, "all are installed", |station| in_phase(station, "installed") == 4);
    let nodes = station.nodes();
    assert!(nodes.iter().all(|node| node.runs == 1), "none was installed twice: {nodes:?}");
    let says =
        |node: &lab::Node| node.reason.as_deref().is_some_and(|reason| reason.contains("nobody has read the disk"));
    assert!(nodes.len() == 4 && nodes.iter().all(says), "{nodes:?}");
}

#[test]
fn machines_whose_profile_says_so_switch_themselves_off_once_their_disks_are_proven() {
    let bench = Bench::new("machines_whose_profile_says_so_switch_themselves_off");
    let station = Station::start_by(&bench, &image(&bench), bench.simulated_boot_files(), "after = \"power-off\"", &[]);
    let mut machines = Simulated::power_on(&bench, 2, 8_000_000, LIMIT);
    machines.wait(LIMIT).unwrap_or_else(|seen| panic!("{seen}"));
    all_provisioned(&station, 2);
    let said = fs::read_to_string(bench.evidence().join("sim.log")).expect("what they said");
    assert_eq!(said.matches("provisioned, and switched off").count(), 2, "{said}");
}

#[test]
fn machines_are_provisioned_once_their_own_systems_have_called_and_one_that_lies_of_its_files_is_not() {
    let bench = Bench::new("machines_are_provisioned_once_their_own_systems_have_called");
    let profile = "[first_boot]\nwithin_minutes = 5\n[[file]]\npath = \"/etc/motd\"\ncontent = \"{{ node.serial }}\"\n";
    let mut station = Station::start_by(&bench, &image(&bench), bench.simulated_boot_files(), profile, &[]);
    let mut machines = Simulated::power_on_as(&bench, bench.port(), 4, 4_000_000, LIMIT, &["--liar", "2"]);
    until(&station, "one writes", |station| in_phase(station, "writing") >= 1);
    station.kill9();
    station.restart();
    let ended = |station: &Station<'_>| (in_phase(station, "provisioned"), in_phase(station, "failed")) == (3, 1);
    until(&station, "three are provisioned, one has failed", ended);
    let nodes = station.nodes();
    let liar = nodes.iter().find(|node| node.phase == "failed").unwrap_or_else(|| panic!("{nodes:?}"));
    assert_eq!(liar.serial.as_deref(), Some("SIM-0002"));
    assert!(liar.reason.as_deref().is_some_and(|reason| reason.contains("does not read back")), "{liar:?}");
    let heard = |node: &lab::Node| {
        let serial = node.serial.clone().unwrap_or_default();
        let logs = fs::read_to_string(bench.evidence().join("station.log")).unwrap_or_default();
        logs.lines().any(|line| line.contains(&serial) && line.contains("and its own system has called"))
    };
    assert_eq!(nodes.iter().filter(|node| heard(node)).count(), 3, "{nodes:?}");
    assert!(machines.wait(Duration::from_secs(1)).is_err(), "the liar waits for somebody");
}

fn all_provisioned(station: &Station<'_>, machines: usize) {
    until(station, "all are provisioned", |station| in_phase(station, "provisioned") == machines);
    assert_eq!(station.nodes().len(), machines, "one machine, one node: {:?}", station.nodes());
}

fn serials_in(station: &Station<'_>, phase: &str) -> Vec<Option<String>> {
    station.nodes().into_iter().filter(|node| node.phase == phase).map(|node| node.serial).collect()
}

fn in_phase(station: &Station<'_>, phase: &str) -> usize {
    station.nodes().iter().filter(|node| node.phase == phase).count()
}

#[track_caller]
fn until(station: &Station<'_>, what: &str, there: impl Fn(&Station<'_>) -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !there(station) {
        assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}; {:?}", station.nodes());
        thread::sleep(Duration::from_millis(100));
    }
}

/// As real images are: a part that does not compress, and a lot of nothing.
fn image(bench: &Bench) -> PathBuf {
    let path = bench.scratch().join("os.raw.gz");
    let mut content = vec![0; 4 << 20];
    getrandom::fill(&mut content[..2 << 20]).expect("random numbers");
    let file = fs::File::create(&path).expect("a file");
    let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    packed.write_all(&content).and_then(|()| packed.finish()).expect("an image");
    path
}

/// For everything, on two cores that tests share.
const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn a_closed_batch_leaves_tables_a_page_and_certificates_that_verify_elsewhere() {
    let bench = Bench::new("a_closed_batch_leaves_tables_a_page_and_certificates_that_verify_elsewhere");
    let station = Station::start_with(&bench, &image(&bench), bench.simulated_boot_files());
    let oxbow = |words: &[&str]| {
        let mut oxbow = Command::new(env!("CARGO_BIN_EXE_oxbow"));
        oxbow.args(words).env("OXBOW_DATA", station.data());
        let output = oxbow.output().expect("oxbow starts");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code(), said)
    };
    let does = |words: &[&str], wanted: &str| {
        let (code, said) = oxbow(words);
        assert!(code == Some(0) && said.contains(wanted), "{words:?}: {code:?} {said}");
    };
    does(&["batch", "open", "line 2", "--work-order", "4711", "--operator", "Kim"], "is open");
    does(&["nodes", "register", "--serial", "NEVERSEEN1"], "NEVERSEEN1");
    let mut machines = Simulated::power_on(&bench, 3, 8_000_000, LIMIT);
    machines.wait(LIMIT).unwrap_or_else(|seen| panic!("{seen}"));
    all_provisioned_beside(&station, 3);
    does(
        &["batch", "close"],
        "1 expected, 3 seen, 3 done, 0 failed, 0 unfinished, 1 missing, 3 unexpected, 0 duplicates",
    );
    let proof = bench.evidence().join("proof");
    let _of_an_earlier_run = fs::remove_dir_all(&proof);
    let path = |name: &str| proof.join(name).to_str().expect("a path").to_owned();
    does(&["report", &path("")], "4 machines, certificates: 3");
    let table = fs::read_to_string(path("batch-1.csv")).expect("a table");
    assert_eq!((table.lines().count(), table.matches(",provisioned,").count()), (5, 3), "{table}");
    assert!(fs::read_to_string(path("batch-1.html")).expect("a page").contains("<b>3</b>done"));
    let page: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(path("batch-1.json")).expect("a file")).expect("JSON");
    assert_eq!(page["batch"]["operator"], "Kim");

    let certificates: Vec<String> = fs::read_dir(path("certificates"))
        .expect("certificates")
        .map(|entry| entry.expect("a file").path().to_str().expect("a path").to_owned())
        .collect();
    assert_eq!(certificates.len(), 3);
    let key = path("public.pem");
    let all: Vec<&str> = certificates.iter().map(String::as_str).collect();
    let elsewhere = ["verify", "--data", "/nowhere", "--key", &key];
    does(&[&elsewhere[..], &all].concat(), "genuine: ");
    does(&["verify", all[0]], "its disk was read back (oxbow ");
    let text = fs::read_to_string(all[0]).expect("a certificate");
    fs::write(all[0], text.replacen("\"operator\": \"Kim\"", "\"operator\": \"Jim\"", 1)).expect("written");
    let (code, said) = oxbow(&["verify", "--key", &key, all[0]]);
    assert!(code == Some(1) && said.contains("is not genuine: it was altered"), "{code:?} {said}");
}

/// As many are provisioned, whatever else is on the bench.
fn all_provisioned_beside(station: &Station, machines: usize) {
    until(station, "all are provisioned", |station| in_phase(station, "provisioned") == machines);
}
