//! DHCP on UDP port 67 (RFC 2131) and PXE's boot server on port 4011: receives, has [`dhcp::handle`] or
//! [`boot_server::handle`] decide, sends from the port that was asked, and tells what came of it.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::Mutex;
use tokio::time::MissedTickBehavior;
use tracing::{debug, warn};

use super::link::Arp;
use super::rival::Scout;
use super::{Context, ServiceError, udp, witness};
use crate::boot::arp;
use crate::boot::dhcp::boot_server::{self, Way};
use crate::boot::dhcp::{self, Answer, Silence, Verdict};
use crate::boot::doubts::{Doubts, Objection};
use crate::boot::gate::Gate;
use crate::boot::lanes::Lanes;
use crate::boot::later::Later;
use crate::boot::leases::Leases;
use crate::boot::limits::{Caller, Excess};
use crate::boot::rival::{Refused, Standing};
use crate::boot::segment::Segment;
use crate::boot::tally::Tally;
use crate::boot::told::Told;
use crate::clock;
use crate::domain::dhcp::Dhcp;
use crate::domain::doctor::sighting::Door;
use crate::domain::event::Event;
use crate::domain::ids::MacAddr;
use crate::domain::lease::Lease;
use crate::domain::service::ServiceName;
use crate::inbox::Note;

/// What to serve, and where. Clones share their leases, so that these outlive a service that had to be started again.
#[derive(Clone, Debug)]
pub struct Config {
    interface: String,
    segment: Segment,
    standing: Standing,
    /// Taken once, for as long as the service runs: nothing waits for it on the way of a packet.
    leases: Arc<Mutex<Leases>>,
}

impl Config {
    /// `restored` are the leases that the station has given before it was started.
    pub fn new(interface: impl Into<String>, segment: Segment, standing: Standing, restored: Vec<Lease>) -> Self {
        let leases = Arc::new(Mutex::new(Leases::restore(restored)));
        Self { interface: interface.into(), segment, standing, leases }
    }
}

