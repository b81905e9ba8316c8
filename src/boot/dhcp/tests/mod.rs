//! Whole conversations, from the bytes a client sends to the bytes it gets.

use std::sync::Arc;

use dhcproto::v4::{Decodable, Decoder, DhcpOption, Encodable, Message, MessageType, OptionCode, UnknownOption};

use super::*;
use crate::boot::overrides::Overrides;
use crate::domain::digest::Digest;
use crate::domain::machine::firmware::Firmware;
use crate::domain::node::quirk_file;
use crate::domain::snapshot::{Catalogue, Snapshot};
use crate::domain::station::https::Https;

mod boot_server;
mod proxy;
mod quirks;
mod relay;

/// 10.77.0.1/24 with a pool of `.10` to `.12`.
fn segment() -> Segment {
    Segment::new(at(1), 24, "http://10.77.0.1:8080").and_then(|it| it.with_pool(at(10), at(12))).expect("a segment")
}

/// A bench where these are the quirks.
fn quirks(text: &str) -> Overrides {
    let quirks = quirk_file::parse("quirks.toml", text).expect("valid");
    let catalogue = Catalogue { quirks: Arc::new(quirks), ..Catalogue::default() };
    Overrides::new(Arc::new(Snapshot { catalogue: Arc::new(catalogue), ..Snapshot::default() }))
}

fn at(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, last)
}

fn mac(last: u8) -> MacAddr {
    MacAddr::new([0x52, 0x54, 0, 0, 0, last]).expect("a MAC")
}

/// A client and the station, in a room without a network.
struct Room {
    segment: Segment,
    leases: Leases,
    now: Timestamp,
}

impl Room {
    fn new() -> Self {
        Self { segment: segment(), leases: Leases::default(), now: Timestamp::from_millis(1_000_000) }
    }

    fn hears(&mut self, message: &Message) -> Verdict {
        let packet = message.to_vec().expect("encodes");
        handle(self.now, &packet, &self.segment, &mut self.leases).1
    }

    fn answers(&mut self, message: &Message) -> (Message, DhcpReply) {
        match self.hears(message) {
            Verdict::Reply(answer) => (decoded(&answer.message), *answer),
            Verdict::Overheard(event) => panic!("overheard: {event:?}"),
            Verdict::Silence(silence) => panic!("silent: {silence}"),
        }
    }

    fn keeps_silent(&mut self, message: &Message) -> Silence {
        match self.hears(message) {
            Verdict::Silence(silence) => silence,
            Verdict::Overheard(event) => panic!("overheard: {event:?}"),
            Verdict::Reply(answer) => panic!("answered: {}", decoded(&answer.message)),
        }
    }

    /// DISCOVER, OFFER, REQUEST, ACK. Gives back the address.
    fn leases_to(&mut self, last: u8) -> Ipv4Addr {
        let address = self.answers(&client(last, MessageType::Discover, &[])).0.yiaddr();
        let request = client(last, MessageType::Request, &[server(1), wanted(address)]);
        let (ack, _) = self.answers(&request);
        assert_eq!(kind(&ack), Some(MessageType::Ack));
        address
    }
}

fn client(last: u8, kind: MessageType, options: &[DhcpOption]) -> Message {
    let zero = Ipv4Addr::UNSPECIFIED;
    let mut message = Message::new_with_id(0xcafe_0000 + u32::from(last), zero, zero, zero, zero, &mac(last).octets());
    message.opts_mut().insert(DhcpOption::MessageType(kind));
    for option in options {
        message.opts_mut().insert(option.clone());
    }
    message
}

fn server(last: u8) -> DhcpOption {
    DhcpOption::ServerIdentifier(at(last))
}

fn wanted(address: Ipv4Addr) -> DhcpOption {
    DhcpOption::RequestedIpAddress(address)
}

fn raw(code: u8, data: &[u8]) -> DhcpOption {
    DhcpOption::Unknown(UnknownOption::new(code.into(), data.to_vec()))
}

fn pxe(arch: u8) -> Vec<DhcpOption> {
    vec![raw(60, format!("PXEClient:Arch:{arch:05}:UNDI:003016").as_bytes()), raw(93, &[0, arch]), raw(97, &UUID)]
}

fn http(arch: u8) -> Vec<DhcpOption> {
    vec![raw(60, format!("HTTPClient:Arch:{arch:05}:UNDI:003016").as_bytes()), raw(93, &[0, arch])]
}

