//! Syslog as machines spell it: RFC 5424, RFC 3164, and what iPXE and kernels send, which is a priority and words, or
//! netconsole's own.
//!
//! The sender is identified by its source address, never by the content: a host name in a message is ignored. What that
//! is worth depends on the way. A TCP sender cannot forge its address, since it needs the answers. By
//! UDP anybody on the same cable can write another's address on a datagram, as with every syslog: such a line is in the
//! other's log, as one that came by syslog, which moves no machine and proves nothing.

pub mod aggregate;
pub mod frames;
mod netconsole;
pub mod unknown_senders;

use syslog_loose::{IncompleteDate, Variant};

use crate::domain::event::SyslogLine;
use crate::domain::logline::Level;
use crate::domain::time::Timestamp;

/// Parses `message`, a datagram or a frame, at time `now`. None if it is empty.
pub fn read(message: &[u8], now: Timestamp) -> Option<SyslogLine> {
    let message = String::from_utf8_lossy(message);
    let message = message.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    let (severity, rest) = priority(message);
    if let Some(line) = netconsole::read(rest) {
        return line;
    }
    let (text, by_its_clock) =
        if has_header(rest) { without_header(message, now) } else { (rest.trim_start().to_owned(), None) };
    (!text.is_empty()).then_some(SyslogLine { level: level(severity), text, by_its_clock })
}

/// The severity of `<PRI>`, and what follows (RFC 5424 section 6.2.1). Without one it is a notice, as of RFC 3164
/// section 4.3.3.
fn priority(message: &str) -> (u8, &str) {
    let read = || {
        let (number, rest) = message.strip_prefix('<')?.split_once('>')?;
        let number = number.parse::<u8>().ok().filter(|number| *number <= HIGHEST)?;
        Some((number % 8, rest))
    };
    read().unwrap_or((NOTICE, message))
}

/// The severities of RFC 5424 section 6.2.1, as far as a technician tells them apart.
fn level(severity: u8) -> Level {
    match severity {
        0..=3 => Level::Error,
        4 => Level::Warning,
        _ => Level::Info,
    }
}

/// Whether a version (RFC 5424) or a time (RFC 3164, or ISO 8601 as rsyslog sends it on) comes first.
fn has_header(rest: &str) -> bool {
    let is_month = |word: &str| MONTHS.contains(&word);
    let is_date = |word: &str| word.len() >= 20 && word.as_bytes()[4] == b'-' && word.as_bytes()[10] == b'T';
    let first = rest.split(' ').next().unwrap_or_default();
    rest.starts_with("1 ") || is_month(first) || (first.is_ascii() && is_date(first))
}

fn without_header(message: &str, now: Timestamp) -> (String, Option<Timestamp>) {
    // RFC 3164 names neither year nor zone: the zone is the station's, and the year the one that is nearest.
    let year = |(month, ..): IncompleteDate| nearest_year(now, month);
    let parsed = syslog_loose::parse_message_with_year(message, year, Variant::Either);
    let who = match (parsed.appname, parsed.procid) {
        (Some(name), Some(process)) => format!("{name}[{process}]: "),
        (Some(name), None) => format!("{name}: "),
        (None, _) => String::new(),
    };
    let clock = parsed.timestamp.and_then(|time| {
        let apart = time.timestamp_millis().abs_diff(i64::try_from(now.as_millis()).unwrap_or(i64::MAX));
        (!is_same(apart)).then(|| format!("(its clock: {}) ", time.format("%Y-%m-%d %H:%M")))
    });
    let by_its_clock = parsed.timestamp.and_then(|time| u64::try_from(time.timestamp_millis()).ok());
    let text = parsed.msg.trim_start_matches('\u{feff}').trim();
    if text.is_empty() && parsed.structured_data.is_empty() {
        return (String::new(), None);
    }
    let data = if text.is_empty() { format!("{:?}", parsed.structured_data) } else { text.to_owned() };
    (format!("{}{who}{data}", clock.unwrap_or_default()), by_its_clock.map(Timestamp::from_millis))
}

/// Whether two clocks this far apart are the same, or the same in another time zone.
fn is_same(apart_ms: u64) -> bool {
    let beside_zone = (apart_ms + ALIKE) % ZONES;
    apart_ms < FURTHEST_ZONE && beside_zone <= 2 * ALIKE
}

