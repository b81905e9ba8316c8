//! Machines are made known by hand or with a bar-code scanner before they are switched on.
//!
//! ```text
//! ┌ Register ──────────────────────────────── one code a label ┐
//! │▌Scan      SN-40▏                                            │
//! │                                                             │
//! │ Serial                                                      │
//! │ MAC       52:54                                             │
//! │           a MAC address is six pairs of hex digits, as …    │
//! │ Profile   the default (emt-s)                               │
//! │                                                             │
//! │ ✓ SN-4013  registered                                       │
//! │ ! SN-4003  known already: press-03, failed                  │
//! └─────────────────────────────────────────────────────────────┘
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::node::registration::Judgement;
use crate::domain::snapshot::Snapshot;
use crate::domain::text::clean;
use crate::tui::state::Screen;
use crate::tui::state::form::{Entered, Form, FormEntry, FormField};
use crate::tui::style::text::{cut, width as width_of};
use crate::tui::style::theme::Meaning;
use crate::tui::style::widgets::{boxed, paragraph, text};

pub fn view(screen: &Screen, bench: &Snapshot, area: Rect, frame: &mut Frame<'_>) {
    let theme = &screen.theme;
    let remark = if screen.form.two_codes { "two codes a label" } else { "one code a label" };
    let title = Line::styled("Register", theme.style(Meaning::Title));
    let inner = boxed(theme, title, Line::raw(remark), area, frame);
    let (width, height) = (usize::from(inner.width), usize::from(inner.height));
    let mut lines = Vec::new();
    let roomy = height > 16;
    for field in screen.form.fields().iter().copied() {
        let chosen = field == screen.form.field;
        // Where there is little room only the scanner's line and the field that is typed are shown.
        if height < 11 && !chosen && !matches!(field, FormField::Scan | FormField::Profile) {
            continue;
        }
        lines.push(line(screen, &screen.form, bench, field, width));
        lines.extend(said(screen, bench, field, width));
        if roomy && matches!(field, FormField::Scan | FormField::Profile) {
            lines.push(Line::default());
        }
    }
    lines.extend(screen.form.entries.iter().flat_map(|entered| entry(screen, entered, width)));
    text(&lines, 0, inner, frame);
}

/// A field of `form` as it is typed.
pub(super) fn line(screen: &Screen, form: &Form, bench: &Snapshot, field: FormField, width: usize) -> Line<'static> {
    let theme = &screen.theme;
    let chosen = form.field == field;
    let cursor = if chosen { theme.glyphs.cursor } else { " " };
    let title = Span::styled(
        format!("{cursor}{:<TITLE$}", field.title()),
        theme.style(if chosen { Meaning::Title } else { Meaning::Muted }),
    );
    let room = width.saturating_sub(TITLE + 3);
    let value = match field {
        FormField::Profile => match (&form.profile, &bench.catalogue.default_profile) {
            (Some(id), _) => id.to_string(),
            (None, Some(default)) => format!("the default ({default})"),
            (None, None) => "the default (there is none)".into(),
        },
        FormField::Scan
        | FormField::Serial
        | FormField::Uuid
        | FormField::Mac
        | FormField::Name
        | FormField::Hostname
        | FormField::Site => clean(form.text(field), 400),
    };
    // The end of a long text is where one types.
    let hidden = width_of(&value).saturating_sub(room);
    let value: String = value.chars().skip(hidden).collect();
    let meaning = if form.complaint(field).is_some() { Meaning::Warning } else { Meaning::Plain };
    let mut spans = vec![title, Span::styled(value, theme.style(meaning))];
    if chosen && field == FormField::Profile {
        let (hint, taken) = ("  Left and Right choose", spans.iter().map(Span::width).sum::<usize>());
        if taken + hint.len() <= width {
            spans.push(Span::styled(hint, theme.style(Meaning::Muted)));
        }
    } else if chosen {
        spans.push(Span::styled(theme.glyphs.caret, theme.style(Meaning::Key)));
    }
    spans.into()
}

/// What is to be said of a field: what is wrong with it, or what comes of it.
fn said(screen: &Screen, bench: &Snapshot, field: FormField, width: usize) -> Vec<Line<'static>> {
    let (theme, form) = (&screen.theme, &screen.form);
    let indent = || Span::raw(" ".repeat(TITLE + 1));
    if let Some(said) = complaint(screen, form, field, width) {
        return said;
    }
    let words = match field {
        FormField::Scan => match &form.half {
            Some(half) => {
                let what = clean(&half.clone().registration().label(), NAME);
                let missing = if half.serial.is_none() { "serial" } else { "MAC address" };
                format!("{what}: now its {missing}, or Enter to do without")
            }
            None if form.field == FormField::Scan => {
                "a serial, a MAC address or a UUID, then Enter: registered at once".into()
            }
            None => return Vec::new(),
        },
        FormField::Profile => match verdict(screen, bench) {
            Some(verdict) => verdict,
            None => return Vec::new(),
        },
        FormField::Serial
        | FormField::Uuid
        | FormField::Mac
        | FormField::Name
        | FormField::Hostname
        | FormField::Site => return Vec::new(),
    };
    paragraph(indent(), &words, theme.style(Meaning::Muted), width)
}

/// What is wrong with a field, if anything is.
pub(super) fn complaint(screen: &Screen, form: &Form, field: FormField, width: usize) -> Option<Vec<Line<'static>>> {
    let (theme, why) = (&screen.theme, form.complaint(field)?);
    let mark = format!("{:>1$}", format!("{} ", theme.glyphs.failed), TITLE + 1);
    let mark = Span::styled(mark, theme.style(Meaning::Warning));
    Some(paragraph(mark, &why.to_string(), theme.style(Meaning::Plain), width))
}

/// What registering the form would do.
fn verdict(screen: &Screen, bench: &Snapshot) -> Option<String> {
    let wish = screen.form.registration()?;
    if wish.claims().is_empty() {
        return None;
    }
    let name = |id| bench.nodes.get(&id).map(|node| clean(&node.label(), NAME)).unwrap_or_default();
    Some(match wish.judge(screen.now, &bench.nodes, &bench.index) {
        Ok(Judgement::New { seen: None }) => "a new machine; Enter here registers it".into(),
        Ok(Judgement::New { seen: Some(id) }) => format!("the machine seen as {}; Enter here registers it", name(id)),
        Ok(Judgement::Same(id) | Judgement::Changes(id, _)) => format!("registered already, as {}", name(id)),
        Err(why) => why.to_string(),
    })
}

fn entry(screen: &Screen, entry: &FormEntry, width: usize) -> Vec<Line<'static>> {
    let (theme, glyphs) = (&screen.theme, screen.theme.glyphs);
    let (glyph, meaning, words) = match &entry.state {
        Entered::UnderWay => (glyphs.active, Meaning::Active, "under way".to_owned()),
        Entered::Registered => (glyphs.provisioned, Meaning::Success, "registered".to_owned()),
        Entered::Known(as_what) => {
            (glyphs.stalled, Meaning::Warning, format!("known already: {as_what}; Esc shows it"))
        }
        Entered::Refused(why) => (glyphs.failed, Meaning::Failure, format!("not registered: {why}")),
    };
    let what = cut(&entry.what, 24);
    let head = Span::styled(format!(" {glyph} {what} "), theme.style(meaning));
    paragraph(head, &words, theme.style(Meaning::Plain), width)
}

/// Columns of the names of fields.
const TITLE: usize = 10;
const NAME: usize = 60;
