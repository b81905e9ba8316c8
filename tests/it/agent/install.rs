//! The agent against a station over real sockets, with a file as its disk.

use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::bench::*;
use super::station::{Misfortune, Station};
use oxbow::agent::cli::dry_run;
use oxbow::agent::outcome::AgentOutcome;
use oxbow::agent::station::backoff::RetryPolicy;
use oxbow::agent::{AgentConfig, run};
use oxbow::domain::logline::Level;
use oxbow::domain::machine::disk::DiskVolume;
use oxbow::domain::machine::report::{FailureKind, Report, Step};
use oxbow::domain::profile::After;
use oxbow::domain::profile::image::ImageFormat;

#[test]
fn a_raw_image_goes_to_the_disk_and_is_proven() {
    let bench = Bench::with(IMAGE_BYTES * 2);
    let station = raw(image());
    assert_eq!(bench.run(&station), AgentOutcome::Installed);
    assert!(bench.disk_holds(&image()) && bench.was_restarted());
    assert_eq!(station.desk().offsets, [0]);
}

#[test]
fn an_image_of_any_format_and_of_several_parts_goes_to_the_disk_and_is_resumed_where_its_connection_broke() {
    let image = image();
    let (first, second) = image.split_at(IMAGE_BYTES / 3);
    for format in [ImageFormat::Raw, ImageFormat::Gzip, ImageFormat::Xz, ImageFormat::Zstd, ImageFormat::Bzip2] {
        let bench = Bench::with(IMAGE_BYTES * 2);
        let file = [packed(format, first), packed(format, second)].concat();
        let station = Station::open(job(format, &file, &image), file);
        station.desk().break_after = [100_000, 50_000].into();
        assert_eq!(bench.run(&station), AgentOutcome::Installed, "{format:?}");
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
    assert_eq!(bench.run(&station), AgentOutcome::Installed);
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
    assert_eq!(bench.run(&station), AgentOutcome::Installed, "{}", bench.screen());
    assert!(bench.disk_holds(&image));
    let reports = station.desk().reports.clone();
    let written = reports.iter().find_map(|report| match report {
        Report::Finished { step: Step::Write, detail } => Some(detail.clone()),
        _ => None,
    });
    let written = written.expect("a report");
    assert!(written.ends_with(" 2.1 MB zeroed by the disk itself)"), "{written}");
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
    // Of figures only the newest is kept, so the last one need not be the end.
    assert_eq!((last.retries, last.arrived <= last.total), (3, true), "{last:?}");
    assert!(progress.iter().filter(|moved| moved.step == Step::Write).is_sorted_by_key(|moved| moved.done));
}

#[test]
fn a_connection_that_breaks_twice_is_resumed_where_it_broke() {
    for station in [raw(image()), gzipped(image())] {
        let bench = Bench::with(IMAGE_BYTES);
        station.desk().break_after = [100_000, 50_000].into();
        assert_eq!(bench.run(&station), AgentOutcome::Installed);
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
        (1_000_000, "the station's file has 1000000 bytes, fewer than the job says (3145745)"),
        (IMAGE_BYTES + 1, "the station's file has 3145746 bytes, more than the job says (3145745)"),
    ] {
        let station = raw(image());
        station.desk().file.resize(length, 0);
        assert_eq!(failed(Bench::with(IMAGE_BYTES * 2).run(&station)), corrupt(says));
    }
}

#[test]
fn one_flipped_byte_is_found_before_anything_is_called_good() {
    for (station, says) in [
        (raw(image()), "the downloaded image (3145745 bytes) has digest "),
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
    for format in [ImageFormat::Gzip, ImageFormat::Xz, ImageFormat::Zstd, ImageFormat::Bzip2] {
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
        (IMAGE_BYTES - 1, "the image does not end at byte 3145744 as expected"),
        (IMAGE_BYTES + 1, "the image ends after 3145745 of 3145746 bytes"),
    ] {
        let station = gzipped(image());
        station.desk().job.disk_bytes = bytes as u64;
        assert_eq!(failed(Bench::with(IMAGE_BYTES * 2).run(&station)), corrupt(says));
    }
}

#[test]
fn a_person_at_the_machines_shell_is_told_what_would_be_written_where_and_nothing_is() {
    let mut bench = Bench::with(IMAGE_BYTES);
    bench.disks[0].volumes = vec![DiskVolume { label: "photos".into(), ..DiskVolume::default() }];
    let station = raw(image());
    station.desk().job.warnings = vec!["the system starts from nvme disks only".into()];
    let would = dry_run(&boot_args(&station), &bench).expect("a disk fits");
    for says in [
        "profile test",
        "image test.img, 3.1 MB to transfer",
        &format!("would write 3.1 MB to {} (file, 3.1 MB)", bench.disks[0].path),
        "which now holds label \"photos\"",
        "note: the system starts from nvme disks only",
        "nothing was written",
    ] {
        assert!(would.contains(says), "{says} is not in:\n{would}");
    }
    bench.disks[0].bytes -= 1;
    let none = dry_run(&boot_args(&station), &bench).expect_err("no disk fits");
    assert_eq!(none, "the largest disk that fits the rule holds 3.1 MB, the image needs 3.1 MB");
    station.desk().away = true;
    let away = dry_run(&boot_args(&station), &bench).expect_err("nobody answers");
    assert!(away.starts_with("the station does not answer: ") && away.contains(&station.url), "{away}");

    let desk = station.desk();
    assert_eq!((desk.offsets.len(), desk.reports.len(), desk.hellos), (0, 0, 0), "the station heard of a run");
    assert!(bench.disk_holds(&[0; IMAGE_BYTES]));
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
    bench.disks[0].volumes = vec![DiskVolume { label: "photos".into(), ..DiskVolume::default() }];
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
    let bench = Bench::faulty(Fault::LosesByte(1_500_000), IMAGE_BYTES);
    let station = raw(image());
    let failure = failed(bench.run(&station));
    assert_eq!((failure.step, failure.kind), (Step::Verify, FailureKind::ReadBackDiffers));
    assert!(failure.detail.ends_with("first difference is between byte 1048576 and byte 2097152"), "{failure}");
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
            "the disk is gone: it was removed, lost power or failed",
        ),
        (
            Fault::Writing(1_000_000, Errno::ENOSPC),
            Step::Write,
            "the disk ends here: it is smaller than it reports (ENOSPC)",
        ),
        (Fault::Flushing(Errno::EIO), Step::Write, "flushing: the disk reports an error (EIO)"),
        (Fault::Reading(1_000_000, Errno::ENXIO), Step::Verify, "reading back at byte 983040: the disk is gone"),
        (Fault::EndsAt(1_000_000), Step::Verify, "reading back at byte 1000000: the disk ends here"),
    ] {
        let bench = Bench::faulty(fault, IMAGE_BYTES);
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
fn a_disk_that_never_answers_is_named_with_step_and_place_and_the_machine_restarts_all_the_same() {
    let cases = [
        (Fault::HangsOpening, Step::Prepare, "opening"),
        (Fault::HangsWriting(1_000_000), Step::Write, "writing at byte 983040"),
        (Fault::HangsFlushing, Step::Write, "flushing"),
        (Fault::HangsReading(1_000_000), Step::Verify, "reading back at byte 983040"),
    ];
    let hangs = |(fault, step, doing): (Fault, Step, &str)| {
        let mut bench = Bench::faulty(fault, IMAGE_BYTES);
        bench.retry_policy = RetryPolicy { disk: Duration::from_secs(2), ..bench.retry_policy };
        let station = raw(image());
        // It waits to be armed again.
        station.desk().words = [r#"{"word":"wait"}"#.into()].into();
        let failure = failed(bench.run(&station));
        assert_eq!((failure.step, failure.kind), (step, FailureKind::Hung), "{failure}");
        let says = format!("{}: {doing}: the disk has not answered for 2 s", bench.disks[0].path);
        assert_eq!(failure.detail, says);
        let restarts = *bench.restarts.lock().expect("restarts");
        assert_eq!((bench.cuts.count(), restarts), (1, 0), "it does not wait for the disk to be synced");
        let desk = station.desk();
        let reports: Vec<_> = desk.reports.iter().map(kind).collect();
        assert_eq!(reports.last(), Some(&format!("failed {}", step.word())), "{reports:?}");
        let warned = desk.lines.iter().any(|(_, line)| line.contains("has not answered for 1") && line.contains(doing));
        assert!(warned && desk.words.is_empty(), "{:?}", desk.lines);
        let screen = bench.screen();
        let box_says =
            screen.contains("THIS MACHINE IS NOT INSTALLED") && screen.contains("reseat or replace the disk");
        assert!(box_says, "{screen}");
    };
    thread::scope(|scope| {
        for case in cases {
            scope.spawn(move || hangs(case));
        }
    });
}

#[test]
fn what_the_kernel_says_of_a_disk_that_failed_is_in_the_report_on_the_screen_and_in_the_log() {
    for (fault, kind) in [
        (Fault::HangsWriting(1_000_000), FailureKind::Hung),
        (Fault::Writing(1_000_000, Errno::EIO), FailureKind::DiskIo),
    ] {
        let mut bench = Bench::faulty(fault, IMAGE_BYTES);
        bench.retry_policy = RetryPolicy { disk: Duration::from_secs(2), ..bench.retry_policy };
        bench.kernel = ["[900.000] ata3.00: failed command: WRITE DMA", "[904.100] ata3: reset failed, giving up"]
            .map(str::to_owned)
            .into();
        let station = raw(image());
        failed(bench.run(&station));
        let desk = station.desk();
        let Some(Report::Failed { failure, detail, .. }) = desk.reports.last() else { panic!("{:?}", desk.reports) };
        assert_eq!(*failure, kind);
        assert!(detail.ends_with("; last kernel message: [904.100] ata3: reset failed, giving up"), "{detail}");
        let logged = desk.lines.iter().filter(|(_, line)| line.contains("kernel: [90"));
        assert_eq!(logged.count(), 2, "{:?}", desk.lines);
        let screen = bench.screen();
        assert!(screen.contains("ata3.00: failed command") && screen.contains("| what     "), "{screen}");
    }
    let mut bench = Bench::with(IMAGE_BYTES);
    bench.kernel = vec!["[1.000] sda: nothing to do with it".into()];
    let station = gzipped(image());
    station.desk().job.sha256 = digest(b"another image");
    let failure = failed(bench.run(&station));
    assert_eq!((failure.kind, failure.detail.contains("kernel")), (FailureKind::CorruptImage, false), "{failure}");
    assert!(!bench.screen().contains("nothing to do with it"), "no disk failed: {}", bench.screen());
}

#[test]
fn a_disk_that_is_smaller_than_it_says_takes_a_part_of_the_last_write_and_is_found_out() {
    let mut bench = Bench::with(2_000_896);
    let device = Loop::over(&bench.disk());
    bench.disks[0].path.clone_from(&device.0);
    bench.disks[0].bytes = IMAGE_BYTES as u64;
    let failure = failed(bench.run(&raw(image())));
    assert_eq!((failure.step, failure.kind), (Step::Write, FailureKind::DiskIo));
    let says = "writing at byte 1966080: the disk ends here: it is smaller than it reports (ENOSPC)";
    assert!(failure.detail.ends_with(says), "{failure}");
}

#[test]
fn a_station_that_refuses_or_drips_the_image_is_given_up_with_what_it_said() {
    for (misfortune, says) in [
        (Misfortune::Status("404 Not Found"), "no new byte for 1 s at byte 0 of 3145745: the station answers 404: no"),
        (
            Misfortune::Status("500 Internal Server Error"),
            "no new byte for 1 s at byte 0 of 3145745: the station answers 500",
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
    assert!(failure.detail.starts_with("the downloaded image (3145745 bytes) has digest "), "{failure}");
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
fn a_failed_machine_that_waits_for_its_technician_is_not_called_hung_however_long_that_takes() {
    let mut bench = Bench::with(1000);
    bench.retry_policy = RetryPolicy { step: Duration::from_secs(4), ..bench.retry_policy };
    let station = raw(image());
    // Longer than the half of a step's patience, after which it would be warned of.
    station.desk().words = vec![r#"{"word":"wait"}"#.into(); 300].into();
    assert_eq!(failed(bench.run(&station)).kind, FailureKind::NoDisk);
    assert!(bench.was_restarted());
    let lines = station.desk().lines.clone();
    assert!(!lines.iter().any(|(_, line)| line.contains("no progress")), "{lines:?}");
}

#[test]
fn what_the_station_warns_of_is_on_the_machines_own_screen_before_its_disk_is_written() {
    let bench = Bench::with(IMAGE_BYTES);
    let station = raw(image());
    station.desk().job.warnings = vec!["the system starts from nvme disks only".into()];
    assert_eq!(bench.run(&station), AgentOutcome::Installed, "{}", bench.screen());
    let screen = bench.screen();
    let (warned, wrote) = (screen.find("warning the system starts from nvme disks only"), screen.find(" write "));
    assert!(warned.is_some() && warned < wrote, "{screen}");
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
        assert_eq!(bench.run(&station), AgentOutcome::Installed, "{after:?}");
        let ended = (*bench.restarts.lock().expect("restarts"), *bench.offs.lock().expect("offs"));
        assert_eq!(ended, (restarts, offs), "{after:?}");
        let asked = station.desk().words.is_empty();
        assert_eq!((asked, bench.screen().contains("installed and its disk is verified")), (waits, waits), "{after:?}");
    }
}

#[test]
fn a_machine_that_waits_says_at_each_hello_what_it_is_made_of_by_now() {
    let bench = Bench::with(IMAGE_BYTES);
    let station = raw(image());
    station.desk().before_the_job = [later(), later()].into();
    assert_eq!(bench.run(&station), AgentOutcome::Installed);
    assert_eq!(station.desk().threads, [None, Some(1), Some(2)]);
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
        assert_eq!(bench.run(&station), AgentOutcome::Installed);
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
fn an_agent_that_was_started_again_in_its_run_has_its_first_lines_in_the_log_however_few_the_first_said() {
    for said in [1, 3, 400] {
        let bench = Bench::with(IMAGE_BYTES);
        let station = raw(image());
        let first_life = (0..said).map(|line| (Level::Info, format!("first life, line {line}")));
        station.desk().lines = first_life.collect();
        // The answer that says where the log goes on gets lost, too.
        station.desk().lost_acks = 1;
        assert_eq!(bench.run(&station), AgentOutcome::Installed);
        let lines: Vec<_> = station.desk().lines.iter().map(|(_, line)| line.clone()).collect();
        let (first, second) = lines.split_at(said);
        assert!(first.iter().all(|line| line.starts_with("first life")), "{lines:?}");
        assert!(second[0].contains("placeholder"), "after {said}: {second:?}");
        assert!(second[1].starts_with("hello: this machine is serial FB-0042"), "after {said}: {second:?}");
        assert_eq!(second.last().map(String::as_str), Some("restart: restarting now"));
    }
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
        assert_eq!(bench.run(&station), AgentOutcome::Installed);
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
    assert_eq!(bench.run(&station), AgentOutcome::Installed);
    let screen = bench.screen();
    assert!(
        screen.contains("the station asks this machine to wait: a") && screen.contains("newer than this agent"),
        "{screen}"
    );
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
    assert_eq!(bench.run(&station), AgentOutcome::Ended("provisioned already".into()));
    assert!(bench.was_restarted() && station.desk().reports.is_empty());
}

#[test]
#[ignore = "a measurement: IMAGE=/path/to/image.raw cargo test --profile agent --test it -- --ignored --exact agent::install::NAME --nocapture"]
fn how_fast_an_image_is_written() {
    let image = std::fs::read(std::env::var("IMAGE").expect("IMAGE names a file")).expect("an image");
    for station in [raw(image.clone()), gzipped(image.clone())] {
        let bench = Bench::with(image.len());
        let (before, began) = (cpu_seconds(), Instant::now());
        let outcome = run(&AgentConfig::new(boot_args(&station)), &bench);
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
