//! Builds the station from its configuration and its data. Nothing runs yet but the threads that write files.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::Runtime;
use tokio::sync::watch;
use tracing::warn;

use super::offline::InitialSettings;
use crate::config::{Config, ConfigProblem, url};
use crate::data_dir::DataDir;
use crate::domain::fleet::Fleet;
use crate::domain::ids::placeholder::Placeholders;
use crate::domain::snapshot::{Catalogue, Snapshot};
use crate::domain::station::Station;
use crate::domain::station::https::Https;
use crate::domain::station::lease::Lease;
use crate::hub::Hub;
use crate::inbox::{Inbox, Input};
use crate::logs::index::IndexUpdater;
use crate::logs::nodes::LogBounds;
use crate::record::{self, Recorder};
use crate::service::tls::{ServerTls, TlsError};
use crate::service::{ServiceContext, images};
use crate::store::{self, Memory, Store, StoreError};
use crate::webhook_queue::{Changes, WebhookQueue};
use crate::{clock, logs};

/// A station that is built and does not run yet.
pub(super) struct BuiltStation {
    pub(super) runtime: Runtime,
    pub(super) hub: Hub,
    pub(super) bench: watch::Receiver<Arc<Snapshot>>,
    /// Without HTTPS the station runs anyway, and its service reports why there is none.
    pub(super) tls: Result<Arc<ServerTls>, TlsError>,
    /// What DHCP begins with.
    pub(super) leases: Vec<Lease>,
    /// What the webhook is to send, if there is one.
    pub(super) changes: Option<Arc<Changes>>,
    /// The index of logs is kept up as long as this lives.
    pub(super) indexing: IndexUpdater,
    /// They write files, and end once their senders are dropped.
    pub(super) writers: Vec<JoinHandle<()>>,
}

/// Opens the data, and builds what reads and writes it. `config` gets the URL of HTTPS.
pub(super) fn build(config: &mut Config, record: Option<&Path>, inbox: &Inbox) -> Result<BuiltStation, ConfigProblem> {
    let data = config.data.clone();
    let tls = ServerTls::open(&data.tls(), config.segment.address(), clock::now()).map(Arc::new);
    let https = |tls: &Arc<ServerTls>| Https { base_url: url("https", config.https), ca: tls.fingerprint() };
    config.segment.https = tls.as_ref().ok().map(https);

    let (store, mut memory, store_thread) = open_store(&data)?;
    memory.unreadable.iter().for_each(|row| warn!("a row cannot be read and stays in the database: {row}"));
    let runtime = Runtime::new().map_err(|err| {
        let what = format!("cannot start: {err}");
        ConfigProblem::new(what, "the workstation is out of threads or memory: close other programs")
    })?;

    let unwritable = |err: io::Error| log_unwritable(&data, &err);
    logs::nodes::recall(&data.node_logs(), memory.nodes.iter_mut().chain(&mut memory.set_aside));
    let (node_logs, log_thread) =
        logs::nodes::start(&data.node_logs(), LogBounds::default(), &memory.nodes, inbox.clone())
            .map_err(unwritable)?;
    let (indexing, index_thread) = logs::index::keep(&data.log_index(), &data.node_logs()).map_err(unwritable)?;
    let mut writers = vec![store_thread, log_thread, index_thread];

    let leases = std::mem::take(&mut memory.leases);
    let fleet = restored(memory, InitialSettings { policy: config.policy, dhcp: config.dhcp_setting });
    let about = about(config);
    let queue = config.webhook.as_ref().map(|webhook| WebhookQueue::new(webhook.phases.clone(), &about, fleet.nodes()));
    let changes = queue.as_ref().map(WebhookQueue::changes);
    let (mut hub, bench) = Hub::new(fleet, about, store, Box::new(node_logs));
    if let Some(queue) = queue {
        hub = hub.heard_by(queue);
    }
    if let Some((recorder, thread)) = record.map(recorder).transpose()? {
        hub = hub.recorded_by(recorder);
        writers.push(thread);
    }
    Ok(BuiltStation { runtime, hub, bench, tls, leases, changes, indexing, writers })
}

/// Opens the database, with a hint where that fails.
pub(super) fn open_store(data: &DataDir) -> Result<(Store, Memory, JoinHandle<()>), ConfigProblem> {
    store::open(&data.database()).map_err(|err| {
        let hint = match &err {
            StoreError::Newer { .. } => "start the newer oxbow that wrote it, or give this one its own --data",
            StoreError::Open { .. } | StoreError::Read(_) | StoreError::Thread(_) => {
                "check that the data directory is writable and has room; if the file is damaged, move it away"
            }
        };
        let source = std::error::Error::source(&err).map(|source| format!(": {source}")).unwrap_or_default();
        ConfigProblem::new(format!("{err}{source}"), hint)
    })
}

/// The fleet as it was stored.
pub(super) fn restored(memory: Memory, initial: InitialSettings) -> Fleet {
    let fleet = Fleet::restore(memory.nodes).with_deeds(memory.deeds, memory.set_aside).with_batches(memory.batches);
    let fleet = fleet.with(memory.policy.unwrap_or(initial.policy), &Placeholders::default(), memory.shared);
    fleet.with_dhcp(memory.dhcp.under(initial.dhcp))
}

/// The bench knows the profiles before anybody can ask it for anything.
pub(super) async fn publish_profiles(context: &ServiceContext, profiles: Catalogue) {
    let profiles = Arc::new(profiles);
    context.inbox.send(Input::Catalogue(profiles.clone())).await;
    let mut bench = context.bench.clone();
    while bench.borrow().catalogue != profiles && bench.changed().await.is_ok() {}
}

/// Why there is no log.
pub(super) fn log_unwritable(data: &DataDir, err: &dyn std::fmt::Display) -> ConfigProblem {
    let what = format!("cannot write logs in {}: {err}", data.log().display());
    ConfigProblem::new(what, "check that the data directory is writable and has room")
}

/// Where the images service looks.
pub(super) fn image_config(config: &Config) -> images::ImagesConfig {
    images::ImagesConfig {
        profiles: config.profiles.clone(),
        images: config.images.clone(),
        store: config.data.blobs(),
        boot_files: config.boot_files.clone(),
        quirks: config.data.quirks(),
        placeholders: config.data.placeholders(),
        default_profile: config.default_profile.clone(),
    }
}

fn about(config: &Config) -> Station {
    Station {
        interface: config.interface.clone(),
        address: config.segment.address(),
        base_url: config.segment.base_url.clone(),
        https: config.segment.https.clone(),
        require_https: config.segment.require_https,
        started: clock::now(),
        ..Station::default()
    }
}

/// Begins a recording in this file, which must be a new one: an incident is not overwritten.
fn recorder(path: &Path) -> Result<(Recorder, JoinHandle<()>), ConfigProblem> {
    let cannot = |err: io::Error| {
        let what = format!("cannot record in {}: {err}", path.display());
        ConfigProblem::new(what, "name a file that does not exist yet, in a writable directory")
    };
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|err| cannot(io::Error::other(err.to_string())))?;
    record::start(path, salt).map_err(cannot)
}
