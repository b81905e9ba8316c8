//! Finds words that were typed in part: `rearm` and `ra` both find *re-arm*.

/// How far `wanted` is from `text`; nothing where a word of it is not in there. 0 is nearest.
pub fn distance(wanted: &str, text: &str) -> Option<usize> {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let words = wanted.to_lowercase();
    words.split_whitespace().map(|word| of_word(&word.chars().collect::<Vec<_>>(), &text)).sum()
}

/// At the beginning of a word, else inside one, else its letters one after the other.
fn of_word(wanted: &[char], text: &[char]) -> Option<usize> {
    let begins = |at: usize| at == 0 || !text[at - 1].is_alphanumeric();
    let found = text.windows(wanted.len()).enumerate().filter(|(_, window)| *window == wanted);
    let places: Vec<usize> = found.map(|(at, _)| at).collect();
    match places.first() {
        Some(_) if places.iter().any(|at| begins(*at)) => Some(0),
        Some(_) => Some(1),
        None => (0..text.len()).filter(|at| begins(*at)).filter_map(|at| scattered(wanted, &text[at..])).min(),
    }
}

/// The letters left out between those of `wanted`, if its first is the first of `text` and they are not many.
fn scattered(wanted: &[char], text: &[char]) -> Option<usize> {
    let (first, rest) = wanted.split_first()?;
    text.first().filter(|letter| *letter == first)?;
    let (mut at, mut gaps) = (1, 0);
    for letter in rest {
        let skipped = text.get(at..)?.iter().position(|other| other == letter)?;
        (at, gaps) = (at + skipped + 1, gaps + skipped);
    }
    (gaps <= wanted.len() * 2).then_some(SCATTERED + gaps)
}

/// Further than any word that is there as it was typed.
const SCATTERED: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_word_is_nearest_and_letters_in_order_are_found() {
        let text = "re-arm  install it again at its next network boot";
        assert_eq!(distance("", text), Some(0));
        assert_eq!(distance("install BOOT", text), Some(0));
        assert_eq!(distance("stall", text), Some(1));
        assert!(distance("rearm", text).is_some_and(|far| far > 1));
        assert!(distance("ram", text).is_some_and(|far| far > 1));
        assert_eq!(distance("xyz", text), None);
        assert_eq!(distance("install xyz", text), None, "every word counts");
        assert_eq!(distance("iiiiiiiii", text), None);
        assert_eq!(distance("a", ""), None);
    }
}
