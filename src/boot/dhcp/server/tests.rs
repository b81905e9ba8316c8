//! The order of things, by packets and a made-up clock.

use super::*;
use crate::boot::dhcp::rogue::Probe;
use crate::domain::fleet::Fleet;
use crate::domain::ids::NodeId;
use crate::domain::node::{Node, quirk_file};
use crate::domain::snapshot::Catalogue;

/// The server of 10.77.0.1/24 with a pool of .10 to .250, on a network card that can send ARP.
struct Bench {
    server: Server,
}

impl Bench {
    fn new() -> Self {
        let segment = Segment::new(at(1), 24, "http://10.77.0.1").and_then(|it| it.with_pool(at(10), at(250)));
        let mut server = Server::new(segment.expect("a segment"), Vec::new());
        server.start(mac(0));
        server.check_conflicts();
        Self { server }
    }

    /// The same without a socket for ARP: no offer waits.
    fn without_arp() -> Self {
        let mut bench = Self::new();
        bench.server.start(mac(0));
        bench
    }

    /// Takes in a packet without answering it.
    fn receive(&mut self, millis: u64, packet: &[u8]) {
        let addressing = Addressing { from: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68), to: Ipv4Addr::BROADCAST };
        self.server.handle(ms(millis), DhcpPort::Dhcp, packet, addressing);
    }

    /// What is to be done at this millisecond, without what is only for the doctor.
    fn due(&mut self, millis: u64) -> Vec<Action> {
        self.server.due(ms(millis));
        self.actions()
    }

    fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.server.next_action())
            .filter(|action| !matches!(action, Action::Observe(_) | Action::Capture(_)))
            .collect()
    }

    fn next_timeout(&self, millis: u64) -> Option<u128> {
        self.server.next_timeout(ms(millis)).map(|time| time.as_millis())
    }

    /// A machine that takes the address it is offered.
    fn boots(&mut self, millis: u64, machine: u32) -> Ipv4Addr {
        self.receive(millis, &discover(machine));
        let address = sent(&self.due(millis))[0].1;
        self.receive(millis, &request(machine, address));
        assert_eq!(sent(&self.due(millis)), [(Some(mac(machine)), address)]);
        address
    }
}

fn ms(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + millis)
}

fn at(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, last)
}

fn mac(number: u32) -> MacAddr {
    let [a, b, c, d] = number.to_be_bytes();
    MacAddr::new([0x52, 0x54, a, b, c, d]).expect("a MAC")
}

fn discover(machine: u32) -> Vec<u8> {
    Probe::new(mac(machine), Ipv4Addr::UNSPECIFIED).discover(machine)
}

/// The REQUEST that follows: option 50 has room at the end.
fn request(machine: u32, wanted: Ipv4Addr) -> Vec<u8> {
    let mut packet = discover(machine);
    let kind = packet.windows(3).position(|part| part == [53, 1, 1]).expect("a message type");
    packet[kind + 2] = 3;
    let end = packet.iter().rposition(|byte| *byte == 255).expect("an end");
    packet[end..end + 2].copy_from_slice(&[50, 4]);
    packet[end + 2..end + 6].copy_from_slice(&wanted.octets());
    packet[end + 6] = 255;
    packet
}

/// The machines that are sent a reply, and the address in it.
fn sent(actions: &[Action]) -> Vec<(Option<MacAddr>, Ipv4Addr)> {
    let sent = actions.iter().filter_map(|action| match action {
        Action::Send { mac, reply, .. } => Some((*mac, reply)),
        Action::Arp { .. } | Action::Silent { .. } | Action::Report(_) | Action::Observe(_) | Action::Capture(_) => {
            None
        }
    });
    sent.map(|(mac, reply)| (mac, <[u8; 4]>::try_from(&reply.message[16..20]).expect("a reply").into())).collect()
}

/// The addresses that are asked about by ARP.
fn asked(actions: &[Action]) -> Vec<Ipv4Addr> {
    let asked = actions.iter().filter_map(|action| match action {
        Action::Arp { address, .. } => Some(*address),
        Action::Send { .. } | Action::Silent { .. } | Action::Report(_) | Action::Observe(_) | Action::Capture(_) => {
            None
        }
    });
    asked.collect()
}

/// The ARP frame by which a card claims an address.
fn claim_frame(address: Ipv4Addr, by: MacAddr) -> Vec<u8> {
    let mut frame = arp::question(by, address);
    frame[21] = 2;
    frame[28..32].copy_from_slice(&address.octets());
    frame
}

