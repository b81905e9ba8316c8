//! What machines say by syslog: programs that people use send lines, and the lines are in the log of the right node.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::lab::{Bench, Simulated, Speaker, Station, built};

/// Two machines that were installed, and the station that keeps their logs.
struct Logs<'a> {
    bench: &'a Bench,
    station: Station<'a>,
    /// Each one's number and address.
    nodes: Vec<(u64, String)>,
    /// What each is called in its log.
    names: Vec<String>,
    /// The longest that a line took to be in a log.
    slowest: Cell<Duration>,
}

#[test]
fn what_logger_says_is_in_the_log_of_its_node_within_a_second() {
    let bench = Bench::new("what_logger_says_is_in_the_log_of_its_node_within_a_second");
    let logs = Logs::of(&bench);
    for (node, sender, line) in [
        (0, "logger -d --rfc3164", "syslog info unit: UDP, the old format"),
        (0, "logger -d --rfc5424", "syslog info unit: UDP, the new format"),
        (0, "logger -T --rfc3164", "syslog info unit: TCP, the old format"),
        (0, "logger -T --rfc5424", "syslog info unit: TCP, by lines"),
        (0, "logger -T --octet-count --rfc5424", "syslog info unit: TCP, by counts"),
        (1, "logger -d -p user.err", "syslog error unit: another machine"),
        (1, "logger -d", "syslog info unit: 2026-01-01T00:00:00Z forged ·[31mred"),
    ] {
        let said = line.split_once("unit: ").expect("its words").1.replace('·', "\u{1b}");
        let machine = logs.machine(node);
        logs.hears_within_a_second(node, line, |mark| {
            let words = format!("{said}{mark}");
            let command: Vec<&str> =
                sender.split(' ').chain(["-n", Bench::STATION, "-P", "514", "-t", "unit", &words]).collect();
            machine.runs(&command);
        });
    }
    logs.tell("logger");
}

#[test]
fn what_rsyslogd_forwards_is_in_the_log_of_its_node_within_a_second() {
    let bench = Bench::new("what_rsyslogd_forwards_is_in_the_log_of_its_node_within_a_second");
    let logs = Logs::of(&bench);
    let machine = logs.machine(0);
    let rsyslogd = Rsyslogd::start(&bench, &machine);
    for (way, _) in Rsyslogd::WAYS {
        logs.hears_within_a_second(0, &format!("syslog warning unit: {way}"), |mark| {
            let socket = rsyslogd.socket(way);
            let words = format!("{way}{mark}");
            machine.runs(&["logger", "-u", &socket, "-p", "user.warning", "-t", "unit", &words]);
        });
    }
    logs.tell("rsyslogd");
}

#[test]
fn what_a_kernels_netconsole_and_ipxe_send_is_in_the_log_of_its_node_within_a_second() {
    let bench = Bench::new("what_a_kernels_netconsole_and_ipxe_send_is_in_the_log_of_its_node_within_a_second");
    let logs = Logs::of(&bench);
    let machine = logs.machine(1);
    for (datagram, line) in [
        // netconsole, as of the kernel's documentation: plain, exact, with the kernel's release, and in two pieces.
        (r"[   12.345678] nvme0: timeout@\n", "syslog info [ 12.345678] nvme0: timeout"),
        (r"4,416,1758426,-;nvme1: timeout@\n SUBSYSTEM=nvme\n", "syslog warning [ 1.758426] nvme1: timeout"),
        (r"6.12.0-amd64,3,417,12758426,-,caller=T1;nvme2: lost@\n", "syslog error [ 12.758426] nvme2: lost"),
        (r"6,418,501151268,-,ncfrag=0/31;the first chunk@", "syslog info [ 501.151268] the first chunk"),
        (r"<131>ipxe: Link down@", "syslog error ipxe: Link down"),
        (
            r"<6>press-07.example ipxe: http://10.77.0.1/boot.ipxe@",
            "syslog info press-07.example ipxe: http://10.77.0.1/boot.ipxe",
        ),
    ] {
        logs.hears_within_a_second(1, line, |mark| {
            // bash would send each line as a datagram of its own.
            let bytes = datagram.replace('@', mark).replace("%", "%%");
            let send =
                format!("printf '{bytes}' | dd bs=9000 iflag=fullblock status=none >/dev/udp/{}/514", Bench::STATION);
            machine.runs(&["bash", "-c", &send]);
        });
    }
    let rest = format!("printf '6,418,501151268,-,ncfrag=16/31; the 2nd chunk.' >/dev/udp/{}/514", Bench::STATION);
    machine.runs(&["bash", "-c", &rest]);
    logs.hears(1, "the last", || machine.runs(&["logger", "-d", "-n", Bench::STATION, "-P", "514", "the last"]));
    assert!(!logs.log(1).contains("2nd chunk"), "a line whose beginning is longer than what is kept of it");
    logs.tell("netconsole and iPXE");
}

