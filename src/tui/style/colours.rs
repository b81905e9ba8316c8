//! The colours, by what they mean, for which eyes, on which ground. All of them are of the 6x6x6 cube that terminals with
//! 256 colours have, so that these and terminals with every colour show the same.
//!
//! Chosen by search, and kept by the tests below: text is readable on the ground (WCAG 2.1: 4.5 to 1), and any two colours
//! differ for the eyes they are for, as Machado, Oliveira and Fernandes (2009) compute what such eyes see.

use ratatui::style::Color;

use crate::tui::style::theme::Meaning;

/// Whose eyes the colours are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sight {
    #[default]
    Usual,
    /// Deuteranopia and protanopia: red and green look alike.
    RedGreen,
    /// Tritanopia: blue looks like green, and yellow like pink.
    BlueYellow,
}

/// What is behind the letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backdrop {
    Dark,
    Light,
}

impl Backdrop {
    /// What `COLORFGBG` says, as rxvt and Konsole set it: `15;0`, `0;default;15`. Seven and fifteen are the two whites.
    ///
    /// The terminal itself is not asked (OSC 11): an answer that comes late, as over a slow line, would be keys.
    pub fn of_colorfgbg(value: &str) -> Option<Self> {
        let ground: u8 = value.rsplit(';').next()?.parse().ok()?;
        Some(if ground == 7 || (9..=15).contains(&ground) { Self::Light } else { Self::Dark })
    }
}

/// A colour of the cube, and what comes nearest to it among the sixteen of the terminal's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    cube: (u8, u8, u8),
    pub named: Color,
}

impl Colour {
    /// Its number among the 256.
    pub fn index(self) -> u8 {
        let (r, g, b) = self.cube;
        16 + 36 * r + 6 * g + b
    }

    pub fn exact(self) -> Color {
        let (r, g, b) = self.rgb();
        Color::Rgb(r, g, b)
    }

    fn rgb(self) -> (u8, u8, u8) {
        let level = |step: u8| LEVELS.get(usize::from(step)).copied().unwrap_or_default();
        let (r, g, b) = self.cube;
        (level(r), level(g), level(b))
    }
}

