//! What a profile expects of a machine, and in which ways a machine is not that.

use serde::{Deserialize, Serialize};

use crate::domain::machine::disk::{Disk, is_like};
use crate::domain::machine::inventory::{Inventory, in_gib, on_or_off};

/// A profile's `[expect]`. What is not said is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Expectation {
    pub min_memory_bytes: Option<u64>,
    pub min_threads: Option<u32>,
    /// The disk that would be written is of one of these models, `*` for any letters; any when there is none.
    pub disk_model: Vec<String>,
    /// So for the firmware's version.
    pub bios_version: Vec<String>,
    /// The TPM's major version.
    pub tpm: Option<String>,
    pub secure_boot: Option<bool>,
    /// Of the fastest card that has a link, in Mbit/s.
    pub min_nic_speed: Option<u32>,
}

impl Expectation {
    /// Each difference in a sentence, expected and found. `disk` is the one that would be written; without one there is
    /// nothing to say of its model.
    pub fn differences(&self, inventory: Option<&Inventory>, disk: Option<&Disk>) -> Vec<String> {
        let of_disk = disk.filter(|disk| !is_one_of(&self.disk_model, &disk.model)).map(|disk| {
            let expected = alternatives(&self.disk_model);
            format!("the disk to write, {}, is of model {:?}, expected {expected}", disk.path, disk.model)
        });
        let of_parts = match inventory {
            Some(inventory) => self.of_parts(inventory),
            None if *self == (Self { disk_model: self.disk_model.clone(), ..Self::default() }) => Vec::new(),
            None => vec![TOO_OLD.to_owned()],
        };
        of_parts.into_iter().chain(of_disk).collect()
    }

    fn of_parts(&self, found: &Inventory) -> Vec<String> {
        let memory = self.min_memory_bytes.filter(|least| found.memory_bytes < *least).map(|least| {
            format!("it has {} of memory, expected at least {}", in_gib(found.memory_bytes), in_gib(least))
        });
        let threads = self.min_threads.filter(|least| found.cpu_threads < *least);
        let threads =
            threads.map(|least| format!("its processor has {} threads, expected at least {least}", found.cpu_threads));
        let version = found.bios_version.as_deref().unwrap_or_default();
        let bios = (!is_one_of(&self.bios_version, version))
            .then(|| format!("its BIOS is version {version:?}, expected {}", alternatives(&self.bios_version)));
        let tpm = self.tpm.as_ref().filter(|wanted| found.tpm.as_ref() != Some(wanted));
        let tpm = tpm.map(|wanted| match &found.tpm {
            Some(version) => format!("its TPM is version {version}, expected {wanted}"),
            None => format!("it has no TPM, or it is switched off; expected version {wanted}"),
        });
        // Firmware that does not say is without Secure Boot, or was started as a BIOS.
        let is_on = found.secure_boot.unwrap_or(false);
        let secure_boot = self.secure_boot.filter(|wanted| is_on != *wanted);
        let secure_boot =
            secure_boot.map(|wanted| format!("Secure Boot is {}, expected {}", on_or_off(is_on), on_or_off(wanted)));
        let fastest = found.nics.iter().filter_map(|nic| nic.mbit_per_second).max();
        let nic = self.min_nic_speed.filter(|least| fastest.is_none_or(|speed| speed < *least)).map(|least| {
            let expected = format!("expected at least {least} Mbit/s");
            match fastest {
                Some(speed) => format!("its fastest link has {speed} Mbit/s, {expected}"),
                None => format!("none of its cards says how fast its link is, {expected}"),
            }
        });
        [memory, threads, bios, tpm, secure_boot, nic].into_iter().flatten().collect()
    }
}

fn is_one_of(patterns: &[String], text: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| is_like(pattern, text))
}

fn alternatives(patterns: &[String]) -> String {
    patterns.iter().map(|pattern| format!("{pattern:?}")).collect::<Vec<_>>().join(" or ")
}

const TOO_OLD: &str = "its agent is too old to say what it is made of: rebuild the boot files";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::machine::inventory::Nic;

    fn machine() -> Inventory {
        let mac = "52:54:00:12:34:56".parse().expect("a MAC");
        let nic = |speed| Nic { name: "eth0".into(), mac, driver: None, mbit_per_second: speed, link: true };
        Inventory {
            cpu_threads: 4,
            memory_bytes: 8 << 30,
            bios_version: Some("1.06".into()),
            tpm: Some("2".into()),
            uefi: true,
            secure_boot: Some(false),
            nics: vec![nic(None), nic(Some(1000))],
            ..Inventory::default()
        }
    }

    fn disk() -> Disk {
        Disk { path: "/dev/sda".into(), model: "SAMSUNG MZ7L3".into(), ..Disk::default() }
    }

    fn met() -> Expectation {
        Expectation {
            min_memory_bytes: Some(8 << 30),
            min_threads: Some(4),
            disk_model: vec!["x".into(), "samsung*".into()],
            bios_version: vec!["1.06".into()],
            tpm: Some("2".into()),
            secure_boot: Some(false),
            min_nic_speed: Some(1000),
        }
    }

    #[test]
    fn a_machine_that_is_what_is_expected_has_no_differences() {
        assert_eq!(met().differences(Some(&machine()), Some(&disk())), [""; 0]);
        assert_eq!(Expectation::default().differences(None, None), [""; 0], "nothing is expected");
    }

    #[test]
    fn each_difference_is_one_sentence_with_what_is_expected_and_what_was_found() {
        let expected = Expectation {
            min_memory_bytes: Some(16 << 30),
            min_threads: Some(8),
            disk_model: vec!["Micron_5300*".into(), "INTEL*".into()],
            bios_version: vec!["1.07*".into()],
            tpm: Some("1".into()),
            secure_boot: Some(true),
            min_nic_speed: Some(2500),
        };
        assert_eq!(
            expected.differences(Some(&machine()), Some(&disk())),
            [
                "it has 8 GiB of memory, expected at least 16 GiB",
                "its processor has 4 threads, expected at least 8",
                "its BIOS is version \"1.06\", expected \"1.07*\"",
                "its TPM is version 2, expected 1",
                "Secure Boot is off, expected on",
                "its fastest link has 1000 Mbit/s, expected at least 2500 Mbit/s",
                "the disk to write, /dev/sda, is of model \"SAMSUNG MZ7L3\", expected \"Micron_5300*\" or \"INTEL*\"",
            ]
        );
    }

    #[test]
    fn what_a_machine_does_not_say_is_not_taken_for_what_is_expected() {
        let says_nothing = met().differences(Some(&Inventory::default()), Some(&disk()));
        assert_eq!(says_nothing.len(), 5, "Secure Boot is off as expected: {says_nothing:?}");
        assert_eq!(met().differences(None, Some(&disk())), [TOO_OLD]);
        let model_only = Expectation { disk_model: vec!["samsung*".into()], ..Expectation::default() };
        assert_eq!(model_only.differences(None, Some(&disk())), [""; 0], "an older agent shows its disks");
    }
}
