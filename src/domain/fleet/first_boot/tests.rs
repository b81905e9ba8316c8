use super::super::Grant;
use super::super::tests::{ADDRESS, Bench, claims, run};
use super::*;
use crate::domain::command::Command;
use crate::domain::digest::Digest;
use crate::domain::event::{DhcpAnswer, Event};
use crate::domain::machine::firmware::Firmware;
use crate::domain::machine::report::Report;
use crate::domain::profile::file;
use crate::domain::station::plan::BootPlan;

const PROFILE: &str = "schema = 1\nimage = \"demo.raw\"\n[first_boot]\nwithin_minutes = 20\n";

/// A machine whose disk is proven.
fn proven() -> Bench {
    let mut bench = Bench::new();
    let profile = file::parse("demo.toml", PROFILE).expect("a profile");
    bench.catalogue.profiles.insert(profile.id.clone(), profile);
    bench.booted(run(1));
    let (now, manifest) = (bench.now(), Digest::new([9; 32]));
    bench.fleet.configuration_given(now, run(1), Some(manifest), Vec::new()).expect("a known run");
    let proofs = [
        Report::ReadBack { bytes: 1000, sha256: Digest::new([1; 32]) },
        Report::Configured { files: 2, sha256: manifest, root_hash: None },
        Report::Complete,
    ];
    bench.reported(run(1), proofs);
    bench
}

fn calls(bench: &mut Bench) -> Heard {
    let now = bench.now();
    bench.fleet.called_home(now, run(1), &["host name press-07".to_owned()]).expect("a known run").0
}

fn minutes_pass(bench: &mut Bench, minutes: u64) {
    bench.seconds += minutes * 60;
    let now = bench.now();
    bench.fleet.tick(now);
}

fn reason(bench: &Bench) -> &str {
    let Phase::Failed(failure) = &bench.node().phase else { panic!("{:?}", bench.node().phase) };
    assert_eq!((failure.stage, failure.kind), (Stage::FirstBoot, FailureKind::FirstBoot));
    &failure.reason
}

fn says(bench: &Bench, words: &str) -> bool {
    bench.node().log.lines().any(|line| line.text.contains(words))
}

#[test]
fn a_machine_is_provisioned_once_its_own_system_has_called_and_its_log_has_what_that_said() {
    let mut bench = proven();
    assert_eq!(bench.node().phase, Phase::Booting { stage: Stage::FirstBoot });
    assert!(bench.node().run().is_some_and(|run| run.is_open()));
    assert_eq!(calls(&mut bench), Heard::Provisioned);
    assert_eq!(bench.node().phase, Phase::Provisioned);
    assert_eq!(bench.node().run().and_then(|run| run.outcome.clone()), Some(RunOutcome::Proven));
    assert!(says(&bench, "its own system: host name press-07"));
}

#[test]
fn a_system_that_calls_at_each_boot_is_provisioned_once() {
    let mut bench = proven();
    calls(&mut bench);
    let ended = bench.node().run().and_then(|run| run.ended);
    assert_eq!(calls(&mut bench), Heard::Again);
    assert_eq!(bench.node().run().and_then(|run| run.ended), ended);
}

#[test]
fn until_it_has_called_it_boots_from_its_own_disk_and_nothing_is_written_again() {
    let mut bench = proven();
    bench.powered_on(Firmware::UefiX64);
    assert_eq!((bench.plan(), &bench.node().phase), (BootPlan::LocalDisk, &Phase::Booting { stage: Stage::FirstBoot }));
    assert!(matches!(bench.said_hello(run(1), None), Grant::Ended { .. }));
    assert!(matches!(bench.said_hello(run(2), None), Grant::Ended { .. }));
    minutes_pass(&mut bench, 20);
    bench.powered_on(Firmware::UefiX64);
    assert_eq!(bench.plan(), BootPlan::LocalDisk, "its disk is proven, whatever became of its system");
    reason(&bench);
}

#[test]
fn a_machine_that_never_calls_has_failed_after_its_time_and_the_reason_says_what_was_seen_last() {
    let mut bench = proven();
    minutes_pass(&mut bench, 19);
    assert_eq!(bench.node().phase, Phase::Booting { stage: Stage::FirstBoot });
    assert_eq!(bench.node().stalled(Timestamp::from_millis(bench.seconds * 1000)), None);
    minutes_pass(&mut bench, 1);
    assert_eq!(
        reason(&bench),
        "its own system did not call within 20 minutes: nothing was seen of it since its disk was proven"
    );

    let mut bench = proven();
    bench.saw(Event::SentToDisk { claims: claims(None), address: ADDRESS });
    minutes_pass(&mut bench, 20);
    assert!(
        reason(&bench).contains(": the last of it was that it was sent to its own disk, 20:0"),
        "{}",
        reason(&bench)
    );

    let mut bench = proven();
    bench.saw(Event::DhcpAnswered {
        claims: claims(None),
        firmware: Firmware::Plain,
        address: Some(ADDRESS),
        answer: DhcpAnswer::Ack,
        bootfile: None,
        lacks_https: false,
    });
    minutes_pass(&mut bench, 20);
    assert!(reason(&bench).contains("its own system asked for an address, 20:0"), "{}", reason(&bench));
}

