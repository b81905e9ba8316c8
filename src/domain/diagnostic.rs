//! Something a person wrote is wrong: where, what, and what to do. All of them are collected, never only the first.

use std::fmt;

/// One thing wrong in a file a person wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, as the person knows it.
    pub file: String,
    /// Line, counted from 1, where it is known.
    pub line: Option<usize>,
    pub what: String,
    pub hint: String,
}

impl Diagnostic {
    /// `demo.toml:3: unknown key "imagee"`.
    pub fn place_and_what(&self) -> String {
        match self.line {
            Some(line) => format!("{}:{line}: {}", self.file, self.what),
            None => format!("{}: {}", self.file, self.what),
        }
    }
}

impl fmt::Display for Diagnostic {
    /// Place and what, and on a line of its own `hint: …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nhint: {}", self.place_and_what(), self.hint)
    }
}
