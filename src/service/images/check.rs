//! Reads an image once: copies it into the store, computes what travels and what the disk will hold.

use std::fs::{self, File};
use std::io::{self, BufRead, Read, Write};
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::statvfs::statvfs;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::domain::digest::Digest;
use crate::domain::machine::disk::in_bytes;
use crate::domain::profile::image::{HEAD, ImageFormat, ImageInfo, NoImage};
use crate::unpack::archive::{self, ArchiveFlaw};
use crate::unpack::{self, Unpacker};

/// By what a file is known to be unchanged: place, length, and time of change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileIdentity {
    file: PathBuf,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl FileIdentity {
    /// None when there is no such file.
    pub fn of(file: &Path) -> Option<Self> {
        let meta = fs::metadata(file).ok().filter(fs::Metadata::is_file)?;
        Some(Self {
            file: file.to_owned(),
            inode: meta.ino(),
            bytes: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
        })
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("the image is empty")]
    Empty,
    #[error("reading the image failed: {0}")]
    Read(#[source] io::Error),
    #[error("it is not whole: decompression fails at byte {offset}: {what}")]
    Corrupt { offset: u64, what: String },
    #[error("{0}")]
    TooLarge(String),
    #[error("{0}, which no disk can hold as it is")]
    NoImage(#[from] NoImage),
    #[error("what is packed in it is no image: it is {0}")]
    PackedTwice(&'static str),
    #[error("it is no archive that machines can unpack: {0}")]
    NoArchive(String),
    #[error("copying it into the station's store failed: {0}")]
    Store(#[source] io::Error),
    #[error("the station's own copy needs {}, its disk has {} left", in_bytes(*needed), in_bytes(*left))]
    NoRoom { needed: u64, left: u64 },
    #[error("the file changed while it was read")]
    Changed,
    #[error("the station stopped before it was read to its end")]
    Stopped,
}

impl Unusable {
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Empty | Self::Corrupt { .. } => "copy the image again and compare it with its .sha256sum",
            Self::TooLarge(_) => "pack it again: xz -dc FILE | zstd -T0 -10 -o FILE.zst, or with zstd -dc for xz -dc",
            Self::NoImage(NoImage { converts: true, .. }) => "`oxbow images add FILE` makes an image of it",
            Self::NoArchive(_) => {
                "make it by tar -C DIRECTORY -caf FILE.tar.zst ., or correct `file` of the profile's [[archive]]"
            }
            Self::NoImage(_) | Self::PackedTwice(_) => "unpack it, and give the station the disk image that is in it",
            Self::Read(_) => "check the medium the image is on, and the file's permissions",
            Self::Store(_) | Self::NoRoom { .. } => {
                "make room on the disk of the station's data directory, or remove profiles that are not needed; it is tried again by itself"
            }
            Self::Changed | Self::Stopped => "nothing to do, it is read again by itself",
        }
    }

    /// The same once more, where the first is in somebody else's hands.
    fn again(&self) -> Self {
        let same = |error: &io::Error| io::Error::new(error.kind(), error.to_string());
        match self {
            Self::Empty => Self::Empty,
            Self::Read(error) => Self::Read(same(error)),
            Self::Corrupt { offset, what } => Self::Corrupt { offset: *offset, what: what.clone() },
            Self::TooLarge(what) => Self::TooLarge(what.clone()),
            Self::NoImage(no) => Self::NoImage(*no),
            Self::PackedTwice(what) => Self::PackedTwice(what),
            Self::NoArchive(what) => Self::NoArchive(what.clone()),
            Self::Store(error) => Self::Store(same(error)),
            Self::NoRoom { needed, left } => Self::NoRoom { needed: *needed, left: *left },
            Self::Changed => Self::Changed,
            Self::Stopped => Self::Stopped,
        }
    }

    /// Whether the same file may turn out to be good another time.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Empty
            | Self::Corrupt { .. }
            | Self::TooLarge(_)
            | Self::NoImage(_)
            | Self::PackedTwice(_)
            | Self::NoArchive(_) => false,
            Self::Read(_) | Self::Store(_) | Self::NoRoom { .. } | Self::Changed | Self::Stopped => true,
        }
    }
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// It goes on a disk, unpacked.
    Image,
    /// An installer's kernel or initramfs: it is loaded as it is, however it is packed.
    BootFile,
    /// A tar, packed or not, that machines unpack into a directory: it travels as it is.
    Archive,
}

