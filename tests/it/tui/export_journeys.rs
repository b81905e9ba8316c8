//! Journeys to what is kept elsewhere: a batch is opened and closed, its report, the list and an archive for whoever helps
//! are written, all by keys.

use std::sync::Arc;

use crossterm::event::KeyCode::{Backspace, Down, Enter, Esc, Right, Up};
use ratatui::layout::Size;

use crate::sample;
use crate::sample::journey::Journey;
use oxbow::domain::batch::export::{Export, ExportError, ExportProgress, ReportFormat, WrittenExport};
use oxbow::domain::batch::{Batch, BatchOrder, WHOLE_BENCH};
use oxbow::domain::command::Command;
use oxbow::domain::node::phase::Phase;
use oxbow::domain::snapshot::Snapshot;
use oxbow::tui::{ExportNews, HubReply, Msg, Screen, UiEffect};

/// What was asked to be written, and as what.
#[track_caller]
fn written(journey: &mut Journey) -> (Export, String) {
    match journey.wishes.pop() {
        Some(UiEffect::Write { paper, deed }) => (paper, deed),
        other => panic!("{other:?}"),
    }
}

fn step(what: &'static str, done: usize, of: Option<usize>) -> Msg {
    Msg::Paper(ExportNews::Step(ExportProgress { what, done, of }))
}

fn kept(place: &str, about: &[&str]) -> Msg {
    let about = about.iter().map(|words| (*words).to_owned()).collect();
    Msg::Paper(ExportNews::Ended(Ok(WrittenExport { place: place.into(), about })))
}

fn unkept(why: ExportError) -> Msg {
    Msg::Paper(ExportNews::Ended(Err(why)))
}

/// The busy bench with one batch that is open.
fn with_a_batch() -> Snapshot {
    let mut bench = sample::busy();
    let order = BatchOrder { name: "PO-4711".into(), operator: Some("Kim".into()), ..BatchOrder::default() };
    bench.batches.push(Arc::new(Batch::open(1, order, sample::NOW)));
    bench
}

#[test]
fn a_batch_is_opened_with_what_is_typed_and_the_machines_of_a_list() {
    let mut journey = Journey::at(sample::imported());
    journey.screen.person = Some("kim".into());
    journey.type_text("0").sees("B open batch").misses("close batch").type_text("1B").sees("Open a batch");
    journey.sees("Operator    kim").sees("all that are registered and not done").misses("as a command");
    journey.type_text("line 2q").press([Backspace]).sees("oxbow batch open 'line 2' --operator kim");
    journey.press([Enter]).type_text("WO 4711").press([Enter, Enter]).sees("machines are expected now");
    journey.press([Right]).sees("those of ").sees("3 machines are expected now").press([Enter]).misses("Open a batch");
    let list = journey.bench.nodes.values().find_map(|node| node.listed.as_ref()).expect("a list").file.clone();
    let (work_order, operator) = (Some("WO 4711".into()), Some("kim".into()));
    journey.asks_for(Command::OpenBatch(BatchOrder { name: "line 2".into(), work_order, operator, list: Some(list) }));
}

#[test]
fn how_a_list_is_chosen_is_read_whole_on_every_terminal_and_where_there_is_none_nothing_is_to_be_chosen() {
    for (width, height) in [(200, 50), (80, 24), (60, 20), (48, 16)] {
        let bench = sample::imported();
        let mut journey = Journey::at(bench);
        journey.screen.size = Size { width, height };
        journey.type_text("B").misses("Left and Right").press([Up]);
        let said = journey.picture().replace(['\n', '│'], " ");
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("Left and Right choose"), "{width}x{height}\n{}", journey.picture());
    }
    Journey::at(sample::busy()).type_text("B").press([Up]).sees("are expected now").misses("Left and Right");
}

#[test]
fn machines_on_the_board_that_are_not_of_the_batch_are_not_counted_as_its() {
    let mut journey = Journey::at(with_a_batch());
    journey.type_text("0").sees("Batch PO-4711: 12 machines").sees("2 of 12 done");
    journey.sees("open for 0s; 8 of these are of it, 0 done");
    journey.type_text("C").sees("5 expected");
}

#[test]
fn a_batch_without_a_name_is_not_opened_and_the_form_stays() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("B").press([Up, Enter]).sees("a batch needs a name").sees("Open a batch");
    assert_eq!(journey.wishes, [UiEffect::Bell]);
    journey.type_text("x").sees("▌Name        x").press([Esc]).misses("Open a batch");
}

#[test]
fn the_board_says_which_batch_it_is_and_a_second_one_is_not_opened() {
    let mut journey = Journey::at(with_a_batch());
    journey.type_text("0").sees("batch 1, PO-4711, operator Kim: open for 0s");
    journey.type_text("B").sees("PO-4711 is open: C closes it, then another can be opened").misses("Open a batch");
}

