//! The station's seal: an Ed25519 key (RFC 8032) that signs certificates. Anybody with the public key can verify
//! without a station that a certificate is the station's and unchanged.
//!
//! The file of a certificate is readable JSON: `certificate`, and `signature` with the public key. Its bytes are
//! canonical: with any other byte, even a space, it is not genuine.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use openssl::error::ErrorStack;
use openssl::pkey::{Id, PKey, Private, Public};
use openssl::sign::{Signer, Verifier};
use serde_json::{Value, json};

use crate::domain::batch::certificate::{Certificate, canonical};
use crate::domain::digest::Digest;

/// The key that signs.
pub struct Seal {
    key: PKey<Private>,
}

/// Why nothing can be signed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("{} cannot be read or made: {source}", file.display())]
    Io { file: PathBuf, source: io::Error },
    #[error("{} is no Ed25519 key", .0.display())]
    Damaged(PathBuf),
    #[error("a key cannot be made or used: {0}")]
    OpenSsl(#[from] ErrorStack),
    #[error("a certificate cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Why a file is not genuine.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotGenuine {
    #[error("it is not a certificate: {0}")]
    Unreadable(String),
    #[error("it was altered: this is not how a station writes it")]
    Altered,
    #[error("it was signed by another key, {0}")]
    OtherKey(String),
    #[error("it was altered: the signature does not fit")]
    Signature,
    #[error("the public key cannot be read: it is no Ed25519 key in PEM")]
    Key,
}

impl Seal {
    /// The key in `directory`. If there is none, one is created that only its owner may read.
    pub fn open(directory: &Path) -> Result<Self, SealError> {
        let file = directory.join(KEY);
        let io = |source| SealError::Io { file: file.clone(), source };
        match fs::read(&file) {
            Ok(pem) => {
                let key = PKey::private_key_from_pem(&pem).ok().filter(|key| key.id() == Id::ED25519);
                return Ok(Self { key: key.ok_or_else(|| SealError::Damaged(file.clone()))? });
            }
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            Err(err) => return Err(io(err)),
        }
        let key = PKey::generate_ed25519()?;
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(io)?;
        write(&directory.join(PUBLIC), &key.public_key_to_pem()?, 0o644).map_err(io)?;
        write(&file, &key.private_key_to_pem_pkcs8()?, 0o600).map_err(io)?;
        Ok(Self { key })
    }

    /// The public key, as PEM: with it anybody can verify.
    pub fn public_pem(&self) -> Result<Vec<u8>, SealError> {
        Ok(self.key.public_key_to_pem()?)
    }

    /// The SHA-256 of the public key, as DER (RFC 8410).
    pub fn fingerprint(&self) -> Result<Digest, SealError> {
        Ok(Digest::new(openssl::sha::sha256(&self.key.public_key_to_der()?)))
    }

    /// The file of a certificate: the same for the same facts.
    pub fn sign(&self, certificate: &Certificate) -> Result<String, SealError> {
        let certificate = serde_json::to_value(certificate)?;
        let signature =
            Signer::new_without_digest(&self.key)?.sign_oneshot_to_vec(canonical(&certificate).as_bytes())?;
        let key = hex(&self.key.raw_public_key()?);
        written(&whole_of(&certificate, &key, &hex(&signature))).map_err(SealError::Json)
    }
}

/// The certificate in `file`, if the station with this public key signed it and it is unchanged.
pub fn verify(file: &[u8], public_pem: &[u8]) -> Result<Certificate, NotGenuine> {
    let key: PKey<Public> = PKey::public_key_from_pem(public_pem).map_err(|_| NotGenuine::Key)?;
    let own = key.raw_public_key().map_err(|_| NotGenuine::Key)?;
    let unreadable = |err: serde_json::Error| NotGenuine::Unreadable(err.to_string());
    let whole: Value = serde_json::from_slice(file).map_err(unreadable)?;
    let (certificate, signature) = (&whole["certificate"], &whole["signature"]);
    let word = |name: &str| signature[name].as_str().unwrap_or_default();
    if certificate.is_null() || word("algorithm") != ALGORITHM {
        return Err(NotGenuine::Unreadable("it has no certificate with an Ed25519 signature".into()));
    }
    // Only the content of `certificate` is signed: nothing else may be beside it.
    let signed = whole_of(certificate, word("public_key"), word("value"));
    if written(&signed).map_err(unreadable)?.as_bytes() != file {
        return Err(NotGenuine::Altered);
    }
    if word("public_key") != hex(&own) {
        return Err(NotGenuine::OtherKey(word("public_key").chars().take(16).collect()));
    }
    // Upper-case digits would be the same octets in another file.
    let value = octets(word("value")).filter(|value| hex(value) == word("value")).ok_or(NotGenuine::Signature)?;
    let is_genuine = Verifier::new_without_digest(&key)
        .and_then(|mut verifier| verifier.verify_oneshot(&value, canonical(certificate).as_bytes()));
    if !is_genuine.unwrap_or(false) {
        return Err(NotGenuine::Signature);
    }
    serde_json::from_value(certificate.clone()).map_err(unreadable)
}

