//! The station's own certificate authority. Machines are told to trust it, some by hand: it is never replaced in silence.

use std::path::{Path, PathBuf};
use std::{fs, io};

use openssl::asn1::{Asn1Integer, Asn1Time, Asn1TimeRef};
use openssl::bn::{BigNum, MsbOption};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{BasicConstraints, KeyUsage, SubjectKeyIdentifier};
use openssl::x509::{X509, X509NameBuilder, X509Ref};
use sha2::{Digest as _, Sha256};
use tracing::{info, warn};

use super::private_files;
use crate::boot::signature_list;
use crate::domain::digest::Digest;
use crate::domain::time::Timestamp;

/// A certificate that vouches for the station, and its key.
pub struct Authority {
    certificate: X509,
    key: PKey<Private>,
    der: Vec<u8>,
}

/// Why there is no HTTPS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{} cannot be read: {source}", file.display())]
    Unreadable { file: PathBuf, source: io::Error },
    #[error("{} is damaged: {source}", file.display())]
    Damaged { file: PathBuf, source: ErrorStack },
    #[error("ca.key in {} is not the key of ca.pem", .0.display())]
    Mismatched(PathBuf),
    #[error("the station's certificate authority in {} has expired, or the station's clock is wrong", .0.display())]
    Expired(PathBuf),
    #[error("{} cannot be written: {source}", file.display())]
    Unwritable { file: PathBuf, source: io::Error },
    #[error("certificates cannot be made: {0}")]
    OpenSsl(#[from] ErrorStack),
}

impl TlsError {
    /// What a person can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } | Self::Damaged { .. } | Self::Mismatched(_) => {
                "put ca.pem and ca.key back from a copy and start oxbow again; without one move the directory away: the \
                 next start makes a new authority, and machines must be enrolled again"
            }
            Self::Expired(_) => {
                "set the clock; if it is right, move the directory away and start oxbow again: that makes a new authority, \
                 and machines must be enrolled again"
            }
            Self::Unwritable { .. } => {
                "check that the data directory can be written and has room, then start oxbow again"
            }
            Self::OpenSsl(_) => "see whether OpenSSL works here (`openssl version -a`), then start oxbow again",
        }
    }
}

impl Authority {
    /// The authority in `directory`; if there is no such directory, a new one. What is there and cannot be used stays as
    /// it is, and is said.
    pub fn open(directory: &Path, now: Timestamp) -> Result<Self, TlsError> {
        if !directory.exists() {
            let authority = Self::make(now)?;
            authority.keep(directory).map_err(|source| TlsError::Unwritable { file: directory.to_owned(), source })?;
            info!(fingerprint = %authority.fingerprint(), "the station has a new certificate authority");
            return Ok(authority);
        }
        match private_files::keep_private(directory) {
            Ok(false) => {}
            Ok(true) => warn!("{} was open to others: it no longer is", directory.display()),
            Err(err) => warn!("who may look into {} cannot be said: {err}", directory.display()),
        }
        let (certificate, der) = certificate(directory)?;
        let file = directory.join(KEY);
        let pem = fs::read(&file).map_err(|source| TlsError::Unreadable { file: file.clone(), source })?;
        let key = PKey::private_key_from_pem(&pem).map_err(|source| TlsError::Damaged { file, source })?;
        if !certificate.public_key()?.public_eq(&key) {
            return Err(TlsError::Mismatched(directory.to_owned()));
        }
        if ends(&certificate)? <= now {
            return Err(TlsError::Expired(directory.to_owned()));
        }
        Ok(Self { certificate, key, der })
    }

    fn make(now: Timestamp) -> Result<Self, ErrorStack> {
        let key = PKey::from_rsa(Rsa::generate(KEY_BITS)?)?;
        let serial = serial()?;
        let mut name = X509NameBuilder::new()?;
        let number = serial.to_bn()?.to_hex_str()?.to_lowercase();
        name.append_entry_by_text("O", "oxbow")?;
        name.append_entry_by_text("CN", &format!("oxbow CA {}", &number[..number.len().min(8)]))?;
        let name = name.build();
        let mut builder = X509::builder()?;
        builder.set_version(VERSION_3)?;
        builder.set_serial_number(&serial)?;
        builder.set_subject_name(&name)?;
        builder.set_issuer_name(&name)?;
        builder.set_not_before(long_ago()?.as_ref())?;
        builder.set_not_after(asn1(now.after(LIFE))?.as_ref())?;
        builder.set_pubkey(&key)?;
        builder.append_extension(BasicConstraints::new().critical().ca().pathlen(0).build()?)?;
        builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
        let identifier = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?;
        builder.append_extension(identifier)?;
        builder.sign(&key, MessageDigest::sha256())?;
        let certificate = builder.build();
        let der = certificate.to_der()?;
        Ok(Self { certificate, key, der })
    }

    /// Both files come to be at once, with the directory: a power cut leaves no half of an authority.
    fn keep(&self, directory: &Path) -> io::Result<()> {
        let fresh = directory.with_extension("new");
        if fresh.exists() {
            fs::remove_dir_all(&fresh)?;
        }
        private_files::make_private(&fresh)?;
        private_files::write_secret(&fresh.join(KEY), &self.key.private_key_to_pem_pkcs8()?)?;
        private_files::write_secret(&fresh.join(CERTIFICATE), &self.certificate.to_pem()?)?;
        fs::rename(&fresh, directory)?;
        private_files::sync_parent(directory)
    }

