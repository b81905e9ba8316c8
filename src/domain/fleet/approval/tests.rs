//! Strangers and doubles on the bench, and the words of the person who stands before it.

use std::net::Ipv4Addr;

use super::*;
use crate::domain::command::{Command, Registration};
use crate::domain::event::{DhcpAnswer, Event};
use crate::domain::fleet::tests::{Bench, began, claims, good_run, run};
use crate::domain::fleet::{Grant, Hello};
use crate::domain::ids::RunId;
use crate::domain::machine::firmware::Firmware;
use crate::domain::machine::report::Step;
use crate::domain::node::identity::Identity;
use crate::domain::station::plan::{BootPlan, Refuse, Wait};

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);
const UUID: &str = "4c4c4544-0042-4a10-8052-b7c04f4d3432";
const OTHER_UUID: &str = "4c4c4544-0042-4a10-8052-b7c04f4d3433";

/// What a machine says of itself.
fn machine(mac: &str, uuid: Option<&str>, serial: Option<&str>) -> Claims {
    Claims {
        macs: vec![mac.parse().expect("a MAC")],
        uuid: uuid.map(|text| text.parse().expect("a UUID")),
        serial: serial.map(|text| text.parse().expect("a serial")),
        ..Claims::default()
    }
}

const ONE: &str = "52:54:00:00:00:01";
const TWO: &str = "52:54:00:00:00:02";

impl Bench {
    fn under(policy: Policy) -> Self {
        let mut bench = Self::new();
        bench.asked(Command::SetPolicy(policy)).expect("always possible");
        bench
    }

    /// A machine asks for its script and is answered, as the HTTP service does it.
    fn asks(&mut self, run: RunId, claims: &Claims) -> BootPlan {
        let plan = self.snapshot().plan(claims);
        let (claims, address) = (claims.clone(), ADDRESS);
        self.saw(match &plan {
            BootPlan::Install(profile) => Event::ScriptServed { claims, address, run, profile: profile.clone() },
            BootPlan::LocalDisk => Event::SentToDisk { claims, address },
            BootPlan::Wait(wait) => Event::Held { claims, address, reason: wait.to_string() },
            BootPlan::Refuse(refuse) => Event::Held { claims, address, reason: refuse.to_string() },
        });
        plan
    }

    fn greets(&mut self, run: RunId, claims: &Claims) -> Grant {
        let now = self.now();
        let hello = Hello { run, claims: claims.clone(), address: ADDRESS, disks: Vec::new(), inventory: None };
        self.fleet.hello(now, &hello, &self.catalogue).0
    }

    fn knows(&mut self, mac: Option<&str>, serial: Option<&str>, name: &str) -> NodeId {
        let wish = Registration {
            name: Some(name.into()),
            macs: mac.into_iter().map(|mac| mac.parse().expect("a MAC")).collect(),
            serial: serial.map(|text| text.parse().expect("a serial")),
            ..Registration::default()
        };
        self.asked(Command::Register(wish)).expect("it is new");
        *self.fleet.nodes().keys().last().expect("a node")
    }

    fn words(&self) -> Vec<(String, &'static str)> {
        self.fleet.nodes().values().map(|node| (node.label(), node.phase.word())).collect()
    }
}

#[test]
fn a_stranger_is_treated_as_the_policy_says() {
    let stranger = claims(Some("SN-1"));
    for (policy, plan, word) in [
        (Policy::Default, BootPlan::Install("demo".parse().expect("a name")), "script"),
        (Policy::Hold, BootPlan::Wait(Wait::Approval), "held"),
        (Policy::Refuse, BootPlan::Refuse(Refuse::NotRegistered), "held"),
        (Policy::AllowList, BootPlan::LocalDisk, "held"),
    ] {
        let mut bench = Bench::under(policy);
        bench.powered_on(Firmware::UefiX64);
        assert_eq!(bench.asks(run(1), &stranger), plan, "{policy}");
        assert_eq!(bench.node().phase.word(), word, "{policy}");
        bench.asked(Command::SetPolicy(Policy::Default)).expect("always possible");
        assert!(matches!(bench.asks(run(2), &stranger), BootPlan::Install(_)), "{policy}: it has asked again");
    }
}

