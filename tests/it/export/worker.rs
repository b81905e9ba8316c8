//! What the station's office writes for keys, on a bench without a station: where it is, that it is whole, that nothing
//! is written over or left behind.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;

use oxbow::config::{ConfigProblem, Settings};
use oxbow::data_dir::DataDir;
use oxbow::domain::batch::WHOLE_BENCH;
use oxbow::domain::batch::export::{Export, ExportError, ExportProgress, ReportFormat, WrittenExport};
use oxbow::domain::station::policy::Policy;
use oxbow::export::patient;
use oxbow::export::worker::ExportWorker;
use oxbow::station::{self, InitialSettings};

/// A data directory in which machines are registered.
fn bench(machines: usize) -> TempDir {
    let place = TempDir::new().expect("a directory");
    register(place.path(), machines);
    place
}

fn register(data: &Path, machines: usize) {
    let list: String = (1..=machines).map(|number| format!("SN-{number:04}\n")).collect();
    fs::write(data.join("order.csv"), format!("Serial\n{list}")).expect("a file");
    oxbow(data, &["import", &data.join("order.csv").display().to_string()]);
}

#[track_caller]
fn oxbow(data: &Path, words: &[&str]) {
    let mut oxbow = Command::new(env!("CARGO_BIN_EXE_oxbow"));
    oxbow.args(words).env("OXBOW_DATA", data).env("OXBOW_CONFIG", "/dev/null");
    let output = oxbow.output().expect("oxbow starts");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The office of that bench.
fn office(data: &Path) -> ExportWorker {
    let (place, alone) = (DataDir::new(data), Mutex::new(None));
    ExportWorker {
        data: DataDir::new(data),
        settings: Settings::default(),
        profiles: Box::new(Vec::new),
        connect: Box::new(move || {
            let mut alone = alone.lock().expect("whole");
            // The one before ends first.
            *alone = None;
            let initial = InitialSettings { policy: Policy::default(), dhcp: None };
            let (stream, bench) = station::open_offline(&place, &place.profiles(), initial)?
                .ok_or_else(|| ConfigProblem::new("another oxbow has the bench", "wait"))?;
            *alone = Some(bench);
            Ok(stream)
        }),
    }
}

fn report() -> Export {
    Export::Report { number: None, formats: ReportFormat::ALL.to_vec() }
}

/// All that is in `folder`, by its path below it.
fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let below = entries.flat_map(|entry| {
        let (path, name) = (entry.path(), PathBuf::from(entry.file_name()));
        let inside = files(&path).into_iter().map(|file| name.join(file)).collect::<Vec<_>>();
        if inside.is_empty() { vec![name] } else { inside }
    });
    below.collect()
}

#[track_caller]
fn written(office: &ExportWorker, paper: &Export) -> WrittenExport {
    office.write(paper, &patient).unwrap_or_else(|why| panic!("{why:?}"))
}

#[test]
fn a_report_is_in_a_directory_of_its_own_and_the_next_one_is_beside_it() {
    let bench = bench(3);
    oxbow(bench.path(), &["batch", "open", "line 2"]);
    let office = office(bench.path());
    let kept = [(); 3].map(|()| written(&office, &report()));
    for WrittenExport { place, about } in &kept {
        assert_eq!(about, &["3 machines, certificates: 0"]);
        assert!(place.starts_with(bench.path().join("reports")), "{}", place.display());
        let name = place.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(name.starts_with("batch-1-20"), "{name}");
        let names = ["batch-1.csv", "batch-1.html", "batch-1.json", "public.pem"].map(PathBuf::from);
        assert_eq!(files(place), names.into());
    }
    let places: BTreeSet<_> = kept.iter().map(|kept| &kept.place).collect();
    assert_eq!(places.len(), 3, "three in a second, and none over another: {places:?}");
    assert_eq!(fs::read_dir(bench.path().join("reports")).expect("a folder").count(), 3, "and nothing else");
    let whole = Export::Report { number: Some(WHOLE_BENCH), formats: vec![ReportFormat::Csv] };
    assert!(files(&written(&office, &whole).place).contains(Path::new("bench.csv")), "whatever batch is open");
}

#[test]
fn a_list_can_be_imported_again_and_an_archive_is_for_its_owner_alone() {
    let bench = bench(3);
    let office = office(bench.path());
    let list = written(&office, &Export::List);
    assert_eq!(list.about, ["machines in it: 3"]);
    let other = TempDir::new().expect("a directory");
    oxbow(other.path(), &["import", &list.place.display().to_string()]);
    let archive = written(&office, &Export::Support { nodes: vec![oxbow::domain::ids::NodeId(1)] });
    assert!(archive.about[0].ends_with("kB; look through it before you mail it"), "{:?}", archive.about);
    let about = fs::metadata(&archive.place).expect("it is there");
    assert_eq!(about.permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read(&archive.place).expect("readable")[..2], [0x1f, 0x8b], "a gzip file");
}

