//! Lists as spreadsheets, orch-cli and people make them, and what a technician reads about each.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use oxbow::domain::command::{Command, Undo};
use oxbow::domain::fleet::Fleet;
use oxbow::domain::ids::NodeId;
use oxbow::domain::import::{self, ColumnMeaning, ImportOptions, ListFlaw, Preview, RowEffect};
use oxbow::domain::logline::LogTail;
use oxbow::domain::node::Node;
use oxbow::domain::node::registration::Registration;
use oxbow::domain::profile::file;
use oxbow::domain::snapshot::{Catalogue, Snapshot};
use oxbow::domain::time::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_750_000_000_000);

#[test]
fn every_list_people_make_is_understood() {
    for (name, bytes) in fixtures("tests/fixtures/csv") {
        let preview = read(&name, &bytes);
        assert!(preview.is_clean(), "{}", words(&preview));
        picture("../../fixtures/csv", &name, &picture_of(&preview));
    }
}

#[test]
fn every_mistake_is_told_with_its_place_and_what_to_do() {
    for (name, bytes) in fixtures("tests/fixtures/csv/bad") {
        let preview = read(&name, &bytes);
        assert!(!preview.is_clean() || preview.warnings().next().is_some(), "{name} has a mistake");
        picture("../../fixtures/csv/bad", &name, &words(&preview));
    }
}

#[test]
fn the_template_is_read_as_every_column_means() {
    let preview = read("template.csv", import::template().as_bytes());
    assert_eq!(preview.flaws, [ListFlaw::NoRows]);
    let meanings: Vec<ColumnMeaning> = preview.columns.into_iter().map(|column| column.meaning).collect();
    let extra = |key: &str| ColumnMeaning::Extra(key.into());
    let told = [
        ColumnMeaning::Serial,
        ColumnMeaning::Uuid,
        ColumnMeaning::Mac,
        ColumnMeaning::Profile,
        ColumnMeaning::Name,
        ColumnMeaning::Hostname,
    ];
    assert_eq!(meanings[..6], told);
    assert_eq!(meanings[6..], [extra("Site"), ColumnMeaning::Metadata, extra("CloudInit")]);
}

#[test]
fn errors_come_back_as_a_list_that_is_imported_once_corrected() {
    for (name, bytes) in fixtures("tests/fixtures/csv/bad") {
        let first = read(&name, &bytes);
        if first.counts.errors == 0 {
            continue;
        }
        let saved = import::errors_csv(&first);
        let again = read("errors.csv", saved.as_bytes());
        let flaws = |preview: &Preview| -> Vec<Vec<String>> {
            let of = |standing: &RowEffect| match standing {
                RowEffect::Error(errors) => Some(errors.iter().map(|error| error.flaw.hint()).collect()),
                _ => None,
            };
            preview.rows.iter().filter_map(|row| of(&row.standing)).collect()
        };
        assert_eq!(flaws(&first), flaws(&again), "{name}: the same cells have the same flaws\n{saved}");
        assert_eq!(first.counts.errors, again.rows.len(), "{name}: nothing but the rows with errors");
    }
    let bytes = fs::read("tests/fixtures/csv/bad/rounded-by-excel-de.csv").expect("a fixture");
    let saved = import::errors_csv(&read("order.csv", &bytes));
    let problem = "row 2: Seriennummer: \"\"1,23457E+11\"\" is a number";
    assert!(saved.starts_with("\u{feff}Seriennummer;Profil;Problem\r\n1,23457E+11;demo;"), "{saved}");
    assert!(saved.contains(problem), "{saved}");
    let corrected = saved.replace("1,23457E+11;demo", "123457000000;demo");
    assert!(read("order-errors.csv", corrected.as_bytes()).is_clean(), "{corrected}");
}

#[test]
fn the_file_of_errors_has_a_name_a_stick_can_hold() {
    for (file, name) in [
        ("hosts.csv", "hosts-errors.csv"),
        ("/media/stick/Order 4711.txt", "Order 4711-errors.csv"),
        ("a:b*c?.csv", "a_b_c_-errors.csv"),
        ("hosts-errors.csv", "hosts-errors.csv"),
        ("", "-errors.csv"),
    ] {
        assert_eq!(import::errors_file_name(file), name);
    }
}

#[test]
fn a_profile_for_the_whole_list_goes_before_what_rows_say() {
    let options = ImportOptions { profile: "demo".parse().ok() };
    let preview = import::preview("a.csv", b"Serial,Profile\nA100,nonsense\nA101,\n", NOW, &bench(), &options);
    let profiles: Vec<_> = preview.rows.iter().map(|row| row.registration.profile.clone()).collect();
    assert_eq!((preview.is_clean(), profiles), (true, vec!["demo".parse().ok(), "demo".parse().ok()]));
}

