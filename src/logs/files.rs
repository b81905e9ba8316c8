//! The nodes' log files: which file a line belongs to, and how much of the disk all of them may take.
//!
//! ```text
//! node-00007.log        what happens to node 7 now
//! node-00007.001.log    an earlier run of it, set aside when the next one began
//! ```
//!
//! `tracing-appender` rotates by time alone; here a file is a run, and sizes are what is bounded.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::domain::ids::{NodeId, RunId};
use crate::domain::node::Node;
use crate::domain::time::Timestamp;

/// How much the files may take, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogBounds {
    /// One run. Later lines of a machine are left out, so that the beginning of its run stays.
    pub run: u64,
    /// All runs of a node; the oldest goes first.
    pub node: u64,
    /// All nodes; the oldest run that has ended goes first.
    pub total: u64,
}

impl Default for LogBounds {
    fn default() -> Self {
        Self { run: 8 << 20, node: 32 << 20, total: 1 << 30 }
    }
}

/// The result of writing a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    Written,
    /// The run has reached its bound.
    Full,
}

/// The directory with all files, and what is known about them.
#[derive(Debug)]
pub(super) struct LogFiles {
    directory: PathBuf,
    bounds: LogBounds,
    files: BTreeMap<FileKey, FileSize>,
    total: u64,
    /// Counts up with every write: the order in which files were written last.
    clock: u64,
    open: HashMap<NodeId, File>,
    /// The run that a node's current file is of, once it has one.
    held: BTreeMap<NodeId, Held>,
    /// Runs whose files were removed since somebody asked.
    removed: u64,
}

/// A node, and which of its files: 0 is the current one.
pub(super) type FileKey = (NodeId, u32);

#[derive(Clone, Copy, Debug)]
struct FileSize {
    bytes: u64,
    written: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    run: RunId,
    is_open: bool,
    /// When the machine was switched on for it.
    attempt: Option<Timestamp>,
}

impl Held {
    fn of(node: &Node) -> Option<Self> {
        let run = node.run()?;
        Some(Self { run: run.id, is_open: run.is_open(), attempt: attempt(node) })
    }
}

fn attempt(node: &Node) -> Option<Timestamp> {
    node.stages.first().map(|(_, at)| *at)
}