#[test]
fn a_paper_that_nobody_wants_any_more_leaves_nothing_behind_wherever_it_is_dropped() {
    let bench = bench(200);
    let office = office(bench.path());
    let steps = Mutex::new(Vec::new());
    let all = |step: ExportProgress| {
        steps.lock().expect("whole").push(step.what);
        true
    };
    written(&office, &Export::List);
    let first = office.write(&report(), &all).expect("written").place;
    fs::remove_dir_all(first).expect("it is there");
    let steps = steps.into_inner().expect("whole");
    for what in ["machines read", "machines signed", "files written", "files brought to the disk"] {
        assert!(steps.contains(&what), "{what} is not among {steps:?}");
        let until = |step: ExportProgress| step.what != what;
        assert_eq!(office.write(&report(), &until), Err(ExportError::Dropped));
        assert_eq!(files(&bench.path().join("reports")), BTreeSet::new(), "dropped while {what}");
    }
    assert_eq!(office.write(&Export::List, &|_| false), Err(ExportError::Dropped));
    assert_eq!(files(&bench.path().join("lists")).len(), 1, "the one before is there still");
}

#[test]
fn what_a_station_that_was_killed_left_unfinished_goes_with_the_next_paper() {
    let bench = bench(1);
    let left = bench.path().join("reports/.unfinished/certificates");
    fs::create_dir_all(&left).expect("a directory");
    fs::write(left.join("half.json"), "{").expect("a file");
    let kept = written(&office(bench.path()), &report());
    let there = fs::read_dir(bench.path().join("reports")).expect("a folder").flatten().map(|entry| entry.path());
    assert_eq!(there.collect::<Vec<_>>(), [kept.place]);
}

#[test]
fn what_cannot_be_written_is_said_with_its_place_and_what_to_do() {
    let bench = bench(1);
    let office = office(bench.path());
    fs::write(bench.path().join("reports"), "in the way").expect("a file");
    let Err(ExportError::Problem { what, hint }) = office.write(&report(), &patient) else { panic!("it is written") };
    let place = bench.path().join("reports").display().to_string();
    assert!(what.contains(&place) && hint.contains("`oxbow report`"), "{what} / {hint}");
    let missing = Export::Report { number: Some(7), formats: ReportFormat::ALL.to_vec() };
    let Err(ExportError::Problem { what, hint }) = office.write(&missing, &patient) else { panic!("it is written") };
    assert!(what.contains("no batch 7") && hint.contains("oxbow batch open"), "{what} / {hint}");
}

#[test]
fn what_was_said_to_be_written_is_whole_after_a_power_cut() {
    let place = TempDir::new().expect("a directory");
    let [disk, cut, data, after] = ["disk", "cut", "data", "after"].map(|name| place.path().join(name));
    // What is mounted from here on is seen by this thread and its children alone, and goes with them.
    unshare(CloneFlags::CLONE_NEWNS).expect("mounting needs root");
    told("mount", &["--make-rprivate", "/"]);
    fs::File::create_new(&disk).and_then(|disk| disk.set_len(64 << 20)).expect("a disk");
    told("mkfs.ext4", &["-q", &disk.display().to_string()]);
    let mount = |disk: &Path, at: &Path| {
        fs::create_dir_all(at).expect("a directory");
        told("mount", &["-o", "loop", &disk.display().to_string(), &at.display().to_string()]);
    };
    mount(&disk, &data);
    register(&data, 3);
    let office = office(&data);
    for paper in [report(), Export::List, Export::Support { nodes: Vec::new() }] {
        let WrittenExport { place, .. } = written(&office, &paper);
        // The disk as it is at this moment, without what waits in memory to be written to it.
        fs::copy(&disk, &cut).expect("a copy");
        mount(&cut, &after);
        let there = after.join(place.strip_prefix(&data).expect("it is in the data"));
        assert_eq!(files(&there), files(&place), "{paper:?}");
        let below = |name: &PathBuf| (there.join(name), place.join(name));
        let pairs = if place.is_file() {
            vec![(there.clone(), place.clone())]
        } else {
            files(&place).iter().map(below).collect()
        };
        for (kept, whole) in pairs {
            let [kept, whole] =
                [&kept, &whole].map(|file| fs::read(file).unwrap_or_else(|err| panic!("{}: {err}", file.display())));
            assert!(!whole.is_empty() && kept == whole, "{paper:?}: {} bytes of {}", kept.len(), whole.len());
        }
        told("umount", &[&after.display().to_string()]);
    }
}

#[track_caller]
fn told(program: &str, words: &[&str]) {
    let output = Command::new(program).args(words).output().unwrap_or_else(|err| panic!("{program}: {err}"));
    assert!(output.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}
