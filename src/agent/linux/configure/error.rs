//! Why a disk could not be configured, from what the kernel and programs say.

use std::io;

use nix::errno::Errno;

use crate::agent::image::write::disk_error_text;
use crate::agent::machine::Unconfigured;
use crate::domain::machine::report::FailureKind;

/// The profile's configuration does not fit the image or the disk.
pub(super) fn misfit(detail: impl Into<String>) -> Unconfigured {
    Unconfigured { kind: FailureKind::Configuration, detail: detail.into() }
}

/// What was written is not what is read back.
pub(super) fn differs(detail: impl Into<String>) -> Unconfigured {
    Unconfigured { kind: FailureKind::ReadBackDiffers, detail: detail.into() }
}

/// Whether there was no room for what was to be written.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::ENOSPC | Errno::EDQUOT))
}

/// `what` did not succeed because of `error`: of the disk, or of what is on it.
pub(super) fn failed(what: &str, error: &io::Error) -> Unconfigured {
    let known = error.raw_os_error().map(Errno::from_raw);
    let by_disk = matches!(known, Some(Errno::EIO | Errno::ENODEV | Errno::ENXIO));
    let kind = if by_disk { FailureKind::DiskIo } else { FailureKind::Configuration };
    let why = match known {
        _ if is_full(error) => "the volume is full".to_owned(),
        Some(Errno::EROFS) => "the volume is read-only".to_owned(),
        Some(Errno::EXDEV) => "a symbolic link in the path leads out of the volume".to_owned(),
        Some(Errno::ELOOP) => "the symbolic links in the path form a loop".to_owned(),
        Some(Errno::EISDIR) => "a directory has that name".to_owned(),
        Some(Errno::ENOTDIR) => "part of the path is not a directory".to_owned(),
        _ if by_disk => disk_error_text(error),
        _ => error.to_string(),
    };
    Unconfigured { kind, detail: format!("{what}: {why}") }
}
