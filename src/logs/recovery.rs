//! What the nodes' log files have from before the start of the station: the lines that a node's screen shows again, and
//! which lines of its agents they have, so that lines that an agent repeats are not stored twice.
//!
//! The files decide, and not the database: a line is acknowledged when it is in the file, also if the station is killed
//! before the database has it.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use tracing::warn;

use super::files::{FileKey, name_of, place_of};
use super::line::{self, Short};
use crate::domain::ids::NodeId;
use crate::domain::logline::{LogLine, LogTail, TAIL};
use crate::domain::node::Node;

/// Restores the lines of `nodes` from their files in `directory`.
pub fn recall<'n>(directory: &Path, nodes: impl IntoIterator<Item = &'n mut Node>) {
    let mut files = files(directory);
    for node in nodes {
        let of_node = files.remove(&node.id).unwrap_or_default();
        if let Err(err) = remind(node, directory, &of_node) {
            warn!(node = node.label(), "its log cannot be read again: {err}");
        }
    }
}

/// The counts of each node's files, the newest first.
fn files(directory: &Path) -> BTreeMap<NodeId, Vec<u32>> {
    let mut files: BTreeMap<NodeId, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if let Some((node, count)) = entry.file_name().to_str().and_then(place_of) {
            files.entry(node).or_default().push(count);
        }
    }
    for counts in files.values_mut() {
        // 0 is the current one, and of the others the highest is the newest.
        counts.sort_by_key(|count| count.checked_sub(1).map_or(0, |count| u32::MAX - count));
    }
    files
}

/// Reads the node's files from their ends, as far as needed.
fn remind(node: &mut Node, directory: &Path, counts: &[u32]) -> io::Result<()> {
    let mut lines: VecDeque<LogLine> = VecDeque::new();
    // An agent of an earlier run may still send lines.
    let mut next: BTreeMap<Short, Option<u32>> =
        node.runs.iter().rev().take(RUNS).map(|run| (Short::of(run.id), None)).collect();
    for count in counts.iter().take(FILES) {
        let place: FileKey = (node.id, *count);
        let file = File::open(directory.join(name_of(place)))?;
        backwards(&file, |said| {
            let Some(said) = line::read(said) else { return true };
            if lines.len() < TAIL && !said.is_remark {
                let line = LogLine::new(said.at, said.source, said.level, said.text);
                lines.push_front(line.by_its_clock(said.by_its_clock));
            }
            if let Some(mark) = said.mark
                && let Some(next @ None) = next.get_mut(&mark.run)
            {
                *next = Some(mark.number.saturating_add(1));
            }
            lines.len() < TAIL || next.values().any(Option::is_none)
        })?;
    }
    if !lines.is_empty() {
        let mut tail = LogTail::default();
        lines.into_iter().for_each(|line| tail.push(line));
        node.log = tail;
    }
    for run in &mut node.runs {
        if let Some(next) = next.get(&Short::of(run.id)) {
            // An agent that the file has nothing of repeats what it was not acknowledged, and no more.
            run.next_log = next.unwrap_or(0);
        }
    }
    Ok(())
}

/// Passes whole lines to `and_on`, the last one first, until it returns false.
fn backwards(file: &File, mut and_on: impl FnMut(&str) -> bool) -> io::Result<()> {
    let mut begin = last_line_ends(file, file.metadata()?.len())?;
    // What is read of a line whose beginning is further ahead.
    let mut rest: Vec<u8> = Vec::new();
    while begin > 0 {
        let from = begin.saturating_sub(PIECE);
        let mut piece = vec![0; usize::try_from(begin - from).unwrap_or_default()];
        file.read_exact_at(&mut piece, from)?;
        begin = from;
        piece.append(&mut rest);
        let whole =
            if begin == 0 { 0 } else { piece.iter().position(|c| *c == b'\n').map_or(piece.len(), |at| at + 1) };
        for said in piece[whole..].split(|c| *c == b'\n').rev() {
            if !said.is_empty() && !and_on(&String::from_utf8_lossy(said)) {
                return Ok(());
            }
        }
        piece.truncate(whole);
        rest = piece;
        if rest.len() > LONGEST {
            return Ok(());
        }
    }
    Ok(())
}

