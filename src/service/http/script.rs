//! A machine asks for its boot script, or for GRUB's configuration.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use tracing::{info, warn};
use warp::reply::Response;

use super::Peer;
use super::answer::{ipv4, said};
use crate::boot::files::{configuration, installer};
use crate::boot::script::{self, ScriptQuery, Via, grub};
use crate::boot::sighting;
use crate::domain::event::Event;
use crate::domain::ids::RunId;
use crate::domain::machine::firmware::Firmware;
use crate::domain::machine::sighting::Http;
use crate::domain::station::plan::{BootPlan, Refuse};
use crate::domain::text;
use crate::inbox::Input;
use crate::service::ServiceContext;

/// What reads the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScriptReader {
    Ipxe,
    Grub,
}

/// The question, for the machine at `peer` that has not said who it is.
pub(super) fn question(context: &ServiceContext, loader: ScriptReader, peer: Peer) -> Response {
    let bench = context.snapshot();
    let station = &*bench.station;
    context.inbox.mention(Input::Event(sighting::http(ipv4(peer), Http::Ask)));
    sent(match (loader, Via::of(station, peer.by_https, false)) {
        (ScriptReader::Grub, _) => grub::ask(&station.base_url),
        (ScriptReader::Ipxe, Via::Detour(https)) => script::detour(station, https),
        (ScriptReader::Ipxe, Via::AsItCame(Some(https))) => script::ask(&https.base_url, station.address),
        (ScriptReader::Ipxe, Via::AsItCame(None) | Via::Closed) => script::ask(&station.base_url, station.address),
    })
}

/// The script for the machine at `peer` that asked with `query`; the bench is told what it was given. Who only asks how
/// long the answer is (GRUB under UEFI HTTP Boot) is given none yet.
pub(super) fn answer(
    context: &ServiceContext,
    loader: ScriptReader,
    method: &Method,
    query: &str,
    peer: Peer,
) -> Response {
    let bench = context.snapshot();
    let station = &*bench.station;
    let asked = ScriptQuery::from_query(query);
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
        let came = match Via::of(station, peer.by_https, false) {
            Via::AsItCame(Some(https)) => &https.base_url,
            Via::AsItCame(None) | Via::Detour(_) | Via::Closed => &station.base_url,
        };
        let text = match loader {
            ScriptReader::Ipxe => script::wait(came, &reason),
            ScriptReader::Grub => grub::wait(&reason),
        };
        held(reason);
        sent(text)
    };
    let refuse = |reason: String| {
        warn!(%address, reason, "a machine gets nothing");
        wait(reason)
    };
    let misfit = match &plan {
        BootPlan::Install(id) => bench.catalogue.profiles.get(id).and_then(|profile| asked.misfit(profile)),
        BootPlan::LocalDisk => None,
        // It waits for nothing where no profile is for it.
        BootPlan::Wait(_) | BootPlan::Refuse(_) => {
            let mut misfits = bench.catalogue.profiles.values().map(|profile| asked.misfit(profile));
            misfits.next().flatten().filter(|_| misfits.all(|misfit| misfit.is_some()))
        }
    };
    match (misfit, plan) {
        (Some(misfit), BootPlan::Install(_) | BootPlan::Wait(_) | BootPlan::Refuse(_)) => refuse(misfit),
        (None, BootPlan::Install(id)) => {
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
                    ScriptReader::Ipxe => script::installer(station, run, &id, &boot),
                    ScriptReader::Grub => grub::installer(station, run, &id, &boot),
                });
            }
            if let Err(why) = configuration::possible(&bench, profile, &claims, run) {
                return refuse(why.to_string());
            }
            let https = match (loader, Via::of(station, peer.by_https, profile.https)) {
                // What GRUB has loaded continues by plain HTTP, as GRUB does.
                (ScriptReader::Grub, Via::AsItCame(_)) if !profile.https && !station.require_https => None,
                (ScriptReader::Grub, _) => return refuse(GRUB_HAS_NO_HTTPS.into()),
                (ScriptReader::Ipxe, Via::AsItCame(https)) => https,
                (ScriptReader::Ipxe, Via::Detour(https)) => {
                    warn!(%address, "asked by plain HTTP, redirected to HTTPS");
                    held("it asked by plain HTTP, was redirected to HTTPS and has not arrived there yet".into());
                    return sent(script::detour(station, https));
                }
                (ScriptReader::Ipxe, Via::Closed) => return refuse(NO_HTTPS.into()),
            };
            begins();
            sent(match loader {
                ScriptReader::Ipxe => script::install(station, https, run, &id, &profile.kernel_args, &asked),
                ScriptReader::Grub => grub::install(station, run, &id, &profile.kernel_args, &asked),
            })
        }
        (_, BootPlan::LocalDisk) => {
            tell(Event::SentToDisk { claims: claims.clone(), address });
            let firmware = if asked.uefi { Firmware::UefiX64 } else { Firmware::Bios };
            let way = bench.effects(None, Some(firmware), &claims).local_boot;
            let script = match loader {
                ScriptReader::Ipxe => script::local_disk(&asked, way),
                ScriptReader::Grub => Some(grub::local_disk()),
            };
            script.map_or_else(|| said(StatusCode::NOT_FOUND, "this machine starts from its own disk"), sent)
        }
        (None, BootPlan::Wait(reason)) => wait(reason.to_string()),
        (None, BootPlan::Refuse(reason)) => refuse(reason.to_string()),
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

const GRUB_HAS_NO_HTTPS: &str = "it must be served by HTTPS only, but GRUB, which Secure Boot needs, has no HTTPS";
const INSTALLERS_HAVE_NO_HTTPS: &str =
    "it must be served by HTTPS only, but its profile boots an installer, which cannot be made to trust this station";
const NO_HTTPS: &str = "it must be served by HTTPS, which this station cannot do now: see its services";
/// The longest claim that is logged.
const QUERY: usize = 600;
