//! A machine asks for its boot script.

use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use tracing::{info, warn};
use warp::reply::Response;

use super::Peer;
use super::routes::{ipv4, said};
use crate::boot::script::{self, Asked, Way};
use crate::boot::sighting;
use crate::domain::doctor::sighting::Http;
use crate::domain::event::{Event, Firmware};
use crate::domain::ids::RunId;
use crate::domain::plan::Plan;
use crate::domain::text;
use crate::inbox::Note;
use crate::service::Context;

/// The script for the machine at `peer` that asked with `query`; the bench is told what it was given.
pub(super) fn answer(context: &Context, query: &str, peer: Peer) -> Response {
    let bench = context.snapshot();
    let station = &*bench.station;
    let asked = Asked::from_query(query);
    let came = match Way::of(station, peer.by_https, false) {
        Way::AsItCame(https) => https.map_or(&station.base_url, |https| &https.base_url),
        Way::Detour(https) if asked.is_nobody() => {
            context.inbox.mention(Note::Event(sighting::http(ipv4(peer), Http::Ask)));
            return script(script::detour(station, https));
        }
        Way::Detour(_) | Way::Closed => &station.base_url,
    };
    if asked.is_nobody() {
        context.inbox.mention(Note::Event(sighting::http(ipv4(peer), Http::Ask)));
        return script(script::ask(came));
    }
    let (claims, address) = (asked.claims.clone(), ipv4(peer));
    let plan = bench.plan(&claims);
    let query = text::clean(query, QUERY);
    info!(%address, ?claims, ?plan, query, by_https = peer.by_https, "boot script asked for");
    let held = |reason: String| {
        context.inbox.saw(Event::Held { claims: claims.clone(), address, reason });
    };
    match plan {
        Plan::Install(profile) => {
            let known = bench.catalogue.profiles.get(&profile);
            let https = match Way::of(station, peer.by_https, known.is_some_and(|profile| profile.https)) {
                Way::AsItCame(https) => https,
                Way::Detour(https) => {
                    warn!(%address, "asked by plain HTTP, sent to HTTPS");
                    held("it asked by plain HTTP, was sent to HTTPS and has not come there yet".into());
                    return script(script::detour(station, https));
                }
                Way::Closed => {
                    warn!(%address, "{NO_HTTPS}");
                    held(NO_HTTPS.into());
                    return script(script::wait(came, NO_HTTPS));
                }
            };
            let Some(run) = new_run() else {
                return said(StatusCode::SERVICE_UNAVAILABLE, "the station has no random numbers");
            };
            let args = known.map(|profile| profile.kernel_args.clone()).unwrap_or_default();
            context.inbox.saw(Event::ScriptServed { claims, address, run, profile: profile.clone() });
            script(script::install(station, https, run, &profile, &args, &asked))
        }
        Plan::LocalDisk => {
            context.inbox.saw(Event::SentToDisk { claims, address });
            let firmware = if asked.uefi { Firmware::UefiX64 } else { Firmware::Bios };
            let way = bench.effects(None, Some(firmware), asked.claims.macs.first().copied()).local_boot;
            match script::local_disk(&asked, way) {
                Some(text) => script(text),
                None => said(StatusCode::NOT_FOUND, "this machine starts from its own disk"),
            }
        }
        Plan::Wait(wait) => {
            held(wait.to_string());
            script(script::wait(came, &wait.to_string()))
        }
        Plan::Refuse(refuse) => {
            warn!(%address, %refuse, "a machine gets nothing");
            held(refuse.to_string());
            script(script::wait(came, &refuse.to_string()))
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

const NO_HTTPS: &str = "it is to be served by HTTPS, which this station cannot at present: its services say why";
/// As much of what a machine says of itself goes into the log.
const QUERY: usize = 600;
