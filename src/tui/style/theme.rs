//! How things look, asked for by what they mean. Nothing is known by colour alone: a word and a glyph stand beside it,
//! and the mono palette has no colours at all.
//!
//! | palette | when nobody chose one |
//! |---|---|
//! | mono | `NO_COLOR`, and terminals of which nothing is known |
//! | 16 | any other terminal |
//! | 256 | `TERM` says so |
//! | rgb | `COLORTERM` says so |
//!
//! The colours themselves are in `colours.rs`: usual ones, and two sets for eyes that see fewer.

use ratatui::style::{Color, Modifier, Style};

use crate::tui::style::colours::{Backdrop, Sight, colour};
use crate::tui::style::glyphs::{ASCII, Glyphs, UNICODE};

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
    /// Weight alone.
    Mono,
    /// The terminal's own colours, whatever they are.
    Sixteen,
    Indexed,
    Rgb,
}

/// What a person chose of the looks; what is left open is told from the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looks {
    pub palette: Option<Palette>,
    pub sight: Sight,
    pub ground: Option<Backdrop>,
    /// Insists on plain glyphs.
    pub ascii: bool,
}

/// A palette and a set of glyphs.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    palette: Palette,
    sight: Sight,
    ground: Backdrop,
    ascii: bool,
    pub glyphs: &'static Glyphs,
}

impl Theme {
    pub fn new(palette: Palette, ascii: bool) -> Self {
        Self {
            palette,
            sight: Sight::Usual,
            ground: Backdrop::Dark,
            ascii,
            glyphs: if ascii { &ASCII } else { &UNICODE },
        }
    }

    /// For these eyes, on a ground of this kind.
    pub fn seen(self, sight: Sight, ground: Backdrop) -> Self {
        Self { sight, ground, ..self }
    }