proptest! {
    #[test]
    fn any_bytes_give_words_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let preview = read("any.csv", &bytes);
        words(&preview);
        import::errors_csv(&preview);
    }

    #[test]
    fn any_cells_give_words_and_never_a_panic(
        header in "(Serial|UUID|MAC|Profile|Metadata|Note|;|,|\t| ){1,8}",
        rows in proptest::collection::vec("(\"|,|;|\n|[0-9a-f:-]{1,20}|E\\+11|=|&|\\PC){0,12}", 0..12),
    ) {
        let preview = read("any.csv", format!("{header}\n{}", rows.join("\n")).as_bytes());
        words(&preview);
        let again = read("errors.csv", import::errors_csv(&preview).as_bytes());
        prop_assert!(again.rows.len() <= preview.rows.len());
    }

    #[test]
    fn what_was_imported_is_all_the_same_when_it_comes_again_and_gone_when_it_is_taken_back(
        known in lists(), list in lists(),
    ) {
        let mut bench = bench();
        let mut fleet = Fleet::default();
        let preview = |bench: &Snapshot, list: &str| {
            let preview = import::preview("a.csv", list.as_bytes(), NOW, bench, &ImportOptions::default());
            (preview.import_without_errors(), preview)
        };
        let takes = |fleet: &mut Fleet, bench: &mut Snapshot, command: Command| {
            fleet.apply(NOW, command, &bench.catalogue.clone()).expect("what was shown can be done");
            (bench.nodes, bench.index) = (fleet.nodes().clone(), fleet.index().clone());
        };
        let (import, _) = preview(&bench, &known);
        takes(&mut fleet, &mut bench, Command::Import(import));
        let (before, index) = (bench.nodes.clone(), bench.index.clone());

        let (import, first) = preview(&bench, &list);
        takes(&mut fleet, &mut bench, Command::Import(import));
        let (_, again) = preview(&bench, &list);
        for (row, then) in again.rows.iter().zip(&first.rows) {
            if !matches!(then.standing, RowEffect::Error(_)) {
                prop_assert_eq!(row.standing.word(), "same", "{:?}", row);
            }
        }
        if first.counts.new + first.counts.changes > 0 {
            let deed = fleet.deeds().last().expect("a deed").at;
            takes(&mut fleet, &mut bench, Command::Undo { deed, scope: Undo::All });
            prop_assert_eq!(&*bench.index, &*index);
            let known = |nodes: &BTreeMap<NodeId, Arc<Node>>| nodes.values().map(|node| forgetful(node)).collect::<Vec<_>>();
            prop_assert_eq!(known(&bench.nodes), known(&before));
        }
    }

    #[test]
    fn what_is_exported_is_imported_as_it_was(machines in machines()) {
        let list = import::export_csv(&machines);
        let preview = read("bench.csv", list.as_bytes());
        prop_assert!(preview.flaws.is_empty() && preview.counts.errors == 0, "{}\n{list}", words(&preview));
        let again: Vec<_> = preview.rows.iter().map(|row| row.registration.clone()).collect();
        prop_assert_eq!(again, machines, "{}", list);
    }

    #[test]
    fn the_order_of_the_columns_does_not_matter(
        (titles, order) in Just(vec!["Serial", "UUID", "MAC", "Profile", "Name", "Hostname", "Metadata", "Site"])
            .prop_flat_map(|titles| (Just(titles.clone()), Just((0..titles.len()).collect::<Vec<_>>()).prop_shuffle())),
        rows in proptest::collection::vec((0_u32..500, any::<bool>(), any::<bool>()), 1..20),
    ) {
        let cells = |(number, with_mac, with_profile): &(u32, bool, bool)| vec![
            format!("PF{number:05}"),
            format!("4c4c4544-0042-4a10-8052-{number:012x}"),
            if *with_mac { format!("52:54:00:00:{:02x}:{:02x}", number >> 8, number & 255) } else { String::new() },
            if *with_profile { "emts".into() } else { "demo".into() },
            format!("press {number}"),
            format!("press-{number}"),
            format!("line={number}"),
            "Ulm".into(),
        ];
        let written = |order: &[usize]| {
            let line = |cells: &[String]| order.iter().map(|at| cells[*at].clone()).collect::<Vec<_>>().join(",");
            let titles: Vec<String> = titles.iter().map(|title| (*title).to_owned()).collect();
            let lines = rows.iter().map(|row| line(&cells(row)));
            [line(&titles)].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
        };
        let straight: Vec<usize> = (0..titles.len()).collect();
        let [one, other] = [straight, order].map(|order| read("a.csv", written(&order).as_bytes()));
        let rows = |preview: &Preview| {
            preview.rows.iter().map(|row| (row.registration.clone(), row.standing.clone())).collect::<Vec<_>>()
        };
        prop_assert_eq!(rows(&one), rows(&other));
        prop_assert_eq!(one.counts, other.counts);
    }
}

