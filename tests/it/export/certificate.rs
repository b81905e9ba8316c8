//! A machine's certificate and its label, as `oxbow report` and `oxbow label` make them, looked at elsewhere: with the
//! public key and nothing else.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sha2::Digest as _;
use tempfile::TempDir;

use oxbow::domain::digest::Digest;
use oxbow::domain::effect::Effect;
use oxbow::domain::ids::{NodeId, RunId};
use oxbow::domain::node::Node;
use oxbow::domain::node::phase::{Phase, Stage};
use oxbow::domain::node::run::{Expected, Following, Run, RunOutcome};
use oxbow::domain::time::Timestamp;
use oxbow::store;

/// How it ended, and what it said.
fn oxbow(here: &Path, data: &Path, words: &[&str]) -> (Option<i32>, String) {
    let mut oxbow = Command::new(env!("CARGO_BIN_EXE_oxbow"));
    oxbow.args(words).current_dir(here).env_clear().env("OXBOW_DATA", data).env("OXBOW_CONFIG", "/dev/null");
    let output = oxbow.output().expect("oxbow starts");
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[track_caller]
fn does(here: &Path, data: &Path, words: &[&str]) -> String {
    let (code, said) = oxbow(here, data, words);
    assert_eq!(code, Some(0), "{words:?}: {said}");
    said
}

/// A bench without a station, on which a machine with a sealed system is done and another has failed to come.
async fn bench() -> TempDir {
    let place = TempDir::new().expect("a directory");
    let at = |seconds: u64| Timestamp::from_millis(NOW + seconds * 1000);
    let mut run = Run::begin(RunId::new([0xa7; 16]), "emt-s".parse().expect("a name"), at(3));
    run.expected = Some(Expected {
        image: "edge-3.1.raw.gz".into(),
        sha256: Some(Digest::new([1; 32])),
        disk_bytes: 4 << 30,
        disk_sha256: Digest::new([2; 32]),
    });
    (run.read_back, run.configured, run.root_hash) = (Some(Digest::new([2; 32])), true, Some(Digest::new([4; 32])));
    run.following = Following::Manifest(Digest::new([3; 32]));
    (run.ended, run.outcome) = (Some(at(185)), Some(RunOutcome::Proven));
    let mut done = Node::new(NodeId(7), at(0));
    (done.serial, done.name, done.registered) = ("PF3K0001".parse().ok(), Some("press-07".into()), true);
    done.macs = "52:54:00:00:00:01".parse().into_iter().collect();
    (done.phase, done.last_seen) = (Phase::Provisioned, Some(at(185)));
    done.stages = vec![(Stage::Seen, at(0)), (Stage::Writing, at(5)), (Stage::Verifying, at(125))];
    done.runs = vec![run];
    let mut missing = Node::new(NodeId(8), at(0));
    (missing.serial, missing.registered) = ("PF3K0002".parse().ok(), true);
    let effects = vec![Effect::SaveNode(done.into()), Effect::SaveNode(missing.into())];
    let (store, _, thread) = store::open(&place.path().join("oxbow.db")).expect("a store");
    store.write(effects).await.await.expect("the thread lives").expect("written");
    drop(store);
    thread.join().expect("it ends in order");
    place
}

/// The certificate of that machine and the key, in a directory of their own: nothing else of the bench is there.
async fn elsewhere() -> (TempDir, Vec<u8>) {
    let bench = bench().await;
    does(bench.path(), bench.path(), &["report", "proof"]);
    let there = TempDir::new().expect("a directory");
    let proof = bench.path().join("proof");
    fs::copy(proof.join("public.pem"), there.path().join("public.pem")).expect("the key");
    let certificate = fs::read(proof.join("certificates/press-07-7.json")).expect("a certificate");
    fs::write(there.path().join("press-07.json"), &certificate).expect("a file");
    (there, certificate)
}

#[tokio::test]
async fn a_certificate_says_what_was_asked_written_and_read_back_how_long_it_took_and_by_which_key() {
    let (there, certificate) = elsewhere().await;
    let whole: Value = serde_json::from_slice(&certificate).expect("JSON");
    let says = &whole["certificate"];
    assert_eq!(says["format"], "oxbow unit certificate 2");
    let digest = |octet: &str| octet.repeat(32);
    assert_eq!(
        says["image"],
        json!({
            "name": "edge-3.1.raw.gz", "disk_bytes": 4_u64 << 30, "travelled_sha256": digest("01"),
            "written_sha256": digest("02"), "read_back_sha256": digest("02"),
        })
    );
    assert_eq!(
        (&says["configuration_sha256"], &says["verity_root_hash"]),
        (&digest("03").into(), &digest("04").into())
    );
    let steps = json!([
        { "stage": "seen", "at": "2026-11-23T14:02:11.000Z", "took_ms": 5_000 },
        { "stage": "writing", "at": "2026-11-23T14:02:16.000Z", "took_ms": 120_000 },
        { "stage": "verifying", "at": "2026-11-23T14:04:16.000Z", "took_ms": 60_000 },
    ]);
    assert_eq!((&says["steps"], &says["ended"]), (&steps, &"2026-11-23T14:05:16.000Z".into()));
    let software = concat!("oxbow ", env!("CARGO_PKG_VERSION"));
    assert_eq!(says["station"]["software"], software);
    let pem = fs::read(there.path().join("public.pem")).expect("the key");
    let key = openssl::pkey::PKey::public_key_from_pem(&pem).and_then(|key| key.public_key_to_der()).expect("a key");
    let fingerprint = Digest::new(sha2::Sha256::digest(&key).into()).to_string();
    assert_eq!(says["station"]["key_sha256"], fingerprint.as_str());
}

#[tokio::test]
async fn a_certificate_is_verified_where_there_is_nothing_but_it_and_the_key_and_nothing_is_left_behind() {
    let (there, _) = elsewhere().await;
    let nowhere = there.path().join("no-station");
    let said = does(there.path(), &nowhere, &["verify", "--key", "public.pem", "press-07.json"]);
    assert!(
        said.contains("press-07.json: genuine: press-07, serial PF3K0001, has emt-s since 2026-11-23T14:05:16"),
        "{said}"
    );
    let mut left: Vec<_> =
        fs::read_dir(there.path()).expect("a directory").flatten().map(|it| it.file_name()).collect();
    left.sort();
    assert_eq!(left, ["press-07.json", "public.pem"]);
}

#[tokio::test]
async fn a_certificate_with_any_one_byte_altered_is_told_by_the_command() {
    let (there, certificate) = elsewhere().await;
    let names: Vec<String> = (0..certificate.len()).map(|at| format!("{at}.json")).collect();
    for (at, name) in names.iter().enumerate() {
        let mut altered = certificate.clone();
        altered[at] ^= 1;
        fs::write(there.path().join(name), altered).expect("a file");
    }
    let mut words = vec!["verify", "--key", "public.pem", "press-07.json"];
    words.extend(names.iter().map(String::as_str));
    let (code, said) = oxbow(there.path(), there.path(), &words);
    assert_eq!(code, Some(1), "{said}");
    let genuine: Vec<&str> = said.lines().filter(|line| line.contains(": genuine")).collect();
    assert!(genuine.len() == 1 && genuine[0].starts_with("press-07.json: genuine"), "{genuine:?}");
    assert_eq!(said.lines().filter(|line| line.contains("is not genuine")).count(), certificate.len());
}

#[tokio::test]
async fn what_is_no_certificate_is_told_at_once_however_long_it_is_and_the_others_are_looked_at() {
    let (there, certificate) = elsewhere().await;
    let write = |name: &str, content: &[u8]| fs::write(there.path().join(name), content).expect("a file");
    write("half.json", &certificate[..certificate.len() / 2]);
    write("empty.json", b"");
    write("deep.json", "[".repeat(100_000).as_bytes());
    let mut padded = certificate.clone();
    padded.resize(3 << 20, b' ');
    write("padded.json", &padded);
    let names = ["half.json", "empty.json", "deep.json", "padded.json", "/dev/zero", "public.pem", "press-07.json"];
    let (code, said) = oxbow(there.path(), there.path(), &[&["verify", "--key", "public.pem"], &names[..]].concat());
    assert_eq!(code, Some(1), "{said}");
    for name in &names[..6] {
        assert!(said.contains(&format!("{name} is not genuine: ")), "{name}: {said}");
    }
    assert!(said.contains("press-07.json: genuine: "), "{said}");
}

#[tokio::test]
async fn a_label_leads_from_the_machine_to_its_serial_and_its_certificate() {
    let bench = bench().await;
    let data = bench.path();
    does(data, data, &["report", "proof"]);
    let certificate = fs::read(data.join("proof/certificates/press-07-7.json")).expect("a certificate");
    let sha256 = Digest::new(sha2::Sha256::digest(&certificate).into()).to_string().to_ascii_uppercase();
    let text = format!("S/N:PF3K0001;OXBOW1 7 {}", &sha256[..32]);
    for node in ["press-07", "#7", "pf3k0001", "52:54:00:00:00:01"] {
        assert_eq!(does(data, data, &["label", "--text", node]), format!("{text}\n"), "{node}");
    }
    let shown = does(data, data, &["label", "--ascii", "press-07"]);
    assert!(shown.starts_with(&format!("press-07\n{text}\n##")) && shown.is_ascii(), "{shown}");
    let shown = does(data, data, &["label", "press-07"]);
    assert!(shown.contains('\u{2580}') && !shown.contains('\u{1b}'), "no colours in a file: {shown}");
    assert!(does(data, data, &["label", "--svg", "press-07"]).starts_with("<svg "));
    let page = fs::read_to_string(data.join("proof/bench.html")).expect("a page");
    let caption = text.replace(';', ";<wbr>").replace('/', "&#x2f;");
    assert!(page.contains(&format!("<br>{caption}<wbr></figcaption>")), "{page}");
    for (node, why) in [("PF3K0002", "PF3K0002 is missing: it has no certificate"), ("x", "there is no machine \"x\"")]
    {
        let (code, said) = oxbow(data, data, &["label", node]);
        assert!(code == Some(2) && said.contains(why) && said.contains("hint: "), "{said}");
    }
}

const NOW: u64 = 1_795_442_531_000;
