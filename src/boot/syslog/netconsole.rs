//! What a kernel's extended netconsole (`netconsole=+…`) sends: a line of `/dev/kmsg` as one datagram
//! (the kernel's `Documentation/networking/netconsole.rst` and `Documentation/ABI/testing/dev-kmsg`).
//!
//! ```text
//! [RELEASE,]LEVEL,SEQUENCE,MICROSECONDS,FLAG[,caller=T1][,ncfrag=OFFSET/TOTAL];TEXT
//!  KEY=VALUE …
//! ```

use super::level;
use crate::domain::event::SyslogLine;

/// What `message` says, if a netconsole wrote it: nothing, if it is the rest of a line whose beginning is longer than what
/// is kept of one. None if it is not netconsole's format.
pub(super) fn read(message: &str) -> Option<Option<SyslogLine>> {
    let (header, body) = message.split_once(';')?;
    let mut fields = header.split(',').peekable();
    let is_release = |first: &&str| !first.bytes().all(|byte| byte.is_ascii_digit()) && !first.contains(' ');
    fields.next_if(is_release);
    let severity = number(fields.next()?)? % 8;
    let _sequence = number(fields.next()?)?;
    let micros = number(fields.next()?)?;
    let _flag = fields.next().filter(|flag| matches!(*flag, "-" | "c" | "+"))?;
    let is_rest = fields.filter_map(|field| field.strip_prefix("ncfrag=")).any(|part| !part.starts_with("0/"));
    // What follows the first line describes a device; line ends within the text are escaped.
    let text = unescaped(body.lines().next().unwrap_or_default());
    let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
    let level = level(u8::try_from(severity).ok()?);
    let line = SyslogLine { level, text: format!("[{seconds:5}.{rest:06}] {text}"), by_its_clock: None };
    Some((!is_rest && !text.trim().is_empty()).then_some(line))
}

fn number(field: &str) -> Option<u64> {
    field.bytes().all(|byte| byte.is_ascii_digit()).then(|| field.parse().ok()).flatten()
}

/// `\xNN` stands for a byte that is not printable ASCII.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let escaped = more.strip_prefix(b"x").and_then(|digits| digits.get(..2)).filter(|_| *first == b'\\');
        match escaped.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[3..];
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::logline::Level;

    fn parsed(message: &str) -> Option<(Level, String)> {
        read(message).expect("a netconsole's").map(|line| (line.level, line.text))
    }

    #[test]
    fn a_kernels_lines_say_how_bad_and_how_long_after_its_start() {
        for (message, level, text) in [
            ("6,416,1758426,-;nvme nvme0: 2/0/0 queues", Level::Info, "[    1.758426] nvme nvme0: 2/0/0 queues"),
            ("3,417,1758426,-;I/O error\n SUBSYSTEM=nvme\n DEVICE=c259:0", Level::Error, "[    1.758426] I/O error"),
            ("12,444,501151268,-,caller=T1;it hangs", Level::Warning, "[  501.151268] it hangs"),
            ("6.4.0-1-amd64,6,444,501151268,c;network logging", Level::Info, "[  501.151268] network logging"),
            ("6,1,7,-;M\\xc3\\xbcller\\x5cx41\\x0a\\xzz", Level::Info, "[    0.000007] Müller\\x41\n\\xzz"),
        ] {
            assert_eq!(parsed(message), Some((level, text.into())), "{message}");
        }
    }

    #[test]
    fn of_a_line_in_pieces_the_beginning_is_read() {
        let first = "6,416,1758426,-,ncfrag=0/31;the first chunk,";
        assert_eq!(parsed(first), Some((Level::Info, "[    1.758426] the first chunk,".into())));
        assert_eq!(parsed("6,416,1758426,-,ncfrag=16/31; the 2nd chunk."), None);
        assert_eq!(parsed("6,416,1758426,-;"), None);
    }

    #[test]
    fn what_only_looks_like_it_is_somebody_elses() {
        for other in
            ["1,2,3;four", "a,b,c,d;e", "6,416,-1,-;text", "6,416,1758426,x;text", "sshd: a;b", "6,4,1,-text", ""]
        {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
