//! A plain TCP connection of the HTTP service, which sends images by sendfile(2).
//!
//! hyper hands down slices of a mapped image. write(2) would copy them into the socket's buffers; sendfile(2) sends the
//! pages of the same file as they are. TLS has to read every byte anyway: its connections do not come here.

use std::io::{self, ErrorKind, IoSlice};
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::MSG_MORE;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::images::ImageMaps;
use super::mapped::FilePart;

/// A TCP connection, and the images that it may be asked to send.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    images: ImageMaps,
    /// The first bytes, until hyper reads them.
    first: Vec<u8>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, images: ImageMaps) -> Self {
        Self { stream, images, first: Vec::new() }
    }

    /// Reads the first bytes ahead of hyper, which gets them all the same. There are none if they take too long.
    pub(super) async fn first(&mut self) -> &[u8] {
        let mut first = vec![0; FIRST];
        let length = tokio::time::timeout(FIRST_PACKET, self.stream.read(&mut first)).await;
        first.truncate(length.unwrap_or(Ok(0)).unwrap_or(0));
        self.first = first;
        &self.first
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Makes one system call as soon as the connection takes bytes.
    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        send: impl Fn(&SockRef<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match self.stream.try_io(Interest::WRITABLE, || send(&SockRef::from(&self.stream))) {
                Err(err) if err.kind() == ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    fn poll_send_file(&mut self, cx: &mut Context<'_>, part: &FilePart, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let length = NonZeroUsize::new(bytes.len());
        match ready!(self.poll_send(cx, |socket| socket.sendfile(&part.file, part.offset, length))) {
            // A file system without sendfile(2): the mapping has the same bytes.
            Err(err) if is_unsupported(&err) => Pin::new(&mut self.stream).poll_write(cx, bytes),
            sent => Poll::Ready(sent),
        }
    }
}

fn is_unsupported(err: &io::Error) -> bool {
    err.raw_os_error().map(Errno::from_raw).is_some_and(|err| matches!(err, Errno::EINVAL | Errno::ENOSYS))
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, first, .. } = self.get_mut();
        if first.is_empty() {
            return Pin::new(stream).poll_read(cx, buf);
        }
        let length = first.len().min(buf.remaining());
        buf.put_slice(&first[..length]);
        first.drain(..length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        let large = bufs.iter().position(|buf| buf.len() >= WORTH_A_CALL);
        match large.and_then(|at| Some((at, me.images.part(&bufs[at])?))) {
            None => Pin::new(&mut me.stream).poll_write_vectored(cx, bufs),
            Some((0, part)) => me.poll_send_file(cx, &part, &bufs[0]),
            // The head, with no packet of its own: the image follows at once.
            Some(_) => me.poll_send(cx, |socket| socket.send_with_flags(&bufs[0], MSG_MORE)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// As much of a request as is looked at before hyper reads it; most are shorter.
const FIRST: usize = 1024;
/// How long first bytes are waited for here. hyper waits on.
const FIRST_PACKET: Duration = Duration::from_secs(5);
/// Fewer bytes are copied sooner than a second system call is made.
const WORTH_A_CALL: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::thread;

    use bytes::{Buf, Bytes};
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    /// A connection whose other end is in the hands of `client`, on a thread.
    async fn connected<T: Send + 'static>(
        images: ImageMaps,
        client: impl FnOnce(std::net::TcpStream) -> T + Send + 'static,
    ) -> (Socket, thread::JoinHandle<T>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let client = thread::spawn(move || client(std::net::TcpStream::connect(address).expect("a connection")));
        let (stream, _) = listener.accept().await.expect("a connection");
        (Socket::new(stream, images), client)
    }

    #[tokio::test]
    async fn what_is_written_arrives_in_order_whether_it_is_of_an_image_or_not() {
        let directory = tempfile::TempDir::new().expect("a directory");
        let content: Vec<u8> = (0..9_000_000_u32).map(|at| (at % 251) as u8 ^ (at >> 16) as u8).collect();
        let digest = "7".repeat(64);
        std::fs::write(directory.path().join(&digest), &content).expect("a file");
        let images = ImageMaps::new(directory.path().to_owned());
        let image = images.open(digest.parse().expect("a digest")).expect("it is there");
        assert_eq!(images.part(&image[70_000..90_000]).map(|part| part.offset), Some(70_000));
        assert!(images.part(&content[70_000..90_000]).is_none(), "the same bytes at another place");

        let (mut socket, client) = connected(images.clone(), |mut stream| {
            // So that the connection fills up.
            thread::sleep(Duration::from_millis(200));
            let mut received = Vec::new();
            stream.read_to_end(&mut received).expect("all of it");
            received
        })
        .await;
        let (head, tail) = (Bytes::from_static(b"head\r\n\r\n"), Bytes::from(content[..100_000].to_vec()));
        let first = head.clone().chain(image.slice(..5_000_000));
        socket.write_all_buf(&mut first.chain(tail.clone())).await.expect("written");
        // The image is removed and let go of while it is sent.
        std::fs::remove_file(directory.path().join(&digest)).expect("it was there");
        assert!(images.open(digest.parse().expect("a digest")).is_err());
        socket.write_all_buf(&mut image.slice(5_000_000..)).await.expect("written");
        socket.shutdown().await.expect("ended");
        drop(socket);
        let received = client.join().expect("no panic");
        assert!(received == [&head, &content[..5_000_000], &tail, &content[5_000_000..]].concat());
    }

    #[tokio::test]
    async fn the_first_bytes_are_seen_ahead_and_read_all_the_same() {
        let images = ImageMaps::new("/nowhere".into());
        let request = [b"GET / HTTP/1.1\r\n".to_vec(), vec![b'x'; 3000], b"the end".to_vec()].concat();
        let sent = request.clone();
        let (mut socket, client) = connected(images, move |mut stream| stream.write_all(&sent)).await;
        assert!(request.starts_with(socket.first().await) && !socket.first.is_empty());
        let mut read = Vec::new();
        socket.read_to_end(&mut read).await.expect("all of it");
        assert_eq!(read, request);
        client.join().expect("no panic").expect("sent");
    }
}
