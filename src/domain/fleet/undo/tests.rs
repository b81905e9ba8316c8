//! What was done by mistake is as it was before, for a minute.

use super::*;
use crate::domain::command::{Command, Registration};
use crate::domain::event::Event;
use crate::domain::fleet::Grant;
use crate::domain::fleet::tests::{Bench, began, claims, good_run, run};
use crate::domain::ids::Serial;
use crate::domain::ids::placeholder::Placeholders;
use crate::domain::machine::firmware::Firmware;
use crate::domain::machine::report::Step;
use crate::domain::node::edit::{Edit, Set};
use crate::domain::station::policy::Policy;

const MAC: &str = "52:54:00:00:00:01";

impl Bench {
    fn knows_serial(&mut self, serial: &str) -> NodeId {
        let wish = Registration { serial: serial.parse().ok(), ..Registration::default() };
        self.asked(Command::Register(wish)).expect("it is new");
        *self.fleet.nodes().keys().last().expect("a node")
    }

    fn forgets(&mut self, nodes: &[NodeId]) -> Result<Vec<Effect>, Refusal> {
        self.asked(Command::Forget { nodes: nodes.to_vec() })
    }

    fn edits(&mut self, node: NodeId, edit: Edit) -> Result<Vec<Effect>, Refusal> {
        self.asked(Command::Edit { node, edit })
    }

    /// As if the station had been started again, with what the store keeps.
    fn restarted(&mut self) {
        let nodes: Vec<Node> = self.fleet.nodes.values().map(|node| Node::clone(node)).collect();
        let aside = self.fleet.set_aside.values().map(|node| Node::clone(node)).collect();
        let deeds = self.fleet.deeds.iter().map(|deed| {
            let text = serde_json::to_string(&**deed).expect("JSON");
            serde_json::from_str(&text).expect("a deed")
        });
        let deeds = deeds.collect();
        self.fleet = Fleet::restore(nodes).with_deeds(deeds, aside);
    }
}

fn serial(text: &str) -> Set<Serial> {
    Set::To(text.parse().expect("a serial"))
}

#[test]
fn a_forgotten_node_comes_back_with_its_runs_and_its_log() {
    for restarts in [false, true] {
        let mut bench = Bench::new();
        bench.booted(run(1));
        bench.reported(run(1), good_run());
        let before = Node::clone(bench.node());
        let effects = bench.forgets(&[before.id]).expect("it is proven");
        assert!(effects.iter().any(|effect| matches!(effect, Effect::SetAside { .. })), "{effects:?}");
        assert!(!effects.contains(&Effect::Forget(before.id)), "its rows stay for a minute");
        assert!(bench.fleet.nodes().is_empty());
        if restarts {
            bench.restarted();
        }
        bench.undoes(Undo::All).expect("it is fresh");
        let after = bench.node();
        let lines = |node: &Node| node.log.lines().map(|line| line.text.to_string()).collect::<Vec<_>>();
        assert_eq!(lines(after)[..before.log.len()], lines(&before)[..]);
        assert_eq!(Node { log: before.log.clone(), ..after.clone() }, before);
        assert_eq!(bench.fleet.word(run(1)), Some(before.id), "its run is known again");
    }
}

impl Fleet {
    fn word(&self, run: RunId) -> Option<NodeId> {
        self.runs.get(&run).copied()
    }
}

#[test]
fn several_are_forgotten_together_or_none_and_come_back_together() {
    let mut bench = Bench::new();
    let nodes = ["SN-1", "SN-2", "SN-3"].map(|serial| bench.knows_serial(serial));
    assert_eq!(bench.forgets(&[nodes[0], NodeId(9)]), Err(Refusal::NoSuchNode(NodeId(9))));
    assert_eq!(bench.fleet.nodes().len(), 3, "a refused command has changed nothing");
    bench.forgets(&nodes).expect("they are idle");
    assert_eq!(bench.fleet.deeds().last().map(ToString::to_string).as_deref(), Some("the forgetting of 3 nodes"));
    bench.undoes(Undo::All).expect("it is fresh");
    assert_eq!(bench.fleet.nodes().keys().copied().collect::<Vec<_>>(), nodes);
    assert_eq!(bench.undoes(Undo::All), Err(Refusal::NothingToUndo));
}

#[test]
fn after_a_minute_a_forgotten_node_stays_forgotten() {
    let mut bench = Bench::new();
    let node = bench.knows_serial("SN-1");
    bench.forgets(&[node]).expect("it is idle");
    bench.seconds += 60;
    let what = "the forgetting of SN-1".to_owned();
    assert_eq!(bench.undoes(Undo::All), Err(Refusal::UndoTooLate { what }));
    bench.knows_serial("SN-2");
    let id = bench.knows_serial("SN-3");
    bench.forgets(&[id]).expect("it is idle");
    assert_eq!(bench.fleet.set_aside.len(), 1, "what cannot come back is not kept");
}

#[test]
fn a_machine_that_was_switched_on_after_it_was_forgotten_is_the_node_that_comes_back() {
    let mut bench = Bench::new();
    bench.powered_on(Firmware::UefiX64);
    let node = bench.node().id;
    bench.forgets(&[node]).expect("it is idle");
    bench.powered_on(Firmware::UefiX64);
    assert_ne!(bench.node().id, node);
    bench.undoes(Undo::All).expect("it is fresh");
    assert_eq!(bench.node().id, node, "one machine, one node");
    bench.scripted(run(1), None);
    assert!(matches!(bench.said_hello(run(1), None), Grant::Job(_)));
}

