//! A station for tests: the protocol over real sockets, one thread a connection, and every misfortune on demand.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use oxbow::domain::logline::Level;
use oxbow::domain::machine::report::Report;
use oxbow::protocol::{Ack, AgentJob, LogLines, Moved, Reports};

pub(crate) struct Station {
    pub(crate) url: String,
    /// What the boot script says of it on the kernel's command line.
    pub(crate) words: String,
    desk: Arc<Mutex<Desk>>,
}

/// What the station knows, does next, and has seen.
pub(crate) struct Desk {
    pub(crate) job: AgentJob,
    /// The file it sends, which need not be the one the job describes.
    pub(crate) file: Vec<u8>,
    /// Answers to hello before the job, as JSON.
    pub(crate) before_the_job: VecDeque<String>,
    /// Answers to the question what follows the image, each with its status; then the last one for ever. None at all is a
    /// station that does not know the question.
    pub(crate) configuration: VecDeque<(&'static str, String)>,
    /// Answers to the question for the word, before `restart`.
    pub(crate) words: VecDeque<String>,
    /// The word once there are no others.
    pub(crate) last_word: &'static str,
    /// After how many bytes the next image answers break off.
    pub(crate) break_after: VecDeque<usize>,
    /// What becomes of every question for the image.
    pub(crate) misfortune: Option<Misfortune>,
    /// The file that takes the place of `file` once it was asked for.
    pub(crate) then_file: Option<Vec<u8>>,
    /// Whether it says what it calls the file's content, as a real one does.
    pub(crate) tagged: bool,
    /// Whether every connection is dropped before it is answered.
    pub(crate) away: bool,
    /// How many acknowledgements get lost after the station has stored what it acknowledges.
    pub(crate) lost_acks: u32,
    /// Whether the run is unknown until the next hello.
    pub(crate) lost_the_run: bool,
    /// The certificate at `/ca.der`.
    pub(crate) ca: Vec<u8>,

    pub(crate) hellos: u32,
    /// The threads of each machine that said hello.
    pub(crate) threads: Vec<Option<u32>>,
    pub(crate) reports: Vec<Report>,
    pub(crate) lines: Vec<(Level, String)>,
    pub(crate) progress: Vec<Moved>,
    /// The first byte that each image request asked for.
    pub(crate) offsets: Vec<u64>,
    /// What was asked for in the clear.
    pub(crate) in_the_clear: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Misfortune {
    /// It is answered with this.
    Status(&'static str),
    /// The connection is closed.
    Reset,
    /// It is never answered.
    Silence,
    /// The image comes byte by byte, so far apart.
    Drips(Duration),
}

impl Station {
    pub(crate) fn open(job: AgentJob, file: Vec<u8>) -> Self {
        Self::open_with(job, file, Some)
    }

    /// The same behind `enter`, which makes a connection something else, or ends it.
    pub(crate) fn open_with<S: Read + Write>(
        job: AgentJob,
        file: Vec<u8>,
        enter: impl Fn(TcpStream) -> Option<S> + Clone + Send + 'static,
    ) -> Self {
        let desk = Arc::new(Mutex::new(Desk {
            job,
            file,
            before_the_job: VecDeque::new(),
            configuration: VecDeque::new(),
            words: VecDeque::new(),
            last_word: r#"{"word":"restart"}"#,
            break_after: VecDeque::new(),
            misfortune: None,
            then_file: None,
            tagged: false,
            away: false,
            lost_acks: 0,
            lost_the_run: false,
            ca: Vec::new(),
            hellos: 0,
            threads: Vec::new(),
            reports: Vec::new(),
            lines: Vec::new(),
            progress: Vec::new(),
            offsets: Vec::new(),
            in_the_clear: Vec::new(),
        }));
        let shared = desk.clone();
        let address = listen(move |stream| {
            if let Some(stream) = enter(stream) {
                serve(stream, |request| shared.lock().expect("the desk").answer(request));
            }
        });
        let url = format!("http://{address}");
        Self { words: format!("oxbow.station={url}"), url, desk }
    }

    /// Opens a plain port beside this one, where there is nothing but the certificate; gives its address.
    pub(crate) fn hand_out_certificate(&self) -> String {
        let desk = self.desk.clone();
        listen(move |stream| {
            serve(stream, |request| {
                let mut desk = desk.lock().expect("the desk");
                desk.in_the_clear.push(request.path.clone());
                Some(Answer::new("200 OK", desk.ca.clone()))
            });
        })
    }

    pub(crate) fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().expect("the desk")
    }
}

/// Serves every connection to a port of its own in a thread of its own; gives the port's address.
fn listen(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    address
}

/// Answers requests on one connection until either side closes it.
fn serve(stream: impl Read + Write, answer: impl Fn(&Request) -> Option<Answer>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let request = Request::read(&mut reader)?;
        answer(&request)?.send(reader.get_mut())?;
    }
}

struct Request {
    path: String,
    range: Option<u64>,
    body: Vec<u8>,
}

impl Request {
    fn read(reader: &mut impl BufRead) -> Option<Self> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let header = |name: &str| {
            let line = lines.iter().find(|line| line.to_ascii_lowercase().starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let length = header("content-length:").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let range =
            header("range:").and_then(|range| range.trim_start_matches("bytes=").trim_end_matches('-').parse().ok());
        Some(Self { path: lines.first()?.split(' ').nth(1)?.to_owned(), range, body })
    }
}

struct Answer {
    head: String,
    body: Vec<u8>,
    /// How many bytes of the body are sent before the connection breaks.
    limit: Option<usize>,
    drips: Option<Duration>,
    /// Whether it never comes.
    silent: bool,
}

impl Answer {
    fn new(status: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
        Self { head, body, limit: None, drips: None, silent: false }
    }

