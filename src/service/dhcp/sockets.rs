//! The sockets for DHCP and for the PXE boot server.

use std::net::{Ipv4Addr, SocketAddrV4};

use tokio::net::UdpSocket;

use super::{LARGEST, lost};
use crate::domain::machine::sighting::DhcpPort;
use crate::service::{ServiceError, udp};

/// Both sockets of the service.
pub(super) struct DhcpSockets {
    /// Port 67.
    pub(super) server: UdpSocket,
    /// Port 4011.
    pub(super) boot_server: UdpSocket,
}

impl DhcpSockets {
    pub(super) fn open(interface: &str) -> Result<Self, ServiceError> {
        let bound = |port| {
            // Broadcasts do not reach a socket that is bound to an address.
            let socket = udp::bound(interface, SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port));
            socket.map_err(|error| ServiceError::bind(&format!("UDP port {port} on {interface}"), error))
        };
        let sockets = Self { server: bound(67)?, boot_server: bound(4011)? };
        udp::make_room(&sockets.server);
        for socket in [&sockets.server, &sockets.boot_server] {
            udp::tell_destination(socket).map_err(|error| lost(interface, error))?;
        }
        Ok(sockets)
    }

    pub(super) fn of(&self, port: DhcpPort) -> &UdpSocket {
        match port {
            DhcpPort::Dhcp => &self.server,
            DhcpPort::BootServer => &self.boot_server,
        }
    }

    /// Throws away what arrived while nothing was served: those machines have asked again since, or gone elsewhere.
    pub(super) fn discard_pending(&self) {
        let mut packet = [0; LARGEST];
        for socket in [&self.server, &self.boot_server] {
            while socket.try_recv(&mut packet).is_ok() {}
        }
    }
}
