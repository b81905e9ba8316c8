//! A text with places for what differs from node to node.

use std::sync::Arc;

/// Jinja as people wrote it, and where, so that a mistake can be told with its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub text: Arc<str>,
    /// The file it is in, as the person knows it.
    pub file: String,
    /// The line of that file on which it begins, counted from 1.
    pub line: usize,
}
