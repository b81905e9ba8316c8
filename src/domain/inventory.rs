//! What a machine is made of, as its agent reads it before anything is written.

use serde::{Deserialize, Serialize};

use crate::domain::ids::MacAddr;

/// The parts of a machine beside its disks (those are in the hello already). What could not be read is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inventory {
    /// As the processor calls itself.
    pub cpu: Option<String>,
    pub cpu_threads: u32,
    pub memory_bytes: u64,
    pub nics: Vec<Nic>,
    /// As the firmware writes it: version, and date as `03/14/2025` (SMBIOS type 0).
    pub bios_vendor: Option<String>,
    pub bios_version: Option<String>,
    pub bios_date: Option<String>,
    /// Started by UEFI.
    pub uefi: bool,
    /// None: not a UEFI machine, or not readable.
    pub secure_boot: Option<bool>,
    /// The TPM's major version, as `2`; none where there is no TPM.
    pub tpm: Option<String>,
}

/// A network card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    /// As the kernel calls it, `eth0`.
    pub name: String,
    pub mac: MacAddr,
    #[serde(default)]
    pub driver: Option<String>,
    /// None while there is no link.
    #[serde(default)]
    pub mbit_per_second: Option<u32>,
    #[serde(default)]
    pub link: bool,
}
