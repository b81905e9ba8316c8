//! Answers IPv6 router solicitations on the interface (RFC 4861 section 6.2.6), so that iPXE does not wait for them.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6};
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::sleep;
use tracing::{debug, info};

use super::link::{self, BoundInterface};
use super::{ServiceContext, ServiceError, udp};
use crate::boot::router_advert;
use crate::domain::ids::MacAddr;
use crate::domain::station::service::ServiceName;

/// Where to answer.
#[derive(Clone, Debug)]
pub struct RouterAdvertConfig {
    pub interface: String,
    /// The station's IPv4 address there.
    pub address: Ipv4Addr,
}

/// Answers until told to stop. An interface without IPv6 is no fault: nobody can ask there.
pub async fn serve(context: ServiceContext, config: RouterAdvertConfig) -> Result<(), ServiceError> {
    let RouterAdvertConfig { interface, address } = config;
    let place = BoundInterface { interface, address };
    let session = || session(context.clone(), place.interface.clone());
    link::while_there(&context, ServiceName::RouterAdvert, &place, session).await
}

async fn session(context: ServiceContext, interface: String) -> Result<(), ServiceError> {
    let mut told = None;
    loop {
        let door = RouterSocket::open(&interface)
            .map_err(|error| ServiceError::bind(&format!("ICMPv6 on {interface}"), error))?;
        let at = match &door {
            Some(_) => interface.clone(),
            None => format!("not needed: no IPv6 on {interface}"),
        };
        if told.as_ref() != Some(&at) {
            context.up(ServiceName::RouterAdvert, &at).await;
            told = Some(at);
        }
        tokio::select! {
            () = context.stop.cancelled() => return Ok(()),
            () = attend(door) => {}
        }
    }
}

/// Answers until the interface has to be looked at again.
async fn attend(door: Option<RouterSocket>) {
    if let Some(door) = door
        && let Err(error) = door.answer_all().await
    {
        info!("router advertisements begin anew: {error}");
    }
    sleep(LOOK_AGAIN).await;
}

/// A socket that hears what is sent to all routers on the link, and the address it answers from.
struct RouterSocket {
    /// A raw one: tokio has no type for it, and its UDP socket only sends and receives.
    socket: UdpSocket,
    mac: MacAddr,
    index: u32,
}

impl RouterSocket {
    /// None when the interface has no Ethernet or no link-local address; also while that is still being checked for
    /// duplicates (RFC 4862 section 5.4).
    fn open(interface: &str) -> io::Result<Option<Self>> {
        let Some((mac, address)) = addresses(interface)? else { return Ok(None) };
        let Ok(index) = if_nametoindex(interface) else { return Ok(None) };
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
        socket.bind_device(Some(interface.as_bytes())).map_err(udp::no_such_interface)?;
        socket.set_nonblocking(true)?;
        socket.set_multicast_if_v6(index)?;
        socket.set_multicast_loop_v6(false)?;
        socket.set_multicast_hops_v6(HOPS)?;
        socket.join_multicast_v6(&ALL_ROUTERS, index)?;
        match socket.bind(&SocketAddrV6::new(address, 0, 0, index).into()) {
            Ok(()) => Ok(Some(Self { socket: UdpSocket::from_std(socket.into())?, mac, index })),
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Advertises once unasked, then whenever somebody asks. Ends when the socket breaks.
    async fn answer_all(&self) -> io::Result<()> {
        self.send(&router_advert::advertisement(self.mac)).await?;
        let mut message = [0; LARGEST];
        loop {
            let len = self.socket.recv(&mut message).await?;
            if let Some(answer) = router_advert::answer(&message[..len], self.mac) {
                debug!("router solicitation answered");
                self.send(&answer).await?;
            }
        }
    }

    /// To everybody: who has just started has no neighbours yet that could be asked for its address.
    async fn send(&self, message: &[u8]) -> io::Result<usize> {
        self.socket.send_to(message, SocketAddrV6::new(ALL_NODES, 0, 0, self.index)).await
    }
}

/// The interface's Ethernet address, and its link-local one.
fn addresses(interface: &str) -> io::Result<Option<(MacAddr, Ipv6Addr)>> {
    let own = getifaddrs()?.filter(|own| own.interface_name == interface).filter_map(|own| own.address);
    let mut ipv6 = own.filter_map(|address| Some(address.as_sockaddr_in6()?.ip()));
    Ok(link::mac(interface)?.zip(ipv6.find(Ipv6Addr::is_unicast_link_local)))
}

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// Neighbours drop what may have come through a router (RFC 4861 section 6.1.2).
const HOPS: u32 = 255;

/// A link-local address is there a second or two after the cable.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

const LARGEST: usize = 1500;
