//! What follows the image: partitions, files, archives, seals and boot entry, each read back from the medium.
//!
//! ```text
//! table ─► layout ─► partitions ─► check, mount, place, unmount ─► seal ─► mount again, compare ─► boot entry
//!  GPT at the disk's end        the kernel's         files, archives      dm-verity    facts for the proof
//! ```
//! It begins on a disk that is proven to hold the image. Whatever ends it in the middle, the disk cannot be started from,
//! and the next run writes the image again.

mod archive;
mod boot_entry;
mod boot_sector;
mod error;
mod files;
mod filesystem;
mod firmware;
mod layout;
mod owner;
mod partitions;
mod root;
mod seed;
mod table;
mod tools;
mod verity;
mod volumes;

use std::fs;
use std::path::Path;

use gptman::GPT;

use self::boot_entry::Esp;
use self::boot_sector::Start;
use self::error::misfit;
use self::partitions::{Kernel, Partition};
use self::table::{GptDisk, TableFound};
use super::{DEV, SYS, disks};
use crate::agent::machine::{Aid, Configured, Unconfigured};
use crate::domain::machine::disk::Disk;
use crate::domain::profile::configuration::{
    AbVerity, BootEntry, Configuration, DOCUMENT, DiskLayout, PlacedFile, ROOT, SEED_LABEL, SeedVolume, VolumeName,
};

/// Carries out `what` on `disk`.
pub(super) fn configure(disk: &Disk, what: &Configuration, aid: &dyn Aid) -> Result<Configured, Unconfigured> {
    let path = Path::new(&disk.path);
    let kernel = Kernel { sys: Path::new(SYS), dev: Path::new(DEV) };
    let mounts = Path::new(MOUNTS);
    let layout = match &what.layout {
        Some(DiskLayout::AbVerity(sizes)) => Some(sizes),
        Some(DiskLayout::Unknown) => return Err(misfit("this agent does not know the requested disk layout")),
        None => None,
    };

    let mut disk_table = Partitioned::of(path, aid)?;
    if let Some(sizes) = layout {
        disk_table.lay_out(sizes, what.seed.is_some())?;
    }
    let mut partitions = disk_table.shown(kernel)?;
    if layout.is_some() {
        aid.say(&format!("partitions: {}", partitions::in_words(&partitions)));
        grow(&partitions, aid)?;
        verity::make_file_systems(&partitions)?;
    }
    if what.seed.is_some() && seed::existing(&partitions).is_none() {
        partitions = disk_table.with_seed(kernel)?;
    }

    let seeded = what.seed.as_ref().map(|volume| documents(volume, &partitions)).transpose()?;
    let asked = with_documents(what, seeded.as_ref());
    let written = files::write(&asked, &partitions, mounts, aid)?;
    let root_hash = match layout {
        Some(_) => {
            aid.say("sealing the rootfs");
            let root_hash = verity::seal(&partitions, mounts)?;
            partitions = disk_table.sealed(kernel)?;
            Some(root_hash)
        }
        None => None,
    };
    let mut files = written.read_back(&partitions, mounts)?;
    if let Some(Seeded { volume, .. }) = &seeded {
        for fact in files.iter_mut().filter(|fact| fact.volume == *volume) {
            fact.volume = VolumeName(SEED_LABEL.into());
        }
    }
    if let Some(root_hash) = &root_hash {
        verity::verify(&partitions, root_hash, mounts)?;
    }
    disk_table.disk().permit()?;
    if let Some(asked) = &what.boot {
        enter(asked, &disk_table, path, &partitions, aid)?;
    }
    Ok(Configured { files, root_hash })
}

/// A disk with whatever table it has.
struct Partitioned(TableFound);

impl Partitioned {
    fn of(path: &Path, aid: &dyn Aid) -> Result<Self, Unconfigured> {
        let mut disk = Start::of(path)?;
        disk.prevent()?;
        let mut found = GptDisk::read(disk, &|words| aid.say(words))?;
        match &mut found {
            TableFound::Gpt(table) => {
                table.fit()?;
                table.write()?;
                aid.say("the backup partition table is at the end of the disk");
            }
            TableFound::NoGpt(_) => aid.say("the image has no GPT: its partition table is kept"),
        }
        Ok(Self(found))
    }

    fn table(&mut self, why: &str) -> Result<&mut GptDisk, Unconfigured> {
        match &mut self.0 {
            TableFound::Gpt(table) => Ok(table),
            TableFound::NoGpt(_) => Err(misfit(format!("the image has no GPT, which {why} needs"))),
        }
    }

    fn gpt(&self) -> Option<&GPT> {
        match &self.0 {
            TableFound::Gpt(table) => Some(table.gpt()),
            TableFound::NoGpt(_) => None,
        }
    }

