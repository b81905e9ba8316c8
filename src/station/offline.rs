//! A bench on which no station runs, opened for one command.

use std::fs::File;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use tracing_appender::non_blocking::WorkerGuard;

use super::build::{open_store, publish_profiles, restored};
use super::lock::lock;
use super::run::GRACE;
use crate::config::ConfigProblem;
use crate::data_dir::DataDir;
use crate::domain::station::Station;
use crate::domain::station::dhcp::DhcpChoice;
use crate::domain::station::policy::Policy;
use crate::hub::Hub;
use crate::inbox::inbox;
use crate::logs;
use crate::service::{ServiceContext, control, images};
use crate::supervise::Supervisor;

/// The settings that people may change at the bench, as they are until somebody does.
#[derive(Clone, Copy, Debug)]
pub struct InitialSettings {
    pub policy: Policy,
    pub dhcp: Option<DhcpChoice>,
}

/// The hub and the store of a data directory on which no station runs, with no service that a machine could reach.
/// Shuts down in order when it is dropped.
pub struct OfflineStation {
    stop: CancellationToken,
    hub_stop: CancellationToken,
    tasks: Option<(Supervisor, Supervisor)>,
    runtime: Option<Runtime>,
    threads: Vec<JoinHandle<()>>,
    _log: WorkerGuard,
    _lock: File,
}

/// Opens the bench in `data` for one command, which uses the stream like a station's control socket. None while another
/// oxbow has the data.
pub fn open_offline(
    data: &DataDir,
    profiles: &Path,
    initial: InitialSettings,
) -> Result<Option<(UnixStream, OfflineStation)>, ConfigProblem> {
    let cannot = |err: io::Error| {
        let what = format!("cannot work in {data}: {err}");
        ConfigProblem::new(what, "check that the data directory is writable and has room")
    };
    std::fs::create_dir_all(data.path()).map_err(cannot)?;
    let Some(lock) = lock(data)? else { return Ok(None) };
    let log = logs::start(&data.log(), false, None).map_err(|err| cannot(io::Error::other(err)))?;
    let (store, mut memory, store_thread) = open_store(data)?;
    let runtime = Runtime::new().map_err(cannot)?;
    let (ours, theirs) = UnixStream::pair().map_err(cannot)?;
    theirs.set_nonblocking(true).map_err(cannot)?;

    let (stop, hub_stop) = (CancellationToken::new(), CancellationToken::new());
    let (inbox, outlet) = inbox();
    let bounds = logs::nodes::LogBounds::default();
    logs::nodes::recall(&data.node_logs(), memory.nodes.iter_mut().chain(&mut memory.set_aside));
    let (node_logs, log_thread) =
        logs::nodes::start(&data.node_logs(), bounds, &memory.nodes, inbox.clone()).map_err(cannot)?;
    let fleet = restored(memory, initial);
    let (hub, bench) = Hub::new(fleet, Station::default(), store, Box::new(node_logs));
    let inside = runtime.enter();
    let theirs = tokio::net::UnixStream::from_std(theirs).map_err(cannot)?;
    let context = ServiceContext { inbox, bench, stop: stop.clone() };
    let mut hub_task = Supervisor::new(hub_stop.clone());
    hub_task.spawn("hub", hub.run(outlet, hub_stop.clone()));
    let catalogue = images::read(profiles, None, &data.quirks(), &data.placeholders());
    runtime.block_on(publish_profiles(&context, catalogue));
    let mut control = Supervisor::new(stop.clone());
    control.spawn("control", async move {
        if let Err(err) = control::converse(theirs, context.clone()).await {
            warn!("the command was not answered: {err}");
        }
        context.stop.cancelled().await;
    });
    drop(inside);
    let threads = vec![store_thread, log_thread];
    let (tasks, runtime) = (Some((control, hub_task)), Some(runtime));
    Ok(Some((ours, OfflineStation { stop, hub_stop, tasks, runtime, threads, _log: log, _lock: lock })))
}

impl Drop for OfflineStation {
    fn drop(&mut self) {
        self.stop.cancel();
        if let (Some(runtime), Some((control, hub_task))) = (self.runtime.take(), self.tasks.take()) {
            runtime.block_on(async {
                control.shutdown(GRACE).await;
                self.hub_stop.cancel();
                hub_task.shutdown(GRACE).await;
            });
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}