#[test]
fn who_is_registered_or_has_a_profile_is_no_stranger() {
    for policy in Policy::ALL {
        let mut bench = Bench::under(policy);
        bench.knows(None, Some("SN-1"), "press-01");
        assert!(matches!(bench.asks(run(1), &claims(Some("SN-1"))), BootPlan::Install(_)), "{policy}");

        let mut bench = Bench::under(policy);
        bench.powered_on(Firmware::UefiX64);
        let node = bench.node().id;
        bench.asked(Command::Assign { node, profile: "demo".parse().ok() }).expect("it is idle");
        assert!(matches!(bench.asks(run(1), &claims(Some("SN-1"))), BootPlan::Install(_)), "{policy}");
    }
}

#[test]
fn an_agent_that_got_this_far_writes_nothing_until_it_is_approved() {
    for policy in [Policy::Hold, Policy::Refuse, Policy::AllowList] {
        let mut bench = Bench::under(policy);
        let stranger = claims(Some("SN-1"));
        assert!(matches!(bench.greets(run(1), &stranger), Grant::Later { .. }), "{policy}");
        assert_eq!(bench.node().phase.word(), "held");
        let node = bench.node().id;
        bench.asked(Command::Approve { nodes: Approval::One(node), profile: None }).expect("it waits");
        assert!(matches!(bench.greets(run(1), &stranger), Grant::Job(_)), "{policy}");
    }
}

#[test]
fn a_run_that_has_its_job_keeps_it_when_the_policy_changes() {
    let mut bench = Bench::new();
    bench.booted(run(1));
    bench.reported(run(1), [began(Step::Write)]);
    bench.asked(Command::SetPolicy(Policy::Hold)).expect("always possible");
    assert!(matches!(bench.said_hello(run(1), None), Grant::Job(_)), "its agent had lost the line");
    assert_eq!(bench.reported(run(1), good_run()), 6);
    assert_eq!(bench.node().phase.word(), "provisioned");
}

#[test]
fn one_is_approved_or_all_and_they_go_on_by_themselves() {
    let mut bench = Bench::under(Policy::Hold);
    let strangers = [ONE, TWO, "52:54:00:00:00:03"].map(|mac| machine(mac, None, None));
    strangers.iter().for_each(|stranger| drop(bench.asks(run(1), stranger)));
    let demo: Option<ProfileId> = "demo".parse().ok();
    bench.asked(Command::Approve { nodes: Approval::One(NodeId(1)), profile: demo.clone() }).expect("it waits");
    assert_eq!(bench.fleet.nodes()[&NodeId(1)].profile, demo);
    let again = Command::Approve { nodes: Approval::One(NodeId(1)), profile: None };
    assert_eq!(bench.asked(again), Err(Refusal::NotWaiting(ONE.into())));
    let all = || Command::Approve { nodes: Approval::All, profile: None };
    bench.asked(all()).expect("two wait");
    assert_eq!(bench.asked(all()), Err(Refusal::NobodyWaits));
    for (number, stranger) in (1..).zip(&strangers) {
        assert!(matches!(bench.asks(run(number), stranger), BootPlan::Install(_)));
    }
    let nobody = Command::Approve { nodes: Approval::One(NodeId(9)), profile: None };
    assert_eq!(bench.asked(nobody), Err(Refusal::NoSuchNode(NodeId(9))));
    let unknown = Command::Approve { nodes: Approval::All, profile: "nonsense".parse().ok() };
    assert_eq!(bench.asked(unknown), Err(Refusal::UnknownProfile("nonsense".parse().expect("a name"))));
}

#[test]
fn waiting_is_said_once_however_often_the_machine_asks() {
    let mut bench = Bench::under(Policy::Hold);
    let stranger = claims(None);
    (0..5).for_each(|_| drop(bench.asks(run(1), &stranger)));
    let said = bench.node().log.lines().filter(|line| line.text.contains("waits to be approved")).count();
    assert_eq!(said, 1);
}

/// Two registrations, and a machine with identifiers of both.
fn torn() -> (Bench, NodeId, NodeId, Claims) {
    let mut bench = Bench::new();
    let by_mac = bench.knows(Some(ONE), None, "by-mac");
    let by_serial = bench.knows(None, Some("SN-1"), "by-serial");
    let claims = machine(ONE, Some(UUID), Some("SN-1"));
    bench.powered_on(Firmware::UefiX64);
    assert!(matches!(bench.asks(run(1), &claims), BootPlan::Wait(Wait::Conflict(_))));
    assert_eq!(bench.words(), [("by-mac".into(), "conflict"), ("by-serial".into(), "conflict")]);
    (bench, by_mac, by_serial, claims)
}

