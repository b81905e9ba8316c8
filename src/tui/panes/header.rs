//! The first lines: the panes, where the station is, what the time is; how many nodes do what, and how the services are.
//!
//! ```text
//!  oxbow  1 Nodes  2 Profiles  3 Services      enp3s0  http://10.77.0.1  14:02:11
//!  ✗ 2 failed  ▸ 5 active  · 3 waiting  ✓ 2 done                ✓ 6 services up
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::snapshot::Snapshot;
use crate::domain::station::policy::Policy;
use crate::domain::station::service::{ServiceState, ServiceStatus};
use crate::domain::text::clean;
use crate::tui::input::keymap::Tab;
use crate::tui::panes::profiles::problem_count;
use crate::tui::panes::services::{is_down, look};
use crate::tui::state::Screen;
use crate::tui::style::text::{age, clock};
use crate::tui::style::theme::Meaning;

pub fn view(screen: &Screen, bench: &Snapshot, area: Rect, frame: &mut Frame<'_>) {
    let mut rows = area.rows();
    if area.height > 1
        && let Some(row) = rows.next()
    {
        spread(
            &[Tabs::Spaced, Tabs::Tight, Tabs::Present].map(|how| tabs(screen, bench, how)),
            &places(screen, bench),
            row,
            frame,
        );
        if let Some(row) = rows.next() {
            spread(&[counts(screen, bench, true), counts(screen, bench, false)], &services(screen, bench), row, frame);
        }
    } else if let Some(row) = rows.next() {
        let time = [Line::from(time(screen))];
        spread(&[counts(screen, bench, true), counts(screen, bench, false)], &time, row, frame);
    }
    // Something has just happened: seen from where its words cannot be read. It does not blink.
    if let Some((meaning, _)) = screen.flashing {
        frame.buffer_mut().set_style(area, screen.theme.flash(meaning));
    }
}

/// How many nodes do what. With words, or with glyphs alone where there is no room: the words are in the table.
pub fn counts(screen: &Screen, bench: &Snapshot, words: bool) -> Line<'static> {
    let (theme, counts) = (&screen.theme, &screen.rows().counts);
    let glyphs = theme.glyphs;
    let kinds = [
        (glyphs.failed, counts.failed, "failed", Meaning::Failure, true),
        (glyphs.stalled, counts.stalled, "stalled", Meaning::Warning, false),
        (glyphs.held, counts.held, "held", Meaning::Notice, false),
        (glyphs.active, counts.active, "active", Meaning::Active, true),
        (glyphs.registered, counts.waiting, "waiting", Meaning::Plain, true),
        (glyphs.provisioned, counts.done, "done", Meaning::Success, true),
    ];
    let mut spans = vec![Span::raw(" ")];
    for (glyph, count, word, meaning, always) in kinds {
        if count == 0 && !always {
            continue;
        }
        let meaning = if count == 0 { Meaning::Muted } else { meaning };
        let said = if words { format!("{glyph} {count} {word}") } else { format!("{glyph}{count}") };
        spans.extend([Span::styled(said, theme.style(meaning)), Span::raw("  ")]);
    }
    if bench.policy != Policy::Default && words {
        spans.extend([Span::styled(format!("policy {}", bench.policy), theme.style(Meaning::Notice)), Span::raw("  ")]);
    }
    if bench.dropped > 0 {
        let said = if words { format!("{} {} dropped", glyphs.stalled, bench.dropped) } else { "dropped".into() };
        spans.extend([Span::styled(said, theme.style(Meaning::Warning)), Span::raw("  ")]);
    }
    spans.pop();
    spans.into()
}

fn name(screen: &Screen) -> Line<'static> {
    Line::from(vec![Span::raw(" "), Span::styled("oxbow", screen.theme.style(Meaning::Title))])
}

/// How the panes are told, the fullest first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tabs {
    Spaced,
    Tight,
    /// Only the present one has its name.
    Present,
}

fn tabs(screen: &Screen, bench: &Snapshot, how: Tabs) -> Line<'static> {
    let theme = &screen.theme;
    let mut line = if how == Tabs::Tight { Line::default() } else { name(screen) };
    line.push_span(" ");
    for tab in Tab::ALL {
        let number = tab.digit();
        let problems = match tab {
            Tab::Batch | Tab::Nodes | Tab::Register | Tab::Import | Tab::Logs => 0,
            Tab::Profiles => problem_count(bench),
            Tab::Services => bench.services.iter().filter(|service| is_down(service)).count(),
        };
        let apart = if how == Tabs::Tight { "" } else { " " };
        let mark = if problems > 0 { format!("{apart}{}{problems}", theme.glyphs.stalled) } else { String::new() };
        let meaning = if tab == screen.tab() {
            Meaning::Selected
        } else if problems > 0 {
            Meaning::Warning
        } else {
            Meaning::Plain
        };
        line.push_span(Span::styled(
            match how {
                Tabs::Tight => format!("{number} {}{mark}", tab.title()),
                Tabs::Present if tab != screen.tab() => format!(" {number}{mark} "),
                Tabs::Spaced | Tabs::Present => format!(" {number} {}{mark} ", tab.title()),
            },
            theme.style(meaning),
        ));
        if how == Tabs::Tight && Some(&tab) != Tab::ALL.last() {
            line.push_span(" ");
        }
    }
    line
}

