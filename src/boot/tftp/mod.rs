//! TFTP, read-only, as firmware speaks it (RFC 1350, with options by RFC 2347, 2348, 2349 and 7440): pure, packets in,
//! packets out.
//!
//! ```text
//! port 69 ─ request ─► desk ─ Start ─► names ─► transfer ⇄ data, acknowledgements, time-outs ─► end
//! ```
//! Written here because `async-tftp` ignores a client's ERROR: after EDK2's probe for a file's size it would re-send for
//! five minutes and refuse that port.

pub mod names;
pub mod packet;
pub mod server;
pub mod transfer;
