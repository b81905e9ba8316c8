//! The doctor and the tape behind real sockets: a client on a cable asks a real DHCP and TFTP service, the hub keeps what
//! was seen, and tcpdump reads the packets that are saved.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::lab::cable::{self, Cable};
use oxbow::boot::dhcp::rogue::{DhcpChoice, ModeState};
use oxbow::boot::dhcp::segment::Segment;
use oxbow::domain::doctor::verdict::StoppedAt;
use oxbow::domain::effect::Effect;
use oxbow::domain::fleet::Fleet;
use oxbow::domain::ids::MacAddr;
use oxbow::domain::snapshot::Snapshot;
use oxbow::domain::station::Station;
use oxbow::hub::{Hub, NodeLog};
use oxbow::inbox::{Input, inbox};
use oxbow::service::{ServiceContext, dhcp, tftp};
use oxbow::store;

const STATION: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

#[test]
fn what_a_machine_on_a_cable_did_is_told_and_its_packets_are_saved() {
    match cable::role().as_deref() {
        Some(client) => Runtime::new().expect("a runtime").block_on(told_and_saved(client)),
        None => {
            let cable = Cable::lay("doctor");
            cable::run_in(
                &cable.station,
                what_a_machine_on_a_cable_did_is_told_and_its_packets_are_saved,
                &cable.client,
            );
        }
    }
}

struct NoNodeLog;
impl NodeLog for NoNodeLog {
    fn write(&mut self, _: &[Effect]) {}
}

async fn told_and_saved(client: &str) {
    let place = tempfile::tempdir().expect("a folder");
    std::fs::write(place.path().join("snponly.efi"), vec![7; 5000]).expect("a boot program");
    let (inbox, outlet) = inbox();
    let (store, _, store_thread) = store::open(&place.path().join("oxbow.db")).expect("a store");
    let (hub, mut bench) = Hub::new(Fleet::default(), Station::default(), store, Box::new(NoNodeLog));
    let stop = CancellationToken::new();
    let context = ServiceContext { inbox: inbox.clone(), bench: bench.clone(), stop: stop.clone() };
    let hub = tokio::spawn(hub.run(outlet, stop.clone()));
    let segment = Segment::new(STATION, 24, "http://10.77.0.1").expect("a segment");
    let standing = ModeState::new(DhcpChoice::Authoritative, true);
    let dhcp = tokio::spawn(dhcp::serve(context.clone(), dhcp::DhcpConfig::new("s0", segment, standing, Vec::new())));
    let directory = place.path().to_owned();
    let config = tftp::TftpConfig {
        interface: "s0".into(),
        address: STATION,
        port: 69,
        directory,
        autoexec: "#!ipxe".into(),
        grub_config: String::new(),
    };
    let tftp = tokio::spawn(tftp::serve(context, config));
    until(&mut bench, "both serve", |bench| bench.services.len() >= 2).await;

    let mac = card(client);
    let pxe = ["-V", "PXEClient:Arch:00007:UNDI:003016", "-x", "0x5d:0007"];
    let asks = ["busybox", "udhcpc", "-i", "c0", "-f", "-n", "-q", "-t", "5", "-T", "1", "-s", "/bin/true"];
    inside(client, &[&asks[..], &pxe].concat()).await;
    inside(client, &["ip", "address", "add", "10.77.0.100/24", "dev", "c0"]).await;
    let bench_now = until(&mut bench, "it has its address", |bench| {
        bench.doctor.trail(mac).is_some_and(|trail| trail.address == Some(Ipv4Addr::new(10, 77, 0, 100)))
    })
    .await;
    let later = bench_now.at.after(Duration::from_secs(20));
    let verdict = bench_now.doctor.verdict(mac, None, later).expect("it stopped");
    assert_eq!(verdict.stage, StoppedAt::Loader, "{verdict}");
    assert!(verdict.what.contains("told to load snponly.efi, and never asked for it"), "{verdict}");

    // What is seen by its address alone is the same machine's.
    for file in ["snponly.efi", "nothing.efi"] {
        let to = place.path().join("got").display().to_string();
        inside(client, &["busybox", "tftp", "-g", "-r", file, "-l", &to, "10.77.0.1"]).await;
    }
    let timeline = |bench: &Snapshot| {
        let entries = bench.doctor.trail(mac).into_iter().flat_map(|trail| trail.entries());
        entries.map(|entry| entry.what.to_string()).collect::<Vec<_>>()
    };
    let done = until(&mut bench, "it was told that there is no such file", |bench| {
        timeline(bench).last().is_some_and(|last| last == "tftp nothing.efi > not here")
    })
    .await;
    let words = timeline(&done).join("\n");
    for part in ["DISCOVER by UEFI x64 > offered 10.77.0.100, snponly.efi", "> given 10.77.0.100", "all 5000 bytes"] {
        assert!(words.contains(part), "{words}");
    }
    assert_eq!((done.doctor.unplaced(), done.dropped), (0, 0));

    let file = inbox.ask(|back| Input::Capture(vec![mac], back)).await.flatten().expect("packets");
    // tcpdump takes the answer, which comes from another port than 69, for no TFTP.
    assert!(String::from_utf8_lossy(&file).contains("no file \"nothing.efi\""), "the error is in it");
    let path = place.path().join("machine.pcap");
    std::fs::write(&path, file).expect("writes");
    let read = tcpdump(&path);
    for part in ["Discover", "Offer", "Request", "ACK", "RRQ \"nothing.efi\"", &mac.to_string()] {
        assert!(read.contains(part), "{part}:\n{read}");
    }
    // As many checksums are right as there are packets over IP.
    assert!(!read.contains("bad") && read.contains("[udp sum ok]"), "{read}");
    assert!(inbox.ask(|back| Input::Capture(Vec::new(), back)).await.flatten().is_none());

    stop.cancel();
    for service in [dhcp, tftp] {
        service.await.expect("joins").expect("stops without a complaint");
    }
    hub.await.expect("joins");
    store_thread.join().expect("ends");
}

/// The bench as it is when `is` says so.
async fn until(
    bench: &mut watch::Receiver<Arc<Snapshot>>,
    what: &str,
    is: impl Fn(&Snapshot) -> bool,
) -> Arc<Snapshot> {
    let waiting = bench.wait_for(|bench| is(bench));
    let found = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    found.unwrap_or_else(|_| panic!("never: {what}")).expect("the hub works").clone()
}

/// Runs a program at the other end of the cable. Some are to fail.
async fn inside(client: &str, command: &[&str]) {
    let mut program = Command::new("ip");
    program.args(["netns", "exec", client]).args(command);
    let run = tokio::task::spawn_blocking(move || program.output().expect("is installed"));
    let _it_may_have_failed = run.await.expect("runs");
}

fn card(client: &str) -> MacAddr {
    let shown = Command::new("ip").args(["-n", client, "-br", "link", "show", "c0"]).output().expect("iproute2");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    shown.split_whitespace().find_map(|word| word.parse().ok()).expect("a MAC")
}

fn tcpdump(path: &Path) -> String {
    let output =
        Command::new("tcpdump").args(["-n", "-e", "-vv", "-r"]).arg(path).output().expect("tcpdump is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
