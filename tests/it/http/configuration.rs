//! What follows the image, as agents meet it: real sockets, real store, real hub; the agent's words are written by hand.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use oxbow::domain::command::{Command, Registration};
use oxbow::domain::digest::Digest;
use oxbow::domain::effect::Effect;
use oxbow::domain::fleet::Fleet;
use oxbow::domain::ids::{NodeId, RunId};
use oxbow::domain::node::edit::{Edit, Set};
use oxbow::domain::profile::configuration::manifest;
use oxbow::domain::snapshot::Snapshot;
use oxbow::domain::station::Station;
use oxbow::hub::{Hub, NodeLog};
use oxbow::inbox::{Inbox, Input, inbox};
use oxbow::protocol::{Follows, paths};
use oxbow::service::{ServiceContext, http, images};
use oxbow::store;

const ASK: &str = "/boot.ipxe?mac=52-54-00-00-00-01&serial=SN-1&platform=efi";
const PROFILE: &str = r#"
schema = 1
image = "os.raw"
[[file]]
path = "/etc/motd"
mode = "0600"
content = "serial {{ node.serial }}\n"
[cloud_init]
user_data = "os/user-data"
"#;

/// The parts of a station that HTTP needs, on a free port of the loopback interface.
struct Bench {
    place: TempDir,
    base: String,
    inbox: Inbox,
    bench: watch::Receiver<Arc<Snapshot>>,
    stop: CancellationToken,
    store: std::thread::JoinHandle<()>,
    runtime: Runtime,
}

struct NoNodeLog;
impl NodeLog for NoNodeLog {
    fn write(&mut self, _: &[Effect]) {}
}

impl Bench {
    fn start(profile: &str) -> Self {
        let place = TempDir::new().expect("a directory");
        let write = |name: &str, content: &[u8]| {
            let path = place.path().join(name);
            fs::create_dir_all(path.parent().expect("below")).and_then(|()| fs::write(path, content)).expect("a file");
        };
        write("profiles/os.toml", profile.as_bytes());
        write("profiles/os/user-data", b"#cloud-config\nhostname: {{ node.name }}\n");
        write("images/os.raw", b"an operating system, or so it says");
        write("boot/vmlinuz", b"kernel");
        Self::start_in(place)
    }

