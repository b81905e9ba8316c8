//! A block device, or a file that stands in for one, written through and read back from the medium.
//!
//! Zeros are most of a disk image. Where the disk can make them itself (`fallocate(2)`: discard, or Write Zeroes, by the
//! kernel's word to read as zeros afterwards) they are not sent to it. That is tried out first on this very disk, on a
//! place that is to be zero anyway: written with something else, made zero, read past every cache. A disk that cannot do
//! it, or does not hold to it, gets its zeros written as all else. In both cases the read-back reads them all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{FallocateFlags, OFlag, PosixFadviseAdvice, fallocate, posix_fadvise};

use crate::agent::image::pump::PAGE;
use crate::agent::machine::Medium;

/// An open disk. Bytes written go to the medium every [`SYNC`] bytes, so that progress is true, an error is near its
/// place, and a machine with little memory does not fill it with them.
#[derive(Debug)]
pub struct DiskFile {
    path: PathBuf,
    file: File,
    /// From [`Medium::rewind`] on: what is read comes through this.
    reader: Option<File>,
    is_block_device: bool,
    /// Where the next byte goes.
    at: u64,
    synced: u64,
    /// Zeros before `at` that the disk has not been told of yet.
    zeros: Range<u64>,
    maker: ZeroMaker,
    zeros_made: u64,
}

/// Whether the disk can zero ranges itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ZeroMaker {
    Untried,
    Proven,
    No,
}

impl DiskFile {
    /// Opens `path` for writing. A block device that is in use (mounted, part of an array) is refused.
    pub fn open(path: &Path) -> io::Result<Self> {
        let is_block_device = fs::metadata(path)?.file_type().is_block_device();
        // On a block device O_EXCL fails if the kernel or another process uses it (open(2)).
        let flags = if is_block_device { OFlag::O_EXCL } else { OFlag::empty() };
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags.bits()).open(path)?;
        let maker = ZeroMaker::Untried;
        let path = path.to_owned();
        Ok(Self { path, file, reader: None, is_block_device, at: 0, synced: 0, zeros: 0..0, maker, zeros_made: 0 })
    }

    /// Takes note of zeros, or writes them.
    fn zero(&mut self, zeros: &[u8]) -> io::Result<()> {
        if self.maker == ZeroMaker::No {
            return self.put(zeros);
        }
        if self.zeros.is_empty() {
            self.zeros = self.at..self.at;
        }
        self.at += zeros.len() as u64;
        self.zeros.end = self.at;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.make_zeros()?;
        self.file.write_all_at(bytes, self.at)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Has the disk make the zeros that are noted; where it cannot, writes them.
    fn make_zeros(&mut self) -> io::Result<()> {
        let zeros = std::mem::take(&mut self.zeros);
        if zeros.is_empty() {
            return Ok(());
        }
        if self.maker == ZeroMaker::Untried {
            self.maker = if self.makes_zeros(zeros.start)? { ZeroMaker::Proven } else { ZeroMaker::No };
        }
        if self.maker == ZeroMaker::Proven {
            if self.punch(&zeros).is_ok() {
                self.zeros_made += zeros.end - zeros.start;
                return Ok(());
            }
            self.maker = ZeroMaker::No;
        }
        let block = vec![0; ZEROS_AT_ONCE];
        let mut at = zeros.start;
        while at < zeros.end {
            let some = usize::try_from(zeros.end - at).unwrap_or(usize::MAX).min(block.len());
            self.file.write_all_at(&block[..some], at)?;
            at += some as u64;
        }
        Ok(())
    }

    /// Tries it out on the [`GRAIN`] at `start`.
    fn makes_zeros(&self, start: u64) -> io::Result<bool> {
        self.file.write_all_at(&[0xa5; GRAIN], start)?;
        self.file.sync_data()?;
        if self.punch(&(start..start + GRAIN as u64)).is_err() {
            return Ok(false);
        }
        self.file.sync_data()?;
        self.forget()?;
        let mut room = vec![0xff; GRAIN + PAGE];
        let page = room.as_ptr().align_offset(PAGE).min(PAGE);
        let room = &mut room[page..page + GRAIN];
        self.past_the_cache()?.read_exact_at(room, start)?;
        Ok(is_zero(room))
    }

    /// Without a fallback inside the kernel, which would write zeros as slowly as anybody.
    fn punch(&self, zeros: &Range<u64>) -> io::Result<()> {
        let offset = |at: u64| i64::try_from(at).map_err(io::Error::other);
        let how = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        Ok(fallocate(&self.file, how, offset(zeros.start)?, offset(zeros.end - zeros.start)?)?)
    }

    /// A second handle that reads the medium; on a file that stands in for one, whatever is there.
    fn past_the_cache(&self) -> io::Result<File> {
        let flags = if self.is_block_device { OFlag::O_DIRECT } else { OFlag::empty() };
        // Held beside the first handle, so without O_EXCL.
        OpenOptions::new().read(true).custom_flags(flags.bits()).open(&self.path)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.make_zeros()?;
        self.file.sync_data()?;
        self.synced = self.at;
        self.forget()
    }

    /// Asks the kernel to drop what it keeps of the disk in memory.
    fn forget(&self) -> io::Result<()> {
        Ok(posix_fadvise(&self.file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?)
    }
}

impl Medium for DiskFile {
    fn write(&mut self, block: &[u8]) -> io::Result<()> {
        let mut rest = block;
        while !rest.is_empty() {
            let zeros = run(rest, true);
            if zeros > 0 {
                self.zero(&rest[..zeros])?;
            }
            let other = run(&rest[zeros..], false);
            if other > 0 {
                self.put(&rest[zeros..zeros + other])?;
            }
            rest = &rest[zeros + other..];
        }
        if self.at - self.synced >= SYNC { self.sync() } else { Ok(()) }
    }

    fn put_head(&mut self, head: &[u8]) -> io::Result<()> {
        self.file.write_all_at(head, 0)?;
        self.file.sync_data()?;
        self.forget()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.make_zeros()?;
        self.file.sync_all()?;
        self.forget()
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.reader = Some(self.past_the_cache()?);
        Ok(())
    }

    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        match &mut self.reader {
            Some(reader) => reader.read(block),
            None => self.file.read(block),
        }
    }

    fn zeros_made(&self) -> u64 {
        self.zeros_made
    }
}

