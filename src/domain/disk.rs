//! Which disk of a machine is written: the profile's rule, what the machine has, and the choice or its refusal.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a disk is attached, in the words of `lsblk`'s TRAN column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    Nvme,
    Sata,
    Sas,
    Virtio,
    Mmc,
    Usb,
    Ide,
    /// A file that stands in for a disk, in simulated machines.
    File,
    #[serde(other)]
    Unknown,
}

impl Transport {
    pub fn word(self) -> &'static str {
        match self {
            Self::Nvme => "nvme",
            Self::Sata => "sata",
            Self::Sas => "sas",
            Self::Virtio => "virtio",
            Self::Mmc => "mmc",
            Self::Usb => "usb",
            Self::Ide => "ide",
            Self::File => "file",
            Self::Unknown => "unknown",
        }
    }
}

/// A disk as the agent found it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// The device, as `/dev/nvme0n1`.
    pub path: String,
    pub transport: Transport,
    /// Capacity in bytes; card readers without a card say 0.
    pub bytes: u64,
    #[serde(default)]
    pub model: String,
    #[serde(default)]
    pub serial: String,
    pub removable: bool,
    pub read_only: bool,
}

impl fmt::Display for Disk {
    /// `/dev/sda (sata, 256.1 GB, Samsung SSD 870)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {}", self.path, self.transport.word(), in_bytes(self.bytes))?;
        if !self.model.is_empty() {
            write!(f, ", {}", self.model)?;
        }
        f.write_str(")")
    }
}

/// Which of several fitting disks is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pick {
    /// There must be exactly one; two are refused rather than guessed.
    #[default]
    Only,
    Smallest,
    Largest,
}

/// A profile's rule for the disk to write. Removable, read-only and empty ones are never chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiskRule {
    /// Transports that may be written, the preferred one first: a later one is looked at only when no earlier one fits.
    pub transport: Vec<Transport>,
    pub pick: Pick,
    /// Disks below this many bytes are not looked at.
    pub min_bytes: u64,
}

impl Default for DiskRule {
    fn default() -> Self {
        use Transport::{File, Ide, Mmc, Nvme, Sas, Sata, Virtio};
        Self { transport: vec![Nvme, Sata, Sas, Virtio, Mmc, Ide, File], pick: Pick::Only, min_bytes: 0 }
    }
}

/// Why no disk was chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoDisk {
    #[error("the machine shows no disk at all")]
    None,
    #[error("none of its disks fits the profile's rule: {0}")]
    NoneFits(String),
    #[error("the largest disk that fits the rule holds {found}, the image needs {needed}", found = in_bytes(*found), needed = in_bytes(*needed))]
    TooSmall { found: u64, needed: u64 },
    #[error("{count} disks fit and the profile's rule does not say which: {disks}")]
    Several { count: usize, disks: String },
}

impl DiskRule {
    /// The disk this rule means among `disks` for an image of `needed` bytes.
    pub fn choose<'d>(&self, disks: &'d [Disk], needed: u64) -> Result<&'d Disk, NoDisk> {
        if disks.is_empty() {
            return Err(NoDisk::None);
        }
        let fitting: Vec<&Disk> = disks.iter().filter(|disk| self.allows(disk)).collect();
        let Some(largest) = fitting.iter().map(|disk| disk.bytes).max() else {
            return Err(NoDisk::NoneFits(listed(disks.iter())));
        };
        if largest < needed {
            return Err(NoDisk::TooSmall { found: largest, needed });
        }
        let large_enough = fitting.into_iter().filter(|disk| disk.bytes >= needed);
        let rank = |disk: &Disk| self.transport.iter().position(|transport| *transport == disk.transport);
        let mut ranked: Vec<&Disk> = large_enough.collect();
        let best = ranked.iter().filter_map(|disk| rank(disk)).min();
        ranked.retain(|disk| rank(disk) == best);
        ranked.sort_by(|a, b| (a.bytes, &a.path).cmp(&(b.bytes, &b.path)));
        let chosen = match self.pick {
            Pick::Only if ranked.len() > 1 => {
                return Err(NoDisk::Several { count: ranked.len(), disks: listed(ranked.into_iter()) });
            }
            Pick::Only | Pick::Smallest => ranked.first(),
            Pick::Largest => ranked.last(),
        };
        chosen.copied().ok_or_else(|| NoDisk::NoneFits(listed(disks.iter())))
    }

    fn allows(&self, disk: &Disk) -> bool {
        self.transport.contains(&disk.transport)
            && !disk.removable
            && !disk.read_only
            && disk.bytes > 0
            && disk.bytes >= self.min_bytes
    }
}

