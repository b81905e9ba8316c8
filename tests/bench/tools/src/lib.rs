//! The arithmetic of the benches. The benches of the main crate, and its tests, include these files as they are.

pub mod span;
pub mod spread;
