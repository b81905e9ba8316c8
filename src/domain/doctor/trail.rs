//! What one machine did, in order, repetitions counted.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use crate::domain::ids::SystemUuid;
use crate::domain::machine::sighting::{DhcpAsked, DhcpMessageType, DhcpReplied, Sighting, Tftp};
use crate::domain::time::Timestamp;

/// The latest that was seen of one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    entries: VecDeque<TrailEntry>,
    /// The address it uses, as far as that was seen.
    pub address: Option<Ipv4Addr>,
    /// Entries that are not kept any more.
    dropped: u32,
}

/// Something that was seen, once or several times in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailEntry {
    pub first: Timestamp,
    pub last: Timestamp,
    pub times: u32,
    pub what: Sighting,
}

impl Trail {
    pub fn push(&mut self, now: Timestamp, mut what: Sighting) {
        let begun = self.end_transfer(&mut what);
        let before = self.entries.back_mut().filter(|entry| entry.what.is_like(&what));
        match before {
            Some(entry) => {
                (entry.last, entry.times) = (now, entry.times.saturating_add(1));
                // The newest figures; but how long it had waited is told by the first.
                if let Sighting::Tftp { .. } = what {
                    entry.what = what;
                }
            }
            None => {
                if self.entries.len() >= MOST {
                    self.entries.pop_front();
                    self.dropped = self.dropped.saturating_add(1);
                }
                self.entries.push_back(TrailEntry { first: begun.unwrap_or(now), last: now, times: 1, what });
            }
        }
    }

    /// The end of a transfer takes the place of its beginning, and its terms. When it began.
    fn end_transfer(&mut self, what: &mut Sighting) -> Option<Timestamp> {
        let Sighting::Tftp { file, how } = what else { return None };
        if !how.is_over() {
            return None;
        }
        let of_it = |entry: &TrailEntry| matches!(&entry.what, Sighting::Tftp { file: known, how } if known == file && !how.is_over());
        let at = self.entries.iter().rposition(of_it)?;
        // Several at once count as one that is begun.
        let entry = self.entries.get_mut(at)?;
        let first = entry.first;
        if let (
            Sighting::Tftp { how: Tftp::Begun(begun), .. },
            Tftp::Lost { terms, .. } | Tftp::Aborted { terms, .. },
        ) = (&entry.what, how)
        {
            *terms = *begun;
        }
        if entry.times > 1 {
            entry.times -= 1;
        } else {
            self.entries.remove(at);
        }
        Some(first)
    }

    /// Oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &TrailEntry> + ExactSizeIterator {
        self.entries.iter()
    }

    /// When it was last heard.
    pub fn last(&self) -> Option<Timestamp> {
        self.entries.iter().map(|entry| entry.last).max()
    }

    /// The UUID that its firmware last said by DHCP more than once, from when and until when.
    pub(super) fn knocking(&self) -> Option<(SystemUuid, Timestamp, Timestamp)> {
        self.entries.iter().rev().find_map(|entry| match &entry.what {
            Sighting::Dhcp { asked, .. } if asked.kind == DhcpMessageType::Discover && entry.first < entry.last => {
                Some((asked.uuid?, entry.first, entry.last))
            }
            _ => None,
        })
    }

    /// Entries that are not kept any more.
    pub fn dropped(&self) -> u32 {
        self.dropped
    }
}

/// Whether whoever did this came further than knocking.
pub(super) fn is_far(what: &Sighting) -> bool {
    match what {
        Sighting::Dhcp {
            asked: DhcpAsked { kind: DhcpMessageType::Discover | DhcpMessageType::Bootp, .. }, ..
        } => false,
        Sighting::Dhcp { reply, .. } => matches!(reply, DhcpReplied::Acked { .. } | DhcpReplied::Overheard),
        Sighting::Tftp { .. } | Sighting::Http(_) | Sighting::Agent => true,
    }
}

/// The address that the machine has according to this.
pub(super) fn address_in(what: &Sighting) -> Option<Ipv4Addr> {
    let Sighting::Dhcp { asked, reply } = what else { return None };
    match reply {
        DhcpReplied::Acked { address, .. } => address.or(asked.address),
        DhcpReplied::Overheard => asked.address,
        // What it asks of another server it is about to get there.
        DhcpReplied::Silent(crate::domain::machine::sighting::Cause::AnotherServer(_)) => asked.address,
        DhcpReplied::Offered { .. } | DhcpReplied::Refused | DhcpReplied::Silent(_) => None,
    }
}

/// Four or five attempts of a machine that restarts in a circle.
const MOST: usize = 48;
