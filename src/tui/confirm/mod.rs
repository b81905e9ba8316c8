//! What keys ask for, in words, before it is asked: which nodes it is about, and what follows from it.
//!
//! A question carries what is done on *yes*. For more than ten nodes their number is to be typed.

pub mod allowed;
pub mod shell_command;
pub mod undo;

use std::sync::Arc;

use crate::domain::command::{Approval, Command, Registration, Resolution};
use crate::domain::ids::ProfileId;
use crate::domain::machine::claims::Contest;
use crate::domain::node::Node;
use crate::domain::node::edit::Edit;
use crate::domain::node::phase::Phase;
use crate::domain::node::question::Question;
use crate::domain::snapshot::Snapshot;
use crate::domain::station::dhcp::DhcpChoice as Dhcp;
use crate::domain::station::policy::Policy;
use crate::domain::text::{clean, file_name};
use crate::domain::time::in_words;
use crate::tui::confirm::allowed::{fits, waits};
use crate::tui::input::keymap::Action;
use crate::tui::msg::{HubAction, HubRequest, UiEffect};
use crate::tui::popup::{MenuChoice, Popup, Then};
use crate::tui::state::Screen;
use crate::tui::style::text::{count, day_and_time};

/// Asks before the nodes that are meant are installed again.
pub fn rearm(screen: &Screen, bench: &Snapshot) -> Popup {
    let meant = Meant::of(Action::Rearm, screen, bench);
    let mut text = match meant.nodes.as_slice() {
        [node] => vec![when(node).to_owned(), loss(node, bench)],
        _ => vec![
            "They are installed when they boot from the network; those whose agent waits restart now.".into(),
            "Their profiles are written to their disks; what is on the disks now is lost.".into(),
        ],
    };
    text.extend(meant.left_out("at work or armed already"));
    // What is proven to work is not lost by one key.
    let hurts = meant.nodes.iter().any(|node| node.phase.is_done());
    let what = meant.what(|node| Command::Rearm { node: node.id });
    meant.ask_about("re-arm", text, what, hurts)
}

/// Asks before the nodes that are meant are dropped.
pub fn forget(screen: &Screen, bench: &Snapshot) -> Popup {
    let meant = Meant::of(Action::Forget, screen, bench);
    let runs = count(meant.nodes.iter().map(|node| node.runs.len()).sum(), "run");
    let mut text = match meant.nodes.len() {
        1 => vec![
            format!("The node, its registration and its {runs} are dropped from this station."),
            "Its disk is not touched. If it boots from the network again, it is a machine nobody knows.".to_owned(),
        ],
        _ => vec![
            format!("The nodes, their registrations and their {runs} are dropped from this station."),
            "Their disks are not touched. If they boot from the network again, they are machines nobody knows.".into(),
        ],
    };
    text.extend(meant.left_out("at work"));
    text.push("u brings it all back within a minute.".into());
    let nodes = meant.nodes.iter().map(|node| node.id).collect();
    meant.ask_about(FORGET.trim_end(), text, HubAction::One(Command::Forget { nodes }), false)
}

/// Offers to register a machine that was scanned and that nobody knows.
pub fn register(code: &str, wish: Registration, bench: &Snapshot) -> Popup {
    let profile = match &bench.catalogue.default_profile {
        Some(id) => format!("It gets the default profile, now {id}."),
        None => "It gets the default profile once there is one.".into(),
    };
    Popup::Question {
        title: format!("No node is {code}. Register it?"),
        text: vec![
            profile,
            "To register many, or with another profile: 2.".into(),
            "It came as fast as a scanner types. If you typed it, the line is slow: press keys one by one.".into(),
        ],
        on_yes: UiEffect::Ask(HubRequest::one(Command::Register(wish), format!("register {code}"))),
        yes: false,
    }
}

/// Makes a node what the form says.
pub fn edit(node: &Node, edit: Edit) -> UiEffect {
    UiEffect::Ask(HubRequest::one(Command::Edit { node: node.id, edit }, format!("{EDIT}{}", name(node))))
}

