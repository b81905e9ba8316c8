//! Which address belongs to which machine.
//!
//! A machine is its MAC address: ROM, iPXE and Linux send different client identifiers from the same network card, and
//! must get the same address at every stage of a boot. A machine keeps its address after the lease has ended, until
//! another one needs it: then the address whose lease ended longest ago goes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::boot::dhcp::discover_cache::DiscoverCache;
use crate::boot::dhcp::segment::Segment;
use crate::domain::ids::MacAddr;
use crate::domain::station::dhcp::Pool;
use crate::domain::station::lease::Lease;
use crate::domain::time::Timestamp;

/// The addresses in use, at most as many as the pool has. There is no linear search: a pool may have tens of thousands
/// of addresses, and a flood asks for each of them.
#[derive(Clone, Debug, Default)]
pub struct Leases {
    by_mac: BTreeMap<MacAddr, Binding>,
    by_address: BTreeMap<Ipv4Addr, MacAddr>,
    /// All bindings, by when they end.
    by_end: BTreeSet<(Timestamp, Ipv4Addr)>,
    /// The offers among them that may be withdrawn.
    offers: BTreeSet<(Timestamp, Ipv4Addr)>,
    /// Declined addresses, which somebody else uses (RFC 2131 section 4.3.3), and until when they are left alone.
    quarantined: BTreeMap<Ipv4Addr, Timestamp>,
    /// The same by when it ends.
    rested: BTreeSet<(Timestamp, Ipv4Addr)>,
    fresh: Fresh,
    /// Addresses that were leased or renewed since [`Leases::unsaved`].
    unsaved: BTreeSet<Ipv4Addr>,
    /// The latest DISCOVERs of the machines that ask for an address.
    pub(crate) recall: DiscoverCache,
}

/// Free addresses, of which the lowest is found at once.
#[derive(Clone, Debug, Default)]
struct Fresh {
    /// For each pool, by its first address: all addresses before this one have been used.
    reached: BTreeMap<Ipv4Addr, Ipv4Addr>,
    /// Those among them that are free again.
    again: BTreeSet<Ipv4Addr>,
}

#[derive(Clone, Copy, Debug)]
struct Binding {
    address: Ipv4Addr,
    until: Timestamp,
    /// Only offered: the machine has not requested it yet.
    offered: bool,
    /// No conflict check is needed: the machine has had it, or nobody was found to use it.
    sure: bool,
    /// The offer is to a known machine: it is not withdrawn for a stranger.
    kept: bool,
}

/// The machine cannot have the address it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotYours;

impl Leases {
    /// The leases as they were when the station stopped. Later ones win over earlier ones for the same address.
    pub fn restore(leases: Vec<Lease>) -> Self {
        let mut all = Self::default();
        for Lease { mac, address, until } in leases {
            all.hold(mac, Binding { address, until, offered: false, sure: true, kept: false });
        }
        all
    }

    /// An address for `mac`, kept for it for [`OFFER_HELD`]: the one it has, the one it wants, one nobody has had, or
    /// the one that has been free for longest, or the one that waits for longest to be taken. None when all are in use.
    pub fn offer(
        &mut self,
        now: Timestamp,
        mac: MacAddr,
        wanted: Option<Ipv4Addr>,
        segment: &Segment,
    ) -> Option<Ipv4Addr> {
        self.end_rests(now);
        let had = self.by_mac.get(&mac).copied().filter(|had| self.is_usable(now, segment, had.address));
        let is_new = |address: &Ipv4Addr| self.is_usable(now, segment, *address) && self.is_free(*address);
        let address = had
            .map(|had| had.address)
            .or_else(|| wanted.filter(is_new))
            .or_else(|| self.lowest_fresh(segment))
            .or_else(|| self.longest_ended(now, segment))
            .or_else(|| self.longest_offered(now, segment))?;
        let leased_until = had.filter(|had| !had.offered).map(|had| had.until).filter(|until| *until > now);
        let until = now.after(OFFER_HELD).max(leased_until.unwrap_or_default());
        let sure = had.is_some_and(|had| had.sure);
        let kept = had.is_some_and(|had| had.kept);
        self.hold(mac, Binding { address, until, offered: leased_until.is_none(), sure, kept });
        Some(address)
    }

