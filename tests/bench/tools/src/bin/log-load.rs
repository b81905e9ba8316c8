//! `log-load STATION MACHINES RATE SECONDS`, as `log-load 10.77.0.1:80 100 200 60`: so many machines, each of which boots,
//! says hello and then sends so many log lines a second, as an agent does: all lines of the last 100 ms in one message, sent
//! again until it is acknowledged. Ends when all lines are. Prints how many lines were acknowledged, how many of them the
//! station left out, how long a message took on average and at most, in milliseconds, and how many seconds all of it took,
//! from the first machine's first request to the last machine's last answer, each by its own clock.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use oxbow_bench_tools::span::Span;

/// What one machine sent, and how long it waited.
struct Sent {
    span: Span,
    acknowledged: u64,
    left_out: u64,
    messages: u32,
    waited: Duration,
    longest: Duration,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [station, figures @ ..] = &arguments[..] else { return usage() };
    let figures: Vec<u64> = figures.iter().filter_map(|figure| figure.parse().ok()).collect();
    let [machines, rate, seconds] = figures[..] else { return usage() };
    let threads: Vec<_> = (1..=machines)
        .map(|number| {
            let station = station.clone();
            thread::spawn(move || talk(&station, number, rate, rate * seconds))
        })
        .collect();
    let all: Vec<Sent> = threads.into_iter().map(|thread| thread.join().expect("it ends")).collect();
    let Some(span) = Span::of_all(all.iter().map(|sent| sent.span)) else { return usage() };
    let acknowledged: u64 = all.iter().map(|sent| sent.acknowledged).sum();
    let left_out: u64 = all.iter().map(|sent| sent.left_out).sum();
    let messages: u32 = all.iter().map(|sent| sent.messages).sum();
    let waited: Duration = all.iter().map(|sent| sent.waited).sum();
    let longest = all.iter().map(|sent| sent.longest).max().unwrap_or_default();
    let mean = waited.as_secs_f64() * 1000.0 / f64::from(messages.max(1));
    println!(
        "{acknowledged} {left_out} {mean:.2} {:.1} {:.1}",
        longest.as_secs_f64() * 1000.0,
        span.duration().as_secs_f64()
    );
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: log-load STATION MACHINES RATE SECONDS");
    ExitCode::FAILURE
}

fn talk(station: &str, number: u64, rate: u64, all: u64) -> Sent {
    let first = Instant::now();
    let mut station = Connection { station: station.to_owned(), open: None };
    let run = boot(&mut station, number);
    let began = Instant::now();
    let mut sent = Sent {
        span: Span { first, last: began },
        acknowledged: 0,
        left_out: 0,
        messages: 0,
        waited: Duration::ZERO,
        longest: Duration::ZERO,
    };
    while sent.acknowledged < all {
        let millis = u64::try_from(began.elapsed().as_millis()).expect("a short time");
        let due = (millis * rate / 1000).min(all);
        let lines: Vec<String> = (sent.acknowledged..due.min(sent.acknowledged + BATCH))
            .map(|line| format!("[\"info\",\"write: step {line}, as a machine logs while it is provisioned, a line of usual length\"]"))
            .collect();
        if !lines.is_empty() {
            let body = format!("{{\"version\":1,\"first\":{},\"lines\":[{}]}}", sent.acknowledged, lines.join(","));
            let asked = Instant::now();
            let answer = station.ask("POST", &format!("/agent/v1/runs/{run}/log"), &body);
            sent.span.last = Instant::now();
            let waited = sent.span.last.duration_since(asked);
            sent.messages += 1;
            sent.waited += waited;
            sent.longest = sent.longest.max(waited);
            if let Ok(answer) = answer {
                sent.acknowledged = figure(&answer, "\"next\":").unwrap_or(sent.acknowledged);
                sent.left_out += figure(&answer, "\"left_out\":").unwrap_or(0);
            }
        }
        thread::sleep(GATHERED);
    }
    sent
}

/// The run that this machine is given.
fn boot(station: &mut Connection, number: u64) -> String {
    let mac = format!("52-54-00-20-{:02x}-{:02x}", number >> 8, number & 0xff);
    let run = loop {
        let script = station.ask("GET", &format!("/boot.ipxe?mac={mac}&serial=TALK-{number}&platform=efi"), "");
        if let Some((_, run)) = script.unwrap_or_default().split_once("oxbow.run=") {
            break run[..32].to_owned();
        }
        thread::sleep(GATHERED);
    };
    let hello = format!(
        "{{\"version\":1,\"agent\":\"load\",\"claims\":{{\"macs\":[\"{}\"],\"serial\":\"TALK-{number}\"}},\"disks\":[]}}",
        mac.replace('-', ":")
    );
    while !station
        .ask("POST", &format!("/agent/v1/runs/{run}/hello"), &hello)
        .is_ok_and(|answer| answer.contains("job"))
    {
        thread::sleep(GATHERED);
    }
    run
}

/// One connection, which is opened again when it breaks.
struct Connection {
    station: String,
    open: Option<BufReader<TcpStream>>,
}

impl Connection {
    fn ask(&mut self, verb: &str, path: &str, body: &str) -> io::Result<String> {
        let answer = self.try_to_ask(verb, path, body);
        if answer.is_err() {
            self.open = None;
        }
        answer
    }

    fn try_to_ask(&mut self, verb: &str, path: &str, body: &str) -> io::Result<String> {
        let connection = match &mut self.open {
            Some(connection) => connection,
            none => {
                let stream = TcpStream::connect(&self.station)?;
                stream.set_read_timeout(Some(Duration::from_secs(10)))?;
                stream.set_nodelay(true)?;
                none.insert(BufReader::new(stream))
            }
        };
        let head = format!("{verb} {path} HTTP/1.1\r\nHost: station\r\nContent-Length: {}\r\n\r\n", body.len());
        connection.get_mut().write_all((head + body).as_bytes())?;
        let (mut length, mut line) = (0, String::new());
        connection.read_line(&mut line)?;
        let is_well = line.split(' ').nth(1) == Some("200");
        loop {
            line.clear();
            if connection.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut answer = vec![0; length];
        connection.read_exact(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        if is_well { Ok(answer) } else { Err(io::Error::other(answer)) }
    }
}

fn figure(answer: &str, name: &str) -> Option<u64> {
    let rest = answer.split_once(name)?.1;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// As the agent has them.
const BATCH: u64 = 100;
const GATHERED: Duration = Duration::from_millis(100);
