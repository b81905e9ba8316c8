//! Firmware that nobody here has, as small machines that take an answer or reject it by the rules its own source, or its
//! users' bug reports, name. Each is held against the station's answers, and against answers that are wrong on purpose.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::packet::Packet;
use oxbow::boot::dhcp::boot_server::{self, Addressing};
use oxbow::boot::dhcp::leases::Leases;
use oxbow::boot::dhcp::segment::{Mode, Segment};
use oxbow::boot::dhcp::{Destination, Verdict, handle};
use oxbow::domain::time::Timestamp;

const STATION: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// What the site's server gave the machine.
const ITS_OWN: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 186);
const GUID: [u8; 16] = [0x44, 0x45, 0x4c, 0x4c, 0x42, 0, 0x10, 0x4a, 0x80, 0x52, 0xb7, 0xc0, 0x4f, 0x4d, 0x34, 0x32];
const SCRIPT: &str = "http://10.77.0.1/boot.ipxe";

/// What a machine loads in the end, or why it gives up.
type Boots = Result<String, &'static str>;

/// What happens to an answer on its way.
type Spoil = fn(&mut Vec<u8>);

// The station ------------------------------------------------------------------------------------------------------------

/// A station, and what is done to its answers on the way: nothing, unless a test wants to see them rejected.
struct Station {
    segment: Segment,
    leases: Leases,
    spoil: Spoil,
}

impl Station {
    fn new(mode: Mode) -> Self {
        let mut segment = Segment::new(STATION, 24, "http://10.77.0.1").expect("a segment");
        segment.mode = mode;
        Self { segment, leases: Leases::default(), spoil: |_| () }
    }

    fn spoilt(mode: Mode, spoil: Spoil) -> Self {
        Self { spoil, ..Self::new(mode) }
    }

    /// What a broadcast to port 67 is answered, and where to.
    fn hears(&mut self, packet: &[u8]) -> Option<(Packet, Destination)> {
        let verdict = handle(Timestamp::from_millis(1), packet, &self.segment, &mut self.leases).1;
        self.sent(verdict)
    }

    /// What a unicast to port 4011 is answered.
    fn is_asked(&mut self, packet: &[u8], from: SocketAddrV4) -> Option<(Packet, Destination)> {
        let verdict = boot_server::handle(packet, Addressing { from, to: STATION }, &self.segment, &self.leases).1;
        self.sent(verdict)
    }

    fn sent(&self, verdict: Verdict) -> Option<(Packet, Destination)> {
        let Verdict::Reply(answer) = verdict else { return None };
        let mut message = answer.message;
        (self.spoil)(&mut message);
        Some((Packet::read(&message), answer.to))
    }
}

/// A request as firmware writes it.
fn packet(kind: u8, xid: u32, options: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; 240];
    bytes[..3].copy_from_slice(&[1, 1, 6]);
    bytes[4..8].copy_from_slice(&xid.to_be_bytes());
    bytes[10] = 0x80;
    bytes[28..34].copy_from_slice(&[0x52, 0x54, 0, 0, 0, 1]);
    bytes[236..].copy_from_slice(&[99, 130, 83, 99]);
    bytes.extend([53, 1, kind]);
    for (code, data) in options {
        bytes.extend([*code, data.len() as u8]);
        bytes.extend_from_slice(data);
    }
    bytes.push(255);
    bytes
}

fn guid() -> Vec<u8> {
    [&[0], &GUID[..]].concat()
}

/// Takes an option out of an answer, or puts another in its place.
fn edit(message: &mut Vec<u8>, code: u8, data: Option<&[u8]>) {
    let read = Packet::read(message);
    message.truncate(240);
    for (it, old) in &read.options {
        let new = if *it == code { data } else { Some(&old[..]) };
        if let Some(new) = new {
            message.extend([*it, new.len() as u8]);
            message.extend_from_slice(new);
        }
    }
    message.push(255);
    message.resize(message.len().max(300), 0);
}

// EDK2 -------------------------------------------------------------------------------------------------------------------

/// How EDK2 files an offer (NetworkPkg/UefiPxeBcDxe/PxeBcDhcp4.c, `PxeBcParseDhcp4Packet`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offer {
    DhcpOnly,
    /// With an address and PXE options: the file of the offer is loaded.
    DhcpPxe10,
    /// With an address and the class alone: the boot server is asked on port 4011.
    DhcpBinl,
    ProxyPxe10,
    ProxyBinl,
}

