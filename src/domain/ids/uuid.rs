//! The SMBIOS system UUID, in both byte orders.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::ids::bad_id::BadId;
use crate::domain::ids::hex::{hex_bytes, other_byte_order};
use crate::domain::ids::placeholder::Placeholders;

/// An SMBIOS system UUID in the order it is printed (first three fields big-endian).
///
/// Firmware sends the same UUID in two byte orders (SMBIOS 2.6 section 7.2.1 swapped the first three fields), so
/// [`SystemUuid::swapped`] gives the other spelling; matching tries both.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SystemUuid([u8; 16]);

impl SystemUuid {
    /// The UUID of 16 octets in printing order; [`BadId::UuidPlaceholder`] for values that many machines share.
    pub fn new(octets: [u8; 16]) -> Result<Self, BadId> {
        if Placeholders::shipped().has_uuid(octets) { Err(BadId::UuidPlaceholder) } else { Ok(Self(octets)) }
    }

    /// The 16 octets in printing order.
    pub fn octets(self) -> [u8; 16] {
        self.0
    }

    /// The same UUID with its first three fields in the other byte order.
    pub fn swapped(self) -> Self {
        Self(other_byte_order(self.0))
    }

    /// Of the two spellings the one that sorts first: equal for two claims of one machine.
    pub fn canonical(self) -> Self {
        self.min(self.swapped())
    }
}

impl FromStr for SystemUuid {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let digits: String = text.trim().chars().filter(|c| !matches!(c, '-' | '{' | '}')).collect();
        Self::new(hex_bytes(&digits).ok_or(BadId::UuidForm)?)
    }
}

impl fmt::Display for SystemUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, octet) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{octet:02x}")?;
        }
        Ok(())
    }
}
