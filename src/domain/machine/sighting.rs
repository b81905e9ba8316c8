//! What was seen of a machine on its way and what it was answered: what a diagnosis is made from.

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::domain::ids::{MacAddr, ProfileId, SystemUuid};
use crate::domain::machine::firmware::Firmware;

/// Who was seen: by its card, by its address, or by both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    pub mac: Option<MacAddr>,
    pub address: Option<Ipv4Addr>,
}

impl Who {
    pub fn card(mac: MacAddr) -> Self {
        Self { mac: Some(mac), address: None }
    }

    pub fn at(address: Ipv4Addr) -> Self {
        Self { mac: None, address: Some(address) }
    }
}

/// One thing that a machine did, with what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sighting {
    /// A DHCP message, on port 67 or 4011.
    Dhcp {
        asked: DhcpAsked,
        reply: DhcpReplied,
    },
    /// A file by TFTP.
    Tftp {
        file: String,
        how: Tftp,
    },
    Http(Http),
    /// The install system's agent said hello.
    Agent,
}

/// What a DHCP message asked (RFC 2131 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpAsked {
    pub door: DhcpPort,
    pub kind: DhcpMessageType,
    pub speaker: DhcpSpeaker,
    pub firmware: Firmware,
    /// The architecture as option 93 numbers it.
    pub arch: u16,
    /// Seconds since the machine began, as it says. iPXE keeps other things in here.
    pub secs: u16,
    pub relay: Option<Ipv4Addr>,
    /// The server that is meant (option 54).
    pub server: Option<Ipv4Addr>,
    /// The address it wants or has.
    pub address: Option<Ipv4Addr>,
    pub uuid: Option<SystemUuid>,
}

/// Where it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DhcpPort {
    /// Port 67.
    Dhcp,
    /// Port 4011, PXE's boot server.
    BootServer,
}

/// A message type (RFC 2132 section 9.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DhcpMessageType {
    Discover,
    Request,
    Inform,
    Decline,
    Release,
    /// None at all.
    Bootp,
    Other(u8),
}

/// Which program in the machine speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DhcpSpeaker {
    /// The firmware's PXE client.
    Pxe,
    /// The firmware's HTTP Boot.
    HttpBoot,
    Ipxe,
    /// An operating system, or whatever else does not boot from the network.
    Plain,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DhcpReplied {
    /// A proxy offers no address.
    Offered {
        address: Option<Ipv4Addr>,
        file: Option<String>,
    },
    Acked {
        address: Option<Ipv4Addr>,
        file: Option<String>,
    },
    /// A NAK.
    Refused,
    /// Nothing: it was said to another server, and heard.
    Overheard,
    Silent(Cause),
}

/// Why nothing was answered, or less than was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    OtherNetwork(Ipv4Addr),
    PoolEmpty,
    AnotherServer(Ipv4Addr),
    Bootp,
    /// For this architecture, as `6 (UEFI IA32)`.
    NoProgram(String),
    /// It does not boot from the network, or it means the site's server.
    NotOurs,
    Declined(Ipv4Addr),
    InUse {
        address: Ipv4Addr,
        by: MacAddr,
    },
    Released(Ipv4Addr),
    /// Any other, in the words of the one who was silent.
    Other(String),
}

/// How far a file got by TFTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tftp {
    /// Begun, on these terms.
    Begun(Terms),
    /// The machine only wanted to know the size.
    Probed,
    Done {
        bytes: u64,
    },
    /// There is no such file, or it cannot be read.
    Missing {
        reason: String,
    },
    /// The machine gave up, with these words.
    Aborted {
        reason: String,
        terms: Terms,
    },
    /// The machine was not heard any more after it had this much.
    Lost {
        sent: u64,
        terms: Terms,
    },
}

/// How a file is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The file's size.
    pub bytes: u64,
    pub blksize: u16,
    pub window: u16,
}

/// A request by HTTP, with what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Http {
    /// The script that has the machine say who it is.
    Ask,
    /// Its own script.
    Script(ScriptKind),
    /// A file of the boot folder.
    Get {
        file: String,
    },
    /// Something of somebody else's installer; `works` when nobody but the installer asks for it.
    Installer {
        file: String,
        works: bool,
    },
    /// Only how large it is.
    Head {
        file: String,
    },
    Missing {
        file: String,
    },
    /// No TLS connection came about, or one was required; in the service's words: the reason, and behind a colon what to do.
    Refused {
        why: String,
    },
}

/// What a boot script says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScriptKind {
    Install(ProfileId),
    /// Start from its own disk.
    Disk,
    Wait(String),
}

impl Sighting {
    /// Whether `other` is the same once more. Counters and sizes may differ.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Dhcp { asked, reply }, Self::Dhcp { asked: again, reply: same }) => {
                reply == same && *asked == DhcpAsked { secs: asked.secs, ..*again }
            }
            (Self::Tftp { file, how }, Self::Tftp { file: again, how: same }) => file == again && how.is_like(same),
            _ => self == other,
        }
    }
}