    /// What was chosen, and for the rest what the terminal can show, told from environment variables.
    pub fn detect(variable: impl Fn(&str) -> Option<String>, looks: Looks) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let term = set("TERM").unwrap_or_default();
        let direct = set("COLORTERM").is_some_and(|value| ["truecolor", "24bit"].contains(&value.as_str()));
        // A set of colours that was asked for is wanted although there is NO_COLOR: https://no-color.org
        let colourless = set("NO_COLOR").is_some() && looks.sight == Sight::Usual;
        let detected = if colourless || term.is_empty() || term == "dumb" || term.starts_with("vt") {
            Palette::Mono
        } else if direct {
            Palette::Rgb
        } else if term.contains("256color") || set("COLORTERM").is_some() {
            Palette::Indexed
        } else {
            Palette::Sixteen
        };
        // The Linux console's font has few glyphs, an old terminal's none; a locale that is named must be able to say them.
        let plain_terminal = ["linux", "dumb"].contains(&term.as_str()) || term.starts_with("vt");
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
        let plain_locale = locale.is_some_and(|locale| !locale.to_ascii_lowercase().replace('-', "").contains("utf8"));
        let ground = looks.ground.or_else(|| Backdrop::of_colorfgbg(&set("COLORFGBG")?)).unwrap_or(Backdrop::Dark);
        Self::new(looks.palette.unwrap_or(detected), looks.ascii || plain_terminal || plain_locale)
            .seen(looks.sight, ground)
    }

    pub fn is_ascii(&self) -> bool {
        self.ascii
    }

    /// Whether colours are to be sent at all.
    pub fn is_coloured(&self) -> bool {
        self.palette != Palette::Mono
    }

    /// A whole line that stands out, in the colour of `meaning`.
    pub fn flash(&self, meaning: Meaning) -> Style {
        self.style(meaning).remove_modifier(Modifier::UNDERLINED).add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    /// As [`Self::style`], for figures drawn of whole cells: turned round or underlined they would be no figures.
    pub fn figure(&self, meaning: Meaning) -> Style {
        self.style(meaning).remove_modifier(Modifier::REVERSED | Modifier::UNDERLINED)
    }

    pub fn style(&self, meaning: Meaning) -> Style {
        if self.palette == Palette::Mono {
            return mono(meaning);
        }
        let paint = |meaning| match colour(meaning, self.sight, self.ground) {
            Some(colour) => match self.palette {
                Palette::Mono => Color::Reset,
                Palette::Sixteen => colour.named,
                Palette::Indexed => Color::Indexed(colour.index()),
                Palette::Rgb => colour.exact(),
            },
            None => Color::Reset,
        };
        match meaning {
            Meaning::Plain => Style::new(),
            Meaning::Title => BOLD,
            Meaning::Muted | Meaning::Active | Meaning::Success | Meaning::Notice => Style::new().fg(paint(meaning)),
            Meaning::Failure | Meaning::Warning | Meaning::Key => BOLD.fg(paint(meaning)),
            // White on the colour: it stands out on either ground.
            Meaning::Selected => {
                let white = match self.palette {
                    Palette::Mono | Palette::Sixteen => Color::White,
                    Palette::Indexed => Color::Indexed(231),
                    Palette::Rgb => Color::Rgb(255, 255, 255),
                };
                BOLD.fg(white).bg(paint(meaning))
            }
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

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::CrosstermBackend;
    use ratatui::text::Span;

    use super::*;

    type Variables<'v> = &'v [(&'v str, &'v str)];

    fn detect(variables: Variables<'_>, looks: Looks) -> Theme {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string());
        Theme::detect(find, looks)
    }

    #[test]
    fn the_environment_says_what_a_terminal_can_show() {
        let cases: [(Variables<'_>, (Palette, bool)); 10] = [
            (&[("TERM", "xterm-256color"), ("LANG", "en_GB.UTF-8")], (Palette::Indexed, false)),
            (&[("TERM", "xterm"), ("COLORTERM", "truecolor")], (Palette::Rgb, false)),
            (&[("TERM", "xterm"), ("COLORTERM", "yes")], (Palette::Indexed, false)),
            (&[("TERM", "xterm")], (Palette::Sixteen, false)),
            (&[("TERM", "xterm-256color"), ("LANG", "C")], (Palette::Indexed, true)),
            (&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor"), ("NO_COLOR", "1")], (Palette::Mono, false)),
            (&[("TERM", "xterm-256color"), ("NO_COLOR", "")], (Palette::Indexed, false)),
            (&[("TERM", "linux"), ("LANG", "C.UTF-8")], (Palette::Sixteen, true)),
            (&[("TERM", "vt220")], (Palette::Mono, true)),
            (&[], (Palette::Mono, false)),
        ];
        for (variables, expected) in cases {
            let theme = detect(variables, Looks::default());
            assert_eq!((theme.palette, theme.is_ascii()), expected, "{variables:?}");
        }
    }

    #[test]
    fn what_a_person_chose_comes_before_what_the_terminal_says() {
        let terminal: Variables<'_> = &[("TERM", "xterm-256color"), ("NO_COLOR", "1")];
        let chosen = |looks| detect(terminal, looks).palette;
        assert_eq!(chosen(Looks::default()), Palette::Mono);
        assert_eq!(chosen(Looks { palette: Some(Palette::Sixteen), ..Looks::default() }), Palette::Sixteen);
        assert_eq!(chosen(Looks { sight: Sight::RedGreen, ..Looks::default() }), Palette::Indexed, "asked for by name");
    }

    #[test]
    fn a_light_terminal_is_told_by_its_own_word_or_by_a_persons() {
        let dark_or_light = |value| detect(&[("TERM", "rxvt"), ("COLORFGBG", value)], Looks::default()).ground;
        assert_eq!((dark_or_light("0;15"), dark_or_light("15;0")), (Backdrop::Light, Backdrop::Dark));
        let chosen = Looks { ground: Some(Backdrop::Dark), ..Looks::default() };
        assert_eq!(detect(&[("COLORFGBG", "0;15")], chosen).ground, Backdrop::Dark);
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
        for palette in [Palette::Mono, Palette::Sixteen, Palette::Indexed, Palette::Rgb] {
            let style = Theme::new(palette, false).style(Meaning::Failure);
            assert!(style.add_modifier.contains(Modifier::BOLD), "{palette:?}");
        }
    }
}
