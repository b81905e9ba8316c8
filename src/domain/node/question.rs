//! What an agent waits for a person's word on, before it has written a byte, and the word that was given.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::digest::Digest;
use crate::domain::ids::ProfileId;
use crate::domain::machine::disk::Disk;
use crate::domain::time::Timestamp;

/// What a person is asked. It is about one run: a machine that starts anew is asked anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "question", rename_all = "snake_case")]
pub enum Question {
    /// May it pass although it is not what the profile expects? A sentence for each difference.
    Differs { profile: ProfileId, differences: Vec<String> },
    /// May this image be written to this disk?
    Write { profile: ProfileId, image: String, sha256: Digest, disk: Box<Disk> },
    /// Of a newer station.
    #[serde(other)]
    Unknown,
}

/// A person's yes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    pub at: Timestamp,
    /// Who said it, as far as that is known, and where.
    pub by: String,
    pub to: Question,
}

impl Question {
    /// Whether a yes to this is a yes to `other`: the same disk for the same image, no other difference.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Differs { profile, differences }, Self::Differs { profile: its, differences: theirs }) => {
                profile == its && theirs.iter().all(|difference| differences.contains(difference))
            }
            (
                Self::Write { profile, sha256, disk, .. },
                Self::Write { profile: its, sha256: their, disk: other, .. },
            ) => profile == its && sha256 == their && disk.is_same(other),
            (Self::Differs { .. } | Self::Write { .. } | Self::Unknown, _) => false,
        }
    }

    /// Eight hex digits for exactly this question, which a yes at the command line names: FNV-1a (64 bits, folded) of all that
    /// [`Question::covers`] compares. It guards against what has changed meanwhile, not against who would forge it.
    pub fn mark(&self) -> String {
        let words = match self {
            Self::Differs { profile, differences } => {
                ["differs".to_owned(), profile.to_string()].into_iter().chain(differences.iter().cloned()).collect()
            }
            Self::Write { profile, sha256, disk, image: _ } => {
                let Disk { path, transport, bytes, model, serial, wwn, .. } = &**disk;
                let of_disk = [path, transport.word(), model, serial, wwn].map(str::to_owned);
                let what = ["write".to_owned(), profile.to_string(), sha256.to_string(), bytes.to_string()];
                what.into_iter().chain(of_disk).collect::<Vec<_>>()
            }
            Self::Unknown => vec!["unknown".to_owned()],
        };
        let octets = words.iter().flat_map(|word| word.bytes().chain([0]));
        let sum = octets.fold(FNV_BASIS, |sum, octet| (sum ^ u64::from(octet)).wrapping_mul(FNV_PRIME));
        format!("{:08x}", (sum >> 32) ^ (sum & 0xffff_ffff))
    }

    /// What the machine's own screen says while it waits.
    pub fn at_the_machine(&self) -> String {
        match self {
            Self::Differs { .. } => format!("{self}; change it, or let it pass at the station"),
            Self::Write { image, disk, .. } => {
                format!("somebody has to approve at the station that {image} is written to {}", disk.in_full())
            }
            Self::Unknown => self.to_string(),
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differs { profile, differences } => {
                write!(f, "it is not what profile {profile} expects: {}", differences.join("; "))
            }
            Self::Write { image, disk, .. } => write!(f, "would write {image} to {}: approve?", disk.in_full()),
            Self::Unknown => f.write_str("a newer station has asked what this one does not know"),
        }
    }
}

impl fmt::Display for Consent {
    /// What has been granted, as the log has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = &self.by;
        match &self.to {
            Question::Differs { profile, differences } => {
                write!(
                    f,
                    "let pass by {by} for this run though not what profile {profile} expects: {}",
                    differences.join("; ")
                )
            }
            Question::Write { image, disk, .. } => {
                let (place, holds) = (disk.in_full(), disk.holds());
                write!(f, "approved by {by} for this run: {image} may be written to {place}, which holds {holds}")
            }
            Question::Unknown => write!(f, "approved by {by}: {}", self.to),
        }
    }
}

