//! OS profiles at the command line, and those that are shipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A bench on which no station runs.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(TempDir::new().expect("a directory"));
        home.write("empty.toml", b"");
        home
    }

    fn write(&self, name: &str, content: &[u8]) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("below")).and_then(|()| fs::write(path, content)).expect("a file");
    }

    /// `oxbow profiles` with these arguments: its status, what it printed, and what it complained of.
    fn profiles(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut oxbow = Command::new(env!("CARGO_BIN_EXE_oxbow"));
        oxbow.arg("profiles").args(arguments);
        oxbow.env("OXBOW_DATA", self.0.path()).env("OXBOW_CONFIG", self.0.path().join("empty.toml"));
        let Output { status, stdout, stderr } =
            oxbow.current_dir(self.0.path()).stdin(Stdio::null()).output().expect("oxbow starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&self.0.path().display().to_string(), "DATA");
        (status.code(), text(&stdout), text(&stderr))
    }
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles")
}

const SHIPPED: [&str; 5] = ["debian-installer", "demo", "emt-s", "emt-s-dv", "raw"];

#[test]
fn every_shipped_profile_is_explained_and_can_be_used_where_its_files_are() {
    let home = Home::new();
    for image in ["demo.raw.gz", "edge-readonly.raw.gz", "edge-readonly-dv.raw.gz", "disk.img"] {
        home.write(&format!("images/{image}"), b"an image");
    }
    for file in ["debian-linux", "debian-initrd.gz"] {
        home.write(&format!("images/{file}"), b"an installer");
    }
    let directory = shipped();
    let (status, said, wrong) = home.profiles(&["check", directory.to_str().expect("a path")]);
    assert_eq!((status, wrong.as_str()), (Some(0), ""));
    assert_eq!(said, format!("these profiles can be used: {}\n", SHIPPED.join(", ")));
    for name in SHIPPED {
        let text = fs::read_to_string(directory.join(format!("{name}.toml"))).expect("readable");
        assert!(text.lines().filter(|line| line.starts_with('#')).count() >= 3, "{name} explains itself");
    }
}

#[test]
fn an_image_that_nobody_can_ship_is_missed_with_where_it_comes_from() {
    let (status, _, wrong) = Home::new().profiles(&["check", shipped().to_str().expect("a path")]);
    assert_eq!(status, Some(1));
    for said in [
        "oxbow: emt-s.toml:19: there is no image edge-readonly.raw.gz in DATA/images\nhint: it comes from: Intel's file server",
        "oxbow: debian-installer.toml:22: there is no file debian-linux in DATA/images\nhint: it comes from: a Debian mirror",
        "6 problems in ",
    ] {
        assert!(wrong.contains(said), "{said:?} is not in: {wrong}");
    }
}

#[test]
fn everything_wrong_with_all_profiles_is_said_at_once_with_its_line() {
    let home = Home::new();
    home.write("images/good.raw", b"an image");
    home.write("images/listed.raw", b"an image");
    home.write("images/listed.raw.sha256sum", format!("{}  listed.raw\n", "0".repeat(64)).as_bytes());
    home.write("profiles/good.toml", b"schema = 1\nimage = \"good.raw\"\n");
    home.write("profiles/listed.toml", b"schema = 1\n\nimage = \"listed.raw\"\n");
    home.write("profiles/misspelt.toml", b"schema = 1\nimagee = \"good.raw\"\n");
    home.write(
        "profiles/template.toml",
        b"schema = 1\nimage = \"good.raw\"\n[cloud_init]\nuser_data = \"user-data\"\n",
    );
    home.write("profiles/user-data", b"#cloud-config\nhostname: {{ node.host }}\n");
    let (status, said, wrong) = home.profiles(&["check"]);
    assert_eq!((status, said.as_str()), (Some(1), ""));
    let digest = "a5df3fde";
    assert_eq!(
        wrong,
        format!(
            "reading listed.raw\n\
             oxbow: misspelt.toml:2: there is no key \"imagee\"\nhint: did you mean \"image\"?\n\
             oxbow: user-data:2: nothing is called node.host\nhint: did you mean node.hostname?\n\
             oxbow: listed.toml:3: listed.raw has digest {digest}…, listed.raw.sha256sum says 00000000…\n\
             hint: copy it there (again), or correct the profile\n\
             3 problems in DATA/profiles\n"
        )
    );
}

