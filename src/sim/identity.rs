//! Who a simulated machine is.

use crate::domain::identity::Claims;
use crate::domain::ids::{MacAddr, Serial, SystemUuid};

/// What stands in its SMBIOS and on its network card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) mac: MacAddr,
    pub(super) uuid: SystemUuid,
    pub(super) serial: Serial,
    pub(super) firmware: Firmware,
}

/// How it boots from the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Firmware {
    Bios,
    Uefi,
}

impl Firmware {
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

impl Identity {
    /// Machine `number`, counted from 1: the same one every time. Odd ones are BIOS, even ones UEFI.
    pub(super) fn numbered(number: u16) -> Self {
        let [high, low] = number.to_be_bytes();
        let mac = [0x52, 0x54, 0x00, 0x5b, high, low];
        let mut uuid = *b"\x6f\x78\x62\x6f\x77\x73\x41\x69\x80\x6d\0\0\0\0\0\0";
        uuid[10..].copy_from_slice(&mac);
        let firmware = if number % 2 == 1 { Firmware::Bios } else { Firmware::Uefi };
        Self { firmware, ..Self::of(mac, uuid, &format!("SIM-{number:04}")) }
    }

    /// A BIOS machine with these marks, none of which is a placeholder.
    pub(super) fn of(mac: [u8; 6], uuid: [u8; 16], serial: &str) -> Self {
        Self {
            mac: MacAddr::new(mac).expect("no group address"),
            uuid: SystemUuid::new(uuid).expect("no placeholder"),
            serial: serial.parse().expect("no placeholder"),
            firmware: Firmware::Bios,
        }
    }

    pub(super) fn claims(&self) -> Claims {
        Claims {
            macs: vec![self.mac],
            uuid: Some(self.uuid),
            serial: Some(self.serial.clone()),
            manufacturer: Some(MANUFACTURER.to_owned()),
            product: Some(PRODUCT.to_owned()),
        }
    }
}

pub(super) const MANUFACTURER: &str = "oxbow";
pub(super) const PRODUCT: &str = "Simulated edge computer";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_machines_of_a_large_bench_are_the_same() {
        let all: Vec<Identity> = (1..=500).map(Identity::numbered).collect();
        let distinct = |marks: Vec<String>| marks.into_iter().collect::<std::collections::BTreeSet<_>>().len();
        assert_eq!(distinct(all.iter().map(|who| who.mac.to_string()).collect()), 500);
        assert_eq!(distinct(all.iter().map(|who| who.uuid.to_string()).collect()), 500);
        assert_eq!(distinct(all.iter().map(|who| who.serial.to_string()).collect()), 500);
        assert_eq!(
            (all[0].serial.as_str(), all[0].firmware, all[1].firmware),
            ("SIM-0001", Firmware::Bios, Firmware::Uefi)
        );
    }
}
