//! What all nodes and services say, in the order in which it was heard: the newest lines of the whole bench.
//!
//! Bounded by [`KEPT`] lines. When it is full the oldest lines go, whoever they are of, and are counted; they are in the
//! log files. Lines lie in chunks that are shared: to hand a stream to the readers of a snapshot costs some eighty
//! pointers, whatever its length.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::domain::ids::NodeId;
use crate::domain::logline::LogLine;
use crate::domain::station::service::ServiceName;

/// Who said a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A node, or the station about it; with what it was called then.
    Node { id: NodeId, label: Arc<str> },
    /// A service of the station.
    Service(ServiceName),
    /// The station as a whole, as when a command is refused.
    Station,
}

impl Origin {
    /// What to call it, as `SN-4711`, `dhcp` or `station`.
    pub fn name(&self) -> &str {
        match self {
            Self::Node { label, .. } => label,
            Self::Service(service) => service.word(),
            Self::Station => "station",
        }
    }

    pub fn node(&self) -> Option<NodeId> {
        match self {
            Self::Node { id, .. } => Some(*id),
            Self::Service(_) | Self::Station => None,
        }
    }
}

/// A line and who said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamLine {
    pub by: Origin,
    pub line: LogLine,
}

/// The newest lines of all. Each has a number for good, counted from 0.
#[derive(Clone, Debug, Default)]
pub struct LogStream {
    /// Each but the last is full, and begins with a multiple of [`CHUNK`].
    chunks: VecDeque<Arc<Vec<StreamLine>>>,
    /// The number of the first line that is kept.
    first: u64,
}

impl LogStream {
    pub fn push(&mut self, said: StreamLine) {
        match self.chunks.back_mut() {
            Some(chunk) if chunk.len() < CHUNK => Arc::make_mut(chunk).push(said),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(said);
                self.chunks.push_back(Arc::new(chunk));
            }
        }
        if self.len() > KEPT
            && let Some(gone) = self.chunks.pop_front()
        {
            self.first += gone.len() as u64;
        }
    }

    /// The number of the first line that is kept: as many have gone.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The number that the next line will have: as many have been said.
    pub fn next(&self) -> u64 {
        self.first + self.len() as u64
    }

    pub fn len(&self) -> usize {
        let last = self.chunks.back().map_or(0, |chunk| chunk.len());
        self.chunks.len().saturating_sub(1) * CHUNK + last
    }

    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The line of this number, if it is kept.
    pub fn get(&self, number: u64) -> Option<&StreamLine> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.chunks.get(at / CHUNK)?.get(at % CHUNK)
    }

    /// The lines from this number on, oldest first, each with its number.
    pub fn since(&self, number: u64) -> impl Iterator<Item = (u64, &StreamLine)> {
        let from = number.max(self.first);
        let skipped = usize::try_from(from - self.first).unwrap_or(usize::MAX);
        let chunks = self.chunks.iter().skip(skipped / CHUNK);
        (from..).zip(chunks.flat_map(|chunk| chunk.iter()).skip(skipped % CHUNK))
    }
}

/// Lines in a chunk: one that is being filled is copied at every snapshot.
const CHUNK: usize = 256;
/// Lines that are kept at most: four seconds of a bench on which everybody shouts, hours of a quiet one; 10 MB.
pub const KEPT: usize = 20_480;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::logline::{Level, LogSource};
    use crate::domain::time::Timestamp;

    fn said(number: u64) -> StreamLine {
        let line =
            LogLine::new(Timestamp::from_millis(number), LogSource::Station, Level::Info, &format!("line {number}"));
        StreamLine { by: Origin::Station, line }
    }

    fn filled(lines: u64) -> LogStream {
        let mut stream = LogStream::default();
        (0..lines).for_each(|number| stream.push(said(number)));
        stream
    }

    #[test]
    fn a_line_is_found_by_its_number_for_as_long_as_it_is_kept() {
        let stream = filled(50_000);
        assert_eq!(stream.next(), 50_000);
        assert!(stream.len() <= KEPT && stream.len() > KEPT - CHUNK, "{}", stream.len());
        assert_eq!(stream.first() + stream.len() as u64, stream.next());
        for number in [stream.first(), stream.first() + 1, 40_000, 49_999] {
            assert_eq!(stream.get(number), Some(&said(number)));
        }
        assert_eq!((stream.get(stream.first() - 1), stream.get(50_000)), (None, None));
    }

    #[test]
    fn reading_on_from_where_one_was_misses_nothing_and_repeats_nothing() {
        let mut stream = filled(300);
        let seen: Vec<u64> = stream.since(0).map(|(number, _)| number).collect();
        assert_eq!(seen, (0..300).collect::<Vec<_>>());
        (300..600).for_each(|number| stream.push(said(number)));
        let more: Vec<_> = stream.since(300).collect();
        assert!(more.iter().all(|(number, line)| **line == said(*number)));
        assert_eq!(more.iter().map(|(number, _)| *number).collect::<Vec<_>>(), (300..600).collect::<Vec<_>>());
        assert_eq!(stream.since(600).count(), 0);
    }

    #[test]
    fn who_holds_an_older_stream_is_not_disturbed() {
        let mut stream = filled(10);
        let held = stream.clone();
        stream.push(said(10));
        assert_eq!((held.len(), stream.len()), (10, 11));
    }
}
