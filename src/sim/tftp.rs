//! A TFTP client as firmware has one: options (RFC 2347, 2348, 2349), windows (RFC 7440), and the aborted size probe.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use super::power::{Off, Power};

/// A client at a machine's own address.
#[derive(Clone, Copy, Debug)]
pub struct TftpClient<'p> {
    pub from: Ipv4Addr,
    pub server: SocketAddrV4,
    pub power: &'p Power,
}

/// Why a file was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum TftpError {
    #[error("TFTP: {file}: {reason}")]
    Refused { file: String, reason: String },
    #[error("TFTP: {file}: no answer from {server}")]
    Silence { file: String, server: Ipv4Addr },
    #[error("TFTP: {file}: {source}")]
    Io { file: String, source: io::Error },
    #[error(transparent)]
    Off(#[from] Off),
}

/// The options of a read request. The server may grant less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TftpOptions {
    /// Bytes of a block (RFC 2348).
    pub blksize: u16,
    /// Blocks between two acknowledgements (RFC 7440); not asked for if None.
    pub windowsize: Option<u16>,
    /// Whether the size of the file is asked for (RFC 2349).
    pub tsize: bool,
}

impl TftpOptions {
    /// EDK2 reading a file.
    pub const UEFI: Self = Self { blksize: 1468, windowsize: Some(4), tsize: false };
    /// A BIOS network card's ROM.
    pub const BIOS: Self = Self { blksize: 1456, windowsize: None, tsize: true };
    /// iPXE.
    pub const IPXE: Self = Self { blksize: 1432, windowsize: None, tsize: true };
    const PROBE: Self = Self { tsize: true, ..Self::UEFI };
}

impl TftpClient<'_> {
    /// Asks for the size of `file` and then aborts, as EDK2 does before it allocates memory for the file.
    pub fn probe(&self, file: &str) -> Result<(), TftpError> {
        let mut transfer = ClientTransfer::begin(*self, file, TftpOptions::PROBE)?;
        match transfer.receive()? {
            ServerPacket::Options(_) | ServerPacket::Data { .. } => {
                transfer.send(&error(8, "User aborted the transfer"))?;
                Ok(())
            }
            ServerPacket::Error { reason } => Err(TftpError::Refused { file: file.to_owned(), reason }),
        }
    }

    /// Loads `file`.
    pub fn fetch(&self, file: &str, options: TftpOptions) -> Result<Vec<u8>, TftpError> {
        ClientTransfer::begin(*self, file, options)?.whole()
    }
}

/// One transfer and what was said last in it.
struct ClientTransfer<'f> {
    client: TftpClient<'f>,
    file: &'f str,
    socket: UdpSocket,
    /// The server's port of this transfer, once it has answered (RFC 1350 section 4).
    peer: Option<SocketAddr>,
    said: Vec<u8>,
    buffer: Vec<u8>,
}

impl<'f> ClientTransfer<'f> {
    fn begin(client: TftpClient<'f>, file: &'f str, options: TftpOptions) -> Result<Self, TftpError> {
        let io = |source| TftpError::Io { file: file.to_owned(), source };
        let socket = UdpSocket::bind((client.from, 0)).map_err(io)?;
        socket.set_read_timeout(Some(RETRY)).map_err(io)?;
        let buffer = vec![0; HEADER + usize::from(options.blksize.max(DEFAULT_BLKSIZE))];
        let mut transfer = Self { client, file, socket, peer: None, said: Vec::new(), buffer };
        transfer.send(&request(file, options))?;
        Ok(transfer)
    }

