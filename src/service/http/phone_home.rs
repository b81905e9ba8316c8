//! A machine's own system says that it runs, at `/r/RUN/home`: by POST, or by GET, as whatever is on its image can. And what
//! cloud-init writes meanwhile, at `/r/RUN/home/output?first=NUMBER`: answered with the number of the line wanted next.

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use http::StatusCode;
use tracing::info;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::answer::said;
use crate::boot::files::phone_home;
use crate::domain::fleet::Heard;
use crate::domain::ids::RunId;
use crate::inbox::{Input, NotKept};
use crate::service::ServiceContext;

pub(super) fn route(context: &ServiceContext) -> BoxedFilter<(Response,)> {
    let output = output(context);
    let context = context.clone();
    let path = warp::path!("r" / RunId / "home");
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    path.and(warp::get().or(warp::post()).unify())
        .and(query)
        .and(warp::body::stream())
        .then(move |run, query: String, body| {
            let context = context.clone();
            async move { called(&context, run, &query, &begin(body, LIMIT).await).await }
        })
        .or(output)
        .unify()
        .boxed()
}

fn output(context: &ServiceContext) -> BoxedFilter<(Response,)> {
    let context = context.clone();
    warp::path!("r" / RunId / "home" / "output")
        .and(warp::post())
        .and(warp::query::raw().or(warp::any().map(String::new)).unify())
        .and(warp::body::stream())
        .then(move |run, query: String, body| {
            let context = context.clone();
            async move { wrote(&context, run, &query, &begin(body, OUTPUT).await).await }
        })
        .boxed()
}

/// Answered once it is in the node's log.
async fn wrote(context: &ServiceContext, run: RunId, query: &str, body: &[u8]) -> Response {
    let Some((first, lines)) = phone_home::output(query, body) else {
        return said(StatusCode::BAD_REQUEST, "give the number of the first line, such as `?first=0`");
    };
    let next = context.inbox.ask(|done| Input::Output { run, first, lines, done }).await;
    match next.unwrap_or(Err(NotKept::Stopping)) {
        Ok(Some(next)) => said(StatusCode::OK, &next.to_string()),
        Ok(None) => said(StatusCode::CONFLICT, "ignored: no system of this run should have started yet"),
        Err(unknown @ (NotKept::UnknownRun(_) | NotKept::NoJob(_))) => {
            said(StatusCode::NOT_FOUND, &unknown.to_string())
        }
        Err(later @ (NotKept::Store(_) | NotKept::Stopping)) => {
            said(StatusCode::SERVICE_UNAVAILABLE, &later.to_string())
        }
    }
}

/// As much of a body as is looked at.
async fn begin<B: Buf, E>(body: impl Stream<Item = Result<B, E>>, limit: usize) -> Bytes {
    let mut body = std::pin::pin!(body);
    let mut begun = Vec::new();
    while let Some(Ok(mut part)) = body.next().await {
        let room = limit - begun.len();
        let taken = part.remaining().min(room);
        begun.extend_from_slice(&part.copy_to_bytes(taken));
        if begun.len() == limit {
            break;
        }
    }
    begun.into()
}

/// Answered once it is stored; said again it changes nothing.
async fn called(context: &ServiceContext, run: RunId, query: &str, body: &[u8]) -> Response {
    let sentences = phone_home::parse(&format!("{query}&{}", String::from_utf8_lossy(body)));
    let heard = context.inbox.ask(|done| Input::Home { run, said: sentences, done }).await;
    match heard.unwrap_or(Err(NotKept::Stopping)) {
        Ok(Heard::Provisioned) => {
            info!(run = run.short(), "its own system has called");
            said(StatusCode::OK, "noted: its own system runs")
        }
        Ok(Heard::Again) => said(StatusCode::OK, "already noted: its own system runs"),
        Ok(Heard::NotHeeded) => said(StatusCode::CONFLICT, "ignored: the disk of this run is not verified"),
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
/// A hundred lines of at most 2000 bytes.
const OUTPUT: usize = 256 * 1024;
