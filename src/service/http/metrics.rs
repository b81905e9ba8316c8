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

use super::answer::said;
use crate::domain::batch::counts::BatchCounts;
use crate::domain::node::Node;
use crate::domain::node::phase::Phase;
use crate::domain::node::run::RunOutcome;
use crate::domain::snapshot::Snapshot;
use crate::domain::station::service::ServiceState;
use crate::domain::time::Timestamp;

pub(super) fn answer(bench: Arc<Snapshot>, now: Timestamp) -> Response {
    match written(bench, now) {
        Ok(text) => {
            let mut response = text.into_response();
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPENMETRICS));
            response
        }
        Err(err) => said(http::StatusCode::INTERNAL_SERVER_ERROR, &format!("the metrics cannot be written: {err}")),
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
        let mut page = MetricsText(encoder);
        let nodes = || bench.nodes.values().map(Arc::as_ref);
        let about = [("version", bench.station.version), ("interface", bench.station.interface.as_str())];
        page.gauges("oxbow_station", "The station itself; always 1", [(about, 1)])?;
        page.gauge("oxbow_start_time_seconds", "When it started, since 1970", seconds(bench.station.started))?;

        let phases = counted(nodes().map(|node| node.phase.word()));
        page.gauges("oxbow_nodes", "Nodes by phase", labelled("phase", phases))?;
        let stalled = nodes().filter(|node| node.stalled(*now).is_some()).count();
        page.gauge("oxbow_nodes_stalled", "Working nodes that stopped reporting", number(stalled))?;
        let rate: u64 = nodes().filter_map(|node| writing(node)?.rate(*now).into()).sum();
        page.gauge("oxbow_disk_bytes_per_second", "What all nodes move to and from their disks", signed(rate))?;
        let arriving: u64 = nodes().filter_map(|node| writing(node)?.network_rate(*now).into()).sum();
        page.gauge("oxbow_network_bytes_per_second", "What all nodes fetch", signed(arriving))?;
        let runs = counted(nodes().flat_map(|node| &node.runs).map(|run| outcome(run.outcome.as_ref())));
        page.gauges("oxbow_runs", "Runs of the nodes of this bench by outcome", labelled("outcome", runs))?;
        if let Some(batch) = bench.batches.last().filter(|batch| batch.is_open()) {
            let BatchCounts { expected, seen, done, failed, unfinished, missing, unexpected, duplicates, .. } =
                BatchCounts::of(&batch.units(&bench.nodes));
            let counts = [
                ("expected", expected),
                ("seen", seen),
                ("done", done),
                ("failed", failed),
                ("unfinished", unfinished),
                ("missing", missing),
                ("unexpected", unexpected),
                ("duplicates", duplicates),
            ];
            let counts = counts.map(|(what, count)| ([("machines", what)], number(count)));
            page.gauges("oxbow_batch", "Machines of the batch that is open", counts)?;
        }
        let verdicts = counted(bench.cases(*now).into_iter().map(|case| case.verdict.severity.word()));
        page.gauges("oxbow_verdicts", "Machines that got no further, by severity", labelled("severity", verdicts))?;

        let services = bench.services.iter().map(|service| {
            let is_up = matches!(service.state, ServiceState::Up { .. });
            ([("service", service.name.word())], i64::from(is_up))
        });
        page.gauges("oxbow_service_up", "Whether a service of the station serves", services)?;
        if let Some(room) = bench.room {
            page.gauge("oxbow_data_free_bytes", "What is left on the disk of the station's data", signed(room))?;
        }
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

fn writing(node: &Node) -> Option<&crate::domain::machine::progress::StepProgress> {
    node.progress.as_ref().filter(|_| matches!(node.phase, Phase::Booting { .. }))
}

fn outcome(outcome: Option<&RunOutcome>) -> &'static str {
    match outcome {
        None => "open",
        Some(RunOutcome::Proven) => "proven",
        Some(RunOutcome::SaidDone) => "said_done",
        Some(RunOutcome::Failed(_)) => "failed",
        Some(RunOutcome::Interrupted) => "interrupted",
        Some(RunOutcome::Unknown) => "unknown",
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

struct MetricsText<'e>(DescriptorEncoder<'e>);

