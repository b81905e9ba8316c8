//! The documentation is whole: its links lead somewhere, its pages are in the table of contents, and what the program has
//! (keys, commands, settings, profile keys, metrics) is described.
mod links;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;

#[test]
fn the_readme_is_an_overview() {
    let lines = page("README.md").lines().count();
    assert!(lines <= 200, "README.md has {lines} lines: move what is more than an overview to docs/");
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    assert!(pages.len() > 30, "the walk found too few pages: {}", pages.len());
    let wrong: Vec<String> = pages.iter().flat_map(|page| links::broken(page)).collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let docs = root().join("docs");
    let listed: BTreeSet<PathBuf> =
        links::links(&page("docs/SUMMARY.md")).into_iter().map(|(_, target)| docs.join(target)).collect();
    let missing: Vec<PathBuf> =
        markdown(&docs).into_iter().filter(|page| !page.ends_with("SUMMARY.md") && !listed.contains(page)).collect();
    assert!(missing.is_empty(), "add to docs/SUMMARY.md: {missing:?}");
}

#[test]
fn the_table_of_keys_is_the_program_s_own() {
    let keys = oxbow::tui::keys_markdown();
    let screen = page("docs/guide/screen.md");
    assert!(screen.contains(keys.trim()), "docs/guide/screen.md needs this table, which `oxbow keys` prints:\n{keys}");
}

#[test]
fn every_setting_is_described() {
    let settings = page("docs/reference/settings.md");
    let mut missing = Vec::new();
    for table in ["", "screen", "webhook"] {
        let keys = keys_of(table);
        assert!(keys.len() >= 5, "[{table}]: {keys:?}");
        let section = if table.is_empty() { settings.as_str() } else { section(&settings, &format!("`[{table}]`")) };
        let is_table = |key: &String| table.is_empty() && section.contains(&format!("`[{key}]`"));
        missing.extend(keys.into_iter().filter(|key| !section.contains(&format!("| `{key}` |")) && !is_table(key)));
    }
    let command = oxbow::cli::Args::command();
    let run = command.find_subcommand("run").expect("a command");
    for argument in run.get_arguments() {
        let names = argument.get_env().map(|name| name.to_string_lossy().into_owned());
        missing.extend(names.into_iter().filter(|name| !settings.contains(&format!("`{name}`"))));
    }
    assert_eq!(missing, [""; 0], "docs/reference/settings.md does not have these");
}

#[test]
fn every_command_is_described_with_its_options() {
    let commands = page("docs/reference/commands.md");
    let settings = page("docs/reference/settings.md");
    let common = section(&commands, "Options that most commands have");
    let mut missing = Vec::new();
    for command in oxbow::cli::Args::command().get_subcommands() {
        let name = format!("oxbow {}", command.get_name());
        let own = section(&commands, &name);
        if own.is_empty() {
            missing.push(format!("## {name}"));
        }
        let is_known = |option: &str| {
            let starts = ["run", "check"].contains(&command.get_name());
            let of_run = || settings.contains(option) || section(&commands, "oxbow run").contains(option);
            own.contains(option) || common.contains(option) || starts && of_run()
        };
        let below = command.get_subcommands().map(|below| format!("{name} {}", below.get_name()));
        missing.extend(below.filter(|below| !own.contains(below.as_str())));
        let all = std::iter::once(command).chain(command.get_subcommands());
        let options = all.flat_map(|one| one.get_arguments()).filter_map(|argument| argument.get_long());
        let options = options.map(|long| format!("`--{long}")).filter(|option| !is_known(option));
        missing.extend(options.map(|option| format!("{name}: {option}`")));
    }
    assert_eq!(missing, [""; 0], "docs/reference/commands.md does not have these");
}

