//! A list comes to the bench, comes again, and is taken back.

use super::*;
use crate::domain::command::{Command, Registration};
use crate::domain::fleet::tests::{Bench, began, claims, run};
use crate::domain::import::{self, ImportOptions, RowEffect};
use crate::domain::machine::firmware::Firmware;
use crate::domain::machine::report::Step;
use crate::domain::node::Node;
use crate::domain::undo::UndoEntry;

const LIST: &[u8] = b"Serial,MAC,Profile,Name,Site\n\
    SN-1,52:54:00:00:00:01,demo,press-01,Ulm\n\
    SN-2,52:54:00:00:00:02,demo,press-02,Ulm\n\
    SN-3,52:54:00:00:00:03,,press-03,\n";

impl Bench {
    fn read(&mut self, list: &[u8]) -> import::Preview {
        let now = self.now();
        import::preview("order.csv", list, now, &self.snapshot(), &ImportOptions::default())
    }

    /// What the rows of a list would do, in words.
    fn standings(&mut self, list: &[u8]) -> Vec<&'static str> {
        self.read(list).rows.iter().map(|row| row.standing.word()).collect()
    }

    fn imports(&mut self, list: &[u8]) -> Result<Vec<Effect>, Refusal> {
        let import = self.read(list).import().expect("no row is wrong");
        self.asked(Command::Import(import))
    }

    fn registers(&mut self, serial: &str) -> NodeId {
        let wish = Registration { serial: serial.parse().ok(), ..Registration::default() };
        self.asked(Command::Register(wish)).expect("it is new");
        *self.fleet.nodes().keys().last().expect("a node")
    }

    /// How many nodes the newest deed, if it was an import, registered and changed.
    fn last_import(&self) -> Option<(usize, usize)> {
        match &self.fleet.deeds().last()?.what {
            UndoAction::Import { new, changed, .. } => Some((*new, *changed)),
            UndoAction::Edit { .. } | UndoAction::Forget { .. } | UndoAction::Unknown => None,
        }
    }

    /// Takes the newest deed back.
    pub(in crate::domain::fleet) fn undoes(&mut self, scope: Undo) -> Result<Vec<Effect>, Refusal> {
        let deed = self.fleet.deeds().last().map(|deed: &std::sync::Arc<UndoEntry>| deed.at).unwrap_or_default();
        self.asked(Command::Undo { deed, scope })
    }

    /// Every node as a person sees it.
    fn seen(&self) -> Vec<String> {
        let words = |node: &Node| {
            let macs: Vec<String> = node.macs.iter().map(ToString::to_string).collect();
            let profile = node.profile.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{} {} {profile} {:?} {}", node.label(), macs.join(" "), node.metadata, node.registered)
        };
        self.fleet.nodes().values().map(|node| words(node)).collect()
    }
}

#[test]
fn an_import_registers_and_again_it_changes_nothing() {
    let mut bench = Bench::new();
    assert_eq!(bench.standings(LIST), ["new", "new", "new"]);
    assert!(!bench.imports(LIST).expect("possible").is_empty());
    let first = bench.seen();
    assert_eq!(first.len(), 3);
    assert_eq!(bench.standings(LIST), ["same", "same", "same"]);
    assert_eq!(bench.imports(LIST), Ok(Vec::new()));
    assert_eq!(bench.seen(), first);
    let done = bench.last_import();
    assert_eq!(done, Some((3, 0)), "an import that changed nothing does not take the undo away");
}

#[test]
fn a_blank_cell_never_erases() {
    let mut bench = Bench::new();
    bench.imports(LIST).expect("possible");
    let before = bench.seen();
    let thin = b"Serial,MAC,Profile,Name,Site\nSN-1,,,,\n";
    assert_eq!(bench.standings(thin), ["same"]);
    bench.imports(thin).expect("possible");
    assert_eq!(bench.seen(), before);
}

#[test]
fn a_change_is_shown_before_it_is_made_and_can_be_taken_back() {
    let mut bench = Bench::new();
    bench.imports(LIST).expect("possible");
    let before = bench.seen();
    let other = b"Serial,MAC,Name,Site\nSN-1,52:54:00:00:00:0a,press-11,Bonn\nSN-9,,,\n";
    let preview = bench.read(other);
    let RowEffect::Changes(_, changes) = &preview.rows[0].standing else { panic!("{:?}", preview.rows) };
    let words: Vec<String> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(words, ["MAC 52:54:00:00:00:01 → 52:54:00:00:00:0a", "Name press-01 → press-11", "Site Ulm → Bonn"]);
    bench.imports(other).expect("possible");
    assert_eq!(bench.last_import(), Some((1, 1)));
    bench.undoes(Undo::All).expect("it is fresh");
    assert_eq!(bench.seen(), before);
    assert_eq!(bench.standings(other), ["changes", "new"], "no identifier leads to what was taken back");
    bench.undoes(Undo::All).expect("the list before it too");
    assert_eq!((bench.seen().len(), bench.undoes(Undo::All)), (0, Err(Refusal::NothingToUndo)));
}

