//! HTTP and HTTPS: boot scripts, kernel and initramfs, images, the agent's endpoints, and the machine-readable state.
//!
//! `warp` filters route; the accept loop and the file bodies are our own: `warp` 0.4 has no TLS and takes no listener of
//! ours, and its file filter was measured at ten times nginx's CPU (8 KiB a hop). Both services have the same paths.

mod agent;
pub mod answer;
mod api;
mod body;
mod boot_files;
mod grub;
mod handshake;
mod images;
mod installer;
mod loaders;
mod mapped;
mod metrics;
mod path;
mod phone_home;
mod range;
mod routes;
mod script;
mod socket;
mod throttle;
mod token;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use handshake::Handshake;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use images::ImageMaps;
use socket::Socket;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::{debug, info};

use super::tls::ServerTls;
use super::{ServiceContext, ServiceError};

pub use token::Token;

/// Where HTTP, or HTTPS, listens and what it serves.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    pub listen: SocketAddr,
    /// Kernel, initramfs and network boot programs.
    pub boot_files: PathBuf,
    /// Checked images by digest, see [`crate::service::images`].
    pub images: PathBuf,
    /// The station's authority, for whoever is to trust it; none if there is no HTTPS.
    pub tls: Option<Arc<ServerTls>>,
    /// What a reader of the bench's state shows that does not sit at the workstation; without one there are none.
    pub token: Option<Token>,
}

/// The machine at the other end of a connection.
#[derive(Clone, Copy, Debug)]
struct Peer {
    address: SocketAddr,
    by_https: bool,
}

/// Serves HTTP until told to stop; transfers under way then get three seconds to end.
pub async fn serve(context: ServiceContext, config: HttpConfig) -> Result<(), ServiceError> {
    serve_at(context, config, Handshake::Open).await
}

/// The same by HTTPS.
pub async fn serve_tls(context: ServiceContext, config: HttpConfig, tls: Arc<ServerTls>) -> Result<(), ServiceError> {
    let door = Handshake::locked(tls, config.listen, context.clone());
    serve_at(context, config, door).await
}

async fn serve_at(context: ServiceContext, config: HttpConfig, door: Handshake) -> Result<(), ServiceError> {
    let at = config.listen;
    let listener = TcpListener::bind(at)
        .await
        .map_err(|err| ServiceError::bind(&format!("TCP port {} on {}", at.port(), at.ip()), err))?;
    // What it accepts inherits this: small answers are sent at once.
    let _it_would_only_be_slower = SockRef::from(&listener).set_tcp_nodelay(true);
    context.up(door.service(), door.in_words(at)).await;
    let images = ImageMaps::new(config.images.clone());
    let filter = routes::all(context.clone(), &config, images.clone());
    let service = TowerToHyperService::new(warp::service(filter));
    let (watcher, places) = (GracefulShutdown::new(), Arc::new(Semaphore::new(CONNECTIONS)));
    let mut connections = JoinSet::new();
    let mut renewal = tokio::time::interval(RENEWAL);
    let mut stopped = std::pin::pin!(context.stop.cancelled());
    loop {
        let (stream, peer) = tokio::select! {
            () = &mut stopped => break,
            _ = renewal.tick() => {
                let door = door.clone();
                connections.spawn(async move { door.renew().await });
                continue;
            }
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(err) => {
                    // Out of file descriptors, or the client is gone again: either way the listener still stands.
                    debug!("accept: {err}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            },
        };
        // The loop is not woken for every connection that ends, only for those that begin.
        while connections.try_join_next().is_some() {}
        let Ok(place) = places.clone().try_acquire_owned() else {
            info!(%peer, "refused: {CONNECTIONS} connections are open");
            continue;
        };
        let (door, service, watcher) = (door.clone(), service.clone(), watcher.watcher());
        let images = images.clone();
        connections.spawn(async move {
            let served = match &door {
                Handshake::Open => {
                    let peer = Peer { address: peer, by_https: false };
                    let mut socket = Socket::new(stream, images);
                    let is_grub = grub::sent(socket.first().await);
                    let rest = if is_grub { grub::forgotten_soon(socket.stream()) } else { IDLE };
                    connection(socket, peer, service, rest, watcher).await
                }
                Handshake::Locked(lock) => match lock.enter(stream, peer).await {
                    Some(stream) => {
                        let peer = Peer { address: peer, by_https: true };
                        connection(stream, peer, service, IDLE, watcher).await
                    }
                    None => Ok(()),
                },
            };
            if let Err(err) = served {
                debug!(%peer, "connection ended: {err}");
            }
            drop(place);
        });
    }
    drop(listener);
    tokio::select! {
        () = watcher.shutdown() => {}
        () = tokio::time::sleep(GRACE) => info!("transfers under way were cut off"),
    }
    Ok(())
}

async fn connection<I, S, B>(
    stream: I,
    peer: Peer,
    service: TowerToHyperService<S>,
    rest: Duration,
    watcher: hyper_util::server::graceful::Watcher,
) -> Result<(), hyper::Error>
where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
    S: tower_service::Service<hyper::Request<Incoming>, Response = hyper::Response<B>> + Clone,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        if let Some(tidy) = path::tidied(request.uri()) {
            *request.uri_mut() = tidy;
        }
        hyper::service::Service::call(&service, request)
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(rest).max_buf_size(HEADERS);
    // To GRUB `content-length` is another header than `Content-Length`: it would wait for the connection to end.
    http.title_case_headers(true);
    watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await
}

/// Hundreds of nodes with a few connections each.
const CONNECTIONS: usize = 2048;
/// A kept-alive connection may rest this long between requests.
const IDLE: Duration = Duration::from_secs(30);
const HEADERS: usize = 32 * 1024;
/// How often certificates are looked at.
const RENEWAL: Duration = Duration::from_secs(3600);
const GRACE: Duration = Duration::from_secs(3);