#[test]
fn the_list_says_what_each_profile_installs_and_what_it_misses() {
    let home = Home::new();
    home.write(
        "profiles/os.toml",
        b"schema = 1\ntitle = \"An OS\"\nimage = \"os.raw\"\naliases = [\"os-1\"]\nfirmware = \"uefi\"\n",
    );
    let (status, said, wrong) = home.profiles(&[]);
    assert_eq!((status, wrong.as_str()), (Some(0), ""));
    for words in [
        "os                   An OS\n",
        "writes an image, x86_64 machines, UEFI\n",
        "os.raw: not in DATA/images\n",
        "also called os-1\n",
    ] {
        assert!(said.contains(words), "{words:?} is not in: {said}");
    }
}

#[test]
fn the_list_marks_the_profile_that_machines_get_which_nobody_registered() {
    let home = Home::new();
    home.write("profiles/one.toml", b"schema = 1\ntitle = \"One\"\nimage = \"os.raw\"\n");
    home.write("profiles/two.toml", b"schema = 1\ntitle = \"Two\"\nimage = \"os.raw\"\n");
    home.write("empty.toml", b"default_profile = \"two\"\n");
    let marked =
        |said: &str| said.lines().filter(|line| line.contains("(default)")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(marked(&home.profiles(&[]).1), ["two                  Two (default)"]);
    let (_, said, _) = home.profiles(&["list", "--default-profile", "one"]);
    assert_eq!(marked(&said), ["one                  One (default)"]);
    let (status, said, wrong) = home.profiles(&["--default-profile", "three"]);
    assert_eq!((status, marked(&said)), (Some(1), Vec::new()));
    assert!(wrong.contains("there is no usable profile three, which is the default"), "{wrong}");
}

#[test]
fn a_bench_without_profiles_says_what_to_do() {
    let home = Home::new();
    fs::create_dir(home.0.path().join("profiles")).expect("a directory");
    let (status, _, wrong) = home.profiles(&["check"]);
    assert_eq!(status, Some(1));
    assert!(wrong.starts_with("oxbow: DATA/profiles: there is no profile in it\nhint: copy one"), "{wrong}");
}

const YAML: &str = "appVersion: apps/v1\nmetadata:\n  standalone-node: \"true\"\nspec:\n  name: \"Standalone\"\n  \
    type: \"OS_TYPE_IMMUTABLE\"\n  architecture: \"x86_64\"\n  profileName: \"microvisor-standalone\"\n  \
    osImageUrl: \"non_rt/edge-readonly-3.0.raw.gz\"\n  colour: \"blue\"\n";

#[test]
fn a_profile_of_edge_infrastructure_manager_is_imported_and_unknown_keys_are_named() {
    let home = Home::new();
    home.write("standalone.yaml", YAML.as_bytes());
    let (status, said, wrong) = home.profiles(&["import", "standalone.yaml"]);
    assert_eq!((status, said.as_str()), (Some(0), "wrote DATA/profiles/microvisor-standalone.toml\n"), "{wrong}");
    assert!(wrong.contains("standalone.yaml:10: the key \"colour\" means nothing to oxbow"), "{wrong}");
    home.write("images/edge-readonly-3.0.raw.gz", b"an image");
    assert_eq!(home.profiles(&["check"]).0, Some(0));
    let (status, _, wrong) = home.profiles(&["import", "standalone.yaml"]);
    assert_eq!(status, Some(1));
    assert!(wrong.contains("there is a profile microvisor-standalone already\nhint: --force replaces it"), "{wrong}");
    assert_eq!(home.profiles(&["import", "--force", "standalone.yaml"]).0, Some(0));
}

#[test]
fn a_config_file_becomes_user_data_and_its_password_is_kept_as_a_hash_alone() {
    let home = Home::new();
    home.write("standalone.yaml", YAML.as_bytes());
    let settings = "ssh_key=\"ssh-ed25519 AAAA\"\nhttp_proxy=\"http://p:911\"\nstatic_ip=10.0.0.7\n";
    home.write("config-file", format!("user_name=\"operator\"\n{settings}").as_bytes());
    home.write("secret", b"correct horse battery\n");
    let files = ["import", "standalone.yaml", "config-file", "--password-file", "secret"];
    let (status, said, wrong) = home.profiles(&[&files[..], &["--user-apps", "user-apps.tar.gz"]].concat());
    assert_eq!(status, Some(0), "{wrong}");
    assert!(said.contains("wrote DATA/profiles/microvisor-standalone/user-data\n"), "{said}");
    let read = |name: &str| fs::read_to_string(home.0.path().join("profiles").join(name)).expect("a file");
    let data = read("microvisor-standalone/user-data");
    assert!(data.contains("- name: \"operator\"") && data.contains("http_proxy=http://p:911"), "{data}");
    assert!(data.contains("passwd: \"$6$") && !data.contains("horse"), "{data}");
    assert!(
        read("microvisor-standalone.toml").contains("[cloud_init]\nuser_data = \"microvisor-standalone/user-data\"\n")
    );
    let profile = read("microvisor-standalone.toml");
    assert!(profile.contains("[configure]\ncloud_init = \"emt\"\n"), "{profile}");
    let copy = "path = \"/etc/cloud/config-file\"\nmode = \"0600\"\ntemplate = \"microvisor-standalone/config-file\"\n";
    assert!(profile.contains(copy), "{profile}");
    assert!(read("microvisor-standalone/config-file").starts_with("user_name=\"operator\"\n"));
    let apps = "volume = \"edge_persistent\"\npath = \"/user-apps\"\nfile = \"user-apps.tar.gz\"\n";
    let network = "[system.network]\naddress = \"{{ node.metadata['StaticIP'] }}/24\"\n";
    assert!(profile.contains(apps) && profile.contains(network), "{profile}");
    home.write("images/edge-readonly-3.0.raw.gz", b"an image");
    home.write("images/user-apps.tar.gz", b"an archive");
    assert_eq!(home.profiles(&["check"]).0, Some(0));

    let (status, _, wrong) = home.profiles(&["import", "config-file", "--to", "microvisor-standalone"]);
    assert_eq!(status, Some(1));
    assert!(wrong.contains("has user data already"), "{wrong}");
    let (status, _, wrong) = home.profiles(&["import", "config-file"]);
    assert_eq!(status, Some(1));
    assert!(
        wrong.contains("config-file does not say which profile it is for\nhint: name the profile with --to"),
        "{wrong}"
    );
}

#[test]
fn a_shipped_profile_takes_the_addresses_of_a_config_file_in_place_of_dhcp() {
    let home = Home::new();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/emt-s.toml");
    home.write("profiles/emt-s.toml", &fs::read(shipped).expect("a profile"));
    home.write("config-file", b"user_name=operator\nstatic_ip=10.0.0.7\nsubnet_mask=255.255.0.0\n");
    home.write("images/edge-readonly.raw.gz", b"an image");
    assert_eq!(home.profiles(&["import", "config-file", "--to", "emt-s"]).0, Some(0));
    let profile = fs::read_to_string(home.0.path().join("profiles/emt-s.toml")).expect("a profile");
    let network = "[system.network]\naddress = \"{{ node.metadata['StaticIP'] }}/16\"\n";
    assert!(profile.contains(network) && !profile.contains("dhcp = true"), "{profile}");
    assert_eq!(home.profiles(&["check"]).0, Some(0));
}

#[test]
fn nothing_is_written_where_one_of_several_files_is_wrong() {
    let home = Home::new();
    home.write("good.yaml", YAML.as_bytes());
    home.write("bad.yaml", b"spec:\n  profileName: x\n");
    let (status, said, wrong) = home.profiles(&["import", "good.yaml", "bad.yaml", "none.yaml"]);
    assert_eq!((status, said.as_str()), (Some(1), ""));
    assert!(wrong.contains("bad.yaml:1: it has no osImageUrl") && wrong.contains("cannot read none.yaml"), "{wrong}");
    assert!(!home.0.path().join("profiles").exists());
}
