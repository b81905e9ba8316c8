//! A believable bench for tests of the screen: twelve machines at every point of their way, made by the real fleet.

pub(crate) mod journey;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Size;

use oxbow::domain::batch::{Batch, BatchEnd, BatchOrder};
use oxbow::domain::command::{Command, Registration};
use oxbow::domain::diagnostic::Diagnostic;
use oxbow::domain::digest::Digest;
use oxbow::domain::doctor::Doctor;
use oxbow::domain::event::{DhcpAnswer, Event, LoaderTransfer};
use oxbow::domain::fleet::{Fleet, Grant, Hello};
use oxbow::domain::ids::{NodeId, RunId};
use oxbow::domain::import::{self, Preview, preview};
use oxbow::domain::logline::{Level, LogLine, LogSource};
use oxbow::domain::machine::claims::Claims;
use oxbow::domain::machine::disk::{Disk, DiskVolume, Transport};
use oxbow::domain::machine::firmware::Firmware;
use oxbow::domain::machine::inventory::{Inventory, Nic};
use oxbow::domain::machine::progress::Arrived;
use oxbow::domain::machine::report::{FailureKind, Report, Step};
use oxbow::domain::machine::sighting::{
    Cause, DhcpAsked, DhcpMessageType, DhcpPort, DhcpReplied, DhcpSpeaker, Sighting, Tftp, Who,
};
use oxbow::domain::node::Node;
use oxbow::domain::node::phase::{Phase, Stage};
use oxbow::domain::profile::file;
use oxbow::domain::profile::image::{ImageFormat, ImageInfo, ImageState};
use oxbow::domain::snapshot::{Catalogue, Snapshot};
use oxbow::domain::station::Station;
use oxbow::domain::station::dhcp::{Dhcp, DhcpChoice, Mode, Pool, RogueServer};
use oxbow::domain::station::lease::Lease;
use oxbow::domain::station::policy::Policy;
use oxbow::domain::station::service::{ServiceName, ServiceState, ServiceStatus};
use oxbow::domain::station::stream::{LogStream, Origin, StreamLine};
use oxbow::domain::time::Timestamp;
use oxbow::tui::workers::lists::ListFile;
use oxbow::tui::{ListResult, Msg, Palette, Screen, Theme, update, view};

/// 14:02:11 on a day in November.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_795_442_531_000);

/// Twelve nodes in every state, two profiles, all services up.
pub(crate) fn busy() -> Snapshot {
    let mut bench = Bench::new();
    bench.register(8..=12);
    bench.provision(1, 900);
    bench.provision(2, 840);
    bench.fail_verifying(3, 300);
    bench.write(4, 63, 62);
    bench.write(5, 58, 17);
    bench.verify(6, 190);
    bench.stall_writing(7, 75);
    bench.boot(8, 20);
    bench.see(9, 3);
    bench.hold(10, 130);
    bench.snapshot()
}

/// The busy bench with enough nodes for several pages.
pub(crate) fn long() -> Snapshot {
    let mut bench = busy();
    for number in 100..150 {
        let mut node = Node::new(NodeId(number), NOW);
        node.name = Some(format!("SN-{number}"));
        node.phase = Phase::Booting { stage: Stage::Seen };
        bench.nodes.insert(node.id, Arc::new(node));
    }
    bench
}

/// Machines that wait for a person: two strangers for approval, and one that has the serial of press-11 and the
/// adapter of press-12.
pub(crate) fn waiting() -> Snapshot {
    let mut bench = Bench::new();
    bench.register(11..=12);
    bench.provision(1, 900);
    bench.fleet.apply(ago(600), Command::SetPolicy(Policy::Hold), &bench.catalogue).expect("a policy");
    for number in [13, 14] {
        bench.see(number, 40);
        let reason = "this machine waits for approval".into();
        bench.observe(36, Event::Held { claims: claims(number), address: address(number), reason });
    }
    bench.see(12, 30);
    let torn = Claims { macs: claims(12).macs, uuid: None, ..claims(11) };
    let (address, profile) = (address(12), "emt-s".parse().expect("a profile name"));
    bench.observe(20, Event::ScriptServed { claims: torn, address, run: run(12), profile });
    bench.snapshot()
}

