//! `oxbow-agent`: started by the initramfs, installs the machine it runs on and restarts it.

use std::error::Error as _;
use std::process::ExitCode;

use oxbow::agent::linux::Linux;
use oxbow::agent::{Config, run};

fn main() -> ExitCode {
    match Linux.orders() {
        Ok(orders) => {
            let outcome = run(&Config::new(orders), &Linux);
            println!("the agent ends without a restart: {outcome:?}");
        }
        Err(error) => {
            let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
            println!("oxbow-agent: {error}{cause}");
            println!("hint: boot this machine from the network, from the station");
        }
    }
    // Whoever started the agent decides what a machine does that neither works nor restarts.
    ExitCode::FAILURE
}
