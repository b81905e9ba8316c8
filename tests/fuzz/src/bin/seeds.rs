//! `seeds DIRECTORY` : what libFuzzer begins with, a folder for each target: what real firmware sent, and good examples.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

// Its counters are in this program too.
use libfuzzer_sys as _;

#[path = "../../../it/lab/pcap.rs"]
#[allow(dead_code, reason = "captures are read by their path here")]
mod pcap;

fn main() -> io::Result<()> {
    let into = PathBuf::from(std::env::args_os().nth(1).expect("usage: seeds DIRECTORY"));
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for capture in fs::read_dir(here.join("../fixtures/pcap"))? {
        let path = capture?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let datagrams = pcap::read_file(&path);
        let to = |port: u16| datagrams.iter().filter(move |datagram| datagram.to.port() == port);
        save(&into, "dhcp", &name, framed(to(67)))?;
        save(&into, "boot_server", &name, framed(to(4011)))?;
        for (number, request) in to(69).enumerate() {
            let said = datagrams.iter().filter(|datagram| datagram.from == request.from);
            save(&into, "tftp", &format!("{name}-{number}"), framed(said))?;
        }
        for (number, offer) in to(68).enumerate() {
            save(&into, "frames", &format!("{name}-{number}"), offer.payload.clone())?;
        }
    }
    for (number, (what, text)) in (0..).zip(HTTP) {
        save(&into, "http", &format!("{number}"), [&[*what][..], text.as_bytes()].concat())?;
    }
    save(&into, "lists", "template", fs::read(here.join("../../assets/import-template.csv"))?)?;
    for (number, text) in (0..).zip(LISTS) {
        save(&into, "lists", &format!("{number}"), text.as_bytes().to_vec())?;
    }
    Ok(())
}

fn framed<'d>(datagrams: impl Iterator<Item = &'d pcap::Datagram>) -> Vec<u8> {
    let frame = |payload: &Vec<u8>| {
        let length = u16::try_from(payload.len()).expect("a datagram").to_be_bytes();
        [&[1, length[0], length[1]], &payload[..]].concat()
    };
    datagrams.flat_map(|datagram| frame(&datagram.payload)).collect()
}

fn save(into: &Path, target: &str, name: &str, seed: Vec<u8>) -> io::Result<()> {
    let folder = into.join(target);
    fs::create_dir_all(&folder)?;
    if seed.is_empty() { Ok(()) } else { fs::write(folder.join(name), seed) }
}

const HTTP: &[(u8, &str)] = &[
    (
        0,
        "mac=52:54:00:12:34:56&uuid=4c4c4544-0042-4a10-8052-b7c04f4d3432&serial=PF3K01&manufacturer=ACME%20Inc&product=EdgeBox&platform=efi",
    ),
    (
        1,
        r#"{"version":1,"agent":"0.1.0","claims":{"serial":"PF3K01","uuid":"4c4c4544-0042-4a10-8052-b7c04f4d3432","macs":["52:54:00:12:34:56"],"manufacturer":"ACME","product":"Box"},"disks":[{"name":"sda","size":64000000,"serial":"D1","model":"M","removable":false}]}"#,
    ),
    (2, r#"{"version":1,"first":0,"reports":[{"kind":"started"},{"kind":"verified","sha256":"00"}]}"#),
    (3, r#"{"version":1,"first":7,"lines":[["info","hello"],["warning","oh"]]}"#),
    (4, r#"{"step":"write","done":1,"total":18446744073709551615}"#),
    (5, r#"{"version":1,"body":{"ask":"nodes"}}"#),
];

const LISTS: &[&str] = &[
    "Serial,UUID,MAC,Profile,Name,Hostname,Site,Metadata,CloudInit\r\nPF3K01,4c4c4544-0042-4a10-8052-b7c04f4d3432,52:54:00:12:34:56,demo,press-07,,Lyon,a=b,\r\n",
    "PF3K01\nPF3K02\n",
    "Seriennummer;Name\n\"a;b\";\"c \"\"d\"\"\"\n",
    "\u{feff}mac\tserial\n52-54-00-12-34-56\tX1\n",
];
