//! The doctor: why did this machine not boot?
//!
//! ```text
//! services ─ sightings ─► Doctor: a trail for each card ─ diagnose(trail, now, context) ─► verdict: stage, what, hint
//! ```
//! Trails are kept by Ethernet address. What is seen by address alone (TFTP, HTTP) goes to the card that was seen to get
//! or to use that address. A diagnosis is made when somebody looks, and is a function of the trail and the time.

mod attempt;
pub mod context;
pub mod diagnose;
pub mod finding;
pub mod log;
pub mod packet;
pub mod per_machine;
mod stages;
pub mod trail;
pub mod verdict;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use context::DiagnosisContext;
use diagnose::diagnose;
use per_machine::PerMachine;
use trail::{Trail, address_in, is_far};
use verdict::Diagnosis;

use crate::domain::event::Event;
use crate::domain::fleet::Hello;
use crate::domain::ids::MacAddr;
use crate::domain::machine::claims::Claims;
use crate::domain::machine::sighting::{Http, ScriptKind, Sighting, Who};
use crate::domain::node::Node;
use crate::domain::node::phase::Phase;
use crate::domain::time::Timestamp;

/// Everything that was seen lately of machines on their way.
#[derive(Clone, Debug)]
pub struct Doctor {
    trails: PerMachine<Arc<Trail>>,
    addresses: BTreeMap<Ipv4Addr, MacAddr>,
    /// Another DHCP server that was found on the cable.
    other_server: Option<Ipv4Addr>,
    /// Sightings at an address that no known card has.
    unplaced: u64,
    nameless: Option<Nameless>,
}

/// Requests that did not even say which card they came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nameless {
    pub times: u64,
    pub last: Timestamp,
    /// What was wrong with the last of them.
    pub reason: String,
}

impl Default for Doctor {
    fn default() -> Self {
        Self {
            trails: PerMachine::new(TRAILS),
            addresses: BTreeMap::new(),
            other_server: None,
            unplaced: 0,
            nameless: None,
        }
    }
}

impl Doctor {
    /// Takes in what a service saw, if it is about a machine on its way.
    pub fn observe(&mut self, now: Timestamp, event: &Event) {
        match event {
            Event::Sighted { who, sighting } => self.sight(now, *who, (**sighting).clone()),
            Event::ScriptServed { claims, address, profile, .. } => {
                self.scripted(now, claims, *address, ScriptKind::Install(profile.clone()))
            }
            Event::SentToDisk { claims, address } => self.scripted(now, claims, *address, ScriptKind::Disk),
            Event::Held { claims, address, reason } => {
                self.scripted(now, claims, *address, ScriptKind::Wait(reason.clone()))
            }
            Event::InstallerTook { address, file, installing, .. } => {
                let what = Http::Installer { file: file.clone(), works: *installing };
                self.sight(now, Who::at(*address), Sighting::Http(what));
            }
            Event::KernelServed { address, file } => {
                self.sight(now, Who::at(*address), Sighting::Http(Http::Get { file: file.clone() }))
            }
            Event::HttpRefused { address, reason } => {
                self.sight(now, Who::at(*address), Sighting::Http(Http::Refused { why: reason.clone() }))
            }
            Event::OtherServer { address } => self.other_server = Some(*address),
            Event::Neighbour { mac, address } => self.learn(*mac, *address),
            Event::DhcpSilence { mac: None, reason } => {
                let times = self.nameless.as_ref().map_or(0, |nameless| nameless.times);
                self.nameless = Some(Nameless { times: times + 1, last: now, reason: reason.clone() });
            }
            Event::DhcpSilence { mac: Some(_), .. }
            | Event::DhcpAnswered { .. }
            | Event::Loader { .. }
            | Event::Syslog { .. }
            | Event::Progress { .. }
            | Event::AgentLog { .. } => {}
        }
    }

    /// Takes in that an agent says hello.
    pub fn hello(&mut self, now: Timestamp, hello: &Hello) {
        let who = Who { mac: hello.claims.macs.first().copied(), address: Some(hello.address) };
        self.sight(now, who, Sighting::Agent);
    }

