//! A list of machines: which, what each row would do, and what is wrong with the chosen row. Nothing is stored by looking.
//!
//! ```text
//! ┌ Import po-4711.csv ───────── 1200 new, 3 same, 1 changes, 1 error ┐
//! │   ▸    2 new      SN-4001                     profile emt-s        │
//! │ ▌ ✗    3 error    SN-4002                     MAC: "52:54": a MAC… │
//! │   ≠    4 changes  SN-4003                     Profile demo → emt-s │
//! │                                                                    │
//! │ ✗ row 3, MAC: "52:54": a MAC address is six pairs of hex digits    │
//! │   hint: copy it from the label                                     │
//! └────────────────────────────────────────────────────────────────────┘
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::import::{Located, Preview, PreviewRow, RowEffect};
use crate::domain::machine::disk::in_bytes;
use crate::domain::snapshot::Snapshot;
use crate::domain::station::service::{ServiceName, ServiceState};
use crate::domain::text::clean;
use crate::domain::time::in_words;
use crate::domain::undo::UndoAction;
use crate::tui::state::Screen;
use crate::tui::state::import::Open;
use crate::tui::style::layout::split_top;
use crate::tui::style::text::{count, cut};
use crate::tui::style::theme::Meaning;
use crate::tui::style::widgets::{ProblemText, bar, boxed, paragraph, problem, text, whole, window};

pub fn view(screen: &Screen, bench: &Snapshot, area: Rect, frame: &mut Frame<'_>) {
    let theme = &screen.theme;
    let strong = theme.style(Meaning::Title);
    let (title, remark) = match &screen.desk.open {
        Some(open) => {
            let room = usize::from(area.width).saturating_sub(14);
            (
                Line::styled(cut(&format!("Import {}", clean(&open.preview.file, NAME)), room), strong),
                counts(screen, &open.preview, area.width),
            )
        }
        None => (Line::styled("Import", strong), Line::raw("lists of machines")),
    };
    let inner = boxed(theme, title, remark, area, frame);
    let news = news(screen, bench, inner.width.into());
    let (above, below) = split_top(inner, u16::try_from(news.len()).unwrap_or(u16::MAX).min(inner.height / 2));
    text(&news, 0, above, frame);
    match &screen.desk.open {
        Some(open) if open.preview.flaws.is_empty() => rows(screen, bench, open, below, frame),
        Some(open) => {
            let flaw = |flaw: &crate::domain::import::ListFlaw| {
                let wrong = wrong(screen, flaw.to_string(), flaw.hint(), true);
                problem(theme, &wrong, below.width.into())
            };
            let mut lines: Vec<_> = open.preview.flaws.iter().flat_map(flaw).collect();
            lines.push(Line::raw(" Nothing of it can be imported. Esc: another list."));
            text(&whole(lines, below.height.into()), 0, below, frame);
        }
        None => lists(screen, bench, below, frame),
    }
}

/// What is going on: a path that is typed, a file that is read, an import that can be taken back.
fn news(screen: &Screen, bench: &Snapshot, width: usize) -> Vec<Line<'static>> {
    let (theme, desk) = (&screen.theme, &screen.desk);
    let (plain, glyphs) = (theme.style(Meaning::Plain), theme.glyphs);
    let mut lines = Vec::new();
    if let Some((deed, left)) = bench.undoable(screen.now).and_then(|deed| Some((deed, deed.undo_left(screen.now)?)))
        && let UndoAction::Import { file, new, changed, .. } = &deed.what
    {
        let words =
            format!("{}: {new} new, {changed} changed; u takes it back, {} left", clean(file, NAME), in_words(left));
        let head = Span::styled(format!(" {} imported ", glyphs.provisioned), theme.style(Meaning::Success));
        lines.extend(paragraph(head, &words, plain, width));
    }
    if desk.typing {
        let room = width.saturating_sub(8);
        let skip = desk.path.chars().count().saturating_sub(room);
        let path: String = desk.path.chars().skip(skip).collect();
        lines.push(Line::from(vec![
            Span::styled(" path  ", theme.style(Meaning::Title)),
            Span::raw(path),
            Span::styled(glyphs.caret, theme.style(Meaning::Key)),
        ]));
    }
    if let Some(path) = &desk.reading {
        let head = Span::styled(format!(" {} reading ", glyphs.active), theme.style(Meaning::Active));
        lines.extend(paragraph(head, &clean(&path.to_string_lossy(), PATH), plain, width));
        if let Some((done, of)) = desk.progress {
            let percent = u8::try_from(done * 100 / of.max(1)).unwrap_or(100);
            let words = format!(" {percent:>3}%  of {}", count(of, "row"));
            let room = width.saturating_sub(words.len() + 11).min(40);
            lines.push(Line::raw(format!("           {}{words}", bar(glyphs, percent, room))));
        }
    }
    if let Some(why) = &desk.problem {
        let hint = "choose another file, or type its path by /".into();
        lines.extend(problem(theme, &wrong(screen, why.clone(), hint, true), width));
    }
    if let Some(profile) = desk.profile.as_ref().filter(|_| desk.open.is_some()) {
        let head = Span::styled(" all rows get ", theme.style(Meaning::Notice));
        lines.extend(paragraph(head, &format!("profile {profile}, whatever they say"), plain, width));
    }
    lines
}

