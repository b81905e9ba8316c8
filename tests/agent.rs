//! The agent against a station over real sockets, with a file as its disk.

#[path = "agent/https.rs"]
mod https;
#[path = "agent/station.rs"]
mod station;

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use oxbow::agent::failure::Failure;
use oxbow::agent::linux::DiskFile;
use oxbow::agent::machine::{Machine, Medium, Survey};
use oxbow::agent::orders::Orders;
use oxbow::agent::patience::Patience;
use oxbow::agent::pump::Blocks;
use oxbow::agent::{Config, Outcome, run};
use oxbow::domain::digest::Digest;
use oxbow::domain::disk::{Disk, DiskRule, Transport, Volume};
use oxbow::domain::identity::Claims;
use oxbow::domain::ids::MacAddr;
use oxbow::domain::image::Format;
use oxbow::domain::profile::After;
use oxbow::domain::report::{FailureKind, Report, Step};
use oxbow::protocol::Job;
use sha2::{Digest as _, Sha256};
use station::{Misfortune, Station};
use tempfile::TempDir;

#[test]
fn a_raw_image_goes_to_the_disk_and_is_proven() {
    let bench = Bench::with(IMAGE_BYTES * 2);
    let station = raw(image());
    assert_eq!(bench.run(&station), Outcome::Installed);
    assert!(bench.disk_holds(&image()) && bench.was_restarted());
    assert_eq!(station.desk().offsets, [0]);
}

#[test]
fn an_image_of_any_format_and_of_several_parts_goes_to_the_disk_and_is_resumed_where_its_connection_broke() {
    let image = image();
    let (first, second) = image.split_at(IMAGE_BYTES / 3);
    for format in [Format::Raw, Format::Gzip, Format::Xz, Format::Zstd, Format::Bzip2] {
        let bench = Bench::with(IMAGE_BYTES * 2);
        let file = [packed(format, first), packed(format, second)].concat();
        let station = Station::open(job(format, &file, &image), file);
        station.desk().break_after = [100_000, 50_000].into();
        assert_eq!(bench.run(&station), Outcome::Installed, "{format:?}");
        assert!(bench.disk_holds(&image), "{format:?}");
        assert_eq!(station.desk().offsets, [0, 100_000, 150_000], "{format:?}");
    }
}

#[test]
fn zeros_are_on_a_used_disk_wherever_the_image_has_them() {
    let mut image = image();
    image[300_000..2_500_000].fill(0);
    let bench = Bench::with(IMAGE_BYTES);
    std::fs::write(bench.disk(), vec![0x5a; IMAGE_BYTES]).expect("old data");
    let station = raw(image.clone());
    assert_eq!(bench.run(&station), Outcome::Installed);
    assert!(bench.disk_holds(&image));
}

#[test]
fn a_block_device_is_shown_to_make_zeros_itself_and_read_back_past_the_cache() {
    let mut image = image();
    image[300_000..2_500_000].fill(0);
    let mut bench = Bench::with(4 << 20);
    std::fs::write(bench.disk(), vec![0x5a; 4 << 20]).expect("old data");
    let device = Loop::over(&bench.disk());
    bench.disks[0].path.clone_from(&device.0);
    let station = raw(image.clone());
    assert_eq!(bench.run(&station), Outcome::Installed, "{}", bench.screen());
    assert!(bench.disk_holds(&image));
    let reports = station.desk().reports.clone();
    let written = reports.iter().find_map(|report| match report {
        Report::Finished { step: Step::Write, detail } => Some(detail.clone()),
        _ => None,
    });
    let written = written.expect("a report");
    assert!(written.ends_with(" 2.1 MB of zeros made by the disk itself)"), "{written}");
}

#[test]
fn the_reports_of_a_good_run_come_in_their_order_and_name_disk_and_image() {
    let bench = Bench::with(IMAGE_BYTES);
    let station = raw(image());
    bench.run(&station);
    let reports = station.desk().reports.clone();
    let (bytes, sha256) = (IMAGE_BYTES as u64, digest(&image()));
    assert_eq!(
        reports.iter().map(kind).collect::<Vec<_>>(),
        [
            "started preparing",
            "finished preparing",
            "started writing",
            "finished writing",
            "started verifying",
            "read back",
            "finished verifying",
            "started rebooting",
            "complete",
        ]
    );
    assert_eq!(reports[5], Report::ReadBack { bytes, sha256 });
    assert!(matches!(&reports[1], Report::Finished { detail, .. } if detail.ends_with("disk-0 (file, 3.1 MB)")));
    assert!(matches!(&reports[2], Report::Started { detail, .. } if detail.starts_with("test.img to ")));
}

