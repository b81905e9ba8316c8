//! What lies over the panes: questions, choices, notices and the help page.

pub mod choice;
pub mod help;
pub mod message;

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::domain::snapshot::Snapshot;
use crate::tui::popups::message::Buttons;
use crate::tui::screen::{Popup, Screen};

pub fn view(screen: &Screen, live: &Snapshot, area: Rect, frame: &mut Frame<'_>) {
    match &screen.popup {
        None => {}
        Some(Popup::Question { title, text, yes, .. }) => {
            message::view(screen, title, text, Buttons::YesNo { yes: *yes }, area, frame);
        }
        Some(Popup::Typed { title, text, wanted, typed, .. }) => {
            message::view(screen, title, text, Buttons::Typed { wanted, typed }, area, frame);
        }
        Some(Popup::Choice { title, text, choices, at }) => {
            choice::view(screen, title, text, choices, *at, area, frame);
        }
        Some(Popup::Notice { title, text }) => message::view(screen, title, text, Buttons::Close, area, frame),
        Some(Popup::Help { scrolled }) => help::view(screen, live, *scrolled, area, frame),
    }
}
