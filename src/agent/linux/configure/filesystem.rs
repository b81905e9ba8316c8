//! File systems of the disk: what kind, checked before they are mounted, mounted by the kernel, taken off again.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::error::{failed, misfit};
use super::root::MountedRoot;
use super::tools::{run, succeed};
use crate::agent::machine::Unconfigured;
use crate::domain::machine::report::FailureKind;

/// A kind of file system that files can be placed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FilesystemKind {
    /// ext2, ext3 or ext4.
    Ext,
    Xfs,
    Btrfs,
    /// It knows neither owners nor modes.
    Fat,
}

/// How a file system is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    Writing,
    /// Not a byte of the device is changed, not even by replaying a journal.
    Reading,
}

impl FilesystemKind {
    /// Told by the first bytes of the device; none where it is nothing that is known here.
    pub(super) fn of(device: &Path) -> Result<Option<Self>, Unconfigured> {
        let file = File::open(device).map_err(|error| failed(&format!("opening {}", device.display()), &error))?;
        let holds = |at: u64, bytes: &[u8]| {
            let mut found = vec![0; bytes.len()];
            file.read_exact_at(&mut found, at).is_ok() && found == bytes
        };
        Ok(if holds(1080, &[0x53, 0xef]) {
            Some(Self::Ext)
        } else if holds(0, b"XFSB") {
            Some(Self::Xfs)
        } else if holds(0x1_0040, b"_BHRfS_M") {
            Some(Self::Btrfs)
        } else if holds(82, b"FAT32   ") || holds(54, b"FAT16   ") || holds(54, b"FAT12   ") {
            Some(Self::Fat)
        } else {
            None
        })
    }

    fn driver(self, purpose: For) -> (&'static str, &'static str) {
        match (self, purpose) {
            (Self::Ext, For::Writing) => ("ext4", ""),
            (Self::Ext, For::Reading) => ("ext4", "noload"),
            (Self::Xfs, For::Writing) => ("xfs", "nouuid"),
            (Self::Xfs, For::Reading) => ("xfs", "nouuid,norecovery"),
            (Self::Btrfs, For::Writing) => ("btrfs", ""),
            (Self::Btrfs, For::Reading) => ("btrfs", "rescue=nologreplay"),
            // Owners and modes that it cannot keep are taken without an error. Names keep being the same in either case,
            // which they are not with `iocharset=utf8`.
            (Self::Fat, For::Writing | For::Reading) => ("vfat", "quiet,utf8"),
        }
    }

    pub(super) fn keeps_owners(self) -> bool {
        match self {
            Self::Ext | Self::Xfs | Self::Btrfs => true,
            Self::Fat => false,
        }
    }
}

/// Has the file system on `device` checked, and mended where it was left in the middle of something. The others mend
/// themselves when they are mounted.
pub(super) fn check(kind: FilesystemKind, device: &Path) -> Result<(), Unconfigured> {
    let name = device.display().to_string();
    let broken = |words: String| Unconfigured {
        kind: FailureKind::Configuration,
        detail: format!("the file system on {name} is broken: {words}"),
    };
    match kind {
        FilesystemKind::Ext => {
            // e2fsck(8): 1 and 2 are errors that were corrected, 4 ones that were not, 8 and more its own.
            let mut ran = run("e2fsck", &["-p", &name])?;
            if ran.status == Some(4) {
                ran = run("e2fsck", &["-f", "-y", &name])?;
            }
            match ran.status {
                Some(0..=3) => Ok(()),
                Some(_) | None => Err(broken(ran.words)),
            }
        }
        FilesystemKind::Fat => {
            // fsck.fat(8): 1 means errors that it could deal with.
            let ran = run("fsck.fat", &["-a", &name])?;
            match ran.status {
                Some(0 | 1) => Ok(()),
                Some(_) | None => Err(broken(ran.words)),
            }
        }
        FilesystemKind::Xfs | FilesystemKind::Btrfs => Ok(()),
    }
}

/// Makes the ext file system on `device` as large as the device.
pub(super) fn grow(device: &Path) -> Result<(), Unconfigured> {
    let name = device.display().to_string();
    let ran = run("e2fsck", &["-f", "-p", &name])?;
    if !matches!(ran.status, Some(0..=3)) {
        return Err(misfit(format!("the file system on {name} is broken: {}", ran.words)));
    }
    succeed("resize2fs", &[&name]).map(drop)
}

/// Makes an empty ext4 that older systems can use and check too.
pub(super) fn make_ext4(device: &Path, label: &str) -> Result<(), Unconfigured> {
    let name = device.display().to_string();
    succeed("mke2fs", &["-q", "-F", "-t", "ext4", "-O", "^orphan_file,^metadata_csum_seed", "-L", label, &name])
        .map(drop)
}

/// A mounted file system. It is taken off when this is dropped; [`Mounted::unmount`] says how that went.
#[derive(Debug)]
pub(super) struct Mounted {
    kind: FilesystemKind,
    device: PathBuf,
    at: PathBuf,
    /// None once it is taken off.
    root: Option<MountedRoot>,
}

