//! The firmware's boot entries as efibootmgr(8) lists them, and what is to become of them. Nothing here touches them.

use crate::domain::profile::configuration::{BootEntry, NetworkBootPlace};
use crate::domain::text::clean;

/// What the firmware would start, and in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BootEntries {
    pub next: Option<u16>,
    pub order: Vec<u16>,
    pub entries: Vec<FirmwareEntry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FirmwareEntry {
    pub number: u16,
    pub is_active: bool,
    pub label: String,
    /// As UEFI writes device paths, `HD(1,GPT,0a0b…,0x800,0x12000)/File(\EFI\BOOT\BOOTX64.EFI)`; the writing of its parts
    /// differs between versions of efibootmgr.
    pub path: String,
}

impl FirmwareEntry {
    /// Whether it starts from a network card: PXE, HTTP, on IPv4 or IPv6.
    fn is_network(&self) -> bool {
        ["/MAC(", "/IPv4(", "/IPv6(", "/Uri("].iter().any(|part| self.path.contains(part))
    }

    /// Whether it starts `loader` from the partition with this GUID.
    fn starts(&self, guid: &str, loader: &str) -> bool {
        let path = self.path.to_ascii_lowercase().replace('/', "\\");
        path.contains(&guid.to_ascii_lowercase()) && path.contains(&loader.to_ascii_lowercase())
    }
}

impl BootEntries {
    /// What `efibootmgr -v` says. Lines that are no entry (hex dumps, time-outs) are passed over.
    pub(super) fn read(text: &str) -> Self {
        let mut firmware = Self::default();
        for line in text.lines() {
            if let Some(next) = line.strip_prefix("BootNext: ") {
                firmware.next = u16::from_str_radix(next.trim(), 16).ok();
            } else if let Some(order) = line.strip_prefix("BootOrder: ") {
                firmware.order =
                    order.split(',').filter_map(|each| u16::from_str_radix(each.trim(), 16).ok()).collect();
            } else {
                firmware.entries.extend(entry(line));
            }
        }
        firmware
    }

    /// Ours, if it is there as it is asked for.
    pub(super) fn ours(&self, asked: &BootEntry, guid: &str) -> Option<u16> {
        let mut ours =
            self.entries.iter().filter(|entry| entry.label == asked.label && entry.starts(guid, &asked.loader));
        ours.next().map(|entry| entry.number)
    }

    /// Entries of systems that are gone from this disk, and older ones of ours.
    pub(super) fn stale(&self, asked: &BootEntry, guid: &str) -> Vec<u16> {
        let ours = self.ours(asked, guid);
        let begins = |label: &str| asked.stale.iter().any(|stale| !stale.is_empty() && label.starts_with(&**stale));
        let is_stale = |entry: &&FirmwareEntry| {
            Some(entry.number) != ours && !entry.is_network() && (entry.label == asked.label || begins(&entry.label))
        };
        self.entries.iter().filter(is_stale).map(|entry| entry.number).collect()
    }

    /// The order in which the firmware is to try its entries.
    pub(super) fn order(&self, ours: u16, network: NetworkBootPlace) -> Vec<u16> {
        let is_network = |number: &u16| self.entries.iter().any(|entry| entry.number == *number && entry.is_network());
        let others = self.order.iter().copied().filter(|number| *number != ours);
        match network {
            NetworkBootPlace::Last | NetworkBootPlace::Off => {
                let (network, others): (Vec<u16>, Vec<u16>) = others.partition(is_network);
                [vec![ours], others, network].concat()
            }
            NetworkBootPlace::First => {
                let mut order: Vec<u16> = others.collect();
                let disks = order.iter().position(|number| !is_network(number)).unwrap_or(order.len());
                order.insert(disks, ours);
                order
            }
        }
    }

    /// Entries to be made inactive.
    pub(super) fn to_silence(&self, network: NetworkBootPlace) -> Vec<u16> {
        match network {
            NetworkBootPlace::Off => {
                let network = self.entries.iter().filter(|entry| entry.is_active && entry.is_network());
                network.map(|entry| entry.number).collect()
            }
            NetworkBootPlace::Last | NetworkBootPlace::First => Vec::new(),
        }
    }

