//! What fills the screen between header and footer.

pub mod batch;
pub mod edit;
pub mod footer;
pub mod header;
pub mod import;
pub mod log;
pub mod logs;
pub mod node;
pub mod nodes;
pub mod profiles;
pub mod register;
pub mod services;
pub mod wall;
pub mod welcome;

use ratatui::Frame;
use ratatui::text::Line;

use crate::domain::snapshot::Snapshot;
use crate::tui::pane::Pane;
use crate::tui::state::{LogPosition, Screen};
use crate::tui::style::layout::FramePlan;
use crate::tui::style::theme::Meaning;
use crate::tui::style::widgets::{boxed, part, text};

/// Draws the pane that the screen is in.
pub fn view(screen: &Screen, bench: &Snapshot, plan: &FramePlan, frame: &mut Frame<'_>) {
    let title = |words: &'static str| Line::styled(words, screen.theme.style(Meaning::Title));
    match screen.pane {
        Pane::Nodes => {
            nodes::view(screen, bench, plan.table, frame);
            let (node, following) = (screen.node(bench), LogPosition::Following);
            if let Some(area) = plan.detail {
                node::view(screen, bench, node, area, frame);
            }
            if let Some(area) = plan.log {
                log::view(screen, node.map(|node| &**node), &following, area, frame);
            }
        }
        Pane::Node(_) => {
            let node = screen.node(bench);
            node::view(screen, bench, node, plan.table, frame);
            if let Some(area) = plan.log {
                log::view(screen, node.map(|node| &**node), &screen.reading, area, frame);
            }
        }
        Pane::Edit(_) => edit::view(screen, bench, plan.table, frame),
        Pane::Import => import::view(screen, bench, plan.table, frame),
        Pane::Register => register::view(screen, bench, plan.table, frame),
        Pane::Batch => batch::view(screen, bench, plan.table, frame),
        Pane::Logs => logs::view(screen, bench, plan.table, frame),
        Pane::Profiles | Pane::Services => {
            let words = if screen.pane == Pane::Profiles { "Profiles and images" } else { "Services" };
            let lines = text_lines(screen, bench, plan.table.width.saturating_sub(2).into());
            let remark = part(lines.len(), screen.scrolled, plan.table.height.saturating_sub(2).into());
            let inner = boxed(&screen.theme, title(words), remark, plan.table, frame);
            text(&lines, screen.scrolled, inner, frame);
        }
    }
}

/// How many lines the text of the present pane has.
pub fn text_height(screen: &Screen, live: &Snapshot) -> usize {
    text_lines(screen, screen.shown(live), screen.size.width.saturating_sub(2).into()).len()
}

fn text_lines(screen: &Screen, bench: &Snapshot, width: usize) -> Vec<Line<'static>> {
    match screen.pane {
        Pane::Profiles => profiles::lines(screen, bench, width),
        Pane::Services => services::lines(screen, bench, width),
        Pane::Nodes | Pane::Node(_) | Pane::Edit(_) | Pane::Register | Pane::Import | Pane::Logs | Pane::Batch => {
            Vec::new()
        }
    }
}
