//! The DHCP server without a socket, as quinn-proto's `Endpoint` is: packets and the time go in, [`Action`]s come out.
//!
//! ```text
//! port 67    handle ─► admission ─► queue ─► due ─► decide ─┬─► conflict check, 150 ms ─┬─► delay ─► Send
//!                                                           └───────────────────────────┘
//! port 4011  handle ─► admission ─► decide ─► delay ─► Send
//! ARP        handle_arp ─► the offer that waits is given up, and its request goes back into the queue
//! ```
//! The caller takes in everything that has arrived ([`Server::handle`]), then calls [`Server::due`], carries out what
//! [`Server::next_action`] returns, and waits for the next packet or for [`Server::next_timeout`].

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use crate::boot::dhcp::arp::{self, Claim};
use crate::boot::dhcp::boot_server::{self, Addressing};
use crate::boot::dhcp::conflict::{ConflictProbe, InUse};
use crate::boot::dhcp::delayed::DelayedReplies;
use crate::boot::dhcp::leases::Leases;
use crate::boot::dhcp::segment::{Mode, Segment};
use crate::boot::dhcp::{self, DhcpReply, Silence, Verdict};
use crate::boot::limit::admission::AdmissionControl;
use crate::boot::limit::counters::Counters;
use crate::boot::limit::once::Once;
use crate::boot::limit::queue::RequestQueue;
use crate::boot::limit::{Caller, Excess};
use crate::boot::sighting;
use crate::domain::doctor::packet::{Frame, SeenPacket};
use crate::domain::event::Event;
use crate::domain::ids::MacAddr;
use crate::domain::machine::sighting::{DhcpPort, Who};
use crate::domain::snapshot::Snapshot;
use crate::domain::station::dhcp::Dhcp;
use crate::domain::station::lease::Lease;
use crate::domain::time::Timestamp;

/// Everything a DHCP server remembers. It outlives the network card: [`Server::start`] begins anew on another one.
#[derive(Debug)]
pub struct Server {
    segment: Segment,
    /// How many addresses the pool has.
    pool_size: usize,
    snapshot: Arc<Snapshot>,
    leases: Leases,
    admission: AdmissionControl,
    unanswered: Counters<&'static str>,
    dropped: Counters<DropReason>,
    /// Whether ARP can be sent, so that offers are checked.
    checks_conflicts: bool,
    queue: RequestQueue<QueuedRequest>,
    conflicts: ConflictProbe,
    delayed: DelayedReplies,
    /// Silences that were reported recently.
    silences: Once<(Option<MacAddr>, Silence)>,
    /// Addresses in use that were reported recently.
    neighbours: Once<(MacAddr, Ipv4Addr)>,
    actions: VecDeque<Action>,
}

/// What the caller has to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send the reply from this port, then report its event.
    Send { port: DhcpPort, mac: Option<MacAddr>, reply: Box<DhcpReply> },
    /// Send this Ethernet frame: it asks who uses the address.
    Arp { address: Ipv4Addr, frame: Vec<u8> },
    /// Log that this request gets no answer, and report it.
    Silent { mac: Option<MacAddr>, silence: Silence },
    /// Report what a machine did.
    Report(Box<Event>),
    /// Report it if there is room: only the doctor needs it.
    Observe(Box<Event>),
    /// Keep the packet for the machine's capture file, if there is room.
    Capture(Box<SeenPacket>),
}

/// Why a request or its reply was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum DropReason {
    #[error("{0}")]
    Excess(Excess),
    #[error("the system could not send the reply: check the network cable")]
    NotSent,
}

/// A request to port 67 that waits to be answered.
#[derive(Debug)]
struct QueuedRequest {
    packet: Vec<u8>,
    /// None for a request that is answered again.
    addressing: Option<Addressing>,
    caller: Caller,
}

impl Server {
    /// A server with the leases it gave out before the station was restarted.
    pub fn new(segment: Segment, restored: Vec<Lease>) -> Self {
        Self {
            pool_size: segment.pool().count(),
            segment,
            snapshot: Arc::default(),
            leases: Leases::restore(restored),
            admission: AdmissionControl::default(),
            unanswered: Counters::default(),
            dropped: Counters::default(),
            checks_conflicts: false,
            queue: RequestQueue::default(),
            conflicts: ConflictProbe::default(),
            delayed: DelayedReplies::default(),
            silences: Once::default(),
            neighbours: Once::default(),
            actions: VecDeque::new(),
        }
    }

    /// Begins on this network card. Whatever was pending on the card before is forgotten; leases and counts are not.
    pub fn start(&mut self, card: MacAddr) {
        self.segment.card = Some(card);
        self.checks_conflicts = false;
        (self.queue, self.conflicts, self.delayed) = Default::default();
        (self.silences, self.neighbours) = Default::default();
        self.actions.clear();
    }

