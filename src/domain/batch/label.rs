//! What the code on a machine's label says: who it is, in the words that scanners of labels know, and which certificate is
//! its own.
//!
//! ```text
//! S/N:PF3K0001;OXBOW1 7 9F86D081884C7D659A2FEAA0C55AD015
//! ```
//!
//! The serial is the one of the machine's maker, so that whatever scans such labels finds it; without one it is the first
//! MAC address. Behind the semicolon: the form, the node's number at its station, and the first 32 digits of the SHA-256 of
//! the certificate's file, as `sha256sum` says them. Capitals make a small code (ISO/IEC 18004, alphanumeric mode).

use crate::domain::digest::Digest;
use crate::domain::ids::{MacAddr, NodeId, Serial};

/// What begins the part that is ours; bench scanners pass it over.
pub const OURS: &str = "OXBOW1 ";

/// The words of the code.
pub fn text(serial: Option<&Serial>, macs: &[MacAddr], node: NodeId, certificate: Digest) -> String {
    let serial = serial.map(ToString::to_string).filter(|serial| !is_read_otherwise(serial));
    let who = match serial {
        // Several words are a serial only where no title is before them.
        Some(serial) if serial.contains(char::is_whitespace) => Some(serial),
        Some(serial) => Some(format!("S/N:{serial}")),
        None => macs.first().map(|mac| format!("MAC:{}", mac.to_string().to_ascii_uppercase())),
    };
    let who = who.map(|who| who + ";").unwrap_or_default();
    let digest = certificate.to_string().to_ascii_uppercase();
    format!("{who}{OURS}{node} {}", &digest[..DIGITS])
}

/// Whether a scanner would take it for something else: for more than one part, or, as several words stand there without a
/// title, for an address to be opened or for our own part.
fn is_read_otherwise(serial: &str) -> bool {
    let is_of_words = serial.contains(char::is_whitespace);
    serial.contains([',', ';', '|']) || is_of_words && (serial.contains(':') || serial.starts_with(OURS.trim_end()))
}

/// Of the certificate's digest: nobody makes another one with these.
const DIGITS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_says_the_serial_or_else_the_address_and_which_certificate() {
        let mac: MacAddr = "52:54:00:aa:00:01".parse().expect("an address");
        let says = |serial: Option<&str>| {
            let serial: Option<Serial> = serial.map(|serial| serial.parse().expect("a serial"));
            text(serial.as_ref(), &[mac], NodeId(7), Digest::new([0xab; 32]))
        };
        let ours = "OXBOW1 7 ABABABABABABABABABABABABABABABAB";
        assert_eq!(says(Some("PF3K0001")), format!("S/N:PF3K0001;{ours}"));
        assert_eq!(says(Some("PF 3K 01")), format!("PF 3K 01;{ours}"));
        assert_eq!(says(Some("a;b")), format!("MAC:52:54:00:AA:00:01;{ours}"));
        for hostile in ["https://evil.example/ x", "tel: 123", "OXBOW1 9 CDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCD"] {
            assert_eq!(says(Some(hostile)), format!("MAC:52:54:00:AA:00:01;{ours}"));
        }
        assert_eq!(says(Some("https://evil.example/")), format!("S/N:https://evil.example/;{ours}"));
        assert_eq!(says(None), format!("MAC:52:54:00:AA:00:01;{ours}"));
        assert_eq!(text(None, &[], NodeId(7), Digest::new([0xab; 32])), ours);
    }
}
