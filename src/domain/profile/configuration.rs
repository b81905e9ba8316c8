//! What a machine's disk gets after its image: files, archives, cloud-init's volume, the layout of an immutable system,
//! the firmware's boot entry. The station fills it in for one node, the agent carries it out and reads it back.
//!
//! Whatever is read back is put together by [`manifest`] in the same words as what was asked for. Two equal digests of
//! that text mean that the disk holds what the profile says.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::digest::Digest;

/// Everything that follows the image, for one node in one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Configuration {
    /// Written in this order.
    pub files: Vec<PlacedFile>,
    pub archives: Vec<PlacedArchive>,
    /// A volume of its own for cloud-init (NoCloud, label CIDATA), for images that look for it there.
    pub seed: Option<SeedVolume>,
    /// Further partitions, made before the files are written, so that there is room for them. What is sealed is sealed after
    /// that, so that it holds them.
    pub layout: Option<DiskLayout>,
    /// The firmware's boot entries. None: they stay as they are.
    pub boot: Option<BootEntry>,
}

impl Configuration {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether something is to be written that is then to be proven.
    pub fn writes(&self) -> bool {
        !self.files.is_empty() || !self.archives.is_empty() || self.seed.is_some() || self.layout.is_some()
    }

    /// What must be on the disk afterwards, in the spelling that [`manifest`] compares: a fact for each file, for each
    /// archive (its directory, and the digest of its file), for each document of the seed volume. `sha256` digests a
    /// content.
    pub fn facts(&self, sha256: impl Fn(&[u8]) -> Digest) -> Vec<FileFact> {
        let file = |file: &PlacedFile| FileFact {
            volume: file.volume.clone(),
            path: file.path.clone(),
            mode: file.mode,
            owner: file.owner.clone(),
            sha256: sha256(file.content.as_bytes()),
        };
        let archive = |archive: &PlacedArchive| FileFact {
            volume: archive.volume.clone(),
            path: archive.path.clone(),
            mode: DIRECTORY,
            owner: ROOT.into(),
            sha256: archive.sha256,
        };
        let document = |(name, content): &(String, String)| FileFact {
            volume: VolumeName(SEED_LABEL.into()),
            path: format!("/{name}"),
            mode: DOCUMENT,
            owner: ROOT.into(),
            sha256: sha256(content.as_bytes()),
        };
        let documents = self.seed.iter().flat_map(|seed| &seed.documents).map(document);
        self.files.iter().map(file).chain(self.archives.iter().map(archive)).chain(documents).collect()
    }
}

/// The label of the volume on which cloud-init looks for its documents (NoCloud).
pub const SEED_LABEL: &str = "CIDATA";
/// Who owns what nobody is named for, and the modes of a directory that is made and of a document of the seed volume.
pub const ROOT: &str = "root:root";
pub const DIRECTORY: u32 = 0o755;
pub const DOCUMENT: u32 = 0o644;

/// The name of a partition (GPT), or else the label of the file system on it. Never a number: images differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VolumeName(pub String);

impl fmt::Display for VolumeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A file for this node.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedFile {
    pub volume: VolumeName,
    /// From the root of the volume's file system, beginning with `/`. Directories on the way are made (0755, root).
    pub path: String,
    /// As `chmod` takes it; 0o7777 at most.
    pub mode: u32,
    /// `user` or `user:group`, by number, or by name as the system on the disk knows them.
    pub owner: String,
    pub content: String,
}

impl fmt::Debug for PlacedFile {
    /// Without the content: it may hold hashes of passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { volume, path, mode, owner, content } = self;
        write!(f, "PlacedFile({volume}:{path}, {mode:o}, {owner}, {} bytes)", content.len())
    }
}

/// A tar, packed or not, that is unpacked into a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedArchive {
    pub volume: VolumeName,
    /// The directory, from the root of the volume, beginning with `/`. It is made.
    pub path: String,
    /// For people: the file's name.
    pub name: String,
    /// Where it is on the station, beginning with `/`.
    pub source: String,
    /// The file as it travels: length in bytes, and digest.
    pub bytes: u64,
    pub sha256: Digest,
}

/// A small volume labelled CIDATA (cloud-init's NoCloud data source), in room behind the image's last partition.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeedVolume {
    /// `user-data`, `meta-data` and so on, with their contents.
    pub documents: Vec<(String, String)>,
}

impl fmt::Debug for SeedVolume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SeedVolume({:?})", self.documents.iter().map(|(name, _)| name).collect::<Vec<_>>())
    }
}

