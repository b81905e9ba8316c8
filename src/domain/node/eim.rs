//! Where a node is in the words of the Edge Infrastructure Manager: four status lines beside each other, each a text and an
//! indicator. Who has read those at another site reads them here.

use serde::{Deserialize, Serialize};

use crate::domain::node::Node;
use crate::domain::node::phase::{Phase, Stage};
use crate::domain::time::Timestamp;

/// The four lines of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Eim {
    pub registration_status: EimStatus,
    pub onboarding_status: EimStatus,
    pub provisioning_status: EimStatus,
    pub host_status: EimStatus,
}

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EimStatus {
    pub text: String,
    pub indicator: Indicator,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Indicator {
    #[serde(rename = "STATUS_INDICATION_ERROR")]
    Error,
    #[serde(rename = "STATUS_INDICATION_IN_PROGRESS")]
    InProgress,
    #[serde(rename = "STATUS_INDICATION_IDLE")]
    Idle,
    #[default]
    #[serde(rename = "STATUS_INDICATION_UNSPECIFIED", other)]
    Unspecified,
}

impl Eim {
    /// The lines of `node` at this moment.
    pub fn of(node: &Node, now: Timestamp) -> Self {
        Self {
            registration_status: registration(node),
            onboarding_status: onboarding(node),
            provisioning_status: provisioning(node, now),
            host_status: host(node, now),
        }
    }
}

fn registration(node: &Node) -> EimStatus {
    match &node.phase {
        Phase::Conflict { reason } => line(format!("Host Registration Failed: {reason}"), Indicator::Error),
        _ if node.is_vouched_for() => line("Host is Registered", Indicator::Idle),
        _ => unknown(),
    }
}

fn onboarding(node: &Node) -> EimStatus {
    let has_agent = |stage: Stage| stage >= Stage::Agent;
    match &node.phase {
        Phase::Provisioned | Phase::Installed => line("Onboarded", Indicator::Idle),
        Phase::Booting { stage } if has_agent(*stage) => line("Onboarded", Indicator::Idle),
        Phase::Failed(failure) if has_agent(failure.stage) => line("Onboarded", Indicator::Idle),
        Phase::Failed(_) => line("Onboarding Failed", Indicator::Error),
        Phase::Registered | Phase::Booting { .. } | Phase::Held { .. } | Phase::Conflict { .. } => unknown(),
    }
}

fn provisioning(node: &Node, now: Timestamp) -> EimStatus {
    match &node.phase {
        Phase::Booting { stage } => {
            let step = step(*stage);
            if node.stalled(now).is_some() {
                line(format!("Provisioning Failed: {step} timeout"), Indicator::Error)
            } else {
                line(format!("Provisioning In Progress: {step}"), Indicator::InProgress)
            }
        }
        Phase::Failed(failure) => {
            let text = format!("Provisioning Failed: {} failed: {}", step(failure.stage), failure.reason);
            line(text, Indicator::Error)
        }
        Phase::Provisioned | Phase::Installed => line("Provisioned", Indicator::Idle),
        Phase::Registered | Phase::Held { .. } | Phase::Conflict { .. } => unknown(),
    }
}

fn host(node: &Node, now: Timestamp) -> EimStatus {
    match &node.phase {
        Phase::Booting { .. } if node.stalled(now).is_some() => line("No Connection", Indicator::Error),
        Phase::Booting { stage: Stage::Rebooting } => line("Rebooting", Indicator::InProgress),
        Phase::Booting { .. } => line("Booting", Indicator::InProgress),
        Phase::Failed(_) | Phase::Conflict { .. } => line("Error", Indicator::Error),
        // What its own system does nobody has told.
        Phase::Registered | Phase::Held { .. } | Phase::Provisioned | Phase::Installed => unknown(),
    }
}

/// `6/10: writing`.
fn step(stage: Stage) -> String {
    let order: &[Stage] = if stage == Stage::Installing {
        &Stage::OF_INSTALLER
    } else if stage == Stage::FirstBoot {
        &Stage::WITH_FIRST_BOOT
    } else {
        &Stage::ALL
    };
    let at = order.iter().position(|other| *other == stage).map_or(order.len(), |at| at + 1);
    format!("{at}/{}: {}", order.len(), stage.word())
}

fn unknown() -> EimStatus {
    line("Unknown", Indicator::Unspecified)
}

fn line(text: impl Into<String>, indicator: Indicator) -> EimStatus {
    EimStatus { text: text.into(), indicator }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::ids::NodeId;
    use crate::domain::machine::report::FailureKind;
    use crate::domain::node::phase::Failure;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn texts(phase: Phase, later: u64) -> [String; 4] {
        let mut node = Node::new(NodeId(1), NOW);
        (node.registered, node.last_seen, node.phase) = (true, Some(NOW), phase);
        let eim = Eim::of(&node, NOW.after(Duration::from_secs(later)));
        [eim.registration_status, eim.onboarding_status, eim.provisioning_status, eim.host_status].map(|line| line.text)
    }

    #[test]
    fn a_node_is_described_in_the_words_of_the_edge_infrastructure_manager() {
        let registered = "Host is Registered";
        let reason = "input/output error".to_owned();
        let failed = Phase::Failed(Failure { stage: Stage::Writing, kind: FailureKind::DiskIo, reason });
        for (phase, later, lines) in [
            (Phase::Registered, 0, [registered, "Unknown", "Unknown", "Unknown"]),
            (
                Phase::Booting { stage: Stage::Writing },
                1,
                [registered, "Onboarded", "Provisioning In Progress: 6/10: writing", "Booting"],
            ),
            (
                Phase::Booting { stage: Stage::Writing },
                60,
                [registered, "Onboarded", "Provisioning Failed: 6/10: writing timeout", "No Connection"],
            ),
            (
                failed,
                0,
                [registered, "Onboarded", "Provisioning Failed: 6/10: writing failed: input/output error", "Error"],
            ),
            (Phase::Provisioned, 0, [registered, "Onboarded", "Provisioned", "Unknown"]),
        ] {
            assert_eq!(texts(phase, later), lines.map(str::to_owned));
        }
    }

    #[test]
    fn an_indicator_of_a_newer_station_is_unspecified() {
        let read: Indicator = serde_json::from_str("\"STATUS_INDICATION_SLEEPING\"").expect("readable");
        assert_eq!(read, Indicator::Unspecified);
        assert_eq!(serde_json::to_string(&Indicator::Idle).expect("JSON"), "\"STATUS_INDICATION_IDLE\"");
    }
}
