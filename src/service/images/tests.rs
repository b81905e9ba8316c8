use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use super::*;

fn gzipped(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

fn checked(content: &[u8]) -> (TempDir, Result<crate::domain::image::ImageInfo, String>) {
    let place = TempDir::new().expect("a directory");
    let (file, store) = (place.path().join("os.img"), place.path().join("store"));
    std::fs::write(&file, content).expect("a file");
    let info = check::check(&file, &store, "os.img", |_, _| true).map_err(|broken| broken.to_string());
    (place, info)
}

#[test]
fn a_gzip_image_is_known_by_its_content_and_both_digests() {
    let content = vec![7; 3_000_000];
    let (_place, raw) = checked(&content);
    let (place, info) = checked(&gzipped(&content));
    let (raw, info) = (raw.expect("good"), info.expect("good"));
    assert_eq!((info.format.word(), info.disk_bytes, info.disk_sha256), ("raw.gz", 3_000_000, raw.sha256));
    assert!(place.path().join("store").join(info.sha256.to_string()).is_file());
}

#[test]
fn a_truncated_image_is_broken_before_any_machine_boots() {
    let whole = gzipped(&(0..200_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>());
    let (_place, info) = checked(&whole[..whole.len() / 2]);
    assert!(info.clone().expect_err("it is cut").starts_with("it is not whole"), "{info:?}");
}

#[test]
fn an_unchanged_image_is_not_read_again() {
    let (place, info) = checked(b"an image");
    let (file, store) = (place.path().join("os.img"), place.path().join("store"));
    let identity = Identity::of(&file).expect("it is there");
    assert_eq!(check::recalled(&store, "os.img", &identity), info.ok());
    std::fs::write(&file, b"another image").expect("a file");
    let identity = Identity::of(&file).expect("it is there");
    assert_eq!(check::recalled(&store, "os.img", &identity), None);
}

#[test]
fn a_wrong_digest_in_the_profile_is_said() {
    let (place, info) = checked(b"an image");
    let config = Config {
        profiles: "".into(),
        images: place.path().into(),
        store: place.path().join("store"),
        boot_files: PathBuf::new(),
        default_profile: None,
    };
    let text = format!("schema = 1\nimage = \"os.img\"\nsha256 = \"{}\"\n", "0".repeat(64));
    let profile = profile_file::parse("os.toml", &text).expect("a profile");
    let ImageState::Broken { what, .. } = state(&config, &profile, &BTreeMap::new()) else { panic!("it is wrong") };
    assert!(what.contains("demands 00000000…"), "{what}");
    assert!(info.is_ok());
}
