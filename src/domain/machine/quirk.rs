//! What is done differently for certain machines: firmware that does not do as the others, and what helps.
//!
//! The rows come from `assets/quirks.toml` and, before them, from the site's `quirks.toml`; `quirk_file` reads both. A
//! row applies to a machine that has everything the row names. For each effect the first such row counts.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::ids::MacAddr;
use crate::domain::machine::firmware::Firmware;

/// All that is known, the site's own rows first. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quirks {
    pub rows: Arc<[Quirk]>,
    /// Troubles for which no row is needed, or for which a person has to write one.
    pub remedies: Arc<[Remedy]>,
}

/// A row: which machines, and what is done for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quirk {
    pub machines: Machines,
    pub effects: Effects,
    /// What goes wrong without it.
    pub symptom: Option<String>,
    /// Where that is known from, as `ipxe#1696`.
    pub source: Option<String>,
    /// Written by the site, not shipped.
    pub is_sites: bool,
}

/// A trouble that is known, and who deals with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remedy {
    pub firmware: String,
    pub symptom: String,
    pub answer: String,
    pub source: String,
    /// What a row would have to do, where somebody has to write one: it cannot be told from what such a machine says.
    pub effects: Effects,
}

/// Which machines a row is for: those that have all that is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machines {
    /// DHCP option 93.
    pub architecture: Option<u16>,
    pub firmware: Option<Firmware>,
    pub oui: Option<Oui>,
    /// The beginning of the product's name as the machine reports it, once it has.
    pub product: Option<String>,
}

/// What is known of one machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct QuirkSubject<'a> {
    pub architecture: Option<u16>,
    pub firmware: Option<Firmware>,
    pub mac: Option<MacAddr>,
    pub product: Option<&'a str>,
}

/// What is done differently. None, and `false`, are as for everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// The boot program it is told to load.
    pub program: Option<BootProgram>,
    /// As a proxy: its broadcast REQUEST is acknowledged too, though it names the site's server (old Intel ROMs).
    pub always_ack: Option<bool>,
    /// Answers wait for this long.
    pub reply_delay_ms: Option<u16>,
    /// Bytes a second that its boot programs, kernel and initramfs are sent with by HTTP.
    pub pace: Option<u64>,
    pub local_boot: Option<LocalBoot>,
    /// It is known to start signed programs only.
    pub secure_boot: Option<bool>,
}

/// How iPXE leaves for the machine's own disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LocalBoot {
    /// iPXE ends without an error; a BIOS goes on to its next boot device.
    Exit,
    /// iPXE ends with an error: UEFI firmware goes on to its next boot option.
    ExitError,
    /// iPXE starts the first disk itself.
    Sanboot,
    /// No script is given at all (HTTP 404).
    NotFound,
}

/// The first three octets of a card's address: who made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Oui([u8; 3]);

/// The name of a network boot program in the boot-files folder: HTTP serves nothing deeper.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BootProgram(String);

impl Quirks {
    /// What is done differently for this machine.
    pub fn of(&self, machine: QuirkSubject<'_>) -> Effects {
        let rows = self.rows.iter().filter(|row| row.machines.fit(machine));
        rows.fold(Effects::default(), |all, row| all.or(&row.effects))
    }

    /// The boot programs that rows name.
    pub fn loaders(&self) -> impl Iterator<Item = (&Quirk, &BootProgram)> {
        self.rows.iter().filter_map(|row| Some((row, row.effects.program.as_ref()?)))
    }
}

impl Quirk {
    /// Whether it does the same for the same machines, whatever it says of why.
    pub fn does_as(&self, other: &Self) -> bool {
        self.machines == other.machines && self.effects == other.effects
    }
}

impl Machines {
    /// Whether the machine has all that is named. What is not known of it does not fit.
    pub fn fit(&self, machine: QuirkSubject<'_>) -> bool {
        let Self { architecture, firmware, oui, product } = self;
        architecture.is_none_or(|its| machine.architecture == Some(its))
            && firmware.is_none_or(|its| machine.firmware == Some(its))
            && oui.is_none_or(|its| machine.mac.is_some_and(|mac| its.made(mac)))
            && product.as_ref().is_none_or(|its| machine.product.is_some_and(|name| name.starts_with(its)))
    }

    /// No machine is named.
    pub fn is_nobody(&self) -> bool {
        *self == Self::default()
    }
}

