//! The test program starts itself again, for one test in a process of its own: in another namespace, on a terminal, or to
//! be killed.

use std::any::type_name;

/// The arguments with which this program runs `test` alone, even an ignored one.
pub(crate) fn arguments<F: Fn()>(_test: F) -> [&'static str; 4] {
    // As `it::dhcp::server::name`: the crate's name is not part of the test's.
    let path = type_name::<F>();
    let name = path.split_once("::").map_or(path, |(_crate, name)| name);
    ["--exact", name, "--include-ignored", "--nocapture"]
}

#[test]
fn a_test_is_named_by_its_path_in_the_crate() {
    let name = "lab::rerun::a_test_is_named_by_its_path_in_the_crate";
    assert_eq!(arguments(a_test_is_named_by_its_path_in_the_crate)[1], name);
}
