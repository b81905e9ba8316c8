//! Where the screen is, as far as keys are concerned, and which groups of keys are heard there.

use crossterm::event::KeyEvent;

use crate::tui::input::keymap::{BINDINGS, KeyBinding};

/// A group of rows that are heard together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Batch,
    Nodes,
    Node,
    /// Where one node is chosen.
    Chosen,
    /// Lists and texts.
    Moving,
    Everywhere,
    /// The panes that a digit leads to.
    Top,
    /// A batch begins and ends.
    Orders,
    /// What is written to be kept elsewhere.
    Papers,
    Form,
    Lists,
    Preview,
    /// A node's own form.
    Edit,
    Services,
    Logs,
    Path,
    Filter,
    /// Where letters are text.
    Text,
    Question,
    Typed,
    Choice,
    Notice,
    /// The form of a batch.
    Order,
    Help,
    /// While words are typed that keys are looked for by.
    Search,
    Commands,
    Wall,
    /// Even while something is asked or typed.
    Always,
}

impl Scope {
    /// In the order of the help page.
    pub const ALL: [Scope; 28] = [
        Self::Batch,
        Self::Nodes,
        Self::Node,
        Self::Chosen,
        Self::Moving,
        Self::Everywhere,
        Self::Top,
        Self::Orders,
        Self::Papers,
        Self::Form,
        Self::Lists,
        Self::Preview,
        Self::Edit,
        Self::Services,
        Self::Logs,
        Self::Path,
        Self::Filter,
        Self::Text,
        Self::Question,
        Self::Typed,
        Self::Choice,
        Self::Notice,
        Self::Order,
        Self::Help,
        Self::Search,
        Self::Commands,
        Self::Wall,
        Self::Always,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Self::Batch => "The board of the batch",
            Self::Nodes => "Nodes",
            Self::Node => "One node",
            Self::Chosen => "The chosen node, or the marked ones",
            Self::Moving => "Moving in lists, logs and texts",
            Self::Everywhere => "Everywhere",
            Self::Top => "Leaving",
            Self::Orders => "A batch begins and ends",
            Self::Papers => "To be kept elsewhere",
            Self::Form => "Register",
            Self::Lists => "Import: choosing a list",
            Self::Preview => "Import: looking at a list",
            Self::Edit => "Editing a node",
            Self::Services => "Services",
            Self::Logs => "Logs",
            Self::Path => "While a path is typed",
            Self::Filter => "While a filter is typed",
            Self::Text => "While something is typed",
            Self::Question => "When asked",
            Self::Typed => "When a name or a number is to be typed",
            Self::Choice => "When there is a choice",
            Self::Notice => "When told",
            Self::Order => "Opening a batch",
            Self::Help => "Help",
            Self::Search => "While a key is looked for",
            Self::Commands => "Commands by name",
            Self::Wall => "On the wall",
            Self::Always => "Always",
        }
    }
}

/// Where the screen is, as far as keys are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    Batch,
    Nodes,
    Node,
    Text,
    Services,
    Logs,
    Form,
    Edit,
    Lists,
    Preview,
    Path,
    Filter,
    Question,
    Typed,
    Choice,
    Notice,
    Order,
    Help,
    Search,
    Commands,
    Wall,
}

impl KeyPlace {
    pub const ALL: [KeyPlace; 21] = [
        Self::Batch,
        Self::Nodes,
        Self::Node,
        Self::Text,
        Self::Services,
        Self::Logs,
        Self::Form,
        Self::Edit,
        Self::Lists,
        Self::Preview,
        Self::Path,
        Self::Filter,
        Self::Question,
        Self::Typed,
        Self::Choice,
        Self::Notice,
        Self::Order,
        Self::Help,
        Self::Search,
        Self::Commands,
        Self::Wall,
    ];

    /// The scopes that hear keys here, the nearest first.
    pub fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Batch => &[
                Scope::Batch,
                Scope::Orders,
                Scope::Chosen,
                Scope::Everywhere,
                Scope::Top,
                Scope::Papers,
                Scope::Moving,
                Scope::Always,
            ],
            Self::Nodes => &[
                Scope::Nodes,
                Scope::Chosen,
                Scope::Everywhere,
                Scope::Top,
                Scope::Orders,
                Scope::Papers,
                Scope::Moving,
                Scope::Always,
            ],
            Self::Node => &[
                Scope::Node,
                Scope::Chosen,
                Scope::Everywhere,
                Scope::Orders,
                Scope::Papers,
                Scope::Moving,
                Scope::Always,
            ],
            Self::Text => &[Scope::Everywhere, Scope::Top, Scope::Orders, Scope::Papers, Scope::Moving, Scope::Always],
            Self::Services => &[
                Scope::Services,
                Scope::Everywhere,
                Scope::Top,
                Scope::Orders,
                Scope::Papers,
                Scope::Moving,
                Scope::Always,
            ],
            Self::Logs => &[
                Scope::Logs,
                Scope::Everywhere,
                Scope::Top,
                Scope::Orders,
                Scope::Papers,
                Scope::Moving,
                Scope::Always,
            ],
            Self::Form => &[Scope::Form, Scope::Text, Scope::Always],
            Self::Edit => &[Scope::Edit, Scope::Text, Scope::Always],
            Self::Lists => &[
                Scope::Lists,
                Scope::Everywhere,
                Scope::Top,
                Scope::Orders,
                Scope::Papers,
                Scope::Moving,
                Scope::Always,
            ],
            Self::Preview => {
                &[Scope::Preview, Scope::Everywhere, Scope::Orders, Scope::Papers, Scope::Moving, Scope::Always]
            }
            Self::Path => &[Scope::Path, Scope::Text, Scope::Always],
            Self::Filter => &[Scope::Filter, Scope::Text, Scope::Always],
            Self::Question => &[Scope::Question, Scope::Always],
            Self::Typed => &[Scope::Typed, Scope::Text, Scope::Always],
            Self::Choice => &[Scope::Choice, Scope::Moving, Scope::Always],
            Self::Notice => &[Scope::Notice, Scope::Always],
            Self::Order => &[Scope::Order, Scope::Text, Scope::Always],
            Self::Help => &[Scope::Help, Scope::Moving, Scope::Always],
            Self::Search => &[Scope::Search, Scope::Text, Scope::Always],
            Self::Commands => &[Scope::Commands, Scope::Text, Scope::Always],
            Self::Wall => &[Scope::Wall, Scope::Always],
        }
    }

    /// Whether letters are text here.
    pub fn is_typing(self) -> bool {
        self.scopes().contains(&Scope::Text)
    }

    /// The rows that are heard here.
    pub fn bindings(self) -> impl Iterator<Item = &'static KeyBinding> {
        self.scopes().iter().flat_map(|scope| BINDINGS.iter().filter(move |binding| binding.scope == *scope))
    }

    /// The row that `event` means here.
    pub fn binding(self, event: KeyEvent) -> Option<&'static KeyBinding> {
        self.bindings().find(|binding| binding.keys.iter().any(|key| key.is(event)))
    }
}
