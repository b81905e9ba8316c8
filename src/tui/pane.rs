//! The panes, in the order of their keys.

use crate::domain::ids::NodeId;

/// What fills the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    Batch,
    Nodes,
    Node(NodeId),
    Edit(NodeId),
    Register,
    Import,
    Profiles,
    Services,
    Logs,
}
