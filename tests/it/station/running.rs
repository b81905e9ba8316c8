//! A station that runs: DHCP's mode is switched from the command line, and the network card is unplugged, with the real
//! program in network namespaces.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::lab::site::{self, Dnsmasq, Site};

/// A station's data, and the program that works on it.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(TempDir::new().expect("a directory"));
        fs::create_dir(home.path("boot")).expect("a directory");
        for file in ["undionly.kpxe", "snponly.efi", "vmlinuz", "initramfs.img"] {
            fs::write(home.path("boot").join(file), b"a boot program").expect("a file");
        }
        fs::write(home.path("empty.toml"), "").expect("a file");
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `oxbow dhcp` with these words: how it ended, and what it said.
    fn dhcp(&self, words: &[&str]) -> (Option<i32>, String) {
        let mut oxbow = Command::new(env!("CARGO_BIN_EXE_oxbow"));
        oxbow.arg("dhcp").args(words).env("OXBOW_DATA", self.0.path()).env("OXBOW_CONFIG", self.path("empty.toml"));
        let output = oxbow.stdin(Stdio::null()).output().expect("oxbow starts");
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    #[track_caller]
    fn shows(&self, words: &str) {
        let mut said = String::new();
        let there = within(20, || {
            said = self.dhcp(&["show"]).1;
            said.contains(words)
        });
        assert!(there, "{words:?} is not in: {said}");
    }

    #[track_caller]
    fn does(&self, choice: &str, words: &str) {
        let (code, said) = self.dhcp(&[choice]);
        assert!(code == Some(0) && said.contains(words), "{choice}: {code:?} {said}");
    }
}

/// The real program on a home, at a site.
struct Station {
    process: Child,
    log: PathBuf,
}

impl Station {
    fn start(site: &Site, home: &Home, more: &[&str]) -> Self {
        let log = home.path("station.log");
        let mut station = Command::new("ip");
        station.args(["netns", "exec", &site.station, "setpriv", "--pdeathsig", "KILL", env!("CARGO_BIN_EXE_oxbow")]);
        station.args(["run", "--headless", "--interface", "s0"]).args(more);
        station.arg("--data").arg(home.0.path()).arg("--boot-files").arg(home.path("boot"));
        station.env("OXBOW_CONFIG", home.path("empty.toml")).stdout(Stdio::null());
        let process = station.stderr(fs::File::create(&log).expect("a file")).spawn().expect("`ip` starts");
        let station = Self { process, log };
        station.says("control is up", 0, &["service=\"control\" at="]);
        station
    }

    /// How much has been said so far.
    fn said(&self) -> usize {
        fs::read(&self.log).map(|log| log.len()).unwrap_or_default()
    }