    /// From now on [`Action::Arp`] can be carried out.
    pub fn check_conflicts(&mut self) {
        self.checks_conflicts = true;
    }

    pub fn set_mode(&mut self, mode: Mode) {
        self.segment.mode = mode;
    }

    pub fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Uses what the station now knows about machines.
    pub fn update(&mut self, snapshot: &Arc<Snapshot>) {
        if !Arc::ptr_eq(&self.snapshot, snapshot) {
            self.snapshot = snapshot.clone();
            self.segment.site.learn(snapshot);
        }
    }

    /// Takes in a packet. One for port 67 waits in the queue until [`Server::due`]: the caller looks at a whole burst
    /// before anything of it is answered, so that a flood delays only itself.
    pub fn handle(&mut self, now: Timestamp, port: DhcpPort, packet: &[u8], addressing: Addressing) {
        match port {
            DhcpPort::Dhcp => self.enqueue(now, packet, Some(addressing)),
            DhcpPort::BootServer => self.handle_boot_server(now, packet, addressing),
        }
    }

    /// Takes in what a network card claims by ARP. The claim must be the one that `frame` makes.
    pub fn handle_arp(&mut self, now: Timestamp, claim: Claim, frame: &[u8]) {
        let Claim { address, by } = claim;
        if self.neighbours.is_news(now, (by, address)) {
            self.push(Action::Observe(Box::new(Event::Neighbour { mac: by, address })));
            self.capture(now, Who::card(by), Frame::Ethernet(frame.to_vec()));
        }
        if let Some(InUse { mac, silence, packet }) = self.conflicts.hear(now, claim, &mut self.leases) {
            self.observe(now, DhcpPort::Dhcp, &packet, None, Some(mac), &Verdict::Silence(silence));
            self.stay_silent(now, Some(mac), silence);
            self.enqueue(now, &packet, None);
        }
    }

    /// Does what is due: offers whose check is over, delayed replies, and some of the requests in the queue. The rest of
    /// the queue is due again at once, after the caller has looked for new packets.
    pub fn due(&mut self, now: Timestamp) {
        for (mac, reply) in self.conflicts.settled(now, &mut self.leases) {
            self.send(now, DhcpPort::Dhcp, Some(mac), reply, true);
        }
        for (port, mac, reply) in self.delayed.due(now) {
            self.send(now, port, mac, reply, true);
        }
        for _ in 0..ANSWERED_TOGETHER {
            let Some(request) = self.queue.pop() else { break };
            self.answer(now, request);
        }
    }

    /// How long until [`Server::due`] must be called, or unsaved leases are asked for. None when nothing is pending.
    pub fn next_timeout(&self, now: Timestamp) -> Option<Duration> {
        let queue = (!self.queue.is_empty()).then_some(Duration::ZERO);
        let unsaved = self.has_unsaved_leases().then_some(SAVE_AGAIN);
        let pending = [queue, self.conflicts.next_timeout(now), self.delayed.next_timeout(now), unsaved];
        pending.into_iter().flatten().min()
    }

    /// The next thing to do.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The reply of an [`Action::Send`] could not be sent.
    pub fn not_sent(&mut self) {
        self.dropped.count(DropReason::NotSent);
    }

    pub fn has_unsaved_leases(&self) -> bool {
        self.leases.has_unsaved()
    }

    /// Leases to store, at most so many. Each is returned once.
    pub fn unsaved_leases(&mut self, most: usize) -> Vec<Lease> {
        self.leases.unsaved(most)
    }

    /// What was dropped since the last call, in words for the log; at most every ten seconds.
    pub fn drops_to_log(&mut self, now: Timestamp) -> Vec<String> {
        self.dropped.news(now)
    }

    /// The pool, the latest leases and the counts. The mode is the caller's to add.
    pub fn status(&self, now: Timestamp) -> Dhcp {
        Dhcp {
            pool: self.leases.pool(now, &self.segment, self.pool_size),
            leases: self.leases.latest(now, SHOWN_LEASES),
            ..self.counts()
        }
    }

    /// The counts alone, for a server that does not serve.
    pub fn counts(&self) -> Dhcp {
        Dhcp { unanswered: self.unanswered.lines(), dropped: self.dropped.lines(), ..Dhcp::default() }
    }

    fn enqueue(&mut self, now: Timestamp, packet: &[u8], addressing: Option<Addressing>) {
        match self.admission.admit(now, packet, &self.snapshot, &self.leases) {
            Ok(caller) => {
                let request = QueuedRequest { packet: packet.to_vec(), addressing, caller };
                if self.queue.push(caller, request).is_some() {
                    self.dropped.count(DropReason::Excess(Excess::Busy));
                }
            }
            Err(excess) => self.dropped.count(DropReason::Excess(excess)),
        }
    }