    fn send(&self, stream: &mut impl Write) -> Option<()> {
        if self.silent {
            thread::sleep(Duration::from_secs(60));
            return None;
        }
        write!(stream, "{}\r\n", self.head).ok()?;
        let sent = self.limit.unwrap_or(self.body.len()).min(self.body.len());
        for drop in self.body[..sent].chunks(if self.drips.is_some() { 1 } else { sent.max(1) }) {
            stream.write_all(drop).and_then(|()| stream.flush()).ok()?;
            self.drips.into_iter().for_each(thread::sleep);
        }
        (sent == self.body.len()).then_some(())
    }
}

impl Desk {
    /// None breaks the connection.
    fn answer(&mut self, request: &Request) -> Option<Answer> {
        if self.away {
            return None;
        }
        let what = request.path.rsplit('/').next().unwrap_or_default();
        if request.path.starts_with("/images/") {
            let drips = match self.misfortune {
                Some(Misfortune::Status(status)) => return Some(Answer::new(status, "no")),
                Some(Misfortune::Reset) => return None,
                Some(Misfortune::Silence) => return Some(Answer { silent: true, ..Answer::new("", "") }),
                Some(Misfortune::Drips(apart)) => Some(apart),
                None => None,
            };
            let answer = Answer { drips, ..self.image(request.range.unwrap_or(0)) };
            self.file = self.then_file.take().unwrap_or_else(|| std::mem::take(&mut self.file));
            return Some(answer);
        }
        if self.lost_the_run && what != "hello" {
            return Some(Answer::new("404 Not Found", r#"{"next":0}"#));
        }
        match what {
            "job" => {
                let job = oxbow::protocol::HelloReply::Job(Box::new(self.job.clone()));
                Some(Answer::new("200 OK", serde_json::to_string(&job).expect("JSON")))
            }
            "hello" => {
                self.hellos += 1;
                let hello: oxbow::protocol::HelloMessage = serde_json::from_slice(&request.body).expect("a hello");
                self.threads.push(hello.inventory.map(|inventory| inventory.cpu_threads));
                if std::mem::take(&mut self.lost_the_run) {
                    self.reports.clear();
                }
                let answer = self.before_the_job.pop_front().unwrap_or_else(|| {
                    serde_json::to_string(&oxbow::protocol::HelloReply::Job(Box::new(self.job.clone()))).expect("JSON")
                });
                Some(Answer::new("200 OK", answer))
            }
            "configuration" if !self.configuration.is_empty() => {
                let (status, answer) = if self.configuration.len() > 1 {
                    self.configuration.pop_front().expect("an answer")
                } else {
                    self.configuration[0].clone()
                };
                Some(Answer::new(status, answer))
            }
            "reports" => {
                let sent: Reports = serde_json::from_slice(&request.body).expect("reports");
                take(&mut self.reports, sent.first, sent.reports);
                self.acknowledge(self.reports.len())
            }
            "log" => {
                let sent: LogLines = serde_json::from_slice(&request.body).expect("lines");
                take(&mut self.lines, sent.first, sent.lines);
                self.acknowledge(self.lines.len())
            }
            "progress" => {
                self.progress.push(serde_json::from_slice(&request.body).expect("progress"));
                Some(Answer::new("204 No Content", ""))
            }
            "word" => Some(Answer::new("200 OK", self.words.pop_front().unwrap_or_else(|| self.last_word.into()))),
            _ => Some(Answer::new("404 Not Found", "no such page")),
        }
    }

    fn image(&mut self, offset: u64) -> Answer {
        self.offsets.push(offset);
        let length = self.file.len();
        let Some(rest) = usize::try_from(offset).ok().and_then(|offset| self.file.get(offset..)) else {
            return Answer::new("416 Range Not Satisfiable", "");
        };
        let first = self.file.first().copied().unwrap_or_default();
        let mut answer = Answer::new(if offset > 0 { "206 Partial Content" } else { "200 OK" }, rest);
        if offset > 0 {
            answer.head.push_str(&format!("Content-Range: bytes {offset}-{}/{length}\r\n", length - 1));
        }
        if self.tagged {
            answer.head.push_str(&format!("ETag: \"{first}-{length}\"\r\n"));
        }
        answer.limit = self.break_after.pop_front();
        answer
    }

    fn acknowledge(&mut self, next: usize) -> Option<Answer> {
        if self.lost_acks > 0 {
            self.lost_acks -= 1;
            return None;
        }
        let ack = Ack { next: u32::try_from(next).expect("few") };
        Some(Answer::new("200 OK", serde_json::to_string(&ack).expect("JSON")))
    }
}

/// Keeps of `items`, whose first has index `first`, what is new; nothing if some are missing before them.
fn take<T>(kept: &mut Vec<T>, first: u32, items: Vec<T>) {
    let first = usize::try_from(first).expect("an index");
    if first <= kept.len() {
        kept.extend(items.into_iter().skip(kept.len() - first));
    }
}
