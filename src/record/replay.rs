//! The bench that a recording tells of, moment after moment: the same fleet and the same doctor, and no service.

use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::domain::batch::Batch;
use crate::domain::doctor::Doctor;
use crate::domain::effect::Effect;
use crate::domain::event::Event;
use crate::domain::fleet::Fleet;
use crate::domain::ids::placeholder::Placeholders;
use crate::domain::logline::{Level, LogLine, LogSource};
use crate::domain::machine::disk::DiskRule;
use crate::domain::node::Node;
use crate::domain::profile::{Image, Install, Installer, Profile, file};
use crate::domain::snapshot::{Catalogue, Snapshot};
use crate::domain::station::Station;
use crate::domain::station::policy::Policy;
use crate::domain::station::service::{ServiceName, ServiceState, ServiceStatus};
use crate::domain::station::stream::{LogStream, Origin, StreamLine};
use crate::domain::time::Timestamp;
use crate::record::{Named, RecordedLine, Stock, Took};

/// A bench without a hub.
#[derive(Debug, Default)]
pub struct Scene {
    fleet: Fleet,
    /// Nodes of the beginning that are not in the fleet yet.
    known: Vec<Node>,
    /// Batches of the beginning, too.
    kept: Vec<Batch>,
    doctor: Arc<Doctor>,
    catalogue: Arc<Catalogue>,
    station: Arc<Station>,
    services: Vec<ServiceStatus>,
    link_mbit: Option<u32>,
    stream: Arc<LogStream>,
    /// What the recording itself has lost.
    lost: u64,
    version: u64,
}

impl Scene {
    /// Takes in a line, as the hub did then.
    pub fn take(&mut self, line: &RecordedLine) {
        let at = line.at;
        self.version += 1;
        let is_more = matches!(line.took, Took::Node(_) | Took::Batch(_));
        let has_begun = !self.known.is_empty() || !self.kept.is_empty();
        if has_begun && !is_more {
            let fleet = Fleet::restore(self.known.drain(..)).with_batches(std::mem::take(&mut self.kept));
            self.fleet = fleet.with(self.fleet.policy(), &Placeholders::default(), Placeholders::default());
        }
        self.tick(at);
        let effects = match line.took.clone() {
            Took::Begins { interface, address, base_url, policy, .. } => {
                self.begin(interface, address, base_url, policy);
                Vec::new()
            }
            Took::Node(node) => {
                self.known.push(*node);
                Vec::new()
            }
            Took::Batch(batch) => {
                self.kept.push(*batch);
                Vec::new()
            }
            Took::Event(event) => {
                Arc::make_mut(&mut self.doctor).observe(at, &event);
                self.fleet.observe(at, *event)
            }
            Took::Service(status) => {
                self.service(at, status);
                Vec::new()
            }
            Took::Link(mbit) => {
                self.link_mbit = mbit;
                Vec::new()
            }
            Took::Catalogue(stock) => {
                self.catalogue = Arc::new(catalogue(*stock));
                Vec::new()
            }
            // What was refused then is refused now.
            Took::Command(command) => self.fleet.apply(at, *command, &self.catalogue).unwrap_or_default(),
            Took::Hello(hello) => {
                Arc::make_mut(&mut self.doctor).hello(at, &hello);
                self.fleet.hello(at, &hello, &self.catalogue).1
            }
            Took::Reports { run, first, reports } => {
                let taken =
                    (first..).zip(reports).map_while(|(index, report)| self.fleet.report(at, run, index, report).ok());
                taken.flat_map(|(_, effects)| effects).collect()
            }
            Took::Home { run, said } => {
                self.fleet.called_home(at, run, &said).map(|(_, effects)| effects).unwrap_or_default()
            }
            Took::Configuration { run, manifest } => {
                // The station's own copies are no part of what a bench shows.
                self.fleet.configuration_given(at, run, manifest, Vec::new()).unwrap_or_default()
            }
            Took::AgentLog { run, first, lines } => self.fleet.observe(at, Event::AgentLog { run, first, lines }),
            Took::Said { by, level, text } => {
                let service = ServiceName::ALL.into_iter().find(|service| service.word() == by);
                self.say(service.map_or(Origin::Station, Origin::Service), at, level, &text);
                Vec::new()
            }
            Took::Lost(lost) => {
                self.lost += lost;
                Vec::new()
            }
            Took::Full => {
                let at =
                    self.stream.since(self.stream.next().saturating_sub(1)).last().map_or(at, |(_, said)| said.line.at);
                self.say(Origin::Station, at, Level::Warning, "the recording ends here: it was as long as it may be");
                Vec::new()
            }
        };
        self.hear(effects);
    }

