//! The authority is kept, the certificates follow the address and the calendar.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

fn place() -> (TempDir, PathBuf) {
    let place = TempDir::new().expect("a directory");
    let directory = place.path().join("tls");
    (place, directory)
}

fn open(directory: &Path, address: Ipv4Addr, now: Timestamp) -> ServerTls {
    ServerTls::open(directory, address, now).expect("an authority")
}

/// What the two certificates of the station are.
fn shown(tls: &ServerTls) -> [Vec<u8>; 2] {
    let leaves = tls.shown.read().expect("no panic").leaves.clone();
    [0, 1].map(|at| leaves[at].certificate().to_der().expect("DER"))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[test]
fn the_authority_is_made_once_and_nobody_else_reads_its_files() {
    let (_place, directory) = place();
    let first = open(&directory, ADDRESS, NOW);
    let again = open(&directory, ADDRESS, NOW.after(Duration::from_secs(60)));
    assert_eq!((first.fingerprint(), shown(&first)), (again.fingerprint(), shown(&again)));
    assert_eq!(mode(&directory), 0o700);
    let mut files: Vec<String> = fs::read_dir(&directory)
        .expect("readable")
        .flatten()
        .map(|it| it.file_name().to_string_lossy().into())
        .collect();
    files.sort();
    assert_eq!(files, ["ca.key", "ca.pem", "ecdsa.pem", "rsa.pem"]);
    assert!(files.iter().all(|file| mode(&directory.join(file)) == 0o600));
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).expect("ours");
    open(&directory, ADDRESS, NOW);
    assert_eq!(mode(&directory), 0o700, "taken back");
}

#[test]
fn another_address_gets_other_certificates_of_the_same_authority() {
    let (_place, directory) = place();
    let before = open(&directory, ADDRESS, NOW);
    let moved = open(&directory, Ipv4Addr::new(10, 78, 0, 1), NOW);
    assert_eq!(before.fingerprint(), moved.fingerprint());
    assert!(shown(&before).iter().zip(&shown(&moved)).all(|(before, after)| before != after));
    assert_eq!(shown(&open(&directory, Ipv4Addr::new(10, 78, 0, 1), NOW)), shown(&moved), "and keeps them");
}

#[test]
fn certificates_are_made_anew_a_year_before_they_end_also_while_the_station_runs() {
    let (_place, directory) = place();
    let tls = open(&directory, ADDRESS, NOW);
    let first = shown(&tls);
    assert!(!tls.renew(NOW.after(YEAR + YEAR - Duration::from_secs(86_400))).expect("nothing to do"));
    let late = NOW.after(YEAR + YEAR + Duration::from_secs(86_400));
    assert!(tls.renew(late).expect("new ones"));
    assert_ne!(shown(&tls), first);
    assert!(!tls.renew(late).expect("nothing to do"));
    assert_eq!(shown(&open(&directory, ADDRESS, late)), shown(&tls), "they were kept");
    let started_late = NOW.after(5 * YEAR);
    assert_ne!(shown(&open(&directory, ADDRESS, started_late)), shown(&tls), "expired while the station was off");
}

#[test]
fn certificates_end_with_their_authority_and_are_not_made_again_in_vain() {
    let (_place, directory) = place();
    open(&directory, ADDRESS, NOW);
    let last = NOW.after(19 * YEAR + YEAR / 2);
    let tls = open(&directory, ADDRESS, last);
    assert!(!tls.renew(last).expect("nothing to do"));
    assert!(matches!(ServerTls::open(&directory, ADDRESS, NOW.after(21 * YEAR)), Err(TlsError::Expired(_))));
}

#[test]
fn what_cannot_be_used_is_said_and_never_replaced() {
    let other = place();
    open(&other.1, ADDRESS, NOW);
    type Break = fn(&Path, &Path);
    let breaks: [(&str, Break); 5] = [
        ("ca.key in", |ours, others| drop(fs::copy(others.join("ca.key"), ours.join("ca.key")))),
        ("ca.key is damaged", |ours, _| fs::write(ours.join("ca.key"), "nonsense").expect("ours")),
        ("ca.pem is damaged", |ours, _| fs::write(ours.join("ca.pem"), "").expect("ours")),
        ("ca.pem cannot be read", |ours, _| fs::remove_file(ours.join("ca.pem")).expect("ours")),
        ("ca.key cannot be read", |ours, _| fs::remove_file(ours.join("ca.key")).expect("ours")),
    ];
    for (said, damage) in breaks {
        let (_place, directory) = place();
        open(&directory, ADDRESS, NOW);
        damage(&directory, &other.1);
        let files = || fs::read_dir(&directory).expect("readable").flatten().map(|it| it.path()).collect::<Vec<_>>();
        let before: Vec<_> = files().iter().map(|file| fs::read(file).expect("readable")).collect();
        let error = ServerTls::open(&directory, ADDRESS, NOW).expect_err("it cannot be used");
        assert!(error.to_string().contains(said), "{error}");
        assert!(error.hint().contains("from a copy"));
        let after: Vec<_> = files().iter().map(|file| fs::read(file).expect("readable")).collect();
        assert_eq!(before, after, "{said}: nothing was touched");
    }
}

#[test]
fn a_start_that_was_cut_short_leaves_no_half_of_an_authority() {
    let (place, directory) = place();
    fs::create_dir(place.path().join("tls.new")).expect("ours");
    fs::write(place.path().join("tls.new/ca.key"), "half").expect("ours");
    open(&directory, ADDRESS, NOW);
    assert!(!place.path().join("tls.new").exists());
    fs::write(directory.join("rsa.pem"), "half").expect("ours");
    let first = shown(&open(&directory, ADDRESS, NOW));
    assert_eq!(shown(&open(&directory, ADDRESS, NOW)), first, "a damaged certificate of the station is made anew");
}