impl FileKind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::BootFile => "file",
            Self::Archive => "archive",
        }
    }

    /// Under what a file is noted. A file may be both, and no image's name begins with a dot.
    fn note_name(self, name: &str) -> String {
        match self {
            Self::Image => name.to_owned(),
            Self::BootFile => format!(".boot-{name}"),
            Self::Archive => format!(".archive-{name}"),
        }
    }

    fn format(self, head: &[u8]) -> Result<ImageFormat, NoImage> {
        match self {
            Self::Image => ImageFormat::of(head),
            Self::BootFile => Ok(ImageFormat::Raw),
            Self::Archive => Ok(archive::format(head)),
        }
    }
}

/// What was found out about this very file before, if its copy is still there.
pub(super) fn recalled(store: &Path, name: &str, kind: FileKind, identity: &FileIdentity) -> Option<ImageInfo> {
    let note = note(store, &kind.note_name(name))?;
    let copy = fs::metadata(store.join(note.info.sha256.to_string())).ok()?;
    (note.identity == *identity && copy.len() == note.info.bytes).then_some(note.info)
}

/// The same for whoever has not looked at the file yet.
pub fn known(store: &Path, name: &str, file: &Path) -> Option<ImageInfo> {
    recalled(store, name, FileKind::Image, &FileIdentity::of(file)?)
}

/// The image that was checked under this name is at `file` now, unchanged.
pub fn moved(store: &Path, name: &str, file: &Path) -> io::Result<()> {
    let (Some(note), Some(identity)) = (note(store, name), FileIdentity::of(file)) else { return Ok(()) };
    fs::write(note_file(store, name), serde_json::to_vec(&CheckRecord { identity, ..note })?)
}

/// Reads `file` to its end, telling `moved` how far it is about ten times a second; `moved` says whether to go on.
pub fn check(
    file: &Path,
    store: &Path,
    name: &str,
    kind: FileKind,
    moved: impl FnMut(u64, u64) -> bool,
) -> Result<ImageInfo, Unusable> {
    let identity = FileIdentity::of(file).ok_or_else(|| Unusable::Read(io::ErrorKind::NotFound.into()))?;
    if identity.bytes == 0 {
        return Err(Unusable::Empty);
    }
    fs::create_dir_all(store).map_err(Unusable::Store)?;
    if let Some(left) = room(store).filter(|left| *left < identity.bytes) {
        return Err(Unusable::NoRoom { needed: identity.bytes, left });
    }
    let copy = tempfile_in(store).map_err(Unusable::Store)?;
    let (info, copy) = read(file, &identity, name, kind, Some(copy), moved)?;
    if let Some(copy) = copy {
        copy.keep(&store.join(info.sha256.to_string())).map_err(Unusable::Store)?;
    }
    let note =
        serde_json::to_vec(&CheckRecord { identity, info: info.clone() }).map_err(|err| Unusable::Store(err.into()))?;
    fs::write(note_file(store, &kind.note_name(name)), note).map_err(Unusable::Store)?;
    Ok(info)
}

/// What is at `file`, without a copy of it.
pub fn look_at(file: &Path, name: &str, moved: impl FnMut(u64, u64) -> bool) -> Result<ImageInfo, Unusable> {
    let identity = FileIdentity::of(file).ok_or_else(|| Unusable::Read(io::ErrorKind::NotFound.into()))?;
    read(file, &identity, name, FileKind::Image, None, moved).map(|(info, _)| info)
}

