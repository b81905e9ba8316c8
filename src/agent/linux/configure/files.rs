//! Files and archives: placed on mounted volumes, and read back from them once they have been mounted anew.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::archive::{ArchiveError, Contents};
use super::filesystem::{For, Kind, Mounted, check};
use super::owner::{Accounts, owner};
use super::partitions::Partition;
use super::trouble::{differs, failed, misfit};
use super::volumes::find;
use crate::agent::machine::{Aid, Unconfigured};
use crate::domain::configuration::{Configuration, DIRECTORY, FileFact, PlacedArchive, PlacedFile, ROOT, VolumeName};
use crate::domain::report::FailureKind;

/// What was written, kept to compare the disk with.
pub(super) struct Written<'a> {
    files: &'a [PlacedFile],
    archives: Vec<(&'a PlacedArchive, Contents)>,
    /// Each volume's partition and kind.
    volumes: BTreeMap<VolumeName, (PathBuf, Kind)>,
}

/// The volumes that are mounted, by name, and where.
struct Volumes(BTreeMap<VolumeName, Mounted>);

/// Writes the files and archives of `what`, in their order.
pub(super) fn write<'a>(
    what: &'a Configuration,
    partitions: &[Partition],
    below: &Path,
    aid: &dyn Aid,
) -> Result<Written<'a>, Unconfigured> {
    let mut volumes = BTreeMap::new();
    let names = what.files.iter().map(|file| &file.volume).chain(what.archives.iter().map(|archive| &archive.volume));
    for name in names {
        if !volumes.contains_key(name) {
            let device = find(partitions, name)?.device.clone();
            let kind = Kind::of(&device)?.ok_or_else(|| {
                misfit(format!("volume {name} has no file system that this machine can write (ext4, xfs, btrfs, FAT)"))
            })?;
            check(kind, &device)?;
            volumes.insert(name.clone(), (device, kind));
        }
    }
    let mounted = Volumes::mount(&volumes, For::Writing, below)?;
    let accounts = mounted.accounts(&what.files, partitions, below)?;
    for file in &what.files {
        mounted.place(file, &accounts)?;
    }
    match what.files.len() {
        0 => {}
        1 => aid.say("1 file is written"),
        files => aid.say(&format!("{files} files are written")),
    }
    let mut archives = Vec::new();
    for archive in &what.archives {
        let contents = mounted.unpack(archive, aid)?;
        aid.say(&format!(
            "{}: {} entries are unpacked to {}:{}",
            archive.name,
            contents.len(),
            archive.volume,
            archive.path
        ));
        archives.push((archive, contents));
    }
    mounted.unmount()?;
    Ok(Written { files: &what.files, archives, volumes })
}

impl Written<'_> {
    /// Reads everything back from the medium.
    pub(super) fn read_back(&self, partitions: &[Partition], below: &Path) -> Result<Vec<FileFact>, Unconfigured> {
        let mounted = Volumes::mount(&self.volumes, For::Reading, below)?;
        let accounts = mounted.accounts(self.files, partitions, below)?;
        let mut facts = Vec::new();
        for file in self.files {
            facts.push(mounted.fact(file, &accounts)?);
        }
        for (archive, contents) in &self.archives {
            let volume = mounted.of(&archive.volume)?;
            let directory = volume.root()?.directory(Path::new(&archive.path));
            let directory = directory.map_err(|error| failed(&place(&archive.volume, &archive.path), &error))?;
            if let Some((path, how)) = contents.difference(&directory, volume.kind().keeps_owners()) {
                let at = place(&archive.volume, &archive.path);
                return Err(differs(format!("{} in {at}: {path:?} reads back wrong: {how}", archive.name)));
            }
            let PlacedArchive { volume, path, sha256, .. } = (*archive).clone();
            facts.push(FileFact { volume, path, mode: DIRECTORY, owner: ROOT.into(), sha256 });
        }
        mounted.unmount()?;
        Ok(facts)
    }
}

impl Volumes {
    fn mount(
        volumes: &BTreeMap<VolumeName, (PathBuf, Kind)>,
        purpose: For,
        below: &Path,
    ) -> Result<Self, Unconfigured> {
        let mut mounted = BTreeMap::new();
        for (at, (name, (device, kind))) in volumes.iter().enumerate() {
            let at = below.join(at.to_string());
            mounted.insert(name.clone(), Mounted::new(device, *kind, purpose, &at)?);
        }
        Ok(Self(mounted))
    }

    fn of(&self, name: &VolumeName) -> Result<&Mounted, Unconfigured> {
        self.0.get(name).ok_or_else(|| misfit(format!("volume {name} is not mounted")))
    }

