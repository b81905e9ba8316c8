//! The rows that are wrong, as a list to correct and import again.

use super::columns::ColumnMeaning;
use super::csv_text::written;
use super::{Located, Preview, PreviewRow, RowEffect};

/// The rows with errors in the columns of the file, and what is wrong with each under `Problem`, which an import
/// ignores: once the cells are corrected it can be imported as it is. A spreadsheet opens it as it opened the original.
/// Of a file that is wrong as a whole it says only why.
pub fn errors_csv(preview: &Preview) -> String {
    if !preview.flaws.is_empty() {
        let said = preview.flaws.iter().map(|flaw| format!("{flaw} ({})", flaw.hint()));
        return problem_csv(&said.collect::<Vec<_>>().join("; "));
    }
    let own = |at: &usize| preview.columns.get(*at).is_none_or(|column| column.meaning != ColumnMeaning::Ignored);
    let places: Vec<usize> = (0..preview.columns.len()).filter(own).collect();
    let titles = places.iter().map(|at| preview.columns[*at].title.clone()).chain([PROBLEM.to_owned()]);
    let mut lines = vec![titles.collect::<Vec<_>>()];
    for row in &preview.rows {
        let RowEffect::Error(errors) = &row.standing else { continue };
        let cell = |at: usize| row.cells.get(at).cloned().unwrap_or_default();
        let surplus = (preview.columns.len()..row.cells.len()).map(cell);
        lines.push(places.iter().map(|at| cell(*at)).chain([problem(row, errors)]).chain(surplus).collect());
    }
    written(preview.separator, lines)
}

/// A list that says only why another could not be imported.
pub fn problem_csv(problem: &str) -> String {
    format!("\u{feff}{PROBLEM}\r\n\"{}\"\r\n", problem.replace('"', "\"\""))
}

/// What to call the file of errors of `file`: legal on FAT, where `\ / : * ? " < > |` and some old names are not.
pub fn errors_file_name(file: &str) -> String {
    let name = file.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem).trim_end_matches("-errors");
    let legal = |c: char| if c.is_control() || matches!(c, ':' | '*' | '?' | '"' | '<' | '>' | '|') { '_' } else { c };
    let stem: String = stem.chars().map(legal).take(STEM_LIMIT).collect();
    format!("{}-errors.csv", stem.trim_matches([' ', '.']))
}

fn problem(row: &PreviewRow, errors: &[Located]) -> String {
    let said = errors.iter().map(|error| {
        let column = error.column.as_ref().map(|column| format!("{column}: ")).unwrap_or_default();
        format!("{column}{} ({})", error.flaw, error.flaw.hint())
    });
    format!("row {}: {}", row.row, said.collect::<Vec<_>>().join("; "))
}

const PROBLEM: &str = "Problem";
/// Characters of a file name before its end; FAT allows 255.
const STEM_LIMIT: usize = 200;
