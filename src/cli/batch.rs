//! `oxbow batch`.

use std::process::ExitCode;

use clap::Subcommand;

use super::connection::{Conversation, StationArgs};
use super::print;
use crate::config::ConfigProblem;
use crate::domain::batch::BatchOrder;
use crate::domain::batch::unit::Unit;
use crate::export::report::{figures, headline};
use crate::protocol::batch::BatchRow;
use crate::protocol::control::{ControlReply, ControlRequest};

/// Exit status: 0 done, 1 refused, 2 it could not be tried.
#[derive(Debug, clap::Args)]
pub(super) struct BatchArgs {
    #[command(flatten)]
    place: StationArgs,
    /// Print JSON, as GET /api/v1/batch does
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: Option<BatchCommand>,
}

#[derive(Debug, Subcommand)]
enum BatchCommand {
    /// Show expected against seen, and every machine that is not done (what `oxbow batch` alone does too)
    Status {
        /// The batch [default: the latest]
        number: Option<u32>,
    },
    /// Open a batch: what arrives from now on belongs to it
    Open {
        /// Its name
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
    /// Close it; the result of each machine is kept
    Close,
}

pub(super) fn run(options: &BatchArgs) -> ExitCode {
    let ask = match &options.what {
        None => ControlRequest::Batch { number: None, units: true, or_bench: false },
        Some(BatchCommand::Status { number }) => {
            ControlRequest::Batch { number: *number, units: true, or_bench: false }
        }
        Some(BatchCommand::Open { name, work_order, operator, list }) => {
            // A list is known by its file's name.
            let list = list.as_ref().map(|list| list.rsplit('/').next().unwrap_or(list).to_owned());
            let order =
                BatchOrder { name: name.clone(), work_order: work_order.clone(), operator: operator.clone(), list };
            ControlRequest::OpenBatch { order }
        }
        Some(BatchCommand::Close) => ControlRequest::CloseBatch,
    };
    match told(&options.place, ask) {
        Err(problems) => print::failed(&problems),
        Ok((batch, units, last)) => {
            match batch {
                Some(batch) if options.json => json(&batch, &units),
                Some(batch) => show(&batch, &units),
                None => {}
            }
            match last {
                ControlReply::Done { said } if said.is_empty() => ExitCode::SUCCESS,
                last => print::outcome(&last),
            }
        }
    }
}

/// What the bench answers: a batch, its machines, and its final reply.
pub(super) fn told(
    place: &StationArgs,
    ask: ControlRequest,
) -> Result<(Option<BatchRow>, Vec<Unit>, ControlReply), Vec<ConfigProblem>> {
    let mut bench = Conversation::open(place, ask.is_question())?;
    let (mut batch, mut units) = (None, Vec::new());
    let hear = |answer| {
        if let ControlReply::Batch(row) = answer {
            batch = Some(*row);
        } else if let ControlReply::Unit(unit) = answer {
            units.push(*unit);
        }
    };
    let last = bench.ask(ask, &[], hear).map_err(|problem| vec![problem])?;
    Ok((batch, units, last))
}

fn json(batch: &BatchRow, units: &[Unit]) {
    let page = serde_json::json!({ "batch": batch, "units": units });
    print::raw(&format!("{}\n", print::escaped(&format!("{page:#}"))));
}

fn show(batch: &BatchRow, units: &[Unit]) {
    print::line(&headline(batch));
    print::line(&batch.tally.in_words());
    if let Some(figures) = figures(&batch.tally) {
        print::line(&figures);
    }
    for unit in units.iter().filter(|unit| !unit.standing.is_done()) {
        let reason = unit.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let unknown = if unit.expected { "" } else { " (nobody registered it)" };
        print::line(&format!("{} {}{unknown}{reason}", unit.name, unit.standing.word()));
    }
}
