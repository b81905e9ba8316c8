//! What iPXE's scripts do when something is missing, by real firmware: the ROM of 2019 in a network card, iPXE of 2025.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::lab::journey::{INSTALLED, OWN_OS, own_os, reaches};
use crate::lab::{Bench, Bus, Firmware, Running, Station, built};

#[test]
fn a_bios_machine_that_cannot_load_its_install_system_says_why_and_restarts_until_it_can() {
    let bench = Bench::new("a_bios_machine_that_cannot_load_its_install_system_says_why_and_restarts_until_it_can");
    restarts_until_it_can(&bench, Firmware::Bios);
}

#[test]
fn a_uefi_machine_that_cannot_load_its_install_system_says_why_in_its_log_too_and_restarts_until_it_can() {
    let bench = Bench::new("a_uefi_machine_that_cannot_load_its_install_system_says_why_in_its_log_too");
    restarts_until_it_can(&bench, Firmware::UefiHttp);
}

/// The script does not depend on the card it came by: here it comes from a network without the station.
#[test]
fn a_machine_that_got_its_script_by_a_card_on_another_network_finds_its_station_by_the_next() {
    let bench = Bench::new("a_machine_that_got_its_script_by_a_card_on_another_network_finds_its_station_by_the_next");
    let station = Station::start(&bench, &built("test-image").join("os.raw.gz"));
    let scripts = bench.scratch().join("scripts");
    fs::create_dir(&scripts).expect("a directory");
    fs::write(scripts.join("ask.ipxe"), station.get("/boot.ipxe")).expect("a file");
    let (port, _server) = bench.another_network(&scripts, "ask.ipxe");

    let machine = bench.machine("two-cards").firmware(Firmware::Bios).bus(Bus::Sata).with_card_at(&port);
    let mut power = machine.power_on();
    reaches(power.wait_for("looking for http://10.77.0.1 on network card net1", INSTALLED));
    reaches(station.wait_node(&machine.mac, INSTALLED, |node| node.phase == "provisioned"));
    assert_eq!(station.nodes().len(), 1, "it is known by the card that leads to the station: {:?}", station.nodes());
}

fn restarts_until_it_can(bench: &Bench, firmware: Firmware) {
    let boot_files = bench.scratch().join("boot-files");
    fs::create_dir(&boot_files).expect("a directory");
    for name in ["undionly.kpxe", "ipxe.efi", "initramfs.img"] {
        copy(&built("boot-files").join(name), &boot_files.join(name));
    }
    let sends_syslog = firmware == Firmware::UefiHttp;
    if sends_syslog {
        // No other of Debian's sends its console to a log server.
        copy(&built("senders").join("ipxe.efi"), &boot_files.join("ipxe.efi"));
    }
    let station = Station::start_with(bench, &built("test-image").join("os.raw.gz"), boot_files.clone());
    let machine = bench.machine("starved").firmware(firmware).bus(Bus::Sata);
    let mut power = machine.power_on();

    if sends_syslog {
        reaches(power.wait_for("oxbow: this machine gets profile test", INSTALLED));
        let node = station.node(&machine.mac).expect("it is known");
        let log = station.data().join(format!("log/nodes/node-{:05}.log", node.id.as_u64().expect("a number")));
        one_is_in_the_log_within_a_second(&mut power, &log);
        let log = fs::read_to_string(&log).expect("a log");
        assert!(log.contains("syslog info ipxe: oxbow: asking http://10.77.0.1 what to do"), "{log}");
        assert!(log.contains("syslog info ipxe: oxbow: this machine gets profile test"), "{log}");
    } else {
        reaches(power.wait_for("could not be loaded from http://10.77.0.1, try 1 of 5", INSTALLED));
    }
    reaches(power.wait_for("THIS MACHINE IS NOT INSTALLED", SCREEN));
    reaches(power.wait_for(&format!("machine {} {}, profile test, run ", machine.serial, machine.mac), SCREEN));
    reaches(power.wait_for("it restarts in 30 seconds, or at a key; Ctrl-B is the command line", SCREEN));
    let shown = power.said("try 4 of 5");
    assert_eq!((shown, power.said("try 5 of 5")), (1, 0), "it is tried five times");

    copy(&built("boot-files").join("vmlinuz"), &boot_files.join("vmlinuz"));
    reaches(station.wait_node(&machine.mac, INSTALLED, |node| node.phase == "provisioned"));
    reaches(power.wait_for(&own_os("sda"), OWN_OS));
}

/// iPXE says four times that it tries again, and that is in the log, one time within a second of being on its
/// console; once in four times, as others may be at work here.
#[track_caller]
fn one_is_in_the_log_within_a_second(power: &mut Running, log: &Path) {
    let mut tries = Vec::new();
    for number in 1..=4 {
        let words = format!("the install system could not be loaded from http://10.77.0.1, try {number} of 5");
        reaches(power.wait_for(&words, SCREEN));
        let shown = Instant::now();
        while !fs::read_to_string(log).is_ok_and(|log| log.contains(&format!("syslog info ipxe: oxbow: {words}"))) {
            assert!(shown.elapsed() < SCREEN, "{words}: not in {} within {SCREEN:?}", log.display());
            thread::sleep(Duration::from_millis(10));
        }
        let took = shown.elapsed();
        println!("iPXE: a line is in the log {} ms after it is on the console", took.as_millis());
        tries.push(took);
        if took < Duration::from_secs(1) {
            return;
        }
    }
    panic!("not within a second: {tries:?}");
}

fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap_or_else(|err| panic!("{}: {err}", from.display()));
}

/// Five attempts with five seconds between them, several times over.
const SCREEN: Duration = Duration::from_secs(120);
