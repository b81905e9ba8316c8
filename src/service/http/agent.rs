//! What agents say and ask. Their messages are in [`crate::protocol`].

use std::future::Future;
use std::net::Ipv4Addr;

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::warn;
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Reply};

use super::answer::{peer, said};
use crate::boot::files::configuration::{self, NotGiven};
use crate::domain::event::Event;
use crate::domain::fleet::{self, Grant};
use crate::domain::ids::RunId;
use crate::domain::machine::disk::Disk;
use crate::domain::machine::inventory::Inventory;
use crate::domain::machine::progress::Arrived;
use crate::domain::machine::report::Report;
use crate::domain::node::run::{Following, Run};
use crate::domain::profile::configuration::Configuration;
use crate::domain::{snapshot, text};
use crate::inbox::{Heeded, Input, NotKept};
use crate::protocol::{
    Ack, AgentJob, AgentOrder, Follows, HelloMessage, HelloReply, LogAck, LogLines, Moved, Reports, VERSION, paths,
};
use crate::service::ServiceContext;

pub(super) fn routes(context: &ServiceContext) -> BoxedFilter<(Response,)> {
    let posted = |what: &'static str| {
        let path = warp::path!("agent" / "v1" / "runs" / RunId / ..).and(warp::path(what)).and(warp::path::end());
        let context = context.clone();
        let body = warp::body::content_length_limit(LIMIT).and(warp::body::bytes());
        path.and(warp::post()).and(warp::any().map(move || context.clone())).and(peer()).and(body)
    };
    let word = {
        let context = context.clone();
        warp::path!("agent" / "v1" / "runs" / RunId / "word").and(warp::get()).map(move |run| word(&context, run))
    };
    let job = {
        let context = context.clone();
        warp::path!("agent" / "v1" / "runs" / RunId / "job").and(warp::get()).map(move |run| job(&context, run))
    };
    let configuration = {
        let context = context.clone();
        let asked = warp::path!("agent" / "v1" / "runs" / RunId / "configuration").and(warp::get());
        asked.then(move |run| configuration(run, context.clone()))
    };
    posted("hello")
        .then(hello)
        .or(posted("reports").then(reports))
        .unify()
        .or(posted("log").then(log))
        .unify()
        .or(posted("progress").then(progress))
        .unify()
        .or(word)
        .unify()
        .or(job)
        .unify()
        .or(configuration)
        .unify()
        .boxed()
}

async fn hello(run: RunId, context: ServiceContext, address: Ipv4Addr, body: Bytes) -> Response {
    understood(&body, async |hello: HelloMessage| {
        let (claims, disks) = (cleaned(hello.claims), readable(hello.disks));
        let hello = fleet::Hello { run, claims, address, disks, inventory: hello.inventory.map(fit_to_keep) };
        if let Some(reason) = lacking(&context, &hello) {
            let (claims, address) = (hello.claims, hello.address);
            context.inbox.saw(Event::Held { claims, address, reason: reason.clone() });
            return warp::reply::json(&HelloReply::Later { seconds: LATER_SECONDS, reason }).into_response();
        }
        let granted = context.inbox.ask(|done| Input::Hello(Box::new(hello), done)).await;
        kept(granted, given)
    })
    .await
}

fn given(grant: Grant) -> HelloReply {
    match grant {
        Grant::Job(task) => {
            let fleet::Task { profile, image, disk, after, warnings, next_report, .. } = *task;
            HelloReply::Job(Box::new(AgentJob {
                version: VERSION,
                profile: profile.to_string(),
                image: paths::image(&image),
                format: image.format,
                bytes: image.bytes,
                sha256: image.sha256,
                disk_bytes: image.disk_bytes,
                disk_sha256: image.disk_sha256,
                disk,
                after,
                warnings,
                next_report,
            }))
        }
        Grant::Later { reason } => HelloReply::Later { seconds: LATER_SECONDS, reason },
        Grant::Ended { reason } => HelloReply::Ended { reason },
    }
}

