//! Leased addresses on the real interface: given by `ip`, taken away again by it at the end.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Adds addresses to one interface, and removes what it added.
#[derive(Debug)]
pub(super) struct Addresses {
    interface: String,
    added: Mutex<Added>,
}

#[derive(Debug, Default)]
struct Added {
    addresses: BTreeSet<Ipv4Addr>,
    route: Option<String>,
    closed: bool,
}

/// `ip` did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`ip {command}`: {reason}")]
pub(super) struct IpError {
    command: String,
    reason: String,
}

impl Addresses {
    /// Addresses for `interface`, which must be there.
    pub(super) fn on(interface: &str) -> Result<Self, IpError> {
        ip(&["link", "show", "dev", interface])?;
        Ok(Self { interface: interface.to_owned(), added: Mutex::default() })
    }

    /// Makes `address` one of this computer's, with a way to its neighbours in the network of `prefix` bits.
    pub(super) fn add(&self, address: Ipv4Addr, prefix: u32) -> Result<(), IpError> {
        let mut added = self.added();
        if added.closed {
            let reason = "the simulation has ended".to_owned();
            return Err(IpError { command: "addr add".to_owned(), reason });
        }
        if added.addresses.contains(&address) {
            return Ok(());
        }
        let host = format!("{address}/32");
        if ip_unless_there(&["addr", "add", &host, "dev", &self.interface])? {
            added.addresses.insert(address);
        }
        let network = network(address, prefix);
        if added.route.is_none() && ip_unless_there(&["route", "add", &network, "dev", &self.interface])? {
            added.route = Some(network);
        }
        Ok(())
    }

    /// Removes what was added. Machines that are still at work lose their addresses, and get no new ones.
    pub(super) fn remove(&self) {
        let added = std::mem::replace(&mut *self.added(), Added { closed: true, ..Added::default() });
        let interface = &self.interface;
        let route = added.route.map(|network| format!("route del {network} dev {interface}\n"));
        let addresses = added.addresses.iter().map(|address| format!("addr del {address}/32 dev {interface}\n"));
        let commands: String = route.into_iter().chain(addresses).collect();
        let ip = Command::new("ip").args(["-force", "-batch", "-"]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn();
        // There is nobody left to tell.
        if let Ok(mut ip) = ip {
            let _unread = ip.stdin.take().map(|mut stdin| stdin.write_all(commands.as_bytes()));
            let _status = ip.wait();
        }
    }

    fn added(&self) -> MutexGuard<'_, Added> {
        self.added.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The network that `address` is in, as `10.77.0.0/24`.
fn network(address: Ipv4Addr, prefix: u32) -> String {
    let mask = u32::MAX.checked_shl(32 - prefix.min(32)).unwrap_or(0);
    format!("{}/{prefix}", Ipv4Addr::from_bits(address.to_bits() & mask))
}

/// Whether `ip` had to do it: not if it was done before.
fn ip_unless_there(arguments: &[&str]) -> Result<bool, IpError> {
    match ip(arguments) {
        Ok(()) => Ok(true),
        Err(error) if error.reason.contains("File exists") || error.reason.contains("already assigned") => Ok(false),
        Err(error) => Err(error),
    }
}

fn ip(arguments: &[&str]) -> Result<(), IpError> {
    let failed = |reason: String| IpError { command: arguments.join(" "), reason };
    let output = Command::new("ip").args(arguments).output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_its_network() {
        let address = Ipv4Addr::new(10, 77, 3, 144);
        assert_eq!(
            [0, 16, 24, 32].map(|prefix| network(address, prefix)),
            ["0.0.0.0/0", "10.77.0.0/16", "10.77.3.0/24", "10.77.3.144/32"]
        );
    }

    #[test]
    fn an_interface_that_is_not_there_is_named() {
        let error = Addresses::on("no-such-if").map(drop).map_err(|error| error.to_string());
        assert!(error.as_ref().is_err_and(|error| error.contains("no-such-if")), "{error:?}");
    }
}