fn listed<'d>(disks: impl Iterator<Item = &'d Disk>) -> String {
    disks.map(|disk| format!("{disk}{}", flaw(disk))).collect::<Vec<_>>().join(", ")
}

fn flaw(disk: &Disk) -> &'static str {
    match disk {
        Disk { bytes: 0, .. } => " is empty",
        Disk { removable: true, .. } => " is removable",
        Disk { read_only: true, .. } => " is read-only",
        Disk { .. } => "",
    }
}

/// A size as disks are sold: decimal units, one place.
pub fn in_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    // Tenths of the unit, in whole numbers so that the figure never wobbles.
    let (mut tenths, mut unit) = (bytes / 100, 0);
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(path: &str, transport: Transport, bytes: u64) -> Disk {
        Disk {
            path: path.into(),
            transport,
            bytes,
            model: String::new(),
            serial: String::new(),
            removable: false,
            read_only: false,
        }
    }

    fn chosen(rule: &DiskRule, disks: &[Disk]) -> String {
        rule.choose(disks, 100).map_or_else(|no| no.to_string(), |disk| disk.path.clone())
    }

    #[test]
    fn the_preferred_transport_wins() {
        let disks = [disk("/dev/sda", Transport::Sata, 500), disk("/dev/nvme0n1", Transport::Nvme, 900)];
        assert_eq!(chosen(&DiskRule::default(), &disks), "/dev/nvme0n1");
    }

    #[test]
    fn two_fitting_disks_are_refused_not_guessed() {
        let disks = [disk("/dev/sda", Transport::Sata, 500), disk("/dev/sdb", Transport::Sata, 700)];
        assert_eq!(
            chosen(&DiskRule::default(), &disks),
            "2 disks fit and the profile's rule does not say which: /dev/sda (sata, 500 B), /dev/sdb (sata, 700 B)"
        );
        let largest = DiskRule { pick: Pick::Largest, ..DiskRule::default() };
        assert_eq!(chosen(&largest, &disks), "/dev/sdb");
    }

    #[test]
    fn removable_read_only_empty_and_usb_disks_are_never_written() {
        let disks = [
            Disk { removable: true, ..disk("/dev/sda", Transport::Sata, 500) },
            Disk { read_only: true, ..disk("/dev/sdb", Transport::Sata, 500) },
            disk("/dev/mmcblk0", Transport::Mmc, 0),
            disk("/dev/sdc", Transport::Usb, 500),
        ];
        assert!(matches!(DiskRule::default().choose(&disks, 100), Err(NoDisk::NoneFits(_))));
    }

    #[test]
    fn a_disk_smaller_than_the_image_is_refused_with_both_sizes() {
        let disks = [disk("/dev/sda", Transport::Sata, 32_000_000_000)];
        let refusal = DiskRule::default().choose(&disks, 64_000_000_000);
        assert_eq!(
            refusal.map_err(|no| no.to_string()),
            Err("the largest disk that fits the rule holds 32.0 GB, the image needs 64.0 GB".into())
        );
    }

    #[test]
    fn sizes_read_as_on_the_label() {
        assert_eq!(
            [0, 999, 1000, 1_500_000, 256_060_514_304].map(in_bytes),
            ["0 B", "999 B", "1.0 kB", "1.5 MB", "256.0 GB"]
        );
    }
}
