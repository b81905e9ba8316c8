//! `oxbow logs`: what machines said is found from the command line, whether a station runs or not.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use oxbow::domain::effect::Effect;
use oxbow::domain::ids::{NodeId, RunId};
use oxbow::domain::logline::{Level, LogLine, LogSource};
use oxbow::domain::node::Node;
use oxbow::domain::node::run::Run;
use oxbow::domain::time::Timestamp;
use oxbow::hub::NodeLog;
use oxbow::inbox::inbox;
use oxbow::logs::nodes::{self, LogBounds};
use oxbow::store;

/// 2026-05-03T10:00:00Z
const AT: Timestamp = Timestamp::from_millis(1_777_802_400_000);

/// A bench on which no station runs: two machines have said something.
async fn bench() -> TempDir {
    let place = TempDir::new().expect("a directory");
    let mut node = Node::new(NodeId(7), AT);
    node.serial = "SN-4002".parse().ok();
    let run = RunId::new([0x5f; 16]);
    node.runs = vec![Run::begin(run, "os".parse().expect("a name"), AT)];
    let other = Node { serial: "SN-4003".parse().ok(), ..Node::new(NodeId(8), AT) };
    let line = |seconds: u64, source, level, text: &str| {
        LogLine::new(Timestamp::from_millis(AT.as_millis() + seconds * 1000), source, level, text)
    };
    let effects = vec![
        Effect::SaveNode(node.into()),
        Effect::SaveNode(other.into()),
        Effect::LogAgent {
            node: NodeId(7),
            label: "SN-4002".into(),
            run,
            first: 0,
            lines: vec![
                line(1, LogSource::Agent, Level::Info, "write: 12 %"),
                line(2, LogSource::Agent, Level::Error, "write: sector 4711: I/O error \u{1b}[31m"),
            ],
        },
        Effect::Log {
            node: NodeId(8),
            label: "SN-4003".into(),
            line: line(3, LogSource::Syslog, Level::Warning, "kernel: nvme0: timeout"),
        },
    ];
    let (store, _, thread) = store::open(&place.path().join("oxbow.db")).expect("a store");
    store.write(effects.clone()).await.await.expect("the thread lives").expect("written");
    drop(store);
    thread.join().expect("it ends in order");
    let (mut logs, thread) =
        nodes::start(&place.path().join("log/nodes"), LogBounds::default(), &[], inbox().0).expect("logs");
    logs.write(&effects);
    drop(logs);
    thread.join().expect("it ends in order");
    place
}

fn logs(data: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let mut oxbow = Command::new(env!("CARGO_BIN_EXE_oxbow"));
    oxbow.arg("logs").args(words).env("OXBOW_DATA", data).env("OXBOW_CONFIG", "/dev/null");
    let output = oxbow.output().expect("oxbow starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn what_a_machine_said_is_found_by_who_it_is_when_how_bad_it_is_and_words() {
    let bench = bench().await;
    let error = "2026-05-03T10:00:02.000Z SN-4002 agent:5f5f5f5f.1 error write: sector 4711: I/O error ·[31m\n";
    let timeout = "2026-05-03T10:00:03.000Z SN-4003 syslog warning kernel: nvme0: timeout\n";
    for (words, said) in [
        (&["--level", "error"][..], error.to_owned()),
        (&["--level", "warning"], format!("{error}{timeout}")),
        (&["--node", "sn-4003"], timeout.into()),
        (&["--node", "#8"], timeout.into()),
        (&["--run", "5f5f5f5f", "SECTOR 4711"], error.into()),
        (&["nvme0:", "time"], timeout.into()),
        (&["--until", "2026-05-03T10:00:02Z", "--since", "2026-05-03T10:00:02Z"], error.into()),
        (&["--limit", "1", "--until", "2026-05-03T10:01:00Z"], timeout.into()),
    ] {
        assert_eq!(logs(bench.path(), words).1, said, "{words:?}");
    }
    let (code, said, note) = logs(bench.path(), &["--limit", "1", "write"]);
    assert_eq!((code, said.lines().count()), (Some(0), 1));
    assert_eq!(note, "these are the newest 1: older ones with --limit\n");
}

#[tokio::test]
async fn what_is_not_there_is_said_and_what_to_do() {
    let bench = bench().await;
    let cases = [
        (&["nonsense"][..], 1, "no line is so"),
        (&["--since", "1s", "write"], 1, "no line is so"),
        (&["--node", "SN-9999"], 1, "SN-9999"),
        (&["--run", "xyz"], 2, "as the log has it after `agent:`"),
        (&["--since", "yesterday"], 2, "write it as 2h, or as 2026-05-03T14:00"),
    ];
    for (words, code, why) in cases {
        let (ended, said, note) = logs(bench.path(), words);
        assert!(ended == Some(code) && said.is_empty() && note.contains(why), "{words:?}: {ended:?} {said} {note}");
    }
    let empty = TempDir::new().expect("a directory");
    let (code, _, note) = logs(empty.path(), &["write"]);
    assert!(code == Some(2) && note.contains("hint: name the data directory with --data"), "{note}");
    assert_eq!(fs::read_dir(empty.path()).expect("there").count(), 0, "a question leaves nothing behind");
}

#[tokio::test]
async fn words_are_words_and_never_the_language_of_the_search() {
    let bench = bench().await;
    let many = (0..3000).map(|number| format!("w{number}")).collect::<Vec<_>>().join(" ");
    let long = format!("{}!", "a.b-c\"".repeat(10_000));
    for words in [
        "\"",
        "'",
        "\"\"",
        "'; DROP TABLE lines; --",
        "AND",
        "OR",
        "NOT write",
        "write NOT sector",
        "NEAR(write, 2)",
        "NEAR",
        "said:write",
        "{said}:x",
        "^zzz",
        "*",
        "zz*",
        "(",
        ")",
        "(((",
        "a)b",
        "+",
        "%",
        "_",
        "\\",
        "[",
        "\u{0}x",
        "$$",
        "?1",
        "\"write\" + \"sector",
        "- said : \"x\"",
        "wr\"ite",
        "\u{212a}",
        "ﬁ\u{301}",
        &many,
        &long,
    ] {
        // No argument of a program has a zero in it.
        let words = words.replace('\0', "");
        let (code, said, note) = logs(bench.path(), &["--", &words]);
        assert!(matches!(code, Some(0 | 1)), "{}: {code:?} {said} {note}", &words[..words.len().min(40)]);
    }
    let io = |words: &str| logs(bench.path(), &["--", words]).1.lines().count();
    assert_eq!((io("I/O"), io("sector 4711:"), io("12 %"), io("\"write\"")), (1, 1, 1, 0), "as they are written");
    assert_eq!(logs(bench.path(), &["-4711"]).0, Some(1), "a number with a sign is a word");
}

#[tokio::test]
async fn an_index_that_is_spoilt_is_made_anew_by_who_asks() {
    let bench = bench().await;
    assert_eq!(logs(bench.path(), &["timeout"]).0, Some(0));
    fs::write(bench.path().join("log/search.db"), [7; 9000]).expect("a file");
    let (code, said, _) = logs(bench.path(), &["timeout"]);
    assert_eq!((code, said.lines().count()), (Some(0), 1));
}
