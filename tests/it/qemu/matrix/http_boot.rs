//! UEFI HTTP Boot from power-on to the machine's own operating system: no PXE, no TFTP.

use std::time::Duration;

use crate::lab::journey::{beside_the_sites_server, installs, own_os, reaches, starts_from_its_disk};
use crate::lab::{Bench, Bus, Firmware, Station, built};

#[test]
fn a_machine_with_http_boot_gets_its_os_and_then_starts_from_its_disk() {
    let bench = Bench::new("a_machine_with_http_boot_gets_its_os_and_then_starts_from_its_disk");
    let station = Station::start(&bench, &built("test-image").join("os.raw.gz"));
    let machine = bench.machine("uefi-http").firmware(Firmware::UefiHttp).bus(Bus::Nvme);
    installs(&station, &machine, "nvme0n1");
    starts_from_its_disk(&station, &machine, "nvme0n1");
}

#[test]
fn a_machine_with_http_boot_gets_its_os_beside_a_sites_dhcp_server() {
    let bench = Bench::new("a_machine_with_http_boot_gets_its_os_beside_a_sites_dhcp_server");
    let _dnsmasq = bench.with_sites_server();
    let station = beside_the_sites_server(&bench);
    let machine = bench.machine("uefi-http-proxy").firmware(Firmware::UefiHttp).bus(Bus::Sata);
    installs(&station, &machine, "sda");
    starts_from_its_disk(&station, &machine, "sda");
}

#[test]
#[ignore = "a measurement: how long firmware waits for a station that is off, before it starts the disk"]
fn how_long_firmware_waits_for_nobody() {
    let bench = Bench::new("how_long_firmware_waits_for_nobody");
    let image = built("test-image").join("os.raw");
    let wait = |who: &str, name: &str, firmware| {
        let machine = bench.machine(name).firmware(firmware).with_image(&image);
        let seconds = reaches(machine.power_on().wait_for(&own_os("sda"), Duration::from_secs(600)));
        println!("{name}, {who}: own OS {seconds:.1} s after power-on");
    };
    let firmwares = [("bios", Firmware::Bios), ("uefi-pxe", Firmware::Uefi), ("uefi-http", Firmware::UefiHttp)];
    for (name, firmware) in firmwares {
        wait("no DHCP server", name, firmware);
    }
    let _dnsmasq = bench.with_sites_server();
    for (name, firmware) in firmwares {
        wait("a DHCP server that boots nobody", &format!("{name}-site"), firmware);
    }
}