    /// Waits until each of the words has been said since.
    #[track_caller]
    fn says(&self, what: &str, since: usize, words: &[&str]) {
        let mut said = String::new();
        let there = within(30, || {
            said = String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()[since..]).into_owned();
            words.iter().all(|word| said.contains(word))
        });
        assert!(there, "{what}: {words:?} are not in: {said}");
    }

    fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(self.process.id().try_into().expect("a process number"));
        signal::kill(id, signal).expect("it runs");
    }

    fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        assert!(self.process.wait().expect("it ends").success());
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn within(seconds: u64, mut there: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        if there() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn the_command_line_switches_dhcp_and_the_station_keeps_to_it() {
    let (site, home) = (Site::build("cli"), Home::new());
    let (code, said) = home.dhcp(&[]);
    assert!(code == Some(0) && said.contains("no station is running; chosen is what the settings say"), "{said}");

    let station = Station::start(&site, &home, &[]);
    home.shows("authoritative: pool 10.77.0.100–250; 0 of 151 addresses leased, 151 free");
    home.does("proxy", "the site's DHCP server gives the addresses");
    home.shows("proxy: proxy (no DHCP server answers: machines get no address)");
    home.does("authoritative", "the station gives machines their addresses");
    home.shows("authoritative: pool 10.77.0.100–250");
    home.does("proxy", "");

    let dnsmasq = Dnsmasq::start(&site::server_of(&site.client), &["--no-ping"]);
    std::thread::sleep(Duration::from_secs(1));
    let (code, said) = home.dhcp(&["authoritative"]);
    assert_ne!(code, Some(0));
    assert!(said.contains("another DHCP server, 10.77.0.2, answers: two would give out the same addresses"), "{said}");
    home.shows("proxy: proxy beside 10.77.0.2");
    home.does("auto", "proxy where another DHCP server answers");
    home.shows("proxy (chosen: auto): proxy (auto: 10.77.0.2 answers DHCP)");
    station.stop();

    let station = Station::start(&site, &home, &[]);
    home.shows("proxy (chosen: auto): proxy (auto: 10.77.0.2 answers DHCP)");
    station.stop();
    drop(dnsmasq);

    // The later word counts: a setting that was not there when somebody chose.
    let station = Station::start(&site, &home, &["--dhcp", "proxy"]);
    home.shows("proxy: proxy (no DHCP server answers: machines get no address)");
    station.stop();

    // Without a station the choice is kept for the next one.
    home.does("proxy", "");
    let (_, said) = home.dhcp(&["show"]);
    assert!(said.contains("no station is running; chosen is proxy"), "{said}");
    let station = Station::start(&site, &home, &[]);
    home.shows("proxy: proxy (no DHCP server answers: machines get no address)");
    drop(station);
}

/// As `timeout` does, and a shell whose terminal is closed: they tell the program, and then all that it has started.
#[test]
fn a_station_that_is_told_twice_in_one_breath_to_stop_stops_in_order() {
    let (site, home) = (Site::build("breath"), Home::new());
    let mut station = Station::start(&site, &home, &[]);
    // It finds both when it goes on.
    for signal in [Signal::SIGSTOP, Signal::SIGTERM, Signal::SIGINT, Signal::SIGCONT] {
        station.signal(signal);
    }
    let ended = station.process.wait().expect("it ends");
    let said = fs::read_to_string(&station.log).expect("its log");
    assert!(ended.success() && said.contains("stopping: SIG"), "{ended}: {said}");
}

#[test]
fn a_card_that_is_unplugged_and_plugged_in_again_is_served_again() {
    let (site, home) = (Site::build("plug"), Home::new());
    let station = Station::start(&site, &home, &["--dhcp-force"]);
    ip(&format!("-n {} address add 10.77.0.60/24 dev c0", site.client));
    station.says("everything is up", 0, &UP);
    assert_serves(&site);

    let before = station.said();
    let card = card(&site);
    ip(&format!("-n {} link del s0", site.station));
    station.says(
        "what is gone is said",
        before,
        &down("interface s0 is gone: plug it in").each_ref().map(String::as_str),
    );
    let server = site::server_of(&site.client);
    let plugged = station.said();
    for command in [
        format!("-n {server} link add p1 type veth peer name s0 netns {}", site.station),
        format!("-n {server} link set p1 master br0 up"),
        format!("-n {} link set s0 address {card} up", site.station),
    ] {
        ip(&command);
    }
    station.says("it has no address yet", plugged, &["s0 does not have its address 10.77.0.1 any more"]);
    let plugged = station.said();
    ip(&format!("-n {} address add 10.77.0.1/24 dev s0", site.station));
    station.says("everything is up again", plugged, &UP);
    assert_serves(&site);

    let before = station.said();
    ip(&format!("-n {} link set s0 down", site.station));
    // Every service looks for itself: who had not noticed has nothing to say afterwards.
    station.says("it is off", before, &down("interface s0 is switched off").each_ref().map(String::as_str));
    let before = station.said();
    ip(&format!("-n {} link set s0 up", site.station));
    station.says("it is on again", before, &UP);
    assert_serves(&site);

    // Faster than anybody looks.
    ip(&format!("-n {} address del 10.77.0.1/24 dev s0", site.station));
    ip(&format!("-n {} address add 10.77.0.1/24 dev s0", site.station));
    assert_serves(&site);

    let before = station.said();
    ip(&format!("-n {server} link set p1 down"));
    station.says("the cable is out", before, &["service=\"network\" what=\"no cable is in s0"]);
    let before = station.said();
    ip(&format!("-n {server} link set p1 up"));
    station.says("the cable is in again", before, &UP[..1]);
    station.stop();
}

const UP: [&str; 5] = [
    "service=\"network\" at=\"s0 as 10.77.0.1\"",
    "service=\"dhcp\" at=",
    "service=\"tftp\" at=",
    "service=\"http\" at=",
    "service=\"ipv6\" at=",
];
/// What each service says that has found it out.
fn down(what: &str) -> [String; 5] {
    ["network", "dhcp", "tftp", "http", "ipv6"].map(|service| format!("service=\"{service}\" what=\"{what}\""))
}

fn ip(command: &str) {
    let done = Command::new("ip").args(command.split(' ')).status().expect("iproute2 is installed");
    assert!(done.success(), "`ip {command}` failed");
}

/// The Ethernet address of the station's card: an adapter keeps its own.
fn card(site: &Site) -> String {
    let shown =
        Command::new("ip").args(["-n", &site.station, "-oneline", "link", "show", "s0"]).output().expect("`ip`");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    let mut words = shown.split_whitespace().skip_while(|word| *word != "link/ether").skip(1);
    words.next().expect("an Ethernet address").to_owned()
}

/// A machine gets an offer, a boot program by TFTP and one by HTTP.
#[track_caller]
fn assert_serves(site: &Site) {
    let client = site.client.clone();
    for (what, works) in [("dhcp", offered as fn() -> bool), ("tftp", loaded_by_tftp), ("http", loaded_by_http)] {
        assert!(within(20, || site::inside(&client, works)), "{what} does not serve");
    }
}

fn offered() -> bool {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).expect("a socket");
    socket.bind_device(Some(b"c0")).expect("the card is there");
    socket.set_broadcast(true).expect("may broadcast");
    socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68).into()).expect("the port is free");
    let socket = UdpSocket::from(socket);
    socket.set_read_timeout(Some(Duration::from_secs(2))).expect("a time-out");
    let mut discover = vec![0; 300];
    discover[..4].copy_from_slice(&[1, 1, 6, 0]);
    discover[10] = 0x80;
    discover[28..34].copy_from_slice(&[0x52, 0x54, 0, 0, 0, 7]);
    discover[236..243].copy_from_slice(&[0x63, 0x82, 0x53, 0x63, 53, 1, 1]);
    discover[243] = 255;
    let mut packet = [0; 1500];
    socket.send_to(&discover, "255.255.255.255:67").is_ok() && socket.recv(&mut packet).is_ok_and(|len| len > 240)
}

fn loaded_by_tftp() -> bool {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a port");
    socket.set_read_timeout(Some(Duration::from_secs(2))).expect("a time-out");
    let mut packet = [0; 1500];
    let asked = socket.send_to(b"\0\x01undionly.kpxe\0octet\0", "10.77.0.1:69");
    asked.is_ok() && socket.recv(&mut packet).is_ok_and(|len| packet[..len].ends_with(b"a boot program"))
}

fn loaded_by_http() -> bool {
    let station = "10.77.0.1:80".parse().expect("an address");
    let Ok(mut stream) = TcpStream::connect_timeout(&station, Duration::from_secs(2)) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(2))).expect("a time-out");
    let mut said = Vec::new();
    let asked = stream.write_all(b"GET /boot/undionly.kpxe HTTP/1.1\r\nHost: 10.77.0.1\r\nConnection: close\r\n\r\n");
    asked.is_ok() && stream.read_to_end(&mut said).is_ok() && said.ends_with(b"a boot program")
}
