//! What is known of a node is corrected: the form shows what it was, and below it what saving would change.
//!
//! ```text
//! ┌ Edit press-07 ──────────────────────────────────────────────┐
//! │▌Serial    SN-4007▏                                          │
//! │ UUID                                                        │
//! │ MAC       3c:ec:ef:12:34:07                                 │
//! │ …                                                           │
//! │ Profile   the default (emt-s)                               │
//! │                                                             │
//! │ ≠ Serial SN-4070 → SN-4007                                  │
//! │   Enter saves it                                            │
//! └─────────────────────────────────────────────────────────────┘
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::node::Node;
use crate::domain::snapshot::Snapshot;
use crate::domain::text::clean;
use crate::tui::panes::register::{complaint, line};
use crate::tui::state::Screen;
use crate::tui::state::form::{Editing, Form};
use crate::tui::style::text::cut;
use crate::tui::style::theme::Meaning;
use crate::tui::style::widgets::{boxed, paragraph, text};

pub fn view(screen: &Screen, bench: &Snapshot, area: Rect, frame: &mut Frame<'_>) {
    let theme = &screen.theme;
    let known = screen.editing.as_ref().and_then(|editing| Some((editing, bench.nodes.get(&editing.node)?)));
    let label = known.map(|(_, node)| clean(&node.label(), WORDS)).unwrap_or_default();
    let title = cut(&format!("Edit {label}"), usize::from(area.width).saturating_sub(6));
    let inner = boxed(theme, Line::styled(title, theme.style(Meaning::Title)), Line::default(), area, frame);
    let Some((Editing { form, .. }, node)) = known else { return };
    let (width, height) = (usize::from(inner.width), usize::from(inner.height));
    let changes = changes(screen, bench, form, node, width);
    let mut lines = Vec::new();
    // Where there is little room only the field that is typed is shown, and what comes of it.
    let fields = form.fields().iter().copied();
    for field in fields.filter(|field| height >= form.fields().len() + 3 || *field == form.field) {
        lines.push(line(screen, form, bench, field, width));
        lines.extend(complaint(screen, form, field, width).into_iter().flatten());
    }
    lines.push(Line::default());
    lines.extend(changes);
    text(&lines, 0, inner, frame);
}

/// What saving would change, or why it cannot be saved.
fn changes(screen: &Screen, bench: &Snapshot, form: &Form, node: &Node, width: usize) -> Vec<Line<'static>> {
    let (theme, glyphs) = (&screen.theme, screen.theme.glyphs);
    let plain = theme.style(Meaning::Plain);
    let Some(edit) = form.edit(node) else { return Vec::new() };
    let said = |glyph, meaning, words: &str| {
        paragraph(Span::styled(format!(" {glyph} "), theme.style(meaning)), &clean(words, WORDS), plain, width)
    };
    match edit.judge(screen.now, node, &bench.nodes, &bench.index) {
        Err(why) => said(glyphs.failed, Meaning::Failure, &why.to_string()),
        Ok(changes) if changes.is_empty() && node.registered => {
            said(" ", Meaning::Muted, "nothing is changed yet; an empty field clears what is known")
        }
        Ok(changes) => {
            let mut lines: Vec<Line<'static>> =
                changes.iter().flat_map(|change| said(glyphs.conflict, Meaning::Notice, &change.to_string())).collect();
            if !node.registered {
                lines.extend(said(glyphs.conflict, Meaning::Notice, "from then on it counts as registered"));
            }
            lines.extend(said(" ", Meaning::Muted, "Enter saves it"));
            lines
        }
    }
}

const WORDS: usize = 300;