/// Machines that have nothing in common, with whatever can be said of them.
fn machines() -> impl Strategy<Value = Vec<Registration>> {
    // A spreadsheet's `="text"` is the text.
    let said = || "[!-~äß½]{1,9}( [!-~äß½]{1,9})?".prop_filter("a formula", |text| !text.starts_with("=\""));
    let metadata = proptest::collection::btree_map("x[!-~]{0,6}y", said(), 0..3);
    let one = (0_u8..8, said(), metadata, proptest::option::of("demo|emt-s"));
    proptest::collection::vec(one, 1..6).prop_map(|machines| {
        let numbered = (0_u16..).zip(machines);
        let machine =
            |(number, (known, words, metadata, profile)): (u16, (u8, String, _, Option<String>))| Registration {
                serial: (known & 1 == 1 || known == 0).then(|| format!("SN-{number}").parse().expect("a serial")),
                uuid: (known & 2 == 2)
                    .then(|| format!("4c4c4544-0042-4a10-8052-{number:012x}").parse().expect("a UUID")),
                macs: (0..known & 4)
                    .map(|nth| format!("52:54:00:00:{nth:02x}:{number:02x}").parse().expect("a MAC"))
                    .collect(),
                name: Some(words),
                hostname: format!("unit-{number}").parse().ok(),
                profile: profile.and_then(|profile| profile.parse().ok()),
                metadata,
            };
        numbered.map(machine).collect()
    })
}

/// Lists of a few machines that meet each other often.
fn lists() -> impl Strategy<Value = String> {
    let serial = proptest::option::of((0_u8..6).prop_map(|number| format!("SN-{number}")));
    let mac = proptest::option::of((0_u8..6).prop_map(|number| format!("52:54:00:00:00:0{number}")));
    let uuid =
        proptest::option::of((0_u8..4).prop_map(|number| format!("4c4c4544-0042-4a10-8052-00000000000{number}")));
    let name = proptest::option::of("[a-c]");
    let row = (serial, mac, uuid, name)
        .prop_map(|(serial, mac, uuid, name)| [serial, mac, uuid, name].map(Option::unwrap_or_default).join(","));
    proptest::collection::vec(row, 1..5).prop_map(|rows| format!("Serial,MAC,UUID,Note\n{}\n", rows.join("\n")))
}

/// A node without what happened to it.
fn forgetful(node: &Node) -> Node {
    Node { log: LogTail::default(), ..node.clone() }
}

fn read(file: &str, bytes: &[u8]) -> Preview {
    import::preview(file, bytes, NOW, &bench(), &ImportOptions::default())
}

/// An empty bench with three profiles.
fn bench() -> Snapshot {
    let profile = |id: &str, title: &str| {
        let text = format!("schema = 1\ntitle = {title:?}\nimage = \"{id}.raw.gz\"\n");
        file::parse(&format!("{id}.toml"), &text).expect("a profile")
    };
    let profiles = [
        profile("demo", "Demonstration"),
        profile("emt-s", "Edge Microvisor Toolkit 3.0.20250617"),
        profile("debian", "Debian 13"),
    ];
    let catalogue = Catalogue {
        profiles: profiles.into_iter().map(|profile| (profile.id.clone(), profile)).collect(),
        ..Catalogue::default()
    };
    let fleet = Fleet::default();
    Snapshot {
        nodes: fleet.nodes().clone(),
        index: fleet.index().clone(),
        catalogue: Arc::new(catalogue),
        ..Snapshot::default()
    }
}

fn fixtures(directory: &str) -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let mut paths: Vec<PathBuf> = fs::read_dir(root).expect("fixtures").flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "csv"));
    paths.sort();
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), fs::read(path).expect("readable"))).collect()
}

/// Holds `text` against what is kept beside the fixture.
fn picture(directory: &str, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(directory);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name.trim_end_matches(".csv"), text));
}

fn picture_of(preview: &Preview) -> String {
    let columns = preview.columns.iter().map(|column| format!("{} = {:?}", column.title, column.meaning));
    let mut text =
        format!("{} {:?}\n{}\n", preview.encoding.word(), preview.separator, columns.collect::<Vec<_>>().join("\n"));
    for row in &preview.rows {
        let said = &row.registration;
        let macs = said.macs.iter().map(ToString::to_string).collect();
        let option = |value: Option<String>| value.into_iter().collect::<Vec<_>>();
        let fields: [(&str, Vec<String>); 7] = [
            ("serial", option(said.serial.as_ref().map(ToString::to_string))),
            ("uuid", option(said.uuid.map(|uuid| uuid.to_string()))),
            ("mac", macs),
            ("profile", option(said.profile.as_ref().map(ToString::to_string))),
            ("name", option(said.name.clone())),
            ("hostname", option(said.hostname.as_ref().map(ToString::to_string))),
            ("", said.metadata.iter().map(|(key, value)| format!("{key}: {value}")).collect()),
        ];
        let _ = write!(text, "\nrow {} {}", row.row, row.standing.word());
        for (field, values) in fields {
            for value in values {
                let _ = write!(text, "\n  {field} {value}");
            }
        }
    }
    let warnings: Vec<String> = preview.warnings().map(|warning| warning.to_string()).collect();
    format!("{text}\n\n{}", warnings.join("\n"))
}

fn words(preview: &Preview) -> String {
    let errors = preview.errors().map(|error| format!("error: {error}"));
    let warnings = preview.warnings().map(|warning| format!("warning: {warning}"));
    errors.chain(warnings).collect::<Vec<_>>().join("\n")
}
