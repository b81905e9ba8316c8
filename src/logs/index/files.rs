//! The log files as the index sees them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use crate::logs::files::{FileKey, name_of, place_of};

/// A file that is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogFile {
    pub place: FileKey,
    pub inode: u64,
    pub bytes: u64,
}

impl LogFile {
    pub(super) fn key(&self) -> (u64, FileKey) {
        (self.inode, self.place)
    }
}

/// All log files in the directory. None when there is no directory.
pub(super) fn present(logs: &Path) -> io::Result<Vec<LogFile>> {
    let entries = match fs::read_dir(logs) {
        Ok(entries) => entries,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(err) => return Err(err),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Some(place) = entry.file_name().to_str().and_then(place_of) else { continue };
        // It may have been set aside or removed by now.
        let Ok(about) = entry.metadata() else { continue };
        if about.is_file() {
            found.push(LogFile { place, inode: about.ino(), bytes: about.len() });
        }
    }
    Ok(found)
}

/// The file at this place, and by what it is known: its first line. None if it is not there, or has no whole line.
pub(super) fn head(logs: &Path, place: FileKey) -> io::Result<Option<(File, String)>> {
    let file = match File::open(logs.join(name_of(place))) {
        Ok(file) => file,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(err),
    };
    Ok(line_at(&file, 0)?.map(|head| (file, head)))
}

/// The whole line that begins at this byte.
pub(super) fn line_at(file: &File, place: u64) -> io::Result<Option<String>> {
    let mut bytes = vec![0; LONGEST];
    let some = file.read_at(&mut bytes, place)?;
    let end = bytes[..some].iter().position(|c| *c == b'\n');
    Ok(end.map(|end| String::from_utf8_lossy(&bytes[..end]).into_owned()))
}

/// Shows to `take` at most so many whole lines from the byte `from` on, each with where it begins. Gives where the next one
/// does.
pub(super) fn read(file: &File, mut from: u64, most: usize, mut take: impl FnMut(u64, &str)) -> io::Result<u64> {
    let (mut taken, mut piece) = (0, vec![0; PIECE]);
    while taken < most {
        let some = file.read_at(&mut piece, from)?;
        let Some(end) = piece[..some].iter().rposition(|c| *c == b'\n') else {
            // So long without a line break: it is no log, and is passed over.
            return Ok(if some == PIECE { from + PIECE as u64 } else { from });
        };
        let mut at = 0;
        for said in piece[..end].split(|c| *c == b'\n') {
            take(from + at as u64, &String::from_utf8_lossy(said));
            at += said.len() + 1;
            taken += 1;
            if taken == most {
                break;
            }
        }
        from += at as u64;
    }
    Ok(from)
}

/// Bytes that are read at once.
const PIECE: usize = 256 << 10;
/// No line is longer.
const LONGEST: usize = 8 << 10;
