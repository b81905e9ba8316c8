//! tui
use crate::domain::snapshot::Snapshot;
use crate::inbox::Inbox;
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
pub struct Options {
    pub ascii: bool,
    pub runtime: tokio::runtime::Handle,
}
pub fn run(
    _: watch::Receiver<Arc<Snapshot>>,
    _: Inbox,
    _: CancellationToken,
    _: Options,
) -> Result<(), std::io::Error> {
    Ok(())
}
pub fn keys_markdown() -> String {
    String::new()
}
