//! A block device, or a file that stands in for one, written through and read back from the medium.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, PosixFadviseAdvice, posix_fadvise};

use crate::agent::machine::Medium;

/// An open disk. Bytes written go to the medium every [`SYNC`] bytes, so that progress is true, an error is near its
/// place, and a machine with little memory does not fill it with them.
#[derive(Debug)]
pub struct DiskFile {
    path: PathBuf,
    file: File,
    is_block_device: bool,
    written: u64,
    synced: u64,
}

impl DiskFile {
    /// Opens `path` for writing. A block device that is in use (mounted, part of an array) is refused.
    pub fn open(path: &Path) -> io::Result<Self> {
        let is_block_device = fs::metadata(path)?.file_type().is_block_device();
        // On a block device O_EXCL means: unless the kernel or somebody else holds it (open(2)).
        let flags = if is_block_device { OFlag::O_EXCL } else { OFlag::empty() };
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags.bits()).open(path)?;
        Ok(Self { path: path.to_owned(), file, is_block_device, written: 0, synced: 0 })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.synced = self.written;
        self.forget()
    }

    /// Asks the kernel to drop what it keeps of the disk in memory.
    fn forget(&self) -> io::Result<()> {
        Ok(posix_fadvise(&self.file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?)
    }
}

impl Medium for DiskFile {
    fn write(&mut self, block: &[u8]) -> io::Result<()> {
        self.file.write_all(block)?;
        self.written += block.len() as u64;
        if self.written - self.synced >= SYNC { self.sync() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.sync_all()?;
        self.forget()
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        if self.is_block_device {
            // Past the kernel's cache. Held beside the first handle, so without O_EXCL.
            self.file = OpenOptions::new().read(true).custom_flags(OFlag::O_DIRECT.bits()).open(&self.path)?;
        }
        Ok(())
    }

    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        self.file.read(block)
    }
}

const SYNC: u64 = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_disk_that_is_not_there_is_not_made() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("sda");
        assert!(DiskFile::open(&path).is_err() && !path.exists());
    }
}
