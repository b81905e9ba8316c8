//! How `ureq` reaches the station: at one known address, over a socket that this machine opens in its own way.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ureq::Error;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport};

use super::machine::Dialer;

/// An HTTP client for the station at `address`. Every connection is opened by `dialer`.
pub fn client(config: ureq::config::Config, dialer: Dialer, address: SocketAddr) -> ureq::Agent {
    ureq::Agent::with_parts(config, Dialing { dialer, address }, OneAddress(address))
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
}

impl Connector for Dialing {
    type Out = Connection;

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<Connection>, Error> {
        let stream = timed(details.timeout, |limit| self.dialer.dial(self.address, limit.unwrap_or(LONGEST)))?;
        stream.set_nodelay(true)?;
        Ok(Some(Connection { stream, buffers: LazyBuffers::new(INPUT_BUFFER, OUTPUT_BUFFER) }))
    }
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    buffers: LazyBuffers,
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        timed(timeout.for_write(), |limit| {
            self.stream.set_write_timeout(limit)?;
            self.stream.write_all(&self.buffers.output()[..amount])
        })
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let amount = timed(timeout.for_read(), |limit| {
            self.stream.set_read_timeout(limit)?;
            self.stream.read(self.buffers.input_append_buf())
        })?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    /// An idle connection is open while there is nothing to read on it, not even its end.
    fn is_open(&mut self) -> bool {
        let quiet = || -> io::Result<bool> {
            self.stream.set_nonblocking(true)?;
            let peeked = self.stream.peek(&mut [0]);
            self.stream.set_nonblocking(false)?;
            Ok(peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock))
        };
        quiet().unwrap_or(false)
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
