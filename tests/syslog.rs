//! What machines say by syslog: programs that people use send lines, and the lines are in the log of the right node.
#![cfg(feature = "station")]

mod lab;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use lab::{Bench, Simulated, Station};

#[test]
fn what_a_machine_says_by_syslog_is_in_the_log_of_its_node() {
    let bench = Bench::new("what_a_machine_says_by_syslog_is_in_the_log_of_its_node");
    let image = bench.scratch().join("os.raw");
    fs::write(&image, vec![7; 1 << 20]).expect("an image");
    let station = Station::start_with(&bench, &image, bench.simulated_boot_files());
    Simulated::power_on(&bench, 2, 8_000_000, LIMIT).wait(LIMIT).unwrap_or_else(|seen| panic!("{seen}"));
    let nodes = station.nodes();
    let address = |at: usize| nodes[at].address.clone().expect("it was leased one");
    let log = |at: usize| {
        let file = format!("log/nodes/node-{:05}.log", nodes[at].id.as_u64().expect("a number"));
        fs::read_to_string(station.data().join(file)).unwrap_or_default()
    };

    for (node, sender, line) in [
        (0, "logger -d --rfc3164", "syslog info unit: UDP, the old format"),
        (0, "logger -d --rfc5424", "syslog info unit: UDP, the new format"),
        (0, "logger -T --rfc5424", "syslog info unit: TCP, by lines"),
        (0, "logger -T --octet-count --rfc5424", "syslog info unit: TCP, by counts"),
        (1, "logger -d -p user.err", "syslog error unit: another machine"),
        (1, "logger -d", "syslog info unit: 2026-01-01T00:00:00Z forged ·[31mred"),
    ] {
        let said = line.split_once("unit: ").expect("its words").1.replace('·', "\u{1b}");
        let command: Vec<&str> =
            sender.split(' ').chain(["-n", Bench::STATION, "-P", "514", "-t", "unit", &said]).collect();
        bench.speak_as(&address(node), &command);
        until(line, || log(node).lines().any(|logged| logged.ends_with(line)));
        assert!(!log(1 - node).contains(line), "{line}: in the other's log too");
    }
    // As a kernel's netconsole and iPXE say it.
    let bare = "printf '<4>[   12.3] nvme0: timeout' >/dev/udp/10.77.0.1/514; printf '<131>ipxe: Link down' >/dev/udp/10.77.0.1/514";
    bench.speak_as(&address(1), &["bash", "-c", bare]);
    until("netconsole", || log(1).contains("syslog warning [ 12.3] nvme0: timeout"));
    until("ipxe", || log(1).contains("syslog error ipxe: Link down"));

    bench.speak_as("10.77.0.99", &["logger", "-d", "-n", Bench::STATION, "-P", "514", "-t", "unit", "who am I"]);
    let of_station = || fs::read_to_string(bench.evidence().join("station.log")).unwrap_or_default();
    until("a stranger's", || of_station().contains("syslog of no node: unit: who am I address=10.77.0.99"));
    assert!((0..2).all(|node| !log(node).contains("who am I")), "it is nobody's");
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