/// How many bytes at the beginning of `bytes` are in grains that are zero, or in grains that are not. What is less than a
/// grain counts as not zero.
fn run(bytes: &[u8], zero: bool) -> usize {
    let grains = bytes.chunks(GRAIN).take_while(|grain| (grain.len() == GRAIN && is_zero(grain)) == zero);
    grains.map(<[u8]>::len).sum()
}

/// Compared piece by piece with a page of zeros, which is as fast as memory.
fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(PAGE).all(|piece| *piece == ZERO_PAGE[..piece.len()])
}

static ZERO_PAGE: [u8; PAGE] = [0; PAGE];
/// Zeros are looked for in pieces of this size, at multiples of it: a multiple of every disk's blocks.
const GRAIN: usize = 64 * 1024;
const ZEROS_AT_ONCE: usize = 1024 * 1024;
const SYNC: u64 = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    /// A disk full of old data.
    fn used(bytes: usize) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), vec![0x5a; bytes]).expect("old data");
        file
    }

    /// Zeros at both ends and in the middle, and a rest that is no whole grain.
    fn image() -> Vec<u8> {
        let mut image = vec![0; 16 * GRAIN + 100];
        image[3 * GRAIN + 5] = 1;
        image[4 * GRAIN..6 * GRAIN].fill(7);
        image[12 * GRAIN] = 9;
        image
    }

    #[test]
    fn what_is_written_is_read_back_from_the_first_byte() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let mut disk = DiskFile::open(file.path()).expect("open");
        disk.write(b"an image").expect("written");
        disk.flush().expect("flushed");
        disk.rewind().expect("rewound");
        let mut block = [0; 100];
        assert_eq!((disk.read(&mut block).expect("read"), &block[..8]), (8, b"an image".as_slice()));
    }

    #[test]
    fn zeros_are_on_the_disk_whoever_made_them() {
        let image = image();
        for maker in [ZeroMaker::Untried, ZeroMaker::No] {
            for block in [2 * GRAIN, 16 * GRAIN] {
                let file = used(20 * GRAIN);
                let mut disk = DiskFile::open(file.path()).expect("open");
                disk.maker = maker;
                image.chunks(block).for_each(|block| disk.write(block).expect("written"));
                disk.flush().expect("flushed");
                let content = fs::read(file.path()).expect("read");
                assert!(content[..image.len()] == image, "{maker:?}, {block}");
                assert!(
                    content[image.len()..].iter().all(|byte| *byte == 0x5a),
                    "what is behind the image is left alone"
                );
                let made = if disk.maker == ZeroMaker::Proven { 12 * GRAIN as u64 } else { 0 };
                assert_eq!(disk.zeros_made(), made);
            }
        }
    }

    #[test]
    fn a_disk_that_makes_zeros_holds_none_of_them() {
        let file = used(20 * GRAIN);
        let before = fs::metadata(file.path()).expect("metadata").blocks();
        let mut disk = DiskFile::open(file.path()).expect("open");
        disk.write(&image()[..16 * GRAIN]).expect("written");
        disk.flush().expect("flushed");
        let after = fs::metadata(file.path()).expect("metadata").blocks();
        assert_eq!(disk.maker == ZeroMaker::Proven, after < before, "{before} blocks before, {after} after");
    }

    #[test]
    fn a_disk_that_cannot_make_zeros_is_found_out_and_they_are_written() {
        let mut disk = DiskFile::open(Path::new("/dev/zero")).expect("open");
        // It takes what is written, and no fallocate.
        disk.forget().ok();
        assert!(disk.punch(&(0..GRAIN as u64)).is_err());
        disk.zeros = 0..GRAIN as u64;
        let _a_character_device_has_no_cache_to_sync = disk.make_zeros();
        assert_ne!(disk.maker, ZeroMaker::Proven);
        assert_eq!(disk.zeros_made(), 0);
    }

    #[test]
    fn a_disk_that_is_full_says_so() {
        let mut disk = DiskFile::open(Path::new("/dev/full")).expect("open");
        let error = disk.write(&[1; 100]).expect_err("it takes nothing");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_disk_that_is_not_there_is_not_made() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("sda");
        assert!(DiskFile::open(&path).is_err() && !path.exists());
    }
}
