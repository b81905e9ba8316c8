//! The machine's own screen, where it is one on which a cursor moves: the panel stays at its top, and what is printed runs
//! below it.
//!
//! ECMA-48 and DEC VT100: everything else that prints to the screen, the kernel too, stays inside the scrolling region.

use std::fmt::Write as _;
use std::io::Write;

use super::big_text::INK;
use super::panel::{HEIGHT, Panel};

/// A screen that is painted on.
pub struct Terminal {
    out: Box<dyn Write + Send>,
    size: Box<dyn Fn() -> Option<TerminalSize> + Send>,
    painted: Option<(TerminalSize, Vec<String>)>,
}

/// In characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    pub rows: usize,
    pub columns: usize,
}

impl Terminal {
    /// `size` is asked each time: a graphics driver that is loaded late changes it.
    pub fn new(out: impl Write + Send + 'static, size: impl Fn() -> Option<TerminalSize> + Send + 'static) -> Self {
        Self { out: Box::new(out), size: Box::new(size), painted: None }
    }

    pub(crate) fn paint(&mut self, panel: &Panel) {
        let Some(size) = (self.size)().filter(|size| size.rows >= HEIGHT + LEAST) else { return };
        let lines = panel.lines(size.columns.min(WIDEST));
        let before = self.painted.take().filter(|(before, _)| *before == size).map(|(_, lines)| lines);
        let mut text = String::new();
        if before.is_none() {
            // What is printed from now on goes to the last line of the region.
            let _ = write!(text, "\x1b[{};{}r\x1b[{};1H", HEIGHT + 1, size.rows, size.rows);
        }
        text += "\x1b7";
        for (at, line) in lines.iter().enumerate() {
            if before.as_ref().and_then(|lines| lines.get(at)) != Some(line) {
                let _ = write!(text, "\x1b[{};1H\x1b[2K{}", at + 1, inked(line, panel.colour()));
            }
        }
        text += "\x1b8";
        // In one write, so that nothing is printed in between.
        let _a_screen_that_is_gone_is_no_reason_to_stop =
            self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        self.painted = Some((size, lines));
    }
}

/// Ink as spaces turned round, which every font has.
fn inked(line: &str, colour: Option<u8>) -> String {
    let mut text = String::new();
    let mut is_ink = false;
    for letter in line.chars() {
        if (letter == INK) != is_ink {
            is_ink = !is_ink;
            match (is_ink, colour) {
                (true, Some(colour)) => drop(write!(text, "\x1b[3{colour};7m")),
                (true, None) => text += "\x1b[7m",
                (false, _) => text += "\x1b[0m",
            }
        }
        let is_plain = letter == ' ' || letter.is_ascii_graphic();
        text.push(if letter == INK {
            ' '
        } else if is_plain {
            letter
        } else {
            '?'
        });
    }
    if is_ink {
        text += "\x1b[0m";
    }
    text
}

/// Lines for what is printed; a smaller screen has no panel.
const LEAST: usize = 6;
const WIDEST: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::console::panel::Now;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Kept {
        fn taken(&self) -> String {
            String::from_utf8(std::mem::take(&mut *self.0.lock().expect("kept"))).expect("text")
        }
    }

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("kept").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn terminal(rows: usize) -> (Terminal, Kept) {
        let kept = Kept::default();
        (Terminal::new(kept.clone(), move || Some(TerminalSize { rows, columns: 80 })), kept)
    }

    fn waiting(reason: &str) -> Panel {
        Panel { machine: "serial FB-0042".into(), now: Now::Waiting(reason.into()), ..Panel::default() }
    }

    #[test]
    fn the_panel_stays_at_the_top_and_only_what_changed_is_painted_again() {
        let (mut terminal, kept) = terminal(25);
        terminal.paint(&waiting("one"));
        let first = kept.taken();
        assert!(first.starts_with("\x1b[14;25r\x1b[25;1H\x1b7\x1b[1;1H\x1b[2K serial FB-0042"), "{first:?}");
        assert!(first.contains("\x1b[7m  \x1b[0m") && first.ends_with("\x1b8"), "{first:?}");
        terminal.paint(&waiting("two"));
        assert_eq!(kept.taken(), "\x1b7\x1b[10;1H\x1b[2K two\x1b8");
    }

    #[test]
    fn what_would_move_the_cursor_does_not_reach_the_screen() {
        let (mut terminal, kept) = terminal(25);
        terminal.paint(&waiting("\x1b[2Jgone\u{9b}"));
        assert!(kept.taken().contains(" ?[2Jgone?"), "it is shown as what it is");
    }

    #[test]
    fn a_screen_of_a_few_lines_is_left_to_what_is_printed() {
        let (mut terminal, kept) = terminal(15);
        terminal.paint(&waiting("one"));
        assert_eq!(kept.taken(), "");
    }
}
