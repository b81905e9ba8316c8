//! The nodes' logs, written by a thread of its own: a slow disk must not hold the hub up, and a full one must not hold a
//! machine up. What was left out is counted, shown on the services line, and said in the log once there is room again.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing::{info, warn};

pub use super::shelf::Bounds;
use super::shelf::{Put, Shelf};
use crate::clock;
use crate::domain::effect::Effect;
use crate::domain::ids::NodeId;
use crate::domain::logline::{LogLine, Source};
use crate::domain::node::Node;
use crate::domain::service::{ServiceName, ServiceState, ServiceStatus};
use crate::domain::text;
use crate::domain::time::Timestamp;
use crate::hub::NodeLog;
use crate::inbox::{Inbox, Note};

/// The hub's side.
#[derive(Debug)]
pub struct NodeLogs {
    entries: SyncSender<Entry>,
    /// Lines for which the queue had no room.
    crowded_out: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Entry {
    Node(Arc<Node>),
    Line { node: NodeId, label: String, line: LogLine },
}

/// Starts writing nodes' logs in `directory`, where those of `nodes` may be already. How it goes is told to `inbox`. The
/// thread ends when the [`NodeLogs`] is dropped.
pub fn start(directory: &Path, bounds: Bounds, nodes: &[Node], inbox: Inbox) -> io::Result<(NodeLogs, JoinHandle<()>)> {
    let shelf = Shelf::open(directory, bounds, nodes)?;
    let (entries, queue) = sync_channel(QUEUED);
    let crowded_out = Arc::new(AtomicU64::new(0));
    let clerk = Clerk {
        shelf,
        inbox,
        crowded_out: crowded_out.clone(),
        owed: BTreeMap::new(),
        over: BTreeMap::new(),
        trouble: None,
        tally: Tally::default(),
        is_news: true,
        told: None,
    };
    let thread = std::thread::Builder::new().name("node-logs".into()).spawn(move || clerk.work(&queue))?;
    Ok((NodeLogs { entries, crowded_out }, thread))
}

impl NodeLog for NodeLogs {
    fn write(&mut self, effects: &[Effect]) {
        // Where a node is comes first: its file depends on it.
        let nodes = effects.iter().filter_map(|effect| match effect {
            Effect::SaveNode(node) => Some(Entry::Node(node.clone())),
            _ => None,
        });
        let lines = effects.iter().filter_map(|effect| match effect {
            Effect::Log { node, label, line } => {
                Some(Entry::Line { node: *node, label: label.clone(), line: line.clone() })
            }
            _ => None,
        });
        for entry in nodes.chain(lines) {
            let is_line = matches!(entry, Entry::Line { .. });
            if self.entries.try_send(entry).is_err() && is_line {
                self.crowded_out.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// What was left out since the station started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    /// The disk would not have them.
    unwritten: u64,
    /// Their run had said as much as is kept of one.
    over: u64,
    /// Files that made room.
    removed: u64,
}

/// Who writes.
struct Clerk {
    shelf: Shelf,
    inbox: Inbox,
    crowded_out: Arc<AtomicU64>,
    /// Lines of each node that the disk would not have; said in its log when it will again.
    owed: BTreeMap<NodeId, u64>,
    /// Nodes whose run has said too much, and how many lines since.
    over: BTreeMap<NodeId, u64>,
    /// Why the last write failed.
    trouble: Option<String>,
    tally: Tally,
    /// Whether any of this has changed since it was told.
    is_news: bool,
    told: Option<ServiceState>,
}

impl Clerk {
    fn work(mut self, queue: &Receiver<Entry>) {
        loop {
            if self.is_news {
                self.tell();
            }
            match queue.recv_timeout(BEAT) {
                Ok(entry) => self.take(entry),
                Err(RecvTimeoutError::Timeout) => {
                    self.is_news = true;
                    self.pay();
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.pay();
    }

    fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Node(node) => {
                if let Err(err) = self.shelf.heed(&node) {
                    self.failed(&err);
                }
            }
            Entry::Line { node, label, line } => self.line(node, &label, &line),
        }
    }

    fn line(&mut self, node: NodeId, label: &str, line: &LogLine) {
        if self.owed.contains_key(&node) && !self.settle(node, line.at) {
            *self.owed.entry(node).or_default() += 1;
            self.tally.unwritten += 1;
            return;
        }
        // The station's own words are few, and say how it ended.
        let reserve = if line.source == Source::Station { RESERVE } else { 0 };
        match self.shelf.put(node, &written(label, line), reserve) {
            Ok(Put::Written) => {
                self.is_news |= self.shelf.has_removed();
                // Its run is another by now.
                self.over.remove(&node);
            }
            Ok(Put::Full) => {
                self.tally.over += 1;
                self.is_news = true;
                let over = self.over.entry(node).or_default();
                *over += 1;
                if *over == 1 {
                    let said =
                        "this run has said as much as is kept of one: what the machine says is left out from here on";
                    self.say(node, line.at, said);
                }
            }
            Err(err) => {
                self.failed(&err);
                *self.owed.entry(node).or_default() += 1;
                self.tally.unwritten += 1;
            }
        }
    }

    /// Tries what the disk would not have.
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

    /// Says in the node's log what is missing there. False if the disk will not have that either.
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
        let line = format!("{} oxbow: {words}\n", time(at));
        match self.shelf.put(node, &line, 2 * RESERVE) {
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

    /// The services line, when it is another than it was.
    fn tell(&mut self) {
        self.tally.removed += self.shelf.removed();
        let state = self.state();
        if self.told.as_ref() == Some(&state) {
            self.is_news = false;
            return;
        }
        let status = ServiceStatus { name: ServiceName::NodeLogs, state: state.clone(), restarts: 0 };
        if self.inbox.offer(|| Note::Service(status)) {
            self.told = Some(state);
            self.is_news = false;
        }
    }

    fn state(&self) -> ServiceState {
        let Tally { unwritten, over, removed } = self.tally;
        let crowded = self.crowded_out.load(Ordering::Relaxed);
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

/// A line of a file: one, whatever is in it. Who says something never stands where the words of another would.
fn written(label: &str, line: &LogLine) -> String {
    let label: String = text::clean(label, LABEL).chars().map(|c| if c == ' ' { '_' } else { c }).collect();
    format!("{} {label} {} {} {}\n", time(line.at), line.source.word(), line.level.word(), line.text)
}

fn time(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(at.as_millis()).unwrap_or_default()).unwrap_or_default();
    format!("{at:.3}")
}

/// A count to two digits, so that the services line is not another with every line.
fn rough(count: u64) -> String {
    let mut unit = 1;
    while count / unit >= 100 {
        unit *= 10;
    }
    if unit == 1 { count.to_string() } else { format!("more than {}", count / unit * unit) }
}

/// Lines that may wait for the disk.
const QUEUED: usize = 8192;
/// How long after the last line the disk is tried again.
const BEAT: Duration = Duration::from_millis(500);
/// Bytes that a run's file has beyond its bound for what the station says.
const RESERVE: u64 = 64 << 10;
const LABEL: usize = 80;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Instant;

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
        fn new(bounds: Bounds) -> Self {
            let directory = tempfile::TempDir::new().expect("a directory");
            let (inbox, outlet) = inbox();
            let (logs, thread) = start(directory.path(), bounds, &[], inbox).expect("a thread");
            Self { directory, logs, outlet, thread }
        }

        fn says(&mut self, node: u32, source: Source, words: &str) {
            let line = LogLine::new(AT, source, Level::Info, words);
            self.logs.write(&[Effect::Log { node: NodeId(node), label: format!("node {node}"), line }]);
        }

        /// Waits until the services line is as it should be.
        #[track_caller]
        fn shows(&mut self, what: impl Fn(&ServiceState) -> bool) {
            let deadline = Instant::now() + Duration::from_secs(30);
            let mut seen = Vec::new();
            while Instant::now() < deadline {
                match self.outlet.notes.try_recv() {
                    Ok(Note::Service(ServiceStatus { state, .. })) if what(&state) => return,
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
        let mut bench = Bench::new(Bounds::default());
        let in_the_way = bench.directory.path().join("node-00001.log");
        fs::create_dir(&in_the_way).expect("a directory");
        bench.says(1, Source::Syslog, "lost");
        bench.says(1, Source::Syslog, "lost too");
        bench.says(2, Source::Syslog, "another's is kept");
        bench.shows(|state| matches!(state, ServiceState::Down { what, .. } if what.ends_with("so far: 2")));
        fs::remove_dir(&in_the_way).expect("it was there");
        bench.shows(|state| matches!(state, ServiceState::Up { at } if at.contains("2 lines left out for want")));
        bench.says(1, Source::Syslog, "kept");
        let directory = bench.end();
        let of_first = text(directory.path(), 1);
        let lines: Vec<&str> = of_first.lines().collect();
        assert!(lines[0].ends_with("oxbow: 2 lines are missing here: they could not be written"), "{lines:?}");
        assert!(lines.len() == 2 && lines[1].ends_with(" node_1 syslog info kept"), "{lines:?}");
        assert!(text(directory.path(), 2).ends_with("another's is kept\n"));
    }

    #[test]
    fn a_machine_that_floods_is_cut_short_and_what_the_station_says_of_it_is_not() {
        let mut bench = Bench::new(Bounds { run: 400, ..Bounds::default() });
        for _ in 0..50 {
            bench.says(1, Source::Syslog, "a line of a kernel in a circle");
        }
        bench.shows(|state| matches!(state, ServiceState::Up { at } if at.contains("of runs that say too much")));
        bench.says(1, Source::Station, "failed writing: the disk");
        let directory = bench.end();
        let said = text(directory.path(), 1);
        assert_eq!(said.matches("is left out from here on").count(), 1, "{said}");
        assert!(said.ends_with(" station info failed writing: the disk\n"), "{said}");
        assert!(said.matches("in a circle").count() < 10, "{said}");
    }

    #[test]
    fn a_machine_cannot_write_a_line_that_looks_like_anothers_or_the_stations() {
        let mut bench = Bench::new(Bounds::default());
        let forged = "\n2026-05-03T10:00:00.000Z node_2 station info provisioned\r\u{85}\u{2028}\u{b}more";
        bench.says(1, Source::Syslog, forged);
        let line = LogLine::new(AT, Source::Agent, Level::Error, forged);
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

    #[test]
    fn counts_are_said_roughly() {
        assert_eq!([7, 99, 100, 1234].map(rough), ["7", "99", "more than 100", "more than 1200"]);
    }
}
