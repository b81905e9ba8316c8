//! Who a booting machine says it is.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::ids::placeholder::Placeholders;
use crate::domain::ids::{MacAddr, NodeId, Serial, SystemUuid, if_usable};

/// What a machine claims of itself at some stage of its boot: DHCP knows the MAC and the UUID, iPXE and the agent the
/// serial too. Placeholders are never in here: they do not parse.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Claims {
    /// The boot NIC first.
    pub macs: Vec<MacAddr>,
    #[serde(deserialize_with = "if_usable")]
    pub uuid: Option<SystemUuid>,
    #[serde(deserialize_with = "if_usable")]
    pub serial: Option<Serial>,
    pub manufacturer: Option<String>,
    pub product: Option<String>,
}

impl Claims {
    /// Nothing by which a machine could be known.
    pub fn is_empty(&self) -> bool {
        self.macs.is_empty() && self.uuid.is_none() && self.serial.is_none()
    }

    /// The claims without the values that identify nobody.
    pub fn without(&self, placeholders: &Placeholders) -> Self {
        let mut left = self.clone();
        if !placeholders.is_empty() {
            left.macs.retain(|mac| !placeholders.has_mac(*mac));
            left.uuid = left.uuid.filter(|uuid| !placeholders.has_uuid(uuid.octets()));
            left.serial = left.serial.filter(|serial| !placeholders.has_serial(serial.as_str()));
        }
        left
    }

    /// Adds every claimed identifier to a list of placeholders.
    pub fn add_to(&self, placeholders: &mut Placeholders) {
        self.macs.iter().for_each(|mac| placeholders.add_mac(*mac));
        self.uuid.iter().for_each(|uuid| placeholders.add_uuid(uuid.octets()));
        self.serial.iter().for_each(|serial| placeholders.add_serial(serial.as_str()));
    }
}

impl fmt::Display for Claims {
    /// `serial SN-1, MAC 52:54:00:00:00:01`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let serial = self.serial.iter().map(|serial| format!("serial {serial}"));
        let uuid = self.uuid.iter().map(|uuid| format!("UUID {uuid}"));
        let macs = self.macs.iter().map(|mac| format!("MAC {mac}"));
        f.write_str(&serial.chain(uuid).chain(macs).collect::<Vec<_>>().join(", "))
    }
}

/// A machine showed itself with identifiers of a node that it contradicts, or of several nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contest {
    pub claims: Claims,
    /// The other nodes it has identifiers of.
    pub others: Vec<NodeId>,
}
