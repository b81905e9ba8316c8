//! Why a machine and the station do not come to speak TLS, in words for whoever stands before the machine.

use std::collections::BTreeMap;
use std::net::IpAddr;

use openssl::ssl::{Error, SslRef};

/// Why a handshake failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::service) enum HandshakeError {
    #[error(
        "it does not trust the station's certificate authority: enrol it there (`oxbow ca export`), or start it by PXE"
    )]
    Distrust,
    #[error("it takes the station's certificate for expired: set the machine's clock")]
    Clock,
    #[error(
        "it hung up on the station's certificate: it does not trust the station's certificate authority (enrol it there, \
         `oxbow ca export`), or its clock is wrong"
    )]
    HungUp,
    #[error("it knows none of the station's ciphers: update its firmware or its boot program")]
    NoCipher,
    #[error("it speaks no TLS that is new enough, 1.2: update its firmware or its boot program")]
    TooOld,
    #[error("it speaks plain HTTP on the port for HTTPS: correct its boot URL")]
    PlainHttp,
    #[error("it did not finish the TLS handshake in time: look at the network")]
    TooSlow,
    #[error("the TLS handshake failed: {0}")]
    Other(String),
}

impl HandshakeError {
    /// What `error` means. None if the other side had sent nothing, as a port scanner does.
    pub(in crate::service) fn of(error: &Error, ssl: &SslRef) -> Option<Self> {
        let Some(stack) = error.ssl_error() else { return has_spoken(ssl).then_some(Self::HungUp) };
        let reasons: Vec<i32> = stack.errors().iter().map(openssl::error::Error::reason_code).collect();
        let is = |known: &[i32]| reasons.iter().any(|reason| known.contains(reason));
        Some(match () {
            () if is(DISTRUST) => Self::Distrust,
            () if is(EXPIRED) => Self::Clock,
            () if is(NO_CIPHER) => Self::NoCipher,
            () if is(TOO_OLD) => Self::TooOld,
            () if is(PLAIN_HTTP) => Self::PlainHttp,
            () if is(END_OF_STREAM) => return has_spoken(ssl).then_some(Self::HungUp),
            () => Self::Other(stack.errors().iter().find_map(openssl::error::Error::reason).unwrap_or("?").to_owned()),
        })
    }

    /// What a timeout of the handshake means.
    pub(in crate::service) fn of_silence(ssl: &SslRef) -> Option<Self> {
        has_spoken(ssl).then_some(Self::TooSlow)
    }
}

/// Whether the other side has begun a handshake.
fn has_spoken(ssl: &SslRef) -> bool {
    let mut random = [0; 32];
    ssl.client_random(&mut random);
    random != [0; 32]
}

/// The machines with which it fails. Each is reported once, and again when it fails for another reason or has succeeded
/// meanwhile.
#[derive(Debug, Default)]
pub(in crate::service) struct HandshakeErrors {
    told: BTreeMap<IpAddr, HandshakeError>,
    failed: u64,
}

impl HandshakeErrors {
    /// Counts a failure. True if it is to be reported; when [`MOST`] machines fail at once, the others are only
    /// counted.
    pub(in crate::service) fn add(&mut self, machine: IpAddr, refusal: &HandshakeError) -> bool {
        self.failed += 1;
        if self.told.get(&machine) == Some(refusal) || (self.told.len() >= MOST && !self.told.contains_key(&machine)) {
            return false;
        }
        self.told.insert(machine, refusal.clone());
        true
    }

    /// The machine has succeeded. Whether it had failed before.
    pub(in crate::service) fn forgive(&mut self, machine: IpAddr) -> bool {
        self.told.remove(&machine).is_some()
    }

    /// For the services line: nothing, or which machines fail.
    pub(in crate::service) fn in_words(&self) -> Option<String> {
        let machines: Vec<String> = self.told.keys().take(SHOWN).map(ToString::to_string).collect();
        let more = self.told.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        (!machines.is_empty()).then(|| {
            let plural = if self.failed == 1 { "" } else { "s" };
            format!(
                "fails with {}{more}, {} handshake{plural} in all: see their logs",
                machines.join(", "),
                self.failed
            )
        })
    }
}

// Reasons of OpenSSL's library SSL (`openssl/sslerr.h`); those from 1000 on are the other side's alert (RFC 5246
// section 7.2, RFC 8446 section 6) with 1000 added.
/// bad_certificate, unsupported_certificate, certificate_unknown, unknown_ca.
const DISTRUST: &[i32] = &[1042, 1043, 1046, 1048];
const EXPIRED: &[i32] = &[1045];
/// No shared cipher, no suitable signature algorithm, and handshake_failure.
const NO_CIPHER: &[i32] = &[193, 118, 1040];
/// Unsupported protocol, version too low, and protocol_version.
const TOO_OLD: &[i32] = &[258, 396, 1070];
/// HTTP request; proxy request.
const PLAIN_HTTP: &[i32] = &[156, 155];
const END_OF_STREAM: &[i32] = &[294];
const MOST: usize = 256;
const SHOWN: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(last: u8) -> IpAddr {
        [10, 77, 0, last].into()
    }

    #[test]
    fn a_machine_is_told_of_once_until_something_changes() {
        let mut refusals = HandshakeErrors::default();
        let told = [HandshakeError::Distrust, HandshakeError::Distrust, HandshakeError::Clock]
            .map(|it| refusals.add(machine(1), &it));
        assert_eq!(told, [true, false, true]);
        assert_eq!(refusals.in_words().as_deref(), Some("fails with 10.77.0.1, 3 handshakes in all: see their logs"),);
        assert!(refusals.forgive(machine(1)) && !refusals.forgive(machine(1)));
        assert_eq!(refusals.in_words(), None);
        assert!(refusals.add(machine(1), &HandshakeError::Clock));
    }

    #[test]
    fn a_flood_is_counted_and_not_told() {
        let mut refusals = HandshakeErrors::default();
        let told = (0..=u16::MAX).filter(|n| {
            let [high, low] = n.to_be_bytes();
            refusals.add([10, 1, high, low].into(), &HandshakeError::HungUp)
        });
        assert_eq!(told.count(), MOST);
        let words = refusals.in_words().expect("some fail");
        assert!(words.contains("10.1.0.2 and 253 more, 65536 handshakes"), "{words}");
    }
}
