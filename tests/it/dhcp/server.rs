//! DHCP against what real firmware sent (captures), and with a real client over real sockets (network namespaces).

use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::lab::cable::{self, Cable};
use crate::lab::pcap;
use oxbow::boot::dhcp::boot_server::{self, Addressing};
use oxbow::boot::dhcp::client::BootClient;
use oxbow::boot::dhcp::leases::Leases;
use oxbow::boot::dhcp::request::{Request, RequestType};
use oxbow::boot::dhcp::rogue::{DhcpChoice, ModeState};
use oxbow::boot::dhcp::segment::{Mode, Segment};
use oxbow::boot::dhcp::{Verdict, handle};
use oxbow::boot::overrides::Overrides;
use oxbow::domain::event::{DhcpAnswer, Event};
use oxbow::domain::machine::firmware::Firmware;
use oxbow::domain::node::quirk_file;
use oxbow::domain::snapshot::{Catalogue, Snapshot};
use oxbow::domain::station::service::ServiceState;
use oxbow::domain::time::Timestamp;
use oxbow::inbox::{Input, Outlet, inbox};
use oxbow::service::{ServiceContext, dhcp};

const STATION: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

fn segment() -> Segment {
    Segment::new(STATION, 24, "http://10.77.0.1:8080").expect("a segment")
}

fn segment_in(mode: Mode) -> Segment {
    let mut segment = segment();
    segment.mode = mode;
    segment
}

/// With relay agents, and with a quirk for everybody.
fn with_everything(mode: Mode) -> Segment {
    let network = "10.80.0.1/24=10.80.0.100-10.80.0.250".parse().expect("valid");
    let mut segment = segment().with_relayed([network]).expect("a segment");
    (segment.mode, segment.site) = (mode, site(EVERYBODY));
    segment
}

/// A bench where these are the quirks.
fn site(quirks: &str) -> Overrides {
    Overrides::new(bench(quirks))
}

fn bench(quirks: &str) -> Arc<Snapshot> {
    let quirks = Arc::new(quirk_file::parse("quirks.toml", quirks).expect("valid"));
    let catalogue = Arc::new(Catalogue { quirks, ..Catalogue::default() });
    Arc::new(Snapshot { catalogue, ..Snapshot::default() })
}

const EVERYBODY: &str = "[[quirk]]\nfirmware = \"bios\"\nprogram = \"x\"\nalways_ack = true\nreply_delay_ms = 1\n\
    [[quirk]]\nfirmware = \"uefi_x64\"\nalways_ack = true\n\
    [[quirk]]\nfirmware = \"other\"\nprogram = \"y\"\nalways_ack = true";

/// What the clients of a capture asked, and what they would be answered here, a line for each packet to port 67.
/// A REQUEST asks for what was offered here instead of what was offered then.
fn conversation(capture: &str) -> Vec<String> {
    let mut leases = Leases::default();
    let mut offered = None;
    let mut lines = Vec::new();
    for datagram in pcap::read(capture).into_iter().filter(|datagram| datagram.to.port() == 67) {
        let mut request = Request::parse(&datagram.payload).expect("firmware sends requests");
        request.wanted = request.wanted.and(offered);
        let kind = request.kind.expect("firmware says what it wants");
        let verdict = oxbow::boot::dhcp::decide(Timestamp::from_millis(1), &request, &segment(), &mut leases);
        let answer = match verdict {
            Verdict::Reply(answer) => {
                assert!(answer.message.len() >= 300);
                assert_eq!(answer.message[4..8], request.xid.to_be_bytes());
                assert_eq!(answer.message[28..34], *request.chaddr.bytes());
                let sent = [&[97, 17], &request.machine_id[..]].concat();
                let echoed = request.machine_id.is_empty() || answer.message.windows(19).any(|part| part == sent);
                assert!(echoed, "{capture}: option 97");
                let Some(Event::DhcpAnswered { address, answer, bootfile, .. }) = answer.event else {
                    panic!("{capture}: refused")
                };
                offered = address;
                format!("{answer:?} {}", bootfile.unwrap_or_default())
            }
            Verdict::Overheard(event) => panic!("{event:?} is for proxies"),
            Verdict::Silence(silence) => silence.to_string(),
        };
        let who = match BootClient::of(&request) {
            BootClient::Ipxe { features, .. } => format!("iPXE http={} https={}", features.http, features.https),
            BootClient::Pxe(arch) | BootClient::HttpClient(arch) => {
                format!("{} {}", BootClient::of(&request).firmware().word(), arch.0)
            }
            other @ (BootClient::OtherArch(_) | BootClient::Plain) => format!("{other:?}"),
        };
        lines.push(format!("{kind:?} by {who}: {answer}").trim_end().to_owned());
    }
    lines.dedup();
    lines
}

