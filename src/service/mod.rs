//! The loops that own sockets. Each is a `serve` that runs until it is stopped or fails; what to answer is decided
//! elsewhere (`boot`, `domain`), here it is only carried out. A file that names a socket holds no `if` about a packet.

pub mod control;
pub mod dhcp;
pub mod doctor_log;
pub mod http;
pub mod images;
pub mod import_folder;
pub mod link;
mod observer;
mod rogue;
pub mod router_advert;
pub mod syslog;
pub mod tftp;
pub mod tls;
mod udp;
pub mod webhook;

use std::io;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::domain::snapshot::Snapshot;
use crate::domain::station::service::{ServiceName, ServiceState, ServiceStatus};
use crate::inbox::{Inbox, Input};

/// What every service is given.
#[derive(Clone, Debug)]
pub struct ServiceContext {
    pub inbox: Inbox,
    pub bench: watch::Receiver<Arc<Snapshot>>,
    /// Cancelled when the station stops.
    pub stop: CancellationToken,
}

impl ServiceContext {
    /// The bench as it is now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.bench.borrow().clone()
    }

    /// Reports that `name` is serving at `at`. Its supervisor reports failures.
    pub async fn up(&self, name: ServiceName, at: impl ToString) {
        let state = ServiceState::Up { at: at.to_string() };
        self.inbox.send(Input::Service(ServiceStatus { name, state, restarts: 0 })).await;
    }

    /// Says that `name` cannot serve and that trying again would not help.
    pub async fn down(&self, name: ServiceName, what: impl ToString, hint: &str) {
        let state = ServiceState::Down { what: what.to_string(), hint: hint.to_owned() };
        self.inbox.send(Input::Service(ServiceStatus { name, state, restarts: 0 })).await;
    }
}

/// Why a service failed. Shown in the services line with its hint; the service restarts after a pause.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct ServiceError {
    /// One sentence, as `cannot bind UDP port 67 on enp3s0: address in use`.
    pub what: String,
    pub hint: String,
    #[source]
    pub source: Option<io::Error>,
}

impl ServiceError {
    /// A socket could not be had: says which, why, and what to do about it.
    pub fn bind(what: &str, source: io::Error) -> Self {
        let (reason, hint) = match source.kind() {
            io::ErrorKind::AddrInUse => (
                "another program uses it",
                "stop the other program (`ss -lnptu` shows it); oxbow retries automatically",
            ),
            io::ErrorKind::PermissionDenied => {
                ("not permitted", "start oxbow as root, or with cap_net_bind_service and cap_net_raw")
            }
            io::ErrorKind::AddrNotAvailable => (
                "the interface does not have this address",
                "give the interface its address; oxbow retries automatically",
            ),
            io::ErrorKind::NotFound => ("there is no such interface", "plug the adapter in, or name another interface"),
            _ => ("the system refused", "read the station's log; oxbow retries automatically"),
        };
        Self { what: format!("cannot bind {what}: {reason}"), hint: hint.into(), source: Some(source) }
    }
}
