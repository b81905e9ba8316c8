//! What a machine's own system says as it calls home: cloud-init's `phone_home` posts a form, others may say nothing.

use crate::domain::logline::Level;
use crate::domain::text::{clean, percent_decoded};

/// The sentences of `form` (application/x-www-form-urlencoded) that are worth keeping, fit for a log. It is a machine's word:
/// names that nobody knows are left out, and all of it is short.
pub fn parse(form: &str) -> Vec<String> {
    let pairs = form.split('&').take(PAIRS).filter_map(|pair| pair.split_once('='));
    let sentence = |(name, value): (&str, &str)| {
        let words = match name {
            "hostname" => "host name".to_owned(),
            "fqdn" => "full name".to_owned(),
            "instance_id" => "instance".to_owned(),
            key => {
                format!("SSH host key ({})", KEYS.iter().find(|known| **known == key)?.trim_start_matches("pub_key_"))
            }
        };
        let value = clean(&percent_decoded(value), VALUE);
        // So says `phone_home` of what it does not know.
        (!value.is_empty() && value != "N/A").then(|| format!("{words} {value}"))
    };
    pairs.filter_map(sentence).collect()
}

/// The lines of `body`, which cloud-init wrote, and which number the first of them has (`first=7` in `query`). None if that
/// is not lines.
pub fn output(query: &str, body: &[u8]) -> Option<(u32, Vec<(Level, String)>)> {
    let first = query.split('&').find_map(|pair| pair.strip_prefix("first="))?.parse().ok()?;
    let lines = body.split(|byte| *byte == b'\n').take(LINES).map(|line| {
        let text = clean(&String::from_utf8_lossy(line), LINE);
        (level(&text), text)
    });
    Some((first, lines.collect()))
}

/// As cloud-init's own lines say it: `util.py[WARNING]: …`.
fn level(line: &str) -> Level {
    match line.split_once(".py[").and_then(|(_, rest)| rest.split_once("]: ")).map(|(word, _)| word) {
        Some("WARNING") => Level::Warning,
        Some("ERROR" | "CRITICAL") => Level::Error,
        Some(_) | None => Level::Info,
    }
}

const LINES: usize = 200;
const LINE: usize = 800;
const KEYS: &[&str] = &["pub_key_rsa", "pub_key_ecdsa", "pub_key_ed25519"];
const PAIRS: usize = 16;
/// The key of RSA 4096 has 740 letters.
const VALUE: usize = 800;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cloud_init_posts_is_understood() {
        let form = "pub_key_ed25519=ssh-ed25519+AAAA+root%40press-07%0A&pub_key_rsa=N%2FA&instance_id=5a&hostname=press-07\
            &fqdn=press-07.example";
        assert_eq!(
            parse(form),
            [
                "SSH host key (ed25519) ssh-ed25519 AAAA root@press-07",
                "instance 5a",
                "host name press-07",
                "full name press-07.example",
            ]
        );
    }

    #[test]
    fn what_cloud_init_writes_is_lines_with_a_number_and_the_weight_that_they_say() {
        let body = b"Cloud-init v. 22.4.2 running 'init' at ...\n2026-11-23 17:00:00,1 - util.py[WARNING]: failed\n\x1b[31mred\xff";
        let (first, lines) = output("x=1&first=7", body).expect("lines");
        assert_eq!((first, lines.len()), (7, 3));
        assert_eq!((lines[0].0, lines[1].0), (Level::Info, Level::Warning));
        assert_eq!(lines[2].1, "·[31mred\u{fffd}");
        assert_eq!((output("", body), output("first=-1", body)), (None, None));
        let (_, lines) = output("first=0", &[b'\n'; 10_000]).expect("lines");
        assert_eq!(lines.len(), LINES);
    }

    #[test]
    fn what_is_hostile_is_short_and_on_one_line() {
        let long = "a".repeat(100_000);
        let form = format!("hostname=%1b%5b31m%0a{long}&secret=1&{}", "fqdn=x&".repeat(1000));
        let lines = parse(&form);
        assert!(lines.len() < 16 && lines[0].chars().count() < 820 && !lines[0].contains('\n'), "{lines:?}");
        assert!(lines[0].starts_with("host name ·[31m a"), "{}", lines[0]);
    }
}
