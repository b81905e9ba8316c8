//! The volume on which cloud-init looks for its documents (NoCloud): the one that the image has, or a small one of its own
//! at the disk's end, so that the last partition of the image can grow up to it.

use gptman::GPTPartitionEntry;

use super::error::misfit;
use super::partitions::Partition;
use super::table::{GptDisk, fresh_guid};
use super::tools::succeed;
use crate::agent::machine::Unconfigured;
use crate::domain::profile::configuration::SEED_LABEL;

/// The partition that is the seed volume already, by its file system's label or its own name. cloud-init takes either case.
pub(super) fn existing(partitions: &[Partition]) -> Option<&Partition> {
    let is_seed = |name: &str| name.eq_ignore_ascii_case(SEED_LABEL);
    let labelled = partitions.iter().find(|partition| is_seed(&partition.label));
    labelled.or_else(|| partitions.iter().find(|partition| is_seed(&partition.name)))
}

/// Adds a partition for it to the table, which is not written yet; gives its number.
pub(super) fn add(table: &mut GptDisk) -> Result<u32, Unconfigured> {
    let blocks = BYTES / table.block();
    let gpt = table.gpt_mut();
    gpt.align = ALIGNMENT / gpt.sector_size;
    let start = gpt.find_last_place(blocks).ok_or_else(|| {
        misfit(format!("the disk has no room of {} MiB left for the volume {SEED_LABEL}", BYTES >> 20))
    })?;
    let number = gpt.iter().find(|(_, entry)| entry.is_unused()).map(|(number, _)| number);
    let number = number.ok_or_else(|| misfit(format!("the partition table has no room left for {SEED_LABEL}")))?;
    gpt[number] = GPTPartitionEntry {
        partition_type_guid: BASIC_DATA,
        unique_partition_guid: fresh_guid()?,
        starting_lba: start,
        ending_lba: start + blocks - 1,
        attribute_bits: 0,
        partition_name: SEED_LABEL.into(),
    };
    Ok(number)
}

/// Makes the file system of a partition that was added.
pub(super) fn format(partition: &Partition) -> Result<(), Unconfigured> {
    let device = partition.device.display().to_string();
    succeed("mkfs.fat", &["-n", SEED_LABEL, &device]).map(drop)
}

const BYTES: u64 = 8 << 20;
const ALIGNMENT: u64 = 1 << 20;
/// `EBD0A0A2-B9E5-4433-87C0-68B6B72699C7` as it stands in a table.
const BASIC_DATA: [u8; 16] =
    [0xa2, 0xa0, 0xd0, 0xeb, 0xe5, 0xb9, 0x33, 0x44, 0x87, 0xc0, 0x68, 0xb6, 0xb7, 0x26, 0x99, 0xc7];

#[cfg(test)]
mod tests {
    use super::super::partitions::tests_support::partition;
    use super::super::table::tests::{disk_with_image, table, verified};
    use super::*;

    #[test]
    fn a_seed_volume_lies_at_the_disks_end_and_leaves_the_last_partition_room_to_grow() {
        let disk = disk_with_image(16, 64);
        let mut table = table(disk.path());
        table.fit().expect("fitted");
        let number = add(&mut table).expect("added");
        table.write().expect("written");
        assert_eq!(number, 4);
        let entry = &table.gpt()[4];
        assert_eq!((entry.starting_lba % 2048, entry.ending_lba - entry.starting_lba + 1), (0, BYTES / 512));
        assert!(entry.starting_lba * 512 >= 54 << 20, "it begins at byte {}", entry.starting_lba * 512);
        let output = verified(disk.path());
        assert!(output.contains("No problems found"), "{output}");
    }

    #[test]
    fn a_disk_without_room_for_it_is_said_in_figures() {
        let disk = disk_with_image(10, 10);
        let mut table = table(disk.path());
        table.fit().expect("fitted");
        let full = add(&mut table).expect_err("there is no room");
        assert_eq!(full.detail, "the disk has no room of 8 MiB left for the volume CIDATA");
    }

    #[test]
    fn an_images_own_seed_volume_is_used_in_whatever_case_it_is_written() {
        let disk = [partition(1, "esp", "ESP"), partition(2, "", "cidata")];
        assert_eq!(existing(&disk).map(|partition| partition.number), Some(2));
        assert_eq!(existing(&disk[..1]), None);
    }
}
