//! The DHCP server: against captured packets, real clients and other servers.

mod clients;
mod firmware;
mod flood;
mod golden;
mod modes;
mod packet;
mod router_advert;
mod server;