    /// Receives until the last block, which is a short one.
    fn whole(mut self) -> Result<Vec<u8>, TftpError> {
        let (mut content, mut expected, mut acknowledged) = (Vec::new(), 1_u16, 0);
        let (mut blksize, mut windowsize) = (DEFAULT_BLKSIZE, 1);
        loop {
            match self.receive()? {
                ServerPacket::Options(granted) => {
                    (blksize, windowsize) = (granted.blksize, granted.windowsize);
                    self.send(&ack(0))?;
                }
                ServerPacket::Data { number, bytes } if number == expected => {
                    content.extend_from_slice(bytes);
                    let last = bytes.len() < usize::from(blksize);
                    if last || number.wrapping_sub(acknowledged) >= windowsize {
                        self.send(&ack(number))?;
                        acknowledged = number;
                    }
                    if last {
                        return Ok(content);
                    }
                    expected = expected.wrapping_add(1);
                }
                // A block of the window is missing: the server is told once how far we are, and again by time-out.
                ServerPacket::Data { .. } if acknowledged != expected.wrapping_sub(1) => {
                    acknowledged = expected.wrapping_sub(1);
                    self.send(&ack(acknowledged))?;
                }
                ServerPacket::Data { .. } => {}
                ServerPacket::Error { reason } => {
                    return Err(TftpError::Refused { file: self.file.to_owned(), reason });
                }
            }
        }
    }

    fn send(&mut self, packet: &[u8]) -> Result<(), TftpError> {
        packet.clone_into(&mut self.said);
        self.repeat()
    }

    fn repeat(&self) -> Result<(), TftpError> {
        let to = self.peer.unwrap_or_else(|| self.client.server.into());
        let sent = self.socket.send_to(&self.said, to);
        sent.map(drop).map_err(|source| TftpError::Io { file: self.file.to_owned(), source })
    }

    /// The server's next packet; what was said last is repeated while there is none.
    fn receive(&mut self) -> Result<ServerPacket<'_>, TftpError> {
        let mut length = None;
        for _ in 0..TRIES {
            self.client.power.check()?;
            match self.socket.recv_from(&mut self.buffer) {
                Ok((some, from)) if self.peer.unwrap_or(from) == from && from.ip() == *self.client.server.ip() => {
                    self.peer = Some(from);
                    length = Some(some);
                    break;
                }
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => self.repeat()?,
                Err(source) => return Err(TftpError::Io { file: self.file.to_owned(), source }),
            }
        }
        let packet = length.and_then(|length| ServerPacket::parse(&self.buffer[..length]));
        packet.ok_or_else(|| TftpError::Silence { file: self.file.to_owned(), server: *self.client.server.ip() })
    }
}

/// What a server sends.
#[derive(Debug, PartialEq, Eq)]
enum ServerPacket<'b> {
    Data { number: u16, bytes: &'b [u8] },
    Options(Granted),
    Error { reason: String },
}

/// Options as the server granted them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Granted {
    blksize: u16,
    windowsize: u16,
}

impl<'b> ServerPacket<'b> {
    fn parse(bytes: &'b [u8]) -> Option<Self> {
        match bytes {
            [0, 3, high, low, bytes @ ..] => Some(Self::Data { number: u16::from_be_bytes([*high, *low]), bytes }),
            [0, 5, _, _, reason @ ..] => {
                let reason = reason.split(|byte| *byte == 0).next().unwrap_or_default();
                Some(Self::Error { reason: String::from_utf8_lossy(reason).into_owned() })
            }
            [0, 6, options @ ..] => {
                let words: Vec<&str> = options
                    .split(|byte| *byte == 0)
                    .map(|word| std::str::from_utf8(word).unwrap_or_default())
                    .collect();
                let value = |name: &str| {
                    let pair = words.chunks_exact(2).find(|pair| pair[0].eq_ignore_ascii_case(name))?;
                    pair[1].parse().ok()
                };
                let blksize = value("blksize").unwrap_or(DEFAULT_BLKSIZE);
                let windowsize = value("windowsize").unwrap_or(1).max(1);
                Some(Self::Options(Granted { blksize, windowsize }))
            }
            _ => None,
        }
    }
}

/// A read request, its options in the order of EDK2.
fn request(file: &str, options: TftpOptions) -> Vec<u8> {
    let mut words = vec![file.to_owned(), "octet".to_owned()];
    let mut option = |name: &str, value: u16| words.extend([name.to_owned(), value.to_string()]);
    if options.tsize {
        option("tsize", 0);
    }
    option("blksize", options.blksize);
    if let Some(windowsize) = options.windowsize {
        option("windowsize", windowsize);
    }
    let words = words.iter().flat_map(|word| word.bytes().chain([0]));
    [0, 1].into_iter().chain(words).collect()
}

fn ack(number: u16) -> [u8; 4] {
    let [high, low] = number.to_be_bytes();
    [0, 4, high, low]
}

