//! TLS 1.3 to a station whose authority's digest stands on the kernel's command line.
//!
//! ```text
//! GET http://…/ca.der ─► digest as told? ─► the one root ─► handshake: signed by it, for the station's address
//! ```
//!
//! Validity dates are ignored. A bench machine's clock may be years off, and a certificate rejected for its dates would
//! only keep a good machine from being installed. Dates protect against stolen keys; here the trust is only as old as
//! this boot, which named the authority.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::ring::{cipher_suite, kx_group};
use rustls::crypto::{
    CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, WebPkiSupportedAlgorithms, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::SigningKey;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    StreamOwned,
};
use sha2::{Digest as _, Sha256};
use webpki::ring::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256_LEGACY_KEY};

use crate::agent::boot_args::{HttpUrl, Trust};
use crate::domain::digest::Digest;

/// A TLS connection.
pub(crate) type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// Opens TLS connections to the station and verifies its certificate.
pub(crate) struct TlsConnector {
    trust: Trust,
    /// Fetches the authority's certificate by plain HTTP.
    fetch: Box<FetchCertificate>,
    /// Built once the authority's certificate is known.
    config: Mutex<Option<Arc<ClientConfig>>>,
}

/// Fetches the certificate (DER) at a URL.
pub(crate) type FetchCertificate = dyn Fn(&HttpUrl) -> io::Result<Vec<u8>> + Send + Sync;

impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConnector").field("trust", &self.trust).finish_non_exhaustive()
    }
}

/// Why the peer at the station's address is not trusted. It travels inside an [`io::Error`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PeerUntrusted {
    #[error(
        "the certificate at {place} has digest {found}…, but this machine trusts only {trusted}…: another station \
         may be on this network, or the station was set up again; restart the machine to boot from the current one"
    )]
    AnotherAuthority { place: String, found: String, trusted: String },
    #[error("{place} is not a certificate ({reason}): set up the station's HTTPS again")]
    NoAuthority { place: String, reason: String },
    #[error(
        "{station} shows a certificate that the station's authority ({trusted}…) did not sign: look for another station \
         with this address on this network"
    )]
    NotSigned { station: IpAddr, trusted: String },
    #[error(
        "{station} shows a certificate for another address: restart the station so that it certifies its current address"
    )]
    AnotherAddress { station: IpAddr },
    #[error("TLS with {station} fails: {reason}")]
    Tls { station: IpAddr, reason: String },
}

impl TlsConnector {
    pub(crate) fn new(trust: Trust, fetch: Box<FetchCertificate>) -> Self {
        Self { trust, fetch, config: Mutex::default() }
    }

    /// Does the TLS handshake on `stream`, whose timeouts are set. Success means that the peer is the station at this
    /// address.
    pub(crate) fn secure(&self, mut stream: TcpStream, station: IpAddr) -> io::Result<TlsStream> {
        let untrusted = |error: &Error| io::Error::other(self.untrusted(station, error));
        let name = ServerName::IpAddress(station.into());
        let mut tls = ClientConnection::new(self.config()?, name).map_err(|error| untrusted(&error))?;
        while tls.is_handshaking() {
            tls.complete_io(&mut stream).map_err(|error| {
                let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
                inner.map(untrusted).unwrap_or(error)
            })?;
        }
        Ok(StreamOwned::new(tls, stream))
    }

    fn config(&self) -> io::Result<Arc<ClientConfig>> {
        let mut config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = &*config {
            return Ok(config.clone());
        }
        let authority = match &self.trust.place {
            Some(place) => AuthorityCert::Known(self.authority(place)?),
            None => AuthorityCert::Shown(self.trust.ca),
        };
        let fresh = Arc::new(trusting(authority).map_err(io::Error::other)?);
        *config = Some(fresh.clone());
        Ok(fresh)
    }

    /// The authority's certificate, fetched by plain HTTP and accepted if its digest is the trusted one.
    fn authority(&self, place: &HttpUrl) -> io::Result<RootCertStore> {
        let ca = self.trust.ca;
        let certificate = (self.fetch)(place)?;
        let found = digest(&certificate);
        if found != ca {
            let (place, found, trusted) = (place.to_string(), found.short(), ca.short());
            return Err(io::Error::other(PeerUntrusted::AnotherAuthority { place, found, trusted }));
        }
        roots(certificate.into()).map_err(|error| {
            io::Error::other(PeerUntrusted::NoAuthority { place: place.to_string(), reason: error.to_string() })
        })
    }

