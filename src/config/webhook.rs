//! `[webhook]` of the configuration file: the program that is sent changes of phase.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use openssl::base64::decode_block;
use openssl::x509::X509;
use serde::Deserialize;

use super::ConfigProblem;
use crate::domain::node::phase;

/// As it is written. Only in the file, as others can read command lines and environments.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookSettings {
    /// Where changes are posted.
    pub url: Option<String>,
    /// Shared with the receiver, which verifies the signature by it: `whsec_` and base64.
    pub secret: Option<String>,
    /// Sent as `Authorization: Bearer`.
    pub token: Option<String>,
    /// Certificates of authorities that are trusted besides the system's.
    pub ca: Option<PathBuf>,
    /// The phases that are reported.
    pub phases: Option<Vec<String>>,
}

impl fmt::Debug for WebhookSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookSettings({})", self.url.as_deref().and_then(origin).unwrap_or_default())
    }
}

/// One that can be told.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    pub url: String,
    /// Scheme, host and port of it.
    pub origin: String,
    pub key: Option<Vec<u8>>,
    pub token: Option<String>,
    /// PEM.
    pub authorities: Option<Vec<u8>>,
    pub phases: BTreeSet<&'static str>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Webhook({}, {:?})", self.origin, self.phases)
    }
}

impl WebhookSettings {
    /// Its secrets.
    pub fn secrets(&self) -> impl Iterator<Item = String> {
        let key = self.secret.as_deref().and_then(|secret| secret.strip_prefix(PREFIX)).map(str::to_owned);
        // With its host, for its path alone may be an ordinary word.
        let place = self.url.as_deref().and_then(|url| url.split_once("://")).map(|(_, place)| place.to_owned());
        let place = place.filter(|place| place.trim_end_matches('/').contains(['/', '@', '?']));
        [self.secret.clone(), key, self.token.clone(), place].into_iter().flatten()
    }

    /// The part of the URL that may be shown.
    pub fn origin(&self) -> Option<String> {
        origin(self.url.as_deref()?)
    }

    /// None if there is none. Everything that is wrong is added to `problems`.
    pub fn check(&self, problems: &mut Vec<ConfigProblem>) -> Option<Webhook> {
        if *self == Self::default() {
            return None;
        }
        let before = problems.len();
        let mut wrong = |what: String, hint: &str| problems.push(ConfigProblem::new(format!("webhook: {what}"), hint));
        let Some(url) = &self.url else {
            wrong("it has no url".into(), "say where it is, as url = \"https://erp.example/oxbow\", or take it out");
            return None;
        };
        let origin = origin(url);
        if origin.is_none() {
            let hint = "write it as https://erp.example/oxbow; what the program there wants to be shown is `token`";
            wrong("its url is no http:// or https:// URL with a host and without a password".into(), hint);
        }
        let key = self.secret.as_deref().and_then(|secret| {
            let key = key(secret);
            if key.is_none() {
                let hint = "make one with `echo whsec_$(openssl rand -base64 32)` and give it to the other program too";
                wrong(format!("its secret is not {PREFIX} and 24 to 64 bytes in base64"), hint);
            }
            key
        });
        if self.token.as_ref().is_some_and(|token| token.is_empty() || !token.bytes().all(|it| it.is_ascii_graphic())) {
            wrong("its token has letters that no token has".into(), "copy it again, without spaces and line ends");
        }
        let authorities = self.ca.as_deref().and_then(|file| {
            if origin.as_ref().is_some_and(|origin| origin.starts_with("http:")) {
                wrong("it has a ca, and its url is not https".into(), "take out `ca`, or write https:// in `url`");
            }
            authorities(file).map_err(|what| wrong(what, "name a file of certificates in PEM")).ok()
        });
        let phases = match &self.phases {
            None => USUAL.into(),
            Some(words) => phases(words, &mut wrong),
        };
        let (url, token) = (url.clone(), self.token.clone());
        let webhook = Webhook { url, origin: origin?, key, token, authorities, phases };
        (problems.len() == before).then_some(webhook)
    }
}

fn phases(words: &[String], wrong: &mut dyn FnMut(String, &str)) -> BTreeSet<&'static str> {
    if words.is_empty() {
        wrong("`phases` is empty".into(), "remove `phases`, or write phases = [\"all\"]");
    }
    let mut wanted = BTreeSet::new();
    for word in words {
        match phase::words().find(|known| known == word) {
            Some(known) => drop(wanted.insert(known)),
            None if word == "all" => wanted.extend(phase::words()),
            None => {
                let known = phase::words().collect::<Vec<_>>().join(", ");
                wrong(format!("there is no phase {word:?}"), &format!("there is {known}, and all"));
            }
        }
    }
    wanted
}

