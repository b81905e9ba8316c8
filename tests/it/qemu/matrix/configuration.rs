//! What follows the image, on machines with real firmware: looked at on the disk itself afterwards, from outside.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use gptman::GPT;

use crate::lab::journey::{INSTALLED, installs, reaches, starts_from_its_disk};
use crate::lab::{Bench, Bus, Firmware, Machine, Node, Station, built};

#[test]
fn a_machine_has_its_files_its_archive_its_seed_volume_and_its_boot_entry_and_starts_from_its_disk_first() {
    let bench = Bench::new("a_machine_has_its_files_its_archive_its_seed_volume_and_its_boot_entry");
    archive(&bench);
    let station = Station::start_by(&bench, &built("test-image").join("os.raw.gz"), built("boot-files"), PROFILE, &[]);
    let machine = bench.machine("uefi-sata").firmware(Firmware::Uefi).bus(Bus::Sata).keeps_order();
    let power = installs(&station, &machine, "sda");
    assert_eq!(power.said("boot order: Press line ("), 1, "the boot entry is the first one");
    assert_eq!(power.said(PXE), 1, "after the installation the network is not tried");

    let disk = Disk::of(&machine);
    let rootfs = disk.volume("rootfs", &bench);
    assert_eq!(rootfs.content("/etc/press/line.conf"), format!("serial = {}\n", machine.serial));
    assert_eq!(rootfs.mode_and_owner("/etc/press/line.conf"), ("0640".into(), 1003, 46));
    assert_eq!(rootfs.mode_and_owner("/etc/press"), ("0755".into(), 0, 0));
    let persistent = disk.volume("edge_persistent", &bench);
    assert_eq!(persistent.content("/odd/run"), "#!/bin/sh\n");
    assert_eq!(persistent.mode_and_owner("/odd/run"), ("04751".into(), 0, 0));
    assert_eq!(persistent.content("/user-apps/k3s/install.sh"), "#!/bin/sh\necho k3s\n");
    assert_eq!(persistent.mode_and_owner("/user-apps/k3s/install.sh"), ("0750".into(), 7, 8));
    let user_data = disk.document("CIDATA", "user-data").to_lowercase();
    assert!(user_data.contains(&machine.serial.to_lowercase()), "it is this machine's: {user_data}");
    let said = disk.verified();
    assert!(said.contains("No problems found"), "the second table is at the disk's end: {said}");

    let power = starts_from_its_disk(&station, &machine, "sda");
    assert_eq!(power.said(PXE), 0, "the disk comes first");
}

#[test]
fn a_machine_gets_two_systems_of_which_the_first_is_sealed_with_its_files_in_it() {
    let bench = Bench::new("a_machine_gets_two_systems_of_which_the_first_is_sealed_with_its_files_in_it");
    let station = Station::start_by(&bench, &built("test-image").join("os.raw.gz"), built("boot-files"), SEALED, &[]);
    let machine = bench.machine("uefi-nvme").firmware(Firmware::Uefi).bus(Bus::Nvme);
    installs(&station, &machine, "nvme0n1");

    let disk = Disk::of(&machine);
    let said = disk.verified();
    assert!(said.contains("No problems found"), "{said}");
    let names = disk.partitions();
    let names: Vec<(u32, &str, u64)> = names.iter().map(|(number, name, mib)| (*number, &**name, *mib)).collect();
    assert_eq!(names[..2], [(1, "esp", 36), (2, "rootfs", 12)]);
    assert_eq!((names[2].0, names[2].1), (3, "edge_persistent"));
    assert_eq!(
        names[3..],
        [
            (4, "hashmap_a", 2),
            (5, "hashmap_b", 2),
            (6, "rootfs_b", 12),
            (7, "roothash", 4),
            (8, "swap", 4),
            (9, "reserved", 4)
        ]
    );
    let [rootfs, hashes, roots] = ["rootfs", "hashmap_a", "roothash"].map(|name| disk.volume(name, &bench));
    assert_eq!(rootfs.content("/etc/motd"), format!("This is {}.\n", machine.serial));
    assert_eq!(disk.volume("edge_persistent", &bench).content("/kept"), "through the move\n");
    let root_hash = roots.content("/part_a_roothash").trim_end().to_owned();
    assert!(rootfs.is_sealed_by(&hashes, &root_hash), "the hashes are of this rootfs");
    rootfs.change_a_byte();
    assert!(!rootfs.is_sealed_by(&hashes, &root_hash), "and of no other");
}

