//! What the command line asks becomes commands for the hub, and the hub's word becomes a sentence.

use tokio::sync::mpsc;

use super::list;
use crate::clock;
use crate::domain::batch::WHOLE_BENCH;
use crate::domain::command::{Approval, Command, Registration, Resolution, Undo};
use crate::domain::ids::{MacAddr, NodeId, ProfileId};
use crate::domain::node::edit::{Edit, Set};
use crate::domain::node::lookup::{Unclear, named};
use crate::domain::node::phase::Phase;
use crate::domain::node::question::Question;
use crate::domain::node::{Node, quirk_file};
use crate::domain::refusal::Refusal;
use crate::domain::snapshot::Snapshot;
use crate::domain::station::dhcp::{DhcpChoice, Mode};
use crate::domain::station::service::{ServiceName, ServiceState};
use crate::domain::text;
use crate::inbox::Input;
use crate::protocol::batch::BatchRow;
use crate::protocol::control::{ControlReply, ControlRequest, How, RegisterRequest};
use crate::protocol::nodes::NodeRow;
use crate::protocol::station::StationNow;
use crate::service::ServiceContext;

/// Where answers go. Nobody listening any more is no fault.
pub(super) type Answers = mpsc::Sender<ControlReply>;

/// Answers `ask`, behind which `bytes` came.
pub(super) async fn answer(context: &ServiceContext, ask: ControlRequest, bytes: Vec<u8>, to: Answers) {
    let last = match ask {
        ControlRequest::Import(wanted) => list::import(context, wanted, bytes, &to).await,
        ask => told(context, ask, &to).await.unwrap_or_else(refused),
    };
    let _nobody_listens = to.send(last).await;
}

/// Carries a command out and says how it went; `said` when it is done.
pub(super) async fn carry_out(context: &ServiceContext, command: Command, said: String) -> ControlReply {
    match context.inbox.ask(|done| Input::Command(command, done)).await {
        Some(Ok(())) => ControlReply::Done { said },
        Some(Err(refusal)) => ControlReply::Refused { why: refusal.to_string(), hint: None },
        None => ControlReply::Failed {
            problem: "the station is stopping".into(),
            hint: "ask again when it has stopped".into(),
        },
    }
}

/// A batch or the whole bench, and the machines if they are wanted.
async fn batch(bench: &Snapshot, number: Option<u32>, with_units: bool, is_bench: bool, to: &Answers) -> ControlReply {
    let now = clock::now();
    let found = if is_bench { Some(BatchRow::of_bench(bench, now)) } else { BatchRow::of(bench, number, now) };
    let Some((row, units)) = found else {
        let why = match number {
            Some(number) => format!("there is no batch {number} among the latest"),
            None => "no batch was ever opened here".into(),
        };
        return ControlReply::Refused { why, hint: Some("`oxbow batch open NAME` opens one".into()) };
    };
    let units = units.into_iter().filter(|_| with_units).map(|unit| ControlReply::Unit(Box::new(unit)));
    for answer in std::iter::once(ControlReply::Batch(Box::new(row))).chain(units) {
        if to.send(answer).await.is_err() {
            break;
        }
    }
    ControlReply::Done { said: String::new() }
}

