//! The agent's first message of a run.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::domain::ids::RunId;
use crate::domain::machine::claims::Claims;
use crate::domain::machine::disk::Disk;
use crate::domain::machine::inventory::Inventory;

/// An agent introduces itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    pub run: RunId,
    pub claims: Claims,
    pub address: Ipv4Addr,
    pub disks: Vec<Disk>,
    /// None from an older agent.
    pub inventory: Option<Inventory>,
}
