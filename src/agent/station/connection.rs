//! How `ureq` reaches the station: at one known address, over a socket that this machine opens in its own way.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ureq::Error;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport};

use super::error::{in_words, why};
use super::tls::{self, TlsConnector};
use crate::agent::boot_args::{HttpUrl, Trust};
use crate::agent::machine::Dialer;

/// An HTTP client for the station at `address`. `dialer` opens every connection; with `trust` it uses TLS.
pub fn client(config: ureq::config::Config, dialer: Dialer, address: SocketAddr, trust: Option<Trust>) -> ureq::Agent {
    let tls = trust.map(|trust| {
        let dialer = dialer.clone();
        TlsConnector::new(trust, Box::new(move |url| fetch_certificate(&dialer, url)))
    });
    ureq::Agent::with_parts(config, Dialing { dialer, address, tls }, OneAddress(address))
}

/// The authority's certificate at `url`, by plain HTTP: TLS checks its digest.
fn fetch_certificate(dialer: &Dialer, url: &HttpUrl) -> io::Result<Vec<u8>> {
    let missing = |reason: String| io::Error::other(format!("{url} cannot be fetched: {reason}"));
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(CERTIFICATE_TIMEOUT))
        .build();
    let http = client(config, dialer.clone(), url.holder.address(), None);
    let response = http.get(url.to_string()).call().map_err(|error| missing(in_words(&error)))?;
    if !response.status().is_success() {
        return Err(missing(format!("the station answers {}", response.status())));
    }
    let mut certificate = Vec::new();
    let read = response.into_body().into_reader().take(LARGEST_CERTIFICATE).read_to_end(&mut certificate);
    read.map(|_| certificate).map_err(|error| missing(why(&error)))
}

#[derive(Debug)]
struct OneAddress(SocketAddr);

impl Resolver for OneAddress {
    fn resolve(&self, _: &Uri, _: &ureq::config::Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        addresses.push(self.0);
        Ok(addresses)
    }
}

#[derive(Debug)]
struct Dialing {
    dialer: Dialer,
    address: SocketAddr,
    tls: Option<TlsConnector>,
}

impl Connector for Dialing {
    type Out = Connection;

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<Connection>, Error> {
        let wire = timed(details.timeout, |limit| {
            let limit = limit.unwrap_or(LONGEST);
            let stream = self.dialer.dial(self.address, limit)?;
            stream.set_nodelay(true)?;
            let Some(tls) = &self.tls else { return Ok(Wire::Plain(stream)) };
            stream.set_read_timeout(Some(limit))?;
            stream.set_write_timeout(Some(limit))?;
            Ok(Wire::Secret(Box::new(tls.secure(stream, self.address.ip())?)))
        })?;
        Ok(Some(Connection { wire, buffers: LazyBuffers::new(INPUT_BUFFER, OUTPUT_BUFFER) }))
    }
}

#[derive(Debug)]
enum Wire {
    Plain(TcpStream),
    Secret(Box<tls::TlsStream>),
}

impl Wire {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Secret(stream) => &stream.sock,
        }
    }

    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(room),
            Self::Secret(stream) => stream.read(room),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes),
            Self::Secret(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }
}

#[derive(Debug)]
struct Connection {
    wire: Wire,
    buffers: LazyBuffers,
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        timed(timeout.for_write(), |limit| {
            self.wire.tcp().set_write_timeout(limit)?;
            self.wire.write_all(&self.buffers.output()[..amount])
        })
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let amount = timed(timeout.for_read(), |limit| {
            self.wire.tcp().set_read_timeout(limit)?;
            self.wire.read(self.buffers.input_append_buf())
        })?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    /// An idle connection is open while there is nothing to read on it, not even its end.
    fn is_open(&mut self) -> bool {
        let stream = self.wire.tcp();
        let quiet = || -> io::Result<bool> {
            stream.set_nonblocking(true)?;
            let peeked = stream.peek(&mut [0]);
            stream.set_nonblocking(false)?;
            Ok(peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock))
        };
        quiet().unwrap_or(false)
    }

    fn is_tls(&self) -> bool {
        matches!(self.wire, Wire::Secret(_))
    }
}

/// Does one step within what is left of `timeout`.
fn timed<T>(timeout: NextTimeout, mut step: impl FnMut(Option<Duration>) -> io::Result<T>) -> Result<T, Error> {
    let limit = (!timeout.after.is_not_happening()).then_some(*timeout.after);
    if limit.is_some_and(|limit| limit.is_zero()) {
        return Err(Error::Timeout(timeout.reason));
    }
    loop {
        return match step(limit) {
            Ok(done) => Ok(done),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(Error::Timeout(timeout.reason))
            }
            Err(error) => Err(error.into()),
        };
    }
}

const LONGEST: Duration = Duration::from_secs(10);
const INPUT_BUFFER: usize = 64 * 1024;
const OUTPUT_BUFFER: usize = 16 * 1024;
const CERTIFICATE_TIMEOUT: Duration = Duration::from_secs(10);
/// A certificate is about 1 KiB.
const LARGEST_CERTIFICATE: u64 = 64 * 1024;
