//! The signs beside the words, in two sets: one for terminals with a good font, one of plain ASCII.

use ratatui::buffer::Buffer;
use ratatui::symbols::border;

/// One sign for each thing that is drawn. The first eight mark what a node is doing and differ from one another.
#[derive(Debug)]
pub struct Glyphs {
    pub failed: &'static str,
    pub conflict: &'static str,
    pub stalled: &'static str,
    pub held: &'static str,
    pub active: &'static str,
    pub registered: &'static str,
    pub installed: &'static str,
    pub provisioned: &'static str,
    /// Beside the chosen row.
    pub cursor: &'static str,
    /// Beside a marked row.
    pub marked: &'static str,
    /// Where the next letter goes.
    pub caret: &'static str,
    pub ascending: &'static str,
    pub descending: &'static str,
    /// A full cell of a bar, an empty one, and the eighths between.
    pub bar_full: &'static str,
    pub bar_empty: &'static str,
    pub bar_parts: &'static [&'static str],
    /// A stage that is behind, and one that is ahead.
    pub pip: &'static str,
    pub no_pip: &'static str,
    pub border: border::Set<'static>,
}

pub static UNICODE: Glyphs = Glyphs {
    failed: "✗",
    conflict: "≠",
    stalled: "!",
    held: "?",
    active: "▸",
    registered: "·",
    installed: "○",
    provisioned: "✓",
    cursor: "▌",
    marked: "◆",
    caret: "▏",
    ascending: "▲",
    descending: "▼",
    bar_full: "█",
    bar_empty: "░",
    bar_parts: &["▏", "▎", "▍", "▌", "▋", "▊", "▉"],
    pip: "•",
    no_pip: "·",
    border: border::PLAIN,
};

pub static ASCII: Glyphs = Glyphs {
    failed: "x",
    conflict: "&",
    stalled: "!",
    held: "?",
    active: ">",
    registered: ".",
    installed: "~",
    provisioned: "+",
    cursor: "*",
    marked: "@",
    caret: "_",
    ascending: "^",
    descending: "v",
    bar_full: "#",
    bar_empty: ".",
    bar_parts: &[],
    pip: "o",
    no_pip: ".",
    border: border::Set {
        top_left: "+",
        top_right: "+",
        bottom_left: "+",
        bottom_right: "+",
        vertical_left: "|",
        vertical_right: "|",
        horizontal_top: "-",
        horizontal_bottom: "-",
    },
};

/// Puts an ASCII stand-in for everything in `buffer` that is not ASCII: names and log lines may hold anything.
pub fn fold_to_ascii(buffer: &mut Buffer) {
    for cell in buffer.content.iter_mut().filter(|cell| !cell.symbol().is_ascii()) {
        let stand_in = match cell.symbol() {
            "…" => "~",
            "→" => ">",
            "·" => ".",
            "—" | "–" | "─" => "-",
            "“" | "”" => "\"",
            "‘" | "’" => "'",
            _ => "?",
        };
        cell.set_symbol(stand_in);
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;

    use super::*;

    #[test]
    fn nothing_but_ascii_is_left_after_folding() {
        let mut buffer = Buffer::with_lines(["a·b…", "名前 x"]);
        fold_to_ascii(&mut buffer);
        let area = Rect::new(0, 0, buffer.area.width, 2);
        assert!(area.positions().all(|at| buffer[at].symbol().is_ascii()));
        assert_eq!(buffer[(3, 0)].symbol(), "~");
    }
}
