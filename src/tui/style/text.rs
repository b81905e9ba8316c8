//! Figures and moments as people at a bench say them, and text made to fit.

use std::time::Duration;

use jiff::tz::TimeZone;
use ratatui::text::Span;

use crate::domain::time::{Timestamp, in_words};

/// The time of day at `at`, as `14:02:11`.
pub fn clock(zone: &TimeZone, at: Timestamp) -> String {
    let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    let moment = jiff::Timestamp::from_millisecond(millis).unwrap_or_default();
    moment.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string()
}

/// The day and the time at `at`, as a file's name has it: `20261123-140211`.
pub fn day_and_time(zone: &TimeZone, at: Timestamp) -> String {
    let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    let moment = jiff::Timestamp::from_millisecond(millis).unwrap_or_default();
    moment.to_zoned(zone.clone()).strftime("%Y%m%d-%H%M%S").to_string()
}

/// How long ago, as `4s`, `1:07`, `2:03:09` or `3d 4h`.
pub fn age(duration: Duration) -> String {
    let hours = duration.as_secs() / 3600;
    if hours < 24 { in_words(duration) } else { format!("{}d {}h", hours / 24, hours % 24) }
}

/// How wide `text` is on a terminal.
pub fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// `text` in at most `limit` columns; what was cut off is marked by `…`.
pub fn cut(text: &str, limit: usize) -> String {
    if width(text) <= limit {
        return text.to_owned();
    }
    let mut kept = split_at_width(text, limit.saturating_sub(1)).0.to_owned();
    if limit > 0 {
        kept.push('…');
    }
    kept
}

/// `text` in lines of at most `limit` columns, broken at spaces where there are any.
pub fn wrap(text: &str, limit: usize) -> Vec<String> {
    let limit = limit.max(1);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last().map_or("", String::as_str);
        let joined = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if width(&joined) <= limit {
            lines.pop();
            lines.push(joined);
            continue;
        }
        if line.is_empty() {
            lines.pop();
        }
        let mut rest = word;
        while width(rest) > limit {
            let (head, tail) = split_at_width(rest, limit);
            if head.is_empty() {
                break;
            }
            lines.push(head.to_owned());
            rest = tail;
        }
        lines.push(rest.to_owned());
    }
    lines
}

/// The longest start of `text` that is at most `limit` columns wide, and the rest.
fn split_at_width(text: &str, limit: usize) -> (&str, &str) {
    let mut taken = 0;
    for (at, c) in text.char_indices() {
        taken += width(c.encode_utf8(&mut [0; 4]));
        if taken > limit {
            return text.split_at(at);
        }
    }
    (text, "")
}

/// `1 node`, `2 nodes`.
pub fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_by_columns_and_not_by_characters() {
        assert_eq!((cut("press-07", 8).as_str(), cut("press-07", 5).as_str()), ("press-07", "pres…"));
        assert_eq!((cut("名前名前", 5).as_str(), cut("ab", 0).as_str()), ("名前…", ""));
    }

    #[test]
    fn long_text_breaks_at_spaces_and_a_long_word_anywhere() {
        assert_eq!(wrap("the disk does not keep", 9), ["the disk", "does not", "keep"]);
        assert_eq!(wrap("ab 0123456789", 4), ["ab", "0123", "4567", "89"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn no_width_is_too_small_to_wrap_in() {
        assert_eq!(wrap("名 a", 0), ["名", "a"]);
    }

    #[test]
    fn days_are_said_as_days() {
        assert_eq!(age(Duration::from_secs(100 * 3600)), "4d 4h");
    }

    #[test]
    fn the_clock_is_the_zones() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(clock(&zone, Timestamp::from_millis(3_600_000)), "03:00:00");
    }
}
