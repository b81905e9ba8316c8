//! What is being registered by hand: a line for the scanner, and a form below it. Letters are text here, so that no scan
//! ever triggers a key.

use std::collections::VecDeque;
use std::str::FromStr;

use crate::domain::command::Command;
use crate::domain::ids::{BadId, NodeId, ProfileId};
use crate::domain::registration::{Judgement, Registration};
use crate::domain::snapshot::Snapshot;
use crate::domain::text::clean;
use crate::domain::time::Timestamp;
use crate::tui::msg::{Answer, Ask, Effect, What};
use crate::tui::scan::Label;
use crate::tui::words::count;

/// The state of the pane.
#[derive(Clone, Debug, Default)]
pub struct Form {
    pub field: Field,
    texts: [String; 5],
    /// What whoever is registered gets; none for the default. It stays until it is changed.
    pub profile: Option<ProfileId>,
    /// Labels have two codes: serial and MAC address.
    pub two_codes: bool,
    /// The first code of a label that has two.
    pub half: Option<Label>,
    /// What was registered, the latest first.
    pub entries: VecDeque<Entry>,
}

/// A line of the form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Field {
    #[default]
    Scan,
    Serial,
    Uuid,
    Mac,
    Name,
    Profile,
}

impl Field {
    pub const ALL: [Field; 6] = [Self::Scan, Self::Serial, Self::Uuid, Self::Mac, Self::Name, Self::Profile];

    pub fn title(self) -> &'static str {
        match self {
            Self::Scan => "Scan",
            Self::Serial => "Serial",
            Self::Uuid => "UUID",
            Self::Mac => "MAC",
            Self::Name => "Name",
            Self::Profile => "Profile",
        }
    }

    fn stepped(self, steps: usize) -> Self {
        Self::ALL[(self as usize + steps) % Self::ALL.len()]
    }
}

/// Something that was to be registered, and what has become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub what: String,
    pub state: Entered,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entered {
    UnderWay,
    Registered,
    /// It was known already: in these words.
    Known(String),
    Refused(String),
}

impl Form {
    pub fn text(&self, field: Field) -> &str {
        self.texts.get(field as usize).map_or("", String::as_str)
    }

    /// The text that letters are added to; a profile is chosen, not typed.
    pub fn field(&mut self) -> Option<&mut String> {
        self.texts.get_mut(self.field as usize)
    }

    pub fn is_empty(&self) -> bool {
        self.texts.iter().all(String::is_empty)
    }

    pub fn step(&mut self, back: bool) {
        self.field = self.field.stepped(if back { Field::ALL.len() - 1 } else { 1 });
    }

    /// The next profile that a registration can name, or the default.
    pub fn other_profile(&mut self, bench: &Snapshot, back: bool) {
        let all: Vec<Option<&ProfileId>> =
            [None].into_iter().chain(bench.catalogue.profiles.keys().map(Some)).collect();
        let at = all.iter().position(|id| *id == self.profile.as_ref()).unwrap_or(0);
        let to = if back { at + all.len() - 1 } else { at + 1 };
        self.profile = all[to % all.len()].cloned();
    }

    /// What is wrong with the text of a field; nothing is wrong with an empty one.
    pub fn complaint(&self, field: Field) -> Option<BadId> {
        let text = self.text(field).trim();
        let read = match field {
            Field::Serial => read::<crate::domain::ids::Serial>(text).err(),
            Field::Uuid => read::<crate::domain::ids::SystemUuid>(text).err(),
            Field::Mac => macs(text).err(),
            Field::Scan | Field::Name | Field::Profile => None,
        };
        read.filter(|_| !text.is_empty())
    }

    /// What the form says; none while something in it is wrong.
    pub fn registration(&self) -> Option<Registration> {
        let name = clean(self.text(Field::Name), NAME);
        Some(Registration {
            serial: read(self.text(Field::Serial)).ok()?,
            uuid: read(self.text(Field::Uuid)).ok()?,
            macs: macs(self.text(Field::Mac)).ok()?,
            name: (!name.is_empty()).then_some(name),
            profile: self.profile.clone(),
            ..Registration::default()
        })
    }

    /// Takes the line of the scanner, which has ended.
    pub fn scanned(&mut self, now: Timestamp, bench: &Snapshot) -> Outcome {
        let text = std::mem::take(&mut self.texts[Field::Scan as usize]);
        self.take_label(&text, now, bench)
    }

