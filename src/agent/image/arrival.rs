//! How much of the image has arrived, and what it took: known to the download, told by the meter.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Figures that one thread counts and another one shows.
#[derive(Debug, Default)]
pub(crate) struct Arrival {
    bytes: AtomicU64,
    retries: AtomicU32,
}

impl Arrival {
    pub(crate) fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts a connection that broke off or was refused.
    pub(crate) fn retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes of the file, as it travels.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn retries(&self) -> u32 {
        self.retries.load(Ordering::Relaxed)
    }
}
