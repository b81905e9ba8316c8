//! The support archive: what remote support needs to know about a bench, in one file to mail.
//!
//! Its contents are chosen by name: of the configuration the settings listed here, of a profile what it is and what it
//! needs, of a node everything but the values of its metadata, of the logs the lines of the station and the agents.
//! Keys and tokens are only read to make sure that they are not in it.

mod bundle;
mod log_tail;
mod redact;

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use self::bundle::Bundle;
use self::redact::Censor;
use super::client::{StationConversation, capture_of};
use super::{ProgressWatch, Unmade, advice, durable};
use crate::clock;
use crate::config::screen::ScreenSettings;
use crate::config::{BOOT_FILES, ConfigProblem, Settings};
use crate::data_dir::DataDir;
use crate::domain::logline::LogSource;
use crate::domain::profile::{Install, Profile};
use crate::domain::text;
use crate::protocol::control::{ControlReply, ControlRequest};
use crate::protocol::nodes::{NodeRow, StrangerRow};
use crate::protocol::station::StationNow;

/// What is known about a node, besides its row.
#[derive(Default)]
struct Story {
    row: Option<NodeRow>,
    trail: Vec<String>,
    log: Vec<String>,
    /// Lines of the log that came by syslog.
    unsaid: usize,
    packets: Vec<u8>,
}

/// Everything that the bench replied.
#[derive(Default)]
struct Collected {
    station: StationNow,
    nodes: Vec<NodeRow>,
    strangers: Vec<StrangerRow>,
    stories: Vec<Story>,
    /// Nodes in trouble of which only the row is included.
    untold: usize,
}

/// An archive that is ready to be written, and what was left out.
pub struct Archive {
    packed: Vec<u8>,
    pub left_out: Vec<String>,
}

impl Archive {
    /// In thousands of bytes.
    pub fn kilobytes(&self) -> usize {
        self.packed.len().div_ceil(1000)
    }
}

/// What the archive must contain, and what it must not.
pub struct About<'a> {
    /// Everything about these nodes, and their packets. Nodes in trouble are always included.
    pub nodes: &'a [String],
    /// Whether lines that came by syslog are included.
    pub syslog: bool,
    pub settings: &'a Settings,
    pub data: &'a DataDir,
    /// All profiles: their secrets must not be in the archive.
    pub profiles: &'a [&'a Profile],
}

pub fn make(talk: &mut StationConversation, about: &About<'_>, watch: &ProgressWatch<'_>) -> Result<Archive, Unmade> {
    let told = told(talk, about, watch)?;
    let secrets = about.profiles.iter().flat_map(|profile| secrets_of(profile));
    let secrets = secrets.chain(told.nodes.iter().flat_map(secrets_of_node));
    let censor = Censor::knowing(
        secrets.chain(fs::read_to_string(about.data.api_token()).ok()).chain(about.settings.webhook.secrets()),
    );
    let bundle = filled(&told, about.settings, about.data, &censor);
    let readme = censor.text(&readme(&bundle));
    let left_out = bundle.left_out().to_vec();
    let unpacked = |err: std::io::Error| {
        ConfigProblem::new(
            format!("the archive cannot be packed: {err}"),
            "the workstation is out of memory: close programs",
        )
    };
    let packed = bundle.packed(readme, clock::now().as_millis() / 1000).map_err(unpacked)?;
    Ok(Archive { packed, left_out })
}

/// Writes it to a new file that only its owner may read.
pub fn save(file: &Path, archive: &Archive) -> Result<(), ConfigProblem> {
    let unwritable = |err: std::io::Error| {
        let hint = advice(&err, "name a file in another directory: `oxbow support FILE`");
        ConfigProblem::new(format!("cannot write {}: {err}", file.display()), hint)
    };
    let to = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Ok(to) => to,
        Err(err) if err.kind() == ErrorKind::AlreadyExists => return Err(taken(file)),
        Err(err) => return Err(unwritable(err)),
    };
    durable::write(to, file, &archive.packed).map_err(unwritable)
}

/// The file exists already.
pub fn taken(file: &Path) -> ConfigProblem {
    ConfigProblem::new(format!("{} already exists", file.display()), "name another file, or remove that one")
}

