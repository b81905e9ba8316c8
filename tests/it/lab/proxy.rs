//! A fault on the wire: one byte of every image arrives changed, at one place.
//!
//! The station's namespace redirects what comes from the bench for port 80 to this proxy, which asks the station itself.
//! Neither end can tell. Every answer ends its connection, so a connection carries one request.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Bench;
use super::bench::command_in;

/// Flips the lowest bit of the byte at one offset of every image that passes. Drop ends it.
pub(crate) struct FlippingProxy {
    state: Arc<State>,
    acceptor: Option<JoinHandle<()>>,
}

struct State {
    offset: u64,
    flipped: AtomicUsize,
    stop: AtomicBool,
}

impl FlippingProxy {
    pub(crate) fn between(bench: &Bench, offset: u64) -> Self {
        let state = Arc::new(State { offset, flipped: AtomicUsize::new(0), stop: AtomicBool::new(false) });
        let shared = Arc::clone(&state);
        let (port, acceptor) = bench.beside_station(move || {
            let listener = TcpListener::bind((Bench::STATION, 0)).expect("a port for the proxy");
            listener.set_nonblocking(true).expect("a listener that can be stopped");
            let port = listener.local_addr().expect("its address").port();
            // The new thread is in this one's namespace.
            (port, thread::spawn(move || accept(&listener, &shared)))
        });
        redirect(bench, port);
        Self { state, acceptor: Some(acceptor) }
    }

    /// How many bytes were changed so far.
    pub(crate) fn flipped(&self) -> usize {
        self.state.flipped.load(Ordering::Relaxed)
    }
}

impl Drop for FlippingProxy {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().ok();
        }
    }
}

/// The namespace goes with the bench, and its rules with it.
fn redirect(bench: &Bench, port: u16) {
    let rules = format!(
        "table ip oxbow {{ chain in {{ type nat hook prerouting priority -100; \
         iifname {} tcp dport 80 redirect to :{port}; }}; }}",
        Bench::INTERFACE
    );
    let output = command_in(&bench.station(), "nft").arg(rules).output().expect("`ip` starts");
    assert!(output.status.success(), "nft: {}", String::from_utf8_lossy(&output.stderr));
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    while !state.stop.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((machine, _)) => {
                let state = Arc::clone(state);
                thread::spawn(move || carry(machine, &state).ok());
            }
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// One request and its answer.
fn carry(machine: TcpStream, state: &State) -> io::Result<()> {
    machine.set_nonblocking(false)?;
    let station = TcpStream::connect((Bench::STATION, 80))?;
    let mut from_machine = BufReader::new(machine.try_clone()?);
    let (mut to_machine, mut to_station) = (machine, station.try_clone()?);

    let (request, _) = head(&mut from_machine)?;
    to_station.write_all(request.as_bytes())?;
    let is_image = request.split(' ').nth(1).is_some_and(|path| path.starts_with("/images/"));
    // Whatever follows, until the machine ends it or the answer has been given.
    let body = thread::spawn(move || io::copy(&mut from_machine, &mut to_station));

    let mut from_station = BufReader::new(station);
    let (answer, start) = head(&mut from_station)?;
    to_machine.write_all(answer.as_bytes())?;
    let mut at = start;
    let mut buffer = [0; 64 << 10];
    loop {
        let read = from_station.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        if let Some(place) = state.offset.checked_sub(at).and_then(|place| usize::try_from(place).ok())
            && is_image
            && place < read
        {
            buffer[place] ^= 1;
            state.flipped.fetch_add(1, Ordering::Relaxed);
        }
        at += read as u64;
        to_machine.write_all(&buffer[..read])?;
    }
    to_machine.shutdown(Shutdown::Both)?;
    body.join().ok();
    Ok(())
}

/// The head of a request or answer, made to end its connection, and the offset its body starts at.
fn head(from: &mut impl BufRead) -> io::Result<(String, u64)> {
    let (mut head, mut start) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let lower = line.to_ascii_lowercase();
        if let Some(range) = lower.strip_prefix("content-range: bytes ") {
            start = range.split('-').next().and_then(|start| start.parse().ok()).unwrap_or(0);
        }
        if line == "\r\n" {
            head.push_str("Connection: close\r\n\r\n");
            return Ok((head, start));
        }
        if !lower.starts_with("connection:") {
            head.push_str(&line);
        }
    }
}
