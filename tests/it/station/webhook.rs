//! What a program elsewhere is told when machines come to another phase, and that no machine waits for it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, channel};
use std::time::{Duration, Instant};
use std::{fs, thread};

use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::Signer;
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::lab::{Bench, Simulated, Station};
use oxbow::domain::effect::Effect;
use oxbow::domain::ids::NodeId;
use oxbow::domain::machine::report::FailureKind;
use oxbow::domain::node::Node;
use oxbow::domain::node::phase::{Failure, Phase, Stage};
use oxbow::domain::snapshot::Snapshot;
use oxbow::domain::station::service::{ServiceName, ServiceState};
use oxbow::domain::time::Timestamp;
use oxbow::inbox::{Input, Outlet, inbox};
use oxbow::protocol::webhook::WebhookBody;
use oxbow::service::{ServiceContext, webhook};
use oxbow::webhook_queue::{BOUND, WebhookQueue};

/// A station's webhook, and the hub's side of it.
struct Sending {
    herald: WebhookQueue,
    outlet: Outlet,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), oxbow::service::ServiceError>>,
    _bench: watch::Sender<Arc<Snapshot>>,
}

impl Sending {
    fn to(url: String, change: impl FnOnce(&mut webhook::WebhookConfig)) -> Self {
        let (inbox, outlet) = inbox();
        let (publish, bench) = watch::channel(Arc::new(Snapshot::default()));
        let stop = CancellationToken::new();
        let phases = oxbow::domain::node::phase::words().collect();
        let herald = WebhookQueue::new(phases, &oxbow::domain::station::Station::default(), &BTreeMap::new());
        let mut config = webhook::WebhookConfig {
            origin: url.clone(),
            url,
            key: None,
            token: None,
            authorities: None,
            pause: Duration::from_millis(10),
            patience: LIMIT,
        };
        change(&mut config);
        let context = ServiceContext { inbox, bench, stop: stop.clone() };
        let task = tokio::spawn(webhook::serve(context, config, herald.changes()));
        Self { herald, outlet, stop, task, _bench: publish }
    }

    /// Node number `node` has come to this phase.
    fn saw(&mut self, node: u32, phase: Phase) {
        let mut seen = Node::new(NodeId(node), Timestamp::from_millis(NOW));
        seen.serial = format!("SN-{node}").parse().ok();
        (seen.phase, seen.registered) = (phase, true);
        self.herald.see(Timestamp::from_millis(NOW), &[Effect::SaveNode(seen.into())]);
    }

    /// Waits until the services line is as wanted.
    async fn shown(&mut self, wanted: impl Fn(&ServiceState) -> bool) -> String {
        let mut last = None;
        let deadline = tokio::time::Instant::now() + LIMIT;
        loop {
            match tokio::time::timeout_at(deadline, self.outlet.notes.recv()).await {
                Ok(Some(Input::Service(status))) if status.name == ServiceName::Webhook => {
                    let is_wanted = wanted(&status.state);
                    let words = format!("{:?}", status.state);
                    if is_wanted {
                        return words;
                    }
                    last = Some(words);
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => panic!("the services line is {last:?}"),
            }
        }
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.expect("no panic").expect("it ends in order");
    }
}

fn is_up(state: &ServiceState) -> bool {
    matches!(state, ServiceState::Up { .. })
}

fn is_down(state: &ServiceState) -> bool {
    matches!(state, ServiceState::Down { .. })
}

/// What came to the other program.
#[derive(Debug)]
struct Heard {
    headers: BTreeMap<String, String>,
    text: String,
}

impl Heard {
    fn body(&self) -> WebhookBody {
        serde_json::from_str(&self.text).unwrap_or_else(|err| panic!("{err}: {}", self.text))
    }