/// Scheme, host and port; none if it is not the URL of a webhook.
fn origin(url: &str) -> Option<String> {
    let parsed: http::Uri = url.parse().ok()?;
    let scheme = parsed.scheme_str().filter(|scheme| ["http", "https"].contains(scheme))?;
    let authority = parsed.authority().filter(|authority| !authority.as_str().contains('@'))?;
    (!authority.host().is_empty()).then(|| format!("{scheme}://{authority}"))
}

fn key(secret: &str) -> Option<Vec<u8>> {
    let key = decode_block(secret.strip_prefix(PREFIX)?).ok()?;
    (24..=64).contains(&key.len()).then_some(key)
}

fn authorities(file: &Path) -> Result<Vec<u8>, String> {
    let pem = fs::read(file).map_err(|err| format!("cannot read its ca {}: {err}", file.display()))?;
    match X509::stack_from_pem(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(pem),
        Ok(_) | Err(_) => Err(format!("there is no certificate in its ca {}", file.display())),
    }
}

/// The prefix of a secret (Standard Webhooks 1.0.0).
const PREFIX: &str = "whsec_";
/// Phases in which a machine is done, or needs a person.
const USUAL: [&str; 5] = ["provisioned", "installed", "failed", "held", "conflict"];

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn checked(text: &str) -> Result<Option<Webhook>, Vec<String>> {
        let settings: WebhookSettings = toml::from_str(text).map_err(|err| vec![err.message().to_owned()])?;
        let mut problems = Vec::new();
        let webhook = settings.check(&mut problems);
        if problems.is_empty() { Ok(webhook) } else { Err(problems.into_iter().map(|problem| problem.what).collect()) }
    }

    #[test]
    fn a_url_alone_is_told_where_machines_need_nobody_any_more_or_somebody() {
        let webhook = checked("url = 'https://erp.example:8443/hook/abc'").expect("right").expect("one");
        assert_eq!(webhook.origin, "https://erp.example:8443");
        assert_eq!(webhook.phases, USUAL.into());
        let all = checked(&format!("url = 'http://10.0.0.1/'\nsecret = '{SECRET}'\nphases = ['all']"));
        let all = all.expect("right").expect("one");
        assert_eq!((all.phases.len(), all.key.map(|key| key.len())), (phase::words().count(), Some(24)));
        assert_eq!(checked("").expect("none is right"), None);
    }

    #[test]
    fn nonsense_is_said_all_at_once_and_no_secret_is_repeated() {
        for (text, said) in [
            ("token = 'abc'", &["webhook: it has no url"][..]),
            (
                "url = 'ftp://erp'\nsecret = 'hunter2'",
                &[
                    "webhook: its url is no http:// or https:// URL with a host and without a password",
                    "webhook: its secret is not whsec_ and 24 to 64 bytes in base64",
                ],
            ),
            (
                "url = 'https://kim:pass@erp/'",
                &["webhook: its url is no http:// or https:// URL with a host and without a password"],
            ),
            ("url = 'http://erp/'\ntoken = \"a b\"", &["webhook: its token has letters that no token has"]),
            (
                "url = 'http://erp/'\nca = '/nowhere.pem'",
                &[
                    "webhook: it has a ca, and its url is not https",
                    "webhook: cannot read its ca /nowhere.pem: No such file or directory (os error 2)",
                ],
            ),
            ("url = 'https://erp/'\nca = '/dev/null'", &["webhook: there is no certificate in its ca /dev/null"]),
            ("url = 'http://erp/'\nphases = []", &["webhook: `phases` is empty"]),
            ("url = 'http://erp/'\nphases = ['done']", &["webhook: there is no phase \"done\""]),
            (
                "url = 'http://erp/'\nsecrets = 'x'",
                &["unknown field `secrets`, expected one of `url`, `secret`, `token`, `ca`, `phases`"],
            ),
        ] {
            assert_eq!(checked(text).expect_err("wrong"), said, "{text}");
        }
    }

    #[test]
    fn what_is_logged_of_a_webhook_is_its_host_alone() {
        let text = format!("url = 'https://erp.example/hook/pathsecret'\nsecret = '{SECRET}'\ntoken = 'tokensecret'");
        let settings: WebhookSettings = toml::from_str(&text).expect("settings");
        let webhook = settings.check(&mut Vec::new()).expect("right");
        let logged = format!("{settings:?} {webhook:?}");
        assert!(logged.contains("https://erp.example"), "{logged}");
        let secrets: Vec<String> = settings.secrets().collect();
        assert_eq!(secrets, [SECRET, &SECRET[6..], "tokensecret", "erp.example/hook/pathsecret"]);
        assert!(secrets.iter().all(|secret| !logged.contains(secret)), "{logged}");
    }
}
