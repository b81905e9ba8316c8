//! The life of a node, told as a bench would tell it.

use std::net::Ipv4Addr;

use super::*;
use crate::domain::command::{Command, Registration};
use crate::domain::digest::Digest;
use crate::domain::event::{DhcpAnswer, LoaderTransfer};
use crate::domain::ids::RunId;
use crate::domain::logline::{Level, LogSource};
use crate::domain::machine::disk::Disk;
use crate::domain::machine::firmware::Firmware;
use crate::domain::machine::inventory::Inventory;
use crate::domain::machine::report::{FailureKind, Report, Step};
use crate::domain::node::phase::Stage;
use crate::domain::node::run::RunOutcome;
use crate::domain::profile::file;
use crate::domain::profile::image::{ImageFormat, ImageInfo, ImageState};
use crate::domain::refusal::Refusal;
use crate::domain::snapshot::{Catalogue, RestartWord, Snapshot};
use crate::domain::station::plan::BootPlan;

const MAC: &str = "52:54:00:00:00:01";
pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);
const IMAGE: [u8; 32] = [1; 32];

/// A fleet with a clock of its own, one second a step.
pub(super) struct Bench {
    pub(super) fleet: Fleet,
    pub(super) catalogue: Catalogue,
    pub(super) seconds: u64,
}

impl Bench {
    pub(super) fn new() -> Self {
        let profile = file::parse("demo.toml", "schema = 1\nimage = \"demo.raw\"\n").expect("a profile");
        let digest = Digest::new(IMAGE);
        let image = ImageInfo {
            name: "demo.raw".into(),
            format: ImageFormat::Raw,
            bytes: 1000,
            sha256: digest,
            disk_bytes: 1000,
            disk_sha256: digest,
        };
        let catalogue = Catalogue {
            default_profile: Some(profile.id.clone()),
            images: [("demo.raw".into(), ImageState::Ready(image))].into(),
            profiles: [(profile.id.clone(), profile)].into(),
            ..Catalogue::default()
        };
        Self { fleet: Fleet::default(), catalogue, seconds: 0 }
    }

    pub(super) fn now(&mut self) -> Timestamp {
        self.seconds += 1;
        Timestamp::from_millis(self.seconds * 1000)
    }

    pub(super) fn saw(&mut self, event: Event) -> Vec<Effect> {
        let now = self.now();
        self.fleet.observe(now, event)
    }

    pub(super) fn asked(&mut self, command: Command) -> Result<Vec<Effect>, Refusal> {
        let now = self.now();
        self.fleet.apply(now, command, &self.catalogue)
    }

    pub(super) fn powered_on(&mut self, firmware: Firmware) {
        for answer in [DhcpAnswer::Offer, DhcpAnswer::Ack] {
            self.saw(Event::DhcpAnswered {
                claims: claims(None),
                firmware,
                address: Some(ADDRESS),
                answer,
                bootfile: Some("snponly.efi".into()),
                lacks_https: false,
            });
        }
    }

    pub(super) fn loaded(&mut self) {
        self.saw(Event::Loader { address: ADDRESS, file: "snponly.efi".into(), transfer: LoaderTransfer::Started });
    }

    pub(super) fn scripted(&mut self, run: RunId, serial: Option<&str>) {
        let profile = "demo".parse().expect("a name");
        self.saw(Event::ScriptServed { claims: claims(serial), address: ADDRESS, run, profile });
    }

    pub(super) fn said_hello(&mut self, run: RunId, serial: Option<&str>) -> Grant {
        let now = self.now();
        let hello = Hello { run, claims: claims(serial), address: ADDRESS, disks: Vec::new(), inventory: None };
        self.fleet.hello(now, &hello, &self.catalogue).0
    }

    pub(super) fn reported(&mut self, run: RunId, reports: impl IntoIterator<Item = Report>) -> u32 {
        let runs = self.fleet.nodes.values().flat_map(|node| &node.runs);
        let mut next = runs.filter(|known| known.id == run).map(|known| known.next_report).next().unwrap_or(0);
        for report in reports {
            let now = self.now();
            next = self.fleet.report(now, run, next, report).expect("a known run").0;
        }
        next
    }