    fn lay_out(&mut self, sizes: &AbVerity, is_seeded: bool) -> Result<(), Unconfigured> {
        let swap = sizes.swap_mib.unwrap_or_else(|| layout::swap_mib(memory_bytes(), fixed_disks() == 1));
        let tail = if is_seeded { SEED_ROOM } else { 0 };
        layout::lay_out(self.table("the layout")?, sizes, swap, tail)
    }

    fn disk(&mut self) -> &mut Start {
        match &mut self.0 {
            TableFound::Gpt(table) => table.disk(),
            TableFound::NoGpt(disk) => disk,
        }
    }

    /// The partitions, once the kernel shows what the table says.
    fn shown(&mut self, kernel: Kernel<'_>) -> Result<Vec<Partition>, Unconfigured> {
        let gpt = self.gpt().cloned();
        let disk = self.disk();
        let path = disk.path().to_owned();
        disk.shown(|file| kernel.reread(&path, file, gpt.as_ref()))
    }

    /// With a seed volume, made and formatted.
    fn with_seed(&mut self, kernel: Kernel<'_>) -> Result<Vec<Partition>, Unconfigured> {
        let table = self.table("a cloud-init volume")?;
        let number = seed::add(table)?;
        table.write()?;
        let partitions = self.shown(kernel)?;
        seed::format(verity::numbered(&partitions, number)?)?;
        self.shown(kernel)
    }

    /// The hashes are there: now their partition gets its name.
    fn sealed(&mut self, kernel: Kernel<'_>) -> Result<Vec<Partition>, Unconfigured> {
        let table = self.table("the layout")?;
        table.gpt_mut()[layout::HASHMAP_A].partition_name = "hashmap_a".into();
        table.write()?;
        self.shown(kernel)
    }
}

/// The file systems of the image fill their larger partitions.
fn grow(partitions: &[Partition], aid: &dyn Aid) -> Result<(), Unconfigured> {
    for number in [layout::ROOTFS, layout::PERSISTENT] {
        let partition = verity::numbered(partitions, number)?;
        match filesystem::FilesystemKind::of(&partition.device)? {
            Some(filesystem::FilesystemKind::Ext) => filesystem::grow(&partition.device)?,
            Some(_) | None => aid.say(&format!("{} has no ext4: keeping its size", partition.name)),
        }
    }
    Ok(())
}

/// cloud-init's documents as files of the volume that they go to, which has this name.
struct Seeded {
    volume: VolumeName,
    files: Vec<PlacedFile>,
}

fn documents(seed: &SeedVolume, partitions: &[Partition]) -> Result<Seeded, Unconfigured> {
    let partition = seed::existing(partitions).ok_or_else(|| misfit("the cloud-init volume is missing"))?;
    let name = if partition.label.eq_ignore_ascii_case(SEED_LABEL) { &partition.label } else { &partition.name };
    let volume = VolumeName(name.clone());
    let file = |(name, content): &(String, String)| PlacedFile {
        volume: volume.clone(),
        path: format!("/{name}"),
        mode: DOCUMENT,
        owner: ROOT.into(),
        content: content.clone(),
    };
    let files = seed.documents.iter().map(file).collect();
    Ok(Seeded { volume, files })
}

fn with_documents(what: &Configuration, seeded: Option<&Seeded>) -> Configuration {
    let documents = seeded.map(|seeded| seeded.files.clone()).unwrap_or_default();
    Configuration { files: [what.files.clone(), documents].concat(), ..what.clone() }
}

/// Sees to the firmware's boot entry, on a machine that was started by UEFI.
fn enter(
    asked: &BootEntry,
    table: &Partitioned,
    disk: &Path,
    partitions: &[Partition],
    aid: &dyn Aid,
) -> Result<(), Unconfigured> {
    if !Path::new(EFI).exists() {
        aid.say("this machine was started by BIOS, which has no boot entries");
        return Ok(());
    }
    let esp = table.gpt().and_then(|gpt| gpt.iter().find(|(_, entry)| entry.partition_type_guid == ESP));
    let (number, entry) =
        esp.ok_or_else(|| misfit("the image has no EFI system partition for the boot entry to start from"))?;
    let partition = verity::numbered(partitions, number)?;
    let guid = super::contents::guid(entry.unique_partition_guid);
    boot_entry::set(asked, &Esp { disk, partition, guid }, &Path::new(MOUNTS).join("esp"), aid)
}

fn memory_bytes() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|total| total.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default().saturating_mul(1024)
}

fn fixed_disks() -> usize {
    let disks = disks::list(Path::new(SYS), Path::new(DEV), &mut Vec::new());
    disks.iter().filter(|disk| disk.bytes > 0 && !disk.removable).count()
}

/// Volumes are mounted below this.
const MOUNTS: &str = "/run/oxbow/volumes";
const EFI: &str = "/sys/firmware/efi";
/// For a new layout with a seed volume: its 8 MiB plus alignment.
const SEED_ROOM: u64 = 10 << 20;
/// `C12A7328-F81F-11D2-BA4B-00A0C93EC93B` as it stands in a table.
const ESP: [u8; 16] = [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b];
