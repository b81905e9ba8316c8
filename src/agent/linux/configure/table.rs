//! The disk's partition table (GPT, UEFI specification section 5.3). An image is smaller than the disk: its second table
//! belongs at the disk's end, and both are proven by reading them back.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use gptman::{GPT, GPTHeader, GPTPartitionEntry};

use super::boot_sector::Start;
use super::error::{differs, failed, misfit};
use crate::agent::machine::Unconfigured;

/// An open disk with its GPT.
pub(super) struct GptDisk {
    disk: Start,
    gpt: GPT,
}

/// What a disk's table turned out to be.
pub(super) enum TableFound {
    Gpt(GptDisk),
    /// An MBR or nothing: the partitions stay as the image has them.
    NoGpt(Start),
}

impl GptDisk {
    /// Reads the table of `disk`; `say` hears what is odd about it but does not hinder.
    pub(super) fn read(mut disk: Start, say: &dyn Fn(&str)) -> Result<TableFound, Unconfigured> {
        let path = &disk.path().to_owned();
        let block = block_size(disk.file()).map_err(|error| failed(&format!("{}", path.display()), &error))?;
        let mut has_table = |block: u64| {
            let mut signature = [0; 8];
            read_at(&mut disk, block, &mut signature).is_ok() && signature == *b"EFI PART"
        };
        if !has_table(block) {
            let other = if block == 512 { 4096 } else { 512 };
            if has_table(other) {
                return Err(misfit(format!(
                    "the image's partition table is for disks with blocks of {other} bytes, {} has blocks of {block}",
                    path.display()
                )));
            }
            return Ok(TableFound::NoGpt(disk));
        }
        sane(&mut disk, block).map_err(|why| damaged(path, why))?;
        let gpt = GPT::read_from(&mut disk, block).map_err(|error| damaged(path, &error.to_string()))?;
        // What lies at the disk's end may be a former system's.
        if !gpt.is_primary() {
            return Err(damaged(path, "its checksums are wrong"));
        }
        let entries: Vec<GPTPartitionEntry> = gpt.iter().map(|(_, entry)| entry.clone()).collect();
        match copy_at(&mut disk, gpt.header.backup_lba, block) {
            Ok(copy) if copy == entries => {}
            Ok(_) => say("the image's two partition tables differ: using the first one"),
            Err(why) => say(&format!("the image has no backup partition table ({why}): adding one")),
        }
        Ok(TableFound::Gpt(Self { disk, gpt }))
    }

    pub(super) fn gpt(&self) -> &GPT {
        &self.gpt
    }

    pub(super) fn gpt_mut(&mut self) -> &mut GPT {
        &mut self.gpt
    }

    pub(super) fn disk(&mut self) -> &mut Start {
        &mut self.disk
    }

    pub(super) fn block(&self) -> u64 {
        self.gpt.sector_size
    }

    /// Makes the table that of a disk of this size.
    pub(super) fn fit(&mut self) -> Result<(), Unconfigured> {
        let block = self.block();
        self.gpt.header.update_from(&mut self.disk, block).map_err(|error| self.unwritten(&error))
    }

    /// Writes both tables and the protective MBR, and reads them back from the medium.
    pub(super) fn write(&mut self) -> Result<(), Unconfigured> {
        let block = self.block();
        self.gpt.write_into(&mut self.disk).map_err(|error| self.unwritten(&error))?;
        let path = &self.disk.path().to_owned();
        let io = |error: io::Error| failed(&format!("writing the partition table of {}", path.display()), &error);
        protect(&mut self.disk, block).map_err(io)?;
        self.disk.sync().map_err(io)?;
        let entries: Vec<GPTPartitionEntry> = self.gpt.iter().map(|(_, entry)| entry.clone()).collect();
        let end = self.disk.seek(SeekFrom::End(0)).map_err(io)? / block - 1;
        for (at, which) in [(1, "first"), (end, "second")] {
            let copy = copy_at(&mut self.disk, at, block);
            if copy.as_ref() != Ok(&entries) {
                let why = copy.err().unwrap_or_else(|| "other partitions".to_owned());
                return Err(differs(format!(
                    "{}: the {which} partition table reads back wrong: {why}",
                    path.display()
                )));
            }
        }
        Ok(())
    }

    fn unwritten(&self, error: &gptman::Error) -> Unconfigured {
        match error {
            gptman::Error::Io(error) => {
                failed(&format!("writing the partition table of {}", self.disk.path().display()), error)
            }
            error => {
                misfit(format!("the image's partition table does not fit {}: {error}", self.disk.path().display()))
            }
        }
    }
}

