//! How many requests are accepted, and from whom: a flood from random addresses must not stop known machines.
//!
//! ```text
//! known      has had an address here, or is a node                 its own limit
//! awaited    was offered an address here or has the site's         its own limit, and one that all of these share
//! stranger   any other machine                                     its own limit, and one that all of these share
//! ```
//! A machine that boots sends a packet every few seconds and takes what it is offered, which gives its share back to the
//! others. Only senders that do not really boot reach these limits.

pub mod admission;
pub mod counters;
pub mod log_quota;
pub mod once;
pub mod queue;
pub mod rate;

use std::collections::BTreeMap;

use crate::boot::limit::rate::{Due, RateLimit};
use crate::domain::time::Timestamp;

/// What was accepted recently, by sender.
#[derive(Debug)]
pub struct Limits<K> {
    known: BTreeMap<K, Due>,
    /// Unknown senders, each alone.
    others: BTreeMap<K, Due>,
    strangers: Due,
    awaited: Due,
    shown: Due,
    observed: Due,
}

/// How well the station knows the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    Known,
    Awaited,
    Stranger,
}

/// Why a packet is dropped without being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Excess {
    #[error("one machine sends more than {} requests a second", ONE.rate)]
    One,
    #[error("more than {} requests a second from machines that nobody knows", ALL.rate)]
    Strangers,
    #[error("more than {} requests a second from machines that were offered an address", ALL.rate)]
    Awaited,
    #[error("more requests at once than the station can answer")]
    Busy,
}

impl<K> Default for Limits<K> {
    fn default() -> Self {
        let (strangers, awaited, shown, observed) = Default::default();
        Self { known: BTreeMap::new(), others: BTreeMap::new(), strangers, awaited, shown, observed }
    }
}

impl<K: Ord + Copy> Limits<K> {
    /// Accepts a packet of `who`, or returns why not. None is a sender that cannot be identified.
    pub fn admit(&mut self, now: Timestamp, who: Option<K>, caller: Caller) -> Result<(), Excess> {
        let (each, shared) = match caller {
            Caller::Known => (&mut self.known, None),
            Caller::Awaited => (&mut self.others, Some((&mut self.awaited, Excess::Awaited))),
            Caller::Stranger => (&mut self.others, Some((&mut self.strangers, Excess::Strangers))),
        };
        let own = who.map(|who| (who, each.get(&who).copied().unwrap_or_default()));
        let next = own.map(|(who, due)| Ok((who, due.next(now, ONE).ok_or(Excess::One)?))).transpose()?;
        if let Some((due, excess)) = shared {
            *due = due.next(now, ALL).ok_or(excess)?;
        }
        if let Some((who, due)) = next {
            make_room(each, now);
            each.insert(who, due);
        }
        Ok(())
    }

    /// The machine took what it was offered, so it was no flood: its share of the limits is given back.
    pub fn redeem(&mut self, caller: Caller) {
        if caller == Caller::Awaited {
            for due in [&mut self.strangers, &mut self.awaited] {
                due.give_back(ALL);
            }
        }
    }

    /// Whether the hub gets the event of this offer. Beyond a hundred a second a stranger is only shown once it takes
    /// what it was offered.
    pub fn shows_offer(&mut self, now: Timestamp, caller: Caller) -> bool {
        let next = match caller {
            Caller::Known => return true,
            Caller::Awaited | Caller::Stranger => self.shown.next(now, SHOWN),
        };
        next.map(|due| self.shown = due).is_some()
    }

    /// Whether to keep this packet. In a flood only some of the strangers' are kept: they are all alike.
    pub fn is_observed(&mut self, now: Timestamp, caller: Caller) -> bool {
        let next = match caller {
            Caller::Known => return true,
            Caller::Awaited | Caller::Stranger => self.observed.next(now, OBSERVED),
        };
        next.map(|due| self.observed = due).is_some()
    }
}

/// Forgets senders that have been quiet. If there are still too many, forgets all of them.
fn make_room<K: Ord>(each: &mut BTreeMap<K, Due>, now: Timestamp) {
    if each.len() >= MOST {
        each.retain(|_, due| !due.is_past(now));
    }
    if each.len() >= MOST {
        each.clear();
    }
}

/// For one machine. The four stages of a boot send about a dozen packets.
const ONE: RateLimit = RateLimit { rate: 10, burst: 40 };

/// For all unknown machines together: enough for thousands that are switched on at once.
const ALL: RateLimit = RateLimit { rate: 5000, burst: 5000 };

/// Of how many unknown machines the screen, the fleet and the store hear before they have taken an offer.
const SHOWN: RateLimit = RateLimit { rate: 100, burst: 1000 };

