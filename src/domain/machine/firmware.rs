//! What kind of network boot client a machine's firmware is.

use serde::{Deserialize, Serialize};

/// What kind of network boot client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Firmware {
    Bios,
    UefiX64,
    /// iPXE, of whatever firmware.
    Ipxe,
    /// A DHCP client that does not boot from the network.
    Plain,
    #[serde(other)]
    Other,
}

impl Firmware {
    pub fn word(self) -> &'static str {
        match self {
            Self::Bios => "BIOS",
            Self::UefiX64 => "UEFI x64",
            Self::Ipxe => "iPXE",
            Self::Plain => "plain",
            Self::Other => "other",
        }
    }
}
