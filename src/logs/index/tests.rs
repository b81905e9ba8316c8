use std::fs::OpenOptions;
use std::io::Write as _;

use super::*;
use crate::domain::ids::NodeId;
use crate::domain::logline::Level;
use crate::domain::time::Timestamp;

struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        let bench = Self(tempfile::TempDir::new().expect("a directory"));
        fs::create_dir(bench.logs()).expect("a directory");
        bench
    }

    fn logs(&self) -> PathBuf {
        self.0.path().join("nodes")
    }

    fn database(&self) -> PathBuf {
        self.0.path().join("search.db")
    }

    fn open(&self) -> LogIndex {
        LogIndex::open(&self.database(), &self.logs()).expect("an index")
    }

    /// More of a node's log, at these seconds after ten.
    fn says(&self, file: &str, lines: &[(u32, &str)]) {
        let path = self.logs().join(file);
        let mut file = OpenOptions::new().create(true).append(true).open(path).expect("a file");
        for (second, line) in lines {
            writeln!(file, "2026-05-03T10:00:{second:02}.000Z {line}").expect("written");
        }
    }

    /// Two machines; the first has had two runs.
    fn busy() -> Self {
        let bench = Self::new();
        bench.says(
            "node-00001.001.log",
            &[
                (1, "SN-1 station info seen"),
                (2, "oxbow: run aaaaaaaa of profile demo begins"),
                (3, "SN-1 agent:aaaaaaaa.0 error write: I/O error"),
            ],
        );
        bench.says(
            "node-00001.log",
            &[
                (11, "SN-1 station info seen again"),
                (12, "oxbow: run bbbbbbbb of profile demo begins"),
                (13, "SN-1 agent:bbbbbbbb.0 info write: 12 %"),
            ],
        );
        bench.says("node-00002.log", &[(5, "SN-2 syslog warning kernel: nvme0: timeout, Größe unbekannt")]);
        bench
    }
}

fn all(index: &mut LogIndex) {
    while index.catch_up().expect("it is read") {}
}

/// What follows the time and the name.
fn found(index: &LogIndex, question: &SearchQuery) -> Vec<String> {
    let answer = index.search(question, 100).expect("an answer");
    answer.lines.iter().map(|line| line.splitn(3, ' ').nth(2).unwrap_or_default().to_owned()).collect()
}

fn at(second: u64) -> Option<Timestamp> {
    Some(Timestamp::from_millis(1_777_802_400_000 + second * 1000))
}

fn words(words: &str) -> SearchQuery {
    SearchQuery { words: words.split(' ').map(str::to_owned).collect(), ..SearchQuery::default() }
}

#[test]
fn lines_are_found_by_node_run_level_time_and_words_and_by_all_of_them() {
    let bench = Bench::busy();
    let mut index = bench.open();
    all(&mut index);
    let ask = |question: SearchQuery| found(&index, &question);
    assert_eq!(ask(SearchQuery::default()).len(), 7);
    assert_eq!(ask(SearchQuery { node: Some(NodeId(2)), ..SearchQuery::default() }).len(), 1);
    let first = ["station info seen", "run aaaaaaaa of profile demo begins", "agent:aaaaaaaa.0 error write: I/O error"];
    assert_eq!(ask(SearchQuery { run: Some("aaaaaaaa".into()), ..SearchQuery::default() }), first, "from power-on");
    assert_eq!(ask(SearchQuery { run: Some("cccccccc".into()), ..SearchQuery::default() }).len(), 0);
    assert_eq!(ask(SearchQuery { run: Some("nonsense".into()), ..SearchQuery::default() }).len(), 0);
    assert_eq!(ask(SearchQuery { level: Some(Level::Error), ..SearchQuery::default() }), first[2..]);
    assert_eq!(ask(SearchQuery { level: Some(Level::Warning), ..SearchQuery::default() }).len(), 2, "and worse");
    assert_eq!(ask(SearchQuery { since: at(11), ..SearchQuery::default() }).len(), 3);
    assert_eq!(ask(SearchQuery { until: at(3), ..SearchQuery::default() }), first);
    for (asked, count) in [
        ("write", 2),
        ("WRI", 2),
        ("write i/o", 1),
        ("nvme0: timeout,", 1),
        ("größe", 1),
        ("vme0", 0),
        ("sn-1 write:", 2),
        ("SN-2", 1),
    ] {
        assert_eq!(ask(words(asked)).len(), count, "{asked}");
    }
    let one = SearchQuery {
        node: Some(NodeId(1)),
        level: Some(Level::Info),
        since: at(3),
        until: at(13),
        ..words("write 12")
    };
    assert_eq!(ask(one), ["agent:bbbbbbbb.0 info write: 12 %"]);
}

#[test]
fn what_is_typed_is_a_word_and_no_command_to_the_database() {
    let bench = Bench::busy();
    let mut index = bench.open();
    all(&mut index);
    for typed in [
        "\"",
        "*",
        "said:x",
        "a\" OR \"b",
        "NEAR(a,b)",
        "-",
        "^",
        "'; DROP TABLE lines",
        "\u{0}",
        "(",
        "{said}",
        "%",
        "…",
    ] {
        assert!(index.search(&words(typed), 10).is_ok(), "{typed}");
    }
    assert_eq!(found(&index, &words("%")), ["agent:bbbbbbbb.0 info write: 12 %"]);
    assert_eq!(found(&index, &SearchQuery::default()).len(), 7);
}

