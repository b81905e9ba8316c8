//! What the screen costs with 10,000 machines and 5,000 log lines a second: `cargo bench --bench screen`.
//!
//! A frame is complete: messages are handled, the pane is drawn, and the changed cells are written as for a terminal. The
//! keys go through the real loop, beside a hub that publishes as fast as the real one.

#[path = "tools/src/spread.rs"]
#[allow(dead_code, unreachable_pub, unused_imports, reason = "the bench tools and their tests use all of it")]
mod spread;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{io, thread};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::TimeZone;
use ratatui::backend::{CrosstermBackend, TestBackend};
use ratatui::layout::{Constraint, Rect, Size};
use ratatui::widgets::{Row, Table};
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};
use spread::Spread;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use oxbow::domain::ids::NodeId;
use oxbow::domain::logline::{Level, LogLine, LogSource};
use oxbow::domain::machine::progress::{Arrived, StepProgress};
use oxbow::domain::machine::report::{FailureKind, Step};
use oxbow::domain::node::Node;
use oxbow::domain::node::phase::{Failure, Phase, Stage};
use oxbow::domain::snapshot::Snapshot;
use oxbow::domain::station::stream::{LogStream, Origin, StreamLine};
use oxbow::domain::time::Timestamp;
use oxbow::inbox::inbox;
use oxbow::tui::run::run_on;
use oxbow::tui::style::status::NodeStatus;
use oxbow::tui::terminal::Console;
use oxbow::tui::{Msg, Palette, Screen, Theme, update, view};

const NODES: u32 = 10_000;
const LINES_A_SECOND: usize = 5_000;
const SIZE: Size = Size { width: 200, height: 50 };
const ROUNDS: usize = 5;
const FRAMES: usize = 400;
const KEYS: usize = 300;
/// As often as the hub publishes and the screen draws.
const EACH: Duration = Duration::from_millis(50);
const LINES: usize = LINES_A_SECOND / 20;
/// Nodes that report progress from one snapshot to the next.
const MOVING: u32 = 200;

fn main() {
    println!(
        "{NODES} nodes, {LINES_A_SECOND} lines a second, {}x{}, {FRAMES} frames each, median of {ROUNDS} rounds (min–max)",
        SIZE.width, SIZE.height
    );
    println!();
    println!("| frame work | p50, ms | p99, ms |");
    println!("|---|---|---|");
    let ways: [(&str, &str); 6] = [
        ("nodes", ""),
        ("nodes, filtered: `phase:writing !press`", "/phase:writing !press\n"),
        ("one node with its log", "\n"),
        ("batch", "0"),
        ("logs", "6"),
        ("logs, filtered: `slow !node:7`", "6/slow !node:7\n"),
    ];
    // All of a round, then all of the next: what disturbs the machine for a while disturbs all rows.
    let mut rows: Vec<(&str, Rounds)> = ways.map(|(name, _)| (name, Rounds::default())).into();
    let mut naive_rows = Rounds::default();
    for _ in 0..ROUNDS {
        for ((_, rounds), (_, keys)) in rows.iter_mut().zip(ways) {
            rounds.add(frames(keys));
        }
        naive_rows.add(naive());
    }
    rows.push(("naive table: a row made for each node", naive_rows));
    for (name, rounds) in rows {
        println!("| {name} | {:.2} | {:.2} |", spread(&rounds.p50), spread(&rounds.p99));
    }
    println!();
    let (mut waits, mut shares) = (Rounds::default(), Vec::new());
    for _ in 0..ROUNDS {
        let (round, share) = keys_and_idleness();
        waits.add(round);
        shares.push(share * 100.0);
    }
    println!("key to paint: p50 {:.1} ms, p99 {:.1} ms", spread(&waits.p50), spread(&waits.p99));
    println!("idle: {:.1} % of one core", spread(&shares));
}

/// Percentiles of each round, in milliseconds.
#[derive(Default)]
struct Rounds {
    p50: Vec<f64>,
    p99: Vec<f64>,
}

impl Rounds {
    fn add(&mut self, mut times: Vec<Duration>) {
        times.sort_unstable();
        let in_ms = |time: Duration| time.as_secs_f64() * 1000.0;
        self.p50.push(in_ms(times[times.len() / 2]));
        self.p99.push(in_ms(times[times.len() * 99 / 100]));
    }
}

fn spread(rounds: &[f64]) -> Spread {
    Spread::of(rounds).expect("rounds")
}

