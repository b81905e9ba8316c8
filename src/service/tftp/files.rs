//! The boot files, as they are now. Each is read once, and shared by all who load it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;

use bytes::Bytes;
use tokio::task::spawn_blocking;

use crate::boot::script::shim::{self, SECOND_STAGE, Shims};
use crate::boot::tftp::names::{self, BootFile, NoSuchFile};
use crate::boot::tftp::packet;
use crate::clock;

/// A folder of boot files.
pub(super) struct BootFileCache {
    directory: PathBuf,
    /// What is given as `autoexec.ipxe`, in any folder.
    autoexec: Bytes,
    /// What is given as `grub.cfg`, in any folder.
    grub_config: Bytes,
    shims: Mutex<Shims>,
    /// What was asked for lately, the latest first. Locked while a file is read: who asks for the same file meanwhile finds
    /// it here.
    lately: Mutex<VecDeque<FileVersion>>,
}

/// One version of a file.
struct FileVersion {
    name: String,
    version: Version,
    content: Weak<Vec<u8>>,
    /// Kept although no client loads it now.
    kept: Option<Arc<Vec<u8>>>,
}

/// What changes when a file is written, or replaced by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    inode: u64,
    size: u64,
    modified: Option<SystemTime>,
}

/// Why a file is not sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unopened {
    #[error(transparent)]
    Missing(#[from] NoSuchFile),
    #[error("the station cannot read its boot files: {0}")]
    Io(#[from] io::Error),
}

impl Unopened {
    /// Whether a person wants to know. Not of what a loader only looks for.
    pub(super) fn is_news(&self, asked: &str) -> bool {
        !matches!(self, Self::Missing(NoSuchFile::NoSuchFile { .. }) if shim::is_optional(asked))
    }

    pub(super) fn packet(&self) -> Vec<u8> {
        match self {
            Self::Missing(missing) => missing.packet(),
            Self::Io(_) => packet::error(packet::NOT_DEFINED, &self.to_string()),
        }
    }
}

impl BootFileCache {
    pub(super) fn new(directory: PathBuf, autoexec: String, grub_config: String) -> Self {
        let (autoexec, grub_config) = (autoexec.into(), grub_config.into());
        Self { directory, autoexec, grub_config, shims: Mutex::default(), lately: Mutex::default() }
    }

    /// The file that `asked` means to the machine at `peer`: its name, and all of it.
    pub(super) async fn open(self: Arc<Self>, asked: String, peer: Ipv4Addr) -> Result<(String, Bytes), Unopened> {
        spawn_blocking(move || self.find(&asked, peer)).await.map_err(|_| io::Error::other("the reader failed"))?
    }

    /// `file` was sent to the machine at `peer`.
    pub(super) fn sent(&self, peer: Ipv4Addr, file: &str) {
        self.shims().sent(clock::now(), peer, file);
    }

    fn find(&self, asked: &str, peer: Ipv4Addr) -> Result<(String, Bytes), Unopened> {
        let names = list(&self.directory)?;
        let found = names::find(asked, &names).or_else(|missing| {
            let spoilt = self.shims().means_second_stage(clock::now(), peer, asked);
            if spoilt { names::find(SECOND_STAGE, &names) } else { Err(missing) }
        });
        match found? {
            BootFile::File(name) => {
                let content = self.read(&name)?;
                self.shims().begins(clock::now(), peer, &name);
                Ok((name, content))
            }
            BootFile::Autoexec => Ok(("autoexec.ipxe".to_owned(), self.autoexec.clone())),
            BootFile::GrubConfig => Ok(("grub.cfg".to_owned(), self.grub_config.clone())),
        }
    }

    fn shims(&self) -> MutexGuard<'_, Shims> {
        self.shims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, name: &str) -> io::Result<Bytes> {
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = File::open(self.directory.join(name))?;
        let version = Version::of(&file)?;
        let known = lately.iter().position(|volume| volume.name == name).and_then(|at| lately.remove(at));
        let shared = known.filter(|volume| volume.version == version).and_then(|volume| volume.content.upgrade());
        let content = match shared {
            Some(content) => content,
            None => {
                let mut content = Vec::with_capacity(usize::try_from(version.size).unwrap_or_default());
                file.read_to_end(&mut content)?;
                Arc::new(content)
            }
        };
        let (weak, kept) = (Arc::downgrade(&content), Some(content.clone()));
        lately.push_front(FileVersion { name: name.to_owned(), version, content: weak, kept });
        tidy(&mut lately);
        Ok(Bytes::from_owner(Content(content)))
    }
}

/// Of what was asked for longest ago only that is known which somebody is loading still.
fn tidy(lately: &mut VecDeque<FileVersion>) {
    let mut bytes = 0_u64;
    for volume in lately.iter_mut() {
        bytes = bytes.saturating_add(volume.version.size);
        if bytes > KEPT {
            volume.kept = None;
        }
    }
    lately.retain(|volume| volume.content.strong_count() > 0);
}

/// A file's bytes while it is being loaded.
struct Content(Arc<Vec<u8>>);

impl AsRef<[u8]> for Content {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Version {
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self { inode: metadata.ino(), size: metadata.len(), modified: metadata.modified().ok() })
    }
}

/// The files in `directory` and in the folders in it, as paths below it.
fn list(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            let inner = std::fs::read_dir(entry.path())?.filter_map(Result::ok);
            let files = inner.filter(|file| file.path().is_file());
            names.extend(files.map(|file| format!("{name}/{}", file.file_name().to_string_lossy())));
        } else {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Bytes kept in memory while no client loads them: kernel, initramfs and boot programs of one bench, twice.
const KEPT: u64 = 128 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const ANYBODY: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);

    fn cache() -> (tempfile::TempDir, BootFileCache) {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = BootFileCache::new(folder.path().to_owned(), String::new(), String::new());
        (folder, cache)
    }

    #[test]
    fn who_loads_the_same_file_shares_its_bytes_until_it_is_another() {
        let (folder, cache) = cache();
        let file = folder.path().join("a.efi");
        std::fs::write(&file, "old").expect("writes");
        let read = || cache.find("A.EFI", ANYBODY).expect("a file").1;
        let (first, second) = (read(), read());
        assert_eq!((first.as_ptr(), &first[..]), (second.as_ptr(), &b"old"[..]));
        let other = folder.path().join("other");
        std::fs::write(&other, "new").and_then(|()| std::fs::rename(&other, &file)).expect("replaced");
        assert_eq!((&read()[..], &first[..]), (&b"new"[..], &b"old"[..]), "who began with the old one ends with it");
        std::fs::remove_file(&file).expect("removes");
        assert!(cache.find("a.efi", ANYBODY).is_err());
    }

    #[test]
    fn memory_is_bounded_by_what_is_kept_and_what_is_being_loaded() {
        let (folder, cache) = cache();
        let large = KEPT / 2 + 1;
        for name in ["a", "b", "c"] {
            let file = File::create(folder.path().join(name)).expect("a file");
            file.set_len(large).expect("sparse");
        }
        let read = |name: &str| cache.find(name, ANYBODY).expect("a file").1;
        let loading = read("a");
        for name in ["b", "c", "b", "c"] {
            drop(read(name));
        }
        let known = |name: &str| cache.lately.lock().expect("nobody fails").iter().any(|volume| volume.name == name);
        assert_eq!(["a", "b", "c"].map(known), [true, false, true], "b was kept until c came");
        assert_eq!(read("a").as_ptr(), loading.as_ptr());
        drop(loading);
        drop(read("b"));
        assert_eq!(["a", "b", "c"].map(known), [false, true, false]);
    }
}
