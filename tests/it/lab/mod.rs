//! A virtual bench: machines with real firmware and a real station, on an isolated network.
//!
//! ```text
//! ┌ namespace oxb-PID-N-sw ──────────┐     ┌ namespace oxb-PID-N-st ───────┐
//! │ QEMU machine ─ tap1 ┐            │     │                               │
//! │ QEMU machine ─ tap2 ┴ br0 ─ port ┼─────┼─ bench0  10.77.0.1/24 ─ oxbow │
//! └──────────────────────────────────┘     └───────────────────────────────┘
//! ```
//! A site's own DHCP server, where there is one, is 10.77.0.2 on `br0`.
//!
//! Everything a test leaves to look at is in `target/evidence/TEST`: each machine's serial console with seconds since
//! power-on, and the station's log. Everything else is gone when the test ends, also when it fails.

mod bench;
pub(crate) mod cable;
pub(crate) mod journey;
mod machine;
pub(crate) mod pcap;
mod proxy;
mod relay;
mod report;
pub(crate) mod rerun;
mod serial;
mod simulated;
pub(crate) mod site;
mod station;
pub(crate) mod terminal;
mod traffic;
mod wired;

use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) use bench::{Bench, Speaker};
pub(crate) use machine::{Bus, Firmware, Machine, Running};
pub(crate) use proxy::FlippingProxy;
pub(crate) use relay::Relay;
pub(crate) use report::Report;
pub(crate) use simulated::Simulated;
pub(crate) use site::{Dnsmasq, inside};
pub(crate) use station::{Node, Station};
pub(crate) use traffic::Traffic;
pub(crate) use wired::Wired;

/// Cargo's target directory of this build.
pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it lies in the target directory").to_owned()
}

/// What `make test` builds before the tests run: `boot-files` for the station, `test-image` and `cloud-image` to install,
/// `senders` of syslog.
pub(crate) fn built(name: &str) -> PathBuf {
    let path = target().join(name);
    assert!(path.is_dir(), "{} is missing\nhint: `make test-files` builds it", path.display());
    path
}

/// Runs a program that must succeed.
fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|err| panic!("{program}: {err}\nhint: packaging/test-deps installs it"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {}: {}", args.join(" "), said.trim());
}