/// Where the last whole line of a file of so many bytes ends.
pub(super) fn last_line_ends(file: &File, bytes: u64) -> io::Result<u64> {
    let mut end = bytes;
    while end > 0 {
        let from = end.saturating_sub(PIECE);
        let mut piece = vec![0; usize::try_from(end - from).unwrap_or_default()];
        file.read_exact_at(&mut piece, from)?;
        if let Some(at) = piece.iter().rposition(|c| *c == b'\n') {
            return Ok(from + at as u64 + 1);
        }
        end = from;
    }
    Ok(0)
}

/// Bytes that are read at once.
const PIECE: u64 = 64 << 10;
/// A longer line is not one of a log.
const LONGEST: usize = 1 << 20;
/// Files of a node that are looked into, and runs that are looked for.
const FILES: usize = 2;
const RUNS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::node::run::Run;
    use crate::domain::time::Timestamp;

    fn node(next_log: u32) -> Node {
        let mut node = Node::new(NodeId(7), Timestamp::default());
        let id = format!("5f3a9c01{}", "0".repeat(24)).parse().expect("a run");
        node.runs.push(Run { next_log, ..Run::begin(id, "demo".parse().expect("a profile"), Timestamp::default()) });
        node
    }

    fn said(number: u32) -> String {
        format!("2026-05-03T10:00:00.000Z press-07 agent:5f3a9c01.{number} info line {number}\n")
    }

    fn recalled(files: &[(&str, String)], next_log: u32) -> (u32, Vec<String>) {
        let directory = tempfile::TempDir::new().expect("a directory");
        for (name, text) in files {
            fs::write(directory.path().join(name), text).expect("a file");
        }
        let mut node = node(next_log);
        recall(directory.path(), [&mut node]);
        (node.runs[0].next_log, node.log.lines().map(|line| line.text.to_string()).collect())
    }

    #[test]
    fn a_station_goes_on_after_the_last_line_that_is_in_the_file_whatever_the_store_says() {
        let file = [("node-00007.log", (0..=40).map(said).collect())];
        assert_eq!(recalled(&file, 12).0, 41, "killed before it was stored");
        assert_eq!(recalled(&file, 90).0, 41, "killed before it was written");
        assert_eq!(recalled(&[], 90), (0, Vec::new()), "somebody has removed the file");
        let lines = recalled(&file, 0).1;
        assert_eq!((lines.len(), lines[0].as_str(), lines[40].as_str()), (41, "line 0", "line 40"));
    }

    #[test]
    fn half_a_line_at_the_end_counts_for_nothing() {
        let text = said(0) + &said(1) + "2026-05-03T10:00:00.000Z press-07 agent:5f3a9c01.2 info li";
        assert_eq!(recalled(&[("node-00007.log", text)], 3).0, 2);
        assert_eq!(recalled(&[("node-00007.log", "no line at all".into())], 3).0, 0);
    }

    #[test]
    fn an_agents_last_line_is_found_behind_megabytes_of_others() {
        let other = "2026-05-03T10:00:00.000Z press-07 syslog info a kernel that says the same in a circle\n";
        let text = said(0) + &said(1) + &other.repeat(30_000);
        let (next, lines) = recalled(&[("node-00007.log", text)], 0);
        assert_eq!((next, lines.len()), (2, TAIL));
    }

    #[test]
    fn what_the_screen_shows_again_goes_back_to_the_run_before() {
        let files = [
            ("node-00007.001.log", said(9).replace("5f3a9c01", "00000000")),
            ("node-00007.002.log", said(5)),
            ("node-00007.log", "2026-05-03T10:00:01.000Z press-07 station info seen\n".into()),
        ];
        assert_eq!(recalled(&files, 0), (6, vec!["line 5".into(), "seen".into()]));
    }
}
