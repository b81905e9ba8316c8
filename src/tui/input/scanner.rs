//! Tells a bar-code scanner from fingers. A scanner is a keyboard that types a whole code in a fraction of a second: where
//! letters are keys, a letter waits a moment whether others follow it that fast. If they do, all of them are a scan and none
//! of them is a key.
//!
//! ```text
//!  s ─── 40 ms nothing ──► the key s
//!  S N - 4 0 1 1 Enter ──► a scan, `SN-4011`
//!  j j j j j …         ──► a key that is held down
//!  j j k m             ──► keys that a slow line delivered together
//! ```
//!
//! A slow line may deliver together what fingers typed one by one. If it only moves and marks, it is keys. What else looks like
//! a scan is shown as one, which does nothing by itself; see also `haste.rs`.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::domain::time::Timestamp;
use crate::tui::msg::Msg;

/// Letters that may be the beginning of a scan.
#[derive(Debug, Default)]
pub struct Wedge {
    held: Vec<KeyEvent>,
    last: Timestamp,
}

impl Wedge {
    /// Takes a key in, and gives out what is certain by now. Where letters are text, `typing`, nothing waits.
    pub fn take(&mut self, now: Timestamp, key: KeyEvent, typing: bool) -> Vec<Msg> {
        let mut out = self.settle(now);
        if key.kind != KeyEventKind::Press {
            return out;
        }
        if typing {
            out.extend(self.release());
        }
        match letter(key) {
            Some(letter) if !typing => {
                self.last = now;
                self.held.push(key);
                if HELD_DOWN.contains(&letter) && self.held.len() > 1 && self.is_one_letter() {
                    out.extend(self.release());
                }
            }
            Some(_) => out.push(Msg::Key(key)),
            None if matches!(key.code, KeyCode::Enter | KeyCode::Tab) && self.is_scan() => out.push(self.scan()),
            None => {
                out.extend(self.release());
                out.push(Msg::Key(key));
            }
        }
        out
    }

    /// What is certain because nothing has followed it.
    pub fn settle(&mut self, now: Timestamp) -> Vec<Msg> {
        match self.due() {
            Some(due) if now >= due => {
                // Not every scanner ends its codes.
                if self.is_scan() { vec![self.scan()] } else { self.release() }
            }
            Some(_) | None => Vec::new(),
        }
    }

    /// When what is held will be certain.
    pub fn due(&self) -> Option<Timestamp> {
        self.held.last().map(|_| self.last.after(if self.is_scan() { UNFINISHED } else { FAST }))
    }

    fn is_scan(&self) -> bool {
        self.held.len() >= CODE
            && !self.is_one_letter()
            && !self.moves_only()
            && !self.held.first().and_then(|key| letter(*key)).is_some_and(|first| WORDS.contains(&first))
    }

    fn is_one_letter(&self) -> bool {
        self.held.windows(2).all(|pair| pair[0].code == pair[1].code)
    }

    /// No code is of these letters alone.
    fn moves_only(&self) -> bool {
        self.held.iter().filter_map(|key| letter(*key)).all(|letter| MOVING.contains(&letter))
    }

    fn scan(&mut self) -> Msg {
        Msg::Scanned(self.held.drain(..).filter_map(letter).collect())
    }

    fn release(&mut self) -> Vec<Msg> {
        self.held.drain(..).map(Msg::Key).collect()
    }
}

/// What a scanner can type.
fn letter(key: KeyEvent) -> Option<char> {
    match key.code {
        KeyCode::Char(letter) if key.modifiers.difference(KeyModifiers::SHIFT).is_empty() => Some(letter),
        _ => None,
    }
}