    /// Gives `address` to `mac` for `time`, if it is the one this machine has, or one that is free: a station that has
    /// lost its leases lets machines keep what they have. An offer that nobody has taken yet binds nobody: in a flood it
    /// was made to others before and since, and the first that takes it is the one that meant it.
    pub fn take(
        &mut self,
        now: Timestamp,
        mac: MacAddr,
        address: Ipv4Addr,
        time: Duration,
        segment: &Segment,
    ) -> Result<Lease, NotYours> {
        self.end_rests(now);
        let has = self.by_mac.get(&mac).map(|holding| holding.address);
        let is_theirs = match has {
            Some(has) => has == address,
            None => self.is_free(address) || self.is_up_for_grabs(address),
        };
        if !is_theirs || !self.is_usable(now, segment, address) {
            return Err(NotYours);
        }
        let until = now.after(time);
        self.hold(mac, Binding { address, until, offered: false, sure: true, kept: false });
        self.unsaved.insert(address);
        Ok(Lease { mac, address, until })
    }

    pub fn has_unsaved(&self) -> bool {
        !self.unsaved.is_empty()
    }

    /// Leases to store that have not been returned here yet, at most so many. Of renewals only the latest.
    pub fn unsaved(&mut self, most: usize) -> Vec<Lease> {
        let mut leases = Vec::with_capacity(self.unsaved.len().min(most));
        while let Some(address) = (leases.len() < most).then(|| self.unsaved.pop_first()).flatten() {
            let mac = self.by_address.get(&address);
            let held = mac.and_then(|mac| Some((*mac, self.by_mac.get(mac)?)));
            let taken = held.filter(|(_, holding)| !holding.offered);
            leases.extend(taken.map(|(mac, holding)| Lease { mac, address, until: holding.until }));
        }
        leases
    }

    /// How the pool's `size` addresses are used.
    pub fn pool(&self, now: Timestamp, segment: &Segment, size: usize) -> Pool {
        let running = self.running(now);
        let (mut leased, mut offered) = (0, 0);
        for holding in running.filter(|(_, holding)| segment.gives(holding.address)).map(|(_, holding)| holding) {
            *if holding.offered { &mut offered } else { &mut leased } += 1;
        }
        let resting =
            self.quarantined.iter().filter(|(address, until)| **until > now && segment.gives(**address)).count();
        Pool { range: segment.pool_in_words(), size, leased, offered, resting }
    }

    /// The current leases, those that end last first.
    pub fn latest(&self, now: Timestamp, most: usize) -> Vec<Lease> {
        let taken = self.running(now).filter(|(_, holding)| !holding.offered);
        taken.take(most).map(|(mac, held)| Lease { mac, address: held.address, until: held.until }).collect()
    }

    fn running(&self, now: Timestamp) -> impl Iterator<Item = (MacAddr, &Binding)> {
        let running = self.by_end.iter().rev().take_while(move |(until, _)| *until > now);
        running.filter_map(|(_, address)| {
            let mac = self.by_address.get(address)?;
            Some((*mac, self.by_mac.get(mac)?))
        })
    }

    /// The machine that has this address, or had it last.
    pub fn holder(&self, address: Ipv4Addr) -> Option<MacAddr> {
        self.by_address.get(&address).copied()
    }

    /// Whether the machine has requested the address bound to it, now or once; false for an offer. None for a machine
    /// without a binding.
    pub fn has_taken(&self, mac: MacAddr) -> Option<bool> {
        self.by_mac.get(&mac).map(|holding| !holding.offered)
    }

    /// The offer to this machine is not withdrawn for another one.
    pub fn keep(&mut self, mac: MacAddr) {
        if let Some(holding) = self.by_mac.get(&mac).copied() {
            self.hold(mac, Binding { kept: true, ..holding });
        }
    }

