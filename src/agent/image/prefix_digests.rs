//! The digest of a stream and, on the way, of its beginnings: where those of two streams first differ, the streams do.

use std::ops::Range;

use sha2::{Digest as _, Sha256};

use crate::domain::digest::Digest;

/// What has been digested so far. Eight bytes of memory for every [`EVERY`] of the stream.
#[derive(Debug, Default)]
pub(crate) struct PrefixDigests {
    sha256: Sha256,
    bytes: u64,
    digests: Vec<[u8; 8]>,
}

impl PrefixDigests {
    pub(crate) fn update(&mut self, mut block: &[u8]) {
        while !block.is_empty() {
            let room = EVERY - self.bytes % EVERY;
            let (piece, rest) = block.split_at(usize::try_from(room).unwrap_or(usize::MAX).min(block.len()));
            self.sha256.update(piece);
            self.bytes += piece.len() as u64;
            if self.bytes.is_multiple_of(EVERY) {
                self.digests.extend(self.sha256.clone().finalize().first_chunk());
            }
            block = rest;
        }
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::new(self.sha256.clone().finalize().into())
    }

    /// Where two streams of the same length whose digests differ do so first.
    pub(crate) fn first_difference(&self, other: &Self) -> Range<u64> {
        let same = self.digests.iter().zip(&other.digests).take_while(|(mine, theirs)| mine == theirs).count() as u64;
        same * EVERY..((same + 1) * EVERY).min(self.bytes)
    }
}

const EVERY: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_first_where_their_beginnings_do() {
        let mut stream = vec![7; 5 << 20];
        let digested = |stream: &[u8]| {
            let mut digests = PrefixDigests::default();
            stream.chunks(100_000).for_each(|block| digests.update(block));
            digests
        };
        let sound = digested(&stream);
        assert_eq!(sound.digest(), Digest::new(Sha256::digest(&stream).into()));
        stream[3_500_000] ^= 1;
        stream[4_500_000] ^= 1;
        assert_eq!(sound.first_difference(&digested(&stream)), 3 << 20..4 << 20);
    }

    #[test]
    fn the_rest_behind_the_last_mark_counts_too() {
        let digested = |last: u8| {
            let mut digests = PrefixDigests::default();
            digests.update(&[&[7; 1 << 20][..], &[last]].concat());
            digests
        };
        assert_eq!(digested(1).first_difference(&digested(2)), 1 << 20..(1 << 20) + 1);
    }
}