/// What the agent of `run` would be given. It says no hello, so that nothing follows from it.
fn job(context: &ServiceContext, run: RunId) -> Response {
    let bench = context.snapshot();
    let runs = bench.nodes.values().flat_map(|node| node.runs.iter().map(move |run| (node, run)));
    let known = runs.into_iter().find(|(_, known)| known.id == run);
    let granted = known.map(|(node, run)| {
        if run.is_open() {
            bench.catalogue.job(&run.profile, &node.disks, run.next_report)
        } else {
            Grant::Ended { reason: format!("run {} has ended", run.id.short()) }
        }
    });
    kept(Some(granted.ok_or(NotKept::UnknownRun(run))), given)
}

/// What makes it impossible to carry out the profile of this machine, as far as the bench knows; nothing, where its run has
/// its job already.
fn lacking(context: &ServiceContext, hello: &fleet::Hello) -> Option<String> {
    let bench = context.snapshot();
    configuration::lacking(&bench, &hello.claims, hello.run).map(|why| why.to_string())
}

/// Its digest is kept with the run before the answer goes out: what the agent reads back is compared with that.
async fn configuration(run: RunId, context: ServiceContext) -> Response {
    let configuration = match configuration::given(&context.snapshot(), run) {
        Ok(configuration) => configuration,
        Err(NotGiven::UnknownRun(run)) => return kept(Some(Err(NotKept::UnknownRun(run))), |()| Ack { next: 0 }),
        Err(why) => {
            warn!(run = run.short(), "configuration refused: {why}");
            return said(StatusCode::CONFLICT, &why.to_string());
        }
    };
    let stored = keep(&context, run, &configuration).await;
    kept(stored, |()| Follows { version: VERSION, configuration })
}

async fn keep(context: &ServiceContext, run: RunId, configuration: &Configuration) -> Option<Result<(), NotKept>> {
    let manifest = configuration::proof(configuration);
    let copies = configuration.archives.iter().map(|archive| archive.sha256).collect();
    context.inbox.ask(|done| Input::Configuration { run, manifest, copies, done }).await
}

/// A station that has lost what it gave the agent of `run` works it out again: it comes to the same for the same node.
async fn recall(context: &ServiceContext, run: RunId) {
    let bench = context.snapshot();
    let has_lost = |of: &Run| of.id == run && of.following == Following::Something;
    if !bench.nodes.values().any(|node| node.run().is_some_and(has_lost)) {
        return;
    }
    if let Ok(configuration) = configuration::given(&bench, run) {
        let _what_is_lost_now_is_not_proven = keep(context, run, &configuration).await;
    }
}

async fn reports(run: RunId, context: ServiceContext, from: Ipv4Addr, body: Bytes) -> Response {
    understood(&body, async |Reports { first, mut reports, .. }: Reports| {
        // The answer gives the next line number.
        reports.truncate(MESSAGES);
        if reports.iter().any(|report| matches!(report, Report::Configured { .. })) {
            recall(&context, run).await;
        }
        // An installer has no agent; it reports elsewhere.
        if reports.contains(&Report::SaidDone) {
            warn!(run = run.short(), %from, "ignored: an agent reports that an installer is done");
            return said(StatusCode::CONFLICT, "an agent shows that the disk holds what it should, and says no more");
        }
        kept(context.inbox.ask(|done| Input::Reports { run, from, first, reports, done }).await, |next| Ack { next })
    })
    .await
}

async fn log(run: RunId, context: ServiceContext, _: Ipv4Addr, body: Bytes) -> Response {
    understood(&body, async |LogLines { first, mut lines, .. }: LogLines| {
        lines.truncate(MESSAGES);
        // What waits for the hub has its bound in bytes too.
        lines.iter_mut().for_each(|(_, text)| shorten(text));
        let answer = context.inbox.ask(|done| Input::AgentLog { run, first, lines, done }).await;
        kept(answer, |Heeded { next, left_out }| LogAck { next, left_out })
    })
    .await
}

