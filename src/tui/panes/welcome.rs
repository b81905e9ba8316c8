//! What an empty bench says: what to do, and what would disappoint the first machine.
//!
//! ```text
//!   No machine has been seen yet.
//!
//!   1  Connect machines to enp3s0.
//!   2  Choose network boot first in their firmware set-up.
//!   3  Switch them on. Each appears here by itself.
//!
//!   Policy default: machines nobody registered get profile emt-s, Edge Microvisor Toolkit 3.1.
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::snapshot::Snapshot;
use crate::domain::station::plan::{BootPlan, Refuse};
use crate::domain::station::policy::Policy;
use crate::domain::text::clean;
use crate::tui::panes::{profiles, services};
use crate::tui::state::Screen;
use crate::tui::style::theme::Meaning;
use crate::tui::style::widgets::{paragraph, problem, text, whole};

pub fn view(screen: &Screen, bench: &Snapshot, area: Rect, frame: &mut Frame<'_>) {
    let inset = u16::from(area.width > 50) * 2 + 1;
    let inner = Rect { x: area.x + inset.min(area.width), width: area.width.saturating_sub(2 * inset), ..area };
    let lines = lines(screen, bench, inner.width.into());
    let top = u16::from(usize::from(inner.height) > lines.len());
    let place = Rect { y: inner.y + top, height: inner.height - top, ..inner };
    text(&whole(lines, place.height.into()), 0, place, frame);
}

fn lines(screen: &Screen, bench: &Snapshot, width: usize) -> Vec<Line<'static>> {
    let theme = &screen.theme;
    let (plain, key) = (theme.style(Meaning::Plain), theme.style(Meaning::Key));
    let mut lines = vec![Line::styled("No machine has been seen yet.", theme.style(Meaning::Title)), Line::default()];
    let steps = [
        format!("Connect machines to {}.", bench.station.interface),
        "Choose network boot first in their firmware set-up.".into(),
        "Switch them on. Each appears here by itself.".into(),
    ];
    for (number, step) in (1..).zip(steps) {
        lines.extend(paragraph(Span::styled(format!("{number}  "), key), &step, plain, width));
    }
    lines.push(Line::default());
    let (what, hint) = what_they_get(bench);
    lines.extend(paragraph(Span::raw(""), &what, plain, width));
    lines.extend(hint.into_iter().flat_map(|hint| paragraph(Span::styled("hint: ", key), hint, plain, width)));
    lines.push(Line::default());
    let problems = services::problems(screen, bench).into_iter().chain(profiles::problems(screen, bench));
    lines.extend(problems.flat_map(|found| problem(theme, &found, width)));
    lines
}

/// What a machine that comes now gets, and where that is nothing, what to do.
fn what_they_get(bench: &Snapshot) -> (String, Option<&'static str>) {
    let hint = match bench.policy {
        Policy::Default => None,
        Policy::Hold => Some("a lets one go on, A all of them; who is registered or on a list goes on by itself"),
        Policy::Refuse | Policy::AllowList => Some("register them, or import a list; P chooses another policy"),
    };
    if let Some(hint) = hint {
        return (format!("Policy {}: {}.", bench.policy, bench.policy.meaning()), Some(hint));
    }
    match bench.catalogue.install(None) {
        BootPlan::Install(id) => match bench.catalogue.profiles.get(&id) {
            Some(profile) if profile.title != id.as_str() => (
                format!("Policy default: machines nobody registered get profile {id}, {}.", clean(&profile.title, 80)),
                None,
            ),
            _ => (format!("Policy default: machines nobody registered get profile {id}."), None),
        },
        BootPlan::LocalDisk => ("Machines boot from their own disk.".into(), None),
        BootPlan::Wait(wait) => (format!("Machines wait: {wait}."), None),
        BootPlan::Refuse(refuse) => {
            let hint = match refuse {
                Refuse::NoProfile if bench.catalogue.profiles.is_empty() => "put a profile in the profiles directory",
                Refuse::NoProfile | Refuse::UnknownProfile(_) => "name one with --default-profile",
                Refuse::NotRegistered => "register them, or choose another policy",
                Refuse::BrokenImage { .. } => "4 shows what is wrong with it",
            };
            (format!("Machines that nobody registered get nothing: {refuse}."), Some(hint))
        }
    }
}
