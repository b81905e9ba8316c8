//! Decisions about booting, pure: bytes or claims in, an answer out. No socket, no clock.

pub mod architecture;
pub mod arp;
pub mod client;
pub mod dhcp;
pub mod doubts;
pub mod gate;
pub mod lanes;
pub mod later;
pub mod leases;
pub mod limits;
pub mod pcap;
pub mod program;
pub mod reply;
pub mod request;
pub mod rival;
pub mod router_advert;
pub mod script;
pub mod segment;
pub mod sighting;
pub mod signature_list;
pub mod site;
pub mod tally;
pub mod tape;
pub mod tftp;
pub mod told;