    /// From power-on to the agent's hello.
    pub(super) fn booted(&mut self, run: RunId) {
        self.powered_on(Firmware::UefiX64);
        self.loaded();
        self.scripted(run, None);
        assert!(matches!(self.said_hello(run, None), Grant::Job(_)));
    }

    pub(super) fn node(&self) -> &Node {
        assert_eq!(self.fleet.nodes.len(), 1, "one machine, one node");
        self.fleet.nodes.values().next().expect("a node")
    }

    pub(super) fn plan(&self) -> BootPlan {
        self.snapshot().plan(&claims(None))
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            nodes: self.fleet.nodes.clone(),
            index: self.fleet.index.clone(),
            catalogue: Arc::new(self.catalogue.clone()),
            policy: self.fleet.policy,
            ..Snapshot::default()
        }
    }
}

pub(super) fn claims(serial: Option<&str>) -> Claims {
    Claims {
        macs: vec![MAC.parse().expect("a MAC")],
        serial: serial.map(|text| text.parse().expect("a serial")),
        ..Claims::default()
    }
}

pub(super) fn run(number: u8) -> RunId {
    RunId::new([number; 16])
}

pub(super) fn began(step: Step) -> Report {
    Report::Started { step, detail: String::new() }
}

fn read_back(sha256: [u8; 32]) -> Report {
    Report::ReadBack { bytes: 1000, sha256: Digest::new(sha256) }
}

pub(super) fn good_run() -> Vec<Report> {
    vec![began(Step::Write), began(Step::Verify), read_back(IMAGE), began(Step::Reboot), Report::Complete]
}

#[test]
fn what_a_machine_is_made_of_is_known_from_its_first_hello_even_while_it_waits() {
    let mut bench = Bench::new();
    bench.catalogue.default_profile = None;
    bench.powered_on(Firmware::UefiX64);
    let hello = Hello {
        run: run(1),
        claims: claims(None),
        address: ADDRESS,
        disks: vec![Disk { path: "/dev/sda".into(), bytes: 5000, ..Disk::default() }],
        inventory: Some(Inventory { memory_bytes: 16 << 30, ..Inventory::default() }),
    };
    let (now, catalogue) = (bench.now(), bench.catalogue.clone());
    let (grant, effects) = bench.fleet.hello(now, &hello, &catalogue);
    assert!(matches!(grant, Grant::Later { .. }));
    let stored = |node: &Node| (&node.disks, &node.inventory) == (&hello.disks, &hello.inventory);
    assert!(stored(bench.node()), "{:?}", bench.node());
    assert!(effects.iter().any(|effect| matches!(effect, Effect::SaveNode(node) if stored(node))));
}

#[test]
fn a_machine_nobody_knows_goes_from_power_on_to_provisioned() {
    let mut bench = Bench::new();
    let mut phases = Vec::new();
    bench.powered_on(Firmware::UefiX64);
    phases.push(bench.node().phase.word());
    bench.loaded();
    phases.push(bench.node().phase.word());
    bench.scripted(run(1), Some("SN-1"));
    phases.push(bench.node().phase.word());
    bench.saw(Event::KernelServed { address: ADDRESS, file: "vmlinuz".into() });
    phases.push(bench.node().phase.word());
    bench.said_hello(run(1), Some("SN-1"));
    phases.push(bench.node().phase.word());
    for report in good_run() {
        bench.reported(run(1), [report]);
        phases.push(bench.node().phase.word());
    }
    phases.dedup();
    assert_eq!(
        phases,
        ["seen", "loader", "script", "kernel", "agent", "writing", "verifying", "rebooting", "provisioned"]
    );
    assert_eq!(bench.node().label(), "SN-1");
    assert_eq!(bench.node().run().and_then(|run| run.outcome.clone()), Some(RunOutcome::Proven));
}

#[test]
fn provisioned_needs_the_digest_of_the_disk() {
    let mut bench = Bench::new();
    bench.booted(run(1));
    bench.reported(run(1), [began(Step::Write), began(Step::Verify), Report::Complete]);
    assert_eq!(bench.node().phase.word(), "failed");
}

