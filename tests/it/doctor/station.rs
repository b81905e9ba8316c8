//! Why machines do not boot, as a station without a screen tells it: in its log and at the command line, with the built
//! program on a cable.

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::lab::cable::Cable;
use crate::lab::pcap;
use crate::lab::site;

/// The built program on a cable, on a data directory of its own.
struct Station {
    cable: Cable,
    home: TempDir,
    process: Child,
}

impl Station {
    fn start() -> Self {
        let (cable, home) = (Cable::lay("headless"), TempDir::new().expect("a directory"));
        fs::create_dir(home.path().join("boot")).expect("a directory");
        fs::write(home.path().join("boot/snponly.efi"), [7; 5000]).expect("a file");
        fs::write(home.path().join("empty.toml"), "").expect("a file");
        let log = fs::File::create(home.path().join("said")).expect("a file");
        let mut oxbow = Command::new("ip");
        oxbow.args(["netns", "exec", &cable.station, "setpriv", "--pdeathsig", "KILL", env!("CARGO_BIN_EXE_oxbow")]);
        oxbow.args(["run", "--headless", "--interface", "s0", "--boot-files"]).arg(home.path().join("boot"));
        oxbow.env("OXBOW_DATA", home.path()).env("OXBOW_CONFIG", home.path().join("empty.toml"));
        let process = oxbow.stdout(Stdio::null()).stderr(log).spawn().expect("`ip` starts");
        let station = Self { cable, home, process };
        station.until("the command line and DHCP are served", || {
            station.log().contains("service=\"control\"") && station.log().contains("service=\"dhcp\"")
        });
        station
    }

    fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("said")).expect("a log")
    }

    /// `oxbow` with these arguments: how it ended, and all that it said.
    fn oxbow(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut oxbow = Command::new(env!("CARGO_BIN_EXE_oxbow"));
        oxbow.args(arguments).env("OXBOW_DATA", self.home.path()).current_dir(self.home.path()).stdin(Stdio::null());
        let Output { status, stdout, stderr } = oxbow.output().expect("oxbow starts");
        (status.code(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
    }

    /// Waits until the answer has all these words.
    #[track_caller]
    fn tells(&self, arguments: &[&str], words: &[&str]) {
        let mut ended = (None, String::new());
        let there = within(60, || {
            ended = self.oxbow(arguments);
            ended.0 == Some(0) && words.iter().all(|word| ended.1.contains(word))
        });
        assert!(there, "not within a minute: {words:?} of {arguments:?}, but {:?} {}", ended.0, ended.1);
    }

    /// A machine of this architecture asks for an address at the other end of the cable, and takes it.
    fn asks(&self, arch: u16) {
        let (class, arch) = (format!("PXEClient:Arch:{arch:05}:UNDI:003016"), format!("0x5d:{arch:04x}"));
        let mut udhcpc = Command::new("ip");
        udhcpc.args(["netns", "exec", &self.cable.client, "busybox", "udhcpc", "-i", "c0", "-f", "-n", "-q"]);
        udhcpc.args(["-t", "10", "-T", "2", "-s", "/bin/true", "-V", &class, "-x", &arch]);
        let done = udhcpc.output().expect("busybox is installed");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    #[track_caller]
    fn until(&self, what: &str, there: impl Fn() -> bool) {
        assert!(within(60, there), "not within a minute: {what}\n{}", self.log());
    }

    /// Saves what is kept of `who`, and reads it with tcpdump.
    fn captured(&self, arguments: &[&str], file: &Path) -> String {
        let (code, said) = self.oxbow(arguments);
        assert!(code == Some(0) && said.contains("open it in Wireshark"), "{said}");
        let read = Command::new("tcpdump").args(["-n", "-e", "-vv", "-r"]).arg(file).output().expect("tcpdump");
        let words = String::from_utf8_lossy(&read.stdout).into_owned();
        assert!(read.status.success() && !words.contains("bad"), "{words}");
        words
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}

fn within(seconds: u64, mut there: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < deadline {
        if there() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    there()
}

impl Drop for Station {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[test]
fn a_station_without_a_screen_tells_who_does_not_boot_why_and_when_that_is_over() {
    let station = Station::start();
    let client = Command::new("ip").args(["-n", &station.cable.client, "-br", "link", "show", "c0"]).output();
    let client = String::from_utf8(client.expect("iproute2").stdout).expect("text");
    let mac = client.split_whitespace().nth(2).expect("a MAC").to_owned();
    station.asks(6);
    let verdict = "there is no boot program for its architecture 6 (UEFI IA32)";
    station.tells(&["nodes"], &["NODE", "#1", &mac, verdict, "  hint: set its firmware to 64-bit UEFI or BIOS boot"]);
    let trail =
        "REQUEST by architecture 6 for 10.77.0.100 of 10.77.0.1 > no boot program for architecture 6 (UEFI IA32)";
    station.tells(&["nodes", "show", "#1"], &[&format!("stopped at dhcp: {verdict}"), "hint       set its", trail]);
    station.tells(&["nodes", "--json"], &[&format!("\"what\": \"{verdict}\""), "\"severity\": \"failure\""]);

    let said = format!("stopped at dhcp: {verdict}");
    station.until("the log has it", || station.log().contains(&said));
    let log = station.log();
    let line = log.lines().find(|line| line.contains(&said)).expect("a line");
    for part in ["WARN", &format!("mac={mac}"), "hint=\"set its firmware to 64-bit UEFI"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    station.asks(7);
    station.until("it is over", || station.log().contains(&format!("no longer {said}")));
    assert_eq!(station.log().lines().filter(|line| line.contains(&said)).count(), 2, "once each:\n{}", station.log());

    let read = station.captured(&["nodes", "capture", "#1", "--out", "machine.pcap"], &station.path("machine.pcap"));
    for part in ["Discover", "Offer", "Request", "ACK", "[udp sum ok]", &mac] {
        assert!(read.contains(part), "{part}:\n{read}");
    }
    assert_eq!(station.oxbow(&["nodes", "capture", "#7"]).0, Some(1));
}

#[test]
fn a_machine_that_is_no_node_is_told_of_by_its_mac() {
    let station = Station::start();
    // It asks, as OVMF does but for 32 bits, and takes nothing.
    let mut discover = pcap::read("uefi-ovmf-pxe.authoritative").swap_remove(0).payload;
    let arch = discover.windows(4).position(|part| part == [93, 2, 0, 7]).expect("option 93");
    discover[arch + 3] = 6;
    let mac = discover[28..34].iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":");
    site::inside(&station.cable.client, || {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).expect("a socket");
        socket.bind_device(Some(b"c0")).expect("the card is there");
        socket.set_broadcast(true).expect("may broadcast");
        let socket: UdpSocket = socket.into();
        station.until("it is heard", || {
            socket.send_to(&discover, "255.255.255.255:67").expect("sent");
            station.oxbow(&["nodes"]).1.contains(&mac)
        });
    });
    let verdict = "there is no boot program for its architecture 6 (UEFI IA32)";
    let who = format!("{mac} (no node): {verdict}");
    station.tells(&["nodes"], &[&who, "hint: set its firmware to 64-bit UEFI"]);
    station.tells(&["nodes", "show", &mac], &[&who, "hint: set its firmware", "DISCOVER by architecture 6 > "]);
    station.until("the log has it", || station.log().contains(&format!("stopped at dhcp: {verdict} mac={mac}")));
    let file = station.path(&format!("{}.pcap", mac.replace(':', "-")));
    let read = station.captured(&["nodes", "capture", &mac], &file);
    assert!(read.contains("Discover") && read.contains("Offer"), "{read}");
}
