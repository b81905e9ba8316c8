//! Journeys: keys in, words on the screen and wishes out.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use crossterm::event::KeyCode::{
    self, BackTab, Backspace, Char, Down, End, Enter, Esc, Home, Left, PageDown, PageUp, Right, Tab, Up,
};
use ratatui::layout::Size;

use crate::sample;
use crate::sample::journey::Journey;
use oxbow::domain::batch::{Batch, BatchOrder};
use oxbow::domain::command::{Approval, Command, Registration, Resolution, Undo};
use oxbow::domain::fleet::Fleet;
use oxbow::domain::ids::NodeId;
use oxbow::domain::import;
use oxbow::domain::logline::{Level, LogLine, LogSource};
use oxbow::domain::machine::claims::Claims;
use oxbow::domain::node::Node;
use oxbow::domain::node::edit::{Edit, Set};
use oxbow::domain::node::phase::{Phase, Stage};
use oxbow::domain::node::question::Question;
use oxbow::domain::refusal::Refusal;
use oxbow::domain::snapshot::Snapshot;
use oxbow::domain::station::dhcp::DhcpChoice;
use oxbow::domain::station::plan::BootPlan;
use oxbow::domain::station::policy::Policy;
use oxbow::domain::station::service::{ServiceName, ServiceState, ServiceStatus};
use oxbow::domain::station::stream::{Origin, StreamLine};
use oxbow::domain::text::is_printable;
use oxbow::tui::confirm::shell_command;
use oxbow::tui::popups::commands::SHELL;
use oxbow::tui::workers::lists::Files;
use oxbow::tui::{
    Action, BINDINGS, Calls, HubAction, HubReply, HubRequest, KeyPlace, ListFolders, ListJob, ListResult, Msg, NotDone,
    ReplayControl, UiEffect,
};

fn chosen(journey: &Journey) -> NodeId {
    journey.screen.chosen.expect("a chosen node")
}

#[test]
fn a_failed_node_is_found_read_and_armed_again() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("/phase:failed").sees("Nodes 1 of 12").press([Enter, Enter]);
    journey.sees("failed at verifying").sees("hint: the disk does not keep what is");
    journey.type_text("r").sees("Re-arm SN-4003?").sees("Profile emt-s is written to its disk").type_text("y");
    let node = chosen(&journey);
    journey.asks_for(Command::Rearm { node });
    journey
        .tell(Msg::Answered(HubReply { deed: "re-arm SN-4003".into(), result: Ok(()) }))
        .sees("done: re-arm SN-4003");
    journey.wait(6).misses("done: re-arm").press([Esc]).sees("/phase:failed").press([Esc]).sees("Nodes 12");
}

#[test]
fn a_machine_that_does_not_boot_says_why_and_its_packets_are_saved() {
    let mut journey = Journey::at(sample::stuck());
    journey.sees("! SN-4013").sees("stalled     it fetched").sees("Not booting, and no node yet: 2");
    journey.sees("3c:ec:ef:12:34:16: there is no boot program for its architecture 6").press([Enter]);
    journey.sees("stopped at boot program: it fetched all of ipxe.efi").sees("hint: set `secure_boot = true`");
    journey.sees("14:01:01     DISCOVER by UEFI x64 > offered 10.77.0.113").type_text("w");
    let Some(UiEffect::Ask(HubRequest { what: HubAction::Capture { macs, name }, deed })) = journey.wishes.pop() else {
        panic!("nothing is saved")
    };
    assert_eq!(macs, ["3c:ec:ef:12:34:0d".parse().expect("a MAC")]);
    assert_eq!((name.as_str(), deed.as_str()), ("SN-4013-20261123-140211.pcap", "save the packets of SN-4013"));
    journey.tell(Msg::Answered(HubReply { deed: format!("{deed} in /x/{name}"), result: Ok(()) }));
    journey.sees("done: save the packets of SN-4013 in /x/SN-4013-20261123-140211.pcap");

    let mut journey = Journey::at(sample::strangers());
    journey.sees("Not booting, and no node yet: 2").type_text("w").sees("no node is chosen");
}

#[test]
fn enter_alone_destroys_nothing() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("D").sees("Forget SN-4003?").sees("1 run").press([Enter]).misses("Forget SN-4003?");
    assert_eq!(journey.wishes, []);
    journey.type_text("D").press([Tab, Enter]);
    let node = chosen(&journey);
    journey.asks_for(Command::Forget { nodes: vec![node] });
}

#[test]
fn a_machine_that_is_done_is_installed_again_only_by_its_name_typed_or_scanned() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("/SN-4001").press([Enter]).type_text("r").sees("Type SN-4001 and press Enter");
    journey.type_text("y").press([Enter]).sees("Re-arm SN-4001?").asks_for_all(&[]);
    journey.control('u').type_text("SN-4001").press([Enter]).misses("Re-arm SN-4001?");
    let node = chosen(&journey);
    journey.asks_for(Command::Rearm { node });

    journey.change(node, |node| node.name = Some("a-machine-with-the-longest-name-there-is".into()));
    journey.type_text("r").sees("Type a-machine-with-the-longest-name-there-is and press").press([Esc]);

    // Of several the number; one that has no name that every keyboard types is one.
    journey.press([Esc]).type_text("M").type_text("r").sees("Type 7 and press Enter").press([Esc]);
    journey.type_text("M/SN-4001").press([Enter]);
    journey.change(node, |node| node.name = Some("Prüfling 7".into())).type_text("r").sees("Type 1 and press Enter");
}

#[test]
fn where_a_list_is_put_is_said_with_its_path() {
    let mut bench = sample::busy();
    let state = ServiceState::Up { at: "/var/lib/oxbow/import".into() };
    bench.services.push(ServiceStatus { name: ServiceName::ImportFolder, state, restarts: 0 });
    Journey::at(bench).type_text("3").sees("put into /var/lib/oxbow/import is imported by itself");
}

#[test]
fn what_was_asked_is_what_is_done_whatever_is_chosen_meanwhile() {
    let mut journey = Journey::at(sample::busy());
    let asked_about = chosen(&journey);
    journey.type_text("r").change(asked_about, |node| node.phase = Phase::Provisioned);
    journey.screen.chosen = None;
    journey.type_text("y").asks_for(Command::Rearm { node: asked_about });
}

#[test]
fn a_refusal_is_told_and_stays_until_it_is_read() {
    let mut journey = Journey::at(sample::busy());
    let refusal = Refusal::Busy { label: "SN-4004".into(), phase: "writing" };
    let answer = HubReply { deed: "forget SN-4004".into(), result: Err(NotDone::Refused(refusal)) };
    journey.tell(Msg::Answered(answer)).wait(60);
    journey.sees("Not done: forget SN-4004").sees("SN-4004 is at work (writing)").press([Enter]).misses("Not done");
}

#[test]
fn a_key_that_makes_no_sense_now_says_why() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("/SN-4004").press([Enter]).type_text("r").sees("SN-4004 is at work (writing)");
    assert_eq!((journey.screen.popup.is_none(), journey.wishes.len()), (true, 0));
    journey.type_text("?").sees("not now: SN-4004 is at work (writing)");
}

#[test]
fn the_choice_follows_the_node_and_not_the_row() {
    let mut journey = Journey::at(sample::busy());
    journey.press([Down, Down, Down]);
    let node = chosen(&journey);
    journey.type_text("s").sees("by name").type_text("S").sees("turned round");
    assert_eq!(chosen(&journey), node);
    journey.change(node, |node| node.phase = Phase::Provisioned);
    assert_eq!(chosen(&journey), node);
}

#[test]
fn when_the_chosen_node_is_gone_its_neighbour_is_chosen() {
    let mut journey = Journey::at(sample::busy());
    journey.press([End, Up]);
    let (gone, row) = (chosen(&journey), journey.screen.row());
    journey.bench.nodes.remove(&gone);
    journey.bench.version += 1;
    journey.tell(Msg::Bench);
    assert_eq!(journey.screen.row(), row);
    assert_ne!(chosen(&journey), gone);
}

#[test]
fn an_open_node_that_is_forgotten_leads_back_to_the_table() {
    let mut journey = Journey::at(sample::busy());
    journey.press([Enter]).sees("Log of SN-4003");
    let gone = chosen(&journey);
    journey.bench.nodes.remove(&gone);
    journey.bench.version += 1;
    journey.tell(Msg::Bench).sees("Nodes 11");
}

