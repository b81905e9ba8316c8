//! The agent's messages: on the machine's screen and in the station's log.
//!
//! ```text
//! [    3.214] hello   this machine is serial FB-0042, 52:54:00:12:34:56
//! [    9.870] write   warning: the download stopped at byte 12582912 (connection reset); resuming there
//! ```

use std::sync::{Mutex, PoisonError};

use super::panel::Panel;
use super::terminal::Terminal;
use crate::agent::machine::Machine;
use crate::agent::station::outbox::Outbox;
use crate::domain::logline::Level;
use crate::domain::machine::report::Step;

/// Prints and sends lines. The second word of each line is its step.
pub(crate) struct Journal<'a> {
    machine: &'a dyn Machine,
    outbox: &'a Outbox,
    screen: Mutex<(Panel, Option<Terminal>)>,
}

impl<'a> Journal<'a> {
    pub(crate) fn new(machine: &'a dyn Machine, outbox: &'a Outbox) -> Self {
        Self { machine, outbox, screen: Mutex::new((Panel::default(), machine.terminal())) }
    }

    /// Changes what is at the top of the machine's own screen.
    pub(crate) fn show(&self, change: impl FnOnce(&mut Panel)) {
        let mut screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        let (panel, terminal) = &mut *screen;
        change(panel);
        terminal.iter_mut().for_each(|terminal| terminal.paint(panel));
    }

    pub(crate) fn info(&self, step: &str, text: &str) {
        self.say(step, Level::Info, text);
    }

    pub(crate) fn warning(&self, step: &str, text: &str) {
        self.say(step, Level::Warning, text);
    }

    pub(crate) fn error(&self, step: &str, text: &str) {
        self.say(step, Level::Error, text);
    }

    /// On the machine's screen only: what the station already knows, or cannot receive.
    pub(crate) fn console(&self, step: &str, text: &str) {
        let plain = |c| if c == ' ' || char::is_ascii_graphic(&c) { c } else { '?' };
        let ascii: String = text.replace('…', "...").chars().map(plain).collect();
        self.machine.print(&format!("[{:9.3}] {step:<7} {ascii}", self.machine.uptime().as_secs_f64()));
    }

    fn say(&self, step: &str, level: Level, text: &str) {
        let mark = match level {
            Level::Warning => "warning: ",
            Level::Error => "error: ",
            Level::Info | Level::Unknown => "",
        };
        self.console(step, &format!("{mark}{text}"));
        self.outbox.line(level, format!("{step}: {text}"));
    }
}

/// A step in one short word, for the beginning of a line.
pub(crate) fn step_label(step: Step) -> &'static str {
    match step {
        Step::Prepare => "prepare",
        Step::Write => "write",
        Step::Verify => "verify",
        Step::Configure => "config",
        Step::Reboot => "restart",
        Step::Unknown => "agent",
    }
}
