//! The label of a machine: the text of its code, and the code as a picture, for a terminal or a page.

use std::path::Path;

use qrcode::render::svg;
use qrcode::render::unicode::Dense1x2;
use qrcode::types::QrError;
use qrcode::{EcLevel, QrCode};

use super::client::StationConversation;
use super::report::{gathered, signed};
use super::{ProgressWatch, Unmade};
use crate::config::ConfigProblem;
use crate::domain::batch::unit::Unit;
use crate::domain::ids::{MacAddr, SystemUuid};

/// A machine that has its system, and its label.
#[derive(Debug)]
pub struct MachineLabel {
    pub name: String,
    /// The text of its code, see [`crate::domain::batch::label`].
    pub text: String,
}

/// The background of a terminal whose background cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelGround {
    Dark,
    Light,
}

/// The label of the machine named `which` in a batch, or on the bench if none was ever opened.
pub fn make(
    talk: &mut StationConversation,
    number: Option<u32>,
    which: &str,
    seal: &Path,
    watch: &ProgressWatch<'_>,
) -> Result<MachineLabel, Unmade> {
    let (batch, units) = gathered(talk, number, watch)?;
    let of = batch.number.map_or("on this bench".to_owned(), |number| format!("in batch {number}"));
    let mut meant = units.into_iter().filter(|unit| is_meant(unit, which));
    let problem = |what: String, hint: &str| Unmade::from(ConfigProblem::new(what, hint));
    let none = || {
        let hint = "say its number (#7), name, serial, UUID or MAC address, and the batch with --batch";
        problem(format!("there is no machine {which:?} {of}"), hint)
    };
    let unit = meant.next().ok_or_else(none)?;
    if meant.next().is_some() {
        let what = format!("more than one machine {of} is called {which:?}");
        return Err(problem(what, "give its number, as #7"));
    }
    let (name, standing) = (unit.name.clone(), unit.standing.word());
    let (entries, _) = signed(&batch, vec![unit], seal, watch)?;
    let label = entries.into_iter().find_map(|entry| entry.label());
    let not_yet = || {
        problem(format!("{name} is {standing}: it has no certificate"), "a label is for a machine that has its system")
    };
    Ok(MachineLabel { text: label.ok_or_else(not_yet)?, name })
}

fn is_meant(unit: &Unit, which: &str) -> bool {
    let is = |other: &str| other.eq_ignore_ascii_case(which);
    which.strip_prefix('#').is_some_and(|number| number == unit.node.to_string())
        || is(&unit.name)
        || unit.serial.as_ref().is_some_and(|serial| is(&serial.to_string()))
        || which
            .parse::<SystemUuid>()
            .is_ok_and(|uuid| unit.uuid.is_some_and(|its| its.canonical() == uuid.canonical()))
        || which.parse::<MacAddr>().is_ok_and(|mac| unit.macs.contains(&mac))
}

/// A code that is readable even if a seventh of it is damaged (level M).
fn code(text: &str) -> Result<QrCode, QrError> {
    QrCode::with_error_correction_level(text, EcLevel::M)
}

/// As an SVG picture. None if the text is too long for a code.
pub fn svg(text: &str) -> Option<String> {
    let picture = code(text).ok()?.render::<svg::Color<'_>>().module_dimensions(4, 4).build();
    picture.split_once("?>").map(|(_, picture)| picture.to_owned())
}

/// In half blocks: two modules are one character. The light ones are drawn on a dark background.
pub fn blocks(text: &str, ground: LabelGround) -> Option<String> {
    let (dark, light) = match ground {
        LabelGround::Dark => (Dense1x2::Light, Dense1x2::Dark),
        LabelGround::Light => (Dense1x2::Dark, Dense1x2::Light),
    };
    let picture = code(text).ok()?.render::<Dense1x2>().dark_color(dark).light_color(light).build();
    Some(lines(&picture))
}

