//! What a machine is made of, as its agent reads it before anything is written.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::ids::MacAddr;

/// The parts of a machine beside its disks (those are in the hello already). What could not be read is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inventory {
    /// As the processor calls itself.
    pub cpu: Option<String>,
    pub cpu_threads: u32,
    /// What is fitted (SMBIOS type 17); where the firmware does not say, what the kernel has, which is a little less.
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

impl Inventory {
    /// What there is to say of it for people, each part with its name; what is not known is left out.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        if *self == Self::default() {
            return Vec::new();
        }
        let processor = self.cpu.clone().map(|cpu| match self.cpu_threads {
            0 => cpu,
            1 => format!("{cpu}, 1 thread"),
            threads => format!("{cpu}, {threads} threads"),
        });
        let memory = (self.memory_bytes > 0).then(|| in_gib(self.memory_bytes));
        let bios: Vec<&str> = [&self.bios_vendor, &self.bios_version, &self.bios_date]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        let secure_boot = self.secure_boot.map(on_or_off);
        let started = match (self.uefi, secure_boot) {
            (true, Some(secure_boot)) => format!("UEFI, Secure Boot {secure_boot}"),
            (true, None) => "UEFI".to_owned(),
            (false, _) => "BIOS".to_owned(),
        };
        let tpm = self.tpm.as_ref().map_or("none".to_owned(), |version| format!("version {version}"));
        let known = [
            ("processor", processor),
            ("memory", memory),
            ("BIOS", (!bios.is_empty()).then(|| bios.join(" "))),
            ("started by", Some(started)),
            ("TPM", Some(tpm)),
        ];
        let known = known.into_iter().filter_map(|(name, fact)| Some((name, fact?)));
        known.chain(self.nics.iter().map(|nic| ("card", nic.to_string()))).collect()
    }
}

impl fmt::Display for Nic {
    /// `eth0 52:54:00:12:34:56, igc, 2500 Mbit/s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.mac)?;
        if let Some(driver) = &self.driver {
            write!(f, ", {driver}")?;
        }
        match (self.link, self.mbit_per_second) {
            (false, _) => f.write_str(", no link"),
            (true, None) => f.write_str(", link"),
            (true, Some(speed)) => write!(f, ", {speed} Mbit/s"),
        }
    }
}

pub(crate) fn on_or_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// Memory as it is sold: `16 GiB`, `7.6 GiB`, `512 MiB`.
pub fn in_gib(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    if bytes < 1024 * MIB {
        return format!("{} MiB", bytes / MIB);
    }
    // Tenths in whole numbers, so that the figure never wobbles.
    match bytes / MIB * 10 / 1024 {
        tenths if tenths % 10 == 0 => format!("{} GiB", tenths / 10),
        tenths => format!("{}.{} GiB", tenths / 10, tenths % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_reads_as_it_is_sold() {
        assert_eq!([16 << 30, 8_201_428_992, 512 << 20, 0].map(in_gib), ["16 GiB", "7.6 GiB", "512 MiB", "0 MiB"]);
    }

    #[test]
    fn a_machine_says_what_it_is_made_of_and_nothing_of_what_is_not_known() {
        let nic = |name: &str, link, mbit_per_second| {
            let mac = "52:54:00:12:34:56".parse().expect("a MAC");
            Nic { name: name.into(), mac, driver: Some("igc".into()), mbit_per_second, link }
        };
        let inventory = Inventory {
            cpu: Some("Intel(R) Core(TM) i5-1245U".into()),
            cpu_threads: 12,
            memory_bytes: 16 << 30,
            bios_vendor: Some("Acme".into()),
            bios_version: Some("1.07".into()),
            bios_date: Some("03/14/2025".into()),
            uefi: true,
            secure_boot: Some(false),
            tpm: Some("2".into()),
            nics: vec![nic("eth0", true, Some(2500)), nic("eth1", false, None)],
        };
        let says = |inventory: &Inventory| {
            inventory.facts().into_iter().map(|(name, fact)| format!("{name}: {fact}")).collect::<Vec<_>>()
        };
        assert_eq!(
            says(&inventory),
            [
                "processor: Intel(R) Core(TM) i5-1245U, 12 threads",
                "memory: 16 GiB",
                "BIOS: Acme 1.07 03/14/2025",
                "started by: UEFI, Secure Boot off",
                "TPM: version 2",
                "card: eth0 52:54:00:12:34:56, igc, 2500 Mbit/s",
                "card: eth1 52:54:00:12:34:56, igc, no link",
            ]
        );
        let little = Inventory { memory_bytes: 1 << 30, ..Inventory::default() };
        assert_eq!(says(&little), ["memory: 1 GiB", "started by: BIOS", "TPM: none"]);
        assert_eq!(says(&Inventory::default()), [""; 0], "nobody has looked at this machine");
    }
}