/// Whether what was done can be taken back.
pub fn can_be_undone(deed: &str) -> bool {
    deed.starts_with(EDIT) || deed.starts_with(FORGET)
}

/// Asks before the machines that are meant, which wait for somebody's word, go on.
pub fn approve(screen: &Screen, bench: &Snapshot) -> Popup {
    ask_to_approve(&Meant::of(Action::Approve, screen, bench), screen, bench)
}

/// The same for all that wait now. One that comes later is not part of it.
pub fn approve_all(screen: &Screen, bench: &Snapshot) -> Popup {
    let nodes = bench.nodes.values().filter(|node| waits(node)).collect();
    ask_to_approve(&Meant { nodes, others: Vec::new() }, screen, bench)
}

fn ask_to_approve(meant: &Meant<'_>, screen: &Screen, bench: &Snapshot) -> Popup {
    let asked: Vec<_> = meant.nodes.iter().filter_map(|node| Some((*node, node.question()?))).collect();
    let text = match (meant.nodes.as_slice(), asked.as_slice()) {
        ([_], [(_, question)]) => what_a_yes_means(question),
        // Nobody waits for this word.
        ([node], _) if !matches!(node.phase, Phase::Registered | Phase::Held { .. }) => {
            vec!["From now on it counts as registered; nothing else about it changes.".into()]
        }
        ([node], _) => vec!["From now on it counts as registered, and goes on by itself.".into(), loss(node, bench)],
        (_, []) => vec![
            "From now on they count as registered, and go on by themselves.".to_owned(),
            "Their profiles are written to their disks; what is on the disks now is lost.".into(),
        ],
        _ => each_as_it_asks(&asked),
    };
    let text = text.into_iter().chain(meant.left_out("registered already, and ask for nothing")).collect();
    let by = format!("{} at the screen", screen.person.as_deref().unwrap_or("somebody"));
    let approve = |node: &Node| match node.question().cloned() {
        Some(to) => Command::Consent { node: node.id, to, by: by.clone() },
        None => Command::Approve { nodes: Approval::One(node.id), profile: None },
    };
    // A machine asks so before the first byte: what its disk holds is nobody's at this bench.
    let hurts = asked.iter().any(|(_, question)| matches!(question, Question::Write { .. }));
    meant.ask_about("approve", text, meant.what(approve), hurts)
}

/// What follows from a yes to what one machine asks.
fn what_a_yes_means(question: &Question) -> Vec<String> {
    match question {
        Question::Write { image, disk, .. } => vec![
            format!("{} is written to {}.", clean(image, WORDS), clean(&disk.in_full(), WORDS)),
            format!("It holds {}.", clean(&disk.holds(), WORDS)),
            "All of it is lost, and nothing brings it back.".into(),
            "This counts for this disk alone, until the machine starts anew.".into(),
        ],
        Question::Differs { profile, differences } => {
            let differences = differences.iter().map(|difference| format!("- {}", clean(difference, WORDS)));
            let first = format!("It is not what profile {profile} expects:");
            let last = "It is let pass with these differences, until it starts anew.".to_owned();
            [first].into_iter().chain(differences).chain([last]).collect()
        }
        Question::Unknown => vec![question.to_string()],
    }
}

fn each_as_it_asks(asked: &[(&Arc<Node>, &Question)]) -> Vec<String> {
    let each = asked
        .iter()
        .take(NAMED)
        .map(|(node, question)| format!("{}: {}", name(node), clean(&question.to_string(), WORDS)));
    let more = asked.len().saturating_sub(NAMED);
    let more = (more > 0).then(|| format!("and {} more, each as it asks", count(more, "node")));
    let last =
        "What is on the disks that are written is lost; who nobody has registered counts as registered.".to_owned();
    each.chain(more).chain([last]).collect()
}

