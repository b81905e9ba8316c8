//! Reads an image once: copies it into the store, computes what travels and what the disk will hold.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use flate2::write::MultiGzDecoder;
use nix::sys::statvfs::statvfs;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::domain::digest::Digest;
use crate::domain::disk::in_bytes;
use crate::domain::image::{Format, ImageInfo};

/// By what a file is known to be unchanged: place, length, and time of change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    file: PathBuf,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Identity {
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
pub(super) enum Broken {
    #[error("the image is empty")]
    Empty,
    #[error("reading the image failed: {0}")]
    Read(#[source] io::Error),
    #[error("it is not whole: after {offset} bytes decompression fails: {source}")]
    Corrupt {
        offset: u64,
        #[source]
        source: io::Error,
    },
    #[error("copying it into the station's store failed: {0}")]
    Store(#[source] io::Error),
    #[error("the station's own copy needs {}, its disk has {} left", in_bytes(*needed), in_bytes(*left))]
    NoRoom { needed: u64, left: u64 },
    #[error("the file changed while it was read")]
    Changed,
    #[error("the station stopped before it was read to its end")]
    Stopped,
}

impl Broken {
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Empty | Self::Corrupt { .. } => "copy the image again and compare it with its .sha256sum",
            Self::Read(_) => "check the medium the image is on, and the file's permissions",
            Self::Store(_) | Self::NoRoom { .. } => {
                "make room on the disk of the station's data directory, or remove profiles that are not needed; it is tried again by itself"
            }
            Self::Changed | Self::Stopped => "nothing to do, it is read again by itself",
        }
    }

    /// Whether the same file may turn out to be good another time.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Empty | Self::Corrupt { .. } => false,
            Self::Read(_) | Self::Store(_) | Self::NoRoom { .. } | Self::Changed | Self::Stopped => true,
        }
    }
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// It goes on a disk, unpacked.
    Image,
    /// An installer's kernel or initramfs: it is loaded as it is, however it is packed.
    BootFile,
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::BootFile => "file",
        }
    }

    /// Under what a file is noted. A file may be both, and no image's name begins with a dot.
    fn note_name(self, name: &str) -> String {
        match self {
            Self::Image => name.to_owned(),
            Self::BootFile => format!(".boot-{name}"),
        }
    }

    fn format(self, head: &[u8]) -> Format {
        match self {
            Self::Image => Format::of(head),
            Self::BootFile => Format::Raw,
        }
    }
}

/// What was found out about this very file before, if its copy is still there.
pub(super) fn recalled(store: &Path, name: &str, kind: Kind, identity: &Identity) -> Option<ImageInfo> {
    let note = note(store, &kind.note_name(name))?;
    let copy = fs::metadata(store.join(note.info.sha256.to_string())).ok()?;
    (note.identity == *identity && copy.len() == note.info.bytes).then_some(note.info)
}

/// Reads `file` to its end, telling `moved` how far it is about ten times a second; `moved` says whether to go on.
pub(super) fn check(
    file: &Path,
    store: &Path,
    name: &str,
    kind: Kind,
    mut moved: impl FnMut(u64, u64) -> bool,
) -> Result<ImageInfo, Broken> {
    let identity = Identity::of(file).ok_or_else(|| Broken::Read(io::ErrorKind::NotFound.into()))?;
    if identity.bytes == 0 {
        return Err(Broken::Empty);
    }
    fs::create_dir_all(store).map_err(Broken::Store)?;
    if let Some(left) = room(store).filter(|left| *left < identity.bytes) {
        return Err(Broken::NoRoom { needed: identity.bytes, left });
    }
    let mut source = File::open(file).map_err(Broken::Read)?;
    let mut copy = tempfile_in(store).map_err(Broken::Store)?;
    let (mut buffer, mut travelled, mut done) = (vec![0; BUFFER], Sha256::new(), 0);
    let mut unpacked: Option<Unpacked> = None;
    loop {
        let read = source.read(&mut buffer).map_err(Broken::Read)?;
        if read == 0 {
            break;
        }
        let piece = &buffer[..read];
        let unpacked = unpacked.get_or_insert_with(|| Unpacked::new(kind.format(piece)));
        unpacked.feed(piece).map_err(|source| Broken::Corrupt { offset: done, source })?;
        travelled.update(piece);
        copy.file.write_all(piece).map_err(Broken::Store)?;
        done += read as u64;
        if !moved(done, identity.bytes) {
            return Err(Broken::Stopped);
        }
    }
    if Identity::of(file).as_ref() != Some(&identity) || done != identity.bytes {
        return Err(Broken::Changed);
    }
    let (format, disk) =
        unpacked.ok_or(Broken::Empty)?.finish().map_err(|source| Broken::Corrupt { offset: done, source })?;
    let sha256 = Digest::new(travelled.finalize().into());
    copy.keep(&store.join(sha256.to_string())).map_err(Broken::Store)?;
    let info = ImageInfo {
        name: name.to_owned(),
        format,
        bytes: done,
        sha256,
        disk_bytes: disk.bytes,
        disk_sha256: disk.sha256,
    };
    let note = serde_json::to_vec(&Note { identity, info: info.clone() }).map_err(|err| Broken::Store(err.into()))?;
    fs::write(note_file(store, &kind.note_name(name)), note).map_err(Broken::Store)?;
    Ok(info)
}

/// What was found out about a file, beside its copy.
#[derive(Serialize, Deserialize)]
struct Note {
    identity: Identity,
    info: ImageInfo,
}

fn note(store: &Path, name: &str) -> Option<Note> {
    serde_json::from_slice(&fs::read(note_file(store, name)).ok()?).ok()
}

/// The copy that was made for the image of this name, whatever has become of the image.
pub(super) fn noted(store: &Path, name: &str, kind: Kind) -> Option<Digest> {
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
fn room(store: &Path) -> Option<u64> {
    let disk = statvfs(store).ok()?;
    Some(disk.blocks_available().saturating_mul(disk.fragment_size()))
}

fn note_file(store: &Path, name: &str) -> PathBuf {
    store.join(format!("{name}.json"))
}

/// The image as the disk will hold it: only its length and digest.
enum Unpacked {
    Raw(DiskDigest),
    Gzip(Box<MultiGzDecoder<DiskDigest>>),
}

#[derive(Default)]
struct DiskDigest {
    bytes: u64,
    sha256: Sha256,
}

struct OnDisk {
    bytes: u64,
    sha256: Digest,
}

impl Unpacked {
    fn new(format: Format) -> Self {
        match format {
            Format::Raw => Self::Raw(DiskDigest::default()),
            Format::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(DiskDigest::default()))),
        }
    }

    fn feed(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::Raw(disk) => disk.write_all(piece),
            Self::Gzip(decoder) => decoder.write_all(piece),
        }
    }

    fn finish(self) -> io::Result<(Format, OnDisk)> {
        let (format, disk) = match self {
            Self::Raw(disk) => (Format::Raw, disk),
            Self::Gzip(decoder) => (Format::Gzip, decoder.finish()?),
        };
        Ok((format, OnDisk { bytes: disk.bytes, sha256: Digest::new(disk.sha256.finalize().into()) }))
    }
}

impl Write for DiskDigest {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.bytes += piece.len() as u64;
        self.sha256.update(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
