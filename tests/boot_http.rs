//! UEFI HTTP Boot from power-on to the machine's own operating system: no PXE, no TFTP.
#![cfg(feature = "station")]

mod lab;

use lab::journey::{beside_the_sites_server, installs, starts_from_its_disk};
use lab::{Bench, Bus, Firmware, Station, built};

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