fn snapshot_with_node(machine: u32) -> Arc<Snapshot> {
    let mut node = Node::new(NodeId(1), Timestamp::default());
    node.registered = true;
    node.macs = vec![mac(machine)];
    let fleet = Fleet::restore([node]);
    let (nodes, index) = (fleet.nodes().clone(), Arc::clone(fleet.index()));
    Arc::new(Snapshot { nodes, index, ..Snapshot::default() })
}

/// A station where every machine is answered two seconds late.
fn snapshot_with_delay() -> Arc<Snapshot> {
    let quirks = "[[quirk]]\noui = \"52:54:00\"\nreply_delay_ms = 2000";
    let quirks = Arc::new(quirk_file::parse("quirks.toml", quirks).expect("valid"));
    let catalogue = Arc::new(Catalogue { quirks, ..Catalogue::default() });
    Arc::new(Snapshot { catalogue, ..Snapshot::default() })
}

#[test]
fn a_flood_does_not_delay_a_known_machine() {
    let mut bench = Bench::without_arp();
    let leased = bench.boots(0, 2);
    bench.server.update(&snapshot_with_node(1));
    for stranger in 1000..1500 {
        bench.receive(5000, &discover(stranger));
    }
    bench.receive(5000, &discover(1));
    bench.receive(5000, &discover(2));
    let first = sent(&bench.due(5000));
    assert_eq!(first.len(), ANSWERED_TOGETHER, "the rest waits while the caller looks for new packets");
    assert_eq!((first[0].0, first[1]), (Some(mac(1)), (Some(mac(2)), leased)));
    assert_eq!(bench.next_timeout(5000), Some(0), "the rest is due at once");
    bench.receive(5001, &discover(2));
    assert_eq!(sent(&bench.due(5001))[0], (Some(mac(2)), leased), "a known machine overtakes the rest again");
}

#[test]
fn what_is_too_much_is_counted_and_logged_once_in_ten_seconds() {
    let mut bench = Bench::without_arp();
    for _ in 0..50 {
        bench.receive(0, &discover(1));
    }
    for stranger in 0..1040 {
        bench.receive(0, &discover(1000 + stranger));
    }
    bench.server.not_sent();
    let busy = "more requests at once than the station can answer".to_owned();
    let dropped = bench.server.counts().dropped;
    assert_eq!(dropped[0], (busy, 40 + 1040 - 1024));
    assert_eq!(dropped[1], ("one machine sends more than 10 requests a second".to_owned(), 10));
    assert_eq!(dropped[2], ("the system could not send the reply: check the network cable".to_owned(), 1));
    assert_eq!((bench.server.drops_to_log(ms(0)).len(), bench.server.drops_to_log(ms(9000)).len()), (3, 0));
    bench.server.not_sent();
    assert_eq!((bench.server.drops_to_log(ms(9999)).len(), bench.server.drops_to_log(ms(10_000)).len()), (0, 1));
}

#[test]
fn an_offer_waits_150_ms_for_arp() {
    let mut bench = Bench::new();
    bench.receive(0, &discover(1));
    let actions = bench.due(0);
    assert_eq!((asked(&actions), sent(&actions)), (vec![at(10)], vec![]));
    assert_eq!((bench.next_timeout(0), bench.next_timeout(100)), (Some(150), Some(50)));
    assert_eq!(bench.due(149), []);
    assert_eq!(sent(&bench.due(150)), [(Some(mac(1)), at(10))]);
    assert_eq!(bench.next_timeout(150), None);
    bench.receive(1000, &discover(1));
    assert_eq!(sent(&bench.due(1000)), [(Some(mac(1)), at(10))], "the address is not checked again");
}

#[test]
fn an_offer_of_an_address_in_use_is_given_up_and_the_request_answered_again() {
    let mut bench = Bench::new();
    bench.receive(0, &discover(1));
    assert_eq!(asked(&bench.due(0)), [at(10)]);
    let claim = Claim { address: at(10), by: mac(99) };
    bench.server.handle_arp(ms(20), claim, &claim_frame(at(10), mac(99)));
    let silence = Silence::InUse(at(10), mac(99));
    assert_eq!(bench.actions(), [Action::Silent { mac: Some(mac(1)), silence }]);
    assert_eq!(bench.next_timeout(20), Some(0), "the request is back in the queue");
    assert_eq!(asked(&bench.due(20)), [at(11)]);
    assert_eq!(bench.due(169), []);
    assert_eq!(sent(&bench.due(170)), [(Some(mac(1)), at(11))]);
    assert_eq!(bench.server.status(ms(170)).pool.resting, 1);
}

#[test]
fn a_claim_is_observed_and_captured_once() {
    let mut bench = Bench::new();
    let (claim, frame) = (Claim { address: at(77), by: mac(99) }, claim_frame(at(77), mac(99)));
    for _ in 0..2 {
        bench.server.handle_arp(ms(0), claim, &frame);
    }
    let neighbour = Event::Neighbour { mac: mac(99), address: at(77) };
    assert_eq!(bench.server.next_action(), Some(Action::Observe(Box::new(neighbour))));
    assert!(matches!(bench.server.next_action(), Some(Action::Capture(_))));
    assert_eq!(bench.server.next_action(), None);
}

