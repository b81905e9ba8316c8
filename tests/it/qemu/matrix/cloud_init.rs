//! A Debian with cloud-init, as Debian's own cloud images are: installed, told by its profile who it is, and provisioned
//! once its own system has called home.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::journey::{AGENT_STARTS, INSTALLED, POWER_OFF, reaches};
use crate::lab::{Bench, Bus, Firmware, Machine, Report, Station, built};

#[test]
fn a_debian_is_told_who_it_is_in_cloud_inits_seed_directory_and_is_provisioned_once_it_calls_home() {
    let bench = Bench::new("a_debian_is_told_who_it_is_in_cloud_inits_seed_directory");
    let machine = bench.machine("uefi-sata").firmware(Firmware::Uefi).bus(Bus::Sata);
    becomes_itself(&bench, machine, &built("cloud-image").join("debian.raw.zst"), "seed");
}

#[test]
fn a_debian_of_a_qcow2_image_is_told_who_it_is_on_a_volume_behind_its_own() {
    let bench = Bench::new("a_debian_of_a_qcow2_image_is_told_who_it_is_on_a_volume_behind_its_own");
    let image = taken_in(&bench, &built("cloud-image").join("debian.qcow2"));
    let machine = bench.machine("uefi-nvme").firmware(Firmware::Uefi).bus(Bus::Nvme);
    becomes_itself(&bench, machine, &image, "cidata");
}

fn becomes_itself(bench: &Bench, machine: Machine, image: &Path, place: &'static str) {
    let profile = format!("[configure]\ncloud_init = \"{place}\"\n{PROFILE}");
    let station = Station::start_by(bench, image, built("boot-files"), &profile, &[]);
    let machine = machine.disk_mib(512).memory_mib(768);
    let mut power = machine.power_on();

    let first_boot = reaches(station.wait_node(&machine.mac, INSTALLED, |node| {
        assert_ne!(node.phase, "provisioned", "it has not called yet: {node:?}");
        node.phase == "first boot"
    }));
    assert_eq!(power.said("OXBOW-REPORT"), 0, "its own system has not come up yet: {first_boot:?}");
    let report = Report::wait_for(&mut power, 1);
    reaches(station.wait_node(&machine.mac, INSTALLED, |node| node.phase == "provisioned"));
    reaches(power.wait_off(POWER_OFF));
    assert_eq!(power.said(AGENT_STARTS), 1, "one install, one agent");

    let node = station.node(&machine.mac).expect("it is known");
    let log = station.data().join(format!("log/nodes/node-{:05}.log", node.id.as_u64().expect("a number")));
    let log = std::fs::read_to_string(&log).unwrap_or_else(|err| panic!("{}: {err}", log.display()));
    let wrote: Vec<&str> = log.lines().filter_map(|line| Some(line.split_once(" cloud-init info ")?.1)).collect();
    for stage in ["running 'init-local' at", "running 'init' at", "running 'modules:final' at", "finished at"] {
        let of_stage = wrote.iter().filter(|line| line.starts_with("Cloud-init v. ") && line.contains(stage));
        assert_eq!(of_stage.count(), 1, "{stage}, once: {wrote:#?}");
    }

    assert_eq!(report.the("hostname"), "press-07");
    assert_eq!(report.all("user"), ["worker /home/worker /bin/bash groups worker,sudo"]);
    assert_eq!(report.the("password"), format!("worker {HASH}"));
    assert_eq!(report.the("key"), format!("worker {KEY}"));
    assert_eq!(report.the("sudo"), "worker 0");
    assert_eq!(report.the("ntp"), "10.77.0.1");
    let proxies = report.all("environment");
    assert!(proxies.contains(&"http_proxy=http://10.77.0.1:911"), "{report:#?}");
    assert!(report.all("file").iter().any(|file| file.starts_with("640 root:sudo ")), "{report:#?}");
    assert!(report.all("address").iter().all(|address| address.contains("=10.77.0.")), "{report:#?}");
    assert_eq!(report.all("failed"), [""; 0], "{report:#?}");
    assert!(report.the("cloud-init").contains("\"errors\":[]"), "{report:#?}");
}

/// A raw image of this one, as a technician makes it of what a vendor gives.
fn taken_in(bench: &Bench, image: &Path) -> PathBuf {
    let home = bench.scratch().join("taken-in");
    let added = Command::new(env!("CARGO_BIN_EXE_oxbow"))
        .args(["images".as_ref(), "--data".as_ref(), home.as_os_str(), "add".as_ref(), image.as_os_str()])
        .output()
        .expect("oxbow starts");
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let mut images = std::fs::read_dir(home.join("images")).expect("a directory of images").flatten();
    images.next().expect("an image").path()
}

const HASH: &str = "$6$oxbow$4Vp5vC9H1Jd0jW1mY9Qb5yqXvC0xv1l0m6b5zJm1sYw3nC9mT2H3oTg8cZz0n1b2QwErTyUiOpAsDfGhJkLzX/";
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHGvqDmBv7tJ2l8yKq0r5wX3uYd1cQe9mN4sZb6aTfGh worker@press";
const PROFILE: &str = r#"
[system]
hostname = "press-07"
timezone = "Europe/Berlin"
ntp = ["10.77.0.1"]

[system.network]
dhcp = true

[system.proxy]
http = "http://10.77.0.1:911"
no = "localhost,10.77.0.0/24"

[[system.user]]
name = "worker"
password_hash = "$6$oxbow$4Vp5vC9H1Jd0jW1mY9Qb5yqXvC0xv1l0m6b5zJm1sYw3nC9mT2H3oTg8cZz0n1b2QwErTyUiOpAsDfGhJkLzX/"
ssh_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHGvqDmBv7tJ2l8yKq0r5wX3uYd1cQe9mN4sZb6aTfGh worker@press"]
groups = ["sudo"]
sudo = true

[[file]]
path = "/etc/placed/by-oxbow"
mode = "0640"
owner = "root:sudo"
content = "serial {{ node.serial }}\n"

[[file]]
path = "/etc/report.d/placed"
content = "/etc/placed/by-oxbow\n"

[first_boot]
within_minutes = 10
output = true
"#;
