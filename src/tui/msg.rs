//! What comes in and what goes out of [`crate::tui::update()`].

use std::path::PathBuf;
use std::sync::Arc;

use crossterm::event::KeyEvent;
use ratatui::layout::Size;

use crate::domain::batch::export::Export;
use crate::domain::command::Command;
use crate::domain::ids::MacAddr;
use crate::domain::import::Preview;
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::tui::workers::export::ExportNews;
use crate::tui::workers::lists::{ListJob, ListResult};

/// Something that happened to the screen.
#[derive(Clone, Debug)]
pub enum Msg {
    Key(KeyEvent),
    /// Text pasted by the terminal, or scanned: never keys.
    Paste(String),
    /// A code that a scanner typed where letters are keys.
    Scanned(String),
    /// A key came before what it answers can have been read.
    TooSoon,
    Resized(Size),
    /// There is a newer snapshot.
    Bench,
    Tick(Timestamp),
    Answered(HubReply),
    /// What was found on disks and sticks.
    Found(ListResult),
    /// How a paper gets on.
    Paper(ExportNews),
}

/// What the loop is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UiEffect {
    Ask(HubRequest),
    /// Something with files, which may take its time.
    Files(ListJob),
    /// Have a paper written, of this name, as `the report of batch 3`.
    Write {
        paper: Export,
        deed: String,
    },
    /// The paper under way is not wanted any more.
    DropPaper,
    /// Be heard by somebody who looks elsewhere.
    Bell,
    /// Something for who shows a recording.
    Replay(ReplayControl),
    Quit,
}

/// How a recording goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayControl {
    /// To what was taken in next, and stand there.
    Step,
    /// Twice as fast, or on from a stand.
    Faster,
    /// Half as fast, or stand.
    Slower,
}

/// Something for the hub, and what to call it when the answer comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubRequest {
    pub what: HubAction,
    /// As `re-arm press-07`.
    pub deed: String,
}

/// What the hub is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HubAction {
    One(Command),
    /// Each for itself: what one is refused does not keep the others from being done.
    Each(Vec<Command>),
    /// The packets that are kept of these cards, into a file of this name.
    Capture {
        macs: Vec<MacAddr>,
        name: String,
    },
    /// A list as it was looked at, wholly or not at all.
    Import {
        path: PathBuf,
        preview: Arc<Preview>,
    },
}

impl HubRequest {
    pub fn one(command: Command, deed: impl Into<String>) -> Self {
        Self { what: HubAction::One(command), deed: deed.into() }
    }
}

/// The answer to an [`HubRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubReply {
    pub deed: String,
    pub result: Result<(), NotDone>,
}

/// Why what was asked has not been done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    #[error(transparent)]
    Refused(Refusal),
    #[error("{done} of {} done; refused: {}", .done + .refused.len(), few(.refused))]
    Partly { done: usize, refused: Vec<Refusal> },
    #[error("no packet of it is kept: switch it on, and try again when it has tried to boot")]
    NoPackets,
    #[error("cannot write {path}: {why}")]
    NotWritten { path: String, why: String },
    #[error("the station has not answered earlier commands yet: try again in a moment")]
    Waiting,
    #[error("the station is stopping")]
    Stopping,
}

/// The first of many refusals.
fn few(refused: &[Refusal]) -> String {
    let said: Vec<String> = refused.iter().take(NAMED).map(ToString::to_string).collect();
    let more = refused.len().saturating_sub(NAMED);
    if more > 0 { format!("{}; and {more} more", said.join("; ")) } else { said.join("; ") }
}

const NAMED: usize = 4;
