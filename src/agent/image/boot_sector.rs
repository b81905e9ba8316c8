//! The disk's first bytes, without which no firmware starts anything from it, are on it last.
//!
//! A machine whose power fails in mid-write would otherwise start half a system: with its disk first in the boot order it
//! never asks the network again, and stands there for ever. So a run begins by clearing them (with them goes what an
//! earlier system could be started by), keeps the image's own in memory, and writes them when all else is proven. BIOS
//! needs the signature of the first block (0x55AA), UEFI the protective MBR there and the GPT's header behind it (UEFI
//! specification sections 5.2.3 and 5.3.2): without them both go on to the network.

use std::io;

use super::pump::PAGE;
use crate::agent::machine::Medium;

/// A disk that is written and read as if its first bytes were there.
pub(crate) struct BootSectorGuard<M> {
    medium: M,
    /// The image's, as far as it has been written.
    head: Vec<u8>,
    at: u64,
}

impl<M: Medium> BootSectorGuard<M> {
    /// Clears the first bytes of what has just been opened.
    pub(crate) fn clear_first_bytes(mut medium: M) -> io::Result<Self> {
        medium.put_head(&CLEAR)?;
        Ok(Self { medium, head: Vec::new(), at: 0 })
    }

    /// Writes what was kept back. Whether the medium then has it is the answer.
    pub(crate) fn complete(&mut self) -> io::Result<bool> {
        put(&mut self.medium, &self.head)
    }

    /// How many of the next `length` bytes belong to the head.
    fn within(&self, length: usize) -> usize {
        let left = (HEAD as u64).saturating_sub(self.at);
        usize::try_from(left).unwrap_or(HEAD).min(length)
    }
}

impl<M: Medium> Medium for BootSectorGuard<M> {
    fn write(&mut self, block: &[u8]) -> io::Result<()> {
        let kept = self.within(block.len());
        self.head.extend_from_slice(&block[..kept]);
        if kept > 0 {
            self.medium.write(&[&CLEAR[..kept], &block[kept..]].concat())?;
        } else {
            self.medium.write(block)?;
        }
        self.at += block.len() as u64;
        Ok(())
    }

    fn put_head(&mut self, head: &[u8]) -> io::Result<()> {
        self.medium.put_head(head)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.medium.flush()
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.at = 0;
        self.medium.rewind()
    }

    /// A disk that does not give back cleared bytes where they were cleared is shown as it is.
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let some = self.medium.read(block)?;
        let kept = self.within(some);
        let from = usize::try_from(self.at).unwrap_or(usize::MAX);
        if let Some(head) = self.head.get(from..from.saturating_add(kept))
            && block[..kept].iter().all(|byte| *byte == 0)
        {
            block[..kept].copy_from_slice(head);
        }
        self.at += some as u64;
        Ok(some)
    }

    fn zeros_made(&self) -> u64 {
        self.medium.zeros_made()
    }
}

/// Takes the first bytes off a disk that has them.
pub(crate) fn take(medium: &mut dyn Medium) -> io::Result<Vec<u8>> {
    let head = read(medium, HEAD)?;
    medium.put_head(&CLEAR)?;
    Ok(head)
}

/// Puts the first bytes on a disk; whether they can be read back from the medium is the answer.
pub(crate) fn put(medium: &mut dyn Medium, head: &[u8]) -> io::Result<bool> {
    medium.put_head(head)?;
    Ok(read(medium, head.len())? == head)
}

/// The first `length` bytes, from the medium itself.
fn read(medium: &mut dyn Medium, length: usize) -> io::Result<Vec<u8>> {
    medium.rewind()?;
    let mut room = vec![0; HEAD + PAGE];
    let page = room.as_ptr().align_offset(PAGE).min(PAGE);
    let room = &mut room[page..page + HEAD];
    let mut filled = 0;
    while filled < length {
        match medium.read(&mut room[filled..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            some => filled += some,
        }
    }
    Ok(room[..length].to_vec())
}

/// Two blocks of 4096 bytes or sixteen of 512: the MBR and the GPT's header of either, and no partition of anybody.
const HEAD: usize = 8192;
static CLEAR: [u8; HEAD] = [0; HEAD];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::agent::linux::DiskFile;

    fn used() -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), vec![0x55; 64 * 1024]).expect("an old system");
        file
    }

    fn opened(path: &Path) -> BootSectorGuard<DiskFile> {
        BootSectorGuard::clear_first_bytes(DiskFile::open(path).expect("open")).expect("cleared")
    }

    #[test]
    fn an_old_system_cannot_be_started_from_the_first_moment_on() {
        let file = used();
        drop(opened(file.path()));
        let content = fs::read(file.path()).expect("read");
        assert!(content[..HEAD].iter().all(|byte| *byte == 0));
        assert!(content[HEAD..].iter().all(|byte| *byte == 0x55));
    }

    #[test]
    fn the_disk_cannot_be_started_until_it_is_complete_and_reads_as_the_image_all_the_time() {
        let image: Vec<u8> = (0..30_000u32).map(|at| (at % 251 + 1) as u8).collect();
        for block in [100, 8192, 10_000, 30_000] {
            let file = used();
            let mut disk = opened(file.path());
            image.chunks(block).for_each(|block| disk.write(block).expect("written"));
            disk.flush().expect("flushed");
            let on_disk = fs::read(file.path()).expect("read");
            assert!(on_disk[..HEAD].iter().all(|byte| *byte == 0) && on_disk[HEAD..30_000] == image[HEAD..]);

            disk.rewind().expect("rewound");
            let mut read = vec![0; 30_000];
            let mut at = 0;
            while at < read.len() {
                let end = (at + block).min(read.len());
                at += disk.read(&mut read[at..end]).expect("read");
            }
            assert!(read == image, "in blocks of {block}");

            assert!(disk.complete().expect("completed"));
            assert!(fs::read(file.path()).expect("read")[..30_000] == image);
        }
    }

    #[test]
    fn an_image_that_is_shorter_than_the_head_is_completed_too() {
        let file = used();
        let mut disk = opened(file.path());
        disk.write(b"short").expect("written");
        assert!(disk.complete().expect("completed"));
        assert!(fs::read(file.path()).expect("read").starts_with(b"short\0\0"));
    }

    #[test]
    fn a_disk_that_gives_back_something_else_there_is_not_believed() {
        let file = used();
        let mut disk = opened(file.path());
        disk.write(&[7; 20_000]).expect("written");
        let mut content = fs::read(file.path()).expect("read");
        content[100] = 9;
        fs::write(file.path(), content).expect("a fault");
        disk.rewind().expect("rewound");
        let mut read = [0; 8192];
        assert_eq!(disk.read(&mut read).expect("read"), 8192);
        assert_ne!(read, [7; 8192]);
    }

    #[test]
    fn what_is_taken_off_can_be_put_back() {
        let file = used();
        let mut disk = DiskFile::open(file.path()).expect("open");
        let head = take(&mut disk).expect("taken");
        assert_eq!(head, vec![0x55; HEAD]);
        assert!(fs::read(file.path()).expect("read").starts_with(&CLEAR));
        assert!(put(&mut disk, &head).expect("put back"));
        assert!(fs::read(file.path()).expect("read") == vec![0x55; 64 * 1024]);
    }
}
