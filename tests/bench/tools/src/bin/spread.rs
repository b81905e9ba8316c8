//! `spread DIGITS ROUND...` prints `median (min–max)` of several rounds.
//! `spread DIGITS ROUND... / ROUND... [/ ROUND...]` prints the same of the ratio of each round: the first list over the
//! second, or over the one with the largest median if there are several.
//!
//! Prints `–` where there is nothing to print: no round, or a round to divide by that failed (0).

use std::process::ExitCode;

use oxbow_bench_tools::spread::Spread;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((digits, lists)) = parsed(&arguments) else {
        eprintln!("usage: spread DIGITS ROUND... [/ ROUND...]...");
        return ExitCode::FAILURE;
    };
    match spread(&lists) {
        Some(spread) => println!("{spread:.digits$}"),
        None => println!("–"),
    }
    ExitCode::SUCCESS
}

fn parsed(arguments: &[String]) -> Option<(usize, Vec<Vec<f64>>)> {
    let (digits, rest) = arguments.split_first()?;
    let lists = rest.split(|word| word == "/");
    let numbers = lists.map(|list| list.iter().map(|word| word.parse().ok()).collect());
    Some((digits.parse().ok()?, numbers.collect::<Option<_>>()?))
}

fn spread(lists: &[Vec<f64>]) -> Option<Spread> {
    let (ours, others) = lists.split_first()?;
    let median = |rounds: &Vec<f64>| Spread::of(rounds).map_or(f64::NEG_INFINITY, |spread| spread.median);
    match others.iter().max_by(|one, other| median(one).total_cmp(&median(other))) {
        Some(best) => Spread::of_ratio(ours, best),
        None => Spread::of(ours),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(line: &str) -> Option<String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let (digits, lists) = parsed(&words)?;
        Some(spread(&lists).map_or("–".into(), |spread| format!("{spread:.digits$}")))
    }

    #[test]
    fn rounds_and_ratios_are_told_apart_by_a_stroke() {
        assert_eq!(printed("0 3 1 2").as_deref(), Some("2 (1–3)"));
        assert_eq!(printed("2 3 1 2 / 2 2 2").as_deref(), Some("1.00 (0.50–1.50)"));
        assert_eq!(printed("2 8 8 8 / 2 2 9 / 4 4 4").as_deref(), Some("2.00 (2.00–2.00)"), "the best by its median");
        assert_eq!(printed("2 8 8 / 0 0").as_deref(), Some("–"), "it failed");
        assert_eq!(printed("1").as_deref(), Some("–"));
        assert_eq!(printed("two 3"), None);
        assert_eq!(printed("2 3 x"), None);
    }
}
