//! Reads the disk back and computes the digest of what it holds.

use super::prefix_digests::PrefixDigests;
use super::pump::{Blocks, pump};
use super::write::disk_error_text;
use crate::agent::console::meter::StepMeter;
use crate::agent::failure::StopReason;
use crate::agent::machine::{Machine, Medium};
use crate::domain::machine::disk::Disk;
use crate::domain::machine::report::{FailureKind, Step};

/// The digest of the first `bytes` of `medium`, read from the medium itself.
pub(crate) fn read_back(
    bytes: u64,
    disk: &Disk,
    medium: &mut dyn Medium,
    machine: &dyn Machine,
    blocks: Blocks,
    meter: &mut StepMeter<'_>,
) -> Result<PrefixDigests, StopReason> {
    let fault = |at: u64, what: &str| {
        StopReason::failed(
            Step::Verify,
            FailureKind::DiskIo,
            format!("{}: reading back at byte {at}: {what}", disk.path),
        )
    };
    medium.rewind().map_err(|error| fault(0, &disk_error_text(&error)))?;
    let (mut read, mut digested) = (0, 0);
    let mut digests = PrefixDigests::default();
    let fill = |room: &mut [u8]| {
        if !machine.is_on() {
            return Err(StopReason::SwitchedOff);
        }
        if read == bytes {
            return Ok(0);
        }
        let some = medium.read(room).map_err(|error| fault(read, &disk_error_text(&error)))? as u64;
        if some == 0 {
            return Err(fault(read, "the disk ends here"));
        }
        let wanted = some.min(bytes - read);
        read += wanted;
        Ok(usize::try_from(wanted).unwrap_or(room.len()))
    };
    let take = |block: &[u8]| {
        digests.update(block);
        digested += block.len() as u64;
        meter.moved(digested);
        Ok(())
    };
    pump(blocks, fill, take)?;
    Ok(digests)
}