/// One machine that would write its disk, and one that is not what its profile expects.
pub(crate) fn asking() -> Snapshot {
    let mut bench = Bench::new();
    bench.provision(1, 900);
    bench.demand("approve = true\n");
    bench.work(2, 70);
    bench.demand("[expect]\nmin_memory = \"32 GiB\"\nbios_version = \"1.09\"\ntpm = \"2\"\n");
    bench.work(3, 50);
    bench.snapshot()
}

/// A machine with a disk that its system does not start from.
pub(crate) fn warned() -> Snapshot {
    let mut bench = Bench::new();
    bench.demand("[disk]\nboots_from = [\"sata\"]\n");
    bench.write(4, 63, 62);
    bench.snapshot()
}

/// Machines that got no further: one whose firmware refuses the program it fetched, and two that are no nodes.
pub(crate) fn stuck() -> Snapshot {
    let mut bench = Bench::new();
    bench.provision(1, 900);
    bench.write(4, 63, 62);
    bench.refuse_program(13, 70);
    bench.knock(21, 90, 0, DhcpReplied::Offered { address: Some(address(21)), file: Some("undionly.kpxe".into()) });
    bench.knock(22, 30, 6, DhcpReplied::Silent(Cause::NoProgram("6 (UEFI IA32)".into())));
    bench.snapshot()
}

/// One machine whose installer works, and one whose installer has said that it is done.
pub(crate) fn installers() -> Snapshot {
    let mut bench = Bench::new();
    bench.provision(1, 900);
    bench.installer(2, 700);
    bench.report(2, 70, Report::SaidDone);
    bench.installer(3, 400);
    bench.snapshot()
}

/// Only machines that are no nodes.
pub(crate) fn strangers() -> Snapshot {
    let mut bench = Bench::new();
    bench.knock(21, 90, 0, DhcpReplied::Offered { address: Some(address(21)), file: Some("undionly.kpxe".into()) });
    bench.knock(22, 30, 6, DhcpReplied::Silent(Cause::NoProgram("6 (UEFI IA32)".into())));
    bench.snapshot()
}

/// A bench that a list has just been imported to.
pub(crate) fn imported() -> Snapshot {
    let mut bench = Bench::new();
    bench.register(8..=12);
    let before = bench.fleet.nodes().clone();
    let known = Snapshot { nodes: before, index: bench.fleet.index().clone(), ..empty() };
    let list = list(&known, b"Serial,Profile\nSN-4011,ubuntu\nSN-9001,\nSN-9002,\n");
    let command = Command::Import(list.import().expect("a clean list"));
    bench.fleet.apply(ago(3), command, &bench.catalogue).expect("it can be imported");
    bench.snapshot()
}

/// The busy bench with a batch of yesterday and one that is open.
pub(crate) fn with_batches() -> Snapshot {
    let order = |name: &str| {
        let [work_order, operator] = ["WO 4711", "Kim"].map(|words| Some(words.to_owned()));
        BatchOrder { name: name.into(), work_order, operator, list: None }
    };
    let mut bench = busy();
    let mut earlier = Batch::open(1, order("Monday"), ago(90_000));
    earlier.closed = Some(BatchEnd { at: ago(80_000), units: earlier.units(&bench.nodes) });
    bench.batches = vec![Arc::new(earlier), Arc::new(Batch::open(2, order("line 2"), ago(3600)))];
    bench
}

/// The busy bench after its failed node was forgotten.
pub(crate) fn forgotten() -> Snapshot {
    let mut bench = Bench::new();
    bench.register(8..=12);
    bench.fail_verifying(3, 300);
    let node = bench.fleet.nodes().values().find(|node| node.serial == claims(3).serial).expect("a node").id;
    bench.fleet.apply(ago(2), Command::Forget { nodes: vec![node] }, &bench.catalogue).expect("it is idle");
    bench.snapshot()
}

