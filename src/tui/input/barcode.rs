//! What a bar-code scanner says: one code or several, in any order, with or without the words of the label.
//!
//! ```text
//!  SN-4001                          a serial
//!  3CECEF123401, 3c:ec:ef:12:34:01  a MAC address
//!  S/N: SN-4001 MAC: 3CECEF123401   both
//!  S/N:SN-4001;OXBOW1 7 9F86…       what a station puts on a machine, see `domain::label`
//! ```
//!
//! A bare code of twelve hex digits is an address if it is written as one or has a letter; of digits alone it is a serial.

use crate::domain::batch::label::OURS;
use crate::domain::ids::{BadId, MacAddr, Serial, SystemUuid};
use crate::domain::node::registration::Registration;

/// What was read from one label.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScannedLabel {
    pub serial: Option<Serial>,
    pub uuid: Option<SystemUuid>,
    pub macs: Vec<MacAddr>,
}

/// Why a scan says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadScan {
    #[error("{code}: {reason}")]
    Code { code: String, reason: BadId },
    #[error("two serials, {0} and {1}: a label has one")]
    TwoSerials(Serial, Serial),
    #[error("two UUIDs: a label has one")]
    TwoUuids,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CodeKind {
    Serial,
    Mac,
    Uuid,
}

impl ScannedLabel {
    /// Reads what a scanner or a person typed.
    pub fn read(text: &str) -> Result<Self, BadScan> {
        let mut label = Self::default();
        for piece in text.split([',', ';', '|']).flat_map(|piece| piece.split(char::is_control)) {
            let piece = piece.trim();
            if !piece.starts_with(OURS) {
                label.take_piece(piece)?;
            }
        }
        Ok(label)
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it has what a label with two codes has.
    pub fn is_complete(&self) -> bool {
        self.serial.is_some() && !self.macs.is_empty()
    }

    /// With what the second code of the same label says.
    pub fn and(mut self, other: Self) -> Result<Self, BadScan> {
        if let Some(serial) = other.serial {
            self.add_serial(serial)?;
        }
        if let Some(uuid) = other.uuid {
            self.add_uuid(uuid)?;
        }
        self.macs.extend(other.macs);
        Ok(self)
    }

    pub fn registration(self) -> Registration {
        Registration { serial: self.serial, uuid: self.uuid, macs: self.macs, ..Registration::default() }
    }

    fn take_piece(&mut self, piece: &str) -> Result<(), BadScan> {
        let words: Vec<&str> = piece.split_whitespace().collect();
        let says_more =
            words.len() > 1 && words.iter().any(|word| announced(word).is_some() || kind(word) != CodeKind::Serial);
        if !says_more && announced(piece).is_none() {
            // A serial may have spaces.
            return if piece.is_empty() { Ok(()) } else { self.take(piece, kind(piece)) };
        }
        let mut expected = None;
        for word in words {
            match announced(word) {
                Some((kind, "")) => expected = Some(kind),
                Some((kind, code)) => self.take(code, kind)?,
                None if NOISE.contains(&word.trim_end_matches([':', '.']).to_ascii_lowercase().as_str()) => {}
                None => self.take(word, expected.take().unwrap_or_else(|| kind(word)))?,
            }
        }
        Ok(())
    }

    fn take(&mut self, code: &str, kind: CodeKind) -> Result<(), BadScan> {
        let bad = |reason| BadScan::Code { code: code.to_owned(), reason };
        match kind {
            CodeKind::Serial => self.add_serial(code.parse().map_err(bad)?),
            CodeKind::Uuid => self.add_uuid(code.parse().map_err(bad)?),
            CodeKind::Mac => {
                self.macs.push(code.parse().map_err(bad)?);
                Ok(())
            }
        }
    }

    fn add_serial(&mut self, serial: Serial) -> Result<(), BadScan> {
        match self.serial.take() {
            Some(first) if first != serial => Err(BadScan::TwoSerials(first, serial)),
            _ => {
                self.serial = Some(serial);
                Ok(())
            }
        }
    }

    fn add_uuid(&mut self, uuid: SystemUuid) -> Result<(), BadScan> {
        match self.uuid.replace(uuid) {
            Some(first) if first.canonical() != uuid.canonical() => Err(BadScan::TwoUuids),
            _ => Ok(()),
        }
    }
}

/// What the word of a label says of the code behind it, and that code: `S/N:SN-1`. The code is empty where it is the
/// next word.
fn announced(word: &str) -> Option<(CodeKind, &str)> {
    let (title, code) = match word.split_once([':', '=', '#']) {
        Some((title, code)) => (title, code),
        None => (word, ""),
    };
    let title = title.to_ascii_lowercase();
    let (_, kind) = TITLES.iter().find(|(known, _)| *known == title)?;
    Some((*kind, code))
}

/// What a code without a word is.
fn kind(code: &str) -> CodeKind {
    let digits = code.chars().filter(char::is_ascii_hexdigit).count();
    let separated = code.contains([':', '-', '.']);
    let all_hex = code.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '-' | '.' | '{' | '}'));
    match digits {
        32 if all_hex => CodeKind::Uuid,
        12 if all_hex && (separated || code.contains(|c: char| c.is_ascii_alphabetic())) => CodeKind::Mac,
        _ => CodeKind::Serial,
    }
}

