//! Where the log goes: one file for the station, one for each node.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use tracing::warn;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::domain::effect::Effect;
use crate::domain::ids::NodeId;
use crate::domain::logline::LogLine;
use crate::hub::NodeLog;

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error(transparent)]
    Directory(#[from] std::io::Error),
    #[error(transparent)]
    File(#[from] tracing_appender::rolling::InitError),
}

/// Starts the station's log in `directory`, and on standard error too when there is no screen. What it is told by
/// `OXBOW_LOG` (as `debug`, or `oxbow::service::dhcp=trace`) it keeps; else `info`. The guard writes the rest out at
/// the end.
pub fn start(directory: &Path, on_stderr: bool) -> Result<WorkerGuard, LogError> {
    std::fs::create_dir_all(directory)?;
    let files =
        RollingFileAppender::builder().rotation(Rotation::DAILY).filename_prefix("station").filename_suffix("log");
    let (file, guard) = tracing_appender::non_blocking(files.max_log_files(STATION_DAYS).build(directory)?);
    let filter = EnvFilter::try_from_env("OXBOW_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let writer = if on_stderr {
        use tracing_subscriber::fmt::writer::MakeWriterExt;
        BoxMakeWriter::new(file.and(std::io::stderr))
    } else {
        BoxMakeWriter::new(file)
    };
    // A second start within one process (tests) keeps the first one's log.
    let _kept = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(writer).try_init();
    Ok(guard)
}

/// A file for each node, written by a thread of its own: a slow disk must not hold the hub up.
#[derive(Debug)]
pub struct NodeLogs {
    lines: SyncSender<(NodeId, String, LogLine)>,
    dropped: u64,
}

/// Starts writing nodes' logs below `directory`. The thread ends when the [`NodeLogs`] is dropped.
pub fn nodes(directory: PathBuf) -> std::io::Result<(NodeLogs, JoinHandle<()>)> {
    std::fs::create_dir_all(&directory)?;
    let (lines, queue) = sync_channel(QUEUED);
    let thread = std::thread::Builder::new().name("node-logs".into()).spawn(move || write_all(&directory, &queue))?;
    Ok((NodeLogs { lines, dropped: 0 }, thread))
}

impl NodeLog for NodeLogs {
    fn write(&mut self, effects: &[Effect]) {
        for effect in effects {
            let Effect::Log { node, label, line } = effect else { continue };
            if self.lines.try_send((*node, label.clone(), line.clone())).is_err() {
                self.dropped += 1;
                if self.dropped.is_power_of_two() {
                    warn!(
                        dropped = self.dropped,
                        "the disk is too slow for the nodes' log files: lines are left out there"
                    );
                }
            }
        }
    }
}

fn write_all(directory: &Path, queue: &Receiver<(NodeId, String, LogLine)>) {
    let mut open: BTreeMap<NodeId, RollingFileAppender> = BTreeMap::new();
    let mut lost: u64 = 0;
    while let Ok((node, label, line)) = queue.recv() {
        if open.len() > OPEN_FILES {
            open.clear();
        }
        let file = match open.entry(node) {
            std::collections::btree_map::Entry::Occupied(file) => file.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => match appender(directory, node) {
                Ok(file) => place.insert(file),
                Err(err) => {
                    warn!(%node, "cannot open the node's log: {err}");
                    continue;
                }
            },
        };
        let at = jiff::Timestamp::from_millisecond(i64::try_from(line.at.as_millis()).unwrap_or_default())
            .unwrap_or_default();
        if let Err(err) = writeln!(file, "{at:.3} {label} {} {} {}", line.source.word(), line.level.word(), line.text) {
            lost += 1;
            if lost.is_power_of_two() {
                warn!(%node, lost, "cannot write nodes' logs: {err}");
            }
            open.remove(&node);
        }
    }
}

fn appender(directory: &Path, node: NodeId) -> Result<RollingFileAppender, tracing_appender::rolling::InitError> {
    let files = RollingFileAppender::builder().rotation(Rotation::NEVER).filename_prefix(format!("node-{:05}", node.0));
    files.filename_suffix("log").build(directory)
}

const STATION_DAYS: usize = 30;
/// Lines that may wait for the disk.
const QUEUED: usize = 8192;
/// Files kept open; past that all are closed and opened again as needed.
const OPEN_FILES: usize = 256;
