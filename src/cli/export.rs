//! `oxbow export`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::connection::{Conversation, StationArgs};
use super::print;
use crate::export::{Unmade, list, patient};

/// Exit status: 0 done, 2 it could not be tried.
#[derive(Debug, clap::Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    place: StationArgs,
    /// The file to write, which must not exist [default: the list is printed]
    file: Option<PathBuf>,
}

pub(super) fn run(options: &ExportArgs) -> ExitCode {
    match export(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(unmade) => print::unmade(&unmade),
    }
}

fn export(options: &ExportArgs) -> Result<(), Unmade> {
    let mut bench = Conversation::open(&options.place, true)?;
    let list = list::make(bench.talk(), &patient)?;
    match &options.file {
        Some(file) => {
            list::save(file, &list.csv)?;
            print::line(&format!("machines in {}: {}", file.display(), list.machines));
        }
        None => print::raw(&list.csv),
    }
    Ok(())
}
