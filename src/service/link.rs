//! The network card behind an interface.

use std::io;

use nix::ifaddrs::getifaddrs;

use crate::domain::ids::MacAddr;

/// The interface's Ethernet address. None where there is no Ethernet.
pub(super) fn mac(interface: &str) -> io::Result<Option<MacAddr>> {
    let mut own = getifaddrs()?.filter(|own| own.interface_name == interface).filter_map(|own| own.address);
    Ok(own.find_map(|address| MacAddr::new(address.as_link_addr()?.addr()?).ok()))
}
