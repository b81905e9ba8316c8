//! The ground floor: plain data and pure functions about machines getting their operating system.
//!
//! **Invariant:** nothing here can fail for outside reasons. No I/O, no clock, no async, no randomness, no `tracing`;
//! time comes in as an argument ([`time::Timestamp`]). The same events in the same order give the same fleet, on the
//! bench, in a test and in a replay.

pub mod batch;
pub mod command;
pub mod diagnostic;
pub mod digest;
pub mod doctor;
pub mod effect;
pub mod event;
pub mod fleet;
pub mod forecast;
pub mod ids;
#[cfg(feature = "station")]
pub mod import;
pub mod logline;
pub mod machine;
pub mod node;
pub mod profile;
pub mod refusal;
pub mod sha256sum;
pub mod snapshot;
pub mod station;
pub mod text;
pub mod time;
pub mod undo;
