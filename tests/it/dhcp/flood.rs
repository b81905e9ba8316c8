//! Thousands of DHCP requests a second from made-up machines, over a cable, while a machine of the bench wants to boot.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::lab::cable::{self, Cable};
use crate::lab::site;
use oxbow::boot::dhcp::rogue::{DhcpChoice, ModeState};
use oxbow::boot::dhcp::segment::Segment;
use oxbow::domain::effect::Effect;
use oxbow::domain::fleet::Fleet;
use oxbow::domain::ids::NodeId;
use oxbow::domain::node::Node;
use oxbow::domain::snapshot::Snapshot;
use oxbow::domain::station::Station;
use oxbow::domain::time::Timestamp;
use oxbow::hub::{Hub, NodeLog};
use oxbow::inbox::inbox;
use oxbow::service::{ServiceContext, dhcp};
use oxbow::store;

const STATION: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 5);
const REGISTERED: &str = "52:54:00:0b:0b:01";
const NEWCOMER: &str = "52:54:00:0b:0b:02";

#[test]
fn in_a_flood_machines_still_get_their_leases_and_what_is_dropped_is_shown() {
    match cable::role().as_deref() {
        Some(client) => tokio::runtime::Runtime::new().expect("a runtime").block_on(flooded(client.to_owned())),
        None => {
            let cable = Cable::lay("flood");
            cable::run_in(
                &cable.station,
                in_a_flood_machines_still_get_their_leases_and_what_is_dropped_is_shown,
                &cable.client,
            );
        }
    }
}

async fn flooded(client: String) {
    let place = tempfile::TempDir::new().expect("a directory");
    let (store, _, thread) = store::open(&place.path().join("oxbow.db")).expect("a store");
    let (inbox, outlet) = inbox();
    let mut node = Node::new(NodeId(1), Timestamp::default());
    node.registered = true;
    node.macs = vec![REGISTERED.parse().expect("a MAC")];
    let (hub, bench) = Hub::new(Fleet::restore([node]), Station::default(), store, Box::new(NoNodeLog));
    let stop = CancellationToken::new();
    let hub = tokio::spawn(hub.run(outlet, stop.clone()));
    let segment = Segment::new(STATION, 24, "http://10.77.0.1").expect("a segment");
    let config = dhcp::DhcpConfig::new("s0", segment, ModeState::new(DhcpChoice::Authoritative, true), Vec::new());
    let context = ServiceContext { inbox, bench: bench.clone(), stop: stop.clone() };
    let serving = tokio::spawn(dhcp::serve(context, config));

    let flood = Flood::begin(client.clone());
    until(&bench, "requests are dropped, and counted", |bench| !bench.dhcp.dropped.is_empty()).await;
    let (dropped, memory) = (dropped(&bench), resident_kb());

    // Five tries of a second each, as the slowest firmware has the patience for many more.
    assert!(lease(&client, REGISTERED, "5").await.starts_with("10.77.0."), "a machine of the bench");
    assert!(lease(&client, NEWCOMER, "20").await.starts_with("10.77.0."), "one that nobody has seen before");

    until(&bench, "the count grows", |_| self::dropped(&bench) > dropped).await;
    let (sent, nodes) = (flood.end(), bench.borrow().nodes.len());
    assert!(resident_kb() < memory + 64 * 1024, "{} kB, and then {}", memory, resident_kb());
    assert!(nodes <= 10, "who takes nothing is no machine: {nodes} nodes after {sent} requests");
    println!("{sent} requests, {} dropped: {:?}", self::dropped(&bench), bench.borrow().dhcp.dropped);

    stop.cancel();
    serving.await.expect("joins").expect("stops without a complaint");
    hub.await.expect("joins");
    thread.join().expect("the store closes");
}

/// Machines that boot by PXE, each of them another, and never take what they are offered.
struct Flood {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: std::thread::JoinHandle<()>,
}

impl Flood {
    fn begin(client: String) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let address = ["-n", &client, "address", "add", "10.77.0.5/24", "dev", "c0"];
        assert!(Command::new("ip").args(address).status().is_ok_and(|done| done.success()));
        let thread = std::thread::spawn({
            let (stop, sent) = (stop.clone(), sent.clone());
            move || site::inside(&client, || pour(&stop, &sent))
        });
        Self { stop, sent, thread }
    }

    fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("it ends");
        self.sent.load(Ordering::Relaxed)
    }
}

/// Ten thousand a second, as far as the machine can.
fn pour(stop: &AtomicBool, sent: &AtomicU64) {
    let socket = UdpSocket::bind(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
    let (mut random, began) = (0x2545_f491_4f6c_dd1d_u64, Instant::now());
    while !stop.load(Ordering::Relaxed) {
        let due = u64::try_from(began.elapsed().as_millis()).expect("a short time") * 10;
        for _ in sent.load(Ordering::Relaxed)..due {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            // While the link is down it cannot be sent.
            let _lost = socket.send_to(&discover(random), SocketAddrV4::new(STATION, 67));
            sent.fetch_add(1, Ordering::Relaxed);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn discover(random: u64) -> Vec<u8> {
    let mut packet = vec![0; 300];
    packet[..4].copy_from_slice(&[1, 1, 6, 0]);
    packet[4..8].copy_from_slice(&random.to_be_bytes()[..4]);
    // Through a relay agent: broadcast answers by the thousand would drown the client, whatever the station does.
    packet[24..28].copy_from_slice(&RELAY.octets());
    packet[28..34].copy_from_slice(&random.to_be_bytes()[2..]);
    packet[28] = 2;
    packet[236..240].copy_from_slice(&[99, 130, 83, 99]);
    let options = b"\x35\x01\x01\x3c\x09PXEClient\x5d\x02\x00\x07\xff";
    packet[240..240 + options.len()].copy_from_slice(options);
    packet
}

/// The address that busybox's client gets for this card within so many tries of a second each.
async fn lease(client: &str, mac: &'static str, tries: &'static str) -> String {
    let (client, place) = (client.to_owned(), tempfile::TempDir::new().expect("a directory"));
    let run = tokio::task::spawn_blocking(move || {
        let script = place.path().join("script");
        std::fs::write(&script, "#!/bin/sh\n[ \"$1\" = bound ] && echo \"got $ip\"\nexit 0\n").expect("writes");
        let shell = format!(
            "chmod +x {script}; ip link set c0 address {mac} && exec busybox udhcpc -i c0 -f -n -q -t {tries} -T 1 -A 1 -s {script}",
            script = script.display(),
        );
        Command::new("ip").args(["netns", "exec", &client, "sh", "-c", &shell]).output().expect("`ip` starts")
    });
    let output = run.await.expect("runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let got = text.lines().find_map(|line| line.strip_prefix("got "));
    got.unwrap_or_else(|| panic!("no lease: {text}{}", String::from_utf8_lossy(&output.stderr))).to_owned()
}

fn dropped(bench: &watch::Receiver<Arc<Snapshot>>) -> u64 {
    bench.borrow().dhcp.dropped.iter().map(|(_, count)| count).sum()
}

async fn until(bench: &watch::Receiver<Arc<Snapshot>>, what: &str, is_so: impl Fn(&Snapshot) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so(&bench.borrow()) {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// This process's memory.
fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

struct NoNodeLog;
impl NodeLog for NoNodeLog {
    fn write(&mut self, _: &[Effect]) {}
}
