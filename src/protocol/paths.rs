//! The paths that agent, scripts and station agree on.

use crate::domain::ids::RunId;
use crate::domain::image::ImageInfo;
use crate::domain::text::percent_encoded;

pub fn hello(run: RunId) -> String {
    of_run(run, "hello")
}

pub fn configuration(run: RunId) -> String {
    of_run(run, "configuration")
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
    format!("{IMAGES}{}/{}", image.sha256, percent_encoded(&image.name))
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