fn ipxe(arch: u8, features: &[u8]) -> Vec<DhcpOption> {
    [pxe(arch), vec![raw(77, b"iPXE"), raw(175, features)]].concat()
}

const UUID: [u8; 17] = [0, 0x44, 0x45, 0x4c, 0x4c, 0x42, 0, 0x10, 0x4a, 0x80, 0x52, 0xb7, 0xc0, 0x4f, 0x4d, 0x34, 0x32];
const HTTP: [u8; 3] = [19, 1, 1];

fn decoded(packet: &[u8]) -> Message {
    Message::decode(&mut Decoder::new(packet)).expect("a DHCP message")
}

/// What a header field says, without the zeros behind it.
fn text(field: Option<&[u8]>) -> String {
    String::from_utf8_lossy(field.unwrap_or_default()).trim_end_matches('\0').to_owned()
}

fn kind(message: &Message) -> Option<MessageType> {
    message.opts().msg_type()
}

/// The raw options of a reply, in their order.
fn options(packet: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let walked = dhcproto::v4::borrowed::DhcpOptionIterator::new(&packet[240..]);
    walked.map(|option| (option.code().into(), option.data().to_vec())).collect()
}

fn option(packet: &[u8], code: u8) -> Option<Vec<u8>> {
    options(packet).into_iter().find(|(it, _)| *it == code).map(|(_, data)| data)
}

#[test]
fn a_bios_machine_is_offered_an_address_and_undionly() {
    let mut room = Room::new();
    let (offer, answer) = room.answers(&client(1, MessageType::Discover, &pxe(0)));
    assert_eq!((kind(&offer), offer.xid(), offer.yiaddr()), (Some(MessageType::Offer), 0xcafe_0001, at(10)));
    assert_eq!(
        (offer.siaddr(), text(offer.sname()), text(offer.fname())),
        (at(1), "10.77.0.1".to_owned(), "undionly.kpxe".to_owned())
    );
    assert!(offer.flags().broadcast());
    assert_eq!(answer.to, Destination::Broadcast);
    assert_eq!(answer.to.socket_address().to_string(), "255.255.255.255:68");
    assert_eq!(
        options(&answer.message),
        [
            (53, vec![2]),
            (54, vec![10, 77, 0, 1]),
            (51, vec![0, 0, 2, 88]),
            (58, vec![0, 0, 1, 44]),
            (59, vec![0, 0, 2, 13]),
            (1, vec![255, 255, 255, 0]),
            (28, vec![10, 77, 0, 255]),
            (60, b"PXEClient".to_vec()),
            (43, vec![6, 1, 8, 255]),
            (66, b"10.77.0.1\0".to_vec()),
            (67, b"undionly.kpxe\0".to_vec()),
            (97, UUID.to_vec()),
        ]
    );
}

#[test]
fn an_offer_and_its_ack_say_the_same() {
    let mut room = Room::new();
    let (_, offered) = room.answers(&client(1, MessageType::Discover, &pxe(7)));
    let (ack, acked) =
        room.answers(&client(1, MessageType::Request, &[pxe(7), vec![server(1), wanted(at(10))]].concat()));
    assert_eq!((ack.yiaddr(), text(ack.fname())), (at(10), "snponly.efi".to_owned()));
    let rest = |answer: &DhcpReply| options(&answer.message).split_off(1);
    assert_eq!(rest(&offered), rest(&acked));
    assert_eq!(
        acked.lease,
        Some(Lease { mac: mac(1), address: at(10), until: room.now.after(Duration::from_secs(600)) })
    );
    assert_eq!(offered.lease, None, "an offer is not worth remembering");
}

#[test]
fn what_was_answered_is_told_with_who_asked() {
    let mut room = Room::new();
    let (_, answer) = room.answers(&client(1, MessageType::Discover, &pxe(7)));
    let uuid = "4c4c4544-0042-4a10-8052-b7c04f4d3432".parse().ok();
    assert_eq!(
        answer.event,
        Some(Event::DhcpAnswered {
            claims: Claims { macs: vec![mac(1)], uuid, ..Claims::default() },
            firmware: Firmware::UefiX64,
            address: Some(at(10)),
            answer: DhcpAnswer::Offer,
            bootfile: Some("snponly.efi".to_owned()),
            lacks_https: false,
        })
    );
}

