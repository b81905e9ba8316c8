//! A web server that has one file, and misfortunes.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::X509;

pub(crate) struct Source {
    scheme: &'static str,
    address: String,
    shelf: Arc<Mutex<Shelf>>,
}

pub(crate) struct Shelf {
    pub(crate) file: Vec<u8>,
    pub(crate) tag: String,
    /// What every question is answered instead.
    pub(crate) status: Option<&'static str>,
    /// After how many bytes the next answers break off.
    pub(crate) break_after: VecDeque<usize>,
    /// After how many bytes an answer comes to a standstill.
    pub(crate) stall_after: Option<usize>,
    /// The first byte that each question asked for.
    pub(crate) asked: Vec<usize>,
}

impl Source {
    pub(crate) fn open(file: &[u8]) -> Self {
        Self::behind(file, None)
    }

    /// The same by HTTPS.
    pub(crate) fn secure(file: &[u8], key: &PKey<Private>, certificate: &X509) -> Self {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).expect("TLS");
        acceptor.set_private_key(key).and_then(|()| acceptor.set_certificate(certificate)).expect("a certificate");
        Self::behind(file, Some(acceptor.build()))
    }

    fn behind(file: &[u8], tls: Option<SslAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let shelf = Arc::new(Mutex::new(Shelf {
            file: file.to_vec(),
            tag: "\"first\"".into(),
            status: None,
            break_after: VecDeque::new(),
            stall_after: None,
            asked: Vec::new(),
        }));
        let shared = shelf.clone();
        let scheme = if tls.is_some() { "https" } else { "http" };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shelf, tls) = (shared.clone(), tls.clone());
                thread::spawn(move || match tls {
                    None => serve(stream, &shelf),
                    Some(tls) => tls.accept(stream).ok().and_then(|stream| serve(stream, &shelf)),
                });
            }
        });
        Self { scheme, address, shelf }
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("{}://{}/images/{name}", self.scheme, self.address)
    }

    pub(crate) fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().expect("the shelf")
    }
}

/// Answers one question, and closes the connection.
fn serve(stream: impl Read + Write, shelf: &Mutex<Shelf>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut range, mut if_range) = (None, None);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let line = line.trim();
        if line.is_empty() {
            break;
        }
        let value = |name: &str| line.to_lowercase().starts_with(name).then(|| line[name.len()..].trim().to_owned());
        range = range.or(value("range: bytes=").and_then(|value| value.trim_end_matches('-').parse::<usize>().ok()));
        if_range = if_range.or(value("if-range:"));
    }
    let (head, body, stalls) = {
        let mut shelf = shelf.lock().expect("the shelf");
        shelf.asked.push(range.unwrap_or(0));
        let length = shelf.file.len();
        let at = range.filter(|_| if_range.as_ref() == Some(&shelf.tag)).unwrap_or(0);
        let status = shelf.status.unwrap_or(if at > 0 { "206 Partial Content" } else { "200 OK" });
        let rest = shelf.file[at..].to_vec();
        let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: {}\r\n", rest.len(), shelf.tag);
        if at > 0 {
            head += &format!("Content-Range: bytes {at}-{}/{length}\r\n", length - 1);
        }
        let stalls = shelf.stall_after.is_some();
        let sent = shelf.stall_after.or(shelf.break_after.pop_front()).unwrap_or(rest.len()).min(rest.len());
        (head + "Connection: close\r\n\r\n", rest[..sent].to_vec(), stalls)
    };
    let stream = reader.get_mut();
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).ok()?;
    if stalls {
        thread::sleep(Duration::from_secs(600));
    }
    Some(())
}
