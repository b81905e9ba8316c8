//! The state of the bench for machines to read. Nothing can be changed here.
//!
//! What may be read from elsewhere needs the station's token ([`super::token`]); whether the station runs needs none.

use std::collections::HashMap;

use http::{HeaderMap, StatusCode};
use serde::Serialize;
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Reply};

use super::answer::said;
use super::{HttpConfig, Peer, metrics, token};
use crate::clock;
use crate::domain::batch::unit::Unit;
use crate::domain::ids::NodeId;
use crate::domain::snapshot::Snapshot;
use crate::domain::time::Timestamp;
use crate::protocol::batch::BatchRow;
use crate::protocol::nodes::{EventRow, NodeRow};
use crate::service::ServiceContext;

pub(super) fn routes(context: &ServiceContext, config: &HttpConfig) -> BoxedFilter<(Response,)> {
    let (own, token) = (config.listen.ip(), config.token.clone());
    let context = context.clone();
    let page = warp::path!("api" / "v1" / String).map(ApiPage::Api);
    let page = page.or(warp::path!("metrics").map(|| ApiPage::Metrics)).unify();
    let query = warp::query::<HashMap<String, String>>().or(warp::any().map(HashMap::new)).unify();
    let asked = page.and(reads()).and(warp::ext::get::<Peer>()).and(warp::header::headers_cloned()).and(query);
    let read = asked.map(move |page, peer, headers: HeaderMap, query: HashMap<String, String>| {
        if let Some(refused) = token::refusal(token.as_ref(), own, peer, &headers) {
            return refused;
        }
        let (bench, now) = (context.snapshot(), clock::now());
        match page {
            ApiPage::Metrics => metrics::answer(bench, now),
            ApiPage::Api(name) => match name.as_str() {
                "nodes" => json(&bench.nodes.values().map(|node| NodeRow::of(&bench, node, now)).collect::<Vec<_>>()),
                "batch" => json(&BatchPage::of(&bench, now)),
                "events" => match Wanted::of(&query) {
                    Ok(wanted) => json(&events(&bench, &wanted)),
                    Err(why) => said(StatusCode::BAD_REQUEST, &why),
                },
                _ => said(StatusCode::NOT_FOUND, "the API has /api/v1/nodes, /api/v1/batch and /api/v1/events"),
            },
        }
    });
    let health = warp::path!("healthz").and(reads()).map(|| "ok\n".into_response());
    read.or(health).unify().boxed()
}

/// Whoever watches that programs are there may ask for the head of a page alone.
fn reads() -> impl Filter<Extract = (), Error = warp::Rejection> + Copy {
    warp::get().or(warp::head()).unify()
}

enum ApiPage {
    Api(String),
    Metrics,
}

/// The latest batch, and its machines; nulls where none was ever opened.
#[derive(Serialize)]
struct BatchPage {
    batch: Option<BatchRow>,
    units: Vec<Unit>,
}

impl BatchPage {
    fn of(bench: &Snapshot, now: Timestamp) -> Self {
        match BatchRow::of(bench, None, now) {
            Some((batch, units)) => Self { batch: Some(batch), units },
            None => Self { batch: None, units: Vec::new() },
        }
    }
}

/// Which events are requested.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    node: Option<NodeId>,
    /// Later than this.
    after: Timestamp,
    limit: usize,
}

impl Wanted {
    fn of(query: &HashMap<String, String>) -> Result<Self, String> {
        let mut wanted = Self { limit: USUAL, ..Self::default() };
        for (name, value) in query {
            let number: u64 = value.parse().map_err(|_| format!("{name} must be a number, not {value:?}"))?;
            match name.as_str() {
                "node" => wanted.node = Some(NodeId(u32::try_from(number).unwrap_or(u32::MAX))),
                "after" => wanted.after = Timestamp::from_millis(number),
                "limit" => wanted.limit = usize::try_from(number).unwrap_or(MOST).min(MOST),
                _ => {
                    return Err(format!(
                        "unknown parameter {name:?}: use node, after (milliseconds since 1970) and limit"
                    ));
                }
            }
        }
        Ok(wanted)
    }
}

/// The newest of what happened, the oldest of them first. Of each node the station remembers 200 lines; the rest is in the
/// nodes' log files.
fn events(bench: &Snapshot, wanted: &Wanted) -> Vec<EventRow> {
    let nodes = bench.nodes.values().filter(|node| wanted.node.is_none_or(|only| only == node.id));
    let mut rows: Vec<EventRow> = nodes
        .flat_map(|node| {
            let new = node.log.lines().filter(|line| line.at > wanted.after);
            new.map(|line| EventRow::of(node.id, &node.label(), line)).collect::<Vec<_>>()
        })
        .collect();
    // Stable: lines of one moment stay in their order.
    rows.sort_by_key(|row| row.at);
    rows.drain(..rows.len().saturating_sub(wanted.limit));
    rows
}

fn json(rows: &impl Serialize) -> Response {
    warp::reply::json(rows).into_response()
}

/// The default number of events.
const USUAL: usize = 200;
const MOST: usize = 5000;