/// Where lists are imported by themselves, if they are.
fn folder(bench: &Snapshot) -> Option<&str> {
    let of_lists = bench.services.iter().find(|service| service.name == ServiceName::ImportFolder)?;
    match &of_lists.state {
        ServiceState::Up { at } => Some(at),
        ServiceState::Starting | ServiceState::Down { .. } | ServiceState::Stopped => None,
    }
}

fn lists(screen: &Screen, bench: &Snapshot, area: Rect, frame: &mut Frame<'_>) {
    let (theme, desk) = (&screen.theme, &screen.desk);
    let width = usize::from(area.width);
    if desk.lists.is_empty() {
        let words =
            "No list (*.csv) is in the import folder or on a stick. Plug one in and press l, or type a path by /.";
        let folder = match folder(bench) {
            Some(at) => {
                format!("A list that is put into {} is imported by itself, if nothing is wrong.", clean(at, PATH))
            }
            None => "A list that is put into the import folder is imported by itself, once that is served.".into(),
        };
        let more =
            "A list has a first row with titles: Serial, UUID, MAC, Profile, Name; one of the first three is enough.";
        let plain = theme.style(Meaning::Plain);
        let lines = [words, &folder, more].map(|words| paragraph(Span::raw(" "), words, plain, width)).concat();
        return text(&whole(lines, area.height.into()), 0, area, frame);
    }
    let range = window(desk.lists.len(), desk.at, area.height.into());
    for (at, row) in range.zip(area.rows()) {
        let list = &desk.lists[at];
        let chosen = at == desk.at;
        let size = in_bytes(list.bytes);
        let room = width.saturating_sub(size.len() + 6);
        let path = clean(&list.path.to_string_lossy(), PATH);
        // The end of a path is what tells files apart.
        let hidden = path.chars().count().saturating_sub(room);
        let path = if hidden > 0 { format!("…{}", path.chars().skip(hidden + 1).collect::<String>()) } else { path };
        let cursor = if chosen { theme.glyphs.cursor } else { " " };
        frame.render_widget(Line::raw(format!("{cursor} {path}  {size}")), row);
        if chosen {
            frame.buffer_mut().set_style(row, theme.style(Meaning::Selected));
        }
    }
}

/// The rows in view, and below them what is to be said of the chosen one.
fn rows(screen: &Screen, bench: &Snapshot, open: &Open, area: Rect, frame: &mut Frame<'_>) {
    let preview = &open.preview;
    let about = preview.rows.get(open.at).map(|row| about(screen, row, area.width.into())).unwrap_or_default();
    let wanted = u16::try_from(about.len()).unwrap_or(u16::MAX).min(area.height / 2);
    let (table, below) = split_top(area, area.height - wanted);
    let range = window(preview.rows.len(), open.at, table.height.into());
    for (at, place) in range.zip(table.rows()) {
        frame.render_widget(row(screen, bench, &preview.rows[at], at == open.at, place.width.into()), place);
        if at == open.at {
            frame.buffer_mut().set_style(place, screen.theme.style(Meaning::Selected));
        }
    }
    text(&whole(about, below.height.into()), 0, below, frame);
}

fn row(screen: &Screen, bench: &Snapshot, row: &PreviewRow, chosen: bool, width: usize) -> Line<'static> {
    let theme = &screen.theme;
    let (glyph, meaning) = look(screen, &row.standing);
    let cursor = if chosen { theme.glyphs.cursor } else { " " };
    let label = cut(&clean(&row.registration.label(), NAME), LABEL);
    let (number, word) = (row.row, row.standing.word());
    let head = format!("{cursor} {glyph} {number:>6} {word:<8} ");
    let gap = LABEL.saturating_sub(crate::tui::style::text::width(&label)) + 1;
    let room = width.saturating_sub(crate::tui::style::text::width(&head) + LABEL + 1);
    Line::from(vec![
        Span::styled(head, theme.style(meaning)),
        Span::raw(label + &" ".repeat(gap)),
        Span::raw(cut(&detail(bench, row), room)),
    ])
}

