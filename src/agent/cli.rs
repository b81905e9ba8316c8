//! Commands for a person at the machine's shell. Nothing here writes to a disk or restarts anything.

use lexopt::prelude::{Long, Short, Value};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::boot_args::BootArgs;
use super::linux::Linux;
use super::machine::{Machine, Survey};
use super::station::StationClient;
use super::station::backoff::RetryPolicy;
use crate::domain::machine::disk::{DiskRule, Transport, in_bytes};
use crate::protocol::{AgentJob, HelloReply};

/// A parsed command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CliRequest {
    /// Nothing: the machine is to be installed, as the kernel's command line says.
    Install,
    Help,
    Version,
    /// Show which disk this rule would choose for an image of this size.
    Discover(DiskRule, u64),
    /// Show what would be written to which disk, with these arguments instead of the kernel command line.
    DryRun(Option<String>),
}

pub const HELP: &str = "\
oxbow-agent                     install this machine as the kernel command line says, then restart it
oxbow-agent discover            show this machine, its disks and their contents, and the disk that would be written
  --rule KEY=VALUE              use this rule, as in a profile's [disk]; repeat for each key
                                transport=nvme,sata  pick=smallest  min_bytes=32000000000  max_bytes=...
                                model=A*,B*  serial=...  wwn=...  protect=...
  --needs BYTES                 assume an image of this size
oxbow-agent write --dry-run     ask the station what would be written and to which disk; writes nothing
  --cmdline WORDS               use these arguments instead of the kernel command line
oxbow-agent --help, --version";

