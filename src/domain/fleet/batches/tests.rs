//! A batch as a technician opens it, works through it and closes it.

use super::super::tests::Bench;
use super::*;
use crate::domain::batch::counts::BatchCounts;
use crate::domain::batch::unit::UnitState;
use crate::domain::command::{Command, Registration};
use crate::domain::ids::RunId;
use crate::domain::machine::firmware::Firmware;
use crate::domain::machine::report::{FailureKind, Report, Step};
use crate::domain::node::phase::Failure;

fn order(name: &str) -> Command {
    Command::OpenBatch(BatchOrder { name: name.into(), work_order: Some("WO 4711".into()), ..BatchOrder::default() })
}

fn run(number: u8) -> RunId {
    format!("{number:032x}").parse().expect("a run")
}

/// The machine of the bench, registered, as it gets its system and proves it.
fn provisioned(bench: &mut Bench) {
    bench.booted(run(1));
    let proof = Report::ReadBack { bytes: 1000, sha256: crate::domain::digest::Digest::new([1; 32]) };
    bench.reported(run(1), [proof, Report::Complete]);
}

fn registered(bench: &mut Bench, serials: &[&str]) {
    for serial in serials {
        let serial = serial.parse().ok();
        let wish = Registration { serial, ..Registration::default() };
        bench.asked(Command::Register(wish)).expect("nobody has it");
    }
}

fn tally(bench: &Bench) -> BatchCounts {
    BatchCounts::of(&bench.fleet.batches().last().expect("a batch").units(bench.fleet.nodes()))
}

#[test]
fn a_closed_batch_says_what_was_expected_and_what_came() {
    let mut bench = Bench::new();
    bench.asked(order("line 2")).expect("none is open");
    registered(&mut bench, &["PF3K0001", "PF3K0002"]);
    provisioned(&mut bench);
    assert_eq!(
        tally(&bench).in_words(),
        "2 expected, 1 seen, 1 done, 0 failed, 0 unfinished, 2 missing, 1 unexpected, 0 duplicates"
    );
    bench.asked(Command::CloseBatch).expect("it is open");
    let before = tally(&bench);
    let ids: Vec<_> = bench.fleet.nodes().keys().copied().collect();
    bench.asked(Command::Forget { nodes: ids }).expect("none is at work");
    assert_eq!(tally(&bench), before, "what became of the machines stays with the batch");
    let closed = bench.fleet.batches().last().expect("a batch").closed.clone().expect("it is closed");
    let unit = closed.units.iter().find(|unit| unit.standing == UnitState::Provisioned).expect("one is done");
    let run = unit.run.as_ref().expect("a run");
    let image = run.image.as_ref().expect("an image");
    assert_eq!(Some(image.written_sha256), image.read_back_sha256);
    assert_eq!(run.steps.first().map(|first| first.stage.word()), Some("seen"));
    assert!(run.steps.is_sorted_by_key(|step| step.at));
}

#[test]
fn what_was_done_before_a_batch_is_none_of_its_own() {
    let mut bench = Bench::new();
    registered(&mut bench, &["PF3K0009"]);
    provisioned(&mut bench);
    bench.asked(order("after it")).expect("none is open");
    assert_eq!((tally(&bench).expected, tally(&bench).missing, tally(&bench).done), (1, 1, 0));
}

#[test]
fn a_failed_machine_counts_as_failed_with_its_reason_and_one_at_work_as_unfinished() {
    let mut bench = Bench::new();
    bench.asked(order("line 2")).expect("none is open");
    bench.booted(run(1));
    assert_eq!((tally(&bench).unfinished, tally(&bench).unexpected), (1, 1));
    let detail = "/dev/sda: input/output error".to_owned();
    bench
        .reported(run(1), [Report::Failed { step: Step::Write, failure: FailureKind::DiskIo, detail: detail.clone() }]);
    assert_eq!((tally(&bench).failed, tally(&bench).unfinished), (1, 0));
    let units = bench.fleet.batches()[0].units(bench.fleet.nodes());
    let failure =
        Failure { stage: crate::domain::node::phase::Stage::Writing, kind: FailureKind::DiskIo, reason: detail };
    assert_eq!(units[0].reason, Some(failure.to_string()));

    // Armed again it has not failed any more: it waits.
    bench.asked(Command::Rearm { node: units[0].node }).expect("it is idle");
    assert_eq!((tally(&bench).failed, tally(&bench).unfinished), (0, 1));
    let units = bench.fleet.batches()[0].units(bench.fleet.nodes());
    let said = "armed to be installed again, and not started since";
    assert_eq!((units[0].standing, units[0].reason.as_deref()), (UnitState::Waiting, Some(said)));
}

#[test]
fn one_batch_is_open_at_a_time_and_has_a_name() {
    let mut bench = Bench::new();
    assert_eq!(bench.asked(Command::CloseBatch), Err(Refusal::NoBatchIsOpen));
    bench.asked(order(" \u{1b}\u{7} ")).expect("what cannot be printed is shown as dots");
    assert_eq!(bench.asked(order("x")), Err(Refusal::BatchIsOpen("batch 1, ··".into())));
    bench.asked(Command::CloseBatch).expect("it is open");
    assert_eq!(bench.asked(order("  ")), Err(Refusal::BatchWithoutName));
    let of_list = BatchOrder { name: "x".into(), list: Some("no.csv".into()), ..BatchOrder::default() };
    assert_eq!(bench.asked(Command::OpenBatch(of_list)), Err(Refusal::NoSuchList("no.csv".into())));
    bench.asked(order("y")).expect("none is open");
    assert_eq!(bench.fleet.batches().iter().map(|batch| batch.number).collect::<Vec<_>>(), [1, 2]);
    for _ in 0..BATCHES {
        bench.asked(Command::CloseBatch).expect("it is open");
        bench.asked(order("z")).expect("none is open");
    }
    assert_eq!(bench.fleet.batches().len(), BATCHES, "older ones are in the store");
}

#[test]
fn figures_are_of_those_that_are_done_and_of_the_time_from_the_first_to_the_last() {
    let mut bench = Bench::new();
    bench.asked(order("line 2")).expect("none is open");
    bench.powered_on(Firmware::UefiX64);
    provisioned(&mut bench);
    let figures = tally(&bench);
    let took = figures.median_ms.expect("one is done");
    assert_eq!((figures.quickest_ms, figures.slowest_ms), (Some(took), Some(took)));
    assert_eq!(figures.per_hour_milli, Some(3_600_000_000 / took), "one machine in that time");
}