    /// Whether another machine may be using the address bound to this one.
    pub fn is_doubtful(&self, mac: MacAddr) -> bool {
        self.by_mac.get(&mac).is_some_and(|holding| !holding.sure)
    }

    /// The conflict check found that nobody uses the address.
    pub fn confirm_unused(&mut self, mac: MacAddr, address: Ipv4Addr) {
        if let Some(holding) = self.by_mac.get_mut(&mac).filter(|holding| holding.address == address) {
            holding.sure = true;
        }
    }

    /// The machine does not need its address any more; it gets the same one when it comes back.
    pub fn release(&mut self, now: Timestamp, mac: MacAddr, address: Ipv4Addr) -> Result<(), NotYours> {
        let holding = self.by_mac.get(&mac).copied().filter(|holding| holding.address == address).ok_or(NotYours)?;
        self.hold(mac, Binding { until: holding.until.min(now), ..holding });
        Ok(())
    }

    /// The machine accepted another server's offer: the offer made here ends.
    pub fn take_back_offer(&mut self, now: Timestamp, mac: MacAddr) {
        if let Some(holding) = self.by_mac.get(&mac).copied().filter(|holding| holding.offered) {
            self.hold(mac, Binding { until: holding.until.min(now), ..holding });
        }
    }

    /// The machine found that somebody else uses the address: nobody gets it for [`QUARANTINE`]. Only the machine that
    /// the address was given to is believed.
    pub fn decline(&mut self, now: Timestamp, mac: MacAddr, address: Ipv4Addr) -> Result<(), NotYours> {
        if self.by_address.get(&address) != Some(&mac) {
            return Err(NotYours);
        }
        self.let_go(mac);
        self.fresh.again.remove(&address);
        let until = now.after(QUARANTINE);
        self.quarantined.insert(address, until);
        self.rested.insert((until, address));
        Ok(())
    }

    /// `mac` has this now, and nothing else; nobody else has its address.
    fn hold(&mut self, mac: MacAddr, holding: Binding) {
        self.let_go(mac);
        if let Some(other) = self.by_address.get(&holding.address).copied() {
            self.let_go(other);
        }
        self.fresh.again.remove(&holding.address);
        self.by_address.insert(holding.address, mac);
        self.by_mac.insert(mac, holding);
        self.by_end.insert((holding.until, holding.address));
        if holding.offered && !holding.kept {
            self.offers.insert((holding.until, holding.address));
        }
    }

    fn let_go(&mut self, mac: MacAddr) {
        let Some(holding) = self.by_mac.remove(&mac) else { return };
        self.by_address.remove(&holding.address);
        self.fresh.again.insert(holding.address);
        self.by_end.remove(&(holding.until, holding.address));
        self.offers.remove(&(holding.until, holding.address));
    }

    /// Declined addresses are free again after a while.
    fn end_rests(&mut self, now: Timestamp) {
        while let Some((_, address)) = self.rested.first().copied().filter(|(until, _)| *until <= now) {
            self.rested.pop_first();
            self.quarantined.remove(&address);
            self.fresh.again.insert(address);
        }
    }

    /// The lowest address that is free.
    fn lowest_fresh(&mut self, segment: &Segment) -> Option<Ipv4Addr> {
        let (first, last) = (*segment.range().start(), *segment.range().end());
        let again = self.fresh.again.range(first..=last).find(|address| segment.gives(**address)).copied();
        let reached = self.fresh.reached.entry(first).or_insert(first);
        let is_fresh = |address: &Ipv4Addr| {
            segment.gives(*address) && !self.by_address.contains_key(address) && !self.quarantined.contains_key(address)
        };
        let next = (u32::from(*reached)..=u32::from(last)).map(Ipv4Addr::from).find(is_fresh);
        *reached = next.unwrap_or_else(|| u32::from(last).saturating_add(1).into());
        again.into_iter().chain(next).min()
    }

    fn is_usable(&self, now: Timestamp, segment: &Segment, address: Ipv4Addr) -> bool {
        segment.gives(address) && self.quarantined.get(&address).is_none_or(|until| *until <= now)
    }