/// Which profile the nodes that are meant are to get; the default is the first.
pub fn assign(screen: &Screen, bench: &Snapshot) -> Popup {
    let meant = Meant::of(Action::Assign, screen, bench);
    let of_all = meant.nodes.first().map(|node| &node.profile);
    let of_all = of_all.filter(|first| meant.nodes.iter().all(|node| node.profile == **first));
    let default = match &bench.catalogue.default_profile {
        Some(id) => format!("whatever the default is when it is installed; now {id}"),
        None => "there is none now: it gets nothing until there is one".into(),
    };
    let profiles = bench.catalogue.profiles.values();
    let named = profiles.map(|profile| (Some(profile.id.clone()), clean(&profile.title, WORDS)));
    let mut choices = Vec::new();
    let mut at = 0;
    for (profile, about) in [(None, default)].into_iter().chain(named) {
        if of_all == Some(&profile) {
            at = choices.len();
        }
        let words = profile.as_ref().map_or("the default".to_owned(), ToString::to_string);
        let words_of_it = profile.as_ref().map_or("the default profile".into(), |id| format!("profile {id}"));
        let deed = format!("give {} {words_of_it}", meant.label());
        let each = |node: &Node| Command::Assign { node: node.id, profile: profile.clone() };
        let effect = UiEffect::Ask(HubRequest { what: meant.what(each), deed });
        let then = if meant.nodes.len() > FEW {
            let title = format!("Give {} {words_of_it}?", meant.label());
            Then::Ask(Box::new(meant.typed(title, vec![about.clone()], effect)))
        } else {
            Then::Do(effect)
        };
        choices.push(MenuChoice { words, about, then });
    }
    let mut text =
        vec!["The next installation writes it; what is provisioned stays so until it is armed again.".to_owned()];
    text.extend(meant.left_out("at work"));
    Popup::Choice { title: format!("Profile for {}", meant.label()), text, choices, at }
}

/// Saves the latest packets of the nodes that are meant, in one file.
pub fn capture(screen: &Screen, bench: &Snapshot) -> Option<UiEffect> {
    let nodes = screen.meant(bench);
    let label = match nodes.as_slice() {
        [] => return None,
        [node] => name(node),
        nodes => count(nodes.len(), "node"),
    };
    let macs = nodes.iter().flat_map(|node| node.macs.iter().copied()).collect();
    let name = format!("{}-{}.pcap", file_name(&label), day_and_time(&screen.zone, screen.now));
    Some(UiEffect::Ask(HubRequest {
        what: HubAction::Capture { macs, name },
        deed: format!("save the packets of {label}"),
    }))
}

/// What becomes of machines nobody registered; the present rule is chosen at first.
pub fn policy(bench: &Snapshot) -> Popup {
    let choice = |policy: Policy| {
        let command = HubRequest::one(Command::SetPolicy(policy), format!("policy {policy}: {}", policy.meaning()));
        let now = policy == bench.policy;
        MenuChoice {
            words: if now { format!("{policy} (now)") } else { policy.to_string() },
            about: policy.meaning().into(),
            then: if now { Then::Nothing } else { Then::Do(UiEffect::Ask(command)) },
        }
    };
    Popup::Choice {
        title: "Machines nobody registered".into(),
        text: vec!["What becomes of them from now on; those that are at work go on.".into()],
        choices: Policy::ALL.into_iter().map(choice).collect(),
        at: Policy::ALL.iter().position(|policy| *policy == bench.policy).unwrap_or(0),
    }
}

/// Whose the network's addresses are to be; each choice asks once more.
pub fn dhcp(screen: &Screen, bench: &Snapshot) -> Popup {
    let now = bench.dhcp_chosen.unwrap_or(bench.dhcp.choice);
    let choice = |to: Dhcp| {
        let ask = HubRequest::one(Command::SetDhcp(to), format!("DHCP {to}: {}", to.meaning()));
        let question = Popup::Question {
            title: format!("Switch DHCP from {now} to {to}?"),
            text: what_follows(to, screen, bench),
            on_yes: UiEffect::Ask(ask),
            yes: false,
        };
        MenuChoice {
            words: if to == now { format!("{to} (now)") } else { to.to_string() },
            about: to.meaning().into(),
            then: if to == now { Then::Nothing } else { Then::Ask(Box::new(question)) },
        }
    };
    Popup::Choice {
        title: "Who gives machines their addresses?".into(),
        text: vec!["It can be changed while machines boot: no lease is lost.".into()],
        choices: Dhcp::ALL.into_iter().map(choice).collect(),
        at: Dhcp::ALL.iter().position(|choice| *choice == now).unwrap_or(0),
    }
}