#[test]
fn ipxe_is_sent_to_the_script_and_told_not_to_wait_for_proxies() {
    let mut room = Room::new();
    let (offer, answer) = room.answers(&client(1, MessageType::Discover, &ipxe(0, &HTTP)));
    assert_eq!(text(offer.fname()), "http://10.77.0.1:8080/boot.ipxe".to_owned());
    assert_eq!(option(&answer.message, 67).as_deref(), Some(&b"http://10.77.0.1:8080/boot.ipxe\0"[..]));
    assert_eq!(option(&answer.message, 175), Some(vec![176, 1, 1]));
    assert_eq!(option(&answer.message, 97), Some(UUID.to_vec()));
    assert_eq!(option(&answer.message, 43), None);
}

#[test]
fn whom_to_trust_is_said_unasked_to_every_machine_that_boots() {
    let mut room = Room::new();
    room.segment.https = Some(Https { base_url: "https://10.77.0.1".into(), ca: Digest::new([7; 32]) });
    let trust = [&[90, 32][..], &[7; 32]].concat();
    for (last, firmware) in [(1, pxe(0)), (2, pxe(7)), (3, http(16))] {
        let (_, answer) = room.answers(&client(last, MessageType::Discover, &firmware));
        assert_eq!(option(&answer.message, 175), Some(trust.clone()), "{firmware:?}");
        assert!(option(&answer.message, 67).is_some() && option(&answer.message, 66).is_some(), "there is room");
    }
    let (_, answer) = room.answers(&client(1, MessageType::Discover, &ipxe(7, &HTTP)));
    assert_eq!(option(&answer.message, 175), Some([&[176, 1, 1], &trust[..]].concat()));
    let (_, answer) = room.answers(&client(2, MessageType::Discover, &[]));
    assert_eq!(option(&answer.message, 175), None, "nobody else");
    room.segment.mode = Mode::Proxy;
    let (_, answer) = room.answers(&client(1, MessageType::Discover, &pxe(7)));
    assert_eq!(option(&answer.message, 175), Some(trust), "a proxy's offer is all that iPXE has of the station");
}

#[test]
fn ipxe_without_http_is_given_the_ipxe_from_here() {
    let mut room = Room::new();
    let (offer, answer) = room.answers(&client(1, MessageType::Discover, &ipxe(7, &[235, 3, 1, 0, 0])));
    assert_eq!((text(offer.fname()), offer.siaddr()), ("snponly.efi".to_owned(), at(1)));
    assert_eq!(option(&answer.message, 175), Some(vec![176, 1, 1]));
}

#[test]
fn uefi_http_boot_is_given_a_url() {
    let mut room = Room::new();
    let (_, answer) = room.answers(&client(1, MessageType::Discover, &http(16)));
    assert_eq!(option(&answer.message, 60).as_deref(), Some(&b"HTTPClient"[..]));
    assert_eq!(option(&answer.message, 67).as_deref(), Some(&b"http://10.77.0.1:8080/boot/ipxe.efi\0"[..]));
    assert_eq!(option(&answer.message, 43), None, "never answered like a PXE client");
}

#[test]
fn an_architecture_without_a_program_gets_an_address_and_is_told_of() {
    let mut room = Room::new();
    for options in [pxe(10), http(18), ipxe(10, &[])] {
        let (offer, answer) = room.answers(&client(1, MessageType::Discover, &options));
        assert_eq!(
            (offer.yiaddr(), text(offer.fname()), offer.siaddr()),
            (at(10), String::new(), Ipv4Addr::UNSPECIFIED)
        );
        assert!(matches!(answer.lacks, Some(Silence::Unsupported(_))));
    }
}

#[test]
fn the_sites_own_programs_come_first() {
    let mut room = Room::new();
    room.segment.site = quirks(
        "[[quirk]]\narchitecture = 10\nprogram = \"arm32.efi\"\n\
        [[quirk]]\narchitecture = 18\nprogram = \"arm32-http.efi\"\n\
        [[quirk]]\narchitecture = 7\noui = \"52:54:00\"\nprogram = \"ipxe.efi\"",
    );
    for mode in [Mode::Authoritative, Mode::Proxy] {
        room.segment.mode = mode;
        for (options, file, class) in [
            (pxe(10), "arm32.efi", &b"PXEClient"[..]),
            (http(18), "http://10.77.0.1:8080/boot/arm32-http.efi", b"HTTPClient"),
            (pxe(7), "ipxe.efi", b"PXEClient"),
            (pxe(0), "undionly.kpxe", b"PXEClient"),
        ] {
            let (offer, answer) = room.answers(&client(1, MessageType::Discover, &options));
            assert_eq!((text(offer.fname()), answer.lacks), (file.to_owned(), None));
            assert_eq!(option(&answer.message, 60).as_deref(), Some(class));
        }
    }
}

