//! From a trail to a verdict. The first rule that fits speaks.
//!
//! ```text
//! two machines with one card · what the latest attempt shows · what those before it showed · a switch that is slow
//! ```
//! How long a machine may be silent follows from what its firmware does, see the constants of [`super::stages`].

use std::time::Duration;

use super::attempt::{Attempt, AttemptStage, DhcpExchange};
use super::finding::Finding;
use super::stages::{dhcp, loader, program, refused};
use super::trail::Trail;
use super::verdict::{Diagnosis, Severity, StoppedAt};
use crate::domain::doctor::context::{DiagnosisContext, twin};
use crate::domain::ids::SystemUuid;
use crate::domain::machine::sighting::{DhcpSpeaker, ScriptKind, Sighting};
use crate::domain::node::phase::{Phase, Stage};
use crate::domain::time::Timestamp;

/// Why the machine of `trail` got no further. None as long as nothing is wrong, or when its node says so itself.
pub fn diagnose(trail: &Trail, now: Timestamp, context: &DiagnosisContext<'_>) -> Option<Diagnosis> {
    match context.phase {
        // Provisioned, it goes to its own disk; the others have their own words.
        Some(
            Phase::Provisioned | Phase::Installed | Phase::Failed(_) | Phase::Held { .. } | Phase::Conflict { .. },
        ) => return None,
        Some(Phase::Registered | Phase::Booting { .. }) | None => {}
    }
    let attempts = Attempt::all(trail);
    let (latest, before) = attempts.split_last()?;
    let at_work = matches!(context.phase, Some(Phase::Booting { stage }) if *stage >= Stage::Agent);
    if latest.is_plain()
        || latest.reached() == AttemptStage::Agent
        || (at_work && latest.reached() == AttemptStage::Kernel)
    {
        return None;
    }
    let silent = now.since(latest.last);
    two_machines(trail)
        .or_else(|| stopped(latest, silent, now, context))
        .or_else(|| circles(before, latest))
        .or_else(|| twin(context))
        .or_else(|| slow_switch(latest))
}

/// Where an attempt that has been silent for so long has stopped.
fn stopped(
    attempt: &Attempt<'_>,
    silent: Duration,
    now: Timestamp,
    context: &DiagnosisContext<'_>,
) -> Option<Diagnosis> {
    if let Some(why) = attempt.refused {
        let stage = if attempt.reached() <= AttemptStage::Loader { StoppedAt::Loader } else { StoppedAt::Script };
        return Some(refused(why, stage));
    }
    match attempt.reached() {
        AttemptStage::Dhcp => dhcp::stopped(attempt.talk(), silent, now, context),
        AttemptStage::Loader => loader::stopped(attempt, silent),
        AttemptStage::Program => program::before_script(attempt, silent, now, context),
        AttemptStage::Script => program::before_kernel(attempt, silent),
        AttemptStage::Kernel => program::before_agent(attempt, silent),
        AttemptStage::Agent => None,
    }
}

/// What the attempts before the latest have in common. Only those since the last that went well.
fn circles(before: &[Attempt<'_>], latest: &Attempt<'_>) -> Option<Diagnosis> {
    let went_well = |attempt: &Attempt<'_>| {
        let waits = matches!(attempt.script, Some((ScriptKind::Disk | ScriptKind::Wait(_), _, _)));
        attempt.reached() == AttemptStage::Agent || waits
    };
    let failed: Vec<&Attempt<'_>> = before.iter().rev().take_while(|attempt| !went_well(attempt)).collect();
    let last = failed.first()?;
    let times = failed.iter().take_while(|attempt| attempt.reached() == last.reached()).count();
    if latest.reached() > last.reached() {
        return None;
    }
    // From the end of the one to the beginning of the next: somebody who switches it off and on is quicker.
    let paused = latest.talk().first.since(last.last);
    match last.reached() {
        AttemptStage::Loader => loader::stopped_before(last, times, paused),
        AttemptStage::Program if times >= 2 => Some(program::in_circles(times, StoppedAt::Script)),
        AttemptStage::Script if times >= 2 => Some(program::in_circles(times, StoppedAt::Kernel)),
        AttemptStage::Kernel if times >= 2 => Some(program::restarts(times)),
        AttemptStage::Program
        | AttemptStage::Script
        | AttemptStage::Kernel
        | AttemptStage::Dhcp
        | AttemptStage::Agent => None,
    }
}

/// The card says one UUID, then another, then the first again.
fn two_machines(trail: &Trail) -> Option<Diagnosis> {
    let said = trail.entries().filter_map(|entry| match &entry.what {
        Sighting::Dhcp { asked, .. } if asked.speaker != DhcpSpeaker::Plain => asked.uuid,
        _ => None,
    });
    let mut turns: Vec<SystemUuid> = said.collect();
    turns.dedup_by_key(|uuid| uuid.canonical());
    let [.., one, other, again] = turns.as_slice() else { return None };
    (one.canonical() == again.canonical()).then(|| Diagnosis {
        finding: Finding::TwoMachinesOneMac,
        stage: StoppedAt::Dhcp,
        severity: Severity::Failure,
        what: format!("two machines use this MAC address: one has UUID {again}, one {other}"),
        hint: "give one of them another network card; do not pass an adapter on while its machine boots".into(),
    })
}

/// The switch held back its first questions, or those after the card was started anew.
fn slow_switch(attempt: &Attempt<'_>) -> Option<Diagnosis> {
    let late = |talk: &DhcpExchange<'_>| {
        let asked = talk.asked.filter(|asked| asked.speaker != DhcpSpeaker::Ipxe)?;
        (asked.secs >= FORWARDING).then_some(u64::from(asked.secs))
    };
    let loaded = attempt.programs.last().filter(|_| attempt.ipxe.asked.is_some()).map(|entry| entry.last);
    let gap = loaded.map(|at| attempt.ipxe.first.since(at).as_secs()).filter(|gap| *gap >= u64::from(FORWARDING));
    let seconds = late(&attempt.firmware).or(gap)?;
    Some(Diagnosis {
        finding: Finding::SlowSwitch,
        stage: StoppedAt::Dhcp,
        severity: Severity::Notice,
        what: format!("it was not heard for {seconds} s after its link came up: the switch port opens late"),
        hint: "switch on port-fast (edge port) for the bench's ports at the switch, or spanning tree off".into(),
    })
}

/// A port with spanning tree forwards after 30 s (IEEE 802.1D: twice the forward delay of 15 s). The DISCOVERs of
/// EDK2 come at 0, 4, 12 and 28 s (`Dhcp4Io.c`, `mDhcp4DefaultTimeout`), so the first that gets through says 28, or 12 by
/// a switch with rapid spanning tree that gives up early; less than 20 is an ordinary lost packet.
const FORWARDING: u16 = 20;