/// Reads `file` to its end, into `copy` if there is one.
fn read(
    file: &Path,
    identity: &FileIdentity,
    name: &str,
    kind: FileKind,
    copy: Option<Unfinished>,
    moved: impl FnMut(u64, u64) -> bool,
) -> Result<(ImageInfo, Option<Unfinished>), Unusable> {
    let source = File::open(file).map_err(Unusable::Read)?;
    let mut intake = Intake::new(source, copy, identity.bytes, moved);
    let head = intake.fill_buf().map_err(|error| broken(error, 0))?;
    let format = kind.format(&head[..head.len().min(HEAD)])?;
    let mut content = Unpacker::new(format, intake).map_err(|error| broken(error, 0))?;
    let on_disk = match kind {
        FileKind::Image | FileKind::BootFile => Some(image(&mut content, format)?),
        FileKind::Archive => {
            archive::check(&mut content).map_err(|flaw| flawed(flaw, format, content.file().consumed()))?;
            None
        }
    };
    let Intake { copy, travelled, done, .. } = content.into_file();
    if FileIdentity::of(file).as_ref() != Some(identity) || done != identity.bytes {
        return Err(Unusable::Changed);
    }
    let sha256 = Digest::new(travelled.finalize().into());
    // An archive stays as it is until the agent unpacks it.
    let (format, disk_bytes, disk_sha256) =
        on_disk.map_or((ImageFormat::Raw, done, sha256), |it| (format, it.bytes, it.sha256));
    let info = ImageInfo { name: name.to_owned(), format, bytes: done, sha256, disk_bytes, disk_sha256 };
    Ok((info, copy))
}

/// What the disk will hold of an image, which is unpacked once and no more.
fn image<F: FnMut(u64, u64) -> bool>(
    content: &mut Unpacker<Intake<F>>,
    format: ImageFormat,
) -> Result<OnDisk, Unusable> {
    let disk = OnDisk::of(content).map_err(|error| broken(error, content.file().consumed()))?;
    if format != ImageFormat::Raw && ImageFormat::of(&disk.head) != Ok(ImageFormat::Raw) {
        return Err(Unusable::PackedTwice(
            ImageFormat::of(&disk.head).map_or_else(|no| no.what, |_| "packed once more"),
        ));
    }
    Ok(disk)
}

/// What was found out about a file, beside its copy.
#[derive(Serialize, Deserialize)]
struct CheckRecord {
    identity: FileIdentity,
    info: ImageInfo,
}

fn note(store: &Path, name: &str) -> Option<CheckRecord> {
    serde_json::from_slice(&fs::read(note_file(store, name)).ok()?).ok()
}

/// The copy that was made for the image of this name, whatever has become of the image.
pub(super) fn noted(store: &Path, name: &str, kind: FileKind) -> Option<Digest> {
    note(store, &kind.note_name(name)).map(|note| note.info.sha256)
}

/// Removes what was noted of a copy that is no more.
pub(super) fn forget(store: &Path, copy: Digest) {
    for entry in fs::read_dir(store).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let of_copy =
            name.strip_suffix(".json").and_then(|name| note(store, name)).map(|note| note.info.sha256) == Some(copy);
        if of_copy {
            let _gone_already = fs::remove_file(entry.path());
        }
    }
}

/// Bytes that are left on the disk of `store`; none where nobody knows.
pub fn room(store: &Path) -> Option<u64> {
    let disk = statvfs(store).ok()?;
    Some(disk.blocks_available().saturating_mul(disk.fragment_size()))
}

fn note_file(store: &Path, name: &str) -> PathBuf {
    store.join(format!("{name}.json"))
}

/// The file on its way: what is read of it is copied and digested, and somebody hears how far it is.
struct Intake<F> {
    source: File,
    copy: Option<Unfinished>,
    travelled: Sha256,
    done: u64,
    total: u64,
    moved: F,
    buffer: Vec<u8>,
    /// The bytes of `buffer` that are not consumed.
    ready: Range<usize>,
}

impl<F: FnMut(u64, u64) -> bool> Intake<F> {
    fn new(source: File, copy: Option<Unfinished>, total: u64, moved: F) -> Self {
        Self { source, copy, travelled: Sha256::new(), done: 0, total, moved, buffer: vec![0; BUFFER], ready: 0..0 }
    }

    /// How many bytes have been taken out so far.
    fn consumed(&self) -> u64 {
        self.done - self.ready.len() as u64
    }

