//! Download, decompress, write: the image goes to the disk as it arrives, and nothing is kept on the way.

use std::io::Read;

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

use super::download::{Download, DownloadError, Source};
use super::failure::Stop;
use super::machine::Medium;
use super::meter::{Meter, per_second};
use super::pump::{Blocks, pump};
use crate::domain::digest::Digest;
use crate::domain::disk::{Disk, in_bytes};
use crate::domain::image::Format;
use crate::domain::report::{FailureKind, Step};
use crate::domain::time::in_words;
use crate::protocol::Job;

/// Writes the job's image to `medium` and gives a sentence about how it went. What arrived is then known to be the
/// image, byte for byte; whether the disk has it is for [`super::verify`] to find out.
pub(super) fn write(
    job: &Job,
    disk: &Disk,
    medium: &mut dyn Medium,
    source: Source<'_>,
    blocks: Blocks,
    meter: &mut Meter<'_>,
) -> Result<String, Stop> {
    let mut stream = Stream::new(job, Download::new(source, &job.image, job.bytes));
    let (mut arrived, mut written) = (0, 0);
    let mut content = (job.format == Format::Gzip).then(Sha256::new);
    let fill = |room: &mut [u8]| {
        let some = stream.read(room).map_err(|error| unreadable(&error, &stream))?;
        arrived += some as u64;
        if arrived > job.disk_bytes {
            return Err(corrupt(format!("the image goes on after byte {}, where it should end", job.disk_bytes)));
        }
        Ok(some)
    };
    let take = |block: &[u8]| {
        content.iter_mut().for_each(|content| content.update(block));
        medium.write(block).map_err(|error| disk_io(disk, &format!("writing at byte {written}"), &error))?;
        written += block.len() as u64;
        meter.moved(written);
        Ok(())
    };
    let worked = pump(blocks, fill, take)?;
    if arrived < job.disk_bytes {
        return Err(corrupt(format!("the image ends after {arrived} of {} bytes", job.disk_bytes)));
    }
    let download = stream.download();
    same("the image as it arrived", download.digest(), job.sha256)?;
    if let Some(content) = content {
        same("the decompressed image", Digest::new(content.finalize().into()), job.disk_sha256)?;
    }
    medium.flush().map_err(|error| disk_io(disk, "flushing", &error))?;
    let time = meter.elapsed();
    let [network, decoding, taking] =
        [download.waited(), worked.filling.saturating_sub(download.waited()), worked.taking]
            .map(|time| time.as_secs_f64());
    let retries = match download.retries() {
        0 => String::new(),
        retries => format!(", {retries} retries"),
    };
    Ok(format!(
        "{} in {} at {} (network {network:.1} s, decompression {decoding:.1} s, disk {taking:.1} s{retries})",
        in_bytes(written),
        in_words(time),
        per_second(written, time)
    ))
}

/// An error of the disk at step writing.
pub(super) fn disk_io(disk: &Disk, doing: &str, error: &std::io::Error) -> Stop {
    Stop::failed(Step::Write, FailureKind::DiskIo, format!("{}: {doing}: {error}", disk.path))
}

/// The image's bytes as the disk is to hold them.
enum Stream<'a> {
    Raw(Box<Download<'a>>),
    Gzip(Box<MultiGzDecoder<Download<'a>>>),
}

impl<'a> Stream<'a> {
    fn new(job: &Job, download: Download<'a>) -> Self {
        match job.format {
            Format::Raw => Self::Raw(Box::new(download)),
            Format::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(download))),
        }
    }

    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Raw(download) => download.read(room),
            Self::Gzip(decoder) => decoder.read(room),
        }
    }

    fn download(&self) -> &Download<'a> {
        match self {
            Self::Raw(download) => download,
            Self::Gzip(decoder) => decoder.get_ref(),
        }
    }
}

/// A stream breaks because bytes do not come, or because those that came are not the image.
fn unreadable(error: &std::io::Error, stream: &Stream<'_>) -> Stop {
    let download = error.get_ref().and_then(|inner| inner.downcast_ref::<DownloadError>());
    match download {
        Some(DownloadError::SwitchedOff) => Stop::SwitchedOff,
        Some(stalled @ DownloadError::Stalled { .. }) => {
            Stop::failed(Step::Write, FailureKind::Download, stalled.to_string())
        }
        Some(wrong @ (DownloadError::WrongLength { .. } | DownloadError::EndsEarly { .. })) => {
            corrupt(wrong.to_string())
        }
        None => corrupt(format!("decompression fails before byte {} of the file: {error}", stream.download().at())),
    }
}

fn same(what: &str, found: Digest, expected: Digest) -> Result<(), Stop> {
    if found == expected {
        return Ok(());
    }
    Err(corrupt(format!("{what} has digest {}…, it should have {}…", found.short(), expected.short())))
}

/// Wrong content shows when it is checked, so it belongs to the step of verifying.
fn corrupt(detail: String) -> Stop {
    Stop::failed(Step::Verify, FailureKind::CorruptImage, detail)
}
