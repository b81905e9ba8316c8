//! A tar (pax, GNU or old) unpacked into a directory it cannot leave, and compared with the disk afterwards. Owners are
//! kept by number, as in the archive; devices and pipes are refused, extended attributes are left out.

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io::{self, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat};
use nix::sys::stat::{Mode, fstatat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchownat, linkat, symlinkat, unlinkat};
use sha2::{Digest as _, Sha256};
use tar::Archive;

use super::root::make_directory;
use crate::domain::digest::Digest;
use crate::domain::profile::image::{HEAD, ImageFormat};
use crate::domain::text::clean;
use crate::unpack::archive::{ArchiveFlaw, EntrySort, format, sort};
use crate::unpack::{Unpacker, why};

/// What an archive holds, by path; of two entries of one path the later one counts.
#[derive(Debug, Default)]
pub(super) struct Contents(BTreeMap<PathBuf, Thing>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Thing {
    Directory {
        mode: u32,
        user: u32,
        group: u32,
    },
    File {
        mode: u32,
        user: u32,
        group: u32,
        sha256: Digest,
    },
    Link(PathBuf),
    /// Another name of the file at this path.
    Same(PathBuf),
}

/// Why an archive is not on the disk.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArchiveError {
    /// It could not be read to its end.
    #[error("{0}")]
    Unreadable(#[source] io::Error),
    /// What it holds is not for a disk.
    #[error("{entry:?} {what}")]
    Refused { entry: String, what: &'static str },
    #[error("{entry:?}")]
    Unwritten {
        entry: String,
        /// How many bytes of content it has.
        bytes: u64,
        #[source]
        source: io::Error,
    },
}

impl From<ArchiveFlaw> for ArchiveError {
    fn from(flaw: ArchiveFlaw) -> Self {
        match flaw {
            ArchiveFlaw::Refused { entry, what } => Self::Refused { entry, what },
            ArchiveFlaw::Unreadable(error) => Self::Unreadable(error),
            ArchiveFlaw::NoTar(_) | ArchiveFlaw::Empty => Self::Unreadable(io::Error::other(flaw)),
        }
    }
}

impl Contents {
    /// How many things there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Unpacks `file`, packed or not, below `directory`, and reads it to its end.
    pub(super) fn unpack(file: impl Read, directory: &OwnedFd) -> Result<Self, ArchiveError> {
        let mut file = BufReader::with_capacity(BUFFER, file);
        let mut head = Vec::new();
        (&mut file).take(HEAD as u64).read_to_end(&mut head).map_err(ArchiveError::Unreadable)?;
        let format = format(&head);
        let file = BufReader::with_capacity(BUFFER, io::Cursor::new(head).chain(file));
        let mut unpacked = Unpacker::new(format, file).map_err(ArchiveError::Unreadable)?;
        let mut contents = Self::default();
        let mut archive = Archive::new(&mut unpacked);
        for entry in archive.entries().map_err(ArchiveError::Unreadable)? {
            contents.take(&mut entry.map_err(ArchiveError::Unreadable)?, directory)?;
        }
        // Its digest is known at the end of the file alone, which comes some way behind the end of the archive.
        io::copy(&mut unpacked, &mut io::sink()).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData if format == ImageFormat::Raw => ArchiveError::Unreadable(error),
            _ => ArchiveError::Unreadable(io::Error::new(error.kind(), why(&error))),
        })?;
        Ok(contents)
    }

    fn take(&mut self, entry: &mut tar::Entry<'_, impl Read>, below: &OwnedFd) -> Result<(), ArchiveError> {
        let Some((path, sort)) = sort(entry, self.0.len())? else { return Ok(()) };
        let name = clean(&path.to_string_lossy(), WORDS);
        let bytes = entry.size();
        let unwritten = |source: io::Error| ArchiveError::Unwritten { entry: name.clone(), bytes, source };
        let header = entry.header();
        let number = |number: io::Result<u64>| number.ok().and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
        let (user, group) = (number(header.uid()), number(header.gid()));
        let mode = header.mode().unwrap_or(0o644) & 0o7777;
        let place = EntryPath::of(below, &path).map_err(unwritten)?;
        let thing = match sort {
            EntrySort::Directory => {
                place.directory(mode, user, group).map_err(unwritten)?;
                Thing::Directory { mode, user, group }
            }
            EntrySort::File => {
                let mut content = Digesting { content: entry, digest: Sha256::new(), is_broken: false };
                match place.file(&mut content, mode, user, group) {
                    Ok(()) => {}
                    Err(error) if content.is_broken => return Err(ArchiveError::Unreadable(error)),
                    Err(error) => {
                        let _so_that_it_takes_no_room = place.clear();
                        return Err(unwritten(error));
                    }
                }
                Thing::File { mode, user, group, sha256: Digest::new(content.digest.finalize().into()) }
            }
            EntrySort::Link(target) => {
                place.link(&target, user, group).map_err(unwritten)?;
                Thing::Link(target)
            }
            EntrySort::Same(target) => {
                place.same(&EntryPath::of(below, &target).map_err(unwritten)?).map_err(unwritten)?;
                Thing::Same(target)
            }
        };
        self.0.insert(path, thing);
        Ok(())
    }

    /// The first thing below `directory` that is not as it was unpacked, with what is wrong with it.
    pub(super) fn difference(&self, directory: &OwnedFd, keeps_owners: bool) -> Option<(String, String)> {
        let wrong = |(path, thing): (&PathBuf, &Thing)| {
            let difference = match found(directory, path) {
                Err(error) => error.to_string(),
                Ok(there) => thing.against(&there, directory, keeps_owners)?,
            };
            Some((clean(&path.to_string_lossy(), WORDS), difference))
        };
        self.0.iter().find_map(wrong)
    }
}