    fn take_in(&mut self) -> Result<(), Unusable> {
        let read = self.source.read(&mut self.buffer).map_err(Unusable::Read)?;
        let piece = &self.buffer[..read];
        self.travelled.update(piece);
        if let Some(copy) = &mut self.copy {
            copy.file.write_all(piece).map_err(Unusable::Store)?;
        }
        (self.done, self.ready) = (self.done + read as u64, 0..read);
        if (self.moved)(self.done, self.total) { Ok(()) } else { Err(Unusable::Stopped) }
    }
}

impl<F: FnMut(u64, u64) -> bool> BufRead for Intake<F> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.ready.is_empty() {
            self.take_in().map_err(io::Error::other)?;
        }
        Ok(&self.buffer[self.ready.clone()])
    }

    fn consume(&mut self, amount: usize) {
        self.ready.start = (self.ready.start + amount).min(self.ready.end);
    }
}

impl<F: FnMut(u64, u64) -> bool> Read for Intake<F> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let some = self.fill_buf()?.read(room)?;
        self.consume(some);
        Ok(some)
    }
}

/// What [`Intake`] says passes through the unpacker; all else the unpacker says of the file, at `offset`.
fn broken(error: io::Error, offset: u64) -> Unusable {
    error.downcast().unwrap_or_else(|error| match unpack::why(&error) {
        what if unpack::is_too_large(&what) => Unusable::TooLarge(what),
        what => Unusable::Corrupt { offset, what },
    })
}

/// The same for what was read as an archive, of which the reader of tars wraps what passes through it.
fn flawed(flaw: ArchiveFlaw, format: ImageFormat, offset: u64) -> Unusable {
    let error = match flaw {
        ArchiveFlaw::Unreadable(error) => error,
        ArchiveFlaw::Refused { .. } | ArchiveFlaw::NoTar(_) | ArchiveFlaw::Empty => {
            return Unusable::NoArchive(flaw.to_string());
        }
    };
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(found) = cause {
        if let Some(known) = found.downcast_ref::<Unusable>() {
            return known.again();
        }
        let inner = found.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = inner.map(|inner| inner as &(dyn std::error::Error + 'static)).or_else(|| found.source());
    }
    match format {
        ImageFormat::Raw => Unusable::NoArchive(format!("it ends in the middle, or is damaged there: {error}")),
        ImageFormat::Gzip | ImageFormat::Xz | ImageFormat::Zstd | ImageFormat::Bzip2 => broken(error, offset),
    }
}

/// What the disk will hold.
struct OnDisk {
    bytes: u64,
    sha256: Digest,
    head: Vec<u8>,
}

impl OnDisk {
    fn of(content: &mut impl Read) -> io::Result<Self> {
        let (mut buffer, mut sha256, mut bytes, mut head) = (vec![0; BUFFER], Sha256::new(), 0, Vec::new());
        loop {
            let some = content.read(&mut buffer)?;
            if some == 0 {
                return Ok(Self { bytes, sha256: Digest::new(sha256.finalize().into()), head });
            }
            let piece = &buffer[..some];
            head.extend_from_slice(&piece[..some.min(HEAD - head.len())]);
            sha256.update(piece);
            bytes += some as u64;
        }
    }
}

/// A file that disappears unless it is kept.
struct Unfinished {
    path: PathBuf,
    file: File,
}

fn tempfile_in(store: &Path) -> io::Result<Unfinished> {
    // A check on the command line, or one of a service that was started again, has its own.
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = store.join(format!("{UNFINISHED}-{}-{number}", std::process::id()));
    Ok(Unfinished { file: File::create(&path)?, path })
}

impl Unfinished {
    /// Makes the content durable and read-only, then gives it its name.
    fn keep(self, name: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        self.file.set_permissions(fs::Permissions::from_mode(0o444))?;
        fs::rename(&self.path, name)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After `keep` there is nothing of this name any more.
        let _gone_already = fs::remove_file(&self.path);
    }
}

/// What the names of files begin with that are not copies yet; the number of the process follows.
pub(super) const UNFINISHED: &str = "unfinished";
static NUMBER: AtomicU32 = AtomicU32::new(0);
const BUFFER: usize = 1024 * 1024;