#[test]
fn what_an_unknown_machine_says_is_in_the_stations_own_log_and_in_no_nodes() {
    let bench = Bench::new("what_an_unknown_machine_says_is_in_the_stations_own_log_and_in_no_nodes");
    let logs = Logs::of(&bench);
    let stranger = bench.speaker("10.77.0.99");
    let says = |words: &str| stranger.runs(&["logger", "-d", "-n", Bench::STATION, "-P", "514", "-t", "unit", words]);
    let of_station = || fs::read_to_string(bench.evidence().join("station.log")).unwrap_or_default();
    says("who am I");
    until("a stranger's", || of_station().contains("10.77.0.99, not a known node: unit: who am I"));
    // Names and addresses in it make it nobody's either.
    for (_, address) in &logs.nodes {
        says(&format!("I am SIM-0001 at {address}"));
        until("a liar's", || of_station().contains(&format!("not a known node: unit: I am SIM-0001 at {address}")));
    }
    assert!((0..2).all(|node| !logs.log(node).contains("am I") && !logs.log(node).contains("I am")), "it is nobody's");

    stranger.runs(&["bash", "-c", "for i in {1..2000}; do echo \"<13>flood $i\"; done >/dev/tcp/10.77.0.1/514"]);
    until("what was left out", || of_station().contains("lines from unknown machines were dropped"));
    let flood = of_station().matches("not a known node: flood").count();
    assert!((1..=100).contains(&flood), "{flood} lines of a stranger in the station's log");
}

