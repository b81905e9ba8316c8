//! A machine without firmware and kernel, of which the network is real: its card is in a namespace of its own, the
//! initramfs' DHCP script gives it addresses, and the agent works there with a file for a disk.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{io, thread};

use super::{Bench, run as do_run};
use oxbow::agent::boot_args::BadBootArgs;
use oxbow::agent::image::pump::Blocks;
use oxbow::agent::linux::DiskFile;
use oxbow::agent::machine::{Dialer, Machine, Medium, Survey};
use oxbow::agent::outcome::AgentOutcome;
use oxbow::agent::station::backoff::RetryPolicy;
use oxbow::agent::{AgentConfig, run};
use oxbow::domain::ids::MacAddr;
use oxbow::domain::machine::claims::Claims;
use oxbow::domain::machine::disk::{Disk, Transport};

/// A machine that is plugged in.
pub(crate) struct Wired {
    switch: String,
    namespace: String,
    scratch: PathBuf,
    /// A size that takes the image, and how many bytes a second it takes.
    disk: (u64, u64),
    dials: Arc<AtomicU32>,
    screen: Mutex<Vec<String>>,
}

impl Wired {
    pub(crate) const MAC: &'static str = "52:54:00:0d:00:01";

    pub(crate) fn plug(bench: &Bench, disk: (u64, u64)) -> Self {
        let (switch, namespace) = (bench.switch(), bench.node());
        let ip = |args: &str| do_run("ip", &args.split(' ').collect::<Vec<_>>());
        ip(&format!("netns add {namespace}"));
        ip(&format!("-n {namespace} link set lo up"));
        ip(&format!("-n {switch} link add {SOCKET} type veth peer name {CARD} netns {namespace}"));
        ip(&format!("-n {namespace} link set {CARD} address {} up", Self::MAC));
        ip(&format!("-n {switch} link set {SOCKET} master br0 up"));
        let run = bench.scratch().join("node-run");
        fs::create_dir_all(run.join("net")).and_then(|()| fs::write(run.join("resolv.conf"), "")).expect("a /run");
        let scratch = bench.scratch().to_owned();
        Self { switch, namespace, scratch, disk, dials: Arc::default(), screen: Mutex::default() }
    }

    /// The DHCP client has this to say, and this address for it, to the script of the initramfs.
    pub(crate) fn dhcp(&self, event: &str, address: &str) {
        let run = self.run_directory();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/initramfs/udhcpc");
        let done = Command::new("ip")
            .args(["netns", "exec", &self.namespace, "sh", "-c"])
            .arg("mount --bind \"$0/resolv.conf\" /etc/resolv.conf && mount --bind \"$0\" /run && exec \"$@\"")
            .arg(&run)
            .args(["busybox", "sh"])
            .arg(script)
            .arg(event)
            .envs([("interface", CARD), ("ip", address), ("mask", "24"), ("router", Bench::STATION)])
            .envs([("dns", Bench::STATION)])
            .output()
            .expect("`ip` starts");
        let said = [done.stdout, done.stderr].concat();
        assert!(done.status.success() && said.is_empty(), "{event} {address}: {}", String::from_utf8_lossy(&said));
    }

    /// The addresses on its card.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let shown = Command::new("ip").args(["-n", &self.namespace, "-4", "-br", "address", "show", CARD]).output();
        let shown = String::from_utf8_lossy(&shown.expect("iproute2").stdout).into_owned();
        shown.split_whitespace().skip(2).map(str::to_owned).collect()
    }

    /// Pulls the cable out of the switch, or puts it back.
    pub(crate) fn cable(&self, state: &str) {
        do_run("ip", &["-n", &self.switch, "link", "set", SOCKET, state]);
    }

    /// How often it has tried to reach the station.
    pub(crate) fn dials(&self) -> u32 {
        self.dials.load(Ordering::Relaxed)
    }

    /// Asks for its boot script, as iPXE does, until there is something to install, and does what the script says.
    pub(crate) fn boot(&self, retry_policy: RetryPolicy) -> AgentOutcome {
        let boot_args = || {
            let url = format!("http://{}/boot.ipxe?mac={}&platform=efi&arch=x86_64", Bench::STATION, Self::MAC);
            let script = ureq::get(&url).call().and_then(|mut script| script.body_mut().read_to_string());
            script.expect("a script").parse()
        };
        self.inside(|| {
            let deadline = Instant::now() + Duration::from_secs(60);
            let boot_args = loop {
                match boot_args() {
                    Ok(boot_args) => break boot_args,
                    // The station looks at the image first.
                    Err(BadBootArgs::NoStation) if Instant::now() < deadline => {
                        thread::sleep(Duration::from_millis(100))
                    }
                    Err(no) => panic!("{no}"),
                }
            };
            run(&AgentConfig { boot_args, retry_policy, blocks: Blocks { bytes: 64 * 1024, count: 2 } }, self)
        })
    }

    pub(crate) fn screen(&self) -> String {
        self.screen.lock().expect("a screen").join("\n")
    }

    pub(crate) fn disk(&self) -> PathBuf {
        self.scratch.join("node-disk")
    }

    fn run_directory(&self) -> PathBuf {
        self.scratch.join("node-run")
    }

    /// Threads that `work` starts see the machine's network too.
    fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(Path::new("/run/netns").join(&self.namespace)).expect("the machine's namespace");
        let inside = move || {
            nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).expect("the machine's namespace opens");
            work()
        };
        thread::scope(|scope| scope.spawn(inside).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Machine for Wired {
    fn survey(&self, boot_nic: Option<MacAddr>) -> Survey {
        let path = self.disk();
        fs::write(&path, [])
            .and_then(|()| fs::OpenOptions::new().write(true).open(&path)?.set_len(self.disk.0))
            .expect("a disk");
        let path = path.display().to_string();
        let disk = Disk { path, transport: Transport::File, bytes: self.disk.0, ..Disk::default() };
        let claims = Claims { macs: boot_nic.into_iter().collect(), ..Claims::default() };
        Survey { claims, disks: vec![disk], ..Survey::default() }
    }

    fn open(&self, disk: &Disk) -> io::Result<Box<dyn Medium>> {
        Ok(Box::new(Slow { disk: DiskFile::open(Path::new(&disk.path))?, pace: self.disk.1 }))
    }

    fn dialer(&self) -> Dialer {
        let dials = Arc::clone(&self.dials);
        Dialer::new(move |to, patience| {
            dials.fetch_add(1, Ordering::Relaxed);
            std::net::TcpStream::connect_timeout(&to, patience)
        })
    }

    fn uptime(&self) -> Duration {
        Duration::ZERO
    }

    fn print(&self, line: &str) {
        self.screen.lock().expect("a screen").push(line.to_owned());
    }

    fn restart(&self) -> io::Result<()> {
        Ok(())
    }

    fn power_off(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A disk that writes so many bytes a second, so that there is a middle of a download.
struct Slow {
    disk: DiskFile,
    pace: u64,
}

impl Medium for Slow {
    fn write(&mut self, block: &[u8]) -> io::Result<()> {
        let until = Instant::now() + Duration::from_secs(1).mul_f64(block.len() as f64 / self.pace as f64);
        self.disk.write(block)?;
        thread::sleep(until.saturating_duration_since(Instant::now()));
        Ok(())
    }

    fn put_head(&mut self, head: &[u8]) -> io::Result<()> {
        self.disk.put_head(head)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.disk.flush()
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.disk.rewind()
    }

    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        self.disk.read(block)
    }
}

const CARD: &str = "card0";
/// The switch's end of its cable.
const SOCKET: &str = "socket0";
