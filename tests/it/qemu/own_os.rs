//! From power-on to the machine's own operating system, with real firmware, the real station and the real agent: once by
//! BIOS, once by UEFI.

use crate::lab::journey::gets_its_os;
use crate::lab::{Bench, Bus, Firmware};

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
