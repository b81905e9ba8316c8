//! Text that a machine sent. It is hostile until cleaned: it must not move the cursor, reorder a line or fill a screen.

/// `raw` on one line of at most `limit` characters: control, bidirectional and invisible characters become `·`,
/// runs of white space one space. What was cut off is marked by `…`.
pub fn clean(raw: &str, limit: usize) -> String {
    let mut out = String::with_capacity(raw.len().min(limit * 4));
    let (mut taken, mut spaced) = (0, true);
    for c in raw.chars() {
        let space = c.is_whitespace();
        if space && spaced {
            continue;
        }
        if taken == limit {
            out.push('…');
            return out;
        }
        spaced = space;
        out.push(if space {
            ' '
        } else if is_printable(c) {
            c
        } else {
            '·'
        });
        taken += 1;
    }
    out.truncate(out.trim_end().len());
    out
}

/// `name` as part of a file's name: letters, digits, `-`, `_` and `.`; whatever else it has becomes `-`.
pub fn file_name(name: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.') { c } else { '-' };
    let name: String = name.trim().chars().map(fits).take(FILE_NAME).collect();
    let name = name.trim_start_matches('.');
    if name.is_empty() { "node".into() } else { name.into() }
}

/// `name` percent-encoded where a path needs it (RFC 3986 section 3.3).
pub fn percent_encoded(name: &str) -> String {
    let mut path = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

/// Percent-decoded (RFC 3986 section 2.1); bytes that are not UTF-8 become `�`.
pub fn percent_decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = tail
            .get(..2)
            .and_then(|pair| std::str::from_utf8(pair).ok())
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match (first, escaped) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = tail;
            }
            (byte, _) => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether it can be put on a terminal as it is: neither control, bidirectional nor invisible.
pub fn is_printable(c: char) -> bool {
    let invisible = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}');
    !c.is_control() && !invisible
}

const FILE_NAME: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_bidi_marks_do_not_survive() {
        assert_eq!(clean("\u{1b}[31mred\u{202e}txt\r\nnext", 80), "·[31mred·txt next");
    }

    #[test]
    fn a_long_line_is_cut_with_a_mark() {
        assert_eq!(clean(&"a".repeat(10_000_000), 3), "aaa…");
    }

    #[test]
    fn outer_white_space_is_not_part_of_a_text() {
        assert_eq!(clean("  To Be   Filled \t", 80), "To Be Filled");
    }
}
