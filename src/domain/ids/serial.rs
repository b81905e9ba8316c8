//! The system's serial number (SMBIOS type 1).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::ids::bad_id::BadId;
use crate::domain::ids::placeholder::Placeholders;
use crate::domain::text;

/// A serial number as SMBIOS type 1 gives it, cleaned and in its own case. Compared without regard to case.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Serial(String);

impl Serial {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its characters in the case in which serials are compared.
    fn key(&self) -> impl Iterator<Item = u8> {
        self.0.bytes().map(|byte| byte.to_ascii_lowercase())
    }
}

impl FromStr for Serial {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let cleaned = text::clean(text, SERIAL_LIMIT);
        if cleaned.is_empty() {
            return Err(BadId::SerialEmpty);
        }
        if Placeholders::shipped().has_serial(&cleaned) {
            return Err(BadId::SerialPlaceholder);
        }
        Ok(Self(cleaned))
    }
}

impl PartialEq for Serial {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Serial {}

impl PartialOrd for Serial {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Serial {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(other.key())
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Characters of a serial. SMBIOS allows 64 (DSP0134 section 6.1.3); some firmware has more.
pub const SERIAL_LIMIT: usize = 128;
