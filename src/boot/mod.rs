//! boot

pub mod architecture;
pub mod client;
pub mod dhcp;
pub mod leases;
pub mod program;
pub mod reply;
pub mod request;
pub mod segment;
pub mod told;
