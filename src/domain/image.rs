//! An OS image as the station knows it: what is sent, and what the disk must hold afterwards.

use serde::{Deserialize, Serialize};

use crate::domain::digest::Digest;

/// How an image file is packed; told by its first bytes, never by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Raw,
    Gzip,
}

impl Format {
    /// The format of a file that begins with `head` (RFC 1952 section 2.3.1 for gzip).
    pub fn of(head: &[u8]) -> Self {
        if head.starts_with(&[0x1f, 0x8b, 8]) { Self::Gzip } else { Self::Raw }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Gzip => "raw.gz",
        }
    }
}

/// A checked image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageInfo {
    /// The file's name in the images directory.
    pub name: String,
    pub format: Format,
    /// The file as it travels: length in bytes and digest.
    pub bytes: u64,
    pub sha256: Digest,
    /// What is on the disk afterwards: length in bytes and digest.
    pub disk_bytes: u64,
    pub disk_sha256: Digest,
}

/// What the station can say of an image that a profile names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageState {
    /// Being read for its digests.
    Checking {
        done: u64,
        total: u64,
    },
    Ready(ImageInfo),
    Broken {
        what: String,
        hint: String,
    },
}
