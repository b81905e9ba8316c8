//! The house keeps its floors: who may import whom, read from the sources. The picture is in `src/lib.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::imports::imports;

/// They put the station together, and may import every room.
const KNOW_EVERYONE: &[&str] = &["bin", "cli", "lib", "main", "station"];

/// Each other room and the rooms it may import beside itself.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("protocol", &["domain"]),
    ("boot", &["domain"]),
    ("unpack", &["domain"]),
    ("agent", &["unpack", "protocol", "domain"]),
    ("sim", &["agent", "protocol", "domain", "clock"]),
    ("store", &["domain"]),
    ("tui", &["domain", "inbox", "clock"]),
    ("service", &["boot", "unpack", "protocol", "domain", "webhook_queue", "inbox", "clock"]),
    ("hub", &["store", "record", "webhook_queue", "boot", "domain", "inbox", "clock"]),
    ("record", &["domain", "inbox"]),
    ("webhook_queue", &["protocol", "domain"]),
    ("inbox", &["domain"]),
    ("logs", &["hub", "domain", "inbox", "clock"]),
    ("supervise", &["service", "inbox", "domain"]),
    ("export", &["protocol", "seal", "config", "data_dir", "domain", "clock"]),
    ("seal", &["domain"]),
    ("clock", &["domain"]),
    ("config", &["domain", "boot", "data_dir"]),
    ("data_dir", &[]),
];

/// What the ground floor must not touch: it cannot fail for outside reasons.
const NOT_IN_DOMAIN: &[&str] = &[
    "std::fs",
    "std::io",
    "std::net::Tcp",
    "std::net::Udp",
    "std::process",
    "SystemTime",
    "Instant::now",
    "tokio",
    "tracing::",
];

#[test]
fn every_room_has_one_row() {
    let rooms: BTreeSet<String> = sources().into_iter().map(|source| source.room).collect();
    let rows = MAY_IMPORT.iter().map(|(room, _)| *room).chain(KNOW_EVERYONE.iter().copied());
    let mut with_a_row = BTreeSet::new();
    for row in rows {
        assert!(with_a_row.insert(row.to_owned()), "{row} has two rows");
    }
    let different: Vec<_> = rooms.symmetric_difference(&with_a_row).collect();
    assert!(different.is_empty(), "either in src or with a row here, not both: {different:?}");
    for (room, may) in MAY_IMPORT {
        let gone: Vec<_> = may.iter().filter(|other| !rooms.contains(**other)).collect();
        assert!(gone.is_empty(), "{room} may import what is not there: {gone:?}");
    }
}