#[test]
fn a_machine_that_loses_power_in_each_step_begins_again_and_is_provisioned_once_with_all_it_was_to_have() {
    let bench = Bench::new("a_machine_that_loses_power_in_each_step_begins_again");
    archive(&bench);
    let station = Station::start_by(&bench, &built("test-image").join("os.raw.gz"), built("boot-files"), PROFILE, &[]);
    let machine = bench.machine("uefi-sata").firmware(Firmware::Uefi).bus(Bus::Sata).keeps_order();
    for (step, midway) in [("writing", None), ("verifying", None), ("configuring", Some("4 files written"))] {
        let mut power = machine.power_on();
        let enough = |node: &Node| step != "writing" || node.percent.is_some_and(|done| done > 20.0);
        reaches(station.wait_node(&machine.mac, INSTALLED, |node| node.phase == step && enough(node)));
        if let Some(words) = midway {
            reaches(power.wait_for(words, INSTALLED));
        }
        drop(power);
        thread::sleep(Duration::from_secs(1));
        let dark = station.node(&machine.mac).expect("it is still known");
        assert_eq!(dark.phase, step, "nothing is said of a machine that is off: {dark:?}");
    }
    installs(&station, &machine, "sda");
    let events = station.get("/api/v1/events");
    assert_eq!(events.matches("provisioned: the disk holds").count(), 1, "done is said once, at the end: {events}");

    let disk = Disk::of(&machine);
    let said = disk.verified();
    assert!(said.contains("No problems found"), "what an earlier try left is not in the way: {said}");
    assert_eq!(disk.volume("rootfs", &bench).content("/etc/press/line.conf"), format!("serial = {}\n", machine.serial));
    assert_eq!(disk.volume("edge_persistent", &bench).content("/user-apps/k3s/install.sh"), "#!/bin/sh\necho k3s\n");
    assert!(disk.document("CIDATA", "user-data").to_lowercase().contains(&machine.serial.to_lowercase()));
}

#[test]
fn a_volume_that_the_image_does_not_have_is_named_with_those_it_has_and_the_machine_is_not_provisioned() {
    let bench = Bench::new("a_volume_that_the_image_does_not_have_is_named_with_those_it_has");
    let profile = "[[file]]\nvolume = \"data\"\npath = \"/etc/motd\"\ncontent = \"x\"\n";
    let station = Station::start_by(&bench, &built("test-image").join("os.raw.gz"), built("boot-files"), profile, &[]);
    let machine = bench.machine("bios-sata").firmware(Firmware::Bios).bus(Bus::Sata);
    let _power = machine.power_on();
    let ended = |phase: &str| ["failed", "provisioned", "rebooting"].contains(&phase);
    let failed = reaches(station.wait_node(&machine.mac, INSTALLED, |node| ended(&node.phase)));
    assert_eq!((failed.phase.as_str(), failed.stage.as_deref()), ("failed", Some("configuring")), "{failed:?}");
    let reason = failed.reason.expect("a reason");
    assert!(reason.contains("is called \"data\"; it has 1 \"esp\""), "{reason}");
}

// The disk, from outside -----------------------------------------------------------------------------------------------

/// The disk of a machine that is off.
struct Disk(PathBuf);

/// A copy of one of its partitions.
struct Volume(PathBuf);

impl Disk {
    fn of(machine: &Machine) -> Self {
        Self(machine.disk().to_owned())
    }

    fn verified(&self) -> String {
        said(Command::new("sgdisk").arg("-v").arg(&self.0))
    }

    fn table(&self) -> GPT {
        GPT::read_from(&mut File::open(&self.0).expect("the disk"), 512).expect("a table")
    }

    /// Number, name, and size in MiB.
    fn partitions(&self) -> Vec<(u32, String, u64)> {
        let table = self.table();
        let used = table.iter().filter(|(_, entry)| entry.is_used());
        used.map(|(number, entry)| {
            (number, entry.partition_name.as_str().to_owned(), entry.size().expect("a size") / 2048)
        })
        .collect()
    }

    /// First byte and length of the partition of this name.
    fn extent(&self, name: &str) -> (u64, u64) {
        let table = self.table();
        let named = table.iter().find(|(_, entry)| entry.partition_name.as_str() == name);
        let (_, entry) = named.unwrap_or_else(|| panic!("there is no partition {name}"));
        (entry.starting_lba * 512, entry.size().expect("a size") * 512)
    }