#[test]
fn one_row_that_is_refused_refuses_all_and_names_itself() {
    let mut bench = Bench::new();
    let mut import = bench.read(LIST).import().expect("no row is wrong");
    import.rows[2].1.profile = "nonsense".parse().ok();
    let why = Box::new(Refusal::UnknownProfile("nonsense".parse().expect("a name")));
    assert_eq!(bench.asked(Command::Import(import.clone())), Err(Refusal::Row { row: 4, why }));
    import.rows[2].1 = Registration::default();
    let why = Box::new(Refusal::NoIdentifier);
    assert_eq!(bench.asked(Command::Import(import.clone())), Err(Refusal::Row { row: 4, why }));
    import.rows[2].1 = Registration { serial: "sn-1".parse().ok(), ..Registration::default() };
    let why = Box::new(Refusal::SameNode { other: 2 });
    assert_eq!(bench.asked(Command::Import(import)), Err(Refusal::Row { row: 4, why }));
    assert!(bench.fleet.nodes().is_empty(), "a refused command has changed nothing");
    assert_eq!(bench.undoes(Undo::All), Err(Refusal::NothingToUndo));
}

#[test]
fn identifiers_of_two_nodes_in_one_row_are_an_error_that_names_both() {
    let mut bench = Bench::new();
    bench.imports(LIST).expect("possible");
    let preview = bench.read(b"Serial,MAC\nSN-1,52:54:00:00:00:02\n");
    let said: Vec<String> = preview.errors().map(|error| error.to_string()).collect();
    let words = "order.csv:2: its identifiers belong to different nodes: press-01 and press-02\n\
        hint: correct the row, or forget one of the nodes";
    assert_eq!(said, [words]);
}

#[test]
fn two_rows_about_one_node_are_an_error() {
    let mut bench = Bench::new();
    bench.imports(LIST).expect("possible");
    let preview = bench.read(b"Serial,MAC,Name\nSN-1,,a\n,52:54:00:00:00:01,b\n");
    let said: Vec<String> = preview.errors().map(|error| error.place_and_what()).collect();
    assert_eq!(said, ["order.csv:3: row 2 is about the same node, press-01"]);
}

#[test]
fn a_machine_that_was_seen_becomes_the_one_on_the_list() {
    let mut bench = Bench::new();
    bench.powered_on(Firmware::UefiX64);
    assert_eq!(bench.standings(LIST), ["new", "new", "new"]);
    bench.imports(LIST).expect("possible");
    assert_eq!((bench.seen().len(), bench.fleet.nodes()[&NodeId(1)].label()), (3, "press-01".into()));
    bench.undoes(Undo::All).expect("it is fresh");
    assert_eq!(bench.seen(), ["52:54:00:00:00:01 52:54:00:00:00:01  {} false"], "it is there, as before the list came");
}

#[test]
fn what_the_undo_would_take_from_a_machine_at_work_is_refused_with_its_name() {
    let mut bench = Bench::new();
    bench.imports(LIST).expect("possible");
    bench.booted_as(run(1));
    let begun = Refusal::BegunToWork { labels: vec!["press-01".into()] };
    assert_eq!(begun.to_string(), "of the nodes one has begun to work: press-01");
    assert_eq!(bench.undoes(Undo::All), Err(begun));
    assert_eq!(bench.seen().len(), 3);
    bench.undoes(Undo::Idle).expect("it is fresh");
    assert_eq!(bench.seen().len(), 1, "the others are gone");
    assert_eq!(bench.fleet.nodes()[&NodeId(1)].phase.word(), "writing");
}

#[test]
fn what_was_changed_or_learnt_since_stays_when_an_import_is_taken_back() {
    let mut bench = Bench::new();
    let node = bench.registers("SN-1");
    bench.imports(b"Serial,Name,Site\nSN-1,press-01,Ulm\n").expect("possible");
    bench.asked(Command::Assign { node, profile: "demo".parse().ok() }).expect("it is idle");
    let mut shown = claims(Some("SN-1"));
    shown.manufacturer = Some("Acme".into());
    bench.saw(crate::domain::event::Event::SentToDisk { claims: shown, address: [10, 77, 0, 9].into() });
    bench.undoes(Undo::All).expect("it is fresh");
    assert_eq!(bench.seen(), ["SN-1 52:54:00:00:00:01 demo {} true"]);
}