#[test]
fn whatever_a_machine_says_its_lines_are_its_own_and_no_other_log_has_a_line_of_them() {
    let bench = Bench::new("whatever_a_machine_says_its_lines_are_its_own_and_no_other_log_has_a_line_of_them");
    let logs = Logs::of(&bench);
    let (name, other) = (&logs.names[0], (&logs.names[1], &logs.nodes[1].1));
    let (before, mut at) = (logs.log(1), logs.log(0).len());
    let machine = logs.machine(0);
    let line_of = |name: &str| format!("2026-05-03T10:00:00.000Z {name} station info provisioned");
    let forged = line_of(other.0);
    for (what, protocol, bytes, lines) in [
        ("a line's end in a datagram", "udp", format!("<13>one\n{forged}"), vec![format!("one {forged}")]),
        (
            "every other kind of line's end",
            "udp",
            format!("<13>a\r\u{b}\u{c}\u{85}\u{2028}{forged}"),
            vec![format!("a {forged}")],
        ),
        ("an escape sequence", "udp", "<13>\u{1b}[2J\u{1b}]0;x\u{7}red".into(), vec!["·[2J·]0;x·red".into()]),
        ("another's host name", "udp", format!("<13>1 - {} app - - - words", other.0), vec!["app: words".into()]),
        (
            "another's address",
            "udp",
            format!("<13>May  3 10:00:00 {} app: older words", other.1),
            vec!["app: older words".into()],
        ),
        (
            "another's serial",
            "udp",
            "<13>1 - SIM-0002 app - - - serial SIM-0002".into(),
            vec!["app: serial SIM-0002".into()],
        ),
        (
            "a second message within a count",
            "tcp",
            format!("60 {:<60}", "<13>first\n<13>second"),
            vec!["first <13>second".into()],
        ),
        ("two messages at once", "tcp", "<13>third\n<13>fourth\n".into(), vec!["third".into(), "fourth".into()]),
        ("a count that lies", "tcp", "5 <13>abc <13>def\n".into(), vec!["a".into(), "bc <13>def".into()]),
    ] {
        let file = bench.scratch().join("bytes");
        fs::write(&file, bytes).expect("a file");
        let send = format!("dd bs=9000 status=none if={} >/dev/{protocol}/{}/514", file.display(), Bench::STATION);
        machine.runs(&["bash", "-c", &send]);
        let is_all = |log: &str| {
            let said: Vec<&str> =
                log[at..].lines().filter_map(|line| Some(line.split_once(" syslog info ")?.1)).collect();
            said.len() == lines.len() && said.iter().zip(&lines).all(|(said, line)| said.ends_with(line))
        };
        until(what, || is_all(&logs.log(0)));
        // And that is all of it.
        let end = format!("end of {what}");
        logs.hears(0, &end, || machine.runs(&["logger", "-d", "-n", Bench::STATION, "-P", "514", "-t", "unit", &end]));
        let log = logs.log(0);
        let new: Vec<&str> = log[at..].lines().collect();
        let is_its = |line: &&str| line.split(' ').skip(1).take(2).eq([name.as_str(), "syslog"]);
        assert!(new.len() == lines.len() + 1 && new.iter().all(is_its), "{what}: {new:#?}");
        at = log.len();
    }
    assert_eq!(logs.log(1), before, "nothing came to the other's");
}

#[test]
fn a_line_of_ten_megabytes_is_cut_and_the_next_one_is_read() {
    let bench = Bench::new("a_line_of_ten_megabytes_is_cut_and_the_next_one_is_read");
    let logs = Logs::of(&bench);
    let machine = logs.machine(0);
    for (counted, end) in [("", "\\n<13>after the line\\n"), ("10485764 <13>", "16 <13>after counts")] {
        let send = format!(
            "(printf '{counted}'; head -c 10485760 /dev/zero | tr '\\0' x; printf '{end}') >/dev/tcp/{}/514",
            Bench::STATION
        );
        let last = end.rsplit('>').next().expect("words").trim_end_matches("\\n");
        logs.hears(0, last, || machine.runs(&["bash", "-c", &send]));
    }
    let longest = logs.log(0).lines().map(str::len).max().unwrap_or_default();
    assert!((400..600).contains(&longest), "{longest}");
    assert!(logs.log(0).len() < 20_000, "{}", logs.log(0).len());
}

#[test]
fn a_machine_whose_clock_is_wrong_has_the_stations_time_before_each_line_and_its_own_in_it() {
    let bench = Bench::new("a_machine_whose_clock_is_wrong_has_the_stations_time_before_each_line_and_its_own_in_it");
    let logs = Logs::of(&bench);
    let machine = logs.machine(0);
    let said = "syslog info (its clock: 2019-01-01 00:00) app: words";
    let send = "printf '<13>1 2019-01-01T00:00:03Z box app - - - words' >/dev/udp/10.77.0.1/514";
    logs.hears(0, said, || machine.runs(&["bash", "-c", send]));
    let log = logs.file(0);
    let line = log.lines().find(|line| line.ends_with("app: words")).expect("it is there");
    assert!(line.contains(" syslog:2019-01-01T00:00:03.000Z info "), "both clocks, to the second: {line}");
    let at: jiff::Timestamp = line.split(' ').next().and_then(|at| at.parse().ok()).expect("a time");
    let apart = jiff::Timestamp::now().as_second() - at.as_second();
    assert!((0..=60).contains(&apart), "{apart} s: {line}");
    // One that is right is kept beside the station's, too, and programs are told both.
    logs.hears(0, "unit: in time", || {
        machine.runs(&["logger", "-d", "-n", Bench::STATION, "-P", "514", "-t", "unit", "in time"])
    });
    let told = |text: &str| {
        let events = logs.station.get("/api/v1/events?limit=5000");
        let events: Vec<serde_json::Value> = serde_json::from_str(&events).expect("JSON");
        let event = events.into_iter().find(|event| event["text"] == text)?;
        Some((event["at"].as_u64().expect("a time"), event["by_its_clock"].as_u64()))
    };
    // The screen, and whoever asks, has it a moment after the file.
    until("the last is told", || told("unit: in time").is_some());
    assert_eq!(told("(its clock: 2019-01-01 00:00) app: words").expect("it is told").1, Some(1_546_300_803_000));
    let (at, its) = told("unit: in time").expect("it is told");
    assert!(its.is_some_and(|its| its.abs_diff(at) < 60_000), "{at} {its:?}");
}

