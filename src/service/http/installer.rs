//! What belongs to one run, below `/r/RUN/`; [`crate::boot::files::installer`] decides what that is.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use tar::{Builder, Header};
use tracing::{info, warn};
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Reply};

use super::answer::{ipv4, said};
use super::images::ImageMaps;
use super::throttle::Sending;
use super::{Peer, body};
use crate::boot::files::installer::{NotServed, Served, is_at_work, served};
use crate::domain::event::Event;
use crate::domain::ids::RunId;
use crate::domain::machine::report::Report;
use crate::domain::profile::NodeFile;
use crate::domain::snapshot::Snapshot;
use crate::domain::text;
use crate::inbox::{Input, NotKept};
use crate::service::ServiceContext;

pub(super) fn route(context: &ServiceContext, images: ImageMaps) -> BoxedFilter<(Response,)> {
    let context = context.clone();
    // Installers have wget: GET works as well as POST.
    let method = warp::get().or(warp::head()).unify().or(warp::post()).unify();
    warp::path!("r" / RunId / ..)
        .and(warp::path::tail())
        .and(method)
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<Peer>())
        .then(move |run, path: warp::path::Tail, method: Method, headers: HeaderMap, peer| {
            let (context, images) = (context.clone(), images.clone());
            async move { Visit { context, images, run, method, peer }.answer(path.as_str(), &headers).await }
        })
        .boxed()
}

struct Visit {
    context: ServiceContext,
    images: ImageMaps,
    run: RunId,
    method: Method,
    peer: Peer,
}

impl Visit {
    async fn answer(&self, path: &str, headers: &HeaderMap) -> Response {
        let run = self.run;
        let bench = self.bench_with_run().await;
        let (profile, served) = match served(&bench, run, path) {
            Ok(found) => found,
            Err(why) => {
                let path = text::clean(path, PATH);
                warn!(run = run.short(), path, "run files refused: {why}");
                return said(status(&why), &why.to_string());
            }
        };
        if self.method == Method::GET && profile.installer().is_some() && served != Served::Done {
            let (address, installing) = (ipv4(self.peer), is_at_work(profile, &served));
            let file = text::clean(path, PATH);
            self.context.inbox.saw(Event::InstallerTook { run, address, file, installing });
        }
        match served {
            Served::Copy { digest, name } => match self.images.open(digest) {
                Ok(content) => {
                    body::file(&content, &digest.to_string(), "application/octet-stream", headers, Sending::default())
                }
                Err(err) => {
                    warn!(run = run.short(), name, "an installer's file cannot be read: {err}");
                    said(StatusCode::NOT_FOUND, "the station no longer has a copy of this file")
                }
            },
            Served::Text { text, content_type, .. } => private(text.into(), content_type),
            Served::Files(files) => match archive(&files) {
                Ok(archive) => private(archive.into(), "application/x-tar"),
                Err(err) => {
                    warn!(run = run.short(), "the files of a node cannot be generated: {err}");
                    said(StatusCode::INTERNAL_SERVER_ERROR, &format!("the files cannot be generated: {err}"))
                }
            },
            Served::Done if self.method == Method::HEAD => said(StatusCode::OK, "use GET or POST"),
            Served::Done => self.done().await,
        }
    }

    /// The bench once it knows the run: a machine that was just given its script is quick.
    async fn bench_with_run(&self) -> std::sync::Arc<Snapshot> {
        let run = self.run;
        let knows =
            |bench: &std::sync::Arc<Snapshot>| bench.nodes.values().any(|node| node.runs.iter().any(|it| it.id == run));
        let mut bench = self.context.bench.clone();
        let _it_may_be_nobodys = tokio::time::timeout(KNOWN_WITHIN, bench.wait_for(knows)).await;
        self.context.snapshot()
    }

    /// Answered once it is stored; said again it changes nothing.
    async fn done(&self) -> Response {
        let (run, from) = (self.run, ipv4(self.peer));
        let kept = self.context.inbox.ask(|done| Input::Reports {
            run,
            from,
            first: 0,
            reports: vec![Report::SaidDone],
            done,
        });
        match kept.await.unwrap_or(Err(NotKept::Stopping)) {
            Ok(_) => {
                info!(run = run.short(), "its installer says it is done");
                said(StatusCode::OK, "noted: its installer says it is done")
            }
            Err(unknown @ (NotKept::UnknownRun(_) | NotKept::NoJob(_))) => {
                said(StatusCode::NOT_FOUND, &unknown.to_string())
            }
            Err(later @ (NotKept::Store(_) | NotKept::Stopping)) => {
                said(StatusCode::SERVICE_UNAVAILABLE, &later.to_string())
            }
        }
    }
}

fn status(why: &NotServed) -> StatusCode {
    match why {
        NotServed::UnknownRun(_) | NotServed::Nothing { .. } | NotServed::NoProfile(_) => StatusCode::NOT_FOUND,
        NotServed::Over(_) => StatusCode::GONE,
        NotServed::NoInstaller(_) | NotServed::Unfilled(_) => StatusCode::CONFLICT,
        NotServed::NotReady(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// It is for one machine, and may hold what others should not see.
fn private(content: Bytes, content_type: &'static str) -> Response {
    let mut response = warp::reply::Response::new(content.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.into_response()
}

/// A tar of these files, as `tar -x -C /target` takes it.
fn archive(files: &[(NodeFile, String)]) -> std::io::Result<Vec<u8>> {
    let mut archive = Builder::new(Vec::new());
    for (file, content) in files {
        let mut header = Header::new_gnu();
        let (user, group) = file.owner.split_once(':').unwrap_or((&file.owner, &file.owner));
        header.set_size(content.len() as u64);
        header.set_mode(file.mode);
        header.set_username(user)?;
        header.set_groupname(group)?;
        // Names come before numbers where the system knows them.
        header.set_uid(user.parse().unwrap_or_default());
        header.set_gid(group.parse().unwrap_or_default());
        archive.append_data(&mut header, file.path.trim_start_matches('/'), content.as_bytes())?;
    }
    archive.into_inner()
}

/// The hub publishes what it has seen twenty times a second.
const KNOWN_WITHIN: Duration = Duration::from_secs(2);
/// Letters of a path in the log.
const PATH: usize = 120;
