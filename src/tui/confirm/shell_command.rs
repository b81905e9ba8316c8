//! What is about to be done, as a command of the shell: who learns it here can write it into a script.

use crate::domain::batch::BatchOrder;
use crate::domain::batch::export::{Export, ReportFormat};
use crate::domain::command::{Approval, Command, Registration, Resolution, Undo};
use crate::domain::ids::NodeId;
use crate::domain::node::lookup::named;
use crate::domain::snapshot::Snapshot;
use crate::domain::text::clean;
use crate::tui::msg::{HubAction, HubRequest, UiEffect};

/// The `oxbow …` that does the same, where there is one.
pub fn command(effect: &UiEffect, bench: &Snapshot) -> Option<String> {
    let what = match effect {
        UiEffect::Ask(HubRequest { what, .. }) => what,
        UiEffect::Write { paper, .. } => return Some(written(paper, bench)),
        UiEffect::Files(_) | UiEffect::DropPaper | UiEffect::Bell | UiEffect::Replay(_) | UiEffect::Quit => {
            return None;
        }
    };
    let words = match what {
        HubAction::One(command) => one(command, bench)?,
        HubAction::Each(commands) => each(commands, bench)?,
        HubAction::Import { path, .. } => vec!["import".into(), shell_word(&clean(&path.to_string_lossy(), PATH))],
        HubAction::Capture { .. } => return None,
    };
    Some(format!("oxbow {}", words.join(" ")))
}

fn written(paper: &Export, bench: &Snapshot) -> String {
    match paper {
        Export::Report { number, formats } => {
            let number = number.map(|number| format!("--batch {number} ")).unwrap_or_default();
            let words: Vec<&str> = formats.iter().map(|format| format.word()).collect();
            let formats = if words.len() == ReportFormat::ALL.len() {
                String::new()
            } else {
                format!("--format {} ", words.join(","))
            };
            format!("oxbow report {number}{formats}DIRECTORY")
        }
        Export::List => "oxbow export FILE".into(),
        Export::Support { nodes } => {
            let nodes: String = nodes.iter().map(|node| format!("--node {} ", name(*node, bench))).collect();
            format!("oxbow support {nodes}FILE")
        }
    }
}

fn one(command: &Command, bench: &Snapshot) -> Option<Vec<String>> {
    let nodes = |verb: &str, rest: Vec<String>| Some([vec!["nodes".to_owned(), verb.to_owned()], rest].concat());
    let name = |node: &NodeId| name(*node, bench);
    match command {
        Command::Register(registration) => nodes("register", marks(registration)),
        Command::Assign { node, profile } => {
            nodes("assign", vec![name(node), profile.as_ref().map_or("default".into(), ToString::to_string)])
        }
        Command::ChooseLoader { node, loader } => {
            nodes("loader", vec![name(node), loader.as_ref().map_or("auto".into(), ToString::to_string)])
        }
        Command::Rearm { node } => nodes("rearm", vec![name(node)]),
        Command::Forget { nodes: all } => nodes("forget", few(all.iter().map(name).collect())),
        Command::Approve { nodes: Approval::One(node), profile: None } => nodes("approve", vec![name(node)]),
        Command::Approve { nodes: Approval::All, profile: None } => nodes("approve", vec!["--all".into()]),
        Command::Approve { .. } => None,
        Command::Consent { node, to, .. } => nodes("approve", vec![name(node), ASKED.into(), to.mark()]),
        Command::Resolve { node, how } => {
            let how = match how {
                Resolution::ForgetOthers => "forget-others",
                Resolution::MoveIdentifiers => "move-identifiers",
                Resolution::TellApart => "tell-apart",
            };
            nodes("resolve", vec![name(node), how.into()])
        }
        Command::Undo { scope: Undo::All, .. } => nodes("undo", vec![]),
        Command::Undo { scope: Undo::Idle, .. } => Some(["import", "--undo", "--idle"].map(str::to_owned).into()),
        Command::SetPolicy(policy) => Some(vec!["policy".into(), policy.to_string()]),
        Command::SetDhcp(choice) => Some(vec!["dhcp".into(), choice.to_string()]),
        Command::OpenBatch(order) => Some(opened(order)),
        Command::CloseBatch => Some(["batch", "close"].map(str::to_owned).into()),
        // An edit is made in its form, a list has its file.
        Command::Edit { .. } | Command::Import(_) => None,
    }
}

