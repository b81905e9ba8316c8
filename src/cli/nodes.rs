//! `oxbow nodes`, `oxbow policy` and `oxbow dhcp`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::Subcommand;

use super::connection::{Conversation, StationArgs};
use super::print;
use crate::clock;
use crate::config::ConfigProblem;
use crate::domain::doctor::verdict::Severity;
use crate::domain::ids::{Hostname, MacAddr, ProfileId, Serial, SystemUuid};
use crate::domain::machine::inventory::Inventory;
use crate::domain::node::edit::{Edit, SITE, Set};
use crate::domain::node::question::who;
use crate::domain::station::policy::Policy;
use crate::domain::text;
use crate::domain::time::{Timestamp, in_words};
use crate::export::client::capture_of;
use crate::protocol::control::{ControlReply, ControlRequest, How, RegisterRequest};
use crate::protocol::nodes::{NodeRow, StrangerRow, VerdictRow};

/// Nodes are named by number (#7), name, serial, UUID or MAC address.
#[derive(Debug, clap::Args)]
pub(super) struct Nodes {
    #[command(flatten)]
    place: StationArgs,
    /// Print JSON, as GET /api/v1/nodes does
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: Option<NodesCommand>,
}

#[derive(Debug, Subcommand)]
enum NodesCommand {
    /// List every node, one per line (what `oxbow nodes` alone does too)
    List,
    /// Show one node and its latest events; also a MAC address that belongs to no node
    Show { node: String },
    /// Register a machine before it is seen, by serial, UUID or MAC address
    Register(Register),
    /// Correct what is known about a node; an empty value clears it
    Edit {
        node: String,
        #[command(flatten)]
        edit: Correction,
    },
    /// Undo the latest forget, edit or import, within a minute
    Undo,
    /// Give a node a profile; `default` for the default profile
    Assign { node: String, profile: String },
    /// Choose a node's boot program, a file of the boot files; `auto` for the usual one
    Loader { node: String, program: String },
    /// Install at the next network boot
    Rearm {
        #[arg(required = true)]
        nodes: Vec<String>,
    },
    /// Drop nodes and everything known about them; `undo` restores them within a minute
    Forget {
        #[arg(required = true)]
        nodes: Vec<String>,
    },
    /// Let waiting machines continue: unregistered, about to write a disk, or not as expected
    Approve {
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        nodes: Vec<String>,
        /// All unregistered machines that wait
        #[arg(long)]
        all: bool,
        /// With this profile
        #[arg(long)]
        profile: Option<ProfileId>,
        /// The question that is answered with yes, where a machine asks one: the mark that `nodes show` prints, one for
        /// each such machine
        #[arg(long, value_name = "MARK", value_delimiter = ',', conflicts_with = "all")]
        asked: Vec<String>,
    },
    /// Save the latest packets of a node, or of a MAC address, for Wireshark
    Capture {
        node: String,
        /// The file to write [default: NODE.pcap in the current directory]
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Settle a conflict between a machine and nodes
    Resolve { node: String, how: ResolveWay },
}

#[derive(Debug, clap::Args)]
struct Register {
    #[arg(long, required_unless_present_any = ["uuid", "mac"])]
    serial: Option<Serial>,
    #[arg(long)]
    uuid: Option<SystemUuid>,
    /// A MAC address; may be repeated
    #[arg(long)]
    mac: Vec<MacAddr>,
    #[arg(long)]
    profile: Option<ProfileId>,
    /// What people call it
    #[arg(long)]
    name: Option<String>,
    /// The host name of its operating system
    #[arg(long)]
    hostname: Option<Hostname>,
    /// Other information to keep; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct Correction {
    #[arg(long, value_parser = set::<Serial>)]
    serial: Option<Set<Serial>>,
    #[arg(long, value_parser = set::<SystemUuid>)]
    uuid: Option<Set<SystemUuid>>,
    /// A MAC address; may be repeated. These are then all its addresses
    #[arg(long, value_parser = set::<MacAddr>)]
    mac: Vec<Set<MacAddr>>,
    /// A profile; empty for the default one
    #[arg(long, value_parser = set::<ProfileId>)]
    profile: Option<Set<ProfileId>>,
    /// What people call it
    #[arg(long, value_parser = set::<String>)]
    name: Option<Set<String>>,
    /// The host name of its operating system
    #[arg(long, value_parser = set::<Hostname>)]
    hostname: Option<Set<Hostname>>,
    /// The same as --metadata Site=SITE
    #[arg(long, value_parser = set::<String>)]
    site: Option<Set<String>>,
    /// Other information to keep; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair_to_set)]
    metadata: Vec<(String, Set<String>)>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ResolveWay {
    /// It is the node; the others in the conflict are forgotten
    ForgetOthers,
    /// It is the node; the identifiers it showed become the node's
    MoveIdentifiers,
    /// It is none of them; identifiers it shares with them no longer identify anybody
    TellApart,
}

/// The policy for machines that boot from the network without being registered.
#[derive(Debug, clap::Args)]
pub(super) struct PolicyArgs {
    #[command(flatten)]
    place: StationArgs,
    /// default: they get the default profile; hold: they wait for approval; refuse: they get nothing; allow-list: they
    /// boot from their own disk
    policy: Option<Policy>,
}

/// The DHCP mode: who gives the network's addresses.
#[derive(Debug, clap::Args)]
pub(super) struct DhcpArgs {
    #[command(flatten)]
    place: StationArgs,
    /// show: the mode now, and why; authoritative: the station gives addresses; proxy: the site's DHCP server does;
    /// auto: proxy where another server answers
    #[arg(value_parser = ["show", "authoritative", "proxy", "auto"])]
    choice: Option<String>,
}

pub(super) fn run(nodes: &Nodes) -> ExitCode {
    let asks = match asks(nodes.what.as_ref().unwrap_or(&NodesCommand::List)) {
        Ok(asks) => asks,
        Err(why) => {
            print::problem(&why, Some("`oxbow nodes --help` explains it"));
            return ExitCode::from(print::FAILED);
        }
    };
    let mut bench = match Conversation::open(&nodes.place, asks.iter().all(ControlRequest::is_question)) {
        Ok(bench) => bench,
        Err(problems) => return print::failed(&problems),
    };
    let mut code = ExitCode::SUCCESS;
    for ask in asks {
        let (question, many) = (ask.is_question(), ask == ControlRequest::Nodes);
        let capture = matches!(ask, ControlRequest::Capture { .. });
        let (mut rows, mut log, mut strangers, mut trail) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut packets = String::new();
        let hear = |answer| match answer {
            ControlReply::Node(row) => rows.push(*row),
            ControlReply::Stranger(row) => strangers.push(*row),
            ControlReply::Trail { at, times, text } => trail.push((at, times, text)),
            ControlReply::Packets { piece } => packets.push_str(&piece),
            ControlReply::Log { at, source, level, text } => log.push((at, source, level, text)),
            ControlReply::Flaw(_)
            | ControlReply::Row(_)
            | ControlReply::Counts(_)
            | ControlReply::Errors { .. }
            | ControlReply::Station(_)
            | ControlReply::Batch(_)
            | ControlReply::Unit(_)
            | ControlReply::Text { .. }
            | ControlReply::Working { .. }
            | ControlReply::Done { .. }
            | ControlReply::Refused { .. }
            | ControlReply::Failed { .. }
            | ControlReply::Unknown => {}
        };
        match bench.ask(ask, &[], hear) {
            Ok(ControlReply::Done { .. }) if capture => {
                if let Err(problem) = keep(nodes.what.as_ref(), &packets) {
                    return print::failed(&[problem]);
                }
            }
            Ok(ControlReply::Done { .. }) if question && nodes.json => json(&rows, many),
            Ok(ControlReply::Done { .. }) if many => {
                table(&rows);
                verdicts(&rows, &strangers);
            }
            Ok(ControlReply::Done { .. }) if question => {
                rows.iter().for_each(details);
                verdicts(&[], &strangers);
                for (at, times, text) in trail {
                    let times = if times > 1 { format!(" x{times}") } else { String::new() };
                    print::line(&format!("{}{times} {text}", moment(Timestamp::from_millis(at))));
                }
                for (at, source, level, text) in log {
                    print::line(&format!("{} {source} {level} {text}", moment(Timestamp::from_millis(at))));
                }
            }
            // A refusal sets the exit status; the other nodes are handled all the same.
            Ok(answer) => {
                let ended = print::outcome(&answer);
                if !matches!(answer, ControlReply::Done { .. }) {
                    code = ended;
                }
            }
            Err(problem) => return print::failed(&[problem]),
        }
    }
    code
}

pub(super) fn policy(options: &PolicyArgs) -> ExitCode {
    say_once(
        &options.place,
        options.policy.map_or(ControlRequest::Policy, |policy| ControlRequest::SetPolicy { policy }),
    )
}

pub(super) fn dhcp(options: &DhcpArgs) -> ExitCode {
    let choice = options.choice.as_deref().and_then(|word| word.parse().ok());
    say_once(&options.place, choice.map_or(ControlRequest::Dhcp, |choice| ControlRequest::SetDhcp { choice }))
}

/// Sends one request and prints how it went.
fn say_once(place: &StationArgs, ask: ControlRequest) -> ExitCode {
    let mut bench = match Conversation::open(place, ask.is_question()) {
        Ok(bench) => bench,
        Err(problems) => return print::failed(&problems),
    };
    match bench.ask(ask, &[], drop) {
        Ok(answer) => print::outcome(&answer),
        Err(problem) => print::failed(&[problem]),
    }
}

/// What is asked of the bench, one thing after the other.
fn asks(what: &NodesCommand) -> Result<Vec<ControlRequest>, String> {
    let each = |nodes: &[String], ask: fn(String) -> ControlRequest| nodes.iter().cloned().map(ask).collect();
    Ok(match what {
        NodesCommand::List => vec![ControlRequest::Nodes],
        NodesCommand::Show { node } => vec![ControlRequest::Node { which: node.clone() }],
        NodesCommand::Register(register) => vec![ControlRequest::Register(register.wish())],
        NodesCommand::Edit { node, edit } => vec![ControlRequest::Edit { which: node.clone(), edit: edit.edit() }],
        NodesCommand::Undo => vec![ControlRequest::Undo],
        NodesCommand::Assign { node, profile } => {
            let profile = match profile.as_str() {
                "default" => None,
                name => Some(name.parse().map_err(|err| format!("profile {name:?}: {err}"))?),
            };
            vec![ControlRequest::Assign { which: node.clone(), profile }]
        }
        NodesCommand::Capture { node, .. } => vec![ControlRequest::Capture { which: node.clone() }],
        NodesCommand::Loader { node, program } => {
            let loader = match program.as_str() {
                "auto" => None,
                name => Some(name.parse()?),
            };
            vec![ControlRequest::ChooseLoader { which: node.clone(), loader }]
        }
        NodesCommand::Rearm { nodes } => each(nodes, |which| ControlRequest::Rearm { which }),
        NodesCommand::Forget { nodes } => each(nodes, |which| ControlRequest::Forget { which }),
        NodesCommand::Approve { nodes, all, profile, asked } => {
            let by = who(|name| std::env::var(name).ok());
            let approve = |which| ControlRequest::Approve {
                which,
                profile: profile.clone(),
                by: by.clone(),
                asked: asked.clone(),
            };
            if *all { vec![approve(None)] } else { nodes.iter().cloned().map(Some).map(approve).collect() }
        }
        NodesCommand::Resolve { node, how } => {
            let how = match how {
                ResolveWay::ForgetOthers => How::ForgetOthers,
                ResolveWay::MoveIdentifiers => How::MoveIdentifiers,
                ResolveWay::TellApart => How::TellApart,
            };
            vec![ControlRequest::Resolve { which: node.clone(), how }]
        }
    })
}

impl Register {
    fn wish(&self) -> RegisterRequest {
        RegisterRequest {
            name: self.name.clone(),
            hostname: self.hostname.clone(),
            macs: self.mac.clone(),
            uuid: self.uuid,
            serial: self.serial.clone(),
            profile: self.profile.clone(),
            metadata: self.metadata.iter().cloned().collect::<BTreeMap<_, _>>(),
        }
    }
}

impl Correction {
    fn edit(&self) -> Edit {
        let macs: Vec<MacAddr> = self.mac.iter().filter_map(|mac| mac.value().copied()).collect();
        let site = self.site.clone().map(|site| (SITE.to_owned(), site));
        Edit {
            serial: self.serial.clone().unwrap_or_default(),
            uuid: self.uuid.clone().unwrap_or_default(),
            macs: match (self.mac.is_empty(), macs.is_empty()) {
                (true, _) => Set::Keep,
                (false, true) => Set::Clear,
                (false, false) => Set::To(macs),
            },
            profile: self.profile.clone().unwrap_or_default(),
            name: self.name.clone().unwrap_or_default(),
            hostname: self.hostname.clone().unwrap_or_default(),
            metadata: self.metadata.iter().cloned().chain(site).collect(),
        }
    }
}

/// A value, or none to clear what is known.
fn set<T: FromStr>(text: &str) -> Result<Set<T>, T::Err> {
    if text.trim().is_empty() { Ok(Set::Clear) } else { text.parse().map(Set::To) }
}

fn pair_to_set(text: &str) -> Result<(String, Set<String>), String> {
    let (key, value) = text.split_once('=').ok_or("write it as site=ulm")?;
    let key = key.trim();
    if key.is_empty() {
        return Err("write it as site=ulm".into());
    }
    set(value.trim()).map(|value| (key.to_owned(), value)).map_err(|never| match never {})
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()));
    pair.filter(|(key, value)| !key.is_empty() && !value.is_empty()).ok_or_else(|| "write it as site=ulm".into())
}