/// What a list would do to `bench`.
pub(crate) fn list(bench: &Snapshot, text: &[u8]) -> Preview {
    preview("po-4711.csv", text, NOW, bench, &import::ImportOptions::default())
}

/// A list with rows of every kind.
pub(crate) const MIXED: &[u8] = b"Serial,MAC,Profile,Site
SN-9001,3c:ec:ef:00:00:01,emt-s,Ulm
SN-9002,3c:ec:ef,emt-s,Ulm
SN-4011,,,
SN-4012,,emt-s,Ulm
1.23457E+11,,emts,
SN-9003,,,
Default string,3c:ec:ef:00:00:03,,Ulm
";

/// A bench on a network with far more machines than it has room for.
pub(crate) fn flooded() -> Snapshot {
    let mut bench = Bench::new();
    for number in 0..1040_u32 {
        let [_, b, c, d] = number.to_be_bytes();
        let who = Who::card(format!("02:00:00:{b:02x}:{c:02x}:{d:02x}").parse().expect("a MAC"));
        let what = Sighting::Dhcp {
            asked: asked(21, DhcpMessageType::Discover, 7),
            reply: DhcpReplied::Silent(Cause::NotOurs),
        };
        bench.doctor.sight(ago(700), who, what);
    }
    bench.observe(65, Event::KernelServed { address: [10, 77, 0, 9].into(), file: "vmlinuz".into() });
    for _ in 0..3 {
        let reason = "the hardware address is not that of one Ethernet card".into();
        bench.observe(192, Event::DhcpSilence { mac: None, reason });
    }
    Snapshot { packets_dropped: 12, ..bench.snapshot() }
}

/// The lists that are found.
pub(crate) fn lists() -> Msg {
    let listed = |path: &str, bytes| ListFile { path: path.into(), bytes };
    Msg::Found(ListResult::Lists(vec![
        listed("/media/stick/export.csv", 1_204),
        listed("/var/lib/oxbow/import/po-4711.csv", 48_213),
    ]))
}

/// The second of them as it was read.
pub(crate) fn read(preview: Preview) -> Msg {
    Msg::Found(ListResult::Read { path: "/var/lib/oxbow/import/po-4711.csv".into(), preview: Ok(Arc::new(preview)) })
}

/// Nothing seen, nothing registered.
pub(crate) fn empty() -> Snapshot {
    Bench::new().snapshot()
}

/// As it is when port 80 and port 69 are taken, a profile is misspelt and an image is damaged.
pub(crate) fn ailing() -> Snapshot {
    let mut bench = empty();
    let down = |what: &str, hint: &str| ServiceState::Down { what: what.into(), hint: hint.into() };
    for service in &mut bench.services {
        match service.name {
            ServiceName::Http => {
                service.state = down(
                    "port 80 of 10.77.0.1 is in use by another program",
                    "stop it (`ss -ltnp 'sport = :80'` names it), or start oxbow with --http-port 8080",
                );
            }
            ServiceName::Tftp => {
                service.state = down("binding 10.77.0.1:69 is not permitted", "start oxbow as root, or with sudo");
                service.restarts = 3;
            }
            ServiceName::Network
            | ServiceName::Dhcp
            | ServiceName::Https
            | ServiceName::Syslog
            | ServiceName::RouterAdvert
            | ServiceName::Images
            | ServiceName::Control
            | ServiceName::ImportFolder
            | ServiceName::Webhook
            | ServiceName::Store
            | ServiceName::NodeLogs => {}
        }
    }
    let trusted = "3f9d41c07be25a6d8e14f0a2b7c6d95e8a3b1f60c4d27e9512ab34cd56ef7890";
    let at = format!("10.77.0.1:443, authority {trusted}; fails with 10.77.0.104, 7 handshakes in all: see their logs");
    bench.services.insert(3, ServiceStatus { name: ServiceName::Https, state: ServiceState::Up { at }, restarts: 0 });
    let catalogue = Arc::make_mut(&mut bench.catalogue);
    catalogue.images.insert(
        "ubuntu-24.04.raw.gz".into(),
        ImageState::Broken {
            what: "the file ends in the middle of its compressed data".into(),
            hint: "copy it again and compare it with its .sha256sum".into(),
        },
    );
    catalogue.diagnostics.push(Diagnostic {
        file: "lab.toml".into(),
        line: Some(3),
        column: None,
        what: "unknown field `imagee`, expected one of `schema`, `title`, `image`".into(),
        hint: "compare it with the explained profiles/demo.toml".into(),
    });
    bench
}

