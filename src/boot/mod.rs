//! Decisions about booting, pure: bytes or claims in, an answer out. No socket, no clock.

pub mod script;
