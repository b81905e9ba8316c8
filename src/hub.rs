//! The one writer. Folds what services saw and what people and agents ask into the fleet, sends effects to the store and
//! the logs, and publishes a snapshot to everybody.
//!
//! What is asked is stored, then published, then answered, in this order: who has an answer finds the bench as it says (a
//! machine whose last report was acknowledged may ask for its boot script the next moment). What was seen is written
//! behind. A command whose storing fails is refused, and the fleet is as it was. A long list is taken in piece by piece, and
//! stored at its end, while others are served: what is refused or cannot be stored is taken back, as by an undo.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Level as Severity, error, info};

use crate::boot::capture::CaptureRing;
use crate::boot::limit::log_quota::{self, LogQuota};
use crate::clock;
use crate::domain::command::Command;
use crate::domain::doctor::Doctor;
use crate::domain::effect::Effect;
use crate::domain::event::Event;
use crate::domain::fleet::{Fleet, Grant, Hello, ImportProgress, Importing, ReportError};
use crate::domain::ids::{NodeId, RunId};
use crate::domain::logline::{Level, LogLine, LogSource};
use crate::domain::machine::report::Report;
use crate::domain::refusal::Refusal;
use crate::domain::snapshot::{Catalogue, Snapshot};
use crate::domain::station::Station;
use crate::domain::station::dhcp::{Dhcp, DhcpChoice};
use crate::domain::station::service::{ServiceName, ServiceState, ServiceStatus};
use crate::domain::station::stream::{LogStream, Origin, StreamLine};
use crate::domain::time::Timestamp;
use crate::inbox::{Heeded, Input, NotKept, Outlet};
use crate::record::Recorder;
use crate::store::{Store, WriteOutcome};
use crate::webhook_queue::WebhookQueue;

/// Where lines about nodes go besides the store; the per-node log files.
pub trait NodeLog: Send {
    fn write(&mut self, effects: &[Effect]);

    /// Whether so many lines more can be handed over. Who is not told that his lines are kept repeats them.
    fn has_room(&self, _lines: usize) -> bool {
        true
    }

    /// Calls `tell` when all that was written so far is in the files, with how many of the last lines were left out.
    fn when_kept(&mut self, tell: LinesStored) {
        tell(0);
    }
}

/// Who waits for lines to be in the files.
pub type LinesStored = Box<dyn FnOnce(u32) + Send>;

/// The fleet and all that leads from it to the outside.
pub struct Hub {
    fleet: Fleet,
    station: Arc<Station>,
    catalogue: Arc<Catalogue>,
    services: Vec<ServiceStatus>,
    stream: Arc<LogStream>,
    link_mbit: Option<u32>,
    room: Option<u64>,
    dhcp: Arc<Dhcp>,
    /// What the DHCP service is to find out before it is done.
    changing: Option<Changing>,
    doctor: Arc<Doctor>,
    tape: CaptureRing,
    store: Store,
    node_log: Box<dyn NodeLog>,
    recorder: Option<Recorder>,
    herald: Option<WebhookQueue>,
    /// How much agents say.
    talk: LogQuota,
    publish: watch::Sender<Arc<Snapshot>>,
    version: u64,
    /// Long lists that are being taken in, the first of them now, and who waits for each.
    importing: VecDeque<(Importing, CommandReply)>,
    /// Answers that wait for the disk.
    waiting: FuturesUnordered<BoxFuture<'static, (WriteOutcome, AfterStore)>>,
}

/// Somebody wants DHCP to be something that it may not be.
struct Changing {
    to: DhcpChoice,
    until: Instant,
    done: CommandReply,
}

/// Somebody who waits for a command.
type CommandReply = oneshot::Sender<Result<(), Refusal>>;

/// What is to be done when the store has answered.
enum AfterStore {
    /// Nobody waits.
    None,
    /// Whoever asked is told how it went.
    Tell(Box<dyn FnOnce(WriteOutcome) + Send>),
    /// A long list is in the fleet already: it is taken back if it could not be stored.
    Import { deed: Timestamp, done: CommandReply },
}

