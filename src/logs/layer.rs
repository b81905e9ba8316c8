//! Passes what services log to the hub, which shows it among the lines of all nodes.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level as Severity, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::clock;
use crate::domain::logline::{Level, LogLine, LogSource};
use crate::domain::station::service::ServiceName;
use crate::domain::station::stream::{Origin, StreamLine};
use crate::inbox::{Inbox, Input};

/// Receives every line of the log. It never waits: a line for which the hub has no room is dropped and counted.
pub(super) struct ScreenLayer {
    hub: Inbox,
}

impl ScreenLayer {
    pub(super) fn new(hub: Inbox) -> Self {
        Self { hub }
    }
}

impl<S: Subscriber> Layer<S> for ScreenLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let about = event.metadata();
        let level = match *about.level() {
            Severity::ERROR => Level::Error,
            Severity::WARN => Level::Warning,
            Severity::INFO => Level::Info,
            _ => return,
        };
        // The hub shows its own lines already, and those of libraries are for programmers. What a machine did is among
        // its node's lines.
        let Some(room) = about.target().strip_prefix("oxbow::").filter(|room| !room.starts_with("hub")) else { return };
        let mut words = Words::default();
        event.record(&mut words);
        if words.is_of_a_node && level == Level::Info {
            return;
        }
        let by = words.service.or_else(|| service_of(room)).map_or(Origin::Station, Origin::Service);
        let line = LogLine::new(clock::now(), LogSource::Station, level, &words.text());
        self.hub.mention(Input::Said(Box::new(StreamLine { by, line })));
    }
}

/// The service that logs in this module.
fn service_of(room: &str) -> Option<ServiceName> {
    let name = room.strip_prefix("service::")?.split("::").next()?;
    Some(match name {
        "dhcp" | "rogue" => ServiceName::Dhcp,
        "tftp" => ServiceName::Tftp,
        "http" => ServiceName::Http,
        "tls" => ServiceName::Https,
        "syslog" => ServiceName::Syslog,
        "router_advert" => ServiceName::RouterAdvert,
        "images" => ServiceName::Images,
        "control" => ServiceName::Control,
        "import_folder" => ServiceName::ImportFolder,
        "webhook" => ServiceName::Webhook,
        "link" => ServiceName::Network,
        _ => return None,
    })
}

/// An event as one line: its message, then its fields as `name=value`.
#[derive(Default)]
struct Words {
    message: String,
    fields: String,
    service: Option<ServiceName>,
    /// It has a machine's claims with it, or a run.
    is_of_a_node: bool,
}

impl Words {
    fn text(self) -> String {
        self.message + &self.fields
    }
}

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "service"
            && let Some(service) = ServiceName::ALL.into_iter().find(|service| service.word() == value)
        {
            self.service = Some(service);
            return;
        }
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.is_of_a_node |= matches!(field.name(), "claims" | "run");
        let _a_string_takes_all = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::inbox::inbox;

    /// What the hub is told while `speak` is heard.
    fn heard(speak: impl FnOnce()) -> Vec<(Origin, Level, String)> {
        let (inbox, mut outlet) = inbox();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(ScreenLayer::new(inbox)), speak);
        let notes = std::iter::from_fn(|| outlet.notes.try_recv().ok());
        let said = notes.map(|note| match note {
            Input::Said(said) => (said.by, said.line.level, said.line.text.to_string()),
            other => panic!("not a line: {other:?}"),
        });
        said.collect()
    }

    #[test]
    fn what_a_service_says_is_shown_as_its_own_with_its_figures() {
        let said = heard(|| {
            tracing::warn!(target: "oxbow::service::tftp::files", file = "ipxe.efi", times = 3, "cannot be read");
            tracing::error!(target: "oxbow::supervise", service = "http", "port 80 is in use");
            tracing::info!(target: "oxbow::station", "stopped");
            tracing::info!(target: "oxbow::service::syslog", "10.77.0.99, which is no node's, says: who am I");
        });
        assert_eq!(
            said,
            [
                (Origin::Service(ServiceName::Tftp), Level::Warning, "cannot be read file=ipxe.efi times=3".to_owned()),
                (Origin::Service(ServiceName::Http), Level::Error, "port 80 is in use".to_owned()),
                (Origin::Station, Level::Info, "stopped".to_owned()),
                (
                    Origin::Service(ServiceName::Syslog),
                    Level::Info,
                    "10.77.0.99, which is no node's, says: who am I".to_owned()
                ),
            ]
        );
    }

    #[test]
    fn what_the_hub_said_already_and_what_programmers_read_is_not_shown_twice_or_at_all() {
        let said = heard(|| {
            tracing::info!(target: "oxbow::hub", node = "press-07", "dhcp: offered 10.77.0.100");
            tracing::debug!(target: "oxbow::service::dhcp", "decided");
            tracing::info!(target: "oxbow::service::http", claims = "SN-4001", "boot script asked for");
            tracing::info!(target: "oxbow::service::http::agent", run = "0f3a", "its own system has called");
            tracing::warn!(target: "hyper::proto", "connection reset");
        });
        assert_eq!(said, []);
    }

    #[test]
    fn a_line_with_an_escape_sequence_is_cleaned() {
        let said = heard(|| tracing::info!(target: "oxbow::service::http", path = "/\u{1b}[2J", "not found"));
        assert_eq!(said[0].2, "not found path=/·[2J");
    }
}
