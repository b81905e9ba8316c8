//! The station's own services: what serves where, and what does not and why.
//!
//! ```text
//! ┌ Services ──────────────────────────────────────────────┐
//! │ ✓ dhcp    up         10.77.0.1:67                       │
//! │ ✗ http    down       port 80 is in use by another       │
//! │                      program                            │
//! │               hint: stop it, or start oxbow with …      │
//! └─────────────────────────────────────────────────────────┘
//! ```

use ratatui::text::{Line, Span};

use crate::domain::service::{ServiceState, ServiceStatus};
use crate::domain::snapshot::Snapshot;
use crate::domain::text::clean;
use crate::tui::glyphs::Glyphs;
use crate::tui::screen::Screen;
use crate::tui::theme::Meaning;
use crate::tui::widgets::{Problem, paragraph};
use crate::tui::words::count;

pub fn lines(screen: &Screen, bench: &Snapshot, width: usize) -> Vec<Line<'static>> {
    let station = &bench.station;
    let fact = |name: &str, value: String| {
        Line::from(vec![
            Span::styled(format!("   {name:<NAME$}"), screen.theme.style(Meaning::Muted)),
            Span::raw(value),
        ])
    };
    let mut lines = vec![
        fact("station", format!("oxbow {}", station.version)),
        fact("network", format!("{} as {}", station.interface, station.address)),
        fact("machines reach it at", station.base_url.clone()),
        fact("policy", format!("{}: {}", bench.policy, bench.policy.meaning())),
    ];
    if bench.dropped > 0 {
        lines.push(fact("dropped", format!("{}, the station could not keep up", count_events(bench.dropped))));
    }
    lines.push(Line::default());
    lines.extend(bench.services.iter().flat_map(|service| about(screen, service, width)));
    lines.extend(counted(screen, "DHCP requests dropped", &bench.dhcp.dropped, Meaning::Warning, width));
    lines.extend(counted(screen, "DHCP requests not answered", &bench.dhcp.unanswered, Meaning::Muted, width));
    lines
}

/// What is not serving, each with what to try.
pub fn problems(screen: &Screen, bench: &Snapshot) -> Vec<Problem> {
    let glyph = screen.theme.glyphs.failed;
    let down = bench.services.iter().filter_map(|service| match &service.state {
        ServiceState::Down { what, hint } => {
            let what = format!("{} is down: {what}", service.name.word());
            Some(Problem { meaning: Meaning::Failure, glyph, what, hint: Some(hint.clone()) })
        }
        ServiceState::Starting | ServiceState::Up { .. } | ServiceState::Stopped => None,
    });
    down.collect()
}

pub fn is_down(service: &ServiceStatus) -> bool {
    matches!(service.state, ServiceState::Down { .. })
}

/// The sign, the word and the colour of a state.
pub fn look(state: &ServiceState, glyphs: &Glyphs) -> (&'static str, &'static str, Meaning) {
    match state {
        ServiceState::Starting => (glyphs.registered, "starting", Meaning::Muted),
        ServiceState::Up { .. } => (glyphs.provisioned, "up", Meaning::Success),
        ServiceState::Down { .. } => (glyphs.failed, "down", Meaning::Failure),
        ServiceState::Stopped => (glyphs.stalled, "stopped", Meaning::Warning),
    }
}

fn about(screen: &Screen, service: &ServiceStatus, width: usize) -> Vec<Line<'static>> {
    let theme = &screen.theme;
    let (glyph, word, meaning) = look(&service.state, theme.glyphs);
    let head = Span::styled(format!(" {glyph} {:<8}{word:<10}", service.name.word()), theme.style(meaning));
    let restarts = match service.restarts {
        0 => String::new(),
        restarts => format!(", restarted {}", count(usize::try_from(restarts).unwrap_or(usize::MAX), "time")),
    };
    let plain = theme.style(Meaning::Plain);
    match &service.state {
        ServiceState::Up { at } => paragraph(head, &format!("{}{restarts}", clean(at, WORDS)), plain, width),
        ServiceState::Starting | ServiceState::Stopped => {
            paragraph(head, restarts.trim_start_matches(", "), plain, width)
        }
        ServiceState::Down { what, hint } => {
            let tried = Span::styled(format!("{:>20} ", "hint:"), theme.style(Meaning::Key));
            let mut lines = paragraph(head, &format!("{}{restarts}", clean(what, WORDS)), plain, width);
            lines.extend(paragraph(tried, &clean(hint, WORDS), plain, width));
            lines
        }
    }
}

/// What happened how often, the most frequent first. Nothing at all if nothing did.
fn counted(
    screen: &Screen,
    what: &str,
    counts: &[(String, u64)],
    meaning: Meaning,
    width: usize,
) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if !counts.is_empty() {
        lines.extend([Line::default(), Line::from(format!("   {what}"))]);
    }
    for (reason, times) in counts {
        let head = Span::styled(format!("{times:>12} "), screen.theme.style(meaning));
        lines.extend(paragraph(head, &clean(reason, WORDS), screen.theme.style(Meaning::Plain), width));
    }
    lines
}

fn count_events(dropped: u64) -> String {
    count(usize::try_from(dropped).unwrap_or(usize::MAX), "observation")
}

/// Columns of the names of facts.
const NAME: usize = 22;
const WORDS: usize = 400;
