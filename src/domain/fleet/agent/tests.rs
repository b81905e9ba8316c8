//! What is said in a run by who has no part in it.

use super::super::tests::{ADDRESS, Bench, began, claims, good_run, run};
use super::*;
use crate::domain::event::Event;
use crate::domain::machine::claims::Claims;
use crate::domain::machine::firmware::Firmware;
use crate::domain::machine::progress::Arrived;
use crate::domain::station::policy::Policy;

fn log(bench: &Bench) -> Vec<&str> {
    bench.node().log.lines().map(|line| &*line.text).collect()
}

fn refused(bench: &mut Bench, number: u8, report: &Report) {
    let now = bench.now();
    let no = Err(ReportError::NoJob(run(number)));
    assert_eq!(bench.fleet.report(now, run(number), 0, report.clone()), no, "{report:?}");
    bench.fleet.not_taken(now, run(number), Ipv4Addr::new(10, 77, 0, 66), report);
}

#[test]
fn who_says_it_works_without_having_been_given_a_job_moves_no_machine_and_its_log_says_who_said_so() {
    let mut bench = Bench::new();
    bench.powered_on(Firmware::UefiX64);
    bench.scripted(run(1), None);
    for report in good_run() {
        refused(&mut bench, 1, &report);
        assert_eq!(bench.node().phase.word(), "script", "{report:?}");
    }
    refused(&mut bench, 1, &began(Step::Write));
    let says = log(&bench).into_iter().filter(|line| line.contains("agent at 10.77.0.66: says it is writing")).count();
    assert_eq!(says, 1, "once, however often: {:?}", log(&bench));
    assert!(matches!(bench.said_hello(run(1), None), Grant::Job(_)));
    bench.reported(run(1), good_run());
    assert_eq!(bench.node().phase.word(), "provisioned");
}

#[test]
fn a_machine_that_waits_for_approval_waits_on_whatever_its_agent_says() {
    let mut bench = Bench::new();
    bench.powered_on(Firmware::UefiX64);
    bench.scripted(run(1), None);
    bench.fleet.policy = Policy::Hold;
    assert!(matches!(bench.said_hello(run(1), None), Grant::Later { .. }));
    refused(&mut bench, 1, &began(Step::Write));
    let arrived = Arrived { bytes: 50, retries: 0 };
    bench.saw(Event::Progress { run: run(1), step: Step::Write, done: 50, total: 100, arrived });
    assert_eq!((bench.node().phase.word(), &bench.node().progress), ("held", &None));
}

#[test]
fn an_agent_that_works_on_in_a_run_that_has_ended_moves_nothing_and_the_log_says_so() {
    let mut bench = Bench::new();
    bench.booted(run(1));
    bench.reported(run(1), [began(Step::Write)]);
    bench.booted(run(2));
    bench.reported(run(1), [began(Step::Verify)]);
    assert_eq!(bench.node().phase.word(), "agent");
    assert!(log(&bench).iter().any(|line| line.starts_with("agent: says it is verifying, and run 0101")));
}

#[test]
fn a_machine_that_names_the_run_of_another_gets_no_job_and_takes_nothing_from_it() {
    let mut bench = Bench::new();
    bench.booted(run(1));
    let other = Claims { macs: vec!["52:54:00:00:00:02".parse().expect("a MAC")], ..Claims::default() };
    let hello = |run| Hello {
        run,
        claims: other.clone(),
        address: Ipv4Addr::new(10, 77, 0, 101),
        disks: Vec::new(),
        inventory: None,
    };
    let (now, catalogue) = (bench.now(), bench.catalogue.clone());
    let Grant::Later { reason } = bench.fleet.hello(now, &hello(run(1)), &catalogue).0 else { panic!("no job for it") };
    assert!(reason.contains("is that of 52:54:00:00:00:01"), "{reason}");
    let held = bench.fleet.nodes.values().map(|node| node.phase.word()).collect::<Vec<_>>();
    assert_eq!(held, ["agent", "held"]);
    bench.reported(run(1), good_run());
    let first = bench.fleet.nodes.values().next().expect("a node");
    assert_eq!((first.phase.word(), first.address), ("provisioned", Some(ADDRESS)));
}

#[test]
fn a_run_that_was_begun_in_the_name_of_another_node_goes_with_the_machine() {
    let mut bench = Bench::new();
    bench.powered_on(Firmware::UefiX64);
    bench.scripted(run(1), None);
    let serial = Claims { serial: Some("SN-2".parse().expect("a serial")), ..Claims::default() };
    let hello = Hello { run: run(1), claims: serial, address: ADDRESS, disks: Vec::new(), inventory: None };
    let (now, catalogue) = (bench.now(), bench.catalogue.clone());
    let (grant, effects) = bench.fleet.hello(now, &hello, &catalogue);
    assert!(matches!(grant, Grant::Job(_)), "{grant:?}");
    let saved = effects.iter().filter(|effect| matches!(effect, Effect::SaveNode(_))).count();
    assert_eq!(saved, 2, "who has it, and who had it");
    let runs: Vec<usize> = bench.fleet.nodes.values().map(|node| node.runs.len()).collect();
    assert_eq!(runs, [0, 1]);
    assert_eq!(claims(None).macs, bench.fleet.nodes.values().next().expect("a node").macs);
}
