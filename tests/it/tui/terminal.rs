//! The screen on a pseudo-terminal, with real keys, real signals, and simulated machines: what is left of the terminal
//! afterwards, however it ends.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use portable_pty::CommandBuilder;
use tokio::runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::lab::terminal::{Terminal, within};
use crate::lab::{Bench, Simulated, rerun};
use oxbow::domain::snapshot::Snapshot;
use oxbow::inbox::inbox;
use oxbow::tui::{self, Calls, Exit, Looks, Sight, TuiOptions};

#[test]
fn a_technician_imports_watches_finds_the_failed_one_arms_it_again_proves_it_and_leaves_the_terminal_as_it_was() {
    let bench = Bench::new("a_technician_imports_watches_finds_the_failed_one");
    let mut terminal = Terminal::start(&bench, &image(), &[]);
    terminal.sees("No machine has been seen yet");
    let serials: String = (1..=MACHINES).map(|number| format!("SN-{number:03}\n")).collect();
    fs::write(terminal.data().join("PO-4711.csv"), format!("Serial\n{serials}")).expect("a list");
    let path = terminal.data().join("PO-4711.csv");
    terminal.press("3");
    terminal.sees("type a path").press("/");
    terminal.sees("Ctrl-U").press("\x15");
    terminal.press(path.to_str().expect("a path")).sees("PO-4711.csv").press("\r");
    terminal.sees("50 new, 0 same, 0 changes, 0 errors");
    terminal.press("\r");
    terminal.answer("All of it is done, or nothing", "y").sees("done: import PO-4711.csv");
    terminal.press("0").sees("B open batch").press("B").sees("Open a batch");
    terminal.press("line 2\r").sees("▌Work order").press("4711\r").sees("▌Operator");
    // Whoever runs the tests is there already.
    terminal.press("\x15Kim\r").sees("50 machines are expected now").sees("--operator Kim").press("\r");
    terminal.sees("done: open the batch line 2");
    terminal.press("1");
    terminal.sees("Nodes 50").sees("50 waiting");

    let marks: Vec<String> = (1..=MACHINES).map(|number| format!("serial=SN-{number:03}")).collect();
    let marks: Vec<&str> = marks.iter().map(String::as_str).collect();
    let _machines = Simulated::with_a_worn_disk(&bench, &marks, 3, Duration::from_secs(280));
    terminal.sees("✗ 1 failed").sees("✓ 49 done").sees("complete: 49 nodes done, 1 failed; C closes the batch");
    terminal.press("/phase:failed").sees("Nodes 1 of 50").press("\r");
    terminal.press("\r");
    terminal.sees("failed at verifying").sees("hint:").sees("Log of SN-003");
    terminal.press("r").sees("oxbow nodes rearm SN-003");
    terminal.answer("Re-arm SN-003?", "y").sees("done: re-arm SN-003");

    terminal.press("X").sees("Written: the list of the bench").sees("machines in it: 50");
    let list = fs::read_to_string(kept(&terminal, "lists")).expect("a list");
    assert!(list.lines().count() > MACHINES && list.contains("SN-050"), "{list}");
    terminal.press("\r").misses("Written").press("R").sees("Write the report of batch 1, line 2").sees("49 done");
    terminal.answer("Write the report of", "\r").sees("Written: the report of batch 1, line 2");
    terminal.sees("50 machines, certificates: 49");
    let report = kept(&terminal, "reports");
    let certificates: Vec<String> = fs::read_dir(report.join("certificates"))
        .expect("certificates")
        .map(|file| file.expect("a file").path().display().to_string())
        .collect();
    assert_eq!(certificates.len(), MACHINES - 1);
    for name in ["batch-1.csv", "batch-1.json", "batch-1.html"] {
        assert!(fs::read_to_string(report.join(name)).is_ok_and(|text| text.contains("SN-003")), "{name}");
    }
    let key = report.join("public.pem").display().to_string();
    let files: Vec<&str> = certificates.iter().map(String::as_str).collect();
    let said = oxbow(&terminal, &[&["verify", "--key", &key], &files[..]].concat());
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    terminal.press("\r").misses("Written").press("0").sees("C close batch").press("C");
    terminal.sees("Type line 2 and press Enter").answer("Close batch 1, line 2?", "\x15line 2\r");
    terminal.sees("R writes its report").press("1");
    terminal.sees("Nodes 1 of 50");
    // It may be at work already: then it asks.
    terminal.press("\x03");
    terminal.answer("Quit oxbow?", "y");
    assert_eq!(terminal.ended(), 0);
    terminal.is_as_before();
}