    fn handle_boot_server(&mut self, now: Timestamp, packet: &[u8], addressing: Addressing) {
        let from = *addressing.from.ip();
        if let Err(excess) = self.admission.admit_to_boot_server(now, from, &self.snapshot, &self.leases) {
            return self.dropped.count(DropReason::Excess(excess));
        }
        let (mac, verdict) = boot_server::handle(packet, addressing, &self.segment, &self.leases);
        self.observe(now, DhcpPort::BootServer, packet, Some(addressing), mac, &verdict);
        self.carry_out(now, DhcpPort::BootServer, mac, verdict, true);
    }

    /// Answers a request to port 67. An offer of an address that somebody may use waits for a conflict check.
    fn answer(&mut self, now: Timestamp, request: QueuedRequest) {
        let QueuedRequest { packet, addressing, caller } = request;
        let is_observed = self.admission.is_observed(now, caller);
        let (mac, verdict) = dhcp::handle(now, &packet, &self.segment, &mut self.leases);
        let verdict = self.admission.settle(now, caller, verdict, &mut self.leases);
        if is_observed {
            self.observe(now, DhcpPort::Dhcp, &packet, addressing, mac, &verdict);
        }
        let Some(card) = self.segment.card.filter(|_| self.checks_conflicts) else {
            return self.carry_out(now, DhcpPort::Dhcp, mac, verdict, is_observed);
        };
        match self.conflicts.check(now, mac, &packet, verdict) {
            Ok(address) => self.push(Action::Arp { address, frame: arp::question(card, address) }),
            Err(verdict) => self.carry_out(now, DhcpPort::Dhcp, mac, verdict, is_observed),
        }
    }

    fn carry_out(&mut self, now: Timestamp, port: DhcpPort, mac: Option<MacAddr>, verdict: Verdict, is_observed: bool) {
        match verdict {
            Verdict::Reply(reply) => self.send(now, port, mac, reply, is_observed),
            Verdict::Overheard(event) => self.push(Action::Report(event)),
            Verdict::Silence(silence) => self.stay_silent(now, mac, silence),
        }
    }

    /// Sends the reply, now or after its delay.
    fn send(&mut self, now: Timestamp, port: DhcpPort, mac: Option<MacAddr>, reply: Box<DhcpReply>, is_observed: bool) {
        let Some(reply) = self.delayed.delay(now, port, mac, reply) else { return };
        if is_observed {
            let (from, to) = (SocketAddrV4::new(reply.from, number(port)), reply.to.socket_address());
            let frame = Frame::Udp { inward: false, from, to, payload: reply.message.clone() };
            self.capture(now, Who { mac, address: Some(*to.ip()) }, frame);
        }
        let lacks = reply.lacks;
        self.push(Action::Send { port, mac, reply });
        if let Some(silence) = lacks {
            self.stay_silent(now, mac, silence);
        }
    }

    /// Counts a request that gets no answer, and reports it unless that was done a moment ago.
    fn stay_silent(&mut self, now: Timestamp, mac: Option<MacAddr>, silence: Silence) {
        self.unanswered.count(silence.sort());
        if silence.is_news() && self.silences.is_news(now, (mac, silence)) {
            self.push(Action::Silent { mac, silence });
        }
    }

    /// Reports a request and what was decided, for the doctor and the capture file. Without `addressing` the packet is
    /// in the file already.
    fn observe(
        &mut self,
        now: Timestamp,
        port: DhcpPort,
        packet: &[u8],
        addressing: Option<Addressing>,
        mac: Option<MacAddr>,
        verdict: &Verdict,
    ) {
        if let Some(event) = sighting::dhcp(port, packet, mac, verdict) {
            self.push(Action::Observe(Box::new(event)));
        }
        if let Some(Addressing { from, to }) = addressing {
            let who = Who { mac: mac.or(sighting::card(packet)), address: Some(*from.ip()) };
            let to = SocketAddrV4::new(to, number(port));
            self.capture(now, who, Frame::Udp { inward: true, from, to, payload: packet.to_vec() });
        }
    }

    fn capture(&mut self, at: Timestamp, who: Who, frame: Frame) {
        self.push(Action::Capture(Box::new(SeenPacket { at, who, frame })));
    }

    fn push(&mut self, action: Action) {
        self.actions.push_back(action);
    }
}

const fn number(port: DhcpPort) -> u16 {
    match port {
        DhcpPort::Dhcp => 67,
        DhcpPort::BootServer => 4011,
    }
}

/// Requests that are answered before the caller looks for new packets.
const ANSWERED_TOGETHER: usize = 64;
/// Until the hub is asked again whether it has room for leases.
const SAVE_AGAIN: Duration = Duration::from_millis(20);
/// Leases that people may look at.
const SHOWN_LEASES: usize = 256;
