//! UDP sockets on one interface of the station.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsRawFd;

use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tracing::debug;

use crate::boot::tftp::packet::TftpPacket;

/// A socket at `address` that receives and sends on `interface` only (SO_BINDTODEVICE), and may broadcast. It fails if
/// another program has the port: the port is not shared.
pub(super) fn bound(interface: &str, address: SocketAddrV4) -> io::Result<UdpSocket> {
    ready(Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?, interface, address)
}

/// The same with a shared port: a DHCP client may run on the interface. Each socket receives broadcasts.
pub(super) fn shared(interface: &str, address: SocketAddrV4) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    ready(socket, interface, address)
}

/// Makes the receive buffer large enough for a burst while the program is busy. Without CAP_NET_ADMIN it gets the
/// system's limit. The kernel drops what does not fit without an error.
pub(super) fn make_room(socket: &UdpSocket) {
    if let Err(error) = setsockopt(socket, sockopt::RcvBufForce, &BURST) {
        debug!("a large receive buffer is not permitted: {error}");
        if let Err(error) = setsockopt(socket, sockopt::RcvBuf, &BURST) {
            debug!("the receive buffer stays as it is: {error}");
        }
    }
}

fn ready(socket: Socket, interface: &str, address: SocketAddrV4) -> io::Result<UdpSocket> {
    socket.bind_device(Some(interface.as_bytes())).map_err(no_such_interface)?;
    socket.set_broadcast(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// The address that a socket sends from.
pub(super) fn local(socket: &UdpSocket) -> io::Result<SocketAddrV4> {
    match socket.local_addr()? {
        SocketAddr::V4(at) => Ok(at),
        SocketAddr::V6(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Makes [`received`] return the destination address of each packet.
pub(super) fn tell_destination(socket: &UdpSocket) -> io::Result<()> {
    setsockopt(socket, sockopt::Ipv4PacketInfo, &true).map_err(io::Error::from)
}

/// Receives a packet: its length, where it came from, and the address it was sent to (IP_PKTINFO).
pub(super) async fn received(socket: &UdpSocket, packet: &mut [u8]) -> io::Result<(usize, SocketAddrV4, Ipv4Addr)> {
    socket.async_io(Interest::READABLE, || receive(socket, packet)).await
}

/// The same for a packet that has already arrived.
pub(super) fn received_already(socket: &UdpSocket, packet: &mut [u8]) -> io::Result<(usize, SocketAddrV4, Ipv4Addr)> {
    socket.try_io(Interest::READABLE, || receive(socket, packet))
}

fn receive(socket: &UdpSocket, packet: &mut [u8]) -> io::Result<(usize, SocketAddrV4, Ipv4Addr)> {
    let mut control = nix::cmsg_space!(libc::in_pktinfo);
    let mut parts = [io::IoSliceMut::new(packet)];
    let message = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty())?;
    let from = message.address.map_or(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0), SocketAddrV4::from);
    let to = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes())),
        _ => None,
    });
    Ok((message.bytes, from, to.unwrap_or(Ipv4Addr::UNSPECIFIED)))
}

/// Sends from `source`, one of the interface's addresses (IP_PKTINFO): firmware drops a reply from an address other than
/// the server's.
pub(super) async fn send_from(
    socket: &UdpSocket,
    source: Ipv4Addr,
    to: SocketAddrV4,
    payload: &[u8],
) -> io::Result<usize> {
    let address = libc::in_addr { s_addr: u32::from_ne_bytes(source.octets()) };
    let info = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: address, ipi_addr: address };
    let (parts, to) = ([io::IoSlice::new(payload)], SockaddrIn::from(to));
    let send = || {
        let from = [ControlMessage::Ipv4PacketInfo(&info)];
        sendmsg(socket.as_raw_fd(), &parts, &from, MsgFlags::empty(), Some(&to)).map_err(io::Error::from)
    };
    socket.async_io(Interest::WRITABLE, send).await
}

/// A socket to one peer.
pub(super) struct ConnectedUdp {
    socket: UdpSocket,
    /// Several packets fit in one call, as far as is known.
    takes_runs: bool,
}

impl ConnectedUdp {
    pub(super) fn new(connected: UdpSocket) -> Self {
        Self { socket: connected, takes_runs: true }
    }

    pub(super) fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// Sends packets that all have the same length, except the last, with as few calls as possible (UDP_SEGMENT,
    /// udp(7)). On the network it looks the same.
    pub(super) async fn send(&mut self, packets: &[TftpPacket]) -> io::Result<()> {
        let size = packets.first().map_or(1, TftpPacket::size);
        let together = if self.takes_runs { (LONGEST_RUN / size.max(1)).clamp(1, PACKETS_IN_RUN) } else { 1 };
        for run in packets.chunks(together) {
            match self.send_run(run, size).await {
                // Too large for the interface, or not supported by its driver: send packet by packet.
                Err(error) if run.len() > 1 && error.raw_os_error().is_some_and(|code| NO_RUNS.contains(&code)) => {
                    self.takes_runs = false;
                    for packet in run.chunks(1) {
                        self.send_run(packet, size).await?;
                    }
                }
                sent => sent?,
            }
        }
        Ok(())
    }

    async fn send_run(&self, run: &[TftpPacket], size: usize) -> io::Result<()> {
        let parts: Vec<io::IoSlice> = run.iter().flat_map(TftpPacket::parts).map(io::IoSlice::new).collect();
        let size = u16::try_from(size).map_err(io::Error::other)?;
        let send = || {
            let segments = [ControlMessage::UdpGsoSegments(&size)];
            let control = if run.len() > 1 { &segments[..] } else { &[] };
            sendmsg::<SockaddrIn>(self.socket.as_raw_fd(), &parts, control, MsgFlags::empty(), None)
                .map_err(io::Error::from)
        };
        self.socket.async_io(Interest::WRITABLE, send).await.map(drop)
    }
}

/// `ENODEV` has no kind of its own in Rust.
pub(super) fn no_such_interface(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::ENODEV) => io::Error::new(io::ErrorKind::NotFound, error),
        _ => error,
    }
}

/// What fits in one IPv4 packet without the UDP header.
const LONGEST_RUN: usize = 65_507;
/// UDP_MAX_SEGMENTS of older kernels.
const PACKETS_IN_RUN: usize = 64;
const NO_RUNS: [i32; 4] = [libc::EINVAL, libc::EIO, libc::EMSGSIZE, libc::EOPNOTSUPP];
/// Bytes for some thousands of DHCP packets, as the kernel counts them.
const BURST: usize = 8 << 20;