/// Answers until told to stop. Fails if a port cannot be had or a socket breaks, or if another DHCP server answers and
/// this one was to be the only one; before it serves as such it listens.
pub async fn serve(context: Context, config: Config) -> Result<(), ServiceError> {
    let Config { interface, segment, standing, leases } = config;
    let mut leases = leases.lock_owned().await;
    let doors = Doors::open(&interface)?;
    let mut scout = Scout::open(&interface, segment.address())?;
    let mut desk = Desk::new(context, segment, standing);
    let mut each_second = tokio::time::interval(SECOND);
    each_second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    desk.segment.card = Some(scout.card());
    if desk.standing.must_listen_first() {
        let met = tokio::select! {
            () = desk.context.stop.cancelled() => return Ok(()),
            met = scout.look() => met,
        };
        met.map_or(Ok(()), |rival| desk.meet(rival, &interface))?;
    }
    desk.stand(&interface).await;
    let arp = Arp::open(&interface).inspect_err(|error| warn!("offers are not checked by ARP: {error}")).ok();
    let (mut packet, mut asked, mut frame) = (vec![0; LARGEST], vec![0; LARGEST], vec![0; LARGEST]);
    loop {
        desk.hand_over(&mut leases);
        // All that has queued up is looked at before anybody is answered: a flood makes nobody wait but itself.
        for _ in 0..LOOKED_AT {
            let Ok((len, from, to)) = udp::received_already(&doors.server, &mut packet) else { break };
            desk.admit(&packet[..len], Some(Way { from, to }), &leases);
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
                witness::neighbour(&desk.context, &mut desk.neighbours, &frame[..len]);
                if let Some(objection) = desk.hear(&frame[..len], &mut leases) {
                    desk.tell(Some(objection.mac), objection.silence);
                    desk.admit(&objection.packet, None, &leases);
                }
            }
            _ = each_second.tick() => desk.report(),
            rival = scout.watch() => {
                desk.meet(rival, &interface)?;
                desk.stand(&interface).await;
            }
            received = udp::received(&doors.server, &mut packet) => {
                let (len, from, to) = received.map_err(|error| lost(&interface, error))?;
                desk.admit(&packet[..len], Some(Way { from, to }), &leases);
            }
            received = udp::received(&doors.boot_server, &mut asked) => {
                let (len, from, to) = received.map_err(|error| lost(&interface, error))?;
                desk.serve_boot(&doors.boot_server, &asked[..len], Way { from, to }, &leases).await;
            }
        }
    }
    if leases.has_unsaved() {
        desk.context.inbox.send(Note::Leases(leases.unsaved(usize::MAX))).await;
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

/// Where machines ask.
struct Doors {
    /// Port 67.
    server: UdpSocket,
    /// Port 4011.
    boot_server: UdpSocket,
}

impl Doors {
    fn open(interface: &str) -> Result<Self, ServiceError> {
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
}

/// What carries out the decisions.
struct Desk {
    context: Context,
    segment: Segment,
    standing: Standing,
    told: Told<(Option<MacAddr>, Silence)>,
    /// Who was said lately to use which address.
    neighbours: Told<(MacAddr, Ipv4Addr)>,
    /// What the services line says.
    said: Option<String>,
    doubts: Doubts,
    later: Later,
    gate: Gate,
    lanes: Lanes<Waiting>,
    unanswered: Tally<&'static str>,
    dropped: Tally<Drop>,
    reported: Arc<Dhcp>,
}

/// A request to port 67 that is to be answered.
struct Waiting {
    packet: Vec<u8>,
    way: Option<Way>,
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

impl Desk {
    fn new(context: Context, segment: Segment, standing: Standing) -> Self {
        Self {
            context,
            segment,
            standing,
            told: Told::default(),
            neighbours: Told::default(),
            said: None,
            doubts: Doubts::default(),
            later: Later::default(),
            gate: Gate::default(),
            lanes: Lanes::default(),
            unanswered: Tally::default(),
            dropped: Tally::default(),
            reported: Arc::default(),
        }
    }

    /// Tells the bench what was counted, if that has changed, and the log what was dropped.
    fn report(&mut self) {
        for news in self.dropped.news(clock::now()) {
            warn!("dhcp dropped requests: {news}");
        }
        let now = Arc::new(Dhcp { unanswered: self.unanswered.lines(), dropped: self.dropped.lines() });
        if now != self.reported && self.context.inbox.offer(|| Note::Dhcp(now.clone())) {
            self.reported = now;
        }
    }

    fn meet(&mut self, rival: Ipv4Addr, interface: &str) -> Result<(), ServiceError> {
        self.context.inbox.saw(Event::OtherServer { address: rival });
        self.standing.meet(rival).map_err(|Refused(rival)| ServiceError {
            what: format!(
                "another DHCP server, {rival}, answers on {interface}: two would give out the same addresses"
            ),
            hint: "unplug it, or work beside it with --dhcp proxy; --dhcp-force serves all the same".into(),
            source: None,
        })
    }

    /// Serves as it now stands, and says how if that is news.
    async fn stand(&mut self, interface: &str) {
        self.segment.mode = self.standing.mode();
        let at = self.standing.in_words(&self.segment, interface);
        if self.said.as_ref() != Some(&at) {
            self.context.up(ServiceName::Dhcp, &at).await;
            self.said = Some(at);
        }
    }

    /// Takes in what came to port 67, to be answered in its turn. `way` is None for what has come before.
    fn admit(&mut self, packet: &[u8], way: Option<Way>, leases: &Leases) {
        let now = clock::now();
        let admitted = self.gate.admit(now, packet, &self.context.bench.borrow(), leases);
        let Some(caller) = self.or_count(admitted) else { return };
        let request = Waiting { packet: packet.to_vec(), way, caller };
        if self.lanes.push(caller, request).is_some() {
            self.dropped.count(Drop::Excess(Excess::Busy));
        }
    }

    /// Answers what was asked on port 67, at once or after a look whether the address is free.
    async fn serve(&mut self, door: &UdpSocket, arp: Option<&Arp>, request: Waiting, leases: &mut Leases) {
        let now = clock::now();
        let Waiting { packet, way, caller } = request;
        let packet = packet.as_slice();
        let witnessed = self.gate.is_witnessed(now, caller);
        self.segment.site.learn(&self.context.bench.borrow());
        let (mac, verdict) = dhcp::handle(now, packet, &self.segment, leases);
        let verdict = self.gate.settle(now, caller, verdict, leases);
        if witnessed {
            witness::asked(&self.context, Door::Dhcp, packet, way, mac, &verdict);
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
    async fn serve_boot(&mut self, door: &UdpSocket, packet: &[u8], way: Way, leases: &Leases) {
        let from = *way.from.ip();
        let admitted = self.gate.admit_to_boot_server(clock::now(), from, &self.context.bench.borrow(), leases);
        let Some(()) = self.or_count(admitted) else { return };
        self.segment.site.learn(&self.context.bench.borrow());
        let (mac, verdict) = boot_server::handle(packet, way, &self.segment, leases);
        witness::asked(&self.context, Door::BootServer, packet, Some(way), mac, &verdict);
        self.carry_out(door, mac, verdict, true).await;
    }

    fn or_count<T>(&mut self, admitted: Result<T, Excess>) -> Option<T> {
        admitted.map_err(|excess| self.dropped.count(Drop::Excess(excess))).ok()
    }

    fn hear(&mut self, frame: &[u8], leases: &mut Leases) -> Option<Objection> {
        self.doubts.hear(clock::now(), arp::claim(frame)?, leases)
    }

    async fn carry_out(&mut self, door: &UdpSocket, mac: Option<MacAddr>, verdict: Verdict, witnessed: bool) {
        match verdict {
            Verdict::Reply(answer) => self.answer(door, mac, *answer, witnessed).await,
            Verdict::Overheard(event) => self.context.inbox.saw(*event),
            Verdict::Silence(silence) => self.tell(mac, silence),
        }
    }

    async fn send_due(&mut self, doors: &Doors) {
        for (port, mac, answer) in self.later.due(clock::now()) {
            let door = if port == port_of(&doors.boot_server) { &doors.boot_server } else { &doors.server };
            self.answer(door, mac, answer, true).await;
        }
    }

    async fn answer(&mut self, door: &UdpSocket, mac: Option<MacAddr>, answer: Answer, witnessed: bool) {
        let Some(answer) = self.later.hold(clock::now(), port_of(door), mac, answer) else { return };
        let to = answer.to.socket_address();
        if witnessed {
            witness::answered(&self.context, door, mac, &answer);
        }
        match udp::send_from(door, answer.from, to, &answer.message).await {
            Ok(bytes) => debug!(?mac, %to, bytes, event = ?answer.event, "dhcp answered"),
            Err(error) => {
                self.dropped.count(Drop::Unsent);
                debug!(?mac, %to, "dhcp reply not sent: {error}");
            }
        }
        answer.event.into_iter().for_each(|event| self.context.inbox.saw(event));
        answer.lacks.into_iter().for_each(|silence| self.tell(mac, silence));
    }

    /// Has what was leased remembered, as far as the hub has room now. Packets never wait for the disk.
    fn hand_over(&self, leases: &mut Leases) {
        if leases.has_unsaved() {
            self.context.inbox.offer(|| Note::Leases(leases.unsaved(LEASES)));
        }
    }

    fn tell(&mut self, mac: Option<MacAddr>, silence: Silence) {
        self.unanswered.count(silence.sort());
        if silence.is_news() && self.told.is_news(clock::now(), (mac, silence)) {
            debug!(?mac, "dhcp silent: {silence}");
            self.context.inbox.saw(Event::DhcpSilence { mac, reason: silence.to_string() });
        }
    }
}

fn port_of(door: &UdpSocket) -> u16 {
    door.local_addr().map_or(0, |at| at.port())
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
