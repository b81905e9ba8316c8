//! Serials and UUIDs that many machines share because nobody filled them in: they identify nobody.
//!
//! What is shipped is `assets/placeholders.toml`; a site adds its own list, which the station reads and hands in. A list
//! only grows: what was stored before an entry was added reads as none from then on.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::domain::ids::hex::{hex_bytes, other_byte_order};
use crate::domain::ids::mac::MacAddr;

/// A list of placeholders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Placeholders {
    /// Letters and digits alone, in lower case.
    serials: BTreeSet<String>,
    /// Of the two byte orders the one that sorts first.
    uuids: BTreeSet<[u8; 16]>,
    /// Addresses of adapters that go from machine to machine. None is shipped.
    macs: BTreeSet<MacAddr>,
}

impl Placeholders {
    /// What is shipped with the program.
    pub fn shipped() -> &'static Self {
        &SHIPPED
    }

    /// Whether this serial identifies nobody: it is listed, or one character repeated, or counts up, or says nothing.
    pub fn has_serial(&self, serial: &str) -> bool {
        let squeezed = squeezed(serial);
        is_uniform(squeezed.as_bytes()) || counts_up(&squeezed) || self.serials.contains(&squeezed)
    }

    /// Whether this UUID, in either byte order, identifies nobody: it is listed, or one octet repeated, or ends in ten
    /// octets of zero (a board's time stamp and nothing else).
    pub fn has_uuid(&self, octets: [u8; 16]) -> bool {
        is_uniform(&octets) || octets[6..] == [0; 10] || self.uuids.contains(&canonical(octets))
    }

    /// Whether this address goes from machine to machine.
    pub fn has_mac(&self, mac: MacAddr) -> bool {
        self.macs.contains(&mac)
    }

    /// Nothing is listed; the rules hold all the same.
    pub fn is_empty(&self) -> bool {
        self.serials.is_empty() && self.uuids.is_empty() && self.macs.is_empty()
    }

    /// Adds an Ethernet address.
    pub fn add_mac(&mut self, mac: MacAddr) {
        self.macs.insert(mac);
    }

    /// Adds a UUID, in both byte orders.
    pub fn add_uuid(&mut self, octets: [u8; 16]) {
        self.uuids.insert(canonical(octets));
    }

    /// Adds a serial number, compared by its letters and digits alone.
    pub fn add_serial(&mut self, serial: &str) {
        self.serials.insert(squeezed(serial));
    }

    /// What is on the other list is on this one too.
    pub fn extend(&mut self, other: &Self) {
        self.serials.extend(other.serials.iter().cloned());
        self.uuids.extend(&other.uuids);
        self.macs.extend(&other.macs);
    }

    /// A list of these, as far as they can be read; what cannot is left out.
    fn of<'t>(serials: impl Iterator<Item = &'t str>, uuids: impl Iterator<Item = &'t str>) -> Self {
        Self {
            serials: serials.map(squeezed).collect(),
            uuids: uuids.filter_map(octets).map(canonical).collect(),
            macs: BTreeSet::new(),
        }
    }
}

#[cfg(feature = "station")]
mod file {
    use serde::Deserialize;

    use super::{Placeholders, octets};
    use crate::domain::diagnostic::Diagnostic;
    use crate::domain::ids::mac::MacAddr;

    impl Placeholders {
        /// A site's own list in `text`, which was read from `file`, or everything that is wrong with it.
        pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
            let wrong =
                |line, what, hint: &str| Diagnostic { file: file.into(), line, column: None, what, hint: hint.into() };
            let written: Written = toml::from_str(text).map_err(|err| {
                let line = err.span().map(|span| text[..span.start].matches('\n').count() + 1);
                let hint = "write serials = [\"…\"] and uuids = [\"…\"], one entry a line";
                vec![wrong(line, err.message().replace('\n', " "), hint)]
            })?;
            let line_of = |value: &str| text.lines().position(|line| line.contains(value)).map(|at| at + 1);
            let unreadable = written.uuids.iter().filter(|uuid| octets(uuid).is_none());
            let diagnostics: Vec<Diagnostic> = unreadable
                .map(|uuid| wrong(line_of(uuid), format!("{uuid:?} is not a UUID"), "a UUID is 32 hex digits"))
                .collect();
            if !diagnostics.is_empty() {
                return Err(diagnostics);
            }
            let Written { serials, uuids, macs } = written;
            let listed = Self::of(serials.iter().map(String::as_str), uuids.iter().map(String::as_str));
            Ok(Self { macs: macs.into_iter().collect(), ..listed })
        }
    }

    #[derive(Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Written {
        serials: Vec<String>,
        uuids: Vec<String>,
        macs: Vec<MacAddr>,
    }
}

