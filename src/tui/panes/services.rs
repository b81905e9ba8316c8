//! The station's own services: what serves where, and what does not and why.
//!
//! ```text
//! ┌ Services ──────────────────────────────────────────────┐
//! │ ✓ dhcp    up         10.77.0.1 on s0, proxy beside …    │
//! │ ✗ http    down       port 80 is in use by another       │
//! │                      program                            │
//! │               hint: stop it, or start oxbow with …      │
//! │   DHCP mode   auto, chosen here: proxy where another …  │
//! │   pool        3 of 151 addresses leased, 148 free       │
//! └─────────────────────────────────────────────────────────┘
//! ```

use ratatui::text::{Line, Span};

use crate::domain::machine::disk::in_bytes;
use crate::domain::snapshot::Snapshot;
use crate::domain::station::dhcp::Mode;
use crate::domain::station::service::{ServiceState, ServiceStatus};
use crate::domain::text::clean;
use crate::domain::time::in_words;
use crate::tui::state::Screen;
use crate::tui::style::glyphs::Glyphs;
use crate::tui::style::text::{age, clock, count};
use crate::tui::style::theme::Meaning;
use crate::tui::style::widgets::{ProblemText, paragraph};

pub fn lines(screen: &Screen, bench: &Snapshot, width: usize) -> Vec<Line<'static>> {
    let station = &bench.station;
    let fact = |name: &str, value: String| fact(screen, name, Meaning::Plain, &value, width);
    let mut lines = [
        fact("station", format!("oxbow {} on {}", station.version, station.interface)),
        fact("machines reach it at", station.base_url.clone()),
        fact("policy", format!("{}: {}", bench.policy, bench.policy.meaning())),
    ]
    .concat();
    if bench.dropped > 0 {
        lines.extend(fact(
            "dropped",
            format!("{}, the station could not keep up", counted_as(bench.dropped, "observation")),
        ));
    }
    lines.extend(room(screen, bench, width));
    lines.push(Line::default());
    lines.extend(bench.services.iter().flat_map(|service| about(screen, service, width)));
    lines.extend(addresses(screen, bench, width));
    lines.extend(overlooked(screen, bench, width));
    lines.extend(counted(screen, "DHCP requests dropped", &bench.dhcp.dropped, Meaning::Warning, width));
    lines.extend(counted(screen, "DHCP requests not answered", &bench.dhcp.unanswered, Meaning::Muted, width));
    lines.extend(leases(screen, bench));
    lines
}

/// What the doctor and the captures had no room for, or no machine. Nothing at all if there was nothing.
fn overlooked(screen: &Screen, bench: &Snapshot, width: usize) -> Vec<Line<'static>> {
    let doctor = &bench.doctor;
    let counts = [
        ("machines forgotten", doctor.dropped(), "machine", "too many are on this network, the idle go first"),
        ("packets let go", bench.packets_dropped, "machine", "there is no room for the packets of so many"),
        (
            "from nowhere",
            doctor.unplaced(),
            "request",
            "from addresses that no machine was seen to get: before the station started, or elsewhere",
        ),
    ];
    let counts = counts.into_iter().filter(|(_, times, ..)| *times > 0);
    let counts = counts.map(|(name, times, what, why)| (name, format!("{}: {why}", counted_as(times, what))));
    let nameless = doctor.nameless().map(|nameless| {
        let (times, ago) = (counted_as(nameless.times, "DHCP request"), age(screen.moment().since(nameless.last)));
        ("from nobody", format!("{times} without a usable MAC address, last {ago} ago: {}", nameless.reason))
    });
    let facts = counts.chain(nameless);
    facts.flat_map(|(name, words)| fact(screen, name, Meaning::Warning, &words, width)).collect()
}

fn fact(screen: &Screen, name: &str, meaning: Meaning, value: &str, width: usize) -> Vec<Line<'static>> {
    let head = Span::styled(format!("   {name:<NAME$}"), screen.theme.style(Meaning::Muted));
    paragraph(head, &clean(value, WORDS), screen.theme.style(meaning), width)
}

/// How much the disk has room for that images, logs and records are on.
fn room(screen: &Screen, bench: &Snapshot, width: usize) -> Vec<Line<'static>> {
    let Some(left) = bench.room else { return Vec::new() };
    let (meaning, advice) = match left {
        SCARCE.. => (Meaning::Plain, ""),
        _ => (Meaning::Warning, ": make room, else images and logs are lost; `oxbow images` says what takes it"),
    };
    let words = format!("{} free for images, logs and records{advice}", in_bytes(left));
    fact(screen, "disk", meaning, &words, width)
}

