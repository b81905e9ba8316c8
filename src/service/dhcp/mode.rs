//! Whose network it is: the DHCP service finds its place among other servers before it answers, keeps to what people
//! choose, and looks around when they wish for another mode.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::info;

use super::DhcpService;
use super::sockets::DhcpSockets;
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
    /// Takes over what people have chosen.
    pub(super) fn choose(&mut self) {
        let chosen = self.wishes.borrow_and_update().dhcp_chosen;
        if let Some(choice) = chosen.filter(|choice| *choice != self.past.standing.choice()) {
            info!(%choice, "dhcp is to be");
            self.past.standing.choose(choice);
        }
    }

    /// Before anything is answered: listens if it must, and waits for as long as another server answers that there may
    /// not be. False when the station stops meanwhile.
    pub(super) async fn find_its_place(&mut self, scout: &mut RogueProbe, doors: &DhcpSockets) -> bool {
        let stop = self.context.stop.clone();
        loop {
            let standing = &mut self.past.standing;
            if !standing.must_listen_first(standing.choice()) {
                return true;
            }
            let met = tokio::select! {
                () = stop.cancelled() => return false,
                met = scout.look() => met,
            };
            let Some(rival) = met else { return true };
            self.context.inbox.saw(Event::OtherServer { address: rival });
            let Err(refused) = standing.meet(clock::now(), rival) else { return true };
            self.say_refused(refused).await;
            tokio::select! {
                () = stop.cancelled() => return false,
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                () = self.wish() => {}
            }
            self.choose();
            doors.turn_away();
        }
    }

    /// Another choice than what is refused.
    async fn wish(&mut self) {
        let now = self.past.standing.choice();
        loop {
            changed(&mut self.wishes).await;
            if self.wishes.borrow_and_update().dhcp_chosen.is_some_and(|chosen| chosen != now) {
                return;
            }
        }
    }

    async fn say_refused(&mut self, Refused(rival): Refused) {
        self.said = None;
        let what = format!(
            "another DHCP server, {rival}, answers on {}: two would give out the same addresses",
            self.interface
        );
        let hint = "unplug it, or work beside it as a proxy (d on the Services screen, `oxbow dhcp proxy`, or --dhcp proxy); \
                    --dhcp-force serves all the same";
        let state = ServiceState::Down { what, hint: hint.into() };
        self.context.inbox.send(Input::Service(ServiceStatus { name: ServiceName::Dhcp, state, restarts: 0 })).await;
        let standing = &self.past.standing;
        self.say(Dhcp {
            choice: standing.choice(),
            rivals: standing.rivals().to_vec(),
            unanswered: self.past.unanswered.lines(),
            dropped: self.past.dropped.lines(),
            ..Dhcp::default()
        });
    }

    /// Another server has answered while this one serves.
    pub(super) async fn met(&mut self, rival: Ipv4Addr, arp: Option<&Arp>) -> Result<(), Refused> {
        self.context.inbox.saw(Event::OtherServer { address: rival });
        let met = self.past.standing.meet(clock::now(), rival);
        if let (Some(arp), Some(card)) = (arp, self.segment.card) {
            let _asked_again_next_time = arp.send(&arp::question(card, rival)).await;
        }
        if let Some(trial) = self.trial.take() {
            self.end_trial(trial.to, trial.meet(rival, &self.past.standing)).await;
        }
        met
    }

    /// Looks into what somebody wants, if it is new.
    pub(super) fn begin_trial(&mut self) {
        let asked = self.wishes.borrow().dhcp_asked;
        if self.trial.map(|trial| trial.to) != asked {
            self.trial = asked.map(|to| ModeProbe::begin(clock::now(), to, &self.past.standing));
        }
    }

    pub(super) async fn go_on(&mut self, step: ProbeStep, scout: &RogueProbe) {
        match (step, self.trial) {
            (ProbeStep::Ask, _) => scout.ask().await,
            (ProbeStep::Over, Some(ModeProbe { to, .. })) => self.end_trial(to, None).await,
            (ProbeStep::Over, None) | (ProbeStep::Wait(_), _) => {}
        }
    }

    async fn end_trial(&mut self, to: DhcpChoice, met: Option<Ipv4Addr>) {
        self.trial = None;
        self.context.inbox.send(Input::DhcpTried(to, met)).await;
    }

    /// Serves as it now stands, and says how if that is news.
    pub(super) async fn stand(&mut self) {
        self.segment.mode = self.past.standing.mode();
        let does = self.past.standing.in_words(clock::now(), &self.segment);
        let at = format!("{} on {}, {does}", self.segment.address(), self.interface);
        if self.said.as_ref() != Some(&at) {
            self.context.up(ServiceName::Dhcp, &at).await;
            self.said = Some(at);
        }
    }
}

/// The bench has news. Never, once it has none any more.
pub(super) async fn changed(bench: &mut watch::Receiver<Arc<Snapshot>>) {
    if bench.changed().await.is_err() {
        std::future::pending().await
    }
}

/// What is to be done next about a wish.
pub(super) async fn tried(trial: &mut Option<ModeProbe>) -> ProbeStep {
    let Some(trial) = trial else { return std::future::pending().await };
    loop {
        match trial.step(clock::now()) {
            ProbeStep::Wait(time) => tokio::time::sleep(time).await,
            step => return step,
        }
    }
}

/// Until another server is asked whether it is still there.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
