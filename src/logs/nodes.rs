//! The nodes' logs, written by a thread of their own: a slow disk must not delay the hub, and a full disk must not
//! delay a machine. Lines that are left out are counted, shown on the services line, and noted in the log once there is
//! room again.
//!
//! An agent's lines are acknowledged when they are in the file, by write(2): a station that is killed has them, and
//! finds in the file which lines it need not store again ([`recall`]). They are not flushed to the disk: a power cut
//! may lose the last seconds of a log, but never a report, which is in the database. Lines that the disk does not take,
//! and lines beyond the bound of a run, are acknowledged as left out: an agent does not wait for them. Lines that come
//! faster than they can be written are not accepted ([`NodeLog::has_room`]); the agent keeps a thousand of them and
//! repeats them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::files::{LogFiles, Put};
use super::line::{self, Mark, Short};
use crate::clock;
use crate::domain::effect::Effect;
use crate::domain::ids::{NodeId, RunId};
use crate::domain::logline::{LogLine, LogSource};
use crate::domain::node::Node;
use crate::domain::station::service::{ServiceName, ServiceState, ServiceStatus};
use crate::domain::time::Timestamp;
use crate::hub::{LinesStored, NodeLog};
use crate::inbox::{Inbox, Input};

pub use super::files::LogBounds;
pub use super::recovery::recall;

/// The hub's side.
#[derive(Debug)]
pub struct NodeLogs {
    entries: SyncSender<LogEntry>,
    queue: Arc<Queue>,
}

/// What both sides share about the queue.
#[derive(Debug, Default)]
struct Queue {
    entries: AtomicUsize,
    lines: AtomicUsize,
    /// Lines for which there was no room.
    crowded_out: AtomicU64,
}

enum LogEntry {
    Node(Arc<Node>),
    Line { node: NodeId, label: String, line: LogLine },
    Agent { node: NodeId, label: String, run: RunId, first: u32, lines: Vec<LogLine> },
    Tell(LinesStored),
}

impl LogEntry {
    fn lines(&self) -> usize {
        match self {
            Self::Node(_) | Self::Tell(_) => 0,
            Self::Line { .. } => 1,
            Self::Agent { lines, .. } => lines.len(),
        }
    }
}

/// Starts writing nodes' logs in `directory`, where those of `nodes` may exist already. The state of the service is
/// sent to `inbox`. The thread ends when the [`NodeLogs`] is dropped.
pub fn start(
    directory: &Path,
    bounds: LogBounds,
    nodes: &[Node],
    inbox: Inbox,
) -> io::Result<(NodeLogs, JoinHandle<()>)> {
    let files = LogFiles::open(directory, bounds, nodes)?;
    let (entries, received) = sync_channel(ENTRIES);
    let queue = Arc::new(Queue::default());
    let writer = NodeLogWriter {
        files,
        inbox,
        queue: queue.clone(),
        left_out: 0,
        owed: BTreeMap::new(),
        over: BTreeMap::new(),
        trouble: None,
        tally: DroppedLines::default(),
        is_news: true,
        told: None,
        told_at: None,
    };
    let thread = std::thread::Builder::new().name("node-logs".into()).spawn(move || writer.work(&received))?;
    Ok((NodeLogs { entries, queue }, thread))
}

impl NodeLog for NodeLogs {
    fn write(&mut self, effects: &[Effect]) {
        // The state of a node comes first: its file depends on it.
        let nodes = effects.iter().filter_map(|effect| {
            let Effect::SaveNode(node) = effect else { return None };
            Some(LogEntry::Node(node.clone()))
        });
        let lines = effects.iter().filter_map(|effect| {
            if let Effect::Log { node, label, line } = effect {
                return Some(LogEntry::Line { node: *node, label: label.clone(), line: line.clone() });
            }
            let Effect::LogAgent { node, label, run, first, lines } = effect else { return None };
            let (label, lines) = (label.clone(), lines.clone());
            Some(LogEntry::Agent { node: *node, label, run: *run, first: *first, lines })
        });
        nodes.chain(lines).for_each(|entry| self.hand_over(entry));
    }

    fn has_room(&self, lines: usize) -> bool {
        let entries = self.queue.entries.load(Ordering::Relaxed);
        self.has_room_for(lines) && entries + lines + 2 <= ENTRIES
    }

    fn when_kept(&mut self, tell: LinesStored) {
        self.hand_over(LogEntry::Tell(tell));
    }
}

impl NodeLogs {
    fn has_room_for(&self, lines: usize) -> bool {
        self.queue.lines.load(Ordering::Relaxed) + lines <= LINES
    }