#[test]
fn progress_is_told_with_the_bytes_of_the_whole_step() {
    let station = raw(image());
    station.desk().break_after = [100_000, 0, 0].into();
    Bench::with(IMAGE_BYTES).run(&station);
    let progress = station.desk().progress.clone();
    assert!(progress.iter().any(|moved| moved.step == Step::Write), "{progress:?}");
    assert!(progress.iter().all(|moved| moved.total == IMAGE_BYTES as u64 && moved.done <= moved.total));
    let last = progress.iter().rfind(|moved| moved.step == Step::Write).expect("written");
    assert_eq!((last.done, last.arrived, last.retries), (last.total, last.total, 3));
}

#[test]
fn a_connection_that_breaks_twice_is_resumed_where_it_broke() {
    for station in [raw(image()), gzipped(image())] {
        let bench = Bench::with(IMAGE_BYTES);
        station.desk().break_after = [100_000, 50_000].into();
        assert_eq!(bench.run(&station), Outcome::Installed);
        assert!(bench.disk_holds(&image()));
        assert_eq!(station.desk().offsets, [0, 100_000, 150_000]);
    }
}

#[test]
fn a_download_that_brings_nothing_new_is_given_up() {
    let bench = Bench::with(IMAGE_BYTES);
    let station = raw(image());
    station.desk().break_after = std::iter::once(100_000).chain([0; 1000]).collect();
    let failure = failed(bench.run(&station));
    assert_eq!((failure.step, failure.kind), (Step::Write, FailureKind::Download));
    assert!(failure.detail.starts_with("no new byte for 1 s at byte 100000 of 3145745: "), "{failure}");
}

#[test]
fn a_file_shorter_or_longer_than_the_job_says_is_corrupt() {
    for (length, says) in [
        (1_000_000, "the station's file has 1000000 bytes, the job says 3145745"),
        (IMAGE_BYTES + 1, "the station's file has 3145746 bytes, the job says 3145745"),
    ] {
        let station = raw(image());
        station.desk().file.resize(length, 0);
        assert_eq!(failed(Bench::with(IMAGE_BYTES * 2).run(&station)), corrupt(says));
    }
}

#[test]
fn one_flipped_byte_is_found_before_anything_is_called_good() {
    for (station, says) in [
        (raw(image()), "the image as it arrived (3145745 bytes) has digest "),
        (gzipped(image()), "decompression fails at byte "),
    ] {
        let bench = Bench::with(IMAGE_BYTES);
        let middle = station.desk().file.len() / 2;
        station.desk().file[middle] ^= 1;
        let failure = failed(bench.run(&station));
        assert_eq!((failure.step, failure.kind), (Step::Verify, FailureKind::CorruptImage));
        assert!(failure.detail.starts_with(says), "{failure}");
        let reports = station.desk().reports.clone();
        assert_eq!(kind(reports.last().expect("reports")), "failed verifying");
        assert!(!reports.iter().any(|report| matches!(report, Report::ReadBack { .. } | Report::Complete)));
    }
}

#[test]
fn garbage_behind_a_packed_image_and_a_file_cut_short_are_corrupt_at_their_place() {
    for format in [Format::Gzip, Format::Xz, Format::Zstd, Format::Bzip2] {
        let whole = packed(format, &image());
        let garbage = [&whole, &b"trailing garbage"[..]].concat();
        for file in [garbage, whole[..whole.len() / 2].to_vec()] {
            let station = Station::open(job(format, &file, &image()), file);
            let failure = failed(Bench::with(IMAGE_BYTES).run(&station));
            assert_eq!((failure.step, failure.kind), (Step::Verify, FailureKind::CorruptImage), "{format:?}");
            assert!(failure.detail.starts_with("decompression fails at byte "), "{format:?}: {failure}");
        }
    }
}

