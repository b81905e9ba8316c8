//! DHCP on UDP port 67 (RFC 2131) and PXE's boot server on port 4011: receives, has [`dhcp::handle`] or
//! [`boot_server::handle`] decide, sends from the port that was asked, and tells what came of it.

mod mode;
mod sockets;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tokio::time::MissedTickBehavior;
use tracing::{debug, warn};

use self::mode::{changed, tried};
use self::sockets::{DhcpSockets, port_of};
use super::link::{self, Arp, BoundInterface};
use super::rogue::RogueProbe;
use super::{ServiceContext, ServiceError, observer, udp};
use crate::boot::dhcp::boot_server::{self, Addressing};
use crate::boot::dhcp::conflict::{ConflictProbe, InUse};
use crate::boot::dhcp::delayed::DelayedReplies;
use crate::boot::dhcp::leases::Leases;
use crate::boot::dhcp::mode_probe::ModeProbe;
use crate::boot::dhcp::rogue::ModeState;
use crate::boot::dhcp::segment::Segment;
use crate::boot::dhcp::{self, DhcpReply, Silence, Verdict, arp};
use crate::boot::limit::admission::AdmissionControl;
use crate::boot::limit::counters::Counters;
use crate::boot::limit::once::Once;
use crate::boot::limit::queue::RequestQueue;
use crate::boot::limit::{Caller, Excess};
use crate::clock;
use crate::domain::event::Event;
use crate::domain::ids::MacAddr;
use crate::domain::machine::sighting::DhcpPort;
use crate::domain::snapshot::Snapshot;
use crate::domain::station::dhcp::Dhcp;
use crate::domain::station::lease::Lease;
use crate::domain::station::service::ServiceName;
use crate::inbox::Input;

/// What to serve, and where. Clones share what is remembered, so that it outlives a service that had to be started again,
/// and a card that was plugged in again.
#[derive(Clone, Debug)]
pub struct DhcpConfig {
    interface: String,
    segment: Segment,
    /// Taken once, for as long as the service runs: nothing waits for it on the way of a packet.
    leases: Arc<Mutex<Leases>>,
    past: Arc<Mutex<Past>>,
}

/// What was met and counted so far.
#[derive(Debug)]
struct Past {
    standing: ModeState,
    gate: AdmissionControl,
    unanswered: Counters<&'static str>,
    dropped: Counters<Drop>,
}

impl DhcpConfig {
    /// `standing` is what the settings say, `restored` are the leases that the station has given before it was started.
    pub fn new(interface: impl Into<String>, segment: Segment, standing: ModeState, restored: Vec<Lease>) -> Self {
        let leases = Arc::new(Mutex::new(Leases::restore(restored)));
        let (gate, unanswered, dropped) = Default::default();
        let past = Arc::new(Mutex::new(Past { standing, gate, unanswered, dropped }));
        Self { interface: interface.into(), segment, leases, past }
    }
}

/// Answers until told to stop, on whatever card is behind the interface. Fails if a port cannot be had. Where another
/// DHCP server answers and this one was to be the only one, it says so and looks again from time to time.
pub async fn serve(context: ServiceContext, config: DhcpConfig) -> Result<(), ServiceError> {
    let place = BoundInterface { interface: config.interface.clone(), address: config.segment.address() };
    link::while_there(&context, ServiceName::Dhcp, &place, || session(context.clone(), config.clone())).await
}