async fn told(context: &ServiceContext, ask: ControlRequest, to: &Answers) -> Result<ControlReply, Unclear> {
    let bench = context.snapshot();
    let find = |which: &str| named(&bench.nodes, which).map(|id| (id, label(&bench, id)));
    let (command, said) = match ask {
        ControlRequest::Nodes => return Ok(nodes(&bench, to).await),
        ControlRequest::Node { which } => {
            return match (find(&which), which.parse()) {
                (Ok((id, _)), _) => Ok(node(&bench, id, to).await),
                (Err(_), Ok(mac)) if bench.doctor.trail(mac).is_some() => Ok(stranger(&bench, mac, to).await),
                (Err(unclear), _) => Err(unclear),
            };
        }
        ControlRequest::Capture { which } => return capture(context, &bench, &which, to).await,
        ControlRequest::Station => {
            let now = StationNow::of(&bench, clock::now());
            let _nobody_listens = to.send(ControlReply::Station(Box::new(now))).await;
            return Ok(ControlReply::Done { said: String::new() });
        }
        ControlRequest::Policy => {
            return Ok(ControlReply::Done { said: format!("{}: {}", bench.policy, bench.policy.meaning()) });
        }
        ControlRequest::Dhcp => return Ok(ControlReply::Done { said: dhcp(&bench) }),
        ControlRequest::Register(wish) => return Ok(register(context, wish).await),
        ControlRequest::Edit { which, edit } => {
            let id = find(&which)?.0;
            return Ok(edited(context, &bench, id, edit).await);
        }
        ControlRequest::Assign { which, profile } => {
            let (node, label) = find(&which)?;
            let said = format!("{label} is to get {}", profile_in_words(profile.as_ref()));
            (Command::Assign { node, profile }, said)
        }
        ControlRequest::Rearm { which } => {
            let (node, label) = find(&which)?;
            (Command::Rearm { node }, format!("{label} will be installed when it boots from the network"))
        }
        ControlRequest::Forget { which } => {
            let (node, label) = find(&which)?;
            (Command::Forget { nodes: vec![node] }, format!("{label} is forgotten"))
        }
        ControlRequest::Approve { which: None, profile, .. } => {
            let waiting = bench.nodes.values().filter(|node| waits(node)).count();
            let said = format!("approved {}", counted(waiting, "machine"));
            (Command::Approve { nodes: Approval::All, profile }, said)
        }
        ControlRequest::Approve { which: Some(which), profile, by, asked } => {
            let (node, label) = find(&which)?;
            if let Some(to) = bench.nodes.get(&node).and_then(|node| node.question()).cloned() {
                if let Some(refused) = not_to_this(&label, &to, &asked) {
                    return Ok(refused);
                }
                if profile.is_some() {
                    return Ok(ControlReply::Refused {
                        why: format!("{label} asks: {to}"),
                        hint: Some(ANOTHER.into()),
                    });
                }
                let said = format!("{label}: yes to: {to}");
                let by = format!("{} at the command line", by.as_deref().unwrap_or("somebody"));
                return Ok(carry_out(context, Command::Consent { node, to, by }, said).await);
            }
            if !asked.is_empty() {
                return Ok(ControlReply::Refused { why: Refusal::NothingAsked(label).to_string(), hint: None });
            }
            (Command::Approve { nodes: Approval::One(node), profile }, format!("{label} is approved"))
        }
        ControlRequest::Resolve { which, how } => {
            let (node, label) = find(&which)?;
            let Some(how) = resolution(how) else { return Ok(unknown()) };
            (Command::Resolve { node, how }, format!("the conflict over {label} is resolved"))
        }
        ControlRequest::Quirks { export } => return Ok(quirks(&bench, export, to).await),
        ControlRequest::ChooseLoader { which, loader } => {
            let (node, label) = find(&which)?;
            let what = loader.as_ref().map_or("the usual boot program".to_owned(), ToString::to_string);
            let said = format!("{label} is to load {what} at its next network boot");
            (Command::ChooseLoader { node, loader }, said)
        }
        ControlRequest::SetPolicy { policy } => (Command::SetPolicy(policy), format!("{policy}: {}", policy.meaning())),
        ControlRequest::SetDhcp { choice } => {
            let answer = carry_out(context, Command::SetDhcp(choice), format!("{choice}: {}", choice.meaning())).await;
            return Ok(match answer {
                ControlReply::Refused { why, .. } if choice != DhcpChoice::Proxy => ControlReply::Refused {
                    why,
                    hint: Some("unplug the other server, or work beside it as a proxy".into()),
                },
                answer => answer,
            });
        }
        ControlRequest::UndoImport { idle } => {
            let scope = if idle { Undo::Idle } else { Undo::All };
            let Some(deed) = bench.last_import() else { return Ok(nothing_to_undo()) };
            (Command::Undo { deed: deed.at, scope }, format!("{deed} is undone"))
        }
        ControlRequest::Undo => {
            let Some(deed) = bench.deeds.last() else { return Ok(nothing_to_undo()) };
            (Command::Undo { deed: deed.at, scope: Undo::All }, format!("{deed} is undone"))
        }
        ControlRequest::Batch { number, units, or_bench } => {
            let has_none = bench.batches.is_empty() && number.is_none();
            let is_bench = number == Some(WHOLE_BENCH) || or_bench && has_none;
            return Ok(batch(&bench, number, units, is_bench, to).await);
        }
        ControlRequest::OpenBatch { order } => {
            let said = format!("the batch {} is open", text::clean(&order.name, 80));
            (Command::OpenBatch(order), said)
        }
        ControlRequest::CloseBatch => {
            let answer = carry_out(context, Command::CloseBatch, "the batch is closed".into()).await;
            if matches!(answer, ControlReply::Done { .. })
                && let Some((row, _)) = BatchRow::of(&context.snapshot(), None, clock::now())
            {
                let _nobody_listens = to.send(ControlReply::Batch(Box::new(row))).await;
            }
            return Ok(answer);
        }
        ControlRequest::Import(_) | ControlRequest::Unknown => return Ok(unknown()),
    };
    Ok(carry_out(context, command, said).await)
}

