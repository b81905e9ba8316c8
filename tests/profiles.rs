//! Every profile that is shipped can be used.
#![cfg(feature = "station")]

use std::fs;
use std::path::Path;

use oxbow::domain::profile_file;

#[test]
fn every_shipped_profile_is_valid_and_explained() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).expect("readable").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let text = fs::read_to_string(entry.path()).expect("readable");
        let profile = profile_file::parse(&name, &text).unwrap_or_else(|wrong| panic!("{wrong:#?}"));
        assert!(text.lines().filter(|line| line.starts_with('#')).count() >= 3, "{name} explains itself");
        names.push(profile.id.to_string());
    }
    names.sort();
    assert_eq!(names, ["demo", "emt-s"]);
}