#[test]
fn a_disk_that_differs_is_a_failure_at_verifying_whatever_the_agent_says_next() {
    let mut bench = Bench::new();
    bench.booted(run(1));
    bench.reported(run(1), [began(Step::Verify), read_back([2; 32]), began(Step::Reboot), Report::Complete]);
    let Phase::Failed(failure) = &bench.node().phase else { panic!("{:?}", bench.node().phase) };
    assert_eq!((failure.stage, failure.kind), (Stage::Verifying, FailureKind::ReadBackDiffers));
    assert!(failure.reason.contains("02020202"), "{}", failure.reason);
}

#[test]
fn a_report_counts_once_however_often_it_is_sent() {
    let mut bench = Bench::new();
    bench.booted(run(1));
    let now = bench.now();
    let (next, effects) = bench.fleet.report(now, run(1), 0, began(Step::Write)).expect("a known run");
    assert_eq!((next, effects.is_empty()), (1, false));
    assert_eq!(bench.fleet.report(now, run(1), 0, began(Step::Reboot)), Ok((1, Vec::new())));
    assert_eq!(bench.fleet.report(now, run(1), 5, began(Step::Reboot)), Ok((1, Vec::new())));
    assert_eq!(bench.node().phase.word(), "writing");
    assert_eq!(bench.fleet.report(now, run(9), 0, Report::Complete), Err(ReportError::UnknownRun(run(9))));
}

#[test]
fn a_provisioned_machine_goes_to_its_disk_until_it_is_re_armed() {
    let mut bench = Bench::new();
    bench.booted(run(1));
    bench.reported(run(1), good_run());
    bench.powered_on(Firmware::UefiX64);
    assert_eq!((bench.node().phase.word(), bench.plan()), ("provisioned", BootPlan::LocalDisk));
    let node = bench.node().id;
    bench.asked(Command::Rearm { node }).expect("it is idle");
    assert!(matches!(bench.plan(), BootPlan::Install(_)));
}

#[test]
fn a_failed_agent_waits_for_the_station_s_word() {
    let mut bench = Bench::new();
    bench.booted(run(1));
    let failed = Report::Failed { step: Step::Write, failure: FailureKind::DiskIo, detail: "sector 7".into() };
    bench.reported(run(1), [began(Step::Write), failed]);
    assert_eq!(bench.snapshot().word(run(1)), Some(RestartWord::Wait));
    let node = bench.node().id;
    bench.asked(Command::Rearm { node }).expect("it is idle");
    assert_eq!(bench.snapshot().word(run(1)), Some(RestartWord::Reboot));
    assert_eq!(bench.snapshot().word(run(9)), None, "a run nobody knows");
}

#[test]
fn a_machine_switched_off_while_writing_begins_again_and_its_run_is_kept() {
    let mut bench = Bench::new();
    bench.booted(run(1));
    bench.reported(run(1), [began(Step::Write)]);
    bench.booted(run(2));
    let outcomes: Vec<_> = bench.node().runs.iter().map(|run| run.outcome.clone()).collect();
    assert_eq!(outcomes, [Some(RunOutcome::Interrupted), None]);
    assert_eq!(bench.reported(run(1), [read_back(IMAGE), Report::Complete]), 3, "the old run's reports are taken");
    assert_eq!(bench.node().phase.word(), "agent", "and change nothing");
}

#[test]
fn asking_for_the_script_again_leaves_no_run_behind() {
    let mut bench = Bench::new();
    bench.powered_on(Firmware::Bios);
    (1..=5).for_each(|attempt| bench.scripted(run(attempt), None));
    assert_eq!(bench.node().runs.len(), 1);
    assert!(matches!(bench.said_hello(run(5), None), Grant::Job(_)));
}

#[test]
fn who_asks_for_the_script_of_a_machine_at_work_does_not_end_its_run() {
    let mut bench = Bench::new();
    bench.booted(run(1));
    bench.reported(run(1), [began(Step::Write)]);
    bench.scripted(run(2), None);
    assert_eq!(bench.node().phase.word(), "writing");
    bench.reported(run(1), good_run());
    assert_eq!(bench.node().phase.word(), "provisioned");
}