#[test]
fn a_conflict_is_resolved_by_forgetting_the_other() {
    let (mut bench, _, by_serial, claims) = torn();
    bench.asked(Command::Resolve { node: by_serial, how: Resolution::ForgetOthers }).expect("both are idle");
    assert!(matches!(bench.asks(run(1), &claims), BootPlan::Install(_)), "without another power-on");
    assert_eq!(bench.words(), [("by-serial".into(), "script")]);
    assert_eq!(bench.node().macs, claims.macs);
}

#[test]
fn a_conflict_is_resolved_by_forgetting_one_by_hand() {
    let (mut bench, by_mac, _, claims) = torn();
    bench.asked(Command::Forget { nodes: vec![by_mac] }).expect("it is idle");
    assert_eq!(bench.words(), [("by-serial".into(), "registered")]);
    assert!(matches!(bench.asks(run(1), &claims), BootPlan::Install(_)));
}

#[test]
fn a_conflict_is_resolved_by_moving_the_identifier() {
    let (mut bench, by_mac, by_serial, claims) = torn();
    let nothing_left = bench.asked(Command::Resolve { node: by_mac, how: Resolution::MoveIdentifiers });
    assert_eq!(nothing_left, Err(Refusal::WouldBeNobody("by-serial".into())), "its serial is all it has");
    let more = Registration { uuid: OTHER_UUID.parse().ok(), serial: "SN-1".parse().ok(), ..Registration::default() };
    let import = crate::domain::command::ImportList { file: "a.csv".into(), rows: vec![(2, more)] };
    bench.asked(Command::Import(import)).expect("it is idle");
    bench.asked(Command::Resolve { node: by_mac, how: Resolution::MoveIdentifiers }).expect("it keeps a UUID");
    assert!(matches!(bench.asks(run(1), &claims), BootPlan::Install(_)));
    let nodes = bench.fleet.nodes();
    assert_eq!(nodes[&by_mac].serial, claims.serial);
    assert_eq!((nodes[&by_serial].serial.clone(), nodes[&by_serial].phase.word()), (None, "registered"));
}

#[test]
fn an_adapter_that_goes_from_machine_to_machine_does_not_make_them_one() {
    let mut bench = Bench::new();
    let first = machine(ONE, Some(UUID), Some("SN-1"));
    let second = machine(ONE, Some(OTHER_UUID), Some("SN-2"));
    assert!(matches!(bench.asks(run(1), &first), BootPlan::Install(_)));
    bench.greets(run(1), &first);
    bench.reported(run(1), good_run());
    let plan = bench.asks(run(2), &second);
    assert_eq!(plan, BootPlan::Wait(Wait::Conflict(vec![NodeId(1)])), "not sent to the disk as provisioned");
    assert_eq!(bench.words(), [("SN-1".into(), "provisioned")], "what is proven stays so");
    assert!(bench.node().contested.is_some());
    bench.asked(Command::Resolve { node: NodeId(1), how: Resolution::TellApart }).expect("both have a serial");
    assert!(matches!(bench.asks(run(2), &second), BootPlan::Install(_)));
    assert_eq!(bench.asks(run(3), &first), BootPlan::LocalDisk);
    assert_eq!(bench.words(), [("SN-1".into(), "provisioned"), ("SN-2".into(), "script")]);

    // DHCP knows nothing but the adapter: it makes no third node.
    bench.powered_on(Firmware::UefiX64);
    assert_eq!(bench.fleet.nodes().len(), 2);
    let shared = bench.fleet.shared.clone();
    let nodes: Vec<Node> = bench.fleet.nodes().values().map(|node| Node::clone(node)).collect();
    bench.fleet = Fleet::restore(nodes).with(Policy::Default, &Placeholders::default(), shared);
    assert_eq!(bench.asks(run(4), &first), BootPlan::LocalDisk, "after the station was started again too");
}

