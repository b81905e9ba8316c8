//! A 48-bit Ethernet address (IEEE 802).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::ids::bad_id::BadId;
use crate::domain::ids::hex::hex_bytes;

/// A 48-bit Ethernet address, the key a machine is known by before it has a name (IEEE 802).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddr([u8; 6]);

impl MacAddr {
    /// The address in transmission order; [`BadId`] for a group or all-zero address.
    pub fn new(octets: [u8; 6]) -> Result<Self, BadId> {
        match octets {
            [0, 0, 0, 0, 0, 0] => Err(BadId::MacZero),
            [first, ..] if first & 1 == 1 => Err(BadId::MacGroup),
            octets => Ok(Self(octets)),
        }
    }

    /// The six octets in transmission order.
    pub fn octets(self) -> [u8; 6] {
        self.0
    }
}

impl FromStr for MacAddr {
    type Err = BadId;

    /// Accepts `:`, `-`, `.` (Cisco) or no separators, any case.
    fn from_str(text: &str) -> Result<Self, BadId> {
        let digits: String = text.trim().chars().filter(|c| !matches!(c, ':' | '-' | '.')).collect();
        Self::new(hex_bytes(&digits).ok_or(BadId::MacForm)?)
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}
