//! The paths that agent, scripts and station agree on.

use crate::domain::ids::RunId;
use crate::domain::profile::image::ImageInfo;

pub fn hello(run: RunId) -> String {
    of_run(run, "hello")
}

pub fn job(run: RunId) -> String {
    of_run(run, "job")
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

/// Where an image is.
pub fn image(image: &ImageInfo) -> String {
    image.path()
}

/// The per-node boot script; claims go behind it as a query.
pub const SCRIPT: &str = "/boot.ipxe";
/// Kernel and initramfs are below this.
pub const BOOT: &str = "/boot/";
/// Words on the kernel's command line that the agent reads.
pub use crate::domain::node::run::{CA_ARG, CA_URL_ARG, RUN_ARG, STATION_ARG};
pub use crate::domain::profile::image::PLACE as IMAGES;

fn of_run(run: RunId, what: &str) -> String {
    format!("/agent/v1/runs/{run}/{what}")
}
