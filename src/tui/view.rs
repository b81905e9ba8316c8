//! A frame: header, pane, footer, and what lies over them. Pure: the same screen and bench give the same frame.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::domain::snapshot::Snapshot;
use crate::tui::panes::{self, footer, header, wall};
use crate::tui::popups;
use crate::tui::state::Screen;
use crate::tui::style::glyphs::fold_to_ascii;
use crate::tui::style::layout::{MIN_HEIGHT, MIN_WIDTH, layout};

/// Draws `live`, or the moment at which the view was frozen.
pub fn view(screen: &Screen, live: &Snapshot, area: Rect, frame: &mut Frame<'_>) {
    let bench = screen.shown(live);
    match layout(area, screen.pane, screen.whole) {
        None => too_small(screen, bench, area, frame),
        Some(plan) if screen.wall => {
            wall::view(screen, bench, Rect { height: area.height - plan.footer.height, ..area }, frame);
            popups::view(screen, live, Rect { height: area.height - plan.footer.height, ..area }, frame);
            footer::toast(screen, plan.footer, frame);
            footer::view(screen, live, plan.footer, frame);
        }
        Some(plan) => {
            header::view(screen, bench, plan.header, frame);
            panes::view(screen, bench, &plan, frame);
            popups::view(screen, live, Rect { height: area.height - plan.footer.height, ..area }, frame);
            footer::toast(screen, plan.footer, frame);
            footer::view(screen, live, plan.footer, frame);
        }
    }
    if screen.theme.is_ascii() {
        fold_to_ascii(frame.buffer_mut());
    }
}

/// What is needed, and what matters most.
fn too_small(screen: &Screen, bench: &Snapshot, area: Rect, frame: &mut Frame<'_>) {
    let needed = format!("Terminal is {}x{}; {MIN_WIDTH}x{MIN_HEIGHT} is needed", area.width, area.height);
    let counts = header::counts(screen, bench, usize::from(area.width) > 50);
    for (line, row) in [Line::raw(needed), counts].into_iter().zip(area.rows()) {
        frame.render_widget(line, row);
    }
}
