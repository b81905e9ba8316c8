//! From power-on to the machine's own operating system, with real firmware, the real station and the real agent.
#![cfg(feature = "station")]

mod lab;

use std::thread;
use std::time::Duration;

use lab::{Bench, Bus, Firmware, FlippingProxy, Machine, Station, built};

#[test]
fn the_test_image_boots_without_a_station() {
    let bench = Bench::new("the_test_image_boots_without_a_station");
    let image = built("test-image").join("os.raw");
    for (name, firmware, bus, disk) in
        [("bios-sata", Firmware::Bios, Bus::Sata, "sda"), ("uefi-nvme", Firmware::Uefi, Bus::Nvme, "nvme0n1")]
    {
        let machine = bench.machine(name).firmware(firmware).bus(bus).without_network().with_image(&image);
        let mut power = machine.power_on();
        reaches(power.wait_for(&own_os(disk), OWN_OS));
        reaches(power.wait_off(POWER_OFF));
    }
}

#[test]
fn a_bios_machine_gets_its_os_on_a_sata_disk() {
    let bench = Bench::new("a_bios_machine_gets_its_os_on_a_sata_disk");
    let machine = bench.machine("bios-sata").firmware(Firmware::Bios).bus(Bus::Sata);
    gets_its_os(&bench, &machine, "sda");
}

#[test]
fn a_uefi_machine_gets_its_os_on_an_nvme_disk() {
    let bench = Bench::new("a_uefi_machine_gets_its_os_on_an_nvme_disk");
    let machine = bench.machine("uefi-nvme").firmware(Firmware::Uefi).bus(Bus::Nvme);
    gets_its_os(&bench, &machine, "nvme0n1");
}

#[test]
fn a_bios_machine_gets_its_os_beside_a_sites_dhcp_server() {
    let bench = Bench::new("a_bios_machine_gets_its_os_beside_a_sites_dhcp_server");
    let machine = bench.machine("bios-proxy").firmware(Firmware::Bios).bus(Bus::Sata);
    gets_its_os_by_proxy(&bench, &machine, "sda");
}

#[test]
fn a_uefi_machine_gets_its_os_beside_a_sites_dhcp_server() {
    let bench = Bench::new("a_uefi_machine_gets_its_os_beside_a_sites_dhcp_server");
    let machine = bench.machine("uefi-proxy").firmware(Firmware::Uefi).bus(Bus::Nvme);
    gets_its_os_by_proxy(&bench, &machine, "nvme0n1");
}

/// Power-on, installed, own OS, with addresses from the site's server.
fn gets_its_os_by_proxy(bench: &Bench, machine: &Machine, disk: &str) {
    let _dnsmasq = bench.with_sites_server();
    let station = Station::start_as(bench, &built("test-image").join("os.raw.gz"), &["--dhcp", "auto"]);
    let log = bench.evidence().join("station.log");
    let picked = || std::fs::read_to_string(&log).is_ok_and(|log| log.contains("proxy (auto: 10.77.0.2 answers DHCP)"));
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !picked() {
        assert!(std::time::Instant::now() < deadline, "it did not pick proxy mode: see {}", log.display());
        thread::sleep(Duration::from_millis(100));
    }

    let mut power = machine.power_on();
    reaches(station.wait_node(&machine.mac, INSTALLED, |node| node.phase == "provisioned"));
    let seconds = reaches(power.wait_for(&own_os(disk), OWN_OS));
    println!("{}: own OS {seconds:.1} s after power-on, by proxy", machine.name);
    reaches(power.wait_off(POWER_OFF));
    assert_eq!(power.said(AGENT_STARTS), 1, "one install, one agent");
}