    fn start_in(place: TempDir) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|any| any.local_addr()).expect("a free port");
        let base = format!("http://{port}");
        let (written, memory, store) = store::open(&place.path().join("oxbow.db")).expect("a store");
        let runtime = Runtime::new().expect("a runtime");
        let (inbox, outlet) = inbox();
        let station = Station { base_url: base.clone(), ..Station::default() };
        let (hub, bench) = Hub::new(Fleet::restore(memory.nodes), station, written, Box::new(NoNodeLog));
        let stop = CancellationToken::new();
        let context = ServiceContext { inbox: inbox.clone(), bench: bench.clone(), stop: stop.clone() };
        runtime.spawn(hub.run(outlet, stop.clone()));
        let config = http::HttpConfig {
            listen: port,
            boot_files: place.path().join("boot"),
            images: place.path().join("blobs"),
            tls: None,
            token: None,
        };
        runtime.spawn(http::serve(context.clone(), config));
        let config = images::ImagesConfig {
            profiles: place.path().join("profiles"),
            images: place.path().join("images"),
            store: place.path().join("blobs"),
            boot_files: place.path().join("boot"),
            quirks: place.path().join("quirks.toml"),
            placeholders: place.path().join("placeholders.toml"),
            default_profile: "os".parse().ok(),
        };
        runtime.spawn(images::serve(context, config));
        let bench = Self { place, base, inbox, bench, stop, store, runtime };
        bench.until("it serves", |bench| bench.get("/healthz").0 == 200);
        bench
    }

    /// Ends everything in order and starts again on the same data.
    fn restarted(self) -> Self {
        let Self { place, stop, store, runtime, inbox, bench, .. } = self;
        stop.cancel();
        drop((inbox, bench));
        runtime.shutdown_timeout(Duration::from_secs(5));
        store.join().expect("the store closes");
        Self::start_in(place)
    }

    /// Profiles are looked at every two seconds.
    fn until(&self, what: &str, there: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !there(self) {
            assert!(Instant::now() < deadline, "not within a minute: {what}");
            std::thread::sleep(Duration::from_millis(25));
        }
    }

    fn get(&self, path: &str) -> (u16, String) {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let Ok(mut response) = agent.get(format!("{}{path}", self.base)).call() else { return (0, String::new()) };
        (response.status().as_u16(), response.body_mut().read_to_string().expect("text"))
    }

    fn post(&self, path: &str, body: &str) -> (u16, String) {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut response = agent.post(format!("{}{path}", self.base)).send(body).expect("an answer");
        (response.status().as_u16(), response.body_mut().read_to_string().expect("text"))
    }

    fn asked(&self, command: Command) {
        let answer = self.runtime.block_on(self.inbox.ask(|done| Input::Command(command, done)));
        assert_eq!(answer, Some(Ok(())));
    }

    fn node(&self) -> Value {
        let nodes: Value = serde_json::from_str(&self.get("/api/v1/nodes").1).expect("JSON");
        nodes.as_array().and_then(|nodes| nodes.first()).cloned().unwrap_or_default()
    }

    fn until_phase(&self, phase: &str) {
        self.until(phase, |bench| bench.node()["phase"] == phase);
    }

    /// The run of a script that installs.
    fn run(&self) -> RunId {
        self.until("the script installs", |bench| bench.get(ASK).1.contains("oxbow.run="));
        let script = self.get(ASK).1;
        let at = script.find("oxbow.run=").expect("an installing script") + 10;
        script[at..at + 32].parse().expect("a run")
    }

    fn hello(&self, run: RunId) -> Value {
        let claims = json!({"macs": ["52:54:00:00:00:01"], "serial": "SN-1"});
        let hello = json!({"version": 1, "agent": "test", "claims": claims, "disks": []});
        let (status, answer) = self.post(&paths::hello(run), &hello.to_string());
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str(&answer).expect("JSON")
    }

    fn follows(&self, run: RunId) -> Follows {
        let (status, answer) = self.get(&paths::configuration(run));
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str(&answer).expect("what follows")
    }

    fn reports(&self, run: RunId, first: u32, reports: &[Value]) {
        let reports = json!({"version": 1, "first": first, "reports": reports});
        assert_eq!(self.post(&paths::reports(run), &reports.to_string()).0, 200);
    }
}

fn sha256(content: &[u8]) -> Digest {
    Digest::new(Sha256::digest(content).into())
}

/// What an agent reports in the end that has done everything it was asked for.
fn proof(job: &Value, follows: &Follows) -> [Value; 3] {
    let facts = follows.configuration.facts(sha256);
    let digest = sha256(manifest(&facts).as_bytes());
    [
        json!({"kind": "read_back", "bytes": job["disk_bytes"], "sha256": job["disk_sha256"]}),
        json!({"kind": "configured", "files": facts.len(), "sha256": digest.to_string()}),
        json!({"kind": "complete"}),
    ]
}

#[test]
fn an_agent_is_given_the_files_of_its_node_and_is_provisioned_once_they_are_read_back() {
    let bench = Bench::start(PROFILE);
    let run = bench.run();
    let job = bench.hello(run);
    let follows = bench.follows(run);
    let files: Vec<_> = follows.configuration.files.iter().map(|file| (file.path.as_str(), file.mode)).collect();
    let seed = "/var/lib/cloud/seed/nocloud";
    let (user_data, meta_data) = (format!("{seed}/user-data"), format!("{seed}/meta-data"));
    assert_eq!(files, [("/etc/motd", 0o600), (&user_data, 0o600), (&meta_data, 0o600)]);
    let contents: Vec<_> = follows.configuration.files.iter().map(|file| file.content.as_str()).collect();
    let meta_data = format!("{{\n  \"instance-id\": \"{run}\"\n}}\n");
    assert_eq!(contents, ["serial SN-1\n", "#cloud-config\nhostname: SN-1\n", meta_data.as_str()]);
    bench.reports(run, 0, &proof(&job, &follows));
    bench.until_phase("provisioned");
}

#[test]
fn a_machine_whose_files_are_others_than_it_was_given_is_not_provisioned_also_by_a_station_that_was_restarted() {
    let bench = Bench::start(PROFILE);
    let run = bench.run();
    let job = bench.hello(run);
    let mut follows = bench.follows(run);
    let bench = bench.restarted();
    follows.configuration.files[0].mode = 0o666;
    bench.reports(run, 0, &proof(&job, &follows));
    bench.until_phase("failed");
    assert!(
        bench.node()["reason"].as_str().is_some_and(|said| said.contains("does not read back")),
        "{}",
        bench.node()
    );
}