    /// The node's number and its phase.
    fn what(&self) -> (u32, String) {
        let body = self.body();
        (body.data.node.0, body.data.phase)
    }
}

/// What the other program does with what comes.
enum Then {
    Say(&'static str),
    /// It answers with this, and then with more of it than anybody reads.
    Pour(&'static str),
    /// It never answers, and keeps the connection for so long.
    Hold(Duration),
}

/// Another program: answers what comes, in turn, as `then` says of the first, the second and so on.
fn receive(listener: TcpListener, then: impl Fn(usize) -> Then + Send + 'static) -> Receiver<Heard> {
    receive_by(listener, None, then)
}

fn receive_by(
    listener: TcpListener,
    tls: Option<SslAcceptor>,
    then: impl Fn(usize) -> Then + Send + 'static,
) -> Receiver<Heard> {
    let (tell, heard) = channel();
    thread::spawn(move || {
        let mut number = 0;
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            let taken = match &tls {
                None => converse(stream, number, &then, &tell),
                Some(tls) => match tls.accept(stream) {
                    Ok(stream) => converse(stream, number, &then, &tell),
                    Err(_) => continue,
                },
            };
            number += 1;
            if taken.is_none() {
                return;
            }
        }
    });
    heard
}

/// One request. None when nobody listens any more.
fn converse(
    mut stream: impl Read + Write,
    number: usize,
    then: &impl Fn(usize) -> Then,
    tell: &mpsc::Sender<Heard>,
) -> Option<()> {
    let mut reader = BufReader::new(&mut stream);
    let mut headers = BTreeMap::new();
    let mut line = String::new();
    while reader.read_line(&mut line).expect("a request") > 2 {
        if let Some((name, value)) = line.trim_end().split_once(": ") {
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        line.clear();
    }
    let length: usize = headers.get("content-length").expect("a length").parse().expect("a number");
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let text = String::from_utf8(body).expect("text");
    match then(number) {
        Then::Say(status) => {
            tell.send(Heard { headers, text }).ok()?;
            // Who asked may be gone.
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok();
        }
        Then::Pour(head) => {
            tell.send(Heard { headers, text }).ok()?;
            let more = [b'x'; 65536];
            // Until whoever asked is gone.
            if write!(stream, "{head}").is_ok() {
                while stream.write_all(&more).is_ok() {}
            }
        }
        Then::Hold(time) => {
            tell.send(Heard { headers, text }).ok()?;
            thread::sleep(time);
        }
    }
    Some(())
}

fn local() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/oxbow", listener.local_addr().expect("its address"));
    (listener, url)
}

fn next(heard: &Receiver<Heard>) -> Heard {
    heard.recv_timeout(LIMIT).expect("it is told")
}

fn booting(stage: Stage) -> Phase {
    Phase::Booting { stage }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_program_is_told_of_each_phase_in_order_signed_and_in_the_words_of_both() {
    let (listener, url) = local();
    let heard = receive(listener, |_| Then::Say("204 No Content"));
    let key = b"0123456789abcdef01234567".to_vec();
    let mut sending = Sending::to(url, |config| {
        (config.key, config.token) = (Some(key.clone()), Some("let-me-in".into()));
    });
    sending.saw(1, booting(Stage::Writing));
    sending.saw(2, booting(Stage::Writing));
    sending.saw(1, booting(Stage::Verifying));
    let reason = "writing: the disk \"sda\" reports an error".to_owned();
    sending.saw(2, Phase::Failed(Failure { stage: Stage::Writing, kind: FailureKind::DiskIo, reason: reason.clone() }));
    sending.saw(1, Phase::Provisioned);
    let all: Vec<Heard> = (0..5).map(|_| next(&heard)).collect();
    let told: Vec<(u32, String)> = all.iter().map(Heard::what).collect();
    let words = [(1, "writing"), (2, "writing"), (1, "verifying"), (2, "failed"), (1, "provisioned")];
    assert_eq!(told, words.map(|(node, word)| (node, word.to_owned())));

    let body = all[3].body();
    assert_eq!(
        (body.kind.as_str(), body.version, body.timestamp.as_str()),
        ("node.phase", 1, "2026-11-23T14:02:11.000Z")
    );
    assert_eq!((body.data.sequence, body.data.before.as_deref(), body.data.reason), (4, Some("writing"), Some(reason)));
    assert_eq!(body.data.serial.map(|serial| serial.to_string()).as_deref(), Some("SN-2"));
    let eim = body.data.eim.provisioning_status.text;
    assert!(eim.starts_with("Provisioning Failed: 6/10: writing failed"), "{eim}");
    let mut ids: Vec<&String> = all.iter().map(|one| &one.headers["webhook-id"]).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5, "each has an id of its own");
    for Heard { headers, text } in &all {
        let signed = format!("{}.{}.{text}", headers["webhook-id"], headers["webhook-timestamp"]);
        let hmac = PKey::hmac(&key).expect("a key");
        let mut signer = Signer::new(MessageDigest::sha256(), &hmac).expect("HMAC");
        let signature = signer.sign_oneshot_to_vec(signed.as_bytes()).expect("signed");
        assert_eq!(headers["webhook-signature"], format!("v1,{}", openssl::base64::encode_block(&signature)));
        assert_eq!(headers["authorization"], "Bearer let-me-in");
        assert_eq!(headers["content-type"], "application/json");
    }
    sending.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_by_an_error_is_sent_again_under_its_id_before_all_that_came_later() {
    let (listener, url) = local();
    let heard = receive(listener, |number| match number {
        0 => Then::Say("500 Internal Server Error"),
        1 => Then::Say("503 Service Unavailable\r\nretry-after: 0"),
        _ => Then::Say("200 OK"),
    });
    let mut sending = Sending::to(url, |_| {});
    sending.saw(1, booting(Stage::Writing));
    sending.saw(1, Phase::Provisioned);
    let all: Vec<Heard> = (0..4).map(|_| next(&heard)).collect();
    let told: Vec<String> = all.iter().map(|one| one.what().1).collect();
    assert_eq!(told, ["writing", "writing", "writing", "provisioned"]);
    let id = |at: usize| &all[at].headers["webhook-id"];
    assert!(id(0) == id(1) && id(1) == id(2) && id(2) != id(3), "{all:?}");
    let line = sending.shown(is_down).await;
    assert!(line.contains("it answers 500; 2 wait, 0 were dropped"), "{line}");
    sending.shown(is_up).await;
    sending.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_other_program_does_not_want_is_given_up_counted_and_holds_nothing_up() {
    let (listener, url) = local();
    let heard = receive(listener, |number| match number {
        0 => Then::Say("422 Unprocessable Content"),
        1 => Then::Say("302 Found\r\nlocation: http://127.0.0.1:1/elsewhere"),
        2..10 => Then::Say("500 Internal Server Error"),
        _ => Then::Say("200 OK"),
    });
    let mut sending = Sending::to(url, |config| config.pause = Duration::from_millis(1));
    for node in 1..=4 {
        sending.saw(node, Phase::Provisioned);
    }
    let told: Vec<u32> = (0..11).map(|_| next(&heard).what().0).collect();
    assert_eq!(told, [1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 4], "a poisoned one is tried eight times");
    let line = sending.shown(|state| matches!(state, ServiceState::Up { at } if at.contains("3 refused by it"))).await;
    assert!(line.contains("/oxbow, 3 refused by it"), "{line}");
    sending.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_away_is_told_everything_in_order_when_it_is_back() {
    let (listener, url) = local();
    let address = listener.local_addr().expect("its address");
    drop(listener);
    let mut sending = Sending::to(url, |_| {});
    for stage in [Stage::Writing, Stage::Verifying, Stage::Rebooting] {
        sending.saw(1, booting(stage));
    }
    let line = sending.shown(is_down).await;
    assert!(line.to_lowercase().contains("connection refused"), "{line}");
    let heard = receive(TcpListener::bind(address).expect("its port again"), |_| Then::Say("200 OK"));
    let told: Vec<String> = (0..3).map(|_| next(&heard).what().1).collect();
    assert_eq!(told, ["writing", "verifying", "rebooting"]);
    sending.shown(is_up).await;
    sending.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_never_answers_holds_nobody_up_and_what_it_missed_is_counted() {
    let (listener, url) = local();
    let heard = receive(listener, |number| match number {
        0 => Then::Hold(Duration::from_millis(1500)),
        _ => Then::Say("200 OK"),
    });
    let mut sending = Sending::to(url, |config| config.patience = Duration::from_secs(1));
    sending.saw(0, Phase::Provisioned);
    let first = next(&heard);
    let many = u32::try_from(BOUND).expect("few") + 5;
    let began = Instant::now();
    (1..=many).for_each(|node| sending.saw(node, Phase::Provisioned));
    assert!(began.elapsed() < Duration::from_secs(1), "the hub waits for nobody: {:?}", began.elapsed());
    let again = next(&heard);
    assert_eq!((again.what().0, &again.headers["webhook-id"]), (0, &first.headers["webhook-id"]));
    let after = next(&heard).body().data;
    assert!(
        after.node.0 >= 5 && u64::from(after.node.0) + 1 == after.sequence,
        "{after:?}: the numbers tell of the gap"
    );
    let line = sending.shown(|state| is_up(state) && format!("{state:?}").contains("dropped")).await;
    assert!(line.contains("5 dropped while it was unreachable"), "{line}");
    sending.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_an_end_is_not_read_to_it_and_the_next_one_is_told() {
    let (listener, url) = local();
    let heard = receive(listener, |number| match number {
        0 => Then::Pour("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n"),
        1 => Then::Pour("HTTP/1.1 200 OK\r\nx-endless: "),
        2 => Then::Pour("HTTP/1.1 500 Broken\r\ntransfer-encoding: chunked\r\n\r\nffffff\r\n"),
        _ => Then::Say("200 OK"),
    });
    let mut sending = Sending::to(url, |config| config.pause = Duration::from_millis(20));
    sending.saw(1, Phase::Provisioned);
    sending.saw(2, booting(Stage::Writing));
    assert_eq!(next(&heard).what(), (1, "provisioned".into()));
    // The second's first answer was none, and its next one an error: it is told again.
    for _ in 0..3 {
        assert_eq!(next(&heard).what(), (2, "writing".into()));
    }
    assert!(heard.try_recv().is_err(), "and no more");
    sending.shown(is_up).await;
    sending.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_https_only_who_has_a_certificate_of_the_given_authority_is_told() {
    let (key, certificate) = self_signed();
    let acceptor = || {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).expect("TLS");
        acceptor.set_private_key(&key).and_then(|()| acceptor.set_certificate(&certificate)).expect("a pair");
        acceptor.build()
    };
    let (listener, url) = local();
    let url = url.replace("http://", "https://");
    let heard = receive_by(listener, Some(acceptor()), |_| Then::Say("200 OK"));
    let mut doubting = Sending::to(url.clone(), |_| {});
    doubting.saw(1, Phase::Provisioned);
    let line = doubting.shown(is_down).await;
    assert!(line.contains("its certificate is not trusted"), "{line}");
    doubting.end().await;
    assert!(heard.try_recv().is_err(), "who is not believed is told nothing");

    let pem = certificate.to_pem().expect("PEM");
    let mut sending = Sending::to(url, |config| config.authorities = Some(pem));
    sending.saw(2, Phase::Provisioned);
    assert_eq!(next(&heard).what(), (2, "provisioned".into()));
    sending.end().await;
}

fn self_signed() -> (PKey<Private>, X509) {
    let key = PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
    let mut name = X509NameBuilder::new().expect("a name");
    name.append_entry_by_text("CN", "the other program").expect("a name");
    let name = name.build();
    let mut certificate = X509::builder().expect("a certificate");
    let (from, to) = (Asn1Time::days_from_now(0).expect("today"), Asn1Time::days_from_now(2).expect("then"));
    certificate.set_version(2).expect("v3");
    certificate.set_subject_name(&name).and_then(|()| certificate.set_issuer_name(&name)).expect("named");
    certificate.set_not_before(&from).and_then(|()| certificate.set_not_after(&to)).expect("dated");
    certificate.set_pubkey(&key).expect("its key");
    certificate.append_extension(BasicConstraints::new().ca().build().expect("it is")).expect("an authority");
    let context = certificate.x509v3_context(None, None);
    let address = SubjectAlternativeName::new().ip("127.0.0.1").build(&context).expect("an address");
    certificate.append_extension(address).expect("where it is");
    certificate.sign(&key, MessageDigest::sha256()).expect("signed");
    (key, certificate.build())
}

#[test]
fn machines_are_provisioned_while_the_other_program_is_dead_and_it_is_told_when_it_lives() {
    let bench = Bench::new("machines_are_provisioned_while_the_other_program_is_dead");
    let image = bench.scratch().join("usual.raw");
    fs::write(&image, vec![b'u'; 64 * 1024]).expect("an image");
    let address = SocketAddr::from((Bench::STATION.parse::<std::net::Ipv4Addr>().expect("an address"), 9999));
    let file = bench.scratch().join("oxbow.toml");
    let settings = format!("[webhook]\nurl = \"http://{address}/oxbow\"\nphases = [\"writing\", \"provisioned\"]\n");
    fs::write(&file, settings).expect("a file");
    let options = vec!["--config", file.to_str().expect("a path").to_owned().leak()];
    let station = Station::start_by(&bench, &image, bench.simulated_boot_files(), "", options.leak());
    let disks = bench.scratch().join("disks");
    let mut machines = Simulated::with_marks(&bench, &["serial=SN-1", "serial=SN-2"], &disks, MACHINES);
    machines.wait(MACHINES).unwrap_or_else(|seen| panic!("{seen}"));
    assert!(station.nodes().iter().all(|node| node.phase == "provisioned"), "{:?}", station.nodes());

    let listener = bench.beside_station(|| TcpListener::bind(address).expect("a port"));
    let heard = receive(listener, |_| Then::Say("200 OK"));
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for _ in 0..4 {
        let data = heard.recv_timeout(MACHINES).expect("it is told").body().data;
        assert_eq!(data.station.url, format!("http://{}", Bench::STATION));
        told.entry(data.serial.expect("a serial").to_string()).or_default().push(data.phase);
    }
    let both = vec!["writing".to_owned(), "provisioned".to_owned()];
    assert_eq!(told, [("SN-1".into(), both.clone()), ("SN-2".into(), both)].into());
    drop(station);
}

const NOW: u64 = 1_795_442_531_000;
/// For one thing that happens at once, on two cores that tests share.
const LIMIT: Duration = Duration::from_secs(60);
/// For machines, which takes longer; the webhook's longest pause is a minute.
const MACHINES: Duration = Duration::from_secs(180);