/// How the disk is laid out in the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum DiskLayout {
    /// The Edge Microvisor Toolkit's two systems, A and B, of which A is sealed by dm-verity.
    AbVerity(AbVerity),
    #[serde(other)]
    Unknown,
}

/// Sizes are in MiB. The partitions, in this order behind `esp`: rootfs, edge_persistent (what is left), hashmap_a,
/// hashmap_b, rootfs_b, roothash (with the file `part_a_roothash`), swap, reserved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AbVerity {
    pub rootfs_mib: u64,
    pub hash_mib: u64,
    pub roothash_mib: u64,
    /// None: by the machine's memory, as the toolkit's own installer reckons it.
    pub swap_mib: Option<u64>,
    pub reserved_mib: u64,
}

impl Default for AbVerity {
    fn default() -> Self {
        Self { rootfs_mib: 4096, hash_mib: 100, roothash_mib: 50, swap_mib: None, reserved_mib: 5120 }
    }
}

/// What the firmware is to start. On a machine that was started by BIOS there is nothing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootEntry {
    /// What the entry is called in the firmware's menu.
    pub label: String,
    /// The loader on the ESP, with backslashes: `\EFI\BOOT\BOOTX64.EFI`.
    pub loader: String,
    /// Entries that begin with one of these belong to systems that are gone from this disk, and are removed.
    #[serde(default)]
    pub stale: Vec<String>,
    /// Whether booting from the network stays possible, behind the disk.
    pub network: NetworkBootPlace,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkBootPlace {
    /// Behind the disk.
    #[default]
    Last,
    /// Its entries are made inactive.
    Off,
    /// The order stays as the firmware has it, with ours in front of other disks.
    First,
}

/// A file as it is asked for, or as it is on the disk.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileFact {
    pub volume: VolumeName,
    pub path: String,
    pub mode: u32,
    pub owner: String,
    pub sha256: Digest,
}

/// The text whose digest stands for all of `files`: a line each, sorted, as `rootfs /etc/motd 0644 root:root HEX`.
pub fn manifest(files: &[FileFact]) -> String {
    let mut lines: Vec<String> = files.iter().map(line).collect();
    lines.sort();
    lines.concat()
}

fn line(file: &FileFact) -> String {
    let FileFact { volume, path, mode, owner, sha256 } = file;
    format!("{volume} {path} {mode:04o} {owner} {sha256}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(path: &str, mode: u32) -> FileFact {
        let sha256 = Digest::new([7; 32]);
        FileFact { volume: VolumeName("rootfs".into()), path: path.into(), mode, owner: "root:root".into(), sha256 }
    }

    #[test]
    fn a_manifest_is_the_same_in_whatever_order_the_files_come() {
        let (one, two) = (fact("/etc/hosts", 0o644), fact("/etc/motd", 0o600));
        assert_eq!(manifest(&[one.clone(), two.clone()]), manifest(&[two, one]));
    }

    #[test]
    fn what_must_be_on_the_disk_has_a_line_for_each_file_archive_and_document() {
        let rootfs = || VolumeName("rootfs".into());
        let file = PlacedFile {
            volume: rootfs(),
            path: "/etc/motd".into(),
            mode: 0o600,
            owner: "app".into(),
            content: "x".into(),
        };
        let archive = PlacedArchive {
            volume: VolumeName("edge_persistent".into()),
            path: "/user-apps".into(),
            name: "apps.tar".into(),
            source: "/images/x".into(),
            bytes: 1,
            sha256: Digest::new([7; 32]),
        };
        let seed = SeedVolume { documents: vec![("user-data".into(), "xyz".into())] };
        let asked =
            Configuration { files: vec![file], archives: vec![archive], seed: Some(seed), ..Configuration::default() };
        let length = |content: &[u8]| Digest::new([u8::try_from(content.len()).unwrap_or_default(); 32]);
        let (one, three, seven) = ("01".repeat(32), "03".repeat(32), "07".repeat(32));
        assert_eq!(
            manifest(&asked.facts(length)),
            format!(
                "CIDATA /user-data 0644 root:root {three}\nedge_persistent /user-apps 0755 root:root {seven}\n\
                 rootfs /etc/motd 0600 app {one}\n"
            )
        );
    }

    #[test]
    fn another_mode_is_another_manifest() {
        assert_ne!(manifest(&[fact("/etc/motd", 0o600)]), manifest(&[fact("/etc/motd", 0o644)]));
    }

    #[test]
    fn what_a_newer_station_asks_for_is_known_to_be_unknown() {
        let layout: DiskLayout = serde_json::from_str(r#"{"kind":"encrypted"}"#).expect("readable");
        assert_eq!(layout, DiskLayout::Unknown);
    }
}
