//! TFTP over real sockets, on the loopback interface, with a client that misbehaves as firmware and networks do.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use oxbow::domain::event::{Event, LoaderTransfer};
use oxbow::domain::snapshot::Snapshot;
use oxbow::inbox::{Input, Outlet, inbox};
use oxbow::service::{ServiceContext, ServiceError, tftp};

/// A server on loopback with a folder of boot files.
struct Bench {
    at: SocketAddr,
    outlet: Outlet,
    stop: CancellationToken,
    serving: JoinHandle<Result<(), ServiceError>>,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn up() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, size) in [("snponly.efi", 284_672), ("undionly.kpxe", 108_847), ("empty.efi", 0)] {
            std::fs::write(folder.path().join(name), content(size)).expect("writes");
        }
        let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr()).expect("a port");
        let (inbox, mut outlet) = inbox();
        let (_, bench) = watch::channel(Arc::new(Snapshot::default()));
        let stop = CancellationToken::new();
        let config = tftp::TftpConfig {
            interface: "lo".into(),
            address: Ipv4Addr::LOCALHOST,
            port: free.port(),
            directory: folder.path().to_owned(),
            autoexec: "#!ipxe\necho hello\n".into(),
            grub_config: "echo hello\n".into(),
        };
        let serving = tokio::spawn(tftp::serve(ServiceContext { inbox, bench, stop: stop.clone() }, config));
        let up = outlet.notes.recv().await;
        assert!(matches!(up, Some(Input::Service(_))), "{up:?}");
        Self { at: free, outlet, stop, serving, _folder: folder }
    }

    /// Stops the server and gives back what it has told of its transfers.
    async fn down(mut self) -> Vec<(String, LoaderTransfer)> {
        // The last acknowledgements are on their way.
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.stop.cancel();
        self.serving.await.expect("joins").expect("stops without a complaint");
        let mut told = Vec::new();
        while let Ok(note) = self.outlet.notes.try_recv() {
            match note {
                Input::Event(Event::Loader { file, transfer, .. }) => told.push((file, transfer)),
                // For the doctor and the tape.
                Input::Event(Event::Sighted { .. }) | Input::Packet(_) => {}
                other => panic!("unexpected {other:?}"),
            }
        }
        told
    }
}

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8 ^ (at / 251) as u8).collect()
}

fn request(file: &str, options: &str) -> Vec<u8> {
    let options = options.split(' ').filter(|word| !word.is_empty());
    let words = [file, "octet"].into_iter().chain(options);
    [&[0, 1][..], &words.flat_map(|word| word.bytes().chain([0])).collect::<Vec<u8>>()].concat()
}

/// A client at a port of its own.
struct Client {
    socket: UdpSocket,
    server: SocketAddr,
}

impl Client {
    fn new(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a time-out");
        Self { socket, server }
    }

    fn ask(&self, file: &str, options: &str) {
        self.socket.send_to(&request(file, options), self.server).expect("sends");
    }

    fn hears(&self) -> (Vec<u8>, SocketAddr) {
        let mut packet = [0; 2000];
        let (len, from) = self.socket.recv_from(&mut packet).expect("an answer within 5 s");
        (packet[..len].to_vec(), from)
    }

    /// EDK2's question for a file's size: asks, and gives up when it has been told.
    fn probe(&self, file: &str) -> String {
        self.ask(file, "tsize 0 blksize 1468 windowsize 4");
        let (oack, from) = self.hears();
        self.socket.send_to(b"\0\x05\0\x08User aborted the transfer\0", from).expect("sends");
        String::from_utf8_lossy(&oack[2..]).replace('\0', " ")
    }

    /// Loads a file, losing one packet in `one_in` of each direction. An error is given as its text.
    fn load(&self, file: &str, options: &str, one_in: usize) -> Result<Vec<u8>, String> {
        self.ask(file, options);
        self.receive(options, one_in)
    }

