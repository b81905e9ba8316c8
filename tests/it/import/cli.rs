//! Lists and nodes at the command line, with the built program: while a station runs, and while none does.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::lab::Bench;

const LIST: &str = "Serial,MAC,Profile,Name\nSN-1,52:54:00:00:00:01,demo,press-01\nSN-2,,demo,press-02\n";

/// A data directory with one profile.
struct Home(TempDir);

/// How a command ended.
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Home {
    fn new() -> Self {
        let home = Self(TempDir::new().expect("a directory"));
        for directory in ["profiles", "images", "boot"] {
            fs::create_dir(home.path(directory)).expect("a directory");
        }
        home.write("profiles/demo.toml", "schema = 1\ntitle = \"Demo\"\nimage = \"os.raw\"\n");
        home.write("images/os.raw", "an image");
        home.write("empty.toml", "");
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|err| panic!("{name}: {err}"))
    }

    /// `oxbow` with these arguments, in the data directory.
    fn oxbow(&self, arguments: &[&str]) -> Said {
        let mut oxbow = Command::new(env!("CARGO_BIN_EXE_oxbow"));
        oxbow.args(arguments).env("OXBOW_DATA", self.0.path()).env("OXBOW_CONFIG", self.path("empty.toml"));
        let Output { status, stdout, stderr } =
            oxbow.current_dir(self.0.path()).stdin(Stdio::null()).output().expect("oxbow starts");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Said { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) }
    }

    /// The same, which must end well and say these words.
    #[track_caller]
    fn does(&self, arguments: &[&str], words: &[&str]) -> Said {
        self.ends(0, arguments, words)
    }

    #[track_caller]
    fn ends(&self, code: i32, arguments: &[&str], words: &[&str]) -> Said {
        let said = self.oxbow(arguments);
        let all = format!("{}{}", said.out, said.err);
        assert_eq!(said.code, code, "{arguments:?}: {all}");
        for word in words {
            assert!(all.contains(word), "{word:?} is not in: {all}");
        }
        said
    }
}

/// A station on a home, without a screen.
struct Station(Child);