    /// Who is known on each volume; where that does not do for these files, under an empty name who is known elsewhere on
    /// the disk.
    fn accounts(
        &self,
        files: &[PlacedFile],
        partitions: &[Partition],
        below: &Path,
    ) -> Result<BTreeMap<VolumeName, Accounts>, Unconfigured> {
        let mut accounts = BTreeMap::new();
        for (name, mounted) in &self.0 {
            accounts.insert(name.clone(), Accounts::of(mounted.root()?));
        }
        let is_known = |file: &PlacedFile| owner(&file.owner, &first(&accounts, &file.volume)).is_ok();
        if files.iter().all(is_known) {
            return Ok(accounts);
        }
        let is_mounted = |partition: &Partition| self.0.values().any(|mounted| mounted.device() == partition.device);
        for other in partitions.iter().filter(|partition| !is_mounted(partition)) {
            let Some(kind) = Kind::of(&other.device)?.filter(|kind| kind.keeps_owners()) else { continue };
            // One that cannot be mounted is not the system's.
            let Ok(mounted) = Mounted::new(&other.device, kind, For::Reading, &below.join("other")) else { continue };
            let known = Accounts::of(mounted.root()?);
            mounted.unmount()?;
            if known != Accounts::default() {
                accounts.insert(VolumeName(String::new()), known);
                break;
            }
        }
        Ok(accounts)
    }

    fn place(&self, file: &PlacedFile, accounts: &BTreeMap<VolumeName, Accounts>) -> Result<(), Unconfigured> {
        let PlacedFile { volume, path, mode, owner: asked, content } = file;
        let at = place(volume, path);
        let owner = owner(asked, &first(accounts, volume)).map_err(|no| misfit(format!("{at}: {}", no.detail)))?;
        let root = self.of(volume)?.root()?;
        let placed = root.place(Path::new(path), content.as_bytes(), mode & 0o7777, owner.user, owner.group);
        placed.map_err(|error| failed(&format!("writing {at}"), &error))
    }

    fn unpack(&self, archive: &PlacedArchive, aid: &dyn Aid) -> Result<Contents, Unconfigured> {
        let PlacedArchive { volume, path, name, .. } = archive;
        let at = place(volume, path);
        let directory = self.of(volume)?.root()?.directory(Path::new(path));
        let directory = directory.map_err(|error| failed(&format!("making {at}"), &error))?;
        let download = |error: &io::Error| Unconfigured {
            kind: FailureKind::Download,
            detail: format!("{name} for {at}: {error}"),
        };
        let file = aid.fetch(archive).map_err(|error| download(&error))?;
        Contents::unpack(file, &directory).map_err(|error| match &error {
            ArchiveError::Unreadable(why) => download(why),
            ArchiveError::Refused { .. } => misfit(format!("{name} is not unpacked to {at}: {error}")),
            ArchiveError::Unwritten { source, .. } => failed(&format!("unpacking {name} to {at}: {error}"), source),
        })
    }

    fn fact(&self, file: &PlacedFile, accounts: &BTreeMap<VolumeName, Accounts>) -> Result<FileFact, Unconfigured> {
        let PlacedFile { volume, path, mode, owner: asked, .. } = file;
        let at = place(volume, path);
        let mounted = self.of(volume)?;
        let read = mounted.root()?.read(Path::new(path));
        let read = read.map_err(|error| differs(format!("{at} cannot be read back: {error}")))?;
        let owner = owner(asked, &first(accounts, volume))?;
        if mounted.kind().keeps_owners() && (read.mode, read.user, read.group) != (*mode, owner.user, owner.group) {
            return Err(differs(format!(
                "{at} reads back with mode {:04o} and owner {}:{}, it should have {mode:04o} and {}:{}",
                read.mode, read.user, read.group, owner.user, owner.group
            )));
        }
        let (volume, path, owner) = (volume.clone(), path.clone(), asked.clone());
        Ok(FileFact { volume, path, mode: *mode, owner, sha256: read.sha256 })
    }

    fn unmount(self) -> Result<(), Unconfigured> {
        self.0.into_values().try_for_each(Mounted::unmount)
    }
}

/// The systems that may know an owner of a file on `volume`: its own comes first.
fn first<'a>(accounts: &'a BTreeMap<VolumeName, Accounts>, volume: &VolumeName) -> Vec<&'a Accounts> {
    let others = accounts.iter().filter(|(name, _)| *name != volume).map(|(_, accounts)| accounts);
    accounts.get(volume).into_iter().chain(others).collect()
}

fn place(volume: &VolumeName, path: &str) -> String {
    format!("{volume}:{path}")
}
