//! Kernel, initramfs and network boot programs by HTTP: small files, kept in memory, read again when they change.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;

/// The files of one directory, by name.
#[derive(Clone, Debug)]
pub(super) struct BootFiles {
    directory: PathBuf,
    read: Arc<Mutex<BTreeMap<String, CachedFile>>>,
}

#[derive(Clone, Debug)]
struct CachedFile {
    modified: SystemTime,
    content: Bytes,
}

impl BootFiles {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory, read: Arc::default() }
    }

    /// What there is.
    pub(super) async fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        let Ok(mut entries) = tokio::fs::read_dir(&self.directory).await else { return names };
        while let Ok(Some(entry)) = entries.next_entry().await {
            names.extend(entry.file_name().into_string().ok().filter(|name| !name.starts_with('.')));
        }
        names
    }

    /// The content of `name` and a tag that changes with it. None when there is no such file.
    pub(super) async fn read(&self, name: &str) -> Option<(Bytes, String)> {
        if name.starts_with('.') || name.contains(['/', '\\', '\0']) {
            return None;
        }
        let path = self.directory.join(name);
        let modified = tokio::fs::metadata(&path).await.ok().filter(std::fs::Metadata::is_file)?.modified().ok()?;
        if let Some(kept) = self.kept(name).filter(|kept| kept.modified == modified) {
            return Some((kept.content.clone(), tag(&kept)));
        }
        let kept = CachedFile { modified, content: tokio::fs::read(&path).await.ok()?.into() };
        let answer = (kept.content.clone(), tag(&kept));
        self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), kept);
        Some(answer)
    }

    fn kept(&self, name: &str) -> Option<CachedFile> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

fn tag(kept: &CachedFile) -> String {
    let since = kept.modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{:x}-{:x}", kept.content.len(), since.as_nanos())
}
