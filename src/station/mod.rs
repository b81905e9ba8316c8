//! The station: built from its configuration, run until it is stopped. It knows every room.
//!
//! ```text
//! up:    log -> lock -> store -> hub -> services -> screen, or signals
//! down:  services drain (3 s) -> hub takes in the rest -> store writes it and closes -> logs are flushed
//! ```

mod build;
mod export;
mod lock;
mod offline;
mod run;
mod screen;
mod services;
mod signals;

use std::path::Path;
use std::process::ExitCode;

use tracing::error;

use crate::clock;
use crate::config::{Config, ConfigProblem};
use crate::service::images;
use crate::service::tls::Authority;

pub use offline::{InitialSettings, OfflineStation, open_offline};

/// How the station shows itself.
#[derive(Clone, Copy, Debug)]
pub struct ScreenMode {
    pub headless: bool,
    pub ascii: bool,
}

/// Runs the station until it is stopped. What keeps it from starting is written to standard error.
pub fn run(config: Config, screen: ScreenMode, record: Option<&Path>) -> ExitCode {
    match run::run(config, screen, record) {
        Ok(code) => code,
        Err(problem) => {
            error!("not started: {}", problem.what);
            eprintln!("oxbow: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// What would fail a machine: boot files, profiles and images are checked, nothing is served.
pub fn check(config: &Config) -> Vec<ConfigProblem> {
    let mut wrong = images::examine(&build::image_config(config));
    if config.segment.require_https {
        let (quirks, placeholders) = (config.data.quirks(), config.data.placeholders());
        let profiles = images::read(&config.profiles, None, &quirks, &placeholders).profiles;
        wrong.extend(profiles.values().filter(|profile| profile.secure_boot).map(|profile| {
            let what = format!(
                "profile {}: secure_boot needs HTTP, for GRUB has no HTTPS, and this station demands it",
                profile.id
            );
            (what, "take out secure_boot, or serve its machines from a station that does not demand HTTPS".into())
        }));
    }
    let wrong = wrong.into_iter().map(|(what, hint)| ConfigProblem { what, hint });
    wrong.chain(no_authority(&config.data.tls())).collect()
}

/// What is wrong with the authority, if there is one: the station makes it when it is first started.
fn no_authority(directory: &Path) -> Option<ConfigProblem> {
    let error = directory.exists().then(|| Authority::open(directory, clock::now()).err())??;
    Some(ConfigProblem { what: error.to_string(), hint: error.hint().into() })
}
