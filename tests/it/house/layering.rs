//! The house keeps its floors: who may import whom, read from the sources. The picture is in `src/lib.rs`.

use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms it may import. `main`, `cli` and `wire` know everyone and have no row.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("domain", &["domain"]),
    ("protocol", &["protocol", "domain"]),
    ("boot", &["boot", "domain"]),
    ("unpack", &["domain"]),
    ("agent", &["agent", "unpack", "protocol", "domain"]),
    ("sim", &["sim", "agent", "protocol", "domain", "clock"]),
    ("store", &["store", "domain"]),
    ("tui", &["tui", "domain", "inbox", "clock"]),
    ("service", &["service", "boot", "unpack", "protocol", "domain", "herald", "inbox", "clock"]),
    ("hub", &["hub", "store", "record", "herald", "boot", "domain", "inbox", "clock"]),
    ("record", &["record", "domain", "inbox"]),
    ("herald", &["protocol", "domain"]),
    ("inbox", &["domain"]),
    ("logs", &["logs", "hub", "domain", "inbox", "clock"]),
    ("supervise", &["service", "inbox", "domain"]),
    ("paper", &["paper", "protocol", "seal", "config", "domain", "clock"]),
    ("seal", &["domain"]),
    ("clock", &["domain"]),
    ("config", &["domain", "boot"]),
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
fn no_room_imports_one_it_may_not() {
    let wrong = sources().iter().flat_map(imports_out_of_place).collect::<Vec<_>>();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
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

struct Source {
    /// As `src/domain/node.rs`.
    name: String,
    /// The folder, or for a file at the top its name.
    room: String,
    text: String,
}

impl Source {
    /// Lines with their numbers, comments left out.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines()).filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn imports_out_of_place(source: &Source) -> Vec<String> {
    let Some((_, may)) = MAY_IMPORT.iter().find(|(room, _)| *room == source.room) else { return Vec::new() };
    let mut wrong = Vec::new();
    for (at, line) in source.code() {
        for (place, _) in line.match_indices("crate::") {
            let room: String = line[place + 7..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if !may.contains(&room.as_str()) && !room.is_empty() {
                wrong.push(format!("{}:{at}: {} may not import {room}", source.name, source.room));
            }
        }
    }
    wrong
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
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
