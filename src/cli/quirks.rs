//! `oxbow quirks`: what is done differently for certain machines. Exports it for another bench and imports it there.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

use super::connection::{Conversation, StationArgs};
use super::print;
use crate::config::ConfigProblem;
use crate::data_dir::DataDir;
use crate::domain::diagnostic::Diagnostic;
use crate::domain::machine::quirk::Quirk;
use crate::domain::node::quirk_file;
use crate::protocol::control::{ControlReply, ControlRequest};

/// Exit status: 0 done, 1 refused, 2 it could not be tried.
#[derive(Debug, clap::Args)]
pub(super) struct QuirksArgs {
    #[command(flatten)]
    place: StationArgs,
    #[command(subcommand)]
    what: Option<QuirksCommand>,
}

#[derive(Debug, Subcommand)]
enum QuirksCommand {
    /// List the quirks in force, and known problems (what `oxbow quirks` alone does too)
    List,
    /// Print the site's rows and what was learned, as a file for another bench
    Export,
    /// Add the rows of a file to this site's; a running station reads them by itself
    Import { file: PathBuf },
}

pub(super) fn run(quirks: &QuirksArgs) -> ExitCode {
    let export = match &quirks.what {
        None | Some(QuirksCommand::List) => false,
        Some(QuirksCommand::Export) => true,
        Some(QuirksCommand::Import { file }) => {
            return match import(&quirks.place, file) {
                Ok(said) => {
                    print::line(&said);
                    ExitCode::SUCCESS
                }
                Err(problems) => print::failed(&problems),
            };
        }
    };
    let mut bench = match Conversation::open(&quirks.place, true) {
        Ok(bench) => bench,
        Err(problems) => return print::failed(&problems),
    };
    let hear = |answer| {
        if let ControlReply::Text { text } = answer {
            print::raw(&print::escaped(&format!("{}\n", text.trim_end())));
        }
    };
    match bench.ask(ControlRequest::Quirks { export }, &[], hear) {
        Ok(ControlReply::Done { said }) => {
            print::note(&format!("{said}\n"));
            ExitCode::SUCCESS
        }
        Ok(answer) => print::outcome(&answer),
        Err(problem) => print::failed(&[problem]),
    }
}

/// Appends the rows that are new to the site's own, completely or not at all.
fn import(place: &StationArgs, file: &Path) -> Result<String, Vec<ConfigProblem>> {
    let site = place.data()?.quirks();
    let (new, _) = rows(file)?;
    let (known, text) = if site.exists() { rows(&site)? } else { (Vec::new(), String::new()) };
    let new: Vec<&Quirk> = new.iter().filter(|row| !known.iter().any(|it| it.does_as(row))).collect();
    if new.is_empty() {
        return Ok("nothing to import: this site has all of these rows".into());
    }
    let added: String = new.iter().map(|row| format!("\n{}", quirk_file::toml(row))).collect();
    let text = if text.is_empty() { added.trim_start().to_owned() } else { format!("{}\n{added}", text.trim_end()) };
    quirk_file::parse(DataDir::QUIRKS, &text).map_err(|wrong| explained(&site, wrong))?;
    replace(&site, &text).map_err(|err| {
        let what = format!("cannot write {}: {err}", site.display());
        vec![ConfigProblem { what, hint: "use the account that the station runs under, which is usually root".into() }]
    })?;
    let rows = if new.len() == 1 { "1 row".to_owned() } else { format!("{} rows", new.len()) };
    Ok(format!("added {rows} to {}", site.display()))
}

/// The site's rows in a file, and its text.
fn rows(file: &Path) -> Result<(Vec<Quirk>, String), Vec<ConfigProblem>> {
    let text = std::fs::read_to_string(file).map_err(|err| {
        let what = format!("cannot read {}: {err}", file.display());
        vec![ConfigProblem { what, hint: "name a file that `oxbow quirks export` has written".into() }]
    })?;
    let quirks = quirk_file::parse(&file.display().to_string(), &text).map_err(|wrong| explained(file, wrong))?;
    Ok((quirks.rows.iter().filter(|row| row.is_sites).cloned().collect(), text))
}

fn explained(file: &Path, wrong: Vec<Diagnostic>) -> Vec<ConfigProblem> {
    let named = |found: Diagnostic| Diagnostic { file: file.display().to_string(), ..found };
    wrong.into_iter().map(named).map(|found| ConfigProblem { what: found.place_and_what(), hint: found.hint }).collect()
}

/// Replaces the file in one step: a station that reads it meanwhile sees the old file or the new one.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let new = path.with_extension("toml.new");
    let mut file = std::fs::File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(new, path)
}
