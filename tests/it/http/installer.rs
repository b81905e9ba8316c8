//! Profiles that boot somebody else's installer, as machines meet them: real sockets, real store, real hub.

use std::fs;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use oxbow::domain::effect::Effect;
use oxbow::domain::fleet::Fleet;
use oxbow::domain::snapshot::Snapshot;
use oxbow::domain::station::Station;
use oxbow::hub::{Hub, NodeLog};
use oxbow::inbox::inbox;
use oxbow::service::{ServiceContext, http, images};
use oxbow::store;

const ASK: &str = "mac=52-54-00-00-00-01&serial=SN-1&platform=efi&arch=x86_64";
const PROFILE: &str = r#"
schema = 1
title = "By its installer"
[installer]
kernel = "linux"
initrd = ["initrd.gz", "firm ware.cpio"]
arguments = ["auto=true", "url={{ run.answers }}", "hostname={{ node.hostname or 'debian' }}"]
answers = "os/preseed.cfg"
[[file]]
path = "/etc/motd"
content = "serial {{ node.serial }}\n"
[[file]]
path = "/root/.ssh/authorized_keys"
mode = "0600"
owner = "root:root"
content = "ssh-ed25519 AAAA {{ node.mac }}\n"
[cloud_init]
user_data = "os/user-data"
"#;

/// The parts of a station that HTTP needs.
struct Bench {
    place: TempDir,
    base: String,
    bench: watch::Receiver<Arc<Snapshot>>,
    _runtime: Runtime,
}

struct NoNodeLog;
impl NodeLog for NoNodeLog {
    fn write(&mut self, _: &[Effect]) {}
}

impl Bench {
    fn start(profile: &str) -> Self {
        Self::start_so(profile, false)
    }

    fn start_so(profile: &str, require_https: bool) -> Self {
        let place = TempDir::new().expect("a directory");
        let write = |name: &str, content: &[u8]| {
            let path = place.path().join(name);
            fs::create_dir_all(path.parent().expect("below")).and_then(|()| fs::write(path, content)).expect("a file");
        };
        write("profiles/os.toml", profile.as_bytes());
        write("profiles/os/preseed.cfg", b"# {{ node.serial }}\nwget {{ run.done }}\n");
        write("profiles/os/user-data", b"#cloud-config\n# {{ node.mac }}\n");
        for name in ["linux", "initrd.gz", "firm ware.cpio"] {
            write(&format!("images/{name}"), format!("this is {name}").as_bytes());
        }
        write("boot/vmlinuz", b"kernel");
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|any| any.local_addr()).expect("a free port");
        let base = format!("http://{port}");
        let (store, memory, _thread) = store::open(&place.path().join("oxbow.db")).expect("a store");
        let runtime = Runtime::new().expect("a runtime");
        let (inbox, outlet) = inbox();
        let station = Station { base_url: base.clone(), require_https, ..Station::default() };
        let (hub, bench) = Hub::new(Fleet::restore(memory.nodes), station, store, Box::new(NoNodeLog));
        let stop = CancellationToken::new();
        let context = ServiceContext { inbox, bench: bench.clone(), stop: stop.clone() };
        runtime.spawn(hub.run(outlet, stop));
        let config = http::HttpConfig {
            listen: port,
            boot_files: place.path().join("boot"),
            images: place.path().join("blobs"),
            tls: None,
            token: None,
        };
        runtime.spawn(http::serve(context.clone(), config));
        let config = images::ImagesConfig {
            profiles: place.path().join("profiles"),
            images: place.path().join("images"),
            store: place.path().join("blobs"),
            boot_files: place.path().join("boot"),
            quirks: place.path().join("quirks.toml"),
            placeholders: place.path().join("placeholders.toml"),
            default_profile: "os".parse().ok(),
        };
        runtime.spawn(images::serve(context, config));
        let bench = Self { place, base, bench, _runtime: runtime };
        bench.until("it serves", |bench| bench.get("/healthz").0 == 200);
        bench
    }

    /// Profiles are looked at every two seconds.
    fn until(&self, what: &str, there: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !there(self) {
            assert!(Instant::now() < deadline, "not within a minute: {what}");
            std::thread::sleep(Duration::from_millis(25));
        }
    }

    fn get(&self, path: &str) -> (u16, String) {
        let (status, body) = self.bytes(path);
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    fn bytes(&self, path: &str) -> (u16, Vec<u8>) {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let Ok(mut response) = agent.get(format!("{}{path}", self.base)).call() else { return (0, Vec::new()) };
        let mut body = Vec::new();
        response.body_mut().as_reader().read_to_end(&mut body).expect("a body");
        (response.status().as_u16(), body)
    }

    fn post(&self, path: &str) -> u16 {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        agent.post(format!("{}{path}", self.base)).send("").expect("an answer").status().as_u16()
    }

    /// The script that installs, and the place of its run.
    fn script(&self, loader: &str) -> (String, String) {
        let ask = format!("/boot.{loader}?{ASK}");
        self.until("the script installs", |bench| bench.get(&ask).1.contains("/r/"));
        let script = self.get(&ask).1;
        let at = script.find("/r/").expect("a run");
        let run = script[at..at + 35].to_owned();
        (script, run)
    }

    fn phase(&self) -> String {
        let bench = self.bench.borrow().clone();
        bench.nodes.values().next().map(|node| node.phase.word().to_owned()).unwrap_or_default()
    }
}

