//! What can go wrong with a disk, a station or the way between them, and what a technician reads of it.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;

use crate::agent::bench::*;
use crate::agent::station::{Desk, Misfortune, Station};
use oxbow::agent::station::backoff::RetryPolicy;
use oxbow::domain::machine::disk::DiskVolume;
use oxbow::domain::machine::report::Report;
use oxbow::domain::profile::image::ImageFormat;

/// One thing that goes wrong: its name, what is wrong, and words of the reason on the machine's own screen.
struct Row {
    name: &'static str,
    machine: Machine,
    station: fn() -> Station,
    says: &'static str,
}

enum Machine {
    Sound,
    With(Fault),
    /// The disk has so many bytes.
    Sized(usize),
    /// The disk has so many bytes, and says it has enough.
    Lying(usize),
    Twice,
    Protected,
}

fn rows() -> Vec<Row> {
    use Machine::{Lying, Protected, Sized, Sound, Twice, With};
    let row = |name, machine, station, says| Row { name, machine, station, says };
    let sound = || raw(image());
    vec![
        row(
            "write error",
            With(Fault::Writing(1_000_000, Errno::EIO)),
            sound,
            "writing at byte 983040: the disk reports an error",
        ),
        row(
            "short write",
            Lying(2_000_896),
            sound,
            "writing at byte 1966080: the disk ends here: it is smaller than it reports",
        ),
        row(
            "disk vanishes while it is written",
            With(Fault::Writing(1_000_000, Errno::ENODEV)),
            sound,
            "the disk is gone",
        ),
        row(
            "disk vanishes while it is read",
            With(Fault::Reading(1_000_000, Errno::ENXIO)),
            sound,
            "reading back at byte 983040: the disk is gone",
        ),
        row("flush error", With(Fault::Flushing(Errno::EIO)), sound, "flushing: the disk reports an error"),
        row(
            "read error",
            With(Fault::Reading(1_000_000, Errno::EIO)),
            sound,
            "reading back at byte 983040: the disk reports an error",
        ),
        row(
            "disk reads short",
            With(Fault::EndsAt(1_000_000)),
            sound,
            "reading back at byte 1000000: the disk ends here",
        ),
        row(
            "read-back mismatch",
            With(Fault::LosesByte(1_500_000)),
            sound,
            "the first difference is between byte 1048576 and byte 2097152",
        ),
        row(
            "disk hangs while it is written",
            With(Fault::HangsWriting(1_000_000)),
            sound,
            "writing at byte 983040: the disk has not answered for",
        ),
        row(
            "disk hangs while it is flushed",
            With(Fault::HangsFlushing),
            sound,
            "flushing: the disk has not answered for",
        ),
        row("disk too small", Sized(IMAGE_BYTES - 1), sound, "the largest disk that fits the rule holds 3.1 MB"),
        row("two disks", Twice, sound, "2 disks fit and the profile's rule does not say which"),
        row("protected disk", Protected, protecting, "holds what the rule protects"),
        row("404", Sound, || unlucky(Misfortune::Status("404 Not Found")), "the station answers 404"),
        row("500", Sound, || unlucky(Misfortune::Status("500 Internal Server Error")), "the station answers 500"),
        row("connection reset", Sound, || unlucky(Misfortune::Reset), "the station does not answer: "),
        row("silent server", Sound, || unlucky(Misfortune::Silence), "the station does not answer: no answer in time"),
        row("slow loris", Sound, || unlucky(Misfortune::Drips(Duration::from_millis(50))), "the station is too slow: "),
        row(
            "file too short",
            Sound,
            || arranged(|desk| desk.file.truncate(1_000_000)),
            "the station's file has 1000000 bytes, fewer than the job says (3145745)",
        ),
        row(
            "file too long",
            Sound,
            || arranged(|desk| desk.file.push(0)),
            "the station's file has 3145746 bytes, more than the job says",
        ),
        row(
            "packed file cut short",
            Sound,
            || repacked(|file| file.truncate(file.len() / 2)),
            "decompression fails at byte ",
        ),
        row(
            "packed file with garbage behind",
            Sound,
            || repacked(|file| file.extend(b"trailing garbage")),
            "decompression fails at byte ",
        ),
        row(
            "wrong digest of the file",
            Sound,
            || arranged(|desk| desk.file[1_000_000] ^= 1),
            "the downloaded image (3145745 bytes) has digest ",
        ),
        row(
            "packed image too long",
            Sound,
            || packed_for(IMAGE_BYTES - 1),
            "the image does not end at byte 3145744 as expected",
        ),
        row(
            "packed image too short",
            Sound,
            || packed_for(IMAGE_BYTES + 1),
            "the image ends after 3145745 of 3145746 bytes",
        ),
        row(
            "image replaced during the run",
            Sound,
            || replaced(IMAGE_BYTES),
            "the image was replaced on the station during the download, at byte 1000000",
        ),
    ]
}

