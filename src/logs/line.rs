//! A line of a node's log file: how it is written, and how it is read again after a restart and for the search.
//!
//! ```text
//! 2026-05-03T10:00:00.000Z press-07 syslog warning [ 12.3] nvme0: timeout
//! 2026-05-03T10:00:00.100Z press-07 syslog:2019-01-01T00:00:03.000Z info sshd[77]: ready
//! 2026-05-03T10:00:00.120Z press-07 agent:5f3a9c01.17 info write: 12 %
//! 2026-05-03T10:00:00.200Z oxbow: 2 lines are missing here: they could not be written
//! ```
//!
//! A line of an agent has the beginning of its run's name and the number that the agent gave the line: a line that is
//! sent again is recognized by these, also after the station was killed. The whole name is a token and is in no log.

use crate::domain::ids::RunId;
use crate::domain::logline::{Level, LogLine, LogSource};
use crate::domain::text;
use crate::domain::time::Timestamp;

/// A line that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ParsedLine<'l> {
    pub at: Timestamp,
    pub source: LogSource,
    pub level: Level,
    /// Of an agent's line: which one of which run.
    pub mark: Option<Mark>,
    pub text: &'l str,
    /// Of a line of syslog: what the machine's clock showed.
    pub by_its_clock: Option<Timestamp>,
    /// It is about the log itself, from its writer.
    pub is_remark: bool,
}

/// Which line of an agent it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub run: Short,
    pub number: u32,
}

/// The first eight hex digits of a run's name: enough to tell a node's runs apart, and no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Short(u32);

impl Short {
    pub(super) fn of(run: RunId) -> Self {
        Self::read(&run.short()).unwrap_or(Self(0))
    }