#[test]
fn a_cloned_serial_is_a_conflict_and_not_two_machines_in_one() {
    let mut bench = Bench::new();
    let node = bench.knows(None, Some("SN-1"), "press-01");
    let (first, clone) = (machine(ONE, Some(UUID), Some("SN-1")), machine(TWO, Some(OTHER_UUID), Some("SN-1")));
    assert!(matches!(bench.asks(run(1), &first), BootPlan::Install(_)));
    assert_eq!(bench.asks(run(2), &clone), BootPlan::Wait(Wait::Conflict(vec![node])));
    bench.asked(Command::Resolve { node, how: Resolution::TellApart }).expect("both have a UUID");
    assert!(matches!(bench.asks(run(2), &clone), BootPlan::Install(_)));
    assert_eq!(bench.fleet.nodes()[&node].macs, first.macs);
    let again = Registration { serial: "SN-1".parse().ok(), ..Registration::default() };
    assert_eq!(bench.asked(Command::Register(again)), Err(Refusal::Placeholder("SN-1".into())));
}

#[test]
fn a_machine_whose_ipxe_cannot_read_the_serial_gets_its_profile_when_its_agent_speaks() {
    let mut bench = Bench::new();
    bench.knows(None, Some("SN-1"), "press-01");
    bench.powered_on(Firmware::Bios);
    assert!(matches!(bench.asks(run(1), &machine(ONE, None, None)), BootPlan::Install(_)));
    assert!(matches!(bench.greets(run(1), &machine(ONE, None, Some("SN-1"))), Grant::Job(_)));
    assert_eq!(bench.words(), [("press-01".into(), "agent")]);
    assert_eq!(bench.reported(run(1), good_run()), 5);
}

#[test]
fn a_mainboard_that_was_given_a_new_uuid_is_the_same_machine() {
    let mut bench = Bench::new();
    bench.asks(run(1), &machine(ONE, Some(UUID), Some("SN-1")));
    assert!(matches!(bench.asks(run(2), &machine(ONE, Some(OTHER_UUID), Some("SN-1"))), BootPlan::Install(_)));
    assert_eq!(bench.fleet.nodes().len(), 1);
}

#[test]
fn a_uuid_that_a_boot_rom_made_up_gives_way_to_the_machine_s_own() {
    let mut bench = Bench::new();
    let node = bench.knows(Some(ONE), None, "press-01");
    let heard = machine(ONE, Some(OTHER_UUID), None);
    bench.saw(Event::DhcpAnswered {
        claims: heard.clone(),
        firmware: Firmware::Bios,
        address: Some(ADDRESS),
        answer: DhcpAnswer::Ack,
        bootfile: None,
        lacks_https: false,
    });
    assert_eq!(bench.fleet.nodes()[&node].uuid, heard.uuid);
    let own = machine(ONE, Some(UUID), Some("SN-1"));
    assert!(matches!(bench.asks(run(1), &own), BootPlan::Install(_)));
    assert_eq!(bench.fleet.nodes()[&node].uuid, own.uuid);
    assert_eq!(bench.fleet.index().identify(&machine(TWO, Some(OTHER_UUID), None)), Identity::New);
}

#[test]
fn both_byte_orders_of_a_uuid_are_one_machine_and_no_contradiction() {
    let mut bench = Bench::new();
    let swapped = "44454c4c-4200-104a-8052-b7c04f4d3432";
    bench.asks(run(1), &machine(ONE, Some(UUID), None));
    assert!(matches!(bench.asks(run(2), &machine(TWO, Some(swapped), None)), BootPlan::Install(_)));
    assert_eq!(bench.fleet.nodes().len(), 1);
}

#[test]
fn what_a_site_lists_identifies_nobody() {
    let mut bench = Bench::new();
    let site =
        Placeholders::parse("site.toml", "serials = [\"ACME-0\"]\nmacs = [\"52:54:00:00:00:02\"]\n").expect("a list");
    bench.fleet = Fleet::default().with(Policy::Default, &site, Placeholders::default());
    bench.asks(run(1), &machine(ONE, None, Some("ACME-0")));
    bench.asks(run(2), &machine("52:54:00:00:00:03", None, Some("acme-0")));
    bench.asks(run(3), &machine(TWO, Some(UUID), None));
    bench.asks(run(4), &machine(TWO, Some(OTHER_UUID), None));
    let nodes: Vec<_> = bench.fleet.nodes().values().map(|node| (node.serial.clone(), node.macs.len())).collect();
    assert_eq!(nodes, [(None, 1), (None, 1), (None, 0), (None, 0)]);
}

