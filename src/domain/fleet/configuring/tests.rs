use super::super::Grant;
use super::super::tests::{Bench, run};
use super::*;
use crate::domain::machine::report::Report;
use crate::domain::node::phase::Phase;

const MANIFEST: [u8; 32] = [9; 32];

/// A machine whose agent was given what follows its image.
fn given() -> Bench {
    let mut bench = Bench::new();
    bench.booted(run(1));
    gives(&mut bench, MANIFEST);
    bench
}

fn gives(bench: &mut Bench, manifest: [u8; 32]) {
    let now = bench.now();
    let given = bench.fleet.configuration_given(now, run(1), Some(Digest::new(manifest)), Vec::new());
    assert!(given.is_ok_and(|effects| matches!(effects[..], [Effect::SaveNode(_)])), "it is stored");
}

fn read_back() -> Report {
    Report::ReadBack { bytes: 1000, sha256: Digest::new([1; 32]) }
}

fn configured(manifest: [u8; 32]) -> Report {
    Report::Configured { files: 1, sha256: Digest::new(manifest), root_hash: None }
}

fn failure(bench: &Bench) -> (Stage, FailureKind) {
    let Phase::Failed(failure) = &bench.node().phase else { panic!("{:?}", bench.node().phase) };
    (failure.stage, failure.kind)
}

#[test]
fn a_disk_that_holds_image_and_files_is_proven_and_its_log_says_so() {
    let mut bench = given();
    bench.reported(run(1), [read_back(), configured(MANIFEST), Report::Complete]);
    assert_eq!(bench.node().phase, Phase::Provisioned);
    assert!(bench.node().log.lines().any(|line| line.text.starts_with("configured: what is read back of 1 files is")));
}

#[test]
fn the_root_hash_of_a_sealed_system_is_kept_and_what_is_none_is_not() {
    for (said, kept) in [("5f".repeat(32), Some(Digest::new([0x5f; 32]))), ("\u{1b}[2Jnone".into(), None)] {
        let mut bench = given();
        let sealed = Report::Configured { files: 1, sha256: Digest::new(MANIFEST), root_hash: Some(said) };
        bench.reported(run(1), [read_back(), sealed, Report::Complete]);
        let stored = serde_json::to_string(bench.node().run().expect("a run")).expect("it can be stored");
        let again: Run = serde_json::from_str(&stored).expect("readable");
        assert_eq!((again.root_hash, &bench.node().phase), (kept, &Phase::Provisioned));
    }
}

#[test]
fn files_that_do_not_read_back_as_asked_for_are_a_failure_whatever_the_agent_says_next() {
    let mut bench = given();
    bench.reported(run(1), [read_back(), configured([8; 32]), Report::Complete]);
    assert_eq!(failure(&bench), (Stage::Configuring, FailureKind::ReadBackDiffers));
}

#[test]
fn a_machine_that_never_shows_its_files_is_never_provisioned() {
    let mut bench = given();
    bench.reported(run(1), [read_back(), Report::Complete]);
    assert_eq!(failure(&bench), (Stage::Configuring, FailureKind::Protocol));
}

#[test]
fn files_prove_nothing_of_the_image() {
    let mut bench = given();
    bench.reported(run(1), [configured(MANIFEST), Report::Complete]);
    assert_eq!(failure(&bench), (Stage::Verifying, FailureKind::Protocol));
}

#[test]
fn what_was_given_last_counts_until_it_is_proven() {
    let mut bench = given();
    gives(&mut bench, [8; 32]);
    bench.reported(run(1), [read_back(), configured([8; 32])]);
    let now = bench.now();
    assert_eq!(bench.fleet.configuration_given(now, run(1), Some(Digest::new([7; 32])), Vec::new()), Ok(Vec::new()));
    bench.reported(run(1), [Report::Complete]);
    assert_eq!(bench.node().phase, Phase::Provisioned);
}

#[test]
fn a_station_that_starts_again_in_between_still_knows_what_it_gave() {
    let mut bench = given();
    let stored = serde_json::to_string(bench.node()).expect("it can be stored");
    bench.fleet = Fleet::restore([serde_json::from_str::<Node>(&stored).expect("readable")]);
    assert!(matches!(bench.said_hello(run(1), None), Grant::Job(_)));
    bench.reported(run(1), [read_back(), configured([8; 32])]);
    assert_eq!(failure(&bench), (Stage::Configuring, FailureKind::ReadBackDiffers));
}

#[test]
fn files_that_nobody_asked_for_are_a_failure() {
    let mut bench = Bench::new();
    bench.booted(run(1));
    bench.reported(run(1), [read_back(), configured(MANIFEST)]);
    assert_eq!(failure(&bench), (Stage::Configuring, FailureKind::Protocol));
}

#[test]
fn nobody_is_given_anything_for_a_run_that_is_not_known() {
    let mut bench = given();
    let now = bench.now();
    assert_eq!(bench.fleet.configuration_given(now, run(7), None, Vec::new()), Err(ReportError::UnknownRun(run(7))));
}