/// Where the station is, the fullest first.
fn places(screen: &Screen, bench: &Snapshot) -> Vec<Line<'static>> {
    let station = &bench.station;
    let muted = screen.theme.style(Meaning::Muted);
    let version = format!("oxbow {}", station.version);
    let all = [version, station.interface.clone(), station.base_url.clone()];
    let said = |from: usize, to: usize| {
        let words = all[from..to].iter().filter(|word| !word.is_empty()).map(|word| clean(word, 60) + "  ");
        Line::from_iter(words.map(|word| Span::styled(word, muted)).chain([time(screen)]))
    };
    vec![said(0, 3), said(1, 3), said(1, 2), said(1, 1)]
}

fn time(screen: &Screen) -> Span<'static> {
    match &screen.frozen {
        Some(frozen) => {
            let ago = age(screen.now.since(frozen.at));
            Span::styled(format!(" FROZEN {ago} "), screen.theme.style(Meaning::Selected))
        }
        None => match &screen.replay {
            Some(pace) => {
                let words = format!(" REPLAY {pace} {} ", clock(&screen.zone, screen.now));
                Span::styled(words, screen.theme.style(Meaning::Selected))
            }
            None => Span::raw(clock(&screen.zone, screen.now)),
        },
    }
}

/// How the services are, the fullest first.
fn services(screen: &Screen, bench: &Snapshot) -> Vec<Line<'static>> {
    let each = |say: &dyn Fn(&ServiceStatus, &'static str) -> String| {
        let about = bench.services.iter().map(|service| {
            let (glyph, word, meaning) = look(&service.state, screen.theme.glyphs);
            Span::styled(
                format!("{glyph} {}{}  ", service.name.word(), say(service, word)),
                screen.theme.style(meaning),
            )
        });
        trimmed(about.collect())
    };
    let address = |service: &ServiceStatus, word: &str| match &service.state {
        ServiceState::Up { at } => format!(" {}", clean(at, 60)),
        ServiceState::Starting | ServiceState::Down { .. } | ServiceState::Stopped => format!(" {word}"),
    };
    let trouble = |service: &ServiceStatus, word: &str| match &service.state {
        ServiceState::Up { .. } => String::new(),
        ServiceState::Starting | ServiceState::Down { .. } | ServiceState::Stopped => format!(" {word}"),
    };
    vec![each(&address), each(&trouble), summary(screen, bench, " services"), summary(screen, bench, "")]
}

/// `✓ 6 services up`, or what is down.
fn summary(screen: &Screen, bench: &Snapshot, things: &str) -> Line<'static> {
    let (glyphs, all) = (screen.theme.glyphs, bench.services.len());
    let down: Vec<&str> =
        bench.services.iter().filter(|service| is_down(service)).map(|service| service.name.word()).collect();
    let up = bench.services.iter().filter(|service| matches!(service.state, ServiceState::Up { .. })).count();
    let (said, meaning) = match down.as_slice() {
        [] if up == all => (format!("{} {all}{things} up", glyphs.provisioned), Meaning::Success),
        [] => (format!("{} {up} of {all}{things} up", glyphs.active), Meaning::Active),
        [one] => (format!("{} {one} down", glyphs.failed), Meaning::Failure),
        several => (format!("{} {}{things} down", glyphs.failed, several.len()), Meaning::Failure),
    };
    Line::styled(said, screen.theme.style(meaning))
}

/// Without the space after the last.
fn trimmed(mut spans: Vec<Span<'static>>) -> Line<'static> {
    if let Some(last) = spans.last_mut() {
        *last = Span::styled(last.content.trim_end().to_owned(), last.style);
    }
    spans.into()
}

/// The first of `lefts` that fits with one of `rights`, which give way before it does.
fn spread(lefts: &[Line<'_>], rights: &[Line<'_>], row: Rect, frame: &mut Frame<'_>) {
    let width = usize::from(row.width);
    let pairs = lefts.iter().flat_map(|left| rights.iter().map(move |right| (left, right)));
    let fits = |(left, right): &(&Line<'_>, &Line<'_>)| left.width() + right.width() + 3 <= width;
    match pairs.into_iter().find(fits) {
        Some((left, right)) => {
            frame.render_widget(left, row);
            let at = row.right() - u16::try_from(right.width() + 1).unwrap_or(row.width);
            frame.render_widget(right, Rect { x: at, width: row.right() - at, ..row });
        }
        None => frame.render_widget(lefts.iter().find(|left| left.width() <= width).or(lefts.last()), row),
    }
}
