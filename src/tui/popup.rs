//! What lies over the panes.

use crate::tui::msg::UiEffect;
use crate::tui::state::batch_form::OrderForm;

/// What lies over the panes and hears the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Popup {
    /// Carries what is done on *yes*, so that what was asked is what is done, whatever is chosen meanwhile.
    Question {
        title: String,
        text: Vec<String>,
        on_yes: UiEffect,
        /// The button that has the focus.
        yes: bool,
    },
    /// As a question, for what would hurt most: *yes* is to type, or to scan, which node it is about, or how many.
    Typed {
        title: String,
        text: Vec<String>,
        on_yes: UiEffect,
        wanted: String,
        typed: String,
    },
    /// One of several, the chosen one with what it means.
    Choice {
        title: String,
        text: Vec<String>,
        choices: Vec<MenuChoice>,
        at: usize,
    },
    Notice {
        title: String,
        text: Vec<String>,
    },
    /// A batch is to be opened.
    Order(OrderForm),
    /// Keys, all of them or those with the words in `find`.
    Help {
        scrolled: usize,
        find: String,
        finding: bool,
    },
    /// Commands, those that `typed` finds.
    Commands {
        typed: String,
        at: usize,
    },
}

impl Popup {
    /// What is still to be typed before the popup may do what it asks about.
    pub fn missing(&self) -> Option<&str> {
        match self {
            Self::Typed { wanted, typed, .. } if !typed.trim().eq_ignore_ascii_case(wanted) => Some(wanted),
            Self::Typed { .. }
            | Self::Question { .. }
            | Self::Choice { .. }
            | Self::Notice { .. }
            | Self::Order(_)
            | Self::Help { .. }
            | Self::Commands { .. } => None,
        }
    }
}

/// What choosing leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    Nothing,
    Do(UiEffect),
    /// Something is to be answered first.
    Ask(Box<Popup>),
}

/// One of several things to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MenuChoice {
    pub words: String,
    /// What follows from it.
    pub about: String,
    pub then: Then,
}
