//! Where the log goes: one file for the station, one for each run of each node; and what services log to the screen.

mod files;
pub mod index;
mod layer;
mod line;
pub mod nodes;
mod recovery;
mod station_log;

use std::path::Path;

use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::inbox::Inbox;

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error(transparent)]
    Directory(#[from] std::io::Error),
    #[error(transparent)]
    File(#[from] tracing_appender::rolling::InitError),
}

/// Starts the station's log in `directory`, and on standard error too when there is no screen. `OXBOW_LOG` chooses what
/// is logged (as `debug`, or `oxbow::service::dhcp=trace`); the default is `info`. The guard flushes the log when it is
/// dropped. What services log is sent to the hub too, for the screen, if there is one.
pub fn start(directory: &Path, on_stderr: bool, hub: Option<Inbox>) -> Result<WorkerGuard, LogError> {
    std::fs::create_dir_all(directory)?;
    let (file, guard) = tracing_appender::non_blocking(station_log::StationLog::open(
        directory,
        station_log::StationLogBounds::default(),
    )?);
    let filter = EnvFilter::try_from_env("OXBOW_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let writer = if on_stderr {
        use tracing_subscriber::fmt::writer::MakeWriterExt;
        BoxMakeWriter::new(file.and(std::io::stderr))
    } else {
        BoxMakeWriter::new(file)
    };
    // A second start within one process (tests) keeps the first one's log.
    let files = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer);
    let tap = hub.map(layer::ScreenLayer::new);
    let _kept = tracing_subscriber::registry().with(filter).with(files).with(tap).try_init();
    Ok(guard)
}
