//! The way from power-on to a machine's own operating system, as every boot test goes it.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use super::{Bench, Machine, Running, Station, built};

/// Power-on, installed, own OS; then power-on again, and its own OS again without a second write.
pub(crate) fn gets_its_os(bench: &Bench, machine: &Machine, disk: &str) {
    let station = Station::start(bench, &built("test-image").join("os.raw.gz"));
    installs(&station, machine, disk);
    starts_from_its_disk(&station, machine, disk);
}

/// The same with addresses from the site's server, and power-on once.
pub(crate) fn gets_its_os_by_proxy(bench: &Bench, machine: &Machine, disk: &str) {
    let _dnsmasq = bench.with_sites_server();
    installs(&beside_the_sites_server(bench), machine, disk);
}

/// A station that has found the site's DHCP server and gives no addresses.
pub(crate) fn beside_the_sites_server(bench: &Bench) -> Station<'_> {
    let station = Station::start_as(bench, &built("test-image").join("os.raw.gz"), &["--dhcp", "auto"]);
    let log = bench.evidence().join("station.log");
    let picked = || fs::read_to_string(&log).is_ok_and(|log| log.contains("proxy (auto: 10.77.0.2 answers DHCP)"));
    let deadline = Instant::now() + Duration::from_secs(20);
    while !picked() {
        assert!(Instant::now() < deadline, "it did not pick proxy mode: see {}", log.display());
        thread::sleep(Duration::from_millis(100));
    }
    station
}

/// Power-on, installed, own OS. The answer is the machine, switched off, with what it said.
pub(crate) fn installs(station: &Station<'_>, machine: &Machine, disk: &str) -> Running {
    let mut power = machine.power_on();
    let provisioned = reaches(station.wait_node(&machine.mac, INSTALLED, |node| node.phase == "provisioned"));
    assert_eq!(provisioned.serial.as_deref(), Some(machine.serial.as_str()));
    let seconds = reaches(power.wait_for(&own_os(disk), OWN_OS));
    println!("{}: own OS {seconds:.1} s after power-on", machine.name);
    reaches(power.wait_off(POWER_OFF));
    assert_eq!(power.said(AGENT_STARTS), 1, "one install, one agent");
    power
}

/// Power-on of an installed machine: its own OS again, and no write.
pub(crate) fn starts_from_its_disk(station: &Station<'_>, machine: &Machine, disk: &str) -> Running {
    let written = machine.disk_written();
    let mut power = machine.power_on();
    let seconds = reaches(power.wait_for(&own_os(disk), OWN_OS));
    println!("{}: own OS {seconds:.1} s after the second power-on", machine.name);
    reaches(power.wait_off(POWER_OFF));
    assert_eq!(power.said(AGENT_STARTS), 0, "the second power-on must not install again");
    assert_eq!(machine.disk_written(), written, "the second power-on must not write the disk");
    assert_eq!(station.node(&machine.mac).map(|node| node.phase).as_deref(), Some("provisioned"));
    power
}

/// The value, or a failed test that shows what was seen instead.
#[track_caller]
pub(crate) fn reaches<T>(answer: Result<T, String>) -> T {
    answer.unwrap_or_else(|seen| panic!("{seen}"))
}

/// The test OS on its first partition after the ESP.
pub(crate) fn own_os(disk: &str) -> String {
    format!("OXBOW-TEST-OS running from {disk} ")
}

/// What the initramfs prints before the agent starts.
pub(crate) const AGENT_STARTS: &str = "starting the agent";

// At least three times what an emulated machine needs alone on two cores: tests share them.
pub(crate) const INSTALLED: Duration = Duration::from_secs(240);
pub(crate) const OWN_OS: Duration = Duration::from_secs(150);
pub(crate) const POWER_OFF: Duration = Duration::from_secs(30);
