use super::*;
use crate::domain::profile::{Install, filled, sample::Sample};

fn complaints(text: &str) -> Vec<String> {
    parse("demo.toml", text).expect_err("it is wrong").iter().map(ToString::to_string).collect()
}

#[test]
fn the_least_profile_is_a_schema_and_an_image() {
    let profile = parse("emt-s.toml", "schema = 1\nimage = \"edge.raw.gz\"\n").expect("a profile");
    let image = profile.image().expect("it writes one");
    assert_eq!((profile.id.as_str(), profile.title.as_str(), image.file.as_str()), ("emt-s", "emt-s", "edge.raw.gz"));
    assert_eq!((profile.architecture, profile.after), (Architecture::X86_64, After::Reboot));
}

#[test]
fn misspelt_keys_are_all_named_with_their_lines_and_what_was_meant() {
    let said = complaints(
        "schema = 1\nimagee = \"edge.raw.gz\"\nsecureboot = true\nfoo = 1\n[disk]\npikc = \"only\"\n[[file]]\nmod = \"1\"\n",
    );
    assert_eq!(
        said,
        [
            "demo.toml:2: there is no key \"imagee\"\nhint: did you mean \"image\"?",
            "demo.toml:3: there is no key \"secureboot\"\nhint: did you mean \"secure_boot\"?",
            "demo.toml:4: there is no key \"foo\"\nhint: compare it with the explained profiles/demo.toml",
            "demo.toml:6: there is no key \"pikc\" in [disk]\nhint: did you mean \"pick\"?",
            "demo.toml:8: there is no key \"mod\" in [file]\nhint: did you mean \"mode\"?",
        ]
    );
}

#[test]
fn secure_boot_by_https_alone_is_refused_and_never_done_by_http() {
    let said = complaints("schema = 1\nimage = \"edge.raw.gz\"\nhttps = true\nsecure_boot = true\n");
    assert!(said.len() == 1 && said[0].starts_with("demo.toml:4: secure_boot and https exclude"), "{said:?}");
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let said = complaints("schema = 9\nimage = \"../etc/passwd\"\nsha256 = \"12\"\n[disk]\ntransport = []\n");
    assert_eq!(said.len(), 4, "{said:?}");
}

#[test]
fn an_image_may_be_named_by_its_url_and_who_misses_it_is_told_how_to_fetch_it() {
    let url = "https://example.org/3.1/edge.raw.gz?mirror=2";
    let profile = parse("emt-s.toml", &format!("schema = 1\nimage = \"{url}\"\n")).expect("a profile");
    assert_eq!(profile.image().expect("it writes one").file, "edge.raw.gz");
    assert_eq!(profile.source, Some(format!("`oxbow images add {url}`")));
    let said = complaints("schema = 1\nimage = \"https://example.org/\"\n");
    assert!(said[0].starts_with("demo.toml:2: image \"\" is not a file name"), "{said:?}");
}

#[test]
fn an_image_and_an_installer_exclude_each_other_and_one_is_needed() {
    let installer = "[installer]\nkernel = \"linux\"\ninitrd = \"initrd.gz\"\n";
    let both = complaints(&format!("schema = 1\nimage = \"a\"\n{installer}"));
    assert!(both[0].starts_with("demo.toml:3: it has an image and an [installer]"), "{both:?}");
    let none = complaints("schema = 1\n");
    assert!(none[0].starts_with("demo.toml: it has neither an image nor an [installer]"), "{none:?}");
    let mixed =
        complaints(&format!("schema = 1\nkernel_args = [\"quiet\"]\nafter = \"wait\"\nhttps = true\n{installer}"));
    assert_eq!(mixed.len(), 3, "{mixed:?}");
    assert!(mixed[0].starts_with("demo.toml:2: kernel_args is for images"), "{mixed:?}");
}

#[test]
fn an_image_for_arm_is_refused_as_nothing_could_write_it() {
    let said = complaints("schema = 1\nimage = \"a\"\narchitecture = \"aarch64\"\n");
    assert!(said[0].starts_with("demo.toml:3: images are written by the install system"), "{said:?}");
}

const INSTALLER: &str = r#"
schema = 1
[installer]
kernel = "linux"
initrd = ["initrd.gz", "firmware.cpio"]
arguments = ["auto", "url={{ run.answers }}"]
answers = "demo/preseed.cfg"
[[file]]
path = "/etc/motd"
mode = "0600"
owner = "root"
content = """
This is {{ node.name }}
of {{ node.metadata["Cost centre"] }}.
"""
[cloud_init]
user_data = "demo/user-data"
"#;

fn beside(name: &str) -> Result<String, String> {
    match name {
        "demo/preseed.cfg" => Ok("d-i netcfg/hostname string {{ node.hostname or node.name }}\n".into()),
        "demo/user-data" => Ok("#cloud-config\n{% if node.site %}\n# {{ node.site }}\n{% endif %}\n".into()),
        _ => Err("no such file".into()),
    }
}

