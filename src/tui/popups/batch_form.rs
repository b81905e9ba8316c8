//! The form of a batch that is to be opened.
//!
//! ```text
//! ┌ Open a batch ──────────────────────────────────────┐
//! │                                                    │
//! │▌Name        line 2 Tuesday▏                        │
//! │ Work order  4711                                   │
//! │ Operator    kim                                    │
//! │ Expected    all that are registered and not done   │
//! │                                                    │
//! │  12 machines are expected now.                     │
//! │                                                    │
//! │  as a command: oxbow batch open 'line 2 Tuesday'   │
//! └────────────────────────────────────────────────────┘
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::snapshot::Snapshot;
use crate::domain::text::clean;
use crate::tui::confirm::shell_command;
use crate::tui::state::Screen;
use crate::tui::state::batch_form::{OrderField, OrderForm};
use crate::tui::style::layout::middle;
use crate::tui::style::text::{count, cut, width};
use crate::tui::style::theme::Meaning;
use crate::tui::style::widgets::{paragraph, popup, text};

pub fn view(screen: &Screen, live: &Snapshot, form: &OrderForm, area: Rect, frame: &mut Frame<'_>) {
    let theme = &screen.theme;
    let breadth = area.width.saturating_sub(4).min(WIDTH);
    let room = usize::from(breadth.saturating_sub(2));
    let (plain, muted) = (theme.style(Meaning::Plain), theme.style(Meaning::Muted));
    let fields: Vec<Line<'_>> = OrderField::ALL.into_iter().map(|field| line(screen, form, field, room)).collect();
    let mut expected = match form.expects(live) {
        1 => "1 machine is expected now.".to_owned(),
        expected => format!("{} are expected now.", count(expected, "machine")),
    };
    if form.field == OrderField::Expected && form.has_lists() {
        expected += " Left and Right choose another list, or all.";
    }
    let mut below = paragraph(Span::raw(" "), &expected, plain, room);
    if let Some(command) = form.open().and_then(|effect| shell_command::command(&effect, live)) {
        let command = paragraph(Span::styled(" as a command: ", muted), &command, muted, room);
        // Where there is little room, what is typed is more important than how it is written.
        if fields.len() + below.len() + command.len() + 5 <= area.height.into() {
            below.push(Line::default());
            below.extend(command);
        }
    }
    let apart = usize::from(fields.len() + below.len() + 4 <= area.height.into());
    let air = || std::iter::repeat_n(Line::default(), apart);
    let lines: Vec<Line<'_>> = air().chain(fields).chain(air()).chain(below).collect();
    let place = middle(area, breadth, u16::try_from(lines.len() + 2).unwrap_or(u16::MAX));
    let title = Line::styled("Open a batch", theme.style(Meaning::Title));
    let inner = popup(theme, title, Line::default(), place, frame);
    text(&lines, 0, inner, frame);
}

fn line(screen: &Screen, form: &OrderForm, field: OrderField, room: usize) -> Line<'static> {
    let theme = &screen.theme;
    let chosen = form.field == field;
    let cursor = if chosen { theme.glyphs.cursor } else { " " };
    let title = Span::styled(
        format!("{cursor}{:<TITLE$}", field.title()),
        theme.style(if chosen { Meaning::Title } else { Meaning::Muted }),
    );
    let room = room.saturating_sub(TITLE + 2);
    let value = match field {
        OrderField::Expected => {
            let list = form.list.as_ref().map(|list| format!("those of {}", clean(list, WORDS)));
            cut(&list.unwrap_or_else(|| "all that are registered and not done".into()), room)
        }
        OrderField::Name | OrderField::WorkOrder | OrderField::Operator => {
            let value = clean(form.text(field), WORDS);
            // The end of a long text is where one types.
            let hidden = width(&value).saturating_sub(room.saturating_sub(1));
            value.chars().skip(hidden).collect()
        }
    };
    let mut spans = vec![title, Span::styled(value, theme.style(Meaning::Plain))];
    if chosen && field != OrderField::Expected {
        spans.push(Span::styled(theme.glyphs.caret, theme.style(Meaning::Key)));
    }
    spans.into()
}

const WIDTH: u16 = 64;
/// Columns of the names of fields.
const TITLE: usize = 12;
const WORDS: usize = 200;
