//! The five kinds of packet (RFC 1350 section 5), and the sixth that answers options (RFC 2347).

use std::fmt;

use bytes::Bytes;

use crate::domain::text;

/// A read request: the file's name as sent, and the options this server knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadRequest {
    pub file: String,
    pub options: TftpOptions,
}

/// What a client would like. Values out of range count as not asked (RFC 2347: what is not confirmed is not used).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TftpOptions {
    /// Bytes in a block, 8 to 65464 (RFC 2348).
    pub blksize: Option<u16>,
    /// It asks for the file's size (RFC 2349).
    pub tsize: bool,
    /// Seconds until a packet is sent again, 1 to 255 (RFC 2349).
    pub timeout: Option<u8>,
    /// Blocks for one acknowledgement, 1 to 65535 (RFC 7440).
    pub windowsize: Option<u16>,
}

/// What a client sends to port 69.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    Read(ReadRequest),
    /// It wants to write a file.
    Write,
    /// A read request that cannot be read.
    Malformed,
    /// Anything else. Never answered: two servers answering each other's errors would not stop.
    Stray,
}

/// What a client sends during a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// It has every block up to this one.
    Ack(u16),
    /// It gives up.
    Error(Fault),
    Stray,
}

/// An ERROR packet's contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub code: u16,
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, message } = self;
        if message.is_empty() { write!(f, "TFTP error {code}") } else { write!(f, "{message} (TFTP error {code})") }
    }
}

impl Opening {
    pub fn parse(packet: &[u8]) -> Self {
        match packet {
            [0, READ, rest @ ..] => ask(rest).map_or(Self::Malformed, Self::Read),
            [0, WRITE, ..] => Self::Write,
            _ => Self::Stray,
        }
    }
}

impl Reaction {
    pub fn parse(packet: &[u8]) -> Self {
        match packet {
            [0, ACK, high, low, ..] => Self::Ack(u16::from_be_bytes([*high, *low])),
            [0, ERROR, high, low, message @ ..] => {
                let message = message.split(|byte| *byte == 0).next().unwrap_or_default();
                let message = text::clean(&String::from_utf8_lossy(message), MESSAGE_LIMIT);
                Self::Error(Fault { code: u16::from_be_bytes([*high, *low]), message })
            }
            _ => Self::Stray,
        }
    }
}

/// A packet to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TftpPacket {
    /// A block's bytes are not copied: they are those of the file, whoever loads it.
    Data {
        head: [u8; 4],
        body: Bytes,
    },
    Other(Vec<u8>),
}

impl TftpPacket {
    /// What to send, one behind the other.
    pub fn parts(&self) -> [&[u8]; 2] {
        match self {
            Self::Data { head, body } => [head, body],
            Self::Other(bytes) => [bytes, &[]],
        }
    }

    /// How many bytes it has.
    pub fn size(&self) -> usize {
        self.parts().iter().map(|part| part.len()).sum()
    }
}

/// A DATA packet.
pub fn data(block: u16, body: Bytes) -> TftpPacket {
    let [high, low] = block.to_be_bytes();
    TftpPacket::Data { head: [0, DATA, high, low], body }
}

/// An OACK packet: the options that hold, and their values.
pub fn oack(options: &[(&str, u64)]) -> Vec<u8> {
    let mut packet = vec![0, OACK];
    for (name, value) in options {
        packet.extend(name.bytes().chain([0]));
        packet.extend(value.to_string().bytes().chain([0]));
    }
    packet
}

/// An ERROR packet. Firmware shows the message, so it is cut to what fits the smallest block.
pub fn error(code: u16, message: &str) -> Vec<u8> {
    let mut end = message.len().min(MESSAGE_LIMIT);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    let mut packet = vec![0, ERROR];
    packet.extend(code.to_be_bytes());
    packet.extend(message[..end].bytes().chain([0]));
    packet
}