    pub(super) fn number(self) -> u32 {
        self.0
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        let is_hex = text.len() == SHORT && text.bytes().all(|c| c.is_ascii_hexdigit());
        is_hex.then(|| u32::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl std::fmt::Display for Short {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// One line of a file, whatever its text is. The text cannot be read as the name of another source.
pub(super) fn written(label: &str, line: &LogLine, mark: Option<Mark>) -> String {
    let mut label: String = text::clean(label, LABEL).chars().map(|c| if c == ' ' { '_' } else { c }).collect();
    if label.is_empty() || label == REMARK {
        label = "_".into();
    }
    let mark = match (mark, line.by_its_clock) {
        (Some(Mark { run, number }), _) => format!(":{run}.{number}"),
        (None, Some(at)) => format!(":{}", time(at)),
        (None, None) => String::new(),
    };
    format!("{} {label} {}{mark} {} {}\n", time(line.at), line.source.word(), line.level.word(), line.text)
}

/// A remark of the station about the log itself.
pub(super) fn remark(at: Timestamp, words: &str) -> String {
    format!("{} {REMARK} {words}\n", time(at))
}

/// None if it is not a line of a log.
pub(super) fn read(line: &str) -> Option<ParsedLine<'_>> {
    let (at, rest) = line.split_once(' ')?;
    let at = moment(at)?;
    let (label, rest) = rest.split_once(' ')?;
    if label == REMARK {
        let (source, level) = (LogSource::Station, Level::Info);
        return Some(ParsedLine { at, source, level, mark: None, by_its_clock: None, text: rest, is_remark: true });
    }
    let (source, rest) = rest.split_once(' ')?;
    let (source, mark) = source.split_once(':').unwrap_or((source, ""));
    let (level, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let source = source_of(source);
    // An agent's mark is the agent's alone.
    let (mark, by_its_clock) = match source {
        LogSource::Agent => (mark_of(mark), None),
        LogSource::Syslog => (None, moment(mark)),
        LogSource::Station | LogSource::CloudInit | LogSource::Unknown => (None, None),
    };
    Some(ParsedLine { at, source, level: level_of(level), mark, by_its_clock, text, is_remark: false })
}

fn mark_of(text: &str) -> Option<Mark> {
    let (run, number) = text.split_once('.')?;
    Some(Mark { run: Short::read(run)?, number: number.parse().ok()? })
}

fn moment(text: &str) -> Option<Timestamp> {
    let at = text.parse::<jiff::Timestamp>().ok()?.as_millisecond();
    u64::try_from(at).ok().map(Timestamp::from_millis)
}

fn source_of(word: &str) -> LogSource {
    let known = [LogSource::Station, LogSource::Agent, LogSource::Syslog, LogSource::CloudInit];
    known.into_iter().find(|source| source.word() == word).unwrap_or(LogSource::Unknown)
}

fn level_of(word: &str) -> Level {
    let known = [Level::Info, Level::Warning, Level::Error];
    known.into_iter().find(|level| level.word() == word).unwrap_or(Level::Unknown)
}

fn time(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(at.as_millis()).unwrap_or_default()).unwrap_or_default();
    format!("{at:.3}")
}

const SHORT: usize = 8;
/// Stands where a node's name would.
const REMARK: &str = "oxbow:";
/// Characters of a node's name.
const LABEL: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_millis(1_777_802_400_123);

    fn line(source: LogSource, text: &str) -> LogLine {
        LogLine::new(AT, source, Level::Warning, text)
    }

    #[test]
    fn what_is_written_is_read_as_it_was_said() {
        let run: RunId = format!("5f3a9c01{}", "0".repeat(24)).parse().expect("a run");
        let mark = Mark { run: Short::of(run), number: 17 };
        let text = written("press 07", &line(LogSource::Agent, "write: 12 % of a b"), Some(mark));
        assert_eq!(text, "2026-05-03T10:00:00.123Z press_07 agent:5f3a9c01.17 warning write: 12 % of a b\n");
        let source = LogSource::Agent;
        let read_back = read(text.trim_end()).expect("a line");
        let text = "write: 12 % of a b";
        let level = Level::Warning;
        assert_eq!(
            read_back,
            ParsedLine { at: AT, source, level, mark: Some(mark), by_its_clock: None, text, is_remark: false }
        );
        let empty = written("x", &line(LogSource::Syslog, ""), None);
        assert_eq!(
            read(empty.trim_end_matches('\n')).map(|line| (line.source, line.text)),
            Some((LogSource::Syslog, ""))
        );
    }

    #[test]
    fn a_machine_that_calls_itself_as_the_station_does_is_not_taken_for_it() {
        let text = written("oxbow:", &line(LogSource::Agent, "all is well"), None);
        assert!(!read(text.trim_end()).expect("a line").is_remark, "{text}");
        // Nor does one that speaks by syslog say which line of an agent it is.
        let forged = "2026-05-03T10:00:00.123Z x syslog:5f3a9c01.17 info no";
        assert_eq!(read(forged).and_then(|line| line.mark), None);
    }

    #[test]
    fn the_stations_time_and_the_machines_own_stand_side_by_side() {
        let its = Timestamp::from_millis(1_546_300_803_004);
        let text = written("press-07", &line(LogSource::Syslog, "sshd: ready").by_its_clock(Some(its)), None);
        assert_eq!(text, "2026-05-03T10:00:00.123Z press-07 syslog:2019-01-01T00:00:03.004Z warning sshd: ready\n");
        let read_back = read(text.trim_end()).expect("a line");
        assert_eq!((read_back.at, read_back.by_its_clock, read_back.text), (AT, Some(its), "sshd: ready"));
        assert_eq!((read_back.source, read_back.mark), (LogSource::Syslog, None));
        for odd in ["syslog:", "syslog:yesterday", "syslog"] {
            let text = format!("2026-05-03T10:00:00.123Z press-07 {odd} warning sshd: ready");
            let read_back = read(&text).map(|line| (line.source, line.by_its_clock, line.text));
            assert_eq!(read_back, Some((LogSource::Syslog, None, "sshd: ready")), "{odd}");
        }
    }

    #[test]
    fn what_is_no_line_is_none() {
        for text in
            ["", "half a li", "2026-05-03T10:00:00.123Z", "2026-05-03T10:00:00.123Z x", "yesterday x agent info y"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
