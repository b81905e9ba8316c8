//! A list of SHA-256 digests, as `sha256sum` (GNU coreutils), `shasum`, BSD's `sha256` and OpenSSL write it.
//!
//! ```text
//! hex  name                text mode
//! hex *name                binary mode
//! \hex  na\nme             a name with a backslash, a line feed or a carriage return in it
//! SHA256 (name) = hex      `sha256sum --tag`, BSD; `SHA256(name)= hex` and `SHA2-256(name)= hex` of OpenSSL
//! hex                      a digest alone
//! ```
//!
//! Other lines are comments, signatures or digests of other kinds, and are skipped.

use std::borrow::Cow;

use crate::domain::digest::Digest;

/// Why a list does not give the digest of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSum {
    #[error("it contains no SHA-256 digest")]
    Empty,
    #[error("it lists {count} other files and not {name}")]
    OtherFiles { count: usize, name: String },
    #[error("it lists {name} with different digests")]
    Ambiguous { name: String },
}

/// The digest of the file `name` in the list `text`. A list with a single digest counts whatever name it gives: images
/// are renamed.
pub fn of(name: &str, text: &str) -> Result<Digest, NoSum> {
    let text = text.trim_start_matches('\u{feff}');
    let entries: Vec<Entry<'_>> = text.lines().filter_map(Entry::parse).collect();
    // A backslash separates folders only where the list was made on Windows: elsewhere it is part of a name.
    for part in [whole, after_slash, after_any_slash] {
        if let Some(digest) = named(&entries, name, part)? {
            return Ok(digest);
        }
    }
    match entries.as_slice() {
        [] => Err(NoSum::Empty),
        [only] => Ok(only.digest),
        others => Err(NoSum::OtherFiles { count: others.len(), name: name.to_owned() }),
    }
}

/// Where the digest of the file `name` is looked for: beside it, under this name.
pub fn file_of(name: &str) -> String {
    format!("{name}.sha256sum")
}

