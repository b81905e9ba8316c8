//! What a station has acknowledged of its machines' logs is kept, however it ends: it is killed while a hundred agents talk,
//! and some of them with it, and each line that it acknowledged is in a log file, once.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use oxbow::domain::ids::RunId;
use oxbow::protocol::paths;
use serde_json::{Value, json};

use crate::lab::{Bench, Station, inside};

#[test]
fn a_station_that_is_killed_while_a_hundred_agents_talk_has_each_line_that_it_acknowledged_once() {
    let bench =
        Bench::new("a_station_that_is_killed_while_a_hundred_agents_talk_has_each_line_that_it_acknowledged_once");
    let image = bench.scratch().join("os.raw");
    fs::write(&image, vec![7; 1 << 20]).expect("an image");
    let mut station = Station::start_with(&bench, &image, bench.simulated_boot_files());
    let beside = bench.station();
    let (floor, mut memory, mut talking) = (Floor::default(), 0, Duration::ZERO);
    let talks = thread::scope(|scope| {
        let end = End(&floor);
        let begin = |number| {
            scope.spawn({
                let (beside, floor) = (&beside, &floor);
                move || inside(beside, || Talk::new(number).begin(floor))
            })
        };
        let threads: Vec<_> = (1..=AGENTS).map(begin).collect();
        until("all agents have said something", || floor.each().all(|heard| heard > 0));
        for kill in 1..=KILLS {
            talking += floor.listen(LINES);
            memory = peak(&station).max(memory);
            // In the middle of whatever it does then, and every tenth agent with it.
            station.kill9();
            floor.kills.store(kill, Ordering::Relaxed);
            // The disk's cache has it; what the process had is gone.
            station.restart();
            println!("killed {kill} times");
        }
        talking += floor.listen(LINES);
        until("every agent is heard", || floor.each().all(|heard| heard > 100));
        let lives = u64::from(AGENTS) + u64::from(AGENTS / 10) * KILLS;
        until("every tenth, which was killed with the station, lives", || floor.lives.load(Ordering::Relaxed) == lives);
        memory = peak(&station).max(memory);
        drop(end);
        threads.into_iter().map(|thread| thread.join().expect("it ends")).collect::<Vec<_>>()
    });
    let logs = said(&station.data());
    assert_eq!(found(&station.data_by_path()), logs, "what is searched is what is in the files");
    let mut repeated = 0;
    for talk in &talks {
        let there = logs.get(&talk.serial).map(Vec::as_slice).unwrap_or_default();
        let wanted: Vec<u64> = (0..talk.acknowledged).collect();
        // What is behind them was written and not acknowledged before the end.
        assert_eq!(there.get(..wanted.len()), Some(wanted.as_slice()), "{}", talk.serial);
        assert!(there.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{}: {there:?}", talk.serial);
        repeated += talk.repeated;
    }
    assert!(repeated > 0, "no answer was lost: nothing is shown");
    let rate = (KILLS + 1) * LINES * 1000 / u64::try_from(talking.as_millis()).expect("a short time").max(1);
    let acknowledged = floor.all();
    println!("{AGENTS} agents, {acknowledged} lines acknowledged, {rate} a second; {repeated} messages sent again");
    println!("{memory} kB of memory at most");
    assert!(memory < 200 * 1024, "{memory} kB");
}

/// What agents and their station tell each other beside the network.
struct Floor {
    /// Lines of each agent that were acknowledged.
    heard: Vec<AtomicU64>,
    lives: AtomicU64,
    kills: AtomicU64,
    over: AtomicBool,
}

impl Default for Floor {
    fn default() -> Self {
        let heard = (0..AGENTS).map(|_| AtomicU64::new(0)).collect();
        Self { heard, lives: AtomicU64::new(0), kills: AtomicU64::new(0), over: AtomicBool::new(false) }
    }
}

impl Floor {
    fn each(&self) -> impl Iterator<Item = u64> {
        self.heard.iter().map(|heard| heard.load(Ordering::Relaxed))
    }

    fn all(&self) -> u64 {
        self.each().sum()
    }

    /// Waits until so many more lines are acknowledged, from the first of them on; gives how long that took.
    #[track_caller]
    fn listen(&self, lines: u64) -> Duration {
        let before = self.all();
        until("the station listens", || self.all() > before);
        let began = Instant::now();
        until("agents are heard", || self.all() >= before + lines);
        began.elapsed()
    }
}

/// Ends all talk, also when the test fails.
struct End<'f>(&'f Floor);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

