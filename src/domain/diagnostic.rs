//! Something a person wrote is wrong: where, what, and what to do. All of them are collected, never only the first.

use std::fmt;

/// One thing wrong in a file a person wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, as the person knows it.
    pub file: String,
    /// Line, counted from 1, where it is known.
    pub line: Option<usize>,
    /// The column's title, where the file is a table.
    pub column: Option<String>,
    pub what: String,
    pub hint: String,
}

impl Diagnostic {
    /// `demo.toml:3: unknown key "imagee"`; in a table `hosts.csv:14, Serial: "…" is a placeholder`.
    pub fn place_and_what(&self) -> String {
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        let column = self.column.as_ref().map(|column| format!(", {column}")).unwrap_or_default();
        format!("{}{line}{column}: {}", self.file, self.what)
    }
}

impl fmt::Display for Diagnostic {
    /// Place and what, and on a line of its own `hint: …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nhint: {}", self.place_and_what(), self.hint)
    }
}