/// 16 random bytes as a GUID of version 4, in the byte order of a GPT.
pub(super) fn fresh_guid() -> Result<[u8; 16], Unconfigured> {
    let mut guid = [0; 16];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut guid));
    read.map_err(|error| failed("making a GUID", &error))?;
    guid[7] = guid[7] & 0x0f | 0x40;
    guid[8] = guid[8] & 0x3f | 0x80;
    Ok(guid)
}

fn damaged(path: &Path, why: &str) -> Unconfigured {
    misfit(format!("the image's partition table on {} is damaged: {why}", path.display()))
}

fn block_size(file: &mut File) -> io::Result<u64> {
    if !file.metadata()?.file_type().is_block_device() {
        return Ok(512);
    }
    gptman::linux::get_sector_size(file).map_err(io::Error::other)
}

/// Refuses what would make the crate ask for absurd amounts of memory, or end the program.
fn sane(disk: &mut Start, block: u64) -> Result<(), &'static str> {
    let mut head = [0; 92];
    read_at(disk, block, &mut head).map_err(|_| "it cannot be read")?;
    let (mut long, mut short) = ([0; 8], [0; 4]);
    long.copy_from_slice(&head[72..80]);
    let table = u64::from_le_bytes(long);
    short.copy_from_slice(&head[80..84]);
    let count = u32::from_le_bytes(short);
    short.copy_from_slice(&head[84..88]);
    let size = u32::from_le_bytes(short);
    if table != 2 {
        return Err("its partition list does not follow its header");
    }
    if !(1..=MOST).contains(&count) || size != 128 {
        return Err("its partition list has an unusual size");
    }
    let mut entry = [0; 128];
    for number in 0..u64::from(count) {
        read_at(disk, table * block + number * 128, &mut entry).map_err(|_| "its partition list cannot be read")?;
        let is_used = entry[..16] != [0; 16];
        let at = |from: usize| u64::from_le_bytes(std::array::from_fn(|byte| entry[from + byte]));
        if is_used && (at(32) < 2 || at(40) < at(32) || at(40) > u64::MAX / 8192) {
            return Err("a partition lies outside the disk");
        }
    }
    Ok(())
}

/// The partitions of the table whose header is at block `lba`.
fn copy_at(file: &mut Start, lba: u64, block: u64) -> Result<Vec<GPTPartitionEntry>, String> {
    let at = lba.checked_mul(block).ok_or("it lies outside the disk")?;
    file.seek(SeekFrom::Start(at)).map_err(|error| error.to_string())?;
    let header = GPTHeader::read_from(file).map_err(|error| error.to_string())?;
    if header.size_of_partition_entry != 128 || !(1..=MOST).contains(&header.number_of_partition_entries) {
        return Err("its partition list has an unusual size".to_owned());
    }
    if header.partition_entry_lba.checked_mul(block).is_none_or(|at| at > i64::MAX as u64 / 2) {
        return Err("its partition list lies outside the disk".to_owned());
    }
    header.read_partitions(file, block).map_err(|error| error.to_string())
}

/// Stretches the protective MBR over the whole disk, where it is one; what starts a BIOS machine before it stays.
fn protect(disk: &mut Start, block: u64) -> io::Result<()> {
    let mut mbr = [0; 512];
    read_at(disk, 0, &mut mbr)?;
    let is_protective = mbr[450] == 0xee && mbr[462..510].iter().all(|byte| *byte == 0) && mbr.ends_with(&[0x55, 0xaa]);
    if is_protective {
        let blocks = u32::try_from(disk.seek(SeekFrom::End(0))? / block - 1).unwrap_or(u32::MAX);
        mbr[458..462].copy_from_slice(&blocks.to_le_bytes());
        disk.seek(SeekFrom::Start(0))?;
        disk.write_all(&mbr)?;
    }
    Ok(())
}

fn read_at(disk: &mut Start, at: u64, room: &mut [u8]) -> io::Result<()> {
    disk.seek(SeekFrom::Start(at))?;
    disk.read_exact(room)
}

