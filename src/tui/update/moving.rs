//! Moving: in the list, the board or the text that is shown, and in a popup.

use std::sync::Arc;

use crate::domain::snapshot::Snapshot;
use crate::tui::input::keymap::Motion;
use crate::tui::pane::Pane;
use crate::tui::popup::Popup;
use crate::tui::state::{LogPosition, Screen};
use crate::tui::{panes, popups};

pub(super) fn move_by(screen: &mut Screen, bench: &Snapshot, motion: Motion) {
    let page = screen.page();
    if let Some(Popup::Help { find, .. }) = &screen.popup {
        let (lines, page) = popups::help::extent(screen, bench, find);
        if let Some(Popup::Help { scrolled, .. }) = &mut screen.popup {
            *scrolled = moved(*scrolled, lines.saturating_sub(page), page, motion);
        }
        return;
    }
    if let Some(Popup::Commands { typed, .. }) = &screen.popup {
        let last = popups::commands::entries(screen, bench, typed).len().saturating_sub(1);
        if let Some(Popup::Commands { at, .. }) = &mut screen.popup {
            *at = moved(*at, last, page, motion);
        }
        return;
    }
    if let Some(Popup::Choice { choices, at, .. }) = &mut screen.popup {
        *at = moved(*at, choices.len().saturating_sub(1), page, motion);
        return;
    }
    match screen.pane {
        Pane::Nodes => {
            let Some(last) = screen.listing.nodes.len().checked_sub(1) else { return };
            let row = moved(screen.row().unwrap_or(0), last, page, motion);
            screen.chosen = screen.listing.nodes.get(row).copied();
        }
        Pane::Batch => {
            let Some(last) = screen.board.nodes.len().checked_sub(1) else { return };
            let (columns, rows) = panes::batch::steps(screen, screen.shown(bench));
            let at = screen.row().unwrap_or(0);
            let to = match motion {
                Motion::Left => at.saturating_sub(1),
                Motion::Right => at + 1,
                // Up from the first row, and down from the last, stays in its column.
                Motion::Up => at.checked_sub(columns).unwrap_or(at),
                Motion::Down if at + columns > last => at,
                Motion::Down => at + columns,
                Motion::PageUp => at.saturating_sub(columns * rows),
                Motion::PageDown => at + columns * rows,
                Motion::First => 0,
                Motion::Last => last,
            };
            screen.chosen = screen.board.nodes.get(to.min(last)).copied();
        }
        Pane::Register | Pane::Edit(_) => {}
        Pane::Import => match &mut screen.desk.open {
            Some(open) => open.at = moved(open.at, open.preview.rows.len().saturating_sub(1), page, motion),
            None => screen.desk.at = moved(screen.desk.at, screen.desk.lists.len().saturating_sub(1), page, motion),
        },
        Pane::Node(_) if screen.whole => {
            let lines = panes::node::extent(screen, screen.shown(bench));
            screen.scrolled = moved(screen.scrolled, lines.saturating_sub(page), page, motion);
        }
        Pane::Node(_) => read_on(screen, bench, motion),
        Pane::Logs => screen.reader.go(motion, page),
        Pane::Profiles | Pane::Services => {
            let lines = panes::text_height(screen, bench);
            screen.scrolled = moved(screen.scrolled, lines.saturating_sub(page), page, motion);
        }
    }
}

/// Moves through the log of the open node. At its end it is followed again.
fn read_on(screen: &mut Screen, bench: &Snapshot, motion: Motion) {
    let page = screen.page();
    let Some(node) = screen.node(screen.shown(bench)) else { return };
    let Some(last) = node.log.len().checked_sub(1) else { return };
    let first = page.saturating_sub(1).min(last);
    let at = match &screen.reading {
        LogPosition::Following => last,
        LogPosition::Beginning => first,
        LogPosition::At(text) => node.log.lines().rposition(|line| Arc::ptr_eq(&line.text, text)).unwrap_or(first),
    };
    let to = moved(at, last, page, motion);
    let reading = match node.log.lines().nth(to) {
        Some(line) if to > first && to < last => LogPosition::At(line.text.clone()),
        _ if to <= first && first < last => LogPosition::Beginning,
        _ => LogPosition::Following,
    };
    screen.reading = reading;
}

fn moved(at: usize, last: usize, page: usize, motion: Motion) -> usize {
    let to = match motion {
        Motion::Up => at.saturating_sub(1),
        Motion::Down => at + 1,
        Motion::PageUp => at.saturating_sub(page),
        Motion::PageDown => at + page,
        Motion::First => 0,
        Motion::Last => last,
        Motion::Left | Motion::Right => at,
    };
    to.min(last)
}