#[test]
fn every_key_of_a_profile_is_described() {
    let described = page("docs/reference/profile-keys.md");
    let mut missing = BTreeSet::new();
    // A unit test sees to it that every key that is read is in the first of them.
    for profile in ["profiles/demo.toml", "profiles/debian-installer.toml"] {
        for name in names_of(&page(profile)) {
            if !described.contains(&format!("`{name}`")) {
                missing.insert(name);
            }
        }
    }
    assert_eq!(missing, BTreeSet::new(), "docs/reference/profile-keys.md does not have these");
}

#[test]
fn every_metric_is_described() {
    let source = page("src/service/http/metrics.rs");
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let names: BTreeSet<&str> =
        source.split('"').skip(1).step_by(2).filter(|text| text.starts_with("oxbow_") && !text.contains(' ')).collect();
    assert!(names.len() > 10, "{names:?}");
    let described = page("docs/reference/metrics.md");
    let missing: Vec<&&str> = names.iter().filter(|name| !described.contains(**name)).collect();
    assert!(missing.is_empty(), "docs/reference/metrics.md does not have {missing:?}");
}

#[test]
fn the_code_map_has_every_room_and_leads_to_files_that_exist() {
    let map = page("docs/development/architecture.md");
    let rooms = section(&map, "Rooms");
    let mut wrong = Vec::new();
    for entry in fs::read_dir(root().join("src")).expect("sources") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        let room = name.strip_suffix(".rs").unwrap_or(&name);
        if !["bin", "lib", "main"].contains(&room) && !rooms.contains(&format!("| `{room}` |")) {
            wrong.push(format!("{room}: has no row among the rooms"));
        }
    }
    let places = section(&map, "Where do I change …");
    let paths: BTreeSet<&str> =
        places.split('`').skip(1).step_by(2).filter(|text| text.contains('/') || text.ends_with(".rs")).collect();
    assert!(paths.len() > 50, "{paths:?}");
    let exists = |path: &str| ["src", ""].iter().any(|folder| root().join(folder).join(path).exists());
    wrong.extend(paths.into_iter().filter(|path| !exists(path)).map(|path| format!("{path}: is not there")));
    assert!(wrong.is_empty(), "docs/development/architecture.md:\n{}", wrong.join("\n"));
}

/// The keys that a table of the configuration file may have, as the error for an unknown one lists them.
fn keys_of(table: &str) -> Vec<String> {
    let header = if table.is_empty() { String::new() } else { format!("[{table}]\n") };
    let read = toml::from_str::<oxbow::config::Settings>(&format!("{header}no_such_key = 1\n"));
    let message = read.expect_err("it is no key").message().to_owned();
    let (_, known) = message.split_once("expected one of ").expect("it lists them");
    known.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Keys and tables of an explained TOML file, those that are commented out too: `image`, `[disk]`.
fn names_of(toml: &str) -> BTreeSet<String> {
    let is_key =
        |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let lines = toml.lines().map(|line| line.strip_prefix("# ").unwrap_or(line));
    let names = lines.filter_map(|line| match line.split_once(" = ") {
        Some((key, _)) if is_key(key) => Some(key.to_owned()),
        _ if line.starts_with('[') && line.ends_with(']') => Some(line.to_owned()),
        _ => None,
    });
    names.collect()
}

/// What stands below a heading with this title, or one of several parted by commas, up to the next heading of its level.
fn section<'t>(text: &'t str, title: &str) -> &'t str {
    let is_it =
        |line: &str| line.strip_prefix("## ").is_some_and(|titles| titles.split(", ").any(|known| known == title));
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        at += line.len();
        if is_it(line.trim_end()) {
            let rest = &text[at..];
            return rest.find("\n## ").map_or(rest, |end| &rest[..end]);
        }
    }
    ""
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|err| panic!("{name}: {err}"))
}

/// Every page that people read.
fn pages() -> Vec<PathBuf> {
    let single = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "tests/bench/README.md"];
    single.into_iter().map(|name| root().join(name)).chain(markdown(&root().join("docs"))).collect()
}

fn markdown(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).unwrap_or_else(|err| panic!("{}: {err}", folder.display()));
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            found.extend(markdown(&path));
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.push(path);
        }
    }
    found.sort();
    found
}
