//! What the README says of the program is what the program says of itself.

use std::fs;
use std::path::Path;

#[test]
fn the_table_of_keys_is_the_program_s_own() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("readable");
    let keys = oxbow::tui::keys_markdown();
    assert!(readme.contains(keys.trim()), "the README's keys are not these, which `oxbow keys` prints:\n{keys}");
}
