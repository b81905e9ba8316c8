//! Effects become rows, rows become memory.

use std::fmt::Display;
use std::str::FromStr;

use rusqlite::{Connection, Transaction, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Memory;
use crate::domain::batch::Batch;
use crate::domain::effect::Effect;
use crate::domain::fleet::BATCHES;
use crate::domain::ids::NodeId;
use crate::domain::logline::{LogLine, LogSource};
use crate::domain::node::Node;
use crate::domain::node::run::{Run, RunOutcome};
use crate::domain::station::lease::Lease;
use crate::domain::time::Timestamp;
use crate::domain::undo::{UNDO_FOR, UndoEntry};

/// Writes all of them or none.
pub(super) fn write<'e>(
    connection: &mut Connection,
    effects: impl Iterator<Item = &'e Effect>,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for effect in effects {
        write_one(&transaction, effect)?;
    }
    transaction.commit()
}

fn write_one(to: &Transaction<'_>, effect: &Effect) -> rusqlite::Result<()> {
    match effect {
        Effect::SaveNode(node) => save_node(to, node),
        Effect::SaveReport { run, index, at, report } => {
            let sql = "INSERT OR IGNORE INTO steps(run, idx, at, body) SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM runs WHERE id = ?1)";
            to.prepare_cached(sql)?.execute(params![run.to_string(), index, millis(*at), json(report)?]).map(drop)
        }
        Effect::SaveLease(lease) => {
            let sql = "INSERT OR REPLACE INTO leases(mac, address, until) VALUES (?1, ?2, ?3)";
            to.prepare_cached(sql)?
                .execute(params![lease.mac.to_string(), lease.address.to_string(), millis(lease.until)])
                .map(drop)
        }
        Effect::SavePolicy(policy) => save_setting(to, POLICY, policy),
        Effect::SaveDhcp(chosen) => save_setting(to, DHCP, chosen),
        Effect::SaveShared(shared) => save_setting(to, SHARED, shared),
        Effect::ForgetRun(run) => {
            to.prepare_cached("DELETE FROM runs WHERE id = ?1")?.execute([run.to_string()]).map(drop)
        }
        Effect::Forget(id) => to.prepare_cached("DELETE FROM nodes WHERE id = ?1")?.execute([id.0]).map(drop),
        Effect::SetAside { node, at } => {
            let sql = "UPDATE nodes SET forgotten = ?2 WHERE id = ?1";
            to.prepare_cached(sql)?.execute(params![node.0, millis(*at)]).map(drop)
        }
        Effect::SaveDeed(deed) => save_deed(to, deed),
        Effect::SaveBatch(batch) => {
            let sql = "INSERT OR REPLACE INTO batches(number, body) VALUES (?1, ?2)";
            to.prepare_cached(sql)?.execute(params![batch.number, json(&**batch)?]).map(drop)
        }
        Effect::DropDeed(at) => to.prepare_cached("DELETE FROM deeds WHERE at = ?1")?.execute([millis(*at)]).map(drop),
        // What machines say is in their log files alone, and is read from there: thousands of lines a second are not to hold
        // up what is acknowledged.
        Effect::LogAgent { .. } => Ok(()),
        Effect::Log { line, .. } if line.source != LogSource::Station => Ok(()),
        Effect::Log { node, line, .. } => {
            let sql = "INSERT INTO events(node, at, source, level, text) SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM nodes WHERE id = ?1)";
            let row = params![node.0, millis(line.at), line.source.word(), line.level.word(), &*line.text];
            to.prepare_cached(sql)?.execute(row)?;
            if to.last_insert_rowid() % THIN_OUT_EVERY == 0 { thin_out(to, *node) } else { Ok(()) }
        }
    }
}

