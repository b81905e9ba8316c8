//! A machine asks for its boot script, or for GRUB's configuration.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use tracing::{info, warn};
use warp::reply::Response;

use super::Peer;
use super::routes::{ipv4, said};
use crate::boot::script::{self, Asked, Way};
use crate::boot::sighting;
use crate::boot::{configuration, grub, installer};
use crate::domain::doctor::sighting::Http;
use crate::domain::event::{Event, Firmware};
use crate::domain::ids::RunId;
use crate::domain::plan::{Plan, Refuse};
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
pub(super) fn question(context: &Context, loader: Loader, peer: Peer) -> Response {
    let bench = context.snapshot();
    let station = &*bench.station;
    context.inbox.mention(Note::Event(sighting::http(ipv4(peer), Http::Ask)));
    sent(match (loader, Way::of(station, peer.by_https, false)) {
        (Loader::Grub, _) => grub::ask(&station.base_url),
        (Loader::Ipxe, Way::Detour(https)) => script::detour(station, https),
        (Loader::Ipxe, Way::AsItCame(Some(https))) => script::ask(&https.base_url, station.address),
        (Loader::Ipxe, Way::AsItCame(None) | Way::Closed) => script::ask(&station.base_url, station.address),
    })
}

/// The script for the machine at `peer` that asked with `query`; the bench is told what it was given. Who only asks how
/// long the answer is (GRUB under UEFI HTTP Boot) is given none yet.
pub(super) fn answer(context: &Context, loader: Loader, method: &Method, query: &str, peer: Peer) -> Response {
    let bench = context.snapshot();
    let station = &*bench.station;
    let asked = Asked::from_query(query);
    if asked.is_nobody() {
        return question(context, loader, peer);
    }
    let (claims, address) = (asked.claims.clone(), ipv4(peer));
    let plan = bench.plan(&claims);
    let query = text::clean(query, QUERY);
    info!(%address, ?claims, ?plan, query, by_https = peer.by_https, "boot script asked for");
    let tell = |event| {
        if method == Method::GET {
            context.inbox.saw(event);
        }
    };
    let held = |reason: String| tell(Event::Held { claims: claims.clone(), address, reason });
    let wait = |reason: String| {
        let came = match Way::of(station, peer.by_https, false) {
            Way::AsItCame(Some(https)) => &https.base_url,
            Way::AsItCame(None) | Way::Detour(_) | Way::Closed => &station.base_url,
        };
        let text = match loader {
            Loader::Ipxe => script::wait(came, &reason),
            Loader::Grub => grub::wait(&reason),
        };
        held(reason);
        sent(text)
    };
    let refuse = |reason: String| {
        warn!(%address, reason, "a machine gets nothing");
        wait(reason)
    };
    let misfit = match &plan {
        Plan::Install(id) => bench.catalogue.profiles.get(id).and_then(|profile| asked.misfit(profile)),
        Plan::LocalDisk => None,
        // It waits for nothing where no profile is for it.
        Plan::Wait(_) | Plan::Refuse(_) => {
            let mut misfits = bench.catalogue.profiles.values().map(|profile| asked.misfit(profile));
            misfits.next().flatten().filter(|_| misfits.all(|misfit| misfit.is_some()))
        }
    };
    match (misfit, plan) {
        (Some(misfit), Plan::Install(_) | Plan::Wait(_) | Plan::Refuse(_)) => refuse(misfit),
        (None, Plan::Install(id)) => {
            let Some(profile) = bench.catalogue.profiles.get(&id) else {
                return refuse(Refuse::UnknownProfile(id).to_string());
            };
            let Some(run) = new_run() else {
                return said(StatusCode::SERVICE_UNAVAILABLE, "the station has no random numbers");
            };
            let begins = || tell(Event::ScriptServed { claims: claims.clone(), address, run, profile: id.clone() });
            if let Some(installer) = profile.installer() {
                if station.require_https {
                    return refuse(INSTALLERS_HAVE_NO_HTTPS.into());
                }
                let boot = match installer::boot(&bench, profile, installer, &claims, run) {
                    Ok(boot) => boot,
                    Err(why) => return refuse(why.to_string()),
                };
                begins();
                return sent(match loader {
                    Loader::Ipxe => script::installer(station, run, &id, &boot),
                    Loader::Grub => grub::installer(station, run, &id, &boot),
                });
            }
            if let Err(why) = configuration::possible(&bench, profile, &claims, run) {
                return refuse(why.to_string());
            }
            let https = match (loader, Way::of(station, peer.by_https, profile.https)) {
                // What GRUB has loaded goes on by plain HTTP, as GRUB does.
                (Loader::Grub, Way::AsItCame(_)) if !profile.https && !station.require_https => None,
                (Loader::Grub, _) => return refuse(GRUB_HAS_NO_HTTPS.into()),
                (Loader::Ipxe, Way::AsItCame(https)) => https,
                (Loader::Ipxe, Way::Detour(https)) => {
                    warn!(%address, "asked by plain HTTP, sent to HTTPS");
                    held("it asked by plain HTTP, was sent to HTTPS and has not come there yet".into());
                    return sent(script::detour(station, https));
                }
                (Loader::Ipxe, Way::Closed) => return refuse(NO_HTTPS.into()),
            };
            begins();
            sent(match loader {
                Loader::Ipxe => script::install(station, https, run, &id, &profile.kernel_args, &asked),
                Loader::Grub => grub::install(station, run, &id, &profile.kernel_args, &asked),
            })
        }
        (_, Plan::LocalDisk) => {
            tell(Event::SentToDisk { claims: claims.clone(), address });
            let firmware = if asked.uefi { Firmware::UefiX64 } else { Firmware::Bios };
            let way = bench.effects(None, Some(firmware), &claims).local_boot;
            let script = match loader {
                Loader::Ipxe => script::local_disk(&asked, way),
                Loader::Grub => Some(grub::local_disk()),
            };
            script.map_or_else(|| said(StatusCode::NOT_FOUND, "this machine starts from its own disk"), sent)
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

const GRUB_HAS_NO_HTTPS: &str = "it is to be served by HTTPS only, and GRUB, which Secure Boot needs, has none";
const INSTALLERS_HAVE_NO_HTTPS: &str =
    "it is to be served by HTTPS only, and its profile boots an installer, which cannot be told to trust this station";
const NO_HTTPS: &str = "it is to be served by HTTPS, which this station cannot at present: its services say why";
/// As much of what a machine says of itself goes into the log.
const QUERY: usize = 600;
