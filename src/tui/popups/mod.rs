//! What lies over the panes: questions, choices, notices and the help page.

pub mod batch_form;
pub mod choice;
pub mod commands;
pub mod help;
pub mod message;

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::domain::snapshot::Snapshot;
use crate::tui::confirm::shell_command;
use crate::tui::popup::{MenuChoice, Popup, Then};
use crate::tui::popups::message::Buttons;
use crate::tui::state::Screen;

pub fn view(screen: &Screen, live: &Snapshot, area: Rect, frame: &mut Frame<'_>) {
    match &screen.popup {
        None => {}
        Some(Popup::Question { title, text, yes, on_yes }) => {
            let command = shell_command::command(on_yes, live);
            message::view(screen, title, text, command, Buttons::YesNo { yes: *yes }, area, frame);
        }
        Some(Popup::Typed { title, text, wanted, typed, on_yes }) => {
            let command = shell_command::command(on_yes, live);
            message::view(screen, title, text, command, Buttons::Typed { wanted, typed }, area, frame);
        }
        Some(Popup::Choice { title, text, choices, at }) => {
            let command = |choice: &MenuChoice| match &choice.then {
                Then::Do(effect) => shell_command::command(effect, live),
                Then::Nothing | Then::Ask(_) => None,
            };
            let commands: Vec<_> = choices.iter().map(command).collect();
            choice::view(screen, title, text, (choices, &commands), *at, area, frame);
        }
        Some(Popup::Notice { title, text }) => message::view(screen, title, text, None, Buttons::Close, area, frame),
        Some(Popup::Order(form)) => batch_form::view(screen, live, form, area, frame),
        Some(Popup::Help { scrolled, find, finding }) => {
            help::view(screen, live, *scrolled, (find, *finding), area, frame);
        }
        Some(Popup::Commands { typed, at }) => commands::view(screen, live, typed, *at, area, frame),
    }
}
