//! The digest of a file that lies beside it, as `sha256sum` writes it: `hex  name` on each line.

use crate::domain::digest::Digest;

/// Why no digest can be taken from such a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSum {
    #[error("its first line does not begin with a SHA-256")]
    NotOne,
    #[error("it has digests of {count} files and none of {name}")]
    OfOthers { count: usize, name: String },
}

/// The digest of `name` in `text`. A list with one line counts whatever name is there: images are renamed.
pub fn of(name: &str, text: &str) -> Result<Digest, NoSum> {
    let lines: Vec<(Digest, &str)> = text.lines().filter_map(entry).collect();
    let named = lines.iter().find(|(_, named)| named.rsplit('/').next() == Some(name));
    match (named, lines.as_slice()) {
        (Some((digest, _)), _) | (None, [(digest, _)]) => Ok(*digest),
        (None, []) => Err(NoSum::NotOne),
        (None, others) => Err(NoSum::OfOthers { count: others.len(), name: name.to_owned() }),
    }
}

/// Where the digest of the image `name` is looked for.
pub fn file_of(name: &str) -> String {
    format!("{name}.sha256sum")
}

/// `hex  name`, `hex *name`, or the digest alone.
fn entry(line: &str) -> Option<(Digest, &str)> {
    let (hex, name) = line.trim().split_once(char::is_whitespace).unwrap_or((line.trim(), ""));
    Some((hex.parse().ok()?, name.trim_start().trim_start_matches('*')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_field_is_the_digest_in_every_spelling_of_the_tools() {
        let hex = "ab".repeat(32);
        for text in [
            format!("{hex}  edge.raw.gz\n"),
            format!("{hex} *edge.raw.gz"),
            format!("{hex}\r\n"),
            format!("{hex}  out/artifacts/edge-readonly-3.0.20260602.2200.raw.gz\n"),
            format!("{}  another\n{hex}  ./edge.raw.gz\n", "0".repeat(64)),
        ] {
            assert_eq!(of("edge.raw.gz", &text).map(String::from).as_ref(), Ok(&hex), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_list_of_digests_is_said() {
        assert_eq!(of("a", "<html>not found</html>"), Err(NoSum::NotOne));
        let two = format!("{0}  b\n{0}  c\n", "0".repeat(64));
        assert_eq!(of("a", &two), Err(NoSum::OfOthers { count: 2, name: "a".into() }));
    }
}