#[test]
fn every_fault_has_a_reason_of_its_own_on_the_machines_screen_and_none_is_called_installed() {
    let rows = rows();
    let mut reasons = BTreeMap::new();
    for part in rows.chunks(4) {
        let part: Vec<_> = thread::scope(|scope| {
            let running: Vec<_> = part.iter().map(|row| scope.spawn(|| reason(row))).collect();
            running.into_iter().map(|thread| thread.join().expect("a reason")).collect()
        });
        reasons.extend(part);
    }
    assert_eq!(reasons.len(), rows.len());
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    for (name, reason) in reasons {
        if let Some(other) = names.insert(bare(&reason), name) {
            panic!("{name} and {other} read alike: {reason}");
        }
    }
}

/// What the screen says of it.
fn reason(row: &Row) -> (&'static str, String) {
    let Row { name, machine, station, says } = row;
    let mut bench = Bench::with(IMAGE_BYTES * 2);
    let second = Duration::from_secs(1);
    bench.retry_policy = RetryPolicy { read: second, question: second, disk: second * 3, ..bench.retry_policy };
    let mut device = None;
    match machine {
        Machine::Sound => {}
        Machine::With(fault) => bench.fault = Some(*fault),
        Machine::Sized(bytes) => bench = Bench::with(*bytes),
        Machine::Lying(bytes) => {
            bench = Bench::with(*bytes);
            let small = device.insert(Loop::over(&bench.disk()));
            bench.disks[0].path.clone_from(&small.0);
            bench.disks[0].bytes = IMAGE_BYTES as u64;
        }
        Machine::Twice => bench.add_disk(IMAGE_BYTES),
        Machine::Protected => {
            bench.disks[0].volumes = vec![DiskVolume { label: "photos".into(), ..DiskVolume::default() }]
        }
    }
    let station = station();
    let failure = failed(bench.run(&station));
    assert!(failure.detail.contains(says), "{name}: {failure}");
    let screen = bench.screen();
    let boxed = screen.split("THIS MACHINE IS NOT INSTALLED").nth(1);
    let boxed = boxed.unwrap_or_else(|| panic!("{name}: no box in {screen}"));
    let words: Vec<&str> = boxed.split(['|', '\n']).filter(|part| !part.trim().ends_with("] failed")).collect();
    let words = words.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
    let (what, try_this) =
        words.split_once(" what ").and_then(|(_, what)| what.split_once(" try ")).expect("what, try");
    let (hint, _) = try_this.rsplit_once(" station http").expect("try, station");
    assert_eq!(hint, failure.kind.hint(), "{name}");
    // A long name of a disk is broken where the box ends.
    let unbroken = |text: &str| text.replace(' ', "");
    assert!(unbroken(what).contains(&unbroken(says)), "{name}: {what}");
    let reports = &station.desk().reports;
    assert!(!reports.contains(&Report::Complete), "{name}: {reports:?}");
    (name, what.to_owned())
}

/// Without figures, digests and names of disks, which would make any two reasons different.
fn bare(reason: &str) -> String {
    let digits = |word: &str| word.chars().filter(char::is_ascii_digit).count();
    let plain = |word: &&str| digits(word) < 4 && !word.contains(['/', '-']) && !word.contains("...");
    reason.split_whitespace().filter(plain).collect::<Vec<_>>().join(" ")
}

fn unlucky(misfortune: Misfortune) -> Station {
    arranged(|desk| desk.misfortune = Some(misfortune))
}

fn arranged(arrange: impl FnOnce(&mut Desk)) -> Station {
    let station = raw(image());
    arrange(&mut station.desk());
    station
}

fn protecting() -> Station {
    arranged(|desk| desk.job.disk.protect = vec!["photos".into()])
}

/// A packed image, of which something else than the job says is on the station.
fn repacked(change: fn(&mut Vec<u8>)) -> Station {
    let mut file = packed(ImageFormat::Zstd, &image());
    change(&mut file);
    Station::open(job(ImageFormat::Zstd, &file, &image()), file)
}

fn packed_for(bytes: usize) -> Station {
    let station = gzipped(image());
    station.desk().job.disk_bytes = bytes as u64;
    station
}

fn replaced(bytes: usize) -> Station {
    arranged(|desk| {
        desk.tagged = true;
        desk.break_after = [1_000_000].into();
        desk.then_file = Some(vec![7; bytes]);
    })
}
