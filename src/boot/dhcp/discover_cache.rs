//! What machines said of themselves with their DISCOVER, for those that leave it out of the REQUEST (Raspberry Pi,
//! rpi-eeprom#87): without it they would be taken for ordinary DHCP clients.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::boot::dhcp::client::BootClient;
use crate::boot::dhcp::request::{Request, RequestType};
use crate::domain::ids::MacAddr;
use crate::domain::time::Timestamp;

/// The latest DISCOVER of each machine that is about to boot.
#[derive(Clone, Debug, Default)]
pub struct DiscoverCache {
    discovers: BTreeMap<MacAddr, (Timestamp, Request)>,
    /// When those that are too old were thrown out.
    swept: Timestamp,
}

impl DiscoverCache {
    /// `request`, with what its machine said a moment ago in the same transaction if it says nothing now.
    pub fn completed<'a>(
        &mut self,
        now: Timestamp,
        mac: MacAddr,
        kind: RequestType,
        request: &'a Request,
    ) -> Cow<'a, Request> {
        match kind {
            RequestType::Discover => self.remember(now, mac, request),
            RequestType::Request if request.vendor_class.is_empty() && request.archs.is_empty() => {
                let known = self.discovers.get(&mac);
                let same = known.filter(|(at, said)| said.xid == request.xid && now.since(*at) < REMEMBERED);
                if let Some((_, said)) = same {
                    let said = said.clone();
                    return Cow::Owned(Request {
                        vendor_class: said.vendor_class,
                        archs: said.archs,
                        user_classes: said.user_classes,
                        ipxe: said.ipxe,
                        machine_id: said.machine_id,
                        uuid: request.uuid.or(said.uuid),
                        ..request.clone()
                    });
                }
            }
            RequestType::Request
            | RequestType::Decline
            | RequestType::Release
            | RequestType::Inform
            | RequestType::Other(_) => {}
        }
        Cow::Borrowed(request)
    }

    fn remember(&mut self, now: Timestamp, mac: MacAddr, request: &Request) {
        if BootClient::of(request) == BootClient::Plain {
            self.discovers.remove(&mac);
            return;
        }
        if self.discovers.len() >= MOST && now.since(self.swept) >= SWEEP_EVERY {
            self.swept = now;
            self.discovers.retain(|_, (at, _)| *at <= now && now.since(*at) < REMEMBERED);
        }
        // In a flood of made-up machines the next one is not remembered: few need it.
        if self.discovers.len() < MOST || self.discovers.contains_key(&mac) {
            self.discovers.insert(mac, (now, request.clone()));
        }
    }
}

/// A REQUEST follows its DISCOVER within seconds.
const REMEMBERED: Duration = Duration::from_secs(60);
/// In a flood there is something better to do with each packet.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// More machines than are switched on within that time.
const MOST: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_000_000);

    fn mac(last: u16) -> MacAddr {
        let [high, low] = last.to_be_bytes();
        MacAddr::new([0x52, 0x54, 0, 0, high, low]).expect("a MAC")
    }

    fn discover(xid: u32) -> Request {
        Request { xid, vendor_class: b"PXEClient:Arch:00000:UNDI:002001".to_vec(), ..Request::default() }
    }

    fn class(recall: &mut DiscoverCache, now: Timestamp, mac: MacAddr, request: &Request) -> usize {
        recall.completed(now, mac, RequestType::Request, request).vendor_class.len()
    }

    #[test]
    fn a_request_that_says_nothing_is_of_who_discovered() {
        let mut recall = DiscoverCache::default();
        recall.completed(START, mac(1), RequestType::Discover, &discover(7));
        let bare = Request { xid: 7, ..Request::default() };
        assert_eq!(class(&mut recall, START, mac(1), &bare), 32);
        assert_eq!(class(&mut recall, START, mac(2), &bare), 0, "another machine");
        assert_eq!(
            class(&mut recall, START, mac(1), &Request { xid: 8, ..Request::default() }),
            0,
            "another transaction"
        );
        assert_eq!(class(&mut recall, START.after(REMEMBERED), mac(1), &bare), 0, "too long ago");
        let says = Request { xid: 7, vendor_class: b"udhcp".to_vec(), ..Request::default() };
        assert_eq!(class(&mut recall, START, mac(1), &says), 5, "what it says itself counts");
        recall.completed(START, mac(1), RequestType::Discover, &Request { xid: 7, ..Request::default() });
        assert_eq!(class(&mut recall, START, mac(1), &bare), 0, "its system asks now");
    }

    #[test]
    fn a_flood_of_machines_is_not_remembered() {
        let mut recall = DiscoverCache::default();
        for number in 0..2000 {
            recall.completed(START, mac(number), RequestType::Discover, &discover(7));
        }
        assert_eq!(recall.discovers.len(), MOST);
        recall.completed(START.after(REMEMBERED), mac(3000), RequestType::Discover, &discover(7));
        assert_eq!(recall.discovers.len(), 1, "the old ones have gone");
    }
}
