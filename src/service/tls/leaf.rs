//! The station's own certificate, of one kind of key.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName, SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509NameBuilder, X509Ref};

use super::authority::{Authority, VERSION_3, asn1, ends, long_ago, serial};
use crate::domain::time::Timestamp;

/// What kind of key the certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyKind {
    /// Every firmware takes it.
    Rsa,
    /// Ten times quicker for the station, for those who take it.
    Ecdsa,
}

/// A certificate and its key.
pub(super) struct Leaf {
    certificate: X509,
    key: PKey<Private>,
}

impl std::fmt::Debug for Leaf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Leaf(until {})", self.certificate.not_after())
    }
}

impl Leaf {
    /// The one in `file`, if it is of this authority, for this address, and not about to expire.
    pub(super) fn read(file: &Path, authority: &Authority, address: Ipv4Addr, now: Timestamp) -> Option<Self> {
        let pem = fs::read(file).ok()?;
        let leaf = Self { certificate: X509::from_pem(&pem).ok()?, key: PKey::private_key_from_pem(&pem).ok()? };
        let is_its_key = leaf.certificate.public_key().is_ok_and(|public| public.public_eq(&leaf.key));
        let is_ours = leaf.certificate.verify(authority.key()).unwrap_or(false);
        (is_its_key && is_ours && leaf.names(address) && !leaf.is_due(authority, now)).then_some(leaf)
    }

    pub(super) fn issue(
        kind: KeyKind,
        authority: &Authority,
        address: Ipv4Addr,
        now: Timestamp,
    ) -> Result<Self, ErrorStack> {
        let key = match kind {
            KeyKind::Rsa => PKey::from_rsa(Rsa::generate(2048)?)?,
            KeyKind::Ecdsa => {
                PKey::from_ec_key(EcKey::generate(EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?.as_ref())?)?
            }
        };
        let issuer = authority.certificate();
        let address = address.to_string();
        let mut name = X509NameBuilder::new()?;
        // EDK2 before 2019 looks for the address here.
        name.append_entry_by_text("CN", &address)?;
        let mut builder = X509::builder()?;
        builder.set_version(VERSION_3)?;
        let number = serial()?;
        builder.set_serial_number(&number)?;
        builder.set_subject_name(&name.build())?;
        builder.set_issuer_name(issuer.subject_name())?;
        builder.set_not_before(long_ago()?.as_ref())?;
        builder.set_not_after(asn1(now.after(LIFE).min(authority.ends()?))?.as_ref())?;
        builder.set_pubkey(&key)?;
        builder.append_extension(BasicConstraints::new().critical().build()?)?;
        let mut usage = KeyUsage::new();
        usage.critical().digital_signature();
        if kind == KeyKind::Rsa {
            usage.key_encipherment();
        }
        builder.append_extension(usage.build()?)?;
        builder.append_extension(ExtendedKeyUsage::new().server_auth().build()?)?;
        let context = builder.x509v3_context(Some(issuer), None);
        let ours = SubjectKeyIdentifier::new().build(&context)?;
        let theirs = AuthorityKeyIdentifier::new().keyid(true).build(&context)?;
        let names = SubjectAlternativeName::new().ip(&address).build(&context)?;
        for extension in [ours, theirs, names] {
            builder.append_extension(extension)?;
        }
        builder.sign(authority.key(), MessageDigest::sha256())?;
        Ok(Self { certificate: builder.build(), key })
    }

    /// Whether a new one is to be made: it ends within a year, and a new one would not.
    pub(super) fn is_due(&self, authority: &Authority, now: Timestamp) -> bool {
        let (Ok(its), Ok(authoritys)) = (ends(&self.certificate), authority.ends()) else { return true };
        its < now.after(AHEAD) && its < authoritys
    }

    fn names(&self, address: Ipv4Addr) -> bool {
        let names = self.certificate.subject_alt_names();
        names.is_some_and(|names| names.iter().any(|name| name.ipaddress() == Some(&address.octets()[..])))
    }

    pub(super) fn certificate(&self) -> &X509Ref {
        &self.certificate
    }

    pub(super) fn key(&self) -> &PKey<Private> {
        &self.key
    }

    /// Certificate and key in one file: they are replaced together.
    pub(super) fn to_pem(&self) -> Result<Vec<u8>, ErrorStack> {
        Ok([self.certificate.to_pem()?, self.key.private_key_to_pem_pkcs8()?].concat())
    }
}

/// Three years, and made anew in the last: a machine's clock may be a year ahead.
const LIFE: Duration = Duration::from_secs(3 * 365 * 86_400);
const AHEAD: Duration = Duration::from_secs(365 * 86_400);
