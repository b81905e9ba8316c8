//! A machine asks for its boot script, or for GRUB's configuration.

use std::net::Ipv4Addr;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use tracing::{info, warn};
use warp::reply::Response;

use super::routes::said;
use crate::boot::grub;
use crate::boot::script::{self, Asked};
use crate::boot::sighting;
use crate::domain::doctor::sighting::Http;
use crate::domain::event::Event;
use crate::domain::ids::RunId;
use crate::domain::plan::Plan;
use crate::domain::text;
use crate::inbox::Note;
use crate::service::Context;

/// What reads the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loader {
    Ipxe,
    Grub,
}

/// The question, for the machine at `peer` that has not said who it is.
pub(super) fn question(context: &Context, loader: Loader, peer: Ipv4Addr) -> Response {
    context.inbox.mention(Note::Event(sighting::http(peer, Http::Ask)));
    let bench = context.snapshot();
    sent(match loader {
        Loader::Ipxe => script::ask(&bench.station.base_url),
        Loader::Grub => grub::ask(&bench.station.base_url),
    })
}

/// The script for the machine at `peer` that asked with `query`; the bench is told what it was given. Who only asks how
/// long the answer is (GRUB under UEFI HTTP Boot) is given none yet.
pub(super) fn answer(context: &Context, loader: Loader, method: &Method, query: &str, peer: Ipv4Addr) -> Response {
    let bench = context.snapshot();
    let asked = Asked::from_query(query);
    if asked.is_nobody() {
        return question(context, loader, peer);
    }
    let base_url = &bench.station.base_url;
    let (claims, address) = (asked.claims.clone(), peer);
    let plan = bench.plan(&claims);
    let tell = |event| {
        if method == Method::GET {
            context.inbox.saw(event);
        }
    };
    let wait = |reason: String| {
        let text = match loader {
            Loader::Ipxe => script::wait(base_url, &reason),
            Loader::Grub => grub::wait(&reason),
        };
        tell(Event::Held { claims: asked.claims.clone(), address, reason });
        sent(text)
    };
    let refuse = |reason: String| {
        warn!(%peer, reason, "a machine gets nothing");
        wait(reason)
    };
    info!(%peer, ?claims, ?plan, query = text::clean(query, QUERY), "boot script asked for");
    match (asked.misfit(), plan) {
        (Some(misfit), Plan::Install(_) | Plan::Wait(_) | Plan::Refuse(_)) => refuse(misfit),
        (None, Plan::Install(profile)) if loader == Loader::Grub && bench.requires_https(&profile) => {
            refuse(format!("profile {profile} is served by HTTPS only, and GRUB, which Secure Boot needs, has none"))
        }
        (None, Plan::Install(profile)) => {
            let Some(run) = new_run() else {
                return said(StatusCode::SERVICE_UNAVAILABLE, "the station has no random numbers");
            };
            let args =
                bench.catalogue.profiles.get(&profile).map(|profile| profile.kernel_args.clone()).unwrap_or_default();
            tell(Event::ScriptServed { claims, address, run, profile: profile.clone() });
            sent(match loader {
                Loader::Ipxe => script::install(&bench.station, None, run, &profile, &args, &asked),
                Loader::Grub => grub::install(&bench.station, run, &profile, &args, &asked),
            })
        }
        (_, Plan::LocalDisk) => {
            tell(Event::SentToDisk { claims, address });
            sent(match loader {
                Loader::Ipxe => script::local_disk(&asked),
                Loader::Grub => grub::local_disk(),
            })
        }
        (None, Plan::Wait(reason)) => wait(reason.to_string()),
        (None, Plan::Refuse(reason)) => refuse(reason.to_string()),
    }
}

fn new_run() -> Option<RunId> {
    let mut octets = [0; 16];
    getrandom::fill(&mut octets).ok()?;
    Some(RunId::new(octets))
}

fn sent(text: String) -> Response {
    let mut response = said(StatusCode::OK, text.trim_end());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// As much of what a machine says of itself goes into the log.
const QUERY: usize = 600;
