//! What comes in and what goes out of [`crate::tui::update()`].

use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Size;

use crate::domain::command::{Command, Refusal};
use crate::domain::time::Timestamp;

/// Something that happened to the screen.
#[derive(Clone, Debug)]
pub enum Msg {
    Key(KeyEvent),
    /// Text pasted by the terminal, or scanned: never keys.
    Paste(String),
    Resized(Size),
    /// There is a newer snapshot.
    Bench,
    Tick(Timestamp),
    Answered(Answer),
}

/// What the loop is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    Ask(Ask),
    Quit,
}

/// A command, and what to call it when the answer comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    pub command: Command,
    /// As `re-arm press-07`.
    pub deed: String,
}

/// The answer to an [`Ask`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub deed: String,
    pub result: Result<(), NotDone>,
}

/// Why what was asked has not been done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    #[error(transparent)]
    Refused(Refusal),
    #[error("the station has not answered earlier commands yet: try again in a moment")]
    Waiting,
    #[error("the station is stopping")]
    Stopping,
}