fn what_follows(to: Dhcp, screen: &Screen, bench: &Snapshot) -> Vec<String> {
    let dhcp = &bench.dhcp;
    let other = dhcp.rivals.first().map(|rival| {
        let ago = in_words(screen.moment().since(rival.last));
        format!("Another DHCP server, {}, answered {ago} ago.", rival.address)
    });
    let until = dhcp.leases.first().map(|lease| in_words(lease.until.since(screen.moment())));
    let looks = "The station first looks for four seconds whether another server answers";
    let mut text = match to {
        Dhcp::Authoritative => vec![
            other.unwrap_or("No other DHCP server was heard.".into()),
            format!("{looks}: then nothing is changed. Else machines get {}.", dhcp.pool.range),
        ],
        Dhcp::Auto => vec![
            other.unwrap_or("No other DHCP server was heard.".into()),
            format!("{looks}: then it is a proxy, else machines get {}.", dhcp.pool.range),
        ],
        Dhcp::Proxy => vec![
            "From now on the site's DHCP server must give machines their addresses.".into(),
            other.unwrap_or("None was heard so far: without one no machine gets an address!".into()),
            match until {
                Some(until) => {
                    format!("Machines keep the addresses they have until their leases end, in {until} at last.")
                }
                None => "No machine has an address of the station's now.".into(),
            },
        ],
    };
    text.push("It stays so over a restart, until the setting `dhcp` is changed.".into());
    text
}

/// Both sides of a conflict, and the ways out of it.
pub fn resolve(node: &Node, bench: &Snapshot) -> Option<Popup> {
    let Contest { claims, others } = node.contested.as_ref()?;
    let label = name(node);
    let others: Vec<&Arc<Node>> = others.iter().filter_map(|id| bench.nodes.get(id)).collect();
    let mut text = vec![format!("A machine says: {}.", clean(&claims.to_string(), WORDS))];
    for side in [node].into_iter().chain(others.iter().map(|other| &***other)) {
        let known = clean(&side.claims().to_string(), WORDS);
        text.push(format!("{} ({}) is known by: {known}.", name(side), side.phase.word()));
    }
    let their_names: Vec<String> = others.iter().map(|other| name(other)).collect();
    let them = their_names.join(" and ");
    let choice = |how, words: String, about: String| {
        let deed = format!("resolve the conflict of {label}");
        let ask = HubRequest::one(Command::Resolve { node: node.id, how }, deed);
        MenuChoice { words, about, then: Then::Do(UiEffect::Ask(ask)) }
    };
    let mut choices = vec![MenuChoice {
        words: "decide later".into(),
        about: "The machine waits, and nothing is written to its disk.".into(),
        then: Then::Nothing,
    }];
    if others.is_empty() {
        choices.push(choice(
            Resolution::MoveIdentifiers,
            format!("it is {label}"),
            format!("{label} gets what the machine says of itself; what it was known by instead is no longer its."),
        ));
    } else {
        choices.push(choice(
            Resolution::MoveIdentifiers,
            format!("it is {label}, move the identifiers"),
            format!("{label} gets what the machine says of itself; nothing else is taken from {them}."),
        ));
        choices.push(choice(
            Resolution::ForgetOthers,
            format!("it is {label}, forget {them}"),
            format!("{label} gets what the machine says of itself; {them} and the runs there are dropped."),
        ));
    }
    let who = if others.is_empty() { "another machine" } else { "none of them" };
    choices.push(choice(
        Resolution::TellApart,
        format!("it is {who}, tell them apart"),
        "What they share (an adapter that is passed round, a cloned serial) identifies nobody at this bench from now on."
            .into(),
    ));
    Some(Popup::Choice { title: format!("Who is this machine? {label} is in conflict"), text, choices, at: 0 })
}

