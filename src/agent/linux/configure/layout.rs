//! The two systems of an Edge Microvisor Toolkit: where each partition goes, in numbers first, then on the disk.
//!
//! ```text
//! before  │ 1 esp │ 2 rootfs │ 3 edge_persistent │                     free                      │
//! after   │ 1 esp │ 2 rootfs      │ 3 edge_persistent … │ 4 hash a │ 5 hash b │ 6 rootfs_b │ 7 │ 8 │ 9 │
//! ```
//! It is made before any file is written, so that there is room for them. Should the power go meanwhile, the image is
//! written again and all begins anew.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use gptman::{GPT, GPTPartitionEntry};

use super::error::{failed, misfit};
use super::table::{GptDisk, fresh_guid};
use crate::agent::machine::Unconfigured;
use crate::domain::machine::disk::in_bytes;
use crate::domain::profile::configuration::AbVerity;

/// A partition to be, in blocks of the disk; the last one is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub number: u32,
    pub name: &'static str,
    pub first: u64,
    pub last: u64,
}

/// Makes the partitions of `sizes` and moves what lies in the way. The table is written, its kernel has not read it yet.
pub(super) fn lay_out(table: &mut GptDisk, sizes: &AbVerity, swap_mib: u64, tail: u64) -> Result<(), Unconfigured> {
    let slots = plan(table.gpt(), sizes, swap_mib, tail).map_err(misfit)?;
    let block = table.block();
    let bytes = |first: u64, last: u64| (last - first + 1) * block;
    let persistent = slots.iter().find(|slot| slot.number == PERSISTENT).map(|slot| slot.first);
    if let Some(to) = persistent {
        let old = &table.gpt()[PERSISTENT];
        let (from, length) = (old.starting_lba, bytes(old.starting_lba, old.ending_lba));
        slide(table.disk().file(), from * block, to * block, length)
            .map_err(|error| failed("moving edge_persistent behind the larger rootfs", &error))?;
    }
    for Slot { number, name, first, last } in slots {
        let gpt = table.gpt_mut();
        if gpt[number].is_used() {
            (gpt[number].starting_lba, gpt[number].ending_lba) = (first, last);
        } else {
            gpt[number] = GPTPartitionEntry {
                partition_type_guid: if name == "swap" { SWAP } else { LINUX },
                unique_partition_guid: fresh_guid()?,
                starting_lba: first,
                ending_lba: last,
                attribute_bits: 0,
                partition_name: name.into(),
            };
        }
    }
    table.write()
}

/// Where everything goes, or why it cannot. `tail` bytes at the disk's end stay free.
fn plan(gpt: &GPT, sizes: &AbVerity, swap_mib: u64, tail: u64) -> Result<Vec<Slot>, String> {
    let AbVerity { rootfs_mib, hash_mib, roothash_mib, swap_mib: _, reserved_mib } = *sizes;
    let mib = MIB / gpt.sector_size;
    let used: Vec<u32> = gpt.iter().filter(|(_, entry)| entry.is_used()).map(|(number, _)| number).collect();
    let named = |number: u32, name: &str| used.contains(&number) && gpt[number].partition_name.as_str() == name;
    if used != [1, ROOTFS, PERSISTENT] || !named(ROOTFS, "rootfs") || !named(PERSISTENT, "edge_persistent") {
        let names: Vec<String> =
            used.iter().map(|number| format!("{number} {:?}", gpt[*number].partition_name.as_str())).collect();
        return Err(format!(
            "the layout is for images with the partitions esp, rootfs and edge_persistent; this one has {}",
            names.join(", ")
        ));
    }
    let [rootfs, persistent] = [ROOTFS, PERSISTENT].map(|number| {
        let entry = &gpt[number];
        (entry.starting_lba, entry.ending_lba - entry.starting_lba + 1)
    });
    let (needed, asked) = (rootfs.1.div_ceil(mib), rootfs_mib);
    if asked < needed {
        return Err(format!("the image's rootfs has {needed} MiB, the layout gives it {asked} MiB"));
    }
    // A hash of 32 bytes for each block of 4096, and as many again for each level above (dm-verity's format).
    let least = rootfs_mib.div_ceil(127) + 1;
    if hash_mib < least {
        return Err(format!("the hashes of a {rootfs_mib} MiB rootfs need {least} MiB, the layout has {hash_mib} MiB"));
    }
    let sizes_behind = [
        (4, UNSEALED, hash_mib),
        (5, "hashmap_b", hash_mib),
        (6, "rootfs_b", rootfs_mib),
        (7, "roothash", roothash_mib),
        (8, "swap", swap_mib),
        (9, "reserved", reserved_mib),
    ];
    let behind = sizes_behind.iter().map(|(_, _, mib)| mib).sum::<u64>();
    let end = (gpt.header.last_usable_lba + 1).saturating_sub(tail / gpt.sector_size) / mib * mib;
    let start = (rootfs.0 + rootfs_mib * mib).max(persistent.0).div_ceil(mib) * mib;
    let least = start + persistent.1 + behind * mib;
    if least > end {
        let bytes = |blocks: u64| in_bytes(blocks * gpt.sector_size);
        return Err(format!(
            "the disk is too small for the layout: it has room for {}, the layout needs {}, of which swap {swap_mib} MiB \
             and reserved {reserved_mib} MiB",
            bytes(end),
            bytes(least)
        ));
    }
    let mut at = end - behind * mib;
    let mut slots = vec![
        Slot { number: ROOTFS, name: "rootfs", first: rootfs.0, last: rootfs.0 + rootfs_mib * mib - 1 },
        Slot { number: PERSISTENT, name: "edge_persistent", first: start, last: at - 1 },
    ];
    for (number, name, size) in sizes_behind {
        if size > 0 {
            slots.push(Slot { number, name, first: at, last: at + size * mib - 1 });
        }
        at += size * mib;
    }
    Ok(slots)
}

