//! From power-on to what the station's script says: DHCP, TFTP, iPXE.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::addresses::{Addresses, IpError};
use super::dhcp::{DhcpClient, LeaseReply};
use super::identity::{BootFirmware, MANUFACTURER, PRODUCT, SimIdentity};
use super::ipxe::{ActionResult, Ipxe, IpxeAction};
use super::power::{Off, Power};
use super::segment::{Cable, NoLease};
use super::tftp::{self, TftpClient, TftpError, TftpOptions};
use super::web::{Web, WebError};
use crate::domain::digest::Digest;

/// A machine's firmware and the wire it boots from.
#[derive(Clone, Copy, Debug)]
pub(super) struct BootAttempt<'a> {
    pub(super) who: &'a SimIdentity,
    pub(super) segment: &'a Cable,
    pub(super) addresses: &'a Addresses,
    pub(super) power: &'a Power,
}

/// Where a boot led.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Booted {
    /// A kernel was started with this command line, on a machine with this address.
    Kernel {
        cmdline: String,
        address: Ipv4Addr,
    },
    OwnDisk {
        address: Ipv4Addr,
    },
}

/// Why a boot led nowhere. Firmware starts over.
#[derive(Debug, thiserror::Error)]
pub(super) enum BootError {
    #[error(transparent)]
    NoLease(#[from] NoLease),
    #[error("DHCP server {0} names no boot file")]
    NoBootFile(Ipv4Addr),
    #[error("DHCP server {server} gives iPXE `{file}` once more, not a script")]
    Circle { server: Ipv4Addr, file: String },
    #[error(transparent)]
    Address(#[from] IpError),
    #[error(transparent)]
    Tftp(#[from] TftpError),
    #[error(transparent)]
    Web(#[from] WebError),
    #[error("what iPXE was given as its script does not begin with #!ipxe")]
    NoScript,
    #[error("the boot script came to nothing")]
    GaveUp,
    #[error(transparent)]
    Off(#[from] Off),
}

impl BootAttempt<'_> {
    pub(super) fn run(&self) -> Result<Booted, BootError> {
        let lease = self.lease(DhcpClient::Rom)?;
        let file = lease.boot_file.clone().ok_or(BootError::NoBootFile(lease.server))?;
        // iPXE looks for it in what its loader was answered, as soon as it starts.
        let mut trust = lease.trust;
        let tftp = TftpClient {
            from: lease.address,
            server: SocketAddrV4::new(lease.next_server, tftp::PORT),
            power: self.power,
        };
        let script = match self.who.firmware {
            BootFirmware::Bios => {
                tftp.fetch(&file, TftpOptions::BIOS)?;
                self.script_by_dhcp(&mut trust)?
            }
            BootFirmware::Uefi => {
                tftp.probe(&file)?;
                tftp.fetch(&file, TftpOptions::UEFI)?;
                // iPXE's EFI builds look beside themselves first.
                let directory = file.rfind('/').map_or("", |at| &file[..=at]);
                match tftp.fetch(&format!("{directory}autoexec.ipxe"), TftpOptions::IPXE) {
                    Ok(script) => String::from_utf8_lossy(&script).into_owned(),
                    Err(TftpError::Refused { .. }) => self.script_by_dhcp(&mut trust)?,
                    Err(error) => return Err(error.into()),
                }
            }
        };
        self.obey(&script, lease.address, trust)
    }

    fn lease(&self, speaker: DhcpClient) -> Result<LeaseReply, BootError> {
        let lease = self.segment.lease(self.who, speaker, self.power)?;
        self.addresses.add(lease.address, lease.prefix)?;
        Ok(lease)
    }

    /// iPXE asks for itself and is sent to its script.
    fn script_by_dhcp(&self, trust: &mut Option<Digest>) -> Result<String, BootError> {
        let lease = self.lease(DhcpClient::Ipxe)?;
        *trust = trust.or(lease.trust);
        let file = lease.boot_file.ok_or(BootError::NoBootFile(lease.server))?;
        if !file.starts_with("http://") && !file.starts_with("https://") {
            return Err(BootError::Circle { server: lease.server, file });
        }
        Ok(Web { from: lease.address, trust: *trust, power: self.power }.text(&file)?)
    }

    fn obey(&self, script: &str, address: Ipv4Addr, trust: Option<Digest>) -> Result<Booted, BootError> {
        if !script.starts_with("#!ipxe") {
            return Err(BootError::NoScript);
        }
        let web = Web { from: address, trust, power: self.power };
        let mut ipxe = Ipxe::begin(settings(self.who, address, trust), script);
        let mut answer = ActionResult::Done;
        loop {
            self.power.check()?;
            answer = match ipxe.next(answer) {
                IpxeAction::Script { url } => web.text(&url).map_or(ActionResult::Failed, ActionResult::Text),
                IpxeAction::Load { url } => web.load(&url).map_or(ActionResult::Failed, |()| ActionResult::Done),
                IpxeAction::Sleep { seconds } => {
                    self.power.pause(Duration::from_secs(seconds))?;
                    ActionResult::Done
                }
                IpxeAction::Boot { cmdline } => return Ok(Booted::Kernel { cmdline, address }),
                IpxeAction::OwnDisk => return Ok(Booted::OwnDisk { address }),
                IpxeAction::GiveUp => return Err(BootError::GaveUp),
            }
        }
    }
}

/// What iPXE knows of the machine (<https://ipxe.org/cfg>).
fn settings(who: &SimIdentity, address: Ipv4Addr, trust: Option<Digest>) -> BTreeMap<String, String> {
    let (platform, buildarch) = match who.firmware {
        BootFirmware::Bios => ("pcbios", "i386"),
        BootFirmware::Uefi => ("efi", "x86_64"),
    };
    let settings = [
        ("mac", who.mac.to_string()),
        ("uuid", who.uuid.to_string()),
        ("serial", who.serial.to_string()),
        ("manufacturer", MANUFACTURER.to_owned()),
        ("product", PRODUCT.to_owned()),
        ("platform", platform.to_owned()),
        ("buildarch", buildarch.to_owned()),
        ("ip", address.to_string()),
        ("trust", trust.map(|ca| ca.to_string()).unwrap_or_default()),
    ];
    settings.map(|(name, value)| (name.to_owned(), value)).into()
}
