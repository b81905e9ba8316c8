//! The station, as the agent sees it: small questions over HTTP, and the image.

pub mod backoff;
pub mod connection;
pub mod error;
pub(super) mod outbox;
pub(super) mod sender;
pub(super) mod tls;

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::Response;
use ureq::{Body, BodyReader};

use super::boot_args::{BootArgs, StationUrl};
use super::machine::Dialer;
use super::station::backoff::RetryPolicy;
use super::station::connection::client;
use super::station::tls::PeerUntrusted;
use crate::agent::station::error::in_words;
use crate::domain::ids::RunId;
use crate::protocol::{Ack, AgentOrder, Follows, HelloMessage, HelloReply, LogAck, LogLines, Moved, Reports, paths};

/// A client for one run at one station. Every request is small and has a time limit; nothing is retried here.
#[derive(Debug)]
pub(super) struct StationClient {
    url: StationUrl,
    run: RunId,
    http: ureq::Agent,
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum StationError {
    /// No connection, or it broke.
    #[error("the station does not answer: {0}")]
    Away(String),
    /// The peer could not be verified as the station.
    #[error("the station is not trusted: {0}")]
    Doubtful(String),
    #[error("the station answers {status}: {reason}")]
    Refused { status: u16, reason: String },
    #[error("the station does not know this run")]
    UnknownRun,
    /// The response is malformed.
    #[error("the station's answer cannot be read: {0}")]
    Unreadable(String),
}

/// Part of the image's file, from some offset on.
pub(super) struct FilePart {
    pub body: BodyReader<'static>,
    /// Where the part begins: as asked, or 0 from a station that does not do ranges.
    pub offset: u64,
    /// Length of the whole file in bytes, when the station says it.
    pub whole: Option<u64>,
    /// What the station calls the file's content.
    pub tag: Option<String>,
}

impl StationClient {
    pub(super) fn new(boot_args: &BootArgs, dialer: Dialer, retry_policy: &RetryPolicy) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("oxbow-agent/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(retry_policy.connect))
            .timeout_per_read(Some(retry_policy.read))
            .timeout_per_write(Some(retry_policy.read))
            .timeout_recv_response(Some(retry_policy.question))
            .build();
        let http = client(config, dialer, boot_args.station.address(), boot_args.trust.clone());
        Self { url: boot_args.station, run: boot_args.run, http }
    }

    pub(super) fn url(&self) -> StationUrl {
        self.url
    }

    pub(super) fn hello(&self, hello: &HelloMessage) -> Result<HelloReply, StationError> {
        read(self.post(&paths::hello(self.run), hello, QUESTION)?)
    }

    pub(super) fn reports(&self, reports: &Reports) -> Result<Ack, StationError> {
        read(self.post(&paths::reports(self.run), reports, QUESTION)?)
    }

    pub(super) fn log(&self, lines: &LogLines) -> Result<LogAck, StationError> {
        read(self.post(&paths::log(self.run), lines, QUESTION)?)
    }

    /// Only the newest figure matters, so the time limit is short.
    pub(super) fn progress(&self, moved: Moved) -> Result<(), StationError> {
        self.post(&paths::progress(self.run), &moved, FIGURE).map(drop)
    }

