use crate::domain::command::Command;
use crate::domain::event::Event;
use crate::domain::fleet::Fleet;
use crate::domain::fleet::tests::{ADDRESS, Bench, claims, run};
use crate::domain::ids::RunId;
use crate::domain::machine::firmware::Firmware;
use crate::domain::machine::report::Report;
use crate::domain::node::phase::{Phase, Stage};
use crate::domain::node::run::RunOutcome;
use crate::domain::profile::file;
use crate::domain::profile::image::{ImageFormat, ImageInfo, ImageState};
use crate::domain::station::plan::{BootPlan, Wait};

/// A bench whose default profile boots an installer.
fn bench() -> Bench {
    let mut bench = Bench::new();
    let text = "schema = 1\n[installer]\nkernel = \"linux\"\ninitrd = \"initrd.gz\"\n";
    let profile = file::parse("demo.toml", text).expect("a profile");
    let digest = crate::domain::digest::Digest::new([1; 32]);
    for name in ["linux", "initrd.gz"] {
        let info = ImageInfo {
            name: name.into(),
            format: ImageFormat::Raw,
            bytes: 1,
            sha256: digest,
            disk_bytes: 1,
            disk_sha256: digest,
        };
        bench.catalogue.boot_files.insert(name.into(), ImageState::Ready(info));
    }
    bench.catalogue.profiles.insert(profile.id.clone(), profile);
    bench
}

fn took(bench: &mut Bench, run: RunId, file: &str, installing: bool) {
    bench.saw(Event::InstallerTook { run, address: ADDRESS, file: file.into(), installing });
}

/// From power-on until the installer works.
fn installs(bench: &mut Bench, run: RunId) {
    bench.powered_on(Firmware::UefiX64);
    bench.loaded();
    assert!(matches!(bench.plan(), BootPlan::Install(_)), "{:?}", bench.plan());
    bench.scripted(run, Some("SN-1"));
    took(bench, run, "boot/linux", false);
    took(bench, run, "answers", true);
    assert_eq!(bench.node().phase, Phase::Booting { stage: Stage::Installing });
}

#[test]
fn a_machine_whose_installer_says_it_is_done_is_installed_and_never_provisioned() {
    let mut bench = bench();
    installs(&mut bench, run(1));
    bench.reported(run(1), [Report::SaidDone]);
    assert_eq!(bench.node().phase.word(), "installed");
    assert_eq!(bench.node().run().and_then(|run| run.outcome.clone()), Some(RunOutcome::SaidDone));
    assert!(bench.node().log.lines().any(|line| line.text.contains("nobody has read the disk")));
    assert_eq!(bench.plan(), BootPlan::LocalDisk, "it goes to its own disk");
    bench.powered_on(Firmware::UefiX64);
    bench.saw(Event::SentToDisk { claims: claims(Some("SN-1")), address: ADDRESS });
    assert_eq!((bench.node().phase.word(), bench.node().runs.len()), ("installed", 1));
    let node = bench.node().id;
    bench.asked(Command::Rearm { node }).expect("it is idle");
    assert!(matches!(bench.plan(), BootPlan::Install(_)), "until it is armed again");
}

#[test]
fn an_installer_is_heard_again_after_the_station_was_started_anew() {
    let mut bench = bench();
    installs(&mut bench, run(1));
    let stored = serde_json::to_string(bench.node()).expect("JSON");
    bench.fleet = Fleet::restore([serde_json::from_str(&stored).expect("a node")]);
    bench.reported(run(1), [Report::SaidDone]);
    assert_eq!((bench.node().phase.word(), bench.plan()), ("installed", BootPlan::LocalDisk));
}

#[test]
fn installers_that_never_say_they_are_done_are_begun_three_times_and_then_a_person_is_wanted() {
    let mut bench = bench();
    for number in 1..=3 {
        installs(&mut bench, run(number));
    }
    bench.powered_on(Firmware::UefiX64);
    let waits = BootPlan::Wait(Wait::InstallerInCircle("demo".parse().expect("a name")));
    assert_eq!(bench.plan(), waits);
    for _ in 0..2 {
        let reason = "its installer never said that it is done".into();
        bench.saw(Event::Held { claims: claims(Some("SN-1")), address: ADDRESS, reason });
        bench.powered_on(Firmware::UefiX64);
        assert_eq!(bench.plan(), waits, "however often it is switched on");
    }
    let node = bench.node().id;
    bench.asked(Command::Rearm { node }).expect("it is idle");
    installs(&mut bench, run(9));
    bench.reported(run(9), [Report::SaidDone]);
    assert_eq!(bench.node().phase.word(), "installed");
}

#[test]
fn a_machine_that_was_switched_off_in_the_middle_is_installed_again_by_itself() {
    let mut bench = bench();
    installs(&mut bench, run(1));
    installs(&mut bench, run(2));
    bench.reported(run(2), [Report::SaidDone]);
    let outcomes: Vec<_> = bench.node().runs.iter().map(|run| run.outcome.clone()).collect();
    assert_eq!(outcomes, [Some(RunOutcome::Interrupted), Some(RunOutcome::SaidDone)]);
    assert_eq!(bench.node().silent_installers, 0);
}

#[test]
fn a_run_whose_disk_an_agent_is_to_prove_is_not_ended_by_somebodys_word() {
    let mut bench = Bench::new();
    bench.booted(run(1));
    bench.reported(run(1), [Report::SaidDone]);
    assert_eq!(bench.node().phase, Phase::Booting { stage: Stage::Agent });
    assert!(bench.node().run().is_some_and(|run| run.is_open()));
}
