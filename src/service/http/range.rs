//! Which part of a file a request wants (RFC 9110 section 14).

use std::ops::Range;

/// What to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BodyRange {
    Whole,
    /// 206 with these bytes.
    Some(Range<u64>),
    /// 416: it begins past the end.
    Unsatisfiable,
}

/// The part that the value of a `Range` header asks for of a file of `length` bytes. Several ranges, and what is not
/// understood, get the whole file, as section 14.2 allows. An end past the file is cut to it.
pub(super) fn wanted(header: Option<&str>, length: u64) -> BodyRange {
    let Some((first, last)) = header.and_then(single) else { return BodyRange::Whole };
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), _) if first >= length => BodyRange::Unsatisfiable,
        (Ok(first), Ok(last)) if last < first => BodyRange::Whole,
        (Ok(first), Ok(last)) => BodyRange::Some(first..last.saturating_add(1).min(length)),
        (Ok(first), Err(_)) if last.is_empty() => BodyRange::Some(first..length),
        (Err(_), Ok(0)) if first.is_empty() => BodyRange::Unsatisfiable,
        (Err(_), Ok(last)) if first.is_empty() => BodyRange::Some(length.saturating_sub(last)..length),
        _ => BodyRange::Whole,
    }
}

fn single(header: &str) -> Option<(&str, &str)> {
    let range = header.trim().strip_prefix("bytes=")?.trim();
    if range.contains(',') { None } else { range.split_once('-') }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_mean_what_rfc_9110_says() {
        let cases = [
            (None, BodyRange::Whole),
            (Some("bytes=0-99"), BodyRange::Some(0..100)),
            (Some("bytes=5-5"), BodyRange::Some(5..6)),
            (Some("bytes=900-"), BodyRange::Some(900..1000)),
            (Some("bytes=-100"), BodyRange::Some(900..1000)),
            (Some("bytes=-5000"), BodyRange::Some(0..1000)),
            (Some("bytes=990-2000"), BodyRange::Some(990..1000)),
            (Some("bytes=1000-"), BodyRange::Unsatisfiable),
            (Some("bytes=-0"), BodyRange::Unsatisfiable),
            (Some("bytes=9-5"), BodyRange::Whole),
            (Some("bytes=0-1,5-6"), BodyRange::Whole),
            (Some("lines=1-2"), BodyRange::Whole),
            (Some("bytes=x-y"), BodyRange::Whole),
            (Some("bytes=0-18446744073709551615"), BodyRange::Some(0..1000)),
        ];
        for (header, part) in cases {
            assert_eq!(wanted(header, 1000), part, "{header:?}");
        }
    }
}
