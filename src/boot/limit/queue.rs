//! The order in which requests are answered when they arrive faster than that is possible. Machines that are known or
//! awaited come first, so that a flood of strangers does not delay them.

use std::collections::VecDeque;

use crate::boot::limit::Caller;

/// Requests that wait to be answered.
#[derive(Debug)]
pub struct RequestQueue<T> {
    known: VecDeque<T>,
    strangers: VecDeque<T>,
}

impl<T> Default for RequestQueue<T> {
    fn default() -> Self {
        Self { known: VecDeque::new(), strangers: VecDeque::new() }
    }
}

impl<T> RequestQueue<T> {
    /// Adds a request. If the lane is full, drops and returns the oldest one: its machine is the first to ask again.
    pub fn push(&mut self, caller: Caller, request: T) -> Option<T> {
        let lane = match caller {
            Caller::Known | Caller::Awaited => &mut self.known,
            Caller::Stranger => &mut self.strangers,
        };
        lane.push_back(request);
        (lane.len() > MOST).then(|| lane.pop_front()).flatten()
    }

    /// The request to answer next.
    pub fn pop(&mut self) -> Option<T> {
        self.known.pop_front().or_else(|| self.strangers.pop_front())
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty() && self.strangers.is_empty()
    }
}

/// Per lane. Requests beyond that could not be answered before the machines give up.
const MOST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_known_overtakes_strangers_and_nobody_else() {
        let mut lanes = RequestQueue::default();
        for (caller, name) in
            [(Caller::Stranger, "a"), (Caller::Known, "b"), (Caller::Stranger, "c"), (Caller::Awaited, "d")]
        {
            assert_eq!(lanes.push(caller, name), None);
        }
        let order: Vec<_> = std::iter::from_fn(|| lanes.pop()).collect();
        assert_eq!((order.concat().as_str(), lanes.is_empty()), ("bdac", true));
    }

    #[test]
    fn of_too_many_strangers_the_one_that_waited_longest_goes() {
        let mut lanes = RequestQueue::default();
        let gone: Vec<usize> = (0..MOST + 3).filter_map(|number| lanes.push(Caller::Stranger, number)).collect();
        assert_eq!(gone, [0, 1, 2]);
        assert_eq!(lanes.push(Caller::Known, 7), None);
        assert_eq!((lanes.pop(), lanes.pop()), (Some(7), Some(3)));
    }
}
