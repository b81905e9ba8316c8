//! Beside the site's DHCP server, 10.77.0.99.

use super::*;

fn room() -> Room {
    let mut room = Room::new();
    room.segment.mode = Mode::Proxy;
    room
}

fn codes(answer: &DhcpReply) -> Vec<u8> {
    options(&answer.message).into_iter().map(|(code, _)| code).collect()
}

#[test]
fn a_bios_is_told_the_program_and_not_to_look_further() {
    let (offer, answer) = room().answers(&client(1, MessageType::Discover, &pxe(0)));
    assert_eq!((kind(&offer), offer.yiaddr()), (Some(MessageType::Offer), Ipv4Addr::UNSPECIFIED));
    assert_eq!(
        (offer.siaddr(), text(offer.sname()), text(offer.fname())),
        (at(1), "10.77.0.1".to_owned(), "undionly.kpxe".to_owned())
    );
    assert!(offer.flags().broadcast());
    assert_eq!(answer.to, Destination::Broadcast);
    assert!(answer.message.len() >= 300);
    assert_eq!(
        options(&answer.message),
        [
            (53, vec![2]),
            (54, vec![10, 77, 0, 1]),
            (60, b"PXEClient".to_vec()),
            (43, vec![6, 1, 8, 255]),
            (66, b"10.77.0.1\0".to_vec()),
            (67, b"undionly.kpxe\0".to_vec()),
            (97, UUID.to_vec()),
        ]
    );
}

/// EDK2 before 2017 takes no proxy's offer with PXE options in it (edk2#6944); the later ones come to port 4011.
#[test]
fn uefi_is_offered_without_option_43() {
    for arch in [7, 8, 9] {
        let (offer, answer) = room().answers(&client(1, MessageType::Discover, &pxe(arch)));
        assert_eq!((offer.siaddr(), text(offer.fname())), (at(1), "snponly.efi".to_owned()));
        assert_eq!(codes(&answer), [53, 54, 60, 66, 67, 97], "architecture {arch}");
    }
}

#[test]
fn uefi_http_boot_is_given_a_url() {
    let (offer, answer) = room().answers(&client(1, MessageType::Discover, &http(16)));
    assert_eq!(offer.yiaddr(), Ipv4Addr::UNSPECIFIED);
    assert_eq!(option(&answer.message, 60).as_deref(), Some(&b"HTTPClient"[..]));
    assert_eq!(option(&answer.message, 67).as_deref(), Some(&b"http://10.77.0.1:8080/boot/ipxe.efi\0"[..]));
    assert_eq!(option(&answer.message, 43), None);
}

/// iPXE takes a proxy's offer only with the class `PXEClient`, a next server and a file.
#[test]
fn ipxe_is_sent_to_the_script() {
    for arch in [0, 7] {
        let (offer, answer) = room().answers(&client(1, MessageType::Discover, &ipxe(arch, &HTTP)));
        assert_eq!((offer.siaddr(), text(offer.fname())), (at(1), "http://10.77.0.1:8080/boot.ipxe".to_owned()));
        assert_eq!(codes(&answer), [53, 54, 60, 66, 67, 97]);
        assert_eq!(option(&answer.message, 60).as_deref(), Some(&b"PXEClient"[..]));
    }
}

#[test]
fn an_offer_is_told_of_without_an_address() {
    let (_, answer) = room().answers(&client(1, MessageType::Discover, &pxe(7)));
    let Some(Event::DhcpAnswered { claims, firmware, address, answer: kind, bootfile, .. }) = answer.event else {
        panic!("nothing told")
    };
    assert_eq!((claims.macs, firmware, kind), (vec![mac(1)], Firmware::UefiX64, DhcpAnswer::Offer));
    assert_eq!((address, bootfile.as_deref()), (None, Some("snponly.efi")));
}

#[test]
fn nothing_is_ever_leased() {
    let mut room = room();
    for options in [pxe(0), pxe(7), http(16), ipxe(0, &HTTP)] {
        room.answers(&client(1, MessageType::Discover, &options));
        room.hears(&client(1, MessageType::Request, &[options, vec![server(1), wanted(at(10))]].concat()));
    }
    room.segment.mode = Mode::Authoritative;
    let given: Vec<_> = (2..=4).map(|last| room.leases_to(last)).collect();
    assert_eq!(given, [at(10), at(11), at(12)], "the whole pool is there");
}

#[test]
fn what_a_machine_asks_the_sites_server_for_is_overheard() {
    let mut room = room();
    let sites = Ipv4Addr::new(10, 77, 0, 186);
    let Verdict::Overheard(event) =
        room.hears(&client(1, MessageType::Request, &[pxe(7), vec![server(99), wanted(sites)]].concat()))
    else {
        panic!("answered, or not noticed")
    };
    let Event::DhcpAnswered { claims, address, answer, bootfile, .. } = *event else { panic!("{event:?}") };
    assert_eq!((claims.macs, address, answer), (vec![mac(1)], Some(sites), DhcpAnswer::Overheard));
    assert_eq!(bootfile, None, "it asks on port 4011 next");
    let vague = client(1, MessageType::Request, &[server(99)]);
    assert_eq!(room.keeps_silent(&vague), Silence::ForTheSitesServer);
}

#[test]
fn a_request_to_the_station_itself_is_acknowledged_without_an_address() {
    let (ack, answer) = room().answers(&client(1, MessageType::Request, &[pxe(0), vec![server(1)]].concat()));
    assert_eq!((kind(&ack), ack.yiaddr()), (Some(MessageType::Ack), Ipv4Addr::UNSPECIFIED));
    assert_eq!(answer.lease, None);
    assert_eq!(option(&answer.message, 51), None);
}

#[test]
fn the_rest_is_the_sites_servers() {
    let mut room = room();
    for (message, silence) in [
        (client(1, MessageType::Discover, &[raw(60, b"udhcp 1.35.0")]), Silence::NotBooting),
        (client(1, MessageType::Discover, &pxe(10)), Silence::Unsupported(ArchCode(10))),
        (client(1, MessageType::Discover, &ipxe(10, &[])), Silence::Unsupported(ArchCode(10))),
        (client(1, MessageType::Inform, &pxe(0)), Silence::ForTheSitesServer),
        (client(1, MessageType::Release, &[server(99)]), Silence::ForTheSitesServer),
        (client(1, MessageType::Decline, &[server(99)]), Silence::ForTheSitesServer),
        (client(1, MessageType::Offer, &[]), Silence::NotForServers(2)),
    ] {
        assert_eq!(room.keeps_silent(&message), silence);
    }
}

/// A proxy gives no addresses, so that it can serve networks that it is not in.
#[test]
fn a_relay_agent_of_any_network_is_answered() {
    let far = Ipv4Addr::new(10, 88, 0, 1);
    let mut discover = client(1, MessageType::Discover, &pxe(0));
    discover.set_giaddr(far).set_hops(1);
    let (offer, answer) = room().answers(&discover);
    assert_eq!((answer.to, offer.giaddr()), (Destination::Relay(far), far));
}
