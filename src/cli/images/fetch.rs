//! A file or a URL, copied into a part file. What is there of it already is not fetched again, if it is still the same
//! source that it came from.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use ureq::http::Response;
use ureq::http::header::{CONTENT_RANGE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE};
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Body};

use crate::cli::print;
use crate::config::ConfigProblem;
use crate::domain::digest::Digest;
use crate::domain::profile::image::{file_name, is_url};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FetchSource {
    File(PathBuf),
    Url(String),
}

impl FetchSource {
    pub(super) fn new(text: &str) -> Result<Self, ConfigProblem> {
        if is_url(text) {
            return Ok(Self::Url(text.to_owned()));
        }
        let file = fs::canonicalize(text).ok().filter(|file| file.is_file());
        let none =
            || ConfigProblem::new(format!("there is no file {text:?}"), "name a file, or an http:// or https:// URL");
        file.map(Self::File).ok_or_else(none)
    }

    /// What it is called where it is.
    pub(super) fn name(&self) -> String {
        match self {
            Self::File(file) => file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            Self::Url(url) => file_name(url).to_owned(),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::File(file) => file.display().to_string(),
            Self::Url(url) => url.clone(),
        }
    }
}

/// What was fetched.
pub(super) struct Fetched {
    pub(super) sha256: Digest,
}

/// What a part file is part of.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct PartNote {
    from: String,
    /// By what the source is known to be unchanged. None: there is no telling, and no going on.
    validator: Option<String>,
}

/// Where it is noted what `part` is part of.
pub(super) fn note(part: &Path) -> PathBuf {
    let mut name = part.as_os_str().to_owned();
    name.push(".json");
    name.into()
}

/// Copies `source` into `part`. `room` is asked before anything is written whether so many bytes more fit.
pub(super) fn fetch(
    source: &FetchSource,
    part: &Path,
    room: &dyn Fn(u64) -> Result<(), ConfigProblem>,
    moved: &mut dyn FnMut(u64, u64),
) -> Result<Fetched, ConfigProblem> {
    let unwritable = |err: io::Error| {
        ConfigProblem::new(
            format!("{} cannot be written: {err}", part.display()),
            "make room, and check who may write there",
        )
    };
    let mut opened = OpenOptions::new();
    let mut file = opened.read(true).write(true).create(true).truncate(false).open(part).map_err(unwritable)?;
    let (mut breaks, mut known) = (0, noted(part, source));
    loop {
        let at = if known.is_some() { file.seek(SeekFrom::End(0)).map_err(unwritable)? } else { 0 };
        let outcome = open(source, at, known.as_deref()).and_then(|stream| {
            if stream.at < at {
                print::line("its source has changed: it is fetched from its beginning");
            }
            begin(&mut file, part, source, &stream).map_err(|err| FetchError::ForGood(unwritable(err)))?;
            known.clone_from(&stream.validator);
            room(stream.total.saturating_sub(stream.at)).map_err(FetchError::ForGood)?;
            copy(stream, &mut file, moved)
        });
        let reached = file.stream_position().map_err(unwritable)?;
        match outcome {
            Ok(()) => break,
            Err(FetchError::ForGood(problem)) => return Err(problem),
            Err(FetchError::ForNow(_)) if reached > at => breaks = 0,
            Err(FetchError::ForNow(why)) if breaks >= TRIES => {
                let what = format!("{} broke off at byte {reached}: {why}", source.text());
                return Err(ConfigProblem::new(
                    what,
                    "repeat the command when it can be reached: it goes on where it was",
                ));
            }
            Err(FetchError::ForNow(_)) => {}
        }
        thread::sleep(PAUSE * 2_u32.pow(breaks));
        breaks += 1;
    }
    file.sync_all().map_err(unwritable)?;
    Ok(Fetched { sha256: digest(&mut file).map_err(unwritable)? })
}

/// The validator of the source that `part` is part of, if that is this one.
fn noted(part: &Path, source: &FetchSource) -> Option<String> {
    let note: PartNote = serde_json::from_slice(&fs::read(note(part)).ok()?).ok()?;
    note.validator.filter(|_| note.from == source.text())
}

/// Makes `part` as long as what of it is kept, and notes what it is part of.
fn begin(file: &mut File, part: &Path, source: &FetchSource, stream: &FetchStream) -> io::Result<()> {
    let validator = stream.validator.clone();
    let note_text = serde_json::to_vec(&PartNote { from: source.text(), validator })?;
    // Emptied before it is noted: a part is never taken for one of another source.
    file.set_len(stream.at)?;
    fs::write(note(part), note_text)?;
    file.seek(SeekFrom::Start(stream.at)).map(drop)
}

/// A source that was opened at some byte.
struct FetchStream {
    at: u64,
    /// 0 when it is not known.
    total: u64,
    validator: Option<String>,
    bytes: Box<dyn Read>,
}

enum FetchError {
    ForNow(String),
    ForGood(ConfigProblem),
}

