//! Every path the station answers, in one place.
//!
//! ```text
//! GET  /boot.ipxe                  the script that asks for a machine's own, with its claims
//! GET  /boot.ipxe?mac=…&serial=…   the machine's own script
//! GET  …/autoexec.ipxe             the same script, in every folder: iPXE's EFI builds look for it where they came from
//! GET  /boot/NAME                  kernel, initramfs, network boot programs
//! GET  /images/DIGEST/NAME         an image, with Range
//! POST /agent/v1/runs/RUN/…        what the agent says; GET …/word what it asks
//! GET  /api/v1/nodes               every node, for machines to read
//! GET  /healthz                    200 while the station runs
//! GET  /ca.pem  .der  .esl         the certificate of the station's authority
//! ```

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use warp::filters::BoxedFilter;
use warp::reject::not_found;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

use super::boot_files::BootFiles;
use super::images::Images;
use super::pace::{Broken, Sending};
use super::{Config, Peer, agent, api, body, script};
use crate::boot::sighting;
use crate::domain::digest::Digest;
use crate::domain::doctor::sighting::Http;
use crate::domain::event::Event;
use crate::domain::text;
use crate::service::Context;
use crate::service::tls::{Format, Tls};

pub(super) fn all(context: Context, config: &Config) -> BoxedFilter<(Response,)> {
    only_by_https(&context)
        .or(boot_script(&context))
        .unify()
        .or(autoexec(&context))
        .unify()
        .or(boot_file(&context, BootFiles::new(config.boot_files.clone())))
        .unify()
        .or(image(Images::new(config.images.clone())))
        .unify()
        .or(agent::routes(&context))
        .unify()
        .or(api::routes(&context))
        .unify()
        .or(authority(config.tls.as_deref()))
        .unify()
        .or(nothing_here())
        .unify()
        .boxed()
}

/// What a machine is not given by plain HTTP where HTTPS is required.
fn only_by_https(context: &Context) -> BoxedFilter<(Response,)> {
    let context = context.clone();
    let refused = move |path: &str, peer: Peer| {
        let is_for_machines = ["/boot/", "/images/", "/agent/"].iter().any(|place| path.starts_with(place));
        (is_for_machines && !peer.by_https && context.snapshot().station.require_https).then(|| {
            let reason = format!("{path} was asked for by plain HTTP, and this station requires HTTPS");
            context.inbox.saw(Event::HttpRefused { address: ipv4(peer), reason: reason.clone() });
            said(StatusCode::FORBIDDEN, &reason)
        })
    };
    warp::path::full()
        .and(warp::ext::get::<Peer>())
        .and_then(move |path: warp::path::FullPath, peer| {
            std::future::ready(refused(path.as_str(), peer).ok_or_else(warp::reject::not_found))
        })
        .boxed()
}

fn boot_script(context: &Context) -> BoxedFilter<(Response,)> {
    let context = context.clone();
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let own =
        warp::path!("boot.ipxe").and(warp::get().or(warp::head()).unify()).and(query).and(warp::ext::get::<Peer>());
    own.map(move |query: String, peer| script::answer(&context, &query, peer)).boxed()
}

fn autoexec(context: &Context) -> BoxedFilter<(Response,)> {
    let context = context.clone();
    let meant = |path: warp::path::FullPath| async move {
        let name = path.as_str().rsplit('/').next().unwrap_or_default();
        if name.eq_ignore_ascii_case(AUTOEXEC) { Ok(()) } else { Err(warp::reject()) }
    };
    let asked = warp::path::full().and_then(meant).untuple_one().and(warp::get().or(warp::head()).unify());
    asked.and(warp::ext::get::<Peer>()).map(move |peer| script::answer(&context, "", peer)).boxed()
}

