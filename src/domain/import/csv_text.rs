//! A list as a spreadsheet opens it.

/// The lines as CSV with this separator. Cells are kept as they are, also those that a spreadsheet would change.
pub(super) fn written(separator: char, lines: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(u8::try_from(separator).unwrap_or(b','))
        .terminator(csv::Terminator::CRLF)
        .flexible(true)
        .from_writer(Vec::new());
    for line in lines {
        // Into memory: nothing can fail.
        let _written = writer.write_record(line.iter().map(|cell| guarded(cell)));
    }
    let bytes = writer.into_inner().unwrap_or_default();
    // By the mark Excel knows that it is UTF-8.
    format!("\u{feff}{}", String::from_utf8_lossy(&bytes))
}

/// A cell that a spreadsheet would take for a formula is kept a text by an apostrophe, which an import takes off again.
fn guarded(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t']) { format!("'{cell}") } else { cell.to_owned() }
}
