//! Tells a program elsewhere of every machine that came to another phase, one after the other, each until it is taken.
//!
//! | the other program | then |
//! |---|---|
//! | cannot be reached, or does not answer in 15 s | it is tried again, for as long as it takes |
//! | says 408, 425, 429 or 5xx | it is tried again, [`TRIES`] times; sooner or later as `Retry-After` says |
//! | says anything else but 2xx | it does not want this one: it is given up and counted |
//!
//! What waits meanwhile is bounded ([`crate::webhook_queue`]), and gone when the station stops. No machine waits for any of it.

mod delivery;
mod message;

use std::sync::Arc;
use std::time::Duration;

use delivery::{DeliveryClient, DeliveryOutcome};
use message::WebhookMessage;
use tracing::warn;

use super::{ServiceContext, ServiceError};
use crate::clock;
use crate::domain::station::service::ServiceName;
use crate::protocol::webhook::PhaseChange;
use crate::webhook_queue::Changes;

/// Where to, and how it is believed.
#[derive(Clone)]
pub struct WebhookConfig {
    pub url: String,
    /// Its scheme, host and port, which is all that people are shown: the rest may be a secret.
    pub origin: String,
    /// What bodies are signed with.
    pub key: Option<Vec<u8>>,
    /// Sent as `Authorization: Bearer`.
    pub token: Option<String>,
    /// The authorities that are believed, as PEM, besides those of the system.
    pub authorities: Option<Vec<u8>>,
    /// The first pause after a failure; each is twice the one before.
    pub pause: Duration,
    /// What one try may take.
    pub patience: Duration,
}

/// What was not delivered, since the station's start.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Lost {
    dropped: u64,
    refused: u64,
}

pub async fn serve(context: ServiceContext, config: WebhookConfig, changes: Arc<Changes>) -> Result<(), ServiceError> {
    let post = DeliveryClient::new(&config).map_err(|what| ServiceError {
        what: format!("nothing can be sent to {}: {what}", config.origin),
        hint: "correct [webhook] in the configuration file and start the station again".into(),
        source: None,
    })?;
    let mut worker = QueuedMessage { context, config, changes, post, lost: Lost::default() };
    worker.report().await;
    let stop = worker.context.stop.clone();
    let undelivered = loop {
        let change = tokio::select! {
            () = stop.cancelled() => break 0,
            change = worker.changes.next() => change,
        };
        tokio::select! {
            () = stop.cancelled() => break 1,
            () = worker.deliver(&change) => {}
        }
    };
    let undelivered = undelivered + worker.changes.waiting();
    if undelivered > 0 {
        warn!("{} was not told of {undelivered} changes: the station stops", worker.config.origin);
    }
    Ok(())
}

struct QueuedMessage {
    context: ServiceContext,
    config: WebhookConfig,
    changes: Arc<Changes>,
    post: DeliveryClient,
    /// As it was said last.
    lost: Lost,
}

impl QueuedMessage {
    /// Until it is taken or given up.
    async fn deliver(&mut self, change: &PhaseChange) {
        let mut refused = self.lost.refused;
        let mut failures = 0;
        match WebhookMessage::of(change, self.config.key.as_deref()) {
            Ok(letter) => {
                let letter = Arc::new(letter);
                let mut answered = 0;
                loop {
                    let (why, after) = match self.post.send(letter.clone(), clock::now()).await {
                        DeliveryOutcome::Taken => break,
                        DeliveryOutcome::Refused(why) => {
                            refused += 1;
                            self.give_up(change, &why);
                            break;
                        }
                        DeliveryOutcome::Later(why, _) if answered + 1 == TRIES => {
                            refused += 1;
                            self.give_up(change, &format!("{why}, {TRIES} times"));
                            break;
                        }
                        DeliveryOutcome::Later(why, after) => {
                            answered += 1;
                            (why, after)
                        }
                        DeliveryOutcome::Unreachable(why) => (why, None),
                    };
                    self.is_down(&why).await;
                    let pause = self.config.pause.saturating_mul(1 << failures.min(16)).min(LONGEST);
                    failures += 1;
                    tokio::time::sleep(after.unwrap_or(pause).min(LONGEST)).await;
                }
            }
            Err(why) => {
                refused += 1;
                self.give_up(change, &why);
            }
        }
        let lost = Lost { dropped: self.changes.dropped(), refused };
        if failures > 0 || lost != self.lost {
            self.lost = lost;
            self.report().await;
        }
    }

    fn give_up(&self, change: &PhaseChange, why: &str) {
        let (to, node, phase) = (&self.config.origin, &change.name, &change.phase);
        warn!(node, phase, "{to} was not told: {why}");
    }

    async fn report(&self) {
        self.context.up(ServiceName::Webhook, self.words()).await;
    }

    fn words(&self) -> String {
        let Lost { dropped, refused } = self.lost;
        let mut words = self.config.origin.clone();
        if dropped > 0 {
            words += &format!(", {dropped} dropped while it was unreachable");
        }
        if refused > 0 {
            words += &format!(", {refused} refused by it");
        }
        words
    }

    async fn is_down(&self, why: &str) {
        let (waiting, dropped) = (self.changes.waiting() + 1, self.changes.dropped());
        let what = format!("{} is not told: {why}; {waiting} wait, {dropped} were dropped", self.config.origin);
        let hint = "check that the receiver runs and can be reached; oxbow retries automatically, and no machine \
                    waits for it";
        self.context.down(ServiceName::Webhook, what, hint).await;
    }
}

/// The first pause in the field.
pub const PAUSE: Duration = Duration::from_secs(1);
/// The longest, also when it is asked for.
const LONGEST: Duration = Duration::from_secs(60);
/// How often one is sent to a program that answers that it cannot take it now.
const TRIES: u32 = 8;
/// What one try may take in the field.
pub const PATIENCE: Duration = Duration::from_secs(15);
