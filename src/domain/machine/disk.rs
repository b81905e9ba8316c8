//! Which disk of a machine is written: the profile's rule, what the machine has, and the choice or its refusal.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a disk is attached, in the words of `lsblk`'s TRAN column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    #[default]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The World Wide Name as the kernel spells it, as `naa.5002538e40b1c2d3` or `eui.002538b111b2c3d4`.
    #[serde(default)]
    pub wwn: String,
    pub removable: bool,
    pub read_only: bool,
    /// What was on it when it was found.
    #[serde(default)]
    pub volumes: Vec<DiskVolume>,
    /// Whether it could not be found out what is on it.
    #[serde(default)]
    pub is_unreadable: bool,
    /// What it says of its own wear, in words; empty where it says nothing that can be read.
    #[serde(default)]
    pub health: String,
}

/// A partition of a disk, or a whole disk that has none. What is not known is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskVolume {
    /// The partition's type: a GUID in small letters, or `0x83` of an MBR.
    #[serde(default)]
    pub kind: String,
    /// The partition's own name (GPT's, `PARTLABEL`).
    #[serde(default)]
    pub name: String,
    /// The file system's label.
    #[serde(default)]
    pub label: String,
}

impl fmt::Display for DiskVolume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| (!text.is_empty()).then(|| format!("{text:?}"));
        let label = quoted(&self.label).map(|label| format!("label {label}"));
        let kind = (!self.kind.is_empty()).then(|| format!("type {}", self.kind));
        let known: Vec<String> = [quoted(&self.name), label, kind].into_iter().flatten().collect();
        f.write_str(&known.join(", "))
    }
}

impl Disk {
    /// Whether it is this very disk, whatever is on it by now.
    pub fn is_same(&self, other: &Self) -> bool {
        let mark = |disk: &Self| {
            (disk.path.clone(), disk.transport, disk.bytes, disk.model.clone(), disk.serial.clone(), disk.wwn.clone())
        };
        mark(self) == mark(other)
    }

    /// What is lost when it is written, in words.
    pub fn holds(&self) -> String {
        if self.is_unreadable {
            return "what cannot be read".to_owned();
        }
        let volumes: Vec<String> = self.volumes.iter().take(NAMED).map(ToString::to_string).collect();
        match self.volumes.len().saturating_sub(NAMED) {
            _ if volumes.is_empty() => "nothing that is known".to_owned(),
            0 => volumes.join("; "),
            more => format!("{}; and {more} more", volumes.join("; ")),
        }
    }

    /// With its serial, and how it is: `/dev/sda (sata, 256.1 GB, Samsung SSD 870, serial S6ES1), 10 to 20 % worn`.
    pub fn in_full(&self) -> String {
        let mut words = self.to_string();
        if !self.serial.is_empty() {
            words.truncate(words.len() - 1);
            words = format!("{words}, serial {})", self.serial);
        }
        if self.health.is_empty() { words } else { format!("{words}, {}", self.health) }
    }
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
    /// Disks below this many bytes are not looked at, nor those above.
    pub min_bytes: u64,
    pub max_bytes: Option<u64>,
    /// Models that may be written, `*` for any letters; any when there is none. So for serials, and for World Wide Names,
    /// which count without `naa.`, `eui.` or `0x`.
    pub model: Vec<String>,
    pub serial: Vec<String>,
    pub wwn: Vec<String>,
    /// A disk that holds one of these is not written: partition names, file system labels, partition types.
    pub protect: Vec<String>,
    /// Transports that the system starts from; all when there is none. A disk of another one is written, with a warning.
    /// The station's own matter: agents are not told.
    #[serde(skip_serializing)]
    pub boots_from: Vec<Transport>,
}