#[test]
fn an_image_that_unpacks_to_more_or_less_than_the_job_says_is_corrupt() {
    for (bytes, says) in [
        (IMAGE_BYTES - 1, "the image goes on after byte 3145744, where it should end"),
        (IMAGE_BYTES + 1, "the image ends after 3145745 of 3145746 bytes"),
    ] {
        let station = gzipped(image());
        station.desk().job.disk_bytes = bytes as u64;
        assert_eq!(failed(Bench::with(IMAGE_BYTES * 2).run(&station)), corrupt(says));
    }
}

#[test]
fn a_disk_that_is_too_small_is_not_touched() {
    let bench = Bench::with(IMAGE_BYTES - 1);
    let station = raw(image());
    let failure = failed(bench.run(&station));
    assert_eq!((failure.step, failure.kind), (Step::Prepare, FailureKind::NoDisk));
    assert_eq!(failure.detail, "the largest disk that fits the rule holds 3.1 MB, the image needs 3.1 MB");
    assert_eq!(station.desk().offsets, [0; 0]);
    assert!(bench.disk_holds(&[0; 100]));
}

#[test]
fn of_two_disks_that_fit_none_is_guessed() {
    let mut bench = Bench::with(IMAGE_BYTES);
    bench.add_disk(IMAGE_BYTES);
    let failure = failed(bench.run(&raw(image())));
    assert_eq!((failure.step, failure.kind), (Step::Prepare, FailureKind::NoDisk));
    assert!(failure.detail.starts_with("2 disks fit and the profile's rule does not say which"), "{failure}");
}

#[test]
fn a_disk_with_something_to_protect_is_not_touched_and_the_screen_says_what_it_holds() {
    let mut bench = Bench::with(IMAGE_BYTES);
    bench.disks[0].volumes = vec![Volume { label: "photos".into(), ..Volume::default() }];
    let station = raw(image());
    station.desk().job.disk.protect = vec!["photos".into()];
    let failure = failed(bench.run(&station));
    assert_eq!((failure.step, failure.kind), (Step::Prepare, FailureKind::NoDisk));
    assert!(failure.detail.ends_with("holds what the rule protects: label \"photos\""), "{failure}");
    assert!(station.desk().offsets.is_empty() && bench.disk_holds(&[0; 100]));
    assert!(bench.screen().contains("disk rule") || bench.screen().contains("[disk] rule"), "{}", bench.screen());
}

#[test]
fn a_disk_that_does_not_keep_what_is_written_is_found_out() {
    let bench = Bench { fault: Some(Fault::LosesByte(1_500_000)), ..Bench::with(IMAGE_BYTES) };
    let station = raw(image());
    let failure = failed(bench.run(&station));
    assert_eq!((failure.step, failure.kind), (Step::Verify, FailureKind::ReadBackDiffers));
    assert!(failure.detail.ends_with("differs first is between byte 1048576 and byte 2097152"), "{failure}");
    let kinds: Vec<_> = station.desk().reports.iter().map(kind).collect();
    assert_eq!(kinds[4..], ["started verifying", "read back", "failed verifying"]);
}

#[test]
fn a_disk_that_fails_fails_the_run_with_the_place_and_a_reason_of_its_own() {
    let writing = "writing at byte 983040: ";
    for (fault, step, says) in [
        (Fault::Writing(1_000_000, Errno::EIO), Step::Write, "the disk reports an error (EIO)"),
        (
            Fault::Writing(1_000_000, Errno::ENODEV),
            Step::Write,
            "the disk is gone: it was pulled out, lost power or broke",
        ),
        (
            Fault::Writing(1_000_000, Errno::ENOSPC),
            Step::Write,
            "the disk ends here, it is smaller than it says (ENOSPC)",
        ),
        (Fault::Flushing(Errno::EIO), Step::Write, "flushing: the disk reports an error (EIO)"),
        (Fault::Reading(1_000_000, Errno::ENXIO), Step::Verify, "reading back at byte 983040: the disk is gone"),
        (Fault::EndsAt(1_000_000), Step::Verify, "reading back at byte 1000000: the disk ends here"),
    ] {
        let bench = Bench { fault: Some(fault), ..Bench::with(IMAGE_BYTES) };
        let station = raw(image());
        let failure = failed(bench.run(&station));
        assert_eq!((failure.step, failure.kind), (step, FailureKind::DiskIo), "{fault:?}");
        assert!(failure.detail.contains(says), "{fault:?}: {failure}");
        assert_eq!(failure.detail.contains(writing), matches!(fault, Fault::Writing(..)), "{failure}");
        assert!(!station.desk().reports.contains(&Report::Complete));
        assert!(bench.screen().contains("replace the disk"), "{}", bench.screen());
    }
}

