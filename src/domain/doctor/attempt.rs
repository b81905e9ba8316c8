//! A trail, read as attempts to boot: what was said to the firmware, what it loaded, what ran then.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::trail::{Trail, TrailEntry};
use crate::domain::ids::MacAddr;
use crate::domain::machine::sighting::{
    Cause, DhcpAsked, DhcpMessageType, DhcpPort, DhcpReplied, DhcpSpeaker, Http, ScriptKind, Sighting, Tftp,
};
use crate::domain::time::Timestamp;

/// One power-on, as far as it got.
#[derive(Clone, Debug)]
pub(super) struct Attempt<'a> {
    pub(super) last: Timestamp,
    /// With the firmware, before anything was loaded.
    pub(super) firmware: DhcpExchange<'a>,
    /// With iPXE, from a ROM or loaded from here.
    pub(super) ipxe: DhcpExchange<'a>,
    /// Boot programs by TFTP, each with the last that was seen of it, in order.
    pub(super) programs: Vec<&'a TrailEntry>,
    /// Programs by HTTP: only their size was asked for, or they were fetched.
    pub(super) head: Option<&'a TrailEntry>,
    pub(super) fetched: Option<&'a TrailEntry>,
    /// Why it was given nothing by HTTP, unless it was given something since.
    pub(super) refused: Option<&'a str>,
    /// The first script of a loaded program: it runs.
    pub(super) runs: Option<Timestamp>,
    pub(super) script: Option<(&'a ScriptKind, Timestamp, u32)>,
    pub(super) kernel: Option<Timestamp>,
    pub(super) initramfs: Option<Timestamp>,
    /// What it fetched is somebody else's installer.
    pub(super) installer: bool,
    /// A file of the install system that is not here.
    pub(super) missing: Option<&'a str>,
    /// The install system's kernel, or another operating system, asked for an address.
    pub(super) system: Option<(Timestamp, Option<Ipv4Addr>)>,
    pub(super) agent: bool,
}

/// A conversation by DHCP.
#[derive(Clone, Debug, Default)]
pub(super) struct DhcpExchange<'a> {
    /// The first thing that was asked.
    pub(super) asked: Option<&'a DhcpAsked>,
    pub(super) first: Timestamp,
    pub(super) discovers: u32,
    /// Of these, answered by an offer.
    pub(super) offers: u32,
    /// With an address in it: not a proxy's.
    pub(super) addressed: bool,
    /// What it was told to load.
    pub(super) file: Option<&'a str>,
    /// An address that was to be offered, and who uses it.
    pub(super) in_use: Option<(Ipv4Addr, MacAddr)>,
    /// How the last DISCOVER or BOOTP request was not answered, and how often in a row.
    pub(super) silent: Option<(&'a Cause, u32)>,
    /// Another server, whose address it wants.
    pub(super) elsewhere: Option<Ipv4Addr>,
    /// It has an address: from here, or from the site's server.
    pub(super) has_address: bool,
    /// How often.
    pub(super) given: u32,
    /// Refused since it was last given an address.
    pub(super) naks: u32,
    pub(super) refused: Option<Ipv4Addr>,
    pub(super) declines: u32,
    pub(super) declined: Option<Ipv4Addr>,
    /// Asked and answered on port 4011.
    pub(super) boot_server: u32,
}

/// How far an attempt got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum AttemptStage {
    Dhcp,
    Loader,
    /// A program that was loaded runs.
    Program,
    Script,
    Kernel,
    Agent,
}

impl<'a> Attempt<'a> {
    /// The attempts of a trail, the latest last.
    pub(super) fn all(trail: &'a Trail) -> Vec<Self> {
        let mut attempts: Vec<Self> = Vec::new();
        for entry in trail.entries() {
            let begins = attempts.last().is_none_or(|attempt| attempt.is_over_at(entry));
            if begins {
                attempts.push(Self::new(entry));
            }
            attempts.last_mut().into_iter().for_each(|attempt| attempt.take(entry));
        }
        attempts
    }

