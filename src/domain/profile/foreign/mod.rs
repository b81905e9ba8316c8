//! What other tools call a profile, read into ours: Edge Infrastructure Manager's OS profiles, and the `config-file` of
//! Edge Microvisor Toolkit Standalone. What has no counterpart here is named, never dropped in silence.

pub mod config_file;
pub mod os_profile;
mod yaml;

use crate::domain::diagnostic::Diagnostic;

/// Something of the file that is not taken over, or not as it is written.
fn note(file: &str, line: usize, what: impl Into<String>, hint: impl Into<String>) -> Diagnostic {
    Diagnostic { file: file.into(), line: Some(line), column: None, what: what.into(), hint: hint.into() }
}

/// `text` as a scalar of YAML, or a string of TOML: both take JSON's.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
