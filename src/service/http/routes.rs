//! Every path the station answers, in one place.
//!
//! ```text
//! GET  /boot.ipxe                  the script that asks for a machine's own, with its claims
//! GET  /boot.ipxe?mac=…&serial=…   the machine's own script
//! GET  /boot.grub?mac=…&serial=…   the same for GRUB; /grub/…/grub.cfg is its question
//! GET  …/autoexec.ipxe             the same script, in every folder: iPXE's EFI builds look for it where they came from
//! GET  /boot/NAME                  kernel, initramfs, network boot programs
//! GET  /NAME, /BOOT/NAME, …        the same where shim and GRUB look for them
//! GET  /images/DIGEST/NAME         an image, with Range
//! GET  /r/RUN/…                    what belongs to one run: an installer's kernel and answers, a node's files
//! POST /r/RUN/done                 an installer says that it is done (GET too)
//! POST /r/RUN/home                 a machine's own system says that it runs (GET too)
//! POST /r/RUN/home/output          what cloud-init writes in that system's first boot
//! POST /agent/v1/runs/RUN/…        what the agent says; GET …/word what it asks
//! GET  /api/v1/nodes  …/events     every node, and what happened, for machines to read
//! GET  /api/v1/batch               the batch and its machines
//! GET  /metrics                    the bench in figures
//! GET  /healthz                    200 while the station runs
//! GET  /ca.pem  .der  .esl         the certificate of the station's authority
//! ```

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use warp::filters::BoxedFilter;
use warp::reject::not_found;
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::boot_files::BootFiles;
use super::images::ImageMaps;
use super::script::{self, ScriptReader};
use super::throttle::Sending;
use super::{HttpConfig, Peer, agent, api, body, installer, loaders, phone_home};
use crate::domain::digest::Digest;
use crate::domain::event::Event;
use crate::service::ServiceContext;
use crate::service::http::answer::{ipv4, said};
use crate::service::tls::{CertificateFormat, ServerTls};

pub(super) fn all(context: ServiceContext, config: &HttpConfig, images: ImageMaps) -> BoxedFilter<(Response,)> {
    only_by_https(&context)
        .or(boot_script(&context))
        .unify()
        .or(autoexec(&context))
        .unify()
        .or(image(images.clone()))
        .unify()
        .or(phone_home::route(&context))
        .unify()
        .or(installer::route(&context, images))
        .unify()
        .or(agent::routes(&context))
        .unify()
        .or(api::routes(&context, config))
        .unify()
        .or(authority(config.tls.as_deref()))
        .unify()
        .or(loaders::route(&context, BootFiles::new(config.boot_files.clone())))
        .unify()
        .or(nothing_here())
        .unify()
        .boxed()
}

/// What a machine is not given by plain HTTP where HTTPS is required.
fn only_by_https(context: &ServiceContext) -> BoxedFilter<(Response,)> {
    let context = context.clone();
    let refused = move |path: &str, peer: Peer| {
        let is_for_machines = ["/boot/", "/images/", "/agent/", "/r/"].iter().any(|place| path.starts_with(place));
        // Who calls home is given nothing, and a system of somebody else's cannot be told to trust this station.
        let is_for_machines = is_for_machines
            && !(path.starts_with("/r/") && (path.ends_with("/home") || path.ends_with("/home/output")));
        (is_for_machines && !peer.by_https && context.snapshot().station.require_https).then(|| {
            let reason = format!("{path} was asked for by plain HTTP, and this station requires HTTPS");
            tracing::info!(peer = %peer.address, "refused: {reason}");
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

fn boot_script(context: &ServiceContext) -> BoxedFilter<(Response,)> {
    let context = context.clone();
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let ipxe = warp::path!("boot.ipxe").map(|| ScriptReader::Ipxe);
    let loader = ipxe.or(warp::path!("boot.grub").map(|| ScriptReader::Grub)).unify();
    let own = loader.and(warp::get().or(warp::head()).unify()).and(warp::method()).and(query);
    own.and(warp::ext::get::<Peer>())
        .map(move |loader, method, query: String, peer| script::answer(&context, loader, &method, &query, peer))
        .boxed()
}

fn autoexec(context: &ServiceContext) -> BoxedFilter<(Response,)> {
    let context = context.clone();
    let meant = |path: warp::path::FullPath| async move {
        let name = path.as_str().rsplit('/').next().unwrap_or_default();
        if name.eq_ignore_ascii_case(AUTOEXEC) { Ok(()) } else { Err(warp::reject()) }
    };
    let asked = warp::path::full().and_then(meant).untuple_one().and(warp::get().or(warp::head()).unify());
    asked.and(warp::ext::get::<Peer>()).map(move |peer| script::question(&context, ScriptReader::Ipxe, peer)).boxed()
}

fn image(images: ImageMaps) -> BoxedFilter<(Response,)> {
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
fn authority(tls: Option<&ServerTls>) -> BoxedFilter<(Response,)> {
    let exported = tls.and_then(|tls| tls.authority().exported().ok()).map(Arc::new);
    let asked = warp::path!(String).and(warp::get().or(warp::head()).unify()).and(warp::header::headers_cloned());
    asked
        .and_then(move |name: String, headers: HeaderMap| {
            let exported = exported.clone();
            async move {
                let format: CertificateFormat =
                    name.strip_prefix("ca.").and_then(|it| it.parse().ok()).ok_or_else(not_found)?;
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

const AUTOEXEC: &str = "autoexec.ipxe";
