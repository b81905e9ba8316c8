//! `http-load SERVER PATH CLIENTS TIMES`, as `http-load 10.77.0.1:80 /images/…/os.raw 50 1`: so many clients load PATH at
//! the same time, each so many times, on a new connection each time. Prints `SECONDS MEGABYTES-PER-SECOND`, from the first
//! request of all clients to the last byte of all, each by its own clock. Fails if a client does not get the whole file.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use oxbow_bench_tools::span::Span;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [server, path, clients, times] =
        <[String; 4]>::try_from(args).map_err(|_| "usage: http-load SERVER PATH CLIENTS TIMES")?;
    let (server, clients, times): (SocketAddr, usize, usize) = (server.parse()?, clients.parse()?, times.parse()?);
    let start = Arc::new(Barrier::new(clients));
    let threads: Vec<_> = (0..clients)
        .map(|_| {
            let (path, start) = (path.clone(), start.clone());
            thread::spawn(move || {
                start.wait();
                (0..times).map(|_| load(server, &path)).collect::<io::Result<Vec<_>>>()
            })
        })
        .collect();
    let (mut spans, mut bytes) = (Vec::new(), 0);
    for thread in threads {
        for (span, length) in thread.join().map_err(|_| "a client failed")?? {
            spans.push(span);
            bytes += length;
        }
    }
    let all = Span::of_all(spans).ok_or("there is no client")?;
    println!("{:.3} {:.1}", all.duration().as_secs_f64(), all.megabytes_per_second(bytes));
    Ok(())
}

/// Loads the file once, as long as its head says.
fn load(server: SocketAddr, path: &str) -> io::Result<(Span, usize)> {
    let mut buffer = vec![0; BUFFER];
    let first = Instant::now();
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut filled = 0;
    let head = loop {
        match stream.read(&mut buffer[filled..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => filled += more,
        }
        if let Some(at) = buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let length = length(&buffer[..head])?;
    let mut got = filled - head;
    while got < length {
        match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => got += more,
        }
    }
    Ok((Span { first, last: Instant::now() }, length))
}

/// What the head of a 200 says of the body's length.
fn length(head: &[u8]) -> io::Result<usize> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap_or_default();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    match length {
        Some(length) if status == "200" => Ok(length),
        _ => Err(io::Error::other(head)),
    }
}

/// As curl's.
const BUFFER: usize = 100 * 1024;
const SILENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_says_how_long_the_body_is() {
        assert_eq!(length(b"HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n").ok(), Some(42));
        assert!(length(b"HTTP/1.1 404 Not Found\r\nContent-Length: 42\r\n\r\n").is_err());
        assert!(length(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
