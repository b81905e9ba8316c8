//! The paths that agent, scripts and station agree on.

use crate::domain::ids::RunId;
use crate::domain::image::ImageInfo;

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

/// Where exactly these bytes are: an image that is replaced meanwhile has another path.
pub fn image(image: &ImageInfo) -> String {
    format!("{IMAGES}{}/{}", image.sha256, encoded(&image.name))
}

/// The per-node boot script; claims go behind it as a query.
pub const SCRIPT: &str = "/boot.ipxe";
/// Kernel and initramfs are below this.
pub const BOOT: &str = "/boot/";
/// Images are below this, by digest and name.
pub const IMAGES: &str = "/images/";
/// Words on the kernel's command line that the agent reads.
pub use crate::domain::run::{CA_ARG, CA_URL_ARG, RUN_ARG, STATION_ARG};

fn of_run(run: RunId, what: &str) -> String {
    format!("/agent/v1/runs/{run}/{what}")
}

/// `name` percent-encoded where a path needs it (RFC 3986 section 3.3).
fn encoded(name: &str) -> String {
    let mut path = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}