impl MetricsText<'_> {
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
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::ids::NodeId;
    use crate::domain::station::dhcp::Dhcp;
    use crate::domain::station::service::{ServiceName, ServiceStatus};

    /// What is wrong with a page by the rules that scrapers check (OpenMetrics 1.0): every sample belongs to the family
    /// announced last, of which each has a type and a help, names and labels are well formed, nothing is said twice, and
    /// the page is whole.
    fn flaws(page: &str) -> Vec<String> {
        let (mut wrong, mut seen, mut types) = (Vec::new(), BTreeSet::new(), BTreeMap::new());
        let mut family = String::new();
        let is_name = |name: &str| {
            name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        };
        let Some(lines) = page.strip_suffix("# EOF\n") else { return vec!["it has no end".into()] };
        for line in lines.lines() {
            if let Some(about) = line.strip_prefix("# ") {
                let mut words = about.splitn(3, ' ');
                let [kind, name, rest] = std::array::from_fn(|_| words.next().unwrap_or_default());
                if !["HELP", "TYPE"].contains(&kind) || rest.is_empty() || !is_name(name) {
                    wrong.push(format!("no announcement: {line}"));
                }
                if kind == "TYPE" && types.insert(name.to_owned(), rest.to_owned()).is_some() {
                    wrong.push(format!("announced twice: {name}"));
                }
                family = name.to_owned();
                continue;
            }
            let Some((series, value)) = line.rsplit_once(' ') else {
                wrong.push(format!("no sample: {line}"));
                continue;
            };
            if value.parse::<f64>().is_err() || !seen.insert(series.to_owned()) {
                wrong.push(format!("no number, or said twice: {line}"));
            }
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let suffix = if types.get(&family).is_some_and(|kind| kind == "counter") { "_total" } else { "" };
            if !is_name(name) || name != format!("{family}{suffix}") {
                wrong.push(format!("not of the family {family}: {line}"));
            }
            if !labels.ends_with('}') || labels.replace("\\\\", "").replace("\\\"", "").matches('"').count() % 2 > 0 {
                wrong.push(format!("labels that do not end: {line}"));
            }
        }
        wrong
    }

    #[test]
    fn a_scrape_of_a_bench_at_work_is_well_formed_whatever_words_are_in_it() {
        use crate::domain::batch::{Batch, BatchOrder};
        let mut bench = Snapshot { room: Some(5 << 30), ..Snapshot::default() };
        for (id, phase) in (1..).zip([Phase::Provisioned, Phase::Registered, Phase::Held { reason: "x".into() }]) {
            let mut node = Node::new(NodeId(id), Timestamp::default());
            (node.phase, node.registered) = (phase, true);
            bench.nodes.insert(node.id, Arc::new(node));
        }
        let order = BatchOrder { name: "line 2".into(), ..BatchOrder::default() };
        bench.batches.push(Arc::new(Batch::open(3, order, Timestamp::default())));
        for name in ServiceName::ALL {
            let state = ServiceState::Up { at: "here".into() };
            bench.services.push(ServiceStatus { name, state, restarts: 0 });
        }
        let hostile = "} 1\n# TYPE oxbow_nodes gauge\noxbow_nodes{phase=\"\\";
        let counts = vec![(hostile.to_owned(), 3), ("told".into(), 1)];
        bench.dhcp = Arc::new(Dhcp { unanswered: counts.clone(), dropped: counts, ..Dhcp::default() });
        let page = written(Arc::new(bench), Timestamp::from_millis(9000)).expect("figures");
        assert_eq!(flaws(&page), Vec::<String>::new(), "{page}");
        for line in ["oxbow_batch{machines=\"expected\"} 3", "oxbow_data_free_bytes 5368709120"] {
            assert!(page.lines().any(|has| has == line), "{line}\n{page}");
        }
        for (from, to) in [("# EOF\n", ""), ("oxbow_data_free_bytes 5", "other 5"), ("} 3", "} three")] {
            assert!(!flaws(&page.replace(from, to)).is_empty(), "{to:?} for {from:?} is found");
        }
        assert!(
            !flaws(&page.replace("# EOF", "oxbow_data_free_bytes 1\n# EOF")).is_empty(),
            "said twice, or elsewhere"
        );
    }

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