#[test]
fn of_many_lines_the_newest_are_shown_and_that_there_are_older_ones() {
    let bench = Bench::busy();
    let mut index = bench.open();
    all(&mut index);
    let answer = index.search(&SearchQuery::default(), 2).expect("an answer");
    assert!(answer.has_more && answer.lines[1].ends_with("12 %"), "{answer:?}");
    assert!(!index.search(&SearchQuery::default(), 7).expect("an answer").has_more);
}

#[test]
fn what_comes_later_is_found_too_and_half_a_line_once_it_is_whole() {
    let bench = Bench::busy();
    let mut index = bench.open();
    all(&mut index);
    let mut file = OpenOptions::new().append(true).open(bench.logs().join("node-00002.log")).expect("a file");
    write!(file, "2026-05-03T10:01:00.000Z SN-2 syslog info half").expect("written");
    all(&mut index);
    assert_eq!(found(&index, &words("half")).len(), 0);
    writeln!(file, " and half").expect("written");
    all(&mut index);
    all(&mut index);
    assert_eq!(found(&index, &words("half")), ["syslog info half and half"]);
}

#[test]
fn a_run_that_is_set_aside_is_found_once_and_one_that_made_room_no_more() {
    let bench = Bench::busy();
    let mut index = bench.open();
    all(&mut index);
    fs::rename(bench.logs().join("node-00001.log"), bench.logs().join("node-00001.002.log")).expect("set aside");
    let was = found(&index, &words("12"));
    assert_eq!(was.len(), 1, "before the index knows");
    bench.says("node-00001.log", &[(20, "SN-1 station info the third time")]);
    all(&mut index);
    assert_eq!((found(&index, &words("12")), found(&index, &words("third")).len()), (was, 1));
    fs::remove_file(bench.logs().join("node-00001.001.log")).expect("it was there");
    all(&mut index);
    assert_eq!(found(&index, &words("write")).len(), 1);
    let rows = |table: &str| {
        let sql = format!("SELECT count(*) FROM {table}");
        index.connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).expect("a count")
    };
    assert_eq!((rows("files"), rows("lines")), (3, 5), "it is as large as the files, and not as all that ever was");
}

#[test]
fn an_index_that_is_lost_spoilt_or_of_another_version_is_made_anew() {
    let bench = Bench::busy();
    all(&mut bench.open());
    let whole = |index: &mut LogIndex| {
        all(index);
        found(index, &SearchQuery::default()).len()
    };
    remove(&bench.database());
    assert_eq!(whole(&mut bench.open()), 7, "lost");
    remove(&bench.database());
    fs::write(bench.database(), "this is no database, and long enough to be seen to be none".repeat(100))
        .expect("a file");
    assert_eq!(whole(&mut bench.open()), 7, "spoilt");
    Connection::open(bench.database()).and_then(|old| old.pragma_update(None, "user_version", 99)).expect("changed");
    assert_eq!(whole(&mut bench.open()), 7, "of a newer oxbow");
    Connection::open(bench.database()).and_then(|old| old.execute_batch("DROP TABLE words")).expect("changed");
    bench.says("node-00002.log", &[(30, "SN-2 syslog info more")]);
    assert_eq!(whole(&mut bench.open()), 8, "half of it is missing");
    // Somebody removes it under the feet of a station.
    let mut index = bench.open();
    all(&mut index);
    remove(&bench.database());
    assert_eq!(whole(&mut index), 8);
}

#[test]
fn two_who_catch_up_at_once_find_each_line_once() {
    let bench = Bench::new();
    for node in 1..=4 {
        let lines: Vec<(u32, &str)> = (0..3000).map(|_| (1, "SN syslog info the same")).collect();
        bench.says(&format!("node-{node:05}.log"), &lines);
    }
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| all(&mut bench.open()));
        }
    });
    assert_eq!(bench.open().search(&words("same"), 20_000).expect("an answer").lines.len(), 12_000);
}

#[test]
fn a_file_that_somebody_has_cut_is_read_anew() {
    let bench = Bench::new();
    bench.says("node-00001.log", &[(1, "SN-1 station info seen"), (2, "SN-1 station info gone")]);
    let mut index = bench.open();
    all(&mut index);
    let file = OpenOptions::new().write(true).open(bench.logs().join("node-00001.log")).expect("a file");
    file.set_len("2026-05-03T10:00:01.000Z SN-1 station info seen\n".len() as u64).expect("cut");
    all(&mut index);
    assert_eq!(found(&index, &SearchQuery::default()), ["station info seen"]);
}

#[test]
fn a_station_that_runs_keeps_it_caught_up() {
    let bench = Bench::busy();
    let (keeping, thread) = keep(&bench.database(), &bench.logs()).expect("a thread");
    let deadline = Instant::now() + Duration::from_secs(30);
    let has = |wanted: usize| loop {
        let there = LogIndex::open(&bench.database(), &bench.logs())
            .and_then(|index| index.search(&SearchQuery::default(), 100))
            .map_or(0, |answer| answer.lines.len());
        if there == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{there} lines");
        std::thread::sleep(Duration::from_millis(20));
    };
    has(7);
    bench.says("node-00002.log", &[(30, "SN-2 syslog info more")]);
    has(8);
    drop(keeping);
    thread.join().expect("it ends in order");
}
