//! Who a simulated machine is.

use std::str::FromStr;

use crate::domain::ids::{MacAddr, SystemUuid};
use crate::domain::machine::claims::Claims;
use crate::domain::machine::inventory::{Inventory, Nic};

/// What stands in its SMBIOS and on its network card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SimIdentity {
    pub(super) mac: MacAddr,
    pub(super) uuid: SystemUuid,
    /// As it stands there: it may be what nobody filled in.
    pub(super) serial: String,
    pub(super) firmware: BootFirmware,
}

/// How it boots from the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BootFirmware {
    Bios,
    Uefi,
}

impl BootFirmware {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Bios => "BIOS",
            Self::Uefi => "UEFI",
        }
    }

    /// DHCP option 93 (RFC 4578 section 2.1).
    pub(super) fn architecture(self) -> [u8; 2] {
        match self {
            Self::Bios => [0, 0],
            Self::Uefi => [0, 7],
        }
    }
}

impl SimIdentity {
    /// Machine `number`, counted from 1: the same one every time. Odd ones are BIOS, even ones UEFI.
    pub(super) fn numbered(number: u16) -> Self {
        let [high, low] = number.to_be_bytes();
        let mac = [0x52, 0x54, 0x00, 0x5b, high, low];
        let mut uuid = *b"\x6f\x78\x62\x6f\x77\x73\x41\x69\x80\x6d\0\0\0\0\0\0";
        uuid[10..].copy_from_slice(&mac);
        let firmware = if number % 2 == 1 { BootFirmware::Bios } else { BootFirmware::Uefi };
        Self { firmware, ..Self::of(mac, uuid, &format!("SIM-{number:04}")) }
    }

    /// A BIOS machine with these marks, none of which is a placeholder.
    pub(super) fn of(mac: [u8; 6], uuid: [u8; 16], serial: &str) -> Self {
        Self {
            mac: MacAddr::new(mac).expect("no group address"),
            uuid: SystemUuid::new(uuid).expect("no placeholder"),
            serial: serial.to_owned(),
            firmware: BootFirmware::Bios,
        }
    }

    /// The same with other marks, as far as they are given.
    pub(super) fn with(self, marks: &IdentityOverride) -> Self {
        Self {
            mac: marks.mac.unwrap_or(self.mac),
            uuid: marks.uuid.unwrap_or(self.uuid),
            serial: marks.serial.clone().unwrap_or(self.serial),
            ..self
        }
    }

    pub(super) fn inventory(&self) -> Inventory {
        let is_uefi = self.firmware == BootFirmware::Uefi;
        let (name, driver) = ("eth0".to_owned(), Some("simulated".to_owned()));
        Inventory {
            cpu: Some("Simulated processor".to_owned()),
            cpu_threads: 4,
            memory_bytes: 8 << 30,
            nics: vec![Nic { name, mac: self.mac, driver, mbit_per_second: Some(1000), link: true }],
            bios_vendor: Some(MANUFACTURER.to_owned()),
            bios_version: Some("1.0".to_owned()),
            bios_date: Some("01/01/2026".to_owned()),
            uefi: is_uefi,
            secure_boot: is_uefi.then_some(false),
            tpm: is_uefi.then(|| "2".to_owned()),
        }
    }

    pub(super) fn claims(&self) -> Claims {
        Claims {
            macs: vec![self.mac],
            uuid: Some(self.uuid),
            serial: self.serial.parse().ok(),
            manufacturer: Some(MANUFACTURER.to_owned()),
            product: Some(PRODUCT.to_owned()),
        }
    }
}

/// What one machine has instead of its usual marks, written as `serial=SN-1,uuid=…,mac=…`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentityOverride {
    mac: Option<MacAddr>,
    uuid: Option<SystemUuid>,
    serial: Option<String>,
}

impl FromStr for IdentityOverride {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut marks = Self::default();
        for mark in text.split(',').filter(|mark| !mark.is_empty()) {
            match mark.split_once('=') {
                Some(("serial", serial)) => marks.serial = Some(serial.to_owned()),
                Some(("uuid", uuid)) => marks.uuid = Some(uuid.parse().map_err(|err| format!("{uuid}: {err}"))?),
                Some(("mac", mac)) => marks.mac = Some(mac.parse().map_err(|err| format!("{mac}: {err}"))?),
                _ => return Err(format!("{mark:?} is not serial=, uuid= or mac=")),
            }
        }
        Ok(marks)
    }
}

pub(super) const MANUFACTURER: &str = "oxbow";
pub(super) const PRODUCT: &str = "Simulated edge computer";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_machines_of_a_large_bench_are_the_same() {
        let all: Vec<SimIdentity> = (1..=500).map(SimIdentity::numbered).collect();
        let distinct = |marks: Vec<String>| marks.into_iter().collect::<std::collections::BTreeSet<_>>().len();
        assert_eq!(distinct(all.iter().map(|who| who.mac.to_string()).collect()), 500);
        assert_eq!(distinct(all.iter().map(|who| who.uuid.to_string()).collect()), 500);
        assert_eq!(distinct(all.iter().map(|who| who.serial.to_string()).collect()), 500);
        assert_eq!(
            (all[0].serial.as_str(), all[0].firmware, all[1].firmware),
            ("SIM-0001", BootFirmware::Bios, BootFirmware::Uefi)
        );
    }
}
