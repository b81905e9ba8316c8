//! How long a list of 100,000 machines takes, and how much memory: `cargo bench --bench import`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use oxbow::domain::command::{Command, ImportList, Undo};
use oxbow::domain::effect::Effect;
use oxbow::domain::fleet::Fleet;
use oxbow::domain::import::{self, ImportOptions};
use oxbow::domain::profile::file;
use oxbow::domain::snapshot::{Catalogue, Snapshot};
use oxbow::domain::station::Station;
use oxbow::domain::time::Timestamp;
use oxbow::hub::{Hub, NodeLog};
use oxbow::inbox::{Inbox, Input, inbox};
use oxbow::store;

const ROWS: u32 = 100_000;
const NOW: Timestamp = Timestamp::from_millis(0);

fn main() {
    let profile = file::parse("emt-s.toml", "schema = 1\nimage = \"emt.raw.gz\"\n").expect("a profile");
    let catalogue = Arc::new(Catalogue { profiles: [(profile.id.clone(), profile)].into(), ..Catalogue::default() });
    let mut bench = Snapshot { catalogue: catalogue.clone(), ..Snapshot::default() };
    let mut fleet = Fleet::default();

    let text = list("emt-s");
    println!("{ROWS} rows, {} MB", text.len() / 1_000_000);
    measured("preview, all new", || import::preview("a.csv", text.as_bytes(), NOW, &bench, &ImportOptions::default()));
    let wrong = list("emt");
    let errors = measured("preview, all wrong", || {
        import::preview("a.csv", wrong.as_bytes(), NOW, &bench, &ImportOptions::default())
    });
    measured("errors as CSV", || import::errors_csv(&errors));
    drop(errors);
    let preview = import::preview("a.csv", text.as_bytes(), NOW, &bench, &ImportOptions::default());
    let import = preview.import().expect("all rows are right");
    let effects =
        measured("import", || fleet.apply(NOW, Command::Import(import.clone()), &catalogue)).expect("possible");
    measured("import, stored", || stored(effects));
    waited(&import, &catalogue);
    (bench.nodes, bench.index) = (fleet.nodes().clone(), fleet.index().clone());
    measured("preview, all the same", || {
        import::preview("a.csv", text.as_bytes(), NOW, &bench, &ImportOptions::default())
    });
    let deed = fleet.deeds().last().map(|deed| deed.at).unwrap_or_default();
    let undo = Command::Undo { deed, scope: Undo::All };
    measured("undo", || fleet.apply(NOW, undo.clone(), &catalogue)).expect("possible");
}

/// Writes to a store of its own until all is on the disk.
fn stored(effects: Vec<Effect>) {
    let directory = tempfile::TempDir::new().expect("a directory");
    let (store, _, thread) = store::open(&directory.path().join("oxbow.db")).expect("a new store");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async { store.write(effects).await.await.expect("the thread lives").expect("written") });
    drop(store);
    thread.join().expect("it ends in order");
}

/// How long others wait for the hub while it takes the list in, and while it takes it back.
fn waited(import: &ImportList, catalogue: &Arc<Catalogue>) {
    let directory = tempfile::TempDir::new().expect("a directory");
    let (store, _, thread) = store::open(&directory.path().join("oxbow.db")).expect("a new store");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let [imported, undone] = runtime.block_on(async {
        let (hub, bench) = Hub::new(Fleet::default(), Station::default(), store, Box::new(Nowhere));
        let (inbox, outlet) = inbox();
        let stop = CancellationToken::new();
        let hub = tokio::spawn(hub.run(outlet, stop.clone()));
        inbox.send(Input::Catalogue(catalogue.clone())).await;
        let imported = others_wait(&inbox, Command::Import(import.clone())).await;
        let deed = bench.borrow().last_import().map(|deed| deed.at).unwrap_or_default();
        let undone = others_wait(&inbox, Command::Undo { deed, scope: Undo::All }).await;
        stop.cancel();
        hub.await.expect("it ends");
        [imported, undone]
    });
    thread.join().expect("it ends in order");
    println!("{:24}{:6} ms", "others wait for import", imported.as_millis());
    println!("{:24}{:6} ms", "others wait for undo", undone.as_millis());
}

/// The longest time that anybody else waits while the hub carries out `command`.
async fn others_wait(inbox: &Inbox, command: Command) -> Duration {
    let to = inbox.clone();
    let command = tokio::spawn(async move { to.ask(|back| Input::Command(command, back)).await });
    let mut longest = Duration::ZERO;
    while !command.is_finished() {
        let asked = Instant::now();
        inbox.ask(|back| Input::Capture(Vec::new(), back)).await;
        longest = longest.max(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(command.await.expect("it ends"), Some(Ok(())));
    longest
}

struct Nowhere;

impl NodeLog for Nowhere {
    fn write(&mut self, _: &[Effect]) {}
}

fn list(profile: &str) -> String {
    let mut text = "Serial,UUID,MAC,OSProfile,Site,Name,Metadata\r\n".to_owned();
    for number in 0..ROWS {
        let (high, low) = (number >> 8, number & 0xff);
        let uuid = format!("4c4c4544-0042-4a10-8052-{number:012x}");
        let mac = format!("52:54:{:02x}:{:02x}:{low:02x}:01", high >> 8, high & 0xff);
        let _ =
            write!(text, "PF3K{number:06},{uuid},{mac},{profile},site-c69a3c81,press {number},line={low}&shift=1\r\n");
    }
    text
}

fn measured<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let before = Instant::now();
    let result = work();
    println!("{what:24}{:6} ms, peak {} MB", before.elapsed().as_millis(), peak_megabytes());
    result
}

/// The most memory this process ever had (proc(5), `VmHWM`).
fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kilobytes| kilobytes.parse::<u64>().ok()).unwrap_or(0) / 1024
}
