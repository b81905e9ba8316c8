//! Syslog on port 514, by UDP (RFC 5426) and TCP (RFC 6587): what machines say of themselves goes to their node's log.
//!
//! A line is the node's that has the address it came from. What an unknown machine says goes to the station's own log.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, error, info, warn};

use super::link::{self, BoundInterface};
use super::{ServiceContext, ServiceError, udp};
use crate::boot::syslog::aggregate::Aggregate;
use crate::boot::syslog::frames::Frames;
use crate::boot::syslog::unknown_senders::UnknownSenders;
use crate::clock;
use crate::domain::event::{Event, SyslogLine};
use crate::domain::logline::Level;
use crate::domain::station::service::ServiceName;
use crate::inbox::Input;

/// Where machines send it, by UDP and by TCP.
pub const PORT: u16 = 514;

/// Listens until stopped, on whatever card is behind the interface. Fails if a port cannot be had.
pub async fn serve(context: ServiceContext, place: BoundInterface) -> Result<(), ServiceError> {
    link::while_there(&context, ServiceName::Syslog, &place, || session(context.clone(), place.clone())).await
}

async fn session(context: ServiceContext, place: BoundInterface) -> Result<(), ServiceError> {
    let at = SocketAddrV4::new(place.address, PORT);
    let refused = |kind: &str, error| ServiceError::bind(&format!("{kind} {at} on {}", place.interface), error);
    let datagrams = udp::bound(&place.interface, at).map_err(|error| refused("UDP", error))?;
    udp::make_room(&datagrams);
    let connections = TcpListener::bind(at).await.map_err(|error| refused("TCP", error))?;
    context.up(ServiceName::Syslog, format!("{at}, UDP and TCP")).await;

    let (mut gathered, mut strangers) = (Aggregate::default(), UnknownSenders::default());
    let mut packet = vec![0; LARGEST];
    let (sender, mut framed) = mpsc::channel(FRAMES);
    let mut speakers = JoinSet::new();
    let mut connected: HashMap<Ipv4Addr, usize> = HashMap::new();
    let mut beat = interval(TOLD_EVERY);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = context.stop.cancelled() => break,
            received = datagrams.recv_from(&mut packet) => {
                let (len, from) = received.map_err(|error| lost(at, error))?;
                if let IpAddr::V4(from) = from.ip() {
                    gathered.take(clock::now(), from, &packet[..len]);
                }
            }
            accepted = connections.accept() => match accepted {
                Ok((stream, from)) => if let IpAddr::V4(from) = from.ip() {
                    let its = connected.get(&from).copied().unwrap_or_default();
                    if speakers.len() < MOST && its < EACH {
                        connected.insert(from, its + 1);
                        let sender = sender.clone();
                        speakers.spawn(async move { hear(stream, from, &sender).await });
                    } else {
                        gathered.turned_away(clock::now(), from);
                    }
                },
                Err(error) => debug!("syslog connection not accepted: {error}"),
            },
            Some((from, message)) = framed.recv() => gathered.take(clock::now(), from, &message),
            Some(ended) = speakers.join_next() => {
                if let Ok(from) = ended && let Some(its) = connected.get_mut(&from) {
                    *its -= 1;
                    connected.retain(|_, its| *its > 0);
                }
            }
            _ = beat.tick() => tell(&context, &mut gathered, &mut strangers),
        }
    }
    tell(&context, &mut gathered, &mut strangers);
    Ok(())
}

/// Passes on each message of a connection, until it ends or has been silent for too long. Gives whose it was.
async fn hear(mut stream: TcpStream, from: Ipv4Addr, to: &mpsc::Sender<(Ipv4Addr, Vec<u8>)>) -> Ipv4Addr {
    let mut frames = Frames::default();
    let mut part = vec![0; LARGEST];
    while let Ok(Ok(len @ 1..)) = tokio::time::timeout(SILENT, stream.read(&mut part)).await {
        for message in frames.take(&part[..len]) {
            if to.send((from, message)).await.is_err() {
                return from;
            }
        }
    }
    if let Some(rest) = frames.rest() {
        let _station_stops = to.send((from, rest)).await;
    }
    from
}

fn tell(context: &ServiceContext, gathered: &mut Aggregate, strangers: &mut UnknownSenders) {
    let now = clock::now();
    let batches = gathered.drain(now);
    if !batches.is_empty() {
        let bench = context.snapshot();
        let known: HashSet<Ipv4Addr> = bench.nodes.values().filter_map(|node| node.address).collect();
        for (address, lines) in batches {
            if known.contains(&address) {
                context.inbox.mention(Input::Event(Event::Syslog { address, lines }));
            } else {
                strangers.heard(now, address, &lines).into_iter().for_each(log);
            }
        }
    }
    strangers.unheard(gathered.unheard());
    strangers.missing(now).into_iter().for_each(log);
}

/// In the station's own log, which the screen shows too.
fn log(SyslogLine { level, text, .. }: SyslogLine) {
    match level {
        Level::Error => error!("{text}"),
        Level::Warning => warn!("{text}"),
        Level::Info | Level::Unknown => info!("{text}"),
    }
}

fn lost(at: SocketAddrV4, error: io::Error) -> ServiceError {
    ServiceError {
        what: format!("cannot receive syslog at {at}"),
        hint: "check that the interface still exists (`ip link`); oxbow retries automatically".into(),
        source: Some(error),
    }
}

/// A datagram, and what is read of a connection at once.
const LARGEST: usize = 8192;
/// Messages of connections that may wait: past that, who sends them waits.
const FRAMES: usize = 1024;
/// Connections at one time, and those of one machine among them.
const MOST: usize = 512;
const EACH: usize = 32;
/// A line is on the screen within a second.
const TOLD_EVERY: Duration = Duration::from_millis(100);
/// A connection of which nothing came for so long is not missed: who speaks again connects again.
const SILENT: Duration = Duration::from_secs(3600);
