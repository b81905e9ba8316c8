//! The station's HTTP side as machines and agents meet it: real sockets, real store, real hub; only DHCP is not there.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use oxbow::domain::fleet::Fleet;
use oxbow::domain::ids::RunId;
use oxbow::domain::profile::image::ImageState;
use oxbow::domain::snapshot::Snapshot;
use oxbow::domain::station::Station;
use oxbow::domain::station::service::ServiceState;
use oxbow::hub::Hub;
use oxbow::inbox::inbox;
use oxbow::protocol::paths;
use oxbow::service::{ServiceContext, http, images};
use oxbow::{logs, store};

const ASK: &str = "/boot.ipxe?mac=52-54-00-00-00-01&serial=SN-1&platform=efi";
const IMAGE: &[u8] = b"an operating system, or so it says";

/// The parts of a station that HTTP needs, on a free port of the loopback interface.
struct Bench {
    place: TempDir,
    base: String,
    bench: watch::Receiver<Arc<Snapshot>>,
    stop: CancellationToken,
    threads: Vec<std::thread::JoinHandle<()>>,
    _runtime: Runtime,
}

impl Bench {
    fn start() -> Self {
        Self::start_with(IMAGE)
    }

    fn start_with(image: &[u8]) -> Self {
        let place = TempDir::new().expect("a directory");
        for directory in ["profiles", "images", "boot"] {
            std::fs::create_dir(place.path().join(directory)).expect("a directory");
        }
        std::fs::write(place.path().join("images/os.raw"), image).expect("a file");
        std::fs::write(place.path().join("profiles/os.toml"), "schema = 1\nimage = \"os.raw\"\n").expect("a file");
        std::fs::write(place.path().join("boot/vmlinuz"), b"kernel").expect("a file");
        Self::start_in(place)
    }