impl Thing {
    /// In what way `there` is something else.
    fn against(&self, there: &PathState, below: &OwnedFd, keeps_owners: bool) -> Option<String> {
        let owned = |mode: u32, user: u32, group: u32| {
            let is_same = !keeps_owners || (mode, user, group) == (there.mode, there.user, there.group);
            (!is_same).then(|| {
                format!(
                    "it has mode {:04o} and owner {}:{}, expected {mode:04o} and {user}:{group}",
                    there.mode, there.user, there.group
                )
            })
        };
        match (self, &there.what) {
            (Self::Directory { mode, user, group }, EntryKind::Directory) => owned(*mode, *user, *group),
            (Self::File { mode, user, group, sha256 }, EntryKind::File(found)) => {
                let differs = (found != sha256)
                    .then(|| format!("its content has digest {}…, expected {}…", found.short(), sha256.short()));
                differs.or_else(|| owned(*mode, *user, *group))
            }
            (Self::Link(target), EntryKind::Link(found)) => {
                (found != target).then(|| format!("it points to {found:?}, expected {target:?}"))
            }
            (Self::Same(target), EntryKind::File(_)) => {
                let is_same = found(below, target).is_ok_and(|other| other.inode == there.inode);
                (!is_same).then(|| format!("it is not the same file as {target:?}"))
            }
            (_, EntryKind::Directory) => Some("it is a directory".to_owned()),
            (_, EntryKind::File(_)) => Some("it is a file".to_owned()),
            (_, EntryKind::Link(_)) => Some("it is a link".to_owned()),
            (_, EntryKind::Other) => Some("it is not a file, directory or link".to_owned()),
        }
    }
}

/// What is at a path of the disk.
struct PathState {
    mode: u32,
    user: u32,
    group: u32,
    inode: u64,
    what: EntryKind,
}

enum EntryKind {
    Directory,
    File(Digest),
    Link(PathBuf),
    Other,
}

