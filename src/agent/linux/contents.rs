//! What a disk holds already: names and types of its partitions, labels of its file systems, read from the disk itself.
//!
//! A used disk may hold anything, so nothing here trusts a length or an offset, and checksums are not asked for: what is
//! half a partition table may still be worth protecting. (The crate `gpt` 4.1 ends the program on some of them.)

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::domain::machine::disk::DiskVolume;
use crate::domain::text::clean;

/// The volumes of `disk`; those that have neither name, type nor label are left out.
pub(super) fn volumes(disk: &Path, bytes: u64) -> io::Result<Vec<DiskVolume>> {
    let file = File::open(disk)?;
    let mut volumes = vec![DiskVolume { label: label(&file, 0), ..DiskVolume::default() }];
    volumes.extend(partitions(&file, bytes)?);
    volumes.retain(|volume| [&volume.kind, &volume.name, &volume.label].iter().any(|text| !text.is_empty()));
    Ok(volumes)
}

/// By GPT, the copy at the end where the first is gone (UEFI specification section 5.3), else by MBR.
fn partitions(file: &File, bytes: u64) -> io::Result<Vec<DiskVolume>> {
    for block in [512, 4096] {
        for header in [block, bytes.saturating_sub(block)] {
            if let Some(volumes) = gpt(file, header, block) {
                return Ok(volumes);
            }
        }
    }
    let first = mbr_entries(file, 0)?;
    let extended = first.iter().find(|entry| EXTENDED.contains(&entry.kind)).map(|entry| entry.start);
    let logical = extended.map(|start| logical(file, start)).unwrap_or_default();
    let volume = |entry: &MbrEntry| DiskVolume {
        kind: format!("0x{:02x}", entry.kind),
        label: label(file, entry.start),
        ..DiskVolume::default()
    };
    Ok(first.iter().chain(&logical).map(volume).collect())
}

/// A partition of an MBR, or of one of the chain of such sectors inside an extended partition.
struct MbrEntry {
    kind: u8,
    /// In bytes, counted from wherever this kind of entry is counted from.
    start: u64,
}

/// The entries that are used of the sector at byte `at`; none without its signature.
fn mbr_entries(file: &File, at: u64) -> io::Result<Vec<MbrEntry>> {
    let mut sector = [0; 512];
    file.read_exact_at(&mut sector, at)?;
    let entry = |entry: &[u8]| {
        let start = u64::from(u32::from_le_bytes(*entry.get(8..)?.first_chunk()?)) * 512;
        Some(MbrEntry { kind: *entry.get(4)?, start }).filter(|entry| entry.kind != 0)
    };
    let is_table = sector.ends_with(&[0x55, 0xaa]);
    Ok(sector[446..510].chunks(16).filter(|_| is_table).filter_map(entry).collect())
}

/// The partitions inside the extended one at byte `first`: each sector of the chain has one, counted from the sector, and
/// the next sector, counted from `first`. A chain that is damaged, or bites its tail, ends there.
fn logical(file: &File, first: u64) -> Vec<MbrEntry> {
    let (mut found, mut at) = (Vec::new(), first);
    for _ in 0..PARTITIONS {
        let Ok(entries) = mbr_entries(file, at) else { break };
        let (links, own): (Vec<MbrEntry>, Vec<MbrEntry>) =
            entries.into_iter().partition(|entry| EXTENDED.contains(&entry.kind));
        found.extend(own.into_iter().map(|entry| MbrEntry { start: at + entry.start, ..entry }));
        match links.first() {
            Some(link) if first + link.start > at => at = first + link.start,
            Some(_) | None => break,
        }
    }
    found
}