    fn start_in(place: TempDir) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|any| any.local_addr()).expect("a free port");
        let base = format!("http://{port}");
        let (store, mut memory, thread) = store::open(&place.path().join("oxbow.db")).expect("a store");
        let runtime = Runtime::new().expect("a runtime");
        let (inbox, outlet) = inbox();
        let station = Station { base_url: base.clone(), ..Station::default() };
        let logs = place.path().join("log");
        logs::nodes::recall(&logs, &mut memory.nodes);
        let (node_logs, log_thread) =
            logs::nodes::start(&logs, logs::nodes::LogBounds::default(), &memory.nodes, inbox.clone()).expect("logs");
        let (hub, bench) = Hub::new(Fleet::restore(memory.nodes), station, store, Box::new(node_logs));
        let stop = CancellationToken::new();
        let context = ServiceContext { inbox, bench: bench.clone(), stop: stop.clone() };
        runtime.spawn(hub.run(outlet, stop.clone()));
        let config = http::HttpConfig {
            listen: port,
            boot_files: place.path().join("boot"),
            images: place.path().join("blobs"),
            tls: None,
            token: http::Token::open(&place.path().join("api-token")).ok(),
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
        let bench = Self { place, base, bench, stop, threads: vec![thread, log_thread], _runtime: runtime };
        bench.until("it serves", |bench| bench.get("/healthz").0 == 200);
        bench.until("the image is ready", |bench| {
            let images = &bench.bench.borrow().catalogue.images;
            images.values().any(|state| matches!(state, ImageState::Ready(_)))
        });
        bench
    }

    /// Ends everything in order and starts again on the same data.
    fn restart(mut self) -> Self {
        self.stop.cancel();
        let Self { place, threads, _runtime: runtime, bench, .. } = self.taken();
        drop(bench);
        runtime.shutdown_timeout(Duration::from_secs(5));
        threads.into_iter().for_each(|thread| thread.join().expect("the store closes"));
        Self::start_in(place)
    }

    fn taken(&mut self) -> Self {
        let empty = Self {
            place: TempDir::new().expect("a directory"),
            base: String::new(),
            bench: self.bench.clone(),
            stop: CancellationToken::new(),
            threads: Vec::new(),
            _runtime: Runtime::new().expect("a runtime"),
        };
        std::mem::replace(self, empty)
    }

    fn until(&self, what: &str, there: impl Fn(&Self) -> bool) {
        for _ in 0..200 {
            if there(self) {
                return;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("not within 5 s: {what}");
    }

    /// Snapshots are at most 50 ms behind what was acknowledged.
    fn until_phase(&self, phase: &str) {
        self.until(phase, |bench| bench.node()["phase"] == phase);
    }

    fn get(&self, path: &str) -> (u16, String) {
        let (status, _, body) = self.get_with(path, &[]);
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> (u16, Vec<(String, String)>, Vec<u8>) {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let request = headers
            .iter()
            .fold(agent.get(format!("{}{path}", self.base)), |request, (name, value)| request.header(*name, *value));
        let Ok(mut response) = request.call() else { return (0, Vec::new(), Vec::new()) };
        let known = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or("").to_owned()))
            .collect();
        let mut body = Vec::new();
        response.body_mut().as_reader().read_to_end(&mut body).expect("a body");
        (response.status().as_u16(), known, body)
    }

    fn head(&self, path: &str) -> u16 {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        agent.head(format!("{}{path}", self.base)).call().expect("an answer").status().as_u16()
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut response = agent.post(format!("{}{path}", self.base)).send(body.to_string()).expect("an answer");
        let text = response.body_mut().read_to_string().expect("text");
        (response.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    fn node(&self) -> Value {
        let nodes: Value = serde_json::from_str(&self.get("/api/v1/nodes").1).expect("JSON");
        assert_eq!(nodes.as_array().map(Vec::len), Some(1), "{nodes}");
        nodes[0].clone()
    }

    /// The run of a script that installs.
    fn run(&self) -> RunId {
        let script = self.get(ASK).1;
        let at = script.find("oxbow.run=").expect("an installing script") + 10;
        script[at..at + 32].parse().expect("a run")
    }

    fn hello(&self, run: RunId) -> Value {
        let claims = json!({"macs": ["52:54:00:00:00:01"], "serial": "SN-1"});
        let (status, answer) =
            self.post(&paths::hello(run), &json!({"version": 1, "agent": "test", "claims": claims, "disks": []}));
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

fn reports(first: u32, reports: &[Value]) -> Value {
    json!({"version": 1, "first": first, "reports": reports})
}

fn proof(answer: &Value) -> Vec<Value> {
    vec![
        json!({"kind": "started", "step": "write"}),
        json!({"kind": "started", "step": "verify"}),
        json!({"kind": "read_back", "bytes": answer["disk_bytes"], "sha256": answer["disk_sha256"]}),
        json!({"kind": "complete"}),
    ]
}

#[test]
fn a_machine_is_asked_who_it_is_then_given_its_script_then_its_job() {
    let bench = Bench::start();
    assert!(bench.get("/boot.ipxe").1.contains("mac=${netX/mac:hexhyp}"));
    let run = bench.run();
    bench.until("the node is known", |bench| bench.get("/api/v1/nodes").1.contains("SN-1"));
    let answer = bench.hello(run);
    assert_eq!(
        (answer["answer"].as_str(), answer["bytes"].as_u64()),
        (Some("job"), Some(IMAGE.len() as u64)),
        "{answer}"
    );
    let (_, headers, body) = bench.get_with(answer["image"].as_str().expect("a path"), &[]);
    assert_eq!(body, IMAGE);
    assert!(headers.contains(&("content-length".into(), IMAGE.len().to_string())), "{headers:?}");
}

#[test]
fn images_are_served_in_parts() {
    let bench = Bench::start();
    let path = bench.hello(bench.run())["image"].as_str().expect("a path").to_owned();
    let (status, headers, body) = bench.get_with(&path, &[("range", "bytes=3-12")]);
    assert_eq!((status, body.as_slice()), (206, &IMAGE[3..13]));
    assert!(headers.contains(&("content-range".into(), format!("bytes 3-12/{}", IMAGE.len()))), "{headers:?}");
    assert_eq!(bench.get_with(&path, &[("range", "bytes=9999-")]).0, 416);
    let tag = headers.iter().find(|(name, _)| name == "etag").expect("a tag").1.clone();
    assert_eq!(bench.get_with(&path, &[("if-none-match", &tag)]).0, 304);
    assert_eq!(bench.get_with(&path, &[("range", "bytes=3-12"), ("if-range", "\"another\"")]).0, 200);
}

/// One that is sent by the kernel, from its file (`sendfile`), between answers that are not.
#[test]
fn a_large_image_arrives_whole_and_in_parts_on_one_connection() {
    let image: Vec<u8> = (0..7_000_001_u32).map(|at| (at % 251) as u8 ^ (at >> 16) as u8).collect();
    let bench = Bench::start_with(&image);
    let path = bench.hello(bench.run())["image"].as_str().expect("a path").to_owned();
    let mut stream = std::net::TcpStream::connect(bench.base.trim_start_matches("http://")).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    let mut ask = |method: &str, path: &str, range: &str| {
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: x\r\nRange: {range}\r\n\r\n").expect("sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("the connection stays open");
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("text");
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
        let mut body = vec![0; if method == "HEAD" { 0 } else { length.parse().expect("a number") }];
        // A slow reader at first: the connection fills up.
        std::thread::sleep(Duration::from_millis(50));
        stream.read_exact(&mut body).expect("the whole body");
        body
    };
    assert!(ask("GET", &path, "") == image);
    assert!(ask("HEAD", &path, "").is_empty());
    assert!(ask("GET", &path, "bytes=3000001-") == image[3_000_001..]);
    assert_eq!(ask("GET", "/boot/vmlinuz", ""), b"kernel");
    assert!(ask("GET", &path, "bytes=100-20099") == image[100..20_100]);
    assert_eq!(ask("GET", &path, "bytes=-5"), image[image.len() - 5..]);

    let mut cut = std::net::TcpStream::connect(bench.base.trim_start_matches("http://")).expect("a connection");
    write!(cut, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
    cut.read_exact(&mut [0; 100_000]).expect("some of it");
    drop(cut);
    assert!(bench.get_with(&path, &[]).2 == image, "who breaks off disturbs nobody");
}

#[test]
fn what_is_not_there_is_said_in_a_sentence() {
    let bench = Bench::start();
    for (path, words) in [
        ("/boot/nothing", "no boot file \"nothing\""),
        ("/boot/..%2foxbow.db", "no boot file"),
        ("/nowhere", "nothing is served at /nowhere"),
        (&format!("/images/{}/os.raw", "0".repeat(64)), "an image with this digest"),
    ] {
        let (status, said) = bench.get(path);
        assert!(status == 404 && said.contains(words), "{path}: {status} {said}");
    }
    assert_eq!(bench.get("/boot/vmlinuz"), (200, "kernel".into()));
}

/// The bytes of OVMF (edk2-stable202211) as they came over the wire, on its one connection; then iPXE's way on.
#[test]
fn what_uefi_http_boot_sends_is_answered_on_one_connection() {
    let bench = Bench::start();
    let host = bench.base.trim_start_matches("http://");
    let mut stream = std::net::TcpStream::connect(host).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a limit");
    let mut ask = |head: &str, path: &str| {
        let request =
            format!("{head} {path} HTTP/1.1\r\nHost: 10.77.0.1\r\nAccept: */*\r\nUser-Agent: UefiHttpBoot/1.0\r\n\r\n");
        std::io::Write::write_all(&mut stream, request.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("the connection stays open");
            answer.push(byte[0]);
        }
        let lines = String::from_utf8(answer).expect("text").to_ascii_lowercase();
        let length = lines.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
        let length: usize = length.parse().expect("a number");
        let mut body = vec![0; if head == "HEAD" { 0 } else { length }];
        stream.read_exact(&mut body).expect("the whole body");
        (lines, length, String::from_utf8(body).expect("text"))
    };
    for path in ["/boot/vmlinuz", "/boot//vmlinuz", "//boot/vmlinuz"] {
        let (head, length, _) = ask("HEAD", path);
        assert!(head.starts_with("http/1.1 200 ") && length == "kernel".len(), "{path}: {head}");
        assert_eq!(ask("GET", path).2, "kernel", "{path}");
    }
    for path in ["/boot/autoexec.ipxe", "/autoexec.ipxe", "/boot/x64//AUTOEXEC.IPXE"] {
        let (head, length, script) = ask("GET", path);
        assert!(head.starts_with("http/1.1 200 ") && length == script.len(), "{path}: {head}");
        assert_eq!(script, ask("GET", "/boot.ipxe").2, "{path}");
    }
    let (head, _, said) = ask("GET", "/boot/nothing.efi");
    assert!(head.starts_with("http/1.1 404 ") && said.contains("nothing.efi"), "{head}{said}");
    assert_eq!(ask("GET", "/boot/vmlinuz").2, "kernel", "a refusal does not end the connection");
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart_and_counts_once() {
    let bench = Bench::start();
    let run = bench.run();
    let answer = bench.hello(run);
    let said = proof(&answer);
    assert_eq!(bench.post(&paths::reports(run), &reports(0, &said[..2])), (200, json!({"next": 2})));
    let lines = json!({"version": 1, "first": 0, "lines": [["info", "hello \u{1b}[31m"]]});
    assert_eq!(bench.post(&paths::log(run), &lines), (200, json!({"next": 1})));

    let bench = bench.restart();
    bench.until_phase("verifying");
    let tail: Vec<String> = bench
        .bench
        .borrow()
        .nodes
        .values()
        .flat_map(|node| node.log.lines().map(|line| line.text.to_string()))
        .collect();
    assert!(tail.contains(&"hello ·[31m".to_owned()), "{tail:?}");
    let more = json!({"version": 1, "first": 0, "lines": [["info", "hello \u{1b}[31m"], ["info", "more"]]});
    assert_eq!(bench.post(&paths::log(run), &more), (200, json!({"next": 2})), "the answer was lost: sent again");
    let log = std::fs::read_to_string(bench.place.path().join("log/node-00001.log")).expect("its log");
    let counts = ["hello ·[31m", "more"].map(|words| log.lines().filter(|line| line.ends_with(words)).count());
    assert_eq!(counts, [1, 1], "{log}");
    assert_eq!(bench.post(&paths::reports(run), &reports(0, &said)), (200, json!({"next": 4})));
    bench.until_phase("provisioned");
    assert_eq!(bench.post(&paths::reports(run), &reports(0, &said)), (200, json!({"next": 4})), "sent again");

    let bench = bench.restart();
    bench.until_phase("provisioned");
    assert!(bench.get(ASK).1.contains("sanboot"), "it goes to its own disk");
}

#[test]
fn a_disk_that_holds_something_else_fails_with_the_reason() {
    let bench = Bench::start();
    let run = bench.run();
    let answer = bench.hello(run);
    let mut said = proof(&answer);
    said[2]["sha256"] = "f".repeat(64).into();
    bench.post(&paths::reports(run), &reports(0, &said));
    bench.until_phase("failed");
    let node = bench.node();
    assert_eq!((node["phase"].as_str(), node["stage"].as_str()), (Some("failed"), Some("verifying")), "{node}");
    assert!(node["reason"].as_str().is_some_and(|reason| reason.contains("ffffffff")), "{node}");
    assert_eq!(bench.get(&paths::word(run)).1, "{\"word\":\"wait\"}");
}

#[test]
fn nonsense_is_answered_and_changes_nothing() {
    let bench = Bench::start();
    let run = bench.run();
    for (path, body, status) in [
        (paths::hello(run), json!("hello"), 400),
        (paths::reports(run), json!({"version": 9, "first": 0, "reports": [{"kind": "started", "step": 7}]}), 400),
        (paths::reports("0".repeat(32).parse().expect("a run")), reports(0, &[json!({"kind": "complete"})]), 404),
        ("/agent/v1/runs/zz/hello".into(), json!({}), 404),
    ] {
        let (said, answer) = bench.post(&path, &body);
        assert_eq!(said, status, "{path}: {answer}");
    }
    let newer = json!({"kind": "levitated", "metres": 3});
    bench.hello(run);
    assert_eq!(
        bench.post(&paths::reports(run), &reports(0, &[newer])),
        (200, json!({"next": 1})),
        "a newer agent is heard"
    );
}

#[test]
fn a_run_that_the_station_has_lost_is_told_so_that_the_agent_says_hello_again() {
    let bench = Bench::start();
    let lost: RunId = "7".repeat(32).parse().expect("a run");
    let lines = json!({"version": 1, "first": 3, "lines": [["info", "still here"]]});
    for (path, body) in [(paths::reports(lost), reports(2, &[json!({"kind": "complete"})])), (paths::log(lost), lines)]
    {
        assert_eq!(bench.post(&path, &body), (404, json!({"next": 0})), "{path}");
    }
    assert_eq!(bench.get(&paths::word(lost)), (404, "{\"next\":0}".into()));
    assert_eq!(bench.hello(lost)["answer"], "job", "it is taken up");
}

#[test]
fn who_reports_without_a_job_is_not_heeded_and_is_told_to_say_hello() {
    let bench = Bench::start();
    let run = bench.run();
    bench.until("it is known", |bench| bench.get("/api/v1/nodes").1.contains("\"phase\":\"script\""));
    let writing = || reports(0, &[json!({"kind": "started", "step": "write"})]);
    assert_eq!(bench.post(&paths::reports(run), &writing()), (404, json!({"next": 0})));
    let done = reports(0, &[json!({"kind": "said_done"})]);
    assert_eq!(bench.post(&paths::reports(run), &done).0, 409, "that is an installer's word");
    assert_eq!(bench.node()["phase"], "script");
    bench.hello(run);
    assert_eq!(bench.post(&paths::reports(run), &writing()), (200, json!({"next": 1})));
    bench.until_phase("writing");
}

#[test]
fn a_second_life_of_an_agent_in_the_same_run_hears_how_far_its_log_is() {
    let bench = Bench::start();
    let run = bench.run();
    bench.hello(run);
    let lines = |texts: &[&str]| {
        let lines: Vec<_> = texts.iter().map(|text| json!(["info", text])).collect();
        json!({"version": 1, "first": 0, "lines": lines})
    };
    assert_eq!(bench.post(&paths::log(run), &lines(&["a", "b", "c"])), (200, json!({"next": 3})));
    assert_eq!(bench.post(&paths::log(run), &lines(&["anew"])), (200, json!({"next": 3})));
}

#[test]
fn what_a_machine_says_of_itself_is_bounded_and_fit_for_a_terminal() {
    let bench = Bench::start();
    let run = bench.run();
    let disk = json!({"path": "/dev/sda\u{1b}[2J", "transport": "sata", "bytes": 1, "model": "x".repeat(5000),
        "serial": "a\nb", "removable": false, "read_only": false, "health": "\u{9b}2J"});
    let nic = json!({"name": "eth0\r\u{202e}", "mac": "52:54:00:00:00:01", "driver": "x".repeat(5000)});
    let parts =
        json!({"cpu": "a\u{1b}[31mb", "bios_version": "\u{200b}".repeat(300), "tpm": "\n", "nics": vec![nic; 40]});
    let claims = json!({"macs": ["52:54:00:00:00:01"], "serial": "SN-1"});
    let disks = vec![disk; 150];
    let hello = json!({"version": 1, "agent": "x", "claims": claims, "disks": disks, "inventory": parts});
    bench.post(&paths::hello(run), &hello);
    bench.until("the disks are known", |bench| bench.bench.borrow().nodes.values().any(|node| !node.disks.is_empty()));
    let disks = bench.bench.borrow().nodes.values().flat_map(|node| node.disks.clone()).collect::<Vec<_>>();
    assert_eq!((disks.len(), disks[0].path.as_str(), disks[0].serial.as_str()), (64, "/dev/sda·[2J", "a b"));
    assert!(disks[0].model.len() < 110 && disks[0].health == "·2J");
    let parts = bench.bench.borrow().nodes.values().find_map(|node| node.inventory.clone()).expect("an inventory");
    assert_eq!((parts.cpu.as_deref(), parts.tpm, parts.nics.len()), (Some("a·[31mb"), None, 32));
    let long = [parts.bios_version.as_ref(), parts.nics[0].driver.as_ref()].into_iter().flatten();
    assert!(long.clone().count() == 2 && long.map(|text| text.chars().count()).all(|letters| letters == 101));
    assert_eq!(parts.nics[0].name, "eth0 ·");
}

#[test]
fn a_flood_of_messages_does_not_hold_the_station_up() {
    let bench = Bench::start();
    let run = bench.run();
    bench.hello(run);
    let began = std::time::Instant::now();
    let flood = vec![json!({"kind": "new"}); 40_000];
    assert_eq!(bench.post(&paths::reports(run), &reports(0, &flood)), (200, json!({"next": 256})));
    let lines = json!({"version": 1, "first": 0, "lines": vec![json!(["info", ""]); 60_000]});
    assert_eq!(bench.post(&paths::log(run), &lines), (200, json!({"next": 256})));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[test]
fn an_agent_that_says_too_much_is_told_what_is_left_out_and_its_log_says_it_too() {
    let bench = Bench::start();
    let run = bench.run();
    bench.hello(run);
    let said =
        |first: u64, lines: usize| json!({"version": 1, "first": first, "lines": vec![["info", "again"]; lines]});
    let (mut next, mut left_out) = (0, 0);
    while left_out == 0 {
        let (status, answer) = bench.post(&paths::log(run), &said(next, 256));
        assert_eq!((status, answer["next"].as_u64()), (200, Some(next + 256)), "nothing is to be sent again");
        next += 256;
        left_out = answer["left_out"].as_u64().unwrap_or(0);
    }
    let log = || std::fs::read_to_string(bench.place.path().join("log/node-00001.log")).expect("its log");
    let kept = |log: &str| log.lines().filter(|line| line.ends_with(" info again")).count() as u64;
    assert_eq!(kept(&log()), next - left_out, "what was not left out is in the file by now");
    loop {
        let (_, answer) = bench.post(&paths::log(run), &said(next, 1));
        next += 1;
        match answer["left_out"].as_u64() {
            Some(more) => left_out += more,
            None => break,
        }
    }
    let missing = format!("{left_out} lines of its agent were left out: it sent more than 500 a second");
    assert!(log().contains(&missing), "{missing}");
    assert_eq!(kept(&log()), next - left_out);
}

#[test]
fn whatever_bytes_come_to_its_port_it_goes_on_serving() {
    let bench = Bench::start();
    let run = bench.run();
    let wordings = [
        format!("GET {ASK} HTTP/1.1\r\nHost: a\r\n\r\n"),
        "GET /images/00/x HTTP/1.1\r\nHost: a\r\nRange: bytes=0-9\r\n\r\n".to_owned(),
        "HEAD /boot/vmlinuz HTTP/1.0\r\nIf-Range: \"x\"\r\nRange: bytes=-1\r\n\r\n".to_owned(),
        format!("POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n{{\"version\":1}}", paths::hello(run)),
        format!(
            "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            paths::log(run)
        ),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0".to_owned(),
    ];
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % 1_000_003).expect("small") % below
    };
    let port = bench.base.trim_start_matches("http://").to_owned();
    for _ in 0..400 {
        let mut bytes = wordings[next(wordings.len())].clone().into_bytes();
        for _ in 0..next(6) {
            let at = next(bytes.len());
            match next(3) {
                0 => bytes[at] = u8::try_from(next(256)).expect("a byte"),
                1 => drop(bytes.drain(at..(at + next(20)).min(bytes.len()))),
                _ => drop(bytes.splice(at..at, std::iter::repeat_n(b'a', next(3000)))),
            }
            if bytes.is_empty() {
                bytes.push(0);
            }
        }
        let mut stream = std::net::TcpStream::connect(&port).expect("it listens");
        // It may close its side as soon as it has read enough.
        let _refused = stream.write_all(&bytes).and_then(|()| stream.shutdown(std::net::Shutdown::Write));
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{}", bytes.escape_ascii()),
        }
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{}", answer.escape_ascii());
    }
    assert_eq!(bench.get("/healthz").0, 200);
    assert_eq!(bench.hello(run)["answer"], "job");
}

#[test]
fn a_script_that_is_asked_for_in_a_circle_leaves_one_run_behind_also_in_the_store() {
    let bench = Bench::start();
    let runs: Vec<RunId> = (0..5).map(|_| bench.run()).collect();
    bench.hello(runs[4]);
    let bench = bench.restart();
    assert_eq!(bench.node()["runs"], 1);
}

#[test]
fn a_store_that_cannot_be_written_holds_no_machine_up_and_acknowledges_nothing() {
    let bench = Bench::start();
    let run = bench.run();
    bench.until("the script is stored", |bench| bench.get("/api/v1/nodes").1.contains("\"script\""));
    let somebody = rusqlite::Connection::open(bench.place.path().join("oxbow.db")).expect("the store");
    somebody.execute_batch("BEGIN EXCLUSIVE").expect("a lock");
    let answer = bench.hello(run);
    assert_eq!(answer["answer"], "job", "it may begin");
    let said = proof(&answer);
    assert_eq!(bench.post(&paths::reports(run), &reports(0, &said)).0, 503, "it is not stored");
    assert_eq!(bench.post(&paths::reports(run), &reports(0, &said)).0, 503, "it still is not");
    bench.until("the screen says so", |bench| {
        let services = &bench.bench.borrow().services;
        services.iter().any(
            |service| matches!(&service.state, ServiceState::Down { what, .. } if what.contains("cannot be written")),
        )
    });

    somebody.execute_batch("ROLLBACK").expect("the lock is given back");
    assert_eq!(bench.post(&paths::reports(run), &reports(0, &said)), (200, json!({"next": 4})));
    let bench = bench.restart();
    bench.until_phase("provisioned");
}

#[test]
fn a_missing_image_makes_machines_wait_with_the_reason_and_comes_back_by_itself() {
    let bench = Bench::start();
    let image = bench.place.path().join("images/os.raw");
    std::fs::remove_file(&image).expect("it was there");
    bench.until("the script says so", |bench| bench.get(ASK).1.contains("there is no image os.raw"));
    bench.until_phase("held");
    write_whole(&image, IMAGE);
    bench.until("the script installs", |bench| bench.get(ASK).1.contains("kernel "));
}

#[test]
fn quirks_are_taken_over_while_the_station_runs_and_a_broken_register_changes_nothing() {
    let bench = Bench::start();
    let quirks = bench.place.path().join("quirks.toml");
    // It is looked at every two seconds.
    let until = |what: &str, there: &dyn Fn() -> bool| {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !there() {
            assert!(Instant::now() < deadline, "not within 30 s: {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let run = bench.run();
    let answer = bench.hello(run);
    bench.post(&paths::reports(run), &reports(0, &proof(&answer)));
    bench.until_phase("provisioned");
    assert!(bench.get(ASK).1.contains("sanboot"));

    let row = "[[quirk]]\noui = \"52:54:00\"\npace = 20000\nlocal_boot = \"not-found\"\n";
    write_whole(&quirks, row.as_bytes());
    until("it gets no script", &|| bench.get(ASK).0 == 404);
    std::fs::write(bench.place.path().join("boot/slow.img"), [7; 20_000]).expect("a file");
    let begun = Instant::now();
    assert_eq!(bench.get_with("/boot/slow.img", &[]).2.len(), 20_000);
    assert!(begun.elapsed() > Duration::from_millis(900), "{:?}", begun.elapsed());

    write_whole(&quirks, format!("{row}\n[[quirk]]\nfirmware = \"uefi\"\npace = 20000\n").as_bytes());
    let complaints = || {
        let wrong = &bench.bench.borrow().catalogue.diagnostics;
        wrong.iter().map(|found| (found.place_and_what(), found.hint.clone())).collect::<Vec<_>>()
    };
    until("it is told of", &|| complaints().iter().any(|(what, _)| what.starts_with("quirks.toml:7: unknown variant")));
    assert_eq!(bench.get(ASK).0, 404, "the last good one is in force");

    write_whole(&quirks, format!("{row}program = \"none.efi\"\n").as_bytes());
    let names =
        |(what, hint): &(String, String)| what.contains(":5: names the program none.efi") && hint.contains("copy");
    until("a program is not there", &|| complaints().iter().any(names));
    std::fs::remove_file(&quirks).expect("it was there");
    until("all is as usual", &|| bench.get(ASK).1.contains("sanboot"));
}

fn write_whole(file: &Path, content: &[u8]) {
    let beside = file.with_extension("new");
    std::fs::write(&beside, content).and_then(|()| std::fs::rename(&beside, file)).expect("written");
}

#[test]
fn shim_and_grub_find_what_they_look_for() {
    let bench = Bench::start();
    for (name, content) in [("shimx64.efi", "shim"), ("grubx64.efi", "grub"), ("mmx64.efi", "keys")] {
        std::fs::write(bench.place.path().join("boot").join(name), content).expect("a file");
    }
    let spoilt = "/boot/%EF%BF%BDOnboard";
    assert_eq!(bench.get(spoilt).0, 404, "no shim was fetched yet");
    assert_eq!(bench.get("/boot/shimx64.efi"), (200, "shim".into()));
    for optional in ["/boot/revocations_sku.efi", "/boot/shim_certificate_0.efi", "/grub/x86_64-efi/fs.lst"] {
        assert_eq!(bench.get(optional).0, 404, "{optional}");
    }
    assert_eq!(bench.get(spoilt), (200, "grub".into()), "shim verifies what it gets");
    assert_eq!(bench.get(spoilt).0, 404, "it has its second stage");
    for path in ["/boot//grubx64.efi", "/grubx64.efi", "//GRUBX64.EFI"] {
        assert_eq!(bench.get(path), (200, "grub".into()), "{path}");
    }
    assert_eq!(bench.get("/mmx64.efi"), (200, "keys".into()));
    let device = format!("(http,{})", bench.base.trim_start_matches("http://"));
    for path in ["/grub/x86_64-efi/grub.cfg", "/boot/grub/grub.cfg", "/boot.grub"] {
        let (status, config) = bench.get(path);
        assert!(status == 200 && config.contains(&format!("set station='{device}'")), "{path}: {config}");
    }
}

#[test]
fn grub_is_given_the_job_that_ipxe_would_be_given() {
    let bench = Bench::start();
    let ask = "/boot.grub?mac=52:54:00:00:00:01&serial=SN-1&platform=efi&arch=x86_64";
    assert_eq!(bench.head(ask), 200);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(bench.get("/api/v1/nodes").1.trim(), "[]", "who only asks for its length begins no run");

    let (status, config) = bench.get(ask);
    assert!(status == 200 && config.contains("if linux \"$station/boot/vmlinuz\" 'oxbow.station=http://"), "{config}");
    let at = config.find("oxbow.run=").expect("a run") + 10;
    let run: RunId = config[at..at + 32].parse().expect("a run");
    let job = bench.hello(run);
    assert_eq!(job["answer"], "job", "{job}");
    bench.post(&paths::reports(run), &reports(0, &proof(&job)));
    bench.until("it is provisioned", |bench| bench.node()["phase"] == "provisioned");
    assert!(bench.get(ask).1.contains("chainloader"), "then it starts from its disk");
}

#[test]
fn an_arm_machine_is_told_that_there_is_no_install_system_for_it() {
    let bench = Bench::start();
    let script = bench.get("/boot.ipxe?mac=52-54-00-00-00-01&serial=SN-1&platform=efi&arch=arm64").1;
    let reason = "its processor is arm64, but oxbow installs only x86-64 machines";
    assert!(script.contains(&format!("echo oxbow: {reason}")), "{script}");
    bench.until("the node shows it", |bench| bench.get("/api/v1/nodes").1.contains(reason));
    assert_eq!(bench.node()["phase"], "held");
}

/// GRUB starts a kernel without closing its connections, and takes the same ports again after a restart.
#[test]
fn a_connection_that_grub_left_behind_is_forgotten_early() {
    let bench = Bench::start();
    let mut stream = std::net::TcpStream::connect(bench.base.trim_start_matches("http://")).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
    let ask = "GET /boot/vmlinuz HTTP/1.1\r\nHost: 10.77.0.1\r\nUser-Agent: GRUB 2.12-9+deb13u2\r\n\r\n";
    std::io::Write::write_all(&mut stream, ask.as_bytes()).expect("sent");
    let (mut answer, began) = (Vec::new(), std::time::Instant::now());
    let end = stream.read_to_end(&mut answer);
    assert!(end.is_err_and(|err| err.kind() == std::io::ErrorKind::ConnectionReset), "it is not closed but forgotten");
    assert!((4..25).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    let answer = String::from_utf8(answer).expect("text");
    assert!(answer.contains("\r\nContent-Length: 6\r\n") && answer.ends_with("kernel"), "{answer}");
}

/// The status of a GET from another address than the station's, which `127.0.0.2` is.
fn from_elsewhere(bench: &Bench, path: &str, header: &str) -> String {
    asked_from_elsewhere(bench, "GET", path, header)
}

fn asked_from_elsewhere(bench: &Bench, method: &str, path: &str, header: &str) -> String {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 2], 0)).into()).expect("an address of the loopback interface");
    let station: std::net::SocketAddr = bench.base.trim_start_matches("http://").parse().expect("an address");
    socket.connect(&station.into()).expect("it listens");
    let mut stream = std::net::TcpStream::from(socket);
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: x\r\n{header}Connection: close\r\n\r\n").expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn who_does_not_sit_at_the_workstation_reads_the_bench_with_the_stations_token_alone() {
    let bench = Bench::start();
    let token = std::fs::read_to_string(bench.place.path().join("api-token")).expect("it was made");
    let shown = format!("Authorization: Bearer {}\r\n", token.trim());
    for path in ["/api/v1/nodes", "/api/v1/batch", "/api/v1/events", "/metrics"] {
        assert_eq!(bench.get(path).0, 200, "{path} at the workstation");
        assert!(from_elsewhere(&bench, path, &shown).starts_with("HTTP/1.1 200 "), "{path} with the token");
        for without in ["", "Authorization: Bearer 0123456789abcdef\r\n"] {
            let answer = from_elsewhere(&bench, path, without);
            assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("the station's token"), "{path}: {answer}");
        }
    }
    assert!(from_elsewhere(&bench, "/healthz", "").starts_with("HTTP/1.1 200 "), "it runs, whoever asks");
    assert_eq!(bench.post("/api/v1/nodes", &json!({})).0, 404, "nothing is changed there");

    // Many who only watch whether a program is there ask for no more than the head of a page.
    for (path, shown, status) in [("/healthz", "", 200), ("/metrics", shown.as_str(), 200), ("/metrics", "", 401)] {
        let answer = asked_from_elsewhere(&bench, "HEAD", path, shown);
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")) && body.is_empty(), "{path}: {answer}");
    }
}

#[test]
fn machines_read_nodes_events_and_figures_in_our_words_and_the_edge_infrastructure_managers() {
    let bench = Bench::start();
    let run = bench.run();
    let answer = bench.hello(run);
    let begun = json!({"kind": "started", "step": "write", "detail": "/dev/sda"});
    bench.post(&paths::reports(run), &reports(0, &[begun]));
    bench.until_phase("writing");
    let eim = bench.node()["eim"].clone();
    assert_eq!(eim["provisioning_status"]["text"], "Provisioning In Progress: 6/10: writing", "{eim}");
    assert_eq!(eim["provisioning_status"]["indicator"], "STATUS_INDICATION_IN_PROGRESS");
    bench.post(&paths::reports(run), &reports(1, &proof(&answer)[1..]));
    bench.until_phase("provisioned");

    let events = |query: &str| -> Vec<Value> {
        let (status, text) = bench.get(&format!("/api/v1/events{query}"));
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).expect("JSON")
    };
    let all = events("");
    assert!(all.iter().any(|event| event["text"] == "writing: /dev/sda" && event["name"] == "SN-1"), "{all:?}");
    assert!(all.is_sorted_by_key(|event| event["at"].as_u64()));
    assert_eq!(events("?limit=1"), all[all.len() - 1..]);
    let last = all.last().and_then(|event| event["at"].as_u64()).expect("a time");
    assert_eq!(events(&format!("?after={last}")), Vec::<Value>::new());
    assert_eq!(events("?node=77"), Vec::<Value>::new());
    assert_eq!(bench.get("/api/v1/events?after=yesterday").0, 400);
    assert_eq!(bench.get("/api/v1/nothing").0, 404);

    let (_, headers, body) = bench.get_with("/metrics", &[]);
    let text = String::from_utf8(body).expect("text");
    assert!(headers.iter().any(|(name, value)| name == "content-type" && value.starts_with("application/openmetrics")));
    assert!(text.contains("\noxbow_nodes{phase=\"provisioned\"} 1\n"), "{text}");
    assert!(text.contains("\noxbow_runs{outcome=\"proven\"} 1\n"), "{text}");
}