#[test]
fn what_is_not_known_of_a_machine_holds_it_before_a_byte_is_written() {
    let bench = Bench::start(&PROFILE.replace("node.serial", "node.metadata['Cost centre']"));
    bench.until("it is told to wait", |bench| bench.get(ASK).1.contains("Cost centre"));
    let reason = "os.toml:7: node.metadata['Cost centre'] is not known of this node";
    let is_held =
        |node: &Value| node["phase"] == "held" && node["reason"].as_str().is_some_and(|it| it.contains(reason));
    bench.until("it is held", |bench| is_held(&bench.node()));

    let registration = Registration {
        serial: "SN-1".parse().ok(),
        metadata: [("Cost centre".to_owned(), "4711".to_owned())].into(),
        ..Registration::default()
    };
    bench.asked(Command::Register(registration));
    let run = bench.run();
    bench.hello(run);
    assert_eq!(bench.follows(run).configuration.files[0].content, "serial 4711\n");
}

#[test]
fn a_machine_that_only_its_agent_knows_is_held_by_what_it_says_in_hello() {
    let bench = Bench::start(PROFILE);
    let run = bench.run();
    fs::write(
        bench.place.path().join("profiles/os.toml"),
        PROFILE.replace("node.serial", "node.metadata['Cost centre']"),
    )
    .expect("a profile");
    bench.until("the profile is another", |bench| bench.get(ASK).1.contains("Cost centre"));
    let answer = bench.hello(run);
    assert_eq!(answer["answer"], "later", "{answer}");
    assert!(answer["reason"].as_str().is_some_and(|said| said.contains("Cost centre")), "{answer}");
    let is_held = |node: &Value| node["phase"] == "held" && node["reason"] == answer["reason"];
    bench.until("it is held", |bench| is_held(&bench.node()));
}

