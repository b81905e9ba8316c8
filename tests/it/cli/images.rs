//! `oxbow images`, with the built program: from files and over HTTP, with every interruption.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509Name};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::image_source::Source;

#[test]
fn an_image_from_a_file_is_checked_listed_verified_and_removed_once_no_profile_uses_it() {
    let home = Home::new();
    home.write("os.raw.zst", &zstd(&content()));
    home.does(&["add", "os.raw.zst"], &["os.raw.zst: raw.zst", "3.0 MB on the disk", "no profile uses it yet"]);
    home.write("profiles/os.toml", b"schema = 1\nimage = \"os.raw.zst\"\n");
    home.does(&[], &["os.raw.zst  raw.zst", "used by os"]);
    let digest = hex(&zstd(&content()));
    home.does(&["verify"], &[&format!("os.raw.zst: good, {digest}")]);
    assert!(home.path("blobs").join(&digest).is_file(), "the station finds its copy made");

    home.ends(1, &["remove", "os.raw.zst"], &["os.raw.zst is used by os", "hint: remove those profiles first"]);
    home.write("profiles/os.toml", b"schema = 1\nimage = \n");
    home.ends(1, &["remove", "os.raw.zst"], &["it is unknown whether os.raw.zst is used: os.toml:2"]);
    fs::remove_file(home.path("profiles/os.toml")).expect("removed");
    home.does(&["remove", "os.raw.zst"], &["removed os.raw.zst"]);
    assert_eq!(home.images(), [""; 0]);
    home.ends(1, &["remove", "os.raw.zst"], &["there is no image \"os.raw.zst\""]);
    home.does(&[], &["no images in "]);
}

#[test]
fn a_name_is_taken_once_and_another_image_takes_its_place_only_when_told() {
    let home = Home::new();
    home.write("os.raw", b"an image");
    home.does(&["add", "os.raw"], &["os.raw: raw"]);
    home.write("os.raw", b"another image");
    home.ends(1, &["add", "os.raw"], &["there is already an image os.raw", "--replace"]);
    assert_eq!(home.read("images/os.raw"), b"an image");
    home.does(&["add", "os.raw", "--name", "new.raw"], &["new.raw: raw"]);
    home.does(&["add", "os.raw", "--replace"], &[&hex(b"another image")]);
    assert_eq!(
        (home.images(), home.read("images/os.raw")),
        (vec!["new.raw".into(), "os.raw".into()], b"another image".to_vec())
    );
    for name in ["../os.raw", ".hidden", ""] {
        home.ends(1, &["add", "os.raw", "--name", name], &["is not a name for an image"]);
    }
    home.ends(1, &["add", "none.raw"], &["there is no file \"none.raw\""]);
}

#[test]
fn what_is_damaged_or_no_image_is_not_taken_in() {
    let home = Home::new();
    let whole = zstd(&content());
    home.write("cut.zst", &whole[..whole.len() / 2]);
    home.write("files.zip", b"PK\x03\x04 and so on");
    home.write("sound.raw", b"an image");
    home.ends(1, &["add", "cut.zst"], &["cut.zst: it is not whole", "the file ends in the middle", ".sha256sum"]);
    home.ends(1, &["add", "files.zip"], &["files.zip: it is a zip archive", "hint: unpack it"]);
    home.ends(1, &["add", "sound.raw", "--sha256", &"0".repeat(64)], &["--sha256 says 0000", "its digest is "]);
    home.write("sound.raw.sha256sum", format!("{} *sound.raw\n", "1".repeat(64)).as_bytes());
    home.ends(1, &["add", "sound.raw"], &["sound.raw.sha256sum says 1111"]);
    assert_eq!(home.images(), [""; 0], "nor is anything left of it");
    home.write("sound.raw.sha256sum", format!("{} *sound.raw\n", hex(b"an image")).as_bytes());
    home.does(&["add", "sound.raw"], &["sound.raw: raw"]);
}

