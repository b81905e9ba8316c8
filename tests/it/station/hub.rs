//! The hub while a long list is stored: others are not kept waiting, and what could not be stored has not happened.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use oxbow::domain::command::{Command, ImportList};
use oxbow::domain::effect::Effect;
use oxbow::domain::fleet::Fleet;
use oxbow::domain::ids::ProfileId;
use oxbow::domain::import::{self, ImportOptions};
use oxbow::domain::refusal::Refusal;
use oxbow::domain::snapshot::Snapshot;
use oxbow::domain::station::Station;
use oxbow::domain::station::service::{ServiceName, ServiceState, ServiceStatus};
use oxbow::hub::{Hub, NodeLog};
use oxbow::inbox::{Inbox, Input, inbox};
use oxbow::store;

struct Silent;

impl NodeLog for Silent {
    fn write(&mut self, effects: &[Effect]) {
        let lines = effects.iter().filter(|effect| matches!(effect, Effect::Log { .. })).count();
        assert!(lines < 10, "a long list is no reason for {lines} lines");
    }
}

fn list(rows: usize) -> String {
    (0..rows).fold("Serial\n".to_owned(), |mut text, row| {
        let _ = writeln!(text, "PF3K{row:06}");
        text
    })
}

async fn started(file: &Path) -> (Inbox, watch::Receiver<Arc<Snapshot>>) {
    let (store, memory, _thread) = store::open(file).expect("a store");
    let (hub, bench) = Hub::new(Fleet::restore(memory.nodes), Station::default(), store, Box::new(Silent));
    let (inbox, outlet) = inbox();
    tokio::spawn(hub.run(outlet, CancellationToken::new()));
    (inbox, bench)
}

fn import(bench: &Snapshot, rows: usize) -> ImportList {
    let preview = import::preview("order.csv", list(rows).as_bytes(), bench.at, bench, &ImportOptions::default());
    preview.import().expect("no row is wrong")
}

fn asked_to_import(inbox: &Inbox, import: ImportList) -> oneshot::Receiver<Option<Result<(), Refusal>>> {
    let command = Command::Import(import);
    let (inbox, (done, answer)) = (inbox.clone(), oneshot::channel());
    tokio::spawn(async move { done.send(inbox.ask(|back| Input::Command(command, back)).await) });
    answer
}

async fn sees(bench: &mut watch::Receiver<Arc<Snapshot>>, what: &str, there: impl Fn(&Snapshot) -> bool) {
    let begun = Instant::now();
    while !there(&bench.borrow_and_update()) {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        let _news_or_not = tokio::time::timeout(Duration::from_millis(200), bench.changed()).await;
    }
}

fn service(at: &str) -> Input {
    Input::Service(ServiceStatus { name: ServiceName::Tftp, state: ServiceState::Up { at: at.into() }, restarts: 0 })
}

fn up(port: u32) -> ServiceState {
    ServiceState::Up { at: port.to_string() }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_while_a_long_list_is_stored() {
    let directory = tempfile::TempDir::new().expect("a directory");
    let file = directory.path().join("oxbow.db");
    let (inbox, mut bench) = started(&file).await;
    let disk = Connection::open(&file).expect("the same file");
    disk.execute_batch("BEGIN IMMEDIATE").expect("nobody else writes");
    let now = bench.borrow().clone();
    let mut answer = asked_to_import(&inbox, import(&now, 2000));
    // Whatever else comes in is taken in and published, with the list, which is on its way to the disk.
    let begun = Instant::now();
    for port in 0.. {
        assert!(begun.elapsed() < Duration::from_secs(60), "the list is not taken in");
        inbox.send(service(&port.to_string())).await;
        sees(&mut bench, "the hub goes on", |bench| bench.services.iter().any(|one| one.state == up(port))).await;
        if bench.borrow().nodes.len() == 2000 {
            break;
        }
    }
    assert!(answer.try_recv().is_err(), "it is acknowledged when it is stored, and not before");
    disk.execute_batch("COMMIT").expect("the disk is free again");
    assert_eq!(answer.await.expect("an answer"), Some(Ok(())));
    assert_eq!(store::open(&file).expect("the same store").1.nodes.len(), 2000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_that_cannot_be_stored_has_not_happened() {
    let directory = tempfile::TempDir::new().expect("a directory");
    let file = directory.path().join("oxbow.db");
    let (inbox, mut bench) = started(&file).await;
    let disk = Connection::open(&file).expect("the same file");
    let no = "CREATE TRIGGER no BEFORE INSERT ON deeds BEGIN SELECT RAISE(ABORT, 'no'); END";
    disk.execute_batch(no).expect("a trigger");
    let now = bench.borrow().clone();
    let answer = asked_to_import(&inbox, import(&now, 2000));
    assert_eq!(answer.await.expect("an answer"), Some(Err(Refusal::NotStored("no".into()))));
    sees(&mut bench, "it is taken back", |bench| bench.nodes.is_empty() && bench.deeds.is_empty()).await;
    assert_eq!(store::open(&file).expect("the same store").1.nodes.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_of_which_one_row_is_refused_has_not_happened() {
    let directory = tempfile::TempDir::new().expect("a directory");
    let file = directory.path().join("oxbow.db");
    let (inbox, mut bench) = started(&file).await;
    let mut import = import(&bench.borrow().clone(), 2000);
    let unknown: ProfileId = "nonsense".parse().expect("a name");
    import.rows[1500].1.profile = Some(unknown.clone());
    let row = import.rows[1500].0;
    let why = Box::new(Refusal::UnknownProfile(unknown));
    let answer = asked_to_import(&inbox, import);
    assert_eq!(answer.await.expect("an answer"), Some(Err(Refusal::Row { row, why })));
    inbox.send(service("69")).await;
    sees(&mut bench, "the hub goes on", |bench| bench.services.iter().any(|one| one.name == ServiceName::Tftp)).await;
    assert!(bench.borrow().nodes.is_empty() && bench.borrow().deeds.is_empty());
    assert_eq!(store::open(&file).expect("the same store").1.nodes.len(), 0);
}
