//! Whether an action makes sense now. One that does not stays in the help page, dimmed, with its reason.

use crate::domain::phase::Phase;
use crate::domain::snapshot::Snapshot;
use crate::tui::keymap::Action;
use crate::tui::screen::Screen;

/// Why a key does nothing now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    #[error("no node is chosen")]
    NoNode,
    #[error("{label} is at work ({phase}): wait until it has ended, or switch it off first")]
    AtWork { label: String, phase: &'static str },
    #[error("{0} is armed already: it will be installed when it boots from the network")]
    Armed(String),
    #[error("no machine is known yet")]
    NothingKnown,
    #[error("no filter is set")]
    NoFilter,
}

/// `Ok`, or why not.
pub fn allowed(action: Action, screen: &Screen, bench: &Snapshot) -> Result<(), Why> {
    match action {
        Action::Open => screen.node(bench).map(drop).ok_or(Why::NoNode),
        Action::Filter | Action::NextSort | Action::FlipSort if bench.nodes.is_empty() => Err(Why::NothingKnown),
        Action::ClearFilter if screen.filter.is_empty() => Err(Why::NoFilter),
        Action::Rearm | Action::Forget => {
            let node = screen.node(bench).ok_or(Why::NoNode)?;
            if node.is_at_work(screen.now) {
                return Err(Why::AtWork { label: node.label(), phase: node.phase.word() });
            }
            match node.phase {
                Phase::Registered if action == Action::Rearm => Err(Why::Armed(node.label())),
                _ => Ok(()),
            }
        }
        Action::ClearFilter
        | Action::Back
        | Action::Filter
        | Action::NextSort
        | Action::FlipSort
        | Action::Move(_)
        | Action::GoTo(_)
        | Action::NextTab
        | Action::PreviousTab
        | Action::Freeze
        | Action::Help
        | Action::Quit
        | Action::Interrupt
        | Action::KeepFilter
        | Action::DropFilter
        | Action::EraseLetter
        | Action::EraseText
        | Action::Answer(_)
        | Action::Other
        | Action::Press
        | Action::Close => Ok(()),
    }
}