impl Hub {
    pub fn new(
        fleet: Fleet,
        station: Station,
        store: Store,
        node_log: Box<dyn NodeLog>,
    ) -> (Self, watch::Receiver<Arc<Snapshot>>) {
        let (publish, bench) = watch::channel(Arc::new(Snapshot::default()));
        let mut hub = Self {
            fleet,
            station: Arc::new(station),
            catalogue: Arc::default(),
            services: Vec::new(),
            stream: Arc::default(),
            link_mbit: None,
            room: None,
            dhcp: Arc::default(),
            changing: None,
            doctor: Arc::default(),
            tape: CaptureRing::default(),
            store,
            node_log,
            recorder: None,
            herald: None,
            talk: LogQuota::default(),
            publish,
            version: 0,
            importing: VecDeque::new(),
            waiting: FuturesUnordered::new(),
        };
        hub.publish(0);
        (hub, bench)
    }

    /// With a recorder of all that it takes in from now on.
    pub fn recorded_by(mut self, mut recorder: Recorder) -> Self {
        recorder.begin(clock::now(), &self.station, &self.fleet);
        self.recorder = Some(recorder);
        self
    }

    /// With a program elsewhere that is told of changes of phase.
    pub fn heard_by(mut self, herald: WebhookQueue) -> Self {
        self.herald = Some(herald);
        self
    }