/// Of how many packets of unknown machines the doctor and the tape get to know.
const OBSERVED: RateLimit = RateLimit { rate: 200, burst: 2000 };

/// How many machines are told apart. More than any network here has addresses.
const MOST: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ms(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    /// Of a packet every millisecond for so long, how many are taken in.
    fn taken(limits: &mut Limits<u32>, from: u64, millis: u64, caller: Caller) -> usize {
        (from..from + millis).filter(|at| limits.admit(ms(*at), Some(7), caller).is_ok()).count()
    }

    #[test]
    fn who_boots_is_never_limited() {
        let mut limits = Limits::default();
        for caller in [Caller::Stranger, Caller::Awaited, Caller::Known] {
            // ROM, iPXE, installer and its system at once, then a DISCOVER a second for as long as firmware goes on.
            for at in std::iter::repeat_n(0, 16).chain((1..120).map(|second| second * 1000)) {
                assert_eq!(limits.admit(ms(at), Some(1_u32), caller), Ok(()), "{caller:?} at {at} ms");
            }
        }
    }

    #[test]
    fn one_machine_gets_its_burst_and_then_ten_a_second() {
        for caller in [Caller::Stranger, Caller::Awaited, Caller::Known] {
            let mut limits = Limits::default();
            assert_eq!(taken(&mut limits, 0, 1000, caller), 40 + 9);
            assert_eq!(limits.admit(ms(999), Some(7), caller), Err(Excess::One));
            assert_eq!(limits.admit(ms(999), Some(8), caller), Ok(()), "another is not affected");
            assert_eq!(taken(&mut limits, 1000, 10_000, caller), 100);
            assert_eq!(taken(&mut limits, 20_000, 40, caller), 40, "a pause brings the burst back");
        }
    }

    #[test]
    fn a_flood_of_strangers_leaves_known_machines_alone() {
        let mut limits = Limits::default();
        let (mut taken, mut refused) = (0, 0);
        for second in 0..10 {
            for packet in 0..100_000_u32 {
                let at = ms(second * 1000 + u64::from(packet / 100));
                match limits.admit(at, Some(1000 + packet), Caller::Stranger) {
                    Ok(()) => taken += 1,
                    Err(excess) => {
                        assert_eq!(excess, Excess::Strangers);
                        refused += 1;
                    }
                }
                if packet % 10_000 == 0 {
                    assert_eq!(limits.admit(at, Some(1), Caller::Awaited), Ok(()));
                }
                if packet % 10_000 == 5000 {
                    assert_eq!(limits.admit(at, Some(2), Caller::Known), Ok(()));
                }
            }
        }
        assert!((54_000..=55_000).contains(&taken), "{taken} of a million, {refused} refused");
        assert!(limits.others.len() <= MOST && limits.known.len() == 1, "memory is bounded");
    }

    #[test]
    fn one_stranger_does_not_use_up_what_all_share() {
        let mut limits = Limits::default();
        for _ in 0..100_000 {
            let _dropped = limits.admit(ms(0), Some(7), Caller::Stranger);
        }
        let others = (100..5000).filter(|other| limits.admit(ms(0), Some(*other), Caller::Stranger).is_ok());
        assert_eq!(others.count(), 4900);
    }

    #[test]
    fn who_cannot_be_told_apart_shares_with_the_strangers() {
        let mut limits = Limits::<u32>::default();
        let taken = (0..10_000).filter(|_| limits.admit(ms(0), None, Caller::Stranger).is_ok());
        assert_eq!(taken.count(), 5000);
        assert_eq!(limits.admit(ms(0), Some(1), Caller::Stranger), Err(Excess::Strangers));
        assert_eq!(limits.admit(ms(0), Some(1), Caller::Awaited), Ok(()), "who was offered an address may take it");
    }

    #[test]
    fn with_more_machines_than_can_be_told_apart_memory_is_bounded() {
        let mut limits = Limits::default();
        for who in 0..200_000_u32 {
            assert_eq!(limits.admit(ms(0), Some(who), Caller::Known), Ok(()));
            assert!(limits.known.len() <= MOST);
        }
    }

    #[test]
    fn a_clock_set_back_locks_nobody_out() {
        let mut limits = Limits::default();
        let later = ms(0).after(Duration::from_secs(86_400));
        for _ in 0..10_000 {
            let _dropped = limits.admit(later, Some(7), Caller::Stranger);
        }
        assert_eq!(limits.admit(ms(0), Some(7), Caller::Stranger), Ok(()));
        assert_eq!(limits.admit(ms(0), None, Caller::Stranger), Ok(()));
    }
}
