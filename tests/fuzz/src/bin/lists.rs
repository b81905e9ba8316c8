//! A list of machines, as a supplier or somebody else made it.
#![no_main]

use libfuzzer_sys::fuzz_target;

use oxbow::domain::import::{self, ImportOptions};
use oxbow::domain::snapshot::Snapshot;
use oxbow::domain::time::Timestamp;

fuzz_target!(|data: &[u8]| {
    let bench = Snapshot::default();
    let preview = import::preview("list.csv", data, Timestamp::default(), &bench, &ImportOptions::default());
    assert_eq!(preview.is_clean(), preview.errors().next().is_none());
    drop((preview.import(), preview.import_without_errors(), import::errors_csv(&preview)));
    for told in preview.errors().chain(preview.warnings()) {
        assert!(!told.to_string().is_empty());
    }
});