    fn new(entry: &TrailEntry) -> Self {
        Self {
            last: entry.last,
            firmware: DhcpExchange::default(),
            ipxe: DhcpExchange::default(),
            programs: Vec::new(),
            head: None,
            fetched: None,
            refused: None,
            runs: None,
            script: None,
            kernel: None,
            initramfs: None,
            installer: false,
            missing: None,
            system: None,
            agent: false,
        }
    }

    /// Whether `entry` is of the next attempt: the machine was started again, or its iPXE was.
    fn is_over_at(&self, entry: &TrailEntry) -> bool {
        let Sighting::Dhcp { asked, .. } = &entry.what else { return false };
        let knocks = matches!(asked.kind, DhcpMessageType::Discover | DhcpMessageType::Bootp);
        let forgotten = entry.first.since(self.last) > FORGOTTEN;
        match asked.speaker {
            DhcpSpeaker::Pxe | DhcpSpeaker::HttpBoot => knocks && (forgotten || self.reached() > AttemptStage::Dhcp),
            DhcpSpeaker::Ipxe => knocks && (forgotten || self.reached() >= AttemptStage::Script),
            DhcpSpeaker::Plain => false,
        }
    }

    fn take(&mut self, entry: &'a TrailEntry) {
        self.last = self.last.max(entry.last);
        match &entry.what {
            Sighting::Dhcp { asked, reply } => match asked.speaker {
                DhcpSpeaker::Pxe | DhcpSpeaker::HttpBoot => self.firmware.take(entry, asked, reply),
                DhcpSpeaker::Ipxe => self.ipxe.take(entry, asked, reply),
                DhcpSpeaker::Plain => self.system = Some((entry.last, asked.address)),
            },
            Sighting::Tftp { file, .. } if is_script(file) => self.runs = Some(entry.first),
            Sighting::Tftp { .. } => {
                let same = |known: &&TrailEntry| matches!((&known.what, &entry.what), (Sighting::Tftp { file, .. }, Sighting::Tftp { file: again, .. }) if file == again);
                self.programs.retain(|known| !same(known));
                self.programs.push(entry);
            }
            Sighting::Http(http) => self.take_http(entry, http),
            Sighting::Agent => self.agent = true,
        }
    }

    fn take_http(&mut self, entry: &'a TrailEntry, http: &'a Http) {
        self.refused = None;
        match http {
            Http::Ask => self.runs = Some(entry.first),
            Http::Script(script) => {
                let times = self.script.map_or(0, |(_, _, times)| times);
                self.script = Some((script, entry.last, times + entry.times));
            }
            Http::Get { file } if is_program(file) => self.fetched = Some(entry),
            Http::Get { file } if is_kernel(file) => self.kernel = Some(entry.last),
            Http::Get { .. } => self.initramfs = Some(entry.last),
            // It speaks for itself from now on, as an agent does.
            Http::Installer { works: true, .. } => self.agent = true,
            Http::Installer { .. } => {
                self.installer = true;
                // It may have one file, and loads the kernel first.
                self.kernel = self.kernel.or(Some(entry.last));
                self.initramfs = Some(entry.last);
            }
            Http::Head { .. } => self.head = Some(entry),
            Http::Missing { file } => self.missing = Some(file),
            Http::Refused { why } => self.refused = Some(why),
        }
    }

    pub(super) fn reached(&self) -> AttemptStage {
        if self.agent {
            AttemptStage::Agent
        } else if self.kernel.is_some() || self.initramfs.is_some() {
            AttemptStage::Kernel
        } else if self.script.is_some() {
            AttemptStage::Script
        } else if self.runs.is_some() || (self.ipxe.asked.is_some() && self.has_loaded()) {
            AttemptStage::Program
        } else if self.has_loaded() || self.head.is_some() || self.refused.is_some() || !self.programs.is_empty() {
            AttemptStage::Loader
        } else {
            AttemptStage::Dhcp
        }
    }