#[test]
fn nothing_is_given_to_a_run_that_nobody_knows() {
    let bench = Bench::start(PROFILE);
    let (status, said) = bench.get(&paths::configuration(RunId::new([7; 16])));
    assert_eq!((status, said.as_str()), (404, r#"{"next":0}"#));
}

#[test]
fn what_the_toolkit_is_told_stands_beside_the_user_data_of_a_profile() {
    let own = "schema = 1\nimage = \"os.raw\"\n[configure]\ncloud_init = \"emt\"\n[first_boot]\nwithin_minutes = 5\n\
               [cloud_init]\nuser_data = \"os/user-data\"\n";
    let bench = Bench::start(own);
    let run = bench.run();
    bench.hello(run);
    let files = bench.follows(run).configuration.files;
    let content = |name: &str| {
        let path = format!("/etc/cloud/cloud.cfg.d/{name}");
        files.iter().find(|file| file.path == path).map(|file| file.content.as_str())
    };
    assert!(content("99_infra.cfg").is_some_and(|own| own.starts_with("#cloud-config\nhostname: ")), "{files:?}");
    let beside = content("98_oxbow.cfg").expect("what is made is there too");
    assert!(beside.contains("merge_how") && beside.contains(&format!("/r/{run}/home")), "{beside}");
}

const EMT: &str = r#"
schema = 1
image = "os.raw"
[configure]
cloud_init = "emt"
[system]
hostname = "press-{{ node.serial }}"
ntp = ["ntp1.example"]
[system.network]
address = "{{ node.metadata['Address'] }}/24"
gateway = "10.0.0.1"
[system.proxy]
http = "http://proxy.example:911"
[[system.user]]
name = "operator"
password_hash = "$6$saltsalt$1234567890123456789012345678901234567890123"
[[archive]]
volume = "edge_persistent"
path = "/user-apps"
file = "apps.tar"
[layout]
kind = "ab-verity"
[boot_entry]
label = "Edge"
"#;

/// A tar with one file of this content.
fn tar_of(content: &str) -> Vec<u8> {
    let mut made = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_cksum();
    made.append_data(&mut header, "app", content.as_bytes()).expect("added");
    made.into_inner().expect("a tar")
}

#[test]
fn a_machine_of_the_toolkit_gets_its_user_data_its_apps_and_its_layout_where_the_toolkit_has_them() {
    let bench = Bench::start(EMT);
    let archive = tar_of("user apps");
    fs::write(bench.place.path().join("images/apps.tar"), &archive).expect("a file");
    let registration = |address: &str| {
        let metadata = [("Address".to_owned(), address.to_owned())].into();
        Command::Register(Registration { serial: "SN-1".parse().ok(), metadata, ..Registration::default() })
    };
    bench.asked(registration("10.0.0.999"));
    let wrong = "os.toml:10: \"10.0.0.999/24\" is no address with the length of its prefix";
    bench.until("a bad address holds it", |bench| bench.get(ASK).1.contains("is no address with"));
    bench.until("it is held", |bench| bench.node()["reason"].as_str().is_some_and(|said| said.contains(wrong)));

    let edit = Edit { metadata: [("Address".to_owned(), Set::To("10.0.0.7".to_owned()))].into(), ..Edit::default() };
    let node = bench.node()["id"].as_u64().and_then(|id| u32::try_from(id).ok()).map(NodeId).expect("a node");
    bench.asked(Command::Edit { node, edit });
    let run = bench.run();
    bench.hello(run);
    let configuration = bench.follows(run).configuration;
    let placed = |path: &str| {
        let file = configuration.files.iter().find(|file| file.path == path).expect("it is there");
        (format!("{} {:o} {}", file.volume, file.mode, file.owner), file.content.clone())
    };
    let (place, user_data) = placed("/etc/cloud/cloud.cfg.d/99_infra.cfg");
    assert_eq!(place, "rootfs 755 root:root");
    let user_data: Value = serde_json::from_str(user_data.trim_start_matches("#cloud-config\n")).expect("JSON");
    assert_eq!(user_data["hostname"], "press-sn-1");
    assert_eq!(user_data["network"]["ethernets"]["id0"]["addresses"], json!(["10.0.0.7/24"]));
    assert_eq!(user_data["users"][0]["name"], "operator");
    assert!(user_data["merge_how"].is_string() && user_data["runcmd"].is_null(), "{user_data}");
    let identify = "datasource: NoCloud\n".to_owned();
    assert_eq!(placed("/etc/cloud/ds-identify.cfg"), ("rootfs 600 root:root".into(), identify));
    assert!(
        placed("/etc/environment")
            .1
            .ends_with("\nhttp_proxy=http://proxy.example:911\nHTTP_PROXY=http://proxy.example:911\n")
    );
    assert_eq!(configuration.files.len(), 3, "{configuration:?}");

    let apps = &configuration.archives[0];
    assert_eq!((apps.volume.0.as_str(), apps.path.as_str()), ("edge_persistent", "/user-apps"));
    assert_eq!(bench.get(&apps.source), (200, String::from_utf8(archive.clone()).expect("text and noughts")));
    assert_eq!((apps.bytes, apps.sha256), (archive.len() as u64, sha256(&archive)));
    assert!(configuration.layout.is_some() && configuration.boot.is_some_and(|entry| entry.label == "Edge"));
}

#[test]
fn cloud_init_may_have_a_volume_of_its_own() {
    let profile =
        "schema = 1\nimage = \"os.raw\"\n[configure]\ncloud_init = \"cidata\"\n[system.network]\ndhcp = true\n";
    let bench = Bench::start(profile);
    let run = bench.run();
    bench.hello(run);
    let configuration = bench.follows(run).configuration;
    let seed = configuration.seed.expect("a volume");
    let names: Vec<_> = seed.documents.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((names, configuration.files), (vec!["user-data", "meta-data", "network-config"], Vec::new()));
    let network: Value = serde_json::from_str(&seed.documents[2].1).expect("JSON");
    let card = &network["ethernets"]["id0"];
    assert_eq!((&card["match"]["macaddress"], &card["dhcp-identifier"]), (&json!("52:54:00:00:00:01"), &json!("mac")));
}

const FIRST_BOOT: &str = "schema = 1\nimage = \"os.raw\"\n[first_boot]\nwithin_minutes = 20\n";

#[test]
fn a_machine_is_provisioned_once_its_own_system_has_called_also_a_station_that_was_restarted_meanwhile() {
    let bench = Bench::start(FIRST_BOOT);
    let run = bench.run();
    let job = bench.hello(run);
    let follows = bench.follows(run);
    let user_data = &follows.configuration.files[0].content;
    let home = format!("/r/{run}/home");
    assert!(user_data.contains(&format!("{}{home}", bench.base)), "{user_data}");
    assert_eq!(bench.get(&home).0, 409, "its disk is not proven");
    bench.reports(run, 0, &proof(&job, &follows));
    bench.until_phase("first boot");
    let script = |bench: &Bench| bench.get(ASK).1;
    bench.until("it is sent to its own disk", |bench| {
        script(bench).contains("own disk") && !script(bench).contains("/boot/")
    });

    let bench = bench.restarted();
    assert_eq!(bench.node()["phase"], "first boot");
    let (status, said) = bench.post(&home, "hostname=press-07&instance_id=5a&pub_key_ed25519=ssh-ed25519+AAAA");
    assert_eq!((status, said.as_str()), (200, "noted: its own system runs\n"));
    bench.until_phase("provisioned");
    assert_eq!(bench.get(&format!("{home}?hostname=press-07")), (200, "already noted: its own system runs\n".into()));
    assert_eq!(bench.post(&home, &"hostname=".repeat(100_000)).0, 200, "what is too long is not read to its end");
    let unknown = format!("/r/{}/home", RunId::new([7; 16]));
    assert_eq!(bench.get(&unknown).0, 404);
    let log: Vec<_> = bench.bench.borrow().nodes.values().flat_map(|node| node.log.lines().cloned()).collect();
    let says = |words: &str| log.iter().any(|line| line.text.contains(words));
    assert!(says("its own system: host name press-07") && says("SSH host key (ed25519) ssh-ed25519 AAAA"), "{log:?}");
}

#[test]
fn what_cloud_init_writes_in_the_first_boot_is_in_the_log_of_its_node_once_also_of_a_station_that_was_restarted() {
    let bench = Bench::start(FIRST_BOOT);
    let run = bench.run();
    let job = bench.hello(run);
    let follows = bench.follows(run);
    let output = |first: u32| format!("/r/{run}/home/output?first={first}");
    assert_eq!(bench.post(&output(0), "early").0, 409, "its disk is not proven");
    bench.reports(run, 0, &proof(&job, &follows));
    bench.until_phase("first boot");
    let wrote =
        "Cloud-init v. 22.4.2 running 'init'\n\u{1b}[2J2026 station info provisioned\nx - util.py[WARNING]: it failed";
    assert_eq!(bench.post(&output(0), wrote), (200, "3\n".into()));

    let bench = bench.restarted();
    assert_eq!(bench.post(&output(0), &format!("{wrote}\nthe last")), (200, "4\n".into()), "it knows the first three");
    assert_eq!(bench.node()["phase"], "first boot", "what it writes proves nothing");
    assert_eq!(bench.post(&output(4), &"x".repeat(1_000_000)), (200, "5\n".into()), "a line is not read to its end");
    for (path, status) in [
        (format!("/r/{run}/home/output"), 400),
        (format!("/r/{run}/home/output?first=-1"), 400),
        (format!("/r/{}/home/output?first=0", RunId::new([7; 16])), 404),
    ] {
        assert_eq!(bench.post(&path, "words").0, status, "{path}");
    }
    let log: Vec<_> = bench.bench.borrow().nodes.values().flat_map(|node| node.log.lines().cloned()).collect();
    let of_it: Vec<_> = log.iter().filter(|line| line.source.word() == "cloud-init").collect();
    let count = |words: &str| of_it.iter().filter(|line| line.text.contains(words)).count();
    assert!(count("the last") == 1 && count("early") == 0, "{of_it:#?}");
    assert!(of_it.iter().all(|line| line.text.len() < 1300 && !line.text.contains('\u{1b}')), "{of_it:#?}");
}

#[test]
fn a_station_that_has_lost_what_it_gave_works_it_out_again_when_the_files_are_shown() {
    let bench = Bench::start(PROFILE);
    let run = bench.run();
    let job = bench.hello(run);
    let follows = bench.follows(run);
    let Bench { place, stop, store, runtime, inbox, bench, .. } = bench;
    stop.cancel();
    drop((inbox, bench));
    runtime.shutdown_timeout(Duration::from_secs(5));
    store.join().expect("the store closes");
    fs::remove_file(place.path().join("oxbow.db")).expect("its memory");
    let bench = Bench::start_in(place);
    bench.until("the image is ready", |bench| bench.hello(run)["answer"] == "job");
    bench.reports(run, 0, &proof(&job, &follows));
    bench.until_phase("provisioned");
}
