//! What of a tar (pax, GNU or old) goes on a disk. The agent unpacks by these rules, and the station takes in by them: what
//! would be refused on a machine is refused before any machine boots.

use std::io::{self, Cursor, Read};
use std::path::{Component, Path, PathBuf};

use tar::{Archive, Entry, EntryType, Header};

use crate::domain::profile::image::{HEAD, ImageFormat};
use crate::domain::text::clean;

/// What is to be made of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntrySort {
    Directory,
    File,
    /// To wherever this is.
    Link(PathBuf),
    /// Another name of the file at this path.
    Same(PathBuf),
}

/// Why an archive is not for a disk.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveFlaw {
    /// It could not be read to its end.
    #[error("{0}")]
    Unreadable(#[source] io::Error),
    #[error("{entry:?} {what}")]
    Refused { entry: String, what: &'static str },
    /// What it is instead, as far as its first bytes tell.
    #[error("it is {0}, not a tar")]
    NoTar(&'static str),
    #[error("it is empty")]
    Empty,
}

/// How a file that begins with `head` is packed. What is packed by nothing that is known is taken for a tar.
pub fn format(head: &[u8]) -> ImageFormat {
    ImageFormat::of(head).unwrap_or(ImageFormat::Raw)
}

/// The place of an entry below the directory, and what is to be made there. None: nothing. `before` is how many things
/// there are already.
pub fn sort(entry: &Entry<'_, impl Read>, before: usize) -> Result<Option<(PathBuf, EntrySort)>, ArchiveFlaw> {
    let path = entry.path().map_err(ArchiveFlaw::Unreadable)?.into_owned();
    let refused = |what| ArchiveFlaw::Refused { entry: clean(&path.to_string_lossy(), WORDS), what };
    let place = beneath(&path).ok_or_else(|| refused("leads out of the target directory"))?;
    if place.as_os_str().is_empty() {
        // `./`, the directory itself.
        return Ok(None);
    }
    if before >= MOST {
        return Err(refused("exceeds the limit: an archive holds at most 500000 entries"));
    }
    let target = || {
        let target = entry.link_name().map_err(ArchiveFlaw::Unreadable)?;
        target.map(|target| target.into_owned()).ok_or_else(|| refused("is a link to an entry that does not exist"))
    };
    let sort = match entry.header().entry_type() {
        EntryType::Directory => EntrySort::Directory,
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => EntrySort::File,
        EntryType::Symlink => EntrySort::Link(target()?),
        EntryType::Link => {
            let outside = || refused("is a link that leads out of the target directory");
            EntrySort::Same(beneath(&target()?).ok_or_else(outside)?)
        }
        EntryType::XGlobalHeader => return Ok(None),
        _ => return Err(refused("is a device or a pipe, which cannot be unpacked")),
    };
    Ok(Some((place, sort)))
}

/// Reads an archive that is not packed, or not any more, to its end; gives the number of things in it.
pub fn check(mut content: impl Read) -> Result<usize, ArchiveFlaw> {
    let mut head = Vec::new();
    content.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(ArchiveFlaw::Unreadable)?;
    if !begins_one(&head) {
        return Err(no_tar(&head));
    }
    let mut archive = Archive::new(Cursor::new(head).chain(&mut content));
    let mut things = 0;
    for entry in archive.entries().map_err(ArchiveFlaw::Unreadable)? {
        things += usize::from(sort(&entry.map_err(ArchiveFlaw::Unreadable)?, things)?.is_some());
    }
    io::copy(&mut content, &mut io::sink()).map_err(ArchiveFlaw::Unreadable)?;
    if things == 0 { Err(ArchiveFlaw::Empty) } else { Ok(things) }
}

/// Whether the first block is a header: its sum is right (POSIX.1-1988, ustar; the same in all other forms).
fn begins_one(head: &[u8]) -> bool {
    let Ok(block) = <&[u8; HEAD]>::try_from(head) else { return false };
    let said = Header::from_byte_slice(block).cksum();
    // The sum's own place counts as spaces.
    let sum: u32 =
        block.iter().enumerate().map(|(at, byte)| if SUM.contains(&at) { 0x20 } else { u32::from(*byte) }).sum();
    said.is_ok_and(|said| said == sum)
}

fn no_tar(head: &[u8]) -> ArchiveFlaw {
    if !head.is_empty() && head.iter().all(|byte| *byte == 0) {
        // The end of a tar, or of nothing.
        return ArchiveFlaw::Empty;
    }
    ArchiveFlaw::NoTar(match ImageFormat::of(head) {
        Err(other) => other.what,
        Ok(ImageFormat::Raw) => "something else",
        Ok(ImageFormat::Gzip | ImageFormat::Xz | ImageFormat::Zstd | ImageFormat::Bzip2) => "compressed twice",
    })
}

/// `path` in its plain form; none if it leads upwards or begins at the root.
fn beneath(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => plain.push(name),
            Component::CurDir => {}
            Component::RootDir | Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(plain)
}

const MOST: usize = 500_000;
/// Letters of a path that are shown.
const WORDS: usize = 200;
/// Where a header keeps its sum.
const SUM: std::ops::Range<usize> = 148..156;

#[cfg(test)]
mod tests {
    use super::*;

    fn tar(kind: EntryType, path: &str) -> Vec<u8> {
        let mut made = tar::Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        // The builder refuses what an attacker would write.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_size(5);
        header.set_cksum();
        made.append(&header, &b"hello"[..]).expect("added");
        made.into_inner().expect("a tar")
    }

    fn says(file: &[u8]) -> String {
        check(file).map_or_else(|flaw| flaw.to_string(), |things| things.to_string())
    }

    #[test]
    fn what_is_no_tar_or_not_for_a_disk_is_named() {
        let good = tar(EntryType::Regular, "apps/hello");
        let image = [&[0_u8; 400][..], &[0x55; 4000]].concat();
        for (file, said) in [
            (good.clone(), "1"),
            (image, "it is something else, not a tar"),
            (b"short".to_vec(), "it is something else, not a tar"),
            ([b"QFI\xfb".to_vec(), vec![7; 600]].concat(), "it is a qcow2 image, not a tar"),
            ([vec![0x1f, 0x8b, 8], vec![7; 600]].concat(), "it is compressed twice, not a tar"),
            (vec![0; 10240], "it is empty"),
            (tar(EntryType::Regular, "../evil"), "\"../evil\" leads out of the target directory"),
            (tar(EntryType::Fifo, "pipe"), "\"pipe\" is a device or a pipe, which cannot be unpacked"),
            (tar(EntryType::Link, "name"), "\"name\" is a link to an entry that does not exist"),
        ] {
            assert_eq!(says(&file), said);
        }
        assert!(check(&good[..514]).is_err(), "its content is cut");
    }
}
