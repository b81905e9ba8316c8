//! DHCP on UDP port 67 (RFC 2131) and the PXE boot server on port 4011: receives, asks [`Server`] what to do, sends and
//! reports. What is answered, in which order and when is decided there.

mod mode;
mod sockets;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tokio::time::MissedTickBehavior;
use tracing::{debug, warn};

use self::mode::{changed, next_step};
use self::sockets::DhcpSockets;
use super::link::{self, Arp, BoundInterface};
use super::rogue::RogueProbe;
use super::{ServiceContext, ServiceError, udp};
use crate::boot::dhcp::boot_server::Addressing;
use crate::boot::dhcp::mode_probe::ModeProbe;
use crate::boot::dhcp::rogue::ModeState;
use crate::boot::dhcp::segment::Segment;
use crate::boot::dhcp::server::{Action, Server};
use crate::boot::dhcp::{DhcpReply, arp};
use crate::clock;
use crate::domain::event::Event;
use crate::domain::ids::MacAddr;
use crate::domain::machine::sighting::DhcpPort;
use crate::domain::snapshot::Snapshot;
use crate::domain::station::dhcp::Dhcp;
use crate::domain::station::lease::Lease;
use crate::domain::station::service::ServiceName;
use crate::inbox::Input;

/// What to serve, and where. Clones share the server's memory, so that it outlives a restart of the service and a
/// change of the network card.
#[derive(Clone, Debug)]
pub struct DhcpConfig {
    place: BoundInterface,
    /// Locked once, for as long as the service runs: no packet waits for it.
    memory: Arc<Mutex<Memory>>,
}

/// What outlives a network card.
#[derive(Debug)]
struct Memory {
    mode: ModeState,
    server: Server,
}

impl DhcpConfig {
    /// `mode` is what the settings say, `restored` are the leases that were given out before the station was restarted.
    pub fn new(interface: impl Into<String>, segment: Segment, mode: ModeState, restored: Vec<Lease>) -> Self {
        let place = BoundInterface { interface: interface.into(), address: segment.address() };
        let memory = Memory { mode, server: Server::new(segment, restored) };
        Self { place, memory: Arc::new(Mutex::new(memory)) }
    }
}

/// Answers until the station stops, on whatever network card is behind the interface. Fails if a port cannot be bound.
/// If another DHCP server answers and the station must be the only one, it reports that and checks again regularly.
pub async fn serve(context: ServiceContext, config: DhcpConfig) -> Result<(), ServiceError> {
    let session = || session(context.clone(), config.clone());
    link::while_there(&context, ServiceName::Dhcp, &config.place, session).await
}

async fn session(context: ServiceContext, config: DhcpConfig) -> Result<(), ServiceError> {
    let memory = config.memory.lock_owned().await;
    let mut service = DhcpService::new(context, config.place, memory);
    let sockets = DhcpSockets::open(&service.place.interface)?;
    let mut rogues = RogueProbe::open(&service.place.interface, service.place.address)?;
    service.memory.server.start(rogues.card());
    service.choose();
    if !service.wait_until_allowed(&mut rogues, &sockets).await {
        return Ok(());
    }
    service.apply_mode().await;
    let arp =
        Arp::open(&service.place.interface).inspect_err(|error| warn!("offers are not checked by ARP: {error}")).ok();
    if arp.is_some() {
        service.memory.server.check_conflicts();
    }
    let mut each_second = tokio::time::interval(SECOND);
    each_second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut packet, mut boot_packet, mut frame) = (vec![0; LARGEST], vec![0; LARGEST], vec![0; LARGEST]);
    loop {
        service.save_leases();
        for _ in 0..RECEIVED_TOGETHER {
            let Ok((len, from, to)) = udp::received_already(&sockets.server, &mut packet) else { break };
            service.handle(DhcpPort::Dhcp, &packet[..len], Addressing { from, to });
        }
        service.memory.server.due(clock::now());
        service.carry_out(&sockets, arp.as_ref()).await;
        let timeout = service.memory.server.next_timeout(clock::now());
        tokio::select! {
            () = service.context.stop.cancelled() => break,
            () = sleep(timeout) => {}
            len = receive_arp(arp.as_ref(), &mut frame) => service.handle_arp(&frame[..len]),
            _ = each_second.tick() => {
                service.apply_mode().await;
                service.report();
            }
            () = changed(&mut service.snapshots) => {
                service.choose();
                service.apply_mode().await;
                service.begin_probe();
            }
            step = next_step(&mut service.probe) => service.continue_probe(step, &rogues).await,
            rogue = rogues.watch() => {
                if service.found_rogue(rogue, arp.as_ref()).await.is_err()
                    && !service.wait_until_allowed(&mut rogues, &sockets).await
                {
                    break;
                }
                service.apply_mode().await;
            }
            received = udp::received(&sockets.server, &mut packet) => {
                let (len, from, to) = received.map_err(|error| lost(&service.place.interface, error))?;
                service.handle(DhcpPort::Dhcp, &packet[..len], Addressing { from, to });
            }
            received = udp::received(&sockets.boot_server, &mut boot_packet) => {
                let (len, from, to) = received.map_err(|error| lost(&service.place.interface, error))?;
                service.handle(DhcpPort::BootServer, &boot_packet[..len], Addressing { from, to });
            }
        }
    }
    service.save_all_leases().await;
    Ok(())
}

