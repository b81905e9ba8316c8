//! The report as a table for an ERP: a row for each machine, in a fixed order of columns. Columns are only ever added.

use super::ReportEntry;
use crate::domain::batch::certificate::moment;
use crate::domain::time::Timestamp;
use crate::protocol::batch::BatchRow;

pub(super) fn written(batch: &BatchRow, entries: &[ReportEntry]) -> String {
    let mut rows = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    let lines =
        std::iter::once(COLUMNS.map(str::to_owned).to_vec()).chain(entries.iter().map(|entry| row(batch, entry)));
    for line in lines {
        // Writing to a vector cannot fail.
        let _infallible = rows.write_record(line.into_iter().map(harmless));
    }
    rows.into_inner().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn row(batch: &BatchRow, ReportEntry { unit, certificate }: &ReportEntry) -> Vec<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let run = unit.run.as_ref();
    let image = run.and_then(|run| run.image.as_ref());
    let disk = unit.disks.first();
    let at = |at: Option<Timestamp>| at.map(moment).unwrap_or_default();
    let shown = |value: Option<String>| value.unwrap_or_default();
    vec![
        shown(batch.number.map(|number| number.to_string())),
        batch.order.name.clone(),
        text(&batch.order.work_order),
        text(&batch.order.operator),
        unit.name.clone(),
        shown(unit.serial.as_ref().map(ToString::to_string)),
        shown(unit.uuid.map(|uuid| uuid.to_string())),
        unit.macs.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        text(&unit.manufacturer),
        text(&unit.product),
        if unit.expected { "yes" } else { "no" }.into(),
        unit.standing.word().into(),
        text(&unit.reason),
        unit.runs.to_string(),
        shown(run.map(|run| run.profile.to_string())),
        at(run.map(|run| run.started)),
        at(run.and_then(|run| run.ended)),
        shown(unit.took().map(|took| (took / 1000).to_string())),
        shown(image.map(|image| image.name.clone())),
        shown(image.and_then(|image| image.travelled_sha256).map(|digest| digest.to_string())),
        shown(image.map(|image| image.written_sha256.to_string())),
        shown(image.and_then(|image| image.read_back_sha256).map(|digest| digest.to_string())),
        shown(run.and_then(|run| run.configuration_sha256).map(|digest| digest.to_string())),
        shown(disk.map(|disk| disk.model.clone())),
        shown(disk.map(|disk| disk.serial.clone())),
        shown(disk.map(|disk| disk.bytes.to_string())),
        shown(certificate.as_ref().map(|signed| signed.name.clone())),
        shown(certificate.as_ref().map(|signed| signed.sha256.to_string())),
        shown(run.and_then(|run| run.root_hash).map(|digest| digest.to_string())),
    ]
}

/// A cell that no spreadsheet reads as a formula: it may have text that came from a machine. Where the comma is the
/// decimal separator, a spreadsheet may end a cell at `;` or a tab, even within quotes.
fn harmless(cell: String) -> String {
    cell.split_inclusive(ENDS).fold(String::new(), |whole, part| {
        let is_formula = part.trim_start_matches([' ', '"']).starts_with(FORMULA);
        whole + if is_formula { "'" } else { "" } + part
    })
}

/// What some spreadsheets read as the end of a cell, besides the comma, and as the beginning of a formula.
const ENDS: [char; 5] = [';', '|', '\t', '\r', '\n'];
const FORMULA: [char; 8] = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
const COLUMNS: [&str; 29] = [
    "batch",
    "batch_name",
    "work_order",
    "operator",
    "name",
    "serial",
    "uuid",
    "macs",
    "manufacturer",
    "product",
    "expected",
    "standing",
    "reason",
    "runs",
    "profile",
    "started",
    "ended",
    "took_seconds",
    "image",
    "image_sha256",
    "disk_sha256",
    "read_back_sha256",
    "configuration_sha256",
    "disk_model",
    "disk_serial",
    "disk_bytes",
    "certificate",
    "certificate_sha256",
    "verity_root_hash",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_whatever_the_spreadsheet_takes_for_the_end_of_a_cell() {
        for (said, left) in [
            ("=cmd|' /C calc'!A1", "'=cmd|' /C calc'!A1"),
            ("\t=1", "\t'=1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("  =1+1", "'  =1+1"),
            ("\u{ff1d}1+1", "'\u{ff1d}1+1"),
            ("PF;=1+1", "PF;'=1+1"),
            ("PF; \"@x;+y", "PF;' \"@x;'+y"),
            ("a\t-1", "a\t'-1"),
            ("a|=1", "a|'=1"),
            ("a\r\n=1", "a\r\n'=1"),
            ("a, =1", "a, =1"),
            ("Acme NV2-512; rev. 1+2", "Acme NV2-512; rev. 1+2"),
            ("", ""),
            ("PF3K0001", "PF3K0001"),
        ] {
            assert_eq!(harmless(said.into()), left);
        }
    }
}
