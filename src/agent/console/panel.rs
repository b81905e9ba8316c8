//! What can be read from two metres away: machine, profile, step, progress, and the result in large letters.
//!
//! ```text
//!  serial FB-0042, 52:54:00:12:34:56                                             http://10.77.0.1:80
//!  profile edge: os.raw.gz to /dev/sda
//!
//!  # # ###  # ### ###
//!  …
//!  [##########################----------------------]  62 %, 6.2 GB of 10.0 GB, disk 118.2 MB/s
//! ```
//!
//! Pure: [`Panel::lines`] is text in which [`INK`] is what is to be seen from afar.

use super::big_text::{INK, large};
use crate::agent::failure::{RunFailure, wrapped};
use crate::domain::machine::report::Step;

/// The content of the panel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Panel {
    pub machine: String,
    pub station: String,
    pub profile: String,
    pub now: Now,
}

/// The current state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Now {
    #[default]
    Starting,
    /// For the station, for this reason.
    Waiting(String),
    Working {
        step: Step,
        detail: String,
        /// Percent and formatted figures of a step that counts bytes.
        moved: Option<(u8, String)>,
    },
    Failed(RunFailure),
    /// The disk is proven; what follows.
    Done(String),
}

impl Panel {
    /// [`HEIGHT`] lines of at most `width` characters.
    pub(crate) fn lines(&self, width: usize) -> Vec<String> {
        let Self { machine, station, profile, now } = self;
        let room = width.saturating_sub(2);
        let gap = room.saturating_sub(machine.chars().count() + station.chars().count()).max(1);
        let (word, mut texts) = now.words(room);
        let of_profile = match now {
            Now::Working { detail, .. } if !detail.is_empty() && !profile.is_empty() => {
                format!("profile {profile}: {detail}")
            }
            Now::Starting | Now::Waiting(_) | Now::Working { .. } | Now::Failed(_) | Now::Done(_) => {
                if profile.is_empty() { String::new() } else { format!("profile {profile}") }
            }
        };
        let mut lines = vec![format!("{machine}{}{station}", " ".repeat(gap)), of_profile, String::new()];
        lines.extend(large(&word, room));
        lines.push(String::new());
        texts.resize(TEXTS, String::new());
        lines.extend(texts);
        let indented = |line: &String| format!(" {line}").chars().take(width).collect::<String>();
        let mut lines: Vec<String> = lines.iter().map(|line| indented(line).trim_end().to_owned()).collect();
        lines.push("-".repeat(width));
        lines
    }

    /// The colour of the large letters, as a terminal numbers them. The word says it too.
    pub(crate) fn colour(&self) -> Option<u8> {
        match self.now {
            Now::Failed(_) => Some(RED),
            Now::Done(_) => Some(GREEN),
            Now::Starting | Now::Waiting(_) | Now::Working { .. } => None,
        }
    }
}

impl Now {
    /// The large word, and the text below it.
    fn words(&self, width: usize) -> (String, Vec<String>) {
        match self {
            Self::Starting => ("WAIT".to_owned(), vec!["detecting hardware".to_owned()]),
            Self::Waiting(reason) => ("WAIT".to_owned(), wrapped(reason, width)),
            Self::Working { step, moved: Some((percent, figures)), .. } => {
                (format!("{} {percent}%", short(*step)), vec![format!("{} {figures}", bar(*percent))])
            }
            Self::Working { step, moved: None, .. } => (short(*step).to_owned(), Vec::new()),
            Self::Failed(failure) => {
                let mut texts = wrapped(&format!("{}: {}", failure.step.word(), failure.detail), width);
                texts.truncate(TEXTS - 1);
                texts.push(format!("try: {}", failure.kind.hint()));
                ("FAILED".to_owned(), texts)
            }
            Self::Done(follows) => ("DONE".to_owned(), wrapped(follows, width)),
        }
    }
}

fn short(step: Step) -> &'static str {
    match step {
        Step::Prepare => "PREPARE",
        Step::Write => "WRITE",
        Step::Verify => "VERIFY",
        Step::Configure => "CONFIG",
        Step::Reboot => "RESTART",
        Step::Unknown => "WAIT",
    }
}

/// As `[█████-----]`.
fn bar(percent: u8) -> String {
    let full = usize::from(percent.min(100)) * BAR / 100;
    format!("[{}{}]", INK.to_string().repeat(full), "-".repeat(BAR - full))
}

/// Lines below the large letters.
const TEXTS: usize = 3;
/// Two of the head, the letters with a blank line on either side, the texts and a rule.
pub(crate) const HEIGHT: usize = 2 + 1 + super::big_text::HEIGHT + 1 + TEXTS + 1;
const BAR: usize = 24;
const RED: u8 = 1;
const GREEN: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::machine::report::FailureKind;

    fn panel(now: Now) -> Panel {
        Panel {
            machine: "serial FB-0042, 52:54:00:12:34:56".into(),
            station: "http://10.77.0.1:80".into(),
            profile: "edge".into(),
            now,
        }
    }

    fn failed() -> Now {
        let detail = "/dev/sda: writing at byte 983040: the disk has not answered for 240 s".to_owned();
        Now::Failed(RunFailure { step: Step::Write, kind: FailureKind::Hung, detail })
    }

    #[test]
    fn step_and_percent_are_read_from_afar_and_the_rest_from_near() {
        let figures = "62 %, 6.2 GB of 10.0 GB, disk 118.2 MB/s, 32s left".to_owned();
        let detail = "os.raw.gz to /dev/sda".to_owned();
        let writing = Now::Working { step: Step::Write, detail, moved: Some((62, figures)) };
        insta::assert_snapshot!(panel(writing).lines(80).join("\n"));
    }

    #[test]
    fn a_failure_says_so_in_the_largest_letters_with_its_reason_and_what_to_try() {
        insta::assert_snapshot!(panel(failed()).lines(80).join("\n"));
    }

    #[test]
    fn a_proven_machine_says_done() {
        insta::assert_snapshot!(panel(Now::Done("disk verified; restarting now".into())).lines(80).join("\n"));
    }

    #[test]
    fn a_machine_that_waits_says_for_what() {
        let reason = "the station asks this machine to wait: nobody has registered this machine".to_owned();
        insta::assert_snapshot!(panel(Now::Waiting(reason)).lines(80).join("\n"));
    }

    #[test]
    fn on_every_screen_it_has_its_height_and_no_line_is_longer_than_the_screen() {
        let long = Now::Waiting("why ".repeat(200));
        for now in [Now::Starting, long, failed(), Now::Done(String::new())] {
            for width in [1, 5, 40, 80, 200] {
                let lines = panel(now.clone()).lines(width);
                assert_eq!(lines.len(), HEIGHT, "{width}");
                assert!(lines.iter().all(|line| line.chars().count() <= width), "{width}: {lines:?}");
            }
        }
    }
}
