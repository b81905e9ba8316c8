//! What real machines sent (captures), and what each of their packets is answered, option by option in words: by the
//! network's own server, and beside a site's. A change of one byte shows in `tests/it/dhcp/snapshots/`.

use std::net::Ipv4Addr;

use super::packet::Packet;
use crate::lab::pcap;
use oxbow::boot::dhcp::boot_server::{self, Addressing};
use oxbow::boot::dhcp::leases::Leases;
use oxbow::boot::dhcp::request::{Request, RequestType};
use oxbow::boot::dhcp::segment::{Mode, Segment};
use oxbow::boot::dhcp::{Destination, Verdict, handle};
use oxbow::domain::event::Event;
use oxbow::domain::time::Timestamp;

const STATION: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

#[test]
fn every_captured_machine_is_answered_as_before() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/pcap");
    let mut captures: Vec<String> = std::fs::read_dir(folder)
        .expect("the captures")
        .map(|file| file.expect("a capture").file_name().to_string_lossy().trim_end_matches(".pcap").to_owned())
        .collect();
    captures.sort();
    assert!(captures.len() >= 14, "{captures:?}");
    for capture in captures {
        for (mode, name) in [(Mode::Authoritative, "authoritative"), (Mode::Proxy, "proxy")] {
            insta::assert_snapshot!(format!("{capture}__as_{name}"), answered(&capture, mode));
        }
    }
}

/// A paragraph for each packet of the capture's machines, the same one not twice.
fn answered(capture: &str, mode: Mode) -> String {
    let mut segment = Segment::new(STATION, 24, "http://10.77.0.1").expect("a segment");
    segment.mode = mode;
    let (mut leases, mut offered) = (Leases::default(), None);
    let mut told: Vec<String> = Vec::new();
    let asked = |datagram: &pcap::Datagram| matches!(datagram.to.port(), 67 | 4011) && *datagram.from.ip() != STATION;
    for datagram in pcap::read(capture).into_iter().filter(asked) {
        let mut bytes = datagram.payload.clone();
        let request = Request::parse(&bytes).expect("machines send requests");
        // It was offered another address when it was captured, and there by another server.
        if mode == Mode::Authoritative && request.kind == Some(RequestType::Request) && datagram.to.port() == 67 {
            replace(&mut bytes, 50, offered);
            replace(&mut bytes, 54, Some(STATION));
        }
        let way = Addressing { from: datagram.from, to: *datagram.to.ip() };
        let (_, verdict) = match datagram.to.port() {
            4011 => boot_server::handle(&bytes, way, &segment, &leases),
            _ => handle(Timestamp::from_millis(1), &bytes, &segment, &mut leases),
        };
        let who = String::from_utf8_lossy(&request.vendor_class).into_owned();
        let ipxe = if request.ipxe.is_some() { ", iPXE" } else { "" };
        let kind = request.kind.expect("machines say what they want");
        let mut lines = vec![format!("{kind:?} to port {} by {who:?}{ipxe}", datagram.to.port())];
        match verdict {
            Verdict::Reply(answer) => {
                if let Some(Event::DhcpAnswered { address: Some(address), .. }) = answer.event {
                    offered = Some(address);
                }
                let to = match answer.to {
                    Destination::Asker(_) => "to where it came from".to_owned(),
                    to => format!("to {}", to.socket_address()),
                };
                let reply = Packet::read(&answer.message);
                assert_eq!(reply.xid(), &bytes[4..8]);
                assert!(reply.behind.iter().all(|byte| *byte == 0), "padding");
                lines.push(format!("answered {to}"));
                lines.extend(reply.in_words().iter().map(|line| format!("    {line}")));
            }
            Verdict::Overheard(_) => lines.push("overheard: it is the site's server's".to_owned()),
            Verdict::Silence(silence) => lines.push(format!("silence: {silence}")),
        }
        let paragraph = lines.join("\n");
        if !told.contains(&paragraph) {
            told.push(paragraph);
        }
    }
    told.join("\n\n")
}

/// Puts an address into an option that has one.
fn replace(packet: &mut [u8], code: u8, address: Option<Ipv4Addr>) {
    let mut at = 240;
    while let (Some(it), Some(len)) = (packet.get(at).copied(), packet.get(at + 1).copied()) {
        if it == 255 {
            return;
        }
        if it == code
            && len == 4
            && let Some(address) = address
        {
            packet[at + 2..at + 6].copy_from_slice(&address.octets());
        }
        at += if it == 0 { 1 } else { 2 + usize::from(len) };
    }
}

impl Packet {
    /// Header and options, a line each.
    fn in_words(&self) -> Vec<String> {
        let flag = if self.bytes[10] & 0x80 == 0 { "" } else { ", broadcast" };
        let mut lines = vec![
            format!("{} bytes, chaddr of {}{flag}", self.bytes.len(), self.bytes[2]),
            format!(
                "ciaddr {} yiaddr {} siaddr {} giaddr {}",
                self.ciaddr(),
                self.yiaddr(),
                self.siaddr(),
                self.address(24)
            ),
            format!("sname {:?} file {:?}", self.text(44, 108), self.file()),
        ];
        lines.extend(self.options.iter().map(|(code, data)| format!("{code:>3} {}", meaning(*code, data))));
        lines
    }
}

fn meaning(code: u8, data: &[u8]) -> String {
    let address = |data: &[u8]| match data {
        [a, b, c, d] => Ipv4Addr::new(*a, *b, *c, *d).to_string(),
        other => hex(other),
    };
    let number = || data.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let text = || format!("{:?}", String::from_utf8_lossy(data));
    match code {
        1 => format!("subnet mask {}", address(data)),
        3 => format!("router {}", address(data)),
        28 => format!("broadcast {}", address(data)),
        43 => format!("vendor options{}", vendor(data)),
        51 => format!("lease {} s", number()),
        53 => format!(
            "message {}",
            ["?", "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK"].get(number() as usize).unwrap_or(&"other")
        ),
        54 => format!("server {}", address(data)),
        58 => format!("renewal {} s", number()),
        59 => format!("rebinding {} s", number()),
        60 => format!("vendor class {}", text()),
        66 => format!("TFTP server {}", text()),
        67 => format!("boot file {}", text()),
        97 => format!("machine id {}", hex(data)),
        175 => format!("iPXE{}", vendor(data)),
        _ => hex(data),
    }
}

/// Parts of an option: their code and their bytes.
fn vendor(data: &[u8]) -> String {
    let (mut said, mut rest) = (String::new(), data);
    loop {
        match rest {
            [255] => return said + " end",
            [code, len, tail @ ..] if tail.len() >= usize::from(*len) => {
                let (part, left) = tail.split_at(usize::from(*len));
                said += &format!(" {code}={}", hex(part));
                rest = left;
            }
            [] => return said,
            broken => return said + " ?" + &hex(broken),
        }
    }
}

fn hex(data: &[u8]) -> String {
    data.iter().map(|byte| format!("{byte:02x}")).collect()
}
