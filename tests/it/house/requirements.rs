//! What firmware demands is listed in `requirements.toml`, each row with the tests that show it. Here the list is held
//! against the sources: a test that was renamed or removed takes its row's word away.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    row: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    demand: String,
    #[serde(default)]
    shown_by: Vec<String>,
    why_not: Option<String>,
}

fn rows() -> Vec<Row> {
    let text = include_str!("../../requirements.toml");
    toml::from_str::<List>(text).map_err(|error| error.to_string()).expect("a valid list").row
}

#[test]
fn every_demand_is_shown_by_tests_that_exist_or_says_why_not() {
    let tests = tests();
    assert!(tests.len() > 400, "the walk found too few tests: {}", tests.len());
    let mut wrong = Vec::new();
    for Row { demand, shown_by, why_not } in rows() {
        if shown_by.is_empty() && why_not.is_none() {
            wrong.push(format!("{demand}: neither a test nor a reason"));
        }
        let missing = shown_by.iter().filter(|name| !tests.contains(*name));
        wrong.extend(missing.map(|name| format!("{demand}: there is no test {name}")));
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn no_demand_is_listed_twice_and_few_are_not_met() {
    let rows = rows();
    let demands: BTreeSet<&str> = rows.iter().map(|row| row.demand.as_str()).collect();
    assert_eq!(demands.len(), rows.len());
    let unmet = rows.iter().filter(|row| row.shown_by.is_empty()).count();
    assert!(rows.len() > 90 && unmet < 10, "{unmet} of {}", rows.len());
}

/// The names of all tests in the sources: functions behind `#[test]`, and those inside `proptest!`.
fn tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = BTreeSet::new();
    for folder in ["src", "tests"] {
        walk(&root.join(folder), &mut names);
    }
    names
}

fn walk(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, names);
        } else if path.extension().is_some_and(|end| end == "rs") {
            names.extend(tests_in(&fs::read_to_string(path).expect("readable")));
        }
    }
}

fn tests_in(text: &str) -> Vec<String> {
    let (mut names, mut is_test) = (Vec::new(), false);
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some(rest) = line.strip_prefix("fn ").or_else(|| line.strip_prefix("async fn ")) {
            if is_test {
                names.extend(rest.split(['(', '<']).next().map(str::to_owned));
            }
            is_test = false;
        }
    }
    names
}

#[test]
fn only_functions_behind_the_attribute_count_as_tests() {
    let text = "#[test]\n#[ignore]\nfn one() {\nfn helper() {\n// fn two()\n#[tokio::test(start_paused = true)]\nasync fn three() {";
    assert_eq!(tests_in(text), ["one", "three"]);
}
