//! What the station remembers: one SQLite file behind one thread.
//!
//! Write-ahead logging with `synchronous = FULL`: what was acknowledged survives `kill -9` and a power cut. Effects are
//! written in the order they come, many in one transaction: whatever has queued up while the last one was committed.

mod rows;
mod schema;

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info};

use crate::domain::effect::Effect;
use crate::domain::lease::Lease;
use crate::domain::node::Node;
use crate::domain::placeholder::Placeholders;
use crate::domain::policy::Policy;

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot open the store {file}", file = .file.display())]
    Open {
        file: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error("the store {file} is of version {found}, this oxbow knows up to {known}", file = .file.display())]
    Newer { file: PathBuf, found: u32, known: u32 },
    #[error("cannot read the store")]
    Read(#[source] rusqlite::Error),
    #[error("cannot start the store's thread")]
    Thread(#[source] std::io::Error),
}

/// What was remembered.
#[derive(Debug, Default)]
pub struct Memory {
    pub nodes: Vec<Node>,
    pub leases: Vec<Lease>,
    /// None until somebody has set it.
    pub policy: Option<Policy>,
    /// What conflicts have shown to identify nobody.
    pub shared: Placeholders,
    /// Rows that could not be understood: kept in the file, not on the bench.
    pub unreadable: Vec<String>,
}

/// How a write went.
pub type Written = Result<(), String>;

/// The sending side. Dropping every handle ends the thread, which closes the file in order.
#[derive(Clone, Debug)]
pub struct Store {
    batches: mpsc::Sender<Batch>,
}

#[derive(Debug)]
struct Batch {
    effects: Vec<Effect>,
    done: oneshot::Sender<Written>,
}

/// Opens or makes the store in `file`. The thread is to be joined after the last handle is dropped.
pub fn open(file: &Path) -> Result<(Store, Memory, JoinHandle<()>), StoreError> {
    let open_error = |source| StoreError::Open { file: file.to_owned(), source };
    let mut connection = Connection::open(file).map_err(open_error)?;
    match schema::migrate(&mut connection).map_err(open_error)? {
        schema::Migrated::Current => {}
        schema::Migrated::Newer { found, known } => {
            return Err(StoreError::Newer { file: file.to_owned(), found, known });
        }
    }
    let memory = rows::load(&connection).map_err(StoreError::Read)?;
    info!(file = %file.display(), nodes = memory.nodes.len(), leases = memory.leases.len(), "store opened");
    let (batches, queue) = mpsc::channel(BATCHES);
    let thread = std::thread::Builder::new().name("store".into()).spawn(move || write_all(connection, queue));
    Ok((Store { batches }, memory, thread.map_err(StoreError::Thread)?))
}

impl Store {
    /// Hands effects over; the receiver hears when they are on the disk. Waits when [`BATCHES`] are queued.
    pub async fn write(&self, effects: Vec<Effect>) -> oneshot::Receiver<Written> {
        let (done, written) = oneshot::channel();
        let _thread_has_ended = self.batches.send(Batch { effects, done }).await;
        written
    }
}

fn write_all(mut connection: Connection, mut queue: mpsc::Receiver<Batch>) {
    while let Some(first) = queue.blocking_recv() {
        let mut batches = vec![first];
        while let Some(next) = (batches.len() < TOGETHER).then(|| queue.try_recv().ok()).flatten() {
            batches.push(next);
        }
        let written = rows::write(&mut connection, batches.iter().flat_map(|batch| &batch.effects))
            .map_err(|err| err.to_string());
        if let Err(reason) = &written {
            error!(batches = batches.len(), "the store could not be written: {reason}");
        }
        for batch in batches {
            let _nobody_waits_for_it = batch.done.send(written.clone());
        }
    }
    match connection.close() {
        Ok(()) => info!("store closed"),
        Err((_, err)) => error!("the store did not close in order: {err}"),
    }
}

/// Batches that may wait. The hub waits when it is full: nothing acknowledged is ever dropped.
const BATCHES: usize = 256;
/// Batches that share a transaction.
const TOGETHER: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::Claims;

    #[tokio::test]
    async fn what_people_have_set_is_there_after_a_restart() {
        let directory = tempfile::TempDir::new().expect("a directory");
        let file = directory.path().join("oxbow.db");
        let (store, memory, thread) = open(&file).expect("a new store");
        assert_eq!((memory.policy, memory.shared), (None, Placeholders::default()));
        let mut shared = Placeholders::default();
        let (uuid, macs) = ("4c4c4544-0042-4a10-8052-b7c04f4d3432".parse().ok(), "52:54:00:00:00:01".parse().ok());
        shared.add(&Claims {
            serial: "SN-1".parse().ok(),
            uuid,
            macs: macs.into_iter().collect(),
            ..Claims::default()
        });
        let effects = vec![Effect::SavePolicy(Policy::Hold), Effect::SaveShared(shared.clone())];
        store.write(effects).await.await.expect("the thread lives").expect("written");
        drop(store);
        thread.join().expect("it ends in order");
        let (_, memory, _) = open(&file).expect("the same store");
        assert_eq!((memory.policy, memory.shared, memory.unreadable.len()), (Some(Policy::Hold), shared, 0));
    }
}
