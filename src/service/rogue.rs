//! Looks for other DHCP servers on the interface, as a client on UDP port 68 that never accepts an offer.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};
use tracing::{debug, warn};

use super::{ServiceError, link, udp};
use crate::boot::dhcp::rogue::Probe;
use crate::domain::ids::MacAddr;

/// The client's socket and its DISCOVER.
pub(super) struct RogueProbe {
    socket: UdpSocket,
    probe: Probe,
    again: Interval,
}

impl RogueProbe {
    pub(super) fn open(interface: &str, station: Ipv4Addr) -> Result<Self, ServiceError> {
        let mac = link::mac(interface).ok().flatten().ok_or_else(|| ServiceError {
            what: format!("{interface} has no Ethernet address"),
            hint: "name an interface that is an Ethernet port".into(),
            source: None,
        })?;
        let socket = udp::shared(interface, SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68)).map_err(|error| {
            ServiceError::bind(&format!("UDP port 68 on {interface}, to look for other DHCP servers"), error)
        })?;
        let mut again = interval_at(Instant::now() + AGAIN, AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { socket, probe: Probe::new(mac, station), again })
    }

    /// The station's own card, which sends the probes.
    pub(super) fn card(&self) -> MacAddr {
        self.probe.mac()
    }

    /// Asks three times, and listens as long as the slowest server takes. The first answer is enough.
    pub(super) async fn look(&mut self) -> Option<Ipv4Addr> {
        let mut heard = None;
        for _ in 0..3 {
            self.ask().await;
            heard = timeout(LISTEN / 3, self.hear()).await.ok();
            if heard.is_some() {
                break;
            }
        }
        heard
    }

    /// Asks once a minute until another server answers.
    pub(super) async fn watch(&mut self) -> Ipv4Addr {
        loop {
            tokio::select! {
                rival = hear(&self.socket, &self.probe) => return rival,
                _ = self.again.tick() => self.ask().await,
            }
        }
    }

    async fn hear(&self) -> Ipv4Addr {
        hear(&self.socket, &self.probe).await
    }

    pub(super) async fn ask(&self) {
        let everybody = SocketAddrV4::new(Ipv4Addr::BROADCAST, 67);
        let xid = getrandom::u32().unwrap_or_default();
        match self.socket.send_to(&self.probe.discover(xid), everybody).await {
            Ok(_) => debug!(xid, "asked for other dhcp servers"),
            Err(error) => warn!("cannot ask for other dhcp servers: {error}"),
        }
    }
}

async fn hear(socket: &UdpSocket, probe: &Probe) -> Ipv4Addr {
    let mut packet = vec![0; LARGEST];
    loop {
        match socket.recv(&mut packet).await {
            Ok(len) => {
                if let Some(rival) = probe.rival(&packet[..len]) {
                    return rival;
                }
            }
            Err(error) => {
                wait_out(&error).await;
            }
        }
    }
}

/// The cable may be unplugged for a while.
async fn wait_out(error: &io::Error) {
    debug!("cannot hear other dhcp servers: {error}");
    tokio::time::sleep(Duration::from_secs(1)).await;
}

/// dnsmasq checks for three seconds whether an address is free before it offers it.
const LISTEN: Duration = Duration::from_millis(3600);
const AGAIN: Duration = Duration::from_secs(60);
const LARGEST: usize = 2048;