    /// No machine has it or had it.
    fn is_free(&self, address: Ipv4Addr) -> bool {
        !self.by_address.contains_key(&address)
    }

    /// Offered to an unknown machine that has not requested it.
    fn is_up_for_grabs(&self, address: Ipv4Addr) -> bool {
        let holder = self.holder(address).and_then(|mac| self.by_mac.get(&mac));
        holder.is_some_and(|holding| holding.offered && !holding.kept)
    }

    fn longest_offered(&self, now: Timestamp, segment: &Segment) -> Option<Ipv4Addr> {
        let mut offers = self.offers.iter().map(|(_, address)| *address);
        offers.find(|address| self.is_usable(now, segment, *address))
    }

    fn longest_ended(&self, now: Timestamp, segment: &Segment) -> Option<Ipv4Addr> {
        let mut ended = self.by_end.iter().take_while(|(until, _)| *until <= now).map(|(_, address)| *address);
        ended.find(|address| self.is_usable(now, segment, *address))
    }
}

/// How long an offer waits for its REQUEST. EDK2 collects offers for up to 4 s, and repeats itself for 60 s.
const OFFER_HELD: Duration = Duration::from_secs(30);

/// How long a declined address is left alone.
const QUARANTINE: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIME: Duration = Duration::from_secs(600);
    const START: Timestamp = Timestamp::from_millis(1_000_000);

    /// 10.77.0.1/24 giving away .10, .11 and .12.
    fn segment() -> Segment {
        Segment::new(at(1), 24, "http://10.77.0.1")
            .and_then(|segment| segment.with_pool(at(10), at(12)))
            .expect("a segment")
    }

    fn at(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 0, last)
    }

    fn mac(last: u8) -> MacAddr {
        MacAddr::new([0x52, 0x54, 0, 0, 0, last]).expect("a MAC")
    }

    fn seconds(count: u64) -> Timestamp {
        START.after(Duration::from_secs(count))
    }

    /// Offers to `machine` and has it accept.
    fn lease(leases: &mut Leases, now: Timestamp, machine: u8) -> Option<Ipv4Addr> {
        let address = leases.offer(now, mac(machine), None, &segment())?;
        leases.take(now, mac(machine), address, TIME, &segment()).ok().map(|lease| lease.address)
    }

    #[test]
    fn a_machine_keeps_its_address_over_the_stages_of_its_boot() {
        let mut leases = Leases::default();
        assert_eq!(lease(&mut leases, seconds(0), 1), Some(at(10)));
        assert_eq!(lease(&mut leases, seconds(0), 2), Some(at(11)));
        assert_eq!(lease(&mut leases, seconds(9), 1), Some(at(10)));
        assert_eq!(lease(&mut leases, seconds(99_999), 1), Some(at(10)), "also long after it ended");
    }

    #[test]
    fn what_a_machine_wants_it_gets_if_it_is_free() {
        let mut leases = Leases::default();
        assert_eq!(leases.offer(START, mac(1), Some(at(12)), &segment()), Some(at(12)));
        assert_eq!(leases.offer(START, mac(2), Some(at(12)), &segment()), Some(at(10)));
        assert_eq!(leases.offer(START, mac(3), Some(at(99)), &segment()), Some(at(11)), "outside the pool");
    }

    #[test]
    fn an_offer_to_a_known_machine_is_held_for_30_seconds() {
        let mut leases = Leases::default();
        for machine in 1..=3 {
            assert!(leases.offer(START, mac(machine), None, &segment()).is_some());
            leases.keep(mac(machine));
        }
        assert_eq!(leases.offer(seconds(29), mac(4), None, &segment()), None, "all three are held");
        assert_eq!(leases.offer(seconds(30), mac(4), None, &segment()), Some(at(10)));
        assert_eq!(leases.take(seconds(30), mac(4), at(10), TIME, &segment()).map(|lease| lease.address), Ok(at(10)));
        assert_eq!(leases.take(seconds(30), mac(1), at(10), TIME, &segment()), Err(NotYours), "too late");
    }

    #[test]
    fn an_offer_nobody_takes_goes_to_the_next_and_who_takes_it_first_has_it() {
        let mut leases = Leases::default();
        for machine in 1..=3 {
            assert!(leases.offer(seconds(u64::from(machine)), mac(machine), None, &segment()).is_some());
        }
        assert_eq!(leases.offer(seconds(4), mac(4), None, &segment()), Some(at(10)), "the longest offered");
        assert_eq!(leases.offer(seconds(5), mac(5), None, &segment()), Some(at(11)));
        let takes = |leases: &mut Leases, machine, address| {
            leases.take(seconds(6), mac(machine), at(address), TIME, &segment()).map(|lease| lease.address)
        };
        assert_eq!(takes(&mut leases, 1, 10), Ok(at(10)), "it was offered .10 first, and means it");
        assert_eq!(takes(&mut leases, 4, 10), Err(NotYours));
        assert_eq!(takes(&mut leases, 5, 11), Ok(at(11)));
        assert_eq!(takes(&mut leases, 3, 12), Ok(at(12)));
        assert_eq!(leases.offer(seconds(7), mac(6), None, &segment()), None, "what was taken stays taken");
    }

    #[test]
    fn a_flood_of_machines_that_take_nothing_does_not_drain_the_pool() {
        let mut leases = Leases::default();
        assert_eq!(lease(&mut leases, START, 1), Some(at(10)));
        let stranger = |number: u32| {
            let [a, b, c, d] = number.to_be_bytes();
            MacAddr::new([2, 0, a, b, c, d]).expect("a MAC")
        };
        for number in 0..10_000 {
            assert!(leases.offer(seconds(1), stranger(number), None, &segment()).is_some());
            if number == 5000 {
                assert_eq!(leases.offer(seconds(1), mac(2), None, &segment()).map(|_| leases.keep(mac(2))), Some(()));
            }
            assert!(leases.by_mac.len() <= 3 && leases.by_address.len() <= 3);
        }
        let offered = leases.by_mac[&mac(2)].address;
        assert_eq!(leases.take(seconds(5), mac(2), offered, TIME, &segment()).map(|lease| lease.address), Ok(offered));
        assert_eq!(lease(&mut leases, seconds(5), 1), Some(at(10)), "who has a lease has not noticed");
    }

    #[test]
    fn of_ended_leases_the_oldest_is_given_away_first() {
        let mut leases = Leases::default();
        for machine in [2, 1, 3] {
            assert!(lease(&mut leases, seconds(machine), u8::try_from(machine).expect("small")).is_some());
        }
        assert_eq!(lease(&mut leases, seconds(601), 9), Some(at(11)), "machine 1's, which ended first");
        assert_eq!(lease(&mut leases, seconds(602), 1), Some(at(10)), "machine 2's");
    }

    #[test]
    fn an_offer_to_a_machine_with_a_lease_does_not_shorten_it() {
        let mut leases = Leases::default();
        assert_eq!(lease(&mut leases, seconds(0), 1), Some(at(10)));
        assert_eq!(leases.offer(seconds(10), mac(1), None, &segment()), Some(at(10)));
        leases.take_back_offer(seconds(11), mac(1));
        let others: Vec<_> = (2..=4).filter_map(|machine| lease(&mut leases, seconds(100), machine)).collect();
        assert_eq!(others, [at(11), at(12)]);
    }

    #[test]
    fn an_offer_that_lost_to_another_server_is_free_at_once() {
        let mut leases = Leases::default();
        for machine in 1..=3 {
            assert!(leases.offer(START, mac(machine), None, &segment()).is_some());
        }
        leases.take_back_offer(seconds(1), mac(2));
        assert_eq!(leases.offer(seconds(1), mac(4), None, &segment()), Some(at(11)));
    }

    #[test]
    fn a_machine_may_keep_an_address_the_station_has_forgotten() {
        let mut leases = Leases::default();
        let lease = leases.take(START, mac(1), at(11), TIME, &segment());
        assert_eq!(lease, Ok(Lease { mac: mac(1), address: at(11), until: seconds(600) }));
        assert_eq!(leases.take(START, mac(2), at(11), TIME, &segment()), Err(NotYours));
        assert_eq!(leases.take(START, mac(1), at(12), TIME, &segment()), Err(NotYours), "one machine, one address");
        assert_eq!(leases.take(START, mac(3), at(200), TIME, &segment()), Err(NotYours));
    }

    #[test]
    fn the_pool_is_counted_by_what_has_become_of_its_addresses() {
        let mut leases = Leases::default();
        assert_eq!(lease(&mut leases, seconds(0), 1), Some(at(10)));
        assert_eq!(leases.offer(seconds(1), mac(2), None, &segment()), Some(at(11)));
        let counts = |leases: &Leases, second| {
            let pool = leases.pool(seconds(second), &segment(), 3);
            (pool.leased, pool.offered, pool.resting, pool.free())
        };
        assert_eq!(counts(&leases, 2), (1, 1, 0, 1));
        assert_eq!(leases.latest(seconds(2), 9), [Lease { mac: mac(1), address: at(10), until: seconds(600) }]);
        assert_eq!(leases.decline(seconds(3), mac(2), at(11)), Ok(()));
        assert_eq!(counts(&leases, 4), (1, 0, 1, 1));
        assert_eq!(counts(&leases, 700), (0, 0, 0, 3), "what has ended is free");
        assert_eq!(leases.latest(seconds(700), 9), []);
    }

    #[test]
    fn a_declined_address_rests_for_ten_minutes() {
        let mut leases = Leases::default();
        assert_eq!(lease(&mut leases, seconds(0), 1), Some(at(10)));
        assert_eq!(leases.decline(seconds(1), mac(2), at(10)), Err(NotYours), "only its holder may say so");
        assert_eq!(leases.decline(seconds(1), mac(1), at(10)), Ok(()));
        assert_eq!(lease(&mut leases, seconds(2), 1), Some(at(11)));
        assert_eq!(leases.offer(seconds(600), mac(2), Some(at(10)), &segment()), Some(at(12)));
        assert_eq!(leases.offer(seconds(601), mac(3), Some(at(10)), &segment()), Some(at(10)));
    }

    #[test]
    fn a_released_address_is_the_first_to_go_when_needed() {
        let mut leases = Leases::default();
        for machine in 1..=3 {
            assert!(lease(&mut leases, seconds(0), machine).is_some());
        }
        assert_eq!(leases.release(seconds(5), mac(2), at(10)), Err(NotYours));
        assert_eq!(leases.release(seconds(5), mac(2), at(11)), Ok(()));
        assert_eq!(lease(&mut leases, seconds(6), 4), Some(at(11)));
    }

    #[test]
    fn what_was_taken_is_given_out_once_to_be_remembered() {
        let mut leases = Leases::default();
        assert!(leases.offer(START, mac(9), None, &segment()).is_some());
        assert!(!leases.has_unsaved(), "an offer is nothing to remember");
        assert_eq!(lease(&mut leases, seconds(1), 1), Some(at(11)));
        assert_eq!(lease(&mut leases, seconds(2), 2), Some(at(12)));
        assert_eq!(lease(&mut leases, seconds(5), 1), Some(at(11)), "renewed");
        let first = Lease { mac: mac(1), address: at(11), until: seconds(605) };
        let second = Lease { mac: mac(2), address: at(12), until: seconds(602) };
        assert_eq!((leases.unsaved(1), leases.unsaved(9), leases.has_unsaved()), (vec![first], vec![second], false));
        assert_eq!(lease(&mut leases, seconds(6), 2), Some(at(12)));
        assert_eq!(leases.decline(seconds(7), mac(2), at(12)), Ok(()));
        assert_eq!(leases.unsaved(9), [], "nobody has it any more");
    }

    #[test]
    fn a_pool_of_tens_of_thousands_is_given_out_to_the_last_address_at_once() {
        let segment = Segment::new(at(1), 16, "http://10.77.0.1")
            .and_then(|segment| segment.with_pool(Ipv4Addr::new(10, 77, 1, 0), Ipv4Addr::new(10, 77, 255, 254)))
            .expect("a segment");
        let machine = |number: u32| {
            let [a, b, c, d] = number.to_be_bytes();
            MacAddr::new([2, 0, a, b, c, d]).expect("a MAC")
        };
        let mut leases = Leases::default();
        let began = std::time::Instant::now();
        let size = u32::try_from(segment.pool().count()).expect("a pool");
        for (number, address) in (0..).zip(segment.pool()) {
            assert_eq!(leases.offer(START, machine(number), None, &segment), Some(address));
            assert!(leases.take(START, machine(number), address, TIME, &segment).is_ok());
        }
        // Then each of as many more finds that all are in use, and later that one after the other is not any more.
        for number in size..2 * size {
            assert_eq!(leases.offer(START, machine(number), None, &segment), None);
        }
        for (number, address) in (size..).zip(segment.pool()) {
            assert_eq!(leases.offer(seconds(600), machine(number), None, &segment), Some(address));
        }
        // One by one through the pool it would be billions of steps: many minutes on any machine, however busy.
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    }

    proptest! {
        #[test]
        fn however_machines_behave_an_address_is_one_machines_and_what_is_known_of_it_fits_together(
            steps in prop::collection::vec((0..6_u8, 1..6_u8, 9..14_u8, 0..40_u64), 1..80),
        ) {
            let (mut leases, mut now) = (Leases::default(), START);
            for (what, machine, address, pause) in steps {
                now = now.after(Duration::from_secs(pause * pause));
                let (mac, address) = (mac(machine), at(address));
                match what {
                    0 | 1 => drop(leases.offer(now, mac, Some(address).filter(|_| what == 1), &segment())),
                    2 => drop(leases.take(now, mac, address, TIME, &segment())),
                    3 => drop(leases.release(now, mac, address)),
                    4 => drop(leases.decline(now, mac, address)),
                    _ => if pause % 2 == 0 { leases.keep(mac) } else { leases.take_back_offer(now, mac) },
                }
                leases.fits_together();
            }
        }
    }

    impl Leases {
        fn fits_together(&self) {
            let held: BTreeMap<_, _> = self.by_mac.iter().map(|(mac, holding)| (holding.address, *mac)).collect();
            assert_eq!(held, self.by_address);
            let ends: BTreeSet<_> = self.by_mac.values().map(|holding| (holding.until, holding.address)).collect();
            assert_eq!(ends, self.by_end);
            let offers = self.by_mac.values().filter(|holding| holding.offered && !holding.kept);
            assert_eq!(offers.map(|holding| (holding.until, holding.address)).collect::<BTreeSet<_>>(), self.offers);
            let rests: BTreeSet<_> = self.quarantined.iter().map(|(address, until)| (*until, *address)).collect();
            assert_eq!(rests, self.rested);
            for address in segment().pool() {
                let reached = self.fresh.reached.get(&at(10)).is_some_and(|reached| address < *reached);
                let again = self.fresh.again.contains(&address);
                let rests = self.quarantined.contains_key(&address);
                assert!(u8::from(self.by_address.contains_key(&address)) + u8::from(again) + u8::from(rests) <= 1);
                assert!(!reached || again || rests || self.by_address.contains_key(&address), "{address} is lost");
            }
        }
    }

    #[test]
    fn leases_are_restored_after_a_restart() {
        let kept = Lease { mac: mac(7), address: at(12), until: seconds(600) };
        let mut leases = Leases::restore(vec![kept, Lease { mac: mac(8), address: at(99), until: seconds(600) }]);
        assert_eq!(lease(&mut leases, seconds(0), 7), Some(at(12)));
        assert_eq!(lease(&mut leases, seconds(0), 8), Some(at(10)), "its old address has left the pool");
    }
}
