//! TLS: the station's own authority, the certificates it gives the station, and why a machine does not take them.
//!
//! ```text
//! DATA/tls/            0700
//!   ca.pem  ca.key     made once, kept for ever, never replaced by the program
//!   rsa.pem ecdsa.pem  the station's certificate and key, made anew for another address and long before they expire
//! ```
//! It is OpenSSL, and all of it: UEFI's HTTPS Boot offers RSA key exchange and DHE alone, which `rustls` has not, and an
//! iPXE before 2.0 takes no ECDSA certificate. So the authority's key is RSA, and the station has a certificate of each kind.

mod authority;
mod handshake_error;
mod leaf;
mod private_files;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use leaf::{KeyKind, Leaf};
use openssl::error::ErrorStack;
use openssl::ssl::{SslAcceptor, SslMethod, SslOptions};
use tracing::{info, warn};

use crate::domain::digest::Digest;
use crate::domain::time::Timestamp;

pub use authority::{Authority, CertificateFormat, Exported, TlsError};
pub(super) use handshake_error::{HandshakeError, HandshakeErrors};

/// What the station shows to machines that come by HTTPS.
#[derive(Debug)]
pub struct ServerTls {
    directory: PathBuf,
    address: Ipv4Addr,
    authority: Authority,
    shown: RwLock<ServedCertificates>,
}

/// The certificates that are in use.
#[derive(Clone)]
struct ServedCertificates {
    leaves: Arc<[Leaf; 2]>,
    acceptor: SslAcceptor,
}

impl std::fmt::Debug for ServedCertificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shown").field("leaves", &self.leaves).finish_non_exhaustive()
    }
}

impl ServerTls {
    /// The authority in `directory`, made if there is none, and its certificates for the station at `address`.
    pub fn open(directory: &Path, address: Ipv4Addr, now: Timestamp) -> Result<Self, TlsError> {
        let authority = Authority::open(directory, now)?;
        let leaf = |kind| {
            let kept = Leaf::read(&directory.join(file(kind)), &authority, address, now);
            kept.map_or_else(|| issued(directory, kind, &authority, address, now), Ok)
        };
        let shown = ServedCertificates::new([leaf(KeyKind::Rsa)?, leaf(KeyKind::Ecdsa)?], &authority)?;
        Ok(Self { directory: directory.to_owned(), address, authority, shown: RwLock::new(shown) })
    }

    /// The SHA-256 of the authority's certificate in DER: what machines are told to trust.
    pub fn fingerprint(&self) -> Digest {
        self.authority.fingerprint()
    }

    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// For one more machine.
    pub(super) fn acceptor(&self) -> SslAcceptor {
        self.shown.read().unwrap_or_else(PoisonError::into_inner).acceptor.clone()
    }

    /// Makes new certificates if those in use end within a year. Connections that are open keep theirs.
    pub fn renew(&self, now: Timestamp) -> Result<bool, TlsError> {
        let leaves = self.shown.read().unwrap_or_else(PoisonError::into_inner).leaves.clone();
        if leaves.iter().all(|leaf| !leaf.is_due(&self.authority, now)) {
            return Ok(false);
        }
        let leaf = |kind| issued(&self.directory, kind, &self.authority, self.address, now);
        let shown = ServedCertificates::new([leaf(KeyKind::Rsa)?, leaf(KeyKind::Ecdsa)?], &self.authority)?;
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = shown;
        Ok(true)
    }
}

/// A new certificate. One that cannot be kept is used all the same; the next start makes another.
fn issued(
    directory: &Path,
    kind: KeyKind,
    authority: &Authority,
    address: Ipv4Addr,
    now: Timestamp,
) -> Result<Leaf, TlsError> {
    let leaf = Leaf::issue(kind, authority, address, now)?;
    info!(?kind, %address, "the station has a new certificate");
    let path = directory.join(file(kind));
    if let Err(err) = private_files::write_secret(&path, &leaf.to_pem()?) {
        warn!("{} could not be written, it is made again at the next start: {err}", path.display());
    }
    Ok(leaf)
}

fn file(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Rsa => "rsa.pem",
        KeyKind::Ecdsa => "ecdsa.pem",
    }
}

impl ServedCertificates {
    fn new(leaves: [Leaf; 2], authority: &Authority) -> Result<Self, ErrorStack> {
        // TLS 1.2 and 1.3; parameters for DHE.
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
        acceptor.set_options(SslOptions::CIPHER_SERVER_PREFERENCE);
        acceptor.set_cipher_list(CIPHERS)?;
        for leaf in &leaves {
            acceptor.set_certificate(leaf.certificate())?;
            acceptor.set_private_key(leaf.key())?;
            acceptor.check_private_key()?;
        }
        // iPXE knows the authority by its fingerprint alone: the certificate itself has to come with the station's.
        acceptor.add_extra_chain_cert(authority.certificate().to_owned())?;
        Ok(Self { leaves: Arc::new(leaves), acceptor: acceptor.build() })
    }
}

/// For TLS 1.2, the best first. iPXE takes the ones with ECDHE, UEFI the ones with DHE; the last four, without forward
/// secrecy, are for firmware that has nothing else.
const CIPHERS: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
    ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
    ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:\
    DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-SHA256:DHE-RSA-AES256-SHA256:\
    AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA256:AES256-SHA256";

#[cfg(test)]
mod tests;