    /// A line for which there is no room is counted. A line that is not accepted is not acknowledged, and repeated.
    fn hand_over(&self, entry: LogEntry) {
        let lines = entry.lines();
        if self.has_room_for(lines) {
            self.queue.entries.fetch_add(1, Ordering::Relaxed);
            self.queue.lines.fetch_add(lines, Ordering::Relaxed);
            if self.entries.try_send(entry).is_ok() {
                return;
            }
            self.queue.entries.fetch_sub(1, Ordering::Relaxed);
            self.queue.lines.fetch_sub(lines, Ordering::Relaxed);
        }
        self.queue.crowded_out.fetch_add(lines as u64, Ordering::Relaxed);
    }
}

/// What was left out since the station started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct DroppedLines {
    /// The disk did not take them.
    unwritten: u64,
    /// Their run had reached its bound.
    over: u64,
    /// Files that were removed to make room.
    removed: u64,
}

/// The writing side.
struct NodeLogWriter {
    files: LogFiles,
    inbox: Inbox,
    queue: Arc<Queue>,
    /// Of the latest lines, those that are in no file.
    left_out: u32,
    /// Lines of each node that the disk did not take; noted in its log when it takes lines again.
    owed: BTreeMap<NodeId, u64>,
    /// Nodes whose run is over its bound, and how many lines since.
    over: BTreeMap<NodeId, u64>,
    /// Why the last write failed.
    trouble: Option<String>,
    tally: DroppedLines,
    /// Whether any of this has changed since it was last sent.
    is_news: bool,
    told: Option<ServiceState>,
    told_at: Option<Instant>,
}

