//! Text to rows of cells: which separator, which quotes, which row number.

use csv::{ReaderBuilder, StringRecord};

/// The rows of a file that are not blank.
#[derive(Debug)]
pub(super) struct CellTable {
    pub separator: char,
    pub records: Vec<Record>,
    /// The row with a quotation mark that nothing closes: all that follows is inside it.
    pub unclosed: Option<usize>,
}

/// A row as it was written.
#[derive(Debug)]
pub(super) struct Record {
    /// As a spreadsheet numbers it: from 1, blank rows counted, a cell over several lines not.
    pub row: usize,
    cells: StringRecord,
}

impl Record {
    /// The cell, or nothing where the row is short.
    pub(super) fn cell(&self, at: usize) -> &str {
        self.cells.get(at).unwrap_or_default()
    }

    /// All cells up to the last that is not blank.
    pub(super) fn cells(&self) -> impl Iterator<Item = &str> {
        self.cells.iter().take(self.width())
    }

    /// How many cells there are up to the last that is not blank.
    pub(super) fn width(&self) -> usize {
        (0..self.cells.len()).rev().find(|at| !is_blank(self.cell(*at))).map_or(0, |last| last + 1)
    }
}

/// Reads `text`, whose lines end in `\n`.
pub(super) fn read(text: &str) -> CellTable {
    // Excel's own first line, by which it tells itself the separator.
    let (said, body, mut row) = match text.split_once('\n') {
        Some((first, rest)) if first.len() == 5 && first.to_ascii_lowercase().starts_with("sep=") => {
            (first.chars().last(), rest, 2)
        }
        _ => (None, text, 1),
    };
    let separator = said.filter(char::is_ascii).unwrap_or_else(|| likely_separator(body));
    let byte = u8::try_from(separator).unwrap_or(b',');
    let mut reader =
        ReaderBuilder::new().delimiter(byte).has_headers(false).flexible(true).from_reader(body.as_bytes());
    let mut records: Vec<Record> = Vec::new();
    let mut last = body;
    loop {
        // The reader passes over empty lines without a word; a spreadsheet counts them.
        let at = usize::try_from(reader.position().byte()).unwrap_or(usize::MAX);
        row += body.as_bytes().get(at..).into_iter().flatten().take_while(|byte| **byte == b'\n').count();
        let mut cells = StringRecord::new();
        // The text is in memory and flexible: nothing can fail but the end of it.
        if !reader.read_record(&mut cells).unwrap_or(false) {
            let unclosed = records.last().map(|record| record.row).filter(|_| ends_inside_quotes(last, separator));
            return CellTable { separator, records, unclosed };
        }
        let record = Record { row, cells };
        if record.width() > 0 {
            records.push(record);
            last = body.get(at..).unwrap_or_default();
        }
        row += 1;
    }
}

/// Whether a quoted cell of this row is still open at the end of the text (RFC 4180 section 2).
fn ends_inside_quotes(row: &str, separator: char) -> bool {
    let (mut inside, mut at_start) = (false, true);
    for c in row.chars() {
        // Two marks inside quotes are one in the value: the state goes off and on again.
        inside = if c == '"' { if inside { false } else { at_start || inside } } else { inside };
        at_start = !inside && (c == '"' || c == separator || c == '\n');
    }
    inside
}

/// Of the usual separators the one that most of the first lines have equally often.
fn likely_separator(text: &str) -> char {
    let lines: Vec<&str> = text.lines().filter(|line| !is_blank(line)).take(LOOKED_AT).collect();
    let agreement = |separator: &char| {
        let counts: Vec<usize> = lines.iter().map(|line| count_outside_quotes(line, *separator)).collect();
        let agreeing = |count: usize| counts.iter().filter(|other| **other == count).count();
        counts.iter().filter(|count| **count > 0).map(|count| (agreeing(*count), *count)).max()
    };
    // Of two that are as good the earlier: `max_by_key` takes the last, so the order is turned round.
    SEPARATORS.iter().rev().copied().max_by_key(agreement).unwrap_or(',')
}

fn count_outside_quotes(line: &str, separator: char) -> usize {
    let mut quoted = false;
    line.chars()
        .filter(|c| {
            quoted ^= *c == '"';
            *c == separator && !quoted
        })
        .count()
}

fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}'))
}

const SEPARATORS: [char; 4] = [',', ';', '\t', '|'];
/// Lines by which the separator is chosen.
const LOOKED_AT: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<(usize, Vec<String>)> {
        read(text).records.iter().map(|record| (record.row, record.cells().map(str::to_owned).collect())).collect()
    }

    #[test]
    fn rows_have_the_numbers_a_spreadsheet_gives_them() {
        let text = "Serial,Note\n\n\nA1,\"two\nlines\"\n,,\nB2,x\n\n\n";
        let numbers: Vec<usize> = rows(text).iter().map(|(row, _)| *row).collect();
        assert_eq!(numbers, [1, 4, 6]);
    }

    #[test]
    fn the_separator_is_the_one_most_lines_agree_on() {
        for (text, separator) in [
            ("Serial;Note\nA1;one, two, three\nB2;four\n", ';'),
            ("Serial\tNote\nA1\ta,b\n", '\t'),
            ("Serial,Note\nA1,\"a;b;c;d\"\nB2,\"e;f\"\n", ','),
            ("A1\nB2\n", ','),
            ("sep=|\nA,B|C\n", '|'),
        ] {
            assert_eq!(read(text).separator, separator, "{text}");
        }
    }

    #[test]
    fn a_quotation_mark_that_nothing_closes_is_seen() {
        for (text, unclosed) in [
            ("A,B\n1,\"two\n3,4\n", Some(2)),
            ("A,B\n1,\"two \"\"x\"\"\n", Some(2)),
            ("A,B\n1,\"two \"\"x\"\"\"\n", None),
            ("A,B\n1,27\" screen\n", None),
            ("A,B\n\"\",\"\"\n", None),
        ] {
            assert_eq!(read(text).unclosed, unclosed, "{text}");
        }
    }

    #[test]
    fn trailing_blank_cells_and_rows_are_not_there() {
        assert_eq!(
            rows("A;B;;;\n1;2;\u{a0};;\n;;;;\n"),
            [(1, vec!["A".into(), "B".into()]), (2, vec!["1".into(), "2".into()])]
        );
    }
}
