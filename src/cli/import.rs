//! `oxbow import`.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::connection::{Conversation, StationArgs};
use super::print;
use crate::config::ConfigProblem;
use crate::domain::ids::ProfileId;
use crate::domain::import::{self, FILE_LIMIT};
use crate::protocol::control::{ControlReply, ControlRequest, ListCounts, ListProblem, ListRequest, ListRow};

/// Exit status: 0 done, 1 the list has problems and nothing was stored, 2 it could not be tried.
#[derive(Debug, clap::Args)]
pub(super) struct ImportArgs {
    #[command(flatten)]
    place: StationArgs,
    /// The list: CSV as spreadsheets write it
    #[arg(required_unless_present_any = ["template", "undo"])]
    file: Option<PathBuf>,
    /// Only show what every row would do
    #[arg(long)]
    dry_run: bool,
    /// This profile for every row, whatever the row says
    #[arg(long, value_name = "PROFILE")]
    profile: Option<ProfileId>,
    /// Show every row, not only those with problems, when there are more than 50
    #[arg(long)]
    all: bool,
    /// Save the rows with problems as a list with the same columns, to correct and import again
    #[arg(long, value_name = "FILE")]
    errors: Option<PathBuf>,
    /// Print an empty list with every column that means something
    #[arg(long, conflicts_with_all = ["file", "undo"])]
    template: bool,
    /// Undo the latest import, within a minute
    #[arg(long, conflicts_with_all = ["file", "dry_run", "profile", "all", "errors"])]
    undo: bool,
    /// With --undo: only for machines that have not started to work
    #[arg(long, requires = "undo")]
    idle: bool,
}

pub(super) fn run(options: &ImportArgs) -> ExitCode {
    match &options.file {
        _ if options.template => {
            print::raw(import::template());
            ExitCode::SUCCESS
        }
        Some(file) => import(options, file).unwrap_or_else(|problems| print::failed(&problems)),
        None => undo(options).unwrap_or_else(|problems| print::failed(&problems)),
    }
}

fn import(options: &ImportArgs, file: &Path) -> Result<ExitCode, Vec<ConfigProblem>> {
    let bytes = read(file).map_err(|problem| vec![problem])?;
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let list = ListRequest {
        file: name.clone(),
        bytes: bytes.len(),
        profile: options.profile.clone(),
        dry_run: options.dry_run,
        all: options.all,
        errors: options.errors.is_some(),
    };
    let ask = ControlRequest::Import(list);
    let mut bench = Conversation::open(&options.place, ask.is_question())?;
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    let mut progress = ImportProgressLine { lines, shown: String::new(), seconds: 0 };
    let (mut told, mut counts, mut errors) = (Vec::new(), ListCounts::default(), String::new());
    let answer = bench.ask(ask, &bytes, |answer| match answer {
        ControlReply::Flaw(trouble) => told.push(flaw(&name, &trouble)),
        ControlReply::Row(row) => told.push(in_words(&name, &row)),
        // The preview is complete: it is shown before anything is stored.
        ControlReply::Counts(all) => {
            progress.end();
            counts = all;
            told.drain(..).for_each(|text| print::raw(&text));
            summary(&name, &counts);
        }
        ControlReply::Errors { piece } => errors.push_str(&piece),
        ControlReply::Working { on, percent } => progress.show(&on, percent),
        ControlReply::Node(_)
        | ControlReply::Stranger(_)
        | ControlReply::Trail { .. }
        | ControlReply::Packets { .. }
        | ControlReply::Log { .. }
        | ControlReply::Station(_)
        | ControlReply::Batch(_)
        | ControlReply::Unit(_)
        | ControlReply::Text { .. }
        | ControlReply::Done { .. }
        | ControlReply::Refused { .. }
        | ControlReply::Failed { .. }
        | ControlReply::Unknown => {}
    });
    progress.end();
    let answer = answer.map_err(|problem| vec![problem])?;
    if let Some(to) = options.errors.as_deref().filter(|_| !errors.is_empty()) {
        std::fs::write(to, &errors).map_err(|err| {
            let what = format!("cannot write {}: {err}", to.display());
            vec![ConfigProblem { what, hint: "name another place with --errors".into() }]
        })?;
        print::line(&format!("the rows to correct are in {}", to.display()));
    }
    match &answer {
        ControlReply::Refused { why, hint: None } if counts.errors > 0 && options.errors.is_none() => {
            let hint = format!("correct the list, or save the rows with --errors {}", import::errors_file_name(&name));
            print::problem(why, Some(&hint));
            Ok(ExitCode::from(print::REFUSED))
        }
        ControlReply::Done { .. } if !options.dry_run && counts.new + counts.changes > 0 => {
            let code = print::outcome(&answer);
            print::line("`oxbow import --undo` takes it back within a minute");
            Ok(code)
        }
        answer => Ok(print::outcome(answer)),
    }
}