/// What `meaning` is drawn in; nothing where it is the terminal's own colour.
pub fn colour(meaning: Meaning, sight: Sight, ground: Backdrop) -> Option<Colour> {
    let paint = |cube, named| Some(Colour { cube, named });
    match meaning {
        Meaning::Plain | Meaning::Title => None,
        Meaning::Selected => paint((0, 1, 3), Color::Blue),
        Meaning::Muted => match ground {
            Backdrop::Dark => paint((3, 3, 3), Color::DarkGray),
            Backdrop::Light => paint((1, 1, 1), Color::DarkGray),
        },
        Meaning::Active | Meaning::Key => match (sight, ground) {
            (Sight::Usual, Backdrop::Dark) => paint((0, 3, 5), Color::Cyan),
            (Sight::Usual, Backdrop::Light) => paint((0, 1, 2), Color::Blue),
            (Sight::RedGreen, Backdrop::Dark) => paint((0, 4, 5), Color::LightCyan),
            (Sight::RedGreen, Backdrop::Light) => paint((0, 1, 1), Color::Cyan),
            (Sight::BlueYellow, Backdrop::Dark) => paint((0, 5, 4), Color::LightCyan),
            (Sight::BlueYellow, Backdrop::Light) => paint((0, 0, 5), Color::Blue),
        },
        Meaning::Success => match (sight, ground) {
            (Sight::Usual, Backdrop::Dark) => paint((0, 3, 0), Color::Green),
            (Sight::Usual, Backdrop::Light) => paint((0, 1, 0), Color::Green),
            (Sight::RedGreen, Backdrop::Dark) => paint((0, 2, 5), Color::LightBlue),
            (Sight::RedGreen, Backdrop::Light) => paint((0, 0, 1), Color::Blue),
            (Sight::BlueYellow, Backdrop::Dark) => paint((2, 3, 2), Color::Green),
            (Sight::BlueYellow, Backdrop::Light) => paint((0, 2, 0), Color::Green),
        },
        Meaning::Failure => match (sight, ground) {
            (Sight::Usual, Backdrop::Dark) => paint((4, 1, 1), Color::LightRed),
            (Sight::Usual, Backdrop::Light) => paint((3, 0, 0), Color::Red),
            (Sight::RedGreen, Backdrop::Dark) => paint((4, 2, 0), Color::Yellow),
            (Sight::RedGreen, Backdrop::Light) => paint((2, 0, 0), Color::Red),
            (Sight::BlueYellow, Backdrop::Dark) => paint((5, 1, 1), Color::LightRed),
            (Sight::BlueYellow, Backdrop::Light) => paint((2, 0, 0), Color::Red),
        },
        Meaning::Warning => match (sight, ground) {
            (Sight::Usual, Backdrop::Dark) => paint((4, 3, 0), Color::Yellow),
            (Sight::Usual, Backdrop::Light) => paint((2, 1, 0), Color::Magenta),
            (Sight::RedGreen, Backdrop::Dark) => paint((4, 4, 2), Color::LightYellow),
            (Sight::RedGreen, Backdrop::Light) => paint((3, 1, 0), Color::Yellow),
            (Sight::BlueYellow, Backdrop::Dark) => paint((5, 3, 0), Color::LightMagenta),
            (Sight::BlueYellow, Backdrop::Light) => paint((2, 1, 0), Color::DarkGray),
        },
        Meaning::Notice => match (sight, ground) {
            (Sight::Usual, Backdrop::Dark) => paint((4, 1, 4), Color::Magenta),
            (Sight::Usual, Backdrop::Light) => paint((1, 0, 1), Color::Cyan),
            (Sight::RedGreen, Backdrop::Dark) => paint((4, 1, 2), Color::Magenta),
            (Sight::RedGreen, Backdrop::Light) => paint((1, 0, 4), Color::Magenta),
            (Sight::BlueYellow, Backdrop::Dark) => paint((3, 1, 5), Color::Magenta),
            (Sight::BlueYellow, Backdrop::Light) => paint((4, 0, 3), Color::Magenta),
        },
    }
}

/// The steps of the cube, as xterm has them.
const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];

#[cfg(test)]
mod tests {
    use super::*;

    const SIGHTS: [Sight; 3] = [Sight::Usual, Sight::RedGreen, Sight::BlueYellow];
    const GROUNDS: [Backdrop; 2] = [Backdrop::Dark, Backdrop::Light];
    /// Those that say how a node is.
    const TOLD: [Meaning; 5] = [Meaning::Active, Meaning::Success, Meaning::Failure, Meaning::Warning, Meaning::Notice];

    type Matrix = [[f64; 3]; 3];

