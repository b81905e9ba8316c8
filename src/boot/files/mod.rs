//! Files that a machine is served for its own run, filled in from its profile.

pub(super) mod cloud_config;
pub mod configuration;
pub mod installer;
pub mod phone_home;
