//! `oxbow profiles`: what there is to install, and whether it can be. No station is needed, and none is disturbed.

mod import;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::bench::Place;
use super::say;
use crate::config::Problem;
use crate::domain::disk::in_bytes;
use crate::domain::profile::{FirmwareNeed, Profile};
use crate::service::images::inspect::{Inspection, Places, bytes_of, inspect, read};
use crate::wire::BLOBS;

/// Exit status: 0 all is well, 1 something is wrong, 2 it could not be tried.
#[derive(Debug, clap::Args)]
pub(super) struct Profiles {
    #[command(flatten)]
    place: Place,
    /// OS images that profiles name [default: DATA/images]
    #[arg(long, value_name = "DIR", env = "OXBOW_IMAGES", global = true)]
    images: Option<PathBuf>,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What each profile installs, and for which machines (what `oxbow profiles` alone does too)
    List,
    /// Check every profile: its keys, its templates on a sample node, its files and their digests
    Check {
        /// The profiles to check, instead of the station's
        dir: Option<PathBuf>,
    },
    /// Take over profiles of Edge Infrastructure Manager, and an EMT-S config-file; a running station takes them up by itself
    Import(import::Import),
}

pub(super) fn run(options: &Profiles) -> ExitCode {
    let places = match places(options) {
        Ok(places) => places,
        Err(problems) => return say::failed(&problems),
    };
    match &options.what {
        None | Some(What::List) => list(&places),
        Some(What::Import(options)) => import::run(options, &places.profiles),
        Some(What::Check { dir: None }) => check(&places),
        Some(What::Check { dir: Some(dir) }) => check(&Places { profiles: dir.clone(), ..places }),
    }
}

fn places(options: &Profiles) -> Result<Places, Vec<Problem>> {
    let (data, profiles, images) = options.place.shelves()?;
    let images = options.images.clone().unwrap_or(images);
    Ok(Places { profiles, images, store: data.join(BLOBS) })
}

fn check(places: &Places) -> ExitCode {
    let Inspection { profiles, wrong } = inspect(places, |name| say::note(&format!("reading {}\n", say::clean(name))));
    for found in &wrong {
        say::problem(&found.place_and_what(), Some(&found.hint));
    }
    if wrong.is_empty() {
        let profiles: Vec<&str> = profiles.keys().map(|id| id.as_str()).collect();
        say::line(&format!("these profiles can be used: {}", profiles.join(", ")));
        return ExitCode::SUCCESS;
    }
    let problems = if wrong.len() == 1 { "1 problem".to_owned() } else { format!("{} problems", wrong.len()) };
    say::note(&format!("{problems} in {}\n", places.profiles.display()));
    ExitCode::from(say::REFUSED)
}

fn list(places: &Places) -> ExitCode {
    // Digests are not looked at: a list is there at once.
    let Inspection { profiles, wrong } = read(places);
    for profile in profiles.values() {
        say::raw(&format!("{:<20} {}\n", profile.id.as_str(), say::clean(&profile.title)));
        for line in about(places, profile) {
            say::raw(&format!("{:20} {}\n", "", say::clean(&line)));
        }
    }
    for found in &wrong {
        say::problem(&found.place_and_what(), Some(&found.hint));
    }
    ExitCode::from(if wrong.is_empty() { 0 } else { say::REFUSED })
}

fn about(places: &Places, profile: &Profile) -> Vec<String> {
    let mut lines: Vec<String> = profile.description.iter().cloned().collect();
    let firmware = match profile.firmware {
        FirmwareNeed::Any => "UEFI or BIOS",
        FirmwareNeed::Uefi | FirmwareNeed::Bios => profile.firmware.word(),
    };
    let how = if profile.installer().is_some() { "boots an installer" } else { "writes an image" };
    lines.push(format!("{how}, {} machines, {firmware}", profile.architecture.word()));
    lines.extend(profile.needs().into_iter().map(|name| match bytes_of(places, name) {
        Some(bytes) => format!("{name}: {}", in_bytes(bytes)),
        None => {
            let source = profile.source.as_ref().map(|source| format!("; it comes from: {source}")).unwrap_or_default();
            format!("{name}: not in {}{source}", places.images.display())
        }
    }));
    if !profile.aliases.is_empty() {
        lines.push(format!("also called {}", profile.aliases.join(", ")));
    }
    lines
}