    /// What was asked for with `options`, of which one packet in `one_in` gets lost.
    fn receive(&self, options: &str, one_in: usize) -> Result<Vec<u8>, String> {
        let value = |name: &str| {
            let mut words = options.split(' ').skip_while(|word| *word != name);
            words.nth(1).and_then(|word| word.parse::<usize>().ok())
        };
        let (blksize, window) = (value("blksize").unwrap_or(512), value("windowsize").unwrap_or(1));
        let (mut got, mut next, mut unacked, mut packets) = (Vec::new(), 1_u16, 0, 0);
        let mut lost = || {
            packets += 1;
            one_in > 0 && packets % one_in == 0
        };
        loop {
            let (packet, from) = self.hears();
            if lost() {
                continue;
            }
            let last = packet.len() < 4 + blksize;
            let answer = match packet[..4] {
                [0, 6, ..] => Some(0),
                [0, 3, high, low] if u16::from_be_bytes([high, low]) == next => {
                    got.extend_from_slice(&packet[4..]);
                    unacked += 1;
                    next = next.wrapping_add(1);
                    (last || unacked == window).then_some(next.wrapping_sub(1))
                }
                [0, 3, ..] => Some(next.wrapping_sub(1)),
                [0, 5, ..] => return Err(String::from_utf8_lossy(&packet[4..packet.len() - 1]).into_owned()),
                _ => panic!("not TFTP: {packet:?}"),
            };
            let Some(block) = answer else { continue };
            unacked = 0;
            let is_end = last && packet[1] == 3 && block == next.wrapping_sub(1) && packet[2..4] == block.to_be_bytes();
            if is_end || !lost() {
                self.socket.send_to(&[[0, 4], block.to_be_bytes()].concat(), from).expect("sends");
            }
            if is_end {
                return Ok(got);
            }
        }
    }
}

