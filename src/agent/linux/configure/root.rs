//! A file system of the disk, in which paths are walked as the system on the disk will walk them: absolute links begin at
//! its root, and nothing leads out of it (openat2(2), `RESOLVE_IN_ROOT`).

use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2, renameat};
use nix::sys::stat::{Mode, mkdirat};
use nix::sys::statvfs::fstatvfs;
use nix::unistd::{UnlinkatFlags, syncfs, unlinkat};
use sha2::{Digest as _, Sha256};

use crate::domain::digest::Digest;

/// The root of a mounted file system.
#[derive(Debug)]
pub(super) struct MountedRoot(OwnedFd);

/// What a file on the disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileRead {
    pub mode: u32,
    pub user: u32,
    pub group: u32,
    pub sha256: Digest,
}

impl MountedRoot {
    pub(super) fn open(at: &Path) -> io::Result<Self> {
        Ok(Self(File::open(at)?.into()))
    }

    /// The directory at `path`; those that are missing on the way are made, 0755 and root's.
    pub(super) fn directory(&self, path: &Path) -> io::Result<OwnedFd> {
        let mut reached = PathBuf::from(".");
        let mut directory = self.walk(&reached, DIRECTORY)?;
        for name in inside(path)?.components() {
            reached.push(name);
            directory = match self.walk(&reached, DIRECTORY) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    make_directory(&directory, Path::new(name.as_os_str()))?;
                    self.walk(&reached, DIRECTORY)?
                }
                other => other?,
            };
        }
        Ok(directory)
    }

    /// Writes a file at `path` atomically: readers find the old one or the new one.
    pub(super) fn place(&self, path: &Path, content: &[u8], mode: u32, user: u32, group: u32) -> io::Result<()> {
        let path = inside(path)?;
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let directory = self.directory(path.parent().unwrap_or(Path::new("")))?;
        let _left_by_an_interrupted_run = unlinkat(&directory, NEW, UnlinkatFlags::NoRemoveDir);
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut file: File = openat(&directory, NEW, flags, Mode::S_IRUSR | Mode::S_IWUSR)?.into();
        let written = (|| {
            file.write_all(content)?;
            fchown(&file, Some(user), Some(group))?;
            // After the owner, whose change takes set-user-ID bits away.
            file.set_permissions(Permissions::from_mode(mode))?;
            file.sync_all()?;
            Ok(renameat(&directory, NEW, &directory, name)?)
        })();
        if written.is_err() {
            let _best_effort = unlinkat(&directory, NEW, UnlinkatFlags::NoRemoveDir);
        }
        written
    }

    /// The file at `path`, as it is. A link there is not followed: a file was placed, not a link.
    pub(super) fn read(&self, path: &Path) -> io::Result<FileRead> {
        let mut file = self.file(path)?;
        let facts = file.metadata()?;
        if !facts.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        let mut digest = Sha256::new();
        io::copy(&mut file, &mut digest)?;
        let sha256 = Digest::new(digest.finalize().into());
        Ok(FileRead { mode: facts.mode() & 0o7777, user: facts.uid(), group: facts.gid(), sha256 })
    }

    /// At most `limit` bytes of the text at `path`.
    pub(super) fn text(&self, path: &Path, limit: u64) -> io::Result<String> {
        let path = inside(path)?;
        let file: File = self.walk(&path, OFlag::O_RDONLY | OFlag::O_NONBLOCK)?.into();
        let mut text = Vec::new();
        file.take(limit).read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    pub(super) fn has(&self, path: &Path) -> bool {
        inside(path).is_ok_and(|path| self.walk(&path, OFlag::O_PATH).is_ok())
    }

    /// What there is room for: bytes, and whether there is room for another file at all.
    pub(super) fn room(&self) -> io::Result<(u64, bool)> {
        // What was deleted is free only then on some file systems.
        self.sync()?;
        let facts = fstatvfs(&self.0)?;
        let counts_files = facts.files() > 0;
        Ok((facts.blocks_free() * facts.fragment_size(), !counts_files || facts.files_free() > 0))
    }

    /// Brings everything written to the medium.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(syncfs(&self.0)?)
    }

    fn file(&self, path: &Path) -> io::Result<File> {
        let path = inside(path)?;
        // A pipe there must not block the agent.
        Ok(self.walk(&path, OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK)?.into())
    }

    fn walk(&self, path: &Path, flags: OFlag) -> io::Result<OwnedFd> {
        let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC);
        let how = how.resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        Ok(openat2(&self.0, path, how)?)
    }
}

