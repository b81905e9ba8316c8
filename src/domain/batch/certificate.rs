//! The birth certificate of a unit: what was proven of one machine, in the form in which the station signs it.
//!
//! The canonical text is JSON without spaces, keys in order, no numbers but whole ones (a subset of RFC 8785): the same
//! facts are the same bytes on every machine.

use serde::{Deserialize, Serialize};

use crate::domain::batch::unit::{DiskFact, ImageFact, StageReached, Unit, UnitState};
use crate::domain::digest::Digest;
use crate::domain::ids::{Hostname, MacAddr, NodeId, ProfileId, RunId, Serial, SystemUuid};
use crate::domain::machine::inventory::Inventory;
use crate::domain::time::Timestamp;

/// What is attested. Moments are in UTC, as `2026-11-23T14:02:11.000Z`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// [`FORMAT`].
    pub format: String,
    pub node: NodeId,
    pub name: String,
    pub serial: Option<Serial>,
    pub uuid: Option<SystemUuid>,
    pub macs: Vec<MacAddr>,
    pub hostname: Option<Hostname>,
    pub manufacturer: Option<String>,
    pub product: Option<String>,
    pub inventory: Inventory,
    pub disks: Vec<DiskFact>,
    pub profile: ProfileId,
    pub run: RunId,
    pub proof: Proof,
    pub image: Option<ImageFact>,
    /// Of the manifest of what followed the image, as it was read back.
    pub configuration_sha256: Option<Digest>,
    /// dm-verity's root hash (SHA-256), where the system on the disk was sealed. Since format 2.
    #[serde(default)]
    pub verity_root_hash: Option<Digest>,
    pub steps: Vec<CertifiedStep>,
    pub started: String,
    pub ended: String,
    pub batch: Option<CertifiedOrder>,
    pub station: CertifiedBy,
}

/// On what it rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// The disk was read back, and has the digest that it must have.
    ReadBack,
    /// The installer's word alone.
    InstallerSaidDone,
    #[serde(other)]
    Unknown,
}

impl Proof {
    pub fn in_words(self) -> &'static str {
        match self {
            Self::ReadBack => "its disk was read back",
            Self::InstallerSaidDone => "its installer said that it is done; nobody has read the disk",
            Self::Unknown => "by a proof that this oxbow does not know",
        }
    }
}

/// When a stage was first reached, and how long it was until the next one or the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertifiedStep {
    pub stage: String,
    pub at: String,
    /// Since format 2.
    #[serde(default)]
    pub took_ms: Option<u64>,
}

/// For whom it was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertifiedOrder {
    pub number: u32,
    pub name: String,
    pub work_order: Option<String>,
    pub operator: Option<String>,
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertifiedBy {
    /// `oxbow 0.1.0`.
    pub software: String,
    pub host: String,
    /// The SHA-256 of its public key, as DER: who holds that key elsewhere can compare it by eye. Since format 2.
    #[serde(default)]
    pub key_sha256: Option<Digest>,
}

impl Certificate {
    /// The certificate of `unit`; none if it has not its system.
    pub fn of(unit: &Unit, batch: Option<CertifiedOrder>, station: CertifiedBy) -> Option<Self> {
        let proof = match unit.standing {
            UnitState::Provisioned => Proof::ReadBack,
            UnitState::Installed => Proof::InstallerSaidDone,
            UnitState::Failed | UnitState::AtWork | UnitState::Waiting | UnitState::Missing => return None,
        };
        let run = unit.run.as_ref()?;
        let step = |(place, reached): (usize, &StageReached)| CertifiedStep {
            stage: reached.stage.word().to_owned(),
            at: moment(reached.at),
            took_ms: run.took(place),
        };
        Some(Self {
            format: FORMAT.into(),
            node: unit.node,
            name: unit.name.clone(),
            serial: unit.serial.clone(),
            uuid: unit.uuid,
            macs: unit.macs.clone(),
            hostname: unit.hostname.clone(),
            manufacturer: unit.manufacturer.clone(),
            product: unit.product.clone(),
            inventory: unit.inventory.clone(),
            disks: unit.disks.clone(),
            profile: run.profile.clone(),
            run: run.id,
            proof,
            image: run.image.clone(),
            configuration_sha256: run.configuration_sha256,
            verity_root_hash: run.root_hash,
            steps: run.steps.iter().enumerate().map(step).collect(),
            started: moment(run.started),
            ended: moment(run.ended?),
            batch,
            station,
        })
    }
}

/// The bytes that are signed.
pub fn canonical(certificate: &serde_json::Value) -> String {
    // Objects are kept in the order of their keys, and whole numbers have one spelling.
    certificate.to_string()
}

/// `2026-11-23T14:02:11.000Z`.
pub fn moment(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(at.as_millis()).unwrap_or_default()).unwrap_or_default();
    format!("{at:.3}")
}

/// The format that is written. What is new in one is left out by those before it, which are verified as ever.
pub const FORMAT: &str = "oxbow unit certificate 2";
/// Formats that are read.
pub const FORMATS: [&str; 2] = ["oxbow unit certificate 1", FORMAT];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_facts_are_the_same_bytes_in_whatever_order_they_come() {
        let read = |text| serde_json::from_str(text).expect("JSON");
        let one = canonical(&read(r#"{"b": [1, 2], "a": {"z": null, "y": "ü\n"}}"#));
        assert_eq!(one, canonical(&read(r#"{ "a":{"y":"\u00fc\n","z":null},"b":[1,2] }"#)));
        assert_eq!(one, r#"{"a":{"y":"ü\n","z":null},"b":[1,2]}"#);
    }

    #[test]
    fn moments_are_written_in_utc() {
        assert_eq!(moment(Timestamp::from_millis(1_795_442_531_004)), "2026-11-23T14:02:11.004Z");
    }
}
