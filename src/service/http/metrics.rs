//! The bench in figures, for Prometheus: `GET /metrics`, made from the snapshot at each scrape (OpenMetrics 1.0, which
//! Prometheus reads as its own).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use http::header::CONTENT_TYPE;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use warp::Reply;
use warp::reply::Response;

use super::routes::said;
use crate::domain::node::Node;
use crate::domain::phase::Phase;
use crate::domain::run::Outcome;
use crate::domain::service::ServiceState;
use crate::domain::snapshot::Snapshot;
use crate::domain::time::Timestamp;

pub(super) fn answer(bench: Arc<Snapshot>, now: Timestamp) -> Response {
    match written(bench, now) {
        Ok(text) => {
            let mut response = text.into_response();
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPENMETRICS));
            response
        }
        Err(err) => said(http::StatusCode::INTERNAL_SERVER_ERROR, &format!("the figures cannot be written: {err}")),
    }
}

fn written(bench: Arc<Snapshot>, now: Timestamp) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Figures { bench, now }));
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}

struct Figures {
    bench: Arc<Snapshot>,
    now: Timestamp,
}

impl fmt::Debug for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Figures({})", self.bench.version)
    }
}

impl Collector for Figures {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let Self { bench, now } = self;
        let mut page = Page(encoder);
        let nodes = || bench.nodes.values().map(Arc::as_ref);
        let about = [("version", bench.station.version), ("interface", bench.station.interface.as_str())];
        page.gauges("oxbow_station", "The station itself; always 1", [(about, 1)])?;
        page.gauge("oxbow_start_time_seconds", "When it started, since 1970", seconds(bench.station.started))?;

        let phases = counted(nodes().map(|node| node.phase.word()));
        page.gauges("oxbow_nodes", "Nodes by phase", labelled("phase", phases))?;
        let stalled = nodes().filter(|node| node.stalled(*now).is_some()).count();
        page.gauge("oxbow_nodes_stalled", "Nodes at work that have fallen silent", number(stalled))?;
        let rate: u64 = nodes().filter_map(|node| writing(node)?.rate(*now).into()).sum();
        page.gauge("oxbow_disk_bytes_per_second", "What all nodes move to and from their disks", signed(rate))?;
        let arriving: u64 = nodes().filter_map(|node| writing(node)?.network_rate(*now).into()).sum();
        page.gauge("oxbow_network_bytes_per_second", "What all nodes fetch", signed(arriving))?;
        let runs = counted(nodes().flat_map(|node| &node.runs).map(|run| outcome(run.outcome.as_ref())));
        page.gauges("oxbow_runs", "Runs of the nodes of this bench by outcome", labelled("outcome", runs))?;
        let verdicts = counted(bench.cases(*now).into_iter().map(|case| case.verdict.severity.word()));
        page.gauges("oxbow_verdicts", "Machines that got no further, by severity", labelled("severity", verdicts))?;

        let services = bench.services.iter().map(|service| {
            let is_up = matches!(service.state, ServiceState::Up { .. });
            ([("service", service.name.word())], i64::from(is_up))
        });
        page.gauges("oxbow_service_up", "Whether a service of the station serves", services)?;
        let pool = &bench.dhcp.pool;
        let addresses =
            [("leased", pool.leased), ("offered", pool.offered), ("resting", pool.resting), ("free", pool.free())];
        let addresses = addresses.map(|(state, count)| ([("state", state)], number(count)));
        page.gauges("oxbow_dhcp_addresses", "Addresses of the pool", addresses)?;
        let unanswered = bench.dhcp.unanswered.iter().map(|(reason, count)| ([("reason", reason.as_str())], *count));
        page.counters("oxbow_dhcp_unanswered", "Requests left unanswered on purpose", unanswered)?;
        let dropped = bench.dhcp.dropped.iter().map(|(reason, count)| ([("reason", reason.as_str())], *count));
        page.counters("oxbow_dhcp_dropped", "Requests not looked at", dropped)?;
        page.counter("oxbow_observations_dropped", "Observations that found no room", bench.dropped)
    }
}

fn writing(node: &Node) -> Option<&crate::domain::progress::Progress> {
    node.progress.as_ref().filter(|_| matches!(node.phase, Phase::Booting { .. }))
}

fn outcome(outcome: Option<&Outcome>) -> &'static str {
    match outcome {
        None => "open",
        Some(Outcome::Proven) => "proven",
        Some(Outcome::SaidDone) => "said_done",
        Some(Outcome::Failed(_)) => "failed",
        Some(Outcome::Interrupted) => "interrupted",
        Some(Outcome::Unknown) => "unknown",
    }
}

fn counted(words: impl Iterator<Item = &'static str>) -> BTreeMap<&'static str, i64> {
    words.fold(BTreeMap::new(), |mut counts, word| {
        *counts.entry(word).or_default() += 1;
        counts
    })
}

fn labelled(
    label: &'static str,
    counts: BTreeMap<&'static str, i64>,
) -> impl Iterator<Item = ([(&'static str, &'static str); 1], i64)> {
    counts.into_iter().map(move |(word, count)| ([(label, word)], count))
}

fn seconds(at: Timestamp) -> i64 {
    signed(at.as_millis() / 1000)
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

struct Page<'e>(DescriptorEncoder<'e>);

impl Page<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: i64) -> fmt::Result {
        ConstGauge::new(value).encode(self.0.encode_descriptor(name, help, None, MetricType::Gauge)?)
    }

    fn gauges<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, i64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in values {
            ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        ConstCounter::new(value).encode(self.0.encode_descriptor(name, help, None, MetricType::Counter)?)
    }

    fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in values {
            ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dhcp::Dhcp;
    use crate::domain::ids::NodeId;
    use crate::domain::service::{ServiceName, ServiceStatus};

    #[test]
    fn a_scrape_has_the_bench_in_figures_and_hostile_words_stay_in_their_label() {
        let mut bench = Snapshot::default();
        for (id, phase) in [(1, Phase::Provisioned), (2, Phase::Provisioned), (3, Phase::Registered)] {
            let mut node = Node::new(NodeId(id), Timestamp::default());
            node.phase = phase;
            bench.nodes.insert(node.id, Arc::new(node));
        }
        let state = ServiceState::Down { what: "x".into(), hint: "y".into() };
        bench.services.push(ServiceStatus { name: ServiceName::Tftp, state, restarts: 1 });
        bench.dropped = 7;
        bench.dhcp = Arc::new(Dhcp { unanswered: vec![("a \"b\"\nc".into(), 3)], ..Dhcp::default() });
        let text = written(Arc::new(bench), Timestamp::from_millis(9000)).expect("figures");
        for line in [
            "# TYPE oxbow_nodes gauge",
            "oxbow_nodes{phase=\"provisioned\"} 2",
            "oxbow_nodes{phase=\"registered\"} 1",
            "oxbow_service_up{service=\"tftp\"} 0",
            "oxbow_observations_dropped_total 7",
            "oxbow_dhcp_unanswered_total{reason=\"a \\\"b\\\"\\nc\"} 3",
        ] {
            assert!(text.lines().any(|has| has == line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