#[test]
fn space_freezes_the_view_and_nothing_else() {
    let mut journey = Journey::at(sample::busy());
    let node = chosen(&journey);
    journey.type_text(" ").change(node, |node| node.phase = Phase::Provisioned).wait(12);
    journey.sees("FROZEN 12s").sees("1 failed").type_text(" ").sees("0 failed").sees("14:02:23");
}

#[test]
fn a_log_follows_until_one_goes_back_and_follows_again_at_its_end() {
    let mut journey = Journey::at(sample::busy());
    journey.press([Enter]).sees("following").press([Up]).sees("line 11 of 12");
    journey.press([Home]).sees("dhcp: BIOS client leased 10.77.0.103").misses("following");
    journey.press([PageDown, PageDown, PageDown]).sees("following");
}

#[test]
fn a_node_that_falls_silent_is_shown_as_stalled_without_any_news() {
    let mut journey = Journey::at(sample::busy());
    journey.sees("1 stalled").wait(25).sees("4 stalled");
}

#[test]
fn an_idle_bench_is_left_at_once_and_a_busy_one_after_a_question() {
    let mut idle = Journey::at(sample::empty());
    assert_eq!(idle.type_text("q").wishes, [UiEffect::Quit]);
    let mut busy = Journey::at(sample::busy());
    busy.type_text("q").sees("3 nodes are at work").type_text("n").misses("at work");
    assert_eq!(busy.wishes, []);
    assert_eq!(busy.type_text("qy").wishes, [UiEffect::Quit]);
}

#[test]
fn control_c_asks_and_the_second_within_two_seconds_does_not() {
    let mut journey = Journey::at(sample::empty());
    journey.control('c').sees("Quit oxbow?").wait(3).control('c');
    assert_eq!(journey.wishes, []);
    journey.wait(1).control('c');
    assert_eq!(journey.wishes, [UiEffect::Quit]);
}

#[test]
fn q_does_not_quit_from_inside() {
    let mut journey = Journey::at(sample::busy());
    journey.press([Enter]).type_text("q").sees("Log of SN-4003");
    journey.press([Esc, Esc, Esc]).sees("Nodes 12");
    assert_eq!(journey.wishes, []);
}

#[test]
fn pasted_and_scanned_text_never_triggers_keys() {
    let mut journey = Journey::at(sample::empty());
    journey.tell(Msg::Paste("q\nD y r\u{1b}[31m".into()));
    assert_eq!((journey.wishes.len(), journey.screen.popup.is_none()), (0, true));
    journey.sees("what was pasted does nothing here: 2 registers machines, 3 imports lists");
    let mut typing = Journey::at(sample::busy());
    typing.type_text("/").tell(Msg::Paste("SN-4004\r\n".into())).sees("/SN-4004").sees("Nodes 1 of 12");
}

#[test]
fn a_filter_that_nothing_fits_says_so() {
    Journey::at(sample::busy()).type_text("/lathe").sees("Nodes 0 of 12").sees("no node fits the filter");
}

#[test]
fn a_failed_bind_is_told_in_words_and_the_screen_stays_up() {
    let mut journey = Journey::at(sample::ailing());
    journey.sees("5 Services!2").sees("http is down: port 80 of 10.77.0.1 is in use by another program");
    journey
        .press([Tab, Tab, Tab, Tab])
        .sees("✗ http    down")
        .sees("restarted 3 times")
        .sees("hint: start oxbow as root");
    journey.press([Tab, Tab]).sees("No machine is expected").press([Tab]).sees("No machine has been seen yet");
}

#[test]
fn a_bench_without_a_default_profile_says_what_to_do() {
    let mut bench = sample::empty();
    Arc::make_mut(&mut bench.catalogue).default_profile = None;
    Journey::at(bench).sees("get nothing: no profile is assigned").sees("hint: name one with --default-profile");
}

#[test]
fn dropped_observations_are_shown() {
    let mut bench = sample::empty();
    bench.dropped = 17;
    Journey::at(bench).sees("17 dropped").type_text("5").sees("17 observations");
}

#[test]
fn hostile_names_reach_no_cell() {
    let mut journey = Journey::at(sample::busy());
    let node = chosen(&journey);
    journey.change(node, |node| {
        node.name = Some("\u{1b}[2J\u{202e}evil\u{7}\tname".into());
        node.product = Some("\u{1b}]0;owned\u{7}".into());
        node.phase = Phase::Held { reason: "\u{1b}[31mred".into() };
    });
    for keys in [vec![], vec![Enter], vec![Esc, Char('D')]] {
        let picture = journey.press(keys).picture();
        let hostile = picture.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!(hostile, None, "{picture}");
    }
}

#[test]
fn marked_nodes_are_acted_on_together_and_those_at_work_are_left_out() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("/SN-400").press([Enter]).type_text("M").sees("9 marked").type_text("D");
    journey.sees("Forget 6 nodes?").sees("3 marked nodes are left out: at work").type_text("y").misses("marked");
    journey.sees("under way: forget 6 nodes");
    let mut nodes = [1, 2, 3, 7, 8, 9].map(|number| id_of(&journey.bench, number));
    nodes.sort_unstable();
    journey.asks_for(Command::Forget { nodes: nodes.to_vec() });
}

#[test]
fn a_mark_is_put_and_taken_and_the_choice_goes_on() {
    let mut journey = Journey::at(sample::busy());
    let first = chosen(&journey);
    journey.type_text("m").sees("1 marked");
    assert_ne!(chosen(&journey), first);
    journey.press([Up]).type_text("m").misses("marked");
    journey.type_text("MM").misses("marked");
    journey.type_text("m/press").sees("1 marked, 1 not shown");
}

#[test]
fn more_than_ten_nodes_ask_for_their_number() {
    let mut journey = Journey::at(sample::long());
    journey.type_text("/SN-1").press([Enter]).type_text("MD").sees("Forget 50 nodes?").sees("Type 50");
    journey.type_text("y").press([Enter]).sees("type 50 first");
    assert_eq!(journey.wishes, []);
    journey.press([Backspace]).type_text("50").press([Enter]).misses("Forget 50 nodes?");
    assert_eq!(journey.wishes.len(), 1);
    let mut cancelled = Journey::at(sample::long());
    cancelled.type_text("MD").press([Esc]).misses("Forget");
    assert_eq!(cancelled.wishes, []);
}

#[test]
fn a_profile_is_chosen_from_a_list_with_the_default_first() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("p").sees("Profile for SN-4003").sees("the default").sees("now emt-s").press([Down, Down]);
    journey.sees("Ubuntu Server 24.04").press([Enter]);
    let node = chosen(&journey);
    journey.asks_for(Command::Assign { node, profile: "ubuntu".parse().ok() });
}

#[test]
fn a_profile_for_many_asks_for_their_number_too() {
    let mut journey = Journey::at(sample::long());
    journey.type_text("/SN-1").press([Enter]).type_text("Mp").press([Down, Enter]);
    journey.sees("Give 50 nodes profile emt-s?").type_text("50").press([Enter]);
    let Some(UiEffect::Ask(HubRequest { what: HubAction::Each(each), deed })) = journey.wishes.pop() else {
        panic!("nothing asked")
    };
    assert_eq!((each.len(), deed.as_str()), (50, "give 50 nodes profile emt-s"));
}

#[test]
fn a_stranger_waits_until_it_is_approved() {
    let mut journey = Journey::at(sample::waiting());
    journey.sees("policy hold").type_text("/SN-4013").press([Enter]).sees("held").type_text("a");
    journey.sees("Approve SN-4013?").sees("Profile emt-s is written to its disk").type_text("y");
    let nodes = Approval::One(chosen(&journey));
    journey.asks_for(Command::Approve { nodes, profile: None });
}

#[test]
fn all_that_is_known_of_a_node_is_seen_on_a_small_terminal_too() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("/SN-4004").press([Enter, Enter]).sees("more: Enter shows all").sees("Log of SN-4004");
    journey.press([Enter]).misses("more: Enter").misses("Log of SN-4004");
    journey.tell(Msg::Resized(Size::new(80, 16))).sees("lines 1 to ").press([End]).misses("lines 1 to ").sees("run 1");
    journey.press([Enter]).sees("Log of SN-4004").press([Enter, Esc, Enter]).sees("Log of SN-4004");
    assert_eq!(journey.wishes, []);
}

