//! `[system]`: what cloud-init is to be told, where the profile brings no user data of its own.

use serde::Deserialize;

use super::source::ProfileSource;
use crate::domain::profile::system::{NetworkSetup, Proxies, System, User};
use crate::domain::profile::template::Template;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenSystem {
    hostname: Option<String>,
    timezone: Option<String>,
    ntp: Vec<String>,
    proxy: WrittenProxy,
    network: Option<WrittenNetwork>,
    user: Vec<WrittenUser>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenProxy {
    http: Option<String>,
    https: Option<String>,
    no: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenNetwork {
    #[serde(default)]
    dhcp: bool,
    address: Option<String>,
    gateway: Option<String>,
    #[serde(default)]
    dns: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenUser {
    name: String,
    password_hash: Option<String>,
    #[serde(default)]
    ssh_keys: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    sudo: bool,
}

/// None where something of it is wrong.
pub(super) fn read(page: &mut ProfileSource<'_>, written: WrittenSystem) -> Option<System> {
    let before = page.diagnostics.len();
    let WrittenSystem { hostname, timezone, ntp, proxy, network, user } = written;
    let hostname = hostname.map(|text| page.inline(&["system", "hostname"], text));
    if let Some(zone) = timezone.as_ref().filter(|zone| !is_zone(zone)) {
        page.wrong_at(&["system", "timezone"], format!("{zone:?} is no time zone"), "name it as \"Europe/Berlin\"");
    }
    for server in ntp.iter().filter(|server| !is_word(server)) {
        page.wrong_at(&["system", "ntp"], format!("{server:?} is no time server"), "a name or an address each");
    }
    let WrittenProxy { http, https, no } = proxy;
    for (key, value) in [("http", &http), ("https", &https), ("no", &no)] {
        if let Some(value) = value.as_ref().filter(|value| !is_word(value)) {
            let hint = "write http://NAME:PORT; what needs no proxy parted by commas, without spaces";
            page.wrong_at(&["system", "proxy", key], format!("{value:?} is not one word"), hint);
        }
    }
    let network = network.and_then(|written| self::network(page, written));
    let mut users: Vec<User> = Vec::new();
    for (at, written) in user.into_iter().enumerate() {
        let key = |field: &'static str| ["system".to_owned(), "user".into(), at.to_string(), field.to_owned()];
        if users.iter().any(|known| known.name == written.name) {
            wrong(page, &key("name"), format!("the account {} is there twice", written.name), "take one of them out");
        }
        users.push(account(page, &key, written));
    }
    (page.diagnostics.len() == before).then_some(System {
        hostname,
        timezone,
        ntp,
        proxies: Proxies { http, https, no },
        network,
        users,
    })
}

fn network(page: &mut ProfileSource<'_>, written: WrittenNetwork) -> Option<NetworkSetup> {
    let WrittenNetwork { dhcp, address, gateway, dns } = written;
    let template = |page: &ProfileSource<'_>, key: &[&str], text: String| -> Template { page.inline(key, text) };
    match (dhcp, address) {
        (false, Some(address)) => {
            let address = template(page, &["system", "network", "address"], address);
            let gateway = gateway.map(|text| template(page, &["system", "network", "gateway"], text));
            let at = |(at, text): (usize, String)| page.inline(&["system", "network", "dns", &at.to_string()], text);
            let dns = dns.into_iter().enumerate().map(at).collect();
            Some(NetworkSetup::Static { address, gateway, dns })
        }
        (true, None) if gateway.is_none() && dns.is_empty() => Some(NetworkSetup::Dhcp),
        (true, None) => {
            let what = "gateway and dns are for a machine with an address of its own: DHCP says them too";
            page.wrong_at(&["system", "network"], what, "take them out, or write `address` instead of `dhcp`");
            None
        }
        (true, Some(_)) | (false, None) => {
            let hint = "write dhcp = true, or address = \"10.0.0.7/24\" from a column of the list";
            page.wrong_at(&["system", "network"], "it says neither dhcp nor an address, or both", hint);
            None
        }
    }
}

fn account(page: &mut ProfileSource<'_>, key: &impl Fn(&'static str) -> [String; 4], written: WrittenUser) -> User {
    let WrittenUser { name, password_hash, ssh_keys, groups, sudo } = written;
    if !is_account(&name) {
        wrong(page, &key("name"), format!("{name:?} is no name of an account"), "a-z, 0-9, - and _, a letter first");
    }
    if password_hash.as_ref().is_some_and(|hash| !is_hash(hash)) {
        // The text itself may be a password: it is not repeated.
        let hint = "write what `openssl passwd -6` prints; a password in clear is never kept";
        wrong(page, &key("password_hash"), "this is no hash that crypt(3) makes".into(), hint);
    }
    for group in groups.iter().filter(|group| !is_account(group)) {
        wrong(page, &key("groups"), format!("{group:?} is no name of a group"), "a-z, 0-9, - and _, a letter first");
    }
    for ssh_key in ssh_keys.iter().filter(|ssh_key| !is_key(ssh_key)) {
        let what = format!("{:?} is no public key", crate::domain::text::clean(ssh_key, 40));
        wrong(page, &key("ssh_keys"), what, "copy the line of the file that ends in .pub");
    }
    if password_hash.is_none() && ssh_keys.is_empty() {
        let what = format!("nobody could log in as {name}: it has neither password_hash nor ssh_keys");
        wrong(page, &key("name"), what, "give it one of them");
    }
    User { name, password_hash, ssh_keys, groups, sudo }
}

fn wrong(page: &mut ProfileSource<'_>, key: &[String; 4], what: String, hint: &str) {
    page.wrong_at(&key.each_ref().map(String::as_str), what, hint);
}

fn is_zone(zone: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+');
    !zone.starts_with('/') && !zone.is_empty() && zone.chars().all(fits)
}

/// Whether it fits into a line of a settings file as it is.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | '$' | '`'))
}

fn is_account(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    name.len() <= 32 && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_') && name.chars().all(fits)
}

/// `$ID$…` with an id of crypt(5) that is fit for use, and its letters.
fn is_hash(hash: &str) -> bool {
    let is_known = |id: &str| matches!(id, "5" | "6" | "y" | "gy" | "7" | "2a" | "2b" | "2y");
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '$' | ',' | '=');
    let parts = hash.strip_prefix('$').and_then(|rest| rest.split_once('$'));
    parts.is_some_and(|(id, rest)| is_known(id) && rest.len() >= HASH && rest.chars().all(fits))
}

fn is_key(line: &str) -> bool {
    let mut words = line.split(' ');
    let kind = words.next().is_some_and(|kind| ["ssh-", "ecdsa-", "sk-"].iter().any(|known| kind.starts_with(known)));
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let key = words.next().is_some_and(|key| !key.is_empty() && key.chars().all(is_base64));
    kind && key && !line.chars().any(char::is_control)
}

/// bcrypt's salt and hash have 53 letters, the others more with their salt; SHA-256's hash alone has 43.
const HASH: usize = 40;
