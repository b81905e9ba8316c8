//! Files that nobody else may read, not for a moment.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Makes a directory for its owner alone; there must be none.
pub(super) fn make_private(directory: &Path) -> io::Result<()> {
    DirBuilder::new().mode(OWNER_ENTERS).create(directory)
}

/// Takes a directory away from everybody but its owner. Says whether that was needed.
pub(super) fn keep_private(directory: &Path) -> io::Result<bool> {
    let was_open = fs::metadata(directory)?.permissions().mode() & OTHERS != 0;
    if was_open {
        fs::set_permissions(directory, Permissions::from_mode(OWNER_ENTERS))?;
    }
    Ok(was_open)
}

/// Writes a file for its owner alone, wholly or not at all, in place of the one of that name.
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

/// Makes sure that a name outlives a power cut.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

const OWNER_ENTERS: u32 = 0o700;
const OWNER_READS: u32 = 0o600;
const OTHERS: u32 = 0o077;