impl Mounted {
    /// Mounts `device` at `at`, which is made.
    pub(super) fn new(device: &Path, kind: FilesystemKind, purpose: For, at: &Path) -> Result<Self, Unconfigured> {
        let words = |error| failed(&format!("mounting {}", device.display()), &error);
        fs::create_dir_all(at).map_err(words)?;
        let (driver, options) = kind.driver(purpose);
        let mut flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_NOATIME;
        if purpose == For::Reading {
            flags |= MsFlags::MS_RDONLY;
        }
        mount(Some(device), at, Some(driver), flags, Some(options)).map_err(|error| words(error.into()))?;
        let mut mounted = Self { kind, device: device.to_owned(), at: at.to_owned(), root: None };
        mounted.root = Some(MountedRoot::open(at).map_err(words)?);
        Ok(mounted)
    }

    pub(super) fn kind(&self) -> FilesystemKind {
        self.kind
    }

    pub(super) fn device(&self) -> &Path {
        &self.device
    }

    pub(super) fn root(&self) -> Result<&MountedRoot, Unconfigured> {
        self.root.as_ref().ok_or_else(|| misfit(format!("{} is no longer mounted", self.device.display())))
    }

    /// Brings everything to the medium, takes the file system off, and has the kernel forget what it read of it.
    pub(super) fn unmount(mut self) -> Result<(), Unconfigured> {
        let words = |error| failed(&format!("unmounting {}", self.device.display()), &error);
        if let Some(root) = self.root.take() {
            root.sync().map_err(words)?;
        }
        umount2(&self.at, MntFlags::empty()).map_err(|error| words(error.into()))?;
        forget(&self.device)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // After `unmount` nothing is left there, which is harmless.
        self.root = None;
        let _nothing_more_can_be_done = umount2(&self.at, MntFlags::MNT_DETACH);
    }
}

/// What is read of `device` from now on comes from the medium.
pub(super) fn forget(device: &Path) -> Result<(), Unconfigured> {
    let words = |error| failed(&format!("flushing {}", device.display()), &error);
    let file = File::open(device).map_err(words)?;
    file.sync_all().map_err(words)?;
    posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).map_err(|error| words(error.into()))?;
    // Directories and inodes too; on a kernel that cannot, they went with the mount.
    let _best_effort = fs::write("/proc/sys/vm/drop_caches", "3");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn made(program: &str, args: &[&str]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        file.as_file().set_len(8 << 20).expect("a volume");
        let made = Command::new(program).args(args).arg(file.path()).output();
        assert!(made.is_ok_and(|made| made.status.success()), "{program} makes a file system");
        file
    }

    #[test]
    fn a_file_system_is_known_by_what_is_in_it() {
        let ext4 = made("mke2fs", &["-q", "-t", "ext4"]);
        let fat = made("mkfs.fat", &[]);
        let nothing = tempfile::NamedTempFile::new().expect("a file");
        let kind = |file: &tempfile::NamedTempFile| FilesystemKind::of(file.path()).expect("readable");
        assert_eq!(
            [kind(&ext4), kind(&fat), kind(&nothing)],
            [Some(FilesystemKind::Ext), Some(FilesystemKind::Fat), None]
        );
    }

    #[test]
    fn a_file_system_left_dirty_is_mended_and_one_beyond_mending_is_named() {
        let ext4 = made("mke2fs", &["-q", "-t", "ext4", "-O", "^metadata_csum"]);
        check(FilesystemKind::Ext, ext4.path()).expect("it is sound");
        // In the superblock: a wrong number of free inodes, and that it was not unmounted.
        ext4.as_file().write_all_at(&[1, 0, 0, 0], 1024 + 16).expect("written");
        ext4.as_file().write_all_at(&[0, 0], 1024 + 58).expect("written");
        check(FilesystemKind::Ext, ext4.path()).expect("it is mended");
        let (mut free, mut state) = ([0; 4], [0; 2]);
        ext4.as_file().read_exact_at(&mut free, 1024 + 16).expect("read");
        ext4.as_file().read_exact_at(&mut state, 1024 + 58).expect("read");
        assert!(u32::from_le_bytes(free) > 1000 && state == [1, 0], "{free:?}, {state:?}");

        let gone = made("mke2fs", &["-q", "-t", "ext4"]);
        gone.as_file().write_all_at(&vec![0xff; (8 << 20) - 1100], 1100).expect("written");
        let broken = check(FilesystemKind::Ext, gone.path()).expect_err("nothing is left of it");
        assert!(broken.detail.starts_with(&format!("the file system on {} is broken: ", gone.path().display())));
    }

    #[test]
    fn a_grown_volume_gets_a_grown_file_system() {
        let ext4 = made("mke2fs", &["-q", "-t", "ext4"]);
        ext4.as_file().set_len(32 << 20).expect("a larger volume");
        grow(ext4.path()).expect("grown");
        let output = Command::new("dumpe2fs").arg("-h").arg(ext4.path()).output().expect("dumpe2fs");
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        let number = |name: &str| {
            let line = output.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
            line.trim().parse::<u64>().expect("a number")
        };
        assert_eq!(number("Block count:") * number("Block size:"), 32 << 20);
    }
}
