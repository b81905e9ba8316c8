//! What things are called: newtypes that can only hold a usable value. A placeholder serial has no type.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::placeholder::Placeholders;
use crate::domain::text;

/// Why a text is not the identifier it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    #[error("a MAC address is six pairs of hex digits, as 52:54:00:12:34:56")]
    MacForm,
    #[error("this MAC address is a group address, no machine has it")]
    MacGroup,
    #[error("this MAC address is all zeros")]
    MacZero,
    #[error("the serial is empty")]
    SerialEmpty,
    #[error("the serial is a placeholder that many machines share")]
    SerialPlaceholder,
    #[error("a UUID is 32 hex digits, as 4c4c4544-0042-4a10-8052-b7c04f4d3432")]
    UuidForm,
    #[error("the UUID is a placeholder that many machines share")]
    UuidPlaceholder,
    #[error("a profile name is 1 to 64 of a-z, 0-9, `-`, `_` and `.`, and starts with a letter or digit")]
    ProfileForm,
    #[error("a run is named by 32 hex digits")]
    RunForm,
    #[error("a host name is made of a-z, 0-9 and `-`, with dots between its parts of at most 63")]
    HostnameForm,
}

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

/// Exactly `N` bytes from `2 * N` hex digits of either case.
pub(crate) fn hex_bytes<const N: usize>(digits: &str) -> Option<[u8; N]> {
    if digits.len() != N * 2 || !digits.is_ascii() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

/// A UUID with its first three fields in the other byte order (SMBIOS 2.6 section 7.2.1).
pub(crate) fn other_byte_order(octets: [u8; 16]) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h, rest @ ..] = octets;
    let mut swapped = [d, c, b, a, f, e, h, g, 0, 0, 0, 0, 0, 0, 0, 0];
    swapped[8..].copy_from_slice(&rest);
    swapped
}

/// Reads an identifier that was stored or sent. One that this program takes for a placeholder, because its list has
/// grown since, is none: it must not cost the rest of what was stored.
pub(crate) fn if_usable<'de, D: Deserializer<'de>, T: FromStr>(from: D) -> Result<Option<T>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.and_then(|text| text.parse().ok()))
}

/// Characters of a serial. SMBIOS allows 64 (DSP0134 section 6.1.3); some firmware has more.
pub const SERIAL_LIMIT: usize = 128;

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