fn undo(options: &ImportArgs) -> Result<ExitCode, Vec<ConfigProblem>> {
    let mut bench = Conversation::open(&options.place, true)?;
    let answer =
        bench.ask(ControlRequest::UndoImport { idle: options.idle }, &[], drop).map_err(|problem| vec![problem])?;
    Ok(print::outcome(&answer))
}

/// The file, or one byte more than a list may have.
fn read(path: &Path) -> Result<Vec<u8>, ConfigProblem> {
    let cannot = |err: io::Error| ConfigProblem {
        what: format!("cannot read {}: {err}", path.display()),
        hint: "name a file that is there".into(),
    };
    let file = File::open(path).map_err(cannot)?;
    let mut bytes = Vec::new();
    file.take(FILE_LIMIT as u64 + 1).read_to_end(&mut bytes).map_err(cannot)?;
    Ok(bytes)
}

/// `hosts.csv: the file is empty`, and what to do.
fn flaw(file: &str, trouble: &ListProblem) -> String {
    format!("{}: {}\n  hint: {}\n", print::clean(file), print::clean(&trouble.problem), print::clean(&trouble.hint))
}

/// `row 2  changes  SN-1  Profile demo → emt-s`, and below it what is wrong.
fn in_words(file: &str, row: &ListRow) -> String {
    let changes = row.changes.join(", ");
    let first =
        format!("row {:<6} {:8} {:24} {}", row.row, row.standing, print::clean(&row.label), print::clean(&changes));
    let mut text = format!("{}\n", first.trim_end());
    let errors = row.errors.iter().map(|trouble| ("error", trouble));
    for (what, ListProblem { column, problem, hint }) in
        errors.chain(row.warnings.iter().map(|found| ("warning", found)))
    {
        let column = column.as_ref().map(|column| format!(", {column}")).unwrap_or_default();
        let place = format!("{file}:{}{column}", row.row);
        text.push_str(&format!(
            "  {what}: {}\n  hint: {}\n",
            print::clean(&format!("{place}: {problem}")),
            print::clean(hint)
        ));
    }
    text
}

fn summary(file: &str, counts: &ListCounts) {
    if counts.untold > 0 {
        let many = counts.untold;
        print::line(&format!("and {many} more rows with problems: --all shows them, --errors saves those with errors"));
    }
    if counts.flaws == 0 {
        let ListCounts { new, same, changes, errors, warnings, .. } = counts;
        let warned = if *warnings > 0 { format!(", {warnings} with a warning") } else { String::new() };
        print::line(&format!(
            "{file}: {new} new, {same} the same, {changes} with changes, {errors} with errors{warned}"
        ));
    }
}

/// What the station is doing with a long list, on standard error.
struct ImportProgressLine {
    lines: usize,
    shown: String,
    seconds: usize,
}

impl ImportProgressLine {
    fn show(&mut self, on: &str, percent: Option<u8>) {
        if self.lines <= LONG {
            return;
        }
        let words = format!("{} {} lines", print::clean(on), self.lines);
        let again = self.shown == words;
        self.seconds = if again { self.seconds + 1 } else { 0 };
        match (io::stderr().is_terminal(), again) {
            (true, true) => {
                let percent = percent.map(|percent| format!(", {percent} %")).unwrap_or_default();
                print::note(&format!("\r{words}, {} s{percent}", self.seconds));
            }
            (true, false) => {
                self.end();
                print::note(&words);
            }
            (false, true) => {}
            (false, false) => print::note(&format!("{words}\n")),
        }
        self.shown = words;
    }

    /// The next line starts at column one.
    fn end(&mut self) {
        if !std::mem::take(&mut self.shown).is_empty() && io::stderr().is_terminal() {
            print::note("\n");
        }
    }
}

/// From this many rows on, progress is shown.
const LONG: usize = 10_000;