/// More partitions than any image has.
const MOST: u32 = 1024;

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::os::unix::fs::FileExt;
    use std::process::Command;

    const MIB: u64 = 1 << 20;

    /// A disk of `mib` MiB with the image of a system on it: a file whose first MiBs are a smaller disk.
    pub(in super::super) fn disk_with_image(image_mib: u64, mib: u64) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        file.as_file().set_len(image_mib * MIB).expect("an image");
        let made = Command::new("sgdisk")
            .args(["-n", "1:1M:+2M", "-t", "1:ef00", "-c", "1:esp", "-n", "2:0:+4M", "-t", "2:8304", "-c", "2:rootfs"])
            .args(["-n", "3:0:+2M", "-t", "3:8300", "-c", "3:edge_persistent"])
            .arg(file.path())
            .output();
        assert!(made.is_ok_and(|made| made.status.success()), "sgdisk makes a table");
        file.as_file().set_len(mib * MIB).expect("a disk");
        file
    }

    pub(in super::super) fn verified(path: &Path) -> String {
        let output = Command::new("sgdisk").arg("-v").arg(path).output().expect("sgdisk");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn read(path: &Path, say: &dyn Fn(&str)) -> Result<TableFound, Unconfigured> {
        GptDisk::read(Start::of(path)?, say)
    }

    pub(in super::super) fn table(path: &Path) -> GptDisk {
        match read(path, &|_| {}).expect("readable") {
            TableFound::Gpt(table) => table,
            TableFound::NoGpt(_) => panic!("there is a table"),
        }
    }

    #[test]
    fn the_second_table_goes_to_the_disks_end_where_the_usual_tools_find_no_fault() {
        let disk = disk_with_image(16, 64);
        assert!(!verified(disk.path()).contains("No problems found"), "it lies in the middle before");
        let mut table = table(disk.path());
        table.fit().and_then(|()| table.write()).expect("written");
        let output = verified(disk.path());
        assert!(output.contains("No problems found"), "{output}");
        assert_eq!(table.gpt().header.backup_lba, 64 * MIB / 512 - 1);
        let mut mbr = [0; 512];
        disk.as_file().read_exact_at(&mut mbr, 0).expect("the first block");
        assert_eq!(mbr[458..462], u32::try_from(64 * MIB / 512 - 1).expect("small").to_le_bytes());
    }

    #[test]
    fn a_table_whose_copy_is_missing_is_said_and_used_and_one_that_is_damaged_itself_is_refused() {
        let disk = disk_with_image(16, 64);
        disk.as_file().write_all_at(&[0; 512], 16 * MIB - 512).expect("the copy is gone");
        let output = RefCell::new(Vec::new());
        let found = read(disk.path(), &|words| output.borrow_mut().push(words.to_owned()));
        assert!(matches!(found, Ok(TableFound::Gpt(_))));
        assert!(output.borrow()[0].starts_with("the image has no backup partition table"), "{output:?}");

        disk.as_file().write_all_at(b"x", 1024 + 56).expect("a letter of a name is changed");
        let refused = read(disk.path(), &|_| {}).err().expect("its checksum is wrong");
        assert!(refused.detail.contains("is damaged"), "{refused:?}");
    }

    #[test]
    fn a_former_systems_table_at_the_disks_end_is_never_taken_for_the_images() {
        let disk = disk_with_image(16, 16);
        disk.as_file().write_all_at(&[7; 92], 512 + 8).expect("the first head is damaged");
        assert!(read(disk.path(), &|_| {}).is_err());
        disk.as_file().write_all_at(&[0; 512], 512).expect("the first head is gone");
        assert!(matches!(read(disk.path(), &|_| {}), Ok(TableFound::NoGpt(_))));
    }

    #[test]
    fn a_table_for_other_blocks_than_the_disks_is_said_with_both() {
        let disk = tempfile::NamedTempFile::new().expect("a file");
        disk.as_file().set_len(16 * MIB).expect("a disk");
        disk.as_file().write_all_at(b"EFI PART", 4096).expect("a head");
        let refused = read(disk.path(), &|_| {}).err().expect("it does not fit");
        assert!(
            refused.detail.contains("blocks of 4096 bytes") && refused.detail.contains("blocks of 512"),
            "{refused:?}"
        );
    }

    #[test]
    fn whatever_stands_in_a_table_the_agent_goes_on() {
        let sound = disk_with_image(10, 12);
        let mut first = vec![0; 34 * 512];
        sound.as_file().read_exact_at(&mut first, 0).expect("a table");
        for at in (512..604).chain(1024..1152) {
            for byte in [0, 0xff] {
                let mut odd = first.clone();
                odd[at] = byte;
                // With right checksums, so that nothing is refused for those alone.
                let entries = crc(&odd[1024..]).to_le_bytes();
                odd[600..604].copy_from_slice(&entries);
                odd[528..532].fill(0);
                let head = crc(&odd[512..604]).to_le_bytes();
                odd[528..532].copy_from_slice(&head);
                sound.as_file().write_all_at(&odd, 0).expect("written");
                if let Ok(TableFound::Gpt(mut table)) = read(sound.path(), &|_| {}) {
                    let GptDisk { gpt, disk } = &mut table;
                    let _odd_ones_are_refused = gpt.header.update_from(disk, 512).and_then(|()| gpt.write_into(disk));
                }
            }
        }
    }

    /// CRC-32 as Ethernet has it, bit by bit.
    fn crc(bytes: &[u8]) -> u32 {
        let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
    }
}