#[test]
fn an_installer_has_its_files_arguments_and_answers() {
    let profile = read("demo.toml", INSTALLER, &beside).expect("a profile");
    let Install::Installer(installer) = &profile.install else { panic!("{profile:?}") };
    assert_eq!(installer.boot_files().collect::<Vec<_>>(), ["linux", "initrd.gz", "firmware.cpio"]);
    assert_eq!((profile.files[0].mode, profile.files[0].owner.as_str()), (0o600, "root"));
    let sample = Sample::default();
    let values = filled::values(sample.occasion(&profile));
    let filled: Vec<String> = filled::templates(&profile)
        .into_iter()
        .map(|template| filled::fill(template, &values).expect("it was tried"))
        .collect();
    let run = "5a".repeat(16);
    assert_eq!(filled[1], format!("url=http://10.77.0.1/r/{run}/answers"));
    assert_eq!(filled[2], "d-i netcfg/hostname string sample\n");
    assert_eq!(filled[3], "This is sample\nof sample.\n");
    assert_eq!(filled[4], "#cloud-config\n# sample\n");
}

#[test]
fn a_template_that_is_not_there_or_outside_is_said_with_its_line() {
    let text = INSTALLER.replace("demo/preseed.cfg", "preseed").replace("demo/user-data", "../passwd");
    let said: Vec<String> =
        read("demo.toml", &text, &beside).expect_err("wrong").iter().map(Diagnostic::place_and_what).collect();
    assert_eq!(
        said,
        [
            "demo.toml:7: the template preseed cannot be read: no such file",
            "demo.toml:17: \"../passwd\" is no file beside the profile",
        ]
    );
}

#[test]
fn names_that_mean_nothing_are_said_wherever_they_stand() {
    let text = INSTALLER
        .replace("run.answers", "run.answer")
        .replace("node.name }}", "node.nmae }}\n{% if false %}{{ nodes.name }}{% endif %}");
    let said: Vec<String> =
        read("demo.toml", &text, &beside).expect_err("wrong").iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "demo.toml:6: nothing is called run.answer\nhint: did you mean run.answers?",
            "demo.toml:13: nothing is called node.nmae\nhint: did you mean node.name?",
            "demo.toml:14: nothing is called nodes.name\nhint: did you mean node?",
        ]
    );
}

#[test]
fn a_template_with_a_mistake_in_its_language_is_said_with_its_line() {
    let broken = |name: &str| match name {
        "demo/user-data" => Ok("#cloud-config\n\n{% if node.site %}\n".into()),
        name => beside(name),
    };
    let said = read("demo.toml", INSTALLER, &broken).expect_err("wrong");
    assert_eq!((said[0].file.as_str(), said[0].line.is_some()), ("demo/user-data", true), "{said:?}");
}

#[test]
fn what_is_not_known_of_a_node_is_never_written_as_if_it_were() {
    let profile = read("demo.toml", INSTALLER, &beside).expect("a profile");
    let sample = Sample::default();
    let mut node = crate::domain::node::Node::new(crate::domain::ids::NodeId(7), Default::default());
    node.metadata = [("cost CENTRE".to_owned(), "4711".to_owned())].into();
    let known = filled::Occasion { node: &node, ..sample.occasion(&profile) };
    assert_eq!(filled::unfilled(known), [], "the host name has a replacement, the site is asked for");
    let nothing = crate::domain::node::Node::new(crate::domain::ids::NodeId(7), Default::default());
    let unknown = filled::Occasion { node: &nothing, ..sample.occasion(&profile) };
    let said: Vec<String> = filled::unfilled(unknown).iter().map(ToString::to_string).collect();
    assert_eq!(said, ["demo.toml:14: node.metadata[\"Cost centre\"] is not known of this node"]);
}

#[test]
fn files_say_where_they_belong_whose_they_are_and_what_is_in_them() {
    let said = complaints(
        "schema = 1\nimage = \"a\"\n[[file]]\npath = \"etc/motd\"\nmode = \"rw\"\nowner = \"root root\"\ncontent = \"\"\n\
         [[file]]\npath = \"/a\"\n",
    );
    let said: Vec<&str> = said.iter().map(|said| said.lines().next().unwrap_or_default()).collect();
    assert_eq!(
        said,
        [
            "demo.toml:4: path \"etc/motd\" does not say where the file belongs",
            "demo.toml:5: the mode is not octal",
            "demo.toml:6: owner \"root root\" is neither user nor user:group",
            "demo.toml:9: /a has neither a template nor content, or both",
        ]
    );
}

#[test]
fn every_key_is_explained_in_a_shipped_profile() {
    let shipped =
        [include_str!("../../../profiles/demo.toml"), include_str!("../../../profiles/debian-installer.toml")];
    let is_written = |key: &str| {
        let mut lines = shipped.iter().flat_map(|text| text.lines()).map(|line| line.trim_start_matches("# "));
        let heads = [format!("{key} = "), format!("[{key}]"), format!("[[{key}]]")];
        lines.any(|line| heads.iter().any(|head| line.starts_with(head.as_str())))
    };
    let missing: Vec<_> = keys::all().into_iter().filter(|key| !is_written(key) && *key != "template").collect();
    assert_eq!(missing, [""; 0], "say what it means in profiles/demo.toml");
}

proptest::proptest! {
    #[test]
    fn no_text_is_a_fault(text in "[\\[\\]{}=.\"'#%_\\- \na-z0]{0,80}", template in "[{}%#|.()'\" a-z0-9]{0,60}") {
        let _says_why = parse("a.toml", &text);
        let text = "schema = 1\nimage = \"a\"\n[cloud_init]\nuser_data = \"t\"\n";
        let _says_why_too = read("a.toml", text, &|_| Ok(template.clone()));
    }
}