#[test]
fn a_delayed_reply_comes_after_its_delay_and_delays_nobody_else() {
    let mut bench = Bench::without_arp();
    bench.server.update(&snapshot_with_delay());
    bench.receive(0, &discover(1));
    assert_eq!(bench.due(0), []);
    assert_eq!(bench.next_timeout(500), Some(1500));
    bench.server.update(&Arc::default());
    bench.receive(500, &discover(2));
    assert_eq!(sent(&bench.due(500)), [(Some(mac(2)), at(11))]);
    assert_eq!(bench.due(1999), []);
    assert_eq!(sent(&bench.due(2000)), [(Some(mac(1)), at(10))]);
    assert_eq!(bench.next_timeout(2000), None);
}

#[test]
fn the_next_timeout_is_the_earliest_of_all_that_is_pending() {
    let mut bench = Bench::new();
    assert_eq!(bench.next_timeout(0), None);
    bench.server.update(&snapshot_with_delay());
    bench.receive(0, &discover(1));
    bench.due(0);
    assert_eq!(bench.next_timeout(0), Some(150), "the conflict check");
    bench.due(150);
    assert_eq!(bench.next_timeout(150), Some(2000), "the delay begins when the check is over");
    bench.receive(160, &request(1, at(10)));
    assert_eq!(bench.next_timeout(160), Some(0), "the queue");
    bench.due(160);
    assert_eq!(bench.next_timeout(160), Some(20), "unsaved leases");
    assert_eq!(bench.server.unsaved_leases(9).len(), 1);
    assert_eq!(bench.next_timeout(160), Some(1990), "the delayed offer");
    bench.receive(170, &discover(2));
    bench.due(170);
    assert_eq!(bench.next_timeout(170), Some(150), "another check ends before it");
}

#[test]
fn leases_to_save_are_handed_over_once() {
    let mut bench = Bench::without_arp();
    let addresses = [1, 2, 3].map(|machine| bench.boots(0, machine));
    assert!(bench.server.has_unsaved_leases());
    let (first, rest) = (bench.server.unsaved_leases(2), bench.server.unsaved_leases(2));
    let saved: Vec<_> = first.iter().chain(&rest).map(|lease| lease.address).collect();
    assert_eq!((first.len(), saved), (2, addresses.to_vec()));
    assert!(!bench.server.has_unsaved_leases());
    assert_eq!(bench.next_timeout(0), None);
}

#[test]
fn the_boot_server_answers_at_once_from_its_own_port() {
    let mut bench = Bench::without_arp();
    let address = bench.boots(0, 1);
    let mut packet = request(1, address);
    let end = packet.iter().rposition(|byte| *byte == 255).expect("an end");
    let options = b"\x3c\x09PXEClient\x5d\x02\x00\x07\xff";
    packet[end..end + options.len()].copy_from_slice(options);
    let addressing = Addressing { from: SocketAddrV4::new(address, 4011), to: at(1) };
    bench.server.handle(ms(10), DhcpPort::BootServer, &packet, addressing);
    let actions = bench.actions();
    let [Action::Send { port: DhcpPort::BootServer, mac: to, reply }] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!((*to, reply.from, reply.to.socket_address()), (Some(mac(1)), at(1), addressing.from));
}

#[test]
fn a_silence_is_reported_once_and_counted_each_time() {
    let mut bench = Bench::without_arp();
    for millis in [0, 1000] {
        let mut inform = discover(1);
        let kind = inform.windows(3).position(|part| part == [53, 1, 1]).expect("a message type");
        inform[kind + 2] = 8;
        bench.receive(millis, &inform);
    }
    let silence = Silence::NoAddress;
    assert_eq!(bench.due(1000), [Action::Silent { mac: Some(mac(1)), silence }]);
    assert_eq!(bench.server.counts().unanswered, [("it names no address".to_owned(), 2)]);
}

#[test]
fn another_network_card_begins_without_what_was_pending_and_with_the_leases() {
    let mut bench = Bench::new();
    bench.receive(0, &discover(1));
    bench.due(0);
    bench.receive(0, &discover(2));
    bench.server.start(mac(0));
    assert_eq!((bench.next_timeout(0), bench.due(1000)), (None, vec![]));
    let address = bench.boots(1000, 3);
    bench.server.start(mac(0));
    bench.receive(2000, &discover(3));
    assert_eq!(sent(&bench.due(2000)), [(Some(mac(3)), address)]);
}