/// The nodes an action is meant for: those it can be done to, and the others.
struct Meant<'s> {
    nodes: Vec<&'s Arc<Node>>,
    others: Vec<&'s Arc<Node>>,
}

impl<'s> Meant<'s> {
    fn of(action: Action, screen: &'s Screen, bench: &'s Snapshot) -> Self {
        let fit = |node: &&Arc<Node>| fits(action, node, screen.now).is_ok();
        let (nodes, others) = screen.meant(bench).into_iter().partition(fit);
        Self { nodes, others }
    }

    /// `press-07`, or `12 nodes`.
    fn label(&self) -> String {
        match self.nodes.as_slice() {
            [node] => name(node),
            nodes => count(nodes.len(), "node"),
        }
    }

    fn left_out(&self, why: &str) -> Option<String> {
        let are = if self.others.len() == 1 { "is" } else { "are" };
        (!self.others.is_empty()).then(|| format!("{} {are} left out: {why}.", count(self.others.len(), "marked node")))
    }

    fn what(&self, command: impl Fn(&Node) -> Command) -> HubAction {
        match self.nodes.as_slice() {
            [node] => HubAction::One(command(node)),
            nodes => HubAction::Each(nodes.iter().map(|node| command(node)).collect()),
        }
    }

    /// The question whether to do this to all of them, which is answered by one key if it does not hurt.
    fn ask_about(&self, verb: &str, mut text: Vec<String>, what: HubAction, hurts: bool) -> Popup {
        if self.nodes.len() > 1 {
            let names: Vec<String> = self.nodes.iter().take(NAMED).map(|node| name(node)).collect();
            let more = self.nodes.len() - names.len();
            let and = if more > 0 { format!(" and {more} more") } else { String::new() };
            text.insert(0, format!("{}{and}", names.join(", ")));
        }
        let deed = format!("{verb} {}", self.label());
        let capital = verb[..1].to_uppercase() + &verb[1..];
        let title = format!("{capital} {}?", self.label());
        let on_yes = UiEffect::Ask(HubRequest { what, deed });
        if hurts || self.nodes.len() > FEW {
            self.typed(title, text, on_yes)
        } else {
            Popup::Question { title, text, on_yes, yes: false }
        }
    }

    fn typed(&self, title: String, text: Vec<String>, on_yes: UiEffect) -> Popup {
        let named = match self.nodes.as_slice() {
            [node] => {
                Some(name(node)).filter(|name| name.chars().all(|letter| letter == ' ' || letter.is_ascii_graphic()))
            }
            _ => None,
        };
        let wanted = named.unwrap_or_else(|| self.nodes.len().to_string());
        Popup::Typed { title, text, on_yes, wanted, typed: String::new() }
    }
}

/// When a node that is armed again is installed.
fn when(node: &Node) -> &'static str {
    match node.phase {
        Phase::Failed(_) if node.run().is_some() => {
            "It restarts now if its agent waits, else when it boots from the network."
        }
        _ => "It is installed when it boots from the network.",
    }
}

/// What is written over.
fn loss(node: &Node, bench: &Snapshot) -> String {
    let profile: Option<&ProfileId> = node.profile.as_ref().or(bench.catalogue.default_profile.as_ref());
    match profile {
        Some(profile) => format!("Profile {profile} is written to its disk; what is on the disk now is lost."),
        None => "No profile is assigned and there is no default: it gets nothing until there is one.".into(),
    }
}

fn name(node: &Node) -> String {
    clean(&node.label(), LABEL)
}

/// How deeds begin that can be taken back.
const EDIT: &str = "edit ";
const FORGET: &str = "forget ";
/// Nodes that one keystroke may act on.
const FEW: usize = 10;
/// Nodes that a question names.
const NAMED: usize = 5;
/// Letters of a node's name in a question.
const LABEL: usize = 40;
const WORDS: usize = 200;