#[test]
fn a_station_that_refuses_or_drips_the_image_is_given_up_with_what_it_said() {
    for (misfortune, says) in [
        (Misfortune::Status("404 Not Found"), "no new byte for 1 s at byte 0 of 3145745: the station says 404: no"),
        (
            Misfortune::Status("500 Internal Server Error"),
            "no new byte for 1 s at byte 0 of 3145745: the station says 500",
        ),
        (Misfortune::Reset, "no new byte for 1 s at byte 0 of 3145745: the station does not answer: "),
        (Misfortune::Drips(Duration::from_millis(50)), "the station is too slow: "),
    ] {
        let bench = Bench::with(IMAGE_BYTES);
        let station = raw(image());
        station.desk().misfortune = Some(misfortune);
        let failure = failed(bench.run(&station));
        assert_eq!((failure.step, failure.kind), (Step::Write, FailureKind::Download), "{failure}");
        assert!(failure.detail.starts_with(says), "{failure}");
        assert!(bench.screen().contains("check the cable"), "{}", bench.screen());
    }
}

#[test]
fn an_image_that_is_swapped_while_it_is_fetched_is_never_called_good() {
    let bench = Bench::with(IMAGE_BYTES);
    let station = raw(image());
    station.desk().break_after = [1_000_000].into();
    station.desk().then_file = Some(vec![7; IMAGE_BYTES]);
    let failure = failed(bench.run(&station));
    assert_eq!((failure.step, failure.kind), (Step::Verify, FailureKind::CorruptImage));
    assert!(failure.detail.starts_with("the image as it arrived (3145745 bytes) has digest "), "{failure}");
}

