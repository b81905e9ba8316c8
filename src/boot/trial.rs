//! Looking whether the station can be something else, while it goes on as it is.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::boot::rival::Standing;
use crate::domain::dhcp::Choice;
use crate::domain::time::Timestamp;

/// A wish that is looked into: other servers are asked three times, and get as long as the slowest takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    pub to: Choice,
    asked: u32,
    next: Timestamp,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Wait(Duration),
    Ask,
    /// Nobody has answered.
    Over,
}

impl Trial {
    pub fn begin(now: Timestamp, to: Choice, standing: &Standing) -> Self {
        let asked = if standing.must_listen_first(to) { 0 } else { TIMES };
        Self { to, asked, next: now }
    }

    pub fn step(&mut self, now: Timestamp) -> Step {
        if now < self.next {
            return Step::Wait(self.next.since(now));
        }
        if self.asked >= TIMES {
            return Step::Over;
        }
        self.asked += 1;
        self.next = now.after(EACH);
        Step::Ask
    }

    /// Another server answered: how the trial ends by that. With a server beside it *auto* is a proxy, and content.
    pub fn meet(self, rival: Ipv4Addr, standing: &Standing) -> Option<Ipv4Addr> {
        standing.tolerates(self.to, rival).err().map(|refused| refused.0)
    }
}

const TIMES: u32 = 3;
/// dnsmasq looks for three seconds whether an address is free before it offers it.
const EACH: Duration = Duration::from_millis(1200);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    #[test]
    fn servers_are_asked_three_times_and_given_as_long_as_the_slowest_takes() {
        let standing = Standing::new(Choice::Proxy, false);
        let mut trial = Trial::begin(at(0), Choice::Authoritative, &standing);
        assert_eq!((trial.step(at(0)), trial.step(at(0))), (Step::Ask, Step::Wait(EACH)));
        assert_eq!((trial.step(at(1200)), trial.step(at(2400))), (Step::Ask, Step::Ask));
        assert_eq!((trial.step(at(3599)), trial.step(at(3600))), (Step::Wait(Duration::from_millis(1)), Step::Over));
    }

    #[test]
    fn another_server_forbids_to_be_the_only_one_and_nothing_else() {
        let (standing, rival) = (Standing::new(Choice::Proxy, false), Ipv4Addr::new(10, 77, 0, 2));
        let begun = |to| Trial::begin(at(0), to, &standing);
        assert_eq!(begun(Choice::Authoritative).meet(rival, &standing), Some(rival));
        assert_eq!(begun(Choice::Auto).meet(rival, &standing), None);
        let forced = Standing::new(Choice::Proxy, true);
        let mut trial = Trial::begin(at(0), Choice::Authoritative, &forced);
        assert_eq!((trial.step(at(0)), trial.meet(rival, &forced)), (Step::Over, None));
    }
}
