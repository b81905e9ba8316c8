//! The network card behind an interface.

use std::io;
use std::os::fd::AsRawFd;

use nix::ifaddrs::getifaddrs;
use nix::libc;
use nix::sys::socket::bind;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use crate::domain::ids::MacAddr;

/// The ARP that passes on an interface, as Ethernet frames.
pub(super) struct Arp {
    /// A packet socket: tokio has no type for it, and its UDP socket only sends and receives.
    socket: UdpSocket,
}

impl Arp {
    pub(super) fn open(interface: &str) -> io::Result<Self> {
        let card = getifaddrs()?
            .filter(|own| own.interface_name == interface)
            .find_map(|own| own.address?.as_link_addr().copied())
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let arp = Protocol::from(i32::from((libc::ETH_P_ARP as u16).to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(arp))?;
        socket.set_nonblocking(true)?;
        bind(socket.as_raw_fd(), &card)?;
        Ok(Self { socket: UdpSocket::from_std(socket.into())? })
    }

    pub(super) async fn receive(&self, frame: &mut [u8]) -> io::Result<usize> {
        self.socket.recv(frame).await
    }

    pub(super) async fn send(&self, frame: &[u8]) -> io::Result<usize> {
        self.socket.send(frame).await
    }
}

/// The interface's Ethernet address. None where there is no Ethernet.
pub(super) fn mac(interface: &str) -> io::Result<Option<MacAddr>> {
    let mut own = getifaddrs()?.filter(|own| own.interface_name == interface).filter_map(|own| own.address);
    Ok(own.find_map(|address| MacAddr::new(address.as_link_addr()?.addr()?).ok()))
}
