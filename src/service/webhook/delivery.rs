//! Sends one letter once, and says what became of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
use ureq::{Agent, Body};

use super::WebhookConfig;
use super::message::WebhookMessage;
use crate::domain::text;
use crate::domain::time::Timestamp;

/// What became of a letter, in words where it was not taken.
pub(super) enum DeliveryOutcome {
    Taken,
    /// It is not wanted, and will not be.
    Refused(String),
    /// The other program cannot take it now, and may have said when it can.
    Later(String, Option<Duration>),
    Unreachable(String),
}

#[derive(Clone)]
pub(super) struct DeliveryClient {
    agent: Agent,
    url: Arc<str>,
    token: Option<Arc<str>>,
}

impl DeliveryClient {
    /// The error says what is wrong with the authorities.
    pub(super) fn new(config: &WebhookConfig) -> Result<Self, String> {
        let roots = match &config.authorities {
            None => RootCerts::PlatformVerifier,
            Some(pem) => RootCerts::Specific(Arc::new(certificates(pem)?)),
        };
        let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(roots).build();
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // A redirect repeats each time: the configured URL must be corrected.
            .max_redirects(0)
            .tls_config(tls)
            .timeout_global(Some(config.patience))
            .user_agent(concat!("oxbow/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        let token = config.token.as_deref().map(Into::into);
        Ok(Self { agent, url: config.url.as_str().into(), token })
    }

    pub(super) async fn send(&self, letter: Arc<WebhookMessage>, now: Timestamp) -> DeliveryOutcome {
        let post = self.clone();
        match spawn_blocking(move || post.post(&letter, now)).await {
            Ok(outcome) => outcome,
            Err(fault) => DeliveryOutcome::Refused(format!("a fault in oxbow itself: {fault}")),
        }
    }

    fn post(&self, letter: &WebhookMessage, now: Timestamp) -> DeliveryOutcome {
        let second = now.as_millis() / 1000;
        let mut asked = self
            .agent
            .post(&*self.url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &letter.id)
            .header("webhook-timestamp", second.to_string());
        match letter.signature(second) {
            Ok(Some(signature)) => asked = asked.header("webhook-signature", signature),
            Ok(None) => {}
            Err(err) => return DeliveryOutcome::Refused(format!("signing failed: {err}")),
        }
        if let Some(token) = &self.token {
            asked = asked.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        match asked.send(&letter.body) {
            Ok(answer) => outcome(&answer),
            Err(err) => DeliveryOutcome::Unreachable(unreachable(&err)),
        }
    }
}

fn outcome(answer: &ureq::http::Response<Body>) -> DeliveryOutcome {
    let status = answer.status().as_u16();
    let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
    match status {
        200..=299 => DeliveryOutcome::Taken,
        300..=399 => {
            let to = text::clean(header(LOCATION).unwrap_or("nowhere"), 80);
            DeliveryOutcome::Refused(format!("it answers {status} with a redirect to {to}, which is not configured"))
        }
        408 | 425 | 429 | 500..=599 => {
            let after = header(RETRY_AFTER).and_then(|seconds| seconds.trim().parse().ok()).map(Duration::from_secs);
            DeliveryOutcome::Later(format!("it answers {status}"), after)
        }
        _ => DeliveryOutcome::Refused(format!("it answers {status}")),
    }
}

/// Without the address, of which a part may be a secret.
fn unreachable(err: &ureq::Error) -> String {
    let said = err.to_string();
    match said.split_once("certificate verify failed") {
        // OpenSSL's reason comes last, in parentheses.
        Some((_, doubt)) => {
            let why = doubt.rsplit_once('(').map_or(doubt, |(_, why)| why.trim_end_matches(')'));
            format!("its certificate is not trusted ({})", text::clean(why, 80))
        }
        None => text::clean(&said, 120),
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, String> {
    let certificates = parse_pem(pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
        Ok(_) => None,
        Err(err) => Some(Err(err.to_string())),
    });
    certificates.collect()
}