#[test]
fn what_a_station_recorded_of_a_machine_that_failed_is_shown_again_elsewhere() {
    let bench = Bench::new("what_a_station_recorded_of_a_machine_that_failed");
    let recording = bench.scratch().join("incident.jsonl");
    let mut station = Terminal::start(&bench, &image(), &["--record", recording.to_str().expect("a path")]);
    let _machines = Simulated::with_a_worn_disk(&bench, &["serial=SN-1", "serial=SN-2"], 2, Duration::from_secs(100));
    station.sees("✗ 1 failed").sees("✓ 1 done").press("/SN-2").sees("Nodes 1 of 2").press("\r");
    station.press("\r");
    let why = "failed at verifying";
    station.sees(why).sees("Log of SN-2");
    let said = |terminal: &Terminal| {
        let picture = terminal.picture();
        let about = picture.lines().skip_while(|line| !line.contains(why)).take_while(|line| !line.contains("hint:"));
        about.map(str::to_owned).collect::<Vec<_>>()
    };
    let then = said(&station);
    station.press("\x1b\x03");
    station.answer("Quit oxbow?", "y");
    assert_eq!(station.ended(), 0);

    let mut replay = CommandBuilder::new(env!("CARGO_BIN_EXE_oxbow"));
    replay.args(["replay", "--speed", "20"]);
    replay.arg(&recording);
    let mut replay = Terminal::run(replay, PathBuf::new());
    replay.sees("✗ 1 failed").sees("✓ 1 done").press("/SN-2").sees("Nodes 1 of 2").press("\r");
    replay.press("\r");
    replay.sees(why).sees("Log of SN-2");
    assert_eq!(said(&replay), then, "{}", replay.picture());
    // As a slow line brings them: together.
    replay.press("\x1bq");
    assert_eq!(replay.ended(), 0);
    replay.is_as_before();
}

#[test]
fn a_station_that_is_told_to_stop_leaves_the_terminal_as_it_was() {
    let bench = Bench::new("a_station_that_is_told_to_stop_leaves_the_terminal");
    let mut terminal = Terminal::start(&bench, &image(), &[]);
    terminal.press("?").sees("lines 1 to");
    terminal.signal(Signal::SIGTERM);
    assert_eq!(terminal.ended(), 0);
    terminal.is_as_before();
}

#[test]
fn a_fault_of_the_screen_gives_the_terminal_back_and_says_so() {
    let mut faulty = CommandBuilder::new(std::env::current_exe().expect("these tests"));
    faulty.args(rerun::arguments(a_screen_that_has_a_fault));
    let mut terminal = Terminal::run(faulty, PathBuf::new());
    terminal.sees("oxbow: the screen failed, the log says more");
    assert_eq!(terminal.ended(), 0, "{}", terminal.picture());
    terminal.is_as_before();
}

#[test]
#[ignore = "needs a terminal: the test above gives it one"]
fn a_screen_that_has_a_fault() {
    // No wait on it can end: the first panics.
    let clockless = runtime::Builder::new_multi_thread().enable_io().build().expect("a runtime");
    let (inbox, _outlet) = inbox();
    let (_hub, bench) = watch::channel(Arc::new(Snapshot::default()));
    let looks = Looks { palette: None, sight: Sight::Usual, ground: None, ascii: false };
    let (bell, flash) = (Calls::All, Calls::All);
    let options = TuiOptions { looks, bell, flash, runtime: clockless.handle().clone() };
    let ended = tui::run(bench, inbox, CancellationToken::new(), options);
    assert!(matches!(ended, Ok(Exit::Failed)), "{ended:?}");
}

#[test]
fn a_station_that_is_suspended_gives_the_terminal_back_and_takes_it_again() {
    let bench = Bench::new("a_station_that_is_suspended_gives_the_terminal_back");
    let mut terminal = Terminal::start(&bench, &image(), &[]);
    for _twice in 0..2 {
        terminal.signal(Signal::SIGTSTP);
        assert!(within(|| terminal.state() == Some('T')), "it stands still");
        terminal.is_as_before();
        terminal.signal(Signal::SIGCONT);
        terminal.sees("1 Nodes").sees("No machine has been seen yet");
    }
    // Stopped unasked it cannot give it back; what the shell wrote meanwhile is drawn over.
    terminal.signal(Signal::SIGSTOP);
    assert!(within(|| terminal.state() == Some('T')), "it stands still");
    terminal.scribble("\x1b[?1049l\x1b[2J\x1b[?2004l[1]+  Stopped");
    assert!(!terminal.picture().contains("1 Nodes"));
    terminal.signal(Signal::SIGCONT);
    terminal.sees("1 Nodes").sees("No machine has been seen yet").misses("Stopped");
    terminal.press("5").sees("machines reach it at");
    terminal.press("q");
    assert_eq!(terminal.ended(), 0);
    terminal.is_as_before();
}

