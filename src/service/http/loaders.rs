//! Kernel, initramfs and network boot programs, where each loader looks for them.
//!
//! `/boot/NAME` is where machines are sent. shim asks for its second stage beside itself or in the root, GRUB for its
//! configuration below `/grub/`, and firmware changes case: all of that is found too.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, Method, StatusCode};
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::path::FullPath;
use warp::reply::Response;

use super::answer::{ipv4, said};
use super::boot_files::BootFiles;
use super::script::{self, ScriptReader};
use super::throttle::BrokenTransfers;
use super::{Peer, body};
use crate::boot::script::shim::{self, SECOND_STAGE, Shims};
use crate::boot::sighting;
use crate::boot::tftp::names::{self, BootFile};
use crate::clock;
use crate::domain::event::Event;
use crate::domain::machine::sighting::Http;
use crate::domain::text;
use crate::service::ServiceContext;

/// Answers for every path that means a boot file or a loader's first question; rejects the others.
pub(super) fn route(context: &ServiceContext, files: BootFiles) -> BoxedFilter<(Response,)> {
    let loaders = Arc::new(LoaderFiles {
        context: context.clone(),
        files,
        shims: Mutex::default(),
        broken: BrokenTransfers::default(),
    });
    let asked = warp::get().map(|| Method::GET).or(warp::head().map(|| Method::HEAD)).unify();
    asked
        .and(warp::path::full())
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<Peer>())
        .and_then(move |method: Method, path: FullPath, headers: HeaderMap, peer| {
            let loaders = loaders.clone();
            async move { loaders.answer(&method, path.as_str(), &headers, peer).await.ok_or_else(warp::reject::not_found) }
        })
        .boxed()
}

struct LoaderFiles {
    context: ServiceContext,
    files: BootFiles,
    shims: Mutex<Shims>,
    broken: BrokenTransfers,
}

impl LoaderFiles {
    async fn answer(&self, method: &Method, path: &str, headers: &HeaderMap, peer: Peer) -> Option<Response> {
        let address = ipv4(peer);
        let asked = path.trim_start_matches('/');
        let below = asked.strip_prefix("boot/");
        let elsewhere = below.is_none();
        match self.find(below.unwrap_or(asked), address).await {
            // Outside of /boot/ only programs are looked for.
            Some(BootFile::File(name)) if elsewhere && !name.ends_with(".efi") => None,
            Some(BootFile::File(name)) => self.send(method, &name, headers, address).await,
            Some(BootFile::Autoexec) => Some(script::question(&self.context, ScriptReader::Ipxe, peer)),
            Some(BootFile::GrubConfig) => Some(script::question(&self.context, ScriptReader::Grub, peer)),
            None => {
                let name = below.filter(|name| !shim::is_optional(name))?;
                let file = text::clean(name, NAME);
                self.context.inbox.saw(sighting::http(address, Http::Missing { file }));
                Some(said(StatusCode::NOT_FOUND, &format!("no boot file {name:?}: rebuild the boot files")))
            }
        }
    }

    async fn find(&self, asked: &str, peer: Ipv4Addr) -> Option<BootFile> {
        let names = self.files.names().await;
        if let Ok(found) = names::find(asked, &names) {
            return Some(found);
        }
        let spoilt =
            self.shims.lock().unwrap_or_else(PoisonError::into_inner).means_second_stage(clock::now(), peer, asked);
        names::find(SECOND_STAGE, &names).ok().filter(|_| spoilt)
    }

    async fn send(&self, method: &Method, name: &str, headers: &HeaderMap, peer: Ipv4Addr) -> Option<Response> {
        let (content, tag) = self.files.read(name).await?;
        // UEFI, shim and GRUB ask for the length first.
        self.context.inbox.saw(match *method {
            Method::GET => {
                self.shims.lock().unwrap_or_else(PoisonError::into_inner).sent(clock::now(), peer, name);
                Event::KernelServed { address: peer, file: name.to_owned() }
            }
            _ => sighting::http(peer, Http::Head { file: name.to_owned() }),
        });
        let sending = self.broken.sending(peer, name, self.context.bench.borrow().effects_at(peer).pace);
        Some(body::file(&content, &tag, content_type(name), headers, sending))
    }
}

/// Firmware looks at this before it starts a program (UEFI 2.10 section 24.7.3.1).
fn content_type(name: &str) -> &'static str {
    if name.ends_with(".efi") { "application/efi" } else { "application/octet-stream" }
}

/// Letters of a file that is not there.
const NAME: usize = 80;
