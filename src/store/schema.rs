//! The tables, and how older files become current. `PRAGMA user_version` says how far a file is.

use rusqlite::Connection;

/// Whether this program can use the file.
pub(super) enum Migrated {
    Current,
    Newer { found: u32, known: u32 },
}

/// Brings the file up to date in one transaction.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<Migrated> {
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", "on")?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    let known = u32::try_from(STEPS.len()).unwrap_or(u32::MAX);
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > known {
        return Ok(Migrated::Newer { found, known });
    }
    let transaction = connection.transaction()?;
    for step in STEPS.iter().skip(found as usize) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(Migrated::Current)
}

/// Each step takes a file from the version of its place to the next. A step that has been released never changes.
const STEPS: &[&str] = &[
    "
    -- A machine. What is searched for has a column; `body` is the whole of it as JSON, runs apart.
    CREATE TABLE nodes (
        id      INTEGER PRIMARY KEY,
        label   TEXT NOT NULL,
        serial  TEXT,
        uuid    TEXT,
        phase   TEXT NOT NULL,
        body    TEXT NOT NULL
    ) STRICT;

    -- An attempt. `outcome` is null while it is open.
    CREATE TABLE runs (
        id      TEXT PRIMARY KEY,
        node    INTEGER NOT NULL REFERENCES nodes(id) ON DELETE CASCADE,
        place   INTEGER NOT NULL,
        started INTEGER NOT NULL,
        ended   INTEGER,
        outcome TEXT,
        body    TEXT NOT NULL
    ) STRICT;
    CREATE INDEX runs_of_node ON runs(node, place);

    -- A step an agent reported: stored once, however often it was sent.
    CREATE TABLE steps (
        run     TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
        idx     INTEGER NOT NULL,
        at      INTEGER NOT NULL,
        body    TEXT NOT NULL,
        PRIMARY KEY (run, idx)
    ) STRICT, WITHOUT ROWID;

    -- What happened to a node, in words: the newest of it comes back to the screen after a restart.
    CREATE TABLE events (
        id      INTEGER PRIMARY KEY,
        node    INTEGER NOT NULL REFERENCES nodes(id) ON DELETE CASCADE,
        at      INTEGER NOT NULL,
        source  TEXT NOT NULL,
        level   TEXT NOT NULL,
        text    TEXT NOT NULL
    ) STRICT;
    CREATE INDEX events_of_node ON events(node, id);

    CREATE TABLE leases (
        mac     TEXT PRIMARY KEY,
        address TEXT NOT NULL UNIQUE,
        until   INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
",
    "
    -- What people have set at the bench, each as JSON.
    CREATE TABLE settings (
        name    TEXT PRIMARY KEY,
        body    TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
",
    "
    -- When it was forgotten: for a minute it can come back. Null while it is on the bench.
    ALTER TABLE nodes ADD COLUMN forgotten INTEGER;
    CREATE INDEX forgotten_nodes ON nodes(forgotten) WHERE forgotten IS NOT NULL;

    -- What was done last and can be taken back, each as JSON.
    CREATE TABLE deeds (
        at      INTEGER PRIMARY KEY,
        body    TEXT NOT NULL
    ) STRICT;
",
    "
    -- A batch, and what became of each of its machines once it is closed, as JSON.
    CREATE TABLE batches (
        number  INTEGER PRIMARY KEY,
        body    TEXT NOT NULL
    ) STRICT;
",
];
