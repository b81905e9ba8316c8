//! Threads that work for the screen, so that it never waits.

pub mod export;
pub mod hub;
pub mod lists;
