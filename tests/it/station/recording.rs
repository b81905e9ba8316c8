//! What was recorded of a bench is shown again as it was, and holds no secret.

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossterm::event::KeyCode::Enter;
use tokio::sync::oneshot;

use crate::sample;
use oxbow::domain::batch::BatchOrder;
use oxbow::domain::command::{Command, Registration};
use oxbow::domain::event::{DhcpAnswer, Event, LoaderTransfer};
use oxbow::domain::fleet::Fleet;
use oxbow::domain::ids::{MacAddr, RunId};
use oxbow::domain::logline::Level;
use oxbow::domain::machine::claims::Claims;
use oxbow::domain::machine::firmware::Firmware;
use oxbow::domain::machine::sighting::{
    DhcpAsked, DhcpMessageType, DhcpPort, DhcpReplied, DhcpSpeaker, Sighting, Tftp, Who,
};
use oxbow::domain::profile::file;
use oxbow::domain::snapshot::{Catalogue, Snapshot};
use oxbow::domain::station::Station;
use oxbow::domain::station::service::{ServiceName, ServiceState, ServiceStatus};
use oxbow::domain::time::Timestamp;
use oxbow::inbox::Input;
use oxbow::record::replay::Scene;
use oxbow::record::{Recorder, read, start};

#[test]
fn a_machine_that_refused_its_program_is_diagnosed_again_from_its_recording() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/incidents/refused-program.jsonl");
    let (bench, unreadable) = replayed(&path);
    assert_eq!(unreadable, 0);
    let node = bench.nodes.values().next().expect("the machine");
    let verdict = bench.verdict(node, bench.at).expect("a verdict");
    assert!(verdict.what.contains("it fetched all of ipxe.efi"), "{}", verdict.what);
    let mut screen = sample::screen(&bench, 80, 24, false);
    screen.now = bench.at;
    oxbow::tui::update(&mut screen, &bench, sample::key(Enter));
    let picture = sample::picture(&screen, &bench);
    assert!(picture.contains("stopped at boot program") && picture.contains("SN-4013"), "{picture}");
}

/// What the fixture was made from; to make it anew: `OXBOW_FIXTURE=1 cargo nextest run station::recording`.
#[test]
fn what_enters_the_hub_is_recorded_so_that_the_same_bench_comes_of_it() {
    let home = tempfile::tempdir().expect("a directory");
    let path = recorded(home.path(), |recorder, at| {
        for note in incident() {
            recorder.take(at(), &note);
        }
    });
    let (bench, unreadable) = replayed(&path);
    assert_eq!((unreadable, bench.nodes.len(), bench.link_mbit), (0, 1, Some(1000)));
    assert_eq!(bench.services.len(), 1);
    assert!(bench.catalogue.profiles.contains_key(&"emt-s".parse().expect("a profile name")));
    assert_eq!(std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
    if std::env::var_os("OXBOW_FIXTURE").is_some() {
        let to = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/incidents/refused-program.jsonl");
        std::fs::copy(&path, to).expect("the fixture");
    }
}

#[test]
fn no_token_no_answer_and_nothing_else_that_lists_say_is_in_a_recording() {
    let home = tempfile::tempdir().expect("a directory");
    let run: RunId = "0123456789abcdef0123456789abcdef".parse().expect("a token");
    let secret = "hunter2-swordfish";
    let path = recorded(home.path(), |recorder, at| {
        let text = "schema = 1\nimage = \"emt.raw.gz\"\n[cloud_init]\nuser_data = \"user-data\"\n";
        let beside = |_: &str| Ok(format!("#cloud-config # {secret}"));
        let profile = file::read("emt-s.toml", text, &beside).expect("a profile");
        let catalogue = Catalogue { profiles: [(profile.id.clone(), profile)].into(), ..Catalogue::default() };
        recorder.take(at(), &Input::Catalogue(Arc::new(catalogue)));
        let metadata = [("root password".to_owned(), secret.to_owned())].into();
        let registration = Registration { serial: "SN-1".parse().ok(), metadata, ..Registration::default() };
        recorder.take(at(), &Input::Command(Command::Register(registration), oneshot::channel().0));
        let (claims, profile) = (Claims { serial: "SN-1".parse().ok(), ..Claims::default() }, "emt-s".parse());
        let profile = profile.expect("a profile name");
        recorder.take(at(), &Input::Event(Event::ScriptServed { claims, address: ADDRESS, run, profile }));
        let lines = vec![(Level::Info, format!("GET /r/{run}/answers"))];
        recorder.take(at(), &Input::AgentLog { run, first: 0, lines, done: oneshot::channel().0 });
    });
    let text = std::fs::read_to_string(&path).expect("readable");
    assert!(!text.contains(secret) && !text.contains(&run.to_string()), "{text}");
    // And yet what belongs together is together.
    let (bench, _) = replayed(&path);
    let node = bench.nodes.values().next().expect("the node");
    assert!(node.log.lines().any(|line| line.text.contains("/answers")), "{:?}", node.log);
}

#[test]
fn a_recording_that_begins_in_the_middle_has_the_nodes_and_the_batch_of_then() {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join("recording.jsonl");
    let (mut fleet, catalogue) = (Fleet::default(), Catalogue::default());
    let registration = Registration { serial: "SN-4013".parse().ok(), ..Registration::default() };
    fleet.apply(sample::NOW, Command::Register(registration), &catalogue).expect("a node");
    let order = BatchOrder { name: "PO-4711".into(), ..BatchOrder::default() };
    fleet.apply(sample::NOW, Command::OpenBatch(order), &catalogue).expect("a batch");
    let (mut recorder, thread) = start(&path, [7; 16]).expect("a recording");
    recorder.begin(sample::NOW, &Station::default(), &fleet);
    recorder.take(sample::NOW, &Input::Link(None));
    drop(recorder);
    thread.join().expect("no panic");
    let (bench, unreadable) = replayed(&path);
    assert_eq!(
        (bench.nodes.values().map(|node| node.label()).collect::<Vec<_>>(), unreadable),
        (vec!["SN-4013".into()], 0)
    );
    assert_eq!(bench.batches.first().map(|batch| batch.order.name.as_str()), Some("PO-4711"));
}

#[test]
fn a_recording_is_never_written_over() {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join("incident.jsonl");
    std::fs::write(&path, "an older incident").expect("a file");
    let error = start(&path, [7; 16]).expect_err("it is there");
    assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read_to_string(&path).expect("readable"), "an older incident");
}