#[test]
fn of_a_machine_that_opens_too_many_connections_those_beyond_are_counted_in_its_log_and_others_are_heard() {
    let bench = Bench::new("of_a_machine_that_opens_too_many_connections_those_beyond_are_counted_in_its_log");
    let logs = Logs::of(&bench);
    let open =
        format!("trap '' PIPE; for i in {{1..100}}; do exec {{fd}}<>/dev/tcp/{}/514; done; true", Bench::STATION);
    logs.machine(0).runs(&["bash", "-c", &open]);
    let turned_away = |log: &str| -> u64 {
        let counted = |line: &str| {
            let line = line.split_once(" syslog warning ")?.1;
            line.strip_suffix(" syslog connections were refused: too many were open")?.parse::<u64>().ok()
        };
        log.lines().filter_map(counted).sum()
    };
    until("all that were too many", || turned_away(&logs.log(0)) == 100 - 32);
    for (node, words) in [(1, "another"), (0, "the same, later")] {
        let say = ["logger", "-T", "-n", Bench::STATION, "-P", "514", "-t", "unit", words];
        logs.hears(node, &format!("unit: {words}"), || logs.machine(node).runs(&say));
    }
    assert_eq!(turned_away(&logs.log(1)), 0);
}

impl<'a> Logs<'a> {
    fn of(bench: &'a Bench) -> Self {
        let image = bench.scratch().join("os.raw");
        fs::write(&image, vec![7; 1 << 20]).expect("an image");
        let station = Station::start_with(bench, &image, bench.simulated_boot_files());
        Simulated::power_on(bench, 2, 8_000_000, LIMIT).wait(LIMIT).unwrap_or_else(|seen| panic!("{seen}"));
        let nodes = station.nodes().into_iter();
        let nodes = nodes.map(|node| (node.id.as_u64().expect("a number"), node.address.expect("it was leased one")));
        let mut logs = Self { bench, nodes: nodes.collect(), names: Vec::new(), station, slowest: Cell::default() };
        // A machine has another name once its serial is known.
        let named = |log: &str| {
            let last = log.lines().next_back().and_then(|line| line.split(' ').nth(1));
            last.expect("a name").to_owned()
        };
        logs.names = (0..2).map(|node| named(&logs.log(node))).collect();
        logs
    }

    /// A node that speaks, as another machine that has its address by now.
    fn machine(&self, node: usize) -> Speaker {
        self.bench.speaker(&self.nodes[node].1)
    }

    /// Its lines, without what its own clock showed.
    fn log(&self, node: usize) -> String {
        let clock_shown = |line: &str| {
            let (head, rest) = line.split_once(" syslog:")?;
            let (clock, rest) = rest.split_once(' ')?;
            clock.parse::<jiff::Timestamp>().ok().map(|_| format!("{head} syslog {rest}"))
        };
        let plain = |line: &str| clock_shown(line).unwrap_or_else(|| line.to_owned()) + "\n";
        self.file(node).lines().map(plain).collect()
    }

    /// The same as it is written.
    fn file(&self, node: usize) -> String {
        let file = format!("log/nodes/node-{:05}.log", self.nodes[node].0);
        fs::read_to_string(self.station.data().join(file)).unwrap_or_default()
    }