/// What can be taken back no more goes, with the nodes that waited for it.
fn save_deed(to: &Transaction<'_>, deed: &UndoEntry) -> rusqlite::Result<()> {
    let too_late = millis(deed.at).saturating_sub(i64::try_from(UNDO_FOR.as_millis()).unwrap_or(i64::MAX));
    to.prepare_cached("DELETE FROM deeds WHERE at < ?1")?.execute([too_late])?;
    to.prepare_cached("DELETE FROM nodes WHERE forgotten < ?1")?.execute([too_late])?;
    let sql = "INSERT OR REPLACE INTO deeds(at, body) VALUES (?1, ?2)";
    to.prepare_cached(sql)?.execute(params![millis(deed.at), json(deed)?]).map(drop)
}

/// A machine that fails in a circle for days must not fill the disk. Its log file has the rest.
fn thin_out(to: &Transaction<'_>, node: NodeId) -> rusqlite::Result<()> {
    let sql = "DELETE FROM events WHERE node = ?1 AND id <= (SELECT id FROM events WHERE node = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
    to.prepare_cached(sql)?.execute(params![node.0, EVENTS_KEPT]).map(drop)
}

fn save_setting(to: &Transaction<'_>, name: &str, value: &impl Serialize) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO settings(name, body) VALUES (?1, ?2)";
    to.prepare_cached(sql)?.execute(params![name, json(value)?]).map(drop)
}

fn save_node(to: &Transaction<'_>, node: &Node) -> rusqlite::Result<()> {
    let sql = "INSERT INTO nodes(id, label, serial, uuid, phase, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT(id) DO UPDATE SET label = ?2, serial = ?3, uuid = ?4, phase = ?5, body = ?6, forgotten = NULL";
    let serial = node.serial.as_ref().map(ToString::to_string);
    let uuid = node.uuid.map(|uuid| uuid.to_string());
    to.prepare_cached(sql)?.execute(params![
        node.id.0,
        node.label(),
        serial,
        uuid,
        node.phase.word(),
        json(&NodeBody::of(node))?
    ])?;
    let sql = "INSERT INTO runs(id, node, place, started, ended, outcome, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
        ON CONFLICT(id) DO UPDATE SET node = ?2, place = ?3, ended = ?5, outcome = ?6, body = ?7
        WHERE body <> ?7 OR place <> ?3 OR node <> ?2";
    let mut save_run = to.prepare_cached(sql)?;
    for (place, run) in (0_i64..).zip(&node.runs) {
        let outcome = run.outcome.as_ref().map(outcome_word);
        let row = params![
            run.id.to_string(),
            node.id.0,
            place,
            millis(run.started),
            run.ended.map(millis),
            outcome,
            json(run)?
        ];
        save_run.execute(row)?;
    }
    Ok(())
}

fn outcome_word(outcome: &RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Proven => "proven",
        RunOutcome::SaidDone => "said_done",
        RunOutcome::Failed(_) => "failed",
        RunOutcome::Interrupted => "interrupted",
        RunOutcome::Unknown => "unknown",
    }
}

/// A node as it is stored: its runs have rows of their own.
#[derive(Serialize)]
#[serde(transparent)]
struct NodeBody(Node);

impl NodeBody {
    fn of(node: &Node) -> Self {
        Self(Node { runs: Vec::new(), ..node.clone() })
    }
}

