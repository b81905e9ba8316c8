//! The clients that people use, from Debian's packages, against the station's DHCP and TFTP over a cable.

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::lab::cable::{self, Cable};
use oxbow::boot::dhcp::rogue::{DhcpChoice, ModeState};
use oxbow::boot::dhcp::segment::Segment;
use oxbow::domain::event::{DhcpAnswer, Event, LoaderTransfer};
use oxbow::domain::snapshot::Snapshot;
use oxbow::inbox::{Input, Outlet, inbox};
use oxbow::service::{ServiceContext, dhcp, tftp};

const STATION: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// Runs the `steps` of `test` at the station's end of a cable; it gets the name of the client's namespace.
fn over_a_cable<F: Future<Output = ()>>(test: impl Fn(), short: &str, steps: impl FnOnce(String) -> F) {
    match cable::role() {
        Some(client) => tokio::runtime::Runtime::new().expect("a runtime").block_on(steps(client)),
        None => {
            let cable = Cable::lay(short);
            cable::run_in(&cable.station, test, &cable.client);
        }
    }
}

#[test]
fn dhclient_gets_renews_and_gives_back_its_lease() {
    over_a_cable(dhclient_gets_renews_and_gives_back_its_lease, "dhclient", |client| async move {
        let mut station = Station::with_leases_of(Duration::from_secs(8));
        let folder = Folder::with_script(
            "case $reason in BOUND|RENEW|REBIND|REBOOT) ip address replace $new_ip_address/24 dev c0 ;; esac",
        );
        let common = ["-4", "-sf", &folder.at("script"), "-lf", &folder.at("leases"), "-pf", &folder.at("pid")];
        let mut running = Running::start(&client, "dhclient", &[&common[..], &["-1", "-d", "c0"]].concat());
        station.acks(1).await;
        // It renews by itself after half of its lease.
        station.acks(2).await;
        // Who releases finds the one that runs by a file, which that one writes anew with each lease: who reads it just
        // then gives the address back and leaves the other running. So it is asked until that one has ended.
        let release = async {
            while running.is_at_work() {
                Running::start(&client, "dhclient", &[&common[..], &["-r", "c0"]].concat()).ends();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let both = async { tokio::join!(station.gets_back("10.77.0.100"), release) };
        tokio::time::timeout(PATIENCE, both).await.expect("the address is given back and the client ends");
        station.stop().await;
    });
}

#[test]
fn udhcpc_gets_renews_and_gives_back_its_lease() {
    over_a_cable(udhcpc_gets_renews_and_gives_back_its_lease, "udhcpc", |client| async move {
        let mut station = Station::with_leases_of(Duration::from_secs(300));
        let folder = Folder::with_script("case $1 in bound|renew) ip address replace $ip/24 dev c0 ;; esac");
        let running = Running::start(&client, "busybox", &["udhcpc", "-f", "-i", "c0", "-s", &folder.at("script")]);
        station.acks(1).await;
        has_its_address(&client);
        running.is_told(Signal::SIGUSR1, station.acks(2)).await;
        running.is_told(Signal::SIGUSR2, station.gets_back("10.77.0.100")).await;
        station.stop().await;
    });
}

#[test]
fn dhcpcd_gets_renews_and_gives_back_its_lease() {
    over_a_cable(dhcpcd_gets_renews_and_gives_back_its_lease, "dhcpcd", |client| async move {
        let mut station = Station::with_leases_of(Duration::from_secs(300));
        // What it keeps about its interfaces is to be gone with the namespace, as `ip netns exec` leaves mounts to it.
        let shell = "for place in /run/dhcpcd /var/lib/dhcpcd; do mkdir -p $place; mount -t tmpfs none $place; done
            exec dhcpcd -4 --nobackground --noarp --nohook resolv.conf c0";
        let running = Running::start(&client, "sh", &["-c", shell]);
        station.acks(1).await;
        has_its_address(&client);
        // An order that comes while it is at something is passed over.
        running.is_told(Signal::SIGUSR1, station.acks(2)).await;
        running.is_told(Signal::SIGALRM, station.gets_back("10.77.0.100")).await;
        running.ends();
        station.stop().await;
    });
}

#[test]
fn every_tftp_client_fetches_boot_files_whole() {
    over_a_cable(every_tftp_client_fetches_boot_files_whole, "tftp", |client| async move {
        give_address(&client);
        let boot_files = TempDir::new().expect("a folder");
        // One that ends within a block, one of full blocks only, and one whose blocks of 512 are more than 65535.
        let files = [("snponly.efi", 284_672), ("full.efi", 512 * 1468), ("initramfs.zst", 34 * 1024 * 1024 + 7)];
        for (name, size) in files {
            std::fs::write(boot_files.path().join(name), content(size)).expect("writes");
        }
        let station = Station::with_boot_files(boot_files.path());
        let small_blocks = [
            "curl -sS -o GOT tftp://10.77.0.1/FILE",
            "atftp --get -r FILE -l GOT 10.77.0.1",
            "atftp --option=windowsize_64 --get -r FILE -l GOT 10.77.0.1",
            "tftp 10.77.0.1 -m binary -c get FILE GOT",
            "busybox tftp -g -r FILE -l GOT 10.77.0.1",
        ];
        let large_blocks = [
            "curl -sS --tftp-blksize 1468 -o GOT tftp://10.77.0.1/FILE",
            "curl -sS --tftp-blksize 65464 -o GOT tftp://10.77.0.1/FILE",
            "atftp --option=blksize_1468 --option=windowsize_16 --get -r FILE -l GOT 10.77.0.1",
            "atftp --option=blksize_65464 --get -r FILE -l GOT 10.77.0.1",
            "busybox tftp -b 65464 -g -r FILE -l GOT 10.77.0.1",
        ];
        let fetched = tokio::task::spawn_blocking(move || {
            let large = large_blocks.iter().flat_map(|words| files[..2].iter().map(move |file| (*words, *file)));
            let small = small_blocks.iter().flat_map(|words| files.iter().map(move |file| (*words, *file)));
            large.chain(small).map(|(words, (file, size))| fetch(&client, words, file, size)).count()
        });
        let fetched = fetched.await.expect("every client succeeds");
        let ends = station.ends(fetched).await;
        assert!(ends.iter().all(|end| matches!(end, LoaderTransfer::Done { .. })), "{ends:?}");
    });
}

/// Has a client fetch a file, and compares it. `_` is a space within a word.
fn fetch(client: &str, words: &str, file: &str, size: usize) {
    let folder = TempDir::new().expect("a folder");
    let got = folder.path().join("got");
    let fill = |word: &str| match word {
        "GOT" => got.to_string_lossy().into_owned(),
        word => word.replace("FILE", file).replace('_', " "),
    };
    let words: Vec<String> = words.split(' ').map(fill).collect();
    let run = Command::new("ip").args(["netns", "exec", client]).args(&words).output().expect("`ip` starts");
    let told = format!("{words:?}: {}", String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{told}");
    assert!(std::fs::read(&got).is_ok_and(|got| got == content(size)), "{told}");
}

/// The services of a station, at their end of the cable.
struct Station {
    outlet: Outlet,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<Result<(), oxbow::service::ServiceError>>,
    acks: usize,
}

impl Station {
    fn with_leases_of(time: Duration) -> Self {
        let mut segment = Segment::new(STATION, 24, "http://10.77.0.1").expect("a segment");
        segment.lease = time;
        let config = dhcp::DhcpConfig::new("s0", segment, ModeState::new(DhcpChoice::Authoritative, true), Vec::new());
        Self::serving(|context| tokio::spawn(dhcp::serve(context, config)))
    }

    fn with_boot_files(directory: &Path) -> Self {
        let config = tftp::TftpConfig {
            interface: "s0".into(),
            address: STATION,
            port: tftp::PORT,
            directory: directory.to_owned(),
            autoexec: String::new(),
            grub_config: String::new(),
        };
        Self::serving(|context| tokio::spawn(tftp::serve(context, config)))
    }

    fn serving(
        serve: impl FnOnce(ServiceContext) -> tokio::task::JoinHandle<Result<(), oxbow::service::ServiceError>>,
    ) -> Self {
        let (inbox, outlet) = inbox();
        let (_, bench) = watch::channel(Arc::new(Snapshot::default()));
        let stop = CancellationToken::new();
        let serving = serve(ServiceContext { inbox, bench, stop: stop.clone() });
        Self { outlet, stop, serving, acks: 0 }
    }

    /// Waits until so many leases have been given, renewals among them, all for the same address.
    async fn acks(&mut self, wanted: usize) {
        while self.acks < wanted {
            if let Event::DhcpAnswered { answer: DhcpAnswer::Ack, address, .. } = self.next().await {
                assert_eq!(address, Some(Ipv4Addr::new(10, 77, 0, 100)));
                self.acks += 1;
            }
        }
    }

    /// Waits until the client has given its address back.
    async fn gets_back(&mut self, address: &str) {
        loop {
            if let Event::DhcpSilence { reason, .. } = self.next().await {
                return assert_eq!(reason, format!("the machine gave {address} back"));
            }
        }
    }

    /// How so many transfers have ended.
    async fn ends(mut self, wanted: usize) -> Vec<LoaderTransfer> {
        let mut ends = Vec::new();
        while ends.len() < wanted {
            match self.next().await {
                Event::Loader { transfer: LoaderTransfer::Started, .. } => {}
                Event::Loader { transfer, .. } => ends.push(transfer),
                // For the doctor.
                Event::Sighted { .. } => {}
                other => panic!("unexpected {other:?}"),
            }
        }
        self.stop().await;
        ends
    }

    async fn next(&mut self) -> Event {
        loop {
            let note = tokio::time::timeout(PATIENCE, self.outlet.notes.recv()).await;
            if let Input::Event(event) = note.expect("the client does something").expect("the service runs") {
                return event;
            }
        }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.serving.await.expect("joins").expect("stops without a complaint");
    }
}

/// A program in the client's namespace. Killed when dropped.
struct Running(Child);

impl Running {
    fn start(namespace: &str, program: &str, args: &[&str]) -> Self {
        let child = Command::new("ip")
            .args(["netns", "exec", namespace, "setpriv", "--pdeathsig", "KILL", program])
            .args(args)
            .stdin(Stdio::null())
            .spawn();
        Self(child.expect("`ip` starts"))
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.0.id()).expect("a process");
        kill(Pid::from_raw(id), signal).expect("it runs");
    }

    /// Signals until `done`.
    async fn is_told(&self, signal: Signal, done: impl Future<Output = ()>) {
        let orders = async {
            loop {
                self.signal(signal);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            () = done => {}
            () = orders => {}
        }
    }

    fn is_at_work(&mut self) -> bool {
        self.0.try_wait().expect("a child").is_none()
    }

    /// Waits until it has ended by itself.
    fn ends(mut self) {
        until("the client ends", || !self.is_at_work());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // In order if it can: dhcpcd has children of its own.
        if matches!(self.0.try_wait(), Ok(None)) {
            self.signal(Signal::SIGTERM);
        }
        let deadline = Instant::now() + Duration::from_secs(2);
        while matches!(self.0.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Where a DHCP client keeps what it needs.
struct Folder(TempDir);

impl Folder {
    /// With the script that a client runs when it has news: clients renew by unicast, and so must have their address.
    fn with_script(lines: &str) -> Self {
        let folder = Self(TempDir::new().expect("a folder"));
        let script = folder.at("script");
        std::fs::write(&script, format!("#!/bin/sh\n{lines}\n")).expect("writes");
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("is made a program");
        folder
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).to_string_lossy().into_owned()
    }
}

fn give_address(client: &str) {
    let args = ["-n", client, "address", "add", "10.77.0.5/24", "dev", "c0"];
    assert!(Command::new("ip").args(args).status().is_ok_and(|done| done.success()));
}

/// Waits for a client to take in what it got: only then it takes orders.
fn has_its_address(client: &str) {
    until("the client has its address", || {
        let shown = Command::new("ip").args(["-n", client, "-4", "address", "show", "c0"]).output();
        String::from_utf8_lossy(&shown.expect("iproute2 is installed").stdout).contains("10.77.0.100/24")
    });
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8 ^ (at / 251) as u8).collect()
}

const PATIENCE: Duration = Duration::from_secs(60);