#[test]
fn of_a_list_of_many_files_the_line_of_this_image_is_compared() {
    let home = Home::new();
    home.write("sound.raw", b"an image");
    let (other, own) = ("0".repeat(64), hex(b"an image"));
    home.write("sound.raw.sha256sum", format!("{other}  other.raw\n{own}  sound.raw\n").as_bytes());
    home.does(&["add", "sound.raw"], &["sound.raw: raw", &own]);
    home.write("sound.raw.sha256sum", format!("{own}  other.raw\n{other}  sound.raw\n").as_bytes());
    home.ends(1, &["add", "sound.raw", "--replace"], &["its digest is ", "sound.raw.sha256sum says 0000"]);
}

#[test]
fn an_image_is_not_added_when_its_list_of_digests_is_of_no_use() {
    let home = Home::new();
    home.write("sound.raw", b"an image");
    let own = hex(b"an image");
    for (list, said) in [
        (format!("{own}  a.raw\n{own}  b.raw\n").into_bytes(), "it lists 2 other files and not sound.raw"),
        (b"<html>not found</html>".to_vec(), "it contains no SHA-256 digest"),
        (format!("{own}  a/sound.raw\n{}  b/sound.raw\n", "0".repeat(64)).into_bytes(), "different digests"),
    ] {
        home.write("sound.raw.sha256sum", &list);
        home.ends(1, &["add", "sound.raw"], &["sound.raw.sha256sum: ", said, "hint: "]);
        assert_eq!(home.images(), [""; 0], "nothing is left of it");
    }
    fs::remove_file(home.path("sound.raw.sha256sum")).expect("removed");
    fs::create_dir(home.path("sound.raw.sha256sum")).expect("a directory");
    home.ends(1, &["add", "sound.raw"], &["sound.raw.sha256sum: it cannot be read"]);
    assert_eq!(home.images(), [""; 0]);
}

#[test]
fn an_image_that_there_is_no_room_for_is_refused_before_a_byte_is_written() {
    let home = Home::new();
    let huge = fs::File::create(home.path("huge.raw")).expect("a file");
    huge.set_len(1 << 50).or_else(|_| huge.set_len(15 << 40)).expect("a file with holes");
    home.ends(1, &["add", "huge.raw"], &["the image and the station's copy of it need", "left", "make room"]);
    let part = fs::metadata(home.path("images/.huge.raw.part")).map_or(0, |meta| meta.len());
    assert_eq!(part, 0);
}

#[test]
fn a_download_that_breaks_off_goes_on_where_it_was() {
    let (home, image) = (Home::new(), zstd(&content()));
    let source = Source::open(&image);
    source.shelf().break_after = [100_000, 50_000].into();
    home.does(&["add", &source.url("os.raw.zst?x=y")], &["os.raw.zst: raw.zst", &hex(&image)]);
    assert_eq!(source.shelf().asked, [0, 100_000, 150_000]);
    assert!(home.read("images/os.raw.zst") == image);
}

#[test]
fn a_command_that_was_killed_goes_on_where_it_was_unless_the_source_has_changed() {
    for has_changed in [false, true] {
        let (home, image) = (Home::new(), zstd(&content()));
        let source = Source::open(&image);
        source.shelf().stall_after = Some(200_000);
        let mut command = home.begin(&["add", &source.url("os.raw.zst")]);
        until(|| fs::metadata(home.path("images/.os.raw.zst.part")).is_ok_and(|meta| meta.len() == 200_000));
        home.ends(1, &["add", &source.url("os.raw.zst")], &["os.raw.zst is being added by another command"]);
        command.kill().and_then(|()| command.wait()).expect("killed");
        assert_eq!(home.images(), [""; 0], "half an image has no name");

        source.shelf().stall_after = None;
        if has_changed {
            let other: Vec<u8> = content().iter().map(|byte| byte ^ 1).collect();
            let mut shelf = source.shelf();
            (shelf.file, shelf.tag) = (zstd(&other), "\"other\"".into());
        }
        let now = source.shelf().file.clone();
        home.does(&["add", &source.url("os.raw.zst")], &[&hex(&now)]);
        assert_eq!(source.shelf().asked, [0, 200_000]);
        assert!(home.read("images/os.raw.zst") == now);
    }
}

