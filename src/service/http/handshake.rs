//! How a connection is let in: at once, or after a TLS handshake.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openssl::ssl::Ssl;
use tokio::net::TcpStream;
use tokio_openssl::SslStream;
use tracing::{debug, info, warn};

use super::Peer;
use super::answer::ipv4;
use crate::clock;
use crate::domain::event::Event;
use crate::domain::station::service::ServiceName;
use crate::service::ServiceContext;
use crate::service::tls::{HandshakeError, HandshakeErrors, ServerTls};

/// Clones are the same door.
#[derive(Clone, Debug)]
pub(super) enum Handshake {
    /// Plain HTTP.
    Open,
    Locked(Arc<Lock>),
}

/// TLS, and who cannot open it.
#[derive(Debug)]
pub(super) struct Lock {
    tls: Arc<ServerTls>,
    at: SocketAddr,
    context: ServiceContext,
    refusals: Mutex<HandshakeErrors>,
}

impl Handshake {
    pub(super) fn locked(tls: Arc<ServerTls>, at: SocketAddr, context: ServiceContext) -> Self {
        Self::Locked(Arc::new(Lock { tls, at, context, refusals: Mutex::default() }))
    }

    pub(super) fn service(&self) -> ServiceName {
        match self {
            Self::Open => ServiceName::Http,
            Self::Locked(_) => ServiceName::Https,
        }
    }

    /// For the services line.
    pub(super) fn in_words(&self, at: SocketAddr) -> String {
        match self {
            Self::Open => at.to_string(),
            Self::Locked(lock) => lock.in_words(),
        }
    }

    /// Sees to it that the station's certificates do not run out. Making a key takes a while: not here.
    pub(super) async fn renew(&self) {
        let Self::Locked(lock) = self else { return };
        let tls = lock.tls.clone();
        match tokio::task::spawn_blocking(move || tls.renew(clock::now())).await {
            Ok(Ok(true | false)) => {}
            Ok(Err(err)) => warn!(hint = err.hint(), "the station's certificates could not be renewed: {err}"),
            Err(err) => warn!("the station's certificates could not be renewed: {err}"),
        }
    }
}

impl Lock {
    /// The connection after the TLS handshake. None if that fails, which is logged.
    pub(super) async fn enter(&self, stream: TcpStream, peer: SocketAddr) -> Option<SslStream<TcpStream>> {
        let ssl = Ssl::new(self.tls.acceptor().context());
        let mut stream = match ssl.and_then(|ssl| SslStream::new(ssl, stream)) {
            Ok(stream) => stream,
            Err(err) => {
                warn!(%peer, "no TLS for one connection: {err}");
                return None;
            }
        };
        let refusal = match tokio::time::timeout(HANDSHAKE, Pin::new(&mut stream).accept()).await {
            Ok(Ok(())) => {
                self.admitted(peer).await;
                return Some(stream);
            }
            Ok(Err(err)) => HandshakeError::of(&err, stream.ssl()),
            Err(_) => HandshakeError::of_silence(stream.ssl()),
        };
        match refusal {
            Some(refusal) => self.refused(peer, refusal).await,
            None => debug!(%peer, "a connection to the HTTPS port sent nothing"),
        }
        None
    }

    async fn admitted(&self, peer: SocketAddr) {
        let forgiven = self.refusals.lock().unwrap_or_else(PoisonError::into_inner).forgive(peer.ip());
        if forgiven {
            info!(%peer, "HTTPS works for this machine now");
            self.context.up(ServiceName::Https, self.in_words()).await;
        }
    }

    async fn refused(&self, peer: SocketAddr, refusal: HandshakeError) {
        let is_news = self.refusals.lock().unwrap_or_else(PoisonError::into_inner).add(peer.ip(), &refusal);
        if is_news {
            warn!(%peer, "no HTTPS: {refusal}");
            let address = ipv4(Peer { address: peer, by_https: true });
            let reason = refusal.to_string();
            self.context.inbox.saw(Event::HttpRefused { address, reason });
            self.context.up(ServiceName::Https, self.in_words()).await;
        }
    }

    fn in_words(&self) -> String {
        let who = self.refusals.lock().unwrap_or_else(PoisonError::into_inner).in_words();
        let who = who.map(|who| format!("; {who}")).unwrap_or_default();
        format!("{}, authority {}{who}", self.at, self.tls.fingerprint())
    }
}

/// A machine's firmware may take seconds for its sums.
const HANDSHAKE: Duration = Duration::from_secs(15);