/// `path` without its `/`; an error if it does not stay where it is written.
fn inside(path: &Path) -> io::Result<PathBuf> {
    let mut inside = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => inside.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "a path must not contain `..`"));
            }
        }
    }
    Ok(inside)
}

/// Makes the directory `name` in `parent`, 0755 and root's whatever this program's own defaults are; one that is there
/// already stays.
pub(super) fn make_directory(parent: &OwnedFd, name: &Path) -> io::Result<()> {
    match mkdirat(parent, name, Mode::S_IRWXU) {
        Ok(()) => {}
        Err(Errno::EEXIST) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    let made: File = openat(parent, name, DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())?.into();
    fchown(&made, Some(0), Some(0))?;
    made.set_permissions(Permissions::from_mode(0o755))
}

const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY);
/// What a file is called while it is written.
const NEW: &str = ".oxbow-new";

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn volume() -> (tempfile::TempDir, MountedRoot) {
        let directory = tempfile::tempdir().expect("a directory");
        let root = MountedRoot::open(directory.path()).expect("a root");
        (directory, root)
    }

    #[test]
    fn a_file_has_the_content_mode_and_owner_that_were_asked_for_and_replaces_a_former_one() {
        let (at, root) = volume();
        for (content, mode) in [("first", 0o600), ("second", 0o4751)] {
            root.place(Path::new("/etc/press/line.conf"), content.as_bytes(), mode, 12, 34).expect("placed");
            let read = root.read(Path::new("/etc/press/line.conf")).expect("read");
            assert_eq!((read.mode, read.user, read.group), (mode, 12, 34));
            assert_eq!(read.sha256, Digest::new(Sha256::digest(content).into()));
        }
        let made = fs::metadata(at.path().join("etc/press")).expect("a directory");
        assert_eq!((made.mode() & 0o7777, made.uid(), made.gid()), (0o755, 0, 0));
        assert_eq!(fs::read_dir(at.path().join("etc/press")).expect("a directory").count(), 1, "nothing else is left");
    }

    #[test]
    fn links_are_followed_as_the_installed_system_does_and_never_out_of_the_volume() {
        let (at, root) = volume();
        let outside = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(at.path().join("run/lock")).expect("a directory");
        fs::create_dir(at.path().join("var")).expect("a directory");
        symlink("/run/lock", at.path().join("var/lock")).expect("a link");
        symlink("../../../../../../../../../../tmp", at.path().join("var/up")).expect("a link");
        symlink(outside.path(), at.path().join("var/out")).expect("a link");

        root.place(Path::new("/var/lock/line"), b"1", 0o644, 0, 0).expect("placed");
        assert_eq!(fs::read(at.path().join("run/lock/line")).expect("it is where the link leads"), b"1");
        for path in ["/var/up/line", "/var/out/line"] {
            let _it_may_be_refused = root.place(Path::new(path), b"1", 0o644, 0, 0);
        }
        assert!(!Path::new("/tmp/line").exists());
        assert_eq!(fs::read_dir(outside.path()).expect("a directory").count(), 0);
        assert!(root.place(Path::new("/var/../../line"), b"1", 0o644, 0, 0).is_err());
    }

    #[test]
    fn a_link_where_the_file_goes_is_replaced_and_what_it_led_to_is_left_alone() {
        let (at, root) = volume();
        fs::write(at.path().join("stub"), "former").expect("a file");
        symlink("stub", at.path().join("resolv.conf")).expect("a link");
        root.place(Path::new("/resolv.conf"), b"nameserver 10.0.0.1", 0o644, 0, 0).expect("placed");
        assert_eq!(fs::read(at.path().join("stub")).expect("a file"), b"former");
        assert!(fs::symlink_metadata(at.path().join("resolv.conf")).expect("a file").is_file());
    }

    #[test]
    fn a_directory_where_the_file_goes_is_an_error_and_stays() {
        let (at, root) = volume();
        fs::create_dir_all(at.path().join("etc/motd/more")).expect("a directory");
        assert!(root.place(Path::new("/etc/motd"), b"hello", 0o644, 0, 0).is_err());
        assert_eq!(
            fs::read_dir(at.path().join("etc")).expect("a directory").count(),
            1,
            "nothing half-written is left"
        );
    }

    #[test]
    fn a_link_in_the_place_of_a_placed_file_is_not_read_as_if_it_were_the_file() {
        let (at, root) = volume();
        fs::write(at.path().join("other"), "x").expect("a file");
        symlink("other", at.path().join("motd")).expect("a link");
        assert!(root.read(Path::new("/motd")).is_err());
    }
}