    const NORMAL: Matrix = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    /// Of linear RGB, from Machado, Oliveira and Fernandes, 2009, table 1, severity 1.
    const PROTANOPIA: Matrix =
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]];
    const DEUTERANOPIA: Matrix =
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]];
    const TRITANOPIA: Matrix =
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]];

    fn eyes(sight: Sight) -> &'static [Matrix] {
        match sight {
            Sight::Usual => &[NORMAL],
            Sight::RedGreen => &[NORMAL, PROTANOPIA, DEUTERANOPIA],
            Sight::BlueYellow => &[NORMAL, TRITANOPIA],
        }
    }

    fn linear((r, g, b): (u8, u8, u8)) -> [f64; 3] {
        [r, g, b].map(|value| {
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        })
    }

    fn luminance([r, g, b]: [f64; 3]) -> f64 {
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    /// As WCAG 2.1 defines it.
    fn contrast(one: (u8, u8, u8), other: (u8, u8, u8)) -> f64 {
        let (one, other) = (luminance(linear(one)), luminance(linear(other)));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// Where a colour is in CIE L*a*b*, as these eyes see it.
    fn seen(rgb: (u8, u8, u8), eye: &Matrix) -> [f64; 3] {
        let given = linear(rgb);
        let [r, g, b] = eye.map(|row| row.iter().zip(given).map(|(m, c)| m * c).sum::<f64>().clamp(0.0, 1.0));
        let f = |t: f64| if t > 0.008856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
        let x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047);
        let y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
        let z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    fn distance(one: [f64; 3], other: [f64; 3]) -> f64 {
        one.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    }

    #[test]
    fn every_colour_is_readable_on_its_ground() {
        let behind = |ground| match ground {
            Backdrop::Dark => vec![(0, 0, 0), (30, 30, 30)],
            Backdrop::Light => vec![(255, 255, 255)],
        };
        for (sight, ground) in SIGHTS.into_iter().flat_map(|sight| GROUNDS.map(|ground| (sight, ground))) {
            for meaning in TOLD.into_iter().chain([Meaning::Muted, Meaning::Key]) {
                let letters = colour(meaning, sight, ground).expect("a colour").rgb();
                for behind in behind(ground) {
                    let contrast = contrast(letters, behind);
                    assert!(contrast >= 4.5, "{meaning:?} for {sight:?} on {ground:?}: {contrast:.1}");
                }
            }
            let selected = colour(Meaning::Selected, sight, ground).expect("a colour").rgb();
            assert!(contrast((255, 255, 255), selected) >= 4.5);
        }
    }

    #[test]
    fn no_two_states_look_alike_to_the_eyes_the_colours_are_for() {
        for (sight, ground) in SIGHTS.into_iter().flat_map(|sight| GROUNDS.map(|ground| (sight, ground))) {
            let text = if ground == Backdrop::Dark { (255, 255, 255) } else { (0, 0, 0) };
            let told = TOLD.map(|meaning| colour(meaning, sight, ground).expect("a colour").rgb());
            let all: Vec<_> = told.into_iter().chain([text]).collect();
            for eye in eyes(sight) {
                for (at, one) in all.iter().enumerate() {
                    for other in &all[..at] {
                        let apart = distance(seen(*one, eye), seen(*other, eye));
                        assert!(apart >= 25.0, "{one:?} and {other:?} for {sight:?} on {ground:?}: {apart:.0}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_usual_colours_would_not_do_for_everybody() {
        let [success, failure] =
            [Meaning::Success, Meaning::Warning].map(|meaning| colour(meaning, Sight::Usual, Backdrop::Dark));
        let (one, other) = (success.expect("a colour").rgb(), failure.expect("a colour").rgb());
        let apart = |eye| distance(seen(one, eye), seen(other, eye));
        assert!(apart(&DEUTERANOPIA) < apart(&NORMAL) / 2.0, "the test can tell");
    }

    #[test]
    fn a_colour_has_the_same_looks_among_256_and_among_all() {
        let colour = colour(Meaning::Active, Sight::Usual, Backdrop::Dark).expect("a colour");
        assert_eq!((colour.index(), colour.exact()), (39, Color::Rgb(0, 175, 255)));
    }

    #[test]
    fn of_the_sixteen_no_state_has_anothers_colour() {
        for (sight, ground) in SIGHTS.into_iter().flat_map(|sight| GROUNDS.map(|ground| (sight, ground))) {
            let told = TOLD.map(|meaning| colour(meaning, sight, ground).expect("a colour").named);
            for (at, one) in told.iter().enumerate() {
                assert!(!told[..at].contains(one), "{one:?} for {sight:?} on {ground:?}");
            }
        }
    }

    #[test]
    fn what_is_behind_the_letters_is_the_last_number() {
        let ground = Backdrop::of_colorfgbg;
        assert_eq!((ground("15;0"), ground("0;default;15")), (Some(Backdrop::Dark), Some(Backdrop::Light)));
        assert_eq!((ground("12;8"), ground("default;default")), (Some(Backdrop::Dark), None));
    }
}
