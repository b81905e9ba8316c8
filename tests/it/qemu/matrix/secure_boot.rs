//! Machines whose firmware starts only what Microsoft's keys vouch for: shim, GRUB, Debian's kernel, then the same agent.

use std::path::PathBuf;

use crate::lab::journey::{OWN_OS, POWER_OFF, installs, own_os, reaches, starts_from_its_disk};
use crate::lab::{Bench, Bus, Firmware, Machine, Station, built};

#[test]
fn the_signed_image_boots_under_secure_boot_without_a_station() {
    let bench = Bench::new("the_signed_image_boots_under_secure_boot_without_a_station");
    let machine = bench.machine("secure").firmware(Firmware::SecureBoot).bus(Bus::Sata).without_network();
    let mut power = machine.with_image(&signed_image().with_extension("")).power_on();
    reaches(power.wait_for(SECURE, OWN_OS));
    reaches(power.wait_for(&own_os("sda"), OWN_OS));
    reaches(power.wait_off(POWER_OFF));
}

#[test]
fn a_machine_with_secure_boot_gets_its_os_by_pxe() {
    let bench = Bench::new("a_machine_with_secure_boot_gets_its_os_by_pxe");
    let machine = bench.machine("secure-pxe").firmware(Firmware::SecureBoot).bus(Bus::Sata);
    gets_its_os(&bench, &machine, "sda", &[]);
}

#[test]
fn a_machine_with_secure_boot_gets_its_os_by_http_boot() {
    let bench = Bench::new("a_machine_with_secure_boot_gets_its_os_by_http_boot");
    let machine = bench.machine("secure-http").firmware(Firmware::SecureHttpBoot).bus(Bus::Nvme);
    gets_its_os(&bench, &machine, "nvme0n1", &["--http-port", "8080"]);
}

#[test]
fn a_machine_with_secure_boot_gets_its_os_beside_a_sites_dhcp_server_by_http_boot() {
    let bench = Bench::new("a_machine_with_secure_boot_gets_its_os_beside_a_sites_dhcp_server_by_http_boot");
    let _dnsmasq = bench.with_sites_server();
    let machine = bench.machine("secure-http-proxy").firmware(Firmware::SecureHttpBoot).bus(Bus::Sata);
    gets_its_os(&bench, &machine, "sda", &["--dhcp", "proxy"]);
}

#[test]
fn a_machine_with_secure_boot_gets_its_os_beside_a_sites_dhcp_server_by_pxe() {
    let bench = Bench::new("a_machine_with_secure_boot_gets_its_os_beside_a_sites_dhcp_server_by_pxe");
    let _dnsmasq = bench.with_sites_server();
    let machine = bench.machine("secure-pxe-proxy").firmware(Firmware::SecureBoot).bus(Bus::Sata);
    gets_its_os(&bench, &machine, "sda", &["--dhcp", "proxy"]);
}

#[test]
fn without_the_profiles_word_the_firmware_refuses_and_the_node_shows_what_it_fetched() {
    let bench = Bench::new("without_the_profiles_word_the_firmware_refuses_and_the_node_shows_what_it_fetched");
    let station = Station::start(&bench, &signed_image());
    let machine = bench.machine("secure-refuses").firmware(Firmware::SecureBoot);
    let mut power = machine.power_on();
    reaches(power.wait_for("NBP filename is snponly.efi", OWN_OS));
    reaches(power.wait_for("Access Denied", OWN_OS));
    reaches(station.wait_node(&machine.mac, OWN_OS, |node| node.phase == "loader"));
    let log = std::fs::read_to_string(bench.evidence().join("station.log")).expect("the station's log");
    assert!(log.contains("tftp: sent snponly.efi (284672 bytes)"), "the fetch is on record");
}

/// Power-on, installed, own OS; then power-on again, and its own OS again without a second write. Each of the three
/// kernels says that the firmware enforces Secure Boot.
fn gets_its_os(bench: &Bench, machine: &Machine, disk: &str, options: &'static [&'static str]) {
    let station = Station::start_by(bench, &signed_image(), built("boot-files"), SECURE_PROFILE, options);
    let power = installs(&station, machine, disk);
    assert_eq!(
        [STUB, SECURE].map(|words| power.said(words)),
        [2, 1],
        "the install kernel and its own, one of them quiet"
    );
    let power = starts_from_its_disk(&station, machine, disk);
    assert_eq!([STUB, SECURE].map(|words| power.said(words)), [1, 1]);
}

fn signed_image() -> PathBuf {
    built("test-image").join("os-signed.raw.gz")
}

const SECURE_PROFILE: &str = "secure_boot = true\n";
/// What a kernel's first lines say before it has a console of its own.
const STUB: &str = "EFI stub: UEFI Secure Boot is enabled";
/// What the kernel of the test OS says.
const SECURE: &str = "secureboot: Secure boot enabled";
