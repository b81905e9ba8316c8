//! The search through the nodes' log files: by node, run, level, time and words.
//!
//! ```text
//! files ──► catch up: what is new of each, some thousand lines in a transaction ──► search.db ──► which lines, where
//!   └────────────────────────────────────────── the lines themselves ◄─────────────────────────────────┘
//! ```
//!
//! The files decide. The index knows where in them lines begin, which words they have (SQLite's FTS5, without the
//! text), and how far it has read each file: in the same transaction, so that it may be killed at any time. It is a
//! database of its own, so that nothing waits for it. A lost or damaged index is created again. Lines that are no
//! longer in the files are removed, so that it is bounded as they are (about two thirds of their size). Each search
//! updates it first, whether a station runs or not.

mod files;
mod search;

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{fs, io};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};
use tracing::warn;

use self::files::{LogFile, head, present};
use super::files::FileKey;
use super::line::{self, Short};

pub use search::{SearchQuery, SearchResult};

/// Why the logs cannot be searched.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    #[error("the index of the logs cannot be used")]
    Database(#[from] rusqlite::Error),
    #[error("the nodes' logs cannot be read")]
    Files(#[from] io::Error),
}

/// An open index of the files in a directory.
pub struct LogIndex {
    connection: Connection,
    file: PathBuf,
    logs: PathBuf,
    /// The database's inode: a database that was replaced is opened again.
    inode: u64,
    /// Files as they were when they had been read, by inode and place: they need not be opened to see that nothing is
    /// new.
    known: HashMap<(u64, FileKey), IndexedFile>,
    /// The index may have lines of files that are gone.
    may_hold_more: bool,
    may_write: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct IndexedFile {
    id: i64,
    bytes: u64,
}

impl LogIndex {
    /// Opens the index in `file` of the nodes' logs in `logs`, or creates it. Without write permission it is searched
    /// as it is.
    pub fn open(file: &Path, logs: &Path) -> Result<Self, IndexError> {
        let opened = Self::ready(file).or_else(|err| {
            if may_not_write(&err) {
                let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                return Ok((Connection::open_with_flags(file, read_only)?, false));
            }
            if !is_spoilt(&err) {
                return Err(err);
            }
            warn!("the index of the logs is damaged and is created again: {err}");
            remove(file);
            Self::ready(file)
        });
        let (connection, may_write) = opened?;
        let (file, logs) = (file.to_owned(), logs.to_owned());
        Ok(Self { connection, inode: inode(&file), file, logs, known: HashMap::new(), may_hold_more: true, may_write })
    }

    fn ready(file: &Path) -> rusqlite::Result<(Connection, bool)> {
        let mut connection = Connection::open(file)?;
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        // What a power cut loses is read from the files again.
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
        let version =
            |connection: &Connection| connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
        if version(&connection)? != VERSION {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            // Another process may have created it meanwhile.
            if version(&transaction)? != VERSION {
                transaction.execute_batch(SCHEMA)?;
                transaction.pragma_update(None, "user_version", VERSION)?;
            }
            transaction.commit()?;
        }
        Ok((connection, true))
    }

    /// Reads new lines of the files, up to a bound. True when there are more.
    pub fn catch_up(&mut self) -> Result<bool, IndexError> {
        if !self.may_write {
            return Ok(false);
        }
        if inode(&self.file) != self.inode {
            *self = Self::open(&self.file, &self.logs)?;
        }
        match self.read_on() {
            Err(IndexError::Database(err)) if is_spoilt(&err) => {
                warn!("the index of the logs is damaged and is created again: {err}");
                remove(&self.file);
                *self = Self::open(&self.file, &self.logs)?;
                Ok(true)
            }
            outcome => outcome,
        }
    }

    fn read_on(&mut self) -> Result<bool, IndexError> {
        let present = present(&self.logs)?;
        let keys: HashSet<(u64, FileKey)> = present.iter().map(LogFile::key).collect();
        let before = self.known.len();
        self.known.retain(|key, _| keys.contains(key));
        self.may_hold_more |= self.known.len() < before;
        let is_news = |found: &&LogFile| self.known.get(&found.key()).is_none_or(|known| known.bytes != found.bytes);
        let fresh: Vec<LogFile> = present.iter().filter(is_news).copied().collect();
        if fresh.is_empty() && !self.may_hold_more {
            return Ok(false);
        }
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (mut room, mut read) = (LINES, Vec::new());
        for found in &fresh {
            if room == 0 {
                break;
            }
            if let Some(known) = take_in(&transaction, &self.logs, found, &mut room)? {
                read.push((found.key(), known));
            }
        }
        let has_more = room == 0;
        if self.may_hold_more && !has_more {
            let there = self.known.values().chain(read.iter().map(|(_, known)| known)).map(|known| known.id);
            forget_others(&transaction, &there.collect())?;
        }
        transaction.commit()?;
        // Only what is on the disk counts.
        self.known.extend(read);
        self.may_hold_more &= has_more;
        Ok(has_more)
    }
}

/// Reads what is new of one file, at most `room` lines. None while it has no whole line.
fn take_in(
    to: &Transaction<'_>,
    logs: &Path,
    found: &LogFile,
    room: &mut usize,
) -> Result<Option<IndexedFile>, IndexError> {
    let Some((file, head)) = head(logs, found.place)? else { return Ok(None) };
    let (node, count) = (found.place.0.0, found.place.1);
    let known: Option<(i64, i64, Option<u32>)> = to
        .prepare_cached("SELECT id, bytes, run FROM files WHERE node = ?1 AND head = ?2")?
        .query_row(params![node, head], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<u32>>(2)?)))
        .optional()?;
    let (id, mut at, mut run): (i64, u64, Option<u32>) = match known {
        Some((id, bytes, run)) if bytes.cast_unsigned() <= found.bytes => (id, bytes.cast_unsigned(), run),
        // It was longer before: it was cut.
        Some((id, ..)) => {
            forget_lines(to, id)?;
            (id, 0, None)
        }
        None => {
            let sql = "INSERT INTO files(node, head, place, bytes) VALUES (?1, ?2, ?3, 0)";
            to.prepare_cached(sql)?.execute(params![node, head, count])?;
            (to.last_insert_rowid(), 0, None)
        }
    };
    let mut lines = to.prepare_cached("INSERT INTO lines(file, place, at, level, run) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    let mut words = to.prepare_cached("INSERT INTO words(rowid, said) VALUES (?1, ?2)")?;
    let mut failed = Ok(());
    let begun_without = run.is_none();
    at = files::read(&file, at, *room, |place, said| {
        let Some(read) = line::read(said) else { return };
        let begins = read.is_remark.then(|| begun(read.text)).flatten();
        if let Some(now) = read.mark.map(|mark| mark.run).or(begins) {
            run = Some(now.number());
        }
        *room = room.saturating_sub(1);
        if failed.is_ok() {
            let level = search::rank(read.level);
            let moment = i64::try_from(read.at.as_millis()).unwrap_or(i64::MAX);
            failed = lines
                .execute(params![id, place.cast_signed(), moment, level, run])
                .and_then(|_| {
                    words.execute(params![to.last_insert_rowid(), said.split_once(' ').map(|(_, said)| said)])
                })
                .map(drop);
        }
    })?;
    failed?;
    // Lines between the start of the file and the run belong to the run too.
    if begun_without && run.is_some() {
        to.prepare_cached("UPDATE lines SET run = ?2 WHERE file = ?1 AND run IS NULL")?.execute(params![id, run])?;
    }
    to.prepare_cached("UPDATE files SET place = ?2, bytes = ?3, run = ?4 WHERE id = ?1")?.execute(params![
        id,
        count,
        at.cast_signed(),
        run
    ])?;
    Ok(Some(IndexedFile { id, bytes: at }))
}

/// The run whose beginning a remark notes.
fn begun(remark: &str) -> Option<Short> {
    Short::read(remark.strip_prefix("run ")?.split(' ').next()?)
}

/// Removes lines of all files but these.
fn forget_others(to: &Transaction<'_>, there: &HashSet<i64>) -> rusqlite::Result<()> {
    let ids = to.prepare("SELECT id FROM files")?.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    for id in ids.into_iter().filter(|id| !there.contains(id)) {
        forget_lines(to, id)?;
        to.execute("DELETE FROM files WHERE id = ?1", [id])?;
    }
    Ok(())
}

fn forget_lines(to: &Transaction<'_>, file: i64) -> rusqlite::Result<()> {
    to.execute("DELETE FROM words WHERE rowid IN (SELECT id FROM lines WHERE file = ?1)", [file])?;
    to.execute("DELETE FROM lines WHERE file = ?1", [file]).map(drop)
}

/// The thread that keeps an index up to date. It ends when this is dropped.
#[derive(Debug)]
pub struct IndexUpdater {
    _end: Sender<()>,
}

/// Keeps the index in `file` of `logs` up to date, on a thread of its own, which works half of the time at most.
pub fn keep(file: &Path, logs: &Path) -> io::Result<(IndexUpdater, JoinHandle<()>)> {
    let (end, ended) = channel();
    let (file, logs) = (file.to_owned(), logs.to_owned());
    let thread = std::thread::Builder::new().name("log-index".into()).spawn(move || follow(&file, &logs, &ended))?;
    Ok((IndexUpdater { _end: end }, thread))
}

fn follow(file: &Path, logs: &Path, ended: &Receiver<()>) {
    let (mut index, mut trouble) = (None, None);
    loop {
        let began = Instant::now();
        let caught_up = match &mut index {
            None => LogIndex::open(file, logs).map(|opened| {
                index = Some(opened);
                true
            }),
            Some(index) => index.catch_up(),
        };
        let pause = match &caught_up {
            Ok(true) => began.elapsed(),
            Ok(false) => BEAT,
            Err(_) => AGAIN,
        };
        let why = caught_up.err().map(|err| said(&err));
        if let Some(why) = why.as_ref().filter(|why| trouble.as_ref() != Some(*why)) {
            warn!("the index of the logs cannot be updated, which is tried again automatically: {why}");
        }
        trouble = why;
        match ended.recv_timeout(pause) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn said(err: &dyn std::error::Error) -> String {
    err.source().map_or_else(|| err.to_string(), |source| format!("{err}: {source}"))
}

fn is_spoilt(err: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    // Tables that are not as they should be are an error without a code of their own.
    let no_such = |err: &rusqlite::Error| matches!(err, rusqlite::Error::SqliteFailure(_, Some(said)) if said.starts_with("no such") || said.contains("already exists"));
    matches!(err.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase)) || no_such(err)
}

fn may_not_write(err: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{PermissionDenied, ReadOnly};
    matches!(err.sqlite_error_code(), Some(ReadOnly | PermissionDenied))
}

fn remove(file: &Path) {
    for end in ["", "-wal", "-shm"] {
        let mut name = file.as_os_str().to_owned();
        name.push(end);
        let _it_may_not_be_there = fs::remove_file(name);
    }
}

fn inode(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |about| about.ino())
}

/// An index of another version is created again.
const VERSION: i64 = 1;
const SCHEMA: &str = "
    DROP TABLE IF EXISTS words;
    DROP TABLE IF EXISTS lines;
    DROP TABLE IF EXISTS files;

    -- A log file, known by its first line wherever it is set aside: its place among its node's files, how much of it has
    -- been read, and the run that its last line was of.
    CREATE TABLE files (
        id      INTEGER PRIMARY KEY,
        node    INTEGER NOT NULL,
        head    TEXT NOT NULL,
        place   INTEGER NOT NULL,
        bytes   INTEGER NOT NULL,
        run     INTEGER,
        UNIQUE (node, head)
    ) STRICT;

    -- A line: at which byte of its file it begins.
    CREATE TABLE lines (
        id      INTEGER PRIMARY KEY,
        file    INTEGER NOT NULL,
        place   INTEGER NOT NULL,
        at      INTEGER NOT NULL,
        level   INTEGER NOT NULL,
        run     INTEGER
    ) STRICT;
    CREATE INDEX lines_of_file ON lines(file);
    CREATE INDEX lines_by_time ON lines(at);

    CREATE VIRTUAL TABLE words USING fts5(said, content='', contentless_delete=1, detail=none, tokenize='unicode61 remove_diacritics 0');
";
/// Lines in one transaction.
const LINES: usize = 5000;
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether something is new; how soon after a trouble again.
const BEAT: Duration = Duration::from_millis(500);
const AGAIN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
