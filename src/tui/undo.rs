//! What was done last is taken back, after a question that says what that was.

use crate::domain::command::{Command, Undo};
use crate::domain::deed::{Deed, What};
use crate::domain::text::clean;
use crate::tui::msg::{Ask, Effect};
use crate::tui::screen::{Choice, Popup, Then};
use crate::tui::words::count;

/// Asks whether `deed` is taken back, and how much of it.
pub fn ask_to_undo(deed: &Deed) -> Popup {
    let words = clean(&deed.to_string(), WORDS);
    let undo = |scope| {
        let command = Command::Undo { deed: deed.at, scope };
        Effect::Ask(Ask::one(command, format!("take back {words}")))
    };
    let title = format!("Take back {words}?");
    let text = match &deed.what {
        What::Import { new, changed, .. } => {
            let text = vec![format!("It made {} known and changed {changed}.", count(*new, "machine"))];
            return how_much(title, text, undo);
        }
        What::Edit { touched, .. } => touched.changes.iter().map(|it| clean(&it.to_string(), WORDS)).collect(),
        What::Forget { .. } => vec!["Registration, runs and log come back as they were.".into()],
        What::Unknown => Vec::new(),
    };
    Popup::Question { title, text, on_yes: undo(Undo::All), yes: false }
}

fn how_much(title: String, text: Vec<String>, undo: impl Fn(Undo) -> Effect) -> Popup {
    let choice = |words: &str, about: &str, then| Choice { words: words.into(), about: about.into(), then };
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
