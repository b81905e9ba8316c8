//! Builds the station and takes it down again: the only file that knows everyone.
//!
//! ```text
//! up:    log -> lock -> store -> hub -> services -> screen, or signals
//! down:  services drain (3 s) -> hub takes in the rest -> store writes it and closes -> logs are flushed
//! ```

mod export;
mod signals;

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use tracing_appender::non_blocking::WorkerGuard;

use crate::boot::script::{self, grub};
use crate::config::screen::{AlarmSetting, Background, PaletteSetting};
use crate::config::{Config, ConfigProblem, ScreenSettings, Webhook, url};
use crate::domain::fleet::Fleet;
use crate::domain::ids::placeholder::Placeholders;
use crate::domain::snapshot::Catalogue;
use crate::domain::station::Station;
use crate::domain::station::dhcp::DhcpChoice;
use crate::domain::station::https::Https;
use crate::domain::station::lease::Lease;
use crate::domain::station::policy::Policy;
use crate::domain::station::service::ServiceName;
use crate::hub::Hub;
use crate::inbox::{Input, inbox};
use crate::record::{self, Recorder};
use crate::service::tls::{Authority, ServerTls, TlsError};
use crate::service::{
    ServiceContext, ServiceError, control, dhcp, doctor_log, http, images, import_folder, link, router_advert, syslog,
    tftp, webhook,
};
use crate::store::{self, Memory, StoreError};
use crate::supervise::Supervisor;
use crate::webhook_queue::{Changes, WebhookQueue};
use crate::{clock, logs, tui};

/// How the station shows itself.
#[derive(Clone, Copy, Debug)]
pub struct ScreenMode {
    pub headless: bool,
    pub ascii: bool,
}