    fn untrusted(&self, station: IpAddr, error: &Error) -> PeerUntrusted {
        let trusted = self.trust.ca.short();
        match error {
            Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
                PeerUntrusted::NotSigned { station, trusted }
            }
            Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => PeerUntrusted::AnotherAddress { station },
            error => PeerUntrusted::Tls { station, reason: error.to_string() },
        }
    }
}

fn digest(certificate: &[u8]) -> Digest {
    Digest::new(Sha256::digest(certificate).into())
}

fn roots(certificate: CertificateDer<'_>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).map(|()| roots)
}

/// TLS that believes only what `root` vouches for.
fn trusting(root: AuthorityCert) -> Result<ClientConfig, Error> {
    let provider = provider();
    let judge = Judge { root, algorithms: provider.signature_verification_algorithms };
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(judge))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Few ways to do it, all of them good: whatever is not named here is not in the agent's file.
fn provider() -> CryptoProvider {
    let (aes, chacha) = (cipher_suite::TLS13_AES_128_GCM_SHA256, cipher_suite::TLS13_CHACHA20_POLY1305_SHA256);
    // The station has its own order. Without instructions for it, AES is the slow one.
    let cipher_suites = if has_aes() { vec![aes] } else { vec![chacha, aes] };
    CryptoProvider {
        cipher_suites,
        kx_groups: vec![kx_group::X25519],
        signature_verification_algorithms: ALGORITHMS,
        secure_random: &Means,
        key_provider: &Means,
    }
}

/// Of what `rustls` wants of its surroundings, what a client without a certificate of its own needs.
#[derive(Debug)]
struct Means;

impl SecureRandom for Means {
    fn fill(&self, room: &mut [u8]) -> Result<(), GetRandomFailed> {
        let read = File::open("/dev/urandom").and_then(|mut source| source.read_exact(room));
        read.map_err(|_| GetRandomFailed)
    }
}

impl KeyProvider for Means {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Err(Error::General("this side has no key".to_owned()))
    }
}

/// The station has a certificate with an RSA key whatever else it has. The curve P-256 alone would be a tenth of the agent.
const ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256_LEGACY_KEY],
    mapping: &[
        (SignatureScheme::RSA_PSS_SHA256, &[RSA_PSS_2048_8192_SHA256_LEGACY_KEY]),
        (SignatureScheme::RSA_PKCS1_SHA256, &[RSA_PKCS1_2048_8192_SHA256]),
    ],
};

#[cfg(target_arch = "x86_64")]
fn has_aes() -> bool {
    std::is_x86_feature_detected!("aes")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_aes() -> bool {
    true
}

/// The authority's certificate.
#[derive(Debug)]
enum AuthorityCert {
    Known(RootCertStore),
    /// The one of this digest, among those that are shown.
    Shown(Digest),
}

/// Says whether a certificate is the station's: signed by the authority, for the address that was dialled.
#[derive(Debug)]
struct Judge {
    root: AuthorityCert,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Judge {
    fn is_signed(
        &self,
        cert: &ParsedCertificate<'_>,
        others: &[CertificateDer<'_>],
        at: UnixTime,
    ) -> Result<(), Error> {
        let shown;
        let roots = match &self.root {
            AuthorityCert::Known(roots) => roots,
            AuthorityCert::Shown(ca) => {
                let ours = others.iter().find(|other| digest(other) == *ca);
                shown = roots(ours.cloned().ok_or(CertificateError::UnknownIssuer)?)?;
                &shown
            }
        };
        verify_server_cert_signed_by_trust_anchor(cert, roots, others, at, self.algorithms.all)
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let cert = ParsedCertificate::try_from(certificate)?;
        // Judged at a time it is valid at, whatever this machine's clock says.
        match self.is_signed(&cert, others, now) {
            Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after: valid, .. }))
            | Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before: valid, .. })) => {
                self.is_signed(&cert, others, valid)?;
            }
            judged => judged?,
        }
        verify_server_name(&cert, name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not supported".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
