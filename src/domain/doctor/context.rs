//! What else the doctor knows while it reads a trail.

use std::net::Ipv4Addr;

use crate::domain::doctor::finding::Finding;
use crate::domain::doctor::verdict::{Diagnosis, Severity, StoppedAt};
use crate::domain::ids::MacAddr;
use crate::domain::node::phase::Phase;

pub(crate) fn twin(context: &DiagnosisContext<'_>) -> Option<Diagnosis> {
    let twin = context.twin?;
    Some(Diagnosis {
        finding: Finding::TwoMachinesOneUuid,
        stage: StoppedAt::Dhcp,
        severity: Severity::Notice,
        what: format!("{twin} says the same UUID at the same time"),
        hint: "if these are two machines, their firmware has a cloned UUID: register them by serial or MAC".into(),
    })
}

/// What else is known while a trail is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiagnosisContext<'a> {
    /// Another DHCP server that was found on the cable.
    pub other_server: Option<Ipv4Addr>,
    /// What the machine's node is doing, if it has one.
    pub phase: Option<&'a Phase>,
    /// Another card of which the same UUID was heard in the same seconds.
    pub twin: Option<MacAddr>,
}