/// The one digest of the entries that are called `name`, which is compared with `part` of their paths.
fn named(entries: &[Entry<'_>], name: &str, part: fn(&str) -> &str) -> Result<Option<Digest>, NoSum> {
    let mut digests = entries.iter().filter(|entry| part(&entry.path) == name).map(|entry| entry.digest);
    let first = digests.next();
    if digests.any(|other| Some(other) != first) {
        return Err(NoSum::Ambiguous { name: name.to_owned() });
    }
    Ok(first)
}

fn whole(path: &str) -> &str {
    path
}

fn after_slash(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn after_any_slash(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// One line of a list.
struct Entry<'t> {
    digest: Digest,
    /// Empty where the digest stands alone.
    path: Cow<'t, str>,
}

impl<'t> Entry<'t> {
    fn parse(line: &'t str) -> Option<Self> {
        let line = line.trim();
        let (line, is_escaped) = line.strip_prefix('\\').map_or((line, false), |rest| (rest, true));
        let (digest, path) = tagged(line).or_else(|| plain(line))?;
        Some(Self { digest, path: if is_escaped { Cow::Owned(unescaped(path)) } else { Cow::Borrowed(path) } })
    }
}

/// `hex  name`, `hex *name`, or the digest alone.
fn plain(line: &str) -> Option<(Digest, &str)> {
    let (hex, path) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let path = path.trim_start();
    Some((hex.parse().ok()?, path.strip_prefix('*').unwrap_or(path)))
}

/// `SHA256 (name) = hex`. A name may have brackets in it, a digest has none.
fn tagged(line: &str) -> Option<(Digest, &str)> {
    let rest = ["SHA256", "SHA2-256"].iter().find_map(|tag| line.strip_prefix(tag))?;
    let (path, hex) = rest.trim_start().strip_prefix('(')?.rsplit_once(')')?;
    Some((hex.trim_start().strip_prefix('=')?.trim().parse().ok()?, path))
}

/// As coreutils reads the name of a line that begins with a backslash.
fn unescaped(path: &str) -> String {
    let mut name = String::with_capacity(path.len());
    let mut characters = path.chars();
    while let Some(character) = characters.next() {
        match (character, characters.as_str().chars().next()) {
            ('\\', Some(escape @ ('n' | 'r' | '\\'))) => {
                characters.next();
                name.push(match escape {
                    'n' => '\n',
                    'r' => '\r',
                    other => other,
                });
            }
            (character, _) => name.push(character),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "abababababababababababababababababababababababababababababababab";
    const OTHER: &str = "0000000000000000000000000000000000000000000000000000000000000000";

    #[test]
    fn the_digest_is_found_in_every_spelling_of_the_tools() {
        for text in [
            format!("{HEX}  edge.raw.gz\n"),
            format!("{HEX} *edge.raw.gz"),
            format!("{HEX} edge.raw.gz"),
            format!("{HEX}\r\n"),
            format!("{HEX}\n"),
            format!("\u{feff}{}  edge.raw.gz\r\n", HEX.to_uppercase()),
            format!("{HEX}  out/artifacts/edge-readonly-3.0.20260602.2200.raw.gz\n"),
            format!("SHA256 (edge.raw.gz) = {HEX}\n"),
            format!("SHA256(edge.raw.gz)= {HEX}\n"),
            format!("SHA2-256(edge.raw.gz)= {HEX}\n"),
        ] {
            assert_eq!(of("edge.raw.gz", &text).map(String::from).as_deref(), Ok(HEX), "{text:?}");
        }
    }

    #[test]
    fn of_many_lines_the_one_that_names_the_file_counts() {
        for text in [
            format!("{OTHER}  another\n{HEX}  ./edge.raw.gz\n"),
            format!("# from the build\n\n{OTHER} *another\r\n{HEX} *out\\edge.raw.gz\r\n"),
            format!("{OTHER}  old/edge.raw.gz\n{HEX}  edge.raw.gz\n"),
            format!("{OTHER}\n{HEX}  edge.raw.gz\n"),
            format!("{OTHER}  edge.raw.gz.sig\n{HEX}  edge.raw.gz\n{HEX}  out/edge.raw.gz\n"),
            format!("SHA512 (edge.raw.gz) = {OTHER}{OTHER}\nSHA256 (a) = {OTHER}\nSHA256 (edge.raw.gz) = {HEX}\n"),
            format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{OTHER}  a\n{HEX}  edge.raw.gz\n"),
        ] {
            assert_eq!(of("edge.raw.gz", &text).map(String::from).as_deref(), Ok(HEX), "{text:?}");
        }
    }

    #[test]
    fn names_are_read_as_coreutils_escapes_them() {
        for (name, line) in [
            ("a\nb", format!("\\{HEX}  a\\nb")),
            ("a\rb", format!("\\{HEX} *a\\rb")),
            ("a\nb", format!("\\SHA256 (a\\nb) = {HEX}")),
            ("nb", format!("{HEX}  a\\nb")),
            ("a (1) = b", format!("SHA256 (a (1) = b) = {HEX}")),
            ("two words", format!("{HEX}  two words")),
        ] {
            let text = format!("{OTHER}  another\n{line}\n");
            assert_eq!(of(name, &text).map(String::from).as_deref(), Ok(HEX), "{text:?}");
        }
    }

    #[test]
    fn a_list_without_the_digest_is_refused_with_the_reason() {
        for text in ["", "<html>not found</html>", &HEX[1..], &format!("SHA256 (a) {HEX}")] {
            assert_eq!(of("a", text), Err(NoSum::Empty), "{text:?}");
        }
        let two = format!("{OTHER}  b\n{OTHER}  c\n");
        assert_eq!(of("a", &two), Err(NoSum::OtherFiles { count: 2, name: "a".into() }));
        let contradiction = format!("{OTHER}  x/a\n{HEX}  y/a\n");
        assert_eq!(of("a", &contradiction), Err(NoSum::Ambiguous { name: "a".into() }));
    }
}
