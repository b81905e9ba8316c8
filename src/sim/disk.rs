//! The disk of a simulated machine: a file of which only what is not zero takes room, as slow as it is asked to be.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::agent::machine::Medium;

/// A disk file, empty when it is opened.
#[derive(Debug)]
pub(super) struct SparseDisk {
    file: File,
    pace: Option<SpeedLimit>,
    /// Whether the file is emptied when nobody needs its content any more.
    forgetful: bool,
}

impl SparseDisk {
    /// Opens the disk at `path` with room for `bytes`. `pace` is in bytes a second.
    pub(super) fn open(path: &Path, bytes: u64, pace: Option<u64>, forgetful: bool) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        file.set_len(bytes)?;
        Ok(Self { file, pace: pace.map(SpeedLimit::new), forgetful })
    }
}

impl Medium for SparseDisk {
    fn write(&mut self, block: &[u8]) -> io::Result<()> {
        self.pace.iter_mut().for_each(|pace| pace.keep(block.len()));
        if block.iter().all(|byte| *byte == 0) {
            let on = i64::try_from(block.len()).map_err(io::Error::other)?;
            return self.file.seek(SeekFrom::Current(on)).map(drop);
        }
        self.file.write_all(block)
    }

    fn put_head(&mut self, head: &[u8]) -> io::Result<()> {
        self.file.write_all_at(head, 0)
    }

    /// A simulation that is cut off has lost nothing worth the wait.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0)).map(drop)
    }

    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let some = self.file.read(block)?;
        self.pace.iter_mut().for_each(|pace| pace.keep(some));
        Ok(some)
    }
}

impl Drop for SparseDisk {
    fn drop(&mut self) {
        if self.forgetful {
            let _it_is_temporary_anyway = self.file.set_len(0);
        }
    }
}

/// A disk that does not keep what is written: the first byte it gives back is another one.
#[derive(Debug)]
pub(super) struct WornDisk {
    pub(super) sound: SparseDisk,
    pub(super) read: bool,
}

impl Medium for WornDisk {
    fn write(&mut self, block: &[u8]) -> io::Result<()> {
        self.sound.write(block)
    }

    fn put_head(&mut self, head: &[u8]) -> io::Result<()> {
        self.sound.put_head(head)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sound.flush()
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.read = false;
        self.sound.rewind()
    }

    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let some = self.sound.read(block)?;
        if let (false, Some(first)) = (self.read, block.first_mut()) {
            *first ^= 1;
            self.read = true;
        }
        Ok(some)
    }
}

/// Holds whoever moves bytes back to a rate.
#[derive(Debug)]
struct SpeedLimit {
    bytes_per_second: u64,
    began: Instant,
    moved: u64,
}

impl SpeedLimit {
    fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1), began: Instant::now(), moved: 0 }
    }

    /// Waits until `bytes` more are due.
    fn keep(&mut self, bytes: usize) {
        self.moved += bytes as u64;
        let due = Duration::from_millis(self.moved.saturating_mul(1000) / self.bytes_per_second);
        let early = due.saturating_sub(self.began.elapsed());
        // What was waited for elsewhere, for the station or between writing and reading, is not caught up with.
        if early.is_zero() {
            (self.began, self.moved) = (Instant::now(), 0);
        }
        thread::sleep(early);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn zeros_take_no_room_and_read_back_as_zeros() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let mut disk = SparseDisk::open(file.path(), 100 << 20, None, false).expect("open");
        let zeros = vec![0; 8 << 20];
        for block in [&zeros[..], b"content", &zeros] {
            disk.write(block).expect("written");
        }
        disk.rewind().expect("rewound");
        let mut all = vec![1; (8 << 20) + 8];
        disk.file.read_exact(&mut all).expect("read");
        assert_eq!((&all[..8 << 20], &all[8 << 20..]), (&zeros[..], b"content\0".as_slice()));
        assert!(disk.file.metadata().expect("metadata").blocks() * 512 < 1 << 20);
    }

    #[test]
    fn a_worn_disk_gives_back_something_else() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let sound = SparseDisk::open(file.path(), 100, None, false).expect("open");
        let mut disk = WornDisk { sound, read: false };
        disk.write(b"content").expect("written");
        disk.rewind().expect("rewound");
        let mut some = [0; 7];
        assert_eq!(disk.read(&mut some).expect("read"), 7);
        assert_eq!(&some, b"bontent");
    }

    #[test]
    fn a_forgetful_disk_is_empty_afterwards() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let mut disk = SparseDisk::open(file.path(), 100, None, true).expect("open");
        disk.write(b"content").expect("written");
        drop(disk);
        assert_eq!(std::fs::metadata(file.path()).expect("metadata").len(), 0);
    }

    #[test]
    fn a_slow_disk_takes_its_time() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let mut disk = SparseDisk::open(file.path(), 10_000, Some(10_000), false).expect("open");
        let began = Instant::now();
        (0..10).for_each(|_| disk.write(&[1; 200]).expect("written"));
        assert!(began.elapsed() >= Duration::from_millis(180), "{:?}", began.elapsed());
    }
}