#[test]
fn an_installer_is_booted_told_what_to_do_and_heard_when_it_is_done() {
    let bench = Bench::start(PROFILE);
    let (script, run) = bench.script("ipxe");
    let base = &bench.base;
    for line in [
        format!(
            "kernel --timeout 15000 ${{station}}{run}/boot/linux initrd=initrd.gz initrd=firm%20ware.cpio auto=true \
             url={base}{run}/answers hostname=debian || goto failed"
        ),
        format!("initrd --name initrd.gz --timeout 30000 ${{station}}{run}/boot/initrd.gz || goto failed"),
        format!(
            "initrd --name firm%20ware.cpio --timeout 30000 ${{station}}{run}/boot/firm%20ware.cpio || goto failed"
        ),
    ] {
        assert!(script.lines().any(|known| known == line), "{line:?} is not in {script}");
    }
    assert_eq!(bench.get(&format!("{run}/boot/linux")), (200, "this is linux".into()));
    assert_eq!(bench.get(&format!("{run}/boot/firm%20ware.cpio")), (200, "this is firm ware.cpio".into()));
    bench.until("it loads", |bench| bench.phase() == "kernel");
    let (status, answers) = bench.get(&format!("{run}/answers"));
    assert_eq!((status, answers), (200, format!("# SN-1\nwget {base}{run}/done\n")));
    bench.until("it installs", |bench| bench.phase() == "installing");
    assert_eq!(bench.post(&format!("{run}/done")), 200);
    bench.until("it is installed", |bench| bench.phase() == "installed");
    assert_eq!(bench.get(&format!("{run}/done")).0, 200, "said again it changes nothing");
    assert!(bench.get(&format!("/boot.ipxe?{ASK}")).1.contains("sanboot"), "it goes to its own disk");
    assert_eq!(bench.phase(), "installed");
}

