//! Machines whose firmware starts only what Microsoft's keys vouch for: shim, GRUB, Debian's kernel, then the same agent.
#![cfg(feature = "station")]

mod lab;

use std::path::PathBuf;
use std::time::Duration;

use lab::{Bench, Bus, Firmware, Machine, Station, built};

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

/// Power-on, installed, own OS; then power-on again, and its own OS again without a second write.
fn gets_its_os(bench: &Bench, machine: &Machine, disk: &str, options: &'static [&'static str]) {
    let station = Station::start_for(bench, &signed_image(), SECURE_PROFILE, built("boot-files"), options);

    let mut power = machine.power_on();
    let stub = reaches(power.wait_for(STUB, INSTALLED));
    let agent = reaches(power.wait_for(AGENT_STARTS, INSTALLED));
    let provisioned = reaches(station.wait_node(&machine.mac, INSTALLED, |node| node.phase == "provisioned"));
    assert_eq!(provisioned.serial.as_deref(), Some(machine.serial.as_str()));
    reaches(power.wait_for(SECURE, OWN_OS));
    let seconds = reaches(power.wait_for(&own_os(disk), OWN_OS));
    println!("{}: kernel {stub:.1} s, agent {agent:.1} s, own OS {seconds:.1} s after power-on", machine.name);
    reaches(power.wait_off(POWER_OFF));
    assert_eq!(power.said(AGENT_STARTS), 1, "one install, one agent");

    let written = machine.disk_written();
    let mut power = machine.power_on();
    reaches(power.wait_for(SECURE, OWN_OS));
    let seconds = reaches(power.wait_for(&own_os(disk), OWN_OS));
    println!("{}: own OS {seconds:.1} s after the second power-on", machine.name);
    reaches(power.wait_off(POWER_OFF));
    assert_eq!(power.said(AGENT_STARTS), 0, "the second power-on must not install again");
    assert_eq!(machine.disk_written(), written, "the second power-on must not write the disk");
    assert_eq!(station.node(&machine.mac).map(|node| node.phase).as_deref(), Some("provisioned"));
}

fn signed_image() -> PathBuf {
    built("test-image").join("os-signed.raw.gz")
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

const SECURE_PROFILE: &str = "secure_boot = true\n";
/// What a kernel's first lines say before it has a console of its own.
const STUB: &str = "EFI stub: UEFI Secure Boot is enabled";
/// What the kernel of the test OS says.
const SECURE: &str = "secureboot: Secure boot enabled";
/// What the initramfs says before the agent.
const AGENT_STARTS: &str = "starting the agent";

// At least three times what an emulated machine needs alone on two cores: tests share them.
const INSTALLED: Duration = Duration::from_secs(240);
const OWN_OS: Duration = Duration::from_secs(180);
const POWER_OFF: Duration = Duration::from_secs(30);
