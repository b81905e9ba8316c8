//! The mode of the DHCP service: it looks for other servers before it answers, follows the choice of people, and probes
//! the network when they ask for another mode.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::info;

use super::sockets::DhcpSockets;
use super::{DhcpService, Memory};
use crate::boot::dhcp::arp;
use crate::boot::dhcp::mode_probe::{ModeProbe, ProbeStep};
use crate::boot::dhcp::rogue::Refused;
use crate::clock;
use crate::domain::event::Event;
use crate::domain::snapshot::Snapshot;
use crate::domain::station::dhcp::{Dhcp, DhcpChoice};
use crate::domain::station::service::{ServiceName, ServiceState, ServiceStatus};
use crate::inbox::Input;
use crate::service::link::Arp;
use crate::service::rogue::RogueProbe;

impl DhcpService {
    /// Follows the choice of people.
    pub(super) fn choose(&mut self) {
        let chosen = self.snapshots.borrow_and_update().dhcp_chosen;
        if let Some(choice) = chosen.filter(|choice| *choice != self.memory.mode.choice()) {
            info!(%choice, "dhcp mode chosen");
            self.memory.mode.choose(choice);
        }
    }

    /// Looks for other servers if the mode demands it, and waits while one answers that forbids to serve. False when the
    /// station stops meanwhile.
    pub(super) async fn wait_until_allowed(&mut self, rogues: &mut RogueProbe, sockets: &DhcpSockets) -> bool {
        let stop = self.context.stop.clone();
        loop {
            let mode = &mut self.memory.mode;
            if !mode.must_listen_first(mode.choice()) {
                return true;
            }
            let found = tokio::select! {
                () = stop.cancelled() => return false,
                found = rogues.look() => found,
            };
            let Some(rogue) = found else { return true };
            self.context.inbox.saw(Event::OtherServer { address: rogue });
            let Err(refused) = mode.meet(clock::now(), rogue) else { return true };
            self.report_refused(refused).await;
            tokio::select! {
                () = stop.cancelled() => return false,
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                () = self.other_choice() => {}
            }
            self.choose();
            sockets.discard_pending();
        }
    }

    /// Waits until people choose another mode than the refused one.
    async fn other_choice(&mut self) {
        let now = self.memory.mode.choice();
        loop {
            changed(&mut self.snapshots).await;
            if self.snapshots.borrow_and_update().dhcp_chosen.is_some_and(|chosen| chosen != now) {
                return;
            }
        }
    }

    async fn report_refused(&mut self, Refused(rogue): Refused) {
        self.reported_state = None;
        let what = format!(
            "another DHCP server, {rogue}, answers on {}: two would give out the same addresses",
            self.place.interface
        );
        let hint = "unplug it, or work beside it as a proxy (d on the Services screen, `oxbow dhcp proxy`, or --dhcp proxy); \
                    --dhcp-force serves all the same";
        let state = ServiceState::Down { what, hint: hint.into() };
        self.context.inbox.send(Input::Service(ServiceStatus { name: ServiceName::Dhcp, state, restarts: 0 })).await;
        let Memory { mode, server } = &*self.memory;
        let dhcp = Dhcp { choice: mode.choice(), rivals: mode.rivals().to_vec(), ..server.counts() };
        self.report_if_changed(dhcp);
    }

    /// Another server answered while the station serves.
    pub(super) async fn found_rogue(&mut self, rogue: Ipv4Addr, arp: Option<&Arp>) -> Result<(), Refused> {
        self.context.inbox.saw(Event::OtherServer { address: rogue });
        let met = self.memory.mode.meet(clock::now(), rogue);
        if let (Some(arp), Some(card)) = (arp, self.memory.server.segment().card) {
            let _asked_again_next_time = arp.send(&arp::question(card, rogue)).await;
        }
        if let Some(probe) = self.probe.take() {
            self.end_probe(probe.to, probe.meet(rogue, &self.memory.mode)).await;
        }
        met
    }

    /// Probes whether the station can have the mode that somebody asks for, if that is new.
    pub(super) fn begin_probe(&mut self) {
        let asked = self.snapshots.borrow().dhcp_asked;
        if self.probe.map(|probe| probe.to) != asked {
            self.probe = asked.map(|to| ModeProbe::begin(clock::now(), to, &self.memory.mode));
        }
    }

    pub(super) async fn continue_probe(&mut self, step: ProbeStep, rogues: &RogueProbe) {
        match (step, self.probe) {
            (ProbeStep::Ask, _) => rogues.ask().await,
            (ProbeStep::Over, Some(ModeProbe { to, .. })) => self.end_probe(to, None).await,
            (ProbeStep::Over, None) | (ProbeStep::Wait(_), _) => {}
        }
    }

    async fn end_probe(&mut self, to: DhcpChoice, met: Option<Ipv4Addr>) {
        self.probe = None;
        self.context.inbox.send(Input::DhcpTried(to, met)).await;
    }

    /// Serves in the current mode, and reports it if it has changed.
    pub(super) async fn apply_mode(&mut self) {
        let Memory { mode, server } = &mut *self.memory;
        server.set_mode(mode.mode());
        let mode = mode.in_words(clock::now(), server.segment());
        let state = format!("{} on {}, {mode}", self.place.address, self.place.interface);
        if self.reported_state.as_ref() != Some(&state) {
            self.context.up(ServiceName::Dhcp, &state).await;
            self.reported_state = Some(state);
        }
    }
}

/// Waits for the next snapshot. Never ends once the hub has stopped.
pub(super) async fn changed(snapshots: &mut watch::Receiver<Arc<Snapshot>>) {
    if snapshots.changed().await.is_err() {
        std::future::pending().await
    }
}

/// The next step of the probe.
pub(super) async fn next_step(probe: &mut Option<ModeProbe>) -> ProbeStep {
    let Some(probe) = probe else { return std::future::pending().await };
    loop {
        match probe.step(clock::now()) {
            ProbeStep::Wait(time) => tokio::time::sleep(time).await,
            step @ (ProbeStep::Ask | ProbeStep::Over) => return step,
        }
    }
}

/// Until it is checked again whether the other server still answers.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