fn boot_file(context: &Context, files: BootFiles) -> BoxedFilter<(Response,)> {
    let (context, broken) = (context.clone(), Broken::default());
    let asked = warp::path!("boot" / String)
        .and(warp::method())
        .and(warp::get().or(warp::head()).unify())
        .and(warp::header::headers_cloned())
        .and(peer());
    asked
        .then(move |name: String, method: Method, headers: HeaderMap, peer| {
            let (context, files, broken) = (context.clone(), files.clone(), broken.clone());
            async move {
                let Some((content, tag)) = files.read(&name).await else {
                    let file = text::clean(&name, NAME);
                    context.inbox.saw(sighting::http(peer, Http::Missing { file }));
                    return said(StatusCode::NOT_FOUND, &format!("no boot file {name:?}: build the boot files again"));
                };
                // UEFI asks for the length first.
                context.inbox.saw(match method {
                    Method::GET => Event::KernelServed { address: peer, file: name.clone() },
                    _ => sighting::http(peer, Http::Head { file: name.clone() }),
                });
                let sending = broken.sending(peer, &name, context.bench.borrow().effects_at(peer).pace);
                body::file(&content, &tag, content_type(&name), &headers, sending)
            }
        })
        .boxed()
}

fn image(images: Images) -> BoxedFilter<(Response,)> {
    let asked = warp::path!("images" / Digest / String)
        .and(warp::get().or(warp::head()).unify())
        .and(warp::header::headers_cloned());
    asked
        .map(move |digest: Digest, _name: String, headers: HeaderMap| match images.open(digest) {
            Ok(content) => {
                body::file(&content, &digest.to_string(), "application/octet-stream", &headers, Sending::default())
            }
            Err(err) => {
                tracing::warn!(%digest, "an image was asked for that cannot be read: {err}");
                said(StatusCode::NOT_FOUND, "the station has no image with this digest any more")
            }
        })
        .boxed()
}

/// Not secret: a machine that is to trust the station needs it before it can speak HTTPS.
fn authority(tls: Option<&Tls>) -> BoxedFilter<(Response,)> {
    let exported = tls.and_then(|tls| tls.authority().exported().ok()).map(Arc::new);
    let asked = warp::path!(String).and(warp::get().or(warp::head()).unify()).and(warp::header::headers_cloned());
    asked
        .and_then(move |name: String, headers: HeaderMap| {
            let exported = exported.clone();
            async move {
                let format: Format = name.strip_prefix("ca.").and_then(|it| it.parse().ok()).ok_or_else(not_found)?;
                let Some(exported) = exported else {
                    let why = "this station has no certificate authority: its services say why";
                    return Ok(said(StatusCode::NOT_FOUND, why));
                };
                let content = Bytes::from(exported.form(format).to_owned());
                let tag = format!("{}-{name}", exported.fingerprint.short());
                Ok::<_, Rejection>(body::file(&content, &tag, format.content_type(), &headers, Sending::default()))
            }
        })
        .boxed()
}

fn nothing_here() -> BoxedFilter<(Response,)> {
    warp::path::full()
        .map(|path: warp::path::FullPath| {
            said(StatusCode::NOT_FOUND, &format!("nothing is served at {}", path.as_str()))
        })
        .boxed()
}

/// The IPv4 address at the other end.
pub(super) fn peer() -> impl Filter<Extract = (Ipv4Addr,), Error = warp::Rejection> + Clone {
    warp::ext::get::<Peer>().map(ipv4)
}

pub(super) fn ipv4(peer: Peer) -> Ipv4Addr {
    match peer.address.ip() {
        IpAddr::V4(address) => address,
        IpAddr::V6(address) => address.to_ipv4_mapped().unwrap_or(Ipv4Addr::UNSPECIFIED),
    }
}

/// A plain sentence as an answer.
pub(super) fn said(status: StatusCode, sentence: &str) -> Response {
    warp::reply::with_status(format!("{sentence}\n"), status).into_response()
}

/// Firmware looks at this before it starts a program (UEFI 2.10 section 24.7.3.1).
fn content_type(name: &str) -> &'static str {
    if name.ends_with(".efi") { "application/efi" } else { "application/octet-stream" }
}

const AUTOEXEC: &str = "autoexec.ipxe";
/// Letters of a file that is not there.
const NAME: usize = 80;