    /// The boot program that was fetched whole, last.
    pub(super) fn loaded(&self) -> Option<&'a str> {
        let whole = self.programs.last().and_then(|entry| match &entry.what {
            Sighting::Tftp { file, how: Tftp::Done { .. } } => Some(file.as_str()),
            _ => None,
        });
        let by_http = || match &self.fetched?.what {
            Sighting::Http(Http::Get { file }) => Some(file.as_str()),
            _ => None,
        };
        whole.or_else(by_http)
    }

    fn has_loaded(&self) -> bool {
        self.loaded().is_some()
    }

    /// The conversation that matters now: iPXE's, if it spoke.
    pub(super) fn talk(&self) -> &DhcpExchange<'a> {
        if self.ipxe.asked.is_some() { &self.ipxe } else { &self.firmware }
    }

    /// Nobody in the machine boots from the network.
    pub(super) fn is_plain(&self) -> bool {
        self.firmware.asked.is_none() && self.ipxe.asked.is_none() && self.reached() == AttemptStage::Dhcp
    }
}

impl<'a> DhcpExchange<'a> {
    fn take(&mut self, entry: &'a TrailEntry, asked: &'a DhcpAsked, reply: &'a DhcpReplied) {
        if self.asked.is_none() {
            (self.asked, self.first) = (Some(asked), entry.first);
        }
        let is_knock = matches!(asked.kind, DhcpMessageType::Discover | DhcpMessageType::Bootp);
        if is_knock {
            self.discovers += entry.times;
            // Whoever asks anew has what it had no more.
            self.elsewhere = None;
        }
        match reply {
            DhcpReplied::Offered { address, file } => {
                self.offers += entry.times;
                self.addressed |= address.is_some();
                self.file = file.as_deref().or(self.file);
                self.silent = None;
            }
            DhcpReplied::Acked { file, .. } => {
                self.file = file.as_deref().or(self.file);
                (self.has_address, self.naks) = (true, 0);
                match asked.door {
                    DhcpPort::BootServer => self.boot_server += entry.times,
                    DhcpPort::Dhcp => self.given += entry.times,
                }
            }
            DhcpReplied::Refused => {
                self.naks += entry.times;
                self.refused = asked.address;
            }
            DhcpReplied::Overheard => {
                (self.has_address, self.elsewhere) = (true, asked.server.or(self.elsewhere));
                self.given += entry.times;
            }
            DhcpReplied::Silent(Cause::AnotherServer(server)) => self.elsewhere = Some(*server),
            DhcpReplied::Silent(Cause::Declined(address)) => {
                self.declines += entry.times;
                self.declined = Some(*address);
            }
            // The same question as before: what was to be offered was not, and it is answered anew.
            DhcpReplied::Silent(Cause::InUse { address, by }) => {
                self.discovers = self.discovers.saturating_sub(2 * entry.times);
                self.offers = self.offers.saturating_sub(entry.times);
                self.in_use = Some((*address, *by));
            }
            DhcpReplied::Silent(cause) if is_knock || matches!(cause, Cause::NoProgram(_)) => {
                let before = self.silent.filter(|(known, _)| *known == cause).map_or(0, |(_, times)| times);
                self.silent = Some((cause, before + entry.times));
            }
            DhcpReplied::Silent(_) => {}
        }
    }
}

/// What iPXE and GRUB ask for first of all.
fn is_script(file: &str) -> bool {
    let file = file.to_ascii_lowercase();
    [".ipxe", ".cfg", ".lst"].iter().any(|ending| file.ends_with(ending))
}

fn is_program(file: &str) -> bool {
    let file = file.to_ascii_lowercase();
    [".efi", ".kpxe", ".kkpxe", ".pxe", ".lkrn"].iter().any(|ending| file.ends_with(ending))
}

fn is_kernel(file: &str) -> bool {
    file.contains("linu")
}

/// A machine that was not heard for so long was switched off.
const FORGOTTEN: Duration = Duration::from_secs(300);
