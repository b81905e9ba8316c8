//! Whether an action makes sense now. One that does not stays in the help page, dimmed, with its reason.

use crate::domain::node::Node;
use crate::domain::node::phase::Phase;
use crate::domain::snapshot::Snapshot;
use crate::domain::time::Timestamp;
use crate::tui::input::keymap::Action;
use crate::tui::pane::Pane;
use crate::tui::state::{Screen, batch_form};
use crate::tui::style::text::count;

/// Why a key does nothing now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    #[error("no node is chosen")]
    NoNode,
    #[error("{label} is at work ({phase}): wait until it has ended, or switch it off first")]
    AtWork { label: String, phase: &'static str },
    #[error("{0} is armed already: it will be installed when it boots from the network")]
    Armed(String),
    #[error("{0} is registered and asks for nothing: it needs no approval")]
    Registered(String),
    #[error("no machine waits for approval")]
    NobodyWaits,
    #[error("{0} is in no conflict")]
    NoConflict(String),
    #[error("no machine is known yet")]
    NothingKnown,
    #[error("no filter is set")]
    NoFilter,
    #[error("this is no recording: `oxbow replay FILE` shows one")]
    NoReplay,
    #[error("nothing was said")]
    NothingSaid,
    #[error("{0} said it, which is no node")]
    NotOfANode(String),
    #[error("no list is there: put one into the import folder, or type a path")]
    NoList,
    #[error("nothing of it can be imported: {0}")]
    Flawed(String),
    #[error("{0} with errors: correct the list and open it again; e saves those rows alone")]
    RowsWrong(String),
    #[error("the bench knows all of it already")]
    NothingNew,
    #[error("no row has an error")]
    NoErrors,
    #[error("nothing was imported, edited or forgotten in the last minute")]
    NothingToUndo,
    #[error("{0} is open: C closes it, then another can be opened")]
    BatchOpen(String),
    #[error("no batch is open: B opens one")]
    NoBatch,
    #[error("this is a recording: nothing of it is written")]
    NoOffice,
    #[error("type {0} first, or leave it by Esc")]
    NotTyped(String),
}