#[test]
fn a_batch_with_machines_that_are_not_done_is_closed_by_its_name_typed() {
    let mut journey = Journey::at(with_a_batch());
    journey.type_text("0C").sees("Close batch 1, PO-4711?").sees("1 failed").sees("nodes are at work");
    journey.sees("oxbow batch close").sees("Type PO-4711 and press Enter").press([Enter]);
    assert_eq!(journey.wishes, []);
    journey.type_text("po-4711").press([Enter]).misses("Close batch");
    journey.asks_for(Command::CloseBatch);
    let done = HubReply { deed: "close batch 1, PO-4711".into(), result: Ok(()) };
    journey.tell(Msg::Answered(done)).sees("done: close batch 1, PO-4711; R writes its report");
}

#[test]
fn a_batch_that_is_whole_is_closed_by_one_key() {
    let mut bench = with_a_batch();
    for node in bench.nodes.values_mut() {
        let node = Arc::make_mut(node);
        (node.registered, node.phase, node.progress, node.contested) = (true, Phase::Provisioned, None, None);
        node.last_seen = Some(sample::NOW);
        node.runs.iter_mut().for_each(|run| run.ended = Some(sample::NOW));
    }
    let mut journey = Journey::at(bench);
    journey.type_text("6C").sees("12 expected, 12 seen, 12 done").misses("Type ").type_text("y");
    journey.asks_for(Command::CloseBatch);
}

#[test]
fn without_a_batch_the_report_is_of_the_whole_bench_and_its_place_has_a_line_of_its_own() {
    let mut journey = Journey::at(sample::busy());
    journey
        .type_text("R")
        .sees("Write the report of the whole bench")
        .sees("2 done")
        .sees("oxbow report --batch 0 DIRECTORY");
    journey.press([Enter]);
    let all = Export::Report { number: Some(WHOLE_BENCH), formats: ReportFormat::ALL.to_vec() };
    assert_eq!(written(&mut journey), (all, "the report of the whole bench".into()));
    journey.sees("the report of the whole bench: under way");
    journey.tell(step("machines read", 64, None)).sees("the report of the whole bench: machines read 64");
    journey.tell(step("machines signed", 7, Some(12))).wait(60).sees("machines signed 7 of 12");
    let place = "/var/lib/oxbow/reports/bench-20261123-140211";
    journey.tell(kept(place, &["12 machines, certificates: 2"])).sees("Written: the report of the whole bench");
    journey.sees("12 machines, certificates: 2.").sees("scp -r").misses("machines signed");
    journey.sees(&format!("│ {place}  "));
    journey.press([Enter]).misses("Written");
}

#[test]
fn of_several_batches_one_is_chosen_and_what_of_its_report_is_written() {
    let mut journey = Journey::at(sample::with_batches());
    journey.type_text("R").sees("The report of which batch?").sees("Open since").press([Down]).sees("Closed at");
    journey.press([Enter]).sees("Write the report of batch 1, Monday").press([Down, Down]);
    journey.sees("for the ERP").sees("oxbow report --batch 1 --format csv DIRECTORY").press([Enter]);
    let table = Export::Report { number: Some(1), formats: vec![ReportFormat::Csv] };
    assert_eq!(written(&mut journey), (table, "the report of batch 1, Monday".into()));
}

#[test]
fn machines_that_were_done_before_the_only_batch_was_opened_are_proven_by_the_report_of_the_whole_bench() {
    let mut bench = sample::busy();
    bench.batches =
        vec![Arc::new(Batch::open(1, BatchOrder { name: "Monday".into(), ..BatchOrder::default() }, sample::NOW))];
    let mut journey = Journey::at(bench);
    journey.type_text("R").sees("The report of which batch?").press([Down]).sees("in a batch or not").sees("2 done");
    journey.press([Enter]).sees("Write the report of the whole bench").press([Enter]);
    let all = Export::Report { number: Some(WHOLE_BENCH), formats: ReportFormat::ALL.to_vec() };
    assert_eq!(written(&mut journey), (all, "the report of the whole bench".into()));
}

#[test]
fn where_no_machine_is_done_there_is_nothing_to_sign_and_that_is_said() {
    let mut journey = Journey::at(sample::imported());
    journey
        .type_text("R")
        .press([Up])
        .press([Down, Down, Down, Down])
        .sees("No machine of it is done yet")
        .press([Enter]);
    assert_eq!(journey.wishes, []);
    let mut nobody = Journey::at(sample::empty());
    nobody.type_text("R").sees("no machine is known yet").wait(60).type_text("X").sees("no machine is known yet");
    assert_eq!(nobody.wishes, []);
}

