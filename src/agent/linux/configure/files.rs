//! Files and archives: written to mounted volumes, then read back after a remount.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::archive::{ArchiveError, Contents};
use super::error::{differs, failed, is_full, misfit};
use super::filesystem::{FilesystemKind, For, Mounted, check};
use super::owner::{Accounts, owner};
use super::partitions::Partition;
use super::volumes::find;
use crate::agent::machine::{Aid, Unconfigured};
use crate::domain::machine::disk::in_bytes;
use crate::domain::machine::report::FailureKind;
use crate::domain::profile::configuration::{
    Configuration, DIRECTORY, FileFact, PlacedArchive, PlacedFile, ROOT, VolumeName,
};

/// What was written, kept to compare the disk with.
pub(super) struct FileProof<'a> {
    files: &'a [PlacedFile],
    archives: Vec<(&'a PlacedArchive, Contents)>,
    /// Each volume's partition and kind.
    volumes: BTreeMap<VolumeName, (PathBuf, FilesystemKind)>,
}

/// The volumes that are mounted, by name, and where.
struct Volumes(BTreeMap<VolumeName, Mounted>);

/// Writes the files and archives of `what`, in their order.
pub(super) fn write<'a>(
    what: &'a Configuration,
    partitions: &[Partition],
    below: &Path,
    aid: &dyn Aid,
) -> Result<FileProof<'a>, Unconfigured> {
    let mut volumes = BTreeMap::new();
    let names = what.files.iter().map(|file| &file.volume).chain(what.archives.iter().map(|archive| &archive.volume));
    for name in names {
        if !volumes.contains_key(name) {
            let device = find(partitions, name)?.device.clone();
            let kind = FilesystemKind::of(&device)?.ok_or_else(|| {
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
        1 => aid.say("1 file written"),
        files => aid.say(&format!("{files} files written")),
    }
    let mut archives = Vec::new();
    for archive in &what.archives {
        let contents = mounted.unpack(archive, aid)?;
        aid.say(&format!(
            "{}: {} entries unpacked to {}:{}",
            archive.name,
            contents.len(),
            archive.volume,
            archive.path
        ));
        archives.push((archive, contents));
    }
    mounted.unmount()?;
    Ok(FileProof { files: &what.files, archives, volumes })
}

impl FileProof<'_> {
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
        volumes: &BTreeMap<VolumeName, (PathBuf, FilesystemKind)>,
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
            let Some(kind) = FilesystemKind::of(&other.device)?.filter(|kind| kind.keeps_owners()) else { continue };
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
        placed.map_err(|error| self.unwritten(&format!("writing {at}"), volume, content.len() as u64, &error))
    }

    /// Why `bytes` bytes are not on `volume`; of a full one with what there is room for.
    fn unwritten(&self, what: &str, volume: &VolumeName, bytes: u64, error: &io::Error) -> Unconfigured {
        let no = failed(what, error);
        let root = self.of(volume).and_then(Mounted::root);
        let Some((free, has_files)) = root.ok().filter(|_| is_full(error)).and_then(|root| root.room().ok()) else {
            return no;
        };
        let Unconfigured { kind, detail } = no;
        let room = if has_files { format!("{} free", in_bytes(free)) } else { "it has no free inodes".into() };
        Unconfigured { kind, detail: format!("{detail}: {} needed, {room}", in_bytes(bytes)) }
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
            ArchiveError::Refused { .. } => misfit(format!("{name} cannot be unpacked to {at}: {error}")),
            ArchiveError::Unwritten { bytes, source, .. } => {
                self.unwritten(&format!("unpacking {name} to {at}: {error}"), volume, *bytes, source)
            }
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
                "{at} reads back with mode {:04o} and owner {}:{}, expected {mode:04o} and {}:{}",
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

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::MetadataExt;
    use std::process::Command;
    use std::{fs, io};

    use sha2::{Digest as _, Sha256};

    use super::super::partitions::tests_support::partition;
    use super::*;
    use crate::domain::digest::Digest;

    /// A disk of one volume with a file system, as a block device; and where it is mounted.
    struct Volume {
        place: tempfile::TempDir,
        device: String,
    }

    impl Volume {
        /// None on a kernel that does not know this file system.
        fn made(driver: &str, make: &[&str], mib: u64) -> Option<Self> {
            let _it_may_be_built_in = Command::new("modprobe").args(["-q", driver]).status();
            let known = fs::read_to_string("/proc/filesystems").expect("proc");
            if !known.lines().any(|line| line.trim() == driver) {
                println!("this kernel has no {driver}: nothing is shown of it");
                return None;
            }
            let place = tempfile::tempdir().expect("a directory");
            let file = place.path().join("disk");
            fs::File::create(&file).and_then(|file| file.set_len(mib << 20)).expect("a disk");
            ran(make[0], &make[1..], &file);
            let device = ran("losetup", &["--find", "--show"], &file).trim().to_owned();
            Some(Self { place, device })
        }

        fn partitions(&self) -> Vec<Partition> {
            let mut partition = partition(1, "rootfs", "");
            partition.device = (&self.device).into();
            vec![partition]
        }

        fn mounts(&self) -> PathBuf {
            self.place.path().join("mounts")
        }

        fn keep(&self) {
            ran("cp", &["--sparse=always", "-t", &self.mounts().display().to_string()], &self.file());
        }

        fn is_as_kept(&self) -> bool {
            let compared = Command::new("cmp").arg(self.mounts().join("disk")).arg(self.file()).status();
            compared.expect("cmp starts").success()
        }

        fn file(&self) -> PathBuf {
            self.place.path().join("disk")
        }

        fn write<'a>(&self, what: &'a Configuration) -> Result<FileProof<'a>, String> {
            write(what, &self.partitions(), &self.mounts(), &Hands).map_err(|no| no.detail)
        }
    }

    impl Drop for Volume {
        fn drop(&mut self) {
            Command::new("losetup").args(["--detach", &self.device]).status().ok();
        }
    }

    fn ran(program: &str, args: &[&str], file: &Path) -> String {
        let done = Command::new(program).args(args).arg(file).output();
        let done = done.unwrap_or_else(|error| panic!("{program}: {error}; packaging/test-deps installs it"));
        assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// Gives a tar with one program in it.
    struct Hands;

    impl Aid for Hands {
        fn fetch<'a>(&'a self, _: &'a PlacedArchive) -> io::Result<Box<dyn Read + 'a>> {
            let mut header = tar::Header::new_gnu();
            header.set_size(PROGRAM.len() as u64);
            header.set_mode(0o750);
            header.set_uid(7);
            header.set_gid(8);
            let mut tar = tar::Builder::new(Vec::new());
            tar.append_data(&mut header, "k3s/install.sh", PROGRAM)?;
            Ok(Box::new(io::Cursor::new(tar.into_inner()?)))
        }

        fn say(&self, _: &str) {}
    }

    const PROGRAM: &[u8] = b"#!/bin/sh\necho k3s\n";

    fn asked(content: &str) -> Configuration {
        let volume = VolumeName("rootfs".into());
        let file = PlacedFile {
            volume: volume.clone(),
            path: "/etc/press/line.conf".into(),
            mode: 0o640,
            owner: "1003:46".into(),
            content: content.into(),
        };
        let archive = PlacedArchive {
            volume,
            path: "/apps".into(),
            name: "apps.tar".into(),
            source: "/images/apps.tar".into(),
            bytes: 0,
            sha256: Digest::new([7; 32]),
        };
        Configuration { files: vec![file], archives: vec![archive], ..Configuration::default() }
    }

    #[test]
    fn files_and_archives_are_on_a_volume_of_each_kind_and_looking_at_them_changes_not_a_byte_of_it() {
        for (driver, make, mib) in [
            ("ext4", &["mke2fs", "-q", "-t", "ext4"][..], 32),
            ("xfs", &["mkfs.xfs", "-q"], 320),
            ("btrfs", &["mkfs.btrfs", "-q"], 160),
            ("vfat", &["mkfs.fat"], 32),
        ] {
            let Some(volume) = Volume::made(driver, make, mib) else { continue };
            // Once more over what is there, as when the run before was cut off.
            for content in ["serial = 1\n", "serial = 42\n"] {
                let what = asked(content);
                let written = volume.write(&what).unwrap_or_else(|no| panic!("{driver}: {no}"));
                volume.keep();
                let facts = written.read_back(&volume.partitions(), &volume.mounts());
                let facts = facts.unwrap_or_else(|no| panic!("{driver}: {}", no.detail));
                assert_eq!(facts, what.facts(|text| Digest::new(Sha256::digest(text).into())), "{driver}");
                assert!(volume.is_as_kept(), "{driver}: looking changed it");
            }

            let at = volume.mounts().join("looked-at");
            let kind = FilesystemKind::of(Path::new(&volume.device)).expect("readable").expect("a known kind");
            let mounted = Mounted::new(Path::new(&volume.device), kind, For::Reading, &at).expect("mounted");
            assert_eq!(fs::read_to_string(at.join("etc/press/line.conf")).expect("a file"), "serial = 42\n");
            assert_eq!(fs::read(at.join("apps/k3s/install.sh")).expect("a file"), PROGRAM);
            if kind.keeps_owners() {
                let facts = fs::metadata(at.join("etc/press/line.conf")).expect("a file");
                assert_eq!((facts.mode() & 0o7777, facts.uid(), facts.gid()), (0o640, 1003, 46), "{driver}");
                let facts = fs::metadata(at.join("apps/k3s/install.sh")).expect("a file");
                assert_eq!((facts.mode() & 0o7777, facts.uid(), facts.gid()), (0o750, 7, 8), "{driver}");
            }
            mounted.unmount().expect("unmounted");
        }
    }

    #[test]
    fn a_download_that_breaks_in_the_middle_of_a_file_is_no_fault_of_the_disk() {
        struct Broken;
        impl Aid for Broken {
            fn fetch<'a>(&'a self, _: &'a PlacedArchive) -> io::Result<Box<dyn Read + 'a>> {
                let mut header = tar::Header::new_gnu();
                header.set_path("k3s/large")?;
                header.set_size(4 << 20);
                header.set_cksum();
                let mut tar = header.as_bytes().to_vec();
                tar.resize(1 << 20, 7);
                Ok(Box::new(io::Cursor::new(tar).chain(Cut)))
            }

            fn say(&self, _: &str) {}
        }
        struct Cut;
        impl Read for Cut {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("no new byte for 120 s"))
            }
        }
        let volume = Volume::made("ext4", &["mke2fs", "-q", "-t", "ext4"], 16).expect("it has ext4");
        let what = asked("x");
        let broken = write(&what, &volume.partitions(), &volume.mounts(), &Broken).err().expect("it ends early");
        assert_eq!(broken.kind, FailureKind::Download);
        assert!(broken.detail.contains("apps.tar for rootfs:/apps") && broken.detail.contains("120 s"), "{broken:?}");
    }

    #[test]
    fn a_full_volume_is_named_with_what_was_to_be_written_and_what_is_free() {
        for (driver, make, mib) in [
            ("ext4", &["mke2fs", "-q", "-t", "ext4"][..], 16),
            ("xfs", &["mkfs.xfs", "-q"], 320),
            ("btrfs", &["mkfs.btrfs", "-q"], 160),
        ] {
            let Some(volume) = Volume::made(driver, make, mib) else { continue };
            let large = "x".repeat(usize::try_from(mib << 20).expect("a size"));
            let why = volume.write(&asked(&large)).err().unwrap_or_else(|| panic!("{driver} takes more than it has"));
            let begins = "writing rootfs:/etc/press/line.conf: the volume is full: ";
            let says = format!("{begins}{} needed, ", in_bytes(mib << 20));
            assert!(why.starts_with(&says) && why.ends_with("MB free"), "{driver}: {why}");
            let free = why[says.len()..].trim_end_matches(" MB free").parse::<f64>().expect("a figure");
            assert!(free > 1.0 && free < (mib << 20) as f64 / 1e6, "{driver}: {why}");
            // Nothing is left of it that would be in the way of what does fit.
            volume.write(&asked("small")).unwrap_or_else(|no| panic!("{driver}: {no}"));
        }
    }

    #[test]
    fn a_volume_without_room_for_another_file_is_not_said_to_have_bytes_free() {
        let volume = Volume::made("ext4", &["mke2fs", "-q", "-t", "ext4", "-N", "16"], 16).expect("it has ext4");
        let files = (0..40).map(|number| PlacedFile { path: format!("/{number}"), ..asked("x").files.remove(0) });
        let what = Configuration { files: files.collect(), ..Configuration::default() };
        let why = volume.write(&what).err().expect("it has 16 inodes");
        assert!(why.ends_with("the volume is full: 1 B needed, it has no free inodes"), "{why}");
    }

    #[test]
    fn a_volume_that_can_only_be_read_is_named() {
        let volume = Volume::made("ext4", &["mke2fs", "-q", "-t", "ext4"], 16).expect("it has ext4");
        ran("tune2fs", &["-O", "read-only"], Path::new(&volume.device));
        let why = volume.write(&asked("x")).err().expect("it is read-only");
        assert_eq!(why, "writing rootfs:/etc/press/line.conf: the volume is read-only");
    }
}
