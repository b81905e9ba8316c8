//! The command line: what can be typed, and what each command does.

mod batch;
mod ca;
mod connection;
mod export;
mod images;
mod import;
mod label;
mod logs;
mod nodes;
mod print;
mod profiles;
mod quirks;
mod replay;
mod report;
mod support;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::boot::dhcp::segment::Mode;
use crate::config::{ConfigProblem, Settings, interfaces};
use crate::{sim, station};

/// Gives every machine on the bench its operating system over the network, and proves it.
#[derive(Debug, Parser)]
#[command(name = "oxbow", version, args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<CliCommand>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, Subcommand)]
enum CliCommand {
    /// Start the station (what `oxbow` alone does too)
    Run(RunArgs),
    /// Check the configuration, the boot files, the profiles and their images; serve nothing
    Check(RunArgs),
    /// Import a list of machines, completely or not at all
    Import(import::ImportArgs),
    /// Write the bench as a list that can be imported again
    Export(export::ExportArgs),
    /// Add, list, verify and remove OS images
    Images(images::ImagesArgs),
    /// List and register machines, and control what they do
    Nodes(nodes::Nodes),
    /// Search the machines' logs by node, run, level, time and words
    Logs(logs::Logs),
    /// Show or set the policy for unregistered machines
    Policy(nodes::PolicyArgs),
    /// Show or change the DHCP mode of a running station
    Dhcp(nodes::DhcpArgs),
    /// List, check and import profiles
    Profiles(profiles::ProfilesArgs),
    /// List, export and import quirks: what is done differently for certain machines
    Quirks(quirks::QuirksArgs),
    /// Open a batch, show its status, close it
    Batch(batch::BatchArgs),
    /// Write the result of a batch: tables, a page to print, and a signed certificate for each machine
    Report(report::ReportArgs),
    /// Draw the QR code for an installed machine: its identity and its certificate
    Label(label::LabelArgs),
    /// Verify certificates; no station is needed
    Verify(report::Verify),
    /// Write an archive for remote support, without the bench's secrets
    Support(support::Support),
    /// Show the station's certificate authority, or export its certificate for machines to trust
    Ca(ca::Ca),
    /// Show a recording on the screen, at any speed; serve nothing
    Replay(replay::ReplayArgs),
    /// List the keys of the screen, as docs/guide/screen.md does
    Keys,
    /// Start simulated machines that boot from a station over real sockets (as root, in a network namespace)
    Sim(Sim),
}

#[derive(Debug, clap::Args)]
#[command(args_override_self = true)]
struct RunArgs {
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
    /// Record what happens into this new file, without secrets, for `oxbow replay`
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct Sim {
    /// The network interface that leads to the station
    #[arg(long, short)]
    interface: String,
    /// How many machines
    #[arg(long, short, default_value_t = 12)]
    machines: u16,
    /// Identifiers of one machine, as serial=SN-1,uuid=…,mac=…; the first is for the first machine
    #[arg(long = "machine", value_name = "MARKS")]
    marks: Vec<sim::IdentityOverride>,
    /// Where their disks are files [default: a temporary directory]
    #[arg(long)]
    disk_dir: Option<PathBuf>,
    /// Slow every disk down to this many bytes a second
    #[arg(long, value_name = "BYTES")]
    pace: Option<u64>,
    /// Switch them on this far apart
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 100)]
    apart: u64,
    /// Give this machine (counted from 1) a disk that does not keep what is written
    #[arg(long, value_name = "NUMBER")]
    worn_disk: Option<u16>,
    /// Let this machine (counted from 1) report wrong digests for the files on its disk
    #[arg(long, value_name = "NUMBER")]
    liar: Option<u16>,
    /// Stop after this many seconds
    #[arg(long, default_value_t = 600)]
    seconds: u64,
}

/// Runs the command. Problems are printed on standard error, each with a hint.
pub fn run(args: Args) -> ExitCode {
    match args.command.unwrap_or(CliCommand::Run(args.run)) {
        CliCommand::Run(run) => station(run),
        CliCommand::Check(run) => check(run),
        CliCommand::Import(import) => import::run(&import),
        CliCommand::Export(options) => export::run(&options),
        CliCommand::Images(options) => images::run(&options),
        CliCommand::Nodes(nodes) => nodes::run(&nodes),
        CliCommand::Logs(options) => logs::run(&options),
        CliCommand::Policy(policy) => nodes::policy(&policy),
        CliCommand::Dhcp(dhcp) => nodes::dhcp(&dhcp),
        CliCommand::Profiles(options) => profiles::run(&options),
        CliCommand::Quirks(options) => quirks::run(&options),
        CliCommand::Batch(options) => batch::run(&options),
        CliCommand::Report(options) => report::run(&options),
        CliCommand::Label(options) => label::run(&options),
        CliCommand::Verify(options) => report::verify(&options),
        CliCommand::Support(options) => support::run(&options),
        CliCommand::Ca(ca) => ca::run(&ca),
        CliCommand::Replay(options) => replay::run(&options),
        CliCommand::Keys => {
            print!("{}", crate::tui::keys_markdown());
            ExitCode::SUCCESS
        }
        CliCommand::Sim(options) => simulate(options),
    }
}

fn station(run: RunArgs) -> ExitCode {
    let (headless, ascii, record) = (run.headless, run.ascii, run.record.clone());
    match configured(run) {
        Ok(config) => station::run(config, station::ScreenMode { headless, ascii }, record.as_deref()),
        Err(problems) => complain(&problems),
    }
}

fn check(run: RunArgs) -> ExitCode {
    let config = match configured(run) {
        Ok(config) => config,
        Err(problems) => return complain(&problems),
    };
    let (station, pool) = (config.segment.address(), config.segment.pool_in_words());
    match config.dhcp.mode() {
        Mode::Authoritative => println!("on {} the station is {station}, machines get {pool}", config.interface),
        Mode::Proxy => println!("on {} the station is {station}, machines get the site's addresses", config.interface),
    }
    match station::check(&config) {
        problems if problems.is_empty() => {
            println!("boot files, profiles and images are good");
            ExitCode::SUCCESS
        }
        problems => complain(&problems),
    }
}

fn configured(run: RunArgs) -> Result<crate::config::Config, Vec<ConfigProblem>> {
    run.settings.over_file(run.config.as_deref())?.check(&interfaces())
}

fn simulate(options: Sim) -> ExitCode {
    let options = sim::SimOptions {
        interface: options.interface,
        machines: options.machines.max(u16::try_from(options.marks.len()).unwrap_or(u16::MAX)),
        marks: options.marks,
        disk_dir: options.disk_dir,
        pace: options.pace,
        apart: Duration::from_millis(options.apart),
        worn_disk: options.worn_disk,
        liar: options.liar,
        seconds: options.seconds,
    };
    match sim::run(options) {
        Ok(summary) => {
            println!("{summary}");
            if summary.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(err) => {
            eprintln!("oxbow sim: {err}");
            ExitCode::FAILURE
        }
    }
}

fn complain(problems: &[ConfigProblem]) -> ExitCode {
    for problem in problems {
        eprintln!("oxbow: {problem}");
    }
    ExitCode::FAILURE
}
