//! Checked images by digest, each mapped once however many machines read it.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::mapped::{FilePart, Mapped};
use crate::domain::digest::Digest;

/// The station's own copies, see [`crate::service::images`].
#[derive(Clone, Debug)]
pub(super) struct ImageMaps {
    directory: PathBuf,
    mapped: Arc<Mutex<BTreeMap<Digest, Mapped>>>,
}

impl ImageMaps {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory, mapped: Arc::default() }
    }

    /// The whole image. Those that were removed are let go of, so that the disk gets its room back.
    pub(super) fn open(&self, digest: Digest) -> io::Result<Bytes> {
        let file = self.directory.join(digest.to_string());
        let mut mapped = self.mapped.lock().unwrap_or_else(PoisonError::into_inner);
        mapped.retain(|digest, _| self.directory.join(digest.to_string()).is_file());
        if let Some(known) = mapped.get(&digest) {
            return Ok(known.bytes().clone());
        }
        let fresh = Mapped::open(&file)?;
        mapped.insert(digest, fresh.clone());
        Ok(fresh.bytes().clone())
    }

    /// Where in the file of an image `slice` is. None for bytes that are no image's, or no longer.
    pub(super) fn part(&self, slice: &[u8]) -> Option<FilePart> {
        self.mapped.lock().unwrap_or_else(PoisonError::into_inner).values().find_map(|mapped| mapped.part(slice))
    }
}
