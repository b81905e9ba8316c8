//! How machines reach the station by HTTPS, and whom they trust there.

use crate::domain::digest::Digest;

/// The station's HTTPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Https {
    /// As `https://10.77.0.1`; no slash at the end.
    pub base_url: String,
    /// The SHA-256 of the certificate (in DER) of the station's own authority, which vouches for it.
    pub ca: Digest,
}