static SHIPPED: LazyLock<Placeholders> = LazyLock::new(|| {
    // One quoted entry a line, so that the agent needs no TOML reader; a test holds this against one.
    let entry = |line: &'static str| line.trim().strip_prefix('"')?.strip_suffix("\",");
    let (serials, uuids) = FILE.split_once("\nuuids = [").unwrap_or((FILE, ""));
    Placeholders::of(serials.lines().filter_map(entry), uuids.lines().filter_map(entry))
});

fn squeezed(serial: &str) -> String {
    serial.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect()
}

/// Also true of nothing at all.
fn is_uniform(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == bytes[0])
}

/// Nine digits or more, each one up from the one before: `123456789`, `0123456789012`.
fn counts_up(text: &str) -> bool {
    let digits = text.as_bytes();
    let one_up = |pair: &[u8]| pair[1] == if pair[0] == b'9' { b'0' } else { pair[0] + 1 };
    digits.len() >= 9 && digits.iter().all(u8::is_ascii_digit) && digits.windows(2).all(one_up)
}

fn octets(uuid: &str) -> Option<[u8; 16]> {
    hex_bytes(&uuid.replace('-', ""))
}

fn canonical(octets: [u8; 16]) -> [u8; 16] {
    octets.min(other_byte_order(octets))
}

const FILE: &str = include_str!("../../../assets/placeholders.toml");

#[cfg(all(test, feature = "station"))]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_list_is_read_as_a_toml_reader_reads_it() {
        assert_eq!(Placeholders::parse("placeholders.toml", FILE), Ok(SHIPPED.clone()));
        assert!(SHIPPED.serials.len() > 40 && SHIPPED.uuids.len() > 6, "{SHIPPED:?}");
    }

    #[test]
    fn spelling_does_not_hide_a_placeholder() {
        for serial in
            ["to be filled by o.e.m.", "TO_BE_FILLED_BY_OEM", "n.a.", "-----", "0000-0000", "123456789012", ""]
        {
            assert!(SHIPPED.has_serial(serial), "{serial}");
        }
        for serial in ["2500JF3", "1234567", "00000001", "PF3K-0123456789"] {
            assert!(!SHIPPED.has_serial(serial), "{serial}");
        }
    }

    #[test]
    fn a_shared_uuid_is_known_in_both_byte_orders() {
        let asrock = "76006b9c-c49c-0000-0000-000000000000";
        for uuid in ["33221100-5544-7766-8899-aabbccddeeff", "00112233-4455-6677-8899-aabbccddeeff", asrock] {
            assert!(octets(uuid).is_some_and(|octets| SHIPPED.has_uuid(octets)), "{uuid}");
        }
        let supermicro = "00000000-0000-0000-0000-ac1f6bd04972";
        assert!(
            octets(supermicro).is_some_and(|octets| !SHIPPED.has_uuid(octets)),
            "it ends in the machine's MAC address"
        );
    }

    #[test]
    fn a_site_s_list_that_cannot_be_read_says_where() {
        let said = Placeholders::parse("site.toml", "serials = [\n  \"ACME\",\n]\nuuids = [\n  \"zz\",\n]\n");
        assert_eq!(said.map_err(|all| all[0].place_and_what()), Err("site.toml:5: \"zz\" is not a UUID".into()));
    }
}
