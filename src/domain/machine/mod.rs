//! What a machine is and does, before anything decides which node it belongs to.

pub mod claims;
pub mod disk;
pub mod firmware;
pub mod hello;
pub mod inventory;
pub mod progress;
pub mod quirk;
pub mod report;
pub mod sighting;