/// The partitions of the table whose header is at byte `header`, if there is one.
fn gpt(file: &File, header: u64, block: u64) -> Option<Vec<DiskVolume>> {
    let mut head = [0; 92];
    file.read_exact_at(&mut head, header).ok()?;
    if !head.starts_with(b"EFI PART") {
        return None;
    }
    let table = u64::from_le_bytes(*head[72..].first_chunk()?).checked_mul(block)?;
    let count = u32::from_le_bytes(*head[80..].first_chunk()?).min(PARTITIONS);
    let size = u32::from_le_bytes(*head[84..].first_chunk()?);
    if !(128..=4096).contains(&size) {
        return None;
    }
    let volume = |number: u32| {
        let mut entry = [0; 128];
        file.read_exact_at(&mut entry, table.checked_add(u64::from(number * size))?).ok()?;
        let start = u64::from_le_bytes(*entry[32..].first_chunk()?).checked_mul(block)?;
        let kind: [u8; 16] = *entry.first_chunk()?;
        let name: Vec<u16> = entry[56..].chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
        let name = String::from_utf16_lossy(name.split(|unit| *unit == 0).next()?);
        (kind != [0; 16]).then(|| DiskVolume { kind: guid(kind), name: clean(&name, NAME), label: label(file, start) })
    };
    Some((0..count).filter_map(volume).collect())
}

/// The first three fields are little-endian, the others as they are printed (UEFI specification, appendix A).
pub(super) fn guid(bytes: [u8; 16]) -> String {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut text = String::new();
    for (at, from) in ORDER.into_iter().enumerate() {
        if [4, 6, 8, 10].contains(&at) {
            text.push('-');
        }
        text += &format!("{:02x}", bytes[from]);
    }
    text
}

/// The label of the file system that begins at byte `start`; empty where there is none that is known.
pub(super) fn label(file: &File, start: u64) -> String {
    let holds = |at: u64, bytes: &[u8]| {
        let mut found = vec![0; bytes.len()];
        start.checked_add(at).is_some_and(|at| file.read_exact_at(&mut found, at).is_ok()) && found == bytes
    };
    let read = |system: &FileSystem| {
        let mut label = vec![0; system.length];
        file.read_exact_at(&mut label, start.checked_add(system.label)?).ok()?;
        let end = label.iter().position(|byte| *byte == 0).unwrap_or(label.len());
        Some(clean(&String::from_utf8_lossy(&label[..end]), NAME))
    };
    let known = FILE_SYSTEMS.iter().find(|system| holds(system.magic_at, system.magic));
    known.and_then(read).unwrap_or_default()
}

/// By what a file system is known, and where its label is: bytes from its beginning.
struct FileSystem {
    magic_at: u64,
    magic: &'static [u8],
    label: u64,
    length: usize,
}

