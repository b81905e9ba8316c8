//! Machines that are served by HTTPS or not at all, by real firmware: every one finds its way, or says why not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::lab::journey::{INSTALLED, installs, reaches};
use crate::lab::{Bench, Bus, Firmware, Machine, Station, built};

#[test]
fn uefi_https_boot_loads_ipxe_and_goes_on_by_https() {
    let bench = Bench::new("uefi_https_boot_loads_ipxe_and_goes_on_by_https");
    let station = strict(&bench);
    let authority = exported(&bench, &station.data());
    let machine = bench.machine("uefi-https").firmware(Firmware::UefiHttp).bus(Bus::Nvme).trusts(authority);
    gets_its_os(&bench, &station, &machine, "nvme0n1");
    let log = log(&bench);
    assert!(!log.contains("tftp: "), "HTTPS alone: {log}");
}

#[test]
fn a_uefi_machine_that_trusts_another_authority_does_not_come_in_and_the_station_says_why() {
    let bench = Bench::new("a_uefi_machine_that_trusts_another_authority_does_not_come_in_and_the_station_says_why");
    let _station = strict(&bench);
    let elsewhere = bench.scratch().join("elsewhere");
    fs::create_dir_all(elsewhere.join("tls")).expect("a directory");
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=another", "-days", "9", "-keyout"]);
    openssl.arg(elsewhere.join("key")).arg("-out").arg(elsewhere.join("tls/ca.pem"));
    assert!(openssl.output().is_ok_and(|done| done.status.success()), "openssl makes an authority");
    let machine = bench.machine("uefi-stranger").firmware(Firmware::UefiHttp).trusts(exported(&bench, &elsewhere));
    let _power = machine.power_on();
    // EDK2 ends the connection without a word.
    reaches(waited(&bench, "no HTTPS: it hung up on the station's certificate: it does not trust"));
    assert!(log(&bench).contains("its firmware must trust the station's certificate authority"));
}

#[test]
fn uefi_pxe_is_told_whom_to_trust_and_goes_on_by_https() {
    let bench = Bench::new("uefi_pxe_is_told_whom_to_trust_and_goes_on_by_https");
    let station = strict(&bench);
    let machine = bench.machine("uefi-pxe").firmware(Firmware::Uefi).bus(Bus::Nvme);
    gets_its_os(&bench, &station, &machine, "nvme0n1");
}

#[test]
fn a_rom_of_2019_without_https_gets_an_ipxe_that_has_it() {
    let bench = Bench::new("a_rom_of_2019_without_https_gets_an_ipxe_that_has_it");
    let station = strict(&bench);
    let machine = bench.machine("bios-2019").firmware(Firmware::Bios).bus(Bus::Sata);
    gets_its_os(&bench, &station, &machine, "sda");
    assert!(log(&bench).contains("undionly.kpxe"), "the station's own");
}

#[test]
fn beside_a_sites_dhcp_server_machines_are_told_whom_to_trust_too() {
    let bench = Bench::new("beside_a_sites_dhcp_server_machines_are_told_whom_to_trust_too");
    let _dnsmasq = bench.with_sites_server();
    let image = built("test-image").join("os.raw.gz");
    let station = Station::start_as(&bench, &image, &["--require-https", "--dhcp", "proxy"]);
    let machine = bench.machine("uefi-proxy").firmware(Firmware::Uefi).bus(Bus::Nvme);
    gets_its_os(&bench, &station, &machine, "nvme0n1");
    let machine = bench.machine("bios-proxy").firmware(Firmware::Bios).bus(Bus::Sata);
    gets_its_os(&bench, &station, &machine, "sda");
}

/// Power-on to the machine's own OS: all of it came by HTTPS, since nothing comes by HTTP.
fn gets_its_os(bench: &Bench, station: &Station<'_>, machine: &Machine, disk: &str) {
    installs(station, machine, disk);
    let log = log(bench);
    assert!(log.contains("by_https=true"), "{log}");
    assert!(!log.contains("by plain HTTP"), "nothing was asked for in vain: {log}");
}

/// A station that requires HTTPS.
fn strict(bench: &Bench) -> Station<'_> {
    Station::start_as(bench, &built("test-image").join("os.raw.gz"), &["--require-https"])
}

/// The authority's certificate as firmware is given it.
fn exported(bench: &Bench, data: &Path) -> PathBuf {
    let file = bench.scratch().join("authority.esl");
    let mut oxbow = Command::new(env!("CARGO_BIN_EXE_oxbow"));
    oxbow.args(["ca", "export", "--format", "esl", "--out"]).arg(&file).arg("--data").arg(data);
    assert!(oxbow.status().is_ok_and(|status| status.success()), "`oxbow ca export`");
    file
}

fn log(bench: &Bench) -> String {
    fs::read_to_string(bench.evidence().join("station.log")).expect("the station's log")
}

/// Waits for these words in the station's log.
fn waited(bench: &Bench, words: &str) -> Result<(), String> {
    let deadline = std::time::Instant::now() + INSTALLED;
    while !log(bench).contains(words) {
        if std::time::Instant::now() > deadline {
            return Err(log(bench));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
