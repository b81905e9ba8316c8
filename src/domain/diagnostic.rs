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

impl fmt::Display for Diagnostic {
    /// `demo.toml:3: unknown key "imagee"` and, on a line of its own, `hint: …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.what)?,
            None => write!(f, "{}: {}", self.file, self.what)?,
        }
        write!(f, "\nhint: {}", self.hint)
    }
}