#[test]
fn a_nodes_files_and_cloud_inits_documents_are_served_to_its_run_and_to_nobody_else() {
    let bench = Bench::start(PROFILE);
    let (_, run) = bench.script("ipxe");
    assert_eq!(bench.get(&format!("{run}/files/etc/motd")), (200, "serial SN-1\n".into()));
    assert_eq!(bench.get(&format!("{run}/seed/user-data")), (200, "#cloud-config\n# 52:54:00:00:00:01\n".into()));
    assert_eq!(bench.get(&format!("{run}/seed/vendor-data")), (200, String::new()));
    assert!(bench.get(&format!("{run}/seed/meta-data")).1.starts_with("instance-id: "));
    let (status, archive) = bench.bytes(&format!("{run}/files.tar"));
    assert_eq!(status, 200);
    let mut archive = tar::Archive::new(archive.as_slice());
    let mut found = Vec::new();
    for entry in archive.entries().expect("a tar") {
        let mut entry = entry.expect("an entry");
        let (path, mode) =
            (entry.path().expect("a path").display().to_string(), entry.header().mode().expect("a mode"));
        let mut content = String::new();
        entry.read_to_string(&mut content).expect("text");
        found.push((path, mode, content));
    }
    assert_eq!(
        found,
        [
            ("etc/motd".into(), 0o644, "serial SN-1\n".into()),
            ("root/.ssh/authorized_keys".into(), 0o600, "ssh-ed25519 AAAA 52:54:00:00:00:01\n".into()),
        ]
    );
    let nobody = format!("/r/{}/files/etc/motd", "0".repeat(32));
    assert_eq!(bench.get(&nobody).0, 404);
    for path in ["files/etc/passwd", "seed/../answers", "boot/vmlinuz", "boot/..%2F..%2Fetc%2Fpasswd", "nothing"] {
        assert_eq!(bench.get(&format!("{run}/{path}")).0, 404, "{path}");
    }
    // Somebody who asks in its name while it installs is given nothing that is the node's.
    let (_, another) = bench.script("ipxe");
    assert_ne!(run, another);
    assert_eq!(bench.get(&format!("{another}/answers")).0, 404);
    assert_eq!(bench.get(&format!("{run}/answers")).0, 200);
}

#[test]
fn grub_boots_the_installer_that_ipxe_would_boot() {
    let bench = Bench::start(PROFILE);
    let (script, run) = bench.script("grub");
    assert!(script.contains(&format!("linux \"$station{run}/boot/linux\" 'auto=true' ")), "{script}");
    let initrds = format!("initrd \"$station{run}/boot/initrd.gz\" \"$station{run}/boot/firm%20ware.cpio\"; then boot");
    assert!(script.contains(&initrds), "{script}");
}

#[test]
fn where_https_is_required_an_installer_is_not_booted_at_all() {
    let bench = Bench::start_so(PROFILE, true);
    let ask = format!("/boot.ipxe?{ASK}");
    let reason = "its profile boots an installer, which cannot be made to trust this station";
    bench.until("it says why", |bench| bench.get(&ask).1.contains(reason));
    assert_eq!(bench.get(&format!("/r/{}/answers", "5a".repeat(16))).0, 403);
}

#[test]
fn a_machine_that_the_templates_cannot_be_filled_in_for_is_not_begun_with_and_says_why() {
    let bench = Bench::start(&PROFILE.replace("node.mac", "node.metadata.rack"));
    let ask = format!("/boot.ipxe?{ASK}");
    let reason =
        "profile os cannot be filled in for this machine: os.toml:16: node.metadata.rack is not known of this node";
    bench.until("it says why", |bench| bench.get(&ask).1.contains(reason));
    bench.until("so does the bench", |bench| bench.phase() == "held");
}

#[test]
fn a_profile_that_is_changed_is_taken_up_while_the_station_runs() {
    let bench = Bench::start(PROFILE);
    let ask = format!("/boot.ipxe?{ASK}");
    bench.until("the script installs", |bench| bench.get(&ask).1.contains("auto=true"));
    let changed = |text: String| fs::write(bench.place.path().join("profiles/os.toml"), text).expect("a file");
    changed(PROFILE.replace("auto=true", "auto=false"));
    bench.until("it is another", |bench| bench.get(&ask).1.contains("auto=false"));
    changed(PROFILE.replace("answers =", "anwsers ="));
    bench.until("the screen says so", |bench| {
        let catalogue = bench.bench.borrow().catalogue.clone();
        catalogue
            .diagnostics
            .iter()
            .any(|found| found.what.contains("anwsers") && found.hint.contains("stays as it was"))
    });
    assert!(bench.get(&ask).1.contains("auto=false"), "the last good one is in force");
}