/// An agent that says 200 lines a second, those of 100 ms in one message, and repeats what is not acknowledged. While it is
/// not heard a thousand wait, and it says no more.
struct Talk {
    number: u8,
    mac: String,
    serial: String,
    acknowledged: u64,
    repeated: u64,
    lives: u64,
}

impl Talk {
    fn new(number: u8) -> Self {
        let (mac, serial) = (format!("52-54-00-10-00-{number:02x}"), format!("TALK-{number}"));
        Self { number, mac, serial, acknowledged: 0, repeated: 0, lives: 0 }
    }

    fn begin(mut self, floor: &Floor) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(ANSWERS_WITHIN));
        let http: ureq::Agent = config.build().into();
        let run = self.run(&http);
        while !floor.over.load(Ordering::Relaxed) {
            self.live(&http, run, floor);
        }
        self
    }

    /// From a start to the end, or to its death with the station. It knows nothing of the life before.
    fn live(&mut self, http: &ureq::Agent, run: RunId, floor: &Floor) {
        self.lives += 1;
        floor.lives.fetch_add(1, Ordering::Relaxed);
        let Some(first) = self.asks(http, run, floor) else { return };
        let (mut waiting, mut next, mut acknowledged) = (VecDeque::new(), first, first);
        let (began, mut ticks) = (Instant::now(), 0);
        while !floor.over.load(Ordering::Relaxed) && !self.is_dead(floor) {
            let now = u64::try_from(began.elapsed().as_millis()).expect("a short time") / 5;
            for _ in std::mem::replace(&mut ticks, now)..now {
                if waiting.len() < 1000 {
                    waiting.push_back(next);
                    next += 1;
                }
            }
            let lines: Vec<_> = waiting.iter().take(100).map(|line| json!(["info", format!("line {line}")])).collect();
            if !lines.is_empty() {
                let message = json!({"version": 1, "first": acknowledged, "lines": lines});
                if let Some(next) = self.says(http, run, &message) {
                    assert!(next >= acknowledged, "{}: {next} after {acknowledged}", self.serial);
                    waiting.drain(..usize::try_from(next - acknowledged).expect("few"));
                    acknowledged = next;
                    self.acknowledged = next;
                    floor.heard[usize::from(self.number) - 1].store(next, Ordering::Relaxed);
                }
            }
            if waiting.len() < 100 {
                thread::sleep(GATHERED);
            }
        }
    }

    /// Where its log goes on: not before what was acknowledged of the life before.
    fn asks(&mut self, http: &ureq::Agent, run: RunId, floor: &Floor) -> Option<u64> {
        let deadline = Instant::now() + LIMIT;
        while !floor.over.load(Ordering::Relaxed) && !self.is_dead(floor) {
            assert!(Instant::now() < deadline, "{} is not heard", self.serial);
            if let Some(next) = self.says(http, run, &json!({"version": 1, "first": 0, "lines": []})) {
                assert!(next >= self.acknowledged, "{}: {next} after {}", self.serial, self.acknowledged);
                return Some(next);
            }
        }
        None
    }

    fn is_dead(&self, floor: &Floor) -> bool {
        self.number.is_multiple_of(10) && floor.kills.load(Ordering::Relaxed) >= self.lives
    }

    /// What the station wants next; none if it is not there.
    fn says(&mut self, http: &ureq::Agent, run: RunId, message: &Value) -> Option<u64> {
        let Some((200, answer)) = post(http, &paths::log(run), message) else {
            self.repeated += 1;
            thread::sleep(Duration::from_millis(50));
            return None;
        };
        assert_eq!(answer.get("left_out"), None, "{}", self.serial);
        Some(answer["next"].as_u64().expect("a number"))
    }

    /// Boots, and gets the run's name.
    fn run(&self, http: &ureq::Agent) -> RunId {
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

const AGENTS: u8 = 100;
const KILLS: u64 = 3;
/// Acknowledged between two kills: seconds of everybody's talk.
const LINES: u64 = 30_000;
const GATHERED: Duration = Duration::from_millis(100);
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// For everything, on two cores that tests share.
const LIMIT: Duration = Duration::from_secs(90);