#[test]
fn a_run_the_station_never_kept_is_taken_up_at_hello() {
    let mut bench = Bench::new();
    assert!(matches!(bench.said_hello(run(1), Some("SN-1")), Grant::Job(_)));
    bench.reported(run(1), good_run());
    assert_eq!(bench.node().phase.word(), "provisioned");
}

#[test]
fn hello_again_in_the_same_run_gets_the_same_job() {
    let mut bench = Bench::new();
    bench.booted(run(1));
    let first = bench.said_hello(run(1), None);
    assert_eq!(bench.said_hello(run(1), None), first);
    assert_eq!(bench.node().runs.len(), 1);
}

#[test]
fn a_profile_assigned_after_the_script_was_sent_is_the_one_that_is_written() {
    let mut bench = Bench::new();
    let other = file::parse("other.toml", "schema = 1\nimage = \"demo.raw\"\n").expect("a profile");
    bench.catalogue.profiles.insert(other.id.clone(), other.clone());
    bench.powered_on(Firmware::UefiX64);
    bench.scripted(run(1), None);
    let node = bench.node().id;
    bench.asked(Command::Assign { node, profile: Some(other.id.clone()) }).expect("it is idle");
    let Grant::Job(task) = bench.said_hello(run(1), None) else { panic!("no job") };
    assert_eq!((&task.profile, bench.node().run().map(|run| &run.profile)), (&other.id, Some(&other.id)));
}

#[test]
fn an_agent_that_is_told_to_wait_is_seen_to_wait_and_why() {
    let mut bench = Bench::new();
    bench.powered_on(Firmware::UefiX64);
    bench.scripted(run(1), None);
    let images = std::mem::take(&mut bench.catalogue.images);
    assert!(matches!(bench.said_hello(run(1), None), Grant::Later { .. }));
    let Phase::Held { reason } = &bench.node().phase else { panic!("{:?}", bench.node().phase) };
    assert!(reason.contains("checking the image"), "{reason}");
    bench.catalogue.images = images;
    assert!(matches!(bench.said_hello(run(1), None), Grant::Job(_)));
    bench.reported(run(1), good_run());
    assert_eq!((bench.node().phase.word(), bench.node().runs.len()), ("provisioned", 1));
}

#[test]
fn what_was_read_back_before_the_disk_was_written_again_proves_nothing() {
    for anew in [true, false] {
        let mut bench = Bench::new();
        bench.booted(run(1));
        bench.reported(run(1), [began(Step::Write), began(Step::Verify), read_back(IMAGE)]);
        if anew {
            let Grant::Job(task) = bench.said_hello(run(1), None) else { panic!("no job") };
            assert_eq!(task.next_report, 3, "the second life goes on counting");
        } else {
            bench.reported(run(1), [began(Step::Write)]);
        }
        bench.reported(run(1), [Report::Complete]);
        assert_eq!(bench.node().phase.word(), "failed");
    }
}

#[test]
fn a_serial_registered_before_is_the_machine_whose_mac_was_seen() {
    let mut bench = Bench::new();
    let wish = Registration { name: Some("press-07".into()), serial: "SN-1".parse().ok(), ..Registration::default() };
    bench.asked(Command::Register(wish)).expect("it is new");
    bench.powered_on(Firmware::UefiX64);
    assert_eq!(bench.fleet.nodes.len(), 2, "DHCP does not know the serial");
    bench.scripted(run(1), Some("SN-1"));
    assert_eq!((bench.node().label().as_str(), bench.node().phase.word()), ("press-07", "script"));
    assert_eq!(bench.node().macs, claims(None).macs);
}

#[test]
fn two_registrations_that_claim_one_machine_are_a_conflict_and_nothing_is_written() {
    let mut bench = Bench::new();
    let by_mac = Registration { macs: claims(None).macs, ..Registration::default() };
    let by_serial = Registration { serial: "SN-1".parse().ok(), ..Registration::default() };
    bench.asked(Command::Register(by_mac)).expect("it is new");
    bench.asked(Command::Register(by_serial)).expect("it is new");
    assert!(matches!(bench.said_hello(run(1), Some("SN-1")), Grant::Later { .. }));
    let words: Vec<_> = bench.fleet.nodes.values().map(|node| node.phase.word()).collect();
    assert_eq!(words, ["conflict", "conflict"]);
}