fn classified(offer: &Packet) -> Offer {
    let is_pxe = offer.option(60).is_some_and(|class| class.starts_with(b"PXEClient"));
    let is_proxy = offer.yiaddr().is_unspecified();
    let has_pxe_options = [6, 7, 8, 9, 10].iter().any(|part| offer.vendor_part(*part).is_some());
    match (is_pxe, is_proxy, has_pxe_options) {
        (false, ..) => Offer::DhcpOnly,
        (true, false, true) => Offer::DhcpPxe10,
        (true, false, false) => Offer::DhcpBinl,
        (true, true, true) => Offer::ProxyPxe10,
        (true, true, false) => Offer::ProxyBinl,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edk2 {
    /// Before commit 8cdd559be6: every proxy's offer with PXE options is thrown away (edk2#6944).
    Before2017,
    Today,
}

impl Edk2 {
    fn discover(self) -> Vec<u8> {
        let class = b"PXEClient:Arch:00007:UNDI:003000";
        packet(1, 0x1111, &[(57, &[5, 0xc0]), (60, class), (93, &[0, 7]), (94, &[1, 3, 0]), (97, &guid())])
    }

    /// Beside a site's server, whose own offer has an address and nothing else.
    fn boots_beside_a_server(self, station: &mut Station) -> Boots {
        let (offer, _) = station.hears(&self.discover()).ok_or("PXE-E16: no offer")?;
        match (classified(&offer), self) {
            (Offer::ProxyPxe10, Self::Before2017) => Err("PXE-E16: the proxy's offer was thrown away"),
            (Offer::ProxyPxe10, Self::Today) => named(&offer),
            (Offer::ProxyBinl, _) => self.asks_the_boot_server(station, &offer),
            (Offer::DhcpOnly | Offer::DhcpPxe10 | Offer::DhcpBinl, _) => Err("PXE-E16: no proxy's offer"),
        }
    }

    /// Where the station gives the addresses.
    fn boots_from_a_server(self, station: &mut Station) -> Boots {
        let (offer, _) = station.hears(&self.discover()).ok_or("PXE-E16: no offer")?;
        match classified(&offer) {
            Offer::DhcpPxe10 => named(&offer),
            Offer::DhcpBinl => Err("goes to port 4011 for what it has been told already"),
            Offer::DhcpOnly | Offer::ProxyPxe10 | Offer::ProxyBinl => Err("PXE-E16: no boot file"),
        }
    }

    /// `PxeBcRetryBinlOffer`: from its own address and port 4011, under another transaction number, with its GUID where
    /// the Ethernet address belongs.
    fn asks_the_boot_server(self, station: &mut Station, offer: &Packet) -> Boots {
        if offer.siaddr().is_unspecified() {
            return Err("PXE-E16: the offer has no next server");
        }
        let class = b"PXEClient:Arch:00007:UNDI:003000";
        let mut request = packet(3, 0x2222, &[(57, &[0xff, 0]), (60, class), (93, &[0, 7]), (97, &guid())]);
        request[2] = 16;
        request[10] = 0;
        request[12..16].copy_from_slice(&ITS_OWN.octets());
        request[28..44].copy_from_slice(&GUID);
        let from = SocketAddrV4::new(ITS_OWN, 4011);
        let (ack, to) = station.is_asked(&request, from).ok_or("PXE-E18: the boot server does not answer")?;
        if to != Destination::Asker(from) {
            return Err("PXE-E18: the answer goes elsewhere");
        }
        if ack.xid() != &request[4..8]
            || ack.ciaddr() != ITS_OWN
            || ack.kind() != Some(5)
            || ack.siaddr() != offer.siaddr()
        {
            return Err("PXE-E18: the answer is to something else");
        }
        if ack.option(60).is_none_or(|class| !class.starts_with(b"PXEClient")) {
            return Err("EFI_DEVICE_ERROR: the answer is no boot server's");
        }
        named(&ack)
    }
}

/// The file, where header and option agree: shim takes the folder from one of them, and which one has changed
/// (shim#710).
fn named(answer: &Packet) -> Boots {
    let option = answer.option(67).ok_or("EFI_DEVICE_ERROR: no boot file")?;
    let option = String::from_utf8_lossy(option).trim_end_matches('\0').to_owned();
    let file = answer.file();
    if file != option { Err("header and option 67 name different files") } else { Ok(file) }
}

#[test]
fn uefi_of_every_age_boots_beside_a_sites_server() {
    for edk2 in [Edk2::Before2017, Edk2::Today] {
        assert_eq!(
            edk2.boots_beside_a_server(&mut Station::new(Mode::Proxy)),
            Ok("snponly.efi".to_owned()),
            "{edk2:?}"
        );
    }
}

#[test]
fn uefi_that_is_given_its_address_loads_the_file_of_the_offer() {
    for edk2 in [Edk2::Before2017, Edk2::Today] {
        let boots = edk2.boots_from_a_server(&mut Station::new(Mode::Authoritative));
        assert_eq!(boots, Ok("snponly.efi".to_owned()), "{edk2:?}");
    }
}

#[test]
fn what_uefi_does_not_take_would_be_noticed() {
    let proxies: [(Spoil, &str); 3] = [
        (|message| message[20..24].fill(0), "PXE-E16: the offer has no next server"),
        (|message| edit(message, 67, None), "EFI_DEVICE_ERROR: no boot file"),
        (|message| message[108] = b'x', "header and option 67 name different files"),
    ];
    for (spoil, why) in proxies {
        let mut station = Station::spoilt(Mode::Proxy, spoil);
        assert_eq!(Edk2::Today.boots_beside_a_server(&mut station), Err(why));
    }
    let without_a_name: Spoil = |message| edit(message, 66, Some(b""));
    let mut station = Station::spoilt(Mode::Proxy, |message| {
        // Option 66 makes room: it is read by nobody.
        let at = Packet::read(message).options.iter().position(|(code, _)| *code == 66).expect("option 66");
        let before: usize = Packet::read(message).options[..at].iter().map(|(_, data)| data.len() + 2).sum();
        edit(message, 66, Some(&[6, 1, 8, 255]));
        message[240 + before] = 43;
    });
    assert_eq!(Edk2::Before2017.boots_beside_a_server(&mut station), Err("PXE-E16: the proxy's offer was thrown away"));
    let mut station = Station::spoilt(Mode::Proxy, without_a_name);
    assert!(Edk2::Before2017.boots_beside_a_server(&mut station).is_ok(), "option 66 is read by nobody");
    let mut station = Station::spoilt(Mode::Authoritative, |message| edit(message, 43, None));
    let boots = Edk2::Today.boots_from_a_server(&mut station);
    assert_eq!(boots, Err("goes to port 4011 for what it has been told already"));
}

// Intel's boot ROM -------------------------------------------------------------------------------------------------------

/// Intel Boot Agent: takes no offer that does not repeat its option 97 (pixiecore#21). Some want their REQUEST to the
/// site's server acknowledged by the proxy too.
#[derive(Clone, Copy)]
struct IntelRom {
    wants_ack: bool,
}

impl IntelRom {
    fn boots_beside_a_server(self, station: &mut Station) -> Boots {
        let options: &[(u8, &[u8])] =
            &[(60, b"PXEClient:Arch:00000:UNDI:002001"), (93, &[0, 0]), (94, &[1, 2, 1]), (97, &guid())];
        let (offer, _) = station.hears(&packet(1, 7, options)).ok_or("PXE-E53: no offer")?;
        if offer.option(97) != Some(&guid()) {
            return Err("PXE-E53: the offer is not for this machine");
        }
        if offer.vendor_part(6).is_none_or(|control| control[0] & 8 == 0) {
            return Err("PXE-E55: looks for a boot server");
        }
        if self.wants_ack {
            let site: &[(u8, &[u8])] = &[(50, &ITS_OWN.octets()), (54, &[10, 77, 0, 2])];
            let (ack, _) =
                station.hears(&packet(3, 7, &[options, site].concat())).ok_or("PXE-E51: no ACK of the proxy")?;
            if ack.kind() != Some(5) || !ack.yiaddr().is_unspecified() || ack.option(97) != Some(&guid()) {
                return Err("PXE-E51: the ACK is not a proxy's");
            }
            return Ok(ack.file());
        }
        Ok(offer.file())
    }
}

#[test]
fn intels_rom_boots_beside_a_sites_server() {
    let boots = |station: &mut Station, wants_ack| IntelRom { wants_ack }.boots_beside_a_server(station);
    assert_eq!(boots(&mut Station::new(Mode::Proxy), false), Ok("undionly.kpxe".to_owned()));
    let mut station = Station::spoilt(Mode::Proxy, |message| edit(message, 97, None));
    assert_eq!(boots(&mut station, false), Err("PXE-E53: the offer is not for this machine"));
    let mut station = Station::spoilt(Mode::Proxy, |message| edit(message, 43, None));
    assert_eq!(boots(&mut station, false), Err("PXE-E55: looks for a boot server"));
}

#[test]
fn intels_old_rom_boots_once_its_quirk_is_known() {
    let rom = IntelRom { wants_ack: true };
    let mut station = Station::new(Mode::Proxy);
    assert_eq!(rom.boots_beside_a_server(&mut station), Err("PXE-E51: no ACK of the proxy"));
    station.segment.site = quirks("[[quirk]]\noui = \"52:54:00\"\nalways_ack = true");
    assert_eq!(rom.boots_beside_a_server(&mut station), Ok("undionly.kpxe".to_owned()));
}

fn quirks(text: &str) -> oxbow::boot::overrides::Overrides {
    use oxbow::domain::snapshot::{Catalogue, Snapshot};
    let quirks = oxbow::domain::node::quirk_file::parse("quirks.toml", text).expect("valid");
    let catalogue = Catalogue { quirks: quirks.into(), ..Catalogue::default() };
    oxbow::boot::overrides::Overrides::new(Snapshot { catalogue: catalogue.into(), ..Snapshot::default() }.into())
}

// A ROM that takes options for C strings -------------------------------------------------------------------------------------

/// Reads option 67 in the packet until the first zero, past its end if there is none in it (netboot.xyz#1198: Lenovo
/// T460, Kontron, Z77X).
fn as_a_c_string(answer: &Packet) -> String {
    let before: usize = answer.options.iter().take_while(|(code, _)| *code != 67).map(|(_, data)| data.len() + 2).sum();
    let from = 240 + before + 2;
    let text = answer.bytes[from..].split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

#[test]
fn a_rom_that_reads_until_a_zero_reads_the_name_and_no_more() {
    let discover = |arch: u8| {
        let class = format!("PXEClient:Arch:{arch:05}:UNDI:002001");
        packet(1, 7, &[(60, class.as_bytes()), (93, &[0, arch]), (97, &guid())])
    };
    for mode in [Mode::Authoritative, Mode::Proxy] {
        for (arch, file) in [(0, "undionly.kpxe"), (7, "snponly.efi")] {
            let (offer, _) = Station::new(mode).hears(&discover(arch)).expect("an offer");
            assert_eq!(as_a_c_string(&offer), file);
            assert!(offer.option(67).is_some_and(|data| data.ends_with(&[0])), "inside the option");
            assert_eq!(offer.option(52), None, "sname and file hold names, never options");
            let text = offer.option(66).expect("the server");
            assert_eq!(text.split_last().map(|(end, text)| (*end, text)), Some((0, &b"10.77.0.1"[..])));
        }
    }
    let (spoilt, _) = Station::spoilt(Mode::Proxy, |message| edit(message, 67, Some(b"undionly.kpxe")))
        .hears(&discover(0))
        .expect("an offer");
    assert_ne!(as_a_c_string(&spoilt), "undionly.kpxe");
}

/// No padding between options: the Raspberry Pi's EEPROM stumbles over it (rpi-eeprom#82).
#[test]
fn nothing_pads_the_options() {
    let class = b"PXEClient:Arch:00000:UNDI:002001";
    for mode in [Mode::Authoritative, Mode::Proxy] {
        let (offer, _) = Station::new(mode).hears(&packet(1, 7, &[(60, class), (97, &guid())])).expect("an offer");
        let length: usize = offer.options.iter().map(|(_, data)| data.len() + 2).sum();
        assert_eq!(offer.bytes.len().max(300), 240 + length + 1 + offer.behind.len());
        assert!(offer.bytes.len() >= 300, "the least that a BOOTP client takes");
        assert_eq!((offer.options[0].0, offer.options[1].0), (53, 54));
    }
}

// iPXE -------------------------------------------------------------------------------------------------------------------

/// iPXE beside a site's server (src/net/udp/dhcp.c, `dhcp_discovery_rx` and `dhcp_has_pxeopts`): a proxy's offer counts
/// with the class, a next server and a file, or a menu in 43.9; with neither it asks on port 4011.
fn ipxe_beside_a_server(station: &mut Station) -> Boots {
    let options: &[(u8, &[u8])] =
        &[(60, b"PXEClient"), (77, b"iPXE"), (93, &[0, 7]), (97, &guid()), (175, &[19, 1, 1, 20, 1, 1])];
    let (offer, _) = station.hears(&packet(1, 7, options)).ok_or("no offer")?;
    if offer.option(60) != Some(b"PXEClient") {
        return Err("not a proxy's offer");
    }
    if offer.siaddr().is_unspecified() || offer.file().is_empty() {
        return Err("asks on port 4011");
    }
    Ok(offer.file())
}

#[test]
fn ipxe_takes_the_offer_without_asking_on_port_4011() {
    assert_eq!(ipxe_beside_a_server(&mut Station::new(Mode::Proxy)), Ok(SCRIPT.to_owned()));
    let wrong: [(Spoil, &str); 3] = [
        (|message| message[20..24].fill(0), "asks on port 4011"),
        (|message| message[108..236].fill(0), "asks on port 4011"),
        (|message| edit(message, 60, None), "not a proxy's offer"),
    ];
    for (spoil, why) in wrong {
        assert_eq!(ipxe_beside_a_server(&mut Station::spoilt(Mode::Proxy, spoil)), Err(why));
    }
}

/// `dhcp_proxy_rx`: an answer counts if it is of the server that was asked. The station sends it from port 4011.
#[test]
fn ipxe_that_asks_on_port_4011_is_answered_by_whom_it_asked() {
    let options: &[(u8, &[u8])] =
        &[(60, b"PXEClient"), (77, b"iPXE"), (93, &[0, 0]), (97, &guid()), (175, &[19, 1, 1])];
    let mut request = packet(3, 0x3333, options);
    request[12..16].copy_from_slice(&ITS_OWN.octets());
    let from = SocketAddrV4::new(ITS_OWN, 68);
    for mode in [Mode::Authoritative, Mode::Proxy] {
        let (ack, to) = Station::new(mode).is_asked(&request, from).expect("an answer");
        assert_eq!((ack.siaddr(), ack.option(54)), (STATION, Some(&STATION.octets()[..])), "{mode:?}");
        assert_eq!((to, ack.file()), (Destination::Asker(from), SCRIPT.to_owned()));
    }
}

// UEFI HTTP Boot ---------------------------------------------------------------------------------------------------------

/// NetworkPkg/HttpBootDxe: the offer's class decides, and the file must be a URL whose host needs no resolver.
fn http_boot(station: &mut Station) -> Boots {
    let class = b"HTTPClient:Arch:00016:UNDI:003000";
    let (offer, _) = station.hears(&packet(1, 7, &[(60, class), (93, &[0, 16]), (97, &guid())])).ok_or("no offer")?;
    if offer.option(60).is_none_or(|class| !class.starts_with(b"HTTPClient")) {
        return Err("not an HTTP boot server's");
    }
    let url = named(&offer)?;
    let host = url.strip_prefix("http://").and_then(|rest| rest.split(['/', ':']).next()).ok_or("not a URL")?;
    if host.parse::<Ipv4Addr>().is_err() {
        return Err("there is no DNS server yet");
    }
    Ok(url)
}

#[test]
fn http_boot_gets_a_url_in_both_modes() {
    for mode in [Mode::Authoritative, Mode::Proxy] {
        assert_eq!(http_boot(&mut Station::new(mode)), Ok("http://10.77.0.1/boot/ipxe.efi".to_owned()));
    }
    let mut station = Station::spoilt(Mode::Proxy, |message| edit(message, 60, Some(b"PXEClient")));
    assert_eq!(http_boot(&mut station), Err("not an HTTP boot server's"));
}

// How long a message may be --------------------------------------------------------------------------------------------------

#[test]
fn no_answer_is_longer_than_its_client_takes_nor_shorter_than_any_does() {
    let class = b"PXEClient:Arch:00007:UNDI:003000";
    for mode in [Mode::Authoritative, Mode::Proxy] {
        for said in [None, Some(0_u16), Some(100), Some(576), Some(1472), Some(0xff00)] {
            let mut options: Vec<(u8, &[u8])> = vec![(60, class), (93, &[0, 7]), (97, &[])];
            let bytes = said.map(u16::to_be_bytes);
            if let Some(bytes) = &bytes {
                options.push((57, bytes));
            }
            let (offer, _) = Station::new(mode).hears(&packet(1, 7, &options)).expect("an offer");
            let most = said.map_or(576, |said| usize::from(said).clamp(576, 1500)) - 28;
            assert!((300..=most).contains(&offer.bytes.len()), "{} bytes of {said:?}", offer.bytes.len());
        }
    }
}

// What firmware looks for ------------------------------------------------------------------------------------------------------

impl Packet {
    fn option(&self, code: u8) -> Option<&[u8]> {
        self.options.iter().find(|(it, _)| *it == code).map(|(_, data)| &**data)
    }

    /// Part of option 43.
    fn vendor_part(&self, code: u8) -> Option<Vec<u8>> {
        let mut rest = self.option(43)?;
        while let [part, len, tail @ ..] = rest {
            let (data, left) = tail.split_at_checked(usize::from(*len))?;
            if *part == code {
                return Some(data.to_vec());
            }
            rest = left;
        }
        None
    }

    fn kind(&self) -> Option<u8> {
        self.option(53).and_then(|data| data.first().copied())
    }
}