fn open(source: &FetchSource, at: u64, known: Option<&str>) -> Result<FetchStream, FetchError> {
    match source {
        FetchSource::File(path) => open_file(path, at, known).map_err(|err| {
            let what = format!("{} cannot be read: {err}", path.display());
            FetchError::ForGood(ConfigProblem::new(what, "check the medium it is on, and its permissions"))
        }),
        FetchSource::Url(url) => open_url(url, at, known),
    }
}

fn open_file(path: &Path, at: u64, known: Option<&str>) -> io::Result<FetchStream> {
    let mut file = File::open(path)?;
    let meta = file.metadata()?;
    let changed = meta.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let validator = format!("{} bytes, {} ns", meta.len(), changed.as_nanos());
    let at = if known == Some(&validator) && at <= meta.len() { at } else { 0 };
    file.seek(SeekFrom::Start(at))?;
    Ok(FetchStream { at, total: meta.len(), validator: Some(validator), bytes: Box::new(file) })
}

fn open_url(url: &str, at: u64, known: Option<&str>) -> Result<FetchStream, FetchError> {
    let mut asked = client().get(url);
    if let Some(known) = known.filter(|_| at > 0) {
        asked = asked.header(RANGE, format!("bytes={at}-")).header(IF_RANGE, known);
    }
    let response = asked.call().map_err(|err| unanswered(url, &err))?;
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    // A weak validator stands for what means the same, not for the same bytes (RFC 9110 section 13.1.5).
    let strong = header(ETAG).filter(|tag| !tag.starts_with("W/"));
    let validator = strong.or_else(|| header(LAST_MODIFIED)).map(str::to_owned);
    let length = response.body().content_length();
    let (at, total) = match response.status().as_u16() {
        200 => (0, length.unwrap_or(0)),
        206 if begins_at(&response) == Some(at) => (at, length.map_or(0, |rest| at + rest)),
        // Nothing behind what is there: it is whole.
        416 => (at, at),
        status @ (408 | 429 | 500..=599) => return Err(FetchError::ForNow(format!("it is answered {status}"))),
        status => {
            let what = format!("{url} is answered {status}");
            return Err(FetchError::ForGood(ConfigProblem::new(what, "check the address")));
        }
    };
    let bytes: Box<dyn Read> =
        if response.status() == 416 { Box::new(io::empty()) } else { Box::new(response.into_body().into_reader()) };
    let validator = validator.or_else(|| known.map(str::to_owned).filter(|_| at > 0));
    Ok(FetchStream { at, total, validator, bytes })
}

/// Who cannot be reached may be reached later; who is not believed will not be by waiting.
fn unanswered(url: &str, err: &ureq::Error) -> FetchError {
    let said = err.to_string();
    let Some((_, doubt)) = said.split_once("certificate verify failed") else { return FetchError::ForNow(said) };
    // OpenSSL's reason comes last, in parentheses.
    let why = doubt.rsplit_once('(').map_or(doubt, |(_, why)| why.trim_end_matches(')'));
    let what = format!("{url}: its certificate is not believed ({why})");
    let hint = "check the address and this machine's clock; an authority of the site's own is added by \
                update-ca-certificates, or named in SSL_CERT_FILE";
    FetchError::ForGood(ConfigProblem::new(what, hint))
}

/// The first byte of `bytes FIRST-LAST/WHOLE` (RFC 9110 section 14.4).
fn begins_at(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

/// Believes whom this machine believes, and goes through the proxy that its environment names.
fn client() -> Agent {
    let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier).build();
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .tls_config(tls)
        .timeout_connect(Some(PATIENCE))
        .timeout_recv_response(Some(PATIENCE))
        .timeout_per_read(Some(PATIENCE))
        .user_agent(concat!("oxbow/", env!("CARGO_PKG_VERSION")));
    config.build().into()
}

fn copy(mut stream: FetchStream, file: &mut File, moved: &mut dyn FnMut(u64, u64)) -> Result<(), FetchError> {
    let (mut buffer, mut at) = (vec![0; BUFFER], stream.at);
    loop {
        let some = stream.bytes.read(&mut buffer).map_err(|err| FetchError::ForNow(err.to_string()))?;
        if some == 0 {
            let is_whole = stream.total == 0 || at == stream.total;
            let why = || FetchError::ForNow("the connection was closed".to_owned());
            return if is_whole { Ok(()) } else { Err(why()) };
        }
        file.write_all(&buffer[..some]).map_err(|err| {
            let what = format!("writing the image failed at byte {at}: {err}");
            FetchError::ForGood(ConfigProblem::new(what, "make room, then repeat the command: it goes on where it was"))
        })?;
        at += some as u64;
        moved(at, stream.total);
    }
}

fn digest(file: &mut File) -> io::Result<Digest> {
    file.seek(SeekFrom::Start(0))?;
    let (mut sha256, mut buffer) = (Sha256::new(), vec![0; BUFFER]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Digest::new(sha256.finalize().into())),
            some => sha256.update(&buffer[..some]),
        }
    }
}

const BUFFER: usize = 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(30);
/// How often in a row it may break off without a new byte.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);
