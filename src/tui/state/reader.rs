//! Where one reads in what all nodes and services say: which lines are shown, and which of them is looked at.
//!
//! | term of the filter | keeps lines |
//! |---|---|
//! | `text` | with it in them, or in the name of who said them |
//! | `node:text` | of nodes with it in their names |
//! | `service:text` | of the station's services with it in their names; `service:` of all of them |
//! | `level:warning` | that matter as much or more |
//! | `source:agent` | that come from there: `station`, `agent`, `syslog` |
//! | `!term` | that the term does not keep |
//!
//! The numbers of the lines that are kept are themselves kept: a newer snapshot costs what it has of new lines.

use std::collections::VecDeque;

use crate::domain::logline::Level;
use crate::domain::station::stream::{LogStream, Origin, StreamLine};
use crate::tui::input::keymap::Motion;

/// A reader of the stream.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    /// The filter as it is typed.
    pub filter: String,
    /// The least that matters enough.
    pub least: Least,
    /// The line that is looked at; none: the newest, as they come.
    pub at: Option<u64>,
    /// What the numbers were chosen by.
    chosen_by: Query,
    /// Lines before this one have been looked at.
    next: u64,
    numbers: VecDeque<u64>,
}

/// Which levels are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Least {
    #[default]
    All,
    Warnings,
    Errors,
}

impl Least {
    pub fn next(self) -> Self {
        match self {
            Self::All => Self::Warnings,
            Self::Warnings => Self::Errors,
            Self::Errors => Self::All,
        }
    }

    /// For the title of the pane.
    pub fn words(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Warnings => "warnings and errors",
            Self::Errors => "errors",
        }
    }

    fn allows(self, level: Level) -> bool {
        match self {
            Self::All => true,
            // Nobody knows how much a level of a newer station matters.
            Self::Warnings => level >= Level::Warning,
            Self::Errors => level >= Level::Error,
        }
    }
}

impl Reader {
    /// Takes in the lines that are new, and lets go of those that are not kept any more.
    pub fn refresh(&mut self, stream: &LogStream) {
        let query = Query::parse(&self.filter, self.least);
        // A stream that is shorter is another one: the view was frozen, or goes on.
        if query != self.chosen_by || self.next > stream.next() {
            (self.chosen_by, self.next) = (query, 0);
            self.numbers.clear();
        }
        while self.numbers.front().is_some_and(|number| *number < stream.first()) {
            self.numbers.pop_front();
        }
        let new = stream.since(self.next).filter(|(_, said)| self.chosen_by.keeps(said));
        self.numbers.extend(new.map(|(number, _)| number));
        self.next = stream.next();
    }

    /// The numbers of the lines that are shown, oldest first.
    pub fn numbers(&self) -> &VecDeque<u64> {
        &self.numbers
    }

    pub fn is_narrowed(&self) -> bool {
        !self.filter.is_empty() || self.least != Least::All
    }

    /// The place, among those that are shown, of the line that is looked at: itself, or if it has gone the next one.
    pub fn place(&self) -> Option<usize> {
        let at = self.at?;
        let last = self.numbers.len().checked_sub(1)?;
        Some(self.numbers.partition_point(|number| *number < at).min(last))
    }

    /// The line that keys act on: the one that is looked at, else the newest.
    pub fn line<'s>(&self, stream: &'s LogStream) -> Option<&'s StreamLine> {
        let place = self.place().or(self.numbers.len().checked_sub(1))?;
        stream.get(*self.numbers.get(place)?)
    }

    /// Moves through the lines that are shown; past the newest one they are followed again.
    pub fn go(&mut self, motion: Motion, page: usize) {
        let Some(last) = self.numbers.len().checked_sub(1) else { return };
        let from = self.place();
        let at = from.unwrap_or(last);
        let to = match motion {
            Motion::Up if from.is_none() => Some(last),
            Motion::Up => Some(at.saturating_sub(1)),
            Motion::PageUp => Some(at.saturating_sub(page)),
            Motion::First => Some(0),
            Motion::Down => from.map(|at| at + 1),
            Motion::PageDown => from.map(|at| at + page),
            Motion::Last => None,
            Motion::Left | Motion::Right => from,
        };
        self.at = to.and_then(|to| self.numbers.get(to).copied());
    }

    /// The words that the filter looks for in texts, in lower case.
    pub fn sought(&self) -> impl Iterator<Item = &str> {
        self.chosen_by.terms.iter().filter_map(|term| match term {
            ReaderTerm::Text(text) => Some(text.as_str()),
            ReaderTerm::Node(_)
            | ReaderTerm::Service(_)
            | ReaderTerm::Level(_)
            | ReaderTerm::Source(_)
            | ReaderTerm::Not(_) => None,
        })
    }
}