/// `Ok`, or why not.
pub fn allowed(action: Action, screen: &Screen, bench: &Snapshot) -> Result<(), Why> {
    match action {
        Action::Open if screen.pane == Pane::Logs => {
            let said = screen.reader.line(&screen.shown(bench).stream).ok_or(Why::NothingSaid)?;
            let node = said.by.node().ok_or_else(|| Why::NotOfANode(said.by.name().to_owned()))?;
            bench.nodes.contains_key(&node).then_some(()).ok_or(Why::NoNode)
        }
        Action::Open | Action::Mark | Action::Capture => screen.node(bench).map(drop).ok_or(Why::NoNode),
        Action::Filter if screen.pane == Pane::Logs => Ok(()),
        Action::Filter | Action::NextSort | Action::FlipSort | Action::MarkAll if bench.nodes.is_empty() => {
            Err(Why::NothingKnown)
        }
        Action::Replay(_) => screen.replay.as_ref().map(drop).ok_or(Why::NoReplay),
        Action::Only => screen.reader.line(&screen.shown(bench).stream).map(drop).ok_or(Why::NothingSaid),
        Action::ClearFilter if screen.pane == Pane::Logs => {
            if screen.reader.is_narrowed() {
                Ok(())
            } else {
                Err(Why::NoFilter)
            }
        }
        Action::ClearFilter if screen.filter.is_empty() => Err(Why::NoFilter),
        Action::Rearm | Action::Forget | Action::Assign | Action::Approve => {
            let meant = screen.meant(bench);
            let mut judged = meant.iter().map(|node| fits(action, node, screen.now));
            let first = judged.next().unwrap_or(Err(Why::NoNode));
            if first.is_ok() || judged.any(|fits| fits.is_ok()) { Ok(()) } else { first }
        }
        Action::Resolve => {
            let node = screen.node(bench).ok_or(Why::NoNode)?;
            node.contested.as_ref().map(drop).ok_or_else(|| Why::NoConflict(node.label()))
        }
        Action::ApproveAll if !bench.nodes.values().any(|node| waits(node)) => Err(Why::NobodyWaits),
        Action::OpenList if screen.desk.lists.is_empty() => Err(Why::NoList),
        Action::OpenList => Ok(()),
        Action::Import => {
            let preview = &screen.desk.open.as_ref().ok_or(Why::NoList)?.preview;
            let counts = preview.counts;
            match preview.flaws.first() {
                Some(flaw) => Err(Why::Flawed(flaw.to_string())),
                None if counts.errors > 0 => Err(Why::RowsWrong(count(counts.errors, "row"))),
                None if counts.new + counts.changes == 0 => Err(Why::NothingNew),
                None => Ok(()),
            }
        }
        Action::SaveErrors | Action::NextProblem => {
            let counts = screen.desk.open.as_ref().ok_or(Why::NoList)?.preview.counts;
            let warnings = if action == Action::NextProblem { counts.warnings } else { 0 };
            if counts.errors + warnings > 0 { Ok(()) } else { Err(Why::NoErrors) }
        }
        Action::OpenBatch => batch_form::open_batch(bench).map_or(Ok(()), |open| Err(Why::BatchOpen(open.to_string()))),
        Action::CloseBatch => batch_form::open_batch(bench).map(drop).ok_or(Why::NoBatch),
        Action::Report | Action::Export | Action::Support if !screen.papers.can_be => Err(Why::NoOffice),
        Action::Report if bench.nodes.is_empty() && bench.batches.is_empty() => Err(Why::NothingKnown),
        Action::Export if bench.nodes.is_empty() => Err(Why::NothingKnown),
        Action::Undo => bench.undoable(screen.now).map(drop).ok_or(Why::NothingToUndo),
        Action::Edit => fits(action, screen.node(bench).ok_or(Why::NoNode)?, screen.now),
        Action::Confirm => match screen.popup.as_ref().and_then(|popup| popup.missing()) {
            Some(wanted) => Err(Why::NotTyped(wanted.to_owned())),
            None => Ok(()),
        },
        Action::ClearFilter
        | Action::Back
        | Action::Whole
        | Action::Filter
        | Action::NextSort
        | Action::FlipSort
        | Action::Level
        | Action::MarkAll
        | Action::ApproveAll
        | Action::OrderEntered
        | Action::NextList
        | Action::PreviousList
        | Action::Report
        | Action::Export
        | Action::Support
        | Action::Policy
        | Action::Dhcp
        | Action::Move(_)
        | Action::GoTo(_)
        | Action::NextTab
        | Action::PreviousTab
        | Action::Freeze
        | Action::Help
        | Action::Search
        | Action::KeepSearch
        | Action::DropSearch
        | Action::Commands
        | Action::RunCommand
        | Action::Wall
        | Action::LeaveWall
        | Action::Quit
        | Action::Interrupt
        | Action::FindLists
        | Action::TypePath
        | Action::ReadPath
        | Action::DropPath
        | Action::ListProfile
        | Action::CloseList
        | Action::SaveEdit
        | Action::DropEdit
        | Action::Enter
        | Action::NextField
        | Action::PreviousField
        | Action::NextFieldOrTab
        | Action::PreviousFieldOrTab
        | Action::NextProfile
        | Action::PreviousProfile
        | Action::Codes
        | Action::KeepFilter
        | Action::DropFilter
        | Action::EraseLetter
        | Action::EraseText
        | Action::Answer(_)
        | Action::Other
        | Action::Press
        | Action::Choose
        | Action::Close => Ok(()),
    }
}

/// Whether an action on nodes can be done to this one.
pub fn fits(action: Action, node: &Node, now: Timestamp) -> Result<(), Why> {
    if action == Action::Approve {
        return if node.is_vouched_for() && node.question().is_none() {
            Err(Why::Registered(node.label()))
        } else {
            Ok(())
        };
    }
    if node.is_at_work(now) {
        return Err(Why::AtWork { label: node.label(), phase: node.phase.word() });
    }
    match node.phase {
        Phase::Registered if action == Action::Rearm => Err(Why::Armed(node.label())),
        _ => Ok(()),
    }
}

/// Whether it waits for somebody's approval.
pub fn waits(node: &Node) -> bool {
    (!node.is_vouched_for() && matches!(node.phase, Phase::Held { .. })) || node.question().is_some()
}