#[test]
fn by_https_a_source_must_be_vouched_for_by_an_authority_this_machine_believes() {
    let (home, image) = (Home::new(), zstd(&content()));
    let (key, certificate) = certificate_for_loopback();
    home.write("ca.pem", &certificate.to_pem().expect("PEM"));
    let source = Source::secure(&image, &key, &certificate);
    source.shelf().break_after = [100_000].into();
    let url = source.url("os.raw.zst");
    let unknown = finished(home.command(&["add", &url]).env("SSL_CERT_FILE", home.path("empty.toml")));
    assert_eq!(unknown.code, 1, "{}", unknown.all);
    assert!(unknown.all.contains("its certificate is not believed"), "{}", unknown.all);
    assert!(unknown.all.contains("hint: "), "{}", unknown.all);
    assert_eq!((home.images(), source.shelf().asked.len()), (Vec::<String>::new(), 0), "nothing was asked of it");

    let known = finished(home.command(&["add", &url]).env("SSL_CERT_FILE", home.path("ca.pem")));
    assert_eq!(known.code, 0, "{}", known.all);
    assert_eq!(source.shelf().asked, [0, 100_000]);
    assert!(home.read("images/os.raw.zst") == image);
}

#[test]
fn a_source_that_refuses_is_said_with_its_answer() {
    let home = Home::new();
    let source = Source::open(b"an image");
    source.shelf().status = Some("404 Not Found");
    home.ends(1, &["add", &source.url("os.raw")], &["is answered 404", "hint: check the address"]);
    source.shelf().status = Some("503 Service Unavailable");
    home.ends(1, &["add", &source.url("os.raw")], &["broke off at byte 0: it is answered 503", "goes on where it was"]);
    assert_eq!(source.shelf().asked.len(), 1 + 6);
}

#[test]
fn a_qcow2_image_becomes_a_raw_one_with_the_same_content() {
    let (home, content) = (Home::new(), content());
    home.write("disk.raw", &content);
    for (format, options) in [("qcow2", &["-c"][..]), ("vdi", &[])] {
        let file = format!("debian.{format}");
        let mut qemu_img = Command::new("qemu-img");
        qemu_img.args(["convert", "-f", "raw", "-O", format]).args(options);
        let made = qemu_img.arg(home.path("disk.raw")).arg(home.path(&file)).status();
        assert!(made.expect("qemu-img starts: apt install qemu-utils").success());
        let says = format!("it is a {} image", if format == "vdi" { "VDI" } else { format });
        home.does(&["add", &file, "--replace"], &[&says, "debian.raw.zst: raw.zst", "on the disk"]);
        let raw = zstd::decode_all(&*home.read("images/debian.raw.zst")).expect("zstd");
        assert!(raw[..content.len()] == content && raw[content.len()..].iter().all(|byte| *byte == 0));
        assert_eq!(home.images(), ["debian.raw.zst"]);
    }
    let overlay = Command::new("qemu-img")
        .args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"])
        .args([home.path("disk.raw"), home.path("overlay.qcow2")])
        .status();
    assert!(overlay.expect("qemu-img starts").success());
    home.ends(1, &["add", "overlay.qcow2"], &["overlay.qcow2 is only part of an image: it refers to other files"]);

    let mut without = home.command(&["add", "debian.qcow2", "--replace"]);
    let said = finished(without.env("PATH", "/nowhere"));
    assert!(
        said.code == 1 && said.all.contains("qemu-img, which makes a raw image of it, does not start"),
        "{}",
        said.all
    );
    assert!(said.all.contains("apt install qemu-utils"), "{}", said.all);
}