    /// Works until `stop`, then takes in what is already queued and waits for the store.
    pub async fn run(mut self, mut outlet: Outlet, stop: CancellationToken) {
        let mut next_publish: Option<Instant> = None;
        let mut time = tokio::time::interval(TICK);
        loop {
            let publish_at = next_publish.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
            let tried_until = self.changing.as_ref().map_or(publish_at, |changing| changing.until);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = tokio::time::sleep_until(publish_at), if next_publish.is_some() => {
                    next_publish = None;
                    self.publish(outlet.dropped());
                }
                Some((written, answer)) = self.waiting.next(), if !self.waiting.is_empty() => {
                    self.answer(written, answer, outlet.dropped()).await;
                }
                () = tokio::time::sleep_until(tried_until), if self.changing.is_some() => {
                    if let Some(Changing { done, .. }) = self.changing.take() {
                        self.leave(done, Refusal::DhcpSilent, outlet.dropped());
                    }
                }
                _ = time.tick() => {
                    let effects = self.fleet.tick(clock::now());
                    if !effects.is_empty() {
                        self.write_behind(effects).await;
                        next_publish.get_or_insert_with(|| Instant::now() + PUBLISH_EVERY);
                    }
                }
                note = outlet.notes.recv() => {
                    let Some(note) = note else { break };
                    self.take(note, outlet.dropped()).await;
                    // Whatever else has queued up goes into the same snapshot.
                    for _ in 0..TOGETHER {
                        let Ok(note) = outlet.notes.try_recv() else { break };
                        self.take(note, outlet.dropped()).await;
                    }
                    self.import_on().await;
                    next_publish.get_or_insert_with(|| Instant::now() + PUBLISH_EVERY);
                }
                () = tokio::task::yield_now(), if !self.importing.is_empty() => self.import_on().await,
            }
        }
        outlet.notes.close();
        while let Some(note) = outlet.notes.recv().await {
            self.take(note, outlet.dropped()).await;
        }
        while !self.importing.is_empty() {
            self.import_on().await;
        }
        while let Some((written, answer)) = self.waiting.next().await {
            self.answer(written, answer, outlet.dropped()).await;
        }
        info!("hub stopped");
    }

    /// Goes on where it was left when the store was asked.
    async fn answer(&mut self, written: WriteOutcome, answer: AfterStore, dropped: u64) {
        let has_changed = self.store_is(&written);
        match answer {
            AfterStore::None if has_changed => self.publish(dropped),
            AfterStore::None => {}
            AfterStore::Tell(tell) => {
                self.publish(dropped);
                tell(written);
            }
            AfterStore::Import { deed, done } => {
                let answer = match written {
                    Ok(()) => Ok(()),
                    Err(reason) => {
                        let effects = self.fleet.give_up(clock::now(), deed);
                        self.write_behind(effects).await;
                        Err(Refusal::NotStored(reason))
                    }
                };
                self.publish(dropped);
                let _nobody_waits = done.send(answer);
            }
        }
    }

    /// What the station itself says of a node is in its own log too: that one file tells the whole bench. Who else wants
    /// to know hears of it.
    fn log(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Log { node, label, line } => {
                    if line.source == LogSource::Station {
                        info!(node = label, level = line.level.word(), "{}", line.text);
                    }
                    self.hear(Origin::Node { id: *node, label: label.as_str().into() }, line.clone());
                }
                Effect::LogAgent { node, label, lines, .. } => {
                    let by = Origin::Node { id: *node, label: label.as_str().into() };
                    lines.iter().for_each(|line| self.hear(by.clone(), line.clone()));
                }
                _ => {}
            }
        }
        self.node_log.write(effects);
        if let Some(herald) = &mut self.herald {
            herald.see(clock::now(), effects);
        }
    }

    /// The line is one of the stream that the screen shows of all nodes and services.
    fn hear(&mut self, by: Origin, line: LogLine) {
        Arc::make_mut(&mut self.stream).push(StreamLine { by, line });
    }

    async fn take(&mut self, note: Input, dropped: u64) {
        let now = clock::now();
        if let Some(recorder) = &mut self.recorder {
            recorder.take(now, &note);
        }
        match note {
            Input::Event(event) => {
                Arc::make_mut(&mut self.doctor).observe(now, &event);
                let effects = self.fleet.observe(now, event);
                self.write_behind(effects).await;
            }
            Input::Packet(packet) => {
                if let Some(mac) = self.doctor.card(packet.who) {
                    self.tape.keep(mac, *packet);
                }
            }
            Input::Capture(macs, done) => drop(done.send(self.tape.pcap(&macs))),
            Input::Leases(leases) => self.write_behind(leases.into_iter().map(Effect::SaveLease).collect()).await,
            Input::Dhcp(dhcp) => self.dhcp = dhcp,
            Input::DhcpTried(choice, met) => self.tried(choice, met, dropped).await,
            Input::Command(Command::SetDhcp(choice), done) if self.is_to_be_tried(choice) => {
                self.have_tried(choice, done, dropped);
            }
            Input::Service(status) => self.take_service(status),
            Input::Link(mbit) => self.link_mbit = mbit,
            Input::Room(bytes) => self.room = bytes,
            Input::Said(said) => self.hear(said.by, said.line),
            Input::Catalogue(catalogue) => {
                self.fleet.heed(&catalogue.placeholders);
                self.catalogue = catalogue;
            }
            Input::Command(command, done) => self.command(command, done, dropped).await,
            Input::Hello(hello, done) => self.hello(&hello, done).await,
            Input::Reports { run, from, first, reports, done } => self.reports(run, from, first, reports, done).await,
            Input::Home { run, said, done } => match self.fleet.called_home(now, run, &said) {
                Ok((heard, effects)) => self.answer_when_kept(effects, done, heard).await,
                Err(why) => drop(done.send(Err(why.into()))),
            },
            Input::Output { run, first, lines, done } => match self.fleet.first_boot_wrote(now, run, first, lines) {
                Ok((next, effects)) => {
                    self.write_behind(effects).await;
                    self.node_log.when_kept(Box::new(move |_| drop(done.send(Ok(next)))));
                }
                Err(why) => drop(done.send(Err(why.into()))),
            },
            Input::Configuration { run, manifest, copies, done } => {
                match self.fleet.configuration_given(now, run, manifest, copies) {
                    // As with a hello, a station that cannot store holds no machine up: no report of this run is
                    // acknowledged before the node is stored with what it was given.
                    Ok(effects) => {
                        let tell = Box::new(move |_| drop(done.send(Ok(()))));
                        self.write(effects, AfterStore::Tell(tell)).await;
                    }
                    Err(why) => drop(done.send(Err(why.into()))),
                }
            }
            Input::AgentLog { run, first, lines, done } => self.agent_log(run, first, lines, done).await,
        }
    }

    /// Takes in the next rows of the first long list.
    async fn import_on(&mut self) {
        let Some((importing, done)) = self.importing.pop_front() else { return };
        match self.fleet.import_on(clock::now(), importing, &self.catalogue, ROWS) {
            ImportProgress::Partly(importing) => self.importing.push_front((importing, done)),
            ImportProgress::Wholly(effects) if effects.is_empty() => drop(done.send(Ok(()))),
            // It takes the disk a second: machines are served meanwhile.
            ImportProgress::Wholly(effects) => {
                self.log(&effects);
                let deed = self.fleet.deeds().last().map(|deed| deed.at).unwrap_or_default();
                let written = self.store.write_or_drop(effects).await;
                let answer = AfterStore::Import { deed, done };
                self.waiting.push(Box::pin(async move { (outcome(written).await, answer) }));
            }
            ImportProgress::Not(refusal, effects) => {
                info!(%refusal, "refused");
                self.write_behind(effects).await;
                let _nobody_waits = done.send(Err(refusal));
            }
        }
    }

    async fn command(&mut self, command: Command, done: CommandReply, dropped: u64) {
        info!(?command, "asked for");
        let command = match command {
            Command::Import(import) if import.rows.len() > ROWS => {
                return self.importing.push_back((Importing::new(import), done));
            }
            command => command,
        };
        let before = self.fleet.clone();
        match self.fleet.apply(clock::now(), command, &self.catalogue) {
            Err(refusal) => {
                info!(%refusal, "refused");
                let _nobody_waits = done.send(Err(refusal));
            }
            // People ask seldom: waiting here keeps what is shown and what is stored the same.
            Ok(effects) => match self.kept_or_dropped(effects).await {
                Ok(()) => {
                    self.publish(dropped);
                    let _nobody_waits = done.send(Ok(()));
                }
                Err(reason) => {
                    self.fleet = before;
                    let _nobody_waits = done.send(Err(Refusal::NotStored(reason)));
                }
            },
        }
    }

    /// Whether the service must see first that nobody else gives addresses. One that does not serve sees it as it starts.
    fn is_to_be_tried(&self, choice: DhcpChoice) -> bool {
        self.dhcp.mode.is_some()
            && choice != DhcpChoice::Proxy
            && choice != self.fleet.dhcp().unwrap_or(self.dhcp.choice)
    }

    fn have_tried(&mut self, to: DhcpChoice, done: CommandReply, dropped: u64) {
        info!(%to, "asked for: DHCP looks for other servers first");
        if self.changing.is_some() {
            return drop(done.send(Err(Refusal::DhcpIsChanging)));
        }
        self.changing = Some(Changing { to, until: Instant::now() + TRIAL, done });
        self.publish(dropped);
    }

    /// The service has looked; `met` is another server that answered.
    async fn tried(&mut self, choice: DhcpChoice, met: Option<Ipv4Addr>, dropped: u64) {
        let Some(Changing { done, .. }) = self.changing.take_if(|changing| changing.to == choice) else { return };
        match met {
            Some(rival) => self.leave(done, Refusal::OtherServer(rival), dropped),
            None => self.command(Command::SetDhcp(choice), done, dropped).await,
        }
    }

    /// What was to be changed stays as it is.
    fn leave(&mut self, done: CommandReply, why: Refusal, dropped: u64) {
        info!(%why, "refused");
        self.publish(dropped);
        let _nobody_waits = done.send(Err(why));
    }

    async fn hello(&mut self, hello: &Hello, done: oneshot::Sender<Result<Grant, NotKept>>) {
        Arc::make_mut(&mut self.doctor).hello(clock::now(), hello);
        let (grant, effects) = self.fleet.hello(clock::now(), hello, &self.catalogue);
        // A station that cannot store lets machines work: what a hello says the agent says again if it is lost. Its
        // reports are not acknowledged before they are stored, so it does not restart the machine without its proof.
        let tell = Box::new(move |_| drop(done.send(Ok(grant))));
        self.write(effects, AfterStore::Tell(tell)).await;
    }

    async fn reports(
        &mut self,
        run: RunId,
        from: Ipv4Addr,
        first: u32,
        reports: Vec<Report>,
        done: oneshot::Sender<Result<u32, NotKept>>,
    ) {
        let (mut effects, mut next) = (Vec::new(), first);
        for (index, report) in (first..).zip(reports) {
            match self.fleet.report(clock::now(), run, index, report.clone()) {
                Ok((wanted, more)) => {
                    next = wanted;
                    effects.extend(more);
                }
                // What came before it is acknowledged; it is sent again, and refused.
                Err(_) if !effects.is_empty() => break,
                Err(why) => {
                    if let ReportError::NoJob(run) = why {
                        let effects = self.fleet.not_taken(clock::now(), run, from, &report);
                        self.write_behind(effects).await;
                    }
                    return drop(done.send(Err(why.into())));
                }
            }
        }
        self.answer_when_kept(effects, done, next).await;
    }

    async fn agent_log(
        &mut self,
        run: RunId,
        first: u32,
        mut lines: Vec<(Level, String)>,
        done: oneshot::Sender<Result<Heeded, NotKept>>,
    ) {
        let Some(wanted) = self.fleet.next_log(run) else { return drop(done.send(Err(NotKept::UnknownRun(run)))) };
        if !self.node_log.has_room(lines.len() + 1) {
            let why = "lines come faster than they can be written".into();
            return drop(done.send(Err(NotKept::Store(why))));
        }
        let now = clock::now();
        let seen = usize::try_from(wanted.saturating_sub(first)).unwrap_or(usize::MAX).min(lines.len());
        let (taken, left_out) = self.talk.allow(now, run, lines.len() - seen);
        lines.truncate(seen + taken);
        let before = left_out.before.map(|lines| self.fleet.log_goes_on(now, run, lines, log_quota::EACH.rate));
        self.write_behind(before.unwrap_or_default()).await;
        let effects = self.fleet.observe(now, Event::AgentLog { run, first, lines });
        self.log(&effects);
        self.fleet.log_left_out(run, left_out.now);
        let next = self.fleet.next_log(run).unwrap_or(wanted);
        // It is in the file that a line is kept, and the file says after a restart how far it goes.
        self.node_log.when_kept(Box::new(move |lost| {
            let _nobody_waits = done.send(Ok(Heeded { next, left_out: left_out.now.saturating_add(lost) }));
        }));
    }

    /// Sends the effects off; `answer` goes out when they are on the disk and published.
    async fn answer_when_kept<T: Send + 'static>(
        &mut self,
        effects: Vec<Effect>,
        done: oneshot::Sender<Result<T, NotKept>>,
        answer: T,
    ) {
        let tell = Box::new(move |written: WriteOutcome| {
            let _nobody_waits = done.send(written.map(|()| answer).map_err(NotKept::Store));
        });
        self.write(effects, AfterStore::Tell(tell)).await;
    }

    async fn write_behind(&mut self, effects: Vec<Effect>) {
        if !effects.is_empty() {
            self.write(effects, AfterStore::None).await;
        }
    }

    async fn write(&mut self, effects: Vec<Effect>, answer: AfterStore) {
        self.log(&effects);
        let written = self.store.write(only_latest(effects)).await;
        self.waiting.push(Box::pin(async move { (outcome(written).await, answer) }));
    }

    /// What was not kept has not happened: no log speaks of it.
    async fn kept_or_dropped(&mut self, effects: Vec<Effect>) -> WriteOutcome {
        let written = outcome(self.store.write_or_drop(only_latest(effects.clone())).await).await;
        self.store_is(&written);
        if written.is_ok() {
            self.log(&effects);
        }
        written
    }

    /// Shows whether the store works. True when that has changed.
    fn store_is(&mut self, written: &WriteOutcome) -> bool {
        let state = match written {
            Ok(()) => ServiceState::Up { at: "what happens here is kept".into() },
            Err(what) => {
                let hint = "make room on the station's disk and check that the data directory can be written".into();
                ServiceState::Down { what: format!("cannot be written: {what}"), hint }
            }
        };
        let changed = self.services.iter().all(|known| known.name != ServiceName::Store || known.state != state);
        if changed {
            self.take_service(ServiceStatus { name: ServiceName::Store, state, restarts: 0 });
        }
        changed
    }

    fn take_service(&mut self, status: ServiceStatus) {
        let said = match &status.state {
            ServiceState::Up { at } => {
                info!(service = status.name.word(), at, "up");
                Some((Level::Info, format!("up: {at}")))
            }
            ServiceState::Down { what, hint } => {
                error!(service = status.name.word(), what, hint, "down");
                Some((Level::Error, format!("down: {what}; hint: {hint}")))
            }
            ServiceState::Starting => None,
            ServiceState::Stopped => Some((Level::Info, "stopped".into())),
        };
        if let Some((level, words)) = said {
            let line = LogLine::new(clock::now(), LogSource::Station, level, &words);
            self.hear(Origin::Service(status.name), line);
        }
        self.services.retain(|known| known.name != status.name);
        self.services.push(status);
        self.services.sort_by_key(|status| status.name);
    }

    fn publish(&mut self, dropped: u64) {
        self.version += 1;
        self.publish.send_replace(Arc::new(Snapshot {
            version: self.version,
            at: clock::now(),
            station: self.station.clone(),
            nodes: self.fleet.nodes().clone(),
            index: self.fleet.index().clone(),
            catalogue: self.catalogue.clone(),
            policy: self.fleet.policy(),
            deeds: self.fleet.deeds().to_vec(),
            batches: self.fleet.batches().to_vec(),
            services: self.services.clone(),
            stream: self.stream.clone(),
            link_mbit: self.link_mbit,
            room: self.room,
            dhcp: self.dhcp.clone(),
            dhcp_chosen: self.fleet.dhcp(),
            dhcp_asked: self.changing.as_ref().map(|changing| changing.to),
            doctor: self.doctor.clone(),
            packets_dropped: self.tape.dropped(),
            dropped,
        }));
        tracing::event!(Severity::TRACE, version = self.version, "published");
    }
}