#[test]
fn what_is_at_work_is_not_forgotten_or_re_armed() {
    let mut bench = Bench::new();
    bench.booted(run(1));
    bench.reported(run(1), [began(Step::Write)]);
    let node = bench.node().id;
    let busy = Err(Refusal::Busy { label: MAC.into(), phase: "writing" });
    assert_eq!(bench.asked(Command::Forget { nodes: vec![node] }), busy);
    bench.seconds += 60;
    assert!(bench.asked(Command::Rearm { node }).is_ok(), "a machine that has fallen silent is not at work");
}

#[test]
fn a_forgotten_number_is_not_given_again() {
    let mut bench = Bench::new();
    bench.powered_on(Firmware::Bios);
    let first = bench.node().id;
    bench.asked(Command::Forget { nodes: vec![first] }).expect("it is idle");
    bench.powered_on(Firmware::Bios);
    assert_ne!(bench.node().id, first);
}

#[test]
fn a_laptop_that_asks_for_an_address_is_no_node() {
    let mut bench = Bench::new();
    bench.powered_on(Firmware::Plain);
    assert!(bench.fleet.nodes.is_empty());
}

#[test]
fn log_lines_come_in_order_and_once() {
    let mut bench = Bench::new();
    bench.booted(run(1));
    let lines = |texts: &[&str]| texts.iter().map(|text| (Level::Info, (*text).to_owned())).collect::<Vec<_>>();
    bench.saw(Event::AgentLog { run: run(1), first: 0, lines: lines(&["a", "b"]) });
    bench.saw(Event::AgentLog { run: run(1), first: 1, lines: lines(&["b", "c"]) });
    let said: Vec<_> = bench
        .node()
        .log
        .lines()
        .filter(|line| line.source == LogSource::Agent)
        .map(|line| line.text.to_string())
        .collect();
    assert_eq!(said, ["a", "b", "c"]);
}

#[test]
fn restored_from_what_was_stored_the_fleet_goes_on() {
    let mut bench = Bench::new();
    bench.booted(run(1));
    bench.reported(run(1), [began(Step::Write)]);
    let stored: Vec<Node> = bench.fleet.nodes.values().map(|node| Node::clone(node)).collect();
    bench.fleet = Fleet::restore(stored);
    bench.reported(run(1), good_run());
    assert_eq!(bench.node().phase.word(), "provisioned");
}

#[test]
fn two_machines_never_share_an_address() {
    let mut bench = Bench::new();
    bench.powered_on(Firmware::Bios);
    let other = Claims { macs: vec!["52:54:00:00:00:02".parse().expect("a MAC")], ..Claims::default() };
    let answered = |answer| Event::DhcpAnswered {
        claims: other.clone(),
        firmware: Firmware::Bios,
        address: Some(ADDRESS),
        answer,
        bootfile: None,
        lacks_https: false,
    };
    bench.saw(answered(DhcpAnswer::Ack));
    let addresses: Vec<_> = bench.fleet.nodes.values().map(|node| node.address).collect();
    assert_eq!(addresses, [None, Some(ADDRESS)]);
}

fn station_says(bench: &Bench) -> Vec<String> {
    let lines = bench.node().log.lines().filter(|line| line.source == LogSource::Station);
    lines.map(|line| line.text.to_string()).collect()
}

#[test]
fn an_ipxe_without_https_is_said_to_have_none_once() {
    let mut bench = Bench::new();
    let leased = |lacks_https, base: &str| Event::DhcpAnswered {
        claims: claims(None),
        firmware: Firmware::Ipxe,
        address: Some(ADDRESS),
        answer: DhcpAnswer::Ack,
        bootfile: Some(format!("{base}/boot.ipxe")),
        lacks_https,
    };
    let said = |bench: &Bench| station_says(bench).iter().filter(|text| text.ends_with("has no HTTPS")).count();
    bench.saw(leased(false, "http://10.77.0.1"));
    bench.saw(leased(true, "tftp://10.77.0.1"));
    assert_eq!(said(&bench), 0);
    bench.saw(leased(true, "http://10.77.0.1"));
    bench.saw(leased(true, "http://10.77.0.1"));
    assert_eq!(said(&bench), 1, "{:?}", station_says(&bench));
}

