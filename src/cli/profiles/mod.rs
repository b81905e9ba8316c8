//! `oxbow profiles`: lists, checks and imports profiles. No station is needed, and a running one is not disturbed.

mod import;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use super::connection::{BenchFolders, LibraryArgs};
use super::print;
use crate::config::ConfigProblem;
use crate::domain::ids::ProfileId;
use crate::domain::machine::disk::in_bytes;
use crate::domain::profile::{FirmwareNeed, Profile};
use crate::service::images::inspect::{Inspection, Places, bytes_of, inspect, read};
use crate::service::images::no_default;

/// Exit status: 0 done, 1 something is wrong, 2 it could not be tried.
#[derive(Debug, clap::Args)]
pub(super) struct ProfilesArgs {
    #[command(flatten)]
    library: LibraryArgs,
    /// The profile of unregistered machines [default: as the configuration file says]
    #[arg(long, value_name = "PROFILE", env = "OXBOW_DEFAULT_PROFILE", global = true)]
    default_profile: Option<String>,
    #[command(subcommand)]
    what: Option<ProfilesCommand>,
}

#[derive(Debug, Subcommand)]
enum ProfilesCommand {
    /// List what each profile installs, and on which machines (what `oxbow profiles` alone does too)
    List,
    /// Check every profile: keys, templates on a sample node, files and digests
    Check {
        /// The profiles to check, instead of the station's
        dir: Option<PathBuf>,
    },
    /// Import OS profiles of Edge Infrastructure Manager, or a config-file of EMT-S; a running station reads them by
    /// itself
    Import(import::ProfileImportArgs),
}

pub(super) fn run(options: &ProfilesArgs) -> ExitCode {
    let (places, default) = match places(options) {
        Ok(found) => found,
        Err(problems) => return print::failed(&problems),
    };
    match &options.what {
        None | Some(ProfilesCommand::List) => list(&places, default.as_ref()),
        Some(ProfilesCommand::Import(options)) => import::run(options, &places.profiles),
        Some(ProfilesCommand::Check { dir: None }) => check(&places),
        Some(ProfilesCommand::Check { dir: Some(dir) }) => check(&Places { profiles: dir.clone(), ..places }),
    }
}

/// Where to look, and which profile is the default.
fn places(options: &ProfilesArgs) -> Result<(Places, Option<ProfileId>), Vec<ConfigProblem>> {
    let BenchFolders { data, profiles, images, default_profile, .. } = options.library.folders()?;
    let said = options.default_profile.as_ref().map(|name| {
        let wrong =
            |err| vec![ConfigProblem::new(format!("default profile {name:?}: {err}"), "name a profile of the list")];
        name.parse::<ProfileId>().map_err(wrong)
    });
    let default = said.transpose()?.or(default_profile);
    Ok((Places { profiles, images, store: data.blobs() }, default))
}

fn check(places: &Places) -> ExitCode {
    let Inspection { profiles, wrong } =
        inspect(places, |name| print::note(&format!("reading {}\n", print::clean(name))));
    for found in &wrong {
        print::problem(&found.place_and_what(), Some(&found.hint));
    }
    if wrong.is_empty() {
        let profiles: Vec<&str> = profiles.keys().map(|id| id.as_str()).collect();
        print::line(&format!("these profiles can be used: {}", profiles.join(", ")));
        return ExitCode::SUCCESS;
    }
    let problems = if wrong.len() == 1 { "1 problem".to_owned() } else { format!("{} problems", wrong.len()) };
    print::note(&format!("{problems} in {}\n", places.profiles.display()));
    ExitCode::from(print::REFUSED)
}

fn list(places: &Places, default: Option<&ProfileId>) -> ExitCode {
    // Digests are not looked at: a list is there at once.
    let Inspection { profiles, mut wrong } = read(places);
    wrong.extend(default.filter(|id| !profiles.contains_key(*id)).map(no_default));
    for profile in profiles.values() {
        let mark = if default == Some(&profile.id) { " (default)" } else { "" };
        print::raw(&format!("{:<20} {}{mark}\n", profile.id.as_str(), print::clean(&profile.title)));
        for line in about(places, profile) {
            print::raw(&format!("{:20} {}\n", "", print::clean(&line)));
        }
    }
    for found in &wrong {
        print::problem(&found.place_and_what(), Some(&found.hint));
    }
    ExitCode::from(if wrong.is_empty() { 0 } else { print::REFUSED })
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