/// How long each frame takes from a newer snapshot to the last byte for the terminal.
fn frames(keys: &str) -> Vec<Duration> {
    let mut bench = bench();
    let mut screen = screen();
    update(&mut screen, &bench, Msg::Bench);
    for key in keys.chars() {
        update(&mut screen, &bench, Msg::Key(pressed(key)));
    }
    let options = TerminalOptions { viewport: Viewport::Fixed(Rect::new(0, 0, SIZE.width, SIZE.height)) };
    let mut terminal = Terminal::with_options(CrosstermBackend::new(io::sink()), options).expect("a terminal");
    let frame = |_| {
        advance(&mut bench);
        let shared = bench.clone();
        let began = Instant::now();
        update(&mut screen, &shared, Msg::Tick(shared.at));
        update(&mut screen, &shared, Msg::Bench);
        terminal.draw(|frame| view(&screen, &shared, frame.area(), frame)).expect("a frame");
        began.elapsed()
    };
    (0..FRAMES).map(frame).collect()
}

/// What a table costs that is given all its rows in every frame.
fn naive() -> Vec<Duration> {
    let mut bench = bench();
    let mut terminal = Terminal::new(TestBackend::new(SIZE.width, SIZE.height)).expect("a terminal");
    let frame = |_| {
        advance(&mut bench);
        let began = Instant::now();
        let rows = bench.nodes.values().map(|node| {
            let (status, verdict) = NodeStatus::judged(&bench, node, bench.at);
            let progress =
                node.progress.as_ref().map(|progress| format!("{}%", progress.percent())).unwrap_or_default();
            let mac = node.macs.first().map(ToString::to_string).unwrap_or_default();
            let why = verdict.map(|verdict| verdict.what).unwrap_or_default();
            Row::new([node.label(), mac, status.word().to_owned(), progress, why, node.phase.word().to_owned()])
        });
        let table = Table::new(rows, [Constraint::Fill(1); 6]);
        terminal.draw(|frame| frame.render_widget(table, frame.area())).expect("a frame");
        began.elapsed()
    };
    (0..FRAMES / 10).map(frame).collect()
}

/// How long a key takes to be seen while all goes on, and the share of a core that the loop takes when nothing does.
fn keys_and_idleness() -> (Vec<Duration>, f64) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (publish, watched) = watch::channel(Arc::new(bench()));
    let (inbox, _outlet) = inbox();
    let stop = CancellationToken::new();
    let (send, keys) = channel();
    let seen = Arc::new(Seen::default());
    let console = Watched { keys, seen: seen.clone(), pending: Vec::new(), terminal: terminal() };
    let drawing = {
        let (stop, handle) = (stop.clone(), runtime.handle().clone());
        thread::spawn(move || {
            let mut console = console;
            run_on(&mut console, theme(), watched, inbox, stop, handle).map(drop).expect("the loop");
        })
    };
    let working = CancellationToken::new();
    let hub = {
        let (publish, working) = (publish.clone(), working.clone());
        thread::spawn(move || {
            let mut bench = bench();
            while !working.is_cancelled() {
                advance(&mut bench);
                bench.at = oxbow::clock::now();
                publish.send_replace(Arc::new(bench.clone()));
                thread::sleep(EACH);
            }
        })
    };
    until(|| seen.frames.load(Ordering::Relaxed) > 5);
    for number in 0..KEYS {
        let before = seen.waits.lock().expect("no panic").len();
        let code = if number % 20 < 10 { KeyCode::Down } else { KeyCode::PageUp };
        send.send((Instant::now(), Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))).expect("the loop listens");
        until(|| seen.waits.lock().expect("no panic").len() > before);
        // Not in step with the frames.
        thread::sleep(Duration::from_millis(7 + (number as u64 * 13) % 61));
    }
    working.cancel();
    hub.join().expect("no panic");
    thread::sleep(Duration::from_secs(1));
    let (busy, began) = (cpu_of(&seen), Instant::now());
    thread::sleep(Duration::from_secs(10));
    let share = (cpu_of(&seen) - busy).as_secs_f64() / began.elapsed().as_secs_f64();
    stop.cancel();
    drawing.join().expect("no panic");
    let waits = seen.waits.lock().expect("no panic").clone();
    (waits, share)
}

/// What the loop's console has seen.
#[derive(Default)]
struct Seen {
    waits: Mutex<Vec<Duration>>,
    frames: AtomicUsize,
    /// The thread of the loop, as the kernel numbers it.
    thread: AtomicUsize,
}

/// A console whose keys come with the moment they were pressed at.
struct Watched {
    keys: Receiver<(Instant, Event)>,
    seen: Arc<Seen>,
    /// Keys that were given to the loop and are not in a frame yet.
    pending: Vec<Instant>,
    terminal: Terminal<CrosstermBackend<io::Sink>>,
}

impl Console for Watched {
    fn size(&self) -> io::Result<Size> {
        Ok(SIZE)
    }

