//! How things look: theme, colours, glyphs, text and small widgets.

pub mod colours;
pub mod glyphs;
pub mod layout;
pub mod status;
pub mod text;
pub mod theme;
pub mod widgets;
