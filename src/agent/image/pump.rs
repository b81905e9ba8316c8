//! Moves bytes from where they come from to where they go, both at work at the same time.
//!
//! ```text
//!  fill (this thread)  ──full blocks──►  take (its own thread)
//!                      ◄─empty blocks──
//! ```

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::agent::failure::StopReason;

/// How much memory is on the way between the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// Bytes of one block: a multiple of [`PAGE`].
    pub bytes: usize,
    pub count: usize,
}

impl Default for Blocks {
    fn default() -> Self {
        Self { bytes: 1024 * 1024, count: 4 }
    }
}

/// How long each side has worked. Where the sum is well above the time that passed, they overlapped well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Worked {
    pub filling: Duration,
    pub taking: Duration,
}

/// Calls `fill` for bytes until it gives 0 of them, and `take` with the same bytes in the same order. A block that is
/// taken is full, except the last. The first side to stop, stops both; what was filled before is still taken.
pub fn pump(
    blocks: Blocks,
    mut fill: impl FnMut(&mut [u8]) -> Result<usize, StopReason>,
    mut take: impl FnMut(&[u8]) -> Result<(), StopReason> + Send,
) -> Result<Worked, StopReason> {
    let (full, filled) = sync_channel::<Block>(blocks.count);
    let (empty, emptied) = sync_channel::<Block>(blocks.count);
    for _ in 0..blocks.count {
        let _there_is_room = empty.try_send(Block::new(blocks.bytes));
    }
    thread::scope(|scope| {
        let taker = scope.spawn(move || -> Result<Duration, StopReason> {
            let mut taking = Duration::ZERO;
            for block in filled {
                let began = Instant::now();
                take(block.content())?;
                taking += began.elapsed();
                let _nobody_fills_it_again = empty.try_send(block);
            }
            Ok(taking)
        });
        let filling = fill_blocks(&mut fill, &emptied, full);
        let taken = taker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok(Worked { taking: taken?, filling: filling? })
    })
}

/// Ends when the source is exhausted or the receiver has stopped.
fn fill_blocks(
    fill: &mut impl FnMut(&mut [u8]) -> Result<usize, StopReason>,
    emptied: &Receiver<Block>,
    full: SyncSender<Block>,
) -> Result<Duration, StopReason> {
    let mut filling = Duration::ZERO;
    while let Ok(mut block) = emptied.recv() {
        let began = Instant::now();
        let outcome = block.fill(fill);
        filling += began.elapsed();
        let last = outcome.is_err() || !block.is_full();
        if block.length > 0 && full.send(block).is_err() {
            break;
        }
        outcome?;
        if last {
            break;
        }
    }
    Ok(filling)
}

/// A buffer whose first byte is at a page, as unbuffered reads need it.
struct Block {
    bytes: Vec<u8>,
    start: usize,
    length: usize,
    capacity: usize,
}

impl Block {
    fn new(capacity: usize) -> Self {
        let bytes = vec![0; capacity + PAGE];
        let start = bytes.as_ptr().align_offset(PAGE).min(PAGE);
        Self { bytes, start, length: 0, capacity }
    }

    fn content(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.length]
    }

    fn is_full(&self) -> bool {
        self.length == self.capacity
    }

    fn fill(&mut self, fill: &mut impl FnMut(&mut [u8]) -> Result<usize, StopReason>) -> Result<(), StopReason> {
        self.length = 0;
        while !self.is_full() {
            match fill(&mut self.bytes[self.start + self.length..self.start + self.capacity])? {
                0 => break,
                more => self.length += more,
            }
        }
        Ok(())
    }
}

/// Where an unbuffered read may begin, in memory and on disk: fits logical blocks of 512 and 4096 bytes.
pub const PAGE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::machine::report::{FailureKind, Step};

    const SMALL: Blocks = Blocks { bytes: PAGE, count: 2 };

    fn stop() -> StopReason {
        StopReason::failed(Step::Write, FailureKind::DiskIo, "full")
    }

    #[test]
    fn what_comes_in_bits_goes_out_in_full_blocks_and_a_rest() {
        let source: Vec<u8> = (0..PAGE * 3 + 17).map(|at| (at % 251) as u8).collect();
        let (mut at, mut sizes, mut out) = (0, Vec::new(), Vec::new());
        let fill = |room: &mut [u8]| {
            let some = room.len().min(1000).min(source.len() - at);
            room[..some].copy_from_slice(&source[at..at + some]);
            at += some;
            Ok(some)
        };
        pump(SMALL, fill, |block| {
            sizes.push(block.len());
            out.extend_from_slice(block);
            Ok(())
        })
        .expect("pumped");
        assert_eq!((sizes, out == source), (vec![PAGE, PAGE, PAGE, 17], true));
    }

    #[test]
    fn a_side_that_stops_stops_the_other() {
        assert_eq!(pump(SMALL, |room| Ok(room.len()), |_| Err(stop())), Err(stop()));
        assert_eq!(pump(SMALL, |_| Err(stop()), |_| Ok(())), Err(stop()));
    }

    #[test]
    fn what_was_filled_before_a_stop_is_taken() {
        let (mut calls, mut taken) = (0, 0);
        let fill = |room: &mut [u8]| {
            calls += 1;
            if calls > 2 { Err(stop()) } else { Ok(room.len()) }
        };
        let outcome = pump(SMALL, fill, |block| {
            taken += block.len();
            Ok(())
        });
        assert_eq!((outcome, taken), (Err(stop()), PAGE * 2));
    }
}