#[test]
fn a_late_call_still_counts_and_the_log_says_that_it_was_late() {
    let mut bench = proven();
    minutes_pass(&mut bench, 30);
    reason(&bench);
    assert_eq!(calls(&mut bench), Heard::Provisioned);
    assert_eq!(bench.node().phase, Phase::Provisioned);
    assert_eq!(bench.node().run().and_then(|run| run.outcome.clone()), Some(RunOutcome::Proven));
    assert!(says(&bench, "its own system has called late, after 30:"));
}

#[test]
fn a_call_before_the_disk_is_proven_or_after_it_was_armed_again_is_not_heeded() {
    let mut bench = Bench::new();
    bench.booted(run(1));
    assert_eq!(calls(&mut bench), Heard::NotHeeded);
    assert_eq!(bench.node().phase, Phase::Booting { stage: Stage::Agent });

    let mut bench = proven();
    let node = bench.node().id;
    bench.asked(Command::Rearm { node }).expect("it waits, and is not at work");
    assert_eq!(calls(&mut bench), Heard::NotHeeded);
    assert_eq!(bench.node().phase, Phase::Registered);
}

#[test]
fn a_station_that_starts_again_still_waits_for_the_call_and_for_no_longer() {
    let mut bench = proven();
    minutes_pass(&mut bench, 10);
    let stored = serde_json::to_string(bench.node()).expect("it can be stored");
    bench.fleet = Fleet::restore([serde_json::from_str::<Node>(&stored).expect("readable")]);
    assert_eq!(bench.plan(), BootPlan::LocalDisk);
    minutes_pass(&mut bench, 10);
    reason(&bench);
}

#[test]
fn an_agent_that_never_asks_what_follows_is_not_provisioned() {
    let mut bench = Bench::new();
    let profile = file::parse("demo.toml", PROFILE).expect("a profile");
    bench.catalogue.profiles.insert(profile.id.clone(), profile);
    bench.booted(run(1));
    bench.reported(run(1), [Report::ReadBack { bytes: 1000, sha256: Digest::new([1; 32]) }, Report::Complete]);
    let Phase::Failed(failure) = &bench.node().phase else { panic!("{:?}", bench.node().phase) };
    assert_eq!((failure.stage, failure.kind), (Stage::Configuring, FailureKind::Protocol));
}

#[test]
fn what_cloud_init_writes_in_the_first_boot_is_in_the_log_once_and_has_an_end() {
    let mut bench = proven();
    let mut wrote = |first: u32, lines: &[&str]| {
        let now = bench.now();
        let lines = lines.iter().map(|text| (Level::Info, (*text).to_owned())).collect();
        let (next, effects) = bench.fleet.first_boot_wrote(now, run(1), first, lines).expect("a known run");
        let is_said =
            |effect: &&Effect| matches!(effect, Effect::Log { line, .. } if line.source == LogSource::CloudInit);
        (next, effects.iter().filter(is_said).count())
    };
    assert_eq!(wrote(0, &["init-local", "init"]), (Some(2), 2));
    assert_eq!(wrote(0, &["init-local", "init", "final"]), (Some(3), 1), "what is said again is known");
    assert_eq!(wrote(0, &["init-local"]), (Some(3), 0));
    let many = vec!["x"; 5000];
    assert_eq!(wrote(3, &many), (Some(OUTPUT), 3997));
    assert_eq!(wrote(OUTPUT, &many), (Some(OUTPUT), 0), "the same again: it is enough");
    assert!(says(&bench, "its first boot has written 4000 lines: the rest is left out"));
    assert_eq!(calls(&mut bench), Heard::Provisioned);
}

#[test]
fn nobody_writes_into_the_log_of_a_machine_as_its_own_system_before_its_disk_is_proven() {
    let mut bench = Bench::new();
    bench.booted(run(1));
    let now = bench.now();
    let lines = || vec![(Level::Info, "words".to_owned())];
    assert_eq!(bench.fleet.first_boot_wrote(now, run(1), 0, lines()), Ok((None, Vec::new())));
    assert_eq!(bench.fleet.first_boot_wrote(now, run(2), 0, lines()), Err(ReportError::UnknownRun(run(2))));
}
