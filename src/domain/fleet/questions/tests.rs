//! Machines that are not as expected, and disks that wait for a yes.

use super::super::tests::{ADDRESS, Bench, claims, good_run, run};
use super::super::{Grant, Hello};
use super::*;
use crate::domain::command::Command;
use crate::domain::effect::Effect;
use crate::domain::ids::RunId;
use crate::domain::machine::disk::{Disk, DiskVolume, Transport};
use crate::domain::machine::firmware::Firmware;
use crate::domain::machine::inventory::Inventory;
use crate::domain::node::phase::Phase;
use crate::domain::profile::file;

fn bench(profile: &str) -> Bench {
    let mut bench = Bench::new();
    set(&mut bench, profile);
    bench.powered_on(Firmware::UefiX64);
    bench.loaded();
    bench.scripted(run(1), None);
    bench
}

/// Somebody corrects the profile.
fn set(bench: &mut Bench, profile: &str) {
    let text = format!("schema = 1\nimage = \"demo.raw\"\n{profile}");
    let profile = file::parse("demo.toml", &text).expect("a profile");
    bench.catalogue.profiles.insert(profile.id.clone(), profile);
}

fn disk(serial: &str) -> Disk {
    let volumes = vec![DiskVolume { name: "Windows".into(), ..DiskVolume::default() }];
    let (path, model, serial) = ("/dev/nvme0n1".into(), "NV2".into(), serial.into());
    Disk { path, transport: Transport::Nvme, bytes: 256_000_000_000, model, serial, volumes, ..Disk::default() }
}

fn hello(bench: &mut Bench, run: RunId, disk: &Disk, gib: u64) -> Grant {
    let (now, catalogue) = (bench.now(), bench.catalogue.clone());
    let inventory = Some(Inventory { memory_bytes: gib << 30, ..Inventory::default() });
    let hello = Hello { run, claims: claims(None), address: ADDRESS, disks: vec![disk.clone()], inventory };
    bench.fleet.hello(now, &hello, &catalogue).0
}

/// Says yes to what is asked now.
fn yes(bench: &mut Bench) -> Result<Vec<Effect>, Refusal> {
    let node = bench.node();
    let (node, to) = (node.id, node.question().cloned().expect("a question"));
    bench.asked(Command::Consent { node, to, by: "anna at the screen".into() })
}

fn job(grant: Grant) -> Task {
    match grant {
        Grant::Job(task) => *task,
        Grant::Later { reason } | Grant::Ended { reason } => panic!("{reason}"),
    }
}

fn waits(grant: Grant) -> String {
    match grant {
        Grant::Later { reason } => reason,
        Grant::Job(_) | Grant::Ended { .. } => panic!("{grant:?}"),
    }
}

fn log(bench: &Bench) -> String {
    bench.node().log.lines().map(|line| format!("{}\n", line.text)).collect()
}

const LARGE: &str = "[expect]\nmin_memory = \"16 GiB\"\n";

#[test]
fn a_machine_that_differs_is_held_before_a_byte_is_written_and_goes_on_once_it_is_as_expected() {
    let mut bench = bench(LARGE);
    let said = waits(hello(&mut bench, run(1), &disk("S1"), 8));
    let differs = "it is not what profile demo expects: it has 8 GiB of memory, expected at least 16 GiB";
    assert_eq!(said, format!("{differs}; change it, or let it pass at the station"));
    assert_eq!(bench.node().phase, Phase::Held { reason: differs.into() });
    let held_since = bench.node().phase_since;
    waits(hello(&mut bench, run(1), &disk("S1"), 8));
    assert_eq!(bench.node().phase_since, held_since, "the same again is nothing new");
    job(hello(&mut bench, run(1), &disk("S1"), 16));
    assert_eq!((bench.node().phase.word(), bench.node().question()), ("agent", None));
    bench.reported(run(1), good_run());
    assert_eq!(bench.node().phase, Phase::Provisioned);
}

#[test]
fn a_machine_that_differs_goes_on_once_its_profile_is_corrected() {
    let mut bench = bench(LARGE);
    waits(hello(&mut bench, run(1), &disk("S1"), 8));
    set(&mut bench, "[expect]\nmin_memory = \"8 GiB\"\n");
    job(hello(&mut bench, run(1), &disk("S1"), 8));
}

#[test]
fn a_machine_that_differs_is_let_pass_once_and_its_run_and_log_say_by_whom() {
    let mut bench = bench(LARGE);
    waits(hello(&mut bench, run(1), &disk("S1"), 8));
    yes(&mut bench).expect("it asks");
    job(hello(&mut bench, run(1), &disk("S1"), 8));
    let consents = &bench.node().run().expect("a run").consents;
    assert_eq!((consents.len(), consents[0].by.as_str()), (1, "anna at the screen"));
    let says =
        "let pass by anna at the screen for this run though not what profile demo expects: it has 8 GiB of memory";
    assert!(log(&bench).contains(says), "{}", log(&bench));
    bench.powered_on(Firmware::UefiX64);
    bench.scripted(run(2), None);
    waits(hello(&mut bench, run(2), &disk("S1"), 8));
}

