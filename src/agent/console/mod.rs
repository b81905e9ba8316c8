//! The machine's own screen: panel, big text, progress and log lines.

pub(super) mod big_text;
pub(super) mod journal;
pub(super) mod meter;
pub(super) mod panel;
pub mod terminal;
