//! The state of the bench for machines to read.

use serde::Serialize;
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Reply};

use crate::domain::ids::{MacAddr, NodeId, ProfileId, Serial, SystemUuid};
use crate::domain::node::Node;
use crate::domain::phase::Phase;
use crate::service::Context;

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    let context = context.clone();
    let nodes = warp::path!("api" / "v1" / "nodes").and(warp::get()).map(move || {
        let bench = context.snapshot();
        let rows: Vec<Row<'_>> = bench.nodes.values().map(|node| row(node)).collect();
        warp::reply::json(&rows).into_response()
    });
    let health = warp::path!("healthz").and(warp::get()).map(|| "ok\n".into_response());
    nodes.or(health).unify().boxed()
}

/// A node as `GET /api/v1/nodes` shows it. Keys are only ever added.
#[derive(Serialize)]
struct Row<'n> {
    id: NodeId,
    name: String,
    mac: Option<MacAddr>,
    serial: Option<&'n Serial>,
    uuid: Option<SystemUuid>,
    /// As assigned; null means the default profile.
    profile: Option<&'n ProfileId>,
    phase: &'static str,
    /// Of the present step.
    percent: Option<u8>,
    /// Where and why it failed, or why it waits.
    stage: Option<&'static str>,
    reason: Option<&'n str>,
    /// Attempts so far.
    runs: usize,
    /// Milliseconds since the Unix epoch.
    last_seen: Option<u64>,
}

fn row(node: &Node) -> Row<'_> {
    let (stage, reason) = match &node.phase {
        Phase::Failed(failure) => (Some(failure.stage.word()), Some(failure.reason.as_str())),
        Phase::Held { reason } | Phase::Conflict { reason } => (None, Some(reason.as_str())),
        Phase::Registered | Phase::Booting { .. } | Phase::Provisioned => (None, None),
    };
    Row {
        id: node.id,
        name: node.label(),
        mac: node.macs.first().copied(),
        serial: node.serial.as_ref(),
        uuid: node.uuid,
        profile: node.profile.as_ref(),
        phase: node.phase.word(),
        percent: node.progress.as_ref().map(crate::domain::progress::Progress::percent),
        stage,
        reason,
        runs: node.runs.len(),
        last_seen: node.last_seen.map(crate::domain::time::Timestamp::as_millis),
    }
}