#[test]
fn who_was_registered_anew_keeps_a_forgotten_node_from_coming_back() {
    let mut bench = Bench::new();
    let node = bench.knows_serial("SN-1");
    bench.forgets(&[node]).expect("it is idle");
    let again = bench.knows_serial("sn-1");
    let (deed, scope) = (bench.fleet.deeds()[0].at, Undo::All);
    let (label, what, by) = ("SN-1".into(), "serial SN-1".into(), "sn-1".into());
    assert_eq!(bench.asked(Command::Undo { deed, scope }), Err(Refusal::TakenSince { label, what, by }));
    bench.forgets(&[again]).expect("it is idle");
    bench.asked(Command::Undo { deed, scope }).expect("nobody else has its serial now");
}

#[test]
fn a_number_that_may_come_back_is_given_to_nobody_else() {
    let mut bench = Bench::new();
    let node = bench.knows_serial("SN-1");
    bench.forgets(&[node]).expect("it is idle");
    bench.restarted();
    assert_ne!(bench.knows_serial("SN-2"), node);
}

#[test]
fn an_edit_changes_what_is_said_clears_what_is_empty_and_is_taken_back() {
    let mut bench = Bench::new();
    let node = bench.knows_serial("SN-1");
    let before = bench.node().claims();
    let macs = Set::To(vec![MAC.parse().expect("a MAC")]);
    let effects = bench.edits(node, Edit { serial: serial("SN-2"), macs, ..Edit::default() }).expect("it is idle");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::SaveNode(saved) if saved.macs.len() == 1)));
    assert_eq!(
        bench.node().log.lines().last().map(|line| line.text.to_string()).as_deref(),
        Some("edited: Serial SN-1 → SN-2, MAC + 52:54:00:00:00:01")
    );
    bench.edits(node, Edit { serial: Set::Clear, ..Edit::default() }).expect("it keeps its address");
    assert_eq!((bench.node().serial.clone(), bench.node().label()), (None, MAC.to_owned()));
    bench.restarted();
    bench.undoes(Undo::All).expect("it is fresh");
    bench.undoes(Undo::All).expect("the one before too");
    assert_eq!(bench.node().claims(), before);
    assert_eq!(bench.knows_serial("SN-2"), NodeId(2), "no identifier leads to what was taken back");
}

#[test]
fn an_edit_that_cannot_be_is_refused_and_changes_nothing() {
    let mut bench = Bench::new();
    bench.fleet = Fleet::default().with(
        Policy::Default,
        &Placeholders::parse("site.toml", "serials = [\"ACME-0\"]\n").expect("a list"),
        Placeholders::default(),
    );
    let node = bench.knows_serial("SN-1");
    bench.knows_serial("SN-2");
    let refused = |bench: &mut Bench, edit: Edit| bench.edits(node, edit).expect_err("it cannot be").to_string();
    let edit = |set| Edit { serial: set, ..Edit::default() };
    assert_eq!(refused(&mut bench, edit(serial("SN-2"))), "serial SN-2 is SN-2's");
    assert!(refused(&mut bench, edit(Set::Clear)).starts_with("SN-1 would have nothing left"));
    assert!(refused(&mut bench, edit(serial("acme-0"))).contains("is a placeholder"));
    let profile = Edit { profile: Set::To("nonsense".parse().expect("a name")), ..Edit::default() };
    assert_eq!(refused(&mut bench, profile), "there is no profile named nonsense");
    assert_eq!(bench.edits(NodeId(9), Edit::default()), Err(Refusal::NoSuchNode(NodeId(9))));
    assert_eq!(bench.edits(node, Edit::default()), Ok(Vec::new()), "nothing is said");
    assert_eq!(bench.fleet.nodes()[&node].serial.as_ref().map(Serial::as_str), Some("SN-1"));
}

#[test]
fn a_machine_at_work_is_not_edited() {
    let mut bench = Bench::new();
    bench.booted(run(1));
    bench.reported(run(1), [began(Step::Write)]);
    let node = bench.node().id;
    let name = Edit { name: Set::To("press-01".into()), ..Edit::default() };
    let busy = Refusal::Busy { label: MAC.into(), phase: "writing" };
    assert_eq!(bench.edits(node, name), Err(busy));
}

#[test]
fn a_stranger_that_is_edited_is_registered_and_the_node_of_its_other_card_is_part_of_it() {
    let mut bench = Bench::new();
    let node = bench.knows_serial("SN-1");
    bench.saw(Event::SentToDisk { claims: claims(None), address: [10, 77, 0, 9].into() });
    assert_eq!(bench.fleet.nodes().len(), 2);
    let macs = Set::To(vec![MAC.parse().expect("a MAC")]);
    bench.edits(node, Edit { macs, ..Edit::default() }).expect("nobody registered the other");
    assert_eq!((bench.node().label(), bench.node().address), ("SN-1".into(), Some([10, 77, 0, 9].into())));

    let mut bench = Bench::new();
    bench.powered_on(Firmware::UefiX64);
    let node = bench.node().id;
    bench.edits(node, Edit { name: Set::To("press-01".into()), ..Edit::default() }).expect("it is idle");
    assert!(bench.node().registered);
    bench.undoes(Undo::All).expect("it is fresh");
    assert!(!bench.node().registered && bench.node().name.is_none());
}
