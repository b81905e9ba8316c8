//! A search and its result.

use std::collections::HashMap;
use std::fs::File;

use rusqlite::ToSql;

use super::files::{head, line_at, present};
use super::{IndexError, LogIndex};
use crate::domain::ids::NodeId;
use crate::domain::logline::Level;
use crate::domain::time::Timestamp;
use crate::logs::line::Short;

/// The conditions of a search; a line must meet all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchQuery {
    pub node: Option<NodeId>,
    /// The first eight hex digits of a run, or more of them.
    pub run: Option<String>,
    /// This one or worse.
    pub level: Option<Level>,
    pub since: Option<Timestamp>,
    /// This moment too.
    pub until: Option<Timestamp>,
    /// Each is in the line, or is the beginning of a word of it, whatever its case.
    pub words: Vec<String>,
}

/// The lines that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchResult {
    /// As they are in the files, the oldest first.
    pub lines: Vec<String>,
    /// There are older ones that are not among them.
    pub has_more: bool,
}

impl LogIndex {
    /// The newest lines that meet the conditions, at most so many.
    pub fn search(&self, question: &SearchQuery, most: usize) -> Result<SearchResult, IndexError> {
        let run = match question.run.as_deref().map(|run| Short::read(run.get(..8).unwrap_or(run))) {
            Some(None) => return Ok(SearchResult::default()),
            Some(Some(run)) => Some(i64::from(run.number())),
            None => None,
        };
        let node = question.node.map(|node| i64::from(node.0));
        let level = question.level.map(rank);
        let moment = |at: Timestamp| i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
        let (since, until) = (question.since.map(moment), question.until.map(moment));
        let beginnings = beginnings(&question.words);

        let mut sql = "SELECT l.place, f.node, f.place, f.head FROM lines l JOIN files f ON f.id = l.file".to_owned();
        let mut wanted: Vec<&dyn ToSql> = Vec::new();
        let mut conditions: Vec<String> = Vec::new();
        let mut want = |condition: &str, value| {
            wanted.push(value);
            conditions.push(condition.replace('?', &format!("?{}", wanted.len())));
        };
        if let Some(words) = &beginnings {
            want("l.id IN (SELECT rowid FROM words WHERE words MATCH ?)", words);
        }
        if let Some(node) = &node {
            want("f.node = ?", node);
        }
        if let Some(run) = &run {
            want("l.run = ?", run);
        }
        if let Some(level) = &level {
            want("l.level >= ?", level);
        }
        if let Some(since) = &since {
            want("l.at >= ?", since);
        }
        if let Some(until) = &until {
            want("l.at <= ?", until);
        }
        if !conditions.is_empty() {
            sql = format!("{sql} WHERE {}", conditions.join(" AND "));
        }
        sql.push_str(" ORDER BY l.at DESC, l.id DESC");

        let words: Vec<String> = question.words.iter().map(|word| word.to_lowercase()).collect();
        let (mut answer, mut files) = (SearchResult::default(), FilesToRead { index: self, open: HashMap::new() });
        let mut found = self.connection.prepare(&sql)?;
        let mut rows = found.query(wanted.as_slice())?;
        while let Some(row) = rows.next()? {
            let (place, node, count): (i64, u32, u32) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let place = u64::try_from(place).unwrap_or_default();
            let head = row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?;
            // The file may have been removed since.
            let Some(line) = files.line((NodeId(node), count), head, place)? else { continue };
            let said = line.split_once(' ').map_or("", |(_, said)| said).to_lowercase();
            if !words.iter().all(|word| said.contains(word.as_str())) {
                continue;
            }
            if answer.lines.len() == most {
                answer.has_more = true;
                break;
            }
            answer.lines.push(line);
        }
        answer.lines.reverse();
        Ok(answer)
    }
}

/// Files that lines are read from.
struct FilesToRead<'i> {
    index: &'i LogIndex,
    open: HashMap<(NodeId, String), Option<File>>,
}

impl FilesToRead<'_> {
    fn line(&mut self, place: (NodeId, u32), first: &str, at: u64) -> Result<Option<String>, IndexError> {
        let key = (place.0, first.to_owned());
        if !self.open.contains_key(&key) {
            if self.open.len() >= OPEN {
                self.open.clear();
            }
            let file = self.find(place, first)?;
            self.open.insert(key.clone(), file);
        }
        match self.open.get(&key) {
            Some(Some(file)) => Ok(line_at(file, at)?),
            Some(None) | None => Ok(None),
        }
    }

    /// The file that begins so; it may have been set aside by now.
    fn find(&self, place: (NodeId, u32), first: &str) -> Result<Option<File>, IndexError> {
        let logs = &self.index.logs;
        let is_it =
            |place| Ok::<_, IndexError>(head(logs, place)?.filter(|(_, head)| head == first).map(|(file, _)| file));
        if let Some(file) = is_it(place)? {
            return Ok(Some(file));
        }
        for other in present(logs)?.into_iter().filter(|other| other.place.0 == place.0) {
            if let Some(file) = is_it(other.place)? {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }
}

/// The words in FTS5's language, as far as its index can tell lines by them: the runs of letters and digits, each the
/// beginning of a word. The line itself is looked at afterwards.
fn beginnings(words: &[String]) -> Option<String> {
    // Beyond ASCII the index splits words differently than people.
    let plain = words.iter().filter(|word| word.is_ascii());
    let parts = plain.flat_map(|word| word.split(|c: char| !c.is_ascii_alphanumeric())).filter(|part| !part.is_empty());
    let parts: Vec<String> = parts.map(|part| format!("\"{part}\"*")).collect();
    (!parts.is_empty()).then(|| parts.join(" AND "))
}

/// A level as it is stored.
pub(super) fn rank(level: Level) -> i64 {
    match level {
        Level::Unknown | Level::Info => 0,
        Level::Warning => 1,
        Level::Error => 2,
    }
}

/// Files kept open.
const OPEN: usize = 128;