/// Power-on, installed, own OS; then power-on again, and its own OS again without a second write.
fn gets_its_os(bench: &Bench, machine: &Machine, disk: &str) {
    let station = Station::start(bench, &built("test-image").join("os.raw.gz"));

    let mut power = machine.power_on();
    let provisioned = reaches(station.wait_node(&machine.mac, INSTALLED, |node| node.phase == "provisioned"));
    assert_eq!(provisioned.serial.as_deref(), Some(machine.serial.as_str()));
    let seconds = reaches(power.wait_for(&own_os(disk), OWN_OS));
    println!("{}: own OS {seconds:.1} s after power-on", machine.name);
    reaches(power.wait_off(POWER_OFF));
    assert_eq!(power.said(AGENT_STARTS), 1, "one install, one agent");

    let written = machine.disk_written();
    let mut power = machine.power_on();
    reaches(power.wait_for(&own_os(disk), OWN_OS));
    reaches(power.wait_off(POWER_OFF));
    assert_eq!(power.said(AGENT_STARTS), 0, "the second power-on must not install again");
    assert_eq!(machine.disk_written(), written, "the second power-on must not write the disk");
    assert_eq!(station.node(&machine.mac).map(|node| node.phase).as_deref(), Some("provisioned"));
}

#[test]
fn a_byte_changed_on_the_way_is_never_called_provisioned() {
    let bench = Bench::new("a_byte_changed_on_the_way_is_never_called_provisioned");
    // Raw, so that no checksum of a compressed stream finds it first: the disk itself must be looked at.
    let station = Station::start(&bench, &built("test-image").join("os.raw"));
    let proxy = FlippingProxy::between(&bench, 20_000_001);

    let machine = bench.machine("bios-sata").nic("e1000e");
    let _power = machine.power_on();
    let ended = |phase: &str| phase == "failed" || phase == "rebooting" || phase == "provisioned";
    let failed = reaches(station.wait_node(&machine.mac, INSTALLED, |node| ended(&node.phase)));
    assert!(proxy.flipped() > 0, "the fault did not happen");
    assert_eq!((failed.phase.as_str(), failed.stage.as_deref()), ("failed", Some("verifying")), "{failed:?}");
    assert!(failed.reason.is_some_and(|reason| !reason.is_empty()));

    thread::sleep(Duration::from_secs(5));
    let later = station.node(&machine.mac).expect("it is still known");
    assert_eq!(later.phase, "failed", "the verdict stays: {later:?}");
}

#[test]
fn a_station_killed_while_a_node_writes_finishes_it_when_started_again() {
    let bench = Bench::new("a_station_killed_while_a_node_writes_finishes_it_when_started_again");
    let mut station = Station::start(&bench, &built("test-image").join("os.raw.gz"));

    let machine = bench.machine("bios-sata");
    let mut power = machine.power_on();
    let writing = |percent: f64| percent > 0.0 && percent < 90.0;
    reaches(
        station.wait_node(&machine.mac, INSTALLED, |node| node.phase == "writing" && node.percent.is_some_and(writing)),
    );
    station.kill9();
    thread::sleep(Duration::from_secs(3));
    station.restart();

    reaches(station.wait_node(&machine.mac, INSTALLED, |node| node.phase == "provisioned"));
    reaches(power.wait_for(&own_os("sda"), OWN_OS));
    assert_eq!(power.said(AGENT_STARTS), 1, "the agent went on, it did not begin again");
}

/// The answer, or a failed test that shows what was seen instead.
#[track_caller]
fn reaches<T>(answer: Result<T, String>) -> T {
    answer.unwrap_or_else(|seen| panic!("{seen}"))
}

/// The test OS on its first partition after the ESP.
fn own_os(disk: &str) -> String {
    format!("OXBOW-TEST-OS running from {disk} ")
}

/// What the initramfs says before the agent.
const AGENT_STARTS: &str = "starting the agent";

// At least three times what an emulated machine needs alone on two cores: tests share them.
const INSTALLED: Duration = Duration::from_secs(240);
const OWN_OS: Duration = Duration::from_secs(150);
const POWER_OFF: Duration = Duration::from_secs(30);
