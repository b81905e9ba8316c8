//! Runs a station until it is stopped, and shuts it down in order.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::build::{BuiltStation, build, log_unwritable, publish_profiles};
use super::lock::lock_within;
use super::{ScreenMode, export, screen, services, signals};
use crate::config::{Config, ConfigProblem};
use crate::domain::snapshot::Snapshot;
use crate::inbox::{Inbox, inbox};
use crate::service::{ServiceContext, images};
use crate::supervise::Supervisor;
use crate::{logs, tui};

/// Builds the station and runs it to its end.
pub(super) fn run(mut config: Config, mode: ScreenMode, record: Option<&Path>) -> Result<ExitCode, ConfigProblem> {
    let (inbox, outlet) = inbox();
    let _log = logs::start(&config.data.log(), mode.headless, Some(inbox.clone()))
        .map_err(|err| log_unwritable(&config.data, &err))?;
    let _lock = lock_within(&config.data, COMMAND_ENDS)?.ok_or_else(|| {
        let what = format!("another oxbow is running with the data in {}", config.data);
        ConfigProblem::new(what, "use the one that is running, or give this one its own --data")
    })?;
    info!(version = env!("CARGO_PKG_VERSION"), ?config, "starting");
    let built = build(&mut config, record, &inbox)?;
    let BuiltStation { runtime, hub, bench, tls, leases, changes, indexing, writers } = built;

    let (stop, hub_stop, signals_stop) = (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
    let mut signals = Supervisor::new(signals_stop.clone());
    let exit = {
        let _inside = runtime.enter();
        let context = ServiceContext { inbox: inbox.clone(), bench: bench.clone(), stop: stop.clone() };
        let mut hub_task = Supervisor::new(hub_stop.clone());
        hub_task.spawn("hub", hub.run(outlet, hub_stop.clone()));
        let (quirks, placeholders) = (config.data.quirks(), config.data.placeholders());
        let catalogue = images::read(&config.profiles, config.default_profile.as_ref(), &quirks, &placeholders);
        runtime.block_on(publish_profiles(&context, catalogue));
        let mut services = Supervisor::new(stop.clone());
        services::start(&mut services, &context, &config, tls, leases);
        services::start_webhook(&mut services, &context, &config, changes);
        // Outlives both, so that a second signal is heard while they end.
        signals.spawn(
            "signals",
            signals::watch(stop.clone(), hub_stop.clone(), signals_stop.clone(), config.screen.keep_serving),
        );
        let exit = if mode.headless {
            runtime.block_on(stop.cancelled());
            ExitCode::SUCCESS
        } else {
            show(&config, mode, &runtime, bench, inbox.clone(), &stop)
        };
        // Nobody else stops the hub before the services.
        let exit = if hub_stop.is_cancelled() { ExitCode::FAILURE } else { exit };
        runtime.block_on(async {
            services.shutdown(GRACE).await;
            hub_task.shutdown(GRACE).await;
        });
        exit
    };
    drop(indexing);
    join(writers);
    runtime.block_on(signals.shutdown(GRACE));
    runtime.shutdown_timeout(Duration::from_secs(1));
    info!("stopped");
    Ok(exit)
}

/// Shows the screen until it ends; then, if the settings say so, serves on without one.
fn show(
    config: &Config,
    mode: ScreenMode,
    runtime: &Runtime,
    bench: watch::Receiver<Arc<Snapshot>>,
    inbox: Inbox,
    stop: &CancellationToken,
) -> ExitCode {
    let options = screen::options(&config.screen, mode.ascii, runtime.handle().clone());
    let exports = export::worker(config);
    let exit = match tui::run_in(bench, inbox, stop.clone(), options, screen::folders(config), Some(exports)) {
        Ok(exit) => exit,
        Err(err) => {
            error!("no screen: {err}");
            eprintln!("oxbow: {err}\nhint: {}", err.hint());
            return ExitCode::FAILURE;
        }
    };
    info!(?exit, "the screen has ended");
    match exit {
        tui::Exit::Quit | tui::Exit::Stopped => ExitCode::SUCCESS,
        tui::Exit::TerminalLost(_) | tui::Exit::Failed if config.screen.keep_serving => {
            warn!("serving on without a screen: `oxbow nodes` asks this station, SIGTERM stops it");
            runtime.block_on(stop.cancelled());
            ExitCode::SUCCESS
        }
        tui::Exit::TerminalLost(_) => ExitCode::SUCCESS,
        tui::Exit::Failed => ExitCode::FAILURE,
    }
}

fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        if thread.join().is_err() {
            error!("a thread panicked");
        }
    }
}

/// How long a station that starts waits for a command to end.
const COMMAND_ENDS: Duration = Duration::from_secs(2);
/// How long tasks may take to end.
pub(super) const GRACE: Duration = Duration::from_secs(5);
