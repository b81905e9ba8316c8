//! Removes secrets from the archive: those that are known, and everything that looks like one.
//!
//! This is the second line of defence: the contents are chosen by name and should contain no secret. But people type
//! secrets in places where none belong.

use serde_json::Value;

/// Knows the bench's secrets.
#[derive(Default)]
pub(super) struct Censor {
    /// The longest first, so that no part of one remains.
    known: Vec<String>,
}

impl Censor {
    pub(super) fn knowing(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut known: Vec<String> = secrets.into_iter().map(|secret| secret.trim().to_owned()).collect();
        known.retain(|secret| secret.chars().count() >= SHORTEST);
        known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        known.dedup();
        Self { known }
    }

    /// `text` without them, line by line.
    pub(super) fn text(&self, text: &str) -> String {
        text.split_inclusive('\n').map(|line| self.line(line)).collect()
    }

    /// The same for all text in `value`, keys aside.
    pub(super) fn json(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(values) => Value::Array(values.into_iter().map(|value| self.json(value)).collect()),
            Value::Object(map) => {
                Value::Object(map.into_iter().map(|(key, value)| (self.text(&key), self.json(value))).collect())
            }
            value @ (Value::Null | Value::Bool(_) | Value::Number(_)) => value,
        }
    }

    /// Whether a known secret is in `bytes`, from which it cannot be removed.
    pub(super) fn is_in(&self, bytes: &[u8]) -> bool {
        self.known.iter().any(|secret| bytes.windows(secret.len()).any(|part| part == secret.as_bytes()))
    }

    fn line(&self, line: &str) -> String {
        let known = self.known.iter().fold(line.to_owned(), |line, secret| line.replace(secret.as_str(), REMOVED));
        without_looks(&without_logins(&without_named(&known)))
    }
}

/// Removes everything after a word that announces a secret, to the end of the line.
fn without_named(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    let ends = ANNOUNCED.iter().flat_map(|word| lower.match_indices(word).map(|(at, word)| at + word.len()));
    let announced = ends.filter(|end| {
        let rest = line[*end..].trim_start_matches(|c: char| c == '"' || c == '\'' || c.is_alphanumeric() || c == '_');
        let before = &lower[..*end];
        let speaks_for_itself = before.ends_with("-----begin") || before.ends_with("bearer");
        speaks_for_itself || rest.trim_start().starts_with([':', '='])
    });
    match announced.min() {
        Some(end) => format!("{} {REMOVED}{}", &line[..end], if line.ends_with('\n') { "\n" } else { "" }),
        None => line.to_owned(),
    }
}

/// Without `user:password@` in URLs.
fn without_logins(line: &str) -> String {
    let mut parts = line.split("://");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let authority = part.find(|c: char| c.is_whitespace() || "/\"'<>\\".contains(c)).unwrap_or(part.len());
        out.push_str("://");
        match part[..authority].rfind('@') {
            Some(at) => {
                out.push_str(REMOVED);
                out.push_str(&part[at..]);
            }
            None => out.push_str(part),
        }
    }
    out
}

/// Without what looks like a token, a key or a password hash.
fn without_looks(line: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "+/=_-$.".contains(c);
    let (mut out, mut rest) = (String::with_capacity(line.len()), line);
    while !rest.is_empty() {
        let word = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (run, behind) = rest.split_at(word);
        out.push_str(&censored(run));
        let gap = behind.find(is_part).unwrap_or(behind.len());
        out.push_str(&behind[..gap]);
        rest = &behind[gap..];
    }
    out
}

/// A run of letters, digits and what tokens have between them: as it is, without a part of it, or not at all.
fn censored(run: &str) -> String {
    // `$6$salt$hash`, as crypt(3) makes it.
    let mut fields = run.trim_start_matches(|c| c != '$').split('$').skip(1);
    let is_hash = fields.next().is_some_and(|kind| !kind.is_empty() && kind.len() <= 8) && fields.next().is_some();
    let is_key = run.contains("AAAA") && run.len() >= KEY;
    let has = |what: fn(&u8) -> bool| run.bytes().any(|octet| what(&octet));
    let is_dense = run.len() >= BASE64 && !run.contains(['.', '_', '-', '$']);
    let is_base64 = is_dense && has(u8::is_ascii_digit) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    if is_hash || is_key || is_base64 {
        return REMOVED.to_owned();
    }
    let is_token = |piece: &str| piece.len() >= HEX && piece.bytes().all(|octet| octet.is_ascii_hexdigit());
    let pieces = run.split_inclusive(['/', '=', '.', '-', '_', '$']);
    pieces.fold(String::new(), |out, piece| {
        let word = piece.trim_end_matches(['/', '=', '.', '-', '_', '$']);
        if is_token(word) { out + REMOVED + &piece[word.len()..] } else { out + piece }
    })
}

const REMOVED: &str = "[removed]";
/// Characters of a known secret: a shorter one is a part of many words.
const SHORTEST: usize = 4;
/// Digits of a run's token.
const HEX: usize = 32;
const KEY: usize = 20;
const BASE64: usize = 40;
/// Words that a secret follows.
const ANNOUNCED: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "api_key",
    "apikey",
    "api-key",
    "authorization",
    "bearer",
    "private_key",
    "psk",
    "credential",
    "-----begin",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_taken_out_and_the_rest_of_the_line_is_left() {
        let censor = Censor::knowing(["hunter2".to_owned(), "it".to_owned()]);
        let token = "0123456789abcdef0123456789abcdef";
        for (line, left) in [
            (format!("GET /r/{token}/files 200"), "GET /r/[removed]/files 200"),
            (format!("oxbow.run={token} quiet"), "oxbow.run=[removed] quiet"),
            (
                "proxy http://kim:pass@proxy.example:3128/ is used".into(),
                "proxy http://[removed]@proxy.example:3128/ is used",
            ),
            ("root:$6$salt$abcdEFGH:19000".into(), "root:[removed]:19000"),
            ("key ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIabc kim".into(), "key ssh-ed25519 [removed] kim"),
            ("wifi_password = \"abc\" and more".into(), "wifi_password [removed]"),
            ("Authorization: Bearer abc".into(), "Authorization [removed]"),
            ("-----BEGIN PRIVATE KEY-----".into(), "-----BEGIN [removed]"),
            ("said hunter2, and it counts".into(), "said [removed], and it counts"),
            (
                "wrote os.raw.gz to /dev/disk/by-id/nvme-Acme_NV2_512_S1".into(),
                "wrote os.raw.gz to /dev/disk/by-id/nvme-Acme_NV2_512_S1",
            ),
            (
                "4c4c4544-0042-4a10-8052-b7c04f4d3402 at 52:54:00:00:00:01".into(),
                "4c4c4544-0042-4a10-8052-b7c04f4d3402 at 52:54:00:00:00:01",
            ),
            ("the password is set".into(), "the password is set"),
        ] {
            assert_eq!(censor.text(&format!("{line}\n")).trim_end(), left);
        }
    }
}