impl Default for DiskRule {
    fn default() -> Self {
        use Transport::{File, Ide, Mmc, Nvme, Sas, Sata, Virtio};
        Self {
            transport: vec![Nvme, Sata, Sas, Virtio, Mmc, Ide, File],
            pick: Pick::Only,
            min_bytes: 0,
            max_bytes: None,
            model: Vec::new(),
            serial: Vec::new(),
            wwn: Vec::new(),
            protect: Vec::new(),
            boots_from: Vec::new(),
        }
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
        let none_fits = || {
            let told = disks.iter().map(|disk| format!("{disk} {}", self.flaw(disk).unwrap_or_default()));
            NoDisk::NoneFits(told.collect::<Vec<_>>().join(", "))
        };
        let fitting: Vec<&Disk> = disks.iter().filter(|disk| self.flaw(disk).is_none()).collect();
        let Some(largest) = fitting.iter().map(|disk| disk.bytes).max() else {
            return Err(none_fits());
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
                let disks = ranked.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                return Err(NoDisk::Several { count: ranked.len(), disks });
            }
            Pick::Only | Pick::Smallest => ranked.first(),
            Pick::Largest => ranked.last(),
        };
        chosen.copied().ok_or_else(none_fits)
    }

    /// What a person should know before the system is looked for on `disk` in vain.
    pub fn warning(&self, disk: &Disk) -> Option<String> {
        let starts = self.boots_from.is_empty() || self.boots_from.contains(&disk.transport);
        let words: Vec<&str> = self.boots_from.iter().map(|transport| transport.word()).collect();
        let (words, transport) = (words.join(" and "), disk.transport.word());
        (!starts).then(|| format!("{disk} is attached by {transport}, and the system starts from {words} disks only: it is installed, and may not start from there"))
    }

    /// Why `disk` is not to be written; none when it may be.
    fn flaw(&self, disk: &Disk) -> Option<String> {
        let one_of = |patterns: &[String], text: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| is_like(pattern, text))
        };
        let wwns: Vec<String> = self.wwn.iter().map(|wwn| bare(wwn)).collect();
        let flaw = match disk {
            Disk { bytes: 0, .. } => "is empty".to_owned(),
            Disk { removable: true, .. } => "is removable".to_owned(),
            Disk { read_only: true, .. } => "is read-only".to_owned(),
            disk if !self.transport.contains(&disk.transport) => {
                format!("is attached by {}, which the rule does not name", disk.transport.word())
            }
            disk if disk.bytes < self.min_bytes => format!("is below min_bytes ({})", in_bytes(self.min_bytes)),
            disk if self.max_bytes.is_some_and(|max| disk.bytes > max) => {
                format!("is above max_bytes ({})", in_bytes(self.max_bytes.unwrap_or_default()))
            }
            disk if !one_of(&self.model, &disk.model) => "is of another model than the rule names".to_owned(),
            disk if !one_of(&self.serial, &disk.serial) => "has another serial than the rule names".to_owned(),
            disk if !one_of(&wwns, &bare(&disk.wwn)) => "has another WWN than the rule names".to_owned(),
            disk if disk.is_unreadable && !self.protect.is_empty() => {
                "may hold what the rule protects: it cannot be read".to_owned()
            }
            disk => format!("holds what the rule protects: {}", self.protected(disk)?),
        };
        Some(flaw)
    }

    /// What `disk` holds that is to be kept.
    fn protected<'d>(&self, disk: &'d Disk) -> Option<&'d DiskVolume> {
        let is_kept = |text: &str| !text.is_empty() && self.protect.iter().any(|pattern| is_like(pattern, text));
        disk.volumes
            .iter()
            .find(|volume| [&volume.kind, &volume.name, &volume.label].into_iter().any(|text| is_kept(text)))
    }

    /// What is wrong with the rule itself: no disk could ever be chosen, or more than is meant.
    pub fn nonsense(&self) -> Option<(&'static str, String)> {
        let lists = [("model", &self.model), ("serial", &self.serial), ("wwn", &self.wwn), ("protect", &self.protect)];
        let empty = lists.into_iter().find(|(_, list)| list.iter().any(|text| text.trim().is_empty()));
        if let Some((key, _)) = empty {
            return Some((key, format!("{key} has an empty text in its list")));
        }
        let max = self.max_bytes.filter(|max| *max < self.min_bytes)?;
        Some((
            "max_bytes",
            format!("max_bytes ({max}) is below min_bytes ({}), so no disk could ever be chosen", self.min_bytes),
        ))
    }
}

fn lower(text: &str) -> String {
    text.trim().to_lowercase()
}

/// A World Wide Name without what differs between `/sys`, `lsblk` and the disk's label.
fn bare(wwn: &str) -> String {
    let wwn = lower(wwn);
    ["naa.", "eui.", "0x", "wwn-0x"].iter().find_map(|prefix| wwn.strip_prefix(prefix)).unwrap_or(&wwn).to_owned()
}

/// Whether `text` is what `pattern` says, great letters or small.
pub(crate) fn is_like(pattern: &str, text: &str) -> bool {
    matches(&lower(pattern), &lower(text))
}

/// Whether `text` is what `pattern` says, in which each `*` stands for any letters.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(last)
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