/// A screen of this size that has seen `bench`.
pub(crate) fn screen(bench: &Snapshot, width: u16, height: u16, ascii: bool) -> Screen {
    let mut screen = Screen::new(Theme::new(Palette::Mono, ascii), TimeZone::UTC, Size { width, height }, NOW);
    screen.papers.can_be = true;
    update(&mut screen, bench, Msg::Bench);
    screen
}

/// The words of the frame that `screen` shows.
pub(crate) fn picture(screen: &Screen, bench: &Snapshot) -> String {
    let Size { width, height } = screen.size;
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    terminal.draw(|frame| view(screen, bench, frame.area(), frame)).expect("a frame");
    let rows = terminal.backend().buffer().content.chunks(usize::from(width.max(1)));
    let lines = rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned() + "\n");
    lines.collect()
}

/// A key as the terminal reports it.
pub(crate) fn key(code: KeyCode) -> Msg {
    Msg::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

/// What DHCP says of itself where it is the network's server.
fn served() -> Dhcp {
    let lease = |number: u8, seconds| Lease {
        mac: format!("52:54:00:12:34:{number:02x}").parse().expect("a MAC"),
        address: [10, 77, 0, 99 + number].into(),
        until: NOW.after(Duration::from_secs(seconds)),
    };
    Dhcp {
        mode: Some(Mode::Authoritative),
        why: "pool 10.77.0.100–250".into(),
        pool: Pool { range: "10.77.0.100–250".into(), size: 151, leased: 3, offered: 1, resting: 0 },
        leases: vec![lease(4, 590), lease(5, 400), lease(99, 45)],
        ..Dhcp::default()
    }
}

/// Beside the site's server, after a flood.
pub(crate) fn beside() -> Snapshot {
    let mut bench = busy();
    bench.dhcp_chosen = Some(DhcpChoice::Auto);
    for service in bench.services.iter_mut().filter(|service| service.name == ServiceName::Dhcp) {
        service.state = ServiceState::Up { at: "10.77.0.1 on enp3s0, proxy (auto: 10.77.0.2 answers DHCP)".into() };
    }
    let address = |last| [10, 77, 0, last].into();
    let rival =
        RogueServer { address: address(2), mac: "52:54:00:00:00:02".parse().ok(), first: ago(7200), last: ago(12) };
    bench.dhcp = Arc::new(Dhcp {
        choice: DhcpChoice::Auto,
        mode: Some(Mode::Proxy),
        why: "proxy (auto: 10.77.0.2 answers DHCP)".into(),
        rivals: vec![rival, RogueServer { address: address(250), mac: None, first: ago(3000), last: ago(2950) }],
        unanswered: vec![
            ("it is for the site's DHCP server".into(), 312),
            ("it does not boot from the network".into(), 17),
        ],
        dropped: vec![("more than 5000 requests a second from machines that nobody knows".into(), 1_204_377)],
        ..served()
    });
    bench
}

/// Every address is out.
pub(crate) fn exhausted() -> Snapshot {
    let mut bench = busy();
    let dhcp = Arc::make_mut(&mut bench.dhcp);
    dhcp.pool = Pool { leased: 149, resting: 2, offered: 0, ..dhcp.pool.clone() };
    dhcp.unanswered = vec![("every address of the pool is in use".into(), 4)];
    bench
}

/// What all nodes said, in the order of its times, and three services.
fn stream(fleet: &Fleet) -> LogStream {
    let of_nodes = fleet.nodes().values().flat_map(|node| {
        let by = Origin::Node { id: node.id, label: node.label().into() };
        node.log.lines().map(move |line| StreamLine { by: by.clone(), line: line.clone() })
    });
    let service = |service, seconds, level, text: &str| {
        let line = LogLine::new(ago(seconds), LogSource::Station, level, text);
        StreamLine { by: Origin::Service(service), line }
    };
    let of_services = [
        service(ServiceName::Dhcp, 3600, Level::Info, "up: 10.77.0.1 on enp3s0, pool 10.77.0.100–250"),
        service(ServiceName::Http, 3600, Level::Info, "up: 10.77.0.1:80"),
        service(ServiceName::Tftp, 41, Level::Warning, "undionly.kpxe is asked for by 10.77.0.121 and is not there"),
    ];
    let mut all: Vec<StreamLine> = of_nodes.chain(of_services).collect();
    all.sort_by_key(|said| said.line.at);
    let mut stream = LogStream::default();
    all.into_iter().for_each(|said| stream.push(said));
    stream
}

struct Bench {
    fleet: Fleet,
    doctor: Doctor,
    catalogue: Catalogue,
}

impl Bench {
    fn new() -> Self {
        Self { fleet: Fleet::default(), doctor: Doctor::default(), catalogue: catalogue() }
    }

    fn snapshot(self) -> Snapshot {
        let up = |name, at: &str| ServiceStatus { name, state: ServiceState::Up { at: at.into() }, restarts: 0 };
        Snapshot {
            version: 1,
            at: NOW,
            station: Arc::new(Station {
                version: "0.1.0",
                interface: "enp3s0".into(),
                address: Ipv4Addr::new(10, 77, 0, 1),
                base_url: "http://10.77.0.1".into(),
                https: None,
                require_https: false,
                started: ago(3600),
            }),
            nodes: self.fleet.nodes().clone(),
            index: self.fleet.index().clone(),
            catalogue: Arc::new(self.catalogue),
            link_mbit: Some(1000),
            room: Some(57_900_000_000),
            dhcp: Arc::new(served()),
            dhcp_chosen: None,
            dhcp_asked: None,
            batches: Vec::new(),
            services: vec![
                up(ServiceName::Dhcp, "10.77.0.1 on enp3s0, pool 10.77.0.100–250"),
                up(ServiceName::Tftp, "10.77.0.1 on enp3s0"),
                up(ServiceName::Http, "10.77.0.1:80"),
                up(ServiceName::RouterAdvert, "enp3s0"),
                up(ServiceName::Images, "2 images"),
                up(ServiceName::Store, "oxbow.db"),
            ],
            stream: Arc::new(stream(&self.fleet)),
            policy: self.fleet.policy(),
            deeds: self.fleet.deeds().to_vec(),
            packets_dropped: 0,
            doctor: Arc::new(self.doctor),
            dropped: 0,
        }
    }

    /// `number` asks four times by DHCP and goes no further.
    fn knock(&mut self, number: u8, seconds: u64, arch: u16, reply: DhcpReplied) {
        for later in [0, 4, 12, 28] {
            let asked = asked(number, DhcpMessageType::Discover, arch);
            let sighting = Sighting::Dhcp { asked, reply: reply.clone() };
            let who = Who { mac: claims(number).macs.first().copied(), address: None };
            self.observe(seconds - later, Event::Sighted { who, sighting: Box::new(sighting) });
        }
    }

    /// `number` fetches its program, and it does not start.
    fn refuse_program(&mut self, number: u8, seconds: u64) {
        let (mac, address, file) = (claims(number).macs.first().copied(), address(number), Some(loader(number)));
        let offered = DhcpReplied::Offered { address: Some(address), file: file.clone() };
        let given = DhcpReplied::Acked { address: Some(address), file };
        for (later, kind, reply) in [(0, DhcpMessageType::Discover, offered), (4, DhcpMessageType::Request, given)] {
            let sighting = Box::new(Sighting::Dhcp { asked: asked(number, kind, 7), reply });
            let who = Who { mac, address: None };
            self.observe(seconds - later, Event::Sighted { who, sighting });
        }
        self.see(number, seconds - 4);
        let transfers = [Tftp::Probed, Tftp::Done { bytes: 296_448 }];
        for how in transfers {
            let sighting = Box::new(Sighting::Tftp { file: loader(number), how });
            self.observe(seconds - 5, Event::Sighted { who: Who::at(address), sighting });
        }
        let transfer = LoaderTransfer::Started;
        self.observe(seconds - 5, Event::Loader { address, file: loader(number), transfer });
    }

    /// The default profile says this, too.
    fn demand(&mut self, more: &str) {
        let title = "Edge Microvisor Toolkit 3.1";
        let text = format!("schema = 1\ntitle = \"{title}\"\nimage = \"edge-3.1.raw.gz\"\n{more}");
        let profile = file::parse("emt-s.toml", &text).expect("a profile");
        self.catalogue.profiles.insert(profile.id.clone(), profile);
    }

    fn register(&mut self, numbers: impl Iterator<Item = u8>) {
        for number in numbers {
            let registration = Registration {
                name: Some(format!("press-{number:02}")),
                serial: claims(number).serial,
                profile: number.is_multiple_of(2).then(|| "ubuntu".parse().expect("a profile name")),
                ..Registration::default()
            };
            let command = Command::Register(registration);
            self.fleet.apply(ago(2400), command, &self.catalogue).expect("nobody has this serial");
        }
    }

    /// `number` asks by DHCP.
    fn see(&mut self, number: u8, seconds: u64) {
        let firmware = if is_bios(number) { Firmware::Bios } else { Firmware::UefiX64 };
        let bootfile = Some(loader(number));
        let (claims, address, answer) = (claims(number), Some(address(number)), DhcpAnswer::Ack);
        self.observe(seconds, Event::DhcpAnswered { claims, firmware, address, answer, bootfile, lacks_https: false });
    }

    /// It has fetched its kernel.
    fn boot(&mut self, number: u8, seconds: u64) {
        self.see(number, seconds);
        let address = address(number);
        for transfer in [LoaderTransfer::Started, LoaderTransfer::Done { bytes: 1_085_440 }] {
            self.observe(seconds - 2, Event::Loader { address, file: loader(number), transfer });
        }
        let profile = "emt-s".parse().expect("a profile name");
        self.observe(seconds - 5, Event::ScriptServed { claims: claims(number), address, run: run(number), profile });
        self.observe(seconds - 6, Event::KernelServed { address, file: "vmlinuz".into() });
        self.observe(seconds - 8, Event::KernelServed { address, file: "initrd.img".into() });
    }

    /// It has booted an installer, which has taken its answers.
    fn installer(&mut self, number: u8, seconds: u64) {
        self.see(number, seconds);
        let (run, address, profile) = (run(number), address(number), "ubuntu".parse().expect("a profile name"));
        self.observe(seconds - 5, Event::ScriptServed { claims: claims(number), address, run, profile });
        for (file, installing) in [("boot/linux", false), ("boot/initrd.gz", false), ("answers", true)] {
            self.observe(seconds - 9, Event::InstallerTook { run, address, file: file.into(), installing });
        }
    }

    /// The agent speaks.
    fn work(&mut self, number: u8, seconds: u64) {
        self.boot(number, seconds);
        let (disks, inventory) = (vec![disk(number)], Some(inventory(number)));
        let hello = Hello { run: run(number), claims: claims(number), address: address(number), disks, inventory };
        let (grant, _) = self.fleet.hello(ago(seconds - 16), &hello, &self.catalogue);
        if matches!(grant, Grant::Later { .. }) {
            return;
        }
        self.say(number, seconds - 16, Level::Info, "oxbow-agent 0.1.0 on Linux 6.12, 8 CPUs, 16.4 GB of memory");
        self.report(number, seconds - 17, Report::Started { step: Step::Prepare, detail: "1 disk".into() });
        self.report(number, seconds - 18, Report::Started { step: Step::Write, detail: disk(number).to_string() });
    }

    fn write(&mut self, number: u8, seconds: u64, percent: u64) {
        self.work(number, seconds);
        let last = seconds - 19;
        for second in 0..=last {
            let done = IMAGE * percent / 100 * second / last;
            let arrived = Arrived { bytes: done / 3, retries: 0 };
            let moved = Event::Progress { run: run(number), step: Step::Write, done, total: IMAGE, arrived };
            self.observe(last - second, moved);
        }
    }

    fn stall_writing(&mut self, number: u8, silent: u64) {
        self.work(number, silent + 50);
        for second in 0..10 {
            let (step, done) = (Step::Write, IMAGE / 100 * second);
            let arrived = Arrived { bytes: done / 3, retries: 2 };
            let moved = Event::Progress { run: run(number), step, done, total: IMAGE, arrived };
            self.observe(silent + 30 - second, moved);
        }
        self.say(number, silent, Level::Warning, "the station does not answer, trying again in 2 s");
    }

    fn verify(&mut self, number: u8, seconds: u64) {
        self.work(number, seconds);
        self.report(number, seconds - 95, Report::Finished { step: Step::Write, detail: "8.0 GB in 1:17".into() });
        self.report(number, seconds - 95, Report::Started { step: Step::Verify, detail: disk(number).to_string() });
        let last = seconds - 96;
        for second in 0..=last.min(40) {
            let (step, done) = (Step::Verify, IMAGE / 50 * second);
            let seconds = last.min(40) - second;
            let moved = Event::Progress { run: run(number), step, done, total: IMAGE, arrived: Arrived::default() };
            self.observe(seconds, moved);
        }
    }

    fn fail_verifying(&mut self, number: u8, seconds: u64) {
        self.verify(number, seconds);
        let detail =
            "the first 8.0 GB read back from /dev/nvme0n1 have digest 9f2c41d07be3…, the image has a41b22907cd5…";
        let report =
            Report::Failed { step: Step::Verify, failure: FailureKind::ReadBackDiffers, detail: detail.into() };
        self.report(number, 192, report);
    }

    fn provision(&mut self, number: u8, seconds: u64) {
        self.verify(number, seconds);
        let ended = seconds - 142;
        self.report(number, ended, Report::ReadBack { bytes: IMAGE, sha256: digest(2) });
        self.report(number, ended, Report::Finished { step: Step::Verify, detail: "the digest is the image's".into() });
        self.report(number, ended - 1, Report::Started { step: Step::Configure, detail: "boot entry".into() });
        self.report(number, ended - 2, Report::Started { step: Step::Reboot, detail: String::new() });
        self.report(number, ended - 3, Report::Complete);
    }

    fn hold(&mut self, number: u8, seconds: u64) {
        self.see(number, seconds);
        let reason = "the station is still checking the image of profile ubuntu (41 %)".into();
        self.observe(seconds - 4, Event::Held { claims: claims(number), address: address(number), reason });
    }

    fn say(&mut self, number: u8, seconds: u64, level: Level, text: &str) {
        let first = self.fleet.nodes().values().flat_map(|node| &node.runs).find(|known| known.id == run(number));
        let (first, lines) = (first.map_or(0, |run| run.next_log), vec![(level, text.to_owned())]);
        self.observe(seconds, Event::AgentLog { run: run(number), first, lines });
    }

    fn observe(&mut self, seconds: u64, event: Event) {
        self.doctor.observe(ago(seconds), &event);
        self.fleet.observe(ago(seconds), event);
    }

    fn report(&mut self, number: u8, seconds: u64, report: Report) {
        let known = self.fleet.nodes().values().flat_map(|node| &node.runs).find(|known| known.id == run(number));
        let index = known.map_or(0, |run| run.next_report);
        self.fleet.report(ago(seconds), run(number), index, report).expect("a known run");
    }
}

fn ago(seconds: u64) -> Timestamp {
    Timestamp::from_millis(NOW.as_millis() - Duration::from_secs(seconds).as_millis() as u64)
}

fn claims(number: u8) -> Claims {
    Claims {
        macs: vec![format!("3c:ec:ef:12:34:{number:02x}").parse().expect("a MAC")],
        uuid: format!("4c4c4544-0042-4a10-8052-b7c04f4d34{number:02x}").parse().ok(),
        serial: Some(format!("SN-40{number:02}").parse().expect("a serial")),
        manufacturer: Some("Acme".into()),
        product: Some("EdgeBox 300".into()),
    }
}

fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, 100 + number)
}

