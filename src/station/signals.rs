//! Signals of the system and of a closed terminal, which stop the station.

use std::io;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// Stops the station at a signal, or when the hub has ended. A second signal means that somebody does not want to wait:
/// then the process ends at once, as with `kill -9`.
pub(super) async fn watch(
    stop: CancellationToken,
    hub_stop: CancellationToken,
    end: CancellationToken,
    keep_serving: bool,
) {
    let (mut stops, mut hangup) = match listen() {
        Ok(signals) => signals,
        Err(err) => {
            warn!("cannot listen for signals: {err}");
            tokio::select! {
                () = stop.cancelled() => {}
                () = hub_stop.cancelled() => error!("the hub has ended"),
            }
            stop.cancel();
            return end.cancelled().await;
        }
    };
    tokio::select! {
        name = stops.next() => info!("stopping: {name}"),
        () = closed(&mut hangup, keep_serving) => info!("stopping: the terminal was closed"),
        () = stop.cancelled() => {}
        () = hub_stop.cancelled() => error!("the hub has ended"),
    }
    stop.cancel();
    let began = Instant::now();
    loop {
        tokio::select! {
            name = stops.next() => {
                if began.elapsed() >= SAME_SIGNAL {
                    warn!("second signal to stop, {name}: the process ends at once");
                    std::process::exit(TWICE);
                }
            }
            () = end.cancelled() => return,
        }
    }
}

/// The signals that stop the station, besides a closed terminal.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

fn listen() -> io::Result<(StopSignals, Signal)> {
    let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok((StopSignals { terminate, interrupt }, signal(SignalKind::hangup())?))
}

impl StopSignals {
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Returns when the terminal was closed, unless the station is to continue then.
async fn closed(hangup: &mut Signal, keep_serving: bool) {
    while hangup.recv().await.is_some() && keep_serving {
        info!("the terminal was closed: the station continues to serve");
    }
}

/// Signals that arrive this soon after each other count as one: `timeout` signals the program and then its whole group.
const SAME_SIGNAL: Duration = Duration::from_secs(1);
/// The exit status after a second signal.
const TWICE: i32 = 130;
