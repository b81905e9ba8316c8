//! The arithmetic of the benches, whose own crate is not built by the tests.

#[path = "../../bench/tools/src/span.rs"]
#[allow(dead_code, unreachable_pub, reason = "the bench tools use all of it")]
mod span;
#[path = "../../bench/tools/src/spread.rs"]
#[allow(dead_code, unreachable_pub, reason = "the bench tools use all of it")]
mod spread;