fn whole_of(certificate: &Value, public_key: &str, value: &str) -> Value {
    let signature = json!({ "algorithm": ALGORITHM, "public_key": public_key, "value": value });
    json!({ "certificate": certificate, "signature": signature })
}

fn written(whole: &Value) -> serde_json::Result<String> {
    serde_json::to_string_pretty(whole).map(|text| text + "\n")
}

/// Writes a file completely or not at all, and never over another.
fn write(file: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let fresh = file.with_extension("new");
    match fs::remove_file(&fresh) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
        Ok(()) | Err(_) => {}
    }
    let mut open = OpenOptions::new().write(true).create_new(true).mode(mode).open(&fresh)?;
    open.write_all(content)?;
    open.sync_all()?;
    fs::rename(&fresh, file)
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn octets(hex: &str) -> Option<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).ok().filter(|pair| pair.len() == 2));
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

const ALGORITHM: &str = "Ed25519";
/// The private key, and its public half, below the directory.
const KEY: &str = "key.pem";
pub const PUBLIC: &str = "public.pem";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::domain::batch::certificate::{CertifiedBy, CertifiedStep, FORMAT, FORMATS, Proof};
    use crate::domain::ids::NodeId;

    fn certificate() -> Certificate {
        Certificate {
            format: FORMAT.into(),
            node: NodeId(7),
            name: "press-07 \"ü\"".into(),
            serial: "PF3K0001".parse().ok(),
            uuid: None,
            macs: "52:54:00:00:00:01".parse().into_iter().collect(),
            hostname: None,
            manufacturer: None,
            product: None,
            inventory: Default::default(),
            disks: Vec::new(),
            profile: "demo".parse().expect("a profile"),
            run: "000102030405060708090a0b0c0d0e0f".parse().expect("a run"),
            proof: Proof::ReadBack,
            image: None,
            configuration_sha256: None,
            verity_root_hash: None,
            steps: vec![CertifiedStep {
                stage: "seen".into(),
                at: "2026-11-23T14:02:11.000Z".into(),
                took_ms: Some(121_000),
            }],
            started: "2026-11-23T14:02:12.000Z".into(),
            ended: "2026-11-23T14:04:12.000Z".into(),
            batch: None,
            station: CertifiedBy { software: "oxbow 0.1.0".into(), host: "bench-2".into(), key_sha256: None },
        }
    }

    #[test]
    fn a_certificate_is_verified_elsewhere_with_the_public_key_alone() {
        let directory = tempfile::TempDir::new().expect("a directory");
        let place = directory.path().join("seal");
        let file = Seal::open(&place).expect("a new one").sign(&certificate()).expect("signed");
        let again = Seal::open(&place).expect("the same").sign(&certificate()).expect("signed");
        assert_eq!(file, again, "the same facts, the same file");
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!((mode(&place), mode(&place.join(KEY))), (0o700, 0o600));
        let public = fs::read(place.join(PUBLIC)).expect("the public key");
        fs::remove_dir_all(&place).expect("the station is elsewhere");
        assert_eq!(verify(file.as_bytes(), &public), Ok(certificate()));
    }

    #[test]
    fn a_certificate_with_one_byte_altered_or_left_out_does_not_verify() {
        let directory = tempfile::TempDir::new().expect("a directory");
        let seal = Seal::open(directory.path()).expect("a new one");
        let file = seal.sign(&certificate()).expect("signed").into_bytes();
        let public = seal.public_pem().expect("a key");
        assert!(verify(&file, &public).is_ok());
        for at in 0..file.len() {
            for altered in [file[at] ^ 1, file[at] ^ 0x20, file[at].wrapping_add(1), b' ', b'0'] {
                let mut other = file.clone();
                other[at] = altered;
                assert!(other == file || verify(&other, &public).is_err(), "byte {at} as {altered}");
            }
            let shorter = [&file[..at], &file[at + 1..]].concat();
            assert!(verify(&shorter, &public).is_err(), "without byte {at}");
        }
        assert!(verify(&[&file[..], b"\n"].concat(), &public).is_err(), "one byte more");
    }

    #[test]
    fn what_somebody_adds_beside_a_certificate_however_neatly_makes_it_no_stations() {
        let directory = tempfile::TempDir::new().expect("a directory");
        let seal = Seal::open(directory.path()).expect("a new one");
        let (file, public) = (seal.sign(&certificate()).expect("signed"), seal.public_pem().expect("a key"));
        let whole: Value = serde_json::from_str(&file).expect("JSON");
        for (place, name) in [("", "approved_by"), ("", "zone"), ("/signature", "note"), ("/certificate", "grade")] {
            let mut other = whole.clone();
            let object = other.pointer_mut(place).and_then(Value::as_object_mut).expect("an object");
            object.insert(name.into(), json!({ "serial": "PF3K9999" }));
            let other = written(&other).expect("JSON");
            assert!(verify(other.as_bytes(), &public).is_err(), "{name} in {place:?}");
        }
        let twice = file.replacen("{\n", "{\n  \"certificate\": {},\n", 1);
        assert_eq!(verify(twice.as_bytes(), &public), Err(NotGenuine::Altered), "a name that is there twice");
        for trailing in ["{}", " ", "\0", "\n\n"] {
            assert!(verify(format!("{file}{trailing}").as_bytes(), &public).is_err(), "{trailing:?} behind it");
        }
        let flat = whole.to_string();
        assert_eq!(verify(flat.as_bytes(), &public), Err(NotGenuine::Altered), "the same, spelled otherwise");
    }

    #[test]
    fn a_certificate_of_one_format_is_not_taken_for_one_of_another() {
        let (file, public) = (
            include_str!("../tests/fixtures/certificates/format-1.json"),
            include_bytes!("../tests/fixtures/certificates/format-1.pem"),
        );
        let newer = file.replace(FORMATS[0], FORMATS[1]);
        assert_eq!(verify(newer.as_bytes(), public), Err(NotGenuine::Signature));
    }

    #[test]
    fn a_certificate_of_the_first_format_verifies_as_ever_and_says_nothing_of_what_came_later() {
        let (file, public) = (
            include_bytes!("../tests/fixtures/certificates/format-1.json"),
            include_bytes!("../tests/fixtures/certificates/format-1.pem"),
        );
        let old = verify(file, public).expect("genuine");
        assert_eq!((old.format.as_str(), old.verity_root_hash, old.station.key_sha256), (FORMATS[0], None, None));
        assert_eq!(old.steps[0].took_ms, None);
        assert_eq!(old.batch.and_then(|batch| batch.operator).as_deref(), Some("Kim"));
    }

    #[test]
    fn the_fingerprint_in_a_certificate_is_that_of_the_public_key_as_other_programs_reckon_it() {
        let directory = tempfile::TempDir::new().expect("a directory");
        let seal = Seal::open(directory.path()).expect("a new one");
        let file = directory.path().join(PUBLIC);
        let openssl = "openssl pkey -pubin -outform DER -in \"$0\" | sha256sum";
        let said = std::process::Command::new("sh").args(["-c", openssl]).arg(file).output().expect("openssl");
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert_eq!(said.split_whitespace().next(), Some(seal.fingerprint().expect("a key").to_string().as_str()));
    }

    #[test]
    fn what_another_station_signed_is_not_this_ones() {
        let [one, two] = [(), ()].map(|()| tempfile::TempDir::new().expect("a directory"));
        let [one, two] = [one, two].map(|place| Seal::open(place.path()).expect("a new one"));
        let (file, public) = (two.sign(&certificate()).expect("signed"), one.public_pem().expect("a key"));
        assert!(matches!(verify(file.as_bytes(), &public), Err(NotGenuine::OtherKey(_))));
        // Its name for ours does not help it.
        let key = |seal: &Seal| hex(&seal.key.raw_public_key().expect("a key"));
        let claimed = file.replace(&key(&two), &key(&one));
        assert_eq!(verify(claimed.as_bytes(), &public), Err(NotGenuine::Signature));
        assert_eq!(verify(file.as_bytes(), b"no key"), Err(NotGenuine::Key));
    }
}