#[test]
fn a_stranger_that_is_at_work_is_approved_without_a_word_of_a_loss() {
    let mut journey = Journey::at(sample::waiting());
    journey.type_text("/SN-4013").press([Enter]);
    let stranger = chosen(&journey);
    journey.change(stranger, |node| node.phase = Phase::Booting { stage: Stage::Verifying });
    journey
        .type_text("a")
        .sees("Approve SN-4013?")
        .sees("counts as registered; nothing else about it")
        .misses("is lost");
}

#[test]
fn all_that_wait_are_approved_at_once_and_one_that_comes_later_is_not() {
    let mut journey = Journey::at(sample::waiting());
    journey.type_text("A").sees("Approve 2 nodes?").sees("SN-4013, SN-4014").type_text("y");
    let one = |journey: &Journey, number| Approval::One(id_of(&journey.bench, number));
    let both = [one(&journey, 13), one(&journey, 14)].map(|nodes| Command::Approve { nodes, profile: None });
    journey.asks_for_all(&both);
    Journey::at(sample::busy()).type_text("A").sees("no machine waits for approval");
}

#[test]
fn a_disk_is_approved_after_a_look_at_what_is_lost_and_enter_alone_writes_nothing() {
    let mut journey = Journey::at(sample::asking());
    journey.type_text("/SN-4002").press([Enter, Enter]);
    journey.sees("would write edge-3.1.raw.gz to /dev/nvme0n1 (nvme, 512.1 GB").sees("serial NV-2): approve?");
    journey.sees("a approves it; what the disk holds is lost then").sees("\"Windows\"");
    journey.type_text("a").sees("Approve SN-4002?").sees("nothing brings it back").press([Enter]);
    journey.press([Esc]).asks_for_all(&[]);
    let (node, to) = (chosen(&journey), journey.bench.nodes[&chosen(&journey)].question().cloned());
    let to = to.expect("a question");
    // It comes back with another disk while somebody reads the question: what was read is what was said yes to.
    journey.type_text("a").change(node, |node| node.runs.last_mut().expect("a run").question = None).press([Enter]);
    journey.sees("type SN-4002 first").type_text("sn-4002").press([Enter]);
    journey.asks_for(Command::Consent { node, to, by: "somebody at the screen".into() });
}

#[test]
fn a_machine_that_is_not_as_expected_shows_every_difference_and_is_let_pass_once() {
    let mut journey = Journey::at(sample::asking());
    journey.screen.person = Some("anna".into());
    journey.type_text("/phase:held SN-4003").press([Enter, Enter]);
    journey
        .sees("held: it is not what profile emt-s expects")
        .sees("- it has 16 GiB of memory, expected at least 32 GiB");
    journey.sees("- its BIOS is version \"1.07\", expected \"1.09\"").sees("a lets it pass this once");
    journey.type_text("a").sees("It is let pass with these differences, until it starts anew").type_text("y");
    let node = chosen(&journey);
    let to = journey.bench.nodes[&node].question().cloned().expect("a question");
    journey.asks_for(Command::Consent { node, to, by: "anna at the screen".into() });
}

#[test]
fn machines_that_ask_different_things_are_answered_together_each_as_it_asks() {
    let mut journey = Journey::at(sample::asking());
    journey
        .type_text("A")
        .sees("Approve 2 nodes?")
        .sees("SN-4002: would write")
        .sees("SN-4003: it is not")
        .sees("Type 2 and press Enter")
        .type_text("2")
        .press([Enter]);
    let asked = [2, 3].map(|number| {
        let node = id_of(&journey.bench, number);
        let to = journey.bench.nodes[&node].question().cloned().expect("a question");
        Command::Consent { node, to, by: "somebody at the screen".into() }
    });
    journey.asks_for_all(&asked);
}

#[test]
fn a_disk_that_the_system_does_not_start_from_is_warned_of_while_it_is_written() {
    let mut journey = Journey::at(sample::warned());
    journey.press([Enter]).sees("writing").sees("starts from sata disks only");
}

#[test]
fn a_conflict_shows_both_sides_and_its_ways_out() {
    let mut journey = Journey::at(sample::waiting());
    journey
        .type_text("c")
        .sees("press-11 is in conflict")
        .sees("A machine says: serial SN-4011, MAC 3c:ec:ef:12:34:0c");
    journey.sees("press-12").sees("decide later").press([Enter]);
    assert_eq!(journey.wishes, []);
    journey.type_text("c").press([Down]).sees("nothing else is").press([Down]).sees("are dropped").press([Down]);
    journey.sees("identifies nobody at this bench").press([Up, Up, Enter]);
    let node = chosen(&journey);
    journey.asks_for(Command::Resolve { node, how: Resolution::MoveIdentifiers });
}

#[test]
fn the_policy_is_shown_and_chosen() {
    let mut journey = Journey::at(sample::empty());
    journey.type_text("P").sees("default (now)").press([Enter]);
    assert_eq!(journey.wishes, []);
    journey.type_text("P").press([Down]).sees("machines nobody registered wait for approval").press([Enter]);
    journey.asks_for(Command::SetPolicy(Policy::Hold));
}

#[test]
fn dhcp_is_switched_after_a_question_that_says_what_follows() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("5").sees("3 of 151 addresses leased, 147 free, 1 offered").type_text("d");
    journey.sees("authoritative (now)").press([Enter]);
    assert_eq!(journey.wishes, [], "it is that already");
    journey.type_text("d").press([Down, Enter]).sees("Switch DHCP from authoritative to proxy?");
    journey.sees("None was heard so far: without one no machine gets an").sees("end, in 9:50 at last").press([Enter]);
    assert_eq!(journey.wishes, [], "the focus is on no");
    journey.type_text("d").press([Down, Enter]).type_text("y");
    journey.asks_for(Command::SetDhcp(DhcpChoice::Proxy));

    let mut journey = Journey::at(sample::beside());
    journey.type_text("5d").press([Home, Enter]).sees("Switch DHCP from auto to authoritative?");
    journey.sees("Another DHCP server, 10.77.0.2, answered 12s ago.").type_text("y");
    journey.asks_for(Command::SetDhcp(DhcpChoice::Authoritative));
    let refused = NotDone::Refused(Refusal::OtherServer([10, 77, 0, 2].into()));
    journey.tell(Msg::Answered(HubReply { deed: "DHCP authoritative".into(), result: Err(refused) }));
    journey.sees("another DHCP server, 10.77.0.2, answers");
}

#[test]
fn a_pool_that_is_used_up_is_said_with_what_to_do() {
    let mut journey = Journey::at(sample::exhausted());
    journey.type_text("5").sees("149 of 151 addresses leased, none is free: choose a");
    journey.sees("larger --pool, 2 used by somebody else").press([End]).sees("every address of the pool is in use");
}

/// What registers this with the profile.
fn registers(serial: &str, macs: &[&str], profile: Option<&str>) -> Command {
    Command::Register(Registration {
        serial: serial.parse().ok(),
        macs: macs.iter().map(|mac| mac.parse().expect("a MAC")).collect(),
        profile: profile.map(|id| id.parse().expect("a profile name")),
        ..Registration::default()
    })
}

#[test]
fn a_serial_that_is_scanned_is_registered_and_the_next_one_can_come() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("2").press([Right, Right]).sees("ubuntu").type_text("SN-7001").press([Enter]);
    journey.sees("SN-7001 under way").type_text("SN-7002").press([Tab]).sees("SN-7002 under way");
    journey.asks_for_all(&[registers("SN-7001", &[], Some("ubuntu")), registers("SN-7002", &[], Some("ubuntu"))]);
    journey
        .tell(Msg::Answered(HubReply { deed: "register SN-7001".into(), result: Ok(()) }))
        .sees("SN-7001 registered");
}

#[test]
fn a_known_serial_rings_and_is_shown_and_its_letters_are_no_keys() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("/SN-4004").press([Enter]).type_text("2SN-4011").press([Enter]);
    journey.sees("known already: press-11, registered").type_text("qDy").sees("qDy").press([Esc]).sees("Nodes 12 ");
    assert_eq!(journey.wishes, [UiEffect::Bell]);
    assert_eq!(chosen(&journey), id_of(&journey.bench, 11));
}

