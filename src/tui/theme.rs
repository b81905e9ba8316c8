//! How things look, asked for by what they mean. Nothing is known by colour alone: a word and a glyph stand beside it,
//! and the mono palette has no colours at all.

use ratatui::style::{Color, Modifier, Style};

use crate::tui::glyphs::{ASCII, Glyphs, UNICODE};

/// Why something is drawn as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Ordinary text.
    Plain,
    /// Less important: labels, borders, what has not happened yet.
    Muted,
    /// At work.
    Active,
    Success,
    Failure,
    Warning,
    /// Wants a person's word.
    Notice,
    /// Headings and the program's own name.
    Title,
    /// A key to press.
    Key,
    /// The chosen row, tab or button.
    Selected,
}

impl Meaning {
    pub const ALL: [Meaning; 10] = [
        Self::Plain,
        Self::Muted,
        Self::Active,
        Self::Success,
        Self::Failure,
        Self::Warning,
        Self::Notice,
        Self::Title,
        Self::Key,
        Self::Selected,
    ];
}

/// How many colours the terminal has, or how many it may show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Palette {
    /// Weight alone: `NO_COLOR`, and terminals of which nothing is known.
    Mono,
    Sixteen,
    Indexed,
}

/// A palette and a set of glyphs.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    palette: Palette,
    ascii: bool,
    pub glyphs: &'static Glyphs,
}

impl Theme {
    pub fn new(palette: Palette, ascii: bool) -> Self {
        Self { palette, ascii, glyphs: if ascii { &ASCII } else { &UNICODE } }
    }

    /// What the terminal can show, told from environment variables. `ascii` insists on plain glyphs.
    pub fn detect(variable: impl Fn(&str) -> Option<String>, ascii: bool) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let term = set("TERM").unwrap_or_default();
        let palette = if set("NO_COLOR").is_some() || term.is_empty() || term == "dumb" || term.starts_with("vt") {
            Palette::Mono
        } else if term.contains("256color") || set("COLORTERM").is_some() {
            Palette::Indexed
        } else {
            Palette::Sixteen
        };
        // The Linux console's font has few glyphs, an old terminal's none; a locale that is named must be able to say them.
        let plain_terminal = ["linux", "dumb"].contains(&term.as_str()) || term.starts_with("vt");
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
        let plain_locale = locale.is_some_and(|locale| !locale.to_ascii_lowercase().replace('-', "").contains("utf8"));
        Self::new(palette, ascii || plain_terminal || plain_locale)
    }

    pub fn is_ascii(&self) -> bool {
        self.ascii
    }

    pub fn style(&self, meaning: Meaning) -> Style {
        match self.palette {
            Palette::Mono => mono(meaning),
            Palette::Sixteen => sixteen(meaning),
            Palette::Indexed => indexed(meaning),
        }
    }
}

fn mono(meaning: Meaning) -> Style {
    match meaning {
        Meaning::Plain | Meaning::Success => Style::new(),
        Meaning::Muted => Style::new().add_modifier(Modifier::DIM),
        Meaning::Active | Meaning::Title | Meaning::Key => BOLD,
        Meaning::Failure => BOLD.add_modifier(Modifier::REVERSED),
        Meaning::Warning => BOLD.add_modifier(Modifier::UNDERLINED),
        Meaning::Notice => Style::new().add_modifier(Modifier::UNDERLINED),
        Meaning::Selected => Style::new().add_modifier(Modifier::REVERSED),
    }
}

fn sixteen(meaning: Meaning) -> Style {
    match meaning {
        Meaning::Plain => Style::new(),
        Meaning::Muted => Style::new().fg(Color::DarkGray),
        Meaning::Active => Style::new().fg(Color::Cyan),
        Meaning::Success => Style::new().fg(Color::Green),
        Meaning::Failure => BOLD.fg(Color::Red),
        Meaning::Warning => BOLD.fg(Color::Yellow),
        Meaning::Notice => Style::new().fg(Color::Magenta),
        Meaning::Title => BOLD,
        Meaning::Key => BOLD.fg(Color::Cyan),
        Meaning::Selected => BOLD.fg(Color::White).bg(Color::Blue),
    }
}

