//! What is done differently for certain machines.

use super::*;

fn room(text: &str, mode: Mode) -> Room {
    let mut room = Room::new();
    room.segment.site = super::quirks(text);
    room.segment.mode = mode;
    room
}

/// A boot ROM's request for what the site's server has offered.
fn request() -> Message {
    client(1, MessageType::Request, &[pxe(0), vec![server(99), wanted(at(186))]].concat())
}

#[test]
fn an_old_intel_rom_has_its_request_acknowledged_beside_the_sites_server() {
    let mut room = room("[[quirk]]\noui = \"52:54:00\"\nalways_ack = true", Mode::Proxy);
    let (ack, answer) = room.answers(&request());
    assert_eq!(
        (kind(&ack), ack.yiaddr(), answer.to),
        (Some(MessageType::Ack), Ipv4Addr::UNSPECIFIED, Destination::Broadcast)
    );
    assert_eq!((text(ack.fname()), option(&answer.message, 51)), ("undionly.kpxe".to_owned(), None));
    let Some(Event::DhcpAnswered { address, answer: told, .. }) = answer.event else { panic!("nothing told") };
    assert_eq!((address, told), (Some(at(186)), DhcpAnswer::Overheard), "which address it takes is still known");

    let mut renew = request();
    renew.set_ciaddr(at(186));
    assert!(matches!(room.hears(&renew), Verdict::Overheard(_)), "a renewal is its server's");
    let linux = client(1, MessageType::Request, &[server(99), wanted(at(186))]);
    assert!(matches!(room.hears(&linux), Verdict::Overheard(_)), "its system's request too");
}

#[test]
fn nobody_elses_request_is_acknowledged() {
    for text in
        ["", "[[quirk]]\noui = \"00:1b:21\"\nalways_ack = true", "[[quirk]]\noui = \"52:54:00\"\nalways_ack = false"]
    {
        assert!(matches!(room(text, Mode::Proxy).hears(&request()), Verdict::Overheard(_)), "{text}");
    }
}

#[test]
fn the_answers_to_a_machine_that_wants_it_so_wait() {
    let text = "[[quirk]]\noui = \"52:54:00\"\nreply_delay_ms = 2000";
    for mode in [Mode::Authoritative, Mode::Proxy] {
        let (_, answer) = room(text, mode).answers(&client(1, MessageType::Discover, &pxe(0)));
        assert_eq!(answer.delay, Duration::from_secs(2));
        let (_, answer) = room("", mode).answers(&client(1, MessageType::Discover, &pxe(0)));
        assert_eq!(answer.delay, Duration::ZERO);
    }
    let room = room(text, Mode::Proxy);
    let mut request = client(1, MessageType::Request, &pxe(7));
    request.set_ciaddr(at(186));
    let way = crate::boot::dhcp::boot_server::Addressing { from: SocketAddrV4::new(at(186), 4011), to: at(1) };
    let verdict =
        super::super::boot_server::handle(&request.to_vec().expect("encodes"), way, &room.segment, &room.leases).1;
    assert!(matches!(verdict, Verdict::Reply(answer) if answer.delay == Duration::from_secs(2)));
}

/// A Pi says that it is a BIOS, and then leaves its class out of the REQUEST.
#[test]
fn a_raspberry_pi_is_known_by_its_card_and_told_in_its_own_words() {
    let pi = |kind, options: &[DhcpOption]| {
        let mut message = client(1, kind, options);
        message.set_chaddr(&[0xdc, 0xa6, 0x32, 0, 0, 1]);
        message
    };
    let mut room = room("[[quirk]]\narchitecture = 41\nprogram = \"start4.elf\"", Mode::Authoritative);
    let words = b"\x06\x01\x08\x09\x14\x00\x00\x11Raspberry Pi Boot\x0a\x04\x00PXE\xff";
    let (offer, answer) = room.answers(&pi(MessageType::Discover, &pxe(0)));
    assert_eq!((text(offer.fname()), option(&answer.message, 43)), ("start4.elf".to_owned(), Some(words.to_vec())));
    let (ack, answer) = room.answers(&pi(MessageType::Request, &[server(1), wanted(at(10))]));
    assert_eq!((kind(&ack), text(ack.fname())), (Some(MessageType::Ack), "start4.elf".to_owned()));
    assert_eq!(option(&answer.message, 43), Some(words.to_vec()));
    assert_eq!(option(&answer.message, 97), Some(UUID.to_vec()));

    room.segment.mode = Mode::Proxy;
    let (_, answer) = room.answers(&pi(MessageType::Discover, &pxe(0)));
    assert_eq!(option(&answer.message, 43), Some(words.to_vec()));

    room.segment.site = super::quirks("");
    let silence = room.keeps_silent(&pi(MessageType::Discover, &pxe(0)));
    assert_eq!(silence, Silence::Unsupported(ArchCode::RASPBERRY_PI), "never a PC's program");
}

#[test]
fn a_request_of_another_transaction_is_an_ordinary_clients() {
    let mut room = room("", Mode::Authoritative);
    room.answers(&client(1, MessageType::Discover, &pxe(0)));
    let mut linux = client(1, MessageType::Request, &[server(1), wanted(at(10))]);
    linux.set_xid(0xbeef);
    let (ack, _) = room.answers(&linux);
    assert_eq!((kind(&ack), text(ack.fname())), (Some(MessageType::Ack), String::new()));
}

#[test]
fn every_architecture_that_is_not_served_is_told_of_by_name() {
    for (code, name) in [
        (6, "6 (UEFI IA32)"),
        (10, "10 (UEFI ARM 32-bit)"),
        (20, "20 (x86 BIOS HTTP)"),
        (27, "27 (UEFI RISC-V 64-bit)"),
        (28, "28 (UEFI RISC-V 64-bit HTTP)"),
        (39, "39 (UEFI LoongArch 64-bit)"),
        (40, "40 (UEFI LoongArch 64-bit HTTP)"),
        (41, "41 (Raspberry Pi)"),
        (99, "99"),
    ] {
        let class = if matches!(code, 20 | 28 | 40) { http(code) } else { pxe(code) };
        let (offer, answer) = room("", Mode::Authoritative).answers(&client(1, MessageType::Discover, &class));
        assert_eq!((offer.yiaddr(), text(offer.fname())), (at(10), String::new()));
        let said = answer.lacks.expect("it is told of").to_string();
        assert_eq!(said, format!("there is no boot program for architecture {name}"));
        let silence = room("", Mode::Proxy).keeps_silent(&client(1, MessageType::Discover, &class));
        assert_eq!(silence, Silence::Unsupported(ArchCode(code.into())));
    }
}
