//! What `oxbow support` takes into its archive: what helps, and not one of the bench's secrets.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use serde_json::Value;
use tempfile::TempDir;

use crate::lab::{Bench, Simulated, Station};
use oxbow::domain::effect::Effect;
use oxbow::domain::ids::{NodeId, RunId};
use oxbow::domain::logline::{Level, LogLine, LogSource};
use oxbow::domain::machine::report::FailureKind;
use oxbow::domain::node::Node;
use oxbow::domain::node::phase::{Failure, Phase, Stage};
use oxbow::domain::node::run::Run;
use oxbow::domain::time::Timestamp;
use oxbow::hub::NodeLog;
use oxbow::inbox::inbox;
use oxbow::logs::nodes::LogBounds;
use oxbow::seal::Seal;
use oxbow::{logs, store};

const TOKEN: &str = "5f1c0de25f1c0de25f1c0de25f1c0de25f1c0de25f1c0de25f1c0de25f1c0de2";
const HASH: &str = "$6$rounds=5000$saltsalt$QwErTzUiOpAsDfGhJkLyXcVbNm";
const WEBHOOK: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SSH_KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIGplantedplantedplanted";
const RUN: [u8; 16] = [0xa7; 16];

/// The answers of a profile that holds every secret that one can hold.
const PROFILE: &str = r#"schema = 1
title = "An OS"
image = "os.raw"
source = "https://kim:sourcepass@mirror.example/os.raw"
kernel_args = ["site.key=kernelargsecret"]
[system.proxy]
http = "http://kim:proxypass@proxy.example:3128"
https = "http://kim:se%40cret%2Fword@proxy.example:3128"
[[system.user]]
name = "kim"
password_hash = "HASH"
ssh_keys = ["ssh-ed25519 SSHKEY kim@example"]
[[file]]
path = "/etc/wifi"
content = "psk=inlinesecret"
"#;
const INSTALLER: &str = r#"schema = 1
title = "Another"
[installer]
kernel = "linux"
initrd = ["initrd.gz"]
arguments = ["url=http://kim:argpass@mirror.example/", "licence=argumentsecret"]
answers = "answers.cfg"
"#;

/// Every secret of the bench, by what it is.
fn secrets(data: &Path) -> Vec<(&'static str, String)> {
    let lines = |file: &str| {
        let pem = fs::read_to_string(data.join(file)).expect("a key");
        let line = pem.lines().find(|line| !line.starts_with('-')).expect("a line of it");
        line.to_owned()
    };
    let mut all: Vec<(&str, String)> = [
        ("the API's token", TOKEN),
        ("a password's hash", HASH),
        ("its core", "QwErTzUiOpAsDfGhJkLyXcVbNm"),
        ("an SSH key", SSH_KEY),
        ("a proxy's password", "proxypass"),
        ("a proxy's password as it is meant", "se@cret/word"),
        ("the password of a source", "sourcepass"),
        ("a word of the kernel's command line", "kernelargsecret"),
        ("an installer's word", "argumentsecret"),
        ("a password in an installer's word", "argpass"),
        ("an installer's answers", "answersecret"),
        ("a file's content", "inlinesecret"),
        ("a node's metadata", "LICENCE-0815"),
        ("a node's short metadata", "4711x"),
        ("a password that a program of the machine said", "syslogsecret"),
        ("a webhook of a newer oxbow", "webhooksecret"),
        ("the webhook's secret", WEBHOOK),
        ("the core of the webhook's secret", &WEBHOOK[6..]),
        ("the webhook's token", "erptoken-0815"),
        ("the place of the webhook", "hooks/T0815/B4711"),
        ("what a node's metadata was before", "0815y"),
        ("a password where its hash belongs", "typedsecret"),
    ]
    .map(|(what, secret)| (what, secret.to_owned()))
    .into();
    all.push(("a run's token", RunId::new(RUN).to_string()));
    all.push(("the seal's key", lines("seal/key.pem")));
    all.push(("the authority's key", lines("tls/ca.key")));
    all
}