impl Station {
    fn start(bench: &Bench, home: &Home) -> Self {
        let log = fs::File::create(bench.evidence().join("station.log")).expect("a file");
        let mut station = Command::new("ip");
        station.args(["netns", "exec", &bench.station(), "setpriv", "--pdeathsig", "KILL"]);
        station.args([env!("CARGO_BIN_EXE_oxbow"), "run", "--headless", "--interface", Bench::INTERFACE]);
        station.arg("--data").arg(home.0.path()).arg("--boot-files").arg(home.path("boot"));
        let station = station.stdout(Stdio::null()).stderr(log).spawn().expect("`ip` starts");
        let station = Self(station);
        until("the station answers", || home.path("control.sock").exists());
        station
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[track_caller]
fn until(what: &str, there: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !there() {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_dry_run_shows_every_row_and_stores_nothing() {
    let home = Home::new();
    home.write("order.csv", LIST);
    let said = home.does(&["import", "order.csv", "--dry-run"], &["row 2", "new", "press-01", "2 new, 0 the same"]);
    assert!(said.out.contains("nothing was imported: this was a dry run"), "{}", said.out);
    let nodes = home.does(&["nodes"], &["no node is known yet"]);
    assert_eq!(nodes.out.lines().count(), 1, "{}", nodes.out);
}

#[test]
fn a_list_is_imported_without_a_station_and_again_it_changes_nothing() {
    let home = Home::new();
    home.write("order.csv", LIST);
    home.does(&["import", "order.csv"], &["imported order.csv: 2 new, 0 changed, 0 the same"]);
    home.does(&["import", "order.csv"], &["nothing to import: the bench knows all of it"]);
    home.write("order.csv", &LIST.replace("press-02", "press-22"));
    home.does(&["import", "order.csv"], &["changes", "Name press-02 → press-22", "0 new, 1 changed, 1 the same"]);
    home.does(&["nodes", "list"], &["#1", "press-01", "SN-1", "52:54:00:00:00:01", "press-22"]);
    assert!(!home.path("control.sock").exists(), "nobody listens when no station runs");
}

#[test]
fn the_bench_is_exported_and_another_one_has_it_by_import() {
    let (home, other) = (Home::new(), Home::new());
    home.write("order.csv", LIST);
    home.does(&["import", "order.csv"], &["2 new"]);
    home.does(&["nodes", "edit", "SN-1", "--site", "=Ulm & more"], &[]);
    home.does(&["export", "bench.csv"], &["machines in bench.csv: 2"]);
    home.ends(2, &["export", "bench.csv"], &["bench.csv", "choose another name, or remove it"]);
    home.does(&["import", "bench.csv"], &["nothing to import: the bench knows all of it"]);
    other.write("bench.csv", &home.read("bench.csv"));
    other.does(&["import", "bench.csv"], &["imported bench.csv: 2 new"]);
    let [one, two] = [&home, &other].map(|home| home.does(&["export"], &["SN-1", "'=Ulm & more"]).out);
    assert_eq!(one, two);
    assert_eq!(one, home.read("bench.csv"), "printed and saved alike");
}

#[test]
fn errors_are_saved_corrected_and_imported() {
    let home = Home::new();
    home.write("order.csv", "Serial,Profile\nSN-1,dmo\nSN-2,demo\nSN-3,\nTo be filled by O.E.M.,\n");
    let words =
        ["order.csv:2, Profile: there is no profile \"dmo\"", "did you mean demo?", "order.csv:5, Serial: ", "hint: "];
    home.ends(1, &["import", "order.csv"], &words);
    home.ends(1, &["import", "order.csv", "--errors", "errors.csv"], &["2 with errors", "nothing was imported"]);
    assert_eq!(home.does(&["nodes"], &[]).out.lines().count(), 1, "all or nothing");
    let errors = home.read("errors.csv");
    assert_eq!(errors.lines().count(), 3, "{errors}");
    home.write("errors.csv", &errors.replace("dmo,", "demo,").replace("To be filled by O.E.M.", "SN-4"));
    home.does(&["import", "errors.csv"], &["imported errors.csv: 2 new"]);
}

#[test]
fn commands_without_a_station_wait_for_each_other() {
    let home = Home::new();
    std::thread::scope(|scope| {
        for number in 1..=6 {
            let (home, serial) = (&home, format!("SN-{number}"));
            scope.spawn(move || home.does(&["nodes", "register", "--serial", &serial], &["is registered as #"]));
        }
    });
    assert_eq!(home.does(&["nodes"], &[]).out.lines().count(), 7);
}

#[test]
fn usage_and_the_outside_end_with_two() {
    let home = Home::new();
    home.write("order.csv", LIST);
    home.write("book.csv", "PK\u{3}\u{4}");
    home.ends(2, &["import"], &["<FILE>"]);
    home.ends(2, &["import", "nowhere.csv"], &["cannot read nowhere.csv", "hint: "]);
    home.ends(2, &["import", "order.csv", "--profile", "dmo"], &["no profile named dmo", "there is demo"]);
    home.ends(2, &["nodes", "register", "--name", "x"], &["--serial"]);
    home.ends(2, &["nodes", "--data", "/nowhere/at/all"], &["there is no station's data in", "--data"]);
    home.ends(1, &["import", "book.csv"], &["this is an Excel or OpenDocument workbook", "save it as CSV"]);
    home.does(&["import", "--template"], &["Serial,UUID,MAC"]);
}

#[test]
fn the_same_commands_go_to_a_station_that_runs() {
    let bench = Bench::new("the_same_commands_go_to_a_station_that_runs");
    let home = Home::new();
    home.write("order.csv", LIST);
    let _station = Station::start(&bench, &home);
    let mode = fs::metadata(home.path("control.sock")).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "its owner's alone");

    home.ends(1, &["import", "--undo"], &["nothing that was done in the last minute can be undone"]);
    home.does(&["import", "order.csv"], &["imported order.csv: 2 new", "oxbow import --undo"]);
    home.does(&["nodes"], &["press-01", "press-02"]);
    home.does(&["import", "--undo"], &["the import of order.csv is undone"]);
    home.does(&["nodes"], &["no node is known yet"]);

    home.does(&["nodes", "register", "--serial", "SN-9", "--name", "press-01"], &["press-01 is registered as #"]);
    home.ends(1, &["nodes", "register", "--serial", "sn-9"], &["press-01 is already registered"]);
    home.does(&["nodes", "register", "--mac", "52-54-00-00-00-02", "--name", "press-01"], &["registered as #"]);
    home.ends(1, &["nodes", "rearm", "press-01"], &["\"press-01\" can be #", "say its number"]);
    home.does(&["nodes", "assign", "SN-9", "demo"], &["press-01 is to get profile demo"]);
    home.ends(1, &["nodes", "assign", "SN-9", "emt-s"], &["there is no profile named emt-s"]);
    home.does(&["nodes", "show", "5254.0000.0002"], &["MAC        52:54:00:00:00:02", "registered"]);
    let json = home.does(&["nodes", "show", "SN-9", "--json"], &[]).out;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&json["serial"], &json["profile"]), (&"SN-9".into(), &"demo".into()));
    home.ends(1, &["nodes", "approve", "--all"], &["no machine waits for approval"]);
    home.ends(1, &["nodes", "resolve", "SN-9", "tell-apart"], &["is in no conflict"]);
    home.does(&["policy", "hold"], &["hold: machines nobody registered wait for approval"]);
    home.does(&["policy"], &["hold: "]);
    home.ends(1, &["nodes", "forget", "SN-9", "#77"], &["press-01 is forgotten", "#77"]);
}

#[test]
fn a_node_is_edited_forgotten_and_brought_back() {
    let home = Home::new();
    let mac = "52:54:00:00:00:01";
    home.does(&["nodes", "register", "--serial", "SN-1", "--mac", mac, "--name", "press-01"], &["registered as #1"]);
    home.does(&["nodes", "register", "--serial", "SN-2"], &["registered as #2"]);
    let edit = ["nodes", "edit", "press-01", "--serial", "SN-11", "--site", "Ulm", "--hostname", "press-1"];
    home.does(&edit, &["press-01: Serial SN-1 → SN-11, Hostname + press-1, Site + Ulm"]);
    home.does(&edit, &["press-01 is so already"]);
    home.does(
        &["nodes", "edit", "press-01", "--mac", "5254.0000.000a"],
        &["MAC 52:54:00:00:00:01 → 52:54:00:00:00:0a"],
    );
    home.does(&["nodes", "edit", "press-01", "--name=", "--metadata", "Site="], &["Name - press-01", "Site - Ulm"]);
    home.ends(1, &["nodes", "edit", "#1", "--serial", "SN-2"], &["serial SN-2 is SN-2's"]);
    home.ends(1, &["nodes", "edit", "#1", "--serial=", "--mac="], &["SN-11 would have nothing left to know it by"]);
    home.ends(1, &["nodes", "edit", "#1", "--profile", "dmo"], &["there is no profile named dmo"]);
    home.ends(2, &["nodes", "edit", "#1", "--mac", "52:54"], &["six pairs of hex digits"]);
    home.ends(2, &["nodes", "edit", "#1"], &["--serial"]);

    home.does(&["nodes", "forget", "SN-11"], &["SN-11 is forgotten"]);
    assert_eq!(home.does(&["nodes"], &["SN-2"]).out.lines().count(), 2);
    home.does(&["nodes", "undo"], &["the forgetting of SN-11 is undone"]);
    home.does(
        &["nodes", "show", "#1"],
        &["serial     SN-11", "MAC        52:54:00:00:00:0a", "edited: Serial SN-1 → SN-11"],
    );
    home.does(&["nodes", "undo"], &["the edit of press-01 is undone"]);
    home.does(&["nodes", "show", "#1"], &["press-01", "Site: Ulm"]);
}

#[test]
fn a_station_that_is_started_again_still_takes_back_what_was_done() {
    let bench = Bench::new("a_station_that_is_started_again_still_takes_back");
    let home = Home::new();
    home.write("order.csv", LIST);
    let station = Station::start(&bench, &home);
    home.does(&["import", "order.csv"], &["imported order.csv: 2 new", "oxbow import --undo"]);
    home.does(&["nodes", "forget", "press-02"], &["press-02 is forgotten"]);
    drop(station);
    let _station = Station::start(&bench, &home);
    until("the new station answers", || home.oxbow(&["nodes", "show", "press-01"]).code == 0);
    home.does(&["nodes", "undo"], &["the forgetting of press-02 is undone"]);
    home.does(&["nodes"], &["press-01", "press-02"]);
    home.does(&["import", "--undo"], &["the import of order.csv is undone"]);
    home.does(&["nodes"], &["no node is known yet"]);
    home.ends(1, &["nodes", "undo"], &["nothing that was done in the last minute can be undone"]);
}

#[test]
fn a_site_lists_what_identifies_nobody_and_a_broken_list_changes_nothing() {
    let bench = Bench::new("a_site_lists_what_identifies_nobody");
    let home = Home::new();
    let (list, refused) = ("serials = [\n  \"ACME-0\",\n]\n", "ACME-0 is a placeholder that identifies nobody");
    home.write("placeholders.toml", list);
    home.ends(1, &["nodes", "register", "--serial", "acme 0"], &["is a placeholder that identifies nobody"]);
    let _station = Station::start(&bench, &home);
    home.ends(1, &["nodes", "register", "--serial", "ACME-0"], &[refused]);
    home.write("placeholders.toml", "serials = [\n  \"ACME-0\",\n  7\n]\n");
    let log = || fs::read_to_string(bench.evidence().join("station.log")).unwrap_or_default();
    until("what is wrong is said", || log().contains("placeholders.toml:3"));
    home.ends(1, &["nodes", "register", "--serial", "ACME-0"], &[refused]);
    home.write("placeholders.toml", &list.replace("ACME-0", "ACME-1"));
    until("the list is read again", || home.oxbow(&["nodes", "register", "--serial", "ACME-0"]).code == 0);
    home.ends(1, &["nodes", "register", "--serial", "ACME-1"], &["ACME-1 is a placeholder"]);
}

#[test]
fn the_settings_say_what_becomes_of_strangers_until_somebody_chooses() {
    let home = Home::new();
    home.write("empty.toml", "policy = \"hold\"\n");
    home.does(&["policy"], &["hold: machines nobody registered wait for approval"]);
    home.does(&["policy", "refuse"], &["refuse: "]);
    home.does(&["policy"], &["refuse: "]);
}

#[test]
fn what_was_done_without_a_station_is_there_when_one_starts_even_after_a_kill() {
    let bench = Bench::new("what_was_done_without_a_station_is_there_when_one_starts");
    let home = Home::new();
    home.write("order.csv", LIST);
    home.does(&["import", "order.csv"], &["2 new"]);
    home.does(&["policy", "refuse"], &[]);
    let station = Station::start(&bench, &home);
    home.does(&["nodes"], &["press-01", "press-02"]);
    home.does(&["nodes", "forget", "press-02"], &["press-02 is forgotten"]);
    drop(station);
    assert!(home.path("control.sock").exists(), "nobody has tidied up");
    home.does(&["nodes"], &["press-01"]);
    home.does(&["policy"], &["refuse: "]);
    let _station = Station::start(&bench, &home);
    until("the new station answers", || home.oxbow(&["nodes", "show", "press-01"]).code == 0);
}

#[test]
fn a_list_in_the_import_folder_is_taken_in_or_told_what_is_wrong() {
    let bench = Bench::new("a_list_in_the_import_folder_is_taken_in");
    let home = Home::new();
    let _station = Station::start(&bench, &home);
    until("the folder is there", || home.path("import/done").is_dir());
    home.write("import/order.csv", &LIST.replace("demo", "dmo"));
    until("the problems are told", || home.path("import/order.csv.problems.csv").exists());
    until("they are written", || home.read("import/order.csv.problems.csv").contains("there is no profile"));
    assert!(home.path("import/order.csv").exists());
    home.does(&["nodes"], &["no node is known yet"]);

    home.write("import/order.csv", LIST);
    until("it is taken in", || !home.path("import/order.csv").exists());
    let done: Vec<_> = fs::read_dir(home.path("import/done")).expect("a directory").flatten().collect();
    let names: Vec<String> = done.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert!(names.len() == 1 && names[0].ends_with("-order.csv"), "{names:?}");
    assert!(!home.path("import/order.csv.problems.csv").exists(), "the problems are solved");
    home.does(&["nodes"], &["press-01", "press-02"]);
    home.does(&["import", "--undo"], &["the import of order.csv is undone"]);
    let log = fs::read_to_string(bench.evidence().join("station.log")).expect("a log");
    assert!(log.contains("imported order.csv: 2 new") && log.contains("is left where it is"), "{log}");
}

#[test]
fn a_list_that_is_still_being_copied_is_not_taken_in() {
    let bench = Bench::new("a_list_that_is_still_being_copied_is_not_taken_in");
    let home = Home::new();
    let _station = Station::start(&bench, &home);
    until("the folder is there", || home.path("import/done").is_dir());
    let mut copied = "Serial\n".to_owned();
    for number in 1..=10 {
        let _ = writeln!(copied, "SN-{number}");
        home.write("import/slow.csv", &copied);
        std::thread::sleep(Duration::from_millis(400));
    }
    assert!(home.path("import/slow.csv").exists(), "it changed all the time");
    until("it is taken in", || !home.path("import/slow.csv").exists());
    assert_eq!(home.does(&["nodes"], &["SN-10"]).out.lines().count(), 11, "all of it at once");
}

#[test]
fn nothing_in_a_list_reaches_the_terminal_as_it_is() {
    let home = Home::new();
    let evil = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}evil";
    let file = format!("{evil}.csv");
    home.write(&file, &format!("Serial,Name,Profile,{evil}\nSN-1,{evil},demo,{evil}\nSN{evil},x,{evil},y\n"));
    let wrong = home.ends(1, &["import", &file, "--all"], &["error"]);
    home.write(&file, &format!("Serial,Name,{evil}\nSN-1,{evil},{evil}\n"));
    let right = home.does(&["import", &file], &["1 new"]);
    let (list, show) = (home.does(&["nodes"], &["SN-1"]), home.does(&["nodes", "show", "SN-1"], &["list  "]));
    let json = home.does(&["nodes", "--json"], &["SN-1"]);
    let missing = home.ends(2, &["import", &format!("{evil}.txt")], &["cannot read"]);
    let nobody = home.ends(1, &["nodes", "show", evil], &["no node has"]);
    for said in [wrong, right, list, show, json, missing, nobody] {
        let all = format!("{}{}", said.out, said.err);
        let obeyed = all.chars().find(|c| *c != '\n' && !oxbow::domain::text::is_printable(*c));
        assert_eq!(obeyed, None, "{all:?}");
    }
}

