//! What is printed. Everything goes through here: text from a machine or a file must not move the cursor or reorder a
//! line, and a closed pipe (`| head`) is not an error.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use crate::config::ConfigProblem;
use crate::domain::text;
use crate::export::Unmade;
use crate::protocol::control::ControlReply;

/// A line on standard output.
pub(super) fn line(words: &str) {
    raw(&format!("{}\n", clean(words)));
}

/// Text that is clean already.
pub(super) fn raw(text: &str) {
    let _the_reader_has_gone = std::io::stdout().lock().write_all(text.as_bytes());
}

/// A line on standard error, with what to do on the next.
pub(super) fn problem(what: &str, hint: Option<&str>) {
    let mut said = format!("oxbow: {}\n", clean(what));
    if let Some(hint) = hint {
        let _infallible = writeln!(said, "hint: {}", clean(hint));
    }
    note(&said);
}

/// Text on standard error that is clean already.
pub(super) fn note(text: &str) {
    let _nobody_reads = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Prints the final reply of a conversation, and gives the exit status.
pub(super) fn outcome(answer: &ControlReply) -> ExitCode {
    match answer {
        ControlReply::Done { said } => {
            line(said);
            ExitCode::SUCCESS
        }
        ControlReply::Refused { why, hint } => {
            problem(why, hint.as_deref());
            ExitCode::from(REFUSED)
        }
        ControlReply::Failed { problem: what, hint } => {
            problem(what, Some(hint));
            ExitCode::from(FAILED)
        }
        // Not final replies: `ask` does not return them.
        ControlReply::Node(_)
        | ControlReply::Stranger(_)
        | ControlReply::Trail { .. }
        | ControlReply::Packets { .. }
        | ControlReply::Log { .. }
        | ControlReply::Flaw(_)
        | ControlReply::Row(_)
        | ControlReply::Counts(_)
        | ControlReply::Errors { .. }
        | ControlReply::Station(_)
        | ControlReply::Batch(_)
        | ControlReply::Unit(_)
        | ControlReply::Text { .. }
        | ControlReply::Working { .. }
        | ControlReply::Unknown => ExitCode::from(FAILED),
    }
}

/// Prints why there was no conversation.
pub(super) fn failed(problems: &[ConfigProblem]) -> ExitCode {
    problems.iter().for_each(|found| problem(&found.what, Some(&found.hint)));
    ExitCode::from(FAILED)
}

/// Prints why an export was not made.
pub(super) fn unmade(why: &Unmade) -> ExitCode {
    match why {
        Unmade::Said(answer) => outcome(answer),
        Unmade::Problems(problems) => failed(problems),
        Unmade::Dropped => ExitCode::from(FAILED),
    }
}

/// On one line, without control characters.
pub(super) fn clean(words: &str) -> String {
    text::clean(words, LINE_LIMIT)
}

/// JSON with control characters escaped. They occur in strings only, so that its meaning is the same.
pub(super) fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || text::is_printable(c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _infallible = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

/// The exit status of a request that was understood and refused.
pub(super) const REFUSED: u8 = 1;
/// The exit status if it could not be tried, as with a mistake on the command line.
pub(super) const FAILED: u8 = 2;
const LINE_LIMIT: usize = 4000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_means_the_same_and_holds_nothing_that_a_terminal_obeys() {
        let text = "a\u{202e}b\u{9b}31m\u{e0041}\u{1b}[2J ü";
        let json = escaped(&serde_json::to_string(text).expect("JSON"));
        assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), text);
        assert!(json.chars().all(text::is_printable), "{json}");
    }
}
