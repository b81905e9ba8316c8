//! A station without sockets for DHCP and TFTP, with real ones for HTTP: packets go to the decisions that answer them,
//! and what comes of them goes where the services send it, at times of the test's making.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use serde_json::{Value, json};

use super::hub::Hub;
use super::packet::{Packet, mac, replace};
use super::web::{Method, Speaker, Web};
use crate::lab::pcap;
use oxbow::boot::dhcp::boot_server::{self, Addressing};
use oxbow::boot::dhcp::conflict::{ConflictProbe, InUse};
use oxbow::boot::dhcp::leases::Leases;
use oxbow::boot::dhcp::segment::{Mode, Segment};
use oxbow::boot::dhcp::{self, DhcpReply, Silence, Verdict, arp};
use oxbow::boot::script::shim;
use oxbow::boot::sighting;
use oxbow::boot::tftp::names;
use oxbow::boot::tftp::packet::Opening;
use oxbow::boot::tftp::transfer::{Transfer, Turn};
use oxbow::domain::doctor::Doctor;
use oxbow::domain::doctor::finding::Finding;
use oxbow::domain::doctor::log::LoggedVerdict;
use oxbow::domain::doctor::verdict::{self, Severity, StoppedAt};
use oxbow::domain::event::{self, Event};
use oxbow::domain::ids::{MacAddr, RunId};
use oxbow::domain::machine::sighting::DhcpPort;
use oxbow::domain::station::policy::Policy;
use oxbow::domain::time::Timestamp;
use oxbow::inbox::Input;
use oxbow::protocol::paths;

thread_local! {
    /// What this thread's tests have shown to be found.
    pub(crate) static FOUND: RefCell<BTreeSet<Finding>> = const { RefCell::new(BTreeSet::new()) };
}

pub(crate) const STATION: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
pub(crate) const OTHER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

pub(crate) struct Bench {
    segment: Segment,
    leases: Leases,
    doubts: ConflictProbe,
    hub: Hub,
    /// Where HTTP is served, once somebody speaks it.
    web: Option<Web>,
    now: Timestamp,
    /// The machine that spoke last.
    pub(crate) mac: MacAddr,
    address: Ipv4Addr,
    /// What it was offered last.
    offered: Ipv4Addr,
    run: Option<RunId>,
    /// A device that says of every address that it is its own.
    squatter: Option<MacAddr>,
    /// What was said at any second so far.
    alarms: Vec<String>,
}

/// What the other end of a transfer does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Client {
    Whole,
    Silent,
    /// Only wants to know the size.
    Probes,
    /// Takes so many blocks.
    Until(u16),
    GivesUp(&'static str),
}

impl Bench {
    pub(crate) fn new(mode: Mode) -> Self {
        let mut segment = Segment::new(STATION, 24, Web::BASE).expect("a segment");
        segment.mode = mode;
        Self {
            segment,
            leases: Leases::default(),
            doubts: ConflictProbe::default(),
            hub: Hub::new(""),
            web: None,
            now: Timestamp::from_millis(1_000_000_000),
            mac: mac(1),
            address: Ipv4Addr::UNSPECIFIED,
            offered: Ipv4Addr::UNSPECIFIED,
            run: None,
            squatter: None,
            alarms: Vec::new(),
        }
    }

    /// A station that gives addresses, and whose default profile has this line too.
    pub(crate) fn with_profile(line: &str) -> Self {
        Self { hub: Hub::new(line), ..Self::new(Mode::Authoritative) }
    }

    /// The same, whose default profile boots an installer.
    pub(crate) fn with_installer(profile: &str) -> Self {
        Self { hub: Hub::with(profile), ..Self::new(Mode::Authoritative) }
    }

    pub(crate) fn with_policy(policy: Policy) -> Self {
        let mut bench = Self::new(Mode::Authoritative);
        bench.hub.set_policy(bench.now, policy);
        bench
    }