/// To more than is kept of a line.
fn shorten(text: &mut String) {
    let end = (0..=LINE.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.truncate(end);
    text.shrink_to_fit();
}

async fn progress(run: RunId, context: ServiceContext, _: Ipv4Addr, body: Bytes) -> Response {
    understood(&body, async |Moved { step, done, total, arrived, retries }: Moved| {
        context.inbox.saw(Event::Progress { run, step, done, total, arrived: Arrived { bytes: arrived, retries } });
        StatusCode::NO_CONTENT.into_response()
    })
    .await
}

fn word(context: &ServiceContext, run: RunId) -> Response {
    let word = context.snapshot().word(run).map(|word| match word {
        snapshot::RestartWord::Wait => AgentOrder::Wait,
        snapshot::RestartWord::Reboot => AgentOrder::Restart,
    });
    kept(Some(word.ok_or(NotKept::UnknownRun(run))), |word| word)
}

/// Claims come from firmware: what is for people to read is made fit for a terminal.
fn cleaned(mut claims: crate::domain::machine::claims::Claims) -> crate::domain::machine::claims::Claims {
    claims.macs.truncate(MACS);
    for words in [&mut claims.manufacturer, &mut claims.product] {
        *words = words.take().map(|raw| text::clean(&raw, NAME)).filter(|text| !text.is_empty());
    }
    claims
}

/// Disks say of themselves what they like.
fn readable(mut disks: Vec<Disk>) -> Vec<Disk> {
    disks.truncate(DISKS);
    for disk in &mut disks {
        for words in [&mut disk.path, &mut disk.model, &mut disk.serial, &mut disk.wwn, &mut disk.health] {
            *words = text::clean(words, NAME);
        }
        disk.volumes.truncate(VOLUMES);
        for volume in &mut disk.volumes {
            for words in [&mut volume.kind, &mut volume.name, &mut volume.label] {
                *words = text::clean(words, NAME);
            }
        }
    }
    disks
}

/// So does everything else in a machine.
fn fit_to_keep(mut inventory: Inventory) -> Inventory {
    let Inventory { cpu, bios_vendor, bios_version, bios_date, tpm, nics, .. } = &mut inventory;
    nics.truncate(MACS);
    nics.iter_mut().for_each(|nic| nic.name = text::clean(&nic.name, NAME));
    let drivers = nics.iter_mut().map(|nic| &mut nic.driver);
    for words in [cpu, bios_vendor, bios_version, bios_date, tpm].into_iter().chain(drivers) {
        *words = words.take().map(|raw| text::clean(&raw, NAME)).filter(|text| !text.is_empty());
    }
    inventory
}

async fn understood<T: DeserializeOwned, F: Future<Output = Response>>(
    body: &Bytes,
    then: impl FnOnce(T) -> F,
) -> Response {
    match serde_json::from_slice(body) {
        Ok(message) => then(message).await,
        Err(err) => said(StatusCode::BAD_REQUEST, &format!("this message cannot be read: {err}")),
    }
}

/// The answer to what was asked of the hub, once it is stored.
fn kept<T, A: Serialize>(answer: Option<Result<T, NotKept>>, say: impl FnOnce(T) -> A) -> Response {
    match answer.unwrap_or(Err(NotKept::Stopping)) {
        Ok(value) => warp::reply::json(&say(value)).into_response(),
        // By this body the agent tells a station that has lost the run, or the job that it gave in it, from a path that is
        // not there. It says hello.
        Err(NotKept::UnknownRun(_) | NotKept::NoJob(_)) => {
            warp::reply::with_status(warp::reply::json(&Ack { next: 0 }), StatusCode::NOT_FOUND).into_response()
        }
        Err(later @ (NotKept::Store(_) | NotKept::Stopping)) => {
            said(StatusCode::SERVICE_UNAVAILABLE, &later.to_string())
        }
    }
}

/// A body larger than this is not an agent's.
const LIMIT: u64 = 1024 * 1024;
const LATER_SECONDS: u32 = 5;
/// Reports or log lines that are taken in at once: more than any agent sends.
const MESSAGES: usize = 256;
/// Bytes of a line.
const LINE: usize = 4096;
const MACS: usize = 32;
const DISKS: usize = 64;
const VOLUMES: usize = 129;
const NAME: usize = 100;