/// Ends at once for zero: a timer of tokio's would take up to a millisecond. Never ends for None.
async fn sleep(time: Option<Duration>) {
    match time {
        Some(Duration::ZERO) => {}
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// The length of the next ARP frame. Without a socket there is none.
async fn receive_arp(arp: Option<&Arp>, frame: &mut [u8]) -> usize {
    let Some(arp) = arp else { return std::future::pending().await };
    match arp.receive(frame).await {
        Ok(len) => len,
        Err(error) => {
            debug!("arp: {error}");
            tokio::time::sleep(SECOND).await;
            0
        }
    }
}

/// The service on one network card.
struct DhcpService {
    context: ServiceContext,
    place: BoundInterface,
    memory: OwnedMutexGuard<Memory>,
    /// Where the choices of people are seen.
    snapshots: watch::Receiver<Arc<Snapshot>>,
    probe: Option<ModeProbe>,
    /// What the services line says.
    reported_state: Option<String>,
    reported: Arc<Dhcp>,
}

impl DhcpService {
    fn new(context: ServiceContext, place: BoundInterface, memory: OwnedMutexGuard<Memory>) -> Self {
        Self {
            snapshots: context.bench.clone(),
            context,
            place,
            memory,
            probe: None,
            reported_state: None,
            reported: Arc::default(),
        }
    }

    fn handle(&mut self, port: DhcpPort, packet: &[u8], addressing: Addressing) {
        let server = &mut self.memory.server;
        server.update(&self.context.bench.borrow());
        server.handle(clock::now(), port, packet, addressing);
    }

    fn handle_arp(&mut self, frame: &[u8]) {
        let Some(claim) = arp::claim(frame) else { return };
        let Memory { mode, server } = &mut *self.memory;
        mode.hear(claim);
        server.update(&self.context.bench.borrow());
        server.handle_arp(clock::now(), claim, frame);
    }

    async fn carry_out(&mut self, sockets: &DhcpSockets, arp: Option<&Arp>) {
        while let Some(action) = self.memory.server.next_action() {
            match action {
                Action::Send { port, mac, reply } => self.send(sockets, port, mac, *reply).await,
                Action::Arp { address, frame } => {
                    let Some(arp) = arp else { continue };
                    if let Err(error) = arp.send(&frame).await {
                        debug!(%address, "arp request not sent: {error}");
                    }
                }
                Action::Silent { mac, silence } => {
                    debug!(?mac, "dhcp silent: {silence}");
                    self.context.inbox.saw(Event::DhcpSilence { mac, reason: silence.to_string() });
                }
                Action::Report(event) => self.context.inbox.saw(*event),
                Action::Observe(event) => self.context.inbox.mention(Input::Event(*event)),
                Action::Capture(packet) => self.context.inbox.mention(Input::Packet(packet)),
            }
        }
    }

    async fn send(&mut self, sockets: &DhcpSockets, port: DhcpPort, mac: Option<MacAddr>, reply: DhcpReply) {
        let to = reply.to.socket_address();
        match udp::send_from(sockets.of(port), reply.from, to, &reply.message).await {
            Ok(bytes) => debug!(?mac, %to, bytes, event = ?reply.event, "dhcp answered"),
            Err(error) => {
                self.memory.server.not_sent();
                debug!(?mac, %to, "dhcp reply not sent: {error}");
            }
        }
        reply.event.into_iter().for_each(|event| self.context.inbox.saw(event));
    }

    /// Hands over new leases as far as the hub has room now. Packets never wait for the disk.
    fn save_leases(&mut self) {
        let server = &mut self.memory.server;
        if server.has_unsaved_leases() {
            self.context.inbox.offer(|| Input::Leases(server.unsaved_leases(LEASES_TOGETHER)));
        }
    }

    async fn save_all_leases(&mut self) {
        let server = &mut self.memory.server;
        if server.has_unsaved_leases() {
            let leases = server.unsaved_leases(usize::MAX);
            self.context.inbox.send(Input::Leases(leases)).await;
        }
    }

    /// Reports the state of the service to the hub if it has changed, and logs what was dropped.
    fn report(&mut self) {
        let now = clock::now();
        let Memory { mode, server } = &mut *self.memory;
        for drops in server.drops_to_log(now) {
            warn!("dhcp dropped requests: {drops}");
        }
        let dhcp = Dhcp {
            choice: mode.choice(),
            mode: Some(mode.mode()),
            why: mode.in_words(now, server.segment()),
            rivals: mode.rivals().to_vec(),
            ..server.status(now)
        };
        self.report_if_changed(dhcp);
    }

    fn report_if_changed(&mut self, dhcp: Dhcp) {
        let dhcp = Arc::new(dhcp);
        if dhcp != self.reported && self.context.inbox.offer(|| Input::Dhcp(dhcp.clone())) {
            self.reported = dhcp;
        }
    }
}

fn lost(interface: &str, error: std::io::Error) -> ServiceError {
    ServiceError {
        what: format!("cannot receive DHCP on {interface}"),
        hint: "check whether the interface is still there (`ip link`); oxbow tries again by itself".into(),
        source: Some(error),
    }
}

/// More than any DHCP message over Ethernet.
const LARGEST: usize = 2048;
/// Packets of a burst that are taken in before any of them is answered.
const RECEIVED_TOGETHER: usize = 512;
/// Leases that are handed over in one piece.
const LEASES_TOGETHER: usize = 256;
const SECOND: Duration = Duration::from_secs(1);
