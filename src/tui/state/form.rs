//! What is being registered by hand: a line for the scanner, and a form below it. Letters are text here, so that no scan
//! ever triggers a key.

use std::collections::VecDeque;
use std::str::FromStr;

use crate::domain::command::Command;
use crate::domain::ids::{BadId, Hostname, NodeId, ProfileId};
use crate::domain::node::Node;
use crate::domain::node::edit::{Edit, SITE, Set};
use crate::domain::node::registration::{Judgement, Registration};
use crate::domain::snapshot::Snapshot;
use crate::domain::text::clean;
use crate::domain::time::Timestamp;
use crate::tui::input::barcode::ScannedLabel;
use crate::tui::msg::{HubAction, HubReply, HubRequest, UiEffect};
use crate::tui::pane::Pane;
use crate::tui::style::text::count;

/// The state of the pane.
#[derive(Clone, Debug, Default)]
pub struct Form {
    pub field: FormField,
    texts: [String; 7],
    /// What whoever is registered gets; none for the default. It stays until it is changed.
    pub profile: Option<ProfileId>,
    /// Labels have two codes: serial and MAC address.
    pub two_codes: bool,
    /// The first code of a label that has two.
    pub half: Option<ScannedLabel>,
    /// What was registered, the latest first.
    pub entries: VecDeque<FormEntry>,
    /// The texts and the profile before somebody began to edit a node; none where machines are registered.
    was: Option<([String; 7], Option<ProfileId>)>,
}

/// A node that is being edited.
#[derive(Clone, Debug)]
pub struct Editing {
    pub node: NodeId,
    pub form: Form,
    /// Where it was begun.
    pub back: Pane,
}

/// A line of the form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FormField {
    #[default]
    Scan,
    Serial,
    Uuid,
    Mac,
    Name,
    Hostname,
    Site,
    Profile,
}

impl FormField {
    pub const ALL: [FormField; 8] =
        [Self::Scan, Self::Serial, Self::Uuid, Self::Mac, Self::Name, Self::Hostname, Self::Site, Self::Profile];

    pub fn title(self) -> &'static str {
        match self {
            Self::Scan => "Scan",
            Self::Serial => "Serial",
            Self::Uuid => "UUID",
            Self::Mac => "MAC",
            Self::Name => "Name",
            Self::Hostname => "Hostname",
            Self::Site => "Site",
            Self::Profile => "Profile",
        }
    }
}

