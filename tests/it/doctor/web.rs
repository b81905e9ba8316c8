//! HTTP and HTTPS as the station serves them, in a network of this thread's own in which every address of the bench is
//! here. Needs root.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::{Pin, pin};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use openssl::ssl::{SslConnector, SslMethod, SslVersion};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_openssl::SslStream;
use tokio_util::sync::CancellationToken;

use super::bench::STATION;
use oxbow::clock;
use oxbow::domain::digest::Digest;
use oxbow::domain::event::Event;
use oxbow::domain::snapshot::Snapshot;
use oxbow::inbox::{Input, Outlet, inbox};
use oxbow::service::tls::ServerTls;
use oxbow::service::{ServiceContext, http};

pub(crate) struct Web {
    runtime: Runtime,
    context: ServiceContext,
    outlet: Outlet,
    place: TempDir,
}

/// Which program speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Speaker {
    Uefi,
    Ipxe,
    Grub,
    Agent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Post,
}

impl Speaker {
    /// A request as it is on the wire.
    pub(crate) fn says(self, method: Method, path: &str, body: &str) -> Vec<u8> {
        let method = match method {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
        };
        let host = Web::BASE.trim_start_matches("http://");
        let (first, length) = (format!("{method} {path} HTTP/1.1\r\n"), body.len());
        let fields = match self {
            Self::Uefi => format!("Host: {host}\r\nAccept: */*\r\nUser-Agent: UefiHttpBoot/1.0\r\n"),
            Self::Ipxe => format!("Connection: keep-alive\r\nUser-Agent: iPXE/1.21.1+ (g988d2)\r\nHost: {host}\r\n"),
            Self::Grub => format!("Host: {host}\r\nUser-Agent: GRUB 2.12-9+deb13u2\r\n"),
            Self::Agent => {
                format!("content-length: {length}\r\ncontent-type: application/json\r\nhost: {host}\r\naccept: */*\r\n")
            }
        };
        format!("{first}{fields}\r\n{body}").into_bytes()
    }
}

impl Web {
    pub(crate) const BASE: &str = "http://10.77.0.1:8080";

    /// A station that answers from what `bench` shows.
    pub(crate) fn start(bench: watch::Receiver<Arc<Snapshot>>) -> Self {
        network();
        let place = TempDir::new().expect("a directory");
        for file in ["vmlinuz", "initramfs.img", "snponly.efi", "ipxe.efi", "shimx64.efi", "grubx64.efi"] {
            std::fs::write(place.path().join(file), [7; 3000]).expect("a file");
        }
        let images = place.path().join(IMAGES);
        std::fs::create_dir(&images).expect("a directory");
        std::fs::write(images.join(Digest::new(IMAGE).to_string()), [1; 512]).expect("a file");
        // On this thread alone: another one would be in another network.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (inbox, outlet) = inbox();
        let context = ServiceContext { inbox, bench, stop: CancellationToken::new() };
        runtime.spawn(http::serve(context.clone(), config(HTTP, place.path())));
        let web = Self { runtime, context, outlet, place };
        web.until_it_listens(HTTP);
        web
    }

    pub(crate) fn remove(&self, file: &str) {
        std::fs::remove_file(self.place.path().join(file)).expect("it was there");
    }

    /// What the machine at `from` is answered. `tell` hears what the service tells meanwhile.
    pub(crate) fn exchange(&mut self, from: Ipv4Addr, request: &[u8], mut tell: impl FnMut(Input)) -> String {
        let Self { runtime, outlet, .. } = self;
        let answer = runtime.block_on(async {
            let mut exchanging = pin!(in_time("an answer", exchange(from, request)));
            loop {
                tokio::select! {
                    biased;
                    Some(note) = outlet.notes.recv() => tell(note),
                    answer = &mut exchanging => return answer,
                }
            }
        });
        // It is told before it is answered.
        while let Ok(note) = outlet.notes.try_recv() {
            tell(note);
        }
        answer
    }

    /// A TLS handshake of firmware that knows no authority, with the ciphers that EDK2 offers, and what is told of it.
    pub(crate) fn distrust(&mut self, from: Ipv4Addr, mut tell: impl FnMut(Input)) {
        let tls = ServerTls::open(&self.place.path().join("tls"), STATION, clock::now()).expect("an authority");
        let config = config(HTTPS, self.place.path());
        self.runtime.spawn(http::serve_tls(self.context.clone(), config, Arc::new(tls)));
        self.until_it_listens(HTTPS);
        let Self { runtime, outlet, .. } = self;
        runtime.block_on(in_time("it is told", async {
            let mut firmware = SslConnector::builder(SslMethod::tls_client()).expect("OpenSSL");
            firmware.set_cipher_list("AES128-SHA256:AES256-SHA256:DHE-RSA-AES128-SHA256").expect("ciphers");
            firmware.set_max_proto_version(Some(SslVersion::TLS1_2)).expect("a version");
            let ssl = firmware.build().configure().and_then(|it| it.into_ssl(&STATION.to_string())).expect("OpenSSL");
            let mut stream = SslStream::new(ssl, connect(from, HTTPS).await).expect("OpenSSL");
            Pin::new(&mut stream).connect().await.expect_err("nobody vouches for the station");
            loop {
                let note = outlet.notes.recv().await.expect("the service runs");
                let is_it = matches!(note, Input::Event(Event::HttpRefused { .. }));
                tell(note);
                if is_it {
                    return;
                }
            }
        }));
    }

    fn until_it_listens(&self, port: u16) {
        self.runtime.block_on(in_time("it listens", async {
            while TcpStream::connect((STATION, port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }));
    }
}

/// A network of this thread's own. On the loopback interface a whole subnet is here.
fn network() {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("network namespaces need root");
    for command in ["link set lo up", "address add 10.77.0.1/24 dev lo"] {
        let done = Command::new("ip").args(command.split(' ')).status().expect("iproute2 is installed");
        assert!(done.success(), "`ip {command}` failed");
    }
}

fn config(port: u16, boot_files: &Path) -> http::HttpConfig {
    let listen = SocketAddr::from((STATION, port));
    http::HttpConfig {
        listen,
        boot_files: boot_files.to_owned(),
        images: boot_files.join(IMAGES),
        tls: None,
        token: None,
    }
}

async fn connect(from: Ipv4Addr, port: u16) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from((from, 0))).expect("an address of the bench");
    socket.connect(SocketAddr::from((STATION, port))).await.expect("it listens")
}

async fn exchange(from: Ipv4Addr, request: &[u8]) -> String {
    let mut stream = connect(from, HTTP).await;
    stream.write_all(request).await.expect("sent");
    let (mut answer, head) = (Vec::new(), request.starts_with(b"HEAD"));
    while !is_whole(&answer, head) {
        assert_ne!(stream.read_buf(&mut answer).await.expect("an answer"), 0, "cut off");
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn is_whole(answer: &[u8], head: bool) -> bool {
    let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
    let Some((fields, _)) = text.split_once("\r\n\r\n") else { return false };
    let length = fields.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    head || answer.len() >= fields.len() + 4 + length.unwrap_or(0)
}

async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.unwrap_or_else(|_| panic!("not within a minute: {what}"))
}

/// The digest of all that profiles name.
pub(crate) const IMAGE: [u8; 32] = [1; 32];
const IMAGES: &str = "images";
const HTTP: u16 = 8080;
const HTTPS: u16 = 443;
