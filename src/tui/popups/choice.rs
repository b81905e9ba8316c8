//! One of several, with what follows from the chosen one.
//!
//! ```text
//! ┌ Machines nobody registered ──────────────────┐
//! │                                              │
//! │  What becomes of them from now on.           │
//! │                                              │
//! │    default (now)                             │
//! │ ▌  hold                                      │
//! │    refuse                                    │
//! │                                              │
//! │  machines nobody registered wait for approval│
//! └──────────────────────────────────────────────┘
//! ```

use ratatui::Frame;
use ratatui::layout::{Margin, Rect};
use ratatui::text::{Line, Span};

use crate::tui::popup::MenuChoice;
use crate::tui::state::Screen;
use crate::tui::style::layout::middle;
use crate::tui::style::text::{cut, wrap};
use crate::tui::style::theme::Meaning;
use crate::tui::style::widgets::{popup, text, window};

pub fn view(
    screen: &Screen,
    title: &str,
    said: &[String],
    (choices, commands): (&[MenuChoice], &[Option<String>]),
    at: usize,
    area: Rect,
    frame: &mut Frame<'_>,
) {
    let theme = &screen.theme;
    let width = area.width.saturating_sub(4).min(WIDTH);
    let room = usize::from(width.saturating_sub(4));
    let lines = |sentences: &[&str]| -> Vec<Line<'static>> {
        sentences.iter().flat_map(|sentence| wrap(sentence, room)).map(Line::raw).collect()
    };
    let above = lines(&said.iter().map(String::as_str).collect::<Vec<_>>());
    // Room for the longest, so that nothing jumps.
    let spoken = |command: &Option<String>| command.as_ref().map(|command| format!("as a command: {command}"));
    let about = |(choice, command): (&MenuChoice, &Option<String>)| {
        let command = spoken(command);
        lines(&[&choice.about].into_iter().chain(&command).map(String::as_str).collect::<Vec<_>>())
    };
    let abouts: Vec<_> = choices.iter().zip(commands).map(about).collect();
    let below = abouts.iter().map(Vec::len).max().unwrap_or(0);
    let height = above.len() + choices.len() + below + 6;
    let place = middle(area, width, u16::try_from(height).unwrap_or(u16::MAX));
    let title = Line::styled(cut(title, room), theme.style(Meaning::Title));
    let inner = popup(theme, title, Line::default(), place, frame).inner(Margin::new(1, 0));

    // Where there is too little room, first the words above go, then choices far from the chosen one.
    let mut spare = usize::from(inner.height);
    let mut take = |wanted: usize| {
        let taken = wanted.min(spare);
        spare -= taken;
        taken
    };
    let list = take(choices.len().min(3));
    let about = abouts.get(at).map(Vec::as_slice).unwrap_or_default();
    let about_height = take(below + 1);
    let list = list + take(choices.len() - list);
    let above_height = take(above.len() + 2);

    let mut shown = vec![Line::default(); usize::from(above_height > above.len())];
    let kept = above_height.saturating_sub(if above_height > above.len() { 2 } else { 0 });
    shown.extend(above.into_iter().take(kept));
    shown.extend(std::iter::repeat_n(Line::default(), above_height - shown.len()));
    for (number, choice) in
        choices.iter().enumerate().take(window(choices.len(), at, list).end).skip(window(choices.len(), at, list).start)
    {
        let chosen = number == at;
        let cursor = if chosen { theme.glyphs.cursor } else { " " };
        let meaning = if chosen { Meaning::Selected } else { Meaning::Plain };
        let words = cut(&choice.words, room.saturating_sub(3));
        shown.push(Line::from(vec![
            Span::raw(format!("{cursor} ")),
            Span::styled(format!(" {words} "), theme.style(meaning)),
        ]));
    }
    if about_height > 0 {
        shown.push(Line::default());
        shown.extend(about.iter().take(about_height - 1).cloned());
    }
    text(&shown, 0, inner, frame);
}

const WIDTH: u16 = 70;