/// Fixed colours of the 256: readable on a dark and on a light ground.
fn indexed(meaning: Meaning) -> Style {
    match meaning {
        Meaning::Plain => Style::new(),
        Meaning::Muted => Style::new().fg(Color::Indexed(244)),
        Meaning::Active => Style::new().fg(Color::Indexed(38)),
        Meaning::Success => Style::new().fg(Color::Indexed(35)),
        Meaning::Failure => BOLD.fg(Color::Indexed(196)),
        Meaning::Warning => BOLD.fg(Color::Indexed(172)),
        Meaning::Notice => Style::new().fg(Color::Indexed(134)),
        Meaning::Title => BOLD,
        Meaning::Key => BOLD.fg(Color::Indexed(38)),
        Meaning::Selected => BOLD.fg(Color::Indexed(231)).bg(Color::Indexed(25)),
    }
}

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::CrosstermBackend;
    use ratatui::text::Span;

    use super::*;

    type Variables<'v> = &'v [(&'v str, &'v str)];

    fn detected(variables: Variables<'_>) -> (Palette, bool) {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string());
        let theme = Theme::detect(find, false);
        (theme.palette, theme.is_ascii())
    }

    #[test]
    fn the_environment_says_what_a_terminal_can_show() {
        let cases: [(Variables<'_>, (Palette, bool)); 9] = [
            (&[("TERM", "xterm-256color"), ("LANG", "en_GB.UTF-8")], (Palette::Indexed, false)),
            (&[("TERM", "xterm"), ("COLORTERM", "truecolor")], (Palette::Indexed, false)),
            (&[("TERM", "xterm")], (Palette::Sixteen, false)),
            (&[("TERM", "xterm-256color"), ("LANG", "C")], (Palette::Indexed, true)),
            (&[("TERM", "xterm-256color"), ("NO_COLOR", "1")], (Palette::Mono, false)),
            (&[("TERM", "xterm-256color"), ("NO_COLOR", "")], (Palette::Indexed, false)),
            (&[("TERM", "linux"), ("LANG", "C.UTF-8")], (Palette::Sixteen, true)),
            (&[("TERM", "vt220")], (Palette::Mono, true)),
            (&[], (Palette::Mono, false)),
        ];
        for (variables, expected) in cases {
            assert_eq!(detected(variables), expected, "{variables:?}");
        }
    }

    #[test]
    fn mono_sends_no_colour_code() {
        let theme = Theme::new(Palette::Mono, false);
        for meaning in Meaning::ALL {
            let style = theme.style(meaning);
            assert_eq!((style.fg, style.bg), (None, None), "{meaning:?}");
        }
        // What crossterm prints for a colour under NO_COLOR is an empty code, which takes the weight away again.
        let options =
            ratatui::TerminalOptions { viewport: ratatui::Viewport::Fixed(ratatui::layout::Rect::new(0, 0, 40, 10)) };
        let mut sent = Vec::new();
        let mut terminal = Terminal::with_options(CrosstermBackend::new(&mut sent), options).expect("a terminal");
        let draw = |frame: &mut ratatui::Frame<'_>| {
            for (meaning, row) in Meaning::ALL.into_iter().zip(frame.area().rows()) {
                frame.render_widget(Span::styled(format!("{meaning:?}"), theme.style(meaning)), row);
            }
        };
        terminal.draw(draw).expect("a frame");
        drop(terminal);
        let sent = String::from_utf8_lossy(&sent).into_owned();
        for colour in ["\u{1b}[38;", "\u{1b}[48;", ";m"] {
            assert!(!sent.contains(colour), "{sent:?}");
        }
    }

    #[test]
    fn failure_has_weight_in_every_palette() {
        for palette in [Palette::Mono, Palette::Sixteen, Palette::Indexed] {
            let style = Theme::new(palette, false).style(Meaning::Failure);
            assert!(style.add_modifier.contains(Modifier::BOLD), "{palette:?}");
        }
    }
}
