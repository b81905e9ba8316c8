//! How long a list of 100,000 machines takes, and how much memory: `cargo bench --bench import`.

#[path = "tools/src/spread.rs"]
#[allow(dead_code, unreachable_pub, unused_imports, reason = "the bench tools and their tests use all of it")]
mod spread;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
use spread::Spread;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;
use tokio_util::sync::CancellationToken;

const ROWS: u32 = 100_000;
const ROUNDS: usize = 5;
const NOW: Timestamp = Timestamp::from_millis(0);

fn main() {
    let (text, wrong) = (list("emt-s"), list("emt"));
    println!("{ROWS} rows, {} MB, median of {ROUNDS} rounds (min–max)", text.len() / 1_000_000);
    println!();
    println!("| what | ms | memory, MB |");
    println!("|---|---|---|");
    let mut rows = Rows::default();
    for _ in 0..ROUNDS {
        round(&mut rows, &text, &wrong);
    }
    rows.print();
}

fn round(rows: &mut Rows, text: &str, wrong: &str) {
    let profile = file::parse("emt-s.toml", "schema = 1\nimage = \"emt.raw.gz\"\n").expect("a profile");
    let catalogue = Arc::new(Catalogue { profiles: [(profile.id.clone(), profile)].into(), ..Catalogue::default() });
    let mut bench = Snapshot { catalogue: catalogue.clone(), ..Snapshot::default() };
    let mut fleet = Fleet::default();
    let preview =
        |text: &str, bench: &Snapshot| import::preview("a.csv", text.as_bytes(), NOW, bench, &ImportOptions::default());

    rows.measure("preview, all new", || preview(text, &bench));
    let errors = rows.measure("preview, all wrong", || preview(wrong, &bench));
    rows.measure("the errors as CSV", || import::errors_csv(&errors));
    drop(errors);
    let import = preview(text, &bench).import().expect("all rows are right");
    let command = Command::Import(import.clone());
    let effects = rows.measure("import", || fleet.apply(NOW, command, &catalogue)).expect("possible");
    store(rows, effects);
    wait(rows, &import, &catalogue);
    (bench.nodes, bench.index) = (fleet.nodes().clone(), fleet.index().clone());
    rows.measure("preview, all the same", || preview(text, &bench));
    let deed = fleet.deeds().last().map(|deed| deed.at).unwrap_or_default();
    rows.measure("undo", || fleet.apply(NOW, Command::Undo { deed, scope: Undo::All }, &catalogue)).expect("possible");
}

/// Writes to a store of its own until all is on the disk.
fn store(rows: &mut Rows, effects: Vec<Effect>) {
    let directory = tempfile::TempDir::new().expect("a directory");
    let (store, _, thread) = store::open(&directory.path().join("oxbow.db")).expect("a new store");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    rows.measure("import, on the disk", || {
        runtime.block_on(async { store.write(effects).await.await.expect("the thread lives").expect("written") });
    });
    drop(store);
    thread.join().expect("it ends in order");
}

/// How long others wait for the hub during an import, and during its undo.
fn wait(rows: &mut Rows, import: &ImportList, catalogue: &Arc<Catalogue>) {
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
    rows.add("longest wait of others, import", imported, None);
    rows.add("longest wait of others, undo", undone, None);
}

/// The longest time that anybody else waits while the hub carries out `command`. The hub has the command before the first
/// question, so that the wait for all of it is measured.
async fn others_wait(inbox: &Inbox, command: Command) -> Duration {
    let (back, mut done) = oneshot::channel();
    inbox.send(Input::Command(command, back)).await;
    let mut longest = Duration::ZERO;
    let outcome = loop {
        let asked = Instant::now();
        inbox.ask(|back| Input::Capture(Vec::new(), back)).await;
        longest = longest.max(asked.elapsed());
        match done.try_recv() {
            Err(TryRecvError::Empty) => tokio::time::sleep(Duration::from_millis(1)).await,
            outcome => break outcome,
        }
    };
    assert_eq!(outcome, Ok(Ok(())));
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

/// Milliseconds and megabytes of each round, in the order of the first one.
#[derive(Default)]
struct Rows(Vec<(&'static str, Vec<f64>, Vec<f64>)>);

impl Rows {
    fn measure<T>(&mut self, what: &'static str, work: impl FnOnce() -> T) -> T {
        forget_peak();
        let began = Instant::now();
        let result = work();
        let took = began.elapsed();
        self.add(what, took, Some(peak_megabytes()));
        result
    }

    fn add(&mut self, what: &'static str, took: Duration, megabytes: Option<f64>) {
        let at = self.0.iter().position(|(name, ..)| *name == what).unwrap_or_else(|| {
            self.0.push((what, Vec::new(), Vec::new()));
            self.0.len() - 1
        });
        let (_, times, memory) = &mut self.0[at];
        times.push(took.as_secs_f64() * 1000.0);
        memory.extend(megabytes);
    }

    fn print(&self) {
        for (what, times, memory) in &self.0 {
            let times = Spread::of(times).expect("rounds");
            let memory = Spread::of(memory).map(|memory| format!("{memory:.0}")).unwrap_or_default();
            println!("| {what} | {times:.0} | {memory} |");
        }
    }
}

/// From here on the kernel counts this process's largest memory anew (proc(5), `clear_refs`).
fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").expect("one's own");
}

/// The most memory this process has had (proc(5), `VmHWM`).
fn peak_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kilobytes| kilobytes.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}