#[test]
fn a_scan_in_the_table_shows_the_machine_or_offers_to_register_it() {
    let scan = |text: &str| Msg::Scanned(text.into());
    let mut journey = Journey::at(sample::busy());
    journey
        .type_text("/SN-4004")
        .press([Enter])
        .tell(scan("S/N:SN-4011"))
        .sees("Nodes 12")
        .sees("press-11, registered");
    assert_eq!(journey.screen.node(&journey.bench).map(|node| node.label()).as_deref(), Some("press-11"));
    journey.press([Enter]).tell(scan("3CECEF123403")).sees("Log of SN-4003");
    journey.type_text("5").tell(scan("SN-4012")).sees("Nodes 12").sees("press-12, registered");

    journey.tell(scan("SN-9001")).sees("No node is SN-9001. Register it?").sees("default profile, now emt-s");
    journey.tell(scan("SN-4011")).sees("SN-4011 was scanned: answer this first").press([Enter]);
    assert_eq!(journey.wishes, [UiEffect::Bell, UiEffect::Bell], "Enter alone registers nobody");
    journey.tell(scan("SN-9001")).type_text("y").asks_for(registers("SN-9001", &[], None));
    let bells = journey.wishes.len();
    journey.tell(scan("MAC:52:54")).sees("scanned: 52:54: a MAC address is six pairs");
    journey.tell(scan("SN-4011 3CECEF123403")).sees("its identifiers belong to different nodes");
    assert_eq!(journey.wishes.len(), bells + 2, "both are heard");
}

#[test]
fn a_label_with_two_codes_is_scanned_in_any_order() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("2").control('t').sees("two codes a label").type_text("3CECEF123477").press([Enter]);
    journey.sees("now its serial").type_text("S/N:SN-7001").press([Enter]);
    journey.type_text("SN-7002").press([Enter]).sees("now its MAC address").press([Enter]);
    let whole = registers("SN-7001", &["3c:ec:ef:12:34:77"], None);
    journey.asks_for_all(&[whole, registers("SN-7002", &[], None)]);
    let mut torn = Journey::at(sample::busy());
    torn.type_text("2").control('t').type_text("SN-7001").press([Enter]).type_text("SN-7002").press([Enter]);
    torn.sees("SN-7001 not registered: its label has a second code").sees("SN-7002: now its MAC");
    assert_eq!(torn.wishes, [UiEffect::Bell]);
}

#[test]
fn a_pasted_list_is_registered_line_by_line() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("2").tell(Msg::Paste("SN-7001\r\nDy-9\rDefault string\nSN-4011\n".into()));
    let each = vec![registers("SN-7001", &[], None), registers("Dy-9", &[], None)];
    let deed = "register 2 machines".to_owned();
    assert_eq!(journey.wishes, [UiEffect::Ask(HubRequest { what: HubAction::Each(each), deed: deed.clone() })]);
    journey.sees("the serial is a placeholder").sees("known already").sees("2 machines under way");
    let refused = vec![Refusal::AlreadyRegistered("Dy-9".into())];
    journey.tell(Msg::Answered(HubReply { deed, result: Err(NotDone::Partly { done: 1, refused }) }));
    journey.sees("1 of 2 done; refused: Dy-9 is already registered");
}

#[test]
fn the_form_says_what_is_wrong_as_one_types() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("2").press([Down]).type_text("Default string").sees("the serial is a placeholder");
    journey.control('u').type_text("SN-7001").misses("placeholder").press([Enter, Enter]).type_text("52:54");
    journey
        .sees("a MAC address is six pairs of hex digits")
        .press([Down, Down, Down, Down, Enter])
        .sees("correct what the form");
    assert_eq!(journey.wishes, [UiEffect::Bell]);
    journey.press([Up, Up, Up, Up]).type_text(":00:00:00:01").misses("six pairs").press([Down, Down, Down, Down]);
    journey.sees("a new machine; Enter here registers it").press([Enter]).misses("52:54:00:00:00:01");
    journey.asks_for(registers("SN-7001", &["52:54:00:00:00:01"], None));
}

#[test]
fn tab_goes_through_the_panes_past_an_empty_form() {
    let mut journey = Journey::at(sample::busy());
    journey.press([Tab]).sees("Register ─").press([Tab]).sees("Import ─").press([BackTab]).sees("Register ─");
    journey.type_text("x").press([BackTab]).sees("Register ─");
}

const CLEAN: &[u8] = b"Serial\nSN-9001\nSN-9002\nSN-4011\n";

/// In front of a list with this text.
fn at_list(bench: Snapshot, text: &[u8]) -> Journey {
    let mut journey = Journey::at(bench);
    journey.type_text("3").tell(sample::lists()).press([Down, Enter]).sees("reading");
    let list = sample::list(&journey.bench, text);
    journey.tell(sample::read(list)).misses("reading");
    journey.wishes.clear();
    journey
}

#[test]
fn a_machine_of_a_list_that_is_at_the_bench_already_is_new_and_says_how_far_it_is() {
    let mut journey = at_list(sample::busy(), b"Serial,Profile\nSN-9001,emt-s\nSN-4001,emt-s\nSN-4003,\n");
    journey.sees("3 new, 0 same").sees("seen: provisioned, profile emt-s").sees("seen: failed");
    assert_eq!(journey.picture().matches("seen: ").count(), 2);
}

#[test]
fn a_list_is_chosen_looked_at_and_imported() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("3").sees("No list").tell(sample::lists()).press([Down]).sees("po-4711.csv").press([Enter]);
    let path: PathBuf = "/var/lib/oxbow/import/po-4711.csv".into();
    let read = UiEffect::Files(ListJob::Read { path, profile: None });
    assert_eq!(journey.wishes, [UiEffect::Files(ListJob::List), read]);
    let mut journey = at_list(sample::busy(), CLEAN);
    journey
        .sees("2 new, 1 same, 0 changes, 0 errors")
        .press([Enter])
        .sees("2 new machines, 0 changed, 1 known already")
        .type_text("y");
    let [UiEffect::Ask(HubRequest { what: HubAction::Import { preview, .. }, deed })] = journey.wishes.as_slice()
    else {
        panic!("{:?}", journey.wishes);
    };
    assert_eq!((preview.counts.new, deed.as_str()), (2, "import po-4711.csv"));
    let answer = HubReply { deed: deed.clone(), result: Ok(()) };
    journey.tell(Msg::Answered(answer)).sees("done: import po-4711.csv").sees("export.csv");
}

#[test]
fn a_list_with_errors_is_not_imported_and_says_what_is_wrong() {
    let mut journey = at_list(sample::busy(), sample::MIXED);
    journey.press([Enter]).sees("2 rows with errors: correct the list").type_text("n").sees("row 3, MAC: \"3c:ec:ef\"");
    journey.sees("hint: copy it from the label").type_text("n").sees("did you mean emt-s?").type_text("nn");
    journey.sees("row 3, MAC").type_text("e");
    assert!(matches!(journey.wishes.as_slice(), [UiEffect::Files(ListJob::SaveErrors { .. })]));
    journey
        .tell(Msg::Found(ListResult::Saved(Ok("/media/stick/po-4711-errors.csv".into()))))
        .sees("po-4711-errors.csv");
    journey.press([Esc]).sees("export.csv");
}

#[test]
fn a_row_says_what_it_would_change() {
    let mut journey = at_list(sample::busy(), sample::MIXED);
    journey.press([Down, Down, Down]).sees("changes").sees("Profile ubuntu → emt-s").sees("Site + Ulm");
}

#[test]
fn a_list_that_the_bench_knows_says_so() {
    let mut journey = at_list(sample::busy(), b"Serial\nSN-4011\n");
    journey.press([Enter]).sees("the bench knows all of it already");
}

#[test]
fn one_profile_is_chosen_for_the_whole_list() {
    let mut journey = at_list(sample::busy(), CLEAN);
    journey.type_text("p").sees("what the rows say").press([Down, Down, Enter]).sees("profile ubuntu, whatever");
    let path: PathBuf = "/var/lib/oxbow/import/po-4711.csv".into();
    assert_eq!(journey.wishes, [UiEffect::Files(ListJob::Read { path, profile: "ubuntu".parse().ok() })]);
}