impl LogFiles {
    /// Reads which files are in `directory`, which is created if it is missing.
    pub(super) fn open(directory: &Path, bounds: LogBounds, nodes: &[Node]) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let mut found: Vec<(SystemTime, FileKey, u64)> = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let Some(place) = entry.file_name().to_str().and_then(place_of) else { continue };
            let about = entry.metadata()?;
            let bytes = if place.1 == 0 && about.is_file() { whole_lines(&entry.path())? } else { about.len() };
            found.push((about.modified()?, place, bytes));
        }
        found.sort_unstable();
        let files: BTreeMap<FileKey, FileSize> = (0..)
            .zip(&found)
            .map(|(written, (_, place, bytes))| (*place, FileSize { bytes: *bytes, written }))
            .collect();
        let held = nodes.iter().filter_map(|node| Some((node.id, Held::of(node)?))).collect();
        Ok(Self {
            directory: directory.to_owned(),
            bounds,
            total: files.values().map(|size| size.bytes).sum(),
            clock: files.len() as u64,
            files,
            open: HashMap::new(),
            held,
            removed: 0,
        })
    }

    /// Follows the state of `node`: a file is set aside when the next run begins. True when a run begins.
    pub(super) fn heed(&mut self, node: &Node) -> io::Result<bool> {
        let now = Held::of(node);
        let held = self.held.get(&node.id).copied();
        let is_over = held.is_some_and(|held| {
            let is_another = now.is_some_and(|now| now.run != held.run);
            // Switched on again after a run: what comes now is the beginning of the next.
            let is_ended = now.is_some_and(|now| !now.is_open);
            let is_again = is_ended && attempt(node).is_some() && attempt(node) != held.attempt;
            is_another || is_again
        });
        if is_over {
            self.set_aside(node.id)?;
            self.held.remove(&node.id);
        }
        if let Some(now) = now.filter(|now| now.is_open || held.is_some_and(|held| held.run == now.run && !is_over)) {
            let before = self.held.insert(node.id, now);
            return Ok(before.is_none_or(|before| before.run != now.run));
        }
        Ok(false)
    }

    /// Adds `lines`, each of which ends with a line break, to the node's current file: all of them or none. `reserve`
    /// more bytes than a run has are for what must not be left out.
    pub(super) fn put(&mut self, node: NodeId, lines: &str, reserve: u64) -> io::Result<Put> {
        let place = (node, 0);
        let before = self.files.get(&place).map_or(0, |size| size.bytes);
        let more = lines.len() as u64;
        if before + more > self.bounds.run + reserve {
            return Ok(Put::Full);
        }
        if let Err(err) = self.append(node, lines) {
            // Half a line would be part of the next.
            if let Some(file) = self.open.remove(&node) {
                file.set_len(before)?;
            }
            return Err(err);
        }
        self.clock += 1;
        self.files.insert(place, FileSize { bytes: before + more, written: self.clock });
        self.total += more;
        while self.total > self.bounds.total {
            let Some(oldest) = self.oldest(|(other, count)| count > 0 || !self.is_at_work(other) && other != node)
            else {
                break;
            };
            self.remove(oldest)?;
        }
        Ok(Put::Written)
    }

    /// Whether files made room for others since somebody asked how many.
    pub(super) fn has_removed(&self) -> bool {
        self.removed > 0
    }

    /// How many files made room for others since this was last asked.
    pub(super) fn removed(&mut self) -> u64 {
        std::mem::take(&mut self.removed)
    }

    fn append(&mut self, node: NodeId, lines: &str) -> io::Result<()> {
        if self.open.len() > OPEN_FILES {
            self.open.clear();
        }
        let path = self.path((node, 0));
        let mut file = match self.open.remove(&node) {
            Some(file) => file,
            None => OpenOptions::new().create(true).append(true).open(path)?,
        };
        let written = file.write_all(lines.as_bytes());
        self.open.insert(node, file);
        written
    }

    fn set_aside(&mut self, node: NodeId) -> io::Result<()> {
        let Some(size) = self.files.get(&(node, 0)).copied() else { return Ok(()) };
        let highest = self.of(node).next_back().map_or(0, |(_, count)| count);
        let place = (node, highest + 1);
        self.open.remove(&node);
        fs::rename(self.path((node, 0)), self.path(place))?;
        self.files.remove(&(node, 0));
        self.files.insert(place, size);
        // The next run has the room of one too.
        let allowed = self.bounds.node.saturating_sub(self.bounds.run);
        loop {
            let earlier: BTreeSet<FileKey> = self.of(node).filter(|(_, count)| *count > 0).collect();
            let bytes: u64 = earlier.iter().map(|place| self.files[place].bytes).sum();
            match earlier.first() {
                Some(oldest) if bytes > allowed || earlier.len() > RUNS => self.remove(*oldest)?,
                Some(_) | None => return Ok(()),
            }
        }
    }

    fn of(&self, node: NodeId) -> impl DoubleEndedIterator<Item = FileKey> + '_ {
        self.files.range((node, 0)..=(node, u32::MAX)).map(|(place, _)| *place)
    }

    fn is_at_work(&self, node: NodeId) -> bool {
        self.held.get(&node).is_some_and(|held| held.is_open)
    }

    /// The file that was written last before all others of those that may go.
    fn oldest(&self, may_go: impl Fn(FileKey) -> bool) -> Option<FileKey> {
        let files = self.files.iter().filter(|(place, _)| may_go(**place));
        files.min_by_key(|(_, size)| size.written).map(|(place, _)| *place)
    }

    fn remove(&mut self, place: FileKey) -> io::Result<()> {
        match fs::remove_file(self.path(place)) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
            Ok(()) | Err(_) => {}
        }
        if place.1 == 0 {
            self.open.remove(&place.0);
        }
        self.total -= self.files.remove(&place).map_or(0, |size| size.bytes);
        self.removed += 1;
        Ok(())
    }

    fn path(&self, place: FileKey) -> PathBuf {
        self.directory.join(name_of(place))
    }
}

pub(super) fn name_of((node, count): FileKey) -> String {
    match count {
        0 => format!("node-{:05}.log", node.0),
        count => format!("node-{:05}.{count:03}.log", node.0),
    }
}

/// Removes an incomplete last line, which a process that was killed left and had not acknowledged; returns the bytes
/// left.
fn whole_lines(path: &Path) -> io::Result<u64> {
    let file = File::options().read(true).write(true).open(path)?;
    let bytes = file.metadata()?.len();
    let end = super::recovery::last_line_ends(&file, bytes)?;
    if end < bytes {
        file.set_len(end)?;
    }
    Ok(end)
}

/// The node and the number of the file with this name.
pub(super) fn place_of(name: &str) -> Option<FileKey> {
    let numbers = name.strip_prefix("node-")?.strip_suffix(".log")?;
    let (node, count) = numbers.split_once('.').unwrap_or((numbers, "0"));
    Some((NodeId(node.parse().ok()?), count.parse().ok()?))
}

