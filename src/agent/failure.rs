//! How a run fails, and what the technician at the machine reads.

use super::boot_args::StationUrl;
use crate::domain::machine::report::{FailureKind, Step};

/// What went wrong at which step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", step.word())]
pub struct RunFailure {
    pub step: Step,
    pub kind: FailureKind,
    /// One clause, with its numbers.
    pub detail: String,
}

/// Why work stopped before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    Failed(RunFailure),
    SwitchedOff,
}

impl StopReason {
    pub fn failed(step: Step, kind: FailureKind, detail: impl Into<String>) -> Self {
        Self::Failed(RunFailure { step, kind, detail: detail.into() })
    }
}

/// The failure as a box of plain characters, 60 columns wide.
pub fn boxed(failure: &RunFailure, machine: &str, station: StationUrl) -> Vec<String> {
    let rule = format!("+{}+", "-".repeat(WIDTH + 2));
    let station = station.to_string();
    let facts = [
        ("machine", machine),
        ("where", failure.step.word()),
        ("what", &failure.detail),
        ("try", failure.kind.hint()),
        ("station", &station),
    ];
    let mut lines = vec![rule.clone(), framed("THIS MACHINE IS NOT INSTALLED"), framed("")];
    for (name, text) in facts {
        for (at, part) in wrapped(text, WIDTH - NAME).into_iter().enumerate() {
            let name = if at == 0 { name } else { "" };
            lines.push(framed(&format!("{name:<NAME$}{part}")));
        }
    }
    lines.extend([framed(""), framed("Waiting for the station to restart it."), rule]);
    lines
}

fn framed(text: &str) -> String {
    format!("| {text:<WIDTH$} |")
}

/// `text` in lines of at most `width` characters, broken between words where there are any.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        while !word.is_empty() {
            let room = width.saturating_sub(lines.last().map_or(0, |line| line.chars().count()));
            let line = lines.last_mut().filter(|line| line.is_empty() || word.len() < room);
            match line {
                Some(line) => {
                    if !line.is_empty() {
                        line.push(' ');
                    }
                    line.extend(word.drain(..word.len().min(width)));
                }
                None => lines.push(String::new()),
            }
        }
    }
    lines
}

const WIDTH: usize = 56;
const NAME: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_box_says_what_where_and_what_to_try() {
        let failure = RunFailure {
            step: Step::Prepare,
            kind: FailureKind::NoDisk,
            detail: "the largest disk that fits the rule holds 32.0 GB, the image needs 64.0 GB".into(),
        };
        let station = "http://10.77.0.1".parse().expect("a station");
        assert_eq!(
            boxed(&failure, "FB-0042", station).join("\n"),
            "\
+----------------------------------------------------------+
| THIS MACHINE IS NOT INSTALLED                            |
|                                                          |
| machine  FB-0042                                         |
| where    preparing                                       |
| what     the largest disk that fits the rule holds 32.0  |
|          GB, the image needs 64.0 GB                     |
| try      check that the disk is fitted and enabled in    |
|          the firmware set-up, or change the profile's    |
|          [disk] rule                                     |
| station  http://10.77.0.1:80                             |
|                                                          |
| Waiting for the station to restart it.                   |
+----------------------------------------------------------+"
        );
    }

    #[test]
    fn a_word_longer_than_the_box_is_broken() {
        assert_eq!(wrapped("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
        assert_eq!(wrapped("", 4), [""]);
    }
}
