//! `oxbow export`.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::bench::{Bench, Place};
use super::say;
use crate::config::Problem;
use crate::domain::import;
use crate::domain::registration::Registration;
use crate::protocol::control::{Answer, Ask};
use crate::protocol::nodes::NodeRow;

/// Exit status: 0 done, 2 it could not be tried.
#[derive(Debug, clap::Args)]
pub(super) struct Export {
    #[command(flatten)]
    place: Place,
    /// The list, which must not be there yet; without it the list is printed
    file: Option<PathBuf>,
}

pub(super) fn run(options: &Export) -> ExitCode {
    match list(options) {
        Ok(code) => code,
        Err(problems) => say::failed(&problems),
    }
}

fn list(options: &Export) -> Result<ExitCode, Vec<Problem>> {
    let mut bench = Bench::open(&options.place, true)?;
    let mut machines = Vec::new();
    let hear = |answer| {
        if let Answer::Node(row) = answer {
            machines.extend(Some(registration(*row)).filter(|machine| !machine.claims().is_empty()));
        }
    };
    match bench.ask(Ask::Nodes, &[], hear).map_err(|problem| vec![problem])? {
        Answer::Done { .. } => {}
        refused => return Ok(say::outcome(&refused)),
    }
    let csv = import::export_csv(&machines);
    match &options.file {
        Some(file) => {
            save(file, &csv).map_err(|problem| vec![problem])?;
            say::line(&format!("machines in {}: {}", file.display(), machines.len()));
        }
        None => say::raw(&csv),
    }
    Ok(ExitCode::SUCCESS)
}

/// As people would register it.
fn registration(row: NodeRow) -> Registration {
    let identifiers = [row.serial.as_ref().map(ToString::to_string), row.macs.first().map(ToString::to_string)];
    // Who has no name is called by one of these.
    let name = Some(row.name).filter(|name| !identifiers.iter().flatten().any(|identifier| identifier == name));
    Registration {
        name: name.filter(|name| *name != format!("node {}", row.id)),
        hostname: row.hostname,
        macs: row.macs,
        uuid: row.uuid,
        serial: row.serial,
        profile: row.profile,
        metadata: row.metadata,
    }
}

/// Into a file of its own: another list is never written over.
fn save(file: &Path, csv: &str) -> Result<(), Problem> {
    let written = File::create_new(file).and_then(|mut file| file.write_all(csv.as_bytes()));
    written.map_err(|err| Problem {
        what: format!("the list cannot be written to {}: {err}", file.display()),
        hint: match err.kind() {
            ErrorKind::AlreadyExists => "choose another name, or remove it".into(),
            _ => "choose a directory that is there, with room, that you may write to".into(),
        },
    })
}
