//! Checks whether the station can change to another DHCP mode, while it serves in the current one.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::boot::dhcp::rogue::ModeState;
use crate::domain::station::dhcp::DhcpChoice;
use crate::domain::time::Timestamp;

/// A mode that somebody asks for. Other servers are asked three times, and get as long as the slowest takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModeProbe {
    pub to: DhcpChoice,
    asked: u32,
    next: Timestamp,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeStep {
    Wait(Duration),
    Ask,
    /// Nobody has answered.
    Over,
}

impl ModeProbe {
    pub fn begin(now: Timestamp, to: DhcpChoice, standing: &ModeState) -> Self {
        let asked = if standing.must_listen_first(to) { 0 } else { TIMES };
        Self { to, asked, next: now }
    }

    pub fn step(&mut self, now: Timestamp) -> ProbeStep {
        if now < self.next {
            return ProbeStep::Wait(self.next.since(now));
        }
        if self.asked >= TIMES {
            return ProbeStep::Over;
        }
        self.asked += 1;
        self.next = now.after(EACH);
        ProbeStep::Ask
    }

    /// Another server answered. Returns it if it rules out the mode: *auto* is a proxy beside it.
    pub fn meet(self, rival: Ipv4Addr, standing: &ModeState) -> Option<Ipv4Addr> {
        standing.tolerates(self.to, rival).err().map(|refused| refused.0)
    }
}

const TIMES: u32 = 3;
/// dnsmasq checks for three seconds whether an address is free before it offers it.
const EACH: Duration = Duration::from_millis(1200);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    #[test]
    fn servers_are_asked_three_times_and_given_as_long_as_the_slowest_takes() {
        let standing = ModeState::new(DhcpChoice::Proxy, false);
        let mut trial = ModeProbe::begin(at(0), DhcpChoice::Authoritative, &standing);
        assert_eq!((trial.step(at(0)), trial.step(at(0))), (ProbeStep::Ask, ProbeStep::Wait(EACH)));
        assert_eq!((trial.step(at(1200)), trial.step(at(2400))), (ProbeStep::Ask, ProbeStep::Ask));
        assert_eq!(
            (trial.step(at(3599)), trial.step(at(3600))),
            (ProbeStep::Wait(Duration::from_millis(1)), ProbeStep::Over)
        );
    }

    #[test]
    fn another_server_forbids_to_be_the_only_one_and_nothing_else() {
        let (standing, rival) = (ModeState::new(DhcpChoice::Proxy, false), Ipv4Addr::new(10, 77, 0, 2));
        let begun = |to| ModeProbe::begin(at(0), to, &standing);
        assert_eq!(begun(DhcpChoice::Authoritative).meet(rival, &standing), Some(rival));
        assert_eq!(begun(DhcpChoice::Auto).meet(rival, &standing), None);
        let forced = ModeState::new(DhcpChoice::Proxy, true);
        let mut trial = ModeProbe::begin(at(0), DhcpChoice::Authoritative, &forced);
        assert_eq!((trial.step(at(0)), trial.meet(rival, &forced)), (ProbeStep::Over, None));
    }
}