    fn volume(&self, name: &str, bench: &Bench) -> Volume {
        let (at, length) = self.extent(name);
        let mut content = vec![0; usize::try_from(length).expect("it is small")];
        File::open(&self.0).and_then(|disk| disk.read_exact_at(&mut content, at)).expect("the partition");
        let copy = bench.scratch().join(format!("{name}.volume"));
        fs::write(&copy, content).expect("a copy");
        Volume(copy)
    }

    /// A file of a FAT volume.
    fn document(&self, volume: &str, name: &str) -> String {
        let (at, _) = self.extent(volume);
        said(Command::new("mtype").arg("-i").arg(format!("{}@@{at}", self.0.display())).arg(format!("::/{name}")))
    }
}

impl Volume {
    fn content(&self, path: &str) -> String {
        self.debugfs(&format!("cat {path}"))
    }

    /// The mode as chmod writes it, user and group.
    fn mode_and_owner(&self, path: &str) -> (String, u32, u32) {
        let said = self.debugfs(&format!("stat {path}"));
        let words: Vec<&str> = said.split_whitespace().collect();
        let after = |word: &str| {
            let at =
                words.iter().position(|is| *is == word).unwrap_or_else(|| panic!("no {word} of {path} in: {said}"));
            words[at + 1].to_owned()
        };
        let number = |word: &str| after(word).parse().expect("a number");
        (after("Mode:"), number("User:"), number("Group:"))
    }

    fn debugfs(&self, request: &str) -> String {
        said(Command::new("debugfs").args(["-R", request]).arg(&self.0))
    }

    fn is_sealed_by(&self, hashes: &Self, root_hash: &str) -> bool {
        let verified = Command::new("veritysetup").arg("verify").arg(&self.0).arg(&hashes.0).arg(root_hash).output();
        verified.expect("packaging/test-deps installs it").status.success()
    }

    fn change_a_byte(&self) {
        let file = File::options().read(true).write(true).open(&self.0).expect("a copy");
        let mut byte = [0];
        file.read_exact_at(&mut byte, 1_000_000).expect("read");
        file.write_all_at(&[byte[0] ^ 1], 1_000_000).expect("written");
    }
}

/// What a program that must succeed has to say.
fn said(command: &mut Command) -> String {
    let output =
        command.output().unwrap_or_else(|err| panic!("{command:?}: {err}\nhint: packaging/test-deps installs it"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Puts an archive where the station keeps its images.
fn archive(bench: &Bench) {
    let images = bench.scratch().join("station/images");
    fs::create_dir_all(&images).expect("a directory");
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    let script = b"#!/bin/sh\necho k3s\n";
    header.set_size(script.len() as u64);
    header.set_mode(0o750);
    header.set_uid(7);
    header.set_gid(8);
    tar.append_data(&mut header, Path::new("k3s/install.sh"), &script[..]).expect("added");
    let tar = tar.into_inner().expect("a tar");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).expect("packed");
    fs::write(images.join("apps.tar.gz"), gzip.finish().expect("packed")).expect("an archive");
}

/// What OVMF says on the serial console when it turns to the network.
const PXE: &str = "Start PXE over IPv4";

const PROFILE: &str = r##"
[configure]
cloud_init = "cidata"

[system]
hostname = "press-{{ node.serial }}"

[[file]]
path = "/etc/press/line.conf"
mode = "0640"
owner = "1003:46"
content = "serial = {{ node.serial }}\n"

[[file]]
volume = "edge_persistent"
path = "/odd/run"
mode = "4751"
content = "#!/bin/sh\n"

[[archive]]
volume = "edge_persistent"
path = "/user-apps"
file = "apps.tar.gz"

[boot_entry]
label = "Press line"
loader = '\EFI\BOOT\BOOTX64.EFI'
network = "last"
"##;

const SEALED: &str = r#"
[[file]]
path = "/etc/motd"
content = "This is {{ node.serial }}.\n"

[[file]]
volume = "edge_persistent"
path = "/kept"
content = "through the move\n"

[layout]
kind = "ab-verity"
rootfs_mib = 12
hash_mib = 2
roothash_mib = 4
swap_mib = 4
reserved_mib = 4
"#;
