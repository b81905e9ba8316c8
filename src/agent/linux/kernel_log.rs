//! What the kernel has complained of about one disk, or about what the disk hangs on: the last of it, for whoever has to
//! know why that disk failed. Nothing here asks the disk.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path};

use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::domain::text::clean;

/// The last warnings about the disk at `device`, each with seconds since the kernel started; the latest comes last.
pub(super) fn about(device: &Path, sys: &Path, log: &Path) -> Vec<String> {
    let name = device.file_name().unwrap_or_default();
    let Ok(path) = fs::canonicalize(sys.join("block").join(name)) else { return Vec::new() };
    let log = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(log);
    log.map(|mut log| last(&records(&mut log), &names(&path))).unwrap_or_default()
}

/// What the kernel may call a disk at this place below `/sys/devices`: its own name, and those of its controllers, as
/// `0000:00:1f.2`, `ata3`, `2:0:0:0` and `sda`. Of those only the ones with a number in them mean one thing alone.
fn names(path: &Path) -> Vec<String> {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(part) => part.to_str(),
        _ => None,
    });
    let of_devices = parts.skip_while(|part| *part != "devices").skip(1);
    let means_one = |part: &&str| part.contains(|c: char| c.is_ascii_digit()) && !part.starts_with("pci");
    let own = path.file_name().and_then(|name| name.to_str());
    of_devices.filter(means_one).chain(own).map(str::to_owned).collect()
}

/// All that the kernel remembers: one record for each read, until there is none left for now (`/dev/kmsg`,
/// Documentation/ABI/testing/dev-kmsg).
fn records(log: &mut impl Read) -> Vec<String> {
    let mut records = Vec::new();
    let mut record = [0; RECORD];
    for _ in 0..MOST {
        match log.read(&mut record) {
            Ok(0) => break,
            Ok(some) => records.push(String::from_utf8_lossy(&record[..some]).into_owned()),
            // It was overwritten before it was read: the next one follows.
            Err(error) if error.raw_os_error() == Some(Errno::EPIPE as i32) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    records
}

fn last(records: &[String], names: &[String]) -> Vec<String> {
    let complaints = records.iter().rev().filter_map(|record| complaint(record, names));
    let mut last: Vec<String> = complaints.take(LINES).collect();
    last.reverse();
    last
}

/// `[1204.512] ata3.00: failed command: WRITE DMA EXT`, if the record is a warning or worse and names one of `names`.
fn complaint(record: &str, names: &[String]) -> Option<String> {
    let (facts, text) = record.lines().next()?.split_once(';')?;
    let mut facts = facts.split(',');
    let (level, micros) = (facts.next()?.parse::<u32>().ok()? & LEVEL, facts.nth(1)?.parse::<u64>().ok()?);
    let is_meant = level <= WARNING && names.iter().any(|name| names_it(text, name));
    let (seconds, millis) = (micros / 1_000_000, micros / 1000 % 1000);
    is_meant.then(|| format!("[{seconds}.{millis:03}] {}", clean(text, WORDS)))
}

/// Whether `name` is in `text` as a word of its own: `ata3` is in `ata3.00: exception`, and not in `ata31: link is slow`.
fn names_it(text: &str, name: &str) -> bool {
    let is_apart = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
    let mut places = text.match_indices(name);
    places.any(|(at, _)| is_apart(text[..at].chars().next_back()) && is_apart(text[at + name.len()..].chars().next()))
}

/// The lower bits of a record's first number; the others are the facility (syslog(2)).
const LEVEL: u32 = 7;
const WARNING: u32 = 4;
const LINES: usize = 5;
const WORDS: usize = 160;
/// The longest record there is, twice.
const RECORD: usize = 16 * 1024;
const MOST: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel's log as `/dev/kmsg` gives it: what was overwritten first, and then a record for each read.
    struct Log<I>(I, bool);

    impl<'a, I: Iterator<Item = &'a str>> Read for Log<I> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            if !std::mem::replace(&mut self.1, true) {
                return Err(Errno::EPIPE.into());
            }
            let record = self.0.next().ok_or(Errno::EAGAIN)?;
            room[..record.len()].copy_from_slice(record.as_bytes());
            Ok(record.len())
        }
    }

    fn messages(path: &str, records: &[&str]) -> Vec<String> {
        last(&self::records(&mut Log(records.iter().copied(), false)), &names(Path::new(path)))
    }

    const SATA: &str = "/sys/devices/pci0000:00/0000:00:1f.2/ata3/host2/target2:0:0/2:0:0:0/block/sda";

    #[test]
    fn of_all_that_the_kernel_says_a_person_reads_what_it_complains_of_about_this_disk_and_its_controller() {
        let lines = messages(
            SATA,
            &[
                "6,900,2000000,-;sd 2:0:0:0: [sda] Attached SCSI disk\n SUBSYSTEM=scsi\n DEVICE=+scsi:2:0:0:0\n",
                "3,1012,1204512345,-;ata3.00: exception Emask 0x0 SAct 0x0 SErr 0x0 action 0x6 frozen\n",
                "3,1013,1204512400,-;ata31.00: failed command: READ DMA\n",
                "4,1014,1204513000,-;nvme nvme0: I/O 12 QID 1 timeout, aborting\n",
                "6,1015,1204514000,-;ata3: hard resetting link\n",
                "no record at all",
                "4,1016,1234000007,-;ata3: link is slow to respond, please be patient (ready=0)\n",
                "11,1017,1240000000,-;blk_update_request: I/O error, dev sda, sector 2048\x1b[31m\n DEVICE=b8:0\n",
            ],
        );
        assert_eq!(
            lines,
            [
                "[1204.512] ata3.00: exception Emask 0x0 SAct 0x0 SErr 0x0 action 0x6 frozen",
                "[1234.000] ata3: link is slow to respond, please be patient (ready=0)",
                "[1240.000] blk_update_request: I/O error, dev sda, sector 2048·[31m",
            ]
        );
    }

    #[test]
    fn one_disk_of_several_is_told_from_the_others() {
        let nvme = "/sys/devices/pci0000:00/0000:00:04.0/nvme/nvme1/nvme1n1";
        let records = [
            "4,1,1000000,-;nvme nvme0: I/O 12 QID 1 timeout, aborting",
            "4,2,2000000,-;nvme nvme1: I/O 13 QID 1 timeout, reset controller",
            "3,3,3000000,-;pcieport 0000:00:04.0: AER: Uncorrected (Fatal) error received",
        ];
        let lines = messages(nvme, &records);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].contains("nvme1: I/O 13") && lines[1].contains("AER"), "{lines:?}");
    }

    #[test]
    fn only_the_last_lines_are_kept_and_none_of_them_is_long() {
        let long = format!("3,1,1000000,-;sda {}", "x".repeat(3000));
        let lines = messages(SATA, &[&*long; 50]);
        assert_eq!(lines.len(), LINES);
        assert!(lines.iter().all(|line| line.chars().count() < 200), "{lines:?}");
    }

    #[test]
    fn a_disk_that_is_gone_and_a_kernel_without_a_log_say_nothing() {
        let nowhere = tempfile::tempdir().expect("a directory");
        assert_eq!(about(Path::new("/dev/sda"), nowhere.path(), &nowhere.path().join("kmsg")), [""; 0]);
    }
}