#[test]
fn a_station_that_is_killed_leaves_its_recording_up_to_the_last_line() {
    let home = tempfile::tempdir().expect("a directory");
    let path = recorded(home.path(), |recorder, at| {
        for note in incident() {
            recorder.take(at(), &note);
        }
    });
    let whole = std::fs::read(&path).expect("readable");
    let lines = read(&path).expect("a recording").lines.len();
    for cut in [1, 20, 60] {
        std::fs::write(&path, &whole[..whole.len() - cut]).expect("a file");
        let recording = read(&path).expect("a recording");
        // Without its end alone the last line is whole.
        let lost = usize::from(cut > 1);
        assert_eq!((recording.lines.len(), recording.unreadable), (lines - lost, lost), "{cut}");
    }
}

/// The bench at the end of a recording, a minute later.
fn replayed(path: &Path) -> (Snapshot, usize) {
    let recording = read(path).expect("a recording");
    let mut scene = Scene::default();
    recording.lines.iter().for_each(|line| scene.take(line));
    let last = recording.lines.last().expect("a line").at;
    (scene.snapshot(last.after(std::time::Duration::from_secs(60))), recording.unreadable)
}

/// A recording of what `happens`, a second apart.
fn recorded(home: &Path, happens: impl FnOnce(&mut Recorder, &mut dyn FnMut() -> Timestamp)) -> PathBuf {
    let path = home.join("recording.jsonl");
    let (mut recorder, thread) = start(&path, [7; 16]).expect("a recording");
    let mut now = sample::NOW;
    let mut at = move || {
        now = now.after(std::time::Duration::from_secs(1));
        now
    };
    let station = Station { interface: "enp3s0".into(), address: [10, 77, 0, 1].into(), ..Station::default() };
    recorder.begin(at(), &station, &Fleet::default());
    happens(&mut recorder, &mut at);
    drop(recorder);
    thread.join().expect("no panic");
    path
}

/// A machine whose firmware enforces Secure Boot fetches an unsigned program, and goes no further.
fn incident() -> Vec<Input> {
    let mac: MacAddr = "3c:ec:ef:12:34:0d".parse().expect("a MAC");
    let profile = file::parse("emt-s.toml", "schema = 1\nimage = \"emt.raw.gz\"\n").expect("a profile");
    let catalogue = Catalogue {
        default_profile: Some(profile.id.clone()),
        profiles: [(profile.id.clone(), profile)].into(),
        ..Catalogue::default()
    };
    let up = ServiceState::Up { at: "10.77.0.1 on enp3s0".into() };
    let registration = Registration { serial: "SN-4013".parse().ok(), macs: vec![mac], ..Registration::default() };
    let file = || Some("ipxe.efi".to_owned());
    let asked = |kind| DhcpAsked {
        door: DhcpPort::Dhcp,
        kind,
        speaker: DhcpSpeaker::Pxe,
        firmware: Firmware::UefiX64,
        arch: 7,
        secs: 0,
        relay: None,
        server: None,
        address: None,
        uuid: None,
    };
    let sighted = |who, sighting| Input::Event(Event::Sighted { who, sighting: Box::new(sighting) });
    let offered = DhcpReplied::Offered { address: Some(ADDRESS), file: file() };
    let given = DhcpReplied::Acked { address: Some(ADDRESS), file: file() };
    let tftp = |how| sighted(Who::at(ADDRESS), Sighting::Tftp { file: "ipxe.efi".into(), how });
    vec![
        Input::Service(ServiceStatus { name: ServiceName::Dhcp, state: up, restarts: 0 }),
        Input::Link(Some(1000)),
        Input::Catalogue(Arc::new(catalogue)),
        Input::Command(Command::Register(registration), oneshot::channel().0),
        sighted(Who::card(mac), Sighting::Dhcp { asked: asked(DhcpMessageType::Discover), reply: offered }),
        sighted(Who::card(mac), Sighting::Dhcp { asked: asked(DhcpMessageType::Request), reply: given }),
        Input::Event(Event::DhcpAnswered {
            claims: Claims { macs: vec![mac], ..Claims::default() },
            firmware: Firmware::UefiX64,
            address: Some(ADDRESS),
            answer: DhcpAnswer::Ack,
            bootfile: file(),
            lacks_https: false,
        }),
        tftp(Tftp::Probed),
        tftp(Tftp::Done { bytes: 296_448 }),
        Input::Event(Event::Loader { address: ADDRESS, file: "ipxe.efi".into(), transfer: LoaderTransfer::Started }),
    ]
}

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 113);
