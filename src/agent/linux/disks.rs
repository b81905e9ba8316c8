//! Which disks the machine has, by way of `/sys/block`.

use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use super::{attribute, contents, names};
use crate::domain::machine::disk::{Disk, DiskVolume, Transport};

/// The disks by name, without what is no disk of the machine: loops, RAM, optical drives, mapped and joined devices. What
/// they hold is read from `dev`; `remarks` tells where it cannot be.
pub(super) fn list(sys: &Path, dev: &Path, remarks: &mut Vec<String>) -> Vec<Disk> {
    let names = names(&sys.join("block"));
    let mut disks: Vec<Disk> =
        names.iter().filter(|name| is_disk(name)).filter_map(|name| disk(sys, dev, name)).collect();
    look_into(&mut disks, LOOK, remarks);
    disks
}

/// Reads what all disks hold, at the same time and for no longer than `limit`: one that never answers must not keep a
/// machine from saying who it is.
fn look_into(disks: &mut [Disk], limit: Duration, remarks: &mut Vec<String>) {
    let (sender, receiver) = channel();
    let mut awaited = 0;
    for (at, disk) in disks.iter_mut().enumerate().filter(|(_, disk)| disk.bytes > 0 && !disk.removable) {
        disk.is_unreadable = true;
        awaited += 1;
        let (sender, path, bytes) = (sender.clone(), PathBuf::from(&disk.path), disk.bytes);
        thread::spawn(move || sender.send((at, contents::volumes(&path, bytes))));
    }
    let until = Instant::now() + limit;
    let mut heard = Vec::new();
    while heard.len() < awaited
        && let Ok((at, held)) = receiver.recv_timeout(until.saturating_duration_since(Instant::now()))
    {
        heard.push(at);
        take_down(&mut disks[at], held, remarks);
    }
    for (at, disk) in disks.iter().enumerate().filter(|(_, disk)| disk.is_unreadable) {
        if !heard.contains(&at) {
            remarks.push(format!("{}: the disk has not answered for {} s", disk.path, limit.as_secs()));
        }
    }
}

fn take_down(disk: &mut Disk, held: io::Result<Vec<DiskVolume>>, remarks: &mut Vec<String>) {
    match held {
        Ok(volumes) => (disk.volumes, disk.is_unreadable) = (volumes, false),
        Err(error) => remarks.push(format!("{}: what it holds cannot be read: {error}", disk.path)),
    }
}

fn is_disk(name: &str) -> bool {
    let boot_part = name.starts_with("mmcblk") && (name.contains("boot") || name.ends_with("rpmb"));
    !boot_part && !NO_DISKS.iter().any(|prefix| name.starts_with(prefix))
}

fn disk(sys: &Path, dev: &Path, name: &str) -> Option<Disk> {
    let block = sys.join("block").join(name);
    let text = |names: &[&str]| names.iter().find_map(|name| attribute(&block.join(name))).unwrap_or_default();
    let flag = |name: &str| attribute(&block.join(name)).as_deref() == Some("1");
    // One path of several to the same NVMe disk: the disk itself is listed too.
    if flag("hidden") {
        return None;
    }
    let sectors: u64 = attribute(&block.join("size"))?.parse().ok()?;
    Some(Disk {
        path: dev.join(name).display().to_string(),
        transport: transport(&block, name),
        bytes: sectors.saturating_mul(SECTOR),
        model: text(&["device/model", "device/name"]),
        serial: serial(&block).unwrap_or_else(|| text(&["device/serial", "serial"])),
        wwn: text(&["device/wwid", "wwid"]),
        removable: flag("removable"),
        read_only: flag("ro"),
        health: health(&block),
        ..Disk::default()
    })
}

/// How the disk is attached, told by the devices on its path from the processor, as
/// `/sys/devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda`.
fn transport(block: &Path, name: &str) -> Transport {
    let path = fs::canonicalize(block).unwrap_or_else(|_| block.to_owned());
    let devices: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
    let through = |prefix: &str| {
        devices.iter().any(|part| {
            part.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '-'))
        })
    };
    // USB comes first: what hangs on it may be anything else further on.
    if through("usb") {
        Transport::Usb
    } else if name.starts_with("nvme") {
        Transport::Nvme
    } else if name.starts_with("mmcblk") {
        Transport::Mmc
    } else if through("virtio") {
        Transport::Virtio
    } else if through("ata") {
        if driver(&path).is_some_and(|driver| OLD_ATA.iter().any(|old| driver.starts_with(old))) {
            Transport::Ide
        } else {
            Transport::Sata
        }
    } else if through("end_device") || driver(&path).is_some_and(|driver| SAS.contains(&driver.as_str())) {
        Transport::Sas
    } else {
        Transport::Unknown
    }
}

