//! `oxbow-agent`: started by the initramfs, installs the machine it runs on and restarts it. A person at the machine's
//! shell may ask it some questions: `oxbow-agent --help`.

use std::error::Error as _;
use std::process::ExitCode;

use oxbow::agent::cli::{self, CliRequest};
use oxbow::agent::linux::Linux;
use oxbow::agent::{AgentConfig, run};

fn main() -> ExitCode {
    match cli::parse(std::env::args_os().skip(1)) {
        Ok(CliRequest::Install) => install(),
        Ok(asked) => match cli::answer(&asked) {
            Ok(text) => {
                println!("{text}");
                ExitCode::SUCCESS
            }
            Err(why) => failed(&why, "look at the station's screen for this machine"),
        },
        Err(why) => failed(&why, "oxbow-agent --help"),
    }
}

fn install() -> ExitCode {
    match Linux.boot_args() {
        Ok(boot_args) => {
            let outcome = run(&AgentConfig::new(boot_args), &Linux);
            println!("the agent ends without a restart: {outcome:?}");
            // Whoever started the agent decides what a machine does that neither works nor restarts.
            ExitCode::FAILURE
        }
        Err(error) => {
            let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
            failed(&format!("{error}{cause}"), "boot this machine from the network, from the station")
        }
    }
}

fn failed(why: &str, hint: &str) -> ExitCode {
    println!("oxbow-agent: {why}");
    println!("hint: {hint}");
    ExitCode::FAILURE
}
