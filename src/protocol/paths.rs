//! The paths that agent, scripts and station agree on.

use crate::domain::ids::RunId;

pub fn hello(run: RunId) -> String {
    of_run(run, "hello")
}

pub fn reports(run: RunId) -> String {
    of_run(run, "reports")
}

pub fn log(run: RunId) -> String {
    of_run(run, "log")
}

pub fn progress(run: RunId) -> String {
    of_run(run, "progress")
}

pub fn word(run: RunId) -> String {
    of_run(run, "word")
}

/// `name` percent-encoded where a path needs it (RFC 3986 section 3.3).
pub fn image(name: &str) -> String {
    let mut path = String::from("/images/");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

/// The per-node boot script; claims go behind it as a query.
pub const SCRIPT: &str = "/boot.ipxe";
/// Kernel and initramfs are below this.
pub const BOOT: &str = "/boot/";
/// Words on the kernel's command line that the agent reads.
pub const STATION_ARG: &str = "oxbow.station=";
pub const RUN_ARG: &str = "oxbow.run=";

fn of_run(run: RunId, what: &str) -> String {
    format!("/agent/v1/runs/{run}/{what}")
}
