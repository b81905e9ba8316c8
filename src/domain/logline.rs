//! A line of a node's log as the screen shows it.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::text;
use crate::domain::time::Timestamp;

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogSource {
    /// What the station itself saw of the node.
    Station,
    /// The agent inside the network-booted system.
    Agent,
    /// Whatever program of the machine spoke by syslog.
    Syslog,
    /// What cloud-init writes in the first boot of the machine's own system.
    CloudInit,
    #[serde(other)]
    Unknown,
}

impl LogSource {
    pub fn word(self) -> &'static str {
        match self {
            Self::Station => "station",
            Self::Agent => "agent",
            Self::Syslog => "syslog",
            Self::CloudInit => "cloud-init",
            Self::Unknown => "unknown",
        }
    }
}

/// How much a line matters, after syslog's severities (RFC 5424 section 6.2.1), as far as a technician tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Info,
    Warning,
    Error,
    #[serde(other)]
    Unknown,
}

impl Level {
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Unknown => "unknown",
        }
    }
}

/// One line, cleaned; `at` is the station's time of arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub at: Timestamp,
    /// What the clock of whoever said it showed, where that came with it. It may be wrong.
    pub by_its_clock: Option<Timestamp>,
    pub source: LogSource,
    pub level: Level,
    pub text: Arc<str>,
}

impl LogLine {
    /// A line of what `raw` says, made fit for a terminal.
    pub fn new(at: Timestamp, source: LogSource, level: Level, raw: &str) -> Self {
        Self { at, by_its_clock: None, source, level, text: text::clean(raw, LINE_LIMIT).into() }
    }

    /// The same with what the clock of whoever said it showed.
    pub fn by_its_clock(self, by_its_clock: Option<Timestamp>) -> Self {
        Self { by_its_clock, ..self }
    }
}

/// The newest lines of one node: at most [`TAIL`], older ones are in the node's log file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogTail(VecDeque<LogLine>);

impl LogTail {
    pub fn push(&mut self, line: LogLine) {
        if self.0.len() == TAIL {
            self.0.pop_front();
        }
        self.0.push_back(line);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lines, oldest first.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &LogLine> + ExactSizeIterator {
        self.0.iter()
    }
}

/// Characters of a line that are kept.
const LINE_LIMIT: usize = 400;
/// Lines of a node that are kept in memory: several screens.
pub const TAIL: usize = 200;