    /// None from an older station that does not know the request.
    pub(super) fn configuration(&self) -> Result<Option<Follows>, StationError> {
        let asked = self.http.get(self.url.at(&paths::configuration(self.run)));
        let response = asked.config().timeout_global(Some(LONG_ANSWER)).build().call().map_err(away)?;
        match accepted(response) {
            Ok(response) => read_up_to(CONFIGURATION_LIMIT, response).map(Some),
            Err(StationError::Refused { status: NOT_FOUND, .. }) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// The answer to a hello, without sending one.
    pub(super) fn job(&self) -> Result<HelloReply, StationError> {
        let asked = self.http.get(self.url.at(&paths::job(self.run)));
        let response = asked.config().timeout_global(Some(QUESTION)).build().call().map_err(away)?;
        read(accepted(response)?)
    }

    pub(super) fn order(&self) -> Result<AgentOrder, StationError> {
        let asked = self.http.get(self.url.at(&paths::word(self.run)));
        let response = asked.config().timeout_global(Some(QUESTION)).build().call().map_err(away)?;
        read(accepted(response)?)
    }

    /// The image at `path` from byte `offset` on. [`StationError::Refused`] with status 416 means that there is none.
    pub(super) fn image(&self, path: &str, offset: u64) -> Result<FilePart, StationError> {
        let asked = self.http.get(self.url.at(path));
        let asked = if offset > 0 { asked.header("Range", format!("bytes={offset}-")) } else { asked };
        let response = accepted(asked.call().map_err(away)?)?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let (offset, whole) = match header("Content-Range") {
            Some(range) if response.status() == PARTIAL => {
                content_range(range).ok_or_else(|| StationError::Unreadable(format!("Content-Range `{range}`")))?
            }
            _ => (0, response.body().content_length()),
        };
        let tag = header("ETag").map(str::to_owned);
        Ok(FilePart { body: response.into_body().into_reader(), offset, whole, tag })
    }

    fn post(&self, path: &str, message: &impl Serialize, limit: Duration) -> Result<Response<Body>, StationError> {
        let message = serde_json::to_vec(message).map_err(|error| StationError::Unreadable(error.to_string()))?;
        let asked = self.http.post(self.url.at(path)).content_type("application/json");
        accepted(asked.config().timeout_global(Some(limit)).build().send(&message).map_err(away)?)
    }
}

fn accepted(mut response: Response<Body>) -> Result<Response<Body>, StationError> {
    if response.status().is_success() {
        return Ok(response);
    }
    let text = response.body_mut().with_config().limit(ANSWER_LIMIT).read_to_vec().unwrap_or_default();
    if response.status() == NOT_FOUND && serde_json::from_slice::<Ack>(&text).is_ok() {
        return Err(StationError::UnknownRun);
    }
    let reason = crate::domain::text::clean(&String::from_utf8_lossy(&text), 200);
    Err(StationError::Refused { status: response.status().as_u16(), reason })
}

fn read<T: DeserializeOwned>(response: Response<Body>) -> Result<T, StationError> {
    read_up_to(ANSWER_LIMIT, response)
}

fn read_up_to<T: DeserializeOwned>(limit: u64, mut response: Response<Body>) -> Result<T, StationError> {
    let text = response.body_mut().with_config().limit(limit).read_to_vec().map_err(away)?;
    serde_json::from_slice(&text).map_err(|error| StationError::Unreadable(error.to_string()))
}

fn away(error: ureq::Error) -> StationError {
    let doubt = match &error {
        ureq::Error::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref::<PeerUntrusted>()),
        _ => None,
    };
    if let Some(doubt) = doubt {
        return StationError::Doubtful(doubt.to_string());
    }
    StationError::Away(in_words(&error))
}

/// First byte and whole length of `bytes FIRST-LAST/WHOLE` (RFC 9110 section 14.4).
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, whole) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.parse().ok()?, whole.parse().ok()))
}

const PARTIAL: u16 = 206;
const NOT_FOUND: u16 = 404;
pub(super) const NO_SUCH_RANGE: u16 = 416;
/// A station that stores slowly is given this long.
const QUESTION: Duration = Duration::from_secs(10);
const FIGURE: Duration = Duration::from_secs(1);
/// The longest answer that is read: a job is under 1 KiB.
const ANSWER_LIMIT: u64 = 64 * 1024;
/// A configuration holds whole files, though small ones.
const CONFIGURATION_LIMIT: u64 = 16 * 1024 * 1024;
const LONG_ANSWER: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_says_where_the_part_begins_and_how_long_the_file_is() {
        assert_eq!(content_range("bytes 100-199/200"), Some((100, Some(200))));
        assert_eq!(content_range("bytes 100-199/*"), Some((100, None)));
        assert_eq!(content_range("lines 1-2/3"), None);
    }
}