const IPXE_2019: [&str; 2] = [
    "Discover by iPXE http=true https=false: Offer http://10.77.0.1:8080/boot.ipxe",
    "Request by iPXE http=true https=false: Ack http://10.77.0.1:8080/boot.ipxe",
];
const IPXE_NEW: [&str; 2] = [
    "Discover by iPXE http=true https=true: Offer http://10.77.0.1:8080/boot.ipxe",
    "Request by iPXE http=true https=true: Ack http://10.77.0.1:8080/boot.ipxe",
];
const OVMF: [&str; 2] = ["Discover by UEFI x64 7: Offer snponly.efi", "Request by UEFI x64 7: Ack snponly.efi"];
const OVMF_HTTP: &str = "Discover by UEFI x64 16: Offer http://10.77.0.1:8080/boot/ipxe.efi";
/// The DHCP client of an initramfs.
const BUSYBOX: [&str; 2] = ["Discover by Plain: Offer", "Request by Plain: Ack"];
const ELSEWHERE: &str = "the machine chose another DHCP server, 10.77.0.2";

#[test]
fn captured_firmware_gets_the_program_it_can_load() {
    for (capture, lines) in [
        ("bios-e1000-ipxe-2019-rom.authoritative", IPXE_2019.to_vec()),
        ("bios-ipxe-2019-chains-undionly-2.0", [IPXE_2019, IPXE_NEW].concat()),
        ("uefi-ipxe-1.21-autoexec", OVMF.to_vec()),
        ("uefi-ipxe-2.0-snponly-autoexec", OVMF.to_vec()),
        ("uefi-ovmf-pxe.authoritative", [OVMF, IPXE_2019, BUSYBOX].concat()),
        ("uefi-secure-boot-shim-grub", [OVMF, BUSYBOX].concat()),
        (
            "uefi-ovmf-http-boot.authoritative",
            [vec![OVMF_HTTP, "Request by UEFI x64 16: Ack http://10.77.0.1:8080/boot/ipxe.efi"], IPXE_2019.to_vec()]
                .concat(),
        ),
        ("bios-qemu-ipxe-rom.authoritative", [IPXE_2019, BUSYBOX].concat()),
    ] {
        assert_eq!(conversation(capture), lines, "{capture}");
    }
}

#[test]
fn captured_firmware_that_took_another_servers_offer_is_left_to_it() {
    for (capture, who) in [
        ("bios-ipxe-rom.proxy", "iPXE http=true https=true"),
        ("uefi-ovmf-http-boot.proxy", "UEFI x64 16"),
        ("uefi-ovmf-pxe-then-ipxe-2.0.proxy", "UEFI x64 7"),
        ("uefi-ovmf-pxe.proxy-with-option-43", "UEFI x64 7"),
        ("uefi-ovmf-pxe.proxy-without-option-43", "UEFI x64 7"),
    ] {
        let lines = conversation(capture);
        assert!(lines[0].starts_with(&format!("Discover by {who}: Offer ")), "{capture}: {}", lines[0]);
        assert_eq!(lines[1], format!("Request by {who}: {ELSEWHERE}"), "{capture}");
    }
}

#[test]
fn the_ipxe_that_once_chained_for_ever_is_sent_to_the_script_at_once() {
    let lines = conversation("bios-ipxe-chain-endless-loop");
    assert!(lines.iter().all(|line| line.ends_with("/boot.ipxe")), "{lines:#?}");
}

