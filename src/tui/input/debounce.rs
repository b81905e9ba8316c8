//! What asks is not answered before it can have been read. A scan that a slow line tore to pieces is a few letters that mean
//! keys, one of them may ask, and the next may be *y*: both come within moments, which a person cannot.
//!
//! ```text
//!  D ── 30 ms ── y        the question stays: too soon
//!  D ── 400 ms ── y       yes
//! ```

use std::time::Duration;

use crossterm::event::{KeyCode, KeyModifiers};

use crate::domain::time::Timestamp;
use crate::tui::input::keymap::KeyPlace;
use crate::tui::msg::Msg;

/// Since when something asks.
#[derive(Debug, Default)]
pub struct Haste {
    asks: Option<(KeyPlace, Timestamp)>,
}

impl Haste {
    /// Looks where the screen is now.
    pub fn look(&mut self, now: Timestamp, place: KeyPlace) {
        let asked = self.asks.filter(|(known, _)| *known == place);
        self.asks = asked.or_else(|| asks(place).then_some((place, now)));
    }

    /// Whether `msg` may be an answer; what leads back is heard at once.
    pub fn lets(&self, now: Timestamp, msg: &Msg) -> bool {
        let read = |(_, since): (KeyPlace, Timestamp)| now >= since.after(TO_READ) || now < since;
        match msg {
            Msg::Key(key) => {
                let interrupts = key.modifiers.contains(KeyModifiers::CONTROL);
                interrupts || key.code == KeyCode::Esc || self.asks.is_none_or(read)
            }
            Msg::Paste(_)
            | Msg::Scanned(_)
            | Msg::TooSoon
            | Msg::Resized(_)
            | Msg::Bench
            | Msg::Tick(_)
            | Msg::Answered(_)
            | Msg::Found(_)
            | Msg::Paper(_) => true,
        }
    }
}

/// Where a key may do what cannot be seen before.
fn asks(place: KeyPlace) -> bool {
    match place {
        KeyPlace::Question | KeyPlace::Typed | KeyPlace::Choice | KeyPlace::Edit => true,
        KeyPlace::Nodes
        | KeyPlace::Node
        | KeyPlace::Text
        | KeyPlace::Services
        | KeyPlace::Batch
        | KeyPlace::Logs
        | KeyPlace::Form
        | KeyPlace::Lists
        | KeyPlace::Preview
        | KeyPlace::Path
        | KeyPlace::Filter
        | KeyPlace::Notice
        | KeyPlace::Order
        | KeyPlace::Help
        | KeyPlace::Search
        | KeyPlace::Commands
        | KeyPlace::Wall => false,
    }
}

/// Nobody reads a question and answers it in less; who knows it by heart needs as long from one key to the next.
const TO_READ: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use crossterm::event::KeyEvent;

    use super::*;

    fn key(code: KeyCode) -> Msg {
        Msg::Key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn a_question_is_answered_once_it_can_have_been_read() {
        let (mut haste, opened) = (Haste::default(), Timestamp::from_millis(1_000_000));
        haste.look(opened, KeyPlace::Question);
        haste.look(opened.after(Duration::from_millis(100)), KeyPlace::Question);
        let lets = |haste: &Haste, later, code| haste.lets(opened.after(Duration::from_millis(later)), &key(code));
        assert!(!lets(&haste, 30, KeyCode::Char('y')) && !lets(&haste, 199, KeyCode::Enter));
        assert!(lets(&haste, 200, KeyCode::Char('y')) && lets(&haste, 0, KeyCode::Esc));
        haste.look(opened.after(Duration::from_millis(200)), KeyPlace::Nodes);
        assert!(lets(&haste, 200, KeyCode::Char('j')));
    }

    #[test]
    fn a_choice_that_leads_to_a_question_is_two_things_to_read() {
        let (mut haste, opened) = (Haste::default(), Timestamp::from_millis(1_000_000));
        let later = opened.after(Duration::from_millis(300));
        haste.look(opened, KeyPlace::Choice);
        haste.look(later, KeyPlace::Question);
        assert!(!haste.lets(later.after(Duration::from_millis(50)), &key(KeyCode::Char('y'))));
    }

    #[test]
    fn a_clock_that_is_set_back_holds_nobody_up() {
        let (mut haste, opened) = (Haste::default(), Timestamp::from_millis(1_000_000));
        haste.look(opened, KeyPlace::Question);
        assert!(haste.lets(Timestamp::from_millis(10), &key(KeyCode::Char('y'))));
    }
}
