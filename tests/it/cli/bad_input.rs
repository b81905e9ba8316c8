//! Bad input gets one clear sentence with a hint, loses nothing, and does not take the station down.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::lab::Bench;

/// What `oxbow` says when it is started on this bench with these arguments.
fn said(bench: &Bench, arguments: &[&str]) -> (bool, String) {
    let mut inside = Command::new("ip");
    inside.args(["netns", "exec", &bench.station(), "timeout", "20", env!("CARGO_BIN_EXE_oxbow")]).args(arguments);
    let Output { status, stdout, stderr } = inside.output().expect("`ip` starts");
    (status.success(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

/// A data directory with boot files that are there, if empty.
fn data() -> TempDir {
    let data = TempDir::new().expect("a directory");
    for directory in ["profiles", "images", "boot"] {
        fs::create_dir(data.path().join(directory)).expect("a directory");
    }
    for file in ["undionly.kpxe", "snponly.efi", "vmlinuz", "initramfs.img"] {
        fs::write(data.path().join("boot").join(file), b"").expect("a file");
    }
    data
}

fn arguments<'a>(command: &'a str, data: &'a Path, boot: &'a Path) -> Vec<&'a str> {
    let path = |path: &'a Path| path.to_str().expect("a path");
    vec![command, "--interface", Bench::INTERFACE, "--data", path(data), "--boot-files", path(boot)]
}

/// `check` with one thing wrong: it fails, names it, and gives a hint; there is no trace of a fault in oxbow itself.
fn complains(arrange: impl FnOnce(&Path), more: &[&str], words: &[&str]) {
    let bench = Bench::new(&format!("refusals-{}", words[0].replace(|c: char| !c.is_ascii_alphanumeric(), "-")));
    let data = data();
    arrange(data.path());
    let boot = data.path().join("boot");
    let mut all = arguments("check", data.path(), &boot);
    all.extend(more);
    let (well, said) = said(&bench, &all);
    assert!(!well, "it must fail: {said}");
    for word in words.iter().chain(&["hint: "]) {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
    assert!(!said.contains("panicked") && !said.contains("RUST_BACKTRACE"), "{said}");
}

fn profile(data: &Path, name: &str, text: &str) {
    fs::write(data.join("profiles").join(name), text).expect("a file");
}

#[test]
fn an_unknown_interface_is_named_and_the_known_ones_listed() {
    complains(|_| {}, &["--interface", "eth7"], &["there is no network interface \"eth7\"", "there is bench0"]);
}

#[test]
fn the_way_out_of_the_workstation_is_refused() {
    let bench = Bench::new("refusals-default-route");
    let routed = Command::new("ip")
        .args(["-n", &bench.station(), "route", "add", "default", "via", "10.77.0.254"])
        .status()
        .expect("`ip` starts");
    assert!(routed.success());
    let data = data();
    let boot = data.path().join("boot");
    let mut all = arguments("check", data.path(), &boot);
    let (well, text) = said(&bench, &all);
    assert!(!well && text.contains("interface bench0 carries this workstation's default route"), "{text}");
    assert!(text.contains("hint: ") && text.contains("--allow-default-route"), "{text}");
    all.push("--allow-default-route");
    let (well, text) = said(&bench, &all);
    assert!(well, "{text}");
}

#[test]
fn missing_boot_files_are_named() {
    complains(
        |data| fs::remove_file(data.join("boot/vmlinuz")).expect("it was there"),
        &[],
        &["boot files are missing: vmlinuz\n", "make boot-files"],
    );
}

#[test]
fn a_broken_profile_is_shown_with_its_line() {
    complains(
        |data| profile(data, "os.toml", "schema = 1\nimagee = \"x\"\n"),
        &[],
        &["os.toml:2: there is no key \"imagee\""],
    );
}

#[test]
fn a_default_profile_that_is_not_there_is_said() {
    complains(|_| {}, &["--default-profile", "emt-s"], &["there is no usable profile emt-s"]);
}

#[test]
fn an_image_that_is_not_whole_is_said_before_any_machine_boots() {
    complains(
        |data| {
            profile(data, "os.toml", "schema = 1\nimage = \"os.raw.gz\"\n");
            fs::write(data.join("images/os.raw.gz"), [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2]).expect("a file");
        },
        &[],
        &["profile os: it is not whole", "copy the image again"],
    );
}

#[test]
fn an_image_that_is_not_there_is_said() {
    complains(
        |data| profile(data, "os.toml", "schema = 1\nimage = \"os.raw.gz\"\n"),
        &[],
        &["there is no image os.raw.gz in"],
    );
}

#[test]
fn a_bench_that_is_right_is_called_good() {
    let bench = Bench::new("refusals-none");
    let data = data();
    profile(data.path(), "os.toml", "schema = 1\nimage = \"os.raw\"\n");
    fs::write(data.path().join("images/os.raw"), b"an image").expect("a file");
    let boot = data.path().join("boot");
    let mut all = arguments("check", data.path(), &boot);
    all.extend(["--default-profile", "os"]);
    let (well, said) = said(&bench, &all);
    assert!(well, "{said}");
    assert!(said.contains("machines get 10.77.0.100–250"), "{said}");
}

#[test]
fn a_port_in_use_is_said_with_a_hint_and_the_other_services_run() {
    let bench = Bench::new("refusals-port");
    let data = data();
    let taken = bench.beside_station(|| UdpSocket::bind("0.0.0.0:67").expect("a free port"));
    let (boot, log) = (data.path().join("boot"), data.path().join("stderr"));
    let mut station = Command::new("ip");
    station.args(["netns", "exec", &bench.station(), "setpriv", "--pdeathsig", "KILL", env!("CARGO_BIN_EXE_oxbow")]);
    station
        .args(arguments("run", data.path(), &boot))
        .arg("--headless")
        .stderr(fs::File::create(&log).expect("a file"));
    let mut station = station.spawn().expect("`ip` starts");

    let until = |words: &[&str]| {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let said = fs::read_to_string(&log).expect("readable");
            if words.iter().all(|word| said.contains(word)) {
                return;
            }
            assert!(Instant::now() < deadline, "{words:?} not in: {said}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    until(&["cannot bind UDP port 67", "another program uses it", "hint", "service=\"http\""]);
    drop(taken);
    until(&["service=\"dhcp\" at="]);
    station.kill().ok();
    station.wait().ok();
}

#[test]
fn a_second_station_on_the_same_data_is_refused() {
    let bench = Bench::new("refusals-second");
    let data = data();
    let lock = fs::File::create(data.path().join("lock")).expect("a file");
    lock.lock().expect("nobody has it");
    let boot = data.path().join("boot");
    let mut all = arguments("run", data.path(), &boot);
    all.push("--headless");
    let (well, said) = said(&bench, &all);
    assert!(!well && said.contains("another oxbow is running with the data in"), "{said}");
}
