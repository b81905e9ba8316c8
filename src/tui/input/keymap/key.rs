//! A key, as terminals send it and as people read it.

use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key as every terminal sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub(super) code: KeyCode,
    pub(super) ctrl: bool,
}

pub(super) const fn char(c: char) -> Key {
    Key { code: KeyCode::Char(c), ctrl: false }
}

pub(super) const fn ctrl(c: char) -> Key {
    Key { code: KeyCode::Char(c), ctrl: true }
}

const fn plain(code: KeyCode) -> Key {
    Key { code, ctrl: false }
}

pub(super) const ENTER: Key = plain(KeyCode::Enter);
pub(super) const ESC: Key = plain(KeyCode::Esc);
pub(super) const TAB: Key = plain(KeyCode::Tab);
pub(super) const BACK_TAB: Key = plain(KeyCode::BackTab);
pub(super) const BACKSPACE: Key = plain(KeyCode::Backspace);
pub(super) const UP: Key = plain(KeyCode::Up);
pub(super) const DOWN: Key = plain(KeyCode::Down);
pub(super) const LEFT: Key = plain(KeyCode::Left);
pub(super) const RIGHT: Key = plain(KeyCode::Right);
pub(super) const PAGE_UP: Key = plain(KeyCode::PageUp);
pub(super) const PAGE_DOWN: Key = plain(KeyCode::PageDown);
pub(super) const HOME: Key = plain(KeyCode::Home);
pub(super) const END: Key = plain(KeyCode::End);
pub(super) const F1: Key = plain(KeyCode::F(1));

impl Key {
    /// Shift says nothing that the letter does not; other modifiers make another key.
    pub(super) fn is(self, event: KeyEvent) -> bool {
        let wanted = if self.ctrl { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
        self.code == event.code && event.modifiers.difference(KeyModifiers::SHIFT) == wanted
    }

    /// As the terminal would report it.
    pub fn event(self) -> KeyEvent {
        KeyEvent::new(self.code, if self.ctrl { KeyModifiers::CONTROL } else { KeyModifiers::NONE })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            KeyCode::Char(' ') => f.write_str("Space"),
            KeyCode::Char(c) if self.ctrl => write!(f, "Ctrl-{}", c.to_ascii_uppercase()),
            KeyCode::PageUp => f.write_str("PgUp"),
            KeyCode::PageDown => f.write_str("PgDn"),
            KeyCode::BackTab => f.write_str("Shift-Tab"),
            other => write!(f, "{other}"),
        }
    }
}

/// The keys of a row as the help page shows them: `Up k`.
pub fn names(keys: &[Key]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