/// Whose the addresses are, how many are left, and who else gives some.
fn addresses(screen: &Screen, bench: &Snapshot, width: usize) -> Vec<Line<'static>> {
    let (dhcp, now) = (&bench.dhcp, screen.moment());
    if dhcp.mode.is_none() && dhcp.rivals.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![Line::default()];
    let chosen = bench.dhcp_chosen.unwrap_or(dhcp.choice);
    let by = if bench.dhcp_chosen.is_some() { "chosen here" } else { "by the settings" };
    let words = match bench.dhcp_asked {
        Some(asked) => format!("{chosen}; looks for other servers before it is {asked}"),
        None => format!("{chosen}, {by}: {}", chosen.meaning()),
    };
    lines.extend(fact(screen, "DHCP mode", Meaning::Plain, &words, width));
    if dhcp.mode == Some(Mode::Authoritative) {
        let pool = &dhcp.pool;
        let (meaning, left) = match pool.free() {
            0 => (Meaning::Failure, "none is free: choose a larger --pool".to_owned()),
            free => (Meaning::Plain, format!("{free} free")),
        };
        let mut words = format!("{} of {} addresses leased, {left}", pool.leased, pool.size);
        for (number, what) in [(pool.offered, "offered"), (pool.resting, "used by somebody else")] {
            if number > 0 {
                words += &format!(", {number} {what}");
            }
        }
        lines.extend(fact(screen, "pool", meaning, &words, width));
    }
    for (number, rival) in dhcp.rivals.iter().enumerate() {
        let name = if number == 0 { "other DHCP servers" } else { "" };
        let card = rival.mac.map(|mac| format!(" ({mac})")).unwrap_or_default();
        let (first, last) = (clock(&screen.zone, rival.first), age(now.since(rival.last)));
        let words = format!("{}{card}, since {first}, last heard {last} ago", rival.address);
        lines.extend(fact(screen, name, Meaning::Warning, &words, width));
    }
    lines
}

/// Who has which address, and for how long.
fn leases(screen: &Screen, bench: &Snapshot) -> Vec<Line<'static>> {
    let leases = &bench.dhcp.leases;
    if leases.is_empty() {
        return Vec::new();
    }
    let muted = screen.theme.style(Meaning::Muted);
    let mut lines = vec![Line::default(), Line::styled("   Leases", muted)];
    for lease in leases {
        let node = bench.index.owner_of(lease.mac).and_then(|id| bench.nodes.get(&id));
        let name = node.map(|node| clean(&node.label(), LABEL)).unwrap_or_default();
        let left = in_words(lease.until.since(screen.moment()));
        let address = lease.address.to_string();
        lines.push(Line::from(format!("   {address:<17}{left:>8}  {}  {name}", lease.mac)));
    }
    let untold = bench.dhcp.pool.leased.saturating_sub(leases.len());
    if untold > 0 {
        lines.push(Line::from(format!("   and {untold} more")));
    }
    lines
}

/// What is not serving, each with what to try.
pub fn problems(screen: &Screen, bench: &Snapshot) -> Vec<ProblemText> {
    let glyph = screen.theme.glyphs.failed;
    let down = bench.services.iter().filter_map(|service| match &service.state {
        ServiceState::Down { what, hint } => {
            let what = format!("{} is down: {what}", service.name.word());
            Some(ProblemText { meaning: Meaning::Failure, glyph, what, hint: Some(hint.clone()) })
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
        lines.extend([Line::default(), Line::styled(format!("   {what}"), screen.theme.style(Meaning::Muted))]);
    }
    for (reason, times) in counts {
        let head = Span::styled(format!("{times:>12} "), screen.theme.style(meaning));
        lines.extend(paragraph(head, &clean(reason, WORDS), screen.theme.style(Meaning::Plain), width));
    }
    lines
}

fn counted_as(times: u64, what: &str) -> String {
    count(usize::try_from(times).unwrap_or(usize::MAX), what)
}

/// Columns of the names of facts.
const NAME: usize = 22;
const WORDS: usize = 400;
/// Less room than this is little: an image of a system may be larger.
const SCARCE: u64 = 2_000_000_000;
/// Letters of a node's name.
const LABEL: usize = 40;