/// Reads the program's arguments, its name not among them.
pub fn parse(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> Result<CliRequest, String> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let (mut command, mut is_dry_run, mut words) = (String::new(), false, None);
    let (mut rule, mut needs) = (DiskRule::default(), 0);
    let usage_error = |error: lexopt::Error| error.to_string();
    while let Some(argument) = parser.next().map_err(usage_error)? {
        match argument {
            Short('h') | Long("help") => return Ok(CliRequest::Help),
            Short('V') | Long("version") => return Ok(CliRequest::Version),
            Value(name) if command.is_empty() => command = name.to_string_lossy().into_owned(),
            Long("rule") if command == "discover" => {
                rule = with_key(&rule, &parser.value().map_err(usage_error)?.to_string_lossy())?;
            }
            Long("needs") if command == "discover" => {
                let bytes = parser.value().map_err(usage_error)?;
                needs = bytes
                    .to_string_lossy()
                    .parse()
                    .map_err(|_| format!("--needs {bytes:?} is not a number of bytes"))?;
            }
            Long("dry-run") if command == "write" => is_dry_run = true,
            Long("cmdline") if command == "write" => {
                words = Some(parser.value().map_err(usage_error)?.to_string_lossy().into_owned());
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    match (command.as_str(), is_dry_run) {
        ("", _) => Ok(CliRequest::Install),
        ("discover", _) => Ok(CliRequest::Discover(rule, needs)),
        ("write", true) => Ok(CliRequest::DryRun(words)),
        ("write", false) => {
            Err("write needs --dry-run here, which shows what would be written; oxbow-agent without arguments \
                                 installs this machine"
                .to_owned())
        }
        (other, _) => Err(format!("unknown command {other:?}")),
    }
}

/// `rule` with one key more, as a profile has it.
fn with_key(rule: &DiskRule, text: &str) -> Result<DiskRule, String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("--rule {text:?} is not KEY=VALUE"))?;
    let value = match key {
        "pick" => json!(value),
        "min_bytes" | "max_bytes" => json!(value.parse::<u64>().map_err(|_| format!("{key}={value} is not a number"))?),
        _ => json!(value.split(',').collect::<Vec<_>>()),
    };
    let mut all = serde_json::to_value(rule).map_err(|error| error.to_string())?;
    all[key] = value;
    let rule: DiskRule = read(all).map_err(|error| format!("--rule {text:?}: {error}"))?;
    if rule.transport.contains(&Transport::Unknown) {
        return Err(format!("--rule {text:?}: unknown transport"));
    }
    rule.nonsense().map_or(Ok(rule), |(_, why)| Err(why))
}

fn read<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, serde_json::Error> {
    serde_json::from_value(value)
}

/// The machine's identity and disks, and the disk that the rule chooses.
pub fn discovery_report(survey: &Survey, rule: &DiskRule, needs: u64) -> String {
    let Survey { claims, disks, remarks, .. } = survey;
    let mut lines = vec![format!("this machine is {}", super::name(claims))];
    if let Some(uuid) = &claims.uuid {
        lines.push(format!("uuid {uuid}"));
    }
    lines.extend(claims.macs.iter().map(|mac| format!("network card {mac}")));
    for disk in disks {
        lines.push(format!("disk {disk}"));
        lines.extend(disk.volumes.iter().map(|volume| format!("  holds {volume}")));
    }
    lines.extend(remarks.iter().map(|remark| format!("note: {remark}")));
    lines.push(match rule.choose(disks, needs) {
        Ok(disk) => format!("the rule chooses {disk}"),
        Err(no) => format!("the rule chooses none: {no}"),
    });
    lines.join("\n")
}

/// Asks the station what this machine would get; returns what would be done, or why nothing would.
pub fn dry_run(boot_args: &BootArgs, machine: &dyn Machine) -> Result<String, String> {
    let station = StationClient::new(boot_args, machine.dialer(), &RetryPolicy::default());
    let survey = machine.survey(boot_args.boot_nic);
    match station.job().map_err(|trouble| format!("{trouble} ({})", station.url()))? {
        HelloReply::Job(job) => describe_job(&job, &survey),
        HelloReply::Later { reason, .. } => Err(format!("the station asks this machine to wait: {reason}")),
        HelloReply::Ended { reason } => Err(format!("nothing to do: {reason}")),
        HelloReply::Unknown => Err("the station's answer is newer than this agent and cannot be understood".to_owned()),
    }
}

fn describe_job(job: &AgentJob, survey: &Survey) -> Result<String, String> {
    let disk = job.disk.choose(&survey.disks, job.disk_bytes).map_err(|no| no.to_string())?;
    let image = job.image.rsplit('/').next().unwrap_or(&job.image);
    let mut lines = vec![
        format!("profile {}", job.profile),
        format!("image {image}, {} to transfer, sha256 {}", in_bytes(job.bytes), job.sha256),
        format!("would write {} to {disk}, starting at its first byte", in_bytes(job.disk_bytes)),
    ];
    lines.extend(disk.volumes.iter().map(|volume| format!("  which now holds {volume}")));
    lines.extend(job.warnings.iter().map(|warning| format!("note: {warning}")));
    lines.push(format!("then {}", job.after.words()));
    lines.push("nothing was written".to_owned());
    Ok(lines.join("\n"))
}

/// Runs a command on this machine.
pub fn answer(asked: &CliRequest) -> Result<String, String> {
    match asked {
        CliRequest::Help | CliRequest::Install => Ok(HELP.to_owned()),
        CliRequest::Version => Ok(concat!("oxbow-agent ", env!("CARGO_PKG_VERSION")).to_owned()),
        CliRequest::Discover(rule, needs) => Ok(discovery_report(&Linux.survey(None), rule, *needs)),
        CliRequest::DryRun(words) => {
            let boot_args = match words {
                Some(words) => words.parse().map_err(|no: super::boot_args::BadBootArgs| no.to_string())?,
                None => Linux.boot_args().map_err(|no| no.to_string())?,
            };
            dry_run(&boot_args, &Linux)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::machine::disk::{Disk, DiskVolume, Pick};

    fn ask(words: &str) -> Result<CliRequest, String> {
        parse(words.split_whitespace().map(Into::into))
    }

    fn survey() -> Survey {
        let disk = |path: &str, bytes| Disk { path: path.into(), transport: Transport::Sata, bytes, ..Disk::default() };
        let mut small = disk("/dev/sda", 64_000_000_000);
        small.volumes = vec![DiskVolume { name: "data".into(), label: "photos".into(), ..DiskVolume::default() }];
        let mut survey = Survey { disks: vec![small, disk("/dev/sdb", 500_000_000_000)], ..Survey::default() };
        survey.claims.serial = "FB-0042".parse().ok();
        survey
    }

    #[test]
    fn what_is_asked_is_understood_or_said_to_be_wrong() {
        assert_eq!(ask(""), Ok(CliRequest::Install));
        assert_eq!(ask("discover --help"), Ok(CliRequest::Help));
        assert_eq!(ask("write --dry-run"), Ok(CliRequest::DryRun(None)));
        for (words, says) in [
            ("write", "write needs --dry-run here"),
            ("discover --dry-run", "--dry-run"),
            ("install", "unknown command \"install\""),
            ("discover --rule pick", "is not KEY=VALUE"),
            ("discover --rule pikc=smallest", "pikc"),
            ("discover --rule transport=tape", "tape"),
            ("discover --needs much", "is not a number of bytes"),
        ] {
            let error = ask(words).expect_err(words);
            assert!(error.contains(says), "{words}: {error}");
        }
    }

    #[test]
    fn a_rule_is_written_as_in_a_profile() {
        let asked = ask("discover --rule pick=largest --rule transport=nvme,sata --rule min_bytes=5 --needs 7");
        let transport = vec![Transport::Nvme, Transport::Sata];
        let rule = DiskRule { pick: Pick::Largest, transport, min_bytes: 5, ..DiskRule::default() };
        assert_eq!(asked, Ok(CliRequest::Discover(rule, 7)));
    }

    #[test]
    fn a_person_at_the_shell_reads_who_it_is_what_its_disks_hold_and_which_would_be_written() {
        let rule = DiskRule { pick: Pick::Smallest, ..DiskRule::default() };
        assert_eq!(
            discovery_report(&survey(), &rule, 0),
            "this machine is serial FB-0042\n\
             disk /dev/sda (sata, 64.0 GB)\n\
             \x20 holds \"data\", label \"photos\"\n\
             disk /dev/sdb (sata, 500.0 GB)\n\
             the rule chooses /dev/sda (sata, 64.0 GB)"
        );
        let none = discovery_report(&survey(), &DiskRule::default(), 0);
        assert!(none.contains("the rule chooses none: 2 disks fit"), "{none}");
    }
}