/// Beside a site's server a UEFI machine shows its address twice, to that server and on port 4011.
#[test]
fn by_proxy_each_step_of_a_machine_is_told_once() {
    let mut bench = Bench::new();
    let says = |answer, address, bootfile: Option<&str>| Event::DhcpAnswered {
        claims: claims(None),
        firmware: Firmware::UefiX64,
        address,
        answer,
        bootfile: bootfile.map(str::to_owned),
        lacks_https: false,
    };
    bench.saw(says(DhcpAnswer::Offer, None, Some("snponly.efi")));
    bench.saw(says(DhcpAnswer::Overheard, Some(ADDRESS), None));
    bench.saw(says(DhcpAnswer::Told, Some(ADDRESS), Some("snponly.efi")));
    assert_eq!(
        station_says(&bench),
        [
            "dhcp: UEFI x64 client asks the site's server for 10.77.0.100",
            "dhcp: UEFI x64 client, told to load snponly.efi"
        ]
    );
    assert_eq!(bench.node().address, Some(ADDRESS));
}

/// Switched on, it fetches this program.
fn fetches(bench: &mut Bench, file: &str) {
    bench.powered_on(Firmware::UefiX64);
    bench.loaded();
    bench.saw(Event::Loader { address: ADDRESS, file: file.into(), transfer: LoaderTransfer::Done { bytes: 9 } });
}

#[test]
fn a_boot_program_that_works_where_another_led_nowhere_is_remembered() {
    let mut bench = Bench::new();
    fetches(&mut bench, "snponly.efi");
    bench.seconds += 60;
    fetches(&mut bench, "ipxe.efi");
    let nowhere = "dhcp: it starts over: snponly.efi was loaded, and nothing came of it";
    assert!(station_says(&bench).iter().any(|line| line == nowhere), "{:?}", station_says(&bench));
    bench.scripted(run(1), None);
    bench.said_hello(run(1), None);
    let better = "ipxe.efi led to the agent where snponly.efi did not: `oxbow quirks export` has it as a row";
    assert!(station_says(&bench).iter().any(|line| line == better), "{:?}", station_says(&bench));
    let learned = bench.node().loader.learned().map(|(worse, better)| (worse.as_str(), better.as_str()));
    assert_eq!(learned, Some(("snponly.efi", "ipxe.efi")));
}

#[test]
fn a_machine_that_is_switched_off_while_it_loads_proves_nothing_of_its_program() {
    let mut bench = Bench::new();
    fetches(&mut bench, "snponly.efi");
    fetches(&mut bench, "ipxe.efi");
    bench.scripted(run(1), None);
    bench.said_hello(run(1), None);
    assert_eq!(bench.node().loader.learned(), None);
}

#[test]
fn the_program_of_one_machine_is_chosen_and_kept_also_while_it_is_at_work() {
    let mut bench = Bench::new();
    bench.booted(run(1));
    let node = bench.node().id;
    let loader: crate::domain::machine::quirk::BootProgram = "ipxe.efi".parse().expect("a name");
    let effects = bench.asked(Command::ChooseLoader { node, loader: Some(loader.clone()) }).expect("done");
    let saved = effects.iter().any(|effect| matches!(effect, Effect::SaveNode(node) if node.loader.choice.is_some()));
    assert!(saved, "{effects:?}");
    let claims = Claims { macs: MAC.parse().into_iter().collect(), ..Claims::default() };
    assert_eq!(bench.snapshot().effects(Some(7), Some(Firmware::UefiX64), &claims).program, Some(loader));
    bench.asked(Command::ChooseLoader { node, loader: None }).expect("done");
    assert_eq!(bench.snapshot().effects(Some(7), Some(Firmware::UefiX64), &claims).program, None);
    let nobody = Command::ChooseLoader { node: NodeId(99), loader: None };
    assert_eq!(bench.asked(nobody), Err(Refusal::NoSuchNode(NodeId(99))));
}