/// What the clients of a capture ask, and what they are answered beside the site's DHCP server, a line for each packet
/// to port 67 or 4011: packet by packet, as the machines cannot know that another proxy answers.
fn beside_the_sites_server(capture: &str) -> Vec<String> {
    let segment = segment_in(Mode::Proxy);
    let mut leases = Leases::default();
    let mut lines = Vec::new();
    let from_machines = |datagram: &pcap::Datagram| {
        // A machine has the other proxy's port, and was answered there.
        matches!(datagram.to.port(), 67 | 4011) && *datagram.from.ip() != STATION
    };
    for datagram in pcap::read(capture).into_iter().filter(from_machines) {
        let request = Request::parse(&datagram.payload).expect("firmware sends requests");
        let way = Addressing { from: datagram.from, to: *datagram.to.ip() };
        let (who, verdict) = match datagram.to.port() {
            4011 => boot_server::handle(&datagram.payload, way, &segment, &leases),
            _ => handle(Timestamp::from_millis(1), &datagram.payload, &segment, &mut leases),
        };
        assert_eq!(who, request.mac);
        let told = match verdict {
            Verdict::Reply(answer) => {
                let reply = Reply::read(&answer.message);
                assert_eq!((reply.xid, reply.yiaddr), (request.xid, Ipv4Addr::UNSPECIFIED));
                assert_eq!((reply.siaddr, reply.ciaddr), (STATION, request.ciaddr.unwrap_or(Ipv4Addr::UNSPECIFIED)));
                assert_eq!(answer.lease, None);
                format!("to {}: {}", answer.to.socket_address(), reply.words())
            }
            Verdict::Overheard(event) => match *event {
                Event::DhcpAnswered { address: Some(address), .. } => format!("overheard {address}"),
                event => panic!("{event:?}"),
            },
            Verdict::Silence(silence) => silence.to_string(),
        };
        lines.push(format!("{:?}: {told}", request.kind.expect("firmware says what it wants")));
    }
    lines.dedup();
    lines
}

/// What a client reads in a reply.
struct Reply {
    xid: u32,
    ciaddr: Ipv4Addr,
    yiaddr: Ipv4Addr,
    siaddr: Ipv4Addr,
    file: String,
    options: Vec<(u8, Vec<u8>)>,
}

impl Reply {
    fn read(packet: &[u8]) -> Self {
        assert!((300..=1472).contains(&packet.len()));
        let address = |at: usize| Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
        let options = dhcproto::v4::borrowed::DhcpOptionIterator::new(&packet[240..]);
        Self {
            xid: u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]),
            ciaddr: address(12),
            yiaddr: address(16),
            siaddr: address(20),
            file: String::from_utf8_lossy(&packet[108..236]).trim_end_matches('\0').to_owned(),
            options: options.map(|option| (option.code().into(), option.data().to_vec())).collect(),
        }
    }

    fn option(&self, code: u8) -> Option<&[u8]> {
        self.options.iter().find(|(it, _)| *it == code).map(|(_, data)| &data[..])
    }

    /// `CLASS FILE`, and option 43 if there is one.
    fn words(&self) -> String {
        let class = String::from_utf8_lossy(self.option(60).unwrap_or_default());
        let option_43 = self.option(43).map(|data| format!(" 43={data:02x?}")).unwrap_or_default();
        assert_eq!(self.option(67), Some(format!("{}\0", self.file).as_bytes()), "file and option 67 say the same");
        format!("{class} {}{option_43}", self.file)
    }
}

