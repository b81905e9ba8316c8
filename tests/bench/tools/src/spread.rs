//! The median of several rounds, with the smallest and the largest of them.

use std::fmt;

/// What several rounds of one measurement had.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// None without a round.
    pub fn of(rounds: &[f64]) -> Option<Self> {
        let mut sorted = rounds.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 };
        Some(Self { median, min, max })
    }

    /// The ratio of each round: what disturbs the machine in one round disturbs both sides of it. None if the rounds do
    /// not pair up, or if a round of `theirs` has nothing to divide by.
    pub fn of_ratio(ours: &[f64], theirs: &[f64]) -> Option<Self> {
        if ours.len() != theirs.len() || theirs.contains(&0.0) {
            return None;
        }
        let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
        Self::of(&ratios)
    }
}

/// `median (min–max)`, with as many digits after the point as the precision says.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, min, max } = self;
        let digits = f.precision().unwrap_or(0);
        write!(f, "{median:.digits$} ({min:.digits$}–{max:.digits$})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        let of = |rounds: &[f64]| Spread::of(rounds).map(|spread| spread.to_string());
        assert_eq!(of(&[30.0, 10.0, 50.0, 20.0, 40.0]).as_deref(), Some("30 (10–50)"));
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]).as_deref(), Some("2 (1–4)"), "2.5, rounded to even");
        assert_eq!(of(&[7.0]).as_deref(), Some("7 (7–7)"));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn one_lucky_round_moves_the_spread_and_not_the_median() {
        let spread = Spread::of(&[101.0, 99.0, 5700.0, 100.0, 98.0]).expect("five rounds");
        assert_eq!(spread, Spread { median: 100.0, min: 98.0, max: 5700.0 });
    }

    #[test]
    fn a_ratio_is_taken_round_by_round() {
        // The second round was disturbed: both sides had half.
        let ratio = Spread::of_ratio(&[10.0, 5.0, 12.0], &[8.0, 4.0, 8.0]).expect("pairs");
        assert_eq!(format!("{ratio:.2}"), "1.25 (1.25–1.50)");
        assert_eq!(Spread::of_ratio(&[1.0, 2.0], &[1.0]), None, "a round has no other side");
        assert_eq!(Spread::of_ratio(&[1.0], &[0.0]), None, "the other side failed");
        assert_eq!(Spread::of_ratio(&[], &[]), None);
    }
}
