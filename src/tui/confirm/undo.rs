//! What was done last is taken back, after a question that says what that was.

use crate::domain::command::{Command, Undo};
use crate::domain::text::clean;
use crate::domain::undo::{UndoAction, UndoEntry};
use crate::tui::msg::{HubRequest, UiEffect};
use crate::tui::popup::{MenuChoice, Popup, Then};
use crate::tui::style::text::count;

/// Asks whether `deed` is taken back, and how much of it.
pub fn ask_to_undo(deed: &UndoEntry) -> Popup {
    let words = clean(&deed.to_string(), WORDS);
    let undo = |scope| {
        let command = Command::Undo { deed: deed.at, scope };
        UiEffect::Ask(HubRequest::one(command, format!("take back {words}")))
    };
    let title = format!("Take back {words}?");
    let text = match &deed.what {
        UndoAction::Import { new, changed, .. } => {
            let text = vec![format!("It made {} known and changed {changed}.", count(*new, "machine"))];
            return how_much(title, text, undo);
        }
        UndoAction::Edit { touched, .. } => touched.changes.iter().map(|it| clean(&it.to_string(), WORDS)).collect(),
        UndoAction::Forget { .. } => vec!["Registration, runs and log come back as they were.".into()],
        UndoAction::Unknown => Vec::new(),
    };
    Popup::Question { title, text, on_yes: undo(Undo::All), yes: false }
}

fn how_much(title: String, text: Vec<String>, undo: impl Fn(Undo) -> UiEffect) -> Popup {
    let choice = |words: &str, about: &str, then| MenuChoice { words: words.into(), about: about.into(), then };
    Popup::Choice {
        title,
        text,
        choices: vec![
            choice("keep it", "Nothing changes.", Then::Nothing),
            choice(
                "take all of it back",
                "Refused, with their names, when machines of it have begun to work.",
                Then::Do(undo(Undo::All)),
            ),
            choice(
                "only what has not begun",
                "Machines that have begun to work stay as the import made them.",
                Then::Do(undo(Undo::Idle)),
            ),
        ],
        at: 0,
    }
}

const WORDS: usize = 200;
