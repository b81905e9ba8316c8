//! A packet to port 69; and if it asks for a file, what its sender says during the transfer.
#![no_main]

use std::net::{Ipv4Addr, SocketAddrV4};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use oxbow_fuzz::packets;

use oxbow::boot::tftp::names;
use oxbow::boot::tftp::server::{Admission, Server};
use oxbow::boot::tftp::transfer::{Transfer, TransferEnd};

fuzz_target!(|data: &[u8]| {
    let files = ["snponly.efi", "undionly.kpxe", "x64/grub.efi", "vmlinuz"].map(str::to_owned);
    let peer = SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, 100), 1024);
    let mut said = packets(data).map(|(_, packet)| packet);
    let Some(opening) = said.next() else { return };
    let ask = match Server::default().admit(peer, opening) {
        Admission::Start(ask) | Admission::Again(ask) => ask,
        Admission::Refuse(error) => return assert!(error.len() <= 512),
        Admission::Silence(_) => return,
    };
    match names::find(&ask.file, &files) {
        Ok(names::BootFile::File(name)) => assert!(files.contains(&name)),
        Ok(names::BootFile::Autoexec | names::BootFile::GrubConfig) => {}
        Err(missing) => assert!(missing.packet().len() <= 512),
    }
    let size = opening.len() * 997;
    let content = Bytes::from(vec![7; size]);
    let (mut transfer, mut turn) = Transfer::start(&ask, content);
    let window = usize::from(ask.options.windowsize.unwrap_or(1)).max(1);
    loop {
        assert!(turn.send.len() <= window);
        assert!(turn.send.iter().all(|packet| packet.size() <= 1472));
        match turn.end {
            Some(TransferEnd::Done { bytes }) => return assert_eq!(bytes, size as u64),
            Some(_) => return,
            None => {}
        }
        turn = match said.next() {
            Some([]) => transfer.on_timeout(),
            Some([1]) => transfer.on_asked_again(),
            Some(packet) => transfer.on_packet(packet),
            None => return,
        };
    }
});
