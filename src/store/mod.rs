//! What the station remembers: one SQLite file behind one thread.
//!
//! Write-ahead logging with `synchronous = FULL`: what was acknowledged survives `kill -9` and a power cut. Effects are
//! written in the order they come, many in one transaction: whatever has queued up while the last one was committed.
//! What a full disk did not take is [`Owed`]: written with what comes next, and nothing after it is acknowledged before.

mod pending;
mod rows;
mod schema;

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info};

use self::pending::Owed;
use crate::domain::batch;
use crate::domain::effect::Effect;
use crate::domain::ids::placeholder::Placeholders;
use crate::domain::node::Node;
use crate::domain::station::dhcp::Chosen;
use crate::domain::station::lease::Lease;
use crate::domain::station::policy::Policy;
use crate::domain::undo::UndoEntry;

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
    /// What can be taken back, the newest last, and the nodes that were forgotten and may come back.
    pub deeds: Vec<UndoEntry>,
    pub set_aside: Vec<Node>,
    /// The latest batches, the newest last.
    pub batches: Vec<batch::Batch>,
    pub leases: Vec<Lease>,
    /// None until somebody has set it.
    pub policy: Option<Policy>,
    pub dhcp: Chosen,
    /// What conflicts have shown to identify nobody.
    pub shared: Placeholders,
    /// Rows that could not be understood: kept in the file, not on the bench.
    pub unreadable: Vec<String>,
}

/// How a write went.
pub type WriteOutcome = Result<(), String>;

/// The sending side. Dropping every handle ends the thread, which closes the file in order.
#[derive(Clone, Debug)]
pub struct Store {
    batches: mpsc::Sender<WriteBatch>,
}

#[derive(Debug)]
struct WriteBatch {
    effects: Vec<Effect>,
    /// Whether it is to be written later if it cannot be written now.
    has_happened: bool,
    done: oneshot::Sender<WriteOutcome>,
}

