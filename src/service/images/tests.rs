use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use super::*;
use crate::domain::profile::image::ImageFormat;

fn gzipped(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).expect("memory");
    encoder.finish().expect("memory")
}

fn checked(content: &[u8]) -> (TempDir, Result<crate::domain::profile::image::ImageInfo, String>) {
    let place = TempDir::new().expect("a directory");
    let (file, store) = (place.path().join("os.img"), place.path().join("store"));
    std::fs::write(&file, content).expect("a file");
    let info = check::check(&file, &store, "os.img", FileKind::Image, |_, _| true).map_err(|broken| broken.to_string());
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
fn what_is_no_image_is_named_before_it_gets_on_a_disk() {
    let tar = [&[b'x'; 257][..], b"ustar\0", &[0; 1000]].concat();
    for (file, says) in [
        (b"QFI\xfb\0\0\0\x03".to_vec(), "it is a qcow2 image, which no disk can hold as it is"),
        (b"PK\x03\x04 and so on".to_vec(), "it is a zip archive, which no disk can hold as it is"),
        (gzipped(&tar), "what is packed in it is no image: it is a tar archive"),
        (gzipped(&gzipped(b"an image")), "what is packed in it is no image: it is packed once more"),
    ] {
        let (place, info) = checked(&file);
        assert_eq!(info, Err(says.to_owned()));
        assert_eq!(std::fs::read_dir(place.path().join("store")).expect("a directory").count(), 0);
    }
}

#[test]
fn garbage_behind_an_image_is_said_with_its_place() {
    let file = gzipped(b"an image");
    let (_place, info) = checked(&[&*file, b"garbage of some length"].concat());
    let says = info.expect_err("it is not whole");
    assert!(says.starts_with("it is not whole: decompression fails at byte ") && says.contains("header"), "{says}");
}

#[test]
fn a_truncated_image_is_broken_before_any_machine_boots() {
    let whole = gzipped(&(0..200_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>());
    let (_place, info) = checked(&whole[..whole.len() / 2]);
    let says = info.expect_err("it is cut");
    let at = whole.len() / 2;
    assert_eq!(says, format!("it is not whole: decompression fails at byte {at}: the file ends in the middle"));
}

#[test]
fn an_unchanged_image_is_not_read_again() {
    let (place, info) = checked(b"an image");
    let (file, store) = (place.path().join("os.img"), place.path().join("store"));
    let identity = FileIdentity::of(&file).expect("it is there");
    assert_eq!(check::recalled(&store, "os.img", FileKind::Image, &identity), info.ok());
    std::fs::write(&file, b"another image").expect("a file");
    let identity = FileIdentity::of(&file).expect("it is there");
    assert_eq!(check::recalled(&store, "os.img", FileKind::Image, &identity), None);
}

#[test]
fn a_wrong_digest_in_the_profile_is_said() {
    let (place, info) = checked(b"an image");
    let config = ImagesConfig {
        profiles: "".into(),
        images: place.path().into(),
        store: place.path().join("store"),
        boot_files: PathBuf::new(),
        quirks: PathBuf::new(),
        placeholders: PathBuf::new(),
        default_profile: None,
    };
    let text = format!("schema = 1\nimage = \"os.img\"\nsha256 = \"{}\"\n", "0".repeat(64));
    let profile = crate::domain::profile::file::parse("os.toml", &text).expect("a profile");
    let state = state(&config, "os.img", FileKind::Image, &KnownFiles::new());
    let other = crate::domain::profile::file::parse("zz.toml", "schema = 1\nimage = \"os.img\"\n").expect("a profile");
    let catalogue = Catalogue { images: [("os.img".into(), state)].into(), ..Catalogue::default() };
    let Some(ImageState::Broken { what, .. }) = catalogue.image(&profile) else { panic!("it is wrong") };
    assert!(what.contains("demands 00000000…"), "{what}");
    assert_eq!(
        catalogue.image(&other),
        Some(ImageState::Ready(info.expect("good"))),
        "another profile takes it as it is"
    );
}

#[test]
fn an_image_that_the_station_has_no_room_for_is_said_with_both_sizes() {
    let place = TempDir::new().expect("a directory");
    let (file, store) = (place.path().join("os.img"), place.path().join("store"));
    std::fs::File::create(&file)
        .and_then(|file| file.set_len(1 << 50))
        .or_else(|_| std::fs::File::create(&file).and_then(|file| file.set_len(15 << 40)))
        .expect("a file with holes");
    let broken = check::check(&file, &store, "os.img", FileKind::Image, |_, _| true)
        .expect_err("nobody has so much")
        .to_string();
    assert!(broken.starts_with("the station's own copy needs ") && broken.ends_with(" left"), "{broken}");
}

#[test]
fn a_copy_is_kept_while_a_profile_names_it_or_a_machine_is_given_it_and_removed_a_minute_later() {
    let (place, info) = checked(b"an image");
    let (info, store) = (info.expect("good"), place.path().join("store"));
    let profile =
        crate::domain::profile::file::parse("os.toml", "schema = 1\nimage = \"os.img\"\n").expect("a profile");
    let named = Catalogue { profiles: [(profile.id.clone(), profile.clone())].into(), ..Catalogue::default() };
    let now = crate::domain::time::Timestamp::from_millis(1_000_000_000);
    let nobody = crate::domain::snapshot::Snapshot::default();
    let mut node = crate::domain::node::Node::new(crate::domain::ids::NodeId(1), now);
    let mut run = crate::domain::node::run::Run::begin(crate::domain::ids::RunId::new([1; 16]), profile.id, now);
    run.expected = Some(crate::domain::node::run::Expected {
        image: "os.img".into(),
        sha256: Some(info.sha256),
        disk_bytes: info.disk_bytes,
        disk_sha256: info.disk_sha256,
    });
    (node.last_seen, node.runs) = (Some(now), vec![run]);
    let working = crate::domain::snapshot::Snapshot { nodes: [(node.id, node.into())].into(), ..Default::default() };

    let begin = Instant::now();
    let at = |seconds| begin + Duration::from_secs(seconds);
    let mut sweep = Sweep::default();
    let mut swept = |seconds, catalogue: &Catalogue, bench| {
        let needed = sweep::needed(catalogue, bench, &store).expect("nothing is unreadable");
        sweep.remove(at(seconds), &store, &needed);
        !store.join(info.sha256.to_string()).exists()
    };
    assert!(!swept(0, &named, &nobody) && !swept(100, &named, &nobody), "a profile names it");
    assert!(
        !swept(200, &Catalogue::default(), &working) && !swept(300, &Catalogue::default(), &working),
        "it is being written"
    );
    assert!(!swept(400, &Catalogue::default(), &nobody) && !swept(459, &Catalogue::default(), &nobody), "not at once");
    assert!(swept(460, &Catalogue::default(), &nobody));
    assert_eq!(std::fs::read_dir(&store).expect("a directory").count(), 0, "nor is there a note of it");
    let (_, diagnostics) = LastGoodProfiles::default().read(&place.path().join("none"), None);
    let unreadable = Catalogue { diagnostics, ..named };
    assert_eq!(sweep::needed(&unreadable, &nobody, &store), None, "who knows what it names");
}

#[test]
fn an_archive_is_kept_for_a_machine_that_has_yet_to_unpack_it_however_long_that_is_silent() {
    use crate::domain::fleet::Fleet;
    use crate::domain::node::run::{Expected, Run};
    let place = TempDir::new().expect("a directory");
    let store = place.path().join("store");
    let taken_in = |name: &str, kind| {
        let content = if kind == FileKind::Archive { tar() } else { name.as_bytes().to_vec() };
        std::fs::write(place.path().join(name), content).expect("a file");
        check::check(&place.path().join(name), &store, name, kind, |_, _| true).expect("good")
    };
    let (image, archive) = (taken_in("os.img", FileKind::Image), taken_in("apps.tar", FileKind::Archive));
    let long_ago = crate::domain::time::Timestamp::from_millis(1);
    let mut node = crate::domain::node::Node::new(crate::domain::ids::NodeId(1), long_ago);
    let id = crate::domain::ids::RunId::new([1; 16]);
    let expected = Expected {
        image: image.name,
        sha256: Some(image.sha256),
        disk_bytes: image.disk_bytes,
        disk_sha256: image.disk_sha256,
    };
    let run = Run { expected: Some(expected), ..Run::begin(id, "os".parse().expect("a name"), long_ago) };
    (node.last_seen, node.runs) = (Some(long_ago), vec![run]);
    let mut fleet = Fleet::restore([node]);
    fleet.configuration_given(long_ago, id, Some(archive.sha256), vec![archive.sha256]).expect("a known run");
    let mut sweep = Sweep::default();
    let mut left = |fleet: &Fleet, minutes: u64| {
        let bench = crate::domain::snapshot::Snapshot { nodes: fleet.nodes().clone(), ..Default::default() };
        let needed = sweep::needed(&Catalogue::default(), &bench, &store).expect("nothing is unreadable");
        sweep.remove(Instant::now() + Duration::from_secs(minutes * 60), &store, &needed);
        [image.sha256, archive.sha256].map(|copy| store.join(copy.to_string()).exists())
    };
    assert_eq!([left(&fleet, 0), left(&fleet, 7 * 24 * 60)], [[true, true]; 2]);
    let mut ended = fleet.nodes().values().next().map(|node| (**node).clone()).expect("a node");
    ended.runs[0].end(long_ago, crate::domain::node::run::RunOutcome::Interrupted);
    let ended = Fleet::restore([ended]);
    assert_eq!([left(&ended, 8 * 24 * 60), left(&ended, 9 * 24 * 60)], [[true, true], [false, false]]);
}

#[test]
fn what_a_killed_check_has_left_is_removed_and_what_another_is_writing_is_not() {
    let place = TempDir::new().expect("a directory");
    let working = format!("unfinished-{}-0", std::process::id());
    for name in ["unfinished", "unfinished-4294967295-0", &working] {
        std::fs::write(place.path().join(name), b"half").expect("a file");
    }
    sweep::remove_unfinished(place.path());
    let left: Vec<_> =
        std::fs::read_dir(place.path()).expect("a directory").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, [working.as_str()]);
}

#[test]
fn a_profile_that_is_broken_while_the_station_runs_stays_as_it_was_until_it_is_corrected() {
    let place = TempDir::new().expect("a directory");
    let write = |text: &str| std::fs::write(place.path().join("os.toml"), text).expect("a file");
    let mut shelf = LastGoodProfiles::default();
    let mut read = || {
        let (profiles, wrong) = shelf.read(place.path(), None);
        let image = profiles.values().next().and_then(|profile| profile.image()).map(|image| image.file.clone());
        (image, wrong.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    write("schema = 1\nimage = \"one.raw\"\n");
    assert_eq!(read(), (Some("one.raw".into()), vec![]));
    write("schema = 1\nimagee = \"two.raw\"\n");
    let said =
        "os.toml:2: there is no key \"imagee\"\nhint: did you mean \"image\"?; until then the profile stays as it was";
    assert_eq!(read(), (Some("one.raw".into()), vec![said.into()]));
    assert_eq!(read(), (Some("one.raw".into()), vec![said.into()]), "for as long as it is broken");
    write("schema = 1\nimage = \"two.raw\"\n");
    assert_eq!(read(), (Some("two.raw".into()), vec![]));
    std::fs::remove_file(place.path().join("os.toml")).expect("it was there");
    assert_eq!(read(), (None, vec![]), "one that is taken away is gone");
}

#[test]
fn a_template_beside_the_profile_is_read_with_it_and_tried() {
    let place = TempDir::new().expect("a directory");
    std::fs::create_dir(place.path().join("os")).expect("a directory");
    std::fs::write(place.path().join("os/user-data"), "#cloud-config\n{{ node.srial }}\n").expect("a file");
    let text = "schema = 1\nimage = \"os.raw\"\n[cloud_init]\nuser_data = \"os/user-data\"\n";
    std::fs::write(place.path().join("os.toml"), text).expect("a file");
    let (profiles, wrong) = LastGoodProfiles::default().read(place.path(), None);
    assert!(profiles.is_empty());
    let said: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["os/user-data:2: nothing is called node.srial\nhint: did you mean node.serial?"]);
}

#[test]
fn a_digest_that_lies_beside_the_image_is_demanded_and_a_mismatch_says_both() {
    let (place, info) = checked(b"an image");
    let info = info.expect("good");
    let mut wrong = Vec::new();
    let mut judged = |list: &str| {
        std::fs::write(place.path().join("os.img.sha256sum"), list).expect("a file");
        wrong.clear();
        let catalogue = Catalogue {
            images: [("os.img".into(), ImageState::Ready(info.clone()))].into(),
            sums: profiles::sums(place.path(), ["os.img".to_owned()].iter(), &mut wrong),
            ..Catalogue::default()
        };
        let profile = crate::domain::profile::file::parse("os.toml", "schema = 1\nimage = \"os.img\"\n");
        (
            catalogue.image(&profile.expect("a profile")),
            wrong.iter().map(Diagnostic::place_and_what).collect::<Vec<_>>(),
        )
    };
    let ready = Some(ImageState::Ready(info.clone()));
    assert_eq!(judged(&format!("{}  os.img\n", info.sha256)), (ready.clone(), vec![]));
    let (Some(ImageState::Broken { what, .. }), _) = judged(&format!("{}  os.img\n", "0".repeat(64))) else {
        panic!("it is another")
    };
    assert_eq!(what, format!("os.img has digest {}…, os.img.sha256sum says 00000000…", info.sha256.short()));
    let said = vec!["os.img.sha256sum: its first line does not begin with a SHA-256".to_owned()];
    assert_eq!(judged("<html>"), (ready, said), "what is no list says nothing of the image");
}

/// A tar with one file in it.
fn tar() -> Vec<u8> {
    let mut made = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    header.set_cksum();
    made.append_data(&mut header, "apps/hello", &b"hello"[..]).expect("added");
    made.into_inner().expect("a tar")
}

#[test]
fn an_archive_that_machines_could_not_unpack_is_refused_before_any_machine_boots() {
    let place = TempDir::new().expect("a directory");
    let says = |name: &str, content: &[u8]| {
        let (file, store) = (place.path().join(name), place.path().join("store"));
        std::fs::write(&file, content).expect("a file");
        let info = check::check(&file, &store, name, FileKind::Archive, |_, _| true);
        info.map_err(|broken| (broken.to_string(), broken.hint()))
    };
    for good in [tar(), gzipped(&tar())] {
        let info = says("apps.tar", &good).expect("it is one");
        assert_eq!(
            (info.bytes, info.disk_bytes, info.format),
            (good.len() as u64, good.len() as u64, ImageFormat::Raw)
        );
        assert_eq!(info.sha256, info.disk_sha256, "it travels as it is");
    }
    let (what, hint) = says("os.tar.gz", &gzipped(&vec![0x55; 4000])).expect_err("an image under a wrong name");
    assert_eq!(what, "it is no archive that machines can unpack: it is something else, not a tar");
    assert!(hint.contains("[[archive]]"), "{hint}");
    let packed = gzipped(&[tar(), (0..200_000_u32).flat_map(u32::to_le_bytes).collect()].concat());
    let (what, _) = says("cut.tar.gz", &packed[..packed.len() / 2]).expect_err("it is cut");
    assert!(what.starts_with("it is not whole: decompression fails at byte "), "{what}");
    let (what, _) = says("cut.tar", &tar()[..600]).expect_err("it is cut");
    assert!(what.starts_with("it is no archive that machines can unpack: it ends in the middle"), "{what}");
    let file = place.path().join("apps.tar");
    std::fs::write(&file, tar()).expect("a file");
    let stopped = check::check(&file, &place.path().join("store"), "apps.tar", FileKind::Archive, |_, _| false);
    assert!(matches!(stopped, Err(check::Unusable::Stopped)), "{stopped:?}");
}

#[test]
fn an_image_named_as_an_archive_is_told_of_its_profile_and_one_file_is_a_tar_wherever_it_is_needed() {
    let place = TempDir::new().expect("a directory");
    let at = |name: &str| place.path().join(name);
    std::fs::create_dir_all(at("profiles")).expect("a directory");
    std::fs::write(at("os.raw.gz"), gzipped(b"an image")).expect("a file");
    std::fs::write(at("apps.tar"), tar()).expect("a file");
    let archive = |file: &str| format!("[[archive]]\nfile = \"{file}\"\npath = \"/srv\"\nvolume = \"2\"\n");
    let common = "schema = 1\nimage = \"os.raw.gz\"\n";
    let installer = "schema = 1\n[installer]\nkernel = \"apps.tar\"\n";
    for (name, text) in [
        ("good.toml", format!("{common}{}", archive("apps.tar"))),
        ("wrong.toml", format!("{common}{}", archive("os.raw.gz"))),
        ("installer.toml", installer.to_owned()),
    ] {
        std::fs::write(at("profiles").join(name), text).expect("a file");
    }
    let config = ImagesConfig {
        profiles: at("profiles"),
        images: place.path().into(),
        store: at("store"),
        boot_files: PathBuf::new(),
        quirks: PathBuf::new(),
        placeholders: PathBuf::new(),
        default_profile: None,
    };
    let wrong = examine(&config);
    let said: Vec<&str> =
        wrong.iter().map(|(what, _)| what.as_str()).filter(|what| what.starts_with("profile")).collect();
    assert_eq!(said, ["profile wrong: it is no archive that machines can unpack: it is something else, not a tar"]);
    let (profiles, _) = LastGoodProfiles::default().read(&config.profiles, None);
    let files = wanted(profiles.values());
    assert_eq!(files.iter().filter(|(name, _)| name == "apps.tar").count(), 1, "{files:?}");
}

#[test]
fn an_installers_files_are_kept_as_they_are_and_never_taken_for_an_image() {
    let place = TempDir::new().expect("a directory");
    let (file, store) = (place.path().join("initrd.gz"), place.path().join("store"));
    // Two archives one behind the other, the second not packed: what a kernel takes and no decompressor.
    let content = [gzipped(b"070701 one"), b"070701 two".to_vec()].concat();
    std::fs::write(&file, &content).expect("a file");
    let info = check::check(&file, &store, "initrd.gz", FileKind::BootFile, |_, _| true).expect("as it is");
    assert_eq!(info.bytes, content.len() as u64);
    let identity = FileIdentity::of(&file).expect("it is there");
    assert_eq!(check::recalled(&store, "initrd.gz", FileKind::BootFile, &identity), Some(info));
    assert_eq!(check::recalled(&store, "initrd.gz", FileKind::Image, &identity), None);
}
