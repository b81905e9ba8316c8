//! Bytes of a file to text, as spreadsheets write it.

use std::borrow::Cow;

use encoding_rs::{UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::{FILE_LIMIT, ListFlaw};

/// How the bytes of a file were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
    /// What a Western Excel means by plain "CSV". Any bytes can be read so.
    Windows1252,
}

impl Encoding {
    pub fn word(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Le => "UTF-16 little endian",
            Self::Utf16Be => "UTF-16 big endian",
            Self::Windows1252 => "Windows-1252",
        }
    }
}

/// The text in `bytes`, without a byte order mark and with `\n` at the end of every line.
pub(super) fn decode(bytes: &[u8]) -> Result<(String, Encoding), ListFlaw> {
    if bytes.len() > FILE_LIMIT {
        return Err(ListFlaw::TooLarge);
    }
    if let Some((_, name)) = NOT_TEXT.iter().find(|(start, _)| bytes.starts_with(start)) {
        return Err(ListFlaw::NotText(name));
    }
    let (text, encoding) = match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => (String::from_utf8_lossy(rest), Encoding::Utf8),
        [0xff, 0xfe, rest @ ..] => (UTF_16LE.decode_without_bom_handling(rest).0, Encoding::Utf16Le),
        [0xfe, 0xff, rest @ ..] => (UTF_16BE.decode_without_bom_handling(rest).0, Encoding::Utf16Be),
        _ if has_zeros_at(bytes, 1) => (UTF_16LE.decode_without_bom_handling(bytes).0, Encoding::Utf16Le),
        _ if has_zeros_at(bytes, 0) => (UTF_16BE.decode_without_bom_handling(bytes).0, Encoding::Utf16Be),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => (Cow::Borrowed(text), Encoding::Utf8),
            Err(_) => (WINDOWS_1252.decode_without_bom_handling(bytes).0, Encoding::Windows1252),
        },
    };
    if text.contains('\0') {
        return Err(ListFlaw::NotText("a binary file"));
    }
    if text.trim().is_empty() {
        return Err(ListFlaw::Empty);
    }
    Ok((with_plain_line_ends(text), encoding))
}

/// Whether every second byte, beginning with the one at `offset`, is mostly zero and the others are not: Latin text in
/// UTF-16 without a byte order mark.
fn has_zeros_at(bytes: &[u8], offset: usize) -> bool {
    let start = &bytes[..bytes.len().min(256) & !1];
    let zeros = |offset| start.iter().skip(offset).step_by(2).filter(|byte| **byte == 0).count();
    start.len() >= 4 && zeros(offset) * 10 >= start.len() / 2 * 9 && zeros(1 - offset) == 0
}

fn with_plain_line_ends(text: Cow<'_, str>) -> String {
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text.into_owned() }
}

/// How files begin that people mistake for CSV.
const NOT_TEXT: &[(&[u8], &str)] = &[
    (b"PK\x03\x04", "an Excel or OpenDocument workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"%PDF", "a PDF document"),
    (b"{\\rtf", "a text processor's document"),
    (b"\x1f\x8b", "a compressed file"),
    (b"<html", "a web page"),
    (b"<!DOCTYPE", "a web page"),
];