#[test]
fn a_path_is_typed_and_a_file_that_cannot_be_read_is_told() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("3/tmp/q.csv").press([Enter]).sees("reading");
    let preview = Err("cannot read /tmp/q.csv: No such file or directory".to_owned());
    journey
        .tell(Msg::Found(ListResult::Read { path: "/tmp/q.csv".into(), preview }))
        .sees("No such file")
        .misses("reading");
    let job = ListJob::Read { path: "/tmp/q.csv".into(), profile: None };
    assert_eq!(journey.wishes, [UiEffect::Files(ListJob::List), UiEffect::Files(job)]);
}

#[test]
fn an_import_is_taken_back_within_a_minute() {
    let mut journey = Journey::at(sample::imported());
    journey.type_text("3").sees("2 new, 1 changed; u takes it back, 57s left").wait(10).sees("47s left");
    journey.type_text("u").sees("keep it").press([Enter]).type_text("u").press([Down, Enter]);
    let deed = journey.bench.deeds[0].at;
    journey.asks_for(Command::Undo { deed, scope: Undo::All });
    journey.wait(50).misses("left").type_text("u").sees("nothing was imported, edited or forgotten in the last minute");
}

#[test]
fn a_forgotten_node_is_brought_back_by_the_same_key() {
    let mut journey = Journey::at(sample::forgotten());
    journey.tell(Msg::Answered(HubReply { deed: "forget SN-4003".into(), result: Ok(()) }));
    journey.sees("done: forget SN-4003; u takes it back within a minute").wait(6).sees("u undo");
    journey.type_text("u").sees("Take back the forgetting of SN-4003?").sees("come back as they were").press([Enter]);
    assert_eq!(journey.wishes, [], "the focus is on no");
    let deed = journey.bench.deeds[0].at;
    journey.type_text("uy").asks_for(Command::Undo { deed, scope: Undo::All });
    journey.wait(60).misses("u undo").type_text("u").sees("nothing was imported, edited or forgotten");
}

fn edits(node: NodeId, edit: Edit) -> Command {
    Command::Edit { node, edit }
}

#[test]
fn a_mistyped_node_is_corrected_and_the_change_is_seen_before_it_is_saved() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("/press-11").press([Enter]).type_text("e").sees("Edit press-11").sees("Serial    SN-4011");
    journey.sees("nothing is changed yet").press([Backspace]).type_text("9").sees("Serial SN-4011 → SN-4019");
    journey.press([Down, Down]).type_text("52:54").sees("a MAC address is six pairs").misses("Enter saves it");
    journey.press([Enter]).sees("not saved: correct what the form complains of").sees("Edit press-11");
    journey.type_text(":00:00:00:01").sees("MAC + 52:54:00:00:00:01").press([Right]).sees("Profile");
    journey.press([Down, Down, Down]).type_text("Ulm").sees("Site + Ulm").press([Enter]).misses("Edit press-11");
    let edit = Edit {
        serial: Set::To("SN-4019".parse().expect("a serial")),
        macs: Set::To(vec!["52:54:00:00:00:01".parse().expect("a MAC")]),
        profile: Set::To("emt-s".parse().expect("a profile name")),
        metadata: [("Site".to_owned(), Set::To("Ulm".to_owned()))].into(),
        ..Edit::default()
    };
    let node = chosen(&journey);
    journey.asks_for(edits(node, edit));
    journey.tell(Msg::Answered(HubReply { deed: "edit press-11".into(), result: Ok(()) })).sees("u takes it back");
}

#[test]
fn an_edit_that_cannot_be_is_said_as_one_types_and_not_asked_for() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("/press-11").press([Enter]).type_text("e").control('u');
    journey.sees("would have nothing left to know it by").press([Enter]).sees("not saved");
    journey.type_text("SN-4012").sees("serial SN-4012 is press-12's").press([Enter, Esc]).sees("Nodes 1 of 12");
    assert_eq!(journey.wishes.iter().filter(|wish| **wish != UiEffect::Bell).count(), 0);
    journey.type_text("e").press([Enter]).sees("nothing was changed");
    journey.press([Esc]).type_text("/SN-4004").press([Enter]).type_text("e").sees("SN-4004 is at work (writing)");
}

/// A technician in front of a bench that does what it is asked, with an import folder.
struct Live {
    journey: Journey,
    fleet: Fleet,
    files: Files,
}

impl Live {
    fn press(&mut self, keys: impl IntoIterator<Item = KeyCode>) {
        for key in keys {
            self.journey.press([key]);
            while let Some(wish) = self.journey.wishes.pop() {
                self.carry_out(wish);
            }
        }
    }

    fn carry_out(&mut self, wish: UiEffect) {
        let now = self.journey.screen.now;
        match wish {
            UiEffect::Files(job) => {
                assert!(self.files.send(job, &Arc::new(self.journey.bench.clone()), now));
                let found = loop {
                    match self.files.found().next() {
                        Some(found) => break found,
                        None => std::thread::sleep(Duration::from_millis(5)),
                    }
                };
                self.journey.tell(Msg::Found(found));
            }
            UiEffect::Ask(HubRequest { what, deed }) => {
                let command = match what {
                    HubAction::One(command) => command,
                    HubAction::Import { preview, .. } => Command::Import(preview.import().expect("a clean list")),
                    HubAction::Each(_) | HubAction::Capture { .. } => panic!("{deed}"),
                };
                let catalogue = self.journey.bench.catalogue.clone();
                let done = self.fleet.apply(now, command, &catalogue).map(drop);
                let bench = &mut self.journey.bench;
                (bench.nodes, bench.index) = (self.fleet.nodes().clone(), self.fleet.index().clone());
                (bench.deeds, bench.version) = (self.fleet.deeds().to_vec(), bench.version + 1);
                self.journey.tell(Msg::Answered(HubReply { deed, result: done.map_err(NotDone::Refused) }));
            }
            UiEffect::Bell | UiEffect::Replay(_) => {}
            UiEffect::Quit => panic!("it quits"),
            UiEffect::Write { .. } | UiEffect::DropPaper => panic!("it writes"),
        }
    }
}

#[test]
fn from_a_purchase_order_to_a_bench_where_each_machine_has_its_profile_and_back_by_keys_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    // As a German Excel saves it.
    let order = "\u{feff}Pos.;Serial Number;MAC Address;OS Profile;Site;;\r\n\
        1;SN-9001;3C-EC-EF-00-00-01;Ubuntu Server 24.04;Ulm;;\r\n\
        2;SN-9002;3CECEF000002;emt-s;\"Ulm; Halle 2\";;\r\n\
        3;SN-9003;;;;;\r\n;;;;;;\r\n;;;;;;\r\n";
    std::fs::write(folder.path().join("PO 4711.csv"), order).expect("a file");
    let folders = ListFolders { import: folder.path().into(), captures: folder.path().into() };
    let mut bench = sample::empty();
    let catalogue = Arc::make_mut(&mut bench.catalogue);
    let ready = catalogue.images["edge-3.1.raw.gz"].clone();
    catalogue.images.insert("ubuntu-24.04.raw.gz".into(), ready);
    let files = Files::start(folders).expect("a thread");
    let mut live = Live { journey: Journey::at(bench), fleet: Fleet::default(), files };

    live.press([Char('3')]);
    live.journey.sees("PO 4711.csv");
    live.press([Enter]);
    live.journey.sees("3 new, 0 same, 0 changes, 0 errors").sees("profile ubuntu").sees("profile emt-s");
    live.press([Enter, Char('y')]);
    live.journey.sees("done: import PO 4711.csv; u takes it back within a minute").press([Char('1')]).sees("Nodes 3");
    live.journey.press([Enter]).sees("PO 4711.csv, row 2").press([Esc]);
    let plan = |live: &Live, serial: &str| {
        let serial = serial.parse().ok();
        let macs = vec!["52:54:00:00:00:77".parse().expect("a MAC")];
        live.journey.bench.plan(&Claims { serial, macs, ..Claims::default() })
    };
    let installs = |id: &str| BootPlan::Install(id.parse().expect("a profile name"));
    for (serial, profile) in [("SN-9001", "ubuntu"), ("SN-9002", "emt-s"), ("SN-9003", "emt-s"), ("SN-1", "emt-s")] {
        assert_eq!(plan(&live, serial), installs(profile), "{serial}");
    }
    let site = live.fleet.nodes().values().filter_map(|node| node.metadata.get("Site")).next_back();
    assert_eq!(site.map(String::as_str), Some("Ulm; Halle 2"));

    live.press([Char('u'), Down, Enter]);
    live.journey.sees("done: take back the import of PO 4711.csv").sees("No machine has been seen yet");
    assert_eq!(plan(&live, "SN-9001"), installs("emt-s"), "nobody knows it any more");
}