#[test]
fn after_a_minute_an_import_stands() {
    let mut bench = Bench::new();
    bench.imports(LIST).expect("possible");
    bench.seconds += 60;
    assert_eq!(bench.undoes(Undo::All), Err(Refusal::UndoTooLate { what: "the import of order.csv".into() }));
    assert_eq!(bench.seen().len(), 3);
}

#[test]
fn a_machine_at_work_is_not_changed_by_a_list() {
    let mut bench = Bench::new();
    bench.imports(LIST).expect("possible");
    bench.booted_as(run(1));
    let preview = bench.read(b"Serial,Hostname\nSN-1,press-1\nSN-2,press-2\n");
    let said: Vec<String> = preview.errors().map(|error| error.place_and_what()).collect();
    assert_eq!(said, ["order.csv:2: press-01 is at work (writing): wait until it has ended, or switch it off first"]);
    let good = preview.import_without_errors();
    assert_eq!(good.rows.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [3]);
    bench.asked(Command::Import(good)).expect("the others can be had");
}

#[test]
fn a_long_list_is_stored_and_no_line_is_written_for_each_of_its_rows() {
    let mut bench = Bench::new();
    let list: String = (0..10_000).map(|row| format!("PF3K{row:06}\n")).collect();
    let effects = bench.imports(format!("Serial\n{list}").as_bytes()).expect("possible");
    let saved = effects.iter().filter(|effect| matches!(effect, Effect::SaveNode(_))).count();
    assert_eq!((saved, effects.len()), (10_000, 10_001), "the nodes, and what can be taken back");
    let listed = bench.fleet.nodes()[&NodeId(7)].listed.as_ref().map(ToString::to_string);
    assert_eq!(listed.as_deref(), Some("order.csv, row 8"));
}

#[test]
fn a_list_that_corrects_a_mistyped_address_changes_it_and_a_blank_cell_erases_none() {
    let mut bench = Bench::new();
    bench.imports(b"Serial,MAC 1,MAC 2\nSN-1,52:54:00:00:00:11,52:54:00:00:00:27\n").expect("possible");
    let words = |bench: &mut Bench, list: &[u8]| {
        let preview = bench.read(list);
        let RowEffect::Changes(_, changes) = &preview.rows[0].standing else { return Vec::new() };
        changes.iter().map(ToString::to_string).collect()
    };
    let corrected = b"Serial,MAC 1,MAC 2\nSN-1,,52:54:00:00:00:28\n";
    assert_eq!(words(&mut bench, corrected), ["MAC 52:54:00:00:00:27 \u{2192} 52:54:00:00:00:28"]);
    bench.imports(corrected).expect("possible");
    assert_eq!(bench.seen(), ["SN-1 52:54:00:00:00:11 52:54:00:00:00:28  {} true"]);
    assert_eq!(bench.standings(corrected), ["same"]);
    bench.undoes(Undo::All).expect("it is fresh");
    assert_eq!(bench.seen(), ["SN-1 52:54:00:00:00:11 52:54:00:00:00:27  {} true"]);

    // What the machine itself has shown is no slip of anybody's pen: then the list names another of its cards.
    let mut bench = Bench::new();
    bench.imports(LIST).expect("possible");
    bench.powered_on(Firmware::UefiX64);
    assert_eq!(words(&mut bench, b"Serial,MAC\nSN-1,52:54:00:00:00:0a\n"), ["MAC + 52:54:00:00:00:0a"]);
}

#[test]
fn zeros_that_the_bench_knows_are_missed() {
    let mut bench = Bench::new();
    bench.registers("00471101");
    let preview = bench.read(b"Serial\n471101\n");
    let said: Vec<String> = preview.warnings().map(|warning| warning.place_and_what()).collect();
    assert_eq!(
        said,
        ["order.csv:2, Serial: \"471101\" may be 00471101, which the bench knows: leading zeros may be lost"]
    );
}

impl Bench {
    /// The machine with the first MAC address boots and begins to write.
    fn booted_as(&mut self, run: crate::domain::ids::RunId) {
        self.powered_on(Firmware::UefiX64);
        self.scripted(run, Some("SN-1"));
        self.said_hello(run, Some("SN-1"));
        self.reported(run, [began(Step::Write)]);
    }
}
