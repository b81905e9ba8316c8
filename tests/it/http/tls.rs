//! HTTPS as real clients meet it: the whole station in a network of its own, curl and openssl on the other end of the
//! cable.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::lab::site;

const STATION: &str = "10.77.0.1";
const KERNEL: &[u8] = b"this is the kernel, or so it says";

/// A cable between two namespaces, and the station's files. Gone when dropped.
struct Cable {
    station: String,
    client: String,
    place: TempDir,
}

impl Cable {
    fn new(name: &str) -> Self {
        let place = TempDir::new().expect("a directory");
        for directory in ["data", "profiles", "images", "boot"] {
            fs::create_dir(place.path().join(directory)).expect("a directory");
        }
        fs::write(place.path().join("boot/vmlinuz"), KERNEL).expect("a file");
        fs::write(place.path().join("images/os.raw"), b"an operating system").expect("a file");
        fs::write(place.path().join("profiles/os.toml"), "schema = 1\nimage = \"os.raw\"\n").expect("a file");
        let profile = "schema = 1\nimage = \"os.raw\"\nhttps = true\n";
        fs::write(place.path().join("profiles/guarded.toml"), profile).expect("a file");
        let [station, client] = ["s", "c"].map(|end| format!("oxb-{}-{name}-{end}", std::process::id()));
        let cable = Self { station, client, place };
        let Self { station, client, .. } = &cable;
        for command in [
            format!("netns add {station}"),
            format!("netns add {client}"),
            format!("-n {station} link add s0 type veth peer name c0 netns {client}"),
            format!("-n {station} address add {STATION}/24 dev s0"),
            format!("-n {station} link set s0 up"),
            format!("-n {client} address add 10.77.0.9/24 dev c0"),
            format!("-n {client} link set c0 up"),
        ] {
            ip(&command);
        }
        cable
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Starts the station and waits until HTTP answers.
    fn start(&self, options: &[&str]) -> Station<'_> {
        self.start_at(STATION, options)
    }

    fn start_at(&self, address: &str, options: &[&str]) -> Station<'_> {
        let log = fs::File::create(self.path("log")).expect("a log");
        let process = self
            .oxbow("run")
            .arg("--headless")
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("`ip` starts");
        let station = Station { cable: self, address: address.into(), process };
        station.until("HTTP answers", || station.curl(&["@/healthz"], "http").status.success());
        station
    }

    /// A command of the program on the station's side of the cable.
    fn oxbow(&self, command: &str) -> Command {
        let mut oxbow = Command::new("ip");
        oxbow
            .args(["netns", "exec", &self.station, "setpriv", "--pdeathsig", "KILL", env!("CARGO_BIN_EXE_oxbow")])
            .args([command, "--interface", "s0", "--default-profile", "os", "--config", "/dev/null", "--data"])
            .arg(self.path("data"))
            .arg("--profiles")
            .arg(self.path("profiles"))
            .arg("--images")
            .arg(self.path("images"))
            .arg("--boot-files")
            .arg(self.path("boot"));
        oxbow
    }

    fn oxbow_ca(&self, args: &[&str]) -> Output {
        let mut oxbow = Command::new(env!("CARGO_BIN_EXE_oxbow"));
        oxbow.arg("ca").args(args).arg("--data").arg(self.path("data")).output().expect("oxbow runs")
    }

    /// Exports the authority's certificate to a file.
    fn export(&self, format: &str) -> PathBuf {
        let file = self.path(&format!("exported.{format}"));
        let done = self.oxbow_ca(&["export", "--format", format, "--out", &file.to_string_lossy()]);
        assert!(done.status.success(), "{}", said(&done));
        file
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for namespace in [&self.station, &self.client] {
            let _gone_already = Command::new("ip").args(["netns", "delete", namespace]).output();
        }
    }
}

struct Station<'a> {
    cable: &'a Cable,
    address: String,
    process: Child,
}