/// The words of labels.
const TITLES: &[(&str, CodeKind)] = &[
    ("s/n", CodeKind::Serial),
    ("sn", CodeKind::Serial),
    ("serial", CodeKind::Serial),
    ("ser", CodeKind::Serial),
    ("tag", CodeKind::Serial),
    ("mac", CodeKind::Mac),
    ("mac1", CodeKind::Mac),
    ("mac2", CodeKind::Mac),
    ("lan", CodeKind::Mac),
    ("lan1", CodeKind::Mac),
    ("lan2", CodeKind::Mac),
    ("eth", CodeKind::Mac),
    ("eth0", CodeKind::Mac),
    ("uuid", CodeKind::Uuid),
    ("guid", CodeKind::Uuid),
];
/// Words between a title and its code.
const NOISE: &[&str] = &["no", "number", "service", "address", "addr", "id", ":", "=", ""];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<String>, Vec<String>) {
        let label = ScannedLabel::read(text).expect("readable");
        (label.serial.map(|serial| serial.to_string()), label.macs.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_label_is_understood_in_any_order_and_with_any_words() {
        let mac = "3c:ec:ef:12:34:01";
        for text in [
            "SN-4001 3CECEF123401",
            "3c:ec:ef:12:34:01\tSN-4001",
            "S/N:SN-4001 MAC:3CECEF123401",
            "MAC: 3C-EC-EF-12-34-01 SN: SN-4001",
            "Serial Number: SN-4001, MAC Address: 3cec.ef12.3401",
            "S/N=SN-4001;MAC=3CECEF123401",
            "S/N:SN-4001\u{1d}MAC:3CECEF123401",
            "S/N:SN-4001;MAC:3CECEF123401;OXBOW1 7 9F86D081884C7D659A2FEAA0C55AD015",
        ] {
            assert_eq!(read(text), (Some("SN-4001".into()), vec![mac.to_owned()]), "{text:?}");
        }
    }

    #[test]
    fn one_code_is_a_serial_unless_it_is_an_address() {
        assert_eq!(read("SN-4001"), (Some("SN-4001".into()), vec![]));
        assert_eq!(read("SN4001"), (Some("SN4001".into()), vec![]));
        assert_eq!(read("S/N:SN4001"), (Some("SN4001".into()), vec![]));
        assert_eq!(read("402600981234"), (Some("402600981234".into()), vec![]));
        assert_eq!(read("MAC:123456789012"), (None, vec!["12:34:56:78:90:12".into()]));
        assert_eq!(read("AB 12 X"), (Some("AB 12 X".into()), vec![]));
        assert!(ScannedLabel::read(" \r\n").expect("nothing").is_empty());
        assert!(ScannedLabel::read("4c4c4544-0042-4a10-8052-b7c04f4d3432").expect("a UUID").uuid.is_some());
    }

    #[test]
    fn what_is_no_code_is_said() {
        let said = |text| ScannedLabel::read(text).expect_err("bad").to_string();
        assert_eq!(said("MAC:52:54"), "52:54: a MAC address is six pairs of hex digits, as 52:54:00:12:34:56");
        assert_eq!(said("Default string"), "Default string: the serial is a placeholder that many machines share");
        assert_eq!(said("SN:A1 SN:B2"), "two serials, A1 and B2: a label has one");
    }
}
