//! Reads the disk back and computes the digest of what it holds.

use sha2::{Digest as _, Sha256};

use super::failure::Stop;
use super::machine::{Machine, Medium};
use super::meter::Meter;
use super::pump::{Blocks, pump};
use crate::domain::digest::Digest;
use crate::domain::disk::Disk;
use crate::domain::report::{FailureKind, Step};

/// The digest of the first `bytes` of `medium`, read from the medium itself.
pub(super) fn read_back(
    bytes: u64,
    disk: &Disk,
    medium: &mut dyn Medium,
    machine: &dyn Machine,
    blocks: Blocks,
    meter: &mut Meter<'_>,
) -> Result<Digest, Stop> {
    let fault = |at: u64, what: &str| {
        Stop::failed(Step::Verify, FailureKind::DiskIo, format!("{}: reading back at byte {at}: {what}", disk.path))
    };
    medium.rewind().map_err(|error| fault(0, &error.to_string()))?;
    let (mut read, mut digested) = (0, 0);
    let mut digest = Sha256::new();
    let fill = |room: &mut [u8]| {
        if !machine.is_on() {
            return Err(Stop::SwitchedOff);
        }
        if read == bytes {
            return Ok(0);
        }
        let some = medium.read(room).map_err(|error| fault(read, &error.to_string()))? as u64;
        if some == 0 {
            return Err(fault(read, "the disk ends here"));
        }
        let wanted = some.min(bytes - read);
        read += wanted;
        Ok(usize::try_from(wanted).unwrap_or(room.len()))
    };
    let take = |block: &[u8]| {
        digest.update(block);
        digested += block.len() as u64;
        meter.moved(digested);
        Ok(())
    };
    pump(blocks, fill, take)?;
    Ok(Digest::new(digest.finalize().into()))
}