async fn session(context: ServiceContext, config: DhcpConfig) -> Result<(), ServiceError> {
    let DhcpConfig { interface, segment, leases, past } = config;
    let mut leases = leases.lock_owned().await;
    let mut desk = DhcpService::new(context, interface, segment, past.lock_owned().await);
    let doors = DhcpSockets::open(&desk.interface)?;
    let mut scout = RogueProbe::open(&desk.interface, desk.segment.address())?;
    let mut each_second = tokio::time::interval(SECOND);
    each_second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    desk.segment.card = Some(scout.card());
    desk.choose();
    if !desk.find_its_place(&mut scout, &doors).await {
        return Ok(());
    }
    desk.stand().await;
    let arp = Arp::open(&desk.interface).inspect_err(|error| warn!("offers are not checked by ARP: {error}")).ok();
    let (mut packet, mut asked, mut frame) = (vec![0; LARGEST], vec![0; LARGEST], vec![0; LARGEST]);
    loop {
        desk.hand_over(&mut leases);
        // All that has queued up is looked at before anybody is answered: a flood makes nobody wait but itself.
        for _ in 0..LOOKED_AT {
            let Ok((len, from, to)) = udp::received_already(&doors.server, &mut packet) else { break };
            desk.admit(&packet[..len], Some(Addressing { from, to }), &leases);
        }
        for _ in 0..TOGETHER {
            let Some(request) = desk.lanes.pop() else { break };
            desk.serve(&doors.server, arp.as_ref(), request, &mut leases).await;
        }
        tokio::select! {
            () = desk.context.stop.cancelled() => break,
            () = std::future::ready(()), if !desk.lanes.is_empty() => {}
            () = rest(leases.has_unsaved().then_some(SOON)) => {}
            () = rest(desk.doubts.rest(clock::now())) => {
                for (mac, answer) in desk.doubts.settled(clock::now(), &mut leases) {
                    desk.answer(&doors.server, Some(mac), *answer, true).await;
                }
            }
            () = rest(desk.later.rest(clock::now())) => desk.send_due(&doors).await,
            len = heard(arp.as_ref(), &mut frame) => {
                observer::neighbour(&desk.context, &mut desk.neighbours, &frame[..len]);
                if let Some(objection) = desk.hear(&frame[..len], &mut leases) {
                    let (mac, silence) = (Some(objection.mac), Verdict::Silence(objection.silence));
                    observer::asked(&desk.context, DhcpPort::Dhcp, &objection.packet, None, mac, &silence);
                    desk.tell(mac, objection.silence);
                    desk.admit(&objection.packet, None, &leases);
                }
            }
            _ = each_second.tick() => {
                desk.stand().await;
                desk.report(&leases);
            }
            () = changed(&mut desk.wishes) => {
                desk.choose();
                desk.stand().await;
                desk.begin_trial();
            }
            step = tried(&mut desk.trial) => desk.go_on(step, &scout).await,
            rival = scout.watch() => {
                if desk.met(rival, arp.as_ref()).await.is_err() && !desk.find_its_place(&mut scout, &doors).await {
                    break;
                }
                desk.stand().await;
            }
            received = udp::received(&doors.server, &mut packet) => {
                let (len, from, to) = received.map_err(|error| lost(&desk.interface, error))?;
                desk.admit(&packet[..len], Some(Addressing { from, to }), &leases);
            }
            received = udp::received(&doors.boot_server, &mut asked) => {
                let (len, from, to) = received.map_err(|error| lost(&desk.interface, error))?;
                desk.serve_boot(&doors.boot_server, &asked[..len], Addressing { from, to }, &leases).await;
            }
        }
    }
    if leases.has_unsaved() {
        desk.context.inbox.send(Input::Leases(leases.unsaved(usize::MAX))).await;
    }
    Ok(())
}

