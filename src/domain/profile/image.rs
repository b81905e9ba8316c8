//! An OS image as the station knows it: what is sent, and what the disk must hold afterwards.

use serde::{Deserialize, Serialize};

use crate::domain::digest::Digest;
use crate::domain::text::percent_encoded;

/// Whether an image is named by where it is to be fetched.
pub fn is_url(image: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| image.starts_with(scheme))
}

/// What an image is called in the images directory: of a URL the last part.
pub fn file_name(image: &str) -> &str {
    let path = if is_url(image) { image.split(['?', '#']).next().unwrap_or_default() } else { return image };
    path.rsplit('/').next().unwrap_or_default()
}

/// How an image file is packed; told by its first bytes, never by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageFormat {
    Raw,
    Gzip,
    Xz,
    Zstd,
    Bzip2,
}

impl ImageFormat {
    /// The format of a file that begins with `head`, of which [`HEAD`] bytes are enough.
    pub fn of(head: &[u8]) -> Result<Self, NoImage> {
        if let Some(other) = OTHERS.iter().find(|other| begins(head, other.at, other.bytes)) {
            return Err(NoImage { what: other.what, converts: other.converts });
        }
        let packed = PACKED.iter().find(|(bytes, _)| begins(head, 0, bytes)).map(|(_, format)| *format);
        let bzip2 = begins(head, 0, b"BZh") && (begins(head, 4, BZIP2_BLOCK) || begins(head, 4, BZIP2_END));
        // Every frame may be one to skip, the first as well: pzstd begins with such a frame.
        let skippable = begins(head, 1, &[0x2a, 0x4d, 0x18]) && head[0] & 0xf0 == 0x50;
        Ok(match packed {
            Some(format) => format,
            None if bzip2 => Self::Bzip2,
            None if skippable => Self::Zstd,
            None => Self::Raw,
        })
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Gzip => "raw.gz",
            Self::Xz => "raw.xz",
            Self::Zstd => "raw.zst",
            Self::Bzip2 => "raw.bz2",
        }
    }
}

/// A file that is something else than an image, told by its content. Written to a disk as it is, it would be garbage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is {what}")]
pub struct NoImage {
    pub what: &'static str,
    /// Whether an image can be made of it.
    pub converts: bool,
}

struct Other {
    at: usize,
    bytes: &'static [u8],
    what: &'static str,
    converts: bool,
}

fn begins(head: &[u8], at: usize, bytes: &[u8]) -> bool {
    head.get(at..).is_some_and(|rest| rest.starts_with(bytes))
}

/// How many bytes of a file tell what it is.
pub const HEAD: usize = 512;
/// RFC 1952 section 2.3.1, the .xz file format 1.2 section 2.1.1.1, RFC 8878 section 3.1.1.
const PACKED: &[(&[u8], ImageFormat)] = &[
    (&[0x1f, 0x8b, 8], ImageFormat::Gzip),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], ImageFormat::Xz),
    (&[0x28, 0xb5, 0x2f, 0xfd], ImageFormat::Zstd),
];
/// What follows `BZh` and the size of the blocks: the first block, or in an empty file the end.
const BZIP2_BLOCK: &[u8] = &[0x31, 0x41, 0x59, 0x26, 0x53, 0x59];
const BZIP2_END: &[u8] = &[0x17, 0x72, 0x45, 0x38, 0x50, 0x90];
const OTHERS: &[Other] = &[
    Other { at: 0, bytes: b"QFI\xfb", what: "a qcow2 image", converts: true },
    Other { at: 0, bytes: b"KDMV", what: "a VMDK image", converts: true },
    Other { at: 0, bytes: b"vhdxfile", what: "a VHDX image", converts: true },
    Other { at: 0, bytes: b"conectix", what: "a VHD image", converts: true },
    Other { at: 0x40, bytes: &[0x7f, 0x10, 0xda, 0xbe], what: "a VDI image", converts: true },
    Other { at: 0, bytes: b"PK\x03\x04", what: "a zip archive", converts: false },
    Other { at: 0, bytes: b"7z\xbc\xaf\x27\x1c", what: "a 7z archive", converts: false },
    Other { at: 257, bytes: b"ustar", what: "a tar archive", converts: false },
    Other {
        at: 0,
        bytes: &[0x04, 0x22, 0x4d, 0x18],
        what: "packed by lz4, which machines cannot unpack",
        converts: false,
    },
    Other { at: 0, bytes: b"LZIP", what: "packed by lzip, which machines cannot unpack", converts: false },
];

/// A checked image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageInfo {
    /// The file's name in the images directory.
    pub name: String,
    pub format: ImageFormat,
    /// The file as it travels: length in bytes and digest.
    pub bytes: u64,
    pub sha256: Digest,
    /// What is on the disk afterwards: length in bytes and digest.
    pub disk_bytes: u64,
    pub disk_sha256: Digest,
}

impl ImageInfo {
    /// Where exactly these bytes are on the station: a file that is replaced meanwhile has another path.
    pub fn path(&self) -> String {
        format!("{PLACE}{}/{}", self.sha256, percent_encoded(&self.name))
    }
}

/// Images are below this, by digest and name.
pub const PLACE: &str = "/images/";

/// What the station can say of an image that a profile names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_image_is_is_told_by_its_content() {
        let tar = [&[b'x'; 257][..], b"ustar\0"].concat();
        let vdi = [&[0; 0x40][..], &[0x7f, 0x10, 0xda, 0xbe]].concat();
        for (head, is) in [
            (&[0x1f, 0x8b, 8, 0][..], "raw.gz"),
            (b"\xfd7zXZ\0\0", "raw.xz"),
            (b"\x28\xb5\x2f\xfd", "raw.zst"),
            (b"\x50\x2a\x4d\x18\x04\0\0\0", "raw.zst"),
            (b"BZh91AY&SY", "raw.bz2"),
            (b"BZh9 is a boot sector's own text", "raw"),
            (b"QFI\xfb\0\0\0\x03", "it is a qcow2 image"),
            (b"PK\x03\x04", "it is a zip archive"),
            (&tar, "it is a tar archive"),
            (&vdi, "it is a VDI image"),
            (&[0xeb, 0x63, 0x90], "raw"),
            (&[], "raw"),
        ] {
            assert_eq!(ImageFormat::of(head).map_or_else(|no| no.to_string(), |format| format.word().into()), is);
        }
    }
}