    /// The node's log has `line` once `speak` has said it, and the other's has not. Gives how long it took.
    #[track_caller]
    fn hears(&self, node: usize, line: &str, speak: impl FnOnce()) -> Duration {
        speak();
        let spoken = Instant::now();
        until(line, || self.log(node).lines().any(|logged| logged.ends_with(line)));
        let took = spoken.elapsed();
        assert!(!self.log(1 - node).contains(line), "{line}: in the other's log too");
        took
    }

    /// The same with a mark at the line's end, within a second; once in three times, as others may be at work here.
    #[track_caller]
    fn hears_within_a_second(&self, node: usize, line: &str, speak: impl Fn(&str)) {
        let mut tries = Vec::new();
        for mark in ["-1", "-2", "-3"] {
            let took = self.hears(node, &format!("{line}{mark}"), || speak(mark));
            tries.push(took);
            if took < Duration::from_secs(1) {
                self.slowest.set(self.slowest.get().max(took));
                return;
            }
        }
        panic!("not within a second: {line}: {tries:?}");
    }

    fn tell(&self, who: &str) {
        println!("{who}: a line is in the log {} ms after it was sent, at most", self.slowest.get().as_millis());
    }
}

/// The syslog daemon of Debian, which passes on to the station what is said at one of its sockets.
struct Rsyslogd {
    process: Child,
    home: PathBuf,
}

impl Rsyslogd {
    /// Sockets, and how what is said there is passed on.
    const WAYS: [(&str, &str); 5] = [
        ("udp-3164", r#"protocol="udp" template="RSYSLOG_TraditionalForwardFormat""#),
        ("udp-iso", r#"protocol="udp" template="RSYSLOG_ForwardFormat""#),
        ("udp-5424", r#"protocol="udp" template="RSYSLOG_SyslogProtocol23Format""#),
        ("tcp-lines", r#"protocol="tcp" template="RSYSLOG_ForwardFormat""#),
        ("tcp-counts", r#"protocol="tcp" TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format""#),
    ];

    fn start(bench: &Bench, machine: &Speaker) -> Self {
        let home = bench.scratch().join("rsyslog");
        fs::create_dir(&home).expect("a directory");
        let mut config = "module(load=\"imuxsock\" SysSock.Use=\"off\")\n".to_owned();
        for (way, how) in Self::WAYS {
            let socket = home.join(way);
            let rules = format!("action(type=\"omfwd\" target=\"{}\" port=\"514\" {how})", Bench::STATION);
            config += &format!("ruleset(name=\"{way}\") {{ {rules} }}\n");
            config += &format!("input(type=\"imuxsock\" Socket=\"{}\" ruleset=\"{way}\")\n", socket.display());
        }
        fs::write(home.join("config"), config).expect("a file");
        let unpacked = built("senders").join("rsyslog");
        let libraries = unpacked.join("usr/lib/x86_64-linux-gnu");
        let said = fs::File::create(bench.evidence().join("rsyslogd.log")).expect("a file");
        let mut program = machine.program(unpacked.join("usr/sbin/rsyslogd").to_str().expect("a path"));
        program.env("LD_LIBRARY_PATH", &libraries).arg("-n").arg("-M").arg(libraries.join("rsyslog"));
        program.arg("-f").arg(home.join("config")).arg("-i").arg(home.join("pid"));
        let process = program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn().expect("`ip` starts");
        let started = Self { process, home };
        for (way, _) in Self::WAYS {
            until(&format!("rsyslogd's socket {way}"), || Path::new(&started.socket(way)).exists());
        }
        started
    }

    fn socket(&self, way: &str) -> String {
        self.home.join(way).to_str().expect("a path").to_owned()
    }
}

impl Drop for Rsyslogd {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[track_caller]
fn until(what: &str, there: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !there() {
        assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// For everything, on two cores that tests share.
const LIMIT: Duration = Duration::from_secs(60);
