//! Every key, as one row of one table. The dispatcher, the footer, the help page and the README read it.
//!
//! A row belongs to a [`Scope`]; a [`KeyPlace`] is where the screen is, and lists the scopes that hear keys there.
//! The rows themselves are in `keymap/table.rs`.

mod key;
mod scope;
mod table;

use crate::tui::msg::ReplayControl;

pub use key::{Key, names};
pub use scope::{KeyPlace, Scope};
pub use table::BINDINGS;

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Open,
    /// Everything about the open node, without its log, and back.
    Whole,
    Back,
    ClearFilter,
    Filter,
    NextSort,
    FlipSort,
    /// Lines of this level and above.
    Level,
    /// What the one who said this line says, and nobody else.
    Only,
    Mark,
    MarkAll,
    Approve,
    ApproveAll,
    /// Say who a machine in conflict is.
    Resolve,
    Rearm,
    Assign,
    Forget,
    /// Save its latest packets.
    Capture,
    /// Say what the next batch is.
    OpenBatch,
    /// The line of that is complete.
    OrderEntered,
    NextList,
    PreviousList,
    CloseBatch,
    /// Write what became of a batch.
    Report,
    /// Write the bench as a list.
    Export,
    /// Write what somebody far away needs to help.
    Support,
    /// What becomes of machines nobody registered.
    Policy,
    /// Whose the network's addresses are.
    Dhcp,
    Move(Motion),
    GoTo(Tab),
    NextTab,
    PreviousTab,
    Freeze,
    Help,
    /// Show only the keys with these words.
    Search,
    KeepSearch,
    DropSearch,
    /// Find a command by its name.
    Commands,
    RunCommand,
    /// Large figures alone.
    Wall,
    LeaveWall,
    Quit,
    /// Quit from anywhere; the second time within two seconds without asking.
    Interrupt,
    /// Look at the chosen list.
    OpenList,
    FindLists,
    TypePath,
    ReadPath,
    DropPath,
    Import,
    SaveErrors,
    NextProblem,
    ListProfile,
    CloseList,
    /// Take back what was done last.
    Undo,
    /// Correct what is known of the node.
    Edit,
    SaveEdit,
    DropEdit,
    /// The line or field is complete.
    Enter,
    NextField,
    PreviousField,
    /// As above; in an empty form to the next or the previous pane.
    NextFieldOrTab,
    PreviousFieldOrTab,
    NextProfile,
    PreviousProfile,
    /// Labels have one code or two.
    Codes,
    KeepFilter,
    DropFilter,
    EraseLetter,
    EraseText,
    /// Answer a question.
    Answer(bool),
    /// The other button of a question.
    Other,
    /// The button that has the focus.
    Press,
    /// What was asked, now that the number is typed.
    Confirm,
    Choose,
    Close,
    /// How a recording goes on.
    Replay(ReplayControl),
}

/// A movement in a list or a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Left,
    Right,
}

/// The panes that a digit leads to, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    Batch,
    Nodes,
    Register,
    Import,
    Profiles,
    Services,
    Logs,
}

impl Tab {
    pub const ALL: [Tab; 7] =
        [Self::Batch, Self::Nodes, Self::Register, Self::Import, Self::Profiles, Self::Services, Self::Logs];

    /// The key that leads to it.
    pub fn digit(self) -> char {
        match self {
            Self::Batch => '0',
            Self::Nodes => '1',
            Self::Register => '2',
            Self::Import => '3',
            Self::Profiles => '4',
            Self::Services => '5',
            Self::Logs => '6',
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::Batch => "Batch",
            Self::Nodes => "Nodes",
            Self::Register => "Register",
            Self::Import => "Import",
            Self::Profiles => "Profiles",
            Self::Services => "Services",
            Self::Logs => "Logs",
        }
    }
}

/// What may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Danger {
    Safe,
    /// A popup names what would happen; the focus is on *no*.
    /// And for more than ten nodes their number is to be typed.
    AsksFirst,
}

/// A row.
#[derive(Clone, Copy, Debug)]
pub struct KeyBinding {
    pub scope: Scope,
    /// The first is the one that is shown; the others do the same.
    pub keys: &'static [Key],
    pub action: Action,
    /// For the footer, which shows what has one.
    pub brief: Option<&'static str>,
    /// For the help page.
    pub words: &'static str,
    pub danger: Danger,
}

/// The table for the README: every scope with its rows.
pub fn keys_markdown() -> String {
    let mut text = String::from("| where | key | does |\n|---|---|---|\n");
    for scope in Scope::ALL {
        for binding in BINDINGS.iter().filter(|binding| binding.scope == scope) {
            let keys: Vec<String> = binding.keys.iter().map(|key| format!("`{key}`")).collect();
            let asks = if binding.danger == Danger::AsksFirst { " (asks first)" } else { "" };
            text += &format!("| {} | {} | {}{asks} |\n", scope.title(), keys.join(" "), binding.words);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use super::*;

    #[test]
    fn no_key_means_two_things_in_one_place() {
        for place in KeyPlace::ALL {
            let rows: Vec<_> = place.bindings().flat_map(|row| row.keys.iter().map(move |key| (*key, row))).collect();
            for (at, (key, row)) in rows.iter().enumerate() {
                let clash = rows[..at].iter().find(|(other, _)| other == key);
                assert!(
                    clash.is_none(),
                    "{key} in {place:?}: {:?} and {:?}",
                    row.words,
                    clash.map(|(_, row)| row.words)
                );
            }
        }
    }

    #[test]
    fn every_row_is_heard_somewhere() {
        for binding in BINDINGS {
            assert!(KeyPlace::ALL.iter().any(|place| place.scopes().contains(&binding.scope)), "{}", binding.words);
        }
    }

    #[test]
    fn a_field_for_text_has_no_letter_bindings() {
        for place in KeyPlace::ALL.into_iter().filter(|place| place.is_typing()) {
            let keys = place.bindings().flat_map(|row| row.keys).filter(|key| !key.ctrl);
            assert!(keys.into_iter().all(|key| !matches!(key.code, KeyCode::Char(_))), "{place:?}");
        }
    }

    #[test]
    fn what_may_lose_something_asks_first() {
        let asking: Vec<_> =
            BINDINGS.iter().filter(|row| row.danger == Danger::AsksFirst).map(|row| row.action).collect();
        let nodes = [Action::ApproveAll, Action::Approve, Action::Rearm, Action::Forget];
        assert_eq!(asking, [&nodes[..], &[Action::Undo, Action::CloseBatch, Action::Import, Action::Dhcp]].concat());
    }

    #[test]
    fn the_digit_beside_a_pane_leads_to_it() {
        for tab in Tab::ALL {
            let digit = KeyEvent::new(KeyCode::Char(tab.digit()), KeyModifiers::NONE);
            assert_eq!(KeyPlace::Nodes.binding(digit).map(|row| row.action), Some(Action::GoTo(tab)));
        }
    }

    #[test]
    fn a_shifted_letter_is_the_letter_and_alt_is_another_key() {
        let pressed =
            |modifiers| KeyPlace::Nodes.binding(KeyEvent::new(KeyCode::Char('D'), modifiers)).map(|row| row.action);
        assert_eq!(pressed(KeyModifiers::SHIFT), Some(Action::Forget));
        assert_eq!(pressed(KeyModifiers::ALT), None);
    }

    #[test]
    fn the_table_for_the_readme_has_a_line_for_every_row() {
        assert_eq!(keys_markdown().lines().count(), BINDINGS.len() + 2);
    }
}
