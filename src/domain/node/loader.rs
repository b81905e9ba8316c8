//! Which network boot programs a machine was given, and where they led.

use serde::{Deserialize, Serialize};

use crate::domain::machine::quirk::BootProgram;

/// What is known of one machine's boot programs. Kept with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoaderHistory {
    /// A person's choice for this machine, before everything that is known of its kind.
    pub choice: Option<BootProgram>,
    /// Fetched first in the present attempt.
    fetched: Option<BootProgram>,
    /// Fetched, and then nothing came of it. The latest last.
    failed: Vec<BootProgram>,
    /// Fetched, and the agent spoke.
    works: Option<BootProgram>,
}

impl LoaderHistory {
    /// The machine has this file now; says whether it is a boot program. The first of an attempt is the firmware's.
    pub fn fetched(&mut self, file: &str) -> bool {
        let name = file.rsplit('/').next().unwrap_or(file).to_ascii_lowercase();
        let is_program = PROGRAMS.iter().any(|end| name.ends_with(end));
        if is_program && self.fetched.is_none() {
            self.fetched = name.parse().ok();
        }
        is_program
    }

    /// Another attempt begins, which says nothing about the program of the last one.
    pub fn again(&mut self) {
        self.fetched = None;
    }

    /// The machine started over although it had a program, which is given back.
    pub fn led_nowhere(&mut self) -> Option<BootProgram> {
        let program = self.fetched.take()?;
        self.failed.retain(|known| *known != program);
        self.failed.push(program.clone());
        if self.failed.len() > MOST {
            self.failed.remove(0);
        }
        Some(program)
    }

    /// The agent spoke: the program of this attempt is good. Gives it back with the one that it did better than, if that
    /// is news.
    pub fn worked(&mut self) -> Option<(BootProgram, BootProgram)> {
        let program = self.fetched.take()?;
        self.failed.retain(|known| *known != program);
        let before = self.works.replace(program.clone());
        let worse = self.failed.last().filter(|_| before.as_ref() != Some(&program));
        worse.cloned().map(|worse| (worse, program))
    }

    /// The program that led nowhere, and the one that works.
    pub fn learned(&self) -> Option<(&BootProgram, &BootProgram)> {
        self.failed.last().zip(self.works.as_ref())
    }
}

/// Endings of the names of boot programs, small.
const PROGRAMS: &[&str] = &[".efi", ".kpxe", ".kkpxe", ".kkkpxe", ".pxe", ".0"];
/// Programs that are remembered as bad.
const MOST: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn loader(name: &str) -> BootProgram {
        name.parse().expect("a name")
    }

    #[test]
    fn what_works_after_something_else_did_not_is_news_once() {
        let mut history = LoaderHistory::default();
        history.fetched("snponly.efi");
        history.fetched("grubx64.efi");
        assert_eq!(history.led_nowhere(), Some(loader("snponly.efi")), "the first is the firmware's");
        assert_eq!((history.learned(), history.clone().led_nowhere()), (None, None));
        for news in [true, false] {
            history.fetched("/ipxe.EFI");
            let said = history.worked();
            assert_eq!(said, news.then(|| (loader("snponly.efi"), loader("ipxe.efi"))));
        }
        assert_eq!(history.learned(), Some((&loader("snponly.efi"), &loader("ipxe.efi"))));
    }

    #[test]
    fn a_program_that_works_after_all_is_not_called_bad() {
        let mut history = LoaderHistory::default();
        history.fetched("snponly.efi");
        history.led_nowhere();
        history.fetched("snponly.efi");
        assert_eq!((history.worked(), history.learned()), (None, None));
    }

    #[test]
    fn scripts_and_interrupted_attempts_say_nothing() {
        let mut history = LoaderHistory::default();
        history.fetched("autoexec.ipxe");
        assert_eq!(history.led_nowhere(), None);
        history.fetched("snponly.efi");
        history.again();
        assert_eq!(history.led_nowhere(), None);
    }

    #[test]
    fn few_are_remembered() {
        let mut history = LoaderHistory::default();
        for number in 0..100 {
            history.fetched(&format!("{number}.efi"));
            history.led_nowhere();
        }
        assert_eq!(history.failed.len(), MOST);
    }
}