/// A bench on which no station runs, with a node that has failed.
async fn planted() -> TempDir {
    let place = TempDir::new().expect("a directory");
    let write = |name: &str, content: &str| {
        let path = place.path().join(name);
        fs::create_dir_all(path.parent().expect("below")).and_then(|()| fs::write(path, content)).expect("a file");
    };
    let profile = PROFILE.replace("HASH", HASH).replace("SSHKEY", SSH_KEY);
    write("profiles/os.toml", &profile);
    write("profiles/installer.toml", INSTALLER);
    write("profiles/answers.cfg", "d-i passwd/root-password password answersecret\n");
    write("profiles/broken.toml", &profile.replace("title", "tytle"));
    let webhook = format!(
        "[webhook]\nurl = \"https://erp.example/hooks/T0815/B4711\"\nsecret = \"{WEBHOOK}\"\ntoken = \"erptoken-0815\"\n"
    );
    write("oxbow.toml", &format!("interface = \"enp3s0\"\ndefault_profile = \"os\"\n{webhook}"));
    write("api-token", &format!("{TOKEN}\n"));
    Seal::open(&place.path().join("seal")).expect("a seal");
    write("tls/ca.key", "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n");
    let run = RunId::new(RUN);
    write(
        "log/station.2026-05-01.log",
        &format!(
            "2026-05-01 INFO oxbow::hub: asked for command=Register(Registration {{ metadata: {{\"pin\": \"4711x\"}} }})\n\
             2026-05-01 WARN oxbow::service: asked for what belongs to a run run={run} path=\"{run}/answers\"\n\
             2026-05-01 INFO oxbow::x: proxy http://kim:proxypass@proxy.example:3128 and token {TOKEN} and {HASH}\n\
             2026-05-01 INFO oxbow::x: webhook_secret = \"webhooksecret\"\n\
             2026-05-01 WARN oxbow::service::images: broken.toml:12: \"typedsecret\" is no hash hint=\"make one\"\n\
             2026-05-01 INFO oxbow::hub: edited: pin 0815y → 4711x node=\"SN-4002\"\n\
             2026-05-01 WARN oxbow::x: https://erp.example/hooks/T0815/B4711 with erptoken-0815 and {WEBHOOK}\n\
             2026-05-01 WARN oxbow::service::dhcp: the card has no link\n"
        ),
    );
    let at = Timestamp::from_millis(1_777_000_000_000);
    let reason = format!("the image could not be had from http://10.77.0.1/r/{run}/os.raw: broken pipe");
    let failure = Failure { stage: Stage::Writing, kind: FailureKind::Download, reason };
    let mut node = Node::new(NodeId(7), at);
    node.serial = Some("SN-4002".parse().expect("a serial"));
    node.phase = Phase::Failed(failure);
    node.metadata =
        [("licence", "LICENCE-0815"), ("pin", "4711x")].map(|(key, value)| (key.into(), value.into())).into();
    node.runs = vec![Run::begin(run, "os".parse().expect("a name"), at)];
    let line = |source, text: &str| Effect::Log {
        node: node.id,
        label: "SN-4002".into(),
        line: LogLine::new(at, source, Level::Info, text),
    };
    let effects = vec![
        Effect::SaveNode(node.clone().into()),
        line(LogSource::Station, "edited: licence + LICENCE-0815, pin 0815y → 4711x"),
        line(LogSource::Agent, &format!("asked http://10.77.0.1/r/{run}/files with {HASH}")),
        line(
            LogSource::Agent,
            "407: the proxy does not take kim with proxypass, nor with se@cret/word or se%40cret%2Fword",
        ),
        line(LogSource::Agent, "the mirror does not take kim with sourcepass, argpass neither"),
        line(LogSource::Agent, "the disk gives up at sector 7"),
        line(LogSource::Syslog, "cloud-init: the login is kim / syslogsecret"),
    ];
    let logs_at = place.path().join("log/nodes");
    let (mut logs, thread) = logs::nodes::start(&logs_at, LogBounds::default(), &[], inbox().0).expect("logs");
    logs.write(&effects);
    drop(logs);
    thread.join().expect("it ends in order");
    let (store, _, thread) = store::open(&place.path().join("oxbow.db")).expect("a store");
    store.write(effects).await.await.expect("the thread lives").expect("written");
    drop(store);
    thread.join().expect("it ends in order");
    place
}

