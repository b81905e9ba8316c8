//! `oxbow support`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::connection::{Conversation, StationArgs};
use super::print;
use crate::domain::profile::Profile;
use crate::export::support::{self, About};
use crate::export::{Unmade, patient};
use crate::service::images;

/// Exit status: 0 done, 1 there is no such node, 2 it could not be tried.
#[derive(Debug, clap::Args)]
pub(super) struct Support {
    #[command(flatten)]
    place: StationArgs,
    /// Include everything about this node, and its packets; may be repeated. Nodes in trouble are always included
    #[arg(long = "node", value_name = "NODE")]
    nodes: Vec<String>,
    /// Include what machines sent by syslog, which may contain secrets of their own programs
    #[arg(long)]
    syslog: bool,
    /// The archive to write, such as bench.tar.gz
    file: PathBuf,
}

pub(super) fn run(options: &Support) -> ExitCode {
    match support(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(unmade) => print::unmade(&unmade),
    }
}

fn support(options: &Support) -> Result<(), Unmade> {
    if options.file.exists() {
        return Err(support::taken(&options.file).into());
    }
    let settings = options.place.settings()?;
    let folders = options.place.folders(None)?;
    let mut bench = Conversation::open(&options.place, true)?;
    let (quirks, placeholders) = (folders.data.quirks(), folders.data.placeholders());
    let profiles = images::read(&folders.profiles, None, &quirks, &placeholders).profiles;
    let profiles: Vec<&Profile> = profiles.values().collect();
    let about = About {
        nodes: &options.nodes,
        syslog: options.syslog,
        settings: &settings,
        data: &folders.data,
        profiles: &profiles,
    };
    let archive = support::make(bench.talk(), &about, &patient)?;
    support::save(&options.file, &archive)?;
    for what in &archive.left_out {
        print::line(&format!("left out: {what}"));
    }
    print::line(&format!("{}: {} kB; look through it before you mail it", options.file.display(), archive.kilobytes()));
    Ok(())
}
