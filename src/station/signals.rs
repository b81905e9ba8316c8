//! When the system, or the terminal that was closed, tells the station to stop.

use std::io;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// Stops the station when it is told to, or when the hub is no more. Who says it again does not want to wait: then it ends
/// at once, as `kill -9` would end it.
pub(super) async fn heed(
    stop: CancellationToken,
    hub_stop: CancellationToken,
    end: CancellationToken,
    keep_serving: bool,
) {
    let (mut orders, mut hangup) = match listen() {
        Ok(signals) => signals,
        Err(err) => {
            warn!("signals cannot be listened to: {err}");
            tokio::select! {
                () = stop.cancelled() => {}
                () = hub_stop.cancelled() => error!("the hub has ended"),
            }
            stop.cancel();
            return end.cancelled().await;
        }
    };
    tokio::select! {
        told = orders.told() => info!("told to stop: {told}"),
        () = closed(&mut hangup, keep_serving) => info!("told to stop: the terminal was closed"),
        () = stop.cancelled() => {}
        () = hub_stop.cancelled() => error!("the hub has ended"),
    }
    stop.cancel();
    let began = Instant::now();
    loop {
        tokio::select! {
            told = orders.told() => {
                if began.elapsed() >= BREATH {
                    warn!("told to stop a second time, {told}: ended at once");
                    std::process::exit(TWICE);
                }
            }
            () = end.cancelled() => return,
        }
    }
}

/// What tells the station to stop, beside a terminal that is closed.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

fn listen() -> io::Result<(StopSignals, Signal)> {
    let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok((StopSignals { terminate, interrupt }, signal(SignalKind::hangup())?))
}

impl StopSignals {
    async fn told(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// The terminal was closed, and that is to be the end.
async fn closed(hangup: &mut Signal, keep_serving: bool) {
    while hangup.recv().await.is_some() && keep_serving {
        info!("the terminal was closed: serving on");
    }
}

/// Signals that come so soon after each other are one order: `timeout` tells the program and then its whole group.
const BREATH: Duration = Duration::from_secs(1);
/// Ended by a second signal.
const TWICE: i32 = 130;