fn error(code: u8, reason: &str) -> Vec<u8> {
    let mut packet = vec![0, 5, 0, code];
    packet.extend(reason.as_bytes());
    packet.push(0);
    packet
}

/// The port of a station's TFTP service.
pub(super) const PORT: u16 = 69;
const DEFAULT_BLKSIZE: u16 = 512;
/// Opcode and block number of a DATA packet.
const HEADER: usize = 4;
const RETRY: Duration = Duration::from_secs(1);
const TRIES: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet of this kind: words that each end in a zero byte.
    fn packet(kind: u8, words: &str) -> Vec<u8> {
        let mut packet = vec![0, kind];
        packet.extend(words.split_whitespace().flat_map(|word| word.bytes().chain([0])));
        packet
    }

    #[test]
    fn requests_are_those_of_edk2() {
        let probe = packet(1, "ipxe.efi octet tsize 0 blksize 1468 windowsize 4");
        assert_eq!(request("ipxe.efi", TftpOptions::PROBE), probe);
        let read = packet(1, "ipxe.efi octet blksize 1468 windowsize 4");
        assert_eq!(request("ipxe.efi", TftpOptions::UEFI), read);
        assert_eq!(error(8, "User aborted the transfer"), b"\0\x05\0\x08User aborted the transfer\0");
    }

    #[test]
    fn what_a_server_grants_is_read() {
        assert_eq!(
            ServerPacket::parse(&packet(6, "blksize 1432 windowsize 4 tsize 451")),
            Some(ServerPacket::Options(Granted { blksize: 1432, windowsize: 4 }))
        );
        assert_eq!(
            ServerPacket::parse(b"\0\x05\0\x01no such file\0"),
            Some(ServerPacket::Error { reason: "no such file".into() })
        );
        assert_eq!(ServerPacket::parse(b"\0\x03\0\x02ab"), Some(ServerPacket::Data { number: 2, bytes: b"ab" }));
        assert_eq!(ServerPacket::parse(b"\0\x04\0\x02"), None);
    }

    /// A server on a thread that sends `content` in blocks of 512 with windows of `window`, losing block `lost` once.
    fn served(content: Vec<u8>, window: u16, mut lost: Option<u16>) -> Result<Vec<u8>, TftpError> {
        let server = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = server.local_addr().expect("an address");
        std::thread::spawn(move || {
            let mut buffer = [0; 600];
            let (_, client) = server.recv_from(&mut buffer).expect("a request");
            server.send_to(&packet(6, &format!("blksize 512 windowsize {window}")), client).expect("sent");
            let blocks = u16::try_from(content.len() / 512 + 1).expect("few");
            let mut acknowledged = None;
            while acknowledged != Some(blocks) {
                server.recv_from(&mut buffer).expect("an ack");
                let from = u16::from_be_bytes([buffer[2], buffer[3]]);
                acknowledged = Some(from);
                for number in (from + 1)..=(from + window).min(blocks) {
                    if lost.take_if(|lost| *lost == number).is_some() {
                        continue;
                    }
                    let start = usize::from(number - 1) * 512;
                    let mut data = vec![0, 3];
                    data.extend(number.to_be_bytes());
                    data.extend(&content[start..(start + 512).min(content.len())]);
                    server.send_to(&data, client).expect("sent");
                }
            }
        });
        let power = Power::default();
        let server = SocketAddrV4::new(Ipv4Addr::LOCALHOST, PORT);
        let client = TftpClient { from: Ipv4Addr::LOCALHOST, server, power: &power };
        let mut transfer = ClientTransfer::begin(client, "x", TftpOptions::UEFI)?;
        transfer.peer = Some(address);
        transfer.repeat()?;
        transfer.whole()
    }

    #[test]
    fn a_file_arrives_whole_in_windows_even_when_a_block_is_lost() {
        let content: Vec<u8> = (0..5000).map(|at| (at % 251) as u8).collect();
        for (window, lost) in [(1, None), (4, None), (4, Some(2)), (4, Some(10))] {
            assert_eq!(served(content.clone(), window, lost).expect("fetched"), content, "{window} {lost:?}");
        }
    }
}