    pub(crate) fn pool(&mut self, first: u8, last: u8) {
        let [first, last] = [first, last].map(|last| Ipv4Addr::new(10, 77, 0, last));
        self.segment = self.segment.clone().with_pool(first, last).expect("a pool");
    }

    pub(crate) fn squatter(&mut self, mac: MacAddr) {
        self.squatter = Some(mac);
    }

    /// From now on machines are served by HTTPS or not at all.
    pub(crate) fn require_https(&mut self) {
        self.segment.require_https = true;
        self.segment.https = Some(self.hub.require_https());
    }

    /// Time goes by, second by second.
    pub(crate) fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.listen();
            self.now = self.now.after(Duration::from_secs(1));
        }
        self.listen();
    }

    fn listen(&mut self) {
        if let Some(verdict) = self.verdict() {
            let said = verdict.to_string();
            if self.alarms.last() != Some(&said) {
                self.alarms.push(said);
            }
        }
    }

    pub(crate) fn alarms(&mut self) -> Vec<String> {
        self.listen();
        self.alarms.clone()
    }

    pub(crate) fn doctor(&self) -> &Doctor {
        &self.hub.doctor
    }

    pub(crate) fn verdict(&self) -> Option<verdict::Diagnosis> {
        self.hub.verdict(self.mac, self.now)
    }

    /// All verdicts of this moment, as the station's log looks at them.
    pub(crate) fn cases(&self) -> Vec<LoggedVerdict> {
        self.hub.cases(self.now)
    }

    #[track_caller]
    pub(crate) fn says(&self, finding: Finding, stage: StoppedAt, severity: Severity, what: &str, hint: &str) {
        let Some(verdict) = self.verdict() else { panic!("nothing is said:\n{}", self.timeline()) };
        let fits = verdict.what.contains(what) && verdict.hint.contains(hint);
        assert!(fits, "{verdict}\n{}", self.timeline());
        assert_eq!((verdict.finding, verdict.stage, verdict.severity), (finding, stage, severity), "{verdict}");
        // It has to fit a pane, and to be read at a glance.
        assert!(verdict.what.len() <= 160 && verdict.hint.len() <= 200, "{verdict}");
        FOUND.with_borrow_mut(|found| found.insert(finding));
    }

    pub(crate) fn timeline(&self) -> String {
        let entries = self.doctor().trail(self.mac).into_iter().flat_map(|trail| trail.entries());
        entries.map(|entry| format!("{} x{} {}\n", entry.first, entry.times, entry.what)).collect()
    }

    /// Something reaches the hub.
    fn tell(&mut self, event: Event) {
        self.hub.take(self.now, Input::Event(event));
    }

    pub(crate) fn other_server(&mut self) {
        self.tell(Event::OtherServer { address: OTHER });
    }

    /// A packet arrives. A REQUEST is for what was offered here instead of what was offered when it was captured.
    pub(crate) fn dhcp(&mut self, packet: &Packet) {
        let mut bytes = packet.bytes.clone();
        if self.segment.mode == Mode::Authoritative && packet.is_for_us() {
            replace(&mut bytes, 50, &self.offered.octets());
        }
        let bench = self.hub.snapshot();
        self.segment.site.learn(&bench);
        match packet.port {
            4011 => self.boot_server(&bytes, packet.from),
            _ => self.server(&bytes),
        }
    }

    fn boot_server(&mut self, bytes: &[u8], from: SocketAddrV4) {
        let way = Addressing { from, to: STATION };
        let (mac, verdict) = boot_server::handle(bytes, way, &self.segment, &self.leases);
        self.witness(DhcpPort::BootServer, bytes, mac, &verdict);
        self.carry_out(mac, verdict);
    }

    /// Port 67. Before an address is offered for the first time, it is asked whether anybody uses it.
    fn server(&mut self, bytes: &[u8]) {
        let (mac, verdict) = dhcp::handle(self.now, bytes, &self.segment, &mut self.leases);
        self.witness(DhcpPort::Dhcp, bytes, mac, &verdict);
        let asked = match self.doubts.check(self.now, mac, bytes, verdict) {
            Ok(asked) => asked,
            Err(verdict) => return self.carry_out(mac, verdict),
        };
        let claim = self.squatter.and_then(|squatter| arp::claim(&is_at(squatter, asked)));
        match claim.and_then(|claim| self.doubts.hear(self.now, claim, &mut self.leases)) {
            Some(InUse { mac, silence, packet }) => {
                self.witness(DhcpPort::Dhcp, &packet, Some(mac), &Verdict::Silence(silence));
                self.silent(Some(mac), silence);
                self.server(&packet);
            }
            None => {
                self.now = self.now.after(Duration::from_millis(150));
                for (mac, answer) in self.doubts.settled(self.now, &mut self.leases) {
                    self.answer(mac, &answer);
                }
            }
        }
    }

    fn witness(&mut self, door: DhcpPort, bytes: &[u8], mac: Option<MacAddr>, verdict: &Verdict) {
        self.mac = mac.unwrap_or(self.mac);
        sighting::dhcp(door, bytes, mac, verdict).into_iter().for_each(|event| self.tell(event));
    }

    fn carry_out(&mut self, mac: Option<MacAddr>, verdict: Verdict) {
        match verdict {
            Verdict::Reply(answer) => self.answer(mac.unwrap_or(self.mac), &answer),
            Verdict::Silence(silence) => self.silent(mac, silence),
            Verdict::Overheard(event) => {
                if let Event::DhcpAnswered { address, .. } = *event {
                    self.address = address.unwrap_or(self.address);
                }
                self.tell(*event);
            }
        }
    }

    fn answer(&mut self, mac: MacAddr, answer: &DhcpReply) {
        let [.., a, b, c, d] = answer.message[..20] else { unreachable!("a DHCP message is longer") };
        let given = Ipv4Addr::new(a, b, c, d);
        if !given.is_unspecified() {
            (self.offered, self.address) = (given, given);
        }
        answer.event.clone().into_iter().for_each(|event| self.tell(event));
        answer.lacks.into_iter().for_each(|silence| self.silent(Some(mac), silence));
    }

    fn silent(&mut self, mac: Option<MacAddr>, silence: Silence) {
        if silence.is_news() {
            self.tell(Event::DhcpSilence { mac, reason: silence.to_string() });
        }
    }

    /// The same packet at each of these seconds from now.
    pub(crate) fn discovers(&mut self, packet: &Packet, seconds: &[u64]) {
        let mut gone = 0;
        for second in seconds {
            self.wait(second - gone);
            gone = *second;
            self.dhcp(packet);
        }
    }

    pub(crate) fn leases(&mut self, discover: &Packet, request: &Packet) {
        self.dhcp(discover);
        self.wait(3);
        self.dhcp(request);
    }

    /// All DHCP and TFTP requests of a capture, a second apart. Every file it wants is here.
    pub(crate) fn replay(&mut self, capture: &str) {
        let from_machine = |datagram: &pcap::Datagram| *datagram.from.ip() != STATION && *datagram.from.ip() != OTHER;
        for datagram in pcap::read(capture).into_iter().filter(from_machine) {
            match datagram.to.port() {
                67 | 4011 => self.dhcp(&Packet::from(datagram)),
                69 => {
                    let probes = datagram.payload.windows(6).any(|part| part == b"tsize\0");
                    // iPXE asks for the size too, and goes on.
                    let client = if probes && !datagram.payload.windows(4).any(|part| part == b"1432") {
                        Client::Probes
                    } else {
                        Client::Whole
                    };
                    self.tftp(&datagram.payload, client);
                }
                _ => continue,
            }
            self.wait(1);
        }
    }

    /// A TFTP request, and the transfer that follows.
    pub(crate) fn tftp(&mut self, request: &[u8], client: Client) {
        let Opening::Read(ask) = Opening::parse(request) else { panic!("no request") };
        let wanted = ask.file.trim_start_matches('/').to_owned();
        let names: Vec<String> =
            if wanted.contains('<') || shim::is_optional(&wanted) { Vec::new() } else { vec![wanted] };
        let (file, size) = match names::find(&ask.file, &names) {
            Ok(names::BootFile::File(name)) => (name, 300_000),
            Ok(names::BootFile::Autoexec | names::BootFile::GrubConfig) => (ask.file.clone(), 500),
            Err(_) if shim::is_optional(&ask.file) => return,
            Err(missing) => {
                self.tell(sighting::missing(self.address, &ask.file, &missing.to_string()));
                return self.loader(&ask.file, event::LoaderTransfer::Failed { reason: missing.to_string() });
            }
        };
        self.loader(&file, event::LoaderTransfer::Started);
        let (mut transfer, mut turn) = Transfer::start(&ask, vec![0; size].into());
        self.tell(sighting::begun(self.address, &file, transfer.terms()));
        let end = loop {
            if let Some(end) = turn.end.take() {
                break end;
            }
            turn = self.react(client, &mut transfer, &turn);
        };
        self.tell(sighting::ended(self.address, &file, &end));
        end.outcome().into_iter().for_each(|outcome| self.loader(&file, outcome));
    }

    fn loader(&mut self, file: &str, transfer: event::LoaderTransfer) {
        self.tell(Event::Loader { address: self.address, file: file.to_owned(), transfer });
    }

    /// What the client makes of the packets of `turn`.
    fn react(&mut self, client: Client, transfer: &mut Transfer, turn: &Turn) -> Turn {
        let acknowledged = match turn.send.last().map(|packet| packet.parts().concat()).as_deref() {
            Some([0, 6, ..]) => Some(0),
            Some([0, 3, high, low, ..]) => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        };
        let error = |code: u8, words: &str| [&[0, 5, 0, code], words.as_bytes(), &[0]].concat();
        match (client, acknowledged) {
            (Client::Probes, _) => transfer.on_packet(&error(8, "User aborted the transfer")),
            (Client::GivesUp(words), Some(1..)) => transfer.on_packet(&error(3, words)),
            (Client::Until(block), Some(now)) if now > block => self.silence(transfer, turn),
            (Client::Silent, _) | (_, None) => self.silence(transfer, turn),
            (Client::Whole | Client::Until(_) | Client::GivesUp(_), Some(block)) => {
                transfer.on_packet(&[&[0, 4][..], &block.to_be_bytes()].concat())
            }
        }
    }

    fn silence(&mut self, transfer: &mut Transfer, turn: &Turn) -> Turn {
        self.now = self.now.after(turn.wait.unwrap_or(Duration::from_millis(300)));
        transfer.on_timeout()
    }

    /// The machine says this by HTTP; what it is answered.
    fn http(&mut self, speaker: Speaker, method: Method, path: &str, body: &str) -> String {
        let Self { web, hub, now, .. } = self;
        let web = web.get_or_insert_with(|| Web::start(hub.bench()));
        web.exchange(self.address, &speaker.says(method, path, body), |note| hub.take(*now, note))
    }

    /// iPXE says who it is.
    pub(crate) fn asks_for_script(&mut self) -> String {
        let mac = self.mac.to_string().replace(':', "-");
        let said = "uuid=&serial=SN-1&manufacturer=Acme&product=Edge%20Box&platform=pcbios&arch=i386";
        self.script(Speaker::Ipxe, &format!("/boot.ipxe?mac={mac}&{said}"))
    }

    /// GRUB does.
    pub(crate) fn grub_asks_for_script(&mut self) -> String {
        let said = "uuid=&platform=efi&arch=x86_64&serial=SN-1&manufacturer=Acme&product=Edge%20Box";
        self.script(Speaker::Grub, &format!("/boot.grub?mac={}&{said}", self.mac))
    }

    fn script(&mut self, speaker: Speaker, path: &str) -> String {
        let script = self.http(speaker, Method::Get, path, "");
        let after = |word| script.split_once(word).and_then(|(_, rest)| rest.get(..32)?.parse().ok());
        let run = after("oxbow.run=").or_else(|| after("/r/"));
        self.run = run.or(self.run);
        script
    }

    /// iPXE fetches a file by HTTP.
    pub(crate) fn fetches(&mut self, file: &str) -> String {
        self.http(Speaker::Ipxe, Method::Get, &format!("/boot/{file}"), "")
    }

    /// iPXE, or the installer, fetches something of its run.
    pub(crate) fn fetches_of_run(&mut self, file: &str) -> String {
        let run = self.run.expect("a script that installs");
        self.http(Speaker::Ipxe, Method::Get, &format!("/r/{run}/{file}"), "")
    }

    /// GRUB does.
    pub(crate) fn grub_fetches(&mut self, file: &str) -> String {
        self.http(Speaker::Grub, Method::Get, &format!("/boot/{file}"), "")
    }

    /// UEFI HTTP Boot asks how large a file is.
    pub(crate) fn probes(&mut self, file: &str) -> String {
        self.http(Speaker::Uefi, Method::Head, &format!("/boot/{file}"), "")
    }

    /// And fetches it.
    pub(crate) fn firmware_fetches(&mut self, file: &str) -> String {
        self.http(Speaker::Uefi, Method::Get, &format!("/boot/{file}"), "")
    }

    /// A boot file is not there any more.
    pub(crate) fn loses(&mut self, file: &str) {
        let Self { web, hub, .. } = self;
        web.get_or_insert_with(|| Web::start(hub.bench())).remove(file);
    }

    /// Firmware comes by HTTPS, and knows no authority.
    pub(crate) fn shakes_hands(&mut self) {
        let Self { web, hub, now, .. } = self;
        let web = web.get_or_insert_with(|| Web::start(hub.bench()));
        web.distrust(self.address, |note| hub.take(*now, note));
    }

    /// The agent says hello in the run of the latest script.
    pub(crate) fn agent(&mut self) -> Value {
        let claims = json!({"macs": [self.mac.to_string()], "serial": "SN-1"});
        let hello = json!({"version": 1, "agent": "0.1.0", "claims": claims, "disks": []});
        self.post(paths::hello(self.run.expect("a script that installs")), &hello)
    }

    /// The agent reports all it has to, with the digest that the disk is to have.
    pub(crate) fn agent_proves(&mut self, job: &Value) {
        let reports = json!([
            {"kind": "started", "step": "write"},
            {"kind": "started", "step": "verify"},
            {"kind": "read_back", "bytes": job["disk_bytes"], "sha256": job["disk_sha256"]},
            {"kind": "complete"},
        ]);
        let said = json!({"version": 1, "first": 0, "reports": reports});
        let answer = self.post(paths::reports(self.run.expect("a run")), &said);
        assert_eq!(answer, json!({"next": 4}));
    }

    fn post(&mut self, path: String, said: &Value) -> Value {
        let answer = self.http(Speaker::Agent, Method::Post, &path, &said.to_string());
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str(body).unwrap_or_else(|err| panic!("{err}: {answer}"))
    }
}

/// An ARP answer: this card has that address.
fn is_at(card: MacAddr, address: Ipv4Addr) -> Vec<u8> {
    let (card, station) = (card.octets(), [0x52, 0x54, 0, 0, 0, 1]);
    let head = [&station[..], &card, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2]].concat();
    [&head[..], &card, &address.octets(), &station, &STATION.octets(), &[0; 18]].concat()
}
