use super::*;
use crate::domain::batch::counts::BatchCounts;
use crate::domain::batch::unit::{ImageFact, RunFact, StageReached, UnitState};
use crate::domain::ids::NodeId;
use crate::domain::node::phase::Stage;
use crate::domain::time::Timestamp;
use crate::export::patient;

const BEGAN: u64 = 1_795_442_531_000;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(BEGAN + seconds * 1000)
}

/// A machine that was switched on at that second and took so many to its end.
fn unit(node: u32, name: &str, standing: UnitState, began: u64, took: u64) -> Unit {
    let digest = Digest::new([7; 32]);
    let steps = [(Stage::Seen, 0), (Stage::Agent, took / 3), (Stage::Writing, took / 2)];
    let run = RunFact {
        id: format!("{node:032x}").parse().expect("a run"),
        profile: "emt-s".parse().expect("a profile"),
        started: at(began + 1),
        ended: Some(at(began + took)),
        image: Some(ImageFact {
            name: "edge.raw.gz".into(),
            travelled_sha256: Some(digest),
            disk_bytes: 4 << 30,
            written_sha256: digest,
            read_back_sha256: standing.is_done().then_some(digest),
        }),
        configuration_sha256: None,
        root_hash: None,
        steps: steps.map(|(stage, after)| StageReached { stage, at: at(began + after) }).to_vec(),
    };
    Unit {
        node: NodeId(node),
        name: name.into(),
        serial: format!("PF3K{node:04}").parse().ok(),
        uuid: None,
        macs: "52:54:00:00:00:01".parse().into_iter().collect(),
        hostname: None,
        manufacturer: Some("Contoso".into()),
        product: Some("Edge 300".into()),
        disks: Vec::new(),
        inventory: Default::default(),
        expected: true,
        contested: false,
        standing,
        reason: (standing == UnitState::Failed).then(|| "writing: /dev/sda: input/output error".into()),
        runs: 1,
        run: (standing != UnitState::Missing).then_some(run),
    }
}

fn report(units: Vec<Unit>) -> (BatchRow, Vec<ReportEntry>) {
    let place = tempfile::TempDir::new().expect("a directory");
    let seal = Seal::open(place.path()).expect("a key");
    let mut batch = BatchRow { number: Some(3), opened: BEGAN, closed: Some(BEGAN + 600_000), ..BatchRow::default() };
    batch.order.name = "line 2".into();
    batch.tally = BatchCounts::of(&units);
    let entries = entries(&batch, units, &seal, &patient).expect("signed");
    (batch, entries)
}

#[test]
fn a_table_for_the_erp_has_a_row_for_each_machine_and_no_formula() {
    let hostile = "=HYPERLINK(\"http://x\",\"y\")";
    let units = vec![unit(1, "press-01", UnitState::Provisioned, 0, 90), unit(2, hostile, UnitState::Missing, 0, 0)];
    let (batch, entries) = report(units);
    let table = csv::written(&batch, &entries);
    let mut reader = ::csv::Reader::from_reader(table.as_bytes());
    let titles = reader.headers().expect("titles").clone();
    let rows: Vec<_> = reader.records().map(|row| row.expect("a row")).collect();
    let cell = |row: usize, title: &str| {
        let column = titles.iter().position(|other| other == title).expect("a column");
        rows[row][column].to_owned()
    };
    assert_eq!((rows.len(), cell(0, "took_seconds").as_str(), cell(0, "standing").as_str()), (2, "90", "provisioned"));
    assert_eq!((cell(0, "disk_sha256"), cell(0, "read_back_sha256")), ("07".repeat(32), "07".repeat(32)));
    assert_eq!(cell(0, "certificate"), "certificates/press-01-1.json");
    assert_eq!((cell(1, "name"), cell(1, "certificate")), (format!("'{hostile}"), String::new()));
}

#[test]
fn a_page_to_print_shows_board_timelines_and_codes_and_nothing_a_machine_says_is_markup() {
    let hostile = "<script>alert(1)</script>\"'";
    let units = vec![
        unit(1, "press-01", UnitState::Provisioned, 0, 90),
        unit(2, "press-02", UnitState::Failed, 30, 60),
        unit(3, hostile, UnitState::Provisioned, 60, 40),
        unit(4, "press-04", UnitState::Missing, 0, 0),
    ];
    let (batch, entries) = report(units);
    let page = html::page(&batch, &entries).expect("a page");
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"), "{page}");
    assert_eq!(page.matches("<svg").count(), 2, "a code for each that has its system");
    let elsewhere = page.matches("http").count() - page.matches("http://www.w3.org/2000/svg").count();
    assert_eq!(
        (page.matches("<?xml").count(), elsewhere),
        (0, page.matches("http-equiv").count()),
        "nothing is fetched"
    );
    assert!(page.contains("<li><b>4</b>expected</li>") && page.contains("<li><b>1</b>missing</li>"), "{page}");
    assert!(page.contains("left:0%;width:90%") && page.contains("left:60%;width:40%"), "{page}");
    assert!(page.contains("<span>2026-11-23 14:02:11</span><span>14:03:51 UTC</span>"), "{page}");
    assert!(
        page.contains("seen <time datetime=\"2026-11-23T14:02:11.000Z\">30s</time>") && !page.contains(">0s<"),
        "{page}"
    );
    assert!(page.contains("✗ failed") && page.contains("input&#x2f;output error"), "{page}");
}

#[test]
fn how_many_an_hour_is_said_of_a_batch_and_not_of_a_handful() {
    let says = |machines: u32| {
        let units: Vec<Unit> = (1..=machines).map(|node| unit(node, "x", UnitState::Provisioned, 0, 90)).collect();
        figures(&BatchCounts::of(&units)).expect("figures").contains("an hour")
    };
    assert_eq!([3, 9, 10].map(says), [false, false, true]);
}

#[test]
fn only_a_machine_that_has_its_system_gets_a_certificate() {
    let units = UnitState::ALL.into_iter().zip(1..).map(|(standing, node)| unit(node, "x", standing, 0, 9)).collect();
    let (_, entries) = report(units);
    let certified: Vec<UnitState> =
        entries.iter().filter(|entry| entry.certificate.is_some()).map(|entry| entry.unit.standing).collect();
    assert_eq!(certified, [UnitState::Provisioned, UnitState::Installed]);
    let names: Vec<&str> = entries.iter().filter_map(|entry| Some(entry.certificate.as_ref()?.name.as_str())).collect();
    assert_eq!(names, ["certificates/x-1.json", "certificates/x-2.json"], "two machines of one name");
}

#[test]
fn a_report_is_never_written_over_another() {
    let place = tempfile::TempDir::new().expect("a directory");
    let files = [("certificates/a.json".to_owned(), b"{}".to_vec())];
    write_all(place.path(), &files, &patient).expect("it is empty");
    let problem = write_all(place.path(), &files, &patient).expect_err("it is not");
    let Unmade::Problems(problems) = problem else { panic!("{problem:?}") };
    let problem = &problems[0];
    assert!(problem.what.contains("it is not empty"), "{problem}");
}