#[test]
fn the_bench_is_exported_by_one_key_and_what_fails_says_what_to_do() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("X").sees("the list of the bench: under way");
    assert_eq!(written(&mut journey), (Export::List, "the list of the bench".into()));
    let what = "the list cannot be written to /var/lib/oxbow/lists/x: No space left on device".to_owned();
    let full = ExportError::Problem { what, hint: "make room there, or name another place".into() };
    journey.tell(unkept(full)).sees("Not written: the list of the bench").sees("space left on device");
    journey.sees("hint: make room there").press([Esc]).misses("Not written");
}

#[test]
fn an_archive_for_whoever_helps_is_about_the_marked_nodes() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("mmH").sees("the support archive about 2 nodes: under way");
    let (Export::Support { nodes }, _) = written(&mut journey) else { panic!("another paper") };
    assert_eq!(nodes.iter().copied().collect::<std::collections::BTreeSet<_>>(), journey.screen.marked);
    let about = ["34 kB; look through it before you mail it", "left out: lines that machines said by syslog: 3"];
    journey.tell(kept("/var/lib/oxbow/support/bench-20261123-140211.tar.gz", &about));
    journey.sees("34 kB; look through it before you mail it.").sees("left out: lines").press([Esc]);
    journey.type_text("5H");
    let (Export::Support { nodes }, deed) = written(&mut journey) else { panic!("another paper") };
    assert_eq!((nodes.len(), deed.as_str()), (0, "the support archive for whoever helps"));
}

#[test]
fn one_paper_is_written_at_a_time_and_the_same_key_drops_it() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("X").tell(step("machines read", 64, None)).type_text("R").sees("Drop what is being written?");
    journey
        .sees("the list of the bench: machines read 64.")
        .press([Esc])
        .type_text("H")
        .sees("Drop what")
        .type_text("y");
    assert_eq!(journey.wishes.last(), Some(&UiEffect::DropPaper));
    journey.tell(unkept(ExportError::Dropped)).sees("dropped: the list of the bench; nothing is left of it");
    journey.type_text("X");
    assert_eq!(written(&mut journey).0, Export::List, "it can be asked for again");
}

#[test]
fn leaving_while_something_is_written_asks_even_if_no_machine_is_at_work() {
    let mut journey = Journey::at(sample::imported());
    journey.type_text("X").tell(step("machines read", 3, None));
    journey.wishes.clear();
    journey.type_text("q").sees("Quit oxbow?").sees("the list of the bench: machines read 3. It is dropped");
    journey.press([Esc]).tell(kept("/x.csv", &[])).press([Enter]).type_text("q");
    assert_eq!(journey.wishes, [UiEffect::Quit]);
}

#[test]
fn where_a_paper_is_waits_until_nothing_else_is_read_or_typed() {
    let mut journey = Journey::at(sample::busy());
    journey
        .type_text("X")
        .type_text("2SN-1")
        .tell(kept("/lists/bench.csv", &[]))
        .sees("written: the list of the bench");
    journey.misses("/lists/bench.csv").press([Esc]).sees("/lists/bench.csv").press([Enter]);
    journey.type_text("XD").tell(kept("/lists/bench-2.csv", &[])).sees("Forget SN-4003?").misses("/lists/bench-2.csv");
    journey.type_text("n").sees("/lists/bench-2.csv");
}

#[test]
fn a_long_path_is_on_one_line_where_the_terminal_has_room_for_it() {
    let place = "/srv/factory/halle-2/oxbow/reports/batch-12-20261123-140211-2";
    let mut journey = Journey::at(sample::busy());
    journey.type_text("X").tell(kept(place, &[])).sees(place);
    journey.tell(Msg::Resized(Size { width: 60, height: 20 })).misses(place).sees("/srv/factory/halle-2");
}

#[test]
fn of_a_recording_nothing_is_written() {
    let mut journey = Journey::at(sample::busy());
    journey.screen = Screen { papers: Default::default(), ..journey.screen };
    for key in ["R", "X", "H"] {
        journey.wait(60).type_text(key).sees("this is a recording: nothing of it is written");
    }
    assert_eq!(journey.wishes, []);
}

#[test]
fn papers_are_found_by_the_words_that_somebody_looks_for_them_with() {
    let mut journey = Journey::at(with_a_batch());
    for (words, row) in
        [("proof", "write the report"), ("export", "export the bench"), ("afar", "write a support archive")]
    {
        journey.type_text(":").type_text(words).sees(row).press([Esc]);
    }
    journey.type_text(":open a batch").sees("not now: batch 1, PO-4711 is open").press([Esc]);
    journey.type_text(":close the batch").press([Enter]).sees("Close batch 1, PO-4711?");
    assert_eq!(journey.wishes, []);
}