/// The name of the driver of the SCSI host that the disk hangs on.
fn driver(path: &Path) -> Option<String> {
    let is_host = |path: &&Path| {
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix("host"));
        name.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    let host = path.ancestors().find(is_host)?;
    attribute(&host.join("scsi_host").join(host.file_name()?).join("proc_name"))
}

/// The unit serial number that SCSI disks give (SPC-4 section 7.8.15: four bytes of header, then text).
fn serial(block: &Path) -> Option<String> {
    let page = fs::read(block.join("device/vpd_pg80")).ok()?;
    let text = crate::domain::text::clean(&String::from_utf8_lossy(page.get(4..)?), 100);
    (!text.is_empty()).then_some(text)
}

/// What can be had without asking the disk: an eMMC's estimate of its own wear (JESD84-B51 sections 7.4.42 to 7.4.44), and
/// that the kernel has given a disk up. SMART and NVMe's log pages are not in sysfs.
fn health(block: &Path) -> String {
    let device = block.join("device");
    let given_up = attribute(&device.join("state")).filter(|state| !matches!(state.as_str(), "running" | "live"));
    if let Some(state) = given_up {
        return format!("the kernel reports it as {state}");
    }
    let number = |text: &str| u8::from_str_radix(text.strip_prefix("0x")?, 16).ok();
    // Two kinds of cells; the one that is worn most counts. What is not said is 0.
    let wear = attribute(&device.join("life_time"));
    let wear = wear.iter().flat_map(|both| both.split(' ')).filter_map(number).max();
    let wear = match wear {
        Some(tenth @ 1..=10) => Some(format!("{} to {} % worn", (tenth - 1) * 10, tenth * 10)),
        Some(11..) => Some("worn out".to_owned()),
        Some(0) | None => None,
    };
    let spare = match attribute(&device.join("pre_eol_info")).as_deref().and_then(number) {
        Some(2) => Some("80 % of its spare blocks are used".to_owned()),
        Some(3) => Some("90 % of its spare blocks are used".to_owned()),
        Some(_) | None => None,
    };
    [wear, spare].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// A disk that spins up first takes a good part of it.
const LOOK: Duration = Duration::from_secs(30);
/// The kernel counts these whatever the disk's own blocks are.
const SECTOR: u64 = 512;
const NO_DISKS: &[&str] = &["loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd", "mtdblock"];
/// Drivers of parallel ATA, by the name of their SCSI host.
const OLD_ATA: &[&str] = &["ata_piix", "pata_"];
const SAS: &[&str] = &["megaraid_sas", "mpt3sas", "mpt2sas", "smartpqi", "hpsa", "aacraid"];

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A disk at `devices/…/block/NAME` with these attributes, linked from `block/NAME` as sysfs does.
    fn add(sys: &Path, device: &str, files: &[(&str, &str)]) {
        let name = device.rsplit('/').next().expect("a name");
        let real = sys.join("devices").join(device);
        for (path, text) in [("size", "1000215216\n"), ("removable", "0\n"), ("ro", "0\n")].iter().chain(files) {
            let path = real.join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, text).expect("a file");
        }
        fs::create_dir_all(sys.join("block")).expect("a directory");
        symlink(&real, sys.join("block").join(name)).expect("a link");
    }

    fn listed(sys: &Path) -> Vec<Disk> {
        list(sys, Path::new("/dev"), &mut Vec::new())
    }

    #[test]
    fn a_disk_that_never_answers_is_named_and_the_others_are_looked_into() {
        let dev = tempfile::tempdir().expect("a directory");
        let path = |name: &str| dev.path().join(name);
        // Opening it waits for the other end.
        nix::unistd::mkfifo(&path("sda"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        fs::write(path("sdb"), vec![0; 1 << 20]).expect("a disk");
        let disk = |name: &str| Disk { path: path(name).display().to_string(), bytes: 1 << 20, ..Disk::default() };
        let mut disks = [disk("sda"), disk("sdb"), disk("sdc")];
        let mut remarks = Vec::new();
        look_into(&mut disks, Duration::from_secs(2), &mut remarks);
        assert_eq!(disks.each_ref().map(|disk| disk.is_unreadable), [true, false, true]);
        assert!(remarks.iter().any(|it| it.ends_with("/sda: the disk has not answered for 2 s")), "{remarks:?}");
        assert!(remarks.iter().any(|it| it.contains("/sdc: what it holds cannot be read: ")), "{remarks:?}");
        assert_eq!(remarks.len(), 2, "{remarks:?}");
    }

    #[test]
    fn every_kind_of_disk_is_told_by_its_place_in_the_machine() {
        let sys = tempfile::tempdir().expect("a directory");
        let pci = |rest: &str| format!("pci0000:00/0000:00:1f.2/{rest}");
        for device in [
            "ata1/host0/target0:0:0/0:0:0:0/block/sda",
            "ata2/host1/target1:0:0/1:0:0:0/block/sdb",
            "usb2/2-1/2-1:1.0/host2/target2:0:0/2:0:0:0/block/sdc",
            "virtio3/host3/target3:0:0/3:0:0:0/block/sdd",
            "host4/port-4:0/end_device-4:0/target4:0:0/4:0:0:0/block/sde",
            "host5/target5:2:0/5:2:0:0/block/sdf",
            "virtio1/block/vda",
            "nvme/nvme0/nvme0n1",
            "mmc_host/mmc0/mmc0:0001/block/mmcblk0",
            "mmc_host/mmc0/mmc0:0001/block/mmcblk0boot0",
            "host6/target6:0:0/6:0:0:0/block/sr0",
        ] {
            add(sys.path(), &pci(device), &[]);
        }
        add(sys.path(), "virtual/block/loop0", &[]);
        for (host, driver) in [("ata1/host0", "ahci"), ("ata2/host1", "ata_piix"), ("host5", "megaraid_sas")] {
            let name = host.rsplit('/').next().expect("a name");
            let directory = sys.path().join("devices").join(pci(host)).join("scsi_host").join(name);
            fs::create_dir_all(&directory).expect("a directory");
            fs::write(directory.join("proc_name"), driver).expect("a file");
        }
        let found: Vec<_> =
            listed(sys.path()).iter().map(|disk| format!("{} {}", disk.path, disk.transport.word())).collect();
        assert_eq!(
            found,
            [
                "/dev/mmcblk0 mmc",
                "/dev/nvme0n1 nvme",
                "/dev/sda sata",
                "/dev/sdb ide",
                "/dev/sdc usb",
                "/dev/sdd virtio",
                "/dev/sde sas",
                "/dev/sdf sas",
                "/dev/vda virtio"
            ]
        );
    }

    #[test]
    fn a_disk_has_its_size_model_serial_and_flags() {
        let sys = tempfile::tempdir().expect("a directory");
        let files = [
            ("device/model", "QEMU HARDDISK   \n"),
            ("device/vpd_pg80", "\0\u{1}\0\u{8}QM00001 "),
            ("device/wwid", "naa.5002538e40b1c2d3\n"),
            ("removable", "1\n"),
            ("ro", "1\n"),
        ];
        add(sys.path(), "pci0000:00/ata1/host0/block/sda", &files);
        let disks = listed(sys.path());
        let disk = disks.first().expect("a disk");
        assert_eq!(disk.to_string(), "/dev/sda (sata, 512.1 GB, QEMU HARDDISK)");
        assert_eq!((disk.bytes, disk.serial.as_str()), (512_110_190_592, "QM00001"));
        assert_eq!(disk.wwn, "naa.5002538e40b1c2d3");
        assert!(disk.removable && disk.read_only);
    }

    #[test]
    fn a_worn_disk_says_so_and_one_that_the_kernel_has_given_up_too() {
        let health = |files: &[(&str, &str)]| {
            let sys = tempfile::tempdir().expect("a directory");
            add(sys.path(), "mmc_host/mmc0/mmc0:0001/block/mmcblk0", files);
            listed(sys.path()).remove(0).health
        };
        for (life_time, pre_eol_info, says) in [
            ("0x01 0x02", "0x01", "10 to 20 % worn"),
            ("0x0a 0x00", "0x02", "90 to 100 % worn, 80 % of its spare blocks are used"),
            ("0x0b 0xff", "0x03", "worn out, 90 % of its spare blocks are used"),
            ("0x00 0x00", "0x00", ""),
            ("rubbish", "", ""),
        ] {
            let files = [("device/life_time", life_time), ("device/pre_eol_info", pre_eol_info)];
            assert_eq!(health(&files), says, "{life_time}");
        }
        assert_eq!(health(&[("device/state", "offline\n")]), "the kernel reports it as offline");
        assert_eq!(health(&[("device/state", "running\n")]), "");
        assert_eq!(health(&[]), "");
    }

    #[test]
    fn a_disk_says_what_it_holds_and_one_that_cannot_be_read_is_remarked() {
        let (sys, dev) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        add(sys.path(), "pci0000:00/ata1/host0/block/sda", &[]);
        add(sys.path(), "pci0000:00/ata2/host1/block/sdb", &[]);
        let mut disk = vec![0; 8192];
        disk[1080..1082].copy_from_slice(&[0x53, 0xef]);
        disk[1144..1148].copy_from_slice(b"data");
        fs::write(dev.path().join("sda"), disk).expect("a disk");
        let mut remarks = Vec::new();
        let disks = list(sys.path(), dev.path(), &mut remarks);
        let labels: Vec<_> =
            disks.iter().map(|disk| disk.volumes.first().map(|volume| volume.label.as_str())).collect();
        assert_eq!(labels, [Some("data"), None]);
        assert!(!disks[0].is_unreadable && disks[1].is_unreadable);
        assert!(remarks.len() == 1 && remarks[0].contains("/sdb: what it holds cannot be read"), "{remarks:?}");
    }
}