#[test]
fn captured_firmware_is_told_what_to_load_beside_the_sites_server() {
    const SCRIPT: &str = "Discover: to 255.255.255.255:68: PXEClient http://10.77.0.1:8080/boot.ipxe";
    const UEFI: &str = "Discover: to 255.255.255.255:68: PXEClient snponly.efi";
    let overheard = |last: u8| format!("Request: overheard 10.77.0.{last}");
    let boot_server = |last: u8, port: u16, file: &str| format!("Request: to 10.77.0.{last}:{port}: PXEClient {file}");
    for (capture, lines) in [
        (
            "bios-ipxe-rom.proxy",
            vec![SCRIPT.to_owned(), overheard(199), boot_server(199, 68, "http://10.77.0.1:8080/boot.ipxe")],
        ),
        (
            "uefi-ovmf-http-boot.proxy",
            vec![
                "Discover: to 255.255.255.255:68: HTTPClient http://10.77.0.1:8080/boot/ipxe.efi".to_owned(),
                overheard(101),
                SCRIPT.to_owned(),
                overheard(101),
            ],
        ),
        (
            "uefi-ovmf-pxe-then-ipxe-2.0.proxy",
            vec![
                UEFI.to_owned(),
                overheard(179),
                boot_server(179, 4011, "snponly.efi"),
                SCRIPT.to_owned(),
                overheard(179),
            ],
        ),
        (
            "uefi-ovmf-pxe.proxy-with-option-43",
            vec![UEFI.to_owned(), overheard(174), SCRIPT.to_owned(), overheard(174)],
        ),
        (
            "uefi-ovmf-pxe.proxy-without-option-43",
            vec![
                UEFI.to_owned(),
                overheard(186),
                boot_server(186, 4011, "snponly.efi"),
                SCRIPT.to_owned(),
                overheard(186),
            ],
        ),
    ] {
        assert_eq!(beside_the_sites_server(capture), lines, "{capture}");
    }
}

/// Every payload of every capture, whoever sent it.
static PAYLOADS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/pcap");
    let files = std::fs::read_dir(folder).expect("the captures");
    let names = files.map(|file| file.expect("a capture").file_name().to_string_lossy().into_owned());
    names.flat_map(|name| pcap::read(name.trim_end_matches(".pcap"))).map(|datagram| datagram.payload).collect()
});

proptest! {
    #[test]
    fn no_mutation_of_real_packets_panics(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut packet = which.get(PAYLOADS.as_slice()).clone();
        for (at, value) in changes {
            *at.get_mut(&mut packet) = value;
        }
        packet.truncate(cut.index(packet.len() * 4) + 1);
        let mut leases = Leases::default();
        let way = Addressing { from: SocketAddrV4::new(STATION, 68), to: STATION };
        for mode in [Mode::Authoritative, Mode::Proxy] {
            let segment = with_everything(mode);
            let verdicts = [
                handle(Timestamp::from_millis(1), &packet, &segment, &mut leases).1,
                boot_server::handle(&packet, way, &segment, &leases).1,
            ];
            for verdict in verdicts {
                if let Verdict::Reply(answer) = verdict {
                    prop_assert!((300..=1472).contains(&answer.message.len()));
                }
            }
        }
    }

    /// Any options at all, of any machine, on both ports, through any relay agent.
    #[test]
    fn no_options_of_any_machine_panic(
        options in prop::collection::vec(any::<u8>(), 0..400),
        header in prop::array::uniform32(any::<u8>()),
        relayed in any::<bool>(),
        port in any::<u16>(),
        to in any::<[u8; 4]>(),
    ) {
        let mut packet = vec![0; 240];
        packet[..32].copy_from_slice(&header);
        packet[..3].copy_from_slice(&[1, 1, header[2] % 17]);
        if relayed {
            packet[24..28].copy_from_slice(&[10, 80, 0, header[27]]);
        }
        packet[236..].copy_from_slice(&[99, 130, 83, 99]);
        packet.extend_from_slice(&options);
        let way = Addressing { from: SocketAddrV4::new([10, 77, 0, header[30]].into(), port), to: to.into() };
        for mode in [Mode::Authoritative, Mode::Proxy] {
            let (segment, mut leases) = (with_everything(mode), Leases::default());
            for verdict in [
                handle(Timestamp::from_millis(1), &packet, &segment, &mut leases).1,
                boot_server::handle(&packet, way, &segment, &leases).1,
            ] {
                if let Verdict::Reply(answer) = verdict {
                    prop_assert!((300..=1472).contains(&answer.message.len()));
                    prop_assert_eq!(&answer.message[4..8], &packet[4..8]);
                }
            }
        }
    }
}