    /// Takes in one sighting.
    pub fn sight(&mut self, now: Timestamp, who: Who, what: Sighting) {
        let Some(mac) = self.card(who) else { return self.unplaced += 1 };
        let address = address_in(&what).or(who.address);
        let far = is_far(&what);
        let gone = self.trails.hear(now, mac, |trail| {
            Arc::make_mut(trail).push(now, what);
            far
        });
        if let Some((mac, trail)) = gone {
            trail.address.into_iter().for_each(|address| self.lose(mac, address));
        }
        address.into_iter().for_each(|address| self.learn(mac, address));
    }

    /// The card that was seen.
    pub fn card(&self, who: Who) -> Option<MacAddr> {
        who.mac.or_else(|| self.addresses.get(&who.address?).copied())
    }

    pub fn trail(&self, mac: MacAddr) -> Option<&Trail> {
        self.trails.get(mac).map(|trail| &**trail)
    }

    pub fn trails(&self) -> impl Iterator<Item = (MacAddr, &Trail)> {
        self.trails.iter().map(|(mac, trail)| (mac, &**trail))
    }

    /// Why the machine with this card got no further; `node` is the one that has the card, if any has.
    pub fn verdict(&self, mac: MacAddr, node: Option<&Node>, now: Timestamp) -> Option<Diagnosis> {
        let trail = self.trail(mac)?;
        let phase = node.map(|node| &node.phase);
        let context = DiagnosisContext { other_server: self.other_server, phase, twin: self.twin(mac, trail, node) };
        diagnose(trail, now, &context)
    }

    /// The same for a node, by the card of it that was heard last. One that was here, was armed again, and has not been heard
    /// since, waits to be started: where it stopped before says nothing of that.
    pub fn verdict_of(&self, node: &Node, now: Timestamp) -> Option<Diagnosis> {
        let card = self.latest(node)?;
        let since_armed = |last: Timestamp| last >= node.phase_since || node.last_seen.is_none();
        let is_of_now = node.phase != Phase::Registered || self.trail(card)?.last().is_some_and(since_armed);
        self.verdict(card, Some(node), now).filter(|_| is_of_now)
    }

    /// The card of `node` that was heard last.
    pub fn latest(&self, node: &Node) -> Option<MacAddr> {
        let heard = |mac: &MacAddr| Some((self.trail(*mac)?.last(), *mac));
        node.macs.iter().filter_map(heard).max().map(|(_, mac)| mac)
    }

    /// Another card, of no part of `node`, that says the same UUID in the same seconds.
    fn twin(&self, mac: MacAddr, trail: &Trail, node: Option<&Node>) -> Option<MacAddr> {
        let (uuid, from, to) = trail.knocking()?;
        let is_twin = |(other, trail): &(MacAddr, &Trail)| {
            let foreign = *other != mac && !node.is_some_and(|node| node.macs.contains(other));
            let knocking = trail.knocking().filter(|(theirs, ..)| theirs.canonical() == uuid.canonical());
            foreign && knocking.is_some_and(|(_, since, until)| since < to && from < until)
        };
        self.trails().find(is_twin).map(|(other, _)| other)
    }

    /// Machines whose trail had to make room for another's.
    pub fn dropped(&self) -> u64 {
        self.trails.dropped()
    }

    /// Sightings at an address that no known card has.
    pub fn unplaced(&self) -> u64 {
        self.unplaced
    }

    pub fn nameless(&self) -> Option<&Nameless> {
        self.nameless.as_ref()
    }

    fn scripted(&mut self, now: Timestamp, claims: &Claims, address: Ipv4Addr, script: ScriptKind) {
        let who = Who { mac: claims.macs.first().copied(), address: Some(address) };
        self.sight(now, who, Sighting::Http(Http::Script(script)));
    }

    /// This address is this card's from now on, if anything is known of it.
    fn learn(&mut self, mac: MacAddr, address: Ipv4Addr) {
        let Some(before) = self.trails.get(mac).map(|trail| trail.address) else { return };
        if before == Some(address) && self.addresses.get(&address) == Some(&mac) {
            return;
        }
        before.into_iter().for_each(|address| self.lose(mac, address));
        self.addresses.insert(address, mac);
        self.trails.edit(mac, |trail| Arc::make_mut(trail).address = Some(address));
    }

    fn lose(&mut self, mac: MacAddr, address: Ipv4Addr) {
        if self.addresses.get(&address) == Some(&mac) {
            self.addresses.remove(&address);
        }
    }
}

/// Machines that are kept in mind: three times the largest bench, cards that are tried in turn included.
const TRAILS: usize = 1024;
