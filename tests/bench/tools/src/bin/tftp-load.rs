//! `tftp-load SERVER NAME FILE CLIENTS BLKSIZE WINDOWSIZE` : so many clients load NAME at the same time and compare it with
//! FILE; prints `SECONDS MEGABYTES-PER-SECOND TIME-OUTS`. Fails if one of them does not get it whole.
//!
//! WINDOWSIZE 1 and BLKSIZE 512 are not asked for: a client that says nothing gets them.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [server, name, file, clients, blksize, windowsize] =
        <[String; 6]>::try_from(args).map_err(|_| "usage: tftp-load SERVER NAME FILE CLIENTS BLKSIZE WINDOWSIZE")?;
    let wanted = Arc::new(std::fs::read(file)?);
    let (server, clients): (SocketAddr, usize) = (server.parse()?, clients.parse()?);
    let load = Load { server, name, blksize: blksize.parse()?, windowsize: windowsize.parse()? };
    let start = Arc::new(Barrier::new(clients + 1));
    let threads: Vec<_> = (0..clients)
        .map(|_| {
            let (load, wanted, start) = (load.clone(), wanted.clone(), start.clone());
            thread::spawn(move || {
                start.wait();
                load.run(&wanted)
            })
        })
        .collect();
    start.wait();
    let began = Instant::now();
    let mut time_outs = 0;
    for thread in threads {
        time_outs += thread.join().map_err(|_| "a client failed")??;
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{seconds:.3} {:.1} {time_outs}", (wanted.len() * clients) as f64 / 1e6 / seconds);
    Ok(())
}

#[derive(Clone)]
struct Load {
    server: SocketAddr,
    name: String,
    blksize: usize,
    windowsize: u16,
}

impl Load {
    /// Loads the file once; gives back how often nothing came for a second.
    fn run(&self, wanted: &[u8]) -> io::Result<usize> {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        let mut request = format!("\0\x01{}\0octet\0", self.name);
        if self.blksize != 512 {
            request += &format!("blksize\0{}\0", self.blksize);
        }
        if self.windowsize != 1 {
            request += &format!("windowsize\0{}\0", self.windowsize);
        }
        socket.send_to(request.as_bytes(), self.server)?;
        let mut packet = vec![0; 70_000];
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
                        // A gap, or what came already: once in a window says where to go on.
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
                    let is_last = data.len() < blksize;
                    if is_last || unacked >= windowsize {
                        socket.send(&ack(block))?;
                        unacked = 0;
                    }
                    if is_last {
                        let whole = got == wanted.len();
                        return if whole { Ok(time_outs) } else { Err(io::Error::other("the file ended early")) };
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