/// Fingers need longer from one key to the next; scanners on USB need 16 ms at most.
const FAST: Duration = Duration::from_millis(40);
/// How long the rest of a code may take, as over a slow line.
const UNFINISHED: Duration = Duration::from_millis(300);
/// Letters of the shortest code.
const CODE: usize = 4;
/// Begin a filter or a command, and no code.
const WORDS: [char; 2] = ['/', ':'];
/// Keys that are held down to go through a table. Codes in hexadecimal digits do not begin with them.
const HELD_DOWN: [char; 3] = ['j', 'k', 'm'];
/// Keys that move, mark and sort, and do nothing else.
const MOVING: [char; 9] = ['j', 'k', 'g', 'G', 'm', 'M', 's', 'S', ' '];

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of keys, each so many milliseconds after the one before.
    fn typed(keys: &[(u64, KeyCode)], typing: bool) -> Vec<String> {
        let (mut wedge, mut now, mut out) = (Wedge::default(), Timestamp::from_millis(1_000_000), Vec::new());
        for (later, code) in keys {
            now = now.after(Duration::from_millis(*later));
            out.extend(wedge.take(now, KeyEvent::new(*code, KeyModifiers::NONE), typing));
        }
        out.extend(wedge.settle(now.after(Duration::from_secs(1))));
        out.iter()
            .map(|msg| match msg {
                Msg::Key(key) => format!("key {}", key.code),
                Msg::Scanned(text) => format!("scan {text}"),
                other => format!("{other:?}"),
            })
            .collect()
    }

    fn apart(milliseconds: u64, text: &str) -> Vec<(u64, KeyCode)> {
        text.chars().map(|letter| (milliseconds, KeyCode::Char(letter))).collect()
    }

    #[test]
    fn what_is_typed_as_fast_as_a_scanner_types_is_no_key() {
        for milliseconds in [0, 5, 16, 30] {
            for end in [KeyCode::Enter, KeyCode::Tab] {
                let scan = [apart(milliseconds, "qSN-4011"), vec![(milliseconds, end)]].concat();
                assert_eq!(typed(&scan, false), ["scan qSN-4011"]);
            }
        }
        assert_eq!(typed(&apart(5, "Dyq1"), false), ["scan Dyq1"], "without an end");
        let halting = [apart(5, "SN-40"), apart(200, "1"), apart(5, "1"), vec![(5, KeyCode::Enter)]].concat();
        assert_eq!(typed(&halting, false), ["scan SN-4011"], "over a slow line");
        let two = [apart(5, "SN-1"), vec![(5, KeyCode::Enter)], apart(5, "SN-2"), vec![(5, KeyCode::Enter)]].concat();
        assert_eq!(typed(&two, false), ["scan SN-1", "scan SN-2"]);
    }

    #[test]
    fn what_fingers_type_are_keys() {
        assert_eq!(typed(&apart(90, "gry"), false), ["key g", "key r", "key y"]);
        assert_eq!(
            typed(&[apart(20, "gg"), vec![(90, KeyCode::Enter)]].concat(), false),
            ["key g", "key g", "key Enter"]
        );
        assert_eq!(typed(&[apart(0, "r"), vec![(10, KeyCode::Enter)]].concat(), false), ["key r", "key Enter"]);
        assert_eq!(typed(&[(0, KeyCode::Down), (0, KeyCode::Esc)], false), ["key Down", "key Esc"]);
        assert_eq!(typed(&apart(10, "/abc"), false).len(), 4, "a filter that is typed fast");
        assert_eq!(typed(&apart(1, "SN-4011"), true).len(), 7, "where letters are text");
    }

    #[test]
    fn keys_that_a_slow_line_delivers_together_are_keys() {
        assert_eq!(typed(&apart(0, "jjkm"), false), ["key j", "key j", "key k", "key m"]);
        assert_eq!(typed(&[apart(0, "Gkkm"), vec![(0, KeyCode::Enter)]].concat(), false).len(), 5);
        assert_eq!(typed(&apart(0, "jkjr"), false), ["scan jkjr"], "it might do something: it is asked");
    }

    #[test]
    fn a_key_that_is_held_down_does_not_wait() {
        let (mut wedge, now) = (Wedge::default(), Timestamp::from_millis(1_000_000));
        let key = KeyEvent::new(KeyCode::Char('j'), KeyModifiers::NONE);
        let moves: usize =
            (0..20).map(|count| wedge.take(now.after(Duration::from_millis(30 * count)), key, false).len()).sum();
        assert_eq!(moves, 20);
    }
}
