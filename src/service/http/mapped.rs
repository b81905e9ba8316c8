//! The one file with `unsafe`: a file mapped into memory.
//!
//! Safe as long as nobody shortens the file in place. Only files that oxbow itself wrote are mapped: they are named by
//! their digest, made read-only before they get that name, and are removed but never rewritten
//! (see `service::images`); removing a file leaves its mapping whole.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use memmap2::Mmap;

/// A file as bytes that are read from the disk when they are looked at.
#[derive(Clone, Debug)]
pub(super) struct Mapped {
    bytes: Bytes,
    file: Arc<File>,
}

/// Where in a file some bytes of its mapping are.
#[derive(Clone, Debug)]
pub(super) struct FilePart {
    pub(super) file: Arc<File>,
    pub(super) offset: usize,
}

impl Mapped {
    /// Maps the whole of `file`, which must never be rewritten.
    pub(super) fn open(file: &Path) -> io::Result<Self> {
        let file = File::open(file)?;
        if file.metadata()?.len() == 0 {
            return Ok(Self { bytes: Bytes::new(), file: Arc::new(file) });
        }
        // SAFETY: the file is one that is never written again, see above.
        let map = unsafe { Mmap::map(&file)? };
        map.advise(memmap2::Advice::Sequential)?;
        Ok(Self { bytes: Bytes::from_owner(map), file: Arc::new(file) })
    }

    /// The bytes; a slice of them keeps the mapping alive.
    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Where `slice` is in the file. None if it is not memory of this mapping.
    pub(super) fn part(&self, slice: &[u8]) -> Option<FilePart> {
        let offset = slice.as_ptr().addr().checked_sub(self.bytes.as_ptr().addr())?;
        let is_within = offset.checked_add(slice.len())? <= self.bytes.len();
        is_within.then(|| FilePart { file: self.file.clone(), offset })
    }
}