async fn rest(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// The length of the next ARP frame. None is to come without a socket, or with one that broke.
async fn heard(arp: Option<&Arp>, frame: &mut [u8]) -> usize {
    match arp {
        Some(arp) => match arp.receive(frame).await {
            Ok(len) => len,
            Err(error) => {
                debug!("arp: {error}");
                tokio::time::sleep(Duration::from_secs(1)).await;
                0
            }
        },
        None => std::future::pending().await,
    }
}

/// What carries out the decisions.
struct DhcpService {
    context: ServiceContext,
    interface: String,
    segment: Segment,
    /// How many addresses the pool has.
    size: usize,
    past: OwnedMutexGuard<Past>,
    /// Where people's wishes are seen.
    wishes: watch::Receiver<Arc<Snapshot>>,
    trial: Option<ModeProbe>,
    told: Once<(Option<MacAddr>, Silence)>,
    /// Who was said lately to use which address.
    neighbours: Once<(MacAddr, Ipv4Addr)>,
    /// What the services line says.
    said: Option<String>,
    doubts: ConflictProbe,
    lanes: RequestQueue<Waiting>,
    later: DelayedReplies,
    reported: Arc<Dhcp>,
}

/// A request to port 67 that is to be answered.
struct Waiting {
    packet: Vec<u8>,
    way: Option<Addressing>,
    caller: Caller,
}

/// Why a request or its reply was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
enum Drop {
    #[error("{0}")]
    Excess(Excess),
    #[error("the system did not take the reply: see whether the cable is in")]
    Unsent,
}

impl DhcpService {
    fn new(context: ServiceContext, interface: String, segment: Segment, past: OwnedMutexGuard<Past>) -> Self {
        Self {
            wishes: context.bench.clone(),
            context,
            interface,
            size: segment.pool().count(),
            segment,
            past,
            trial: None,
            told: Once::default(),
            neighbours: Once::default(),
            said: None,
            doubts: ConflictProbe::default(),
            lanes: RequestQueue::default(),
            later: DelayedReplies::default(),
            reported: Arc::default(),
        }
    }

    /// Tells the bench how things are, if that has changed, and the log what was dropped.
    fn report(&mut self, leases: &Leases) {
        let now = clock::now();
        for news in self.past.dropped.news(now) {
            warn!("dhcp dropped requests: {news}");
        }
        let standing = &self.past.standing;
        self.say(Dhcp {
            choice: standing.choice(),
            mode: Some(standing.mode()),
            why: standing.in_words(now, &self.segment),
            rivals: standing.rivals().to_vec(),
            pool: leases.pool(now, &self.segment, self.size),
            leases: leases.latest(now, SHOWN),
            unanswered: self.past.unanswered.lines(),
            dropped: self.past.dropped.lines(),
        });
    }

    fn say(&mut self, dhcp: Dhcp) {
        let dhcp = Arc::new(dhcp);
        if dhcp != self.reported && self.context.inbox.offer(|| Input::Dhcp(dhcp.clone())) {
            self.reported = dhcp;
        }
    }

    /// Takes in what came to port 67, to be answered in its turn. `way` is None for what has come before.
    fn admit(&mut self, packet: &[u8], way: Option<Addressing>, leases: &Leases) {
        let now = clock::now();
        let admitted = self.past.gate.admit(now, packet, &self.context.bench.borrow(), leases);
        let Some(caller) = self.or_count(admitted) else { return };
        let request = Waiting { packet: packet.to_vec(), way, caller };
        if self.lanes.push(caller, request).is_some() {
            self.past.dropped.count(Drop::Excess(Excess::Busy));
        }
    }

    /// Answers what was asked on port 67, at once or after a look whether the address is free.
    async fn serve(&mut self, door: &UdpSocket, arp: Option<&Arp>, request: Waiting, leases: &mut Leases) {
        let now = clock::now();
        let Waiting { packet, way, caller } = request;
        let packet = packet.as_slice();
        let witnessed = self.past.gate.is_witnessed(now, caller);
        self.learn();
        let (mac, verdict) = dhcp::handle(now, packet, &self.segment, leases);
        let verdict = self.past.gate.settle(now, caller, verdict, leases);
        if witnessed {
            observer::asked(&self.context, DhcpPort::Dhcp, packet, way, mac, &verdict);
        }
        let (Some(arp), Some(card)) = (arp, self.segment.card) else {
            return self.carry_out(door, mac, verdict, witnessed).await;
        };
        match self.doubts.hold(now, mac, packet, verdict) {
            Ok(address) => {
                if let Err(error) = arp.send(&arp::question(card, address)).await {
                    debug!(%address, "not asked by arp: {error}");
                }
            }
            Err(verdict) => self.carry_out(door, mac, verdict, witnessed).await,
        }
    }

    /// Answers what was asked on port 4011.
    async fn serve_boot(&mut self, door: &UdpSocket, packet: &[u8], way: Addressing, leases: &Leases) {
        let from = *way.from.ip();
        let admitted = self.past.gate.admit_to_boot_server(clock::now(), from, &self.context.bench.borrow(), leases);
        let Some(()) = self.or_count(admitted) else { return };
        self.learn();
        let (mac, verdict) = boot_server::handle(packet, way, &self.segment, leases);
        observer::asked(&self.context, DhcpPort::BootServer, packet, Some(way), mac, &verdict);
        self.carry_out(door, mac, verdict, true).await;
    }

    /// Takes in what the bench knows of machines by now.
    fn learn(&mut self) {
        self.segment.site.learn(&self.context.bench.borrow());
    }

    fn or_count<T>(&mut self, admitted: Result<T, Excess>) -> Option<T> {
        admitted.map_err(|excess| self.past.dropped.count(Drop::Excess(excess))).ok()
    }

    fn hear(&mut self, frame: &[u8], leases: &mut Leases) -> Option<InUse> {
        let claim = arp::claim(frame)?;
        self.past.standing.hear(claim);
        self.doubts.hear(clock::now(), claim, leases)
    }

    async fn carry_out(&mut self, door: &UdpSocket, mac: Option<MacAddr>, verdict: Verdict, witnessed: bool) {
        match verdict {
            Verdict::Reply(answer) => self.answer(door, mac, *answer, witnessed).await,
            Verdict::Overheard(event) => self.context.inbox.saw(*event),
            Verdict::Silence(silence) => self.tell(mac, silence),
        }
    }

    async fn send_due(&mut self, doors: &DhcpSockets) {
        for (port, mac, answer) in self.later.due(clock::now()) {
            let door = if port == port_of(&doors.boot_server) { &doors.boot_server } else { &doors.server };
            self.answer(door, mac, answer, true).await;
        }
    }

    async fn answer(&mut self, door: &UdpSocket, mac: Option<MacAddr>, answer: DhcpReply, witnessed: bool) {
        let Some(answer) = self.later.hold(clock::now(), port_of(door), mac, answer) else { return };
        let to = answer.to.socket_address();
        if witnessed {
            observer::answered(&self.context, door, mac, &answer);
        }
        match udp::send_from(door, answer.from, to, &answer.message).await {
            Ok(bytes) => debug!(?mac, %to, bytes, event = ?answer.event, "dhcp answered"),
            Err(error) => {
                self.past.dropped.count(Drop::Unsent);
                debug!(?mac, %to, "dhcp reply not sent: {error}");
            }
        }
        answer.event.into_iter().for_each(|event| self.context.inbox.saw(event));
        answer.lacks.into_iter().for_each(|silence| self.tell(mac, silence));
    }

    /// Has what was leased remembered, as far as the hub has room now. Packets never wait for the disk.
    fn hand_over(&self, leases: &mut Leases) {
        if leases.has_unsaved() {
            self.context.inbox.offer(|| Input::Leases(leases.unsaved(LEASES)));
        }
    }

    fn tell(&mut self, mac: Option<MacAddr>, silence: Silence) {
        self.past.unanswered.count(silence.sort());
        if silence.is_news() && self.told.is_news(clock::now(), (mac, silence)) {
            debug!(?mac, "dhcp silent: {silence}");
            self.context.inbox.saw(Event::DhcpSilence { mac, reason: silence.to_string() });
        }
    }
}

fn lost(interface: &str, error: std::io::Error) -> ServiceError {
    ServiceError {
        what: format!("cannot receive DHCP on {interface}"),
        hint: "see whether the interface is still there (`ip link`), it is tried again by itself".into(),
        source: Some(error),
    }
}

/// More than any DHCP message over Ethernet.
const LARGEST: usize = 2048;
/// Requests that are looked at, and that are answered, before anything else gets its turn.
const LOOKED_AT: usize = 512;
const TOGETHER: usize = 64;
/// Leases that are handed over in one piece.
const LEASES: usize = 256;
/// Until the hub is asked again for room.
const SOON: Duration = Duration::from_millis(20);
const SECOND: Duration = Duration::from_secs(1);
/// Leases that people may look at.
const SHOWN: usize = 256;