/// Who sits in front of this program, where its surroundings say so.
pub fn who(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    ["SUDO_USER", "LOGNAME", "USER"].into_iter().find_map(variable).filter(|name| !name.is_empty())
}

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::machine::disk::{DiskVolume, Transport};

    fn disk() -> Disk {
        let (path, transport, model, serial) = ("/dev/nvme0n1".into(), Transport::Nvme, "NV2".into(), "S1".into());
        Disk { path, transport, bytes: 256_060_514_304, model, serial, ..Disk::default() }
    }

    fn write(disk: Disk) -> Question {
        let (profile, sha256) = ("emt-s".parse().expect("a name"), Digest::new([1; 32]));
        Question::Write { profile, image: "edge.raw.gz".into(), sha256, disk: Box::new(disk) }
    }

    fn differs(differences: &[&str]) -> Question {
        let differences = differences.iter().map(|text| (*text).to_owned()).collect();
        Question::Differs { profile: "emt-s".parse().expect("a name"), differences }
    }

    #[test]
    fn a_yes_to_one_disk_is_none_to_another_nor_to_another_image() {
        let yes = write(disk());
        let written = Disk { volumes: vec![DiskVolume::default()], health: "worn".into(), ..disk() };
        assert!(yes.covers(&write(written)), "what it holds changes while it is written");
        for other in [
            Disk { serial: "S2".into(), ..disk() },
            Disk { bytes: 1, ..disk() },
            Disk { path: "/dev/nvme1n1".into(), ..disk() },
            Disk { wwn: "eui.1".into(), ..disk() },
        ] {
            assert!(!yes.covers(&write(other.clone())), "{other:?}");
        }
        let Question::Write { profile, image, disk, .. } = yes.clone() else { unreachable!("it is one") };
        assert!(!yes.covers(&Question::Write { profile, image, sha256: Digest::new([2; 32]), disk }));
    }

    #[test]
    fn a_machine_that_was_let_pass_with_its_differences_is_not_with_others() {
        let yes = differs(&["a", "b"]);
        assert!(yes.covers(&differs(&["b"])));
        assert!(!yes.covers(&differs(&["b", "c"])) && !yes.covers(&write(disk())));
    }

    #[test]
    fn a_question_has_a_mark_that_is_another_once_anything_is_that_was_said_yes_to() {
        let asked = write(disk());
        let written = Disk { volumes: vec![DiskVolume::default()], health: "worn".into(), ..disk() };
        assert_eq!((asked.mark().len(), asked.mark()), (8, write(written).mark()));
        let Question::Write { profile, image, disk: same, .. } = asked.clone() else { unreachable!("it is one") };
        let others = [
            write(Disk { serial: "S2".into(), ..disk() }),
            write(Disk { model: "NV2S1".into(), serial: String::new(), ..disk() }),
            write(Disk { bytes: 1, ..disk() }),
            Question::Write { profile, image, sha256: Digest::new([2; 32]), disk: same },
            differs(&["a"]),
            differs(&["a", "b"]),
            differs(&["ab"]),
        ];
        let marks: std::collections::BTreeSet<String> = others.iter().chain([&asked]).map(Question::mark).collect();
        assert_eq!(marks.len(), 8, "{marks:?}");
    }

    #[test]
    fn a_question_says_what_is_written_where_and_its_answer_what_was_lost_and_who_said_so() {
        let volume = |name: &str| DiskVolume { name: name.into(), ..DiskVolume::default() };
        let full = Disk { volumes: vec![volume("EFI"), volume("Windows")], ..disk() };
        let place = "/dev/nvme0n1 (nvme, 256.0 GB, NV2, serial S1)";
        assert_eq!(write(full.clone()).to_string(), format!("would write edge.raw.gz to {place}: approve?"));
        let consent = Consent { at: Timestamp::default(), by: "anna".into(), to: write(full) };
        assert_eq!(
            consent.to_string(),
            format!(
                "approved by anna for this run: edge.raw.gz may be written to {place}, which holds \"EFI\"; \"Windows\""
            )
        );
    }

    #[test]
    fn what_a_newer_station_has_stored_is_read_and_covers_nothing() {
        let read: Question = serde_json::from_str(r#"{"question":"weigh","grams":3}"#).expect("readable");
        assert_eq!(read, Question::Unknown);
        assert!(!read.covers(&Question::Unknown));
    }
}
