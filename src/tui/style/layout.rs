//! Where things go, by the size of the terminal.
//!
//! ```text
//!  120x30 and more: table, detail, log      80x24: one pane           less than 40x10
//! ┌ header ───────────────────────────┐    ┌ header ─────────┐       ┌──────────────┐
//! │ ┌ Nodes ─────────┐ ┌ press-07 ──┐ │    │ ┌ Nodes ──────┐ │       │ one honest   │
//! │ │                │ │            │ │    │ │             │ │       │ line, counts │
//! │ └────────────────┘ └────────────┘ │    │ │             │ │       └──────────────┘
//! │ ┌ Log ──────────────────────────┐ │    │ └─────────────┘ │
//! │ └───────────────────────────────┘ │    └ keys ───────────┘
//! └ keys ─────────────────────────────┘
//! ```

use ratatui::layout::Rect;

use crate::tui::pane::Pane;

/// The places of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramePlan {
    /// Two lines, or one where there is little room.
    pub header: Rect,
    /// The table of nodes, the text of one node, of profiles or of services.
    pub table: Rect,
    /// Beside the table.
    pub detail: Option<Rect>,
    pub log: Option<Rect>,
    pub footer: Rect,
}

/// The plan for `area`; none when it is too small for one. The page of a node may be the `whole` of it.
pub fn layout(area: Rect, pane: Pane, whole: bool) -> Option<FramePlan> {
    if area.width < MIN_WIDTH || area.height < MIN_HEIGHT {
        return None;
    }
    let (header, rest) = split_top(area, if area.height < 16 { 1 } else { 2 });
    let (body, footer) = split_top(rest, rest.height - 1);
    let plan = FramePlan { header, table: body, detail: None, log: None, footer };
    Some(match pane {
        Pane::Nodes if area.width >= 120 && area.height >= 30 => {
            let (upper, log) = split_top(body, body.height - (body.height * 3 / 10).max(8));
            let (table, detail) = split_left(upper, area.width - (area.width * 2 / 5).clamp(50, 84));
            FramePlan { table, detail: Some(detail), log: Some(log), ..plan }
        }
        Pane::Node(_) if whole => plan,
        Pane::Node(_) => {
            // What the node is needs at most this much; its log gets the rest.
            let (table, log) = split_top(body, (body.height * 2 / 3).min(22));
            FramePlan { table, log: Some(log), ..plan }
        }
        Pane::Nodes
        | Pane::Edit(_)
        | Pane::Register
        | Pane::Import
        | Pane::Profiles
        | Pane::Services
        | Pane::Logs
        | Pane::Batch => plan,
    })
}

/// The middle of `area`, of this size or as much of it as there is.
pub fn middle(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect::new(area.x + (area.width - width) / 2, area.y + (area.height - height) / 2, width, height)
}

/// The upper part of `area`, of this height or as much as there is, and the rest.
pub fn split_top(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    let below = Rect { y: area.y + height, height: area.height - height, ..area };
    (Rect { height, ..area }, below)
}

/// The left part of `area`, of this width or as much as there is, and the rest.
pub fn split_left(area: Rect, width: u16) -> (Rect, Rect) {
    let width = width.min(area.width);
    let right = Rect { x: area.x + width, width: area.width - width, ..area };
    (Rect { width, ..area }, right)
}

pub const MIN_WIDTH: u16 = 40;
pub const MIN_HEIGHT: u16 = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::NodeId;

    #[test]
    fn every_plan_fills_its_area_and_nothing_overlaps() {
        for (width, height) in [(200, 50), (120, 40), (120, 30), (119, 30), (80, 24), (60, 20), (40, 12), (40, 10)] {
            for pane in
                [Pane::Nodes, Pane::Node(NodeId(1)), Pane::Register, Pane::Import, Pane::Profiles, Pane::Services]
            {
                let area = Rect::new(0, 0, width, height);
                let plan = layout(area, pane, false).expect("a plan");
                let parts = [Some(plan.header), Some(plan.table), plan.detail, plan.log, Some(plan.footer)];
                let parts: Vec<Rect> = parts.into_iter().flatten().collect();
                assert_eq!(parts.iter().map(|part| part.area()).sum::<u32>(), area.area(), "{width}x{height} {pane:?}");
                for (at, part) in parts.iter().enumerate() {
                    assert!(parts[..at].iter().all(|other| !other.intersects(*part)), "{width}x{height} {pane:?}");
                }
            }
        }
    }

    #[test]
    fn too_small_is_said_and_not_squeezed() {
        assert_eq!(layout(Rect::new(0, 0, 39, 50), Pane::Nodes, false), None);
        assert_eq!(layout(Rect::new(0, 0, 200, 9), Pane::Nodes, false), None);
    }
}