/// The same for several nodes, where the shell can say it at once.
fn each(commands: &[Command], bench: &Snapshot) -> Option<Vec<String>> {
    let said: Vec<Vec<String>> = commands.iter().map(|command| one(command, bench)).collect::<Option<_>>()?;
    let (nodes, verb) = said.first().and_then(|first| Some((first.first()?.clone(), first.get(1)?.clone())))?;
    let (mut names, mut marks) = (Vec::new(), Vec::new());
    for words in &said {
        match words.as_slice() {
            [_, its, name] if *its == verb => names.push(name.clone()),
            [_, its, name, asked, mark] if *its == verb && asked == ASKED => {
                names.push(name.clone());
                marks.push(mark.clone());
            }
            _ => return None,
        }
    }
    let asked = match (names.len() > NAMED, marks.len()) {
        (_, 0) => Vec::new(),
        (false, _) => vec![ASKED.to_owned(), marks.join(",")],
        (true, _) => vec![ASKED.to_owned(), "MARK,...".to_owned()],
    };
    Some([vec![nodes, verb], few(names), asked].concat())
}

fn few(names: Vec<String>) -> Vec<String> {
    if names.len() <= NAMED { names } else { vec![format!("NODE...   (the {} names)", names.len())] }
}

fn opened(BatchOrder { name, work_order, operator, list }: &BatchOrder) -> Vec<String> {
    let mut words = vec!["batch".to_owned(), "open".to_owned(), quoted(name)];
    for (flag, value) in [("work-order", work_order), ("operator", operator), ("list", list)] {
        words.extend(value.as_ref().map(|value| format!("--{flag} {}", quoted(value))));
    }
    words
}

fn marks(registration: &Registration) -> Vec<String> {
    let Registration { name, hostname, macs, uuid, serial, profile, metadata } = registration;
    let mut words = Vec::new();
    let mut say = |flag: &str, value: Option<String>| {
        words.extend(value.map(|value| format!("--{flag} {}", quoted(&value))));
    };
    say("serial", serial.as_ref().map(ToString::to_string));
    say("uuid", uuid.map(|uuid| uuid.to_string()));
    macs.iter().for_each(|mac| say("mac", Some(mac.to_string())));
    say("profile", profile.as_ref().map(ToString::to_string));
    say("name", name.clone());
    say("hostname", hostname.as_ref().map(ToString::to_string));
    metadata.iter().for_each(|(key, value)| say("metadata", Some(format!("{key}={value}"))));
    words
}

/// What the command line knows the node by: its label if that is clear, else its number.
fn name(node: NodeId, bench: &Snapshot) -> String {
    let label = bench.nodes.get(&node).map(|node| node.label()).unwrap_or_default();
    let is_clear = clean(&label, LABEL) == label && named(&bench.nodes, &label) == Ok(node);
    if is_clear { quoted(&label) } else { quoted(&format!("#{node}")) }
}

/// As a POSIX shell takes it for one word.
fn quoted(word: &str) -> String {
    shell_word(&clean(word, LABEL))
}

fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    // What begins with a dash would be a flag, whatever the quotes.
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Before the marks of what is said yes to.
const ASKED: &str = "--asked";
/// Nodes that are named.
const NAMED: usize = 5;
/// Letters of a word.
const LABEL: usize = 80;
/// Letters of a path: what Linux takes (PATH_MAX).
const PATH: usize = 4096;