    /// The order as a line for people: `Press line (0004), UEFI PXEv4 (0001)`.
    pub(super) fn in_words(&self) -> String {
        let name = |number: &u16| {
            let entry = self.entries.iter().find(|entry| entry.number == *number);
            let label = entry.map_or("nothing", |entry| &*entry.label);
            let off = if entry.is_some_and(|entry| !entry.is_active) { ", off" } else { "" };
            format!("{} ({number:04X}{off})", clean(label, 60))
        };
        self.order.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}

/// As `Boot0003* Linux Boot Manager<TAB>HD(…)`; of an entry without a path there is only the label.
fn entry(line: &str) -> Option<FirmwareEntry> {
    let rest = line.strip_prefix("Boot")?;
    let number = u16::from_str_radix(rest.get(..4)?, 16).ok()?;
    let is_active = match rest.as_bytes().get(4)? {
        b'*' => true,
        b' ' => false,
        _ => return None,
    };
    let rest = rest.get(6..).unwrap_or_default();
    let (label, path) = rest.split_once('\t').unwrap_or((rest, ""));
    Some(FirmwareEntry { number, is_active, label: label.to_owned(), path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "0a0b0c0d-0000-4000-8000-000000000001";

    fn asked() -> BootEntry {
        BootEntry {
            label: "Press line".into(),
            loader: r"\EFI\BOOT\BOOTX64.EFI".into(),
            stale: vec!["Linux Boot Manager".into(), "Ubuntu".into()],
            network: NetworkBootPlace::Last,
        }
    }

    /// Written by hand in the form of efibootmgr 18, with the kinds of entries that OVMF makes.
    const BEFORE: &str = "\
BootCurrent: 0003
BootNext: 0003
Timeout: 0 seconds
BootOrder: 0000,0001,0002,0003,0004,0005
Boot0000* UiApp\tFvVol(7cb8bdc9-f8eb-4f34-aaea-3ee4af6516a1)/FvFile(462caa21-7614-4503-836e-8ab6f4662331)
Boot0001* Linux Boot Manager\tHD(1,GPT,99999999-0000-4000-8000-000000000001,0x800,0x12000)/\\EFI\\systemd\\systemd-bootx64.efi
Boot0002* UEFI QEMU HARDDISK QM00013 \tPciRoot(0x0)/Pci(0x1f,0x2)/Sata(0,65535,0){auto_created_boot_option}
      dp: 02 01 0c 00 d0 41 03 0a 00 00 00 00 / 01 01 06 00 02 1f
    data: 4e ac 08 81 11 9f 59 4d 85 0e e2 1a 52 2c 59 b2
Boot0003* UEFI PXEv4 (MAC:525400770001)\tPciRoot(0x0)/Pci(0x2,0x0)/MAC(525400770001,1)/IPv4(0.0.0.0,0,DHCP,0.0.0.0,0.0.0.0,0.0.0.0)
Boot0004* UEFI HTTPv4 (MAC:525400770001)\tPciRoot(0x0)/Pci(0x2,0x0)/MAC(525400770001,1)/IPv4(0.0.0.0,0,DHCP,0.0.0.0,0.0.0.0,0.0.0.0)/Uri()
Boot0005  EFI Internal Shell\tFvVol(7cb8bdc9-f8eb-4f34-aaea-3ee4af6516a1)/FvFile(7c04a583-9e3e-4f1c-ad65-e05268d0b4d1)
";
    const OURS: &str = "Boot0006* Press line\tHD(1,GPT,0A0B0C0D-0000-4000-8000-000000000001,0x800,0x12000)/File(\\EFI\\BOOT\\BOOTX64.EFI)\n";

    #[test]
    fn entries_are_read_with_their_order_and_hex_dumps_are_passed_over() {
        let firmware = BootEntries::read(BEFORE);
        assert_eq!((firmware.next, &*firmware.order), (Some(3), &[0, 1, 2, 3, 4, 5][..]));
        assert_eq!(firmware.entries.len(), 6);
        let network: Vec<u16> =
            firmware.entries.iter().filter(|entry| entry.is_network()).map(|entry| entry.number).collect();
        assert_eq!(network, [3, 4]);
        assert!(!firmware.entries[5].is_active);
        assert_eq!(BootEntries::read("garbage\nBoot\nBootXYZW* x\nBoot00\u{e9}\nBoot0001"), BootEntries::default());
    }

    #[test]
    fn entries_of_former_systems_go_and_the_others_stay() {
        assert_eq!(BootEntries::read(BEFORE).stale(&asked(), GUID), [1]);
        let nobody = BootEntry { stale: vec![String::new()], ..asked() };
        assert_eq!(BootEntries::read(BEFORE).stale(&nobody, GUID), [0_u16; 0], "an empty word means no entry");
        let pxe = BootEntry { stale: vec!["UEFI".into()], ..asked() };
        assert_eq!(BootEntries::read(BEFORE).stale(&pxe, GUID), [2], "the network is no former system");
    }

    #[test]
    fn our_entry_is_made_once_and_found_again_in_either_writing() {
        assert_eq!(BootEntries::read(BEFORE).ours(&asked(), GUID), None);
        let older = OURS.replace("Boot0006", "Boot0007").replace("File(", "").replace("EFI)", "EFI");
        let twice = BootEntries::read(&format!("{BEFORE}{OURS}{older}"));
        assert_eq!(twice.ours(&asked(), GUID), Some(6));
        assert_eq!(twice.stale(&asked(), GUID), [1, 7], "a second one of the same name goes");
        let moved = BootEntries::read(&format!("{BEFORE}{}", OURS.replace("0A0B", "1A0B")));
        assert_eq!((moved.ours(&asked(), GUID), moved.stale(&asked(), GUID)), (None, vec![1, 6]), "of another disk");
    }

    #[test]
    fn the_disk_comes_first_and_the_network_last_off_or_before_it() {
        let firmware = BootEntries::read(&format!("{}{OURS}", BEFORE.replace("BootOrder: ", "BootOrder: 0006,")));
        assert_eq!(firmware.order(6, NetworkBootPlace::Last), [6, 0, 1, 2, 5, 3, 4]);
        assert_eq!(firmware.order(6, NetworkBootPlace::Off), [6, 0, 1, 2, 5, 3, 4]);
        assert_eq!(firmware.to_silence(NetworkBootPlace::Off), [3, 4]);
        assert_eq!(firmware.to_silence(NetworkBootPlace::Last), [0_u16; 0]);
        let network_first = BootEntries { order: vec![3, 4, 2, 0], ..firmware };
        assert_eq!(network_first.order(6, NetworkBootPlace::First), [3, 4, 6, 2, 0]);
    }

    #[test]
    fn the_order_reads_as_a_line() {
        let firmware = BootEntries { order: vec![1, 5, 9], ..BootEntries::read(BEFORE) };
        assert_eq!(firmware.in_words(), "Linux Boot Manager (0001), EFI Internal Shell (0005, off), nothing (0009)");
    }
}
