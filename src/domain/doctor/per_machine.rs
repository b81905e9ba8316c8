//! Something about each machine on the cable, for a bounded number of them.
//!
//! Whoever has been idle longest goes first; but those who only ever knocked go before those who came further, so that a
//! flood of made-up addresses does not push out the machines of the bench.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::ids::MacAddr;
use crate::domain::time::Timestamp;

/// At most so many machines, each with a `T`.
#[derive(Clone, Debug)]
pub struct PerMachine<T> {
    members: BTreeMap<MacAddr, (Rank, T)>,
    /// Who goes first, first.
    order: BTreeSet<(Rank, MacAddr)>,
    most: usize,
    dropped: u64,
}

/// Whether it came further than knocking, and when it was last heard.
type Rank = (bool, Timestamp);

impl<T> PerMachine<T> {
    pub fn new(most: usize) -> Self {
        Self { members: BTreeMap::new(), order: BTreeSet::new(), most, dropped: 0 }
    }

    pub fn get(&self, mac: MacAddr) -> Option<&T> {
        self.members.get(&mac).map(|(_, it)| it)
    }

    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// How many had to go so far.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    pub fn iter(&self) -> impl Iterator<Item = (MacAddr, &T)> {
        self.members.iter().map(|(mac, (_, it))| (*mac, it))
    }

    /// Changes what is kept of `mac`, which was heard now. `change` says whether it has come further than knocking; who
    /// has stays so. Gives back who had to go.
    pub fn hear(&mut self, now: Timestamp, mac: MacAddr, change: impl FnOnce(&mut T) -> bool) -> Option<(MacAddr, T)>
    where
        T: Default,
    {
        let (before, mut it) = self.members.remove(&mac).unwrap_or_default();
        self.order.remove(&(before, mac));
        let rank = (change(&mut it) || before.0, now);
        let gone = if self.members.len() >= self.most { self.drop_first() } else { None };
        self.members.insert(mac, (rank, it));
        self.order.insert((rank, mac));
        gone
    }

    /// Changes what is kept of `mac` without counting as hearing it.
    pub fn edit(&mut self, mac: MacAddr, change: impl FnOnce(&mut T)) {
        if let Some((_, it)) = self.members.get_mut(&mac) {
            change(it);
        }
    }

    /// Lets go of who is to go first.
    pub fn drop_first(&mut self) -> Option<(MacAddr, T)> {
        let (_, mac) = self.order.pop_first()?;
        let (_, it) = self.members.remove(&mac)?;
        self.dropped += 1;
        Some((mac, it))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(number: u32) -> MacAddr {
        let [a, b, c, d] = number.to_be_bytes();
        MacAddr::new([2, 0, a, b, c, d]).expect("a MAC")
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn the_longest_idle_goes_first() {
        let mut crowd: PerMachine<u32> = PerMachine::new(2);
        for (millis, who) in [(0, 1), (1, 2), (2, 1), (3, 3)] {
            crowd.hear(at(millis), mac(who), |count| {
                *count += 1;
                false
            });
        }
        assert_eq!(crowd.iter().collect::<Vec<_>>(), [(mac(1), &2), (mac(3), &1)]);
        assert_eq!((crowd.dropped(), crowd.len(), crowd.order.len()), (1, 2, 2));
    }

    #[test]
    fn a_flood_of_strangers_does_not_push_out_who_came_further() {
        let mut crowd: PerMachine<()> = PerMachine::new(100);
        crowd.hear(at(0), mac(1), |()| true);
        crowd.hear(at(1), mac(1), |()| false);
        for number in 2..100_000 {
            crowd.hear(at(2), mac(number), |()| false);
        }
        assert!(crowd.get(mac(1)).is_some());
        assert_eq!((crowd.len(), crowd.order.len(), crowd.dropped()), (100, 100, 99_899));
    }
}
