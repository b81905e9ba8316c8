//! A conversation over the control protocol: requests, and every reply up to the final one.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::{ProgressWatch, Unmade, told};
use crate::config::ConfigProblem;
use crate::protocol::control::{ControlReply, ControlRequest, Message};

/// An open conversation.
#[derive(Debug)]
pub struct StationConversation {
    stream: BufReader<UnixStream>,
}

impl StationConversation {
    pub fn over(stream: UnixStream) -> Result<Self, ConfigProblem> {
        let timed = stream.set_read_timeout(Some(SILENCE)).and_then(|()| stream.set_write_timeout(Some(SILENCE)));
        timed.map_err(|err| lost(&err))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends a request with the bytes that belong to it, passes on every reply but the final one, and returns that.
    pub fn ask(
        &mut self,
        ask: ControlRequest,
        bytes: &[u8],
        mut hear: impl FnMut(ControlReply),
    ) -> Result<ControlReply, ConfigProblem> {
        self.send(ask, bytes).map_err(|err| lost(&err))?;
        loop {
            match self.next()? {
                last if last.is_final() => return Ok(last),
                answer => hear(answer),
            }
        }
    }

    /// Sends a request that may have many replies, and reports their number to `watch`. Anything but success is an
    /// error.
    pub(super) fn gather(
        &mut self,
        ask: ControlRequest,
        what: &'static str,
        watch: &ProgressWatch<'_>,
        mut hear: impl FnMut(ControlReply),
    ) -> Result<(), Unmade> {
        self.send(ask, &[]).map_err(|err| lost(&err))?;
        for number in 0.. {
            if number % EACH == 0 {
                told(watch, what, number, None)?;
            }
            match self.next()? {
                ControlReply::Done { .. } => break,
                last if last.is_final() => return Err(Unmade::Said(Box::new(last))),
                answer => hear(answer),
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<ControlReply, ConfigProblem> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => return Err(lost(&ErrorKind::UnexpectedEof.into())),
            Ok(_) => {}
            Err(err) => return Err(lost(&err)),
        }
        serde_json::from_str::<Message<ControlReply>>(&line).map(|answer| answer.body).map_err(|err| lost(&err.into()))
    }

    fn send(&mut self, ask: ControlRequest, bytes: &[u8]) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Message::new(ask))?;
        line.push(b'\n');
        let stream = self.stream.get_mut();
        stream.write_all(&line)?;
        stream.write_all(bytes)
    }
}

/// The capture file that came as hexadecimal digits, see [`ControlReply::Packets`].
pub fn capture_of(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks_exact(2);
    pairs.filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn lost(err: &io::Error) -> ConfigProblem {
    let what = match err.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "the station does not answer".to_owned(),
        ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe => "the station has ended the conversation".to_owned(),
        _ => format!("the station cannot be understood: {err}"),
    };
    ConfigProblem { what, hint: "look at the station's log; whether it is done, `oxbow nodes` shows".into() }
}

/// How long the station may be silent. While it works it sends a reply every second.
const SILENCE: Duration = Duration::from_secs(30);
/// Replies between two reports of progress.
const EACH: usize = 64;