    pub(super) fn certificate(&self) -> &X509Ref {
        &self.certificate
    }

    pub(super) fn key(&self) -> &PKey<Private> {
        &self.key
    }

    /// When it ends.
    pub(super) fn ends(&self) -> Result<Timestamp, ErrorStack> {
        ends(&self.certificate)
    }

    /// The SHA-256 of the certificate in DER.
    pub fn fingerprint(&self) -> Digest {
        Digest::new(Sha256::digest(&self.der).into())
    }

    /// The certificate as programs take it.
    pub fn exported(&self) -> Result<Exported, TlsError> {
        Ok(Exported::new(&self.certificate, &self.der)?)
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authority({})", self.fingerprint())
    }
}

/// The authority's certificate for those who are to trust it; its key is not in here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    pem: Vec<u8>,
    der: Vec<u8>,
    esl: Vec<u8>,
    pub fingerprint: Digest,
    /// Whom it names, as `oxbow CA 12ab34cd`.
    pub name: String,
    /// From when to when it holds, as `Jan  1 00:00:00 1980 GMT`.
    pub validity: [String; 2],
}

/// In which form the certificate is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateFormat {
    /// For curl and most programs.
    Pem,
    /// For most firmware's setup.
    Der,
    /// An EFI signature list, for firmware that takes those.
    Esl,
}

impl std::str::FromStr for CertificateFormat {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word {
            "pem" => Ok(Self::Pem),
            "der" => Ok(Self::Der),
            "esl" => Ok(Self::Esl),
            _ => Err(()),
        }
    }
}

impl CertificateFormat {
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Pem => "application/x-pem-file",
            Self::Der => "application/pkix-cert",
            Self::Esl => "application/octet-stream",
        }
    }
}

impl Exported {
    pub fn form(&self, format: CertificateFormat) -> &[u8] {
        match format {
            CertificateFormat::Pem => &self.pem,
            CertificateFormat::Der => &self.der,
            CertificateFormat::Esl => &self.esl,
        }
    }

    /// The certificate in `directory`, whether or not its key is there.
    pub fn read(directory: &Path) -> Result<Self, TlsError> {
        let (certificate, der) = certificate(directory)?;
        Ok(Self::new(&certificate, &der)?)
    }

    fn new(certificate: &X509Ref, der: &[u8]) -> Result<Self, ErrorStack> {
        let name = certificate.subject_name().entries_by_nid(openssl::nid::Nid::COMMONNAME).next();
        let name = name.and_then(|entry| entry.data().to_string().ok()).unwrap_or_default();
        Ok(Self {
            pem: certificate.to_pem()?,
            der: der.to_vec(),
            esl: signature_list::of(der),
            fingerprint: Digest::new(Sha256::digest(der).into()),
            name,
            validity: [certificate.not_before().to_string(), certificate.not_after().to_string()],
        })
    }
}

fn certificate(directory: &Path) -> Result<(X509, Vec<u8>), TlsError> {
    let file = directory.join(CERTIFICATE);
    let pem = fs::read(&file).map_err(|source| TlsError::Unreadable { file: file.clone(), source })?;
    let certificate = X509::from_pem(&pem).map_err(|source| TlsError::Damaged { file, source })?;
    let der = certificate.to_der()?;
    Ok((certificate, der))
}

/// 127 random bits: never the same twice, and positive.
pub(super) fn serial() -> Result<Asn1Integer, ErrorStack> {
    let mut number = BigNum::new()?;
    number.rand(127, MsbOption::ONE, false)?;
    number.to_asn1_integer()
}

/// From when on certificates hold. A machine whose clock has lost its battery believes that it is the year 2000, or 1980.
pub(super) fn long_ago() -> Result<Asn1Time, ErrorStack> {
    Asn1Time::from_unix(EPOCH_OF_PCS)
}

pub(super) fn asn1(moment: Timestamp) -> Result<Asn1Time, ErrorStack> {
    Asn1Time::from_unix(i64::try_from(moment.as_millis() / 1000).unwrap_or(i64::MAX))
}

pub(super) fn ends(certificate: &X509Ref) -> Result<Timestamp, ErrorStack> {
    moment(certificate.not_after())
}

fn moment(time: &Asn1TimeRef) -> Result<Timestamp, ErrorStack> {
    let since = Asn1Time::from_unix(0)?.diff(time)?;
    let seconds = i64::from(since.days) * 86_400 + i64::from(since.secs);
    Ok(Timestamp::from_millis(u64::try_from(seconds).unwrap_or_default() * 1000))
}

/// `v3`, as it is counted in the certificate.
pub(super) const VERSION_3: i32 = 2;
const CERTIFICATE: &str = "ca.pem";
const KEY: &str = "ca.key";
/// Good beyond 2030 (NIST SP 800-57 part 1, table 4), and what every firmware can check.
const KEY_BITS: u32 = 3072;
/// Twenty years: machines are enrolled once.
const LIFE: std::time::Duration = std::time::Duration::from_secs(20 * 365 * 86_400);
/// 1980-01-01.
const EPOCH_OF_PCS: i64 = 315_532_800;
