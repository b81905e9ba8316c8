//! `oxbow`, the station.

use std::process::ExitCode;

use clap::Parser;

use oxbow::cli;

fn main() -> ExitCode {
    cli::run(cli::Args::parse())
}
