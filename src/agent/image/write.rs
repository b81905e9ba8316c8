//! Download, decompress, write: the image goes to the disk as it arrives, and nothing is kept on the way.

use std::io::Read;

use nix::errno::Errno;

use super::download::{Download, DownloadError, DownloadSource};
use super::prefix_digests::PrefixDigests;
use super::pump::{Blocks, pump};
use crate::agent::console::meter::{StepMeter, per_second};
use crate::agent::failure::StopReason;
use crate::agent::machine::Medium;
use crate::domain::digest::Digest;
use crate::domain::machine::disk::{Disk, in_bytes};
use crate::domain::machine::report::{FailureKind, Step};
use crate::domain::profile::image::ImageFormat;
use crate::domain::time::in_words;
use crate::protocol::AgentJob;
use crate::unpack::{self, Unpacker};

/// What was written: a sentence about how it went, and the digest of it.
pub(crate) struct WriteResult {
    pub how: String,
    pub digests: PrefixDigests,
}

/// Writes the job's image to `medium`. What arrived is then known to be the image, byte for byte; whether the disk has it
/// is for [`super::verify`] to find out.
pub(crate) fn write(
    job: &AgentJob,
    disk: &Disk,
    medium: &mut dyn Medium,
    source: DownloadSource<'_>,
    blocks: Blocks,
    meter: &mut StepMeter<'_>,
) -> Result<WriteResult, StopReason> {
    let is_packed = job.format != ImageFormat::Raw;
    let mut stream = Unpacker::new(job.format, Download::new(source, &job.image, job.bytes, is_packed))
        .map_err(|error| corrupt(unpack::why(&error)))?;
    let (mut arrived, mut written) = (0, 0);
    let mut digests = PrefixDigests::default();
    let fill = |room: &mut [u8]| {
        let some = stream.read(room).map_err(|error| unreadable(&error, stream.file()))?;
        arrived += some as u64;
        if arrived > job.disk_bytes {
            return Err(corrupt(format!("the image does not end at byte {} as expected", job.disk_bytes)));
        }
        Ok(some)
    };
    let take = |block: &[u8]| {
        digests.update(block);
        medium.write(block).map_err(|error| disk_io(disk, &format!("writing at byte {written}"), &error))?;
        written += block.len() as u64;
        meter.moved(written);
        Ok(())
    };
    let worked = pump(blocks, fill, take)?;
    if arrived < job.disk_bytes {
        return Err(corrupt(format!("the image ends after {arrived} of {} bytes", job.disk_bytes)));
    }
    let download = stream.file();
    if download.consumed() < job.bytes {
        return Err(corrupt(format!("the image ends at byte {} of its {}-byte file", download.consumed(), job.bytes)));
    }
    if let Some(arrived) = download.digest() {
        same("the downloaded image", job.bytes, arrived, job.sha256)?;
        same("the decompressed image", job.disk_bytes, digests.digest(), job.disk_sha256)?;
    } else {
        same("the downloaded image", job.bytes, digests.digest(), job.disk_sha256)?;
    }
    medium.flush().map_err(|error| disk_io(disk, "flushing", &error))?;
    let time = meter.elapsed();
    let [network, decoding, taking] =
        [download.waited(), worked.filling.saturating_sub(download.waited()), worked.taking]
            .map(|time| time.as_secs_f64());
    let retries = match source.arrival.retries() {
        0 => String::new(),
        1 => ", 1 retry".to_owned(),
        retries => format!(", {retries} retries"),
    };
    let zeros = match medium.zeros_made() {
        0 => String::new(),
        bytes => format!(", {} zeroed by the disk itself", in_bytes(bytes)),
    };
    let how = format!(
        "{} in {} at {} (network {network:.1} s, decompression {decoding:.1} s, disk {taking:.1} s{retries}{zeros})",
        in_bytes(written),
        in_words(time),
        per_second(written, time)
    );
    Ok(WriteResult { how, digests })
}

/// An error of the disk at step writing.
pub(crate) fn disk_io(disk: &Disk, doing: &str, error: &std::io::Error) -> StopReason {
    StopReason::failed(Step::Write, FailureKind::DiskIo, format!("{}: {doing}: {}", disk.path, disk_error_text(error)))
}

/// What a disk error means for the technician.
pub(crate) fn disk_error_text(error: &std::io::Error) -> String {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENODEV | Errno::ENXIO) => "the disk is gone: it was removed, lost power or failed".to_owned(),
        Some(Errno::EIO) => "the disk reports an error (EIO)".to_owned(),
        Some(Errno::ENOSPC) => "the disk ends here: it is smaller than it reports (ENOSPC)".to_owned(),
        _ => error.to_string(),
    }
}

/// A stream breaks because bytes do not come, or because those that came are not the image.
fn unreadable(error: &std::io::Error, download: &Download<'_>) -> StopReason {
    let broken = error.get_ref().and_then(|inner| inner.downcast_ref::<DownloadError>());
    match broken {
        Some(DownloadError::SwitchedOff) => StopReason::SwitchedOff,
        Some(
            broken @ (DownloadError::Stalled { .. } | DownloadError::TooSlow { .. } | DownloadError::Replaced { .. }),
        ) => StopReason::failed(Step::Write, FailureKind::Download, broken.to_string()),
        Some(wrong @ (DownloadError::WrongLength { .. } | DownloadError::EndsEarly { .. })) => {
            corrupt(wrong.to_string())
        }
        None => {
            let (at, why) = (download.consumed(), unpack::why(error));
            corrupt(format!("decompression fails at byte {at} of the file: {why}"))
        }
    }
}

fn same(what: &str, bytes: u64, found: Digest, expected: Digest) -> Result<(), StopReason> {
    if found == expected {
        return Ok(());
    }
    let (found, expected) = (found.short(), expected.short());
    Err(corrupt(format!("{what} ({bytes} bytes) has digest {found}…, expected {expected}…")))
}

/// Wrong content shows when it is checked, so it belongs to the step of verifying.
fn corrupt(detail: String) -> StopReason {
    StopReason::failed(Step::Verify, FailureKind::CorruptImage, detail)
}
