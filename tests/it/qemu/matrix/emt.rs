//! A system that starts by the rules of the Edge Microvisor Toolkit: partitions by number, memory over /etc and /var,
//! cloud-init anew at each boot, dm-verity where partition 4 says so. Installed, as configured, and so at each boot.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

use crate::lab::journey::{AGENT_STARTS, INSTALLED, OWN_OS, POWER_OFF, reaches};
use crate::lab::{Bench, Bus, Firmware, Machine, Report, Station, built};

#[test]
fn an_immutable_system_on_a_sata_disk_is_as_configured_at_each_boot() {
    let bench = Bench::new("an_immutable_system_on_a_sata_disk_is_as_configured_at_each_boot");
    let machine = bench.machine("uefi-sata").firmware(Firmware::Uefi).bus(Bus::Sata).disk_mib(512).memory_mib(768);
    let station = station(&bench, "");
    let report = boots_twice_the_same(&station, &machine);
    assert_eq!(kind_of_mapping(&report), "linear");
}

#[test]
fn an_immutable_system_sealed_by_dm_verity_on_an_nvme_disk_is_as_configured_and_with_one_byte_changed_it_does_not_boot()
{
    let bench = Bench::new("an_immutable_system_sealed_by_dm_verity_on_an_nvme_disk");
    let machine = bench.machine("uefi-nvme").firmware(Firmware::Uefi).bus(Bus::Nvme).disk_mib(2048).memory_mib(768);
    let station = station(&bench, LAYOUT);
    let report = boots_twice_the_same(&station, &machine);
    assert_eq!(kind_of_mapping(&report), "verity");

    flip_a_byte_of_partition_2(machine.disk());
    let mut power = machine.power_on();
    reaches(power.wait_for("OXBOW-EMT cannot start: cannot mount the root", OWN_OS));
    assert!(power.heard().iter().any(|line| line.contains("is corrupted")), "dm-verity says why");
}

#[test]
fn an_immutable_system_does_not_find_itself_on_a_virtio_disk() {
    let bench = Bench::new("an_immutable_system_does_not_find_itself_on_a_virtio_disk");
    let machine = bench.machine("uefi-virtio").firmware(Firmware::Uefi).bus(Bus::Virtio).disk_mib(512).memory_mib(512);
    let machine = machine.without_network().with_image(&unpacked(&bench));
    let mut power = machine.power_on();
    reaches(power.wait_for("OXBOW-EMT cannot start: no sd or nvme disk has a rootfs, of: ", OWN_OS));
    assert_eq!(power.said("of: vda"), 1, "the disk was there");
    reaches(power.wait_off(POWER_OFF));
}

#[test]
fn a_disk_that_the_system_does_not_start_from_is_warned_of_before_it_is_written_and_written_all_the_same() {
    let bench = Bench::new("a_disk_that_the_system_does_not_start_from_is_warned_of_before_it_is_written");
    let rule = "[disk]\nboots_from = [\"sata\", \"nvme\"]\n";
    let image = built("test-image").join("os.raw.gz");
    let station = Station::start_by(&bench, &image, built("boot-files"), rule, &[]);
    for (name, bus, word) in [("bios-virtio", Bus::Virtio, "virtio"), ("bios-mmc", Bus::Mmc, "mmc")] {
        let machine = bench.machine(name).bus(bus);
        let mut power = machine.power_on();
        let warning =
            format!("is attached by {word}, and the system starts from sata and nvme disks only: it is installed, and");
        reaches(power.wait_for(&warning, INSTALLED));
        reaches(power.wait_for("reading 56623104 bytes back", INSTALLED));
        reaches(station.wait_node(&machine.mac, INSTALLED, |node| node.phase == "provisioned"));
        let log = std::fs::read_to_string(bench.evidence().join("station.log")).expect("the station's log");
        assert!(log.contains(&warning), "{log}");
    }
}

fn station<'a>(bench: &'a Bench, layout: &str) -> Station<'a> {
    let profile = format!("{PROFILE}{layout}");
    Station::start_by(bench, &built("cloud-image").join("emt.raw.gz"), built("boot-files"), &profile, &[])
}

/// Installed, booted, switched off, and booted once more: the report of both boots, which are the same.
fn boots_twice_the_same(station: &Station<'_>, machine: &Machine) -> Report {
    let mut power = machine.power_on();
    reaches(station.wait_node(&machine.mac, INSTALLED, |node| node.phase == "first boot"));
    let first = Report::wait_for(&mut power, 1);
    is_as_configured(&first, machine);
    reaches(station.wait_node(&machine.mac, INSTALLED, |node| node.phase == "provisioned"));
    reaches(power.wait_off(POWER_OFF));
    assert_eq!(power.said(AGENT_STARTS), 1, "one install, one agent");

    let mut power = machine.power_on();
    let second = Report::wait_for(&mut power, 2);
    assert_eq!(first, second, "nothing is lost, nothing is doubled");
    reaches(power.wait_off(POWER_OFF));
    assert_eq!(power.said(AGENT_STARTS), 0, "nobody installs it again");
    let node = station.node(&machine.mac).expect("it is known");
    assert_eq!((node.phase.as_str(), node.runs), ("provisioned", 1), "{node:?}");
    first
}