/// The year of a month that is hardly ever long ago: at New Year clocks are in both.
fn nearest_year(now: Timestamp, month: u32) -> i32 {
    let now = jiff::Timestamp::from_millisecond(i64::try_from(now.as_millis()).unwrap_or_default());
    let now = now.unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC);
    let year = i32::from(now.year());
    match (now.month(), month) {
        (1, 12) => year - 1,
        (12, 1) => year + 1,
        _ => year,
    }
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// Facility 23, severity 7.
const HIGHEST: u8 = 191;
const NOTICE: u8 = 5;
/// Milliseconds that two clocks may differ.
const ALIKE: u64 = 120_000;
/// Time zones are quarters of an hour apart, and at most 14 hours from Greenwich.
const ZONES: u64 = 900_000;
const FURTHEST_ZONE: u64 = 14 * 3_600_000 + ALIKE;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2026-05-03T10:00:00Z.
    const NOW: Timestamp = Timestamp::from_millis(1_777_802_400_000);

    fn parsed(message: &str) -> (Level, String) {
        let line = read(message.as_bytes(), NOW).expect("it says something");
        (line.level, line.text)
    }

    #[test]
    fn every_spelling_is_understood() {
        for (message, level, text) in [
            ("<165>1 2026-05-03T10:00:01.003Z box evntslog 12 ID47 - started", Level::Info, "evntslog[12]: started"),
            ("<11>1 2026-05-03T10:00:01Z box app - - - \u{feff}it broke", Level::Error, "app: it broke"),
            ("<34>May  3 10:00:05 box su: 'su root' failed", Level::Error, "su: 'su root' failed"),
            ("<30>May  3 10:00:05 box sshd[77]: ready\n", Level::Info, "sshd[77]: ready"),
            ("<30>2026-05-03T10:00:05.1+00:00 box sshd[77]: ready", Level::Info, "sshd[77]: ready"),
            // iPXE (net/udp/syslog.c), with and without a host name.
            ("<134>ipxe: http://10.77.0.1/boot.ipxe... ok", Level::Info, "ipxe: http://10.77.0.1/boot.ipxe... ok"),
            ("<131>box ipxe: Link down", Level::Error, "box ipxe: Link down"),
            // The kernel's netconsole.
            ("<4>[   12.345678] nvme nvme0: timeout", Level::Warning, "[   12.345678] nvme nvme0: timeout"),
            ("[   12.345678] eth0: link up", Level::Info, "[   12.345678] eth0: link up"),
            ("only words", Level::Info, "only words"),
            ("<999>odd", Level::Info, "<999>odd"),
            ("<13>logger has no time\0", Level::Info, "logger has no time"),
        ] {
            assert_eq!(parsed(message), (level, text.into()), "{message}");
        }
        assert_eq!(read(b"", NOW), None);
        assert_eq!(read(b"<13>\n\0", NOW), None);
    }

    #[test]
    fn a_time_without_a_year_is_of_the_year_that_is_nearest() {
        // 2026-01-01T00:00:20Z.
        let new_year = Timestamp::from_millis(1_767_225_620_000);
        let line = read(b"<30>Dec 31 23:59:50 box sshd: ready", new_year).expect("it says something");
        assert_eq!(line.text, "sshd: ready");
    }

    #[test]
    fn a_clock_that_is_wrong_is_told_and_one_in_another_zone_is_not() {
        let at = |time: &str| parsed(&format!("<30>1 {time} box app - - - words")).1;
        assert_eq!(at("2026-05-03T10:01:59Z"), "app: words");
        assert_eq!(at("2026-05-03T03:00:30-07:00"), "app: words");
        assert_eq!(at("2026-05-03T12:00:30Z"), "app: words", "local time called UTC");
        assert_eq!(at("2026-05-03T10:05:00Z"), "(its clock: 2026-05-03 10:05) app: words");
        assert_eq!(at("2019-01-01T00:00:03Z"), "(its clock: 2019-01-01 00:00) app: words");
    }

    #[test]
    fn what_a_machines_clock_shows_is_kept_to_the_millisecond_be_it_right_or_wrong() {
        let shown = |message: &str| read(message.as_bytes(), NOW).expect("it says something").by_its_clock;
        let at = |millis| Some(Timestamp::from_millis(millis));
        assert_eq!(shown("<13>1 2026-05-03T10:00:01.004Z box app - - - words"), at(NOW.as_millis() + 1004));
        assert_eq!(shown("<13>2026-05-03T12:00:01+02:00 box app: words"), at(NOW.as_millis() + 1000));
        assert_eq!(shown("<13>1 1970-01-01T00:00:03Z box app - - - words"), at(3000));
        assert_eq!(shown("<13>1 1969-12-31T23:59:59Z box app - - - words"), None, "before there was time");
        for without in
            ["<13>1 - box app - - - words", "<13>words", "6,416,1758426,-;words", "<13>9999-99-99T99:99:99Z a b: c"]
        {
            assert_eq!(shown(without), None, "{without}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _said = read(&bytes, NOW);
            let _said = read(&[b"<13>1 ".as_slice(), &bytes].concat(), NOW);
            let _said = read(&[b"<13>May  3 ".as_slice(), &bytes].concat(), NOW);
        }
    }
}
