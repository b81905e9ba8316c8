//! How fast boot files are sent. iPXE's UEFI builds are known to stop half-way through a large file when packets are lost
//! at full speed (ipxe#1023, ipxe#1545): a machine whose transfer broke off is sent the next ones slowly, for a while.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use tokio::time::Instant;
use tracing::warn;

/// Machines whose transfer broke off lately. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct BrokenTransfers {
    lately: Arc<Mutex<BTreeMap<Ipv4Addr, Instant>>>,
}

/// How one file is sent.
#[derive(Debug, Default)]
pub(super) struct Sending {
    /// Bytes a second. None for as fast as it goes.
    pub(super) pace: Option<u64>,
    /// To be told if it breaks off.
    watch: Option<WatchedBody>,
}

#[derive(Debug)]
struct WatchedBody {
    broken: BrokenTransfers,
    peer: Ipv4Addr,
    file: String,
    begun: bool,
    left: usize,
}

impl BrokenTransfers {
    /// How `file` is sent to the iPXE at `peer`: as its quirks say, or slowly if it broke off before.
    pub(super) fn sending(&self, peer: Ipv4Addr, file: &str, pace: Option<u64>) -> Sending {
        let slow = self.is_slow(peer).then_some(SLOW);
        let watch = WatchedBody { broken: self.clone(), peer, file: file.to_owned(), begun: false, left: 0 };
        Sending { pace: pace.or(slow), watch: Some(watch) }
    }

    fn is_slow(&self, peer: Ipv4Addr) -> bool {
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        lately.retain(|_, at| at.elapsed() < REMEMBERED);
        lately.contains_key(&peer)
    }

    fn note(&self, peer: Ipv4Addr) {
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        if lately.len() < MOST || lately.contains_key(&peer) {
            lately.insert(peer, Instant::now());
        }
    }
}

impl Drop for WatchedBody {
    fn drop(&mut self) {
        if self.begun && self.left > 0 {
            let Self { peer, file, left, .. } = self;
            warn!(%peer, file, left, "a transfer broke off: for ten minutes this machine is sent boot files slowly");
            self.broken.note(self.peer);
        }
    }
}

/// The content in pieces, no sooner than the pace allows.
pub(super) fn stream(content: Bytes, slice: usize, sending: Sending) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let Sending { pace, mut watch } = sending;
    if let Some(watch) = &mut watch {
        watch.left = content.len();
    }
    let slice = pace.map_or(slice, |pace| usize::try_from(pace / PIECES).unwrap_or(slice).clamp(1, slice));
    let step = move |length: usize| pace.map(|pace| Duration::from_secs_f64(length as f64 / pace.max(1) as f64));
    stream::unfold((content, watch, Instant::now()), move |(mut rest, mut watch, due)| {
        let piece = rest.split_to(slice.min(rest.len()));
        let next = step(piece.len()).map_or(due, |step| due.max(Instant::now()) + step);
        async move {
            if piece.is_empty() {
                return None;
            }
            if pace.is_some() {
                tokio::time::sleep_until(due).await;
            }
            if let Some(watch) = &mut watch {
                (watch.begun, watch.left) = (true, rest.len());
            }
            Some((Ok(piece), (rest, watch, next)))
        }
    })
}

/// Pieces of a second: small enough that a slow line is never idle for long.
const PIECES: u64 = 20;
/// Bytes a second that helped where full speed did not (ipxe#1023).
const SLOW: u64 = 1_000_000;
const REMEMBERED: Duration = Duration::from_secs(600);
const MOST: usize = 1024;

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    const PEER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);

    fn content() -> Bytes {
        (0..100_000_u32).map(|number| u8::try_from(number % 251).unwrap_or_default()).collect::<Vec<_>>().into()
    }

    async fn whole(sending: Sending) -> (Vec<u8>, Duration) {
        let begun = Instant::now();
        let pieces: Vec<_> =
            stream(content(), 16 * 1024, sending).map(|piece| piece.unwrap_or_default()).collect().await;
        (pieces.concat(), begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_is_sent_whole_and_no_faster_than_its_pace() {
        let (bytes, time) = whole(Sending { pace: Some(50_000), watch: None }).await;
        assert_eq!(bytes, content());
        assert!((1900..=2000).contains(&time.as_millis()), "{time:?}");
        let (bytes, time) = whole(Sending::default()).await;
        assert_eq!((bytes, time), (content().to_vec(), Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_transfer_that_broke_off_the_next_is_slow_for_a_while() {
        let broken = BrokenTransfers::default();
        drop(stream(content(), 1024, broken.sending(PEER, "initramfs.img", None)));
        assert_eq!(broken.sending(PEER, "initramfs.img", None).pace, None, "nobody read the answer to a HEAD");
        whole(broken.sending(PEER, "initramfs.img", None)).await;
        assert_eq!(broken.sending(PEER, "initramfs.img", None).pace, None, "it was taken in full");

        let mut cut = Box::pin(stream(content(), 1024, broken.sending(PEER, "initramfs.img", None)));
        assert!(cut.next().await.is_some());
        drop(cut);
        assert_eq!(broken.sending(PEER, "vmlinuz", None).pace, Some(SLOW));
        assert_eq!(broken.sending(PEER, "vmlinuz", Some(7)).pace, Some(7), "its row says better");
        assert_eq!(broken.sending([10, 77, 0, 101].into(), "vmlinuz", None).pace, None, "another machine");
        tokio::time::advance(REMEMBERED).await;
        assert_eq!(broken.sending(PEER, "vmlinuz", None).pace, None);
    }
}
