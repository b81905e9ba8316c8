//! `oxbow batch`.

use std::process::ExitCode;

use clap::Subcommand;

use super::bench::{Bench, Place};
use super::say;
use crate::config::Problem;
use crate::domain::batch::Order;
use crate::domain::batch::unit::Unit;
use crate::paper::report::{figures, headline};
use crate::protocol::batch::BatchRow;
use crate::protocol::control::{Answer, Ask};

/// Exit status: 0 done, 1 refused, 2 it could not be tried.
#[derive(Debug, clap::Args)]
pub(super) struct Batch {
    #[command(flatten)]
    place: Place,
    /// Print JSON, as GET /api/v1/batch does
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// How the batch stands: expected against seen, and every machine that is not done (what `oxbow batch` alone does too)
    Status {
        /// Another than the latest
        number: Option<u32>,
    },
    /// From now on what comes is of this batch
    Open {
        /// What to call it
        name: String,
        #[arg(long, value_name = "WORDS")]
        work_order: Option<String>,
        /// Who works on it
        #[arg(long, value_name = "WORDS")]
        operator: Option<String>,
        /// Only the machines of this imported list are expected [default: all that are registered and not done]
        #[arg(long, value_name = "FILE")]
        list: Option<String>,
    },
    /// It is over: what became of each machine is kept
    Close,
}

pub(super) fn run(options: &Batch) -> ExitCode {
    let ask = match &options.what {
        None => Ask::Batch { number: None, units: true, or_bench: false },
        Some(What::Status { number }) => Ask::Batch { number: *number, units: true, or_bench: false },
        Some(What::Open { name, work_order, operator, list }) => {
            // A list is known by its file's name.
            let list = list.as_ref().map(|list| list.rsplit('/').next().unwrap_or(list).to_owned());
            let order = Order { name: name.clone(), work_order: work_order.clone(), operator: operator.clone(), list };
            Ask::OpenBatch { order }
        }
        Some(What::Close) => Ask::CloseBatch,
    };
    match told(&options.place, ask) {
        Err(problems) => say::failed(&problems),
        Ok((batch, units, last)) => {
            match batch {
                Some(batch) if options.json => json(&batch, &units),
                Some(batch) => show(&batch, &units),
                None => {}
            }
            match last {
                Answer::Done { said } if said.is_empty() => ExitCode::SUCCESS,
                last => say::outcome(&last),
            }
        }
    }
}

/// What the bench answers: a batch, its machines, and its last word.
pub(super) fn told(place: &Place, ask: Ask) -> Result<(Option<BatchRow>, Vec<Unit>, Answer), Vec<Problem>> {
    let mut bench = Bench::open(place, ask.is_question())?;
    let (mut batch, mut units) = (None, Vec::new());
    let hear = |answer| match answer {
        Answer::Batch(row) => batch = Some(*row),
        Answer::Unit(unit) => units.push(*unit),
        _ => {}
    };
    let last = bench.ask(ask, &[], hear).map_err(|problem| vec![problem])?;
    Ok((batch, units, last))
}

fn json(batch: &BatchRow, units: &[Unit]) {
    let page = serde_json::json!({ "batch": batch, "units": units });
    say::raw(&format!("{}\n", say::escaped(&format!("{page:#}"))));
}

fn show(batch: &BatchRow, units: &[Unit]) {
    say::line(&headline(batch));
    say::line(&batch.tally.in_words());
    if let Some(figures) = figures(&batch.tally) {
        say::line(&figures);
    }
    for unit in units.iter().filter(|unit| !unit.standing.is_done()) {
        let reason = unit.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let unknown = if unit.expected { "" } else { " (nobody registered it)" };
        say::line(&format!("{} {}{unknown}{reason}", unit.name, unit.standing.word()));
    }
}
