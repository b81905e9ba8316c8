//! The bench: two network namespaces and what joins them.

use std::cell::Cell;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use tempfile::TempDir;

use super::{Dnsmasq, Machine, Relay, run, target};

/// A network of its own. Drop takes it down.
pub(crate) struct Bench {
    name: String,
    machines: Cell<u8>,
    evidence: PathBuf,
    scratch: TempDir,
}

impl Bench {
    /// The station's interface and address.
    pub(crate) const INTERFACE: &str = "bench0";
    pub(crate) const STATION: &str = "10.77.0.1";

    /// A bench for the test of this name; its evidence of earlier times is removed.
    pub(crate) fn new(test: &str) -> Self {
        let root = fs::metadata("/proc/self").map(|of| std::os::unix::fs::MetadataExt::uid(&of));
        assert!(
            root.is_ok_and(|uid| uid == 0),
            "network namespaces need root\nhint: run the tests as root: `make test`"
        );
        sweep();

        let evidence = target().join("evidence").join(test);
        fs::remove_dir_all(&evidence).ok();
        fs::create_dir_all(&evidence).expect("a directory for evidence");
        let name = format!("{PREFIX}{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let scratch = TempDir::with_prefix_in(format!("{name}-"), SCRATCH).expect("a scratch directory");
        let bench = Self { name, machines: Cell::new(0), evidence, scratch };
        bench.build();
        bench
    }

    fn build(&self) {
        let (switch, station) = (&*self.switch(), &*self.station());
        let ip = |args: &str| run("ip", &args.split(' ').collect::<Vec<_>>());
        ip(&format!("netns add {switch}"));
        ip(&format!("netns add {station}"));
        ip(&format!("-n {switch} link set lo up"));
        ip(&format!("-n {station} link set lo up"));
        // A bridge that learns spanning trees or snoops on multicast would hold back a firmware's first packets.
        ip(&format!("-n {switch} link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0"));
        ip(&format!("-n {switch} link add port type veth peer name {} netns {station}", Self::INTERFACE));
        ip(&format!("-n {switch} link set port master br0"));
        // Firmware verifies UDP checksums, which a veth pair would leave for a network card to fill in.
        for (namespace, end) in [(switch, "port"), (station, Self::INTERFACE)] {
            run("ip", &["netns", "exec", namespace, "ethtool", "-K", end, "tx", "off"]);
        }
        ip(&format!("-n {switch} link set br0 up"));
        ip(&format!("-n {switch} link set port up"));
        ip(&format!("-n {station} addr add {}/24 dev {}", Self::STATION, Self::INTERFACE));
        ip(&format!("-n {station} link set {} up", Self::INTERFACE));
    }

    /// A machine on this bench, switched off, with an empty disk.
    pub(crate) fn machine(&self, name: &str) -> Machine {
        let number = self.machines.get() + 1;
        self.machines.set(number);
        let (switch, tap) = (self.switch(), format!("tap{number}"));
        run("ip", &["-n", &switch, "tuntap", "add", &tap, "mode", "tap"]);
        run("ip", &["-n", &switch, "link", "set", &tap, "master", "br0", "up"]);
        Machine::new(name, number, switch, tap, self.scratch(), &self.evidence)
    }

    /// Plugs in the site's DHCP server, which gives addresses and boots no machine.
    pub(crate) fn with_sites_server(&self) -> Dnsmasq {
        let switch = self.switch();
        run("ip", &["-n", &switch, "address", "add", "10.77.0.2/24", "dev", "br0"]);
        run("ip", &["netns", "exec", &switch, "ethtool", "-K", "br0", "tx", "off"]);
        Dnsmasq::start(&switch, &["--no-ping"])
    }

    /// Another network, without a station, whose DHCP server boots machines with a file of this directory; gives a port of
    /// its switch.
    pub(crate) fn another_network(&self, directory: &Path, file: &str) -> (String, Dnsmasq) {
        let switch = &*self.switch();
        run("ip", &["-n", switch, "link", "add", "br1", "type", "bridge", "stp_state", "0", "mcast_snooping", "0"]);
        run("ip", &["-n", switch, "address", "add", "192.168.9.1/24", "dev", "br1"]);
        run("ip", &["-n", switch, "link", "set", "br1", "up"]);
        run("ip", &["netns", "exec", switch, "ethtool", "-K", "br1", "tx", "off"]);
        run("ip", &["-n", switch, "tuntap", "add", "elsewhere", "mode", "tap"]);
        run("ip", &["-n", switch, "link", "set", "elsewhere", "master", "br1", "up"]);
        let server = Dnsmasq::start_on(
            switch,
            "br1",
            "192.168.9.50,192.168.9.60",
            &[
                "--no-ping",
                "--enable-tftp",
                &format!("--tftp-root={}", directory.display()),
                &format!("--dhcp-boot={file}"),
            ],
        );
        ("elsewhere".into(), server)
    }

    /// Another network, 10.80.0.0/24, behind a router that is a DHCP relay agent too; gives a port there, in the switch's
    /// namespace.
    pub(crate) fn network_behind_a_relay(&self) -> (&'static str, Relay) {
        let (switch, station, router) = (&*self.switch(), &*self.station(), &*self.router());
        let ip = |args: &str| run("ip", &args.split(' ').collect::<Vec<_>>());
        ip(&format!("netns add {router}"));
        ip(&format!("-n {router} link add r0 type veth peer name router netns {switch}"));
        ip(&format!("-n {router} link add r1 type veth peer name {BEHIND} netns {switch}"));
        ip(&format!("-n {switch} link set router master br0 up"));
        ip(&format!("-n {switch} link set {BEHIND} up"));
        for (port, address) in [("r0", "10.77.0.254/24"), ("r1", "10.80.0.1/24")] {
            ip(&format!("-n {router} address add {address} dev {port}"));
            ip(&format!("-n {router} link set {port} up"));
        }
        run("ip", &["netns", "exec", router, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"]);
        ip(&format!("-n {station} route add 10.80.0.0/24 via 10.77.0.254"));
        ip(&format!("-n {switch} route add 10.77.0.0/24 via 10.80.0.1 dev {BEHIND} onlink"));
        (BEHIND, Relay::start(router, "10.80.0.1", Self::STATION))
    }

    /// Somebody at the switch who has this address of the bench's network, until it is dropped.
    pub(crate) fn speaker(&self, address: &str) -> Speaker {
        let speaker = Speaker { switch: self.switch(), host: format!("{address}/24") };
        run("ip", &["-n", &speaker.switch, "address", "add", &speaker.host, "dev", "br0"]);
        // A machine that was simulated had it before, on another card.
        run("ip", &["-n", &self.station(), "neighbour", "flush", "dev", Self::INTERFACE]);
        speaker
    }

    /// Boot files for simulated machines, which load them and do not look into them.
    pub(crate) fn simulated_boot_files(&self) -> PathBuf {
        let path = self.scratch().join("boot-files");
        fs::create_dir(&path).expect("a directory");
        for name in ["undionly.kpxe", "snponly.efi", "vmlinuz", "initramfs.img"] {
            fs::write(path.join(name), vec![7; 100_000]).expect("a file");
        }
        path
    }

    /// Runs `work` in a thread that sees the station's network. Sockets made there stay there.
    pub(crate) fn beside_station<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let namespace = Path::new("/run/netns").join(self.station());
        let inside = move || {
            let namespace = File::open(namespace).expect("the station's namespace");
            // It changes this thread alone.
            nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).expect("the station's namespace opens");
            work()
        };
        thread::scope(|scope| scope.spawn(inside).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    pub(crate) fn evidence(&self) -> &Path {
        &self.evidence
    }

    /// A directory that goes with the bench.
    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// The name of the station's namespace.
    pub(crate) fn station(&self) -> String {
        format!("{}-st", self.name)
    }

    /// A port of the switch for simulated machines, in the switch's namespace.
    pub(crate) fn port(&self) -> &'static str {
        let switch = &*self.switch();
        run("ip", &["-n", switch, "link", "add", "simport", "type", "veth", "peer", "name", SIMULATED]);
        run("ip", &["-n", switch, "link", "set", "simport", "master", "br0", "up"]);
        run("ip", &["-n", switch, "link", "set", SIMULATED, "up"]);
        SIMULATED
    }

    /// The namespace of a machine that is not emulated.
    pub(super) fn node(&self) -> String {
        format!("{}-nd", self.name)
    }

    pub(super) fn switch(&self) -> String {
        format!("{}-sw", self.name)
    }

    fn router(&self) -> String {
        format!("{}-rt", self.name)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for namespace in [self.switch(), self.station(), self.router(), self.node()] {
            Command::new("ip").args(["netns", "del", &namespace]).output().ok();
        }
    }
}

/// Programs of the station's machine that speak from an address of the bench's network.
pub(crate) struct Speaker {
    switch: String,
    host: String,
}

impl Speaker {
    /// Runs a command to its end.
    pub(crate) fn runs(&self, command: &[&str]) {
        run("ip", &[&["netns", "exec", &self.switch], command].concat());
    }

    /// A program that is still to be started.
    pub(crate) fn program(&self, program: &str) -> Command {
        command_in(&self.switch, program)
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        Command::new("ip").args(["-n", &self.switch, "address", "del", &self.host, "dev", "br0"]).output().ok();
    }
}

/// A program inside a namespace that dies with the thread that started it, however that one ends.
pub(super) fn command_in(namespace: &str, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, "setpriv", "--pdeathsig", "KILL", program]);
    command
}

/// Takes down what test programs left that were killed before they could.
fn sweep() {
    for name in left_over("/run/netns") {
        Command::new("ip").arg("netns").arg("del").arg(&name).output().ok();
    }
    for name in left_over(SCRATCH) {
        fs::remove_dir_all(Path::new(SCRATCH).join(name)).ok();
    }
}

/// Names in `directory` that hold the number of a process which is no more.
fn left_over(directory: &str) -> Vec<String> {
    let names = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let is_left = |name: &String| {
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists())
    };
    names.filter(is_left).collect()
}

const SIMULATED: &str = "sim0";
const BEHIND: &str = "behind0";
const PREFIX: &str = "oxb-";
const SCRATCH: &str = env!("CARGO_TARGET_TMPDIR");
static NUMBER: AtomicU32 = AtomicU32::new(1);