async fn outcome(written: oneshot::Receiver<WriteOutcome>) -> WriteOutcome {
    written.await.unwrap_or_else(|_| Err("the store has stopped".into()))
}

/// Of several saves of one node only the last is worth writing; it takes the place of the first, so that what refers to
/// the node finds it.
fn only_latest(effects: Vec<Effect>) -> Vec<Effect> {
    let mut kept: Vec<Effect> = Vec::with_capacity(effects.len());
    let mut saved: HashMap<NodeId, usize> = HashMap::new();
    for effect in effects {
        let node = if let Effect::SaveNode(node) = &effect { Some(node.id) } else { None };
        match node.map(|id| saved.entry(id)) {
            Some(Entry::Occupied(place)) => kept[*place.get()] = effect,
            Some(Entry::Vacant(place)) => {
                place.insert(kept.len());
                kept.push(effect);
            }
            None => kept.push(effect),
        }
    }
    // Nodes first: runs, reports and lines refer to them.
    kept.sort_by_key(|effect| !matches!(effect, Effect::SaveNode(_)));
    kept
}

/// Changes within this time share a snapshot: 20 a second are more than an eye can follow.
const PUBLISH_EVERY: Duration = Duration::from_millis(50);
/// How often the fleet takes note of the time.
const TICK: Duration = Duration::from_secs(1);
/// Rows of a list that are taken in at once.
const ROWS: usize = 200;
/// Notes that are taken in before the store's answers and the snapshot get their turn again.
const TOGETHER: usize = 512;
/// How long the DHCP service may look for other servers.
const TRIAL: Duration = Duration::from_secs(15);