fn found(below: &OwnedFd, path: &Path) -> io::Result<PathState> {
    let place = EntryPath::existing(below, path)?;
    let facts = fstatat(&place.parent, &*place.name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    let what = match facts.st_mode & FORMAT {
        0o040_000 => EntryKind::Directory,
        0o120_000 => EntryKind::Link(readlinkat(&place.parent, &*place.name)?.into()),
        0o100_000 => {
            let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let mut file: File = openat(&place.parent, &*place.name, flags, Mode::empty())?.into();
            let mut digest = Sha256::new();
            io::copy(&mut file, &mut digest)?;
            EntryKind::File(Digest::new(digest.finalize().into()))
        }
        _ => EntryKind::Other,
    };
    Ok(PathState { mode: facts.st_mode & 0o7777, user: facts.st_uid, group: facts.st_gid, inode: facts.st_ino, what })
}

/// A name in a directory that lies where the archive is unpacked.
struct EntryPath {
    parent: OwnedFd,
    name: PathBuf,
}

impl EntryPath {
    /// Directories on the way are made where they are missing.
    fn of(below: &OwnedFd, path: &Path) -> io::Result<Self> {
        match Self::existing(below, path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let mut reached = PathBuf::from(".");
        let mut parent = walk(below, &reached)?;
        for part in path.parent().unwrap_or(Path::new("")).components() {
            reached.push(part);
            parent = match walk(below, &reached) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    make_directory(&parent, Path::new(part.as_os_str()))?;
                    walk(below, &reached)?
                }
                other => other?,
            };
        }
        Self::existing(below, path)
    }

    fn existing(below: &OwnedFd, path: &Path) -> io::Result<Self> {
        let parent = walk(below, &Path::new(".").join(path.parent().unwrap_or(Path::new(""))))?;
        let name = path.file_name().map(PathBuf::from).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(Self { parent, name })
    }

    fn directory(&self, mode: u32, user: u32, group: u32) -> io::Result<()> {
        make_directory(&self.parent, &self.name)?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let directory: File = openat(&self.parent, &*self.name, flags, Mode::empty())?.into();
        fchown(&directory, Some(user), Some(group))?;
        directory.set_permissions(Permissions::from_mode(mode))
    }

    fn file(&self, content: &mut impl Read, mode: u32, user: u32, group: u32) -> io::Result<()> {
        self.clear()?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut file: File = openat(&self.parent, &*self.name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?.into();
        io::copy(content, &mut file)?;
        fchown(&file, Some(user), Some(group))?;
        file.set_permissions(Permissions::from_mode(mode))
    }

    fn link(&self, target: &Path, user: u32, group: u32) -> io::Result<()> {
        self.clear()?;
        symlinkat(target, &self.parent, &*self.name)?;
        let (user, group) = (Some(Uid::from_raw(user)), Some(Gid::from_raw(group)));
        Ok(fchownat(&self.parent, &*self.name, user, group, AtFlags::AT_SYMLINK_NOFOLLOW)?)
    }

    fn same(&self, other: &Self) -> io::Result<()> {
        self.clear()?;
        Ok(linkat(&other.parent, &*other.name, &self.parent, &*self.name, AtFlags::empty())?)
    }

    /// Takes away what is there, unless it is a directory.
    fn clear(&self) -> io::Result<()> {
        match unlinkat(&self.parent, &*self.name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The directory at `path`; links on the way are followed as long as they stay below.
fn walk(below: &OwnedFd, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    Ok(openat2(below, path, how)?)
}

struct Digesting<R> {
    content: R,
    digest: Sha256,
    /// Whether it could not be read to its end.
    is_broken: bool,
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let some = self.content.read(room).inspect_err(|_| self.is_broken = true)?;
        self.digest.update(&room[..some]);
        Ok(some)
    }
}

/// Of `st_mode`, what tells files from directories (inode(7)).
const FORMAT: u32 = 0o170_000;
const BUFFER: usize = 256 * 1024;
const WORDS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};
    use tar::{Builder, EntryType, Header};

    struct Made(Builder<Vec<u8>>);

    impl Made {
        fn new() -> Self {
            Self(Builder::new(Vec::new()))
        }

        fn add(mut self, kind: EntryType, path: &str, target: &str, content: &str) -> Self {
            let mut header = Header::new_gnu();
            // The builder refuses what an attacker would write.
            let name = &mut header.as_old_mut().name;
            name[..path.len()].copy_from_slice(path.as_bytes());
            let link = &mut header.as_old_mut().linkname;
            link[..target.len()].copy_from_slice(target.as_bytes());
            header.set_entry_type(kind);
            header.set_mode(if kind == EntryType::Directory { 0o2750 } else { 0o640 });
            header.set_uid(1000);
            header.set_gid(46);
            header.set_size(content.len() as u64);
            header.set_cksum();
            self.0.append(&header, content.as_bytes()).expect("added");
            self
        }

        fn tar(self) -> Vec<u8> {
            self.0.into_inner().expect("a tar")
        }
    }

    fn directory() -> (tempfile::TempDir, OwnedFd) {
        let at = tempfile::tempdir().expect("a directory");
        fs::create_dir(at.path().join("apps")).expect("a directory");
        let below = File::open(at.path().join("apps")).expect("open").into();
        (at, below)
    }

    fn apps() -> Vec<u8> {
        Made::new()
            .add(EntryType::Directory, "./", "", "")
            .add(EntryType::Directory, "k3s/", "", "")
            .add(EntryType::Regular, "k3s/install.sh", "", "first")
            .add(EntryType::Regular, "k3s/install.sh", "", "#!/bin/sh\n")
            .add(EntryType::Symlink, "k3s/latest", "install.sh", "")
            .add(EntryType::Symlink, "k3s/tool", "/usr/bin/tool", "")
            .add(EntryType::Link, "copy", "k3s/install.sh", "")
            .add(EntryType::Regular, "deep/er/file", "", "deep")
            .tar()
    }

    #[test]
    fn an_archive_is_unpacked_with_modes_owners_and_links_and_reads_back_equal() {
        let packed = {
            let (tar, mut gzip) = (apps(), Vec::new());
            let mut encoder = flate2::bufread::GzEncoder::new(&*tar, flate2::Compression::fast());
            encoder.read_to_end(&mut gzip).map(|_| gzip).expect("packed")
        };
        for file in [apps(), packed, zstd::encode_all(&*apps(), 1).expect("packed")] {
            let (at, below) = directory();
            let contents = Contents::unpack(&*file, &below).expect("unpacked");
            assert_eq!(contents.len(), 6);
            assert_eq!(contents.difference(&below, true), None);
            let file = at.path().join("apps/k3s/install.sh");
            assert_eq!(fs::read(&file).expect("a file"), b"#!/bin/sh\n");
            let facts = fs::metadata(&file).expect("a file");
            assert_eq!((facts.mode() & 0o7777, facts.uid(), facts.gid(), facts.nlink()), (0o640, 1000, 46, 2));
            assert_eq!(fs::metadata(at.path().join("apps/k3s")).expect("a directory").mode() & 0o7777, 0o2750);
            assert_eq!(fs::metadata(at.path().join("apps/deep/er")).expect("a directory").mode() & 0o7777, 0o755);
            assert_eq!(Contents::unpack(&*apps(), &below).expect("again").difference(&below, true), None);
        }
    }

    #[test]
    fn no_entry_leaves_the_directory_whatever_it_is_called_and_whatever_link_it_comes_by() {
        let outside = tempfile::tempdir().expect("a directory");
        let out = outside.path().to_str().expect("a name").to_owned();
        let bad = [
            Made::new().add(EntryType::Regular, "../evil", "", "x"),
            Made::new().add(EntryType::Regular, "/evil", "", "x"),
            Made::new().add(EntryType::Regular, "a/../../evil", "", "x"),
            Made::new().add(EntryType::Symlink, "up", "..", "").add(EntryType::Regular, "up/evil", "", "x"),
            Made::new().add(EntryType::Symlink, "out", &out, "").add(EntryType::Regular, "out/evil", "", "x"),
            Made::new().add(EntryType::Link, "evil", "../secret", ""),
            Made::new().add(EntryType::Symlink, "up", "..", "").add(EntryType::Link, "evil", "up/secret", ""),
            Made::new().add(EntryType::Char, "null", "", ""),
            Made::new().add(EntryType::Fifo, "pipe", "", ""),
        ];
        for made in bad {
            let (at, below) = directory();
            fs::write(at.path().join("secret"), "s").expect("a file");
            let error = Contents::unpack(&*made.tar(), &below).expect_err("it is refused");
            assert!(!at.path().join("evil").exists() && !at.path().join("apps/evil").exists(), "{error}");
            assert_eq!(fs::read_dir(outside.path()).expect("a directory").count(), 0, "{error}");
        }
    }

    #[test]
    fn what_is_changed_on_the_disk_is_named() {
        type Change = fn(&Path);
        let changes: [(&str, Change); 5] = [
            ("its content has digest", |at| fs::write(at.join("deep/er/file"), "deeq").expect("written")),
            ("No such file", |at| fs::remove_file(at.join("deep/er/file")).expect("removed")),
            ("mode 0600", |at| {
                fs::set_permissions(at.join("deep/er/file"), Permissions::from_mode(0o600)).expect("changed");
            }),
            ("points to \"other\"", |at| {
                fs::remove_file(at.join("k3s/latest")).expect("removed");
                symlink("other", at.join("k3s/latest")).expect("a link");
            }),
            ("not the same file", |at| {
                fs::remove_file(at.join("copy")).expect("removed");
                fs::write(at.join("copy"), "#!/bin/sh\n").expect("written");
            }),
        ];
        for (words, change) in changes {
            let (at, below) = directory();
            let contents = Contents::unpack(&*apps(), &below).expect("unpacked");
            change(&at.path().join("apps"));
            let (path, difference) = contents.difference(&below, true).expect("it differs");
            assert!(difference.contains(words), "{path}: {difference} instead of {words}");
        }
    }

    #[test]
    fn a_tar_that_ends_too_early_is_an_error() {
        let (_at, below) = directory();
        let tar = apps();
        assert!(Contents::unpack(&tar[..tar.len() / 2 + 100], &below).is_err());
    }
}
