//! The station's own state, as the screen and the services see it.

use std::net::Ipv4Addr;

use crate::domain::station::https::Https;
use crate::domain::time::Timestamp;

pub mod dhcp;
pub mod https;
pub mod lease;
pub mod plan;
pub mod policy;
pub mod service;
pub mod stream;

/// The station itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Station {
    pub version: &'static str,
    pub interface: String,
    pub address: Ipv4Addr,
    /// Where machines reach it by HTTP, as `http://10.77.0.1`; no slash at the end.
    pub base_url: String,
    /// Where by HTTPS; none if that cannot be had.
    pub https: Option<Https>,
    /// Machines are served by HTTPS or not at all.
    pub require_https: bool,
    pub started: Timestamp,
}

impl Default for Station {
    fn default() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            interface: String::new(),
            address: Ipv4Addr::UNSPECIFIED,
            base_url: String::new(),
            https: None,
            require_https: false,
            started: Timestamp::default(),
        }
    }
}
