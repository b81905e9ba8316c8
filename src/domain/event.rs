//! What services observe. Past tense, never refused; [`crate::domain::fleet::Fleet::observe`] takes them in.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::domain::ids::{MacAddr, ProfileId, RunId};
use crate::domain::logline::Level;
use crate::domain::machine::claims::Claims;
use crate::domain::machine::firmware::Firmware;
use crate::domain::machine::progress::Arrived;
use crate::domain::machine::report::Step;
use crate::domain::machine::sighting::{Sighting, Who};
use crate::domain::time::Timestamp;

/// Which answer a DHCP request got (RFC 2131 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DhcpAnswer {
    Offer,
    /// The address is the machine's.
    Ack,
    /// None: the machine was heard to ask the site's server for the address.
    Overheard,
    /// What to load, and no address: on port 4011, or by a proxy.
    Told,
}

/// How a transfer of a network boot program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoaderTransfer {
    Started,
    Done { bytes: u64 },
    Failed { reason: String },
}

/// A line of syslog. Not yet fit for a terminal: a [`crate::domain::logline::LogLine`] makes it so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyslogLine {
    pub level: Level,
    /// `sshd[12]: Server listening`, and how the machine's clock is wrong if it is.
    pub text: String,
    /// What that clock showed, where the header says so. Earlier recordings have none: there a line is a pair.
    #[serde(default)]
    pub by_its_clock: Option<Timestamp>,
}

/// Something a service saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A machine that boots from the network was answered by DHCP. A proxy's offer comes without an address: the site's
    /// server gives it, and the machine is overheard to accept it.
    DhcpAnswered {
        claims: Claims,
        firmware: Firmware,
        address: Option<Ipv4Addr>,
        answer: DhcpAnswer,
        bootfile: Option<String>,
        /// It is an iPXE that was built without HTTPS.
        lacks_https: bool,
    },
    /// A DHCP request went unanswered on purpose.
    DhcpSilence { mac: Option<MacAddr>, reason: String },
    /// The machine at this address said so by syslog.
    Syslog { address: Ipv4Addr, lines: Vec<SyslogLine> },
    /// A file was sent by TFTP.
    Loader { address: Ipv4Addr, file: String, transfer: LoaderTransfer },
    /// A machine was given a script that installs; its run begins.
    ScriptServed { claims: Claims, address: Ipv4Addr, run: RunId, profile: ProfileId },
    /// A machine was sent to its own disk.
    SentToDisk { claims: Claims, address: Ipv4Addr },
    /// A machine got a script that waits or ends, for this reason.
    Held { claims: Claims, address: Ipv4Addr, reason: String },
    /// A kernel, an initramfs or a network boot program was sent by HTTP.
    KernelServed { address: Ipv4Addr, file: String },
    /// The machine of `run`, whose profile boots an installer, took a file of it. `installing`: from here on it is the
    /// installer that works.
    InstallerTook { run: RunId, address: Ipv4Addr, file: String, installing: bool },
    /// A machine came by HTTPS, and no TLS connection came about.
    HttpRefused { address: Ipv4Addr, reason: String },
    /// The node moved bytes. Only the newest figure matters.
    Progress { run: RunId, step: Step, done: u64, total: u64, arrived: Arrived },
    /// A machine on its way was seen; for the doctor alone.
    Sighted { who: Who, sighting: Box<Sighting> },
    /// Another DHCP server answers on the cable.
    OtherServer { address: Ipv4Addr },
    /// This card was seen to use this address.
    Neighbour { mac: MacAddr, address: Ipv4Addr },
    /// Lines of the agent's log, the first of them numbered `first`.
    AgentLog { run: RunId, first: u32, lines: Vec<(Level, String)> },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_an_earlier_recording_is_read_as_one_without_a_clock_of_its_own() {
        let level = serde_json::to_string(&Level::Warning).expect("JSON");
        let pair: SyslogLine = serde_json::from_str(&format!("[{level}, \"sshd: ready\"]")).expect("a line");
        assert_eq!(pair, SyslogLine { level: Level::Warning, text: "sshd: ready".into(), by_its_clock: None });
    }
}
