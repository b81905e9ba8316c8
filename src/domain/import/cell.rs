//! A cell as it was meant: what spreadsheets and typing do to a value is undone.

use std::borrow::Cow;

/// The value in a cell: white space around it, an apostrophe or formula that keeps it a text, invisible characters and
/// full-width spelling are not part of it.
pub(super) fn tidy(raw: &str) -> Cow<'_, str> {
    let plain = if raw.is_ascii() { Cow::Borrowed(raw) } else { Cow::Owned(raw.chars().filter_map(plain).collect()) };
    match plain {
        Cow::Borrowed(text) => Cow::Borrowed(unwrapped(text)),
        Cow::Owned(text) => Cow::Owned(unwrapped(&text).to_owned()),
    }
}

/// An identifier in a cell: as [`tidy`], and typographic dashes are hyphens.
pub(super) fn tidy_identifier(raw: &str) -> Cow<'_, str> {
    let text = tidy(raw);
    if text.is_ascii() { text } else { Cow::Owned(text.chars().map(|c| if is_dash(c) { '-' } else { c }).collect()) }
}

/// Whether a spreadsheet has turned a number into `1.23457E+11` (or `1,23457E+11`): one digit, some decimals, a signed
/// exponent. A serial as `12E4567` is none.
pub(super) fn is_rounded_number(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['E', 'e']) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, decimals) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, "0"));
    let exponent = exponent.strip_prefix(['+', '-']);
    whole.len() == 1
        && digits(whole)
        && digits(decimals)
        && exponent.is_some_and(|text| text.len() >= 2 && digits(text))
}

/// Whether these are more digits than a spreadsheet's number has, with nothing but zeros where it has none.
pub(super) fn lost_digits(text: &str) -> bool {
    let all_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    all_digits && text.len() > SPREADSHEET_DIGITS && text.bytes().skip(SPREADSHEET_DIGITS).all(|byte| byte == b'0')
}

fn unwrapped(text: &str) -> &str {
    let text = text.trim();
    // An apostrophe keeps a value a text in Excel; exports put it before `=`, `+`, `-` and `@`.
    let text = text.strip_prefix('\'').unwrap_or(text);
    text.strip_prefix("=\"").and_then(|text| text.strip_suffix('"')).unwrap_or(text).trim()
}

/// The plain form of one character; none if it cannot be seen.
fn plain(c: char) -> Option<char> {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0),
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}' => None,
        c if c.is_whitespace() => Some(' '),
        c => Some(c),
    }
}

fn is_dash(c: char) -> bool {
    matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// Significant digits of a number in a spreadsheet (IEEE 754 double).
const SPREADSHEET_DIGITS: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_spreadsheets_do_to_a_value_is_undone() {
        for (raw, meant) in [
            ("\u{a0} SN-1 \u{202f}", "SN-1"),
            ("=\"000123\"", "000123"),
            ("'000123", "000123"),
            ("'=\"000123\"", "000123"),
            ("２５００ＪＦ３", "2500JF3"),
            ("SN\u{200b}-1\u{feff}", "SN-1"),
            ("Werk Süd", "Werk Süd"),
        ] {
            assert_eq!(tidy(raw), meant, "{raw:?}");
        }
        assert_eq!(tidy_identifier("4c4c4544–0042−4a10"), "4c4c4544-0042-4a10");
    }

    #[test]
    fn a_rounded_number_is_told_from_a_serial_with_an_e() {
        for text in ["1.23457E+11", "1,23457E+11", "5E+14", "2.5e-05"] {
            assert!(is_rounded_number(text), "{text}");
        }
        for text in ["12E4567", "E+11", "1.2.3E+11", "SN1E+11", "123457E+11", "1E+", "1E+1"] {
            assert!(!is_rounded_number(text), "{text}");
        }
        assert!(
            lost_digits("1234567890123450000") && !lost_digits("123456789012345") && !lost_digits("1234567890123456")
        );
    }
}