/// Why a yes that names these questions is none to `to`: who types it may have read another, or none.
fn not_to_this(label: &str, to: &Question, asked: &[String]) -> Option<ControlReply> {
    let (mark, now) = (to.mark(), to.to_string());
    if asked.contains(&mark) {
        return None;
    }
    let why = if asked.is_empty() {
        format!("{label} asks: {now}")
    } else {
        Refusal::AskedAnew { label: label.to_owned(), now }.to_string()
    };
    Some(ControlReply::Refused { why, hint: Some(format!("to say yes to just that, add: --asked {mark}")) })
}

/// What DHCP is and why, and what it is to be if that is something else.
fn dhcp(bench: &Snapshot) -> String {
    let Some(mode) = bench.dhcp.mode else {
        let down = bench.services.iter().find(|service| service.name == ServiceName::Dhcp);
        let why = match down.map(|service| &service.state) {
            Some(ServiceState::Down { what, .. }) => what.as_str(),
            _ => "no station is running",
        };
        let chosen = bench.dhcp_chosen.map_or("what the settings say".into(), |choice| choice.to_string());
        return format!("DHCP is not served: {why}; chosen is {chosen}");
    };
    let word = match mode {
        Mode::Authoritative => DhcpChoice::Authoritative,
        Mode::Proxy => DhcpChoice::Proxy,
    };
    let chosen = bench.dhcp.choice;
    let (by, why) = (if chosen == word { String::new() } else { format!(" (chosen: {chosen})") }, &bench.dhcp.why);
    let pool = &bench.dhcp.pool;
    let used = format!("{} of {} addresses leased, {} free", pool.leased, pool.size, pool.free());
    match mode {
        Mode::Authoritative => format!("{word}{by}: {why}; {used}"),
        Mode::Proxy => format!("{word}{by}: {why}"),
    }
}

async fn nodes(bench: &Snapshot, to: &Answers) -> ControlReply {
    for node in bench.nodes.values() {
        if to.send(ControlReply::Node(Box::new(NodeRow::of(bench, node, clock::now())))).await.is_err() {
            break;
        }
    }
    for stranger in bench.strangers(clock::now()) {
        let _nobody_listens = to.send(ControlReply::Stranger(Box::new(stranger.into()))).await;
    }
    ControlReply::Done { said: counted(bench.nodes.len(), "node") }
}

async fn node(bench: &Snapshot, id: NodeId, to: &Answers) -> ControlReply {
    if let Some(node) = bench.nodes.get(&id) {
        let _nobody_listens = to.send(ControlReply::Node(Box::new(NodeRow::of(bench, node, clock::now())))).await;
        if let Some(mac) = bench.doctor.latest(node) {
            trail(bench, mac, to).await;
        }
        for line in node.log.lines() {
            let (source, level) = (line.source.word().to_owned(), line.level.word().to_owned());
            let answer = ControlReply::Log { at: line.at.as_millis(), source, level, text: line.text.to_string() };
            let _nobody_listens = to.send(answer).await;
        }
    }
    ControlReply::Done { said: label(bench, id) }
}

/// A machine that is no node, and what it did.
async fn stranger(bench: &Snapshot, mac: MacAddr, to: &Answers) -> ControlReply {
    if let Some(known) = bench.strangers(clock::now()).into_iter().find(|known| known.mac == mac) {
        let _nobody_listens = to.send(ControlReply::Stranger(Box::new(known.into()))).await;
    }
    trail(bench, mac, to).await;
    ControlReply::Done { said: mac.to_string() }
}

async fn trail(bench: &Snapshot, mac: MacAddr, to: &Answers) {
    for entry in bench.doctor.trail(mac).into_iter().flat_map(|trail| trail.entries()) {
        let (at, text) = (entry.first.as_millis(), text::clean(&entry.what.to_string(), VALUE_LIMIT));
        let _nobody_listens = to.send(ControlReply::Trail { at, times: entry.times, text }).await;
    }
}

/// Sends the capture file of a node, or of a card that is no node's, piece by piece.
async fn capture(
    context: &ServiceContext,
    bench: &Snapshot,
    which: &str,
    to: &Answers,
) -> Result<ControlReply, Unclear> {
    let (macs, label) = match which.parse::<MacAddr>() {
        Ok(mac) if bench.doctor.trail(mac).is_some() => (vec![mac], mac.to_string()),
        _ => {
            let id = named(&bench.nodes, which)?;
            (bench.nodes.get(&id).map(|node| node.macs.clone()).unwrap_or_default(), label(bench, id))
        }
    };
    let Some(file) = context.inbox.ask(|done| Input::Capture(macs, done)).await.flatten() else {
        let why = format!("no packet of {label} is kept: the station that runs has not seen it on the network");
        return Ok(ControlReply::Refused {
            why,
            hint: Some("switch it on, and ask again when it has tried to boot".into()),
        });
    };
    for piece in file.chunks(PIECE) {
        let piece = piece.iter().map(|byte| format!("{byte:02x}")).collect();
        if to.send(ControlReply::Packets { piece }).await.is_err() {
            break;
        }
    }
    Ok(ControlReply::Done { said: format!("{} bytes of packets of {label}", file.len()) })
}