impl NodeLogWriter {
    fn work(mut self, queue: &Receiver<LogEntry>) {
        loop {
            if self.is_news && self.may_tell() {
                self.tell();
            }
            match queue.recv_timeout(BEAT) {
                Ok(entry) => {
                    self.queue.entries.fetch_sub(1, Ordering::Relaxed);
                    self.queue.lines.fetch_sub(entry.lines(), Ordering::Relaxed);
                    self.take(entry);
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.is_news = true;
                    self.pay();
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.pay();
    }

    fn take(&mut self, entry: LogEntry) {
        match entry {
            LogEntry::Node(node) => match self.files.heed(&node) {
                Ok(false) => {}
                Ok(true) => self.begun(&node),
                Err(err) => self.failed(&err),
            },
            LogEntry::Line { node, label, line } => {
                // The station's own words are few, and say how it ended.
                let reserve = if line.source == LogSource::Station { RESERVE } else { 0 };
                self.put(node, line.at, &[line::written(&label, &line, None)], reserve);
            }
            LogEntry::Agent { node, label, run, first, lines } => {
                let run = Short::of(run);
                let marked = (first..).zip(&lines);
                let marked = marked.map(|(number, line)| line::written(&label, line, Some(Mark { run, number })));
                let at = lines.first().map_or_else(clock::now, |line| line.at);
                self.left_out = self.put(node, at, &marked.collect::<Vec<_>>(), 0);
            }
            LogEntry::Tell(tell) => tell(std::mem::take(&mut self.left_out)),
        }
    }

    /// Writes a line that says which run the following lines belong to.
    fn begun(&mut self, node: &Node) {
        if let Some(run) = node.run() {
            self.say(node.id, clock::now(), &format!("run {} of profile {} begins", Short::of(run.id), run.profile));
        }
    }

    /// Adds lines to the node's file, all of them in one piece if that can be; gives how many are not in it.
    fn put(&mut self, node: NodeId, at: Timestamp, lines: &[String], reserve: u64) -> u32 {
        let count = lines.len() as u64;
        if self.owed.contains_key(&node) && !self.settle(node, at) {
            return self.owe(node, count);
        }
        match self.files.put(node, &lines.concat(), reserve) {
            Ok(Put::Written) => {
                self.is_news |= self.files.has_removed();
                // Its run is another by now.
                self.over.remove(&node);
                0
            }
            Ok(Put::Full) if lines.len() > 1 => {
                let (some, rest) = lines.split_at(lines.len() / 2);
                self.put(node, at, some, reserve) + self.put(node, at, rest, reserve)
            }
            Ok(Put::Full) => {
                self.tally.over += count;
                self.is_news = true;
                let over = self.over.entry(node).or_default();
                *over += count;
                if *over == count {
                    let said =
                        "this run has said as much as is kept of one: what the machine says is left out from here on";
                    self.say(node, at, said);
                }
                1
            }
            Err(err) => {
                self.failed(&err);
                self.owe(node, count)
            }
        }
    }

    fn owe(&mut self, node: NodeId, lines: u64) -> u32 {
        *self.owed.entry(node).or_default() += lines;
        self.tally.unwritten += lines;
        u32::try_from(lines).unwrap_or(u32::MAX)
    }

    /// Tries the disk again.
    fn pay(&mut self) {
        let nodes: Vec<NodeId> = self.owed.keys().copied().collect();
        if nodes.is_empty() {
            return;
        }
        let at = clock::now();
        for node in nodes {
            if !self.settle(node, at) {
                return;
            }
        }
    }

    /// Notes in the node's log what is missing there. False if the disk does not take that either.
    fn settle(&mut self, node: NodeId, at: Timestamp) -> bool {
        let Some(lines) = self.owed.get(&node).copied() else { return true };
        let lines = if lines == 1 { "1 line is".into() } else { format!("{lines} lines are") };
        if !self.say(node, at, &format!("{lines} missing here: they could not be written")) {
            return false;
        }
        self.owed.remove(&node);
        self.is_news = true;
        if self.owed.is_empty() && self.trouble.take().is_some() {
            info!(lines = self.tally.unwritten, "nodes' logs can be written again; what is missing is said in each");
        }
        true
    }

    fn say(&mut self, node: NodeId, at: Timestamp, words: &str) -> bool {
        match self.files.put(node, &line::remark(at, words), 2 * RESERVE) {
            Ok(Put::Written | Put::Full) => true,
            Err(err) => {
                self.failed(&err);
                false
            }
        }
    }

    fn failed(&mut self, err: &io::Error) {
        self.is_news = true;
        let why = err.to_string();
        if self.trouble.as_ref() != Some(&why) {
            warn!("nodes' logs cannot be written, lines are left out: {why}");
            self.trouble = Some(why);
        }
    }

    /// A service that goes down or up is reported at once; its figures at most twice a second.
    fn may_tell(&self) -> bool {
        let was_well = self.told.as_ref().is_none_or(|told| matches!(told, ServiceState::Up { .. }));
        was_well != self.trouble.is_none() || self.told_at.is_none_or(|at| at.elapsed() >= BEAT)
    }

    /// The services line, if it has changed.
    fn tell(&mut self) {
        self.tally.removed += self.files.removed();
        let state = self.state();
        if self.told.as_ref() == Some(&state) {
            self.is_news = false;
            return;
        }
        let status = ServiceStatus { name: ServiceName::NodeLogs, state: state.clone(), restarts: 0 };
        if self.inbox.offer(|| Input::Service(status)) {
            (self.told, self.told_at) = (Some(state), Some(Instant::now()));
            self.is_news = false;
        }
    }

    fn state(&self) -> ServiceState {
        let DroppedLines { unwritten, over, removed } = self.tally;
        let crowded = self.queue.crowded_out.load(Ordering::Relaxed);
        if let Some(why) = &self.trouble {
            let what = format!("nodes' logs cannot be written: {why}; lines left out so far: {}", rough(unwritten));
            let hint = "make room on the station's disk: machines go on meanwhile, and it is tried again by itself";
            return ServiceState::Down { what, hint: hint.into() };
        }
        let left_out = [
            (unwritten, "for want of room"),
            (over, "of runs that say too much"),
            (crowded, "as the disk is too slow"),
        ];
        let mut at: Vec<String> = vec!["a file for each run".into()];
        at.extend(left_out.iter().filter(|(lines, _)| *lines > 0).map(|(lines, why)| {
            let lines = rough(*lines);
            format!("{lines} lines left out {why}")
        }));
        if removed > 0 {
            at.push(format!("{} old files made room", rough(removed)));
        }
        ServiceState::Up { at: at.join(", ") }
    }
}

/// A count to two digits, so that the services line is not another with every line.
fn rough(count: u64) -> String {
    let mut unit = 1;
    while count / unit >= 100 {
        unit *= 10;
    }
    if unit == 1 { count.to_string() } else { format!("more than {}", count / unit * unit) }
}

/// Lines that may wait for the disk, and entries with all else.
const LINES: usize = 16_384;
const ENTRIES: usize = 2 * LINES;
/// How long after the last line the disk is tried again.
const BEAT: Duration = Duration::from_millis(500);
/// Bytes that a run's file may have beyond its bound for lines of the station.
const RESERVE: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::domain::logline::Level;
    use crate::inbox::{Outlet, inbox};

    const AT: Timestamp = Timestamp::from_millis(1_777_802_400_000);

    struct Bench {
        directory: tempfile::TempDir,
        logs: NodeLogs,
        outlet: Outlet,
        thread: JoinHandle<()>,
    }

    impl Bench {
        fn new(bounds: LogBounds) -> Self {
            let directory = tempfile::TempDir::new().expect("a directory");
            let (inbox, outlet) = inbox();
            let (logs, thread) = start(directory.path(), bounds, &[], inbox).expect("a thread");
            Self { directory, logs, outlet, thread }
        }

        fn says(&mut self, node: u32, source: LogSource, words: &str) {
            let line = LogLine::new(AT, source, Level::Info, words);
            self.logs.write(&[Effect::Log { node: NodeId(node), label: format!("node {node}"), line }]);
        }

        /// Waits until the services line is as it should be; gives how often it was told.
        #[track_caller]
        fn shows(&mut self, what: impl Fn(&ServiceState) -> bool) -> usize {
            let deadline = Instant::now() + Duration::from_secs(30);
            let mut seen = Vec::new();
            while Instant::now() < deadline {
                match self.outlet.notes.try_recv() {
                    Ok(Input::Service(ServiceStatus { state, .. })) if what(&state) => return seen.len() + 1,
                    Ok(other) => seen.push(other),
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            }
            panic!("{seen:?}");
        }

        fn end(self) -> tempfile::TempDir {
            drop(self.logs);
            self.thread.join().expect("it ends in order");
            self.directory
        }
    }

    fn text(directory: &Path, node: u32) -> String {
        fs::read_to_string(directory.join(format!("node-{node:05}.log"))).unwrap_or_default()
    }

    #[test]
    fn what_the_disk_would_not_have_is_counted_shown_and_said_in_the_log_once_it_will_again() {
        let mut bench = Bench::new(LogBounds::default());
        let in_the_way = bench.directory.path().join("node-00001.log");
        fs::create_dir(&in_the_way).expect("a directory");
        bench.says(1, LogSource::Syslog, "lost");
        bench.says(1, LogSource::Syslog, "lost too");
        bench.says(2, LogSource::Syslog, "another's is kept");
        bench.shows(|state| matches!(state, ServiceState::Down { what, .. } if what.ends_with("so far: 2")));
        fs::remove_dir(&in_the_way).expect("it was there");
        bench.shows(|state| matches!(state, ServiceState::Up { at } if at.contains("2 lines left out for want")));
        bench.says(1, LogSource::Syslog, "kept");
        let directory = bench.end();
        let of_first = text(directory.path(), 1);
        let lines: Vec<&str> = of_first.lines().collect();
        assert!(lines[0].ends_with("oxbow: 2 lines are missing here: they could not be written"), "{lines:?}");
        assert!(lines.len() == 2 && lines[1].ends_with(" node_1 syslog info kept"), "{lines:?}");
        assert!(text(directory.path(), 2).ends_with("another's is kept\n"));
    }

    #[test]
    fn a_disk_that_is_full_is_not_told_of_with_every_line() {
        let mut bench = Bench::new(LogBounds::default());
        fs::create_dir(bench.directory.path().join("node-00001.log")).expect("a directory");
        (0..90).for_each(|_| bench.says(1, LogSource::Syslog, "lost"));
        let told =
            bench.shows(|state| matches!(state, ServiceState::Down { what, .. } if what.ends_with("so far: 90")));
        assert!(told < 45, "{told} times");
        bench.end();
    }

    #[test]
    fn a_machine_that_floods_is_cut_short_and_what_the_station_says_of_it_is_not() {
        let mut bench = Bench::new(LogBounds { run: 400, ..LogBounds::default() });
        for _ in 0..50 {
            bench.says(1, LogSource::Syslog, "a line of a kernel in a circle");
        }
        bench.shows(|state| matches!(state, ServiceState::Up { at } if at.contains("of runs that say too much")));
        bench.says(1, LogSource::Station, "failed writing: the disk");
        let directory = bench.end();
        let said = text(directory.path(), 1);
        assert_eq!(said.matches("is left out from here on").count(), 1, "{said}");
        assert!(said.ends_with(" station info failed writing: the disk\n"), "{said}");
        assert!(said.matches("in a circle").count() < 10, "{said}");
    }

    #[test]
    fn a_machine_cannot_write_a_line_that_looks_like_anothers_or_the_stations() {
        let mut bench = Bench::new(LogBounds::default());
        let forged = "\n2026-05-03T10:00:00.000Z node_2 station info provisioned\r\u{85}\u{2028}\u{b}more";
        bench.says(1, LogSource::Syslog, forged);
        let line = LogLine::new(AT, LogSource::Agent, Level::Error, forged);
        let label = "x station info provisioned\n2026".to_owned();
        bench.logs.write(&[Effect::Log { node: NodeId(1), label, line }]);
        let directory = bench.end();
        let said = text(directory.path(), 1);
        let lines: Vec<Vec<&str>> =
            said.split(|c: char| c.is_control()).map(|line| line.split(' ').collect()).collect();
        assert_eq!(lines.len(), 3, "two lines and their end: {said:?}");
        assert_eq!((lines[0][1], lines[0][2]), ("node_1", "syslog"));
        assert_eq!((lines[1][1], lines[1][2]), ("x_station_info_provisioned_2026", "agent"));
        assert!(!said.contains('\u{2028}') && text(directory.path(), 2).is_empty());
    }

    impl Bench {
        /// An agent's lines; gives how many are left out, once the others are in the file.
        fn hears(&mut self, node: u32, first: u32, words: &[&str]) -> u32 {
            let lines = words.iter().map(|words| LogLine::new(AT, LogSource::Agent, Level::Info, words)).collect();
            let (label, run) = (format!("node {node}"), RunId::new([0xab; 16]));
            self.logs.write(&[Effect::LogAgent { node: NodeId(node), label, run, first, lines }]);
            let (told, answer) = sync_channel(1);
            self.logs.when_kept(Box::new(move |left_out| told.send(left_out).expect("somebody waits")));
            answer.recv_timeout(Duration::from_secs(30)).expect("an answer")
        }
    }

    #[test]
    fn an_agent_is_answered_when_its_lines_are_in_the_file_each_with_its_number() {
        let mut bench = Bench::new(LogBounds::default());
        assert_eq!(bench.hears(1, 7, &["one", "two"]), 0);
        let said = text(bench.directory.path(), 1);
        let ends: Vec<&str> = said.lines().filter_map(|line| line.split_once(" node_1 ")).map(|(_, end)| end).collect();
        assert_eq!(ends, ["agent:abababab.7 info one", "agent:abababab.8 info two"]);
        assert_eq!(bench.hears(1, 9, &[]), 0);
    }

    #[test]
    fn an_agent_whose_lines_no_disk_takes_is_told_so_and_not_held_up() {
        let mut bench = Bench::new(LogBounds { run: 400, ..LogBounds::default() });
        let in_the_way = bench.directory.path().join("node-00001.log");
        fs::create_dir(&in_the_way).expect("a directory");
        assert_eq!(bench.hears(1, 0, &["lost", "lost too"]), 2);
        fs::remove_dir(&in_the_way).expect("it was there");
        assert_eq!(bench.hears(1, 2, &["kept"]), 0, "there is room again");
        assert!(text(bench.directory.path(), 1).contains("2 lines are missing here"));
        // The run's bound is in the middle of these.
        let left_out = bench.hears(1, 3, &["a line of an agent in a circle"; 10]);
        let said = text(bench.directory.path(), 1);
        assert_eq!(said.matches("in a circle").count(), 10 - left_out as usize, "{said}");
        assert!((1..10).contains(&left_out) && said.contains("is left out from here on"), "{left_out} {said}");
    }

    #[test]
    fn lines_that_come_faster_than_they_are_written_are_not_taken_and_take_no_memory() {
        let (entries, received) = sync_channel(ENTRIES);
        let mut logs = NodeLogs { entries, queue: Arc::default() };
        let lines = vec![LogLine::new(AT, LogSource::Agent, Level::Info, "x"); 256];
        let batch =
            [Effect::LogAgent { node: NodeId(1), label: "x".into(), run: RunId::new([1; 16]), first: 0, lines }];
        let mut taken = 0;
        while logs.has_room(256) {
            logs.write(&batch);
            taken += 256;
        }
        assert_eq!((taken, received.try_iter().map(|entry| entry.lines()).sum::<usize>()), (LINES, LINES));
        // Who does not ask, as syslog cannot, is counted.
        logs.write(&batch);
        assert_eq!((logs.queue.crowded_out.load(Ordering::Relaxed), received.try_iter().count()), (256, 0));
    }

    #[test]
    fn counts_are_said_roughly() {
        assert_eq!([7, 99, 100, 1234].map(rough), ["7", "99", "more than 100", "more than 1200"]);
    }
}
