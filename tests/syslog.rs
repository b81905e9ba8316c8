//! What machines say by syslog: programs that people use send lines, and the lines are in the log of the right node.
#![cfg(feature = "station")]

mod lab;

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use lab::{Bench, Simulated, Speaker, Station, built};

/// Two machines that were installed, and the station that keeps their logs.
struct Logs<'a> {
    bench: &'a Bench,
    station: Station<'a>,
    /// Each one's number and address.
    nodes: Vec<(u64, String)>,
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
    stranger.runs(&["logger", "-d", "-n", Bench::STATION, "-P", "514", "-t", "unit", "who am I"]);
    let of_station = || fs::read_to_string(bench.evidence().join("station.log")).unwrap_or_default();
    until("a stranger's", || of_station().contains("syslog of no node: unit: who am I address=10.77.0.99"));
    assert!((0..2).all(|node| !logs.log(node).contains("who am I")), "it is nobody's");
}

impl<'a> Logs<'a> {
    fn of(bench: &'a Bench) -> Self {
        let image = bench.scratch().join("os.raw");
        fs::write(&image, vec![7; 1 << 20]).expect("an image");
        let station = Station::start_with(bench, &image, bench.simulated_boot_files());
        Simulated::power_on(bench, 2, 8_000_000, LIMIT).wait(LIMIT).unwrap_or_else(|seen| panic!("{seen}"));
        let nodes = station.nodes().into_iter();
        let nodes = nodes.map(|node| (node.id.as_u64().expect("a number"), node.address.expect("it was leased one")));
        Self { bench, nodes: nodes.collect(), station, slowest: Cell::default() }
    }

    /// A node that speaks, as another machine that has its address by now.
    fn machine(&self, node: usize) -> Speaker {
        self.bench.speaker(&self.nodes[node].1)
    }

    fn log(&self, node: usize) -> String {
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