/// Something that was to be registered, and what has become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormEntry {
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
    pub fn text(&self, field: FormField) -> &str {
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
        let fields = self.fields();
        let at = fields.iter().position(|field| *field == self.field).unwrap_or(0);
        let to = if back { at + fields.len() - 1 } else { at + 1 };
        self.field = fields[to % fields.len()];
    }

    /// A node that is edited is not scanned.
    pub fn fields(&self) -> &'static [FormField] {
        if self.was.is_some() { &FormField::ALL[1..] } else { &FormField::ALL }
    }

    /// What is known of `node`, to be corrected.
    pub fn of(node: &Node) -> Self {
        let macs: Vec<String> = node.macs.iter().map(ToString::to_string).collect();
        let texts = [
            String::new(),
            node.serial.as_ref().map(ToString::to_string).unwrap_or_default(),
            node.uuid.map(|uuid| uuid.to_string()).unwrap_or_default(),
            macs.join(" "),
            node.name.clone().unwrap_or_default(),
            node.hostname.as_ref().map(ToString::to_string).unwrap_or_default(),
            node.metadata.get(&site_key(node)).cloned().unwrap_or_default(),
        ];
        let was = Some((texts.clone(), node.profile.clone()));
        Self { field: FormField::Serial, texts, profile: node.profile.clone(), was, ..Self::default() }
    }

    /// What the form makes of `node`: fields that nobody has touched stay as they are by now. None while something in it
    /// is wrong.
    pub fn edit(&self, node: &Node) -> Option<Edit> {
        let (texts, profile) = self.was.as_ref()?;
        let touched = |field: FormField| texts[field as usize].trim() != self.text(field).trim();
        let words = |field: FormField| match clean(self.text(field), NAME) {
            _ if !touched(field) => Set::Keep,
            words if words.is_empty() => Set::Clear,
            words => Set::To(words),
        };
        let macs = macs(self.text(FormField::Mac)).ok()?;
        Some(Edit {
            serial: set(touched(FormField::Serial), read(self.text(FormField::Serial)).ok()?),
            uuid: set(touched(FormField::Uuid), read(self.text(FormField::Uuid)).ok()?),
            macs: set(touched(FormField::Mac), (!macs.is_empty()).then_some(macs)),
            profile: set(self.profile != *profile, self.profile.clone()),
            name: words(FormField::Name),
            hostname: set(touched(FormField::Hostname), read(self.text(FormField::Hostname)).ok()?),
            metadata: [(site_key(node), words(FormField::Site))].into(),
        })
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
    pub fn complaint(&self, field: FormField) -> Option<BadId> {
        let text = self.text(field).trim();
        let read = match field {
            FormField::Serial => read::<crate::domain::ids::Serial>(text).err(),
            FormField::Uuid => read::<crate::domain::ids::SystemUuid>(text).err(),
            FormField::Mac => macs(text).err(),
            FormField::Hostname => read::<Hostname>(text).err(),
            FormField::Scan | FormField::Name | FormField::Site | FormField::Profile => None,
        };
        read.filter(|_| !text.is_empty())
    }

    /// What the form says; none while something in it is wrong.
    pub fn registration(&self) -> Option<Registration> {
        let [name, site] = [FormField::Name, FormField::Site].map(|field| clean(self.text(field), NAME));
        Some(Registration {
            serial: read(self.text(FormField::Serial)).ok()?,
            uuid: read(self.text(FormField::Uuid)).ok()?,
            macs: macs(self.text(FormField::Mac)).ok()?,
            name: (!name.is_empty()).then_some(name),
            hostname: read(self.text(FormField::Hostname)).ok()?,
            profile: self.profile.clone(),
            metadata: Some(site)
                .filter(|site| !site.is_empty())
                .map(|site| (SITE.to_owned(), site))
                .into_iter()
                .collect(),
        })
    }

    /// Takes the line of the scanner, which has ended.
    pub fn scanned(&mut self, now: Timestamp, bench: &Snapshot) -> LineOutcome {
        let text = std::mem::take(&mut self.texts[FormField::Scan as usize]);
        self.take_label(&text, now, bench)
    }

    /// Takes lines that were pasted, each a label.
    pub fn pasted(&mut self, text: &str, now: Timestamp, bench: &Snapshot) -> LineOutcome {
        let lines = text.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty());
        let outcomes: Vec<LineOutcome> = lines.map(|line| self.take_label(line, now, bench)).collect();
        let mut commands = Vec::new();
        let mut last = LineOutcome::Nothing;
        for outcome in outcomes {
            match outcome {
                LineOutcome::Do(UiEffect::Ask(HubRequest { what: HubAction::One(command), .. })) => {
                    commands.push(command)
                }
                LineOutcome::Nothing => {}
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
                LineOutcome::Do(UiEffect::Ask(HubRequest {
                    what: HubAction::Each(commands),
                    deed: format!("{REGISTER}{what}"),
                }))
            }
        }
    }

    /// Registers what the form says.
    pub fn register(&mut self, now: Timestamp, bench: &Snapshot) -> LineOutcome {
        let Some(wish) = self.registration() else { return LineOutcome::Wrong };
        let outcome = self.submit(wish, now, bench);
        if !matches!(outcome, LineOutcome::Wrong) {
            self.texts = Default::default();
            self.field = FormField::Serial;
        }
        outcome
    }

    /// What has become of a registration. Says whether it was one of this form's.
    pub fn answered(&mut self, answer: &HubReply) -> bool {
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

    fn take_label(&mut self, text: &str, now: Timestamp, bench: &Snapshot) -> LineOutcome {
        let label = match ScannedLabel::read(text) {
            Ok(label) => label,
            Err(why) => {
                self.enter(clean(text, NAME), Entered::Refused(why.to_string()));
                return LineOutcome::Bell;
            }
        };
        let label = match (self.half.take(), label.is_empty()) {
            (None, true) => return LineOutcome::Nothing,
            (Some(half), true) => half,
            (None, false) if self.two_codes && !label.is_complete() => {
                self.half = Some(label);
                return LineOutcome::Nothing;
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
                        return LineOutcome::Bell;
                    }
                }
            }
        };
        let wish = Registration { profile: self.profile.clone(), ..label.registration() };
        self.submit(wish, now, bench)
    }

    fn submit(&mut self, wish: Registration, now: Timestamp, bench: &Snapshot) -> LineOutcome {
        let what = clean(&wish.label(), NAME);
        match wish.judge(now, &bench.nodes, &bench.index) {
            Err(why) if what.is_empty() => {
                self.enter("nothing".into(), Entered::Refused(why.to_string()));
                LineOutcome::Wrong
            }
            Err(why) => {
                self.enter(what, Entered::Refused(why.to_string()));
                LineOutcome::Bell
            }
            Ok(Judgement::Same(id) | Judgement::Changes(id, _)) => {
                let said =
                    bench.nodes.get(&id).map(|node| format!("{}, {}", clean(&node.label(), NAME), node.phase.word()));
                self.enter(what, Entered::Known(said.unwrap_or_default()));
                LineOutcome::Known(id)
            }
            Ok(Judgement::New { .. }) => {
                let deed = format!("{REGISTER}{what}");
                self.enter(what, Entered::UnderWay);
                LineOutcome::Do(UiEffect::Ask(HubRequest::one(Command::Register(wish), deed)))
            }
        }
    }

    fn enter(&mut self, what: String, state: Entered) {
        self.entries.push_front(FormEntry { what, state });
        self.entries.truncate(ENTRIES);
    }
}

/// What came of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineOutcome {
    Nothing,
    Do(UiEffect),
    /// It was heard and refused: a person who looks at the machine, not at the screen, is to hear it.
    Bell,
    /// This node is the machine already.
    Known(NodeId),
    /// The form is not ready: the field says why.
    Wrong,
}

fn set<T>(touched: bool, value: Option<T>) -> Set<T> {
    match (touched, value) {
        (false, _) => Set::Keep,
        (true, None) => Set::Clear,
        (true, Some(value)) => Set::To(value),
    }
}

/// What the node's list called the place where it will stand.
fn site_key(node: &Node) -> String {
    let known = node.metadata.keys().find(|key| key.eq_ignore_ascii_case(SITE));
    known.cloned().unwrap_or_else(|| SITE.to_owned())
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
