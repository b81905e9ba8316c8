//! A profile that demands HTTPS, from power-on to the machine's own operating system: nothing of weight goes in the clear.

use std::fs;
use std::path::Path;

use crate::lab::journey::{installs, starts_from_its_disk};
use crate::lab::{Bench, Bus, Firmware, Station, Traffic, built};

#[test]
fn a_uefi_machine_gets_its_os_by_https() {
    let bench = Bench::new("a_uefi_machine_gets_its_os_by_https");
    gets_its_os_by_https(&bench, Firmware::Uefi, Bus::Nvme, "nvme0n1");
}

#[test]
fn a_uefi_machine_with_http_boot_gets_its_os_by_https() {
    let bench = Bench::new("a_uefi_machine_with_http_boot_gets_its_os_by_https");
    gets_its_os_by_https(&bench, Firmware::UefiHttp, Bus::Sata, "sda");
}

/// The ROM in its card is an iPXE of 2019, which has no HTTPS: it is given one that has.
#[test]
fn a_bios_machine_with_an_old_ipxe_in_its_card_gets_its_os_by_https() {
    let bench = Bench::new("a_bios_machine_with_an_old_ipxe_in_its_card_gets_its_os_by_https");
    gets_its_os_by_https(&bench, Firmware::Bios, Bus::Sata, "sda");
}

fn gets_its_os_by_https(bench: &Bench, firmware: Firmware, bus: Bus, disk: &str) {
    let (image, boot_files) = (built("test-image").join("os.raw.gz"), built("boot-files"));
    let station = Station::start_by(bench, &image, boot_files.clone(), "https = true\n", &[]);
    let machine = bench.machine("https").firmware(firmware).bus(bus);
    let traffic = Traffic::count(bench);
    installs(&station, &machine, disk);

    // Once to be installed, once to be sent to its disk.
    let loaders = if firmware == Firmware::UefiHttp { 2 * bytes(&boot_files.join("ipxe.efi")) } else { 0 };
    let heavy = bytes(&boot_files.join("vmlinuz")) + bytes(&boot_files.join("initramfs.img")) + bytes(&image);
    let (clear, secret) = (traffic.sent_from(80), traffic.sent_from(443));
    println!("{firmware:?}: {clear} bytes in the clear, {secret} by HTTPS");
    assert!(secret > heavy, "kernel, initramfs and image have {heavy} bytes, {secret} went by HTTPS");
    assert!(clear < loaders + loaders / 10 + SCRIPTS, "{clear} bytes went in the clear, its loaders have {loaders}");
    starts_from_its_disk(&station, &machine, disk);
}

fn bytes(file: &Path) -> u64 {
    fs::metadata(file).unwrap_or_else(|err| panic!("{}: {err}", file.display())).len()
}

/// Scripts and the authority's certificate, with a wide margin.
const SCRIPTS: u64 = 64 * 1024;