/// Name, mode, then options and values in pairs, each ended by a zero; the last zero is forgiven. The mode is not asked
/// after: what firmware loads is octets, whatever it calls them.
fn ask(rest: &[u8]) -> Option<ReadRequest> {
    let rest = rest.strip_suffix(&[0]).unwrap_or(rest);
    let mut words = rest.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
    let file = words.next().filter(|file| !file.is_empty())?;
    let _mode = words.next()?;
    let mut options = TftpOptions::default();
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        match name.to_ascii_lowercase().as_str() {
            "blksize" => options.blksize = value.parse().ok().filter(|size| (8..=65464).contains(size)),
            "tsize" => options.tsize = value.parse::<u64>().is_ok(),
            "timeout" => options.timeout = value.parse().ok().filter(|seconds| *seconds >= 1),
            "windowsize" => options.windowsize = value.parse().ok().filter(|blocks| *blocks >= 1),
            _ => {}
        }
    }
    Some(ReadRequest { file, options })
}

/// RFC 1350 section 5, "Error Codes".
pub const NOT_DEFINED: u16 = 0;
pub const FILE_NOT_FOUND: u16 = 1;
pub const ACCESS_VIOLATION: u16 = 2;
pub const ILLEGAL_OPERATION: u16 = 4;
/// RFC 2347: the options were not wanted like this.
pub const OPTIONS_REFUSED: u16 = 8;

const READ: u8 = 1;
const WRITE: u8 = 2;
const DATA: u8 = 3;
const ACK: u8 = 4;
const ERROR: u8 = 5;
const OACK: u8 = 6;
const MESSAGE_LIMIT: usize = 400;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(packet: &[u8]) -> ReadRequest {
        match Opening::parse(packet) {
            Opening::Read(ask) => ask,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request_of_edk2_is_read() {
        let ask = read(b"\0\x01snponly.efi\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0");
        let options = TftpOptions { blksize: Some(1468), tsize: true, timeout: None, windowsize: Some(4) };
        assert_eq!(ask, ReadRequest { file: "snponly.efi".into(), options });
    }

    #[test]
    fn names_of_options_are_read_in_any_case_and_strange_ones_are_passed_over() {
        let ask = read(b"\0\x01a\0NetASCII\0BLKSIZE\x00512\0multicast\0\0TimeOut\x003");
        assert_eq!(ask.options, TftpOptions { blksize: Some(512), timeout: Some(3), ..TftpOptions::default() });
    }

    #[test]
    fn values_out_of_range_count_as_not_asked() {
        let ask = read(b"\0\x01a\0octet\0blksize\x007\0timeout\x000\0windowsize\x00x\0tsize\0-\0");
        assert_eq!(ask.options, TftpOptions::default());
    }

    #[test]
    fn what_is_no_read_request_is_told_apart() {
        assert_eq!(Opening::parse(b"\0\x02a\0octet\0"), Opening::Write);
        assert_eq!(Opening::parse(b"\0\x01\0octet\0"), Opening::Malformed);
        assert_eq!(Opening::parse(b"\0\x01name"), Opening::Malformed);
        assert_eq!(Opening::parse(b"\0\x05\0\x01no\0"), Opening::Stray);
        assert_eq!(Opening::parse(b""), Opening::Stray);
    }

    #[test]
    fn an_error_is_shown_with_its_words_and_its_number() {
        let Reaction::Error(fault) = Reaction::parse(b"\0\x05\0\x08User aborted the transfer\0") else { panic!() };
        assert_eq!(fault.to_string(), "User aborted the transfer (TFTP error 8)");
        let Reaction::Error(fault) = Reaction::parse(b"\0\x05\0\0") else { panic!() };
        assert_eq!(fault.to_string(), "TFTP error 0");
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let packet = error(1, &"–".repeat(200));
        assert!(packet.len() <= 405 && String::from_utf8(packet[4..].to_vec()).is_ok());
    }

    proptest! {
        #[test]
        fn no_packet_panics(packet in prop::collection::vec(any::<u8>(), 0..600)) {
            let _any = (Opening::parse(&packet), Reaction::parse(&packet));
        }
    }
}