    /// Takes note of the time, as the hub does: who has not called by now is not waited for any more.
    pub fn tick(&mut self, at: Timestamp) {
        let effects = self.fleet.tick(at);
        self.hear(effects);
    }

    fn hear(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            let (node, label, lines) = match effect {
                Effect::Log { node, label, line } => (node, label, vec![line]),
                Effect::LogAgent { node, label, lines, .. } => (node, label, lines),
                _ => continue,
            };
            let by = Origin::Node { id: node, label: label.into() };
            let said = lines.into_iter().map(|line| StreamLine { by: by.clone(), line });
            said.for_each(|said| Arc::make_mut(&mut self.stream).push(said));
        }
    }

    /// The bench as it is now, at this moment.
    pub fn snapshot(&self, at: Timestamp) -> Snapshot {
        Snapshot {
            version: self.version,
            at,
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
            doctor: self.doctor.clone(),
            dropped: self.lost,
            ..Snapshot::default()
        }
    }

    fn begin(&mut self, interface: String, address: Ipv4Addr, base_url: String, policy: Policy) {
        self.station = Arc::new(Station { interface, address, base_url, ..Station::default() });
        self.fleet = Fleet::default().with(policy, &Placeholders::default(), Placeholders::default());
    }

    fn service(&mut self, at: Timestamp, status: ServiceStatus) {
        let said = match &status.state {
            ServiceState::Up { at } => Some((Level::Info, format!("up: {at}"))),
            ServiceState::Down { what, hint } => Some((Level::Error, format!("down: {what}; hint: {hint}"))),
            ServiceState::Stopped => Some((Level::Info, "stopped".into())),
            ServiceState::Starting => None,
        };
        if let Some((level, words)) = said {
            self.say(Origin::Service(status.name), at, level, &words);
        }
        self.services.retain(|known| known.name != status.name);
        self.services.push(status);
        self.services.sort_by_key(|status| status.name);
    }

    fn say(&mut self, by: Origin, at: Timestamp, level: Level, text: &str) {
        let line = LogLine::new(at, LogSource::Station, level, text);
        Arc::make_mut(&mut self.stream).push(StreamLine { by, line });
    }
}

/// Profiles of which nothing is known but what a bench shows.
fn catalogue(stock: Stock) -> Catalogue {
    Catalogue {
        profiles: stock.profiles.into_iter().filter_map(|named| Some((named.id.clone(), profile(named)?))).collect(),
        default_profile: stock.default_profile,
        images: stock.images.into_iter().collect(),
        boot_files: stock.boot_files.into_iter().collect(),
        ..Catalogue::default()
    }
}

fn profile(named: Named) -> Option<Profile> {
    let install = match named.image {
        Some((file, sha256)) => Install::Image(Image { file, sha256, disk: DiskRule::default() }),
        None => {
            let mut files = named.installer.into_iter();
            let kernel = files.next().unwrap_or_default();
            Install::Installer(Installer { kernel, initrd: files.collect(), arguments: Vec::new(), answers: None })
        }
    };
    // What is not recorded is as in a profile that says nothing of it.
    let plain = file::parse(&format!("{}.toml", named.id), "schema = 1\nimage = \"image\"\n").ok()?;
    let Named { title, after, secure_boot, approve, expect, first_boot, .. } = named;
    Some(Profile { title, install, secure_boot, approve, after, expect, first_boot, ..plain })
}