#[test]
fn a_plain_client_gets_an_address_for_a_short_time_and_nothing_else() {
    let mut room = Room::new();
    let (_, answer) = room.answers(&client(1, MessageType::Discover, &[raw(60, b"udhcp 1.35.0")]));
    let codes: Vec<u8> = options(&answer.message).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, [53, 54, 51, 58, 59, 1, 28]);
    assert_eq!(option(&answer.message, 51), Some(vec![0, 0, 1, 44]), "five minutes");
    assert_eq!(answer.lacks, None);
}

#[test]
fn the_router_is_told_only_where_there_is_one() {
    let mut room = Room::new();
    room.segment.router = Some(at(254));
    let (offer, _) = room.answers(&client(1, MessageType::Discover, &[]));
    assert_eq!(offer.opts().get(OptionCode::Router), Some(&DhcpOption::Router(vec![at(254)])));
}

#[test]
fn every_reply_is_at_least_300_bytes_and_ends_its_options() {
    let mut room = Room::new();
    for options in [vec![], pxe(0), ipxe(7, &HTTP)] {
        let (_, answer) = room.answers(&client(1, MessageType::Discover, &options));
        assert!(answer.message.len() >= 300);
        let text = &answer.message[240..];
        let mut end = 0;
        while text[end] != 255 {
            end += 2 + usize::from(text[end + 1]);
        }
        assert!(text[end + 1..].iter().all(|byte| *byte == 0), "nothing but padding behind the end");
    }
}

#[test]
fn a_machine_keeps_its_address_from_firmware_to_ipxe_to_linux() {
    let mut room = Room::new();
    let stages = [pxe(0), ipxe(0, &HTTP), vec![raw(61, &[255, 1, 2, 3])]];
    let given = stages.map(|stage| room.answers(&client(1, MessageType::Discover, &stage)).0.yiaddr());
    assert_eq!(given, [at(10); 3]);
}

#[test]
fn a_machine_that_wants_an_address_of_another_network_is_told_no() {
    let mut room = Room::new();
    let reboot = client(1, MessageType::Request, &[wanted(Ipv4Addr::new(192, 168, 1, 5))]);
    let (nak, answer) = room.answers(&reboot);
    assert_eq!(
        (kind(&nak), nak.yiaddr(), nak.ciaddr()),
        (Some(MessageType::Nak), Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED)
    );
    assert_eq!((answer.to, nak.flags().broadcast()), (Destination::Broadcast, true));
    assert_eq!(answer.event, None);
    let codes: Vec<u8> = options(&answer.message).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, [53, 54], "a NAK carries no parameters");
}

#[test]
fn a_machine_that_wants_anothers_address_is_told_no() {
    let mut room = Room::new();
    let taken = room.leases_to(1);
    let (nak, _) = room.answers(&client(2, MessageType::Request, &[server(1), wanted(taken)]));
    assert_eq!(kind(&nak), Some(MessageType::Nak));
}

#[test]
fn a_rebooted_machine_keeps_the_address_it_remembers() {
    let mut room = Room::new();
    let address = room.leases_to(1);
    let (ack, _) = room.answers(&client(1, MessageType::Request, &[wanted(address)]));
    assert_eq!((kind(&ack), ack.yiaddr()), (Some(MessageType::Ack), address));
}

#[test]
fn a_renewal_is_answered_to_the_machine_itself() {
    let mut room = Room::new();
    let address = room.leases_to(1);
    let mut renew = client(1, MessageType::Request, &[]);
    renew.set_ciaddr(address);
    let (ack, answer) = room.answers(&renew);
    assert_eq!((kind(&ack), ack.ciaddr(), ack.yiaddr()), (Some(MessageType::Ack), address, address));
    assert_eq!((answer.to, ack.flags().broadcast()), (Destination::Machine(address), false));
    assert_eq!(answer.to.socket_address().to_string(), "10.77.0.10:68");
}