#[test]
fn a_failed_machine_shows_why_on_its_own_screen_and_restarts_at_the_stations_word() {
    let bench = Bench::with(1000);
    let station = raw(image());
    station.desk().words = [r#"{"word":"wait"}"#, r#"{"word":"dance","with":"me"}"#, "?"].map(Into::into).into();
    failed(bench.run(&station));
    assert!(bench.was_restarted());
    let screen = bench.screen();
    for words in ["THIS MACHINE IS NOT INSTALLED", "FB-0042", "the image needs 3.1 MB", &station.url] {
        assert!(screen.contains(words), "{words} in {screen}");
    }
    assert!(screen.lines().all(|line| line.starts_with("[   12.500] ") && line.is_ascii()), "{screen}");
}

#[test]
fn what_follows_a_proven_disk_is_what_the_profile_says() {
    for (after, restarts, offs, waits) in
        [(After::Reboot, 1, 0, false), (After::PowerOff, 0, 1, false), (After::Wait, 1, 0, true)]
    {
        let bench = Bench::with(IMAGE_BYTES);
        let station = raw(image());
        station.desk().job.after = after;
        station.desk().words = [r#"{"word":"wait"}"#.into()].into();
        assert_eq!(bench.run(&station), Outcome::Installed, "{after:?}");
        let ended = (*bench.restarts.lock().expect("restarts"), *bench.offs.lock().expect("offs"));
        assert_eq!(ended, (restarts, offs), "{after:?}");
        let asked = station.desk().words.is_empty();
        assert_eq!((asked, bench.screen().contains("installed and its disk is proven")), (waits, waits), "{after:?}");
    }
}

#[test]
fn a_station_that_is_away_gets_every_report_and_line_once_and_in_order() {
    let bench = Bench::with(IMAGE_BYTES);
    let station = raw(image());
    station.desk().before_the_job = [later()].into();
    thread::scope(|scope| {
        scope.spawn(|| {
            until(|| station.desk().offsets.len() == 1);
            station.desk().away = true;
            thread::sleep(Duration::from_millis(1500));
            let mut desk = station.desk();
            (desk.away, desk.lost_acks) = (false, 3);
        });
        assert_eq!(bench.run(&station), Outcome::Installed);
    });
    let desk = station.desk();
    assert_eq!(desk.reports.len(), 9);
    assert_eq!(kind(&desk.reports[8]), "complete");
    let lines: Vec<_> = desk.lines.iter().map(|(_, line)| line.as_str()).collect();
    assert!(lines[0].contains("placeholder") && lines[1].starts_with("hello: this machine is serial FB-0042"));
    let verifying = lines.iter().filter(|line| line.starts_with("verify: ")).count();
    assert_eq!((verifying, lines.last()), (2, Some(&"restart: restarting now")), "{lines:?}");
}

#[test]
fn a_station_that_lost_the_run_is_told_who_we_are_and_everything_again() {
    let bench = Bench::with(IMAGE_BYTES);
    let station = raw(image());
    station.desk().break_after = [100_000].into();
    thread::scope(|scope| {
        scope.spawn(|| {
            until(|| station.desk().reports.len() >= 3);
            station.desk().lost_the_run = true;
        });
        assert_eq!(bench.run(&station), Outcome::Installed);
    });
    let desk = station.desk();
    assert_eq!(desk.reports.iter().map(kind).collect::<Vec<_>>()[..2], ["started preparing", "finished preparing"]);
    assert_eq!((desk.reports.len(), desk.hellos), (9, 2));
}

#[test]
fn a_failed_machine_that_was_forgotten_says_again_what_became_of_it() {
    let bench = Bench::with(1000);
    let station = raw(image());
    station.desk().last_word = r#"{"word":"wait"}"#;
    thread::scope(|scope| {
        scope.spawn(|| {
            let has_failed = || station.desk().reports.iter().any(|report| kind(report).starts_with("failed"));
            until(has_failed);
            station.desk().lost_the_run = true;
            until(|| station.desk().hellos >= 2 && has_failed());
            station.desk().last_word = r#"{"word":"restart"}"#;
        });
        failed(bench.run(&station));
    });
    assert!(bench.was_restarted());
}

#[test]
fn what_a_newer_station_says_is_waited_out() {
    let bench = Bench::with(IMAGE_BYTES);
    let station = raw(image());
    let newer = r#"{"answer":"riddle","text":"?"}"#.to_owned();
    station.desk().before_the_job =
        [r#"{"answer":"later","seconds":0,"reason":"a","mood":1}"#.to_owned(), newer].into();
    assert_eq!(bench.run(&station), Outcome::Installed);
    let screen = bench.screen();
    assert!(screen.contains("the station says to wait: a") && screen.contains("unknown to this agent"), "{screen}");
}

#[test]
fn an_answer_that_cannot_be_read_fails_as_a_matter_of_versions() {
    let station = raw(image());
    station.desk().before_the_job = [r#"{"answer":"job","version":9}"#.to_owned()].into();
    let failure = failed(Bench::with(IMAGE_BYTES).run(&station));
    assert_eq!((failure.step, failure.kind), (Step::Prepare, FailureKind::Protocol));
}

#[test]
fn an_ended_run_does_nothing_but_wait_for_the_word() {
    let bench = Bench::with(IMAGE_BYTES);
    let station = raw(image());
    station.desk().before_the_job = [r#"{"answer":"ended","reason":"provisioned already"}"#.to_owned()].into();
    assert_eq!(bench.run(&station), Outcome::Ended("provisioned already".into()));
    assert!(bench.was_restarted() && station.desk().reports.is_empty());
}

#[test]
#[ignore = "a measurement: IMAGE=/path/to/image.raw cargo test --profile agent --test agent -- --ignored --nocapture"]
fn how_fast_an_image_is_written() {
    let image = std::fs::read(std::env::var("IMAGE").expect("IMAGE names a file")).expect("an image");
    for station in [raw(image.clone()), gzipped(image.clone())] {
        let bench = Bench::with(image.len());
        let (before, began) = (cpu_seconds(), Instant::now());
        let outcome = run(&Config::new(orders(&station)), &bench);
        println!("{outcome:?} after {:.2} s, CPU {:.2} s", began.elapsed().as_secs_f64(), cpu_seconds() - before);
        println!("{}", bench.screen());
    }
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("proc");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) / 100.0
}

// The bench ----------------------------------------------------------------------------------------------------------

/// A machine whose disks are files, and what happened to it.
struct Bench {
    directory: TempDir,
    disks: Vec<Disk>,
    fault: Option<Fault>,
    screen: Mutex<Vec<String>>,
    restarts: Mutex<u32>,
    offs: Mutex<u32>,
}

impl Bench {
    /// A machine with one disk of this size.
    fn with(bytes: usize) -> Self {
        let mut bench = Self {
            directory: tempfile::tempdir().expect("a directory"),
            disks: Vec::new(),
            fault: None,
            screen: Mutex::default(),
            restarts: Mutex::default(),
            offs: Mutex::default(),
        };
        bench.add_disk(bytes);
        bench
    }

    fn add_disk(&mut self, bytes: usize) {
        let path = self.directory.path().join(format!("disk-{}", self.disks.len()));
        std::fs::write(&path, vec![0; bytes]).expect("a disk");
        self.disks.push(Disk {
            path: path.to_str().expect("a name").to_owned(),
            transport: Transport::File,
            bytes: bytes as u64,
            ..Disk::default()
        });
    }

    fn run(&self, station: &Station) -> Outcome {
        let patience = Patience {
            retry: Duration::from_millis(200),
            stalled: Duration::from_secs(1),
            report: Duration::from_millis(200),
            word: Duration::from_millis(10),
            ..Patience::default()
        };
        let blocks = Blocks { bytes: 64 * 1024, count: 2 };
        run(&Config { orders: orders(station), patience, blocks }, self)
    }

    fn disk(&self) -> PathBuf {
        self.directory.path().join("disk-0")
    }

    fn disk_holds(&self, content: &[u8]) -> bool {
        std::fs::read(self.disk()).expect("a disk").starts_with(content)
    }

    fn was_restarted(&self) -> bool {
        *self.restarts.lock().expect("restarts") == 1
    }

    fn screen(&self) -> String {
        self.screen.lock().expect("a screen").join("\n")
    }
}

impl Machine for Bench {
    fn survey(&self, boot_nic: Option<MacAddr>) -> Survey {
        let serial = "FB-0042".parse().ok();
        let claims = Claims { macs: boot_nic.into_iter().collect(), serial, ..Claims::default() };
        Survey {
            claims,
            disks: self.disks.clone(),
            remarks: vec!["the UUID is a placeholder".into()],
            ..Survey::default()
        }
    }

    fn open(&self, disk: &Disk) -> io::Result<Box<dyn Medium>> {
        let disk = DiskFile::open(Path::new(&disk.path))?;
        Ok(Box::new(Faulty { disk, at: 0, fault: self.fault }))
    }

    fn uptime(&self) -> Duration {
        Duration::from_millis(12_500)
    }

    fn print(&self, line: &str) {
        self.screen.lock().expect("a screen").push(line.to_owned());
    }

    fn restart(&self) -> io::Result<()> {
        *self.restarts.lock().expect("restarts") += 1;
        Ok(())
    }

    fn power_off(&self) -> io::Result<()> {
        *self.offs.lock().expect("offs") += 1;
        Ok(())
    }
}

/// What is wrong with a disk.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// This byte reads back differently from how it was written.
    LosesByte(usize),
    /// From this byte on every write fails so.
    Writing(usize, Errno),
    Flushing(Errno),
    /// From this byte on every read fails so.
    Reading(usize, Errno),
    /// It gives back no more than this.
    EndsAt(usize),
}

struct Faulty {
    disk: DiskFile,
    at: usize,
    fault: Option<Fault>,
}

impl Medium for Faulty {
    fn write(&mut self, block: &[u8]) -> io::Result<()> {
        self.at += block.len();
        match self.fault {
            Some(Fault::Writing(from, error)) if self.at > from => Err(error.into()),
            _ => self.disk.write(block),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.fault {
            Some(Fault::Flushing(error)) => Err(error.into()),
            _ => self.disk.flush(),
        }
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.at = 0;
        self.disk.rewind()
    }

    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let mut some = self.disk.read(block)?;
        match self.fault {
            Some(Fault::Reading(from, error)) if self.at + some > from => return Err(error.into()),
            Some(Fault::EndsAt(end)) => some = some.min(end.saturating_sub(self.at)),
            Some(Fault::LosesByte(byte)) if (self.at..self.at + some).contains(&byte) => block[byte - self.at] ^= 1,
            _ => {}
        }
        self.at += some;
        Ok(some)
    }

    fn zeros_made(&self) -> u64 {
        self.disk.zeros_made()
    }
}

/// A file as a block device, by losetup(8), as root.
struct Loop(String);

impl Loop {
    fn over(file: &Path) -> Self {
        let made = Command::new("losetup").args(["--find", "--show"]).arg(file).output().expect("losetup starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self(String::from_utf8_lossy(&made.stdout).trim().to_owned())
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        Command::new("losetup").args(["--detach", &self.0]).status().ok();
    }
}

fn orders(station: &Station) -> Orders {
    let cmdline = format!("{} oxbow.run=0123456789abcdef0123456789abcdef", station.words);
    cmdline.parse().expect("orders")
}

// Images -------------------------------------------------------------------------------------------------------------

/// Three megabytes and a bit, so that the last block is not full.
const IMAGE_BYTES: usize = 3 * 1024 * 1024 + 17;

/// Compresses, but not to nothing.
fn image() -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8 & 0x3f
    };
    (0..IMAGE_BYTES).map(|_| next()).collect()
}

fn raw(image: Vec<u8>) -> Station {
    Station::open(job(Format::Raw, &image, &image), image)
}

fn gzipped(image: Vec<u8>) -> Station {
    let file = gzip(&image);
    Station::open(job(Format::Gzip, &file, &image), file)
}

fn job(format: Format, file: &[u8], image: &[u8]) -> Job {
    Job {
        version: 1,
        profile: "test".into(),
        image: "/images/test.img".into(),
        format,
        bytes: file.len() as u64,
        sha256: digest(file),
        disk_bytes: image.len() as u64,
        disk_sha256: digest(image),
        disk: DiskRule::default(),
        after: After::default(),
        next_report: 0,
    }
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::new(Sha256::digest(bytes).into())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    packed(Format::Gzip, bytes)
}

fn packed(format: Format, content: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let done = match format {
        Format::Raw => (&*content).read_to_end(&mut file),
        Format::Gzip => flate2::bufread::GzEncoder::new(content, flate2::Compression::fast()).read_to_end(&mut file),
        Format::Xz => liblzma::bufread::XzEncoder::new(content, 1).read_to_end(&mut file),
        Format::Zstd => {
            zstd::stream::read::Encoder::with_buffer(content, 1).and_then(|mut it| it.read_to_end(&mut file))
        }
        Format::Bzip2 => bzip2::bufread::BzEncoder::new(content, bzip2::Compression::fast()).read_to_end(&mut file),
    };
    done.expect("packed");
    file
}

// What is expected ---------------------------------------------------------------------------------------------------

fn failed(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failed(failure) => failure,
        other => panic!("a failure expected, not {other:?}"),
    }
}

fn corrupt(detail: &str) -> Failure {
    Failure { step: Step::Verify, kind: FailureKind::CorruptImage, detail: detail.into() }
}

fn kind(report: &Report) -> String {
    match report {
        Report::Configured { files, .. } => format!("configured {files} files"),
        Report::Started { step, .. } => format!("started {}", step.word()),
        Report::Finished { step, .. } => format!("finished {}", step.word()),
        Report::Failed { step, .. } => format!("failed {}", step.word()),
        Report::ReadBack { .. } => "read back".into(),
        Report::Complete => "complete".into(),
        Report::SaidDone => "said done".into(),
        Report::Unknown => "unknown".into(),
    }
}

fn later() -> String {
    r#"{"answer":"later","seconds":0,"reason":"the image is being checked"}"#.into()
}

fn until(condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(20), "waited for too long");
        thread::sleep(Duration::from_millis(5));
    }
}
