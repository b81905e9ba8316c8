//! The command line: what can be typed, and what each command does.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::boot::segment::Mode;
use crate::config::{Problem, Settings, interfaces};
use crate::{sim, wire};

/// Gives every machine on the bench its operating system over the network, and proves it.
#[derive(Debug, Parser)]
#[command(name = "oxbow", version, args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the station (what `oxbow` alone does too)
    Run(Run),
    /// Check the configuration, the boot files, the profiles and their images, and serve nothing
    Check(Run),
    /// List the keys of the screen, as the README shows them
    Keys,
    /// Bring up simulated machines that boot from a station over real sockets (root, in a network namespace)
    Sim(Sim),
}

#[derive(Debug, clap::Args)]
#[command(args_override_self = true)]
struct Run {
    #[command(flatten)]
    settings: Settings,
    /// Configuration file [default: /etc/oxbow/oxbow.toml, if there is one]
    #[arg(long, value_name = "FILE", env = "OXBOW_CONFIG")]
    config: Option<PathBuf>,
    /// No screen: log to standard error
    #[arg(long)]
    headless: bool,
    /// Draw with ASCII characters only
    #[arg(long)]
    ascii: bool,
}

#[derive(Debug, clap::Args)]
struct Sim {
    /// The network interface that leads to the station
    #[arg(long, short)]
    interface: String,
    /// How many machines
    #[arg(long, short, default_value_t = 12)]
    machines: u16,
    /// Where their disks are files [default: a temporary directory]
    #[arg(long)]
    disk_dir: Option<PathBuf>,
    /// Slow every disk down to this many bytes a second
    #[arg(long, value_name = "BYTES")]
    pace: Option<u64>,
    /// End after this many seconds
    #[arg(long, default_value_t = 600)]
    seconds: u64,
}

/// Does what was typed. Problems are said on standard error, each with a hint.
pub fn run(args: Args) -> ExitCode {
    match args.command.unwrap_or(Command::Run(args.run)) {
        Command::Run(run) => station(run),
        Command::Check(run) => check(run),
        Command::Keys => {
            print!("{}", crate::tui::keys_markdown());
            ExitCode::SUCCESS
        }
        Command::Sim(options) => simulate(options),
    }
}

fn station(run: Run) -> ExitCode {
    let (headless, ascii) = (run.headless, run.ascii);
    match configured(run) {
        Ok(config) => wire::run(config, wire::Screen { headless, ascii }),
        Err(problems) => complain(&problems),
    }
}

fn check(run: Run) -> ExitCode {
    let config = match configured(run) {
        Ok(config) => config,
        Err(problems) => return complain(&problems),
    };
    let (station, pool) = (config.segment.address(), config.segment.pool_in_words());
    match config.dhcp.mode() {
        Mode::Authoritative => println!("on {} the station is {station}, machines get {pool}", config.interface),
        Mode::Proxy => println!("on {} the station is {station}, machines get the site's addresses", config.interface),
    }
    match wire::check(&config) {
        problems if problems.is_empty() => {
            println!("boot files, profiles and images are good");
            ExitCode::SUCCESS
        }
        problems => complain(&problems),
    }
}

fn configured(run: Run) -> Result<crate::config::Config, Vec<Problem>> {
    run.settings.over_file(run.config.as_deref())?.check(&interfaces())
}

fn simulate(options: Sim) -> ExitCode {
    let options = sim::Options {
        interface: options.interface,
        machines: options.machines,
        disk_dir: options.disk_dir,
        pace: options.pace,
        seconds: options.seconds,
    };
    match sim::run(options) {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(err) => {
            eprintln!("oxbow sim: {err}");
            ExitCode::FAILURE
        }
    }
}

fn complain(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        eprintln!("oxbow: {problem}");
    }
    ExitCode::FAILURE
}
