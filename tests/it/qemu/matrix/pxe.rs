//! PXE beside a site's DHCP server, a fault on the way, and a station that is killed meanwhile.

use std::thread;
use std::time::Duration;

use crate::lab::journey::{AGENT_STARTS, INSTALLED, OWN_OS, POWER_OFF, gets_its_os_by_proxy, own_os, reaches};
use crate::lab::{Bench, Bus, Firmware, FlippingProxy, Station, built};

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