    fn draw(&mut self, view: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(view)?;
        let waits = self.pending.drain(..).map(|at| at.elapsed());
        self.seen.waits.lock().expect("no panic").extend(waits);
        self.seen.frames.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn bell(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn event(&mut self, wait: Duration) -> io::Result<Option<Event>> {
        if self.seen.thread.load(Ordering::Relaxed) == 0 {
            let own = std::fs::read_link("/proc/thread-self")?;
            let number = own.file_name().and_then(|name| name.to_str()?.parse().ok()).unwrap_or(0);
            self.seen.thread.store(number, Ordering::Relaxed);
        }
        match self.keys.recv_timeout(wait) {
            Ok((at, event)) => {
                self.pending.push(at);
                Ok(Some(event))
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                thread::sleep(wait);
                Ok(None)
            }
        }
    }
}

/// What the loop's thread has had of a processor (proc(5), schedstat: nanoseconds first).
fn cpu_of(seen: &Seen) -> Duration {
    let thread = seen.thread.load(Ordering::Relaxed);
    let said = std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).expect("its own thread");
    let nanos = said.split(' ').next().and_then(|first| first.parse().ok()).expect("a number");
    Duration::from_nanos(nanos)
}

fn until(done: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < limit, "the loop does not draw");
        thread::sleep(Duration::from_micros(200));
    }
}

fn theme() -> Theme {
    Theme::new(Palette::Sixteen, false)
}

fn screen() -> Screen {
    Screen::new(theme(), TimeZone::UTC, SIZE, oxbow::clock::now())
}

fn terminal() -> Terminal<CrosstermBackend<io::Sink>> {
    let options = TerminalOptions { viewport: Viewport::Fixed(Rect::new(0, 0, SIZE.width, SIZE.height)) };
    Terminal::with_options(CrosstermBackend::new(io::sink()), options).expect("a terminal")
}

fn pressed(key: char) -> KeyEvent {
    let code = if key == '\n' { KeyCode::Enter } else { KeyCode::Char(key) };
    KeyEvent::new(code, KeyModifiers::NONE)
}

/// Of ten machines six are done, two write, one waits, and of a hundred one has failed.
fn bench() -> Snapshot {
    let now = oxbow::clock::now();
    let nodes: BTreeMap<_, _> = (1..=NODES).map(|number| (NodeId(number), Arc::new(node(number, now)))).collect();
    Snapshot { at: now, nodes, ..Snapshot::default() }
}

fn node(number: u32, now: Timestamp) -> Node {
    let [_, b, c, d] = number.to_be_bytes();
    let mut node = Node::new(NodeId(number), now);
    node.macs = vec![format!("52:54:00:{b:02x}:{c:02x}:{d:02x}").parse().expect("a MAC")];
    node.serial = format!("SN-{number:06}").parse().ok();
    (node.registered, node.last_seen) = (true, Some(now));
    node.phase = match number % 10 {
        _ if number.is_multiple_of(100) => {
            let reason = "writing /dev/nvme0n1 at offset 4096: input/output error".into();
            Phase::Failed(Failure { stage: Stage::Writing, kind: FailureKind::DiskIo, reason })
        }
        0..=5 => Phase::Provisioned,
        6 | 7 => {
            node.progress = Some(StepProgress::begin(Step::Write, now, 0, 8_000_000_000));
            Phase::Booting { stage: Stage::Writing }
        }
        _ => Phase::Registered,
    };
    node
}

/// What happens until the next snapshot: some move, many speak.
fn advance(bench: &mut Snapshot) {
    (bench.version, bench.at) = (bench.version + 1, bench.at.after(EACH));
    let now = bench.at;
    let turn = u32::try_from(bench.version % 50).expect("small");
    for number in (turn * MOVING + 1..=(turn + 1) * MOVING).filter(|number| *number <= NODES) {
        if let Some(node) = bench.nodes.get_mut(&NodeId(number))
            && node.progress.is_some()
        {
            let node = Arc::make_mut(node);
            node.last_seen = Some(now);
            if let Some(progress) = &mut node.progress {
                let done = (progress.done + 40_000_000).min(progress.total);
                progress.advance(now, done, 8_000_000_000, Arrived { bytes: done / 3, retries: 0 });
            }
        }
    }
    let stream: &mut LogStream = Arc::make_mut(&mut bench.stream);
    for line in 0..LINES {
        let number = (turn * MOVING + u32::try_from(line).expect("small")) % NODES + 1;
        let level = if line % 50 == 0 { Level::Warning } else { Level::Info };
        let text =
            format!("/dev/nvme0n1 is {} MB/s slow, {line} of what the agent has to say of its disk", number % 90);
        let by = Origin::Node { id: NodeId(number), label: format!("SN-{number:06}").into() };
        stream.push(StreamLine { by, line: LogLine::new(now, LogSource::Agent, level, &text) });
    }
}
