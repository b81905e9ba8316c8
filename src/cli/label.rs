//! `oxbow label`: the QR code for an installed machine, for a label printer or the camera of a phone.

use std::io::{IsTerminal, stdout};
use std::process::ExitCode;

use super::connection::{Conversation, StationArgs};
use super::print;
use crate::config::ConfigProblem;
use crate::export::label::{self, LabelGround};
use crate::export::{Unmade, patient};

/// Exit status: 0 done, 1 there is no such batch, 2 it could not be tried.
#[derive(Debug, clap::Args)]
pub(super) struct LabelArgs {
    #[command(flatten)]
    place: StationArgs,
    /// The batch; 0 is the whole bench [default: the latest, or the whole bench if none was ever opened]
    #[arg(long, value_name = "NUMBER")]
    batch: Option<u32>,
    /// Only the text of the code, for a program that makes labels
    #[arg(long, conflicts_with_all = ["svg", "ascii"])]
    text: bool,
    /// The code as an SVG picture
    #[arg(long, conflicts_with = "ascii")]
    svg: bool,
    /// Draw it with ASCII characters only
    #[arg(long)]
    ascii: bool,
    /// For dark letters on a light background, where colours cannot be set
    #[arg(long)]
    light: bool,
    /// The machine: its number (#7), name, serial, UUID or MAC address
    node: String,
}

pub(super) fn run(options: &LabelArgs) -> ExitCode {
    match shown(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(unmade) => print::unmade(&unmade),
    }
}

fn shown(options: &LabelArgs) -> Result<(), Unmade> {
    let seal = options.place.data()?.seal();
    let mut bench = Conversation::open(&options.place, true)?;
    let label = label::make(bench.talk(), options.batch, &options.node, &seal, &patient)?;
    if options.text {
        print::line(&label.text);
        return Ok(());
    }
    let ground = if options.light { LabelGround::Light } else { LabelGround::Dark };
    let picture = if options.svg {
        label::svg(&label.text).map(|picture| picture + "\n")
    } else if options.ascii {
        label::ascii(&label.text, ground)
    } else if has_colours() {
        label::blocks(&label.text, LabelGround::Light).map(|picture| black_on_white(&picture))
    } else {
        label::blocks(&label.text, ground)
    };
    let too_long =
        || ConfigProblem::new("its serial is longer than a code can hold", "correct it with `oxbow nodes edit`");
    let picture = picture.ok_or_else(too_long)?;
    if !options.svg {
        print::line(&label.name);
        print::line(&label.text);
    }
    print::raw(&picture);
    Ok(())
}

/// Whether the background can be set, so that any camera reads the code.
fn has_colours() -> bool {
    stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// ECMA-48 SGR: black on white, line by line.
fn black_on_white(picture: &str) -> String {
    picture.lines().map(|line| format!("\u{1b}[30;107m{line}\u{1b}[0m\n")).collect()
}
