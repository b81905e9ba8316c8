//! The site's own list of what identifies nobody, read from its file.

use std::io::ErrorKind;
use std::path::Path;

use crate::domain::diagnostic::Diagnostic;
use crate::domain::ids::placeholder::Placeholders;

/// What the site lists; there need not be a file.
pub(super) fn read(path: &Path) -> Result<Placeholders, Vec<Diagnostic>> {
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match std::fs::read_to_string(path) {
        Ok(text) => Placeholders::parse(&file, &text),
        Err(err) if err.kind() == ErrorKind::NotFound => Ok(Placeholders::default()),
        Err(err) => {
            let hint = format!("make {} readable, or take it away", path.display());
            Err(vec![Diagnostic { file, line: None, column: None, what: format!("cannot be read: {err}"), hint }])
        }
    }
}
