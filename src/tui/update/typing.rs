//! Letters: typed, pasted, or sent by a scanner.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::domain::node::identity::Identity;
use crate::domain::node::lookup::named;
use crate::domain::snapshot::Snapshot;
use crate::domain::text::clean;
use crate::tui::confirm;
use crate::tui::input::barcode::ScannedLabel;
use crate::tui::input::keymap::KeyPlace;
use crate::tui::msg::UiEffect;
use crate::tui::pane::Pane;
use crate::tui::popup::Popup;
use crate::tui::state::Screen;
use crate::tui::state::form::{FormField, LineOutcome};
use crate::tui::style::theme::Meaning;
use crate::tui::update::go_to;

pub(super) fn type_letter(screen: &mut Screen, key: KeyEvent) {
    let KeyCode::Char(letter) = key.code else { return };
    if key.modifiers.difference(KeyModifiers::SHIFT).is_empty() {
        type_text(screen, &letter.to_string());
    }
}

fn type_text(screen: &mut Screen, text: &str) {
    let Some((field, limit)) = screen.field() else { return };
    let room = limit.saturating_sub(field.chars().count());
    field.extend(text.chars().filter(|letter| !letter.is_control()).take(room));
}

/// Other words find other things: the first of them is looked at.
pub(super) fn from_the_first(screen: &mut Screen) {
    match &mut screen.popup {
        Some(Popup::Commands { at, .. }) => *at = 0,
        Some(Popup::Help { scrolled, .. }) => *scrolled = 0,
        Some(
            Popup::Question { .. }
            | Popup::Typed { .. }
            | Popup::Choice { .. }
            | Popup::Notice { .. }
            | Popup::Order(_),
        )
        | None => {}
    }
}

/// Text that was pasted or scanned goes where text is typed, and nowhere else.
pub(super) fn paste(screen: &mut Screen, bench: &Snapshot, text: &str) -> Option<UiEffect> {
    if screen.place() == KeyPlace::Form && text.trim_end_matches([' ', '\t']).contains(['\r', '\n']) {
        let outcome = screen.form.pasted(text, screen.now, bench);
        return come_of(screen, outcome);
    }
    if screen.field().is_none() {
        screen.say(Meaning::Notice, "what was pasted does nothing here: 2 registers machines, 3 imports lists");
        return None;
    }
    type_text(screen, &clean(text, PASTED));
    None
}

/// A code was scanned where letters are keys: the machine is shown, or offered to be registered.
pub(super) fn scanned(screen: &mut Screen, bench: &Snapshot, text: &str) -> Option<UiEffect> {
    let code = clean(text, SCANNED);
    if screen.popup.is_some() {
        screen.say(Meaning::Warning, format!("{code} was scanned: answer this first, then scan it again"));
        return Some(UiEffect::Bell);
    }
    let wish = match ScannedLabel::read(text) {
        Ok(label) => label.registration(),
        Err(why) => {
            screen.say(Meaning::Warning, format!("scanned: {why}"));
            return Some(UiEffect::Bell);
        }
    };
    let known = named(&bench.nodes, text).ok().or(match bench.index.settle(&bench.nodes, &wish.claims()) {
        Identity::Known(id) => Some(id),
        Identity::New | Identity::Conflict(_) => None,
    });
    let Some(node) = known.and_then(|id| bench.nodes.get(&id)) else {
        match wish.judge(screen.now, &bench.nodes, &bench.index) {
            Ok(_) => screen.popup = Some(confirm::register(&code, wish, bench)),
            Err(why) => screen.say(Meaning::Warning, format!("{code}: {why}")),
        }
        return Some(UiEffect::Bell);
    };
    if screen.listing.position(node.id).is_none() {
        screen.filter.clear();
    }
    let page = if let Pane::Node(_) = screen.pane { Pane::Node(node.id) } else { Pane::Nodes };
    go_to(screen, page);
    screen.chosen = Some(node.id);
    screen.say(Meaning::Notice, format!("{code}: {}, {}", clean(&node.label(), SCANNED), node.phase.word()));
    None
}

/// A line of the scanner, or a field, is complete.
pub(super) fn entered(screen: &mut Screen, bench: &Snapshot) -> Option<UiEffect> {
    let outcome = match screen.form.field {
        FormField::Scan => screen.form.scanned(screen.now, bench),
        FormField::Profile => screen.form.register(screen.now, bench),
        FormField::Serial
        | FormField::Uuid
        | FormField::Mac
        | FormField::Name
        | FormField::Hostname
        | FormField::Site => {
            screen.form.step(false);
            LineOutcome::Nothing
        }
    };
    come_of(screen, outcome)
}

/// To the next field; a scanner may end its line so.
pub(super) fn tab(screen: &mut Screen, bench: &Snapshot) -> Option<UiEffect> {
    if screen.form.field == FormField::Scan && !screen.form.text(FormField::Scan).is_empty() {
        return entered(screen, bench);
    }
    screen.form.step(false);
    None
}

fn come_of(screen: &mut Screen, outcome: LineOutcome) -> Option<UiEffect> {
    match outcome {
        LineOutcome::Nothing => None,
        LineOutcome::Do(effect) => Some(effect),
        LineOutcome::Bell => Some(UiEffect::Bell),
        LineOutcome::Wrong => {
            screen.say(Meaning::Warning, "not registered: correct what the form complains of");
            Some(UiEffect::Bell)
        }
        LineOutcome::Known(id) => {
            // The pane stays, so that the next scan is no key; the table has the node chosen.
            screen.filter.clear();
            screen.chosen = Some(id);
            Some(UiEffect::Bell)
        }
    }
}

/// Letters of a code that are shown.
const SCANNED: usize = 60;
/// Letters of a line that is pasted.
const PASTED: usize = 4096;
