//! What a station has acknowledged of its machines' logs is kept, however it ends: it is killed while agents talk, and each
//! line that it acknowledged is in a log file, once.
#![cfg(feature = "station")]

mod lab;

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use lab::{Bench, Station, inside};
use oxbow::protocol::paths;
use serde_json::{Value, json};

#[test]
fn a_station_that_is_killed_while_agents_talk_has_each_line_that_it_acknowledged_once() {
    let bench = Bench::new("a_station_that_is_killed_while_agents_talk_has_each_line_that_it_acknowledged_once");
    let image = bench.scratch().join("os.raw");
    fs::write(&image, vec![7; 1 << 20]).expect("an image");
    let mut station = Station::start_with(&bench, &image, bench.simulated_boot_files());
    let talks = (1..=AGENTS).map(Talk::new).collect::<Vec<_>>();
    let beside = bench.station();
    let (over, memory) = (AtomicBool::new(false), AtomicU64::new(0));
    let talks = thread::scope(|scope| {
        let threads: Vec<_> =
            talks.into_iter().map(|talk| scope.spawn(|| inside(&beside, || talk.begin(&over)))).collect();
        for (kill, acknowledged) in [(1, 2), (2, 5), (3, 8)] {
            // In the middle of whatever it does then.
            until("agents are heard", || lines(&station.data()) > acknowledged * AGENTS as usize * 100);
            memory.fetch_max(peak(&station), Ordering::Relaxed);
            station.kill9();
            // The disk's cache has it; what the process had is gone.
            station.restart();
            println!("killed {kill} times");
        }
        until("agents are heard", || lines(&station.data()) > 11 * AGENTS as usize * 100);
        memory.fetch_max(peak(&station), Ordering::Relaxed);
        over.store(true, Ordering::Relaxed);
        threads.into_iter().map(|thread| thread.join().expect("it ends")).collect::<Vec<_>>()
    });
    let logs = said(&station.data());
    assert_eq!(found(&station.data_by_path()), logs, "what is searched is what is in the files");
    let (mut acknowledged, mut repeated) = (0, 0);
    for talk in &talks {
        let there = logs.get(&talk.serial).map(Vec::as_slice).unwrap_or_default();
        let wanted: Vec<u64> = (0..talk.acknowledged).collect();
        assert!(wanted.len() > 100, "{} was hardly heard", talk.serial);
        // What is behind them was written and not acknowledged before the end.
        assert_eq!(there.get(..wanted.len()), Some(wanted.as_slice()), "{}", talk.serial);
        assert!(there.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{}: {there:?}", talk.serial);
        acknowledged += talk.acknowledged;
        repeated += talk.repeated;
    }
    assert!(repeated > 0, "no answer was lost: nothing is shown");
    let memory = memory.into_inner();
    println!("{acknowledged} lines acknowledged, {repeated} messages sent again; {memory} kB of memory at most");
    assert!(memory < 200 * 1024, "{memory} kB");
}

/// An agent that talks as fast as it is heard, up to 200 lines a second, and repeats what is not acknowledged.
struct Talk {
    mac: String,
    serial: String,
    acknowledged: u64,
    repeated: u64,
}

impl Talk {
    fn new(number: u8) -> Self {
        let (mac, serial) = (format!("52-54-00-10-00-{number:02x}"), format!("TALK-{number}"));
        Self { mac, serial, acknowledged: 0, repeated: 0 }
    }

    fn begin(mut self, over: &AtomicBool) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(ANSWERS_WITHIN));
        let http: ureq::Agent = config.build().into();
        let run = self.run(&http);
        let (mut waiting, mut spoken, began) = (VecDeque::new(), 0, Instant::now());
        let deadline = began + LIMIT;
        while !over.load(Ordering::Relaxed) {
            assert!(Instant::now() < deadline, "{} is not heard", self.serial);
            let due = u64::try_from(began.elapsed().as_millis()).expect("a short time") / 5;
            while spoken < due && waiting.len() < 1000 {
                waiting.push_back(spoken);
                spoken += 1;
            }
            let lines: Vec<_> = waiting.iter().take(100).map(|line| json!(["info", format!("line {line}")])).collect();
            if lines.is_empty() {
                thread::sleep(Duration::from_millis(5));
                continue;
            }
            let message = json!({"version": 1, "first": self.acknowledged, "lines": lines});
            let Some((200, answer)) = post(&http, &paths::log(run), &message) else {
                self.repeated += 1;
                thread::sleep(Duration::from_millis(20));
                continue;
            };
            assert_eq!(answer.get("left_out"), None, "{}", self.serial);
            let next = answer["next"].as_u64().expect("a number");
            assert!(next >= self.acknowledged, "{}: {next} after {}", self.serial, self.acknowledged);
            let heard = usize::try_from(next - self.acknowledged).expect("few");
            waiting.drain(..heard);
            self.acknowledged = next;
        }
        self
    }

    /// Boots, and gets the run's name.
    fn run(&self, http: &ureq::Agent) -> oxbow::domain::ids::RunId {
        let url = format!("http://{}/boot.ipxe?mac={}&serial={}&platform=efi", Bench::STATION, self.mac, self.serial);
        let deadline = Instant::now() + LIMIT;
        let run = loop {
            let script = http.get(&url).call().ok().and_then(|mut answer| answer.body_mut().read_to_string().ok());
            let run = script.as_deref().and_then(|script| script.split_once("oxbow.run=")).map(|(_, run)| &run[..32]);
            if let Some(run) = run {
                break run.parse().expect("a run");
            }
            assert!(Instant::now() < deadline, "{} is not booted: {script:?}", self.serial);
            thread::sleep(Duration::from_millis(50));
        };
        let claims = json!({"macs": [self.mac.replace('-', ":")], "serial": self.serial});
        let hello = json!({"version": 1, "agent": "test", "claims": claims, "disks": []});
        loop {
            let answer = post(http, &paths::hello(run), &hello);
            if answer.as_ref().is_some_and(|(_, answer)| answer["answer"] == "job") {
                return run;
            }
            assert!(Instant::now() < deadline, "{} gets no job: {answer:?}", self.serial);
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn post(http: &ureq::Agent, path: &str, message: &Value) -> Option<(u16, Value)> {
    let mut answer = http.post(format!("http://{}{path}", Bench::STATION)).send(message.to_string()).ok()?;
    let text = answer.body_mut().read_to_string().ok()?;
    Some((answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

/// The numbers of the lines of each agent, as they are in the files.
fn said(data: &Path) -> BTreeMap<String, Vec<u64>> {
    let mut said: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let files = fs::read_dir(data.join("log/nodes")).expect("the nodes' logs");
    for text in files.filter_map(|file| fs::read_to_string(file.ok()?.path()).ok()) {
        numbers(&text, &mut said);
    }
    said
}

fn numbers(text: &str, said: &mut BTreeMap<String, Vec<u64>>) {
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        if let [_, label, source, "info", "line", number] = words[..]
            && source.starts_with("agent:")
        {
            said.entry(label.to_owned()).or_default().push(number.parse().expect("a number"));
        }
    }
}

/// The same, as `oxbow logs` finds them, beside the station.
fn found(data: &Path) -> BTreeMap<String, Vec<u64>> {
    let mut oxbow = Command::new(env!("CARGO_BIN_EXE_oxbow"));
    oxbow.args(["logs", "--level", "info", "--limit", "1000000", "line"]).env("OXBOW_DATA", data);
    let output = oxbow.env("OXBOW_CONFIG", "/dev/null").output().expect("oxbow starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut found = BTreeMap::new();
    numbers(&text, &mut found);
    // Of one moment they are in the order in which they were read.
    found.values_mut().for_each(|numbers| numbers.sort_unstable());
    found
}

fn lines(data: &Path) -> usize {
    said(data).values().map(Vec::len).sum()
}

/// The most memory that the station had so far, in kB.
fn peak(station: &Station<'_>) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", station.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a figure");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[track_caller]
fn until(what: &str, there: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !there() {
        assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

const AGENTS: u8 = 20;
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// For everything, on two cores that tests share.
const LIMIT: Duration = Duration::from_secs(90);
