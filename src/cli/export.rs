//! `oxbow export`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::bench::{Bench, Place};
use super::say;
use crate::paper::{Unmade, list, patient};

/// Exit status: 0 done, 2 it could not be tried.
#[derive(Debug, clap::Args)]
pub(super) struct Export {
    #[command(flatten)]
    place: Place,
    /// The list, which must not be there yet; without it the list is printed
    file: Option<PathBuf>,
}

pub(super) fn run(options: &Export) -> ExitCode {
    match export(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(unmade) => say::unmade(&unmade),
    }
}

fn export(options: &Export) -> Result<(), Unmade> {
    let mut bench = Bench::open(&options.place, true)?;
    let list = list::make(bench.talk(), &patient)?;
    match &options.file {
        Some(file) => {
            list::save(file, &list.csv)?;
            say::line(&format!("machines in {}: {}", file.display(), list.machines));
        }
        None => say::raw(&list.csv),
    }
    Ok(())
}
