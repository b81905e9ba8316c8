//! oxbow

#[cfg(feature = "agent")]
pub mod agent;
pub mod domain;
pub mod protocol;

#[cfg(feature = "station")]
pub mod boot;
#[cfg(feature = "station")]
pub mod cli;
#[cfg(feature = "station")]
pub mod clock;
#[cfg(feature = "station")]
pub mod config;
#[cfg(feature = "station")]
pub mod hub;
#[cfg(feature = "station")]
pub mod inbox;
#[cfg(feature = "station")]
pub mod logs;
#[cfg(feature = "station")]
pub mod service;
#[cfg(feature = "station")]
pub mod sim;
#[cfg(feature = "station")]
pub mod store;
#[cfg(feature = "station")]
pub mod supervise;
#[cfg(feature = "station")]
pub mod tui;
#[cfg(feature = "station")]
pub mod wire;
