//! Nodes that nobody registered, made because a machine was seen. Whoever can reach the bench's network can make them,
//! so there is a bound: past it the one that was not seen for the longest time makes room.

use super::Fleet;
use super::change_set::ChangeSet;
use crate::domain::ids::NodeId;
use crate::domain::node::Node;
use crate::domain::time::Timestamp;

impl Fleet {
    /// Forgets strangers until one more has room. Who did any work, or whom people know, is never among them.
    pub(super) fn make_room(&mut self, now: Timestamp, change: &mut ChangeSet) {
        let mut strangers: Vec<(Option<Timestamp>, NodeId)> =
            self.nodes.values().filter(|node| is_stranger(node)).map(|node| (node.last_seen, node.id)).collect();
        let surplus = (strangers.len() + 1).saturating_sub(STRANGERS);
        if surplus == 0 {
            return;
        }
        strangers.sort_unstable();
        strangers.truncate(surplus);
        strangers.into_iter().for_each(|(_, id)| self.forget(now, id, change));
    }
}

fn is_stranger(node: &Node) -> bool {
    node.is_provisional() && !node.is_vouched_for() && node.contested.is_none()
}

/// More machines than any bench boots at once without knowing one of them.
const STRANGERS: usize = 2000;

#[cfg(all(test, feature = "station"))]
mod tests {
    use super::*;
    use crate::domain::effect::Effect;
    use crate::domain::event::{DhcpAnswer, Event};
    use crate::domain::ids::MacAddr;
    use crate::domain::machine::claims::Claims;
    use crate::domain::machine::firmware::Firmware;

    fn seen(fleet: &mut Fleet, second: u32, answer: DhcpAnswer) -> Vec<Effect> {
        let [_, b, c, d] = second.to_be_bytes();
        let claims = Claims { macs: vec![MacAddr::new([2, 0, 0, b, c, d]).expect("a MAC")], ..Claims::default() };
        let [_, _, c, d] = second.to_be_bytes();
        let event = Event::DhcpAnswered {
            claims,
            firmware: Firmware::Bios,
            address: Some([10, 77, c, d].into()),
            answer,
            bootfile: None,
            lacks_https: false,
        };
        fleet.observe(Timestamp::from_millis(u64::from(second) * 1000), event)
    }

    #[test]
    fn a_flood_of_offers_makes_no_node() {
        let mut fleet = Fleet::default();
        let effects: Vec<Effect> = (1..50).flat_map(|second| seen(&mut fleet, second, DhcpAnswer::Offer)).collect();
        assert!(effects.is_empty() && fleet.nodes().is_empty());
    }

    #[test]
    fn the_stranger_that_was_not_seen_for_the_longest_time_makes_room() {
        let mut fleet = Fleet::default();
        let most = u32::try_from(STRANGERS).expect("a small number");
        for second in 1..=most {
            seen(&mut fleet, second, DhcpAnswer::Ack);
        }
        let registered = fleet.nodes.keys().next().copied().expect("the first");
        fleet.edit(registered, |node| node.registered = true);
        assert_eq!(seen(&mut fleet, most + 1, DhcpAnswer::Ack).len(), 2, "logged and saved, nobody is forgotten yet");

        let effects = seen(&mut fleet, most + 2, DhcpAnswer::Ack);
        assert!(effects.contains(&Effect::Forget(NodeId(2))), "{effects:?}");
        assert_eq!(fleet.nodes().len(), STRANGERS + 1);
        assert!(fleet.nodes().contains_key(&registered));
    }
}
