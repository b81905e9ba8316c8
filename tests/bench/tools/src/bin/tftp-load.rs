//! `tftp-load SERVER NAME FILE CLIENTS BLKSIZE WINDOWSIZE`: so many clients load NAME at the same time and compare it with
//! FILE. Prints `SECONDS MEGABYTES-PER-SECOND TIME-OUTS`, from the first request of all clients to the last block of all,
//! each by its own clock. Fails if a client does not get the whole file.
//!
//! WINDOWSIZE 1 and BLKSIZE 512 are not asked for: they are what a client without options gets.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use oxbow_bench_tools::span::Span;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [server, name, file, clients, blksize, windowsize] =
        <[String; 6]>::try_from(args).map_err(|_| "usage: tftp-load SERVER NAME FILE CLIENTS BLKSIZE WINDOWSIZE")?;
    let wanted = Arc::new(std::fs::read(file)?);
    let (server, clients): (SocketAddr, usize) = (server.parse()?, clients.parse()?);
    let load = Load { server, name, blksize: blksize.parse()?, windowsize: windowsize.parse()? };
    let start = Arc::new(Barrier::new(clients));
    let threads: Vec<_> = (0..clients)
        .map(|_| {
            let (load, wanted, start) = (load.clone(), wanted.clone(), start.clone());
            thread::spawn(move || {
                start.wait();
                load.run(&wanted)
            })
        })
        .collect();
    let (mut spans, mut time_outs) = (Vec::new(), 0);
    for thread in threads {
        let loaded = thread.join().map_err(|_| "a client failed")??;
        spans.push(loaded.span);
        time_outs += loaded.time_outs;
    }
    let all = Span::of_all(spans).ok_or("there is no client")?;
    let rate = all.megabytes_per_second(wanted.len() * clients);
    println!("{:.3} {rate:.1} {time_outs}", all.duration().as_secs_f64());
    Ok(())
}

/// What one client saw.
struct Loaded {
    span: Span,
    /// How often nothing came for a second.
    time_outs: usize,
}

#[derive(Clone)]
struct Load {
    server: SocketAddr,
    name: String,
    blksize: usize,
    windowsize: u16,
}

impl Load {
    /// Loads the file once.
    fn run(&self, wanted: &[u8]) -> io::Result<Loaded> {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        let mut request = format!("\0\x01{}\0octet\0", self.name);
        if self.blksize != 512 {
            request += &format!("blksize\0{}\0", self.blksize);
        }
        if self.windowsize != 1 {
            request += &format!("windowsize\0{}\0", self.windowsize);
        }
        let mut packet = vec![0; 70_000];
        let first = Instant::now();
        socket.send_to(request.as_bytes(), self.server)?;
        let (mut blksize, mut windowsize) = (512, 1);
        let (mut got, mut block, mut unacked, mut time_outs) = (0, 0_u16, 0, 0);
        let mut connected = false;
        loop {
            let len = match receive(&socket, &mut packet, &mut connected) {
                Ok(len) => len,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) && time_outs < 30 => {
                    time_outs += 1;
                    if connected {
                        socket.send(&ack(block))?
                    } else {
                        socket.send_to(request.as_bytes(), self.server)?
                    };
                    unacked = 0;
                    continue;
                }
                Err(error) => return Err(error),
            };
            match &packet[..len] {
                [0, 6, options @ ..] => {
                    let words: Vec<&[u8]> = options.split(|byte| *byte == 0).collect();
                    let value = |name: &str| {
                        let at = words.iter().position(|word| word.eq_ignore_ascii_case(name.as_bytes()))?;
                        std::str::from_utf8(words.get(at + 1)?).ok()?.parse::<usize>().ok()
                    };
                    blksize = value("blksize").unwrap_or(512);
                    windowsize = value("windowsize").unwrap_or(1);
                    socket.send(&ack(0))?;
                }
                [0, 3, high, low, data @ ..] => {
                    if u16::from_be_bytes([*high, *low]) != block.wrapping_add(1) {
                        // A gap, or a repeated block: one acknowledgement in a window says where to go on.
                        if unacked != usize::MAX {
                            socket.send(&ack(block))?;
                            unacked = usize::MAX;
                        }
                        continue;
                    }
                    if wanted.get(got..got + data.len()) != Some(data) {
                        return Err(io::Error::other(format!("block {} is not what it should be", got / blksize)));
                    }
                    got += data.len();
                    block = block.wrapping_add(1);
                    unacked = if unacked == usize::MAX { 1 } else { unacked + 1 };
                    let span = (data.len() < blksize).then(|| Span { first, last: Instant::now() });
                    if span.is_some() || unacked >= windowsize {
                        socket.send(&ack(block))?;
                        unacked = 0;
                    }
                    if let Some(span) = span {
                        let whole = got == wanted.len();
                        return if whole {
                            Ok(Loaded { span, time_outs })
                        } else {
                            Err(io::Error::other("the file ended early"))
                        };
                    }
                }
                [0, 5, _, _, message @ ..] => {
                    return Err(io::Error::other(String::from_utf8_lossy(message).into_owned()));
                }
                _ => {}
            }
        }
    }
}

/// The next packet. The first one comes from the port that all others will come from.
fn receive(socket: &UdpSocket, packet: &mut [u8], connected: &mut bool) -> io::Result<usize> {
    if *connected {
        return socket.recv(packet);
    }
    let (len, from) = socket.recv_from(packet)?;
    socket.connect(from)?;
    *connected = true;
    Ok(len)
}

fn ack(block: u16) -> [u8; 4] {
    let [high, low] = block.to_be_bytes();
    [0, 4, high, low]
}
