//! The ports where machines ask for DHCP and for PXE's boot server.

use std::net::{Ipv4Addr, SocketAddrV4};

use tokio::net::UdpSocket;

use super::{LARGEST, lost};
use crate::service::{ServiceError, udp};

/// Where machines ask.
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
        let doors = Self { server: bound(67)?, boot_server: bound(4011)? };
        udp::make_room(&doors.server);
        for door in [&doors.server, &doors.boot_server] {
            udp::tell_destination(door).map_err(|error| lost(interface, error))?;
        }
        Ok(doors)
    }

    /// Who asked while nothing was served asks again, or has gone elsewhere.
    pub(super) fn turn_away(&self) {
        let mut packet = [0; LARGEST];
        for door in [&self.server, &self.boot_server] {
            while door.try_recv(&mut packet).is_ok() {}
        }
    }
}

/// The port that is behind a door.
pub(super) fn port_of(door: &UdpSocket) -> u16 {
    door.local_addr().map_or(0, |at| at.port())
}