/// Copies `length` bytes to a later place, which may overlap: the last ones first.
fn slide(file: &File, from: u64, to: u64, length: u64) -> io::Result<()> {
    if from == to {
        return Ok(());
    }
    let mut block = vec![0; AT_ONCE];
    let mut left = length;
    while left > 0 {
        let some = left.min(AT_ONCE as u64);
        left -= some;
        let block = &mut block[..usize::try_from(some).map_err(io::Error::other)?];
        file.read_exact_at(block, from + left)?;
        file.write_all_at(block, to + left)?;
    }
    file.sync_data()
}

/// How much swap the toolkit's own installer makes, in MiB: of the memory in whole GiB, as `free -g` says it, the rounded
/// square root where there is one disk, else half; at most 128 GiB. Never none, of which it would make no partition.
pub(super) fn swap_mib(memory_bytes: u64, is_only_disk: bool) -> u64 {
    let gib = memory_bytes >> 30;
    let root = gib.isqrt();
    let rounded = if gib - root * root > root { root + 1 } else { root };
    let swap = if is_only_disk { rounded } else { gib / 2 };
    swap.clamp(1, 128) * 1024
}

pub(super) const ROOTFS: u32 = 2;
pub(super) const PERSISTENT: u32 = 3;
pub(super) const HASHMAP_A: u32 = 4;
/// The name of the fourth partition until its hashes are there: a system that finds `hashmap_a` takes them for good.
pub(super) const UNSEALED: &str = "unsealed";
const MIB: u64 = 1 << 20;
const AT_ONCE: usize = 4 << 20;
/// `0FC63DAF-8483-4772-8E79-3D69D8477DE4` and `0657FD6D-A4AB-43C4-84E5-0933C84B4F4F` as they stand in a table.
const LINUX: [u8; 16] =
    [0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4];
const SWAP: [u8; 16] = [0x6d, 0xfd, 0x57, 0x06, 0xab, 0xa4, 0xc4, 0x43, 0x84, 0xe5, 0x09, 0x33, 0xc8, 0x4b, 0x4f, 0x4f];

#[cfg(test)]
mod tests {
    use super::super::table::tests::{disk_with_image, table, verified};
    use super::*;

    fn sizes() -> AbVerity {
        AbVerity { rootfs_mib: 6, hash_mib: 2, roothash_mib: 1, swap_mib: None, reserved_mib: 3 }
    }