#[test]
fn a_long_list_shows_how_far_it_has_been_read() {
    let mut journey = at_list(sample::empty(), b"Serial\nSN-1\n");
    let path: PathBuf = "/var/lib/oxbow/import/po-4711.csv".into();
    journey.press([Esc, Enter]).sees("reading");
    journey.tell(Msg::Found(ListResult::Reading { path: path.clone(), done: 43_000, of: 100_000 }));
    journey.sees("43%  of 100000 rows");
    journey.tell(Msg::Found(ListResult::Read { path, preview: Err("No such file".into()) })).misses("43%");

    let list: String = (0..20_000).map(|row| format!("SN-{row:06}\n")).collect();
    let mut told = Vec::new();
    let mut watch = |done, of| told.push((done, of));
    let (bench, options) = (sample::empty(), import::ImportOptions::default());
    import::preview_watched("x.csv", format!("Serial\n{list}").as_bytes(), sample::NOW, &bench, &options, &mut watch);
    assert!(told.len() >= 10 && told.windows(2).all(|pair| pair[0].0 < pair[1].0), "{told:?}");
    assert_eq!(told.last(), Some(&(20_000, 20_000)));
}

#[test]
fn of_a_hundred_thousand_rows_only_those_in_view_are_made() {
    let rows: String = (0..100_000).map(|number| format!("SN-{number:06}\n")).collect();
    let mut journey = at_list(sample::empty(), format!("Serial\n{rows}").as_bytes());
    journey.sees("100000 new").press([End]).sees("SN-099999").misses("SN-000000").press([Home]).sees("SN-000000");
}

#[test]
fn what_some_were_refused_is_told_of_all() {
    let mut journey = Journey::at(sample::busy());
    let refused = vec![Refusal::Busy { label: "SN-4004".into(), phase: "writing" }];
    let result = Err(NotDone::Partly { done: 2, refused });
    journey.tell(Msg::Answered(HubReply { deed: "forget 3 nodes".into(), result }));
    journey.sees("2 of 3 done; refused: SN-4004 is at work");
}

/// The node whose serial ends in this number.
fn id_of(bench: &Snapshot, number: u8) -> NodeId {
    let serial = format!("SN-40{number:02}").parse().ok();
    bench.nodes.values().find(|node| node.serial == serial).expect("a known node").id
}

#[test]
fn a_command_is_found_by_its_name_and_shows_its_key() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text(":forg").sees("forget the node, its runs and its log").sees(" D ").sees("asks first");
    journey.press([Enter]).sees("Forget SN-4003?").press([Esc]);
    journey
        .type_text(":services of")
        .press([Enter])
        .sees("machines reach it at")
        .type_text(":xyzzy")
        .sees("no command has");
    journey.press([Esc]).misses("no command has");
    assert_eq!(journey.wishes, []);
}

#[test]
fn what_has_no_key_is_found_as_a_command_of_the_shell() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text(":genuine").sees("in a shell: oxbow verify FILE: whether").misses("no command has");
    journey.press([Enter]).misses("in a shell");
    journey.type_text(":").misses("in a shell");
    assert_eq!(journey.wishes, []);
    for (command, _what) in SHELL {
        oxbow::cli::Args::try_parse_from(command.split(' ')).unwrap_or_else(|err| panic!("{command}: {err}"));
    }
}

#[test]
fn a_command_that_makes_no_sense_now_stays_with_its_reason() {
    let mut journey = Journey::at(sample::busy());
    journey
        .type_text("/SN-4004")
        .press([Enter])
        .type_text(":network boot")
        .sees("not now: SN-4004 is at work (writing)");
    journey.press([Enter]).sees("not now: SN-4004 is at work").misses("Commands");
    journey.type_text(":rows with errors").sees("not here: it belongs to \"Import: looking at a list\"").press([Enter]);
    assert!(journey.screen.popup.is_none() && journey.wishes.is_empty());
}

#[test]
fn a_key_is_looked_for_by_the_words_that_are_said_of_it() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("?/wire").sees("Keys /wire").sees("save its latest packets").misses("open the node");
    journey.type_text("xyz").sees("no key has all of these words").press([Esc]).sees("open the node").press([Esc]);
    journey.type_text("?/pane before").press([Enter]).sees("Shift-Tab").type_text("j").press([Esc]).sees("Nodes 12");
}

/// The words of a command line, as a shell takes it apart.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quoted, mut word) = (Vec::new(), false, None::<String>);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => (quoted, word) = (!quoted, Some(word.unwrap_or_default())),
            '\\' if !quoted => word.get_or_insert_default().extend(letters.next()),
            ' ' if !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[test]
fn what_asks_says_the_command_that_does_the_same_and_the_command_line_takes_it() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("r").sees("as a command: oxbow nodes rearm SN-4003").press([Esc]);
    let node = chosen(&journey);
    journey.change(node, |node| node.name = Some("the 'old' press; reboot".into()));
    journey.type_text("D").sees(r"oxbow nodes forget 'the '\''old'\'' press;").press([Esc]);
    let same = id_of(&journey.bench, 4);
    for node in [node, same] {
        journey.change(node, |node| node.name = Some("twin".into()));
    }
    journey.type_text("D").sees(&format!("oxbow nodes forget '#{node}'")).press([Esc]);
    journey.type_text("p").press([Down]).sees(&format!("oxbow nodes assign '#{node}' emt-s")).press([Esc]);
    journey.type_text("P").press([Down]).sees("oxbow policy hold").press([Esc]);

    let (mac, serial) = ("3c:ec:ef:00:00:01".parse().expect("a MAC"), "SN 9'001".parse().ok());
    let metadata = [("Site".to_owned(), "Halle 2".to_owned())].into();
    let register = Registration { serial, macs: vec![mac], metadata, ..Registration::default() };
    let [work_order, operator, list] = ["WO 4711", "O'Hara", "may.csv"].map(|word| Some(word.to_owned()));
    let order = BatchOrder { name: "Halle 2".into(), work_order, operator, list };
    let yes = [1, 2].map(|number| {
        let (node, by) = (id_of(&journey.bench, number), "anna".into());
        Command::Consent { node, to: Question::Unknown, by }
    });
    let each = [1, 2, 3].map(|number| Command::Rearm { node: id_of(&journey.bench, number) });
    let asked = [
        HubAction::One(Command::Register(register)),
        HubAction::One(Command::Assign { node, profile: None }),
        HubAction::One(Command::Assign { node, profile: "ubuntu".parse().ok() }),
        HubAction::One(Command::ChooseLoader { node, loader: None }),
        HubAction::One(Command::Rearm { node }),
        HubAction::One(Command::Forget { nodes: vec![node, same] }),
        HubAction::One(Command::Approve { nodes: Approval::One(node), profile: None }),
        HubAction::One(Command::Approve { nodes: Approval::All, profile: None }),
        HubAction::One(Command::Consent { node, to: Question::Unknown, by: "anna".into() }),
        HubAction::One(Command::Resolve { node, how: Resolution::ForgetOthers }),
        HubAction::One(Command::Resolve { node, how: Resolution::MoveIdentifiers }),
        HubAction::One(Command::Resolve { node, how: Resolution::TellApart }),
        HubAction::One(Command::Undo { deed: sample::NOW, scope: Undo::All }),
        HubAction::One(Command::Undo { deed: sample::NOW, scope: Undo::Idle }),
        HubAction::One(Command::SetPolicy(Policy::AllowList)),
        HubAction::One(Command::SetDhcp(DhcpChoice::Proxy)),
        HubAction::One(Command::OpenBatch(order)),
        HubAction::One(Command::CloseBatch),
        HubAction::Each(each.to_vec()),
        HubAction::Each(yes.to_vec()),
        HubAction::Import {
            path: "/media/stick/Los 12/po.csv".into(),
            preview: Arc::new(sample::list(&journey.bench, CLEAN)),
        },
    ];
    for what in asked {
        let effect = UiEffect::Ask(HubRequest { what: what.clone(), deed: String::new() });
        let line = shell_command::command(&effect, &journey.bench).unwrap_or_else(|| panic!("no command for {what:?}"));
        let taken = oxbow::cli::Args::try_parse_from(words(&line));
        assert!(taken.is_ok(), "{line}: {:?}", taken.err());
    }
}

