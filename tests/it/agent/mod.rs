//! The agent, against a station made for tests.

pub(crate) mod bench;
mod configure;
mod https;
mod install;
pub(crate) mod station;