fn asked(number: u8, kind: DhcpMessageType, arch: u16) -> DhcpAsked {
    let firmware = match arch {
        0 => Firmware::Bios,
        7 => Firmware::UefiX64,
        _ => Firmware::Other,
    };
    let (server, address) = match kind {
        DhcpMessageType::Request => (Some(Ipv4Addr::new(10, 77, 0, 1)), Some(address(number))),
        _ => (None, None),
    };
    let (door, speaker) = (DhcpPort::Dhcp, DhcpSpeaker::Pxe);
    DhcpAsked { door, kind, speaker, firmware, arch, secs: 0, relay: None, server, address, uuid: None }
}

fn is_bios(number: u8) -> bool {
    number.is_multiple_of(3)
}

fn loader(number: u8) -> String {
    if is_bios(number) { "undionly.kpxe" } else { "ipxe.efi" }.into()
}

fn run(number: u8) -> RunId {
    RunId::new([number; 16])
}

fn disk(number: u8) -> Disk {
    Disk {
        path: "/dev/nvme0n1".into(),
        transport: Transport::Nvme,
        bytes: 512_110_190_592,
        model: "Acme NV2 512".into(),
        serial: format!("NV-{number}"),
        volumes: vec![volume("EFI system partition", "SYSTEM"), volume("Basic data partition", "Windows")],
        ..Disk::default()
    }
}

