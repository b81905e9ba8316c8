//! Decisions about booting, pure: bytes or claims in, an answer out. No socket, no clock.

pub mod architecture;
pub mod capture;
pub mod chain;
pub mod dhcp;
pub mod files;
pub mod limit;
pub mod overrides;
pub mod program;
pub mod router_advert;
pub mod script;
pub mod sighting;
pub mod signature_list;
pub mod syslog;
pub mod tftp;