#[test]
fn a_failure_rings_and_is_told_in_words_and_a_second_look_does_not() {
    let mut journey = Journey::at(sample::busy());
    let failed = journey.bench.nodes.values().find(|node| matches!(node.phase, Phase::Failed(_))).expect("one").clone();
    let node = id_of(&journey.bench, 4);
    journey.change(node, |node| node.phase = failed.phase.clone()).sees("SN-4004 failed: ");
    assert_eq!((journey.wishes.as_slice(), journey.screen.flashing.is_some()), ([UiEffect::Bell].as_slice(), true));
    journey.change(node, |node| node.name = Some("x".into())).wait(4);
    assert_eq!((journey.wishes.len(), journey.screen.flashing), (1, None), "it stands out for a moment");

    let mut quiet = Journey::at(sample::busy());
    (quiet.screen.bell, quiet.screen.flash) = (Calls::Never, Calls::Never);
    quiet.change(node, |node| node.phase = failed.phase.clone()).sees("SN-4004 failed: ");
    assert_eq!((quiet.wishes.as_slice(), quiet.screen.flashing), ([].as_slice(), None));
}

#[test]
fn the_last_node_that_is_done_rings_with_the_result() {
    let mut journey = Journey::at(sample::busy());
    let nodes: Vec<NodeId> = journey.bench.nodes.keys().copied().collect();
    for node in nodes {
        journey.change(node, |node| {
            if !matches!(node.phase, Phase::Failed(_)) {
                node.phase = Phase::Provisioned;
            }
        });
    }
    journey.sees("complete: 11 nodes done, 1 failed; R writes the proof");
    assert_eq!(journey.wishes, [UiEffect::Bell]);
}

#[test]
fn the_wall_shows_large_figures_and_hears_only_the_way_back() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("W").sees("1 failed, 2 stuck").sees("at work").sees("of 12");
    journey.sees("██").sees("SN-4003 failed").type_text("qDr").sees("1 failed, 2 stuck").press([Esc]).sees("Nodes 12");
    assert_eq!(journey.wishes, []);
}

#[test]
fn what_went_wrong_is_found_in_what_all_say_and_its_node_is_opened_and_left_again() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("6").sees("Log of all").sees("following").sees("SN-4004").type_text("l");
    journey.sees("warnings and errors").sees("undionly.kpxe is asked for").misses("writing: /dev");
    journey.press([Up, Up]).sees("End follows");
    let line = journey.screen.reader.line(&journey.bench.stream).expect("a line").clone();
    journey.press([Enter]).sees(&format!("Log of {}", line.by.name())).press([Esc]).sees("Log of all");
    journey.type_text("o").sees(&format!("/node:{}", line.by.name().to_lowercase())).press([Esc]).sees("End follows");
    journey.press([End]).sees("following");
}

#[test]
fn a_line_one_reads_stays_on_the_screen_while_thousands_come() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("6").press([Up, PageUp]);
    let line = journey.screen.reader.line(&journey.bench.stream).expect("a line").line.text.to_string();
    let words: String = line.chars().take(20).collect();
    for _ in 0..5_000 {
        say(&mut journey.bench, "ping");
    }
    journey.tell(Msg::Bench).sees(&words).sees("End follows");
    journey.press([End]).sees("ping").sees("following").misses(&words);
}

#[test]
fn lines_that_had_no_room_are_counted_beside_the_others() {
    let mut journey = Journey::at(sample::busy());
    for _ in 0..30_000 {
        say(&mut journey.bench, "ping");
    }
    journey.tell(Msg::Bench).type_text("6");
    let gone = journey.bench.stream.first();
    assert!(gone > 9_000, "{gone}");
    journey.sees(&format!("{gone} older in the files, following"));
}

#[test]
fn a_frozen_log_stands_still_and_goes_on_at_its_end() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("6 ").sees("FROZEN");
    say(&mut journey.bench, "ping");
    journey.tell(Msg::Bench).misses("ping").type_text(" ").misses("FROZEN").sees("ping");
}

#[test]
fn hostile_text_in_a_log_reaches_no_terminal_raw() {
    let mut journey = Journey::at(sample::busy());
    let raw = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}txt.exe\u{9b}31m 名前\r\n\0";
    let by = Origin::Node { id: NodeId(1), label: format!("{raw}{}", "x".repeat(10_000)).into() };
    let line = LogLine {
        at: sample::NOW,
        by_its_clock: None,
        source: LogSource::Syslog,
        level: Level::Unknown,
        text: raw.into(),
    };
    Arc::make_mut(&mut journey.bench.stream).push(StreamLine { by, line });
    journey.bench.version += 1;
    for keys in ["6", "l", "l", "l"] {
        let picture = journey.tell(Msg::Bench).type_text(keys).picture();
        assert!(picture.chars().all(|c| c == '\n' || is_printable(c)), "{picture:?}");
    }
    journey.press([Up]).sees("·[2J·]0;owned··txt.exe·31m");
}

#[test]
fn the_board_shows_who_failed_and_why_and_its_tile_opens_the_node() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("0").sees("Batch 12").sees("expected 5:").sees("problems, the newest first");
    journey.sees("nothing heard since writing").sees("and 1 more").sees("link 1 Gbit/s");
    journey.tell(Msg::Resized(Size::new(120, 40)));
    journey.sees("failed at verifying").sees("hint: the disk does not keep what is");
    journey.press([Home, Enter]).sees("failed at verifying").press([Esc]).sees("Batch 12");
}

#[test]
fn the_choice_on_the_board_goes_from_tile_to_tile_and_stays_with_its_node() {
    let mut journey = Journey::at(sample::long());
    journey.type_text("0").press([Home]);
    let first = chosen(&journey);
    journey.press([Down]);
    let below = chosen(&journey);
    assert_ne!(first, below);
    journey.press([Left, Right]);
    assert_eq!(chosen(&journey), below);
    journey.change(below, |node| node.phase = Phase::Provisioned);
    assert_eq!(chosen(&journey), below);
    journey.press([Home, Up, Left]);
    assert_eq!(journey.screen.row(), Some(0));
}

#[test]
fn how_much_room_the_disk_has_is_among_the_services_and_little_is_said_with_what_to_do() {
    let mut bench = sample::busy();
    Journey::at(bench.clone()).type_text("5").sees("57.9 GB free for images, logs and records");
    bench.room = Some(900_000_000);
    Journey::at(bench).type_text("5").sees("900.0 MB free").sees("room, else images and logs");
}

#[test]
fn the_board_has_the_name_of_the_batch_that_is_open() {
    let mut bench = sample::busy();
    let order = BatchOrder { name: "PO-4711".into(), ..BatchOrder::default() };
    bench.batches.push(Arc::new(Batch::open(1, order, sample::NOW)));
    Journey::at(bench).type_text("0").sees("Batch PO-4711: 12 machines");
}

#[test]
fn a_filter_of_the_table_hides_nobody_on_the_board() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("/SN-4004").press([Enter]).sees("Nodes 1 of 12").type_text("0").sees("Batch 12");
    journey.press([Home, Right]);
    let node = chosen(&journey);
    journey.tell(Msg::Bench);
    assert_eq!(chosen(&journey), node);
}

#[test]
fn a_node_is_armed_again_from_the_board() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("0").press([Home]).type_text("r").sees("Re-arm SN-4003?").type_text("y");
    let node = chosen(&journey);
    journey.asks_for(Command::Rearm { node });
}