/// Asks for everything. A refusal of the bench, such as for an unknown node, ends it.
fn told(talk: &mut StationConversation, about: &About<'_>, watch: &ProgressWatch<'_>) -> Result<Collected, Unmade> {
    let mut told = Collected::default();
    talk.gather(ControlRequest::Station, "asked the station", watch, |answer| {
        if let ControlReply::Station(now) = answer {
            told.station = *now;
        }
    })?;
    talk.gather(ControlRequest::Nodes, "machines read", watch, |answer| {
        if let ControlReply::Node(row) = answer {
            told.nodes.push(*row);
        } else if let ControlReply::Stranger(row) = answer {
            told.strangers.push(*row);
        }
    })?;
    let mut known = BTreeSet::new();
    for which in about.nodes {
        let mut story = story(talk, which, about.syslog, watch)?;
        let mut digits = String::new();
        // A machine that the station has not seen on the network has none.
        let _none_are_kept = talk.ask(ControlRequest::Capture { which: which.clone() }, &[], |answer| {
            if let ControlReply::Packets { piece } = answer {
                digits.push_str(&piece);
            }
        })?;
        story.packets = capture_of(&digits);
        known.extend(story.row.iter().map(|row| row.id));
        told.stories.push(story);
    }
    let in_trouble: Vec<_> =
        told.nodes.iter().filter(|row| is_in_trouble(row) && !known.contains(&row.id)).map(|row| row.id).collect();
    told.untold = in_trouble.len().saturating_sub(STORIES);
    for id in in_trouble.into_iter().take(STORIES) {
        match story(talk, &format!("#{id}"), about.syslog, watch) {
            Ok(story) => told.stories.push(story),
            // It was forgotten meanwhile.
            Err(Unmade::Said(_)) => {}
            Err(unmade) => return Err(unmade),
        }
    }
    Ok(told)
}

fn is_in_trouble(row: &NodeRow) -> bool {
    row.verdict.is_some() || matches!(row.phase.as_str(), "failed" | "held" | "conflict")
}

fn story(
    talk: &mut StationConversation,
    which: &str,
    syslog: bool,
    watch: &ProgressWatch<'_>,
) -> Result<Story, Unmade> {
    let mut story = Story::default();
    talk.gather(ControlRequest::Node { which: which.to_owned() }, "lines read", watch, |answer| {
        if let ControlReply::Node(row) = answer {
            story.row = Some(*row);
        } else if let ControlReply::Trail { at, times, text } = answer {
            story.trail.push(format!("{} x{times} {text}", moment(at)));
        } else if let ControlReply::Log { at, source, level, text } = answer {
            let line = format!("{} {source} {level} {text}", moment(at));
            match source.as_str() {
                source if source == LogSource::Station.word() => story.log.push(log_tail::fit(&line)),
                source if source == LogSource::Agent.word() || syslog => story.log.push(line),
                _ => story.unsaid += 1,
            }
        }
    })?;
    Ok(story)
}

/// In UTC: it is read in another place.
fn moment(millis: u64) -> String {
    let at = i64::try_from(millis).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    format!("{:.3}", at.unwrap_or_default())
}

fn filled(told: &Collected, settings: &Settings, data: &DataDir, censor: &Censor) -> Bundle {
    let mut bundle = Bundle::new();
    let page = |value: Value| format!("{:#}\n", censor.json(value)).into_bytes();
    bundle.add("station.json", page(value(&told.station)));
    bundle.add("settings.json", page(set(settings)));
    bundle.add("versions.txt", censor.text(&versions(settings)).into_bytes());
    bundle.add("strangers.json", page(value(&told.strangers)));
    let mut syslog = 0;
    for (number, story) in told.stories.iter().enumerate() {
        let name = match &story.row {
            Some(row) => format!("nodes/{:05}-{}", row.id.0, text::file_name(&row.name)),
            None => format!("nodes/stranger-{number}"),
        };
        let [trail, log] =
            [&story.trail, &story.log].map(|lines| lines.iter().map(|line| format!("{line}\n")).collect::<String>());
        bundle.add(&format!("{name}.txt"), censor.text(&format!("{trail}\n{log}")).into_bytes());
        syslog += story.unsaid;
        if censor.is_in(&story.packets) {
            bundle.leave_out(format!("{name}.pcap: a secret of this bench is in it"));
        } else if !story.packets.is_empty() {
            bundle.add(&format!("{name}.pcap"), story.packets.clone());
        }
    }
    if syslog > 0 {
        bundle.leave_out(format!("lines that machines said by syslog: {syslog} (--syslog includes them)"));
    }
    if told.untold > 0 {
        bundle.leave_out(format!("logs of nodes in trouble: {} (--node NAME includes one)", told.untold));
    }
    let mut rows: Vec<&NodeRow> = told.nodes.iter().collect();
    rows.sort_by_key(|row| !is_in_trouble(row));
    let many = rows.len().saturating_sub(ROWS);
    if many > 0 {
        bundle.leave_out(format!("nodes that are not in trouble: {many}"));
    }
    bundle.add("nodes.json", page(rows.into_iter().take(ROWS).map(fit_to_mail).collect()));
    let (log, older) = log_tail::station_log(&data.log());
    if older > 0 {
        bundle.leave_out(format!("older lines of the station's log: {} kB", older.div_ceil(1000)));
    }
    bundle.add("station.log", censor.text(&log).into_bytes());
    bundle
}

