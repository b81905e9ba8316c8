//! Through relay agents (RFC 1542, RFC 3046). The network behind 10.80.0.1 has a pool; its machines reach the station
//! through the agent, and by unicast once they have an address.

use super::*;

const AGENT: Ipv4Addr = Ipv4Addr::new(10, 80, 0, 1);
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 80, 0, 100);

fn room() -> Room {
    let mut room = Room::new();
    let relayed = ["10.80.0.1/23=10.80.0.100-10.80.0.101", "10.90.0.0/24=10.90.0.5-10.90.0.9"];
    let networks = relayed.map(|text| text.parse().expect("valid"));
    room.segment = room.segment.with_relayed(networks).expect("a segment");
    room
}

fn relayed(mut message: Message, agent: Ipv4Addr) -> Message {
    message.set_giaddr(agent).set_hops(1);
    message
}

fn through(agent: Ipv4Addr, last: u8, kind: MessageType, options: &[DhcpOption]) -> Message {
    relayed(client(last, kind, options), agent)
}

#[test]
fn a_relayed_network_has_its_own_addresses_mask_and_router() {
    let (offer, answer) = room().answers(&through(AGENT, 1, MessageType::Discover, &pxe(7)));
    assert_eq!((offer.yiaddr(), offer.giaddr(), offer.siaddr()), (FIRST, AGENT, at(1)));
    assert_eq!(answer.to.socket_address().to_string(), "10.80.0.1:67");
    for (code, data) in [
        (1, vec![255, 255, 254, 0]),
        (3, AGENT.octets().to_vec()),
        (28, vec![10, 80, 1, 255]),
        (54, at(1).octets().to_vec()),
    ] {
        assert_eq!(option(&answer.message, code), Some(data), "option {code}");
    }
    assert_eq!(answer.doubtful, None, "ARP does not reach it");
}

#[test]
fn where_only_the_networks_name_is_known_the_agent_is_the_router() {
    let agent = Ipv4Addr::new(10, 90, 0, 254);
    let (offer, answer) = room().answers(&through(agent, 1, MessageType::Discover, &pxe(0)));
    assert_eq!(offer.yiaddr(), Ipv4Addr::new(10, 90, 0, 5));
    assert_eq!(option(&answer.message, 3), Some(agent.octets().to_vec()));
}

#[test]
fn a_machine_that_is_moved_gets_an_address_of_where_it_is() {
    let mut room = room();
    assert_eq!(room.leases_to(1), at(10));
    let (offer, _) = room.answers(&through(AGENT, 1, MessageType::Discover, &[]));
    assert_eq!(offer.yiaddr(), FIRST);
    let (nak, answer) = room.answers(&through(AGENT, 1, MessageType::Request, &[wanted(at(10))]));
    assert_eq!((kind(&nak), answer.to), (Some(MessageType::Nak), Destination::Relay(AGENT)));
    assert!(nak.flags().broadcast(), "the agent is to broadcast it (RFC 2131 section 4.3.2)");
}

#[test]
fn a_renewal_comes_past_the_agent() {
    let mut room = room();
    room.answers(&through(AGENT, 1, MessageType::Discover, &[]));
    let request = through(AGENT, 1, MessageType::Request, &[server(1), wanted(FIRST)]);
    let (_, acked) = room.answers(&request);
    let mut renew = client(1, MessageType::Request, &[]);
    renew.set_ciaddr(FIRST);
    let (ack, answer) = room.answers(&renew);
    assert_eq!((ack.yiaddr(), answer.to), (FIRST, Destination::Machine(FIRST)));
    assert_eq!(option(&answer.message, 3), option(&acked.message, 3), "nothing has changed");
    let mut inform = client(1, MessageType::Inform, &[]);
    inform.set_ciaddr(FIRST);
    assert_eq!(option(&room.answers(&inform).1.message, 1), Some(vec![255, 255, 254, 0]));
}

#[test]
fn each_network_runs_out_by_itself() {
    let mut room = room();
    for last in [1, 2] {
        let (offer, _) = room.answers(&through(AGENT, last, MessageType::Discover, &[]));
        room.answers(&through(AGENT, last, MessageType::Request, &[server(1), wanted(offer.yiaddr())]));
    }
    let third = through(AGENT, 3, MessageType::Discover, &[]);
    assert_eq!(room.keeps_silent(&third), Silence::PoolExhausted);
    assert_eq!(room.leases_to(4), at(10));
}

#[test]
fn an_agent_of_a_network_without_a_pool_is_refused_with_what_to_do() {
    let far = Ipv4Addr::new(10, 99, 0, 1);
    let silence = room().keeps_silent(&through(far, 1, MessageType::Discover, &pxe(7)));
    assert_eq!(silence, Silence::OtherNetwork(far));
    assert!(silence.to_string().ends_with("--relay-pool gives it one") && silence.is_news());
}

/// The agent's own words are the last before the end, in every answer that goes through it.
#[test]
fn the_agents_words_are_sent_back_unchanged_and_last() {
    let info = [1, 4, b'e', b't', b'h', b'0', 151, 2, 0, 9];
    let mut room = room();
    for (mode, kind, options) in [
        (Mode::Authoritative, MessageType::Discover, ipxe(7, &HTTP)),
        (Mode::Authoritative, MessageType::Request, vec![wanted(at(10))]),
        (Mode::Proxy, MessageType::Discover, pxe(0)),
    ] {
        room.segment.mode = mode;
        let mut packet = through(AGENT, 1, kind, &options).to_vec().expect("encodes");
        packet.pop();
        packet.extend([&[82, info.len() as u8], &info[..], &[255]].concat());
        let (_, verdict) = handle(room.now, &packet, &room.segment, &mut room.leases);
        let Verdict::Reply(answer) = verdict else { panic!("silent") };
        assert_eq!(super::options(&answer.message).last(), Some(&(82, info.to_vec())), "{mode:?} {kind:?}");
        assert_eq!(answer.to, Destination::Relay(AGENT));
    }
}
