//! Which boot program each processor architecture loads: the rows of `assets/architectures.toml`.

use std::fmt;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::domain::ids::MacAddr;
use crate::domain::machine::firmware::Firmware;
use crate::domain::machine::quirk::Oui;

/// A client's architecture as DHCP option 93 numbers it (RFC 4578 section 2.1). Any number can be on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(transparent)]
pub struct ArchCode(pub u16);

/// How a client loads its boot program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoaderTransport {
    Tftp,
    Http,
}

/// What is known of one architecture.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchitectureRow {
    pub code: ArchCode,
    pub name: String,
    pub firmware: Firmware,
    pub transport: LoaderTransport,
    /// The file's name below the boot-files folder. None: there is nothing here that this architecture could load.
    pub file: Option<String>,
    /// Makers of cards whose machines say that they are a BIOS, and are this.
    #[serde(default)]
    pub ouis: Vec<Oui>,
}

impl ArchitectureRow {
    /// Whether there is a program here that this architecture loads over `transport`.
    pub fn loads_over(&self, transport: LoaderTransport) -> bool {
        self.transport == transport && self.file.is_some()
    }
}

impl ArchCode {
    pub const BIOS: Self = Self(0);
    pub const UEFI_X64: Self = Self(7);
    pub const RASPBERRY_PI: Self = Self(41);

    /// What a machine with this card is that says it is `self`.
    pub fn meant(self, mac: Option<MacAddr>) -> Self {
        let made = |row: &&ArchitectureRow| mac.is_some_and(|mac| row.ouis.iter().any(|oui| oui.made(mac)));
        match self {
            Self::BIOS => ROWS.iter().find(made).map_or(self, |row| row.code),
            other => other,
        }
    }

    /// The row of this architecture. None for an unknown number.
    pub fn row(self) -> Option<&'static ArchitectureRow> {
        ROWS.iter().find(|row| row.code == self)
    }

    /// The name of the boot program that is loaded over `transport`.
    pub fn file(self, transport: LoaderTransport) -> Option<&'static str> {
        self.row().filter(|row| row.loads_over(transport))?.file.as_deref()
    }
}

impl fmt::Display for ArchCode {
    /// `11 (UEFI ARM 64-bit)`, or the bare number of an unknown one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row() {
            Some(row) => write!(f, "{} ({})", self.0, row.name),
            None => write!(f, "{}", self.0),
        }
    }
}

#[derive(Deserialize)]
struct ArchitectureTable {
    architecture: Vec<ArchitectureRow>,
}

fn parse(text: &str) -> Result<Vec<ArchitectureRow>, toml::de::Error> {
    toml::from_str(text).map(|table: ArchitectureTable| table.architecture)
}

/// Embedded, and valid by the test below.
static ROWS: LazyLock<Vec<ArchitectureRow>> = LazyLock::new(|| parse(TABLE).unwrap_or_default());

const TABLE: &str = include_str!("../../assets/architectures.toml");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_table_is_valid_and_has_every_code_once() {
        let rows = parse(TABLE).expect("a valid table");
        let mut codes: Vec<u16> = rows.iter().map(|row| row.code.0).collect();
        codes.dedup();
        assert_eq!(codes, [0, 6, 7, 8, 9, 10, 11, 15, 16, 18, 19, 20, 27, 28, 39, 40, 41]);
    }

    #[test]
    fn bios_loads_undionly_and_every_x64_number_loads_snponly() {
        let tftp = |code| ArchCode(code).file(LoaderTransport::Tftp);
        assert_eq!(tftp(0), Some("undionly.kpxe"));
        assert_eq!([7, 8, 9].map(tftp), [Some("snponly.efi"); 3]);
        assert_eq!([6, 10, 16, 4711].map(tftp), [None; 4], "never another architecture's file");
        assert_eq!(ArchCode(16).file(LoaderTransport::Http), Some("ipxe.efi"));
        assert_eq!(
            (tftp(11), ArchCode(19).file(LoaderTransport::Http)),
            (Some("ipxe-arm64.efi"), Some("ipxe-arm64.efi"))
        );
    }

    #[test]
    fn a_raspberry_pi_is_known_by_its_card() {
        let pi = "dc:a6:32:00:00:01".parse().ok();
        assert_eq!(ArchCode::BIOS.meant(pi), ArchCode::RASPBERRY_PI);
        assert_eq!(ArchCode(11).meant(pi), ArchCode(11), "with UEFI on it, it says so");
        assert_eq!(ArchCode::BIOS.meant("52:54:00:00:00:01".parse().ok()), ArchCode::BIOS);
        assert_eq!(ArchCode::RASPBERRY_PI.row().map(|row| row.ouis.len()), Some(5));
    }

    #[test]
    fn an_architecture_is_shown_with_its_name_if_it_has_one() {
        assert_eq!(ArchCode(11).to_string(), "11 (UEFI ARM 64-bit)");
        assert_eq!(ArchCode(4711).to_string(), "4711");
    }
}