fn value(of: &impl Serialize) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}

/// A node without the values of its metadata, which may be secret. The compiler asks for each new key here.
fn fit_to_mail(row: &NodeRow) -> Value {
    let NodeRow {
        id,
        name,
        mac: _,
        serial,
        uuid,
        profile,
        phase,
        percent,
        retries,
        stage,
        reason,
        runs,
        last_seen,
        registered,
        macs,
        hostname,
        address,
        manufacturer,
        product,
        metadata,
        listed: _,
        question,
        asked: _,
        warnings,
        disks,
        inventory,
        verdict,
        eim: _,
    } = row;
    let metadata: Vec<&String> = metadata.keys().collect();
    let mut node = json!({
        "id": id, "name": name, "serial": serial, "uuid": uuid, "macs": macs, "profile": profile, "phase": phase,
        "percent": percent, "retries": retries, "stage": stage, "reason": reason, "runs": runs, "last_seen": last_seen,
        "registered": registered, "hostname": hostname, "address": address, "metadata_keys": metadata,
    });
    let more = json!({
        "manufacturer": manufacturer, "product": product, "question": question, "warnings": warnings, "disks": disks,
        "inventory": inventory, "verdict": verdict,
    });
    if let (Value::Object(node), Value::Object(more)) = (&mut node, more) {
        node.extend(more);
    }
    node
}

/// The settings that may be shown. The compiler asks for each new setting here.
fn set(settings: &Settings) -> Value {
    let Settings {
        interface,
        data,
        profiles,
        images,
        boot_files,
        default_profile,
        policy,
        pool,
        relay_pool,
        dhcp,
        dhcp_force,
        allow_default_route,
        http_port,
        https_port,
        require_https,
        screen,
        webhook,
    } = settings;
    let ScreenSettings { palette, background, bell, flash, keep_serving } = screen;
    json!({
        "interface": interface, "data": data, "profiles": profiles, "images": images, "boot_files": boot_files,
        "default_profile": default_profile, "policy": policy, "pool": pool, "relay_pool": relay_pool, "dhcp": dhcp,
        "dhcp_force": dhcp_force, "allow_default_route": allow_default_route, "http_port": http_port,
        "https_port": https_port, "require_https": require_https,
        "webhook": { "origin": webhook.origin(), "signed": webhook.secret.is_some(), "phases": webhook.phases },
        "screen": {
            "palette": palette.map(|it| format!("{it:?}")), "background": background.map(|it| format!("{it:?}")),
            "bell": bell.map(|it| format!("{it:?}")), "flash": flash.map(|it| format!("{it:?}")),
            "keep_serving": keep_serving,
        },
    })
}