const FILE_SYSTEMS: &[FileSystem] = &[
    // ext2, ext3, ext4
    FileSystem { magic_at: 1080, magic: &[0x53, 0xef], label: 1144, length: 16 },
    FileSystem { magic_at: 0, magic: b"XFSB", label: 108, length: 12 },
    // Btrfs
    FileSystem { magic_at: 0x1_0040, magic: b"_BHRfS_M", label: 0x1_012b, length: 256 },
    FileSystem { magic_at: 82, magic: b"FAT32   ", label: 71, length: 11 },
    FileSystem { magic_at: 54, magic: b"FAT16   ", label: 43, length: 11 },
    FileSystem { magic_at: 54, magic: b"FAT12   ", label: 43, length: 11 },
    FileSystem { magic_at: 0, magic: b"LUKS\xba\xbe\0\x02", label: 24, length: 48 },
    // Linux swap
    FileSystem { magic_at: 4086, magic: b"SWAPSPACE2", label: 1052, length: 16 },
    // ISO 9660
    FileSystem { magic_at: 0x8001, magic: b"CD001", label: 0x8028, length: 32 },
];
/// Types of an extended partition: DOS, Windows 95 (LBA), Linux.
const EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];
/// More than any disk has that a machine starts from.
const PARTITIONS: u32 = 128;
const NAME: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    /// A disk with one partition at 1 MiB of type `0fc63daf-…` (Linux file system) and this name, ext4 with a label in it.
    fn disk_with(name: &str, block: usize, header_at: usize) -> Vec<u8> {
        let mut disk = vec![0; 4 * MIB];
        let mut head = [0; 92];
        head[..8].copy_from_slice(b"EFI PART");
        head[72..80].copy_from_slice(&2_u64.to_le_bytes());
        head[80..84].copy_from_slice(&128_u32.to_le_bytes());
        head[84..88].copy_from_slice(&128_u32.to_le_bytes());
        disk[header_at..header_at + 92].copy_from_slice(&head);
        let mut entry = [0; 128];
        entry[..16].copy_from_slice(&[
            0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4,
        ]);
        entry[32..40].copy_from_slice(&((MIB / block) as u64).to_le_bytes());
        for (at, unit) in name.encode_utf16().enumerate() {
            entry[56 + 2 * at..58 + 2 * at].copy_from_slice(&unit.to_le_bytes());
        }
        disk[2 * block..2 * block + 128].copy_from_slice(&entry);
        disk[MIB + 1080..MIB + 1082].copy_from_slice(&[0x53, 0xef]);
        disk[MIB + 1144..MIB + 1150].copy_from_slice(b"photos");
        disk
    }

    fn found(disk: &[u8]) -> Vec<String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), disk).expect("a disk");
        let volumes = volumes(file.path(), disk.len() as u64).expect("readable");
        volumes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn partitions_are_known_by_name_type_and_label_whatever_the_size_of_blocks() {
        let says = ["\"edge_persistent\", label \"photos\", type 0fc63daf-8483-4772-8e79-3d69d8477de4"];
        assert_eq!(found(&disk_with("edge_persistent", 512, 512)), says);
        assert_eq!(found(&disk_with("edge_persistent", 4096, 4096)), says);
        assert_eq!(found(&disk_with("edge_persistent", 512, 4 * MIB - 512)), says, "the first header is gone");
    }

    #[test]
    fn an_mbr_has_types_and_labels_too_and_a_disk_without_partitions_a_label() {
        let mut disk = disk_with("", 512, 3 * MIB);
        disk[446 + 4] = 0x83;
        disk[446 + 8..446 + 12].copy_from_slice(&2048_u32.to_le_bytes());
        assert_eq!(found(&disk), [""; 0], "no signature, no partition table");
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        assert_eq!(found(&disk), ["label \"photos\", type 0x83"]);
        assert_eq!(found(&disk[MIB..]), ["label \"photos\""]);
    }

    /// Writes an entry of the table in the sector at byte `at`.
    fn mbr_entry(disk: &mut [u8], at: usize, number: usize, kind: u8, start: usize) {
        let entry = at + 446 + 16 * number;
        disk[entry + 4] = kind;
        disk[entry + 8..entry + 12].copy_from_slice(&((start / 512) as u32).to_le_bytes());
        disk[at + 510..at + 512].copy_from_slice(&[0x55, 0xaa]);
    }

    #[test]
    fn partitions_inside_an_extended_one_are_found_too() {
        let mut disk = vec![0; 6 * MIB];
        mbr_entry(&mut disk, 0, 0, 0x0c, MIB);
        mbr_entry(&mut disk, 0, 1, 0x0f, 2 * MIB);
        mbr_entry(&mut disk, 2 * MIB, 0, 0x83, MIB);
        mbr_entry(&mut disk, 2 * MIB, 1, 0x05, 2 * MIB);
        mbr_entry(&mut disk, 4 * MIB, 0, 0x82, MIB);
        disk[3 * MIB + 1080..3 * MIB + 1082].copy_from_slice(&[0x53, 0xef]);
        disk[3 * MIB + 1144..3 * MIB + 1150].copy_from_slice(b"photos");
        let all = ["type 0x0c", "type 0x0f", "label \"photos\", type 0x83", "type 0x82"];
        assert_eq!(found(&disk), all);
        // A chain that leads back to where it was is gone through once.
        mbr_entry(&mut disk, 4 * MIB, 1, 0x05, 0);
        assert_eq!(found(&disk), all);
    }

    #[test]
    fn whatever_a_disk_holds_it_can_be_looked_at() {
        let sound = disk_with("data", 512, 512);
        for at in (512..604).chain(1024..1152) {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut disk = sound.clone();
                disk[at] = byte;
                disk.truncate(MIB + 2048);
                found(&disk);
            }
        }
        assert_eq!(found(&vec![0xff; MIB]), [""; 0]);
        assert_eq!(found(&[0; 512]), [""; 0]);
    }
}