async fn quirks(bench: &Snapshot, export: bool, to: &Answers) -> ControlReply {
    let quirks = &bench.catalogue.quirks;
    let (texts, said) = if export {
        let texts = quirk_file::export(quirks, &bench.nodes);
        let said = counted(texts.len(), "row");
        (texts, said)
    } else {
        (quirk_file::listing(quirks), format!("{} in force", counted(quirks.rows.len(), "row")))
    };
    for text in texts {
        let _nobody_listens = to.send(ControlReply::Text { text }).await;
    }
    ControlReply::Done { said }
}

async fn register(context: &ServiceContext, wish: RegisterRequest) -> ControlReply {
    let RegisterRequest { name, hostname, macs, uuid, serial, profile, metadata } = wish;
    let name = name.map(|name| text::clean(&name, NAME_LIMIT)).filter(|name| !name.is_empty());
    let clean = |(key, value): (String, String)| (text::clean(&key, NAME_LIMIT), text::clean(&value, VALUE_LIMIT));
    let metadata = metadata.into_iter().map(clean).filter(|(key, value)| !key.is_empty() && !value.is_empty());
    let wish = Registration { name, hostname, macs, uuid, serial, profile, metadata: metadata.collect() };
    let (claims, label) = (wish.claims(), wish.label());
    let answer = carry_out(context, Command::Register(wish), String::new()).await;
    let ControlReply::Done { .. } = answer else { return answer };
    let bench = context.snapshot();
    match bench.index.settle(&bench.nodes, &claims) {
        crate::domain::node::identity::Identity::Known(id) => {
            ControlReply::Done { said: format!("{label} is registered as #{id}") }
        }
        _ => ControlReply::Done { said: format!("{label} is registered") },
    }
}

async fn edited(context: &ServiceContext, bench: &Snapshot, node: NodeId, mut edit: Edit) -> ControlReply {
    let label = label(bench, node);
    edit.name = tidied(edit.name, NAME_LIMIT);
    edit.metadata = edit.metadata.into_iter().map(|(key, value)| (key, tidied(value, VALUE_LIMIT))).collect();
    let judged = bench.nodes.get(&node).map(|known| edit.judge(clock::now(), known, &bench.nodes, &bench.index));
    let changes = match judged {
        Some(Ok(changes)) => changes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        // The hub says why not.
        Some(Err(_)) | None => String::new(),
    };
    let said = if changes.is_empty() { format!("{label} is so already") } else { format!("{label}: {changes}") };
    carry_out(context, Command::Edit { node, edit }, said).await
}

fn tidied(text: Set<String>, limit: usize) -> Set<String> {
    match text {
        Set::To(text) => Some(text::clean(&text, limit)).filter(|text| !text.is_empty()).map_or(Set::Clear, Set::To),
        kept => kept,
    }
}

fn nothing_to_undo() -> ControlReply {
    ControlReply::Refused { why: Refusal::NothingToUndo.to_string(), hint: None }
}

/// Whether `oxbow nodes approve --all` is about it, as [`Command::Approve`] sees it.
fn waits(node: &Node) -> bool {
    !node.is_vouched_for() && matches!(node.phase, Phase::Held { .. })
}

fn label(bench: &Snapshot, id: NodeId) -> String {
    bench.nodes.get(&id).map_or_else(|| format!("node {id}"), |node| node.label())
}

fn profile_in_words(profile: Option<&ProfileId>) -> String {
    profile.map_or("the default profile".into(), |id| format!("profile {id}"))
}

fn resolution(how: How) -> Option<Resolution> {
    match how {
        How::ForgetOthers => Some(Resolution::ForgetOthers),
        How::MoveIdentifiers => Some(Resolution::MoveIdentifiers),
        How::TellApart => Some(Resolution::TellApart),
        How::Unknown => None,
    }
}

/// `1 node`, `12 nodes`.
pub(super) fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn refused(unclear: Unclear) -> ControlReply {
    ControlReply::Refused { hint: Some(unclear.hint().into()), why: unclear.to_string() }
}

fn unknown() -> ControlReply {
    let problem = format!("this station, oxbow {}, does not know that request", env!("CARGO_PKG_VERSION"));
    ControlReply::Failed { problem, hint: "use the oxbow that the station was started with".into() }
}

const ANOTHER: &str = "give it the other profile first: `oxbow nodes assign`; it asks again by itself";
/// Bytes of a capture file that are sent at once.
const PIECE: usize = 8 * 1024;
/// Characters of a name or a key; an import has the same.
const NAME_LIMIT: usize = 64;
const VALUE_LIMIT: usize = 2000;
