//! The last line: the keys that do something here and now, as many as fit, and always what can be
//! undone and the way to all of them.
//!
//! ```text
//!  Enter open  / filter  s sort  r re-arm  D forget  Space freeze  q quit  ? help
//! ```
//!
//! Above it, for five seconds, what has just been done; else, as long as it lasts, what is being written.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;

use crate::domain::snapshot::Snapshot;
use crate::tui::confirm::allowed::allowed;
use crate::tui::input::keymap::{Action, KeyBinding};
use crate::tui::state::Screen;
use crate::tui::style::text::cut;
use crate::tui::style::theme::Meaning;

pub fn view(screen: &Screen, live: &Snapshot, area: Rect, frame: &mut Frame<'_>) {
    let offered = screen.place().bindings().filter(|binding| allowed(binding.action, screen, live).is_ok());
    // What can be undone can be for a minute only.
    let (help, others): (Vec<_>, Vec<_>) =
        offered.partition(|binding| matches!(binding.action, Action::Help | Action::Undo));
    let pieces =
        |bindings: &[&KeyBinding]| bindings.iter().filter_map(|binding| piece(screen, binding)).collect::<Vec<_>>();
    let (help, others) = (pieces(&help), pieces(&others));
    let mut room = usize::from(area.width).saturating_sub(help.iter().map(Line::width).sum());
    let mut line = Line::default();
    for piece in others {
        if piece.width() <= room {
            room -= piece.width();
            line.extend(piece);
        }
    }
    line.extend(help.into_iter().flatten());
    frame.render_widget(line, area);
}

/// What has just been done, or is being written, over the edge of the pane above `footer`.
pub fn toast(screen: &Screen, footer: Rect, frame: &mut Frame<'_>) {
    let under_way = screen.papers.under_way.as_ref().map(|paper| {
        let words = format!("{} {}", screen.theme.glyphs.active, paper.in_words());
        (words, Meaning::Active)
    });
    let toast = screen.toast.as_ref().map(|toast| (toast.text.clone(), toast.meaning));
    let Some((text, meaning)) = toast.or(under_way).filter(|_| footer.y > 0) else { return };
    let words = format!(" {} ", cut(&text, usize::from(footer.width.saturating_sub(6))));
    let line = Line::styled(words, screen.theme.style(meaning));
    let width = u16::try_from(line.width()).unwrap_or(footer.width).min(footer.width.saturating_sub(2));
    let place = Rect { x: footer.x + footer.width.min(2), y: footer.y - 1, width, height: 1 };
    frame.render_widget(Clear, place);
    frame.render_widget(line, place);
}

fn piece(screen: &Screen, binding: &KeyBinding) -> Option<Line<'static>> {
    let key = binding.keys.first()?.to_string();
    Some(Line::from(vec![
        Span::raw(" "),
        Span::styled(key, screen.theme.style(Meaning::Key)),
        Span::raw(format!(" {} ", binding.brief?)),
    ]))
}
