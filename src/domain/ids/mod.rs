//! What things are called: newtypes that can only hold a usable value. A placeholder serial has no type.

mod bad_id;
mod hex;
mod mac;
pub mod placeholder;
mod serial;
mod uuid;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

pub use self::bad_id::BadId;
pub(crate) use self::hex::hex_bytes;
pub use self::mac::MacAddr;
pub use self::serial::{SERIAL_LIMIT, Serial};
pub use self::uuid::SystemUuid;

/// The number a node keeps for as long as this station knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The name of an OS profile: the name of its file without `.toml`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProfileId(String);

impl ProfileId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProfileId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
        let starts = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        if starts && text.len() <= 64 && text.chars().all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadId::ProfileForm)
        }
    }
}

impl fmt::Display for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a node's own operating system is to be called on the network (RFC 1123 section 2.1), in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hostname(String);

impl Hostname {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Hostname {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let name = text.trim().to_ascii_lowercase();
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let is_part = |part: &str| {
            (1..=63).contains(&part.len()) && part.chars().all(fits) && !part.starts_with('-') && !part.ends_with('-')
        };
        if name.len() <= 253 && name.split('.').all(is_part) { Ok(Self(name)) } else { Err(BadId::HostnameForm) }
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One attempt of one machine. It is also the token the machine's agent shows: 128 random bits, as 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId([u8; 16]);

impl RunId {
    pub fn new(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// The first eight digits: enough to tell a node's runs apart where people read, and no token.
    pub fn short(self) -> String {
        self.0[..4].iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

impl FromStr for RunId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        hex_bytes(text).map(Self).ok_or(BadId::RunForm)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// These types are written as text wherever they are stored or sent, and shown as text when debugged.
macro_rules! travels_as_text {
    ($($id:ty),*) => {$(
        impl TryFrom<String> for $id {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> {
                text.parse()
            }
        }
        impl From<$id> for String {
            fn from(id: $id) -> String {
                id.to_string()
            }
        }
        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    )*};
}
travels_as_text!(MacAddr, Serial, SystemUuid, ProfileId, Hostname, RunId);

/// Reads an identifier that was stored or sent. One that this program takes for a placeholder, because its list has
/// grown since, is none: it must not cost the rest of what was stored.
pub(crate) fn if_usable<'de, D: Deserializer<'de>, T: FromStr>(from: D) -> Result<Option<T>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.and_then(|text| text.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_address_is_read_in_every_spelling_people_use() {
        for text in ["52:54:00:AB:cd:01", "52-54-00-ab-cd-01", "5254.00ab.cd01", "525400abcd01", " 52:54:00:ab:cd:01 "]
        {
            assert_eq!(
                text.parse::<MacAddr>().map(|mac| mac.to_string()),
                Ok("52:54:00:ab:cd:01".to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn addresses_no_machine_has_are_refused_with_the_reason() {
        assert_eq!("ff:ff:ff:ff:ff:ff".parse::<MacAddr>(), Err(BadId::MacGroup));
        assert_eq!("00:00:00:00:00:00".parse::<MacAddr>(), Err(BadId::MacZero));
        assert_eq!("52:54:00".parse::<MacAddr>(), Err(BadId::MacForm));
    }

    #[test]
    fn placeholder_serials_identify_nobody() {
        for text in ["To Be Filled By O.E.M.", "Default string", "0123456789", "0000000", "xxxxx"] {
            assert_eq!(text.parse::<Serial>(), Err(BadId::SerialPlaceholder), "{text}");
        }
        assert_eq!("  ".parse::<Serial>(), Err(BadId::SerialEmpty));
    }

    #[test]
    fn a_host_name_is_one_the_network_can_have() {
        assert_eq!("Press-07.Bench".parse::<Hostname>().map(String::from), Ok("press-07.bench".into()));
        for text in ["", "press 07", "-press", "press_07", "press..07", &"p".repeat(64)] {
            assert_eq!(text.parse::<Hostname>(), Err(BadId::HostnameForm), "{text}");
        }
    }

    #[test]
    fn serials_are_one_machine_in_either_case() {
        assert_eq!("abC-1".parse::<Serial>(), "ABC-1".parse::<Serial>());
    }

    #[test]
    fn both_byte_orders_of_a_uuid_are_one_machine() {
        let printed: SystemUuid = "4c4c4544-0042-4a10-8052-b7c04f4d3432".parse().expect("a UUID");
        let sent: SystemUuid = "44454c4c-4200-104a-8052-b7c04f4d3432".parse().expect("a UUID");
        assert_eq!(printed.swapped(), sent);
        assert_eq!(printed.canonical(), sent.canonical());
    }

    #[test]
    fn shared_uuids_are_placeholders() {
        for text in [
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "03000200-0400-0500-0006-000700080009",
        ] {
            assert_eq!(text.parse::<SystemUuid>(), Err(BadId::UuidPlaceholder), "{text}");
        }
    }
}