#[test]
fn a_terminal_whose_size_changes_all_the_time_shows_the_last_size_whole() {
    let bench = Bench::new("a_terminal_whose_size_changes_all_the_time");
    let mut terminal = Terminal::start(&bench, &image(), &[]);
    for step in 0..300_u16 {
        terminal.resize(1 + step * 7 % 220, 1 + step * 13 % 60);
    }
    terminal.resize(120, 40);
    // Every corner is drawn for the last size, and no line is left of another.
    let whole = || {
        let picture = terminal.picture();
        let lines: Vec<&str> = picture.lines().collect();
        let box_ends = lines.iter().filter(|line| line.ends_with('┘') && line.chars().count() == 120).count();
        lines.len() == 40 && picture.matches("1 Nodes").count() == 1 && box_ends >= 1
    };
    assert!(within(whole), "{}", terminal.picture());
    terminal.press("q");
    assert_eq!(terminal.ended(), 0);
    terminal.is_as_before();
}

#[test]
fn a_key_that_comes_together_with_a_new_size_is_taken_at_once() {
    let bench = Bench::new("a_key_that_comes_together_with_a_new_size");
    let mut terminal = Terminal::start(&bench, &image(), &[]);
    for (width, height) in [(100, 30), (80, 24), (120, 40), (80, 24)] {
        terminal.resize(width, height);
        terminal.press("?").sees("lines 1 to");
        terminal.press("\x1b").misses("lines 1 to");
    }
    terminal.press("q");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn a_terminal_that_was_small_for_a_moment_gets_back_what_it_had_no_room_for() {
    let bench = Bench::new("a_terminal_that_was_small_for_a_moment");
    let mut terminal = Terminal::start(&bench, &image(), &[]);
    for _often in 0..3 {
        terminal.resize(20, 5);
        assert!(!terminal.picture().contains("No machine has been seen yet"));
        terminal.resize(80, 24);
        terminal.sees("No machine has been seen yet");
    }
    terminal.press("q");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn a_terminal_that_is_closed_ends_the_station_in_order() {
    let bench = Bench::new("a_terminal_that_is_closed_ends_the_station");
    let mut terminal = Terminal::start(&bench, &image(), &[]);
    terminal.close();
    terminal.ended();
    assert!(oxbow(&terminal, &["dhcp"]).status.success(), "the store is whole, and nobody has its lock");
}

#[test]
fn a_terminal_that_is_closed_leaves_a_station_at_work_that_is_to_go_on() {
    let bench = Bench::new("a_terminal_that_is_closed_leaves_a_station_at_work");
    let mut terminal = Terminal::start(&bench, &image(), &["--keep-serving"]);
    terminal.close();
    let log = |words: &str| {
        let logs = fs::read_dir(terminal.data().join("log")).expect("logs");
        let files = logs.filter_map(|file| fs::read_to_string(file.ok()?.path()).ok());
        files.collect::<String>().contains(words)
    };
    assert!(within(|| log("serving on without a screen")));
    assert!(terminal.is_running());
    let mut machines = Simulated::power_on(&bench, 1, 8_000_000, Duration::from_secs(90));
    machines.wait(Duration::from_secs(90)).unwrap_or_else(|seen| panic!("{seen}"));
    terminal.signal(Signal::SIGTERM);
    assert_eq!(terminal.ended(), 0);
}

/// The only thing that was written into this folder.
#[track_caller]
fn kept(terminal: &Terminal, folder: &str) -> PathBuf {
    let kept = fs::read_dir(terminal.data().join(folder)).expect("a folder");
    let kept: Vec<PathBuf> = kept.map(|entry| entry.expect("an entry").path()).collect();
    let [one] = kept.as_slice() else { panic!("{kept:?}") };
    assert!(
        terminal.picture().replace(['\n', ' ', '│'], "").contains(&*one.to_string_lossy()),
        "{}",
        terminal.picture()
    );
    one.clone()
}

/// The command line beside the station on the terminal.
fn oxbow(terminal: &Terminal, words: &[&str]) -> Output {
    let mut oxbow = Command::new(env!("CARGO_BIN_EXE_oxbow"));
    oxbow.args(words).env("OXBOW_DATA", terminal.data()).env("OXBOW_CONFIG", "/dev/null");
    oxbow.output().expect("oxbow starts")
}

/// Small, and no byte of it like the next: a worn disk is found out.
fn image() -> Vec<u8> {
    (0..1_u32 << 18).map(|at| u8::try_from(at.wrapping_mul(2_654_435_761) >> 24).unwrap_or_default()).collect()
}

const MACHINES: usize = 50;