fn json(rows: &[NodeRow], many: bool) {
    let json = match rows {
        [one] if !many => serde_json::to_string_pretty(one),
        rows => serde_json::to_string_pretty(rows),
    };
    print::raw(&print::escaped(&format!("{}\n", json.unwrap_or_default())));
}

fn table(rows: &[NodeRow]) {
    let now = clock::now();
    let titles = ["NODE", "NAME", "SERIAL", "MAC", "PROFILE", "PHASE", "SEEN"].map(str::to_owned);
    let mut lines = vec![titles];
    lines.extend(rows.iter().map(|row| {
        let cells = [
            format!("#{}", row.id),
            row.name.clone(),
            or_dash(row.serial.as_ref()),
            or_dash(row.mac),
            row.profile.as_ref().map_or("(default)".into(), ToString::to_string),
            phase(row),
            row.last_seen
                .map_or("never".into(), |at| format!("{} ago", in_words(now.since(Timestamp::from_millis(at))))),
        ];
        cells.map(|cell| crate::domain::text::clean(&cell, CELL_LIMIT))
    }));
    let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    print::raw(&text);
    if rows.is_empty() {
        print::note("no node is known yet\n");
    }
}

/// Who does not boot and why, below the table.
fn verdicts(rows: &[NodeRow], strangers: &[StrangerRow]) {
    let said = |who: &str, verdict: &VerdictRow| {
        print::line(&format!("{who}: {}", verdict.what));
        print::raw(&format!("  hint: {}\n", print::clean(&verdict.hint)));
    };
    for (name, verdict) in rows.iter().filter_map(|row| Some((&row.name, row.verdict.as_ref()?))) {
        said(name, verdict);
    }
    for StrangerRow { mac, verdict, .. } in strangers {
        said(&format!("{mac} (no node)"), verdict);
    }
}

