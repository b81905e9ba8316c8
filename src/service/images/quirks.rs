//! Reads the site's quirks.

use std::io::ErrorKind;
use std::path::Path;

use crate::domain::diagnostic::Diagnostic;
use crate::domain::machine::quirk::Quirks;
use crate::domain::node::quirk_file;

/// The site's rows and the shipped ones. A row that names a program which is not among the boot files is an error.
pub(super) fn read(path: &Path, boot_files: Option<&Path>) -> Result<Quirks, Vec<Diagnostic>> {
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let wrong = |line, what: String, hint: String| Diagnostic { file: file.clone(), line, column: None, what, hint };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(quirk_file::shipped().clone()),
        Err(err) => {
            let hint = format!("make {} readable, or take it away", path.display());
            return Err(vec![wrong(None, format!("cannot be read: {err}"), hint)]);
        }
    };
    let quirks = quirk_file::parse(&file, &text)?;
    let Some(boot_files) = boot_files else { return Ok(quirks) };
    let missing = quirks.loaders().filter(|(row, loader)| row.is_sites && !boot_files.join(loader.as_str()).is_file());
    let missing: Vec<Diagnostic> = missing
        .map(|(_, loader)| {
            let line = text.lines().position(|line| line.contains(loader.as_str())).map(|at| at + 1);
            let what = format!("names the program {loader}, which is not in {}", boot_files.display());
            wrong(line, what, "copy the file there, or take the row out".into())
        })
        .collect();
    if missing.is_empty() { Ok(quirks) } else { Err(missing) }
}
