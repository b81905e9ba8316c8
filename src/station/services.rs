//! The station's services, each started with its part of the configuration and started again when it fails.

use std::path::Path;
use std::sync::Arc;

use tracing::error;

use super::build::image_config;
use crate::boot::script::{self, grub};
use crate::config::{Config, Webhook};
use crate::domain::station::lease::Lease;
use crate::domain::station::service::ServiceName;
use crate::service::tls::{ServerTls, TlsError};
use crate::service::{
    ServiceContext, ServiceError, control, dhcp, doctor_log, http, images, import_folder, link, router_advert, syslog,
    tftp, webhook,
};
use crate::supervise::Supervisor;
use crate::webhook_queue::Changes;

/// Starts every service but the webhook.
pub(super) fn start(
    services: &mut Supervisor,
    context: &ServiceContext,
    config: &Config,
    tls: Result<Arc<ServerTls>, TlsError>,
    leases: Vec<Lease>,
) {
    services.spawn("bulletin", doctor_log::serve(context.clone()));
    start_network(services, context, config, leases);
    start_http(services, context, config, tls);

    let images = image_config(config);
    let control = control::ControlConfig { socket: config.data.control_socket() };
    let lists = import_folder::ImportFolderConfig { folder: config.data.import_folder() };
    let (inbox, context) = (&context.inbox, || context.clone());
    let here = context();
    services.serve(ServiceName::Images, inbox.clone(), move || images::serve(here.clone(), images.clone()));
    let here = context();
    services.serve(ServiceName::Control, inbox.clone(), move || control::serve(here.clone(), control.clone()));
    let here = context();
    services.serve(ServiceName::ImportFolder, inbox.clone(), move || import_folder::serve(here.clone(), lists.clone()));
}

/// The link, and what machines speak to before they have a kernel.
fn start_network(services: &mut Supervisor, context: &ServiceContext, config: &Config, leases: Vec<Lease>) {
    let bound = bound(config);
    let dhcp = dhcp::DhcpConfig::new(&config.interface, config.segment.clone(), config.dhcp.clone(), leases);
    let tftp = tftp::TftpConfig {
        interface: config.interface.clone(),
        address: config.segment.address(),
        port: tftp::PORT,
        directory: config.boot_files.clone(),
        autoexec: script::ask(config.segment.given_url(), config.segment.address()),
        grub_config: grub::ask(&config.segment.base_url),
    };
    let advert = router_advert::RouterAdvertConfig { interface: config.interface.clone(), address: bound.address };
    let (inbox, context) = (&context.inbox, || context.clone());
    let (here, at) = (context(), bound.clone());
    services.serve(ServiceName::Network, inbox.clone(), move || link::serve(here.clone(), at.clone()));
    let here = context();
    services.serve(ServiceName::Dhcp, inbox.clone(), move || dhcp::serve(here.clone(), dhcp.clone()));
    let here = context();
    services.serve(ServiceName::Tftp, inbox.clone(), move || tftp::serve(here.clone(), tftp.clone()));
    let here = context();
    services.serve(ServiceName::Syslog, inbox.clone(), move || syslog::serve(here.clone(), bound.clone()));
    let here = context();
    services
        .serve(ServiceName::RouterAdvert, inbox.clone(), move || router_advert::serve(here.clone(), advert.clone()));
}

/// HTTP, and HTTPS unless its certificates need a person.
fn start_http(
    services: &mut Supervisor,
    context: &ServiceContext,
    config: &Config,
    tls: Result<Arc<ServerTls>, TlsError>,
) {
    let bound = bound(config);
    let http = http::HttpConfig {
        listen: config.http,
        boot_files: config.boot_files.clone(),
        images: config.data.blobs(),
        tls: tls.as_ref().ok().cloned(),
        token: token(&config.data.api_token()),
    };
    let https = http::HttpConfig { listen: config.https, ..http.clone() };
    let (inbox, context) = (&context.inbox, || context.clone());
    let (here, at) = (context(), bound.clone());
    services.serve(ServiceName::Http, inbox.clone(), move || {
        let serving = http::serve(here.clone(), http.clone());
        link::beside(here.clone(), ServiceName::Http, at.clone(), serving)
    });
    let here = context();
    match tls {
        Ok(tls) => services.serve(ServiceName::Https, inbox.clone(), move || {
            let serving = http::serve_tls(here.clone(), https.clone(), tls.clone());
            link::beside(here.clone(), ServiceName::Https, bound.clone(), serving)
        }),
        Err(error) => {
            error!(hint = error.hint(), "no HTTPS: {error}");
            let error = Arc::new(error);
            services.serve(ServiceName::Https, inbox.clone(), move || no_https(here.clone(), error.clone()));
        }
    }
}

/// Starts the webhook, if one is configured.
pub(super) fn start_webhook(
    services: &mut Supervisor,
    context: &ServiceContext,
    config: &Config,
    changes: Option<Arc<Changes>>,
) {
    let (Some(configured), Some(changes)) = (config.webhook.clone(), changes) else { return };
    let Webhook { url, origin, key, token, authorities, phases: _ } = configured;
    let (pause, patience) = (webhook::PAUSE, webhook::PATIENCE);
    let config = webhook::WebhookConfig { url, origin, key, token, authorities, pause, patience };
    let (inbox, context) = (context.inbox.clone(), context.clone());
    services
        .serve(ServiceName::Webhook, inbox, move || webhook::serve(context.clone(), config.clone(), changes.clone()));
}

/// Runs in place of HTTPS, as what is wrong needs a person.
async fn no_https(context: ServiceContext, error: Arc<TlsError>) -> Result<(), ServiceError> {
    context.down(ServiceName::Https, &error, error.hint()).await;
    context.stop.cancelled().await;
    Ok(())
}

fn bound(config: &Config) -> link::BoundInterface {
    link::BoundInterface { interface: config.interface.clone(), address: config.segment.address() }
}

/// What programs must show to read the bench's state. Without it that is read at the workstation alone.
fn token(file: &Path) -> Option<http::Token> {
    http::Token::open(file)
        .map_err(|err| error!("other programs cannot read the bench's state: {}: {err}", file.display()))
        .ok()
}
