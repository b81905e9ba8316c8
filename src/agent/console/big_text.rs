//! Large letters that can be read from a distance.

/// `text` in [`HEIGHT`] lines of at most `width` characters: twice as wide where there is room for it.
pub(crate) fn large(text: &str, width: usize) -> Vec<String> {
    let wide = text.chars().count() * (WIDTH + 1) * 2;
    let times = if wide <= width + 2 { 2 } else { 1 };
    let row = |row: usize| {
        let glyphs: Vec<String> = text.chars().map(|character| pixels(character, row, times)).collect();
        glyphs.join(&" ".repeat(times)).chars().take(width).collect()
    };
    (0..HEIGHT).map(row).collect()
}

fn pixels(character: char, row: usize, times: usize) -> String {
    let shape = SHAPES.iter().find(|(known, _)| *known == character).map_or(BLANK, |(_, shape)| shape);
    shape[row].chars().map(|pixel| if pixel == '#' { INK } else { ' ' }.to_string().repeat(times)).collect()
}

/// A pixel that is set.
pub(crate) const INK: char = '█';
pub(crate) const HEIGHT: usize = 5;
const WIDTH: usize = 5;
const BLANK: &[&str; HEIGHT] = &["     ", "     ", "     ", "     ", "     "];
/// What words the panel has, and figures.
const SHAPES: &[(char, &[&str; HEIGHT])] = &[
    ('A', &[" ### ", "#   #", "#####", "#   #", "#   #"]),
    ('C', &[" ####", "#    ", "#    ", "#    ", " ####"]),
    ('D', &["#### ", "#   #", "#   #", "#   #", "#### "]),
    ('E', &["#####", "#    ", "#### ", "#    ", "#####"]),
    ('F', &["#####", "#    ", "#### ", "#    ", "#    "]),
    ('G', &[" ####", "#    ", "#  ##", "#   #", " ####"]),
    ('I', &["#####", "  #  ", "  #  ", "  #  ", "#####"]),
    ('L', &["#    ", "#    ", "#    ", "#    ", "#####"]),
    ('N', &["#   #", "##  #", "# # #", "#  ##", "#   #"]),
    ('O', &[" ### ", "#   #", "#   #", "#   #", " ### "]),
    ('P', &["#### ", "#   #", "#### ", "#    ", "#    "]),
    ('R', &["#### ", "#   #", "#### ", "#  # ", "#   #"]),
    ('S', &[" ####", "#    ", " ### ", "    #", "#### "]),
    ('T', &["#####", "  #  ", "  #  ", "  #  ", "  #  "]),
    ('V', &["#   #", "#   #", "#   #", " # # ", "  #  "]),
    ('W', &["#   #", "#   #", "# # #", "## ##", "#   #"]),
    ('Y', &["#   #", " # # ", "  #  ", "  #  ", "  #  "]),
    ('0', &[" ### ", "#  ##", "# # #", "##  #", " ### "]),
    ('1', &["  #  ", " ##  ", "  #  ", "  #  ", " ### "]),
    ('2', &["#### ", "    #", " ### ", "#    ", "#####"]),
    ('3', &["#### ", "    #", " ### ", "    #", "#### "]),
    ('4', &["#   #", "#   #", "#####", "    #", "    #"]),
    ('5', &["#####", "#    ", "#### ", "    #", "#### "]),
    ('6', &[" ### ", "#    ", "#### ", "#   #", " ### "]),
    ('7', &["#####", "    #", "   # ", "  #  ", "  #  "]),
    ('8', &[" ### ", "#   #", " ### ", "#   #", " ### "]),
    ('9', &[" ### ", "#   #", " ####", "    #", " ### "]),
    ('%', &["##  #", "## # ", "  #  ", " # ##", "#  ##"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_of_every_word_is_known_and_fills_its_room() {
        for word in ["WAIT", "WRITE", "VERIFY", "PREPARE", "CONFIG", "RESTART", "DONE", "FAILED", "0123456789%"] {
            for character in word.chars() {
                let (_, shape) = SHAPES.iter().find(|(known, _)| *known == character).expect("a shape");
                assert!(shape.iter().all(|row| row.len() == WIDTH), "{character}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_twice_as_wide_is_narrower() {
        let widest = |text: &str| large(text, 78).iter().map(|line| line.chars().count()).max();
        assert_eq!((widest("FAILED"), widest("VERIFY 100%")), (Some(70), Some(65)));
    }
}