/// The versions of this program, of the workstation's, and of those that machines load.
fn versions(settings: &Settings) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let system = read("/etc/os-release");
    let system = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or_default();
    let mut text = format!("oxbow {}\n", env!("CARGO_PKG_VERSION"));
    text += &format!(
        "kernel {}\nsystem {}\n\nboot files:\n",
        read("/proc/sys/kernel/osrelease").trim(),
        system.trim_matches('"')
    );
    let place = settings.boot_files.clone().unwrap_or_else(|| BOOT_FILES.into());
    let entries = fs::read_dir(&place).into_iter().flatten().flatten();
    let mut files: Vec<(String, u64)> = entries
        .filter_map(|entry| {
            Some((entry.file_name().into_string().ok()?, entry.metadata().ok().filter(fs::Metadata::is_file)?.len()))
        })
        .collect();
    files.sort();
    files.truncate(BOOT_FILES_NAMED);
    files.iter().for_each(|(name, bytes)| text += &format!("{} {bytes} bytes\n", text::clean(name, NAME)));
    // Digest, bytes, name, and the packages it was made of.
    let made_of = fs::read_to_string(place.join("MANIFEST")).unwrap_or_default();
    let short = |line: &str| {
        line.split_once(' ').map(|(digest, rest)| format!("{}… {rest}", digest.get(..8).unwrap_or_default()))
    };
    let lines = made_of.lines().take(BOOT_FILES_NAMED).filter_map(short);
    lines.fold(text + "\nmade of:\n", |text, line| text + &text::clean(&line, LINE) + "\n")
}

/// The secrets of a profile.
fn secrets_of(profile: &Profile) -> Vec<String> {
    let mut secrets: Vec<String> = Vec::new();
    for user in &profile.system.users {
        secrets.extend(user.password_hash.clone());
        secrets.extend(user.ssh_keys.iter().filter_map(|key| key.split_whitespace().nth(1)).map(str::to_owned));
    }
    let proxies = &profile.system.proxies;
    let urls: Vec<&String> = [&proxies.http, &proxies.https, &profile.source].into_iter().flatten().collect();
    secrets.extend(urls.iter().flat_map(|url| passwords_in(url)));
    // The host of a URL may be known, but not the parts that give access.
    let is_told = |url: &&String| profile.source.as_ref() != Some(*url) || url.contains(['@', '?']);
    secrets.extend(urls.into_iter().filter(is_told).cloned());
    let words = match &profile.install {
        Install::Image(_) => profile.kernel_args.clone(),
        Install::Installer(installer) => installer.arguments.iter().map(|word| word.text.to_string()).collect(),
    };
    for (_, value) in words.iter().filter_map(|word| word.split_once('=')) {
        secrets.extend(passwords_in(value));
        secrets.extend(Some(value.to_owned()).filter(|value| is_long(value)));
    }
    secrets
}

/// The user information of a URL (RFC 3986 section 3.2.1), as it is written and decoded.
fn passwords_in(url: &str) -> Vec<String> {
    let login = url.split_once("://").and_then(|(_, place)| place.split('/').next()?.rsplit_once('@'));
    let Some((_, password)) = login.and_then(|(login, _)| login.split_once(':')) else { return Vec::new() };
    vec![password.to_owned(), text::percent_decoded(password)]
}

/// Lists may say anything of a machine, as its licence's key.
fn secrets_of_node(row: &NodeRow) -> Vec<String> {
    let announced =
        |key: &str| ["pass", "secret", "token", "key", "pin"].iter().any(|word| key.to_lowercase().contains(word));
    let kept = row.metadata.iter().filter(|(key, value)| announced(key) || is_long(value));
    kept.map(|(_, value)| value.clone()).collect()
}

/// Shorter values are too common in logs.
fn is_long(value: &str) -> bool {
    value.chars().count() >= LONG
}

fn readme(bundle: &Bundle) -> String {
    let files: String = bundle.names().map(|name| format!("  {name}\n")).collect();
    let left_out: String = bundle.left_out().iter().map(|what| format!("  {what}\n")).collect();
    let left_out = if left_out.is_empty() { "  nothing\n".into() } else { left_out };
    format!("{README}\nIn it:\n{files}\nLeft out:\n{left_out}")
}

const README: &str = "\
What an oxbow station knows about itself and its machines, for remote support.

It has names, serials, addresses and disks of machines, and their logs. It has no keys, tokens, passwords or
password hashes of the station or of its profiles, nor what profiles write on machines; what looked like any of that is
[removed]. People type secrets where none belong: look through it before you mail it.
";
/// Nodes in trouble whose logs are included by default.
const STORIES: usize = 40;
/// Nodes with their row.
const ROWS: usize = 1000;
const LONG: usize = 8;
const BOOT_FILES_NAMED: usize = 50;
const NAME: usize = 80;
const LINE: usize = 1000;
