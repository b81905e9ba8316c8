//! A machine's own system says that it runs, below `/r/RUN/home`: by POST, or by GET, as whatever is on its image can.

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use http::StatusCode;
use tracing::info;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::routes::said;
use crate::boot::home;
use crate::domain::fleet::Heard;
use crate::domain::ids::RunId;
use crate::inbox::{NotKept, Note};
use crate::service::Context;

pub(super) fn route(context: &Context) -> BoxedFilter<(Response,)> {
    let context = context.clone();
    let path = warp::path!("r" / RunId / "home");
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    path.and(warp::get().or(warp::post()).unify())
        .and(query)
        .and(warp::body::stream())
        .then(move |run, query: String, body| {
            let context = context.clone();
            async move { called(&context, run, &query, &begin(body).await).await }
        })
        .boxed()
}

/// As much of a body as is looked at.
async fn begin<B: Buf, E>(body: impl Stream<Item = Result<B, E>>) -> Bytes {
    let mut body = std::pin::pin!(body);
    let mut begun = Vec::new();
    while let Some(Ok(mut part)) = body.next().await {
        let room = LIMIT - begun.len();
        let taken = part.remaining().min(room);
        begun.extend_from_slice(&part.copy_to_bytes(taken));
        if begun.len() == LIMIT {
            break;
        }
    }
    begun.into()
}

/// Answered once it is stored; said again it changes nothing.
async fn called(context: &Context, run: RunId, query: &str, body: &[u8]) -> Response {
    let sentences = home::said(&format!("{query}&{}", String::from_utf8_lossy(body)));
    let heard = context.inbox.ask(|done| Note::Home { run, said: sentences, done }).await;
    match heard.unwrap_or(Err(NotKept::Stopping)) {
        Ok(Heard::Provisioned) => {
            info!(%run, "its own system has called");
            said(StatusCode::OK, "noted: its own system runs")
        }
        Ok(Heard::Again) => said(StatusCode::OK, "known: its own system runs"),
        Ok(Heard::NotHeeded) => said(StatusCode::CONFLICT, "not heeded: the disk of this run is not proven"),
        Err(unknown @ (NotKept::UnknownRun(_) | NotKept::NoJob(_))) => {
            said(StatusCode::NOT_FOUND, &unknown.to_string())
        }
        Err(later @ (NotKept::Store(_) | NotKept::Stopping)) => {
            said(StatusCode::SERVICE_UNAVAILABLE, &later.to_string())
        }
    }
}

/// What `phone_home` posts is a few KiB.
const LIMIT: usize = 16 * 1024;