/// busybox's DHCP client at the other end of the cable: what it was given, as `ADDRESS LEASE NEXT-SERVER BOOT-FILE`.
async fn udhcpc(client: &str, options: &'static [&'static str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("script");
    std::fs::write(&script, "#!/bin/sh\n[ \"$1\" = bound ] && echo \"got $ip $lease $siaddr $boot_file\"\nexit 0\n")
        .expect("writes");
    let run = Command::new("chmod").arg("+x").arg(&script).status();
    assert!(run.is_ok_and(|run| run.success()));
    let client = client.to_owned();
    let run = tokio::task::spawn_blocking(move || {
        Command::new("ip")
            .args(["netns", "exec", &client, "busybox", "udhcpc", "-i", "c0", "-f", "-n", "-q", "-t", "5", "-T", "1"])
            .arg("-s")
            .arg(&script)
            .args(options)
            .output()
            .expect("busybox is installed")
    });
    let output = run.await.expect("runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let got = text.lines().find_map(|line| line.strip_prefix("got ")).map(str::trim_end);
    got.unwrap_or_else(|| panic!("no lease: {text}{}", String::from_utf8_lossy(&output.stderr))).to_owned()
}

/// The only server, by the tester's word.
fn alone() -> ModeState {
    ModeState::new(DhcpChoice::Authoritative, true)
}

fn context() -> (ServiceContext, Outlet) {
    let (inbox, outlet) = inbox();
    let (_, bench) = watch::channel(Arc::new(Snapshot::default()));
    (ServiceContext { inbox, bench, stop: CancellationToken::new() }, outlet)
}

#[test]
fn a_real_client_gets_its_lease_over_a_cable() {
    match cable::role().as_deref() {
        Some(client) => tokio::runtime::Runtime::new().expect("a runtime").block_on(lease_over_a_cable(client)),
        None => {
            let cable = Cable::lay("dhcp");
            cable::run_in(&cable.station, a_real_client_gets_its_lease_over_a_cable, &cable.client);
        }
    }
}

async fn lease_over_a_cable(client: &str) {
    let (context, mut outlet) = context();
    let config = dhcp::DhcpConfig::new("s0", segment(), alone(), Vec::new());
    let serving = tokio::spawn(dhcp::serve(context.clone(), config.clone()));
    let up = outlet.notes.recv().await;
    assert!(
        matches!(&up, Some(Input::Service(status)) if status.state == ServiceState::Up { at: "10.77.0.1 on s0, pool 10.77.0.100–250".into() }),
        "{up:?}"
    );

    assert_eq!(udhcpc(client, &[]).await, "10.77.0.100 300");
    let pxe = &["-V", "PXEClient:Arch:00007:UNDI:003016", "-x", "0x5d:0007", "-O", "bootfile", "-O", "tftp"];
    assert_eq!(udhcpc(client, pxe).await, "10.77.0.100 600 10.77.0.1 snponly.efi");

    let second = dhcp::serve(context.clone(), dhcp::DhcpConfig::new("s0", segment(), alone(), Vec::new())).await;
    let refused = second.expect_err("the port is taken").to_string();
    assert_eq!(refused, "cannot bind UDP port 67 on s0: another program uses it");
    let nowhere = dhcp::serve(context.clone(), dhcp::DhcpConfig::new("nowhere0", segment(), alone(), Vec::new()));
    assert!(tokio::time::timeout(Duration::from_millis(200), nowhere).await.is_err(), "it waits for its interface");

    context.stop.cancel();
    serving.await.expect("joins").expect("stops without a complaint");
    let (mut answers, mut leases) = (Vec::new(), 0);
    while let Ok(note) = outlet.notes.try_recv() {
        match note {
            Input::Event(Event::DhcpAnswered { answer, firmware, .. }) => answers.push((answer, firmware)),
            Input::Service(status) => {
                let ServiceState::Down { what, .. } = status.state else { panic!("unexpected {status:?}") };
                assert_eq!(what, "interface nowhere0 is gone: plug it in");
            }
            Input::Dhcp(_) => {}
            Input::Leases(saved) => leases += saved.len(),
            // For the doctor and the tape.
            Input::Event(Event::Sighted { .. } | Event::Neighbour { .. }) | Input::Packet(_) => {}
            other => panic!("unexpected {other:?}"),
        }
    }
    use DhcpAnswer::{Ack, Offer};
    let plain = [(Offer, Firmware::Plain), (Ack, Firmware::Plain)];
    assert_eq!(answers, [plain, [(Offer, Firmware::UefiX64), (Ack, Firmware::UefiX64)]].concat());
    assert_eq!(leases, 2);

    let context = ServiceContext { stop: CancellationToken::new(), ..context };
    let again = tokio::spawn(dhcp::serve(context.clone(), config));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(udhcpc(client, &["-r", "10.77.0.200"]).await, "10.77.0.100 300", "leases outlive the service");
    context.stop.cancel();
    again.await.expect("joins").expect("stops without a complaint");
}

#[test]
fn a_machine_gets_its_lease_while_nothing_can_be_stored() {
    match cable::role().as_deref() {
        Some(client) => tokio::runtime::Runtime::new().expect("a runtime").block_on(lease_without_a_store(client)),
        None => {
            let cable = Cable::lay("stuck");
            cable::run_in(&cable.station, a_machine_gets_its_lease_while_nothing_can_be_stored, &cable.client);
        }
    }
}

/// A hub that waits for a store that hangs takes nothing in, until it does again.
async fn lease_without_a_store(client: &str) {
    let (context, mut outlet) = context();
    let serving =
        tokio::spawn(dhcp::serve(context.clone(), dhcp::DhcpConfig::new("s0", segment(), alone(), Vec::new())));
    assert!(matches!(outlet.notes.recv().await, Some(Input::Service(_))), "it is up");
    (0..5000).for_each(|_| context.inbox.saw(Event::DhcpSilence { mac: None, reason: String::new() }));
    for _ in 0..2 {
        assert_eq!(udhcpc(client, &[]).await, "10.77.0.100 300");
    }
    let mut leases = Vec::new();
    while leases.is_empty() {
        let note = tokio::time::timeout(Duration::from_secs(20), outlet.notes.recv()).await;
        if let Some(Input::Leases(saved)) = note.expect("what was leased is handed over later") {
            leases = saved;
        }
    }
    assert_eq!(leases.iter().map(|lease| lease.address).collect::<Vec<_>>(), [Ipv4Addr::new(10, 77, 0, 100)]);
    context.stop.cancel();
    serving.await.expect("joins").expect("stops without a complaint");
}

#[test]
fn a_machine_that_wants_it_so_is_answered_late_and_nobody_waits_for_it() {
    match cable::role().as_deref() {
        Some(client) => tokio::runtime::Runtime::new().expect("a runtime").block_on(answered_late(client)),
        None => {
            let cable = Cable::lay("late");
            cable::run_in(
                &cable.station,
                a_machine_that_wants_it_so_is_answered_late_and_nobody_waits_for_it,
                &cable.client,
            );
        }
    }
}

async fn answered_late(client: &str) {
    let (context, mut outlet) = context();
    let (_bench, snapshot) = watch::channel(bench("[[quirk]]\narchitecture = 7\nreply_delay_ms = 600"));
    let context = ServiceContext { bench: snapshot, ..context };
    let config = dhcp::DhcpConfig::new("s0", segment(), alone(), Vec::new());
    let serving = tokio::spawn(dhcp::serve(context.clone(), config));
    assert!(matches!(outlet.notes.recv().await, Some(Input::Service(_))));
    let late = &["-V", "PXEClient:Arch:00007:UNDI:003016", "-x", "0x5d:0007", "-T", "5"];
    let begun = Instant::now();
    assert!(udhcpc(client, late).await.starts_with("10.77.0.100 600 10.77.0.1"));
    assert!(begun.elapsed() >= Duration::from_millis(1200), "OFFER and ACK: {:?}", begun.elapsed());
    assert_eq!(udhcpc(client, &[]).await, "10.77.0.100 300", "who is no such machine is served as ever");
    context.stop.cancel();
    serving.await.expect("joins").expect("stops without a complaint");
}

#[test]
fn of_all_captured_packets_only_the_clients_are_read_as_requests() {
    let kinds: Vec<RequestType> = PAYLOADS.iter().filter_map(|payload| Request::parse(payload).ok()?.kind).collect();
    assert!(
        kinds.len() > 40 && kinds.iter().all(|kind| matches!(kind, RequestType::Discover | RequestType::Request)),
        "{kinds:?}"
    );
}