/// Runs the station until it is told to stop. What keeps it from starting is said on standard error.
pub fn run(config: Config, screen: ScreenMode, record: Option<&Path>) -> ExitCode {
    match station(config, screen, record) {
        Ok(code) => code,
        Err(problem) => {
            error!("not started: {}", problem.what);
            eprintln!("oxbow: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// What would disappoint a machine: boot files, profiles and images are looked at, nothing is served.
pub fn check(config: &Config) -> Vec<ConfigProblem> {
    let mut wrong = images::examine(&image_config(config));
    if config.segment.require_https {
        let profiles =
            images::read(&config.profiles, None, &config.data.join(QUIRKS), &config.data.join(PLACEHOLDERS)).profiles;
        wrong.extend(profiles.values().filter(|profile| profile.secure_boot).map(|profile| {
            let what = format!(
                "profile {}: secure_boot needs HTTP, for GRUB has no HTTPS, and this station demands it",
                profile.id
            );
            (what, "take out secure_boot, or serve its machines from a station that does not demand HTTPS".into())
        }));
    }
    let wrong = wrong.into_iter().map(|(what, hint)| ConfigProblem { what, hint });
    wrong.chain(no_authority(&config.data.join(TLS))).collect()
}

/// What is wrong with the authority, if there is one: the station makes it when it is first started.
fn no_authority(directory: &Path) -> Option<ConfigProblem> {
    let error = directory.exists().then(|| Authority::open(directory, clock::now()).err())??;
    Some(ConfigProblem { what: error.to_string(), hint: error.hint().into() })
}

fn station(mut config: Config, screen: ScreenMode, record: Option<&Path>) -> Result<ExitCode, ConfigProblem> {
    let logs_at = config.data.join("log");
    let unwritable = |err: &dyn std::fmt::Display| ConfigProblem {
        what: format!("cannot write logs in {}: {err}", logs_at.display()),
        hint: "check that the data directory can be written and has room".into(),
    };
    let (inbox, outlet) = inbox();
    let _log = logs::start(&logs_at, screen.headless, Some(inbox.clone())).map_err(|err| unwritable(&err))?;
    let _lock = lock_within(&config.data, COMMAND_ENDS)?.ok_or_else(|| ConfigProblem {
        what: format!("another oxbow is running with the data in {}", config.data.display()),
        hint: "use the one that is running, or give this one its own --data".into(),
    })?;
    info!(version = env!("CARGO_PKG_VERSION"), ?config, "starting");

    // Without HTTPS the station goes on: its services say why there is none.
    let tls = ServerTls::open(&config.data.join(TLS), config.segment.address(), clock::now()).map(Arc::new);
    let https = |tls: &Arc<ServerTls>| Https { base_url: url("https", config.https), ca: tls.fingerprint() };
    config.segment.https = tls.as_ref().ok().map(https);

    let (store, mut memory, store_thread) = store::open(&config.data.join("oxbow.db")).map_err(explained)?;
    memory.unreadable.iter().for_each(|row| warn!("not understood, left in the store: {row}"));
    let runtime = Runtime::new().map_err(|err| ConfigProblem {
        what: format!("cannot start: {err}"),
        hint: "the workstation is out of threads or memory: close other programs".into(),
    })?;

    let stop = CancellationToken::new();
    let hub_stop = CancellationToken::new();
    let signals_stop = CancellationToken::new();
    let mut signals = Supervisor::new(signals_stop.clone());
    logs::nodes::recall(&config.data.join(NODE_LOGS), memory.nodes.iter_mut().chain(&mut memory.set_aside));
    let (node_logs, log_thread) = logs::nodes::start(
        &config.data.join(NODE_LOGS),
        logs::nodes::LogBounds::default(),
        &memory.nodes,
        inbox.clone(),
    )
    .map_err(|err| unwritable(&err))?;
    let (indexed, index_thread) =
        logs::index::keep(&config.data.join(SEARCH), &config.data.join(NODE_LOGS)).map_err(|err| unwritable(&err))?;
    let leases = std::mem::take(&mut memory.leases);
    let fleet = restored(memory, First { policy: config.policy, dhcp: config.dhcp_setting });
    let about = about(&config);
    let herald = config.webhook.as_ref().map(|told| WebhookQueue::new(told.phases.clone(), &about, fleet.nodes()));
    let changes = herald.as_ref().map(WebhookQueue::changes);
    let (hub, bench) = Hub::new(fleet, about, store, Box::new(node_logs));
    let hub = match herald {
        Some(herald) => hub.heard_by(herald),
        None => hub,
    };
    let (recorder, record_thread) = record.map(recorder).transpose()?.unzip();
    let hub = match recorder {
        Some(recorder) => hub.recorded_by(recorder),
        None => hub,
    };
    let exit = {
        let _inside = runtime.enter();
        let context = ServiceContext { inbox: inbox.clone(), bench: bench.clone(), stop: stop.clone() };
        let mut hub_task = Supervisor::new(hub_stop.clone());
        hub_task.spawn("hub", hub.run(outlet, hub_stop.clone()));
        runtime.block_on(publish_profiles(
            &context,
            images::read(
                &config.profiles,
                config.default_profile.as_ref(),
                &config.data.join(QUIRKS),
                &config.data.join(PLACEHOLDERS),
            ),
        ));
        let mut services = Supervisor::new(stop.clone());
        start_services(&mut services, &context, &config, tls, leases);
        start_webhook(&mut services, &context, &config, changes);
        // Outlives both, so that a second signal is heard while they end.
        signals.spawn(
            "signals",
            signals::heed(stop.clone(), hub_stop.clone(), signals_stop.clone(), config.screen.keep_serving),
        );

        let exit = if screen.headless {
            runtime.block_on(stop.cancelled());
            ExitCode::SUCCESS
        } else {
            let options = tui::TuiOptions {
                looks: looks(&config.screen, screen.ascii),
                bell: calls(config.screen.bell),
                flash: calls(config.screen.flash),
                runtime: runtime.handle().clone(),
            };
            let folders =
                tui::ListFolders { import: config.data.join(IMPORT_FOLDER), captures: config.data.join(CAPTURES) };
            match tui::run_in(bench, inbox, stop.clone(), options, folders, Some(export::office(&config))) {
                Ok(exit) => {
                    info!(?exit, "the screen has ended");
                    match exit {
                        tui::Exit::Quit | tui::Exit::Stopped => ExitCode::SUCCESS,
                        tui::Exit::TerminalLost(_) | tui::Exit::Failed if config.screen.keep_serving => {
                            warn!("serving on without a screen: `oxbow nodes` asks this station, SIGTERM stops it");
                            runtime.block_on(stop.cancelled());
                            ExitCode::SUCCESS
                        }
                        tui::Exit::TerminalLost(_) => ExitCode::SUCCESS,
                        tui::Exit::Failed => ExitCode::FAILURE,
                    }
                }
                Err(err) => complain(&err),
            }
        };
        // Nobody else stops the hub before the services.
        let exit = if hub_stop.is_cancelled() { ExitCode::FAILURE } else { exit };
        runtime.block_on(async {
            services.shutdown(GRACE).await;
            hub_task.shutdown(GRACE).await;
        });
        exit
    };
    drop(indexed);
    for thread in [store_thread, log_thread, index_thread].into_iter().chain(record_thread) {
        if thread.join().is_err() {
            error!("a thread ended with a fault");
        }
    }
    runtime.block_on(signals.shutdown(GRACE));
    runtime.shutdown_timeout(Duration::from_secs(1));
    info!("stopped");
    Ok(exit)
}

/// What the settings say of that which people choose at the bench.
#[derive(Clone, Copy, Debug)]
pub struct First {
    /// Until somebody chooses one.
    pub policy: Policy,
    pub dhcp: Option<DhcpChoice>,
}

/// The bench of a data directory on which no station runs: the store and the one who writes it, and nothing that a
/// machine could reach. Ends in order when it is dropped.
pub struct Alone {
    stop: CancellationToken,
    hub_stop: CancellationToken,
    tasks: Option<(Supervisor, Supervisor)>,
    runtime: Option<Runtime>,
    threads: Vec<JoinHandle<()>>,
    _log: WorkerGuard,
    _lock: File,
}

/// Opens the bench in `data` for one command, which is spoken as on a station's control socket. None while another oxbow
/// has it.
pub fn alone(data: &Path, profiles: &Path, first: First) -> Result<Option<(UnixStream, Alone)>, ConfigProblem> {
    let cannot = |err: io::Error| ConfigProblem {
        what: format!("cannot work in {}: {err}", data.display()),
        hint: "check that the data directory can be written and has room".into(),
    };
    std::fs::create_dir_all(data).map_err(cannot)?;
    let Some(lock) = lock(data)? else { return Ok(None) };
    let log = logs::start(&data.join("log"), false, None).map_err(|err| cannot(io::Error::other(err)))?;
    let (store, mut memory, store_thread) = store::open(&data.join("oxbow.db")).map_err(explained)?;
    let runtime = Runtime::new().map_err(cannot)?;
    let (ours, theirs) = UnixStream::pair().map_err(cannot)?;
    theirs.set_nonblocking(true).map_err(cannot)?;

    let (stop, hub_stop) = (CancellationToken::new(), CancellationToken::new());
    let (inbox, outlet) = inbox();
    let nodes_at = data.join(NODE_LOGS);
    let bounds = logs::nodes::LogBounds::default();
    logs::nodes::recall(&nodes_at, memory.nodes.iter_mut().chain(&mut memory.set_aside));
    let (node_logs, log_thread) =
        logs::nodes::start(&nodes_at, bounds, &memory.nodes, inbox.clone()).map_err(cannot)?;
    let fleet = restored(memory, first);
    let (hub, bench) = Hub::new(fleet, Station::default(), store, Box::new(node_logs));
    let inside = runtime.enter();
    let theirs = tokio::net::UnixStream::from_std(theirs).map_err(cannot)?;
    let context = ServiceContext { inbox, bench, stop: stop.clone() };
    let mut hub_task = Supervisor::new(hub_stop.clone());
    hub_task.spawn("hub", hub.run(outlet, hub_stop.clone()));
    let read = images::read(profiles, None, &data.join(QUIRKS), &data.join(PLACEHOLDERS));
    runtime.block_on(publish_profiles(&context, read));
    let mut desk = Supervisor::new(stop.clone());
    desk.spawn("control", async move {
        if let Err(err) = control::converse(theirs, context.clone()).await {
            warn!("the command line was not answered: {err}");
        }
        context.stop.cancelled().await;
    });
    drop(inside);
    let threads = vec![store_thread, log_thread];
    let tasks = Some((desk, hub_task));
    Ok(Some((ours, Alone { stop, hub_stop, tasks, runtime: Some(runtime), threads, _log: log, _lock: lock })))
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.stop.cancel();
        if let (Some(runtime), Some((desk, hub_task))) = (self.runtime.take(), self.tasks.take()) {
            runtime.block_on(async {
                desk.shutdown(GRACE).await;
                self.hub_stop.cancel();
                hub_task.shutdown(GRACE).await;
            });
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

/// What was chosen of how the screen looks.
fn looks(chosen: &ScreenSettings, ascii: bool) -> tui::Looks {
    let (palette, sight) = match chosen.palette {
        None | Some(PaletteSetting::Auto) => (None, tui::Sight::Usual),
        Some(PaletteSetting::Mono) => (Some(tui::Palette::Mono), tui::Sight::Usual),
        Some(PaletteSetting::Sixteen) => (Some(tui::Palette::Sixteen), tui::Sight::Usual),
        Some(PaletteSetting::Indexed) => (Some(tui::Palette::Indexed), tui::Sight::Usual),
        Some(PaletteSetting::Rgb) => (Some(tui::Palette::Rgb), tui::Sight::Usual),
        Some(PaletteSetting::Deuteranopia | PaletteSetting::Protanopia) => (None, tui::Sight::RedGreen),
        Some(PaletteSetting::Tritanopia) => (None, tui::Sight::BlueYellow),
    };
    let ground = match chosen.background {
        None | Some(Background::Auto) => None,
        Some(Background::Dark) => Some(tui::Backdrop::Dark),
        Some(Background::Light) => Some(tui::Backdrop::Light),
    };
    tui::Looks { palette, sight, ground, ascii }
}

fn calls(chosen: Option<AlarmSetting>) -> tui::Calls {
    match chosen {
        None | Some(AlarmSetting::All) => tui::Calls::All,
        Some(AlarmSetting::Failures) => tui::Calls::Failures,
        Some(AlarmSetting::Never) => tui::Calls::Never,
    }
}

fn complain(err: &tui::TuiError) -> ExitCode {
    error!("no screen: {err}");
    eprintln!("oxbow: {err}\nhint: {}", err.hint());
    ExitCode::FAILURE
}

fn start_services(
    services: &mut Supervisor,
    context: &ServiceContext,
    config: &Config,
    tls: Result<Arc<ServerTls>, TlsError>,
    leases: Vec<Lease>,
) {
    let place = link::BoundInterface { interface: config.interface.clone(), address: config.segment.address() };
    let dhcp = dhcp::DhcpConfig::new(&config.interface, config.segment.clone(), config.dhcp.clone(), leases);
    let tftp = tftp::TftpConfig {
        interface: config.interface.clone(),
        address: config.segment.address(),
        port: tftp::PORT,
        directory: config.boot_files.clone(),
        autoexec: script::ask(config.segment.given_url(), config.segment.address()),
        grub_config: grub::ask(&config.segment.base_url),
    };
    let http = http::HttpConfig {
        listen: config.http,
        boot_files: config.boot_files.clone(),
        images: config.data.join(BLOBS),
        tls: tls.as_ref().ok().cloned(),
        token: token(&config.data.join(API_TOKEN)),
    };
    let https = http::HttpConfig { listen: config.https, ..http.clone() };
    let advert = router_advert::RouterAdvertConfig { interface: config.interface.clone(), address: place.address };
    let images = image_config(config);
    let control = control::ControlConfig { socket: config.data.join(CONTROL_SOCKET) };
    let lists = import_folder::ImportFolderConfig { folder: config.data.join(IMPORT_FOLDER) };

    services.spawn("bulletin", doctor_log::serve(context.clone()));
    let to = || (context.inbox.clone(), context.clone());
    let (inbox, context) = to();
    let (network, log_place) = (place.clone(), place.clone());
    services.serve(ServiceName::Network, inbox, move || link::serve(context.clone(), network.clone()));
    let (inbox, context) = to();
    services.serve(ServiceName::Dhcp, inbox, move || dhcp::serve(context.clone(), dhcp.clone()));
    let (inbox, context) = to();
    services.serve(ServiceName::Tftp, inbox, move || tftp::serve(context.clone(), tftp.clone()));
    let (inbox, context) = to();
    let at = place.clone();
    services.serve(ServiceName::Http, inbox, move || {
        let serving = http::serve(context.clone(), http.clone());
        link::beside(context.clone(), ServiceName::Http, at.clone(), serving)
    });
    let (inbox, context) = to();
    match tls {
        Ok(tls) => services.serve(ServiceName::Https, inbox, move || {
            let serving = http::serve_tls(context.clone(), https.clone(), tls.clone());
            link::beside(context.clone(), ServiceName::Https, place.clone(), serving)
        }),
        Err(error) => {
            error!(hint = error.hint(), "no HTTPS: {error}");
            let error = Arc::new(error);
            services.serve(ServiceName::Https, inbox, move || no_https(context.clone(), error.clone()));
        }
    }
    let (inbox, context) = to();
    services.serve(ServiceName::Syslog, inbox, move || syslog::serve(context.clone(), log_place.clone()));
    let (inbox, context) = to();
    services.serve(ServiceName::RouterAdvert, inbox, move || router_advert::serve(context.clone(), advert.clone()));
    let (inbox, context) = to();
    services.serve(ServiceName::Images, inbox, move || images::serve(context.clone(), images.clone()));
    let (inbox, context) = to();
    services.serve(ServiceName::Control, inbox, move || control::serve(context.clone(), control.clone()));
    let (inbox, context) = to();
    services.serve(ServiceName::ImportFolder, inbox, move || import_folder::serve(context.clone(), lists.clone()));
}

/// If somebody is to be told.
fn start_webhook(services: &mut Supervisor, context: &ServiceContext, config: &Config, changes: Option<Arc<Changes>>) {
    let (Some(told), Some(changes)) = (config.webhook.clone(), changes) else { return };
    let Webhook { url, origin, key, token, authorities, phases: _ } = told;
    let (pause, patience) = (webhook::PAUSE, webhook::PATIENCE);
    let config = webhook::WebhookConfig { url, origin, key, token, authorities, pause, patience };
    let (inbox, context) = (context.inbox.clone(), context.clone());
    services
        .serve(ServiceName::Webhook, inbox, move || webhook::serve(context.clone(), config.clone(), changes.clone()));
}

/// Begins a recording in this file, which must be a new one: an incident is not written over.
fn recorder(path: &Path) -> Result<(Recorder, JoinHandle<()>), ConfigProblem> {
    let cannot = |err: io::Error| ConfigProblem {
        what: format!("cannot record in {}: {err}", path.display()),
        hint: "name a file that is not there yet, in a directory that can be written".into(),
    };
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|err| cannot(io::Error::other(err.to_string())))?;
    record::start(path, salt).map_err(cannot)
}

/// Stands where HTTPS would, as what is wrong needs a person.
async fn no_https(context: ServiceContext, error: Arc<TlsError>) -> Result<(), ServiceError> {
    context.down(ServiceName::Https, &error, error.hint()).await;
    context.stop.cancelled().await;
    Ok(())
}

/// What readers elsewhere show. Without it the bench's state is read at the workstation alone.
fn token(file: &Path) -> Option<http::Token> {
    http::Token::open(file)
        .map_err(|err| error!("nobody elsewhere can read the bench's state: {}: {err}", file.display()))
        .ok()
}

fn image_config(config: &Config) -> images::ImagesConfig {
    images::ImagesConfig {
        profiles: config.profiles.clone(),
        images: config.images.clone(),
        store: config.data.join(BLOBS),
        boot_files: config.boot_files.clone(),
        quirks: config.data.join(QUIRKS),
        placeholders: config.data.join(PLACEHOLDERS),
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

/// The bench knows the profiles before anybody can ask it for anything.
async fn publish_profiles(context: &ServiceContext, profiles: Catalogue) {
    let profiles = Arc::new(profiles);
    context.inbox.send(Input::Catalogue(profiles.clone())).await;
    let mut bench = context.bench.clone();
    while bench.borrow().catalogue != profiles && bench.changed().await.is_ok() {}
}

/// The fleet as it was stored.
fn restored(memory: Memory, first: First) -> Fleet {
    let fleet = Fleet::restore(memory.nodes).with_deeds(memory.deeds, memory.set_aside).with_batches(memory.batches);
    let fleet = fleet.with(memory.policy.unwrap_or(first.policy), &Placeholders::default(), memory.shared);
    fleet.with_dhcp(memory.dhcp.under(first.dhcp))
}

/// As [`lock`], waiting for a command that works on the data at this moment.
fn lock_within(data: &Path, patience: Duration) -> Result<Option<File>, ConfigProblem> {
    let deadline = Instant::now() + patience;
    loop {
        match lock(data)? {
            None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(50)),
            locked => return Ok(locked),
        }
    }
}

/// One oxbow at a time for one data directory; none if another has it. The lock goes with the process, however it ends.
fn lock(data: &Path) -> Result<Option<File>, ConfigProblem> {
    let path = data.join("lock");
    let file = File::create(&path).map_err(|err| ConfigProblem {
        what: format!("cannot write {}: {err}", path.display()),
        hint: "start oxbow as root, or choose another place with --data".into(),
    })?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(err)) => Err(ConfigProblem {
            what: format!("cannot lock {}: {err}", path.display()),
            hint: "choose another place with --data, on a file system that has locks".into(),
        }),
    }
}

fn explained(err: StoreError) -> ConfigProblem {
    let hint = match &err {
        StoreError::Newer { .. } => "start the newer oxbow that wrote it, or give this one its own --data",
        StoreError::Open { .. } | StoreError::Read(_) | StoreError::Thread(_) => {
            "check that the data directory can be written and has room; if the file is damaged, move it away"
        }
    };
    let source = std::error::Error::source(&err).map(|source| format!(": {source}")).unwrap_or_default();
    ConfigProblem { what: format!("{err}{source}"), hint: hint.into() }
}

/// How long a station that starts waits for a command to end.
const COMMAND_ENDS: Duration = Duration::from_secs(2);
const GRACE: Duration = Duration::from_secs(5);
/// Where a running station answers the command line, below the data directory.
pub const CONTROL_SOCKET: &str = "control.sock";
/// Lists that are put here are imported, below the data directory.
pub const IMPORT_FOLDER: &str = "import";
/// Packets of machines, saved for Wireshark, below the data directory.
const CAPTURES: &str = "captures";
/// What the site does differently for certain machines, below the data directory.
pub const QUIRKS: &str = "quirks.toml";
/// Serials and UUIDs that identify nobody at this site, below the data directory.
pub const PLACEHOLDERS: &str = "placeholders.toml";
/// The station's own copies of images, below the data directory.
pub const BLOBS: &str = "blobs";
/// The nodes' log files and the index of what is in them, below the data directory.
pub const NODE_LOGS: &str = "log/nodes";
pub const SEARCH: &str = "log/search.db";
/// What readers of the bench's state elsewhere must show, below the data directory.
pub const API_TOKEN: &str = "api-token";
/// The key that signs certificates of units, below the data directory.
pub const SEAL: &str = "seal";
/// The station's certificate authority, below the data directory.
pub const TLS: &str = "tls";