#[test]
fn the_sites_list_is_heeded_from_the_moment_it_changes_on() {
    let mut bench = Bench::new();
    let serial = || "ACME-0".parse().ok();
    let shared = Placeholders::parse("x.toml", "serials = [\"CLONE-1\"]\n").expect("a list");
    bench.fleet = Fleet::default().with(Policy::Default, &Placeholders::default(), shared);
    let wish = |serial| Command::Register(Registration { serial, ..Registration::default() });
    bench.fleet.heed(&Placeholders::parse("site.toml", "serials = [\"ACME-0\"]\n").expect("a list"));
    assert_eq!(bench.asked(wish(serial())), Err(Refusal::Placeholder("ACME-0".into())));
    bench.asks(run(1), &machine(ONE, None, Some("ACME-0")));
    assert_eq!(bench.fleet.nodes()[&NodeId(1)].serial, None);
    bench.fleet.heed(&Placeholders::default());
    bench.asked(wish(serial())).expect("it was taken off the list");
    let clone = bench.asked(wish("CLONE-1".parse().ok()));
    assert_eq!(clone, Err(Refusal::Placeholder("CLONE-1".into())), "what a conflict has shown stays");
}

#[test]
fn a_resolution_that_cannot_be_is_refused() {
    let (mut bench, by_mac, by_serial, claims) = torn();
    let resolve = |node, how| Command::Resolve { node, how };
    assert_eq!(bench.asked(resolve(NodeId(9), Resolution::ForgetOthers)), Err(Refusal::NoSuchNode(NodeId(9))));
    let idle = bench.knows(None, Some("SN-9"), "press-09");
    assert_eq!(bench.asked(resolve(idle, Resolution::ForgetOthers)), Err(Refusal::NoConflict("press-09".into())));
    assert_eq!(
        bench.asked(resolve(by_mac, Resolution::TellApart)),
        Err(Refusal::WouldBeNobody("by-serial".into())),
        "each has only what they share"
    );
    let words = bench.words();
    assert_eq!(words[0].1, "conflict", "a refused command has changed nothing");
    bench.asked(resolve(by_serial, Resolution::ForgetOthers)).expect("both are idle");
    bench.asks(run(1), &claims);
    bench.greets(run(1), &claims);
    bench.saw(Event::Held {
        claims: machine(TWO, Some(OTHER_UUID), Some("SN-1")),
        address: ADDRESS,
        reason: "?".into(),
    });
    assert_eq!(
        bench.asked(resolve(by_serial, Resolution::TellApart)),
        Err(Refusal::Busy { label: "by-serial".into(), phase: "agent" })
    );
}

proptest::proptest! {
    /// Three machines, of which one is registered by its serial and one by its MAC address, say parts of who they are at
    /// every stage, in any order; at the end each has said all of it.
    #[test]
    fn who_is_who_does_not_depend_on_the_order_in_which_it_is_said(
        parts in proptest::collection::vec((0_usize..3, proptest::bool::ANY, proptest::bool::ANY), 0..12),
        last in proptest::strategy::Strategy::prop_shuffle(proptest::strategy::Just(vec![0_usize, 1, 2])),
    ) {
        let whole = [
            machine(ONE, Some(UUID), Some("SN-1")),
            machine(TWO, Some(OTHER_UUID), Some("SN-2")),
            machine("52:54:00:00:00:03", None, Some("SN-3")),
        ];
        let mut bench = Bench::new();
        bench.knows(None, Some("SN-1"), "press-01");
        bench.knows(Some(TWO), None, "press-02");
        for (which, with_uuid, with_serial) in parts {
            let said = whole[which].clone();
            let (uuid, serial) = (said.uuid.filter(|_| with_uuid), said.serial.filter(|_| with_serial));
            bench.asks(run(1), &Claims { uuid, serial, ..said });
        }
        last.iter().for_each(|which| drop(bench.asks(run(2), &whole[*which])));
        let mut known: Vec<_> =
            bench.fleet.nodes().values().map(|node| (node.serial.clone(), node.macs.clone(), node.uuid, node.name.clone())).collect();
        known.sort();
        let named = [Some("press-01".to_owned()), Some("press-02".to_owned()), None];
        let all: Vec<_> = whole.into_iter().zip(named).map(|(one, name)| (one.serial, one.macs, one.uuid, name)).collect();
        proptest::prop_assert_eq!(known, all);
    }
}