async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    spawn_blocking(work).await.expect("the client does not fail")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_arrives_in_every_way_firmware_asks_for_it() {
    let bench = Bench::up().await;
    let at = bench.at;
    on_a_thread(move || {
        for options in
            ["", "blksize 1468", "blksize 1432 tsize 0", "blksize 1468 windowsize 4", "blksize 512 windowsize 64"]
        {
            let got = Client::new(at).load("snponly.efi", options, 0);
            assert!(got == Ok(content(284_672)), "{options}");
        }
        assert_eq!(Client::new(at).load("\\Empty.EFI", "", 0), Ok(Vec::new()));
        assert_eq!(Client::new(at).load("/x64/autoexec.ipxe", "", 0), Ok(b"#!ipxe\necho hello\n".to_vec()));
    })
    .await;
    let told = bench.down().await;
    assert_eq!(told.len(), 14);
    assert_eq!(
        told[..2],
        [
            ("snponly.efi".into(), LoaderTransfer::Started),
            ("snponly.efi".into(), LoaderTransfer::Done { bytes: 284_672 })
        ]
    );
    assert_eq!(told[13], ("autoexec.ipxe".into(), LoaderTransfer::Done { bytes: 18 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_probe_the_same_port_is_served_at_once() {
    let bench = Bench::up().await;
    let at = bench.at;
    let took = on_a_thread(move || {
        let client = Client::new(at);
        let began = Instant::now();
        assert_eq!(client.probe("snponly.efi"), "blksize 1468 tsize 284672 windowsize 4 ");
        assert!(client.load("snponly.efi", "blksize 1468 windowsize 4", 0) == Ok(content(284_672)));
        for _ in 0..20 {
            client.probe("snponly.efi");
        }
        assert!(
            client.load("snponly.efi", "tsize 0 blksize 1468 windowsize 4", 0) == Ok(content(284_672)),
            "the same words"
        );
        began.elapsed()
    })
    .await;
    assert!(took < Duration::from_millis(1500), "{took:?}");
    let told = bench.down().await;
    let done = told.iter().filter(|(_, transfer)| matches!(transfer, LoaderTransfer::Done { .. })).count();
    let failed = told.iter().filter(|(_, transfer)| matches!(transfer, LoaderTransfer::Failed { .. })).count();
    assert_eq!((done, failed), (2, 0), "a probe neither succeeds nor fails: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_sent_twice_is_one_transfer() {
    let bench = Bench::up().await;
    let at = bench.at;
    on_a_thread(move || {
        let client = Client::new(at);
        (0..2).for_each(|_| client.ask("snponly.efi", "blksize 1468"));
        // Both are with the server before the first block is acknowledged, however busy the machine is.
        std::thread::sleep(Duration::from_millis(200));
        assert!(client.receive("blksize 1468", 0) == Ok(content(284_672)));
    })
    .await;
    let told = bench.down().await;
    assert_eq!(told.iter().filter(|(_, transfer)| *transfer == LoaderTransfer::Started).count(), 1, "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_packet_in_a_hundred_may_get_lost() {
    let bench = Bench::up().await;
    let at = bench.at;
    on_a_thread(move || {
        let began = Instant::now();
        for options in ["blksize 1468 windowsize 4", "blksize 1468 windowsize 16"] {
            assert!(Client::new(at).load("snponly.efi", options, 100) == Ok(content(284_672)), "{options}");
        }
        assert!(Client::new(at).load("undionly.kpxe", "blksize 1468", 100) == Ok(content(108_847)));
        assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    })
    .await;
    bench.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_machines_load_at_the_same_time() {
    let bench = Bench::up().await;
    let at = bench.at;
    let machines: Vec<_> = (0..20)
        .map(|_| spawn_blocking(move || Client::new(at).load("snponly.efi", "blksize 1468 windowsize 4", 0)))
        .collect();
    for machine in machines {
        assert!(machine.await.expect("joins") == Ok(content(284_672)));
    }
    let told = bench.down().await;
    assert_eq!(told.iter().filter(|(_, transfer)| matches!(transfer, LoaderTransfer::Done { .. })).count(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_in_words_at_once() {
    let bench = Bench::up().await;
    let at = bench.at;
    on_a_thread(move || {
        let ask = |file: &str| Client::new(at).load(file, "tsize 0", 0);
        let words = "no file \"revocations.efi\"; oxbow has empty.efi, snponly.efi, undionly.kpxe";
        assert_eq!(ask("revocations.efi"), Err(words.into()));
        assert_eq!(ask("../../etc/passwd"), Err("\"../../etc/passwd\" is outside the boot files".into()));
    })
    .await;
    let told = bench.down().await;
    assert!(told.iter().all(|(_, transfer)| matches!(transfer, LoaderTransfer::Failed { .. })), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn shim_and_grub_find_what_they_look_for_and_hear_at_once_what_is_not_there() {
    let bench = Bench::up().await;
    let at = bench.at;
    for (name, size) in [("shimx64.efi", 1_036_152), ("grubx64.efi", 20_000), ("mmx64.efi", 3_000)] {
        std::fs::write(bench._folder.path().join(name), content(size)).expect("writes");
    }
    on_a_thread(move || {
        // shim has blocks of 512 bytes (shim#618).
        let ask = |file: &str| Client::new(at).load(file, "tsize 0 blksize 512 windowsize 4", 0);
        let spoilt = "\u{fffd}Onboard";
        assert!(ask(spoilt).is_err(), "no shim was fetched yet");
        assert!(ask("shimx64.efi") == Ok(content(1_036_152)));
        let began = Instant::now();
        for optional in ["revocations_sku.efi", "/revocations_sbat.efi", "shim_certificate_0.efi"] {
            assert!(ask(optional).is_err_and(|said| said.starts_with("no file ")), "{optional}");
        }
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        assert!(ask(spoilt) == Ok(content(20_000)), "shim verifies what it gets");
        let had = Instant::now();
        while ask(spoilt).is_ok() {
            assert!(had.elapsed() < Duration::from_secs(5), "it has its second stage");
        }
        for name in ["//grubx64.efi", "\\GRUBX64.EFI", "mmx64.efi"] {
            assert!(ask(name).is_ok(), "{name}");
        }
        assert!(ask("/grub/x86_64-efi/command.lst").is_err());
        for name in ["/grub/x86_64-efi/grub.cfg", "/grub/grub.cfg"] {
            assert_eq!(ask(name), Ok(b"echo hello\n".to_vec()), "{name}");
        }
        assert!(ask("/grub/grub.cfg-01-52-54-00-12-34-56").is_err());
    })
    .await;
    let failed =
        |(name, transfer): (String, LoaderTransfer)| matches!(transfer, LoaderTransfer::Failed { .. }).then_some(name);
    let failed: Vec<String> = bench.down().await.into_iter().filter_map(failed).collect();
    assert_eq!(failed, ["\u{fffd}Onboard"; 2], "nobody is told of what may be missing");
}