/// All terms must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Query {
    least: Least,
    terms: Vec<ReaderTerm>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ReaderTerm {
    Text(String),
    Node(String),
    Service(String),
    Level(Level),
    Source(String),
    Not(Box<ReaderTerm>),
}

impl Query {
    fn parse(text: &str, least: Least) -> Self {
        let terms = text.to_lowercase().split_whitespace().filter_map(ReaderTerm::parse).collect();
        Self { least, terms }
    }

    fn keeps(&self, said: &StreamLine) -> bool {
        self.least.allows(said.line.level) && self.terms.iter().all(|term| term.keeps(said))
    }
}

impl ReaderTerm {
    /// A term that is still being typed, as `node:`, keeps everything; `service:` keeps what no node said.
    fn parse(word: &str) -> Option<Self> {
        if let Some(rest) = word.strip_prefix('!') {
            return Self::parse(rest).map(|term| Self::Not(Box::new(term)));
        }
        let term = match word.split_once(':') {
            Some(("node", name)) => Self::Node(name.into()),
            Some(("service", name)) => return Some(Self::Service(name.into())),
            Some(("source", name)) => Self::Source(name.into()),
            Some(("level", name)) => {
                let level = [Level::Warning, Level::Error].into_iter().find(|level| level.word().starts_with(name));
                return (!name.is_empty()).then(|| Self::Level(level.unwrap_or(Level::Info)));
            }
            _ => Self::Text(word.into()),
        };
        match &term {
            Self::Text(text) | Self::Node(text) | Self::Source(text) if text.is_empty() => None,
            _ => Some(term),
        }
    }

    fn keeps(&self, said: &StreamLine) -> bool {
        match self {
            Self::Text(text) => find(&said.line.text, text).is_some() || find(said.by.name(), text).is_some(),
            Self::Node(name) => said.by.node().is_some() && find(said.by.name(), name).is_some(),
            Self::Service(name) => match said.by {
                Origin::Node { .. } => false,
                Origin::Service(_) | Origin::Station => find(said.by.name(), name).is_some(),
            },
            Self::Level(level) => said.line.level >= *level,
            Self::Source(name) => said.line.source.word().starts_with(name.as_str()),
            Self::Not(term) => !term.keeps(said),
        }
    }
}