/// Everything that was stored. A row that cannot be understood is named and left where it is.
pub(super) fn load(from: &Connection) -> rusqlite::Result<Memory> {
    let mut memory = Memory::default();
    let mut nodes = from.prepare("SELECT id, body, forgotten IS NOT NULL FROM nodes ORDER BY id")?;
    let mut runs = from.prepare("SELECT id, body FROM runs WHERE node = ?1 ORDER BY place")?;
    let mut events = from.prepare("SELECT at, source, level, text FROM (SELECT * FROM events WHERE node = ?1 ORDER BY id DESC LIMIT 200) ORDER BY id")?;
    let stored = nodes
        .query_map([], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?, row.get::<_, bool>(2)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for (id, body, is_forgotten) in stored {
        let Some(mut node) = understood::<Node>(&mut memory.unreadable, "node", id, &body) else { continue };
        for run in runs.query_map([id], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))? {
            let (run, body) = run?;
            node.runs.extend(understood::<Run>(&mut memory.unreadable, "run", run, &body));
        }
        for line in events.query_map([id], line_of)? {
            node.log.push(line?);
        }
        if is_forgotten { &mut memory.set_aside } else { &mut memory.nodes }.push(node);
    }
    let mut deeds = from.prepare("SELECT at, body FROM deeds ORDER BY at")?;
    for row in deeds.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))? {
        let (at, body) = row?;
        memory.deeds.extend(understood::<UndoEntry>(&mut memory.unreadable, "deed", at, &body));
    }
    let sql = "SELECT number, body FROM (SELECT * FROM batches ORDER BY number DESC LIMIT ?1) ORDER BY number";
    let mut batches = from.prepare(sql)?;
    for row in batches.query_map([i64::try_from(BATCHES).unwrap_or(i64::MAX)], |row| {
        Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?))
    })? {
        let (number, body) = row?;
        memory.batches.extend(understood::<Batch>(&mut memory.unreadable, "batch", number, &body));
    }
    let mut settings = from.prepare("SELECT name, body FROM settings")?;
    for row in settings.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))? {
        let (name, body) = row?;
        match name.as_str() {
            POLICY => memory.policy = understood(&mut memory.unreadable, "setting", POLICY, &body),
            DHCP => memory.dhcp = understood(&mut memory.unreadable, "setting", DHCP, &body).unwrap_or_default(),
            SHARED => memory.shared = understood(&mut memory.unreadable, "setting", SHARED, &body).unwrap_or_default(),
            // A newer oxbow's.
            _ => memory.unreadable.push(format!("setting {name}")),
        }
    }
    let mut leases = from.prepare("SELECT mac, address, until FROM leases")?;
    let rows =
        leases.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?)))?;
    for row in rows {
        let (mac, address, until) = row?;
        match (parsed(&mac), parsed(&address)) {
            (Some(mac), Some(address)) => memory.leases.push(Lease { mac, address, until: moment(until) }),
            _ => memory.unreadable.push(format!("lease {mac} {address}")),
        }
    }
    Ok(memory)
}

fn line_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<LogLine> {
    // The words are those of `Source::word` and `Level::word`; one of a newer oxbow reads as unknown.
    let word = |at: usize| row.get::<_, String>(at).map(serde_json::Value::from);
    let text: String = row.get(3)?;
    let source = serde_json::from_value(word(1)?).unwrap_or(LogSource::Unknown);
    let level = serde_json::from_value(word(2)?).unwrap_or(crate::domain::logline::Level::Unknown);
    Ok(LogLine { at: moment(row.get(0)?), by_its_clock: None, source, level, text: text.into() })
}

fn understood<T: DeserializeOwned>(
    unreadable: &mut Vec<String>,
    what: &str,
    id: impl Display,
    body: &str,
) -> Option<T> {
    serde_json::from_str(body).map_err(|err| unreadable.push(format!("{what} {id}: {err}"))).ok()
}

fn parsed<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|err| rusqlite::Error::ToSqlConversionFailure(Box::new(err)))
}

/// SQLite's integers are signed: a moment past the year 292 million is cut to it.
fn millis(at: Timestamp) -> i64 {
    i64::try_from(at.as_millis()).unwrap_or(i64::MAX)
}

fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millis(u64::try_from(millis).unwrap_or_default())
}

/// Lines of a node that are kept at least; at most so many more are there as come in until it is thinned out.
const EVENTS_KEPT: i64 = 1000;
const THIN_OUT_EVERY: i64 = 16;
/// Names of settings.
const POLICY: &str = "policy";
const DHCP: &str = "dhcp";
const SHARED: &str = "shared";