/// Writes a capture file that came as hexadecimal digits.
fn keep(what: Option<&NodesCommand>, digits: &str) -> Result<(), ConfigProblem> {
    let Some(NodesCommand::Capture { node, out }) = what else { return Ok(()) };
    let bytes = capture_of(digits);
    let path = out.clone().unwrap_or_else(|| format!("{}.pcap", text::file_name(node)).into());
    std::fs::write(&path, &bytes).map_err(|err| ConfigProblem {
        what: format!("cannot write {}: {err}", path.display()),
        hint: "name another file with --out".into(),
    })?;
    print::line(&format!("saved in {}: open it in Wireshark, or read it with tcpdump -vr", path.display()));
    Ok(())
}

fn phase(row: &NodeRow) -> String {
    match (row.percent, &row.reason) {
        (Some(percent), None) if row.phase == "writing" || row.phase == "verifying" => {
            format!("{} {percent}%", row.phase)
        }
        _ => row.phase.clone(),
    }
}

fn details(row: &NodeRow) {
    let place = |stage: &String| format!("{} at {stage}", row.phase);
    let macs = row.macs.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let facts = [
        ("node", format!("#{} {}", row.id, row.name)),
        ("phase", row.stage.as_ref().map_or_else(|| phase(row), place)),
        ("reason", row.reason.clone().unwrap_or_default()),
        ("asks", row.question.clone().unwrap_or_default()),
        (
            "yes by",
            row.asked
                .as_ref()
                .map(|mark| format!("oxbow nodes approve '#{}' --asked {mark}", row.id))
                .unwrap_or_default(),
        ),
        (noticed(row), row.verdict.as_ref().map(|it| format!("{}: {}", it.stage, it.what)).unwrap_or_default()),
        ("hint", row.verdict.as_ref().map(|it| it.hint.clone()).unwrap_or_default()),
        ("profile", row.profile.as_ref().map_or("(default)".into(), ToString::to_string)),
        ("serial", row.serial.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("UUID", row.uuid.map(|uuid| uuid.to_string()).unwrap_or_default()),
        ("MAC", macs),
        ("host name", row.hostname.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("made by", [&row.manufacturer, &row.product].into_iter().flatten().cloned().collect::<Vec<_>>().join(" ")),
        ("address", row.address.map(|address| address.to_string()).unwrap_or_default()),
        ("registered", if row.registered { "yes" } else { "no" }.into()),
        ("list", row.listed.clone().unwrap_or_default()),
        ("runs", row.runs.to_string()),
        ("seen", row.last_seen.map_or("never".into(), |at| moment(Timestamp::from_millis(at)))),
    ];
    let warnings = row.warnings.iter().map(|warning| ("warning", warning.clone()));
    let parts = row.inventory.iter().flat_map(Inventory::facts);
    let disks = row.disks.iter().map(|disk| ("disk", disk.in_full()));
    let facts: Vec<(&str, String)> = facts.into_iter().chain(warnings).chain(parts).chain(disks).collect();
    for (what, fact) in facts.iter().filter(|(_, fact)| !fact.is_empty()) {
        print::raw(&format!("{what:11}{}\n", print::clean(fact)));
    }
    for (key, value) in &row.metadata {
        print::line(&format!("{key}: {value}"));
    }
}

/// What stands before a verdict: not all are on a machine that has stopped.
fn noticed(row: &NodeRow) -> &'static str {
    let is_notice = row.verdict.as_ref().is_some_and(|verdict| verdict.severity == Severity::Notice.word());
    if is_notice { "noticed at" } else { "stopped at" }
}

fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or("-".into(), |value| value.to_string())
}

/// In the workstation's time zone.
fn moment(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(at.as_millis()).unwrap_or_default()).unwrap_or_default();
    at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Characters of a cell of the table.
const CELL_LIMIT: usize = 40;
