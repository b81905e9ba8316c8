//! A batch at the command line: opened, looked at and closed on a bench without a station; every command is a process of
//! its own, so that what one says the next finds in the store.

use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        let bench = Self(TempDir::new().expect("a directory"));
        std::fs::write(bench.0.path().join("empty.toml"), "").expect("a file");
        bench
    }

    /// How it ended, and what it said.
    fn oxbow(&self, words: &[&str]) -> (Option<i32>, String) {
        let mut oxbow = Command::new(env!("CARGO_BIN_EXE_oxbow"));
        oxbow.args(words).env("OXBOW_DATA", self.0.path()).env("OXBOW_CONFIG", self.0.path().join("empty.toml"));
        let output = oxbow.output().expect("oxbow starts");
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    #[track_caller]
    fn does(&self, words: &[&str], said: &str) {
        let (code, text) = self.oxbow(words);
        assert!(code == Some(0) && text.contains(said), "{words:?}: {code:?} {text}");
    }

    #[track_caller]
    fn refuses(&self, words: &[&str], said: &str) {
        let (code, text) = self.oxbow(words);
        assert!(code == Some(1) && text.contains(said), "{words:?}: {code:?} {text}");
    }
}

#[test]
fn a_batch_is_opened_looked_at_and_closed_and_stays_as_it_was() {
    let bench = Bench::new();
    bench.does(&["nodes", "register", "--serial", "PF3K0001"], "PF3K0001");
    bench.refuses(&["batch"], "no batch was ever opened here");
    let open = ["batch", "open", "line 2", "--work-order", "4711", "--operator", "Kim\u{1b}[31m"];
    bench.does(&open, "the batch line 2 is open");
    bench.refuses(&open, "batch 1, line 2 is open: close it first");
    bench.does(&["nodes", "register", "--serial", "PF3K0002"], "PF3K0002");
    bench.does(&["batch", "status"], "batch 1, line 2, work order 4711, operator Kim·[31m: open for");
    bench.does(&["batch"], "2 expected, 0 seen, 0 done, 0 failed, 0 unfinished, 2 missing, 0 unexpected, 0 duplicates");
    bench.does(&["batch", "close"], "the batch is closed");
    bench.does(&["nodes", "forget", "PF3K0001"], "is forgotten");
    bench.does(&["batch"], "2 expected");
    bench.does(&["batch"], "PF3K0001 missing");
    let (_, json) = bench.oxbow(&["batch", "--json"]);
    let page: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        (&page["batch"]["work_order"], page["units"].as_array().map(Vec::len)),
        (&"4711".into(), Some(2)),
        "{page}"
    );
    assert!(page["batch"]["closed"].as_u64() >= page["batch"]["opened"].as_u64());
    bench.refuses(&["batch", "close"], "no batch is open");
    bench.refuses(&["batch", "open", "next", "--list", "/media/stick/order.csv"], "of a list \"order.csv\"");
    bench.refuses(&["batch", "status", "7"], "there is no batch 7");
    bench.does(&["batch", "open", "next"], "the batch next is open");
    bench.does(&["batch", "status", "1"], "closed after");
}
