//! A machine's serial console: written to a file as it comes, and waited for.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What the machine has said since power-on.
pub(super) struct Serial {
    heard: Arc<(Mutex<Heard>, Condvar)>,
    reader: Option<JoinHandle<()>>,
    /// The line after the last one that was waited for.
    next: usize,
}

#[derive(Default)]
struct Heard {
    lines: Vec<(f64, String)>,
    ended: bool,
}

impl Serial {
    /// Reads `from` until it ends, stamping each line into `file` with seconds since now.
    pub(super) fn record(from: impl Read + Send + 'static, mut file: File) -> Self {
        let heard = Arc::new((Mutex::<Heard>::default(), Condvar::new()));
        let (teller, start) = (Arc::clone(&heard), Instant::now());
        let reader = thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut raw = Vec::new();
            while matches!(from.read_until(b'\n', &mut raw), Ok(1..)) {
                let (seconds, line) = (start.elapsed().as_secs_f64(), plain(&raw));
                raw.clear();
                writeln!(file, "{seconds:8.2}  {line}").ok();
                lock(&teller.0).lines.push((seconds, line));
                teller.1.notify_all();
            }
            lock(&teller.0).ended = true;
            teller.1.notify_all();
        });
        Self { heard, reader: Some(reader), next: 0 }
    }

    /// Seconds since power-on of the next line that holds `text`.
    pub(super) fn wait_for(&mut self, text: &str, limit: Duration) -> Result<f64, String> {
        let deadline = Instant::now() + limit;
        let mut heard = lock(&self.heard.0);
        loop {
            while let Some((seconds, line)) = heard.lines.get(self.next) {
                self.next += 1;
                if line.contains(text) {
                    return Ok(*seconds);
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if heard.ended || left.is_zero() {
                let why = if heard.ended { "before the machine went off".into() } else { format!("in {limit:?}") };
                let from = heard.lines.len().saturating_sub(LAST_LINES);
                let last: Vec<&str> = heard.lines[from..].iter().map(|(_, line)| line.as_str()).collect();
                return Err(format!("no {text:?} on the serial console {why}; its last lines:\n{}", last.join("\n")));
            }
            heard = self.heard.1.wait_timeout(heard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// How often a line with `text` was heard so far.
    pub(super) fn count(&self, text: &str) -> usize {
        lock(&self.heard.0).lines.iter().filter(|(_, line)| line.contains(text)).count()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        lock(&self.heard.0).lines.iter().map(|(_, line)| line.clone()).collect()
    }

    pub(super) fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().ok();
        }
    }
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A line without the escape sequences that firmware draws its screens with.
fn plain(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let mut line = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\x1b' => {
                if chars.next() == Some('[') {
                    chars.find(char::is_ascii_alphabetic);
                }
            }
            char if char.is_control() => {}
            char => line.push(char),
        }
    }
    line
}

const LAST_LINES: usize = 25;
