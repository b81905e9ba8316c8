//! The state of the bench for machines to read.

use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Reply};

use crate::clock;
use crate::protocol::nodes::NodeRow;
use crate::service::Context;

pub(super) fn routes(context: &Context) -> BoxedFilter<(Response,)> {
    let context = context.clone();
    let nodes = warp::path!("api" / "v1" / "nodes").and(warp::get()).map(move || {
        let bench = context.snapshot();
        let rows: Vec<NodeRow> = bench.nodes.values().map(|node| NodeRow::of(&bench, node, clock::now())).collect();
        warp::reply::json(&rows).into_response()
    });
    let health = warp::path!("healthz").and(warp::get()).map(|| "ok\n".into_response());
    nodes.or(health).unify().boxed()
}