#[test]
fn a_renewal_that_is_refused_is_refused_aloud() {
    let mut room = Room::new();
    let mut renew = client(1, MessageType::Request, &[]);
    renew.set_ciaddr(at(200));
    let (nak, answer) = room.answers(&renew);
    assert_eq!((kind(&nak), answer.to), (Some(MessageType::Nak), Destination::Broadcast));
}

#[test]
fn through_a_relay_the_answer_goes_back_through_the_relay() {
    let mut room = Room::new();
    let info = [1, 4, b'e', b't', b'h', b'0', 151, 2, 0, 9];
    let mut discover = client(1, MessageType::Discover, &pxe(7));
    discover.set_giaddr(at(2)).set_hops(1);
    let mut packet = discover.to_vec().expect("encodes");
    packet.pop();
    packet.extend([&[82, info.len() as u8], &info[..], &[255]].concat());
    let (_, verdict) = handle(room.now, &packet, &room.segment, &mut room.leases);
    let Verdict::Reply(answer) = verdict else { panic!("silent") };
    assert_eq!(answer.to.socket_address().to_string(), "10.77.0.2:67");
    assert_eq!(decoded(&answer.message).giaddr(), at(2));
    assert_eq!(options(&answer.message).last(), Some(&(82, info.to_vec())), "unchanged, and last");
}

#[test]
fn an_inform_is_answered_without_an_address() {
    let mut room = Room::new();
    let mut inform = client(1, MessageType::Inform, &pxe(0));
    inform.set_ciaddr(at(77));
    let (ack, answer) = room.answers(&inform);
    assert_eq!(
        (kind(&ack), ack.yiaddr(), text(ack.fname())),
        (Some(MessageType::Ack), Ipv4Addr::UNSPECIFIED, "undionly.kpxe".to_owned())
    );
    assert_eq!((answer.to, answer.lease), (Destination::Machine(at(77)), None));
    assert_eq!(option(&answer.message, 51), None);
}

#[test]
fn a_small_buffer_is_respected_by_leaving_out_what_matters_least() {
    let mut room = Room::new();
    room.segment.base_url = format!("http://10.77.0.1:8080/{}", "x".repeat(80));
    let relayed = [1, 150].into_iter().chain([7; 150]).collect::<Vec<u8>>();
    let size = |room: &mut Room, longest: Option<u16>| {
        let mut options = ipxe(0, &HTTP);
        options.extend(longest.map(DhcpOption::MaxMessageSize));
        let mut packet = client(1, MessageType::Discover, &options).to_vec().expect("encodes");
        packet.pop();
        packet.extend([&[82, relayed.len() as u8], &relayed[..], &[255]].concat());
        match handle(room.now, &packet, &room.segment, &mut room.leases).1 {
            Verdict::Reply(answer) => (answer.message.len(), option(&answer.message, 67).is_some()),
            other => panic!("not answered: {other:?}"),
        }
    };
    let (short, has_option) = size(&mut room, None);
    assert!(short <= 240 + 308 && !has_option, "{short} bytes; the header's file still says it");
    let (long, has_option) = size(&mut room, Some(0xff00));
    assert!(long > 240 + 308 && has_option);
}

#[test]
fn another_servers_choice_frees_the_offer() {
    let mut room = Room::new();
    for last in 1..=3 {
        room.answers(&client(last, MessageType::Discover, &[]));
    }
    let chose = client(2, MessageType::Request, &[server(99), wanted(Ipv4Addr::new(10, 77, 0, 200))]);
    assert_eq!(room.keeps_silent(&chose), Silence::AnotherServer(at(99)));
    assert_eq!(room.answers(&client(4, MessageType::Discover, &[])).0.yiaddr(), at(11));
}

#[test]
fn an_empty_pool_is_a_silence() {
    let mut room = Room::new();
    let given: Vec<_> = (1..=3).map(|last| room.leases_to(last)).collect();
    assert_eq!(given, [at(10), at(11), at(12)]);
    assert_eq!(room.keeps_silent(&client(4, MessageType::Discover, &[])), Silence::PoolExhausted);
}