fn is_as_configured(report: &Report, machine: &Machine) {
    assert_eq!(report.the("root"), "/dev/mapper/rootfs ro");
    assert_eq!(report.the("hostname"), "press-07");
    assert_eq!(report.all("user"), ["worker /home/worker /bin/bash groups worker,sudo"]);
    assert_eq!(report.the("password"), format!("worker {HASH}"));
    assert_eq!(report.the("key"), format!("worker {KEY}"));
    assert_eq!(report.the("sudo"), "worker 0");
    assert_eq!(report.the("ntp"), "10.77.0.1");
    let environment = report.all("environment");
    for line in ["http_proxy=http://10.77.0.1:911", "HTTPS_PROXY=http://10.77.0.1:912", "no_proxy=localhost"] {
        let times = environment.iter().filter(|its| **its == line).count();
        assert_eq!(times, 1, "{line}: {report:#?}");
    }
    let user_data = report.all("file").into_iter().filter(|file| file.starts_with("755 root:root ")).count();
    assert_eq!(user_data, 1, "the user data is where the toolkit has it: {report:#?}");
    for (meta, content, path) in [
        ("600 root:root", "datasource: NoCloud\n".to_owned(), "/etc/cloud/ds-identify.cfg"),
        ("640 root:sudo", format!("serial {}\n", machine.serial), "/etc/cloud/placed"),
        ("750 worker:worker", "an app\n".to_owned(), "/opt/user-apps/app"),
    ] {
        let file = format!("{meta} {:x} {path}", Sha256::digest(content));
        assert!(report.all("file").contains(&file.as_str()), "{file}: {report:#?}");
    }
    assert!(report.the("cloud-init").contains("\"errors\":[]"), "{report:#?}");
    assert_eq!(report.all("failed"), [""; 0], "{report:#?}");
}

fn kind_of_mapping(report: &Report) -> &str {
    report.the("mapped").split(' ').nth(3).expect("rootfs START SECTORS KIND")
}

fn unpacked(bench: &Bench) -> PathBuf {
    let raw = bench.scratch().join("emt.raw");
    let unpacking = Command::new("gzip")
        .arg("-dc")
        .arg(built("cloud-image").join("emt.raw.gz"))
        .stdout(File::create(&raw).expect("a file"))
        .status();
    assert!(unpacking.is_ok_and(|status| status.success()), "gzip unpacks the image");
    raw
}

fn flip_a_byte_of_partition_2(disk: &Path) {
    let said = Command::new("sgdisk").args(["-i", "2"]).arg(disk).output().expect("sgdisk starts");
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let first = said.lines().find_map(|line| line.strip_prefix("First sector: "));
    let sector: u64 = first.and_then(|rest| rest.split(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("{said}"));
    // Within the file system's own description, in a reserved place.
    let at = sector * 512 + 1024 + 0x3f0;
    let file = OpenOptions::new().read(true).write(true).open(disk).expect("the disk");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("a byte");
    file.write_all_at(&[byte[0] ^ 1], at).expect("it is written");
    file.sync_all().expect("it is written");
}

const HASH: &str = "$6$oxbow$4Vp5vC9H1Jd0jW1mY9Qb5yqXvC0xv1l0m6b5zJm1sYw3nC9mT2H3oTg8cZz0n1b2QwErTyUiOpAsDfGhJkLzX/";
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHGvqDmBv7tJ2l8yKq0r5wX3uYd1cQe9mN4sZb6aTfGh worker@press";
const PROFILE: &str = r#"
[configure]
cloud_init = "emt"

[system]
hostname = "press-07"
timezone = "Europe/Berlin"
ntp = ["10.77.0.1"]

[system.network]
dhcp = true

[system.proxy]
http = "http://10.77.0.1:911"
https = "http://10.77.0.1:912"
no = "localhost"

[[system.user]]
name = "worker"
password_hash = "$6$oxbow$4Vp5vC9H1Jd0jW1mY9Qb5yqXvC0xv1l0m6b5zJm1sYw3nC9mT2H3oTg8cZz0n1b2QwErTyUiOpAsDfGhJkLzX/"
ssh_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHGvqDmBv7tJ2l8yKq0r5wX3uYd1cQe9mN4sZb6aTfGh worker@press"]
groups = ["sudo"]
sudo = true

[[file]]
path = "/etc/cloud/placed"
mode = "0640"
owner = "root:sudo"
content = "serial {{ node.serial }}\n"

[[file]]
path = "/etc/report.d/placed"
content = "/etc/cloud/placed /opt/user-apps/app\n"

[[file]]
volume = "edge_persistent"
path = "/user-apps/app"
mode = "0750"
owner = "1000:1000"
content = "an app\n"

[first_boot]
within_minutes = 10
"#;
/// As small as it can be; the usual sizes are the toolkit's.
const LAYOUT: &str = r#"
[layout]
kind = "ab-verity"
rootfs_mib = 400
hash_mib = 16
roothash_mib = 16
swap_mib = 16
reserved_mib = 100
"#;