/// Volumes of a disk that are named.
const NAMED: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(path: &str, transport: Transport, bytes: u64) -> Disk {
        Disk { path: path.into(), transport, bytes, ..Disk::default() }
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
        assert_eq!(
            chosen(&DiskRule::default(), &disks),
            "none of its disks fits the profile's rule: /dev/sda (sata, 500 B) is removable, /dev/sdb (sata, 500 B) is \
             read-only, /dev/mmcblk0 (mmc, 0 B) is empty, /dev/sdc (usb, 500 B) is attached by usb, which the rule does \
             not name"
        );
        let usb = DiskRule { transport: vec![Transport::Usb, Transport::Sata], ..DiskRule::default() };
        assert_eq!(chosen(&usb, &disks), "/dev/sdc", "unless a profile names it");
    }

    #[test]
    fn a_rule_names_a_disk_by_size_model_serial_or_world_wide_name() {
        let disks = [
            Disk { model: "SAMSUNG MZ7L3".into(), serial: "S1".into(), ..disk("/dev/sda", Transport::Sata, 300) },
            Disk { model: "Micron_5300".into(), serial: "S2".into(), ..disk("/dev/sdb", Transport::Sata, 500) },
            Disk { wwn: "naa.5002538E40b1c2d3".into(), ..disk("/dev/sdc", Transport::Sata, 900) },
        ];
        let any = DiskRule::default;
        for (rule, says) in [
            (DiskRule { min_bytes: 400, max_bytes: Some(600), ..any() }, "/dev/sdb"),
            (DiskRule { model: vec!["samsung*".into()], ..any() }, "/dev/sda"),
            (DiskRule { model: vec!["*5300".into(), "x".into()], ..any() }, "/dev/sdb"),
            (DiskRule { serial: vec!["s2".into()], ..any() }, "/dev/sdb"),
            (DiskRule { wwn: vec!["0x5002538e40b1c2d3".into()], ..any() }, "/dev/sdc"),
            (DiskRule { max_bytes: Some(200), ..any() }, "above max_bytes (200 B)"),
            (DiskRule { model: vec!["5300".into()], ..any() }, "is of another model than the rule names"),
            (DiskRule { serial: vec!["S".into()], ..any() }, "has another serial than the rule names"),
        ] {
            assert!(chosen(&rule, &disks).contains(says), "{}", chosen(&rule, &disks));
        }
    }

    #[test]
    fn a_disk_that_holds_what_is_to_be_protected_is_never_written() {
        let volume = DiskVolume { kind: "0fc63daf-8483".into(), name: "Customer data".into(), label: "photos".into() };
        let full = Disk { volumes: vec![volume], ..disk("/dev/sda", Transport::Sata, 300) };
        let new = disk("/dev/sdb", Transport::Sata, 900);
        let smallest = DiskRule { pick: Pick::Smallest, ..DiskRule::default() };
        assert_eq!(chosen(&smallest, &[full.clone(), new.clone()]), "/dev/sda");
        for protect in ["customer*", "photos", "0FC63DAF-8483"] {
            let rule = DiskRule { protect: vec![protect.into()], ..smallest.clone() };
            assert_eq!(chosen(&rule, &[full.clone(), new.clone()]), "/dev/sdb");
            let refusal = chosen(&rule, std::slice::from_ref(&full));
            let says = "holds what the rule protects: \"Customer data\", label \"photos\", type 0fc63daf-8483";
            assert!(refusal.ends_with(says), "{refusal}");
        }
        let rule = DiskRule { protect: vec!["photos".into()], ..smallest };
        let unread = Disk { is_unreadable: true, ..new };
        assert!(chosen(&rule, &[unread]).ends_with("may hold what the rule protects: it cannot be read"));
    }

    #[test]
    fn what_is_lost_with_a_disk_is_named_and_of_much_the_first_part() {
        let volume = |number: usize| DiskVolume { name: format!("part{number}"), ..DiskVolume::default() };
        let holds = |count| Disk { volumes: (1..=count).map(volume).collect(), ..Disk::default() }.holds();
        assert_eq!(holds(0), "nothing that is known");
        assert_eq!(holds(2), "\"part1\"; \"part2\"");
        assert!(holds(10).ends_with("\"part8\"; and 2 more"), "{}", holds(10));
        assert_eq!(Disk { is_unreadable: true, ..Disk::default() }.holds(), "what cannot be read");
    }

    #[test]
    fn agents_of_every_age_understand_a_rule_that_warns() {
        let rule = DiskRule { boots_from: vec![Transport::Nvme], ..DiskRule::default() };
        let sent = serde_json::to_value(&rule).expect("JSON");
        assert!(sent.get("boots_from").is_none(), "an older agent takes no key that it does not know: {sent}");
        let sata = disk("/dev/sda", Transport::Sata, 5);
        assert!(rule.warning(&sata).is_some() && DiskRule::default().warning(&sata).is_none());
    }

    #[test]
    fn a_star_stands_for_any_letters() {
        for (pattern, text, is_match) in [
            ("*", "", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "abc", true),
            ("a*b*c", "a-b-b-c", true),
            ("ab*bc", "abc", false),
            ("abc", "abcd", false),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, text), is_match, "{pattern} {text}");
        }
    }

    #[test]
    fn a_rule_that_means_nothing_is_found_out() {
        let rule = DiskRule { min_bytes: 2, max_bytes: Some(1), ..DiskRule::default() };
        assert_eq!(rule.nonsense().map(|(key, _)| key), Some("max_bytes"));
        let rule = DiskRule { serial: vec![" ".into()], ..DiskRule::default() };
        assert_eq!(rule.nonsense().map(|(key, _)| key), Some("serial"));
        assert_eq!(DiskRule::default().nonsense(), None);
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