#[test]
fn a_declined_address_is_not_given_again() {
    let mut room = Room::new();
    let address = room.leases_to(1);
    let decline = client(1, MessageType::Decline, &[server(1), wanted(address)]);
    assert_eq!(room.keeps_silent(&decline), Silence::Declined(address));
    assert_eq!(room.keeps_silent(&decline), Silence::NotItsAddress(address), "and declined once only");
    assert_eq!(room.leases_to(1), at(11));
}

#[test]
fn a_released_address_is_noted() {
    let mut room = Room::new();
    let address = room.leases_to(1);
    let mut release = client(1, MessageType::Release, &[server(1)]);
    release.set_ciaddr(address);
    assert_eq!(room.keeps_silent(&release), Silence::Released(address));
    release.set_ciaddr(at(200));
    assert_eq!(room.keeps_silent(&release), Silence::NotItsAddress(at(200)));
}

#[test]
fn what_cannot_be_answered_is_a_silence_with_its_reason() {
    let mut room = Room::new();
    let mut no_kind = client(1, MessageType::Discover, &[]);
    no_kind.opts_mut().remove(OptionCode::MessageType);
    no_kind.opts_mut().insert(raw(61, &[1]));
    let mut group = client(1, MessageType::Discover, &[]);
    group.set_chaddr(&[1, 0, 0x5e, 0, 0, 1]);
    let mut far = client(1, MessageType::Discover, &[]);
    far.set_giaddr(Ipv4Addr::new(10, 88, 0, 1));
    for (message, silence) in [
        (no_kind, Silence::Bootp),
        (group, Silence::NoMac),
        (far, Silence::OtherNetwork(Ipv4Addr::new(10, 88, 0, 1))),
        (client(1, MessageType::Offer, &[]), Silence::NotForServers(2)),
        (client(1, MessageType::Request, &[server(1)]), Silence::NoAddress),
        (client(1, MessageType::Inform, &[]), Silence::NoAddress),
        (client(1, MessageType::Release, &[]), Silence::NoAddress),
        (client(1, MessageType::Decline, &[]), Silence::NoAddress),
    ] {
        assert_eq!(room.keeps_silent(&message), silence);
    }
    let garbage = handle(room.now, &[0; 12], &room.segment, &mut room.leases);
    assert_eq!(garbage, (None, Verdict::Silence(Silence::Unreadable(Unreadable::TooShort(12)))));
}

#[test]
fn the_station_never_serves_itself() {
    let mut room = Room::new();
    room.segment.card = Some(mac(9));
    for mode in [Mode::Authoritative, Mode::Proxy] {
        room.segment.mode = mode;
        assert_eq!(room.keeps_silent(&client(9, MessageType::Discover, &[])), Silence::OwnProbe);
    }
}

#[test]
fn every_silence_is_one_clause() {
    let address = at(9);
    for (silence, said) in [
        (Silence::Unreadable(Unreadable::NoMagic), "the packet has no DHCP magic number"),
        (Silence::NoMac, "the hardware address is not that of one Ethernet card"),
        (Silence::Bootp, "it is BOOTP: there is no DHCP message type"),
        (Silence::NotForServers(5), "DHCP message type 5 is not for a server"),
        (
            Silence::OtherNetwork(address),
            "the relay agent 10.77.0.9 serves a network that has no pool here: --relay-pool gives it one",
        ),
        (Silence::PoolExhausted, "every address of the pool is in use"),
        (Silence::AnotherServer(address), "the machine chose another DHCP server, 10.77.0.9"),
        (Silence::NoAddress, "it names no address"),
        (Silence::Released(address), "the machine gave 10.77.0.9 back"),
        (
            Silence::Declined(address),
            "the machine found that another one uses 10.77.0.9: nobody gets it for ten minutes",
        ),
        (Silence::InUse(address, mac(7)), "52:54:00:00:00:07 uses 10.77.0.9 already: nobody gets it for ten minutes"),
        (Silence::NotItsAddress(address), "10.77.0.9 was not given to this machine"),
        (Silence::OwnProbe, "it is the station's own question for other DHCP servers"),
        (Silence::NotBooting, "it does not boot from the network: it is for the site's DHCP server"),
        (Silence::ForTheSitesServer, "it is for the site's DHCP server"),
        (Silence::NotForBootServers, "only a REQUEST or an INFORM is for port 4011"),
        (Silence::Unsupported(ArchCode(10)), "there is no boot program for architecture 10 (UEFI ARM 32-bit)"),
    ] {
        assert_eq!(silence.to_string(), said);
    }
}
