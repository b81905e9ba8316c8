//! What the hub makes of what services tell it, at times of the test's making: the fleet, the doctor, and the bench that
//! DHCP and HTTP answer from.

use std::sync::Arc;

use tokio::sync::watch;

use super::bench::STATION;
use super::web::{IMAGE, Web};
use oxbow::domain::command::Command;
use oxbow::domain::digest::Digest;
use oxbow::domain::doctor::Doctor;
use oxbow::domain::doctor::log::LoggedVerdict;
use oxbow::domain::doctor::verdict::Diagnosis;
use oxbow::domain::fleet::Fleet;
use oxbow::domain::ids::MacAddr;
use oxbow::domain::profile::file;
use oxbow::domain::profile::image::{ImageFormat, ImageInfo, ImageState};
use oxbow::domain::snapshot::{Catalogue, Snapshot};
use oxbow::domain::station::Station;
use oxbow::domain::station::https::Https;
use oxbow::domain::station::policy::Policy;
use oxbow::domain::time::Timestamp;
use oxbow::inbox::Input;

pub(crate) struct Hub {
    pub(crate) doctor: Doctor,
    fleet: Fleet,
    station: Station,
    catalogue: Arc<Catalogue>,
    publish: watch::Sender<Arc<Snapshot>>,
}

impl Hub {
    /// The default profile has `line` in its file.
    pub(crate) fn new(line: &str) -> Self {
        Self::with(&format!("schema = 1\nimage = \"os.raw\"\n{line}\n"))
    }

    /// This is the default profile, and what it names is there.
    pub(crate) fn with(profile: &str) -> Self {
        let profile = file::read("demo.toml", profile, &|_| Ok("# answers\n".into())).expect("a profile");
        let image = ImageInfo {
            name: "os.raw".into(),
            format: ImageFormat::Raw,
            bytes: 512,
            sha256: Digest::new(IMAGE),
            disk_bytes: 512,
            disk_sha256: Digest::new(IMAGE),
        };
        let catalogue = Catalogue {
            default_profile: Some(profile.id.clone()),
            profiles: [(profile.id.clone(), profile)].into(),
            boot_files: ["linux", "initrd.gz"].map(|name| (name.into(), ImageState::Ready(image.clone()))).into(),
            images: [("os.raw".into(), ImageState::Ready(image))].into(),
            ..Catalogue::default()
        };
        let station = Station { address: STATION, base_url: Web::BASE.into(), ..Station::default() };
        let (publish, _) = watch::channel(Arc::default());
        let hub = Self {
            doctor: Doctor::default(),
            fleet: Fleet::default(),
            station,
            catalogue: Arc::new(catalogue),
            publish,
        };
        hub.publish();
        hub
    }

    pub(crate) fn bench(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.publish.subscribe()
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.publish.borrow().clone()
    }

    pub(crate) fn require_https(&mut self) -> Https {
        let https = Https { base_url: "https://10.77.0.1".into(), ca: Digest::new([7; 32]) };
        (self.station.require_https, self.station.https) = (true, Some(https.clone()));
        self.publish();
        https
    }

    pub(crate) fn set_policy(&mut self, now: Timestamp, policy: Policy) {
        self.fleet.apply(now, Command::SetPolicy(policy), &self.catalogue).expect("a policy");
        self.publish();
    }

    /// Why the machine with this card got no further, by what its node is doing.
    pub(crate) fn verdict(&self, mac: MacAddr, now: Timestamp) -> Option<Diagnosis> {
        let node = self.fleet.nodes().values().find(|node| node.macs.contains(&mac));
        self.doctor.verdict(mac, node.map(|node| &**node), now)
    }

    pub(crate) fn cases(&self, now: Timestamp) -> Vec<LoggedVerdict> {
        let doctor = Arc::new(self.doctor.clone());
        Snapshot { doctor, ..Snapshot::clone(&self.snapshot()) }.cases(now)
    }

    /// Takes in what a service tells. What has nothing to do with machines on their way is left out.
    pub(crate) fn take(&mut self, now: Timestamp, note: Input) {
        match note {
            Input::Event(event) => {
                self.doctor.observe(now, &event);
                self.fleet.observe(now, event);
            }
            Input::Hello(hello, done) => {
                self.doctor.hello(now, &hello);
                let (grant, _) = self.fleet.hello(now, &hello, &self.catalogue);
                done.send(Ok(grant)).expect("the agent waits");
            }
            Input::Reports { run, first, reports, done, .. } => {
                let mut next = first;
                for (index, report) in (first..).zip(reports) {
                    (next, _) = self.fleet.report(now, run, index, report).expect("a known run");
                }
                done.send(Ok(next)).expect("the agent waits");
            }
            Input::Packet(_)
            | Input::Link(_)
            | Input::Room(_)
            | Input::Said(_)
            | Input::Capture(..)
            | Input::Service(_)
            | Input::Catalogue(_)
            | Input::Leases(_)
            | Input::Dhcp(_)
            | Input::DhcpTried(..)
            | Input::Command(..)
            | Input::Configuration { .. }
            | Input::Home { .. }
            | Input::Output { .. }
            | Input::AgentLog { .. } => return,
        }
        self.publish();
    }

    fn publish(&self) {
        let version = self.publish.borrow().version + 1;
        self.publish.send_replace(Arc::new(Snapshot {
            version,
            station: Arc::new(self.station.clone()),
            nodes: self.fleet.nodes().clone(),
            index: self.fleet.index().clone(),
            catalogue: self.catalogue.clone(),
            policy: self.fleet.policy(),
            ..Snapshot::default()
        }));
    }
}