/// Where `sought`, which is in lower case, is in `text`, in whatever case: from byte to byte.
pub fn find(text: &str, sought: &str) -> Option<std::ops::Range<usize>> {
    let Some(first) = sought.bytes().next() else { return Some(0..0) };
    if text.is_ascii() {
        let (upper, rest) = (first.to_ascii_uppercase(), &sought.as_bytes()[1..]);
        let mut from = 0;
        loop {
            let at = from + text.as_bytes()[from..].iter().position(|byte| *byte == first || *byte == upper)?;
            let end = at + sought.len();
            if text.as_bytes().get(at + 1..end)?.eq_ignore_ascii_case(rest) {
                return Some(at..end);
            }
            from = at + 1;
        }
    }
    // Letters may be of another length in lower case: then it is found, and nobody can say where.
    let lower = text.to_lowercase();
    let at = lower.find(sought)?;
    let range = at..at + sought.len();
    Some(if lower.len() == text.len() && text.get(range.clone()).is_some() { range } else { 0..0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::NodeId;
    use crate::domain::logline::{LogLine, LogSource};
    use crate::domain::station::service::ServiceName;
    use crate::domain::station::stream::KEPT;
    use crate::domain::time::Timestamp;

    fn said(number: u32, level: Level, text: &str) -> StreamLine {
        let by = match number {
            0 => Origin::Service(ServiceName::Tftp),
            number => Origin::Node { id: NodeId(number), label: format!("press-{number:02}").into() },
        };
        let source = if number == 0 { LogSource::Station } else { LogSource::Agent };
        StreamLine { by, line: LogLine::new(Timestamp::default(), source, level, text) }
    }

    fn kept(filter: &str, said: &StreamLine) -> bool {
        Query::parse(filter, Least::All).keeps(said)
    }

    #[test]
    fn lines_are_found_by_who_said_them_and_how_much_they_matter() {
        let node = said(7, Level::Warning, "/dev/sda is SLOW: 12 MB/s");
        let service = said(0, Level::Error, "ipxe.efi cannot be read");
        let cases = [
            ("", true, true),
            ("slow", true, false),
            ("SLOW /dev", true, false),
            ("press-07", true, false),
            ("node:press", true, false),
            ("node:tftp", false, false),
            ("service:", false, true),
            ("service:tf", false, true),
            ("service:http", false, false),
            ("!service:", true, false),
            ("level:warning", true, true),
            ("level:err", false, true),
            ("level:info", true, true),
            ("source:agent", true, false),
            ("!slow", false, true),
            ("node: level: !", true, true),
        ];
        for (filter, of_node, of_service) in cases {
            assert_eq!((kept(filter, &node), kept(filter, &service)), (of_node, of_service), "{filter:?}");
        }
    }

    #[test]
    fn text_is_found_whatever_its_case_and_its_alphabet() {
        assert_eq!(find("read-only File system", "file"), Some(10..14));
        assert_eq!(find("aab", "ab"), Some(1..3));
        assert_eq!(find("Größe", "größ"), Some(0..6));
        assert_eq!(find("İstanbul", "stan"), Some(0..0), "found, and the place is not known");
        assert_eq!((find("short", "shorter"), find("", "a")), (None, None));
    }

    #[test]
    fn new_lines_are_taken_in_and_old_ones_let_go_without_reading_all_again() {
        let (mut stream, mut reader) = (LogStream::default(), Reader { filter: "odd".into(), ..Reader::default() });
        let total = KEPT as u64 * 2;
        for number in 0..total {
            stream.push(said(1, Level::Info, if number % 2 == 1 { "odd" } else { "even" }));
            if number % 777 == 0 {
                reader.refresh(&stream);
            }
        }
        reader.refresh(&stream);
        let expected: Vec<u64> = (stream.first()..total).filter(|number| number % 2 == 1).collect();
        assert_eq!(reader.numbers().iter().copied().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_line_one_reads_stays_while_others_come_and_the_end_is_followed_again() {
        let (mut stream, mut reader) = (LogStream::default(), Reader::default());
        (0..100).for_each(|number| stream.push(said(1, Level::Info, &number.to_string())));
        reader.refresh(&stream);
        for motion in [Motion::Up, Motion::Up, Motion::PageUp] {
            reader.go(motion, 10);
        }
        assert_eq!(reader.line(&stream).map(|said| &*said.line.text), Some("88"));
        (100..200).for_each(|number| stream.push(said(1, Level::Info, &number.to_string())));
        reader.refresh(&stream);
        assert_eq!(reader.line(&stream).map(|said| &*said.line.text), Some("88"));
        reader.go(Motion::Last, 10);
        assert_eq!(reader.line(&stream).map(|said| &*said.line.text), Some("199"));
    }

    #[test]
    fn who_reads_a_line_that_goes_is_at_the_oldest_that_is_left() {
        let (mut stream, mut reader) = (LogStream::default(), Reader::default());
        (0..10).for_each(|_| stream.push(said(1, Level::Info, "old")));
        reader.refresh(&stream);
        reader.go(Motion::First, 10);
        (0..KEPT + 300).for_each(|_| stream.push(said(1, Level::Info, "new")));
        reader.refresh(&stream);
        assert_eq!((reader.place(), reader.line(&stream).map(|said| &*said.line.text)), (Some(0), Some("new")));
    }

    #[test]
    fn a_frozen_view_and_the_live_one_are_read_each_for_itself() {
        let (mut stream, mut reader) = (LogStream::default(), Reader::default());
        (0..5).for_each(|_| stream.push(said(1, Level::Info, "a")));
        let frozen = stream.clone();
        (0..5).for_each(|_| stream.push(said(1, Level::Info, "b")));
        for (shown, lines) in [(&stream, 10), (&frozen, 5), (&stream, 10)] {
            reader.refresh(shown);
            assert_eq!(reader.numbers().len(), lines);
        }
    }
}