/// What a row says in one line.
fn detail(bench: &Snapshot, row: &PreviewRow) -> String {
    let warning = row.warnings.first().map(|warning| format!("! {}", said(warning)));
    let profile = row.registration.profile.as_ref().map(|profile| format!("profile {profile}"));
    match &row.standing {
        RowEffect::Error(errors) => errors.first().map(said).unwrap_or_default(),
        RowEffect::Changes(_, changes) => {
            clean(&changes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "), LINE)
        }
        RowEffect::New { seen } => warning.unwrap_or_else(|| {
            let node = seen.as_ref().and_then(|seen| bench.nodes.get(seen));
            let seen = node.map(|node| format!("seen: {}", node.phase.word()));
            seen.into_iter().chain(profile).collect::<Vec<_>>().join(", ")
        }),
        RowEffect::Same(_) => warning.or(profile).unwrap_or_default(),
    }
}

/// Everything that is wrong with a row, with what to do, or what it would do.
fn about(screen: &Screen, row: &PreviewRow, width: usize) -> Vec<Line<'static>> {
    let errors = match &row.standing {
        RowEffect::Error(errors) => errors.as_slice(),
        RowEffect::New { .. } | RowEffect::Same(_) | RowEffect::Changes(..) => &[],
    };
    let tell = |located: &Located, error: bool| {
        let what = format!("row {}, {}", row.row, said(located));
        problem(&screen.theme, &wrong(screen, what, located.flaw.hint(), error), width)
    };
    let errors = errors.iter().flat_map(|error| tell(error, true));
    let mut lines = vec![Line::default()];
    lines.extend(errors.chain(row.warnings.iter().flat_map(|warning| tell(warning, false))));
    if let RowEffect::Changes(_, changes) = &row.standing {
        let head = || Span::styled(format!(" {} ", screen.theme.glyphs.conflict), screen.theme.style(Meaning::Notice));
        let plain = screen.theme.style(Meaning::Plain);
        lines.extend(
            changes.iter().flat_map(|change| paragraph(head(), &clean(&change.to_string(), LINE), plain, width)),
        );
    }
    if lines.len() > 1 { lines } else { Vec::new() }
}

fn said(located: &Located) -> String {
    let column = located.column.as_ref().map(|column| format!("{column}: ")).unwrap_or_default();
    clean(&format!("{column}{}", located.flaw), LINE)
}

fn look(screen: &Screen, standing: &RowEffect) -> (&'static str, Meaning) {
    let glyphs = screen.theme.glyphs;
    match standing {
        RowEffect::New { .. } => (glyphs.active, Meaning::Active),
        RowEffect::Same(_) => (glyphs.registered, Meaning::Muted),
        RowEffect::Changes(..) => (glyphs.conflict, Meaning::Notice),
        RowEffect::Error(_) => (glyphs.failed, Meaning::Failure),
    }
}

/// How many rows of each kind; on a narrow terminal only how many are wrong.
fn counts(screen: &Screen, preview: &Preview, width: u16) -> Line<'static> {
    let counts = preview.counts;
    let meaning = if preview.is_clean() { Meaning::Plain } else { Meaning::Failure };
    let errors = count(counts.errors, "error");
    let errors = Span::styled(errors, screen.theme.style(meaning));
    match width {
        0..NARROW => errors.into(),
        NARROW.. => {
            let good = format!("{} new, {} same, {} changes, ", counts.new, counts.same, counts.changes);
            Line::from(vec![Span::raw(good), errors])
        }
    }
}

fn wrong(screen: &Screen, what: String, hint: String, error: bool) -> ProblemText {
    let glyphs = screen.theme.glyphs;
    let (glyph, meaning) = if error { (glyphs.failed, Meaning::Failure) } else { (glyphs.stalled, Meaning::Warning) };
    ProblemText { meaning, glyph, what, hint: Some(hint) }
}

/// Columns below which the counts are cut short.
const NARROW: u16 = 58;
/// Columns of what a row is called.
const LABEL: usize = 22;
const NAME: usize = 60;
const PATH: usize = 400;
const LINE: usize = 300;
