//! The disk while it is worked on: what a machine could be started by is kept in memory (see [`crate::agent::image::boot_sector`]), so that
//! one that loses power then asks the station again, and does not start half of what it was to become. The partition table
//! is part of it, and is changed here; on the disk it is for the moment in which the kernel looks at it, and in the end. A
//! power cut in just that moment, or between the proof of the image and this, leaves the image as it is to be started.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use super::error::{differs, failed};
use crate::agent::image::boot_sector;
use crate::agent::linux::DiskFile;
use crate::agent::machine::Unconfigured;

/// An open disk, read and written as if its first bytes were on it.
pub(super) struct Start {
    path: PathBuf,
    file: File,
    at: u64,
    /// The first bytes, while they are not on the disk.
    head: Option<Vec<u8>>,
}

impl Start {
    pub(super) fn of(path: &Path) -> Result<Self, Unconfigured> {
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let file = opened.map_err(|error| failed(&format!("opening {}", path.display()), &error))?;
        Ok(Self { path: path.to_owned(), file, at: 0, head: None })
    }

    /// Takes the first bytes off the disk. The kernel keeps the partitions that it knows.
    pub(super) fn prevent(&mut self) -> Result<(), Unconfigured> {
        if self.head.is_none() {
            let taken = DiskFile::open(&self.path).and_then(|mut disk| boot_sector::take(&mut disk));
            self.head = Some(taken.map_err(|error| self.trouble("clearing", &error))?);
        }
        Ok(())
    }

    /// Puts them on it, and reads them back from the medium.
    pub(super) fn permit(&mut self) -> Result<(), Unconfigured> {
        let Some(head) = &self.head else { return Ok(()) };
        let put = DiskFile::open(&self.path).and_then(|mut disk| boot_sector::put(&mut disk, head));
        if !put.map_err(|error| self.trouble("writing", &error))? {
            return Err(differs(format!("{}: its first {} bytes read back wrong", self.path.display(), head.len())));
        }
        self.head = None;
        Ok(())
    }

    /// Has `look` see the disk with its first bytes on it.
    pub(super) fn shown<T>(
        &mut self,
        look: impl FnOnce(&mut File) -> Result<T, Unconfigured>,
    ) -> Result<T, Unconfigured> {
        let was_kept = self.head.is_some();
        self.permit()?;
        let seen = look(&mut self.file);
        if was_kept {
            self.prevent()?;
        }
        seen
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The disk behind its first bytes.
    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// What is read from now on comes from the medium, but for what is kept.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()?;
        Ok(posix_fadvise(&self.file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?)
    }

    fn trouble(&self, doing: &str, error: &io::Error) -> Unconfigured {
        failed(&format!("{doing} the first bytes of {}", self.path.display()), error)
    }

    /// What is kept from the present place on.
    fn kept(&mut self) -> Option<&mut [u8]> {
        let at = usize::try_from(self.at).ok()?;
        self.head.as_mut()?.get_mut(at..).filter(|rest| !rest.is_empty())
    }
}

impl Read for Start {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let some = match self.kept() {
            Some(kept) => (&*kept).read(room)?,
            None => self.file.read_at(room, self.at)?,
        };
        self.at += some as u64;
        Ok(some)
    }
}

impl Write for Start {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let some = match self.kept() {
            Some(mut kept) => kept.write(bytes)?,
            None => self.file.write_at(bytes, self.at)?,
        };
        self.at += some as u64;
        Ok(some)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Start {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Current(by) => {
                SeekFrom::Start(self.at.checked_add_signed(by).ok_or(io::ErrorKind::InvalidInput)?)
            }
            other => other,
        };
        self.at = self.file.seek(to)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_first_bytes_are_changed_in_memory_and_go_to_the_disk_when_it_may_be_started() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), vec![1; 20_000]).expect("a disk");
        let mut start = Start::of(file.path()).expect("open");
        start.prevent().expect("prevented");
        start.seek(SeekFrom::Start(8190)).expect("there");
        start.write_all(&[2; 4]).expect("written");
        start.seek(SeekFrom::Current(-6)).expect("there");
        let mut read = [0; 8];
        start.read_exact(&mut read).expect("read");
        assert_eq!(read, [1, 1, 2, 2, 2, 2, 1, 1], "it reads as if it were there");
        let on_disk = fs::read(file.path()).expect("read");
        assert_eq!((&on_disk[8188..8196], on_disk[0]), ([0, 0, 0, 0, 2, 2, 1, 1].as_slice(), 0), "it is not");

        let seen = start.shown(|_| Ok(fs::read(file.path()).expect("read")[8190])).expect("shown");
        assert_eq!((seen, fs::read(file.path()).expect("read")[8190]), (2, 0), "but for a moment");
        start.permit().expect("permitted");
        assert_eq!(fs::read(file.path()).expect("read")[8188..8196], [1, 1, 2, 2, 2, 2, 1, 1]);
    }
}
