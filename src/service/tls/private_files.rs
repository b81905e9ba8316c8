//! Files that only their owner can read, from the moment they exist.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Creates a directory that only its owner may enter; it must not exist.
pub(super) fn make_private(directory: &Path) -> io::Result<()> {
    DirBuilder::new().mode(OWNER_ENTERS).create(directory)
}

/// Removes the permissions of others from a directory. True if there were any.
pub(super) fn keep_private(directory: &Path) -> io::Result<bool> {
    let was_open = fs::metadata(directory)?.permissions().mode() & OTHERS != 0;
    if was_open {
        fs::set_permissions(directory, Permissions::from_mode(OWNER_ENTERS))?;
    }
    Ok(was_open)
}

/// Writes a file that only its owner may read, completely or not at all, in place of the one of that name.
pub(super) fn write_secret(path: &Path, content: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    match fs::remove_file(&fresh) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(OWNER_READS).open(&fresh)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    sync_parent(path)
}

/// Makes sure that a file name survives a power cut.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

const OWNER_ENTERS: u32 = 0o700;
const OWNER_READS: u32 = 0o600;
const OTHERS: u32 = 0o077;