#[test]
fn an_image_or_copy_that_rots_is_found() {
    let home = Home::new();
    home.write("os.raw", b"an image");
    home.does(&["add", "os.raw"], &[]);
    let copy = home.path("blobs").join(hex(b"an image"));
    fs::remove_file(&copy).and_then(|()| fs::write(&copy, b"an imagf")).expect("rotten");
    home.ends(1, &["verify", "os.raw"], &["the station's copy of it is damaged"]);
}

// The bench ----------------------------------------------------------------------------------------------------------

/// A data directory.
struct Home(TempDir);

struct Said {
    code: i32,
    all: String,
}

impl Home {
    fn new() -> Self {
        let home = Self(TempDir::new().expect("a directory"));
        fs::create_dir(home.path("profiles")).expect("a directory");
        home.write("empty.toml", b"");
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).expect("a file");
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|err| panic!("{name}: {err}"))
    }

    /// What has a name among the images.
    fn images(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("images")).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        names
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut oxbow = Command::new(env!("CARGO_BIN_EXE_oxbow"));
        oxbow.arg("images").args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        oxbow.env("OXBOW_DATA", self.0.path()).env("OXBOW_CONFIG", self.path("empty.toml")).env("NO_PROXY", "*");
        for proxy in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            oxbow.env_remove(proxy);
        }
        oxbow
    }

    fn begin(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("oxbow starts")
    }

    #[track_caller]
    fn does(&self, arguments: &[&str], words: &[&str]) {
        self.ends(0, arguments, words);
    }

    #[track_caller]
    fn ends(&self, code: i32, arguments: &[&str], words: &[&str]) {
        let said = finished(&mut self.command(arguments));
        assert_eq!(said.code, code, "{arguments:?}: {}", said.all);
        for word in words {
            assert!(said.all.contains(word), "{word:?} is not in: {}", said.all);
        }
    }
}

fn finished(command: &mut Command) -> Said {
    let Output { status, stdout, stderr } = command.output().expect("oxbow starts");
    let all = String::from_utf8([stdout, stderr].concat()).expect("UTF-8");
    Said { code: status.code().unwrap_or(-1), all }
}

/// Three megabytes of which zstd leaves some.
fn content() -> Vec<u8> {
    (0..750_000_u32).flat_map(|number| (number.wrapping_mul(2_654_435_761) >> 9).to_le_bytes()).collect()
}

fn zstd(content: &[u8]) -> Vec<u8> {
    zstd::encode_all(content, 1).expect("packed")
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A certificate for 127.0.0.1 that is its own authority.
fn certificate_for_loopback() -> (PKey<Private>, X509) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
    let key = PKey::from_ec_key(EcKey::generate(&group).expect("a key")).expect("a key");
    let mut name = X509Name::builder().expect("a name");
    name.append_entry_by_text("CN", "a source of images").expect("a name");
    let name = name.build();
    let mut certificate = X509::builder().expect("a certificate");
    certificate.set_version(2).expect("X.509 v3");
    certificate.set_subject_name(&name).and_then(|()| certificate.set_issuer_name(&name)).expect("a name");
    certificate.set_pubkey(&key).expect("a key");
    let (from, to) = (Asn1Time::days_from_now(0).expect("today"), Asn1Time::days_from_now(2).expect("later"));
    certificate.set_not_before(&from).and_then(|()| certificate.set_not_after(&to)).expect("times");
    let loopback = SubjectAlternativeName::new().ip("127.0.0.1").build(&certificate.x509v3_context(None, None));
    certificate.append_extension(loopback.expect("a name")).expect("a name");
    certificate.sign(&key, MessageDigest::sha256()).expect("signed");
    (key, certificate.build())
}

fn until(condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(60), "waited for too long");
        thread::sleep(Duration::from_millis(10));
    }
}