/// What `oxbow support` with these words says, and how it ends.
fn support(data: &Path, words: &[&str]) -> (Option<i32>, String) {
    let mut oxbow = Command::new(env!("CARGO_BIN_EXE_oxbow"));
    let config = data.join("oxbow.toml");
    let config = if config.exists() { config.as_path() } else { Path::new("/dev/null") };
    oxbow.arg("support").args(words).env("OXBOW_DATA", data).env("OXBOW_CONFIG", config);
    let output = oxbow.output().expect("oxbow starts");
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// Its files, by name.
fn unpacked(file: &Path) -> BTreeMap<String, Vec<u8>> {
    let archive = fs::File::open(file).expect("an archive");
    let mut archive = tar::Archive::new(GzDecoder::new(archive));
    let entries = archive.entries().expect("an archive");
    let file = |entry: std::io::Result<tar::Entry<'_, GzDecoder<fs::File>>>| {
        let mut entry = entry.expect("whole");
        let name = entry.path().expect("a name").display().to_string();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("whole");
        (name.strip_prefix("oxbow-support/").expect("below one directory").to_owned(), content)
    };
    entries.map(file).collect()
}

fn text(files: &BTreeMap<String, Vec<u8>>, name: &str) -> String {
    let content = files.get(name).unwrap_or_else(|| panic!("no {name} among {:?}", files.keys()));
    String::from_utf8(content.clone()).expect("text")
}

#[tokio::test]
async fn a_support_bundle_has_what_helps_and_not_one_of_the_benchs_secrets() {
    let bench = planted().await;
    let data = bench.path();
    for (what, secret) in secrets(data) {
        let there = Command::new("grep").args(["-rqaF", "--", &secret]).arg(data).status().expect("grep");
        assert!(there.success(), "{what} is not planted");
    }
    let file = data.join("bench.tar.gz");
    let name = file.to_str().expect("a path");
    for words in [&[name][..], &[name, "--syslog"]] {
        let (code, said) = support(data, words);
        assert_eq!(code, Some(0), "{said}");
        let files = unpacked(&file);
        for (name, content) in &files {
            for (what, secret) in secrets(data) {
                let is_there = content.windows(secret.len()).any(|part| part == secret.as_bytes());
                let said_on_request = words.len() > 1 && what.contains("a program of the machine");
                assert!(!is_there || said_on_request, "{what} is in {name}: {}", String::from_utf8_lossy(content));
            }
        }
        let log = text(&files, "nodes/00007-SN-4002.txt");
        assert!(log.contains("agent info the disk gives up at sector 7"), "{log}");
        assert_eq!(log.contains("syslogsecret"), words.len() > 1, "{log}");
        let nodes: Value = serde_json::from_str(&text(&files, "nodes.json")).expect("JSON");
        assert_eq!(
            (&nodes[0]["phase"], &nodes[0]["metadata_keys"]),
            (&"failed".into(), &serde_json::json!(["licence", "pin"]))
        );
        assert!(
            nodes[0]["reason"].as_str().is_some_and(|it| it.ends_with("10.77.0.1/r/[removed]/os.raw: broken pipe")),
            "{nodes}"
        );
        let station: Value = serde_json::from_str(&text(&files, "station.json")).expect("JSON");
        assert_eq!(station["profiles"].as_array().map(Vec::len), Some(2), "{station}");
        assert_eq!(station["wrong"], serde_json::json!(["broken.toml:2"]), "{station}");
        let settings: Value = serde_json::from_str(&text(&files, "settings.json")).expect("JSON");
        assert_eq!(
            (&settings["interface"], &settings["webhook"]["origin"]),
            (&"enp3s0".into(), &"https://erp.example".into())
        );
        let log = text(&files, "station.log");
        assert!(log.contains("asked for command=Register …") && log.contains("the card has no link"), "{log}");
        assert!(text(&files, "versions.txt").starts_with(concat!("oxbow ", env!("CARGO_PKG_VERSION"))));
        let readme = text(&files, "README.txt");
        assert!(readme.contains("look through it before you mail it") && readme.contains("  nodes.json\n"), "{readme}");
        assert_eq!(readme.contains("by syslog: 1"), words.len() == 1, "{readme}");
        let mode = fs::metadata(&file).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "it is the station's owner's until it is given away");
        let (code, said) = support(data, words);
        assert!(code == Some(2) && said.contains("already exists"), "{said}");
        fs::remove_file(&file).expect("it is there");
    }
    let (code, said) = support(data, &[name, "--node", "SN-9"]);
    assert!(code == Some(1) && !file.exists(), "{said}");
}

