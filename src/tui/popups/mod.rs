//! What lies over the panes: questions, notices and the help page.

pub mod help;
pub mod message;

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::domain::snapshot::Snapshot;
use crate::tui::screen::{Popup, Screen};

pub fn view(screen: &Screen, live: &Snapshot, area: Rect, frame: &mut Frame<'_>) {
    match &screen.popup {
        None => {}
        Some(Popup::Question { title, text, yes, .. }) => message::view(screen, title, text, Some(*yes), area, frame),
        Some(Popup::Notice { title, text }) => message::view(screen, title, text, None, area, frame),
        Some(Popup::Help { scrolled }) => help::view(screen, live, *scrolled, area, frame),
    }
}
