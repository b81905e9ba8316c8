//! Named tasks: started, watched, started again after a failure, and joined at the end. No task runs outside of here.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::domain::station::service::{ServiceName, ServiceState, ServiceStatus};
use crate::inbox::{Inbox, Input};
use crate::service::ServiceError;

/// The station's tasks. All of them end when `stop` is cancelled.
#[derive(Debug)]
pub struct Supervisor {
    tasks: JoinSet<&'static str>,
    stop: CancellationToken,
}

impl Supervisor {
    pub fn new(stop: CancellationToken) -> Self {
        Self { tasks: JoinSet::new(), stop }
    }

    /// Runs a task that must not end before the station does: its end, or its panic, stops the station.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let guard = StopOnPanic(stop.clone());
            task.await;
            std::mem::forget(guard);
            if !stop.is_cancelled() {
                error!(task = name, "ended by itself: stopping the station");
                stop.cancel();
            }
            name
        });
    }

    /// Runs a service. When it fails its status says why, and it is started again after a pause that grows from one
    /// second to thirty.
    pub fn serve<F, S>(&mut self, name: ServiceName, inbox: Inbox, start: F)
    where
        F: Fn() -> S + Send + 'static,
        S: Future<Output = Result<(), ServiceError>> + Send + 'static,
    {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let mut restarts = 0;
            while !stop.is_cancelled() {
                match isolated(start()).await {
                    Ok(()) => break,
                    Err(error) => {
                        warn!(service = name.word(), source = ?error.source, hint = error.hint, "{error}");
                        let state = ServiceState::Down { what: error.what, hint: error.hint };
                        inbox.send(Input::Service(ServiceStatus { name, state, restarts })).await;
                    }
                }
                let pause = Duration::from_secs(1 << restarts.min(5)).min(LONGEST_PAUSE);
                restarts += 1;
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(pause) => {}
                }
            }
            info!(service = name.word(), "stopped");
            name.word()
        });
    }

    /// Waits for every task to end, and for no longer than `grace`; says which did not.
    pub async fn shutdown(mut self, grace: Duration) {
        self.stop.cancel();
        let drained = tokio::time::timeout(grace, async {
            while let Some(ended) = self.tasks.join_next().await {
                if let Err(fault) = ended {
                    error!("a task ended with a fault: {fault}");
                }
            }
        })
        .await;
        if drained.is_err() {
            warn!(left = self.tasks.len(), "tasks did not end within {grace:?} and are dropped");
        }
    }
}

/// A service's panic is its failure, not the station's.
async fn isolated<S>(service: S) -> Result<(), ServiceError>
where
    S: Future<Output = Result<(), ServiceError>> + Send + 'static,
{
    let mut alone = JoinSet::new();
    alone.spawn(service);
    match alone.join_next().await {
        Some(Ok(ended)) => ended,
        Some(Err(panic)) => Err(ServiceError {
            what: format!("stopped by a fault in oxbow itself: {panic}"),
            hint: "it is started again by itself; please send the station's log to whoever gave you oxbow".into(),
            source: None,
        }),
        None => Ok(()),
    }
}

/// A task that panics takes the station down in order, rather than leave it half alive.
struct StopOnPanic(CancellationToken);

impl Drop for StopOnPanic {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

const LONGEST_PAUSE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbox::inbox;

    fn failing() -> Result<(), ServiceError> {
        Err(ServiceError { what: "cannot bind".into(), hint: "free the port".into(), source: None })
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_service_is_shown_and_started_again() {
        let (inbox, mut outlet) = inbox();
        let stop = CancellationToken::new();
        let mut supervisor = Supervisor::new(stop.clone());
        supervisor.serve(ServiceName::Dhcp, inbox, || async { failing() });
        for restarts in 0..3 {
            let Some(Input::Service(status)) = outlet.notes.recv().await else { panic!("no status") };
            assert_eq!(status.restarts, restarts);
            assert_eq!(status.state, ServiceState::Down { what: "cannot bind".into(), hint: "free the port".into() });
        }
        supervisor.shutdown(Duration::from_secs(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_in_a_service_is_its_failure_only() {
        let (inbox, mut outlet) = inbox();
        let mut supervisor = Supervisor::new(CancellationToken::new());
        supervisor.serve(ServiceName::Tftp, inbox, || async { panic!("a bug") });
        let Some(Input::Service(status)) = outlet.notes.recv().await else { panic!("no status") };
        assert!(matches!(status.state, ServiceState::Down { what, .. } if what.contains("a bug")));
        supervisor.shutdown(Duration::from_secs(1)).await;
    }
}