    /// Takes lines that were pasted, each a label.
    pub fn pasted(&mut self, text: &str, now: Timestamp, bench: &Snapshot) -> Outcome {
        let lines = text.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty());
        let outcomes: Vec<Outcome> = lines.map(|line| self.take_label(line, now, bench)).collect();
        let mut commands = Vec::new();
        let mut last = Outcome::Nothing;
        for outcome in outcomes {
            match outcome {
                Outcome::Do(Effect::Ask(Ask { what: What::One(command), .. })) => commands.push(command),
                Outcome::Nothing => {}
                other => last = other,
            }
        }
        match commands.len() {
            0 => last,
            number => {
                // One answer for all of them.
                self.entries.retain(|entry| entry.state != Entered::UnderWay);
                let what = count(number, "machine");
                self.enter(what.clone(), Entered::UnderWay);
                Outcome::Do(Effect::Ask(Ask { what: What::Each(commands), deed: format!("{REGISTER}{what}") }))
            }
        }
    }

    /// Registers what the form says.
    pub fn register(&mut self, now: Timestamp, bench: &Snapshot) -> Outcome {
        let Some(wish) = self.registration() else { return Outcome::Wrong };
        let outcome = self.submit(wish, now, bench);
        if !matches!(outcome, Outcome::Wrong) {
            self.texts = Default::default();
            self.field = Field::Serial;
        }
        outcome
    }

    /// What has become of a registration. Says whether it was one of this form's.
    pub fn answered(&mut self, answer: &Answer) -> bool {
        let Some(what) = answer.deed.strip_prefix(REGISTER) else { return false };
        let mut entries = self.entries.iter_mut().rev();
        let Some(entry) = entries.find(|entry| entry.what == what && entry.state == Entered::UnderWay) else {
            return false;
        };
        entry.state = match &answer.result {
            Ok(()) => Entered::Registered,
            Err(why) => Entered::Refused(why.to_string()),
        };
        true
    }

    fn take_label(&mut self, text: &str, now: Timestamp, bench: &Snapshot) -> Outcome {
        let label = match Label::read(text) {
            Ok(label) => label,
            Err(why) => {
                self.enter(clean(text, NAME), Entered::Refused(why.to_string()));
                return Outcome::Bell;
            }
        };
        let label = match (self.half.take(), label.is_empty()) {
            (None, true) => return Outcome::Nothing,
            (Some(half), true) => half,
            (None, false) if self.two_codes && !label.is_complete() => {
                self.half = Some(label);
                return Outcome::Nothing;
            }
            (None, false) => label,
            (Some(half), false) => {
                let whole = half.clone().and(label.clone());
                match whole {
                    Ok(whole) if whole.is_complete() => whole,
                    Ok(_) | Err(_) => {
                        let what = half.registration().label();
                        let why = "its label has a second code: scan both again, or Enter alone to do without".into();
                        self.enter(what, Entered::Refused(why));
                        self.half = Some(label);
                        return Outcome::Bell;
                    }
                }
            }
        };
        let wish = Registration { profile: self.profile.clone(), ..label.registration() };
        self.submit(wish, now, bench)
    }

    fn submit(&mut self, wish: Registration, now: Timestamp, bench: &Snapshot) -> Outcome {
        let what = clean(&wish.label(), NAME);
        match wish.judge(now, &bench.nodes, &bench.index) {
            Err(why) if what.is_empty() => {
                self.enter("nothing".into(), Entered::Refused(why.to_string()));
                Outcome::Wrong
            }
            Err(why) => {
                self.enter(what, Entered::Refused(why.to_string()));
                Outcome::Bell
            }
            Ok(Judgement::Same(id) | Judgement::Changes(id, _)) => {
                let said =
                    bench.nodes.get(&id).map(|node| format!("{}, {}", clean(&node.label(), NAME), node.phase.word()));
                self.enter(what, Entered::Known(said.unwrap_or_default()));
                Outcome::Known(id)
            }
            Ok(Judgement::New { .. }) => {
                let deed = format!("{REGISTER}{what}");
                self.enter(what, Entered::UnderWay);
                Outcome::Do(Effect::Ask(Ask::one(Command::Register(wish), deed)))
            }
        }
    }

    fn enter(&mut self, what: String, state: Entered) {
        self.entries.push_front(Entry { what, state });
        self.entries.truncate(ENTRIES);
    }
}

/// What came of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Nothing,
    Do(Effect),
    /// It was heard and refused: a person who looks at the machine, not at the screen, is to hear it.
    Bell,
    /// This node is the machine already.
    Known(NodeId),
    /// The form is not ready: the field says why.
    Wrong,
}

/// A field that may be empty.
fn read<T: FromStr<Err = BadId>>(text: &str) -> Result<Option<T>, BadId> {
    if text.trim().is_empty() { Ok(None) } else { text.parse().map(Some) }
}

/// One address, or several with commas or spaces between.
fn macs(text: &str) -> Result<Vec<crate::domain::ids::MacAddr>, BadId> {
    text.split([',', ' ', ';']).filter(|part| !part.is_empty()).map(str::parse).collect()
}

/// How the deeds of this form begin.
const REGISTER: &str = "register ";
/// Letters of a name.
const NAME: usize = 60;
/// Entries that are kept.
const ENTRIES: usize = 100;