#[test]
fn the_packets_of_a_chosen_node_and_the_running_stations_services_are_in_the_bundle() {
    let bench = Bench::new("the_packets_of_a_chosen_node_and_the_running_stations_services");
    let image = bench.scratch().join("usual.raw");
    fs::write(&image, vec![b'u'; 64 * 1024]).expect("an image");
    let boot_files = bench.scratch().join("boot-files");
    fs::create_dir(&boot_files).expect("a directory");
    for name in ["undionly.kpxe", "snponly.efi", "vmlinuz", "initramfs.img"] {
        fs::write(boot_files.join(name), vec![7; 100_000]).expect("a file");
    }
    let station = Station::start_by(&bench, &image, boot_files, "", &[]);
    let disks = bench.scratch().join("disks");
    let mut machines = Simulated::with_marks(&bench, &["serial=SN-1", "serial=SN-2"], &disks, LIMIT);
    machines.wait(LIMIT).unwrap_or_else(|seen| panic!("{seen}"));
    let file = bench.scratch().join("bench.tar.gz");
    let data = bench.scratch().join("station/data");
    let (code, said) = support(&data, &[file.to_str().expect("a path"), "--node", "SN-1"]);
    assert_eq!(code, Some(0), "{said}");
    let files = unpacked(&file);
    let name = files.keys().find(|name| name.ends_with("-SN-1.txt")).expect("its story").clone();
    assert!(text(&files, &name).contains(" station info "), "{}", text(&files, &name));
    let captures: Vec<&String> = files.keys().filter(|name| name.ends_with(".pcap")).collect();
    assert!(captures.len() == 1 && captures[0].ends_with("-SN-1.pcap"), "{captures:?}");
    assert_eq!(files[captures[0]][..4], [0xd4, 0xc3, 0xb2, 0xa1], "as Wireshark takes it");
    let station_now: Value = serde_json::from_str(&text(&files, "station.json")).expect("JSON");
    let up = |name: &str| {
        let services = station_now["services"].as_array().into_iter().flatten();
        services.filter(|service| service["name"] == name && service["state"] == "up").count()
    };
    assert_eq!((up("dhcp"), up("tftp"), up("http")), (1, 1, 1), "{station_now}");
    // Whoever has the name of a run is given what belongs to its machine: nothing that people read has it.
    let store = rusqlite::Connection::open(data.join("oxbow.db")).expect("the store");
    let mut runs = store.prepare("SELECT id FROM runs").expect("a table");
    let runs: Vec<String> =
        runs.query_map([], |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("names");
    assert!(runs.len() >= 2 && runs.iter().all(|run| run.len() == 32), "{runs:?}");
    let in_logs = |words: &str| {
        let found = Command::new("grep").args(["-rahF", "--", words]).arg(data.join("log")).output().expect("grep");
        String::from_utf8_lossy(&found.stdout).into_owned()
    };
    for run in runs {
        let asked = format!("http://{}/r/{run}/nothing", Bench::STATION);
        assert!(bench.beside_station(|| ureq::get(&asked).call()).is_err(), "there is no such thing");
        let (said, deadline) = (format!("run=\"{}\" path=\"nothing\"", &run[..8]), Instant::now() + LIMIT);
        while in_logs(&said).is_empty() {
            assert!(Instant::now() < deadline, "it is not said by its first digits: {}", in_logs("belongs to a run"));
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(in_logs(&run), "", "whole");
    }
    let token = fs::read_to_string(data.join("api-token")).expect("a token");
    assert!(files.values().all(|content| !String::from_utf8_lossy(content).contains(token.trim())));
    drop(station);
}

/// For everything, on two cores that tests share.
const LIMIT: Duration = Duration::from_secs(120);