/// Files kept open; past that all are closed and opened again as needed.
const OPEN_FILES: usize = 256;
/// Earlier runs of a node.
const RUNS: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::node::phase::Stage;
    use crate::domain::node::run::{Run, RunOutcome};

    const BOUNDS: LogBounds = LogBounds { run: 100, node: 300, total: 1000 };

    struct Bench {
        directory: tempfile::TempDir,
        files: LogFiles,
    }

    impl Bench {
        fn new() -> Self {
            let directory = tempfile::TempDir::new().expect("a directory");
            let files = LogFiles::open(directory.path(), BOUNDS, &[]).expect("log files");
            Self { directory, files }
        }

        fn says(&mut self, node: u32, words: &str) -> Put {
            self.files.put(NodeId(node), &format!("{words}\n"), 0).expect("there is room")
        }

        /// A whole run that says these words.
        fn runs(&mut self, node: &mut Node, number: u8, words: &str) {
            begin(node, number);
            self.files.heed(node).expect("it is taken in");
            self.says(node.id.0, words);
            let at = Timestamp::from_millis(u64::from(number) * 10 + 5);
            node.runs.last_mut().expect("a run").end(at, RunOutcome::Proven);
            self.files.heed(node).expect("it is taken in");
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(self.directory.path()).expect("the directory");
            let mut names: Vec<String> =
                entries.map(|entry| entry.expect("a file").file_name().into_string().expect("a name")).collect();
            names.sort();
            names
        }

        fn text(&self, name: &str) -> String {
            fs::read_to_string(self.directory.path().join(name)).unwrap_or_default()
        }
    }

    fn begin(node: &mut Node, number: u8) {
        let at = Timestamp::from_millis(u64::from(number) * 10);
        node.stages = vec![(Stage::Seen, at)];
        let id = format!("{number:032x}").parse().expect("a run");
        node.runs.push(Run::begin(id, "demo".parse().expect("a profile"), at));
    }

    fn node(id: u32) -> Node {
        Node::new(NodeId(id), Timestamp::default())
    }

    #[test]
    fn the_next_run_of_a_machine_has_a_file_of_its_own_from_power_on() {
        let (mut bench, mut node) = (Bench::new(), node(7));
        bench.says(7, "seen");
        bench.runs(&mut node, 1, "first");
        bench.says(7, "after it");
        node.stages = vec![(Stage::Seen, Timestamp::from_millis(20))];
        bench.files.heed(&node).expect("it is taken in");
        bench.says(7, "seen again");
        begin(&mut node, 2);
        bench.files.heed(&node).expect("it is taken in");
        bench.says(7, "second");
        assert_eq!(bench.names(), ["node-00007.001.log", "node-00007.log"]);
        assert_eq!(bench.text("node-00007.001.log"), "seen\nfirst\nafter it\n");
        assert_eq!(bench.text("node-00007.log"), "seen again\nsecond\n");
    }

    #[test]
    fn a_station_that_starts_again_goes_on_in_the_file_of_the_run() {
        let (mut bench, mut node) = (Bench::new(), node(7));
        begin(&mut node, 1);
        bench.files.heed(&node).expect("it is taken in");
        bench.says(7, "before");
        bench.files = LogFiles::open(bench.directory.path(), BOUNDS, &[node.clone()]).expect("the same files");
        bench.files.heed(&node).expect("it is taken in");
        bench.says(7, "after");
        assert_eq!((bench.names().len(), bench.text("node-00007.log")), (1, "before\nafter\n".into()));
    }

    #[test]
    fn a_machine_that_says_too_much_keeps_the_beginning_of_its_run() {
        let mut bench = Bench::new();
        let said: Vec<Put> = (0..5).map(|_| bench.says(7, &"x".repeat(29))).collect();
        assert_eq!(said, [Put::Written, Put::Written, Put::Written, Put::Full, Put::Full]);
        assert_eq!(bench.files.put(NodeId(7), "failed\n", 50).expect("there is room"), Put::Written);
        assert!(bench.text("node-00007.log").ends_with("x\nfailed\n"));
    }

    #[test]
    fn of_a_nodes_runs_the_oldest_makes_room() {
        let (mut bench, mut node) = (Bench::new(), node(7));
        for number in 1..=5 {
            bench.runs(&mut node, number, &format!("{number}").repeat(89));
        }
        assert_eq!(bench.names(), ["node-00007.003.log", "node-00007.004.log", "node-00007.log"]);
        assert_eq!(bench.files.removed(), 2);
    }

    #[test]
    fn of_all_runs_the_oldest_that_has_ended_makes_room_and_never_one_that_works() {
        let mut bench = Bench::new();
        let mut at_work = node(1);
        begin(&mut at_work, 1);
        bench.files.heed(&at_work).expect("it is taken in");
        bench.says(1, &"x".repeat(89));
        for id in 2..=13 {
            bench.runs(&mut node(id), 2, &"x".repeat(89));
        }
        let names = bench.names();
        assert_eq!(names.len(), 11, "{names:?}");
        assert_eq!(names[..3], ["node-00001.log", "node-00004.log", "node-00005.log"]);
        assert!(bench.files.total <= BOUNDS.total);
    }
}
