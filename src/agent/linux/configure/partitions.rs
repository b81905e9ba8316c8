//! The partitions of one disk as the kernel shows them, once it has read the table again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use gptman::GPT;
use nix::errno::Errno;

use super::error::{failed, misfit};
use crate::agent::linux::{attribute, contents, names};
use crate::agent::machine::Unconfigured;

/// A partition that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partition {
    pub number: u32,
    /// As `/dev/sda2`.
    pub device: PathBuf,
    /// GPT's name for it; empty where there is none.
    pub name: String,
    /// The file system's label; empty where there is none.
    pub label: String,
    /// In units of 512 bytes, whatever the disk's blocks are.
    start: u64,
    length: u64,
}

/// Where the kernel shows disks and their devices.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kernel<'a> {
    pub sys: &'a Path,
    pub dev: &'a Path,
}

impl Kernel<'_> {
    /// Has the kernel read the table of `disk` again, and waits until it shows the partitions of `gpt`.
    pub(super) fn reread(
        self,
        disk: &Path,
        file: &mut File,
        gpt: Option<&GPT>,
    ) -> Result<Vec<Partition>, Unconfigured> {
        let deadline = Instant::now() + LIMIT;
        loop {
            match gptman::linux::reread_partition_table(file) {
                Ok(()) => break,
                // Somebody looks at a partition just now.
                Err(gptman::linux::BlockError::RereadTable(Errno::EBUSY)) if Instant::now() < deadline => {
                    thread::sleep(GLANCE);
                }
                Err(gptman::linux::BlockError::RereadTable(error)) => {
                    return Err(failed(
                        &format!("reading the partition table of {} again", disk.display()),
                        &error.into(),
                    ));
                }
                Err(error) => return Err(misfit(format!("{}: {error}", disk.display()))),
            }
        }
        loop {
            let shown = self.list(disk);
            if gpt.is_none_or(|gpt| shows(&shown, gpt)) && shown.iter().all(|partition| partition.device.exists()) {
                return Ok(self.with_labels(shown));
            }
            if Instant::now() >= deadline {
                let seconds = LIMIT.as_secs();
                return Err(misfit(format!(
                    "the kernel does not show the partitions of {} as its table has them, after {seconds} s; it shows {}",
                    disk.display(),
                    in_words(&shown)
                )));
            }
            thread::sleep(GLANCE);
        }
    }

    /// The partitions in the order of their numbers, without labels.
    fn list(self, disk: &Path) -> Vec<Partition> {
        let name = disk.file_name().unwrap_or_default();
        let block = self.sys.join("block").join(name);
        let mut partitions: Vec<Partition> = names(&block).iter().filter_map(|name| self.one(&block, name)).collect();
        partitions.sort_by_key(|partition| partition.number);
        partitions
    }

    fn one(self, disk: &Path, name: &str) -> Option<Partition> {
        let of = disk.join(name);
        let number = |what: &str| attribute(&of.join(what))?.parse::<u64>().ok();
        let events = fs::read_to_string(of.join("uevent")).unwrap_or_default();
        let named = events.lines().find_map(|line| line.strip_prefix("PARTNAME="));
        Some(Partition {
            number: number("partition")?.try_into().ok()?,
            device: self.dev.join(name),
            name: named.unwrap_or_default().to_owned(),
            label: String::new(),
            start: number("start")?,
            length: number("size")?,
        })
    }

    fn with_labels(self, mut partitions: Vec<Partition>) -> Vec<Partition> {
        for partition in &mut partitions {
            let file = File::open(&partition.device);
            partition.label = file.map(|file| contents::label(&file, 0)).unwrap_or_default();
        }
        partitions
    }
}

/// Whether the kernel shows what the table has, neither less nor at another place.
fn shows(shown: &[Partition], gpt: &GPT) -> bool {
    let per_block = gpt.sector_size / 512;
    let of_table = gpt.iter().filter(|(_, entry)| entry.is_used()).map(|(number, entry)| {
        let length = entry.ending_lba.saturating_sub(entry.starting_lba).saturating_add(1);
        (number, entry.starting_lba.saturating_mul(per_block), length.saturating_mul(per_block))
    });
    of_table.eq(shown.iter().map(|partition| (partition.number, partition.start, partition.length)))
}

/// As `1 "esp" (label "ESP"), 2 "rootfs"`.
pub(super) fn in_words(partitions: &[Partition]) -> String {
    let one = |Partition { number, name, label, .. }: &Partition| {
        let label = if label.is_empty() { String::new() } else { format!(" (label {label:?})") };
        format!("{number} {name:?}{label}")
    };
    match partitions {
        [] => "no partitions".to_owned(),
        some => some.iter().map(one).collect::<Vec<_>>().join(", "),
    }
}

/// A kernel under load takes its time; it has never been seen to take a second.
const LIMIT: Duration = Duration::from_secs(20);
const GLANCE: Duration = Duration::from_millis(20);

#[cfg(test)]
pub(super) mod tests_support {
    use super::Partition;

    pub(in super::super) fn partition(number: u32, name: &str, label: &str) -> Partition {
        let device = format!("/dev/sda{number}").into();
        Partition { number, device, name: name.into(), label: label.into(), start: 0, length: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::{disk_with_image, table};
    use super::*;

    #[test]
    fn the_partitions_of_one_disk_are_found_with_their_names_and_labels() {
        let tree = tempfile::tempdir().expect("a directory");
        let dev = tree.path().join("dev");
        fs::create_dir(&dev).expect("a directory");
        for (name, number, event) in [("nvme0n1p2", 2, "PARTNAME=rootfs\n"), ("nvme0n1p1", 1, "PARTNAME=esp\nX=1\n")] {
            let of = tree.path().join("block/nvme0n1").join(name);
            fs::create_dir_all(&of).expect("a directory");
            let facts = [
                ("partition", number.to_string()),
                ("start", (number * 2048).to_string()),
                ("size", "4096".to_owned()),
                ("uevent", format!("DEVTYPE=partition\n{event}")),
            ];
            facts.iter().for_each(|(file, text)| fs::write(of.join(file), text).expect("a fact"));
            let mut content = vec![0; 4096];
            content[1080..1082].copy_from_slice(&[0x53, 0xef]);
            content[1144..1144 + 4].copy_from_slice(b"root");
            fs::write(dev.join(name), content).expect("a device");
        }
        fs::create_dir_all(tree.path().join("block/nvme0n1/queue")).expect("a directory");
        let kernel = Kernel { sys: tree.path(), dev: &dev };
        let found = kernel.with_labels(kernel.list(Path::new("/dev/nvme0n1")));
        assert_eq!(in_words(&found), r#"1 "esp" (label "root"), 2 "rootfs" (label "root")"#);
        assert_eq!(found[1].device, dev.join("nvme0n1p2"));
    }

    #[test]
    fn old_partitions_that_the_kernel_still_shows_are_not_taken_for_the_images() {
        let disk = disk_with_image(16, 32);
        let table = table(disk.path());
        let shown = |number: u32, start: u64, length: u64| Partition {
            number,
            device: PathBuf::new(),
            name: String::new(),
            label: String::new(),
            start,
            length,
        };
        let right = [shown(1, 2048, 4096), shown(2, 6144, 8192), shown(3, 14336, 4096)];
        assert!(shows(&right, table.gpt()));
        assert!(!shows(&right[..2], table.gpt()), "one is missing");
        assert!(!shows(&[right[0].clone(), shown(2, 6144, 9000), right[2].clone()], table.gpt()), "another length");
    }
}