impl Station<'_> {
    /// Waits for HTTPS too; the answer is the file of the certificate to trust.
    fn trusted(&self) -> PathBuf {
        self.until("HTTPS listens", || {
            site::inside(&self.cable.client, || TcpStream::connect((self.address.as_str(), 443)).is_ok())
        });
        self.cable.export("pem")
    }

    /// What curl makes of these arguments; what follows an `@` is a path here.
    fn curl(&self, args: &[&str], scheme: &str) -> Output {
        let mut curl = Command::new("ip");
        curl.args(["netns", "exec", &self.cable.client, "curl", "-s", "-S", "--max-time", "60", "--noproxy", "*"]);
        for arg in args {
            match arg.strip_prefix('@') {
                Some(path) => curl.arg(format!("{scheme}://{}{path}", self.address)),
                None => curl.arg(arg),
            };
        }
        curl.output().expect("curl is installed")
    }

    /// The body that a client gets which trusts the authority in `ca`.
    fn get(&self, ca: &Path, path: &str) -> Vec<u8> {
        let got = self.curl(&["--cacert", &ca.to_string_lossy(), &format!("@{path}")], "https");
        assert!(got.status.success(), "{path}: {}", said(&got));
        got.stdout
    }

    /// The text that a client gets by plain HTTP.
    fn plain(&self, path: &str) -> String {
        let token = fs::read_to_string(self.cable.path("data/api-token")).unwrap_or_default();
        let shown = format!("Authorization: Bearer {}", token.trim());
        String::from_utf8_lossy(&self.curl(&["-H", &shown, &format!("@{path}")], "http").stdout).into_owned()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.cable.path("log")).expect("a log")
    }

    fn until(&self, what: &str, there: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !there() {
            assert!(Instant::now() < deadline, "not within a minute: {what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until the log has these words, and counts them.
    fn says(&self, words: &str) -> usize {
        self.until(words, || self.log().contains(words));
        self.log().matches(words).count()
    }
}

impl Drop for Station<'_> {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn ip(command: &str) {
    let done = Command::new("ip").args(command.split(' ')).status().expect("iproute2 is installed");
    assert!(done.success(), "`ip {command}` failed: network namespaces need root");
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What the command `openssl` says; it must succeed.
fn openssl(args: &[&str]) -> String {
    let done = Command::new("openssl").args(args).stdin(Stdio::null()).output().expect("openssl is installed");
    assert!(done.status.success(), "openssl {args:?}: {}", said(&done));
    said(&done)
}

#[test]
fn every_kind_of_client_gets_what_it_asks_for() {
    let cable = Cable::new("kinds");
    let station = cable.start(&[]);
    let ca = station.trusted();
    let trust = ca.to_string_lossy();
    for (client, options, spoken) in [
        ("a modern one", &["--tlsv1.3"][..], "TLSv1.3 / TLS_AES_"),
        ("iPXE 1.21", &["--tls-max", "1.2", "--ciphers", "ECDHE-RSA-AES128-GCM-SHA256"], "ECDHE-RSA-AES128-GCM-SHA256"),
        (
            "iPXE 2",
            &["--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"],
            "ECDHE-ECDSA-AES128-GCM-SHA256",
        ),
        (
            "UEFI",
            &["--tls-max", "1.2", "--ciphers", "AES128-SHA256:AES256-SHA256:DHE-RSA-AES128-SHA256"],
            "DHE-RSA-AES128-SHA256",
        ),
        ("firmware with RSA-GCM alone", &["--tls-max", "1.2", "--ciphers", "AES128-GCM-SHA256"], "/ AES128-GCM-SHA256"),
        ("firmware with RSA-CBC alone", &["--tls-max", "1.2", "--ciphers", "AES128-SHA256"], "/ AES128-SHA256"),
        ("firmware with AES-256 alone", &["--tls-max", "1.2", "--ciphers", "AES256-SHA256"], "/ AES256-SHA256"),
    ] {
        let got = station.curl(&[&["-v", "--cacert", &trust, "@/boot/vmlinuz"], options].concat(), "https");
        let words = String::from_utf8_lossy(&got.stderr);
        assert!(got.status.success() && got.stdout == KERNEL, "{client}: {words}");
        assert!(words.contains(spoken), "{client} spoke something else: {words}");
        assert!(words.contains("subjectAltName: host \"10.77.0.1\" matched cert's IP address"), "{client}: {words}");
    }
}

#[test]
fn connections_are_kept_and_parts_are_served_as_by_plain_http() {
    let cable = Cable::new("parts");
    let station = cable.start(&[]);
    let ca = station.trusted();
    let trust = ca.to_string_lossy();
    let two = ["-o", "/dev/null", "@/boot/vmlinuz", "-o", "/dev/null", "@/ca.der", "-w", "%{num_connects} "];
    let got = station.curl(&[&["--cacert", &trust], &two[..]].concat(), "https");
    assert_eq!(String::from_utf8_lossy(&got.stdout), "1 0 ", "{}", said(&got));
    let part = station.curl(&["--cacert", &trust, "-r", "5-10", "@/boot/vmlinuz"], "https");
    assert_eq!(part.stdout, KERNEL[5..=10]);
    let head = said(&station.curl(&["--cacert", &trust, "-I", "@/boot/vmlinuz"], "https")).to_lowercase();
    assert!(head.contains("200 ok") && head.contains(&format!("content-length: {}", KERNEL.len())), "{head}");
    assert!(head.contains("accept-ranges: bytes"), "{head}");
}

#[test]
fn a_machine_that_does_not_come_in_is_told_of_once_with_the_reason() {
    let cable = Cable::new("reasons");
    let station = cable.start(&[]);
    let ca = station.trusted();
    let trust = ca.to_string_lossy();
    for _ in 0..3 {
        let refused = station.curl(&["@/boot/vmlinuz"], "https");
        assert_eq!(refused.status.code(), Some(60), "curl knows no such authority: {}", said(&refused));
    }
    let distrust = "no HTTPS: it does not trust the station's certificate authority: enrol it there";
    assert_eq!(station.says(distrust), 1);
    assert!(!station.log().contains("HTTPS works for this machine now"));
    station.get(&ca, "/boot/vmlinuz");
    station.says("HTTPS works for this machine now");

    let _refused = station.curl(&["@/boot/vmlinuz"], "https");
    station.until("it is said again", || station.says(distrust) == 2);
    let old = ["--cacert", &trust, "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0", "@/ca.pem"];
    assert!(!station.curl(&old, "https").status.success());
    assert_eq!(station.says("no HTTPS: it speaks no TLS that is new enough, 1.2"), 1);
    let none = ["--cacert", &trust, "--tls-max", "1.2", "--ciphers", "AES128-CCM", "@/ca.pem"];
    assert!(!station.curl(&none, "https").status.success());
    assert_eq!(station.says("no HTTPS: it knows none of the station's ciphers"), 1);
    let _garbled = station.curl(&["http://10.77.0.1:443/boot.ipxe"], "http");
    assert_eq!(station.says("no HTTPS: it speaks plain HTTP on the port for HTTPS"), 1);
    station.get(&ca, "/healthz");
    assert_eq!(
        station.says("HTTPS works for this machine now"),
        2,
        "who tries whether the port is open is nobody's failure"
    );
}

#[test]
fn the_authority_stays_over_restarts_and_another_address() {
    let cable = Cable::new("stays");
    let first = cable.start(&[]);
    let ca = first.trusted();
    let known = fs::read(&ca).expect("exported");
    let leaf = || fs::read(cable.path("data/tls/rsa.pem")).expect("a certificate");
    let before = leaf();
    drop(first);

    let second = cable.start(&[]);
    assert_eq!(fs::read(second.trusted()).expect("exported"), known);
    assert_eq!(leaf(), before, "the station's own is kept too");
    second.get(&ca, "/boot/vmlinuz");
    drop(second);

    ip(&format!("-n {} address flush dev s0", cable.station));
    ip(&format!("-n {} address add 10.77.0.7/24 dev s0", cable.station));
    let moved = cable.start_at("10.77.0.7", &[]);
    assert_eq!(fs::read(moved.trusted()).expect("exported"), known);
    assert_ne!(leaf(), before);
    assert_eq!(moved.get(&ca, "/boot/vmlinuz"), KERNEL, "the same authority vouches for the new address");
}

#[test]
fn an_authority_that_cannot_be_used_is_said_and_plain_http_goes_on() {
    let cable = Cable::new("broken");
    drop(cable.start(&[]));
    fs::write(cable.path("data/tls/ca.key"), "nonsense").expect("ours");
    let station = cable.start(&[]);
    assert_eq!(station.plain("/boot/vmlinuz").as_bytes(), KERNEL);
    station.says("ca.key is damaged");
    assert!(station.log().contains("put ca.pem and ca.key back from a copy"));
    assert!(station.plain("/ca.pem").contains("no certificate authority: see its services"));
    assert_eq!(fs::read(cable.path("data/tls/ca.key")).expect("still there"), b"nonsense", "never replaced");
    assert!(!site::inside(&cable.client, || TcpStream::connect((STATION, 443)).is_ok()));
    drop(station);
    let checked = said(&cable.oxbow("check").output().expect("`ip` starts"));
    assert!(checked.contains("ca.key is damaged"), "{checked}");

    let strict = cable.start(&["--require-https"]);
    let script = "/boot.ipxe?mac=52-54-00-00-00-09&platform=efi";
    strict.until("the image is ready", || strict.plain(script).contains("this station cannot do now"));
}

#[test]
fn the_certificate_is_given_out_in_every_form() {
    let cable = Cable::new("forms");
    let none = cable.oxbow_ca(&[]);
    assert!(!none.status.success() && said(&none).contains("hint: the station creates it at its first start"));
    let station = cable.start(&[]);
    let [pem, der, esl] = ["pem", "der", "esl"].map(|format| cable.export(format));
    for (file, path) in [(&pem, "/ca.pem"), (&der, "/ca.der"), (&esl, "/ca.esl")] {
        let given = station.curl(&[&format!("@{path}")], "http").stdout;
        assert_eq!(given, fs::read(file).expect("exported"), "{path}");
    }
    let [der_bytes, esl_bytes] = [&der, &esl].map(|file| fs::read(file).expect("exported"));
    assert_eq!(esl_bytes.len(), 28 + 16 + der_bytes.len());
    assert!(esl_bytes.ends_with(&der_bytes));

    let shown = said(&cable.oxbow_ca(&[]));
    let by_openssl =
        openssl(&["x509", "-inform", "der", "-in", &der.to_string_lossy(), "-noout", "-fingerprint", "-sha256"]);
    let hex = by_openssl.split('=').nth(1).expect("a fingerprint").trim().replace(':', "").to_lowercase();
    assert!(shown.contains(&format!("SHA-256    {hex}")), "{shown}\n{by_openssl}");
    let text = openssl(&["x509", "-in", &pem.to_string_lossy(), "-noout", "-text"]);
    for part in ["CA:TRUE, pathlen:0", "Certificate Sign", "Not Before: Jan  1 00:00:00 1980 GMT", "sha256WithRSA"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(shown.contains("valid      Jan  1 00:00:00 1980 GMT to "), "{shown}");
    for leaf in ["rsa", "ecdsa"] {
        let file = cable.path(&format!("data/tls/{leaf}.pem"));
        let file = file.to_string_lossy();
        openssl(&["verify", "-x509_strict", "-CAfile", &pem.to_string_lossy(), "-verify_ip", STATION, &file]);
        // A machine whose clock has lost its battery.
        openssl(&["verify", "-attime", "946684800", "-CAfile", &pem.to_string_lossy(), &file]);
    }
}

#[test]
fn where_https_is_required_nothing_else_leads_on() {
    let cable = Cable::new("required");
    let station = cable.start(&["--require-https"]);
    let ca = station.trusted();
    let forbidden = station.plain("/boot/vmlinuz");
    assert!(forbidden.contains("this station requires HTTPS"), "{forbidden}");
    assert_eq!(station.get(&ca, "/boot/vmlinuz"), KERNEL);
    let asked = station.plain("/boot.ipxe");
    assert!(asked.contains("served by HTTPS only") && asked.contains("set station https://10.77.0.1\n"));

    let own = "/boot.ipxe?mac=52-54-00-00-00-09&platform=efi";
    let script = || String::from_utf8_lossy(&station.get(&ca, own)).into_owned();
    station.until("the image is ready", || script().contains("oxbow.run="));
    let shown = said(&cable.oxbow_ca(&[]));
    let hex = shown.lines().find_map(|line| line.strip_prefix("SHA-256    ")).expect("a fingerprint");
    let words = format!("oxbow.ca={hex} oxbow.ca_url=http://10.77.0.1/ca.der");
    let script = script();
    assert!(script.contains("oxbow.station=https://10.77.0.1 ") && script.contains(&words), "{script}");
    assert!(!station.plain(own).contains("oxbow.run="), "not by plain HTTP");
    station.until("the node is shown to wait", || {
        station.plain("/api/v1/nodes").contains("asked by plain HTTP, was redirected to HTTPS")
    });
}

#[test]
fn one_profile_may_require_https_and_others_not() {
    let cable = Cable::new("profile");
    let station = cable.start(&[]);
    let ca = station.trusted();
    let own = "/boot.ipxe?mac=52-54-00-00-00-09&platform=efi";
    station.until("the image is ready", || station.plain(own).contains("oxbow.run="));
    assert!(!station.plain(own).contains("https:"), "as it came");
    let mut oxbow = Command::new(env!("CARGO_BIN_EXE_oxbow"));
    oxbow.args(["nodes", "register", "--mac", "52:54:00:00:00:0a", "--profile", "guarded", "--data"]);
    let done = oxbow.arg(cable.path("data")).output().expect("oxbow runs");
    assert!(done.status.success(), "{}", said(&done));
    let guarded = "/boot.ipxe?mac=52-54-00-00-00-0a&platform=efi";
    station.until("it is sent to HTTPS", || station.plain(guarded).contains("served by HTTPS only"));
    let script = String::from_utf8_lossy(&station.get(&ca, guarded)).into_owned();
    assert!(script.contains("oxbow.station=https://10.77.0.1 "), "{script}");
}