#[test]
fn a_disk_is_written_only_once_somebody_has_said_yes_to_it() {
    let mut bench = bench("approve = true\n");
    let said = waits(hello(&mut bench, run(1), &disk("S1"), 8));
    let place = "/dev/nvme0n1 (nvme, 256.0 GB, NV2, serial S1)";
    assert_eq!(said, format!("somebody has to approve at the station that demo.raw is written to {place}"));
    assert_eq!(bench.node().phase, Phase::Held { reason: format!("would write demo.raw to {place}: approve?") });
    let effects = yes(&mut bench).expect("it asks");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::SaveNode(_))), "durable before it is acknowledged");
    assert!(log(&bench).contains("approved by anna at the screen for this run: demo.raw may be written to"));
    assert!(log(&bench).contains("which holds \"Windows\""), "{}", log(&bench));
    let task = job(hello(&mut bench, run(1), &disk("S1"), 8));
    assert_eq!(task.disk.serial, ["S1"], "the agent is told of that disk alone");
}

#[test]
fn a_machine_that_comes_back_with_another_disk_asks_again() {
    let mut bench = bench("approve = true\n");
    waits(hello(&mut bench, run(1), &disk("S1"), 8));
    yes(&mut bench).expect("it asks");
    assert!(waits(hello(&mut bench, run(1), &disk("S2"), 8)).contains("serial S2"));
    job(hello(&mut bench, run(1), &disk("S1"), 8));
    assert!(waits(hello(&mut bench, run(1), &disk("S3"), 8)).contains("serial S3"), "even in the middle of the work");
    let empty = Disk { volumes: Vec::new(), ..disk("S1") };
    job(hello(&mut bench, run(1), &empty, 8));
}

#[test]
fn a_yes_counts_for_one_run_and_the_next_power_on_asks_anew() {
    let mut bench = bench("approve = true\n");
    waits(hello(&mut bench, run(1), &disk("S1"), 8));
    yes(&mut bench).expect("it asks");
    bench.powered_on(Firmware::UefiX64);
    assert_eq!(bench.node().question(), None);
    bench.scripted(run(2), None);
    waits(hello(&mut bench, run(2), &disk("S1"), 8));
}

#[test]
fn a_yes_to_what_is_no_more_asked_is_refused_with_what_is_asked_instead() {
    let mut bench = bench("approve = true\n");
    waits(hello(&mut bench, run(1), &disk("S1"), 8));
    let (node, to) = (bench.node().id, bench.node().question().cloned().expect("a question"));
    waits(hello(&mut bench, run(1), &disk("S2"), 8));
    let refused = bench.asked(Command::Consent { node, to: to.clone(), by: "anna".into() });
    assert!(matches!(&refused, Err(Refusal::AskedAnew { now, .. }) if now.contains("serial S2")), "{refused:?}");
    yes(&mut bench).expect("it asks");
    let refused = bench.asked(Command::Consent { node, to, by: "anna".into() });
    assert_eq!(refused, Err(Refusal::NothingAsked("52:54:00:00:00:01".into())));
}

#[test]
fn a_machine_that_differs_and_whose_disk_wants_a_yes_asks_for_both() {
    let mut bench = bench(&format!("approve = true\n{LARGE}"));
    assert!(waits(hello(&mut bench, run(1), &disk("S1"), 8)).contains("expected at least 16 GiB"));
    yes(&mut bench).expect("it asks");
    assert!(waits(hello(&mut bench, run(1), &disk("S1"), 8)).contains("somebody has to approve"));
    yes(&mut bench).expect("it asks");
    job(hello(&mut bench, run(1), &disk("S1"), 8));
}

#[test]
fn a_run_that_a_killed_station_did_not_keep_is_taken_up_to_ask() {
    let mut bench = Bench::new();
    set(&mut bench, "approve = true\n");
    waits(hello(&mut bench, run(7), &disk("S1"), 8));
    yes(&mut bench).expect("it asks");
    job(hello(&mut bench, run(7), &disk("S1"), 8));
}

#[test]
fn a_question_and_its_answer_survive_a_restart_of_the_station() {
    let mut bench = bench("approve = true\n");
    waits(hello(&mut bench, run(1), &disk("S1"), 8));
    let restart = |bench: &mut Bench| {
        let stored = serde_json::to_string(bench.node()).expect("JSON");
        bench.fleet = Fleet::restore([serde_json::from_str(&stored).expect("a node")]);
    };
    restart(&mut bench);
    yes(&mut bench).expect("it still asks");
    restart(&mut bench);
    job(hello(&mut bench, run(1), &disk("S1"), 8));
}

#[test]
fn a_run_at_work_is_not_held_because_its_profile_has_become_stricter() {
    let mut bench = bench("");
    job(hello(&mut bench, run(1), &disk("S1"), 8));
    set(&mut bench, &format!("approve = true\n{LARGE}"));
    job(hello(&mut bench, run(1), &disk("S1"), 8));
}

#[test]
fn a_disk_that_the_system_does_not_start_from_is_written_with_a_warning_on_every_screen() {
    let mut bench = bench("[disk]\nboots_from = [\"nvme\", \"sata\"]\n");
    let virtual_disk = Disk { path: "/dev/vda".into(), transport: Transport::Virtio, ..disk("S1") };
    let task = job(hello(&mut bench, run(1), &virtual_disk, 8));
    let warning = "/dev/vda (virtio, 256.0 GB, NV2) is attached by virtio, and the system starts from nvme and sata disks \
                   only: it is installed, and may not start from there";
    assert_eq!(
        (task.warnings.as_slice(), &bench.node().run().expect("a run").warnings[..]),
        (&[warning.to_owned()][..], &[warning.to_owned()][..])
    );
    assert!(log(&bench).contains(warning), "{}", log(&bench));
    bench.powered_on(Firmware::UefiX64);
    bench.scripted(run(2), None);
    assert_eq!(job(hello(&mut bench, run(2), &disk("S1"), 8)).warnings, [""; 0]);
}