impl Tftp {
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Lost { sent, .. }, Self::Lost { sent: again, .. }) => (*sent == 0) == (*again == 0),
            _ => self == other,
        }
    }

    /// Whether the transfer is over.
    pub fn is_over(&self) -> bool {
        !matches!(self, Self::Begun(_))
    }
}

impl DhcpAsked {
    /// `UEFI x64`, `iPXE`, `architecture 6`.
    pub fn who(&self) -> String {
        match (self.speaker, self.firmware) {
            (DhcpSpeaker::Ipxe, _) => "iPXE".into(),
            (DhcpSpeaker::Plain, _) => "a system".into(),
            (DhcpSpeaker::Pxe, Firmware::Other) => format!("architecture {}", self.arch),
            (DhcpSpeaker::HttpBoot, Firmware::Other) => format!("HTTP Boot, architecture {}", self.arch),
            (DhcpSpeaker::HttpBoot, firmware) => format!("HTTP Boot, {}", firmware.word()),
            (DhcpSpeaker::Pxe, firmware) => firmware.word().into(),
        }
    }
}

impl fmt::Display for DhcpMessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discover => f.write_str("DISCOVER"),
            Self::Request => f.write_str("REQUEST"),
            Self::Inform => f.write_str("INFORM"),
            Self::Decline => f.write_str("DECLINE"),
            Self::Release => f.write_str("RELEASE"),
            Self::Bootp => f.write_str("BOOTP"),
            Self::Other(number) => write!(f, "DHCP type {number}"),
        }
    }
}

/// A row of a timeline: what arrived, and behind the arrow what was answered.
impl fmt::Display for Sighting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dhcp { asked, reply } => write!(f, "{asked} > {reply}"),
            Self::Tftp { file, how } => write!(f, "tftp {file} > {how}"),
            Self::Http(http) => write!(f, "{http}"),
            Self::Agent => f.write_str("agent hello > its job"),
        }
    }
}

impl fmt::Display for DhcpAsked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let door = if self.door == DhcpPort::BootServer { " to port 4011" } else { "" };
        write!(f, "{}{door} by {}", self.kind, self.who())?;
        match (self.kind, self.server, self.address) {
            (DhcpMessageType::Request, Some(server), Some(address)) if self.door == DhcpPort::Dhcp => {
                write!(f, " for {address} of {server}")?
            }
            (DhcpMessageType::Request | DhcpMessageType::Decline, _, Some(address)) => write!(f, " for {address}")?,
            _ => {}
        }
        self.relay.map_or(Ok(()), |relay| write!(f, " through {relay}"))
    }
}

impl fmt::Display for DhcpReplied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, address, file) = match self {
            Self::Offered { address, file } => ("offered", address, file),
            Self::Acked { address, file } => ("given", address, file),
            Self::Refused => return f.write_str("refused (NAK)"),
            Self::Overheard => return f.write_str("overheard"),
            // It may have been given an address all the same.
            Self::Silent(cause @ Cause::NoProgram(_)) => return write!(f, "{cause}"),
            Self::Silent(cause) => return write!(f, "no answer: {cause}"),
        };
        match (address, file) {
            (Some(address), Some(file)) => write!(f, "{word} {address}, {file}"),
            (Some(address), None) => write!(f, "{word} {address}"),
            (None, Some(file)) => write!(f, "{word} {file}"),
            (None, None) => f.write_str(word),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherNetwork(relay) => write!(f, "relay {relay} is of another network"),
            Self::PoolEmpty => f.write_str("no address is free"),
            Self::AnotherServer(server) => write!(f, "it chose {server}"),
            Self::Bootp => f.write_str("BOOTP only"),
            Self::NoProgram(arch) => write!(f, "no boot program for architecture {arch}"),
            Self::NotOurs => f.write_str("it is for the site's server"),
            Self::Declined(address) => write!(f, "{address} is used by another"),
            Self::InUse { address, by } => write!(f, "{by} uses {address}"),
            Self::Released(address) => write!(f, "it gave {address} back"),
            Self::Other(words) => f.write_str(words),
        }
    }
}

impl fmt::Display for Tftp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begun(terms) => write!(f, "begun, {} bytes in blocks of {}", terms.bytes, terms.blksize),
            Self::Probed => f.write_str("told its size"),
            Self::Done { bytes } => write!(f, "all {bytes} bytes"),
            Self::Missing { .. } => f.write_str("not here"),
            Self::Aborted { reason, .. } => f.write_str(reason),
            Self::Lost { sent, terms } => write!(f, "silent after {sent} of {} bytes", terms.bytes),
        }
    }
}

impl fmt::Display for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask => f.write_str("http boot.ipxe > told to say who it is"),
            Self::Script(ScriptKind::Install(profile)) => write!(f, "http script > install {profile}"),
            Self::Script(ScriptKind::Disk) => f.write_str("http script > start from its own disk"),
            Self::Script(ScriptKind::Wait(reason)) => write!(f, "http script > wait: {reason}"),
            Self::Get { file } | Self::Installer { file, .. } => write!(f, "http {file} > sent"),
            Self::Head { file } => write!(f, "http {file} > told its size"),
            Self::Missing { file } => write!(f, "http {file} > not here"),
            Self::Refused { why } => write!(f, "http > refused: {why}"),
        }
    }
}