    #[test]
    fn the_partitions_have_the_names_numbers_and_sizes_of_the_toolkit_and_the_tail_stays_free() {
        let disk = disk_with_image(16, 64);
        let mut table = table(disk.path());
        table.fit().expect("fitted");
        let old = table.gpt()[PERSISTENT].starting_lba * 512;
        let content: Vec<u8> = (0..(2 << 20)).map(|at| u8::try_from(at % 241).expect("a byte")).collect();
        disk.as_file().write_all_at(&content, old).expect("written");
        lay_out(&mut table, &sizes(), 4, 8 << 20).expect("laid out");

        let output = verified(disk.path());
        assert!(output.contains("No problems found"), "{output}");
        let found: Vec<(u32, String, u64)> = table
            .gpt()
            .iter()
            .filter(|(_, entry)| entry.is_used())
            .map(|(number, entry)| {
                (number, entry.partition_name.as_str().to_owned(), entry.size().expect("a size") / 2048)
            })
            .collect();
        let found: Vec<(u32, &str, u64)> = found.iter().map(|(number, name, mib)| (*number, &**name, *mib)).collect();
        let expected = [
            (1, "esp", 2),
            (2, "rootfs", 6),
            (3, "edge_persistent", 28),
            (4, "unsealed", 2),
            (5, "hashmap_b", 2),
            (6, "rootfs_b", 6),
            (7, "roothash", 1),
            (8, "swap", 4),
            (9, "reserved", 3),
        ];
        assert_eq!(found, expected);
        let moved = &table.gpt()[PERSISTENT];
        let mut there = vec![0; content.len()];
        disk.as_file().read_exact_at(&mut there, moved.starting_lba * 512).expect("read");
        assert!(there == content && moved.starting_lba * 512 == old + (2 << 20), "its content went along");
        assert_eq!(table.gpt()[9].ending_lba * 512 + 512, 55 << 20, "8 MiB stay free, and the table's own end");
    }

    #[test]
    fn a_move_by_less_than_its_own_length_loses_nothing() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let content: Vec<u8> = (0..(9 << 20) + 17).map(|at: u32| at.to_le_bytes()[(at % 3) as usize]).collect();
        file.as_file().write_all_at(&content, 1000).expect("written");
        slide(file.as_file(), 1000, 5096, content.len() as u64).expect("moved");
        let mut there = vec![0; content.len()];
        file.as_file().read_exact_at(&mut there, 5096).expect("read");
        assert!(there == content);
    }

    #[test]
    fn what_does_not_fit_is_said_with_its_figures() {
        let disk = disk_with_image(16, 32);
        let mut table = table(disk.path());
        table.fit().expect("fitted");
        let says = |sizes: AbVerity, swap| plan(table.gpt(), &sizes, swap, 0).expect_err("it does not fit");
        let small = says(sizes(), 64);
        assert!(
            small.starts_with("the disk is too small for the layout: it has room for 32.5 MB, the layout needs "),
            "{small}"
        );
        assert!(small.contains("swap 64 MiB and reserved 3 MiB"), "{small}");
        let rootfs = says(AbVerity { rootfs_mib: 3, ..sizes() }, 1);
        assert_eq!(rootfs, "the image's rootfs has 4 MiB, the layout gives it 3 MiB");
        let hash = says(AbVerity { hash_mib: 1, ..sizes() }, 1);
        assert_eq!(hash, "the hashes of a 6 MiB rootfs need 2 MiB, the layout has 1 MiB");
    }

    #[test]
    fn an_image_with_other_partitions_is_named_by_what_it_has() {
        let disk = disk_with_image(16, 64);
        let mut table = table(disk.path());
        table.gpt_mut()[3].partition_name = "data".into();
        let other = plan(table.gpt(), &sizes(), 1, 0).expect_err("it is another image");
        assert!(other.ends_with(r#"this one has 1 "esp", 2 "rootfs", 3 "data""#), "{other}");
    }

    #[test]
    fn swap_is_reckoned_as_the_toolkits_own_installer_does() {
        let gib = |gib: u64| gib << 30;
        assert_eq!(swap_mib(gib(64), true), 8 * 1024);
        assert_eq!(swap_mib(gib(64), false), 32 * 1024);
        assert_eq!(swap_mib(gib(1024), false), 128 * 1024);
        assert_eq!(swap_mib(gib(32) - 700_000_000, true), 6 * 1024, "the kernel keeps some of it: 31, of which 5.6");
        assert_eq!(swap_mib(gib(32) - 700_000_000, false), 15 * 1024);
        assert_eq!(swap_mib(1, true), 1024);
    }
}