#[test]
fn no_room_imports_one_it_may_not() {
    let wrong = sources().iter().flat_map(imports_out_of_place).collect::<Vec<_>>();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn the_picture_shows_every_room_above_those_it_may_import() {
    let source = fs::read_to_string(root().join("src/lib.rs")).expect("readable");
    let picture = picture(&source);
    let floor = |room: &str| picture.iter().position(|rooms| rooms.contains(&room));
    for (room, may) in MAY_IMPORT {
        let own = floor(room).unwrap_or_else(|| panic!("{room} is not in the picture of src/lib.rs"));
        for other in *may {
            assert!(floor(other).is_some_and(|floor| floor > own), "{room} may import {other}, which is not below it");
        }
    }
    let shown: BTreeSet<&str> = picture.iter().flatten().copied().collect();
    let rooms: BTreeSet<&str> = MAY_IMPORT.iter().map(|(room, _)| *room).chain(KNOW_EVERYONE.iter().copied()).collect();
    assert_eq!(shown, rooms, "rooms in the picture, and rooms with a row here");
}

#[test]
fn modules_are_where_their_names_say() {
    let with: Vec<String> = sources()
        .into_iter()
        .filter(|source| source.code().any(|(_, line)| line.trim_start().starts_with("#[path")))
        .map(|source| source.name)
        .collect();
    assert_eq!(with, Vec::<String>::new());
}

#[test]
fn the_domain_touches_nothing_outside() {
    let domain = sources().into_iter().filter(|source| source.room == "domain");
    let wrong: Vec<String> = domain
        .flat_map(|source| {
            let touches = |line: &str| NOT_IN_DOMAIN.iter().find(|word| line.contains(*word)).copied();
            source
                .code()
                .filter_map(|(at, line)| Some(format!("{}:{at}: domain may not use {}", source.name, touches(line)?)))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn unsafe_code_is_in_one_file() {
    let with: Vec<String> = sources()
        .into_iter()
        .filter(|source| {
            source.code().any(|(_, line)| {
                line.contains("unsafe {") || line.contains("unsafe fn") || line.contains("unsafe impl")
            })
        })
        .map(|source| source.name)
        .collect();
    assert_eq!(with, ["src/service/http/mapped.rs"]);
}

#[test]
fn only_the_clock_reads_the_clock() {
    let reads = |line: &str| line.contains("SystemTime::now") || line.contains("Timestamp::now");
    let with: Vec<String> = sources()
        .into_iter()
        // An agent runs on another machine, whose time of day nobody trusts: it measures durations only.
        .filter(|source| !matches!(source.room.as_str(), "agent" | "sim"))
        .filter(|source| source.code().any(|(_, line)| reads(line)))
        .map(|source| source.name)
        .collect();
    assert_eq!(with, ["src/clock.rs"]);
}

#[test]
fn every_task_is_in_a_set() {
    let bare: Vec<String> = sources()
        .iter()
        .flat_map(|source| {
            let spawns = source.code().filter(|(_, line)| line.contains("tokio::spawn("));
            spawns.map(|(at, _)| format!("{}:{at}: a task that nobody joins", source.name)).collect::<Vec<_>>()
        })
        .collect();
    assert!(bare.is_empty(), "\n{}\n", bare.join("\n"));
}

/// There are none, so that nothing has to compile them: `make test` has no stage for them.
#[test]
fn documentation_has_no_examples_to_run() {
    let is_doc = |line: &&str| line.starts_with("//!") || line.starts_with("///");
    let mut with = Vec::new();
    for source in sources() {
        let fences =
            source.text.lines().map(str::trim_start).filter(is_doc).filter(|line| line[3..].trim().starts_with("```"));
        let language = |fence: &str| fence[3..].trim().trim_start_matches('`').to_owned();
        let opening: BTreeSet<String> = fences.step_by(2).map(language).collect();
        if opening.iter().any(|language| !matches!(language.as_str(), "text" | "toml")) {
            with.push(format!("{}: {opening:?}", source.name));
        }
    }
    assert_eq!(
        with,
        Vec::<String>::new(),
        "say `text` where it is no Rust, or add `cargo test --doc` to packaging/test"
    );
}

struct Source {
    /// As `src/domain/node.rs`.
    name: String,
    /// The folder, or for a file at the top its name.
    room: String,
    text: String,
}

impl Source {
    /// As `["domain", "node"]`, also for `src/domain/node/mod.rs`.
    fn module(&self) -> impl Iterator<Item = &str> {
        let path = self.name.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
        path.split('/').filter(|name| *name != "lib" && *name != "main")
    }

    /// Lines with their numbers, comments left out.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines()).filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn imports_out_of_place(source: &Source) -> Vec<String> {
    let Some((_, may)) = MAY_IMPORT.iter().find(|(room, _)| *room == source.room) else { return Vec::new() };
    let module: Vec<&str> = source.module().collect();
    let mut wrong = Vec::new();
    for import in imports(&source.text, &module) {
        let room = import.path.first().map_or("the whole crate", String::as_str);
        if room != source.room && !may.contains(&room) {
            wrong.push(format!("{}:{}: {} may not import {room}", source.name, import.line, source.room));
        }
    }
    wrong
}

/// The floors of the picture in `src/lib.rs`, from the top: in each line the rooms before the bar.
fn picture(lib: &str) -> Vec<Vec<&str>> {
    let text = lib.split("```").nth(1).expect("the picture");
    let floors = text.lines().filter_map(|line| line.trim_start_matches("//!").split_once('|'));
    floors.map(|(rooms, _)| rooms.split_whitespace().collect()).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let root = root();
    let mut files = Vec::new();
    walk(&root.join("src"), &mut files);
    files.sort();
    let source = |path: &PathBuf| {
        let name = path.strip_prefix(root).expect("below the root").display().to_string();
        let room =
            name.trim_start_matches("src/").trim_end_matches(".rs").split('/').next().unwrap_or_default().to_owned();
        Source { text: fs::read_to_string(path).expect("readable"), name, room }
    };
    let sources: Vec<Source> = files.iter().map(source).collect();
    assert!(sources.len() > 40, "the walk found too little: {}", sources.len());
    sources
}

fn walk(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}
