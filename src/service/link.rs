//! The network card behind an interface: whether it is there, and what passes on it.
//!
//! A socket that is bound to an interface is bound to its number. An adapter that is unplugged and plugged in again has
//! another one, and the socket hears nothing any more, without an error. So the interface is looked at every second, and
//! sockets are opened anew when it is not the one they were opened on.

use std::future::Future;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;
use std::{fmt, io};

use nix::ifaddrs::getifaddrs;
use nix::libc;
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use nix::sys::socket::bind;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tracing::{info, warn};

use super::{ServiceContext, ServiceError};
use crate::domain::ids::MacAddr;
use crate::domain::station::service::{ServiceName, ServiceState, ServiceStatus};
use crate::inbox::Input;

/// The interface that a service is for, and the address that it must have.
#[derive(Clone, Debug)]
pub struct BoundInterface {
    pub interface: String,
    pub address: Ipv4Addr,
}

/// What is found there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Card {
    index: u32,
    /// Something at the other end of the cable is switched on.
    has_carrier: bool,
    /// Megabits a second, if the card says so: virtual ones need not.
    mbit: Option<u32>,
}

/// Why nothing can be served there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LinkProblem {
    Interface,
    Off,
    Address,
}

impl BoundInterface {
    fn look(&self) -> Result<Card, LinkProblem> {
        let index = if_nametoindex(self.interface.as_str()).map_err(|_| LinkProblem::Interface)?;
        let own = getifaddrs().map_err(|_| LinkProblem::Interface)?.filter(|own| own.interface_name == self.interface);
        let (mut flags, mut has_address) = (InterfaceFlags::empty(), false);
        for one in own {
            flags |= one.flags;
            let address = one.address.and_then(|address| Some(address.as_sockaddr_in()?.ip()));
            has_address |= address == Some(self.address);
        }
        if !flags.contains(InterfaceFlags::IFF_UP) {
            return Err(LinkProblem::Off);
        }
        if !has_address {
            return Err(LinkProblem::Address);
        }
        Ok(Card { index, has_carrier: flags.contains(InterfaceFlags::IFF_RUNNING), mbit: speed(&self.interface) })
    }

    fn explain(&self, missing: LinkProblem) -> ServiceState {
        let Self { interface, address } = self;
        let (what, hint) = match missing {
            LinkProblem::Interface => (
                format!("interface {interface} is gone: plug it in"),
                format!("it is served again by itself, once it has its address {address}"),
            ),
            LinkProblem::Off => (
                format!("interface {interface} is switched off"),
                format!("switch it on, as `ip link set {interface} up`; it is served again by itself"),
            ),
            LinkProblem::Address => (
                format!("interface {interface} does not have its address {address} any more"),
                format!("give it back, as `ip address add {address}/24 dev {interface}`; it is served again by itself"),
            ),
        };
        ServiceState::Down { what, hint }
    }

    fn explain_no_carrier(&self) -> ServiceState {
        ServiceState::Down {
            what: format!("no cable is in {}, or nothing is switched on at its other end", self.interface),
            hint: "plug it in, or switch it on: machines go on by themselves".into(),
        }
    }

    /// Ends when the sockets of `card` hear nothing any more.
    async fn lost(&self, card: Card) {
        while self.look().is_ok_and(|now| now.index == card.index) {
            tokio::time::sleep(EACH).await;
        }
    }

    /// The interface, once it can be served. Until then `name` is down, and says why. None when the station stops.
    async fn found(&self, context: &ServiceContext, name: ServiceName) -> Option<Card> {
        let mut said = None;
        loop {
            match self.look() {
                Ok(card) => return Some(card),
                Err(missing) if said == Some(missing) => {}
                Err(missing) => {
                    say(context, name, self.explain(missing)).await;
                    said = Some(missing);
                }
            }
            tokio::select! {
                () = context.stop.cancelled() => return None,
                () = tokio::time::sleep(EACH) => {}
            }
        }
    }
}

/// As the kernel says it (Documentation/ABI/testing/sysfs-class-net); -1, or an error, where it does not know.
fn speed(interface: &str) -> Option<u32> {
    let said = std::fs::read_to_string(Path::new("/sys/class/net").join(interface).join("speed")).ok()?;
    said.trim().parse().ok().filter(|mbit| *mbit > 0)
}

/// Runs `session` while the interface is there, and anew on every card that takes its place. Ends as the session does.
pub(super) async fn while_there<S>(
    context: &ServiceContext,
    name: ServiceName,
    place: &BoundInterface,
    mut session: impl FnMut() -> S,
) -> Result<(), ServiceError>
where
    S: Future<Output = Result<(), ServiceError>>,
{
    while let Some(card) = place.found(context, name).await {
        let ended = tokio::select! {
            ended = session() => ended,
            () = place.lost(card) => {
                warn!(service = name.word(), interface = place.interface, "the interface is not what it was");
                continue;
            }
        };
        // The card may be the reason, before the next look at it.
        match ended {
            Err(_) if place.look().map(|now| now.index) != Ok(card.index) => {}
            ended => return ended,
        }
    }
    Ok(())
}

/// Runs `service`, whose sockets do not mind when the card is another one, and says when nobody can reach it.
pub async fn beside(
    context: ServiceContext,
    name: ServiceName,
    place: BoundInterface,
    service: impl Future<Output = Result<(), ServiceError>>,
) -> Result<(), ServiceError> {
    let watch = async {
        loop {
            let Some(card) = place.found(&context, name).await else { return };
            place.lost(card).await;
            let said = context.snapshot().services.iter().find(|service| service.name == name).cloned();
            if place.found(&context, name).await.is_some()
                && let Some(as_before) = said
            {
                context.inbox.send(Input::Service(as_before)).await;
            }
        }
    };
    tokio::select! {
        ended = service => ended,
        () = watch => Ok(()),
    }
}

/// Says how the interface itself is, until told to stop.
pub async fn serve(context: ServiceContext, place: BoundInterface) -> Result<(), ServiceError> {
    let mut said = None;
    loop {
        let found = place.look();
        if said != Some(found) {
            let state = match found {
                Ok(Card { has_carrier: true, .. }) => ServiceState::Up { at: place.to_string() },
                Ok(Card { has_carrier: false, .. }) => place.explain_no_carrier(),
                Err(missing) => place.explain(missing),
            };
            info!(interface = place.interface, ?found, "the interface");
            context.inbox.send(Input::Link(found.ok().and_then(|card| card.mbit))).await;
            say(&context, ServiceName::Network, state).await;
            said = Some(found);
        }
        tokio::select! {
            () = context.stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(EACH) => {}
        }
    }
}

impl fmt::Display for BoundInterface {
    /// `s0 as 10.77.0.1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {}", self.interface, self.address)
    }
}

async fn say(context: &ServiceContext, name: ServiceName, state: ServiceState) {
    context.inbox.send(Input::Service(ServiceStatus { name, state, restarts: 0 })).await;
}

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

/// A person who plugs an adapter in does not look up before.
const EACH: Duration = Duration::from_secs(1);