fn volume(name: &str, label: &str) -> DiskVolume {
    DiskVolume { name: name.into(), label: label.into(), ..DiskVolume::default() }
}

fn inventory(number: u8) -> Inventory {
    let nic = |name: &str, mac, mbit_per_second: Option<u32>| {
        let (name, driver, link) = (name.to_owned(), Some("igc".to_owned()), mbit_per_second.is_some());
        Nic { name, mac, driver, mbit_per_second, link }
    };
    let second = format!("3c:ec:ef:12:35:{number:02x}").parse().expect("a MAC");
    Inventory {
        cpu: Some("12th Gen Intel(R) Core(TM) i5-1245UE".into()),
        cpu_threads: 12,
        memory_bytes: 16 << 30,
        nics: vec![nic("eth0", claims(number).macs[0], Some(2500)), nic("eth1", second, None)],
        bios_vendor: Some("American Megatrends International, LLC.".into()),
        bios_version: Some("1.07".into()),
        bios_date: Some("03/14/2025".into()),
        uefi: !is_bios(number),
        secure_boot: (!is_bios(number)).then_some(false),
        tpm: Some("2".into()),
    }
}

fn digest(fill: u8) -> Digest {
    Digest::new([fill; 32])
}

fn catalogue() -> Catalogue {
    let profile = |id: &str, title: &str, image: &str| {
        let text = format!("schema = 1\ntitle = \"{title}\"\nimage = \"{image}\"\n");
        file::parse(&format!("{id}.toml"), &text).expect("a profile")
    };
    let ready = ImageInfo {
        name: "edge-3.1.raw.gz".into(),
        format: ImageFormat::Gzip,
        bytes: 1_240_000_000,
        sha256: digest(1),
        disk_bytes: IMAGE,
        disk_sha256: digest(2),
    };
    let profiles = [
        profile("emt-s", "Edge Microvisor Toolkit 3.1", "edge-3.1.raw.gz"),
        profile("ubuntu", "Ubuntu Server 24.04", "ubuntu-24.04.raw.gz"),
    ];
    Catalogue {
        default_profile: Some(profiles[0].id.clone()),
        profiles: profiles.into_iter().map(|profile| (profile.id.clone(), profile)).collect(),
        images: BTreeMap::from([
            (ready.name.clone(), ImageState::Ready(ready)),
            ("ubuntu-24.04.raw.gz".into(), ImageState::Checking { done: 1_100_000_000, total: 2_683_000_000 }),
        ]),
        ..Catalogue::default()
    }
}

/// Bytes of the image on the disk.
const IMAGE: u64 = 8_053_063_680;
