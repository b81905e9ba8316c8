//! A machine asks for its boot script.

use std::net::Ipv4Addr;

use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use tracing::{info, warn};
use warp::reply::Response;

use super::routes::said;
use crate::boot::script::{self, Asked};
use crate::boot::sighting;
use crate::domain::doctor::sighting::Http;
use crate::domain::event::Event;
use crate::domain::ids::RunId;
use crate::domain::plan::Plan;
use crate::domain::text;
use crate::inbox::Note;
use crate::service::Context;

/// The script for the machine at `peer` that asked with `query`; the bench is told what it was given.
pub(super) fn answer(context: &Context, query: &str, peer: Ipv4Addr) -> Response {
    let bench = context.snapshot();
    let asked = Asked::from_query(query);
    if asked.is_nobody() {
        context.inbox.mention(Note::Event(sighting::http(peer, Http::Ask)));
        return script(script::ask(&bench.station.base_url));
    }
    let (claims, address) = (asked.claims.clone(), peer);
    let plan = bench.plan(&claims);
    info!(%peer, ?claims, ?plan, query = text::clean(query, QUERY), "boot script asked for");
    match plan {
        Plan::Install(profile) => {
            let Some(run) = new_run() else {
                return said(StatusCode::SERVICE_UNAVAILABLE, "the station has no random numbers");
            };
            let args =
                bench.catalogue.profiles.get(&profile).map(|profile| profile.kernel_args.clone()).unwrap_or_default();
            context.inbox.saw(Event::ScriptServed { claims, address, run, profile: profile.clone() });
            script(script::install(&bench.station, None, run, &profile, &args, &asked))
        }
        Plan::LocalDisk => {
            context.inbox.saw(Event::SentToDisk { claims, address });
            script(script::local_disk(&asked))
        }
        Plan::Wait(wait) => {
            context.inbox.saw(Event::Held { claims, address, reason: wait.to_string() });
            script(script::wait(&bench.station.base_url, &wait.to_string()))
        }
        Plan::Refuse(refuse) => {
            warn!(%peer, %refuse, "a machine gets nothing");
            context.inbox.saw(Event::Held { claims, address, reason: refuse.to_string() });
            script(script::wait(&bench.station.base_url, &refuse.to_string()))
        }
    }
}

fn new_run() -> Option<RunId> {
    let mut octets = [0; 16];
    getrandom::fill(&mut octets).ok()?;
    Some(RunId::new(octets))
}

fn script(text: String) -> Response {
    let mut response = said(StatusCode::OK, text.trim_end());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// As much of what a machine says of itself goes into the log.
const QUERY: usize = 600;