/// Two characters for each module, as a character is twice as high as wide.
pub fn ascii(text: &str, ground: LabelGround) -> Option<String> {
    let (dark, light) = match ground {
        LabelGround::Dark => ("  ", "##"),
        LabelGround::Light => ("##", "  "),
    };
    let picture = code(text).ok()?.render::<&str>().dark_color(dark).light_color(light).module_dimensions(1, 1).build();
    Some(lines(&picture))
}

fn lines(picture: &str) -> String {
    picture.lines().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "S/N:PF3K0001;OXBOW1 7 9F86D081884C7D659A2FEAA0C55AD015";

    /// What a scanner reads of a picture whose modules are so many dots; `dark` says which are dark.
    fn scanned(width: usize, height: usize, dark: impl Fn(usize, usize) -> bool) -> Vec<String> {
        const DOTS: usize = 4;
        let paint = |x: usize, y: usize| if dark(x / DOTS, y / DOTS) { 0 } else { 255 };
        let mut picture = rqrr::PreparedImage::prepare_from_greyscale(width * DOTS, height * DOTS, paint);
        picture.detect_grids().iter().map(|grid| grid.decode().expect("a code").1).collect()
    }

    /// Rows of a picture in letters, each letter the modules above each other that are drawn in it.
    fn drawn(picture: &str, modules: impl Fn(char) -> Vec<bool>) -> Vec<Vec<bool>> {
        let mut rows = Vec::new();
        for line in picture.lines() {
            let columns: Vec<Vec<bool>> = line.chars().map(&modules).collect();
            let deep = columns.first().map_or(0, Vec::len);
            rows.extend((0..deep).map(|at| columns.iter().map(|column| column[at]).collect::<Vec<bool>>()));
        }
        rows
    }

    #[test]
    fn a_scanner_reads_the_label_of_a_terminal_on_either_ground_and_it_fits_on_80_by_24() {
        for ground in [LabelGround::Dark, LabelGround::Light] {
            let picture = blocks(TEXT, ground).expect("a code");
            let rows = drawn(&picture, |letter| match letter {
                '\u{2588}' => vec![true, true],
                '\u{2580}' => vec![true, false],
                '\u{2584}' => vec![false, true],
                ' ' => vec![false, false],
                other => panic!("{other:?} is no half block"),
            });
            // Below its two lines of text, and with room for the next prompt.
            assert!(picture.lines().count() + 3 <= 24 && rows[0].len() <= 80, "{picture}");
            let is_dark = |x: usize, y: usize| rows[y][x] == (ground == LabelGround::Light);
            assert_eq!(scanned(rows[0].len(), rows.len(), is_dark), [TEXT], "{ground:?}");
        }
    }

    #[test]
    fn a_scanner_reads_the_label_in_ascii() {
        for ground in [LabelGround::Dark, LabelGround::Light] {
            let picture = ascii(TEXT, ground).expect("a code");
            assert!(picture.is_ascii());
            let rows = drawn(&picture, |letter| vec![letter == '#']);
            // Two letters are one module.
            let is_dark = |x: usize, y: usize| rows[y][2 * x] == (ground == LabelGround::Light);
            assert_eq!(scanned(rows[0].len() / 2, rows.len(), is_dark), [TEXT], "{ground:?}");
        }
    }

    #[test]
    fn a_scanner_reads_the_label_of_a_page() {
        let picture = svg(TEXT).expect("a code");
        let number = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<usize>();
        let side = number(picture.split_once("width=\"").expect("a width").1).expect("a number");
        let (_, path) = picture.split_once(" d=\"").expect("a path");
        let mut dots = vec![vec![false; side]; side];
        // Rectangles, as `M16 16h28v4H16V16`.
        for piece in path.split('M').filter(|piece| piece.contains('h')) {
            let (at, size) = piece.split_once('h').expect("a width");
            let (left, top) = at.split_once(' ').expect("a place");
            let (width, height) = size.split_once('v').expect("a height");
            let [left, top, width, height] = [left, top, width, height].map(|text| number(text).expect("a number"));
            dots[top..top + height].iter_mut().for_each(|row| row[left..left + width].fill(true));
        }
        assert_eq!(scanned(side, side, |x, y| dots[y][x]), [TEXT]);
    }
}