#[test]
fn a_machine_that_is_armed_again_waits_on_the_board_until_it_is_started() {
    let mut journey = Journey::at(sample::busy());
    let (node, now) = (chosen(&journey), journey.screen.now);
    journey
        .type_text("0")
        .sees("1 failed")
        .change(node, |node| (node.phase, node.phase_since) = (Phase::Registered, now));
    journey.sees("0 failed").sees("3 waiting").press([Home]);
    journey.screen.size = Size { width: 200, height: 50 };
    journey.wait(3).sees("registered armed for 3s");
}

#[test]
fn the_key_that_looks_for_a_stick_is_the_one_that_is_named() {
    let mut journey = Journey::at(sample::busy());
    let key = KeyPlace::Lists.bindings().find(|row| row.action == Action::FindLists).expect("a key").keys[0];
    journey.type_text("3").sees("Plug one in and press").sees(&format!("{key}, or type a path by /."));
}

#[test]
fn the_first_start_says_what_to_do_instead_of_an_empty_board() {
    let mut journey = Journey::at(sample::empty());
    journey.type_text("0").sees("No machine is expected").sees("import the list").sees("enp3s0").sees("Policy default");
}

#[test]
fn a_recording_goes_faster_and_slower_and_step_by_step_and_a_bench_that_lives_does_not() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text(".").sees("this is no recording: `oxbow replay FILE` shows one");
    assert_eq!(journey.wishes, []);
    let mut journey = Journey::at(sample::busy());
    journey.screen.replay = Some("x4".into());
    journey.sees("REPLAY x4").type_text(".><");
    assert_eq!(
        journey.wishes,
        [ReplayControl::Step, ReplayControl::Faster, ReplayControl::Slower].map(UiEffect::Replay)
    );
}

#[test]
fn what_is_said_while_a_recording_stands_is_there_until_the_next_key() {
    let mut journey = Journey::at(sample::empty());
    journey.screen.replay = Some("stands 1/3".into());
    journey
        .type_text("s")
        .sees("no machine is known yet")
        .wait(60)
        .sees("no machine is known yet")
        .type_text("6")
        .misses("no machine is known yet");
}

/// A node says something.
fn say(bench: &mut Snapshot, text: &str) {
    let by = Origin::Node { id: NodeId(1), label: "SN-4001".into() };
    let line = LogLine::new(sample::NOW, LogSource::Agent, Level::Info, text);
    Arc::make_mut(&mut bench.stream).push(StreamLine { by, line });
    bench.version += 1;
}

/// Every key of every place does something that can be seen: the dispatcher knows all of the table.
#[test]
fn every_key_is_reachable_and_does_something() {
    type Way<'w> = (KeyPlace, fn() -> Snapshot, &'w [KeyCode]);
    let ways: [Way<'_>; 37] = [
        (KeyPlace::Nodes, sample::long, &[Char('/'), Char('S'), Char('N'), Enter, Down]),
        (KeyPlace::Nodes, sample::waiting, &[]),
        (KeyPlace::Node, sample::long, &[Enter, Up]),
        (KeyPlace::Nodes, sample::waiting, &[Char('/'), Char('c'), Char('o'), Char('n'), Char('f'), Enter]),
        (KeyPlace::Nodes, sample::waiting, &[Char('/'), Char('h'), Char('e'), Char('l'), Char('d'), Enter]),
        (KeyPlace::Text, sample::long, &[Char('4')]),
        (KeyPlace::Services, sample::long, &[Char('5')]),
        (KeyPlace::Services, sample::long, &[Char('5'), Down]),
        (KeyPlace::Batch, sample::long, &[Char('0'), Right, Down]),
        (KeyPlace::Batch, sample::waiting, &[Char('0')]),
        (KeyPlace::Nodes, sample::with_batches, &[]),
        (KeyPlace::Order, sample::imported, &[Char('B'), Char('7')]),
        (KeyPlace::Order, sample::imported, &[Char('B')]),
        (KeyPlace::Order, sample::imported, &[Char('B'), Down, Down, Down]),
        (KeyPlace::Choice, sample::with_batches, &[Char('R')]),
        (KeyPlace::Logs, sample::busy, &[Char('6')]),
        (KeyPlace::Logs, sample::busy, &[Char('6'), Char('l'), Up, Up]),
        (KeyPlace::Lists, sample::imported, &[Char('3')]),
        (KeyPlace::Path, sample::imported, &[Char('3'), Char('/'), Char('a')]),
        (KeyPlace::Preview, sample::imported, &[Char('3'), Enter]),
        (KeyPlace::Preview, sample::imported, &[Char('3'), Enter]),
        (KeyPlace::Form, sample::long, &[Char('2'), Char('S'), Char('N'), Char('9')]),
        (KeyPlace::Form, sample::long, &[Char('2')]),
        (KeyPlace::Filter, sample::long, &[Char('/'), Char('S'), Char('N')]),
        (KeyPlace::Question, sample::long, &[Char('r')]),
        (KeyPlace::Typed, sample::long, &[Char('M'), Char('D'), Char('5')]),
        (KeyPlace::Choice, sample::long, &[Char('p'), Down]),
        (KeyPlace::Choice, sample::long, &[Char('P')]),
        (KeyPlace::Notice, sample::long, &[]),
        (KeyPlace::Help, sample::long, &[Char('?'), Down]),
        (KeyPlace::Search, sample::long, &[Char('?'), Char('/'), Char('n')]),
        (KeyPlace::Commands, sample::long, &[Char(':')]),
        (KeyPlace::Commands, sample::long, &[Char(':'), Down]),
        (
            KeyPlace::Commands,
            sample::long,
            &[Char(':'), Char('f'), Char('o'), Char('r'), Char('g'), Char('e'), Char('t')],
        ),
        (KeyPlace::Wall, sample::long, &[Char('W')]),
        (KeyPlace::Help, sample::long, &[Char('?'), Char('/'), Char('n'), Enter]),
        (KeyPlace::Edit, sample::long, &[Char('/'), Char('4'), Char('0'), Char('0'), Char('1'), Enter, Char('e')]),
    ];
    let mut reached = BTreeSet::new();
    for (at, (place, bench, way)) in ways.into_iter().enumerate() {
        for binding in place.bindings() {
            for (nth, key) in binding.keys.iter().enumerate() {
                let mut journey = Journey::at(bench());
                for key in way {
                    if *key == Enter && journey.screen.place() == KeyPlace::Lists {
                        journey.tell(sample::lists()).press([Down, Enter]);
                        let list = sample::list(&journey.bench, if at % 2 == 0 { sample::MIXED } else { CLEAN });
                        journey.tell(sample::read(list)).press([Down]);
                    } else {
                        journey.press([*key]);
                    }
                }
                if place == KeyPlace::Lists {
                    journey.tell(sample::lists()).press([Down]);
                }
                if place == KeyPlace::Notice {
                    let result = Err(NotDone::Stopping);
                    journey.tell(Msg::Answered(HubReply { deed: "forget".into(), result }));
                }
                assert_eq!(journey.screen.place(), place);
                let before = (journey.picture(), journey.wishes.len());
                journey.tell(Msg::Key(key.event()));
                let after = (journey.picture(), journey.wishes.len());
                if before != after {
                    reached.insert((binding.scope as u8, binding.words, nth));
                }
            }
        }
    }
    for binding in BINDINGS {
        for (nth, key) in binding.keys.iter().enumerate() {
            let row = (binding.scope as u8, binding.words, nth);
            assert!(reached.contains(&row), "{key} ({}) does nothing that can be seen", binding.words);
        }
    }
}

#[test]
fn ten_thousand_nodes_are_moved_through_to_the_last() {
    let mut bench = sample::empty();
    for number in 0..10_000 {
        let mut node = Node::new(NodeId(number), sample::NOW);
        node.name = Some(format!("node-{number}"));
        bench.nodes.insert(node.id, Arc::new(node));
    }
    let mut journey = Journey::at(bench);
    journey.sees("node-0 ").press([End]).sees("node-9999").misses("node-0 ").press([PageDown, Up]).sees("node-9998");
}

#[test]
fn a_wish_says_what_it_is_in_words() {
    let mut journey = Journey::at(sample::busy());
    journey.type_text("Dy");
    let node = chosen(&journey);
    let deed = "forget SN-4003".to_owned();
    assert_eq!(journey.wishes, [UiEffect::Ask(HubRequest::one(Command::Forget { nodes: vec![node] }, deed))]);
}
