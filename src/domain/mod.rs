//! The ground floor: plain data and pure functions about machines getting their operating system.
//!
//! **Invariant:** nothing here can fail for outside reasons. No I/O, no clock, no async, no randomness, no `tracing`;
//! time comes in as an argument ([`time::Timestamp`]). The same events in the same order give the same fleet, on the
//! bench, in a test and in a replay.

pub mod batch;
#[cfg(feature = "station")]
pub mod certificate;
pub mod change;
pub mod command;
pub mod configuration;
pub mod deed;
pub mod dhcp;
pub mod diagnostic;
pub mod digest;
pub mod disk;
pub mod doctor;
pub mod edit;
pub mod effect;
pub mod eim;
pub mod event;
pub mod expectation;
pub mod fleet;
#[cfg(feature = "station")]
pub mod foreign;
pub mod https;
pub mod identity;
pub mod ids;
pub mod image;
#[cfg(feature = "station")]
pub mod import;
pub mod inventory;
pub mod label;
pub mod lease;
pub mod loader;
pub mod logline;
pub mod naming;
pub mod node;
pub mod pace;
pub mod paper;
pub mod phase;
pub mod placeholder;
pub mod plan;
pub mod policy;
pub mod profile;
#[cfg(feature = "station")]
pub mod profile_file;
pub mod progress;
pub mod question;
pub mod quirk;
#[cfg(feature = "station")]
pub mod quirk_file;
pub mod registration;
pub mod report;
pub mod run;
pub mod service;
pub mod snapshot;
pub mod stream;
pub mod text;
pub mod time;