impl Effects {
    /// These, and what `other` does where these do nothing.
    pub fn or(self, other: &Self) -> Self {
        Self {
            program: self.program.or_else(|| other.program.clone()),
            always_ack: self.always_ack.or(other.always_ack),
            reply_delay_ms: self.reply_delay_ms.or(other.reply_delay_ms),
            pace: self.pace.or(other.pace),
            local_boot: self.local_boot.or(other.local_boot),
            secure_boot: self.secure_boot.or(other.secure_boot),
        }
    }

    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl LocalBoot {
    pub fn word(self) -> &'static str {
        match self {
            Self::Exit => "exit",
            Self::ExitError => "exit-error",
            Self::Sanboot => "sanboot",
            Self::NotFound => "not-found",
        }
    }
}

impl Oui {
    /// Whether `mac` is of a card of this maker.
    pub fn made(self, mac: MacAddr) -> bool {
        mac.octets().starts_with(&self.0)
    }
}

impl FromStr for Oui {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let whole = format!("{text}:00:00:00")
            .parse::<MacAddr>()
            .map_err(|_| format!("{text:?} is not the first half of an Ethernet address, as d8:3a:dd"))?;
        let [a, b, c, ..] = whole.octets();
        Ok(Self([a, b, c]))
    }
}

impl TryFrom<String> for Oui {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Oui> for String {
    fn from(oui: Oui) -> Self {
        oui.to_string()
    }
}

impl fmt::Display for Oui {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}")
    }
}

impl BootProgram {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BootProgram {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let is_plain = !matches!(name, "" | "." | "..") && !name.contains(['/', '\\']) && !name.starts_with('.');
        let is_printable = name.bytes().all(|byte| byte.is_ascii_graphic());
        // It goes into a header field of 128 bytes, with a zero behind it.
        if is_plain && is_printable && name.len() < 128 {
            return Ok(Self(name.to_owned()));
        }
        Err(format!("{name:?} is not the name of a file in the boot-files folder"))
    }
}

impl TryFrom<String> for BootProgram {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

impl From<BootProgram> for String {
    fn from(loader: BootProgram) -> Self {
        loader.0
    }
}

impl fmt::Display for BootProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(machines: Machines, effects: Effects) -> Quirk {
        Quirk { machines, effects, ..Quirk::default() }
    }

    fn loads(file: &str) -> Effects {
        Effects { program: file.parse().ok(), ..Effects::default() }
    }

    #[test]
    fn for_each_effect_the_first_row_that_fits_counts() {
        let product = |name: &str| Machines { product: Some(name.into()), ..Machines::default() };
        let x64 = Machines { firmware: Some(Firmware::UefiX64), ..Machines::default() };
        let rows = [
            row(product("EliteBook 840"), loads("ipxe.efi")),
            row(x64, Effects { pace: Some(9), ..loads("snponly.efi") }),
        ];
        let quirks = Quirks { rows: rows.into(), ..Quirks::default() };
        let uefi = QuirkSubject { firmware: Some(Firmware::UefiX64), ..QuirkSubject::default() };
        assert_eq!(quirks.of(uefi), Effects { pace: Some(9), ..loads("snponly.efi") });
        let hp = QuirkSubject { product: Some("EliteBook 840 G6"), ..uefi };
        assert_eq!(quirks.of(hp), Effects { pace: Some(9), ..loads("ipxe.efi") }, "its pace is of the second row");
        let other = QuirkSubject { product: Some("Elite"), ..QuirkSubject::default() };
        assert!(quirks.of(other).is_nothing());
    }

    #[test]
    fn a_row_fits_who_has_everything_it_names() {
        let all = Machines {
            architecture: Some(7),
            firmware: Some(Firmware::UefiX64),
            oui: "d8:3a:dd".parse().ok(),
            product: Some("Pi".into()),
        };
        let machine = QuirkSubject {
            architecture: Some(7),
            firmware: Some(Firmware::UefiX64),
            mac: "d8:3a:dd:00:00:01".parse().ok(),
            product: Some("Pi 5"),
        };
        assert!(all.fit(machine) && Machines::default().fit(QuirkSubject::default()));
        for short in [
            QuirkSubject { architecture: Some(9), ..machine },
            QuirkSubject { firmware: None, ..machine },
            QuirkSubject { mac: "d8:3a:de:00:00:01".parse().ok(), ..machine },
            QuirkSubject { mac: None, ..machine },
            QuirkSubject { product: None, ..machine },
        ] {
            assert!(!all.fit(short), "{short:?}");
        }
    }

    #[test]
    fn a_loader_is_a_file_name_and_nothing_else() {
        for name in ["", ".", "..", ".hidden", "/ipxe.efi", "a/b", "a\\b", "späť.efi", "a b", &"x".repeat(128)] {
            assert!(
                name.parse::<BootProgram>().is_err_and(|said| said.contains("is not the name of a file")),
                "{name:?}"
            );
        }
        assert_eq!("ipxe.efi".parse::<BootProgram>().map(|loader| loader.to_string()), Ok("ipxe.efi".to_owned()));
    }
}
