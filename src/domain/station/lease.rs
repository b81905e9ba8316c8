//! An address that DHCP gave to a machine.

use std::net::Ipv4Addr;

use crate::domain::ids::MacAddr;
use crate::domain::time::Timestamp;

/// `address` belongs to `mac` until `until` (RFC 2131 section 2.2). Afterwards it is kept for the same machine for as
/// long as no other needs it, so that a machine keeps its address over the stages of its boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub mac: MacAddr,
    pub address: Ipv4Addr,
    pub until: Timestamp,
}
