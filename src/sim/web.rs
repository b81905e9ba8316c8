//! HTTP as a booting machine does it: from its own address, to stations named by address.

use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::time::Duration;

use ureq::BodyReader;

use super::hardware::dialer;
use super::power::{Off, Power};
use crate::agent::boot_args::{StationUrl, Trust};
use crate::agent::station::connection::client;
use crate::domain::digest::Digest;

/// A browser of few words at the address `from`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Web<'p> {
    pub(super) from: Ipv4Addr,
    /// The authority that is believed by HTTPS.
    pub(super) trust: Option<Digest>,
    pub(super) power: &'p Power,
}

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum WebError {
    #[error("`{0}` is no http:// or https:// address with an IP address in it")]
    Url(String),
    #[error("{0}: no DHCP server has said whom to trust")]
    NoTrust(String),
    #[error("{url}: status {status}")]
    Status { url: String, status: u16 },
    #[error("{url}: {reason}")]
    Away { url: String, reason: String },
    #[error(transparent)]
    Off(#[from] Off),
}

impl Web<'_> {
    /// The text at `url`.
    pub(super) fn text(&self, url: &str) -> Result<String, WebError> {
        let mut text = String::new();
        let body = self.open(url)?.take(SCRIPT_LIMIT).read_to_string(&mut text);
        body.map_err(|error| away(url, &error)).map(|_| text)
    }

    /// Fetches what is at `url` and forgets it.
    pub(super) fn load(&self, url: &str) -> Result<(), WebError> {
        let mut body = self.open(url)?;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            self.power.check()?;
            match body.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(away(url, &error)),
            }
        }
    }

    fn open(&self, url: &str) -> Result<BodyReader<'static>, WebError> {
        self.power.check()?;
        let path = url.match_indices('/').nth(2).map_or(url.len(), |(at, _)| at);
        let station: StationUrl = url[..path].parse().map_err(|_| WebError::Url(url.to_owned()))?;
        let trust = match (station.is_https(), self.trust) {
            (true, Some(ca)) => Some(Trust { ca, place: None }),
            (true, None) => return Err(WebError::NoTrust(url.to_owned())),
            (false, _) => None,
        };
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .user_agent("iPXE/2.0.0 (simulated)")
            .timeout_connect(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE))
            .build();
        let answer = client(config, dialer(self.from), station.address(), trust).get(url).call();
        let response = answer.map_err(|error| WebError::Away { url: url.to_owned(), reason: error.to_string() })?;
        match response.status().as_u16() {
            200 => Ok(response.into_body().into_reader()),
            status => Err(WebError::Status { url: url.to_owned(), status }),
        }
    }
}

fn away(url: &str, error: &io::Error) -> WebError {
    WebError::Away { url: url.to_owned(), reason: error.to_string() }
}

const PATIENCE: Duration = Duration::from_secs(10);
const SCRIPT_LIMIT: u64 = 64 * 1024;
