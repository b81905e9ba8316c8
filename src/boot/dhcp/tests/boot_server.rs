//! Port 4011.

use std::net::SocketAddrV4;

use super::*;
use crate::boot::dhcp::boot_server::{Addressing, handle};

/// From 10.77.0.186, from EDK2's port.
fn way() -> Addressing {
    Addressing { from: SocketAddrV4::new(at(186), 4011), to: at(1) }
}

/// What EDK2 and iPXE send after a proxy's offer.
fn request(options: &[DhcpOption]) -> Message {
    let mut request = client(1, MessageType::Request, options);
    request.set_ciaddr(at(186)).set_xid(0x5eed);
    request
}

fn hears(message: &[u8], way: Addressing, segment: &Segment) -> (Option<MacAddr>, Verdict) {
    handle(message, way, segment, &Leases::default())
}

fn answers(message: &Message, way: Addressing) -> (Message, DhcpReply) {
    match hears(&message.to_vec().expect("encodes"), way, &segment()).1 {
        Verdict::Reply(answer) => (decoded(&answer.message), *answer),
        other => panic!("not answered: {other:?}"),
    }
}

#[test]
fn the_answer_goes_to_the_address_and_port_that_asked() {
    for port in [4011, 68, 1055] {
        let from = SocketAddrV4::new(at(186), port);
        let (ack, answer) = answers(&request(&pxe(7)), Addressing { from, ..way() });
        assert_eq!((answer.to.socket_address(), answer.from), (from, at(1)));
        assert_eq!((kind(&ack), ack.xid()), (Some(MessageType::Ack), 0x5eed));
        assert_eq!((ack.ciaddr(), ack.yiaddr()), (at(186), Ipv4Addr::UNSPECIFIED));
        assert!(!ack.flags().broadcast());
    }
}

#[test]
fn it_says_what_to_load_and_nothing_about_the_network() {
    let (ack, answer) = answers(&request(&pxe(7)), way());
    assert_eq!(
        (ack.siaddr(), text(ack.sname()), text(ack.fname())),
        (at(1), "10.77.0.1".to_owned(), "snponly.efi".to_owned())
    );
    assert_eq!(
        options(&answer.message),
        [
            (53, vec![5]),
            (54, vec![10, 77, 0, 1]),
            (60, b"PXEClient".to_vec()),
            (66, b"10.77.0.1\0".to_vec()),
            (67, b"snponly.efi\0".to_vec()),
            (97, UUID.to_vec()),
        ]
    );
}

#[test]
fn every_kind_of_client_is_told_its_program() {
    for (options, program) in [
        (pxe(0), "undionly.kpxe"),
        (pxe(9), "snponly.efi"),
        (ipxe(0, &HTTP), "http://10.77.0.1:8080/boot.ipxe"),
        (http(16), "http://10.77.0.1:8080/boot/ipxe.efi"),
    ] {
        assert_eq!(text(answers(&request(&options), way()).0.fname()), program);
    }
}

#[test]
fn an_inform_is_answered_too() {
    let mut inform = client(1, MessageType::Inform, &pxe(0));
    inform.set_ciaddr(at(186));
    assert_eq!(kind(&answers(&inform, way()).0), Some(MessageType::Ack));
}

/// EDK2 drops an answer that is not from the server it asked.
#[test]
fn the_server_is_the_address_that_was_asked() {
    for (to, server) in [(at(5), at(5)), (Ipv4Addr::BROADCAST, at(1)), (at(255), at(1)), ([224, 0, 1, 2].into(), at(1))]
    {
        let (ack, answer) = answers(&request(&pxe(7)), Addressing { to, ..way() });
        assert_eq!((ack.siaddr(), answer.from), (server, server), "{to}");
        assert_eq!(option(&answer.message, 54), Some(server.octets().to_vec()), "{to}");
        assert_eq!(text(ack.sname()), server.to_string(), "{to}");
    }
}

#[test]
fn the_boot_item_is_sent_back() {
    let item = [71, 4, 0x80, 1, 0, 0, 255];
    let (_, answer) = answers(&request(&[pxe(7), vec![raw(43, &item)]].concat()), way());
    assert_eq!(option(&answer.message, 43).as_deref(), Some(&item[..]));
}

/// EDK2 with `SendGUID` puts the machine's GUID where the Ethernet address belongs.
#[test]
fn a_guid_for_a_hardware_address_is_accepted_and_sent_back() {
    let mut request = request(&pxe(7)).to_vec().expect("encodes");
    request[2] = 16;
    request[28..44].copy_from_slice(&UUID[1..]);
    let (who, verdict) = hears(&request, way(), &segment());
    let Verdict::Reply(answer) = verdict else { panic!("silent") };
    assert_eq!((who, answer.message[2], &answer.message[28..44]), (None, 16, &UUID[1..]));
    let Some(Event::DhcpAnswered { claims, address, answer: DhcpAnswer::Told, .. }) = answer.event else {
        panic!("{:?}", answer.event)
    };
    let uuid = "4c4c4544-0042-4a10-8052-b7c04f4d3432".parse().ok();
    assert_eq!((claims, address), (Claims { uuid, ..Claims::default() }, Some(at(186))));
}

#[test]
fn a_machine_without_its_mac_is_known_by_its_lease() {
    let mut room = Room::new();
    let address = room.leases_to(1);
    let mut message = request(&pxe(7));
    message.set_ciaddr(address);
    let mut message = message.to_vec().expect("encodes");
    message[2] = 16;
    assert_eq!(handle(&message, way(), &room.segment, &room.leases).0, Some(mac(1)));
}

#[test]
fn what_is_not_for_a_boot_server_is_a_silence_with_its_reason() {
    let nowhere = Addressing { from: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68), ..way() };
    for (message, way, silence) in [
        (client(1, MessageType::Discover, &pxe(7)), way(), Silence::NotForBootServers),
        (client(1, MessageType::Release, &pxe(7)), way(), Silence::NotForBootServers),
        (request(&pxe(10)), way(), Silence::Unsupported(ArchCode(10))),
        (request(&[]), way(), Silence::NotBooting),
        (request(&pxe(7)), nowhere, Silence::NoAddress),
    ] {
        let verdict = hears(&message.to_vec().expect("encodes"), way, &segment()).1;
        assert_eq!(verdict, Verdict::Silence(silence));
    }
    let garbage = hears(&[1; 12], way(), &segment());
    assert_eq!(garbage, (None, Verdict::Silence(Silence::Unreadable(Unreadable::TooShort(12)))));
}