/// Opens or makes the store in `file`. The thread is to be joined after the last handle is dropped.
pub fn open(file: &Path) -> Result<(Store, Memory, JoinHandle<()>), StoreError> {
    let open_error = |source| StoreError::Open { file: file.to_owned(), source };
    keep_from_others(file);
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

/// Runs' tokens are in it, and whatever lists say of machines. SQLite gives the files beside it the same rights. What is
/// wrong with the file is found by opening it.
fn keep_from_others(file: &Path) {
    let there = OpenOptions::new().write(true).create(true).truncate(false).mode(OWNER_ALONE).open(file);
    let _somebody_elses = there.and_then(|there| there.set_permissions(Permissions::from_mode(OWNER_ALONE)));
}

impl Store {
    /// Hands over effects of what has happened; the receiver hears when they are on the disk. If they cannot be written
    /// they are tried again with the next ones. Waits when [`BATCHES`] are queued.
    pub async fn write(&self, effects: Vec<Effect>) -> oneshot::Receiver<WriteOutcome> {
        self.hand_over(effects, true).await
    }

    /// Hands over effects of what happens only if they can be written.
    pub async fn write_or_drop(&self, effects: Vec<Effect>) -> oneshot::Receiver<WriteOutcome> {
        self.hand_over(effects, false).await
    }

    async fn hand_over(&self, effects: Vec<Effect>, has_happened: bool) -> oneshot::Receiver<WriteOutcome> {
        let (done, written) = oneshot::channel();
        let _thread_has_ended = self.batches.send(WriteBatch { effects, has_happened, done }).await;
        written
    }
}

fn write_all(connection: Connection, mut queue: mpsc::Receiver<WriteBatch>) {
    let mut desk = StoreWriter { connection, owed: Owed::default(), trouble: None };
    while let Some(first) = queue.blocking_recv() {
        let mut batches = vec![first];
        while let Some(next) = (batches.len() < TOGETHER).then(|| queue.try_recv().ok()).flatten() {
            batches.push(next);
        }
        desk.write(batches);
    }
    if !desk.owed.is_empty() {
        desk.write(Vec::new());
    }
    match desk.connection.close() {
        Ok(()) => info!("store closed"),
        Err((_, err)) => error!("the store did not close in order: {err}"),
    }
}

struct StoreWriter {
    connection: Connection,
    owed: Owed,
    /// Why the last transaction failed.
    trouble: Option<String>,
}

impl StoreWriter {
    /// All in one transaction; or, when one of them cannot ever be written, one by one, so that it takes no other along.
    fn write(&mut self, mut batches: Vec<WriteBatch>) {
        let written = self.transact(&batches);
        if let Err(err) = &written
            && (batches.len() > 1 || !self.owed.is_empty())
            && !may_pass(err)
        {
            self.pay();
            return batches.into_iter().for_each(|batch| self.write(vec![batch]));
        }
        self.tell(&written);
        match &written {
            Ok(()) => self.owed = Owed::default(),
            Err(err) if may_pass(err) => {
                let happened = batches.iter_mut().filter(|batch| batch.has_happened);
                happened.for_each(|batch| self.owed.add(std::mem::take(&mut batch.effects)));
            }
            Err(_) => {}
        }
        let written = written.map_err(|err| err.to_string());
        for batch in batches {
            let _nobody_waits_for_it = batch.done.send(written.clone());
        }
    }

    /// Writes what is owed, or gives it up if it can never be written.
    fn pay(&mut self) {
        match self.transact(&[]) {
            Ok(()) => self.owed = Owed::default(),
            Err(err) if may_pass(&err) => {}
            Err(err) => {
                error!(effects = self.owed.effects().count(), "given up, these can never be stored: {err}");
                self.owed = Owed::default();
            }
        }
    }

    fn transact(&mut self, batches: &[WriteBatch]) -> rusqlite::Result<()> {
        let effects = self.owed.effects().chain(batches.iter().flat_map(|batch| &batch.effects));
        rows::write(&mut self.connection, effects)
    }

    /// A lasting trouble is said once.
    fn tell(&mut self, written: &rusqlite::Result<()>) {
        let trouble = written.as_ref().err().map(ToString::to_string);
        match (&self.trouble, &trouble) {
            (_, Some(reason)) if self.trouble != trouble => error!("the store could not be written: {reason}"),
            (Some(_), None) => info!("the store can be written again, nothing is missing in it"),
            _ => {}
        }
        self.trouble = trouble;
    }
}

/// Whether the same could be written another time: the disk is full, gone, or somebody else's at the moment.
fn may_pass(err: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode as Code;
    !matches!(
        err.sqlite_error_code(),
        None | Some(
            Code::ConstraintViolation | Code::TypeMismatch | Code::ApiMisuse | Code::ParameterOutOfRange | Code::TooBig
        )
    )
}

const OWNER_ALONE: u32 = 0o600;
/// Batches that may wait. The hub waits when it is full: nothing acknowledged is ever dropped.
const BATCHES: usize = 256;
/// Batches that share a transaction.
const TOGETHER: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::machine::claims::Claims;

    #[tokio::test]
    async fn runs_tokens_are_read_by_the_stores_owner_alone_whatever_wrote_it_before() {
        let directory = tempfile::TempDir::new().expect("a directory");
        let mode = |file: &Path| std::fs::metadata(file).expect("it is there").permissions().mode() & 0o777;
        let (fresh, older) = (directory.path().join("oxbow.db"), directory.path().join("older.db"));
        std::fs::write(&older, "")
            .and_then(|()| std::fs::set_permissions(&older, Permissions::from_mode(0o644)))
            .expect("a file");
        for file in [&fresh, &older] {
            let (store, _, thread) = open(file).expect("a store");
            let node = Node::new(crate::domain::ids::NodeId(1), crate::domain::time::Timestamp::default());
            store.write(vec![Effect::SaveNode(node.into())]).await.await.expect("the thread lives").expect("written");
            for end in ["", "-wal", "-shm"] {
                let file = format!("{}{end}", file.display());
                assert_eq!(mode(Path::new(&file)), 0o600, "{file}");
            }
            drop(store);
            thread.join().expect("it ends in order");
        }
    }

    #[tokio::test]
    async fn what_people_have_set_is_there_after_a_restart() {
        let directory = tempfile::TempDir::new().expect("a directory");
        let file = directory.path().join("oxbow.db");
        let (store, memory, thread) = open(&file).expect("a new store");
        assert_eq!((memory.policy, memory.shared), (None, Placeholders::default()));
        let mut shared = Placeholders::default();
        let (uuid, macs) = ("4c4c4544-0042-4a10-8052-b7c04f4d3432".parse().ok(), "52:54:00:00:00:01".parse().ok());
        Claims { serial: "SN-1".parse().ok(), uuid, macs: macs.into_iter().collect(), ..Claims::default() }
            .add_to(&mut shared);
        use crate::domain::station::dhcp::DhcpChoice;
        let dhcp = Chosen { choice: Some(DhcpChoice::Proxy), setting: Some(DhcpChoice::Auto) };
        let effects =
            vec![Effect::SavePolicy(Policy::Hold), Effect::SaveDhcp(dhcp), Effect::SaveShared(shared.clone())];
        store.write(effects).await.await.expect("the thread lives").expect("written");
        drop(store);
        thread.join().expect("it ends in order");
        let (_, memory, _) = open(&file).expect("the same store");
        assert_eq!((memory.policy, memory.shared, memory.unreadable.len()), (Some(Policy::Hold), shared, 0));
        assert_eq!(memory.dhcp, dhcp);
    }

    #[tokio::test]
    async fn a_forgotten_node_is_kept_for_a_minute_with_all_its_rows() {
        use crate::domain::ids::NodeId;
        use crate::domain::logline::{Level, LogLine, LogSource};
        use crate::domain::time::Timestamp;
        use crate::domain::undo::{UNDO_FOR, UndoAction};
        let directory = tempfile::TempDir::new().expect("a directory");
        let file = directory.path().join("oxbow.db");
        let at = Timestamp::from_millis(1_000_000);
        let node = Node::new(NodeId(1), at);
        let deed = |at, nodes| {
            let what = UndoAction::Forget { label: "x".into(), nodes };
            Effect::SaveDeed(UndoEntry { at, what }.into())
        };
        let line = LogLine::new(at, LogSource::Station, Level::Info, "seen");
        let log = Effect::Log { node: node.id, label: String::new(), line };
        let save = || Effect::SaveNode(node.clone().into());
        let kept = async |effects: Vec<Effect>| {
            let (store, _, thread) = open(&file).expect("a store");
            store.write(effects).await.await.expect("the thread lives").expect("written");
            drop(store);
            thread.join().expect("it ends in order");
            let (_, memory, _) = open(&file).expect("the same store");
            let lines = |nodes: &[Node]| nodes.iter().map(|node| node.log.len()).collect::<Vec<_>>();
            (lines(&memory.nodes), lines(&memory.set_aside), memory.deeds.len())
        };
        let aside = || Effect::SetAside { node: node.id, at };
        assert_eq!(kept(vec![save(), log, aside(), deed(at, vec![node.id])]).await, (vec![], vec![1], 1));
        assert_eq!(kept(vec![save(), Effect::DropDeed(at)]).await, (vec![1], vec![], 0), "it came back");
        assert_eq!(kept(vec![aside(), deed(at, vec![node.id])]).await, (vec![], vec![1], 1));
        let later = at.after(UNDO_FOR).after(std::time::Duration::from_millis(1));
        assert_eq!(kept(vec![deed(later, Vec::new())]).await, (vec![], vec![], 1), "it is gone for good");
    }

    #[tokio::test]
    async fn a_run_that_turns_out_to_be_another_machines_is_that_ones_after_a_restart_too() {
        use crate::domain::ids::{NodeId, RunId};
        use crate::domain::node::run::Run;
        let directory = tempfile::TempDir::new().expect("a directory");
        let file = directory.path().join("oxbow.db");
        let (store, _, thread) = open(&file).expect("a store");
        let node = |id, runs: &[Run]| {
            Effect::SaveNode(Node { runs: runs.to_vec(), ..Node::new(NodeId(id), Default::default()) }.into())
        };
        let run = Run::begin(RunId::new([1; 16]), "demo".parse().expect("a name"), Default::default());
        for effects in [vec![node(1, std::slice::from_ref(&run)), node(2, &[])], vec![node(1, &[]), node(2, &[run])]] {
            store.write(effects).await.await.expect("the thread lives").expect("written");
        }
        drop(store);
        thread.join().expect("it ends in order");
        let (_, memory, _) = open(&file).expect("the same store");
        assert_eq!(memory.nodes.iter().map(|node| node.runs.len()).collect::<Vec<_>>(), [0, 1]);
    }

    #[tokio::test]
    async fn what_a_full_disk_did_not_take_is_written_later_and_nothing_after_it_is_acknowledged_before() {
        let directory = tempfile::TempDir::new().expect("a directory");
        let file = directory.path().join("oxbow.db");
        drop(open(&file).map(|(store, _, thread)| (drop(store), thread.join())));
        let connection = Connection::open(&file).expect("the store");
        connection.execute_batch("PRAGMA query_only = on").expect("a connection that cannot write");
        let mut desk = StoreWriter { connection, owed: Owed::default(), trouble: None };
        let mut write = |effects: Vec<Effect>, has_happened, may_write: bool| {
            let pragma = if may_write { "PRAGMA query_only = off" } else { "PRAGMA query_only = on" };
            desk.connection.execute_batch(pragma).expect("switched");
            let (done, mut written) = oneshot::channel();
            desk.write(vec![WriteBatch { effects, has_happened, done }]);
            (written.try_recv().expect("an answer").is_ok(), desk.owed.is_empty())
        };
        let node =
            |id| Effect::SaveNode(std::sync::Arc::new(Node::new(crate::domain::ids::NodeId(id), Default::default())));
        assert_eq!(write(vec![node(1)], true, false), (false, false));
        assert_eq!(write(vec![node(2)], false, false), (false, false), "a command that is refused");
        assert_eq!(write(Vec::new(), true, false), (false, false), "said again, and nothing new in it");
        assert_eq!(write(vec![node(3)], true, true), (true, true));
        drop(desk);
        let (_, memory, _) = open(&file).expect("the same store");
        assert_eq!(memory.nodes.iter().map(|node| node.id.0).collect::<Vec<_>>(), [1, 3]);
    }

    #[tokio::test]
    async fn what_can_never_be_written_takes_nothing_else_along() {
        let directory = tempfile::TempDir::new().expect("a directory");
        let file = directory.path().join("oxbow.db");
        drop(open(&file).map(|(store, _, thread)| (drop(store), thread.join())));
        let connection = Connection::open(&file).expect("the store");
        connection
            .execute_batch(
                "CREATE TRIGGER no BEFORE INSERT ON nodes WHEN new.id = 2 BEGIN SELECT RAISE(ABORT, 'no'); END",
            )
            .expect("a trigger");
        let mut desk = StoreWriter { connection, owed: Owed::default(), trouble: None };
        let (batches, answers): (Vec<_>, Vec<_>) = (1..=3)
            .map(|id| {
                let (done, written) = oneshot::channel();
                let node = Node::new(crate::domain::ids::NodeId(id), Default::default());
                (WriteBatch { effects: vec![Effect::SaveNode(node.into())], has_happened: true, done }, written)
            })
            .unzip();
        desk.write(batches);
        let well: Vec<bool> =
            answers.into_iter().map(|mut answer| answer.try_recv().expect("an answer").is_ok()).collect();
        assert_eq!((well, desk.owed.is_empty()), (vec![true, false, true], true));
    }

    #[tokio::test]
    async fn the_log_of_a_machine_that_fails_in_a_circle_does_not_fill_the_disk() {
        use crate::domain::logline::{Level, LogLine, LogSource};
        let directory = tempfile::TempDir::new().expect("a directory");
        let file = directory.path().join("oxbow.db");
        let (store, _, thread) = open(&file).expect("a new store");
        let node = Node::new(crate::domain::ids::NodeId(1), Default::default());
        let line = |_| {
            let line = LogLine::new(Default::default(), LogSource::Station, Level::Info, "again");
            Effect::Log { node: node.id, label: String::new(), line }
        };
        let effects = std::iter::once(Effect::SaveNode(node.clone().into())).chain((0..5000).map(line)).collect();
        store.write(effects).await.await.expect("the thread lives").expect("written");
        drop(store);
        thread.join().expect("it ends in order");
        let count = "SELECT count(*) FROM events";
        let kept: i64 =
            Connection::open(&file).and_then(|db| db.query_row(count, [], |row| row.get(0))).expect("a count");
        assert!((1000..1100).contains(&kept), "{kept}");
    }
}