#[test]
fn a_hundred_thousand_rows_are_counted_not_printed() {
    let home = Home::new();
    let rows = 100_000;
    let list = |profile: &str| {
        let mut text = "Serial,MAC,Profile,Site\n".to_owned();
        for number in 0..rows {
            let (high, middle, low) = (number >> 16, number >> 8 & 255, number & 255);
            let _ = writeln!(text, "PF3K{number:06},52:54:00:{high:02x}:{middle:02x}:{low:02x},{profile},Ulm");
        }
        text
    };
    home.write("order.csv", &list("demo"));
    let begun = Instant::now();
    let said = home.does(&["import", "order.csv", "--dry-run"], &["100000 new, 0 the same"]);
    println!("preview of {rows} rows: {} ms in all", begun.elapsed().as_millis());
    assert!(said.out.lines().count() < 10 && said.err.contains("looking at 100001 lines"), "{}{}", said.out, said.err);
    home.write("wrong.csv", &list("nope"));
    let said = home.ends(1, &["import", "wrong.csv", "--dry-run"], &["and 99950 more rows with problems"]);
    assert!(said.out.lines().count() < 200, "{}", said.out);
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[test]
fn what_is_no_request_is_answered_and_does_no_harm() {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    let bench = Bench::new("what_is_no_request_is_answered_and_does_no_harm");
    let home = Home::new();
    let _station = Station::start(&bench, &home);
    let answered = |sent: &[u8]| {
        let mut stream = UnixStream::connect(home.path("control.sock")).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a time");
        let _it_may_be_cut_off = stream.write_all(sent);
        let _no_more = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _it_may_be_cut_off = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    };
    assert!(answered(b"hello\n").contains("cannot read this request"));
    assert!(answered(b"{\"version\":9,\"body\":{\"what\":\"dance\"}}\n").contains("does not know that request"));
    assert_eq!(answered(&vec![b'x'; 1 << 20]), "", "longer than any request");
    assert_eq!(answered(b"{\"version\":1,\"body\":{\"what\":\"import\",\"bytes\":99}}\nshort"), "", "cut off");
    assert_eq!(answered(b"{\"version\":1,\"body\":{\"what\":\"import\",\"bytes\":99999999999}}\n"), "", "too large");
    home.does(&["nodes"], &["no node is known yet"]);
}

/// The documentation shows the columns that the program prints.
#[test]
fn the_template_in_the_guide_is_the_one_that_is_printed() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide/registration.md");
    let guide = fs::read_to_string(guide).expect("a page");
    let template = Home::new().does(&["import", "--template"], &[]).out;
    let titles = template.trim_start_matches('\u{feff}').lines().next().expect("titles");
    assert!(guide.contains(titles), "{titles}");
}
